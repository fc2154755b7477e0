"""Generate: let the model write, and see how likely each symbol was."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes.generate_options import LARGEST_SEED, OPTIONS, WEIGHTS_HELP, Option
from rnn_tui.app.panes.words import GENERATE_HELP
from rnn_tui.app.widgets.bars import Bar, Bars, quoted
from rnn_tui.app.widgets.field import LONGEST, Field
from rnn_tui.app.widgets.heatmap import legend
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.app.widgets.written import Written
from rnn_tui.lab import Asked, Write
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import Phase, Status, Writing


class GeneratePane(Pane):
    """A prompt, how to go on from it, and the text while it is written."""

    PANE: ClassVar[str] = "generate"
    TITLE: ClassVar[str] = "Generate"
    HELP: ClassVar[str] = GENERATE_HELP
    DEFAULT_CSS = """
    GeneratePane { layout: vertical; overflow: hidden hidden; }
    GeneratePane Painted { height: 1; }
    GeneratePane #prompt { height: 1; }
    GeneratePane #prompt Painted { width: 1fr; }
    GeneratePane #prompt .label { width: 9; }
    GeneratePane #body { height: 1fr; layout: vertical; }
    GeneratePane #side { height: 7; width: 100%; }
    GeneratePane #side #options { height: 7; }
    GeneratePane #side Bars { height: 1fr; display: none; }
    GeneratePane #text { height: 1fr; width: 1fr; }
    GeneratePane #foot { height: 2; }
    GeneratePane.-wide #body { layout: horizontal; }
    GeneratePane.-wide #side { width: 44; height: 1fr; }
    GeneratePane.-wide #side #options { height: 10; }
    GeneratePane.-wide #side Bars { display: block; }
    GeneratePane.-wide #foot { height: 1; }
    GeneratePane.-small #side { height: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.prompt = ""
        self.values: dict[str, float] = {option.name: option.default for option in OPTIONS}
        self.best = False
        self.chosen = 0
        """Index of the option that left and right change; the last is the weights."""
        self.probabilities = False
        self.question: Asked | None = None
        self.writing: Writing | None = None
        self.trouble = ""
        self._session = ""
        self._now = -1
        self._dirty = True
        self._drawn_at = 0.0
        self._header = Painted()
        self._label = Painted(classes="label")
        self._line = Painted()
        self._field = Field(lines=True)
        self._options = Painted(id="options")
        self._candidates = Bars()
        self._text = Written(id="text")
        self._foot = Painted(id="foot")

    def compose(self) -> ComposeResult:
        yield self._header
        yield Horizontal(self._label, self._line, self._field, id="prompt")
        yield Horizontal(
            Vertical(self._options, self._candidates, id="side"),
            self._text,
            id="body",
        )
        yield self._foot

    def on_mount(self) -> None:
        self._field.display = False
        self._foot.display = False

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 110, "-wide")
        self.set_class(self.size.height < 14 and self.size.width < 110, "-small")
        self._redraw()

    def _redraw(self) -> None:
        # The children have their new sizes once the layout is done.
        self._dirty = True
        self.call_after_refresh(self.draw)

    @property
    def has_network(self) -> bool:
        """Whether there is a model that can write."""
        status = self.lab.status
        return status.config is not None and status.phase not in (Phase.EMPTY, Phase.LOADING)

    @property
    def busy(self) -> bool:
        """Whether it is writing."""
        return self.question is not None

    def shown(self) -> None:
        self._dirty = True
        self.tick(self.lab.status)

    def tick(self, status: Status) -> None:
        if status.session != self._session:
            if self._session:
                self._stop()
                self.writing = None
            self._session = status.session
            self._dirty = True
        asked = self.question
        if asked is not None:
            done = asked.done
            newest = asked.newest
            if isinstance(newest, Writing) and newest is not self.writing:
                self.writing = newest
                self._dirty = True
            if done:
                self.question = None
                self.trouble = asked.error
                self._dirty = True
                self.host.keys_changed()
        if status.step != self._now and self.writing is None:
            self._now = status.step
            self._dirty = True
        # Colours cost many bytes: while it writes they are drawn as seldom as a plot.
        rested = time.monotonic() - self._drawn_at >= self.host.plot_period
        if self._dirty and (rested or not (self.busy and self.probabilities)):
            self.draw()

    # Drawing.

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""
        self._dirty = False
        self._drawn_at = time.monotonic()
        if not self.is_mounted or not self.size.height:
            return
        width, writing = self.size.width, self.writing
        foot = self.probabilities and writing is not None and len(writing.probability) > 0
        if self._foot.display != foot:
            # The text gets its new height first: coloured twice, it would be sent twice.
            self._foot.display = foot
            self._redraw()
            return
        self._header.paint([self._headline(width)])
        self._label.paint([((" Prompt  ", "label"),)])
        self._line.paint([self._prompt_line()])
        self._options.paint(self._option_rows())
        p = writing.probability if writing is not None and self.probabilities else None
        if writing is not None:
            self._text.show(writing.prompt, writing.text, p, growing=self.busy)
        else:
            self._text.paint(self._hints(self._text.size.width))
        if foot and writing is not None:
            self._foot.paint(self._footing(writing, width))
        if self.has_class("-wide"):
            self._draw_candidates()

    def _headline(self, width: int) -> Spans:
        writing, status = self.writing, self.lab.status
        if self.trouble:
            return ((f" {fit(clean_line(self.trouble), width - 2)}", "bad"),)
        if self.question is not None and writing is None:
            return ((fit(" reading the prompt, enter stops", width), "quiet"),)
        if writing is None:
            if not self.has_network:
                return ()
            untrained = ", untrained" if status.step == 0 else ""
            return ((fit(f" weights of step {status.step:,}{untrained}", width), "quiet"),)
        rate = len(writing.text) / writing.seconds if writing.seconds > 0 else 0.0
        count = f" {len(writing.text):,} of {writing.length:,} symbols"
        if self.question is not None:
            count = f" writing{count}, enter stops"
        told = f"  weights of step {writing.step:,}  seed {writing.seed}  {rate:,.0f}/s"
        if writing.dropped:
            told += f"  {writing.dropped} symbols of the prompt are not in its vocabulary"
        return ((fit(count, width), "mark"), (fit(told, max(width - len(count), 0)), "quiet"))

    def _prompt_line(self) -> Spans:
        if not self.prompt:
            told = "none, it begins at h_0; i types one"
            return ((fit(told, max(self._line.size.width - 1, 1)), "dim"),)
        line = "".join(" " if c == " " else sign(c) for c in self.prompt)
        return ((fit(line, max(self._line.size.width - 1, 1), tail=True), "value"),)

    def _shown(self, option: Option) -> tuple[str, str]:
        """The value as it is read, and what it means where that is not plain."""
        value = self.values[option.name]
        if option.name == "temperature":
            return f"{value:.1f}", "always the likeliest" if value == 0 else ""
        if option.name == "top_k":
            return f"{int(value)}", "all" if value == 0 else ""
        if option.name == "top_p":
            return f"{value:.2f}", "all" if value == 1 else ""
        return f"{int(value):,}" if option.name == "length" else f"{int(value)}", ""

    def _option_rows(self) -> list[Spans]:
        rows: list[Spans] = []
        width = self._options.size.width
        for k, option in enumerate(OPTIONS):
            value, means = self._shown(option)
            rows.append(self._option_row(k, option.label, value, means))
        rows.append(self._option_row(len(OPTIONS), "Weights", "best" if self._best_used else "newest", ""))
        help_of = OPTIONS[self.chosen].help if self.chosen < len(OPTIONS) else WEIGHTS_HELP
        if self.has_class("-small"):
            return [rows[self.chosen]]
        if self.has_class("-wide"):
            return [*rows, *(((f" {line}", "dim"),) for line in wrap(help_of, max(width - 2, 10))[:3])]
        return [*rows, ((fit(f" {help_of}", width), "dim"),)]

    def _option_row(self, k: int, label: str, value: str, means: str) -> Spans:
        chosen = k == self.chosen
        left, right = ("<", ">") if self.host.ascii_only else ("\u2039", "\u203a")
        name = f"{'>' if chosen else ' '}{label:<12}"
        shown = f"{left} {value} {right}" if chosen else f"  {value}  "
        return ((name, "mark" if chosen else "label"), (shown, "key" if chosen else "value"), (f" {means}", "dim"))

    @property
    def _best_used(self) -> bool:
        return self.best and self.lab.status.has_best

    def _hints(self, width: int) -> list[Spans]:
        status = self.lab.status
        if status.phase is Phase.LOADING:
            return [(), ((fit(f" {clean_line(status.doing or 'loading')} ...", width), "quiet"),)]
        if not self.has_network:
            text = "There is no network yet, so nothing can write. space trains the one that Build describes; " \
                   "come back with 5, also while it trains."  # fmt: skip
        elif self.question is not None:
            return []
        elif status.step == 0:
            text = "enter lets it write. Untrained, it finds every symbol about equally likely; space trains it."
        else:
            text = "enter lets it write."
        return [(), *(((f" {line}", "value"),) for line in wrap(text, max(width - 2, 10)))]

    def _footing(self, writing: Writing, width: int) -> list[Spans]:
        p = writing.probability
        mean = float(-np.log2(np.maximum(p.astype(np.float64), 1e-300)).mean())
        ascii_only = self.host.ascii_only
        scale = legend("surprise", 1.0, True, ascii_only)
        told = f"   mean {mean:.2f} bits, perplexity {2 ** min(mean, 1000):.2f}"
        first: Spans = ((" cost ", "quiet"), *scale, (told, "value"))
        second = ""
        if writing.top and writing.text:
            last = len(writing.top) - 1
            second = f" last {quoted(writing.text[last])} {p[last]:.2f}, of" + "".join(
                f"  {quoted(symbol)} {chance:.2f}" for symbol, chance in writing.top[last][:6]
            )
        return [first, ((fit(second, width), "quiet"),)]

    def _draw_candidates(self) -> None:
        writing = self.writing
        if writing is None or not writing.top or not self.probabilities:
            self._candidates.paint([])
            return
        last = len(writing.top) - 1
        symbol = writing.text[last]
        bars = [
            Bar(quoted(each), chance, note="written" if each == symbol else "", strong=each == symbol)
            for each, chance in writing.top[last]
        ]
        self._candidates.show(((f" symbol {last + 1:,} was drawn from", "heading"),), bars, (), self.host.ascii_only)

    # What a person does.

    def allows(self, action: str) -> bool:
        if not super().allows(action):
            return False
        if action in ("write", "again"):
            return self.has_network or self.busy
        return True

    def label_of(self, action: str) -> str:
        return "stop" if action == "write" and self.busy else ""

    def do_prompt(self) -> None:
        self._line.display = False
        self._field.display = True
        self.open_field(self._field, self.prompt)

    def accept(self) -> None:
        self.prompt = self._field.value
        self._close()

    def escape(self) -> bool:
        if self.editing:
            super().escape()
            self._close()
            return True
        return False

    def _close(self) -> None:
        self.close_field()
        self._field.display = False
        self._line.display = True
        self._redraw()

    def pasted(self, text: str) -> bool:
        self.take_prompt(text)
        return True

    def take_prompt(self, text: str) -> None:
        """Go on from a text; enter writes."""
        if len(text) > LONGEST:
            self.host.say(f"the prompt has {len(text):,} symbols; its last {LONGEST:,} are taken")
        self._stop()
        self.prompt = text[-LONGEST:]
        self.writing = None
        self.trouble = ""
        self._redraw()

    def do_up(self) -> None:
        self._choose(-1)

    def do_down(self) -> None:
        self._choose(1)

    def _choose(self, by: int) -> None:
        last = len(OPTIONS) if self.lab.status.has_best else len(OPTIONS) - 1
        self.chosen = min(max(self.chosen + by, 0), last)
        self.draw()

    def do_left(self) -> None:
        self._change(-1)

    def do_right(self) -> None:
        self._change(1)

    def _change(self, by: int) -> None:
        if self.chosen >= len(OPTIONS):
            self.best = by > 0
        else:
            option = OPTIONS[self.chosen]
            value = self.values[option.name]
            new = min(max(value + by, 0.0), LARGEST_SEED) if option.name == "seed" else option.step(value, by)
            if option.name == "top_k":
                data = self.lab.data
                new = min(new, data.vocabulary if data else new)
            self.values[option.name] = new
        self.draw()

    def do_write(self) -> None:
        if self.busy:
            self._stop()
        else:
            self._write()
        self.host.keys_changed()
        self.draw()

    def do_again(self) -> None:
        self._stop()
        self.values["seed"] = float((int(self.values["seed"]) + 1) % (LARGEST_SEED + 1))
        self._write()
        self.host.keys_changed()
        self.draw()

    def do_probabilities(self) -> None:
        self.probabilities = not self.probabilities
        self._redraw()

    def _write(self) -> None:
        self.trouble = ""
        self.writing = None
        self.question = self.lab.ask(
            Write(
                prompt=self.prompt,
                length=int(self.values["length"]),
                temperature=self.values["temperature"],
                top_k=int(self.values["top_k"]),
                top_p=self.values["top_p"],
                seed=int(self.values["seed"]),
                best=self._best_used,
            )
        )

    def _stop(self) -> None:
        """Stop at once; what is written so far stays."""
        if self.question is not None:
            self.question.cancel()
            newest = self.question.newest
            if isinstance(newest, Writing):
                self.writing = newest
            self.question = None
            self._dirty = True

    def copy_text(self) -> str:
        return self.writing.prompt + self.writing.text if self.writing is not None else self.prompt

    def help_values(self) -> dict[str, str]:
        values = {option.label.lower(): self._shown(option)[0] for option in OPTIONS}
        if self.writing is not None and len(self.writing.probability):
            values["probability"] = f"{float(self.writing.probability[-1]):.3f}, the last symbol's"
        return values

    def state(self) -> dict[str, Any]:
        return {**self.values, "prompt": self.prompt, "best": self.best, "probabilities": self.probabilities}

    def restore(self, state: dict[str, Any]) -> None:
        for option in OPTIONS:
            if option.valid(state.get(option.name)):
                self.values[option.name] = float(state[option.name])
        prompt = state.get("prompt")
        if isinstance(prompt, str):
            self.prompt = prompt[:LONGEST]
        self.best = state.get("best") is True
        self.probabilities = state.get("probabilities") is True
        self._dirty = True

"""The writing side of Generate: let the model write, and see how likely each symbol was."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Size

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import generate_view as view
from rnn_tui.app.panes.generate_options import LARGEST_SEED, OPTIONS, Option, label_option
from rnn_tui.app.panes.inquiry import has_network, network_of
from rnn_tui.app.panes.reading_pane import sizes_in
from rnn_tui.app.panes.words import GENERATE_HELP
from rnn_tui.app.widgets.bars import Bars
from rnn_tui.app.widgets.field import LONGEST, Field
from rnn_tui.app.widgets.painted import Painted
from rnn_tui.app.widgets.written import Written
from rnn_tui.lab import Asked, Write
from rnn_tui.views import Phase, Status, Writing


class WritingPane(Pane):
    """A prompt, how to go on from it, and the text while it is written."""

    PANE: ClassVar[str] = "generate"
    TITLE: ClassVar[str] = "Generate"
    HELP: ClassVar[str] = GENERATE_HELP
    DEFAULT_CSS = """
    WritingPane { layout: vertical; overflow: hidden hidden; }
    WritingPane .writing { height: 1fr; }
    WritingPane .writing Painted { height: 1; }
    WritingPane #prompt { height: 1; }
    WritingPane #prompt Painted { width: 1fr; }
    WritingPane #prompt .label { width: 9; }
    WritingPane #body { height: 1fr; layout: vertical; }
    WritingPane #side { height: 7; width: 100%; }
    WritingPane #side #options { height: 7; }
    WritingPane #side Bars { height: 1fr; display: none; }
    WritingPane #text { height: 1fr; width: 1fr; }
    WritingPane #foot { height: 2; }
    WritingPane.-wide #body { layout: horizontal; }
    WritingPane.-wide #side { width: 44; height: 1fr; }
    WritingPane.-wide #side #options { height: 10; }
    WritingPane.-wide #side Bars { display: block; }
    WritingPane.-wide #foot { height: 1; }
    WritingPane.-small #side { height: 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.prompt = ""
        self.values: dict[str, float] = {option.name: option.default for option in OPTIONS}
        self.best = False
        self.label = ""
        """What composing writes for; empty: its first label."""
        self.chosen = 0
        """Index of the option that left and right change; the last is the weights."""
        self.probabilities = False
        self.question: Asked | None = None
        self.writing: Writing | None = None
        self.trouble = ""
        self._from = (0, 0)
        """Number and timestep of the reading whose h_t it goes on from; (0, 0): it reads the prompt."""
        self._with = 0
        """How many values were held in what is written."""
        self._network: tuple[str, str] | None = None
        self._now: tuple[Phase, str, int, bool, int] = (Phase.EMPTY, "", -1, False, 0)
        self._dirty = True
        self._drawn_at = 0.0
        self._drawn_for: tuple[Size, ...] = ()
        self._header = Painted()
        self._label = Painted(classes="label")
        self._line = Painted()
        self._field = Field(lines=True)
        self._options = Painted(id="options")
        self._candidates = Bars()
        self._text = Written(id="text")
        self._foot = Painted(id="foot")
        self.writing_side = Vertical(classes="writing")

    def compose(self) -> ComposeResult:
        with self.writing_side:
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
        return has_network(self.lab.status) and not view.cannot_write(self.lab.status)

    @property
    def options(self) -> tuple[Option, ...]:
        """What may be chosen: where it writes for a label, that first."""
        data, config = self.lab.data, self.lab.status.config
        if data is None or config is None or config.data.task != "composing" or not data.labels:
            return OPTIONS
        return (label_option(data.labels), *OPTIONS)

    def value_of(self, option: Option) -> float:
        """The value of an option; of a label its number."""
        if option.names:
            return float(option.names.index(self.label)) if self.label in option.names else 0.0
        return self.values[option.name]

    @property
    def busy(self) -> bool:
        """Whether it is writing."""
        return self.question is not None

    def shown(self) -> None:
        self._dirty = True
        self.tick(self.lab.status)

    def tick(self, status: Status) -> None:
        self._meet(status)
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
                if asked.error and self._from[0]:
                    # The weights of the reading are gone: the symbols that led to its h_t are still there.
                    self._from = (0, 0)
                    self.host.say("that h_t is gone; it reads the prompt instead, with the newest weights")
                    self._write()
                self.host.keys_changed()
        now = (status.phase, status.doing, status.step, status.has_best, len(status.held))
        if now != self._now and (self.writing is None or now[3] != self._now[3]):
            self._now = now
            self._dirty = True
        # Colours cost many bytes: while it writes they are drawn as seldom as a plot.
        if self._drawn_for != sizes_in(self):
            self._dirty = True
        rested = time.monotonic() - self._drawn_at >= self.host.plot_period
        if self._dirty and (rested or not (self.busy and self.probabilities)):
            self.draw()

    def _meet(self, status: Status) -> None:
        """What another network wrote is not this one's; a name that is given at the first step is no other."""
        network, before = network_of(status), self._network
        if network == before or status.phase is Phase.LOADING:
            return
        self._network = network
        if before is not None and (before[1] != network[1] or before[0]):
            self._stop()
            self.writing = None
            self.trouble = ""
            self._from = (0, 0)
        self._dirty = True

    # Drawing.

    @property
    def coloured(self) -> bool:
        """Whether there are colours; otherwise a glyph says what the colour would."""
        return not self.app.no_color and self.app.console.color_system not in (None, "standard", "windows")

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""
        self._dirty = False
        self._drawn_at = time.monotonic()
        self._drawn_for = sizes_in(self)
        if not self.is_mounted or not self.size.height:
            return
        width, writing = self.size.width, self.writing
        foot = self.probabilities and writing is not None and len(writing.probability) > 0
        if self._foot.display != foot:
            # The text gets its new height first: coloured twice, it would be sent twice.
            self._foot.display = foot
            self._redraw()
            return
        status, at = self.lab.status, self._from
        held = self._with if self.busy or writing is not None else len(status.held)
        told = view.taken_told(held, at[1] if at[0] else -1)
        self._header.paint([view.headline(status, writing, self.busy, self.trouble, self.has_network, width, told)])
        self._label.paint([((" Prompt  ", "label"),)])
        self._line.paint([view.prompt_line(self.prompt, self._line.size.width - 1)])
        best = self._best_used if self.lab.status.has_best else None
        self.chosen = min(self.chosen, self._last_option)
        room, options = self._options.size, self.options
        values = {option.name: self.value_of(option) for option in options}
        self._options.paint(
            view.option_rows(values, self.chosen, best, room.width, room.height, self.host.ascii_only, options)
        )
        if writing is not None:
            p = writing.probability if self.probabilities else None
            self._text.show(
                view.prompt_told(writing.prompt), writing.text, p, growing=self.busy, coloured=self.coloured
            )
        else:
            self._text.paint(view.hints(self.lab.status, self.has_network, self.busy, self._text.size.width))
        if foot and writing is not None:
            self._foot.paint(view.footing(writing, width, self.coloured, self.host.ascii_only))
        if self.has_class("-wide"):
            heading, bars = view.candidates(writing if self.probabilities else None)
            self._candidates.show(heading, bars, (), self.host.ascii_only)

    @property
    def _best_used(self) -> bool:
        return self.best and self.lab.status.has_best

    @property
    def _last_option(self) -> int:
        """The weights are the last one, where there are best ones to choose."""
        return len(self.options) - (0 if self.lab.status.has_best else 1)

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
        if self._field.value != self.prompt:
            self._from = (0, 0)
        self.prompt = self._field.value
        self._close()

    def escape(self) -> bool:
        if self.editing:
            super().escape()
            self._close()
            return True
        if self.busy:
            self.do_write()
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

    def take_prompt(self, text: str, number: int = 0, t: int = 0) -> None:
        """Go on from a text; enter writes. `number`: from the very h_t of that reading, with its weights, until the
        prompt is another.
        """
        if len(text) > LONGEST:
            self.host.say(f"the prompt has {len(text):,} symbols; its last {LONGEST:,} are taken")
        self._stop()
        self.prompt = text[-LONGEST:]
        self._from = (number, t) if number else (0, 0)
        self.writing = None
        self.trouble = ""
        self._redraw()

    def do_up(self) -> None:
        self._choose(-1)

    def do_down(self) -> None:
        self._choose(1)

    def _choose(self, by: int) -> None:
        self.chosen = min(max(self.chosen + by, 0), self._last_option)
        self.draw()

    def do_left(self) -> None:
        self._change(-1)

    def do_right(self) -> None:
        self._change(1)

    def _change(self, by: int) -> None:
        options = self.options
        if self.chosen >= len(options):
            self.best = by > 0
            self._from = (0, 0)
        elif options[self.chosen].names:
            option = options[self.chosen]
            self.label = option.names[int(option.step(self.value_of(option), by))]
            self._from = (0, 0)
        else:
            option = options[self.chosen]
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
        number, t = self._from
        self._with = len(self.lab.status.held)
        self.question = self.lab.ask(
            Write(
                prompt=self._labelled_prompt,
                length=int(self.values["length"]),
                temperature=self.values["temperature"],
                top_k=int(self.values["top_k"]),
                top_p=self.values["top_p"],
                seed=int(self.values["seed"]),
                best=self._best_used,
                number=number,
                t=t,
                holds=self.lab.status.held,
            )
        )

    @property
    def _labelled_prompt(self) -> str:
        """What is written on from: composing reads `Czech: No`, the label and the beginning."""
        first = self.options[0]
        return f"{first.names[int(self.value_of(first))]}: {self.prompt}" if first.names else self.prompt

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
        return view.prompt_told(self.writing.prompt) + self.writing.text if self.writing is not None else self.prompt

    def help_values(self) -> dict[str, str]:
        values = {option.label.lower(): view.shown(option, self.value_of(option))[0] for option in self.options}
        if self.writing is not None and len(self.writing.probability):
            values["probability"] = f"{float(self.writing.probability[-1]):.3f}, the last symbol's"
        return values

    def state(self) -> dict[str, Any]:
        kept = {"prompt": self.prompt, "best": self.best, "probabilities": self.probabilities, "label": self.label}
        return {**self.values, **kept}

    def restore(self, state: dict[str, Any]) -> None:
        for option in OPTIONS:
            if option.valid(state.get(option.name)):
                self.values[option.name] = float(state[option.name])
        self._from = (0, 0)
        prompt = state.get("prompt")
        if isinstance(prompt, str):
            self.prompt = prompt[:LONGEST]
        label = state.get("label")
        self.label = label if isinstance(label, str) else ""
        self.best = state.get("best") is True
        self.probabilities = state.get("probabilities") is True
        self._dirty = True

"""Train: the curves of the run, what the model writes as it learns, and the few things to turn meanwhile."""

from __future__ import annotations

import math
import time
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container, Vertical

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import mending
from rnn_tui.app.panes.train_words import gradient_plot, loss_plot, prose, spark, stopped_words, validation_words
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.curve import STYLES, Curve
from rnn_tui.app.widgets.row import Line, Lines, Run
from rnn_tui.app.widgets.status import duration, number
from rnn_tui.config import ConfigError
from rnn_tui.lab import LabError
from rnn_tui.views import UNITS, Curves, Phase, Sample, Status, Unit, in_unit, perplexity

PACES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Steps a second that `<` and `>` go through; beyond the last it is as fast as it goes."""
BROAD = 110
"""Columns from which the sample stands beside the curves."""
UNIT_NAMES = {"nats": "nats per symbol", "bits": "bits per symbol", "perplexity": "perplexity"}


class Legend(Lines):
    """The line above the curves; its marks have the curves' colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--train", "lines--validation"}
    DEFAULT_CSS = f"""
    Legend .lines--train {{ color: {palette.colour(STYLES["train"]).get_truecolor().hex}; }}
    Legend .lines--validation {{ color: {palette.colour(STYLES["validation"]).get_truecolor().hex}; }}
    """


class TrainPane(Pane):
    """The run: loss, perplexity, gradient norm, samples, progress."""

    PANE = "train"
    TITLE = "Train"
    DEFAULT_CSS = """
    TrainPane { layout: vertical; }
    TrainPane #train-body { height: 1fr; layout: vertical; }
    TrainPane #train-left { height: 1fr; width: 1fr; }
    TrainPane #train-right { height: auto; width: 1fr; }
    TrainPane #train-head, TrainPane #train-progress { height: 1; }
    TrainPane #train-facts { height: 2; }
    TrainPane #train-gradient { display: none; }
    TrainPane #train-sample { height: 4; }
    TrainPane.-broad #train-body { layout: horizontal; }
    TrainPane.-broad #train-left { width: 3fr; }
    TrainPane.-broad #train-right { height: 1fr; width: 2fr; }
    TrainPane.-broad #train-gradient { display: block; height: 2fr; }
    TrainPane.-broad #train-sample { height: 3fr; }
    TrainPane.-short #train-right { display: none; }
    """
    HELP: ClassVar[str] = """\
# Train

The network reads many streams of the text side by side, a few symbols at a time, and after each step its
weights are moved a little so that the symbols that really came would have been likelier.

- **loss**: the mean cost of a symbol, -log p of the symbol that came. In *nats* the logarithm is natural, in
  *bits* it is to base 2.
- **perplexity**: e to the loss: among how many equally likely symbols it would be as hard to choose.
- **train** is the loss on what it learns from, **validation** on a part it never learns from. When validation
  rises while train falls, it learns the text by heart.
- **uniform, unigram, bigram**: what needs no network: all symbols alike; how frequent each is; how frequent each
  is after the one before. A network that remembers must fall below the bigram line.
- **gradient norm**: the length of the gradient, all weights together. Longer ones than **clip** are shortened to
  it: recurrent networks meet cliffs, where a full step would throw the weights far away.
- **sample**: what the model writes with the weights of that step; up and down look at older and newer ones.
- **pace**: steps a second it is held to, slow enough to watch; at the end of the scale it is full speed.
- **best**: the weights of the lowest validation loss; they are kept beside the newest ones.
"""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.log_axis = False
        self._back = 0
        """How many samples before the newest one is shown."""
        self._pace: float | None = None
        self._rate: float | None = None
        self._session = ""
        self._drawn: tuple[Any, ...] = ()
        self._drawn_at = 0.0

    def compose(self) -> ComposeResult:
        with Container(id="train-body"):
            with Vertical(id="train-left"):
                yield Legend(id="train-head")
                yield Curve(id="train-curve")
            with Vertical(id="train-right"):
                yield Lines(id="train-facts")
                yield Curve(id="train-gradient")
                yield Lines(id="train-sample")
        yield Lines(id="train-progress")

    def on_mount(self) -> None:
        for curve in self.query(Curve):
            curve.ascii_only = self.host.ascii_only

    def on_resize(self) -> None:
        broad = self.size.width >= BROAD
        self.set_class(broad, "-broad")
        self.set_class(self.size.height < 14 and not broad, "-short")
        if not broad:
            self.query_one("#train-sample").styles.height = max(4, self.size.height // 4)
        else:
            self.query_one("#train-sample").styles.height = None
        self._drawn = ()

    # Drawing

    def shown(self) -> None:
        self._drawn = ()

    def tick(self, status: Status) -> None:
        if status.session != self._session:
            # What the other session was told does not count for this one.
            self._session, self._pace, self._rate, self._back = status.session, None, None, 0
        if self._pace is not None and status.pace == self._pace:
            self._pace = None
        if self._rate is not None and status.config and status.config.training.learning_rate == self._rate:
            self._rate = None
        unit = self.host.unit
        self.query_one("#train-head", Lines).put([Line(self._head(status, unit))])
        self.query_one("#train-progress", Lines).put([Line(self._progress(status))])
        self._draw_sample()
        curves = self.lab.curves
        key = (curves.version if curves else -1, unit, self.log_axis, self.size, status.step == 0, status.session)
        now = time.monotonic()
        if key == self._drawn or (key[1:] == self._drawn[1:] and now < self._drawn_at + self.host.plot_period):
            return
        self._drawn, self._drawn_at = key, now
        self._draw_facts(status, curves, unit)
        self.query_one("#train-curve", Curve).put(loss_plot(curves, unit, self.log_axis))
        if self.has_class("-broad"):
            self.query_one("#train-gradient", Curve).put(gradient_plot(curves))

    def _head(self, status: Status, unit: Unit) -> tuple[Run, ...]:
        if not status.session:
            if status.phase is Phase.EMPTY and not self.host.starting:
                return ((" no session yet: space trains the network that Build shows", "mark"),)
            return ((" the network is being made ready", "mark"),)
        ascii_only = self.host.ascii_only
        pace = self._pace if self._pace is not None else status.pace
        runs: list[Run] = [
            (f" {UNIT_NAMES[unit] if self.size.width >= 60 else unit}{', log' if self.log_axis else ''}   ", "mark"),
            ("train ", "quiet"), ("*" if ascii_only else "⠒⠒", "train"), ("  validation ", "quiet"),
            ("o" if ascii_only else "●", "validation"),
            (f"   rate {self._rate_words(status)}", "value"),
            (f"   pace {pace:g} a second" if pace > 0 else "   full speed", "value"),
        ]  # fmt: skip
        return tuple(runs)

    def _rate_words(self, status: Status) -> str:
        """The rate that was chosen, which is what `+` and `-` turn, and what a schedule makes of it now."""
        assert status.config is not None
        training = status.config.training
        rate = self._rate if self._rate is not None else training.learning_rate
        scheduled = training.schedule != "constant" and status.step and self._rate is None
        now = status.learning_rate if scheduled and math.isfinite(status.learning_rate) else rate
        words = f"{rate:.4g}"
        return words if f"{now:.4g}" == words else f"{words}, now {now:.4g}"

    def _progress(self, status: Status) -> tuple[Run, ...]:
        if status.planned <= 0:
            return ()
        share = min(1.0, status.step / status.planned)
        left = duration(status.eta_seconds)
        words = f" {100 * share:.0f} %  "
        if status.phase in (Phase.TRAINING, Phase.VALIDATING):
            words += f"{left} left" if left else ""
        else:
            words += stopped_words(status)
        columns = max(4, self.size.width - 2 - cell_len(words))
        full, blank = ("#", "-") if self.host.ascii_only else ("█", "░")
        done = int(share * columns)
        return ((" ", ""), (full * done, "key"), (blank * (columns - done), "dim"), (words, "value"))

    def _draw_facts(self, status: Status, curves: Curves | None, unit: Unit) -> None:
        facts = self.query_one("#train-facts", Lines)
        if curves is None:
            facts.put(())
            return
        validation = " " + validation_words(status, unit)
        if not len(curves.step):
            told = " no step yet: the gradient's length over the run will stand here"
            facts.put([Line(((told, "quiet"),)), Line(((validation, "value"),))])
            return
        norm = number(status.grad_norm) or "?"
        clip = curves.clip_norm
        share = f" ({100 * curves.clipped_share:.1f} % of steps clipped)" if clip else ""
        words = f" gradient norm {norm}{share}  "
        after = f"  clip {clip:g}" if clip > 0 else "  not clipped"
        room = facts.size.width - cell_len(words) - cell_len(after) - 1
        middle: tuple[Run, ...] = ()
        if room > 4 and not self.has_class("-broad"):
            middle = spark(curves.step, curves.grad_norm, curves.planned, room, clip, self.host.ascii_only)
        facts.put([Line(((words, "quiet"), *middle, (after, "quiet"))), Line(((validation, "value"),))])

    @property
    def sample(self) -> Sample | None:
        """The one that is shown."""
        samples = self.lab.samples
        self._back = max(0, min(self._back, len(samples) - 1))
        return samples[len(samples) - 1 - self._back] if samples else None

    def _draw_sample(self) -> None:
        shown = self.query_one("#train-sample", Lines)
        sample, count = self.sample, len(self.lab.samples)
        if sample is None:
            shown.put([Line(((" what it writes as it learns will stand here, from step 0 on", "quiet"),))])
            return
        which = f"  ({count - self._back} of {count}; down: newer)" if self._back else ""
        lines = [Line(((f" step {sample.step:,} wrote{which}", "quiet"),))]
        columns = max(8, shown.size.width - 4)
        rows = prose(sample.prompt + sample.text, columns)[: max(0, shown.size.height - 1)]
        lines += [Line((("   " + row, "value"),)) for row in rows]
        shown.put(lines)

    # Actions

    def allows(self, action: str) -> bool:
        status = self.lab.status
        if action in ("older", "newer"):
            return len(self.lab.samples) > 1
        if action == "best":
            return status.has_best
        if action == "clip":
            return math.isfinite(mending.percentile(self.host))
        if action == "back":
            return status.can_step_back
        if action in ("unit", "unit_back", "log"):
            return True
        return bool(status.session)

    def do_step(self) -> None:
        self.lab.single_step()

    def do_unit(self) -> None:
        self._turn_unit(1)

    def do_unit_back(self) -> None:
        self._turn_unit(-1)

    def _turn_unit(self, by: int) -> None:
        self.host.choose_unit(UNITS[(UNITS.index(self.host.unit) + by) % len(UNITS)])
        self.tick(self.lab.status)

    def do_log(self) -> None:
        self.log_axis = not self.log_axis
        self.tick(self.lab.status)

    def do_faster(self) -> None:
        pace = self.lab.status.pace if self._pace is None else self._pace
        above = [p for p in PACES if p > pace * 1.001] if pace > 0 else []
        self._set_pace(above[0] if above else 0.0)

    def do_slower(self) -> None:
        status = self.lab.status
        pace = status.pace if self._pace is None else self._pace
        if pace <= 0:
            # From full speed to something that is slower than what it makes now.
            training = status.config.training if status.config else None
            tokens = training.batch_size * training.sequence_length if training else 0
            pace = status.tokens_per_second / tokens if tokens and status.tokens_per_second > 0 else math.inf
        below = [p for p in PACES if p < pace * 0.999]
        self._set_pace(below[-1] if below else PACES[0])

    def _set_pace(self, pace: float) -> None:
        self._pace = pace
        self.lab.set_pace(pace)
        self.host.say(f"pace: {pace:g} steps a second" if pace > 0 else "pace: as fast as it goes")
        self.tick(self.lab.status)

    def do_rate_up(self) -> None:
        self._turn_rate(10**0.1)

    def do_rate_down(self) -> None:
        self._turn_rate(10**-0.1)

    def _turn_rate(self, factor: float) -> None:
        config = self.lab.status.config
        if config is None:
            return
        rate = config.training.learning_rate if self._rate is None else self._rate
        # Beyond twelve digits only the arithmetic shows: ten steps up are a factor of ten.
        rate = float(f"{rate * factor:.12g}")
        try:
            self.lab.set("training.learning_rate", rate)
        except (ConfigError, LabError) as error:
            self.host.say(str(error), error=True)
            return
        self._rate = rate
        self.host.say(f"learning rate {rate:.4g}, from the next step on")
        self.tick(self.lab.status)

    def do_best(self) -> None:
        status = self.lab.status
        self.host.ask(
            "Go back to the best weights?",
            f"They are of step {status.best_step:,}, validation {number(status.best_loss)} nats. "
            "The newest weights are replaced by them; training goes on from there.",
            [("enter", "take the best", self.lab.use_best)],
        )

    def do_clip(self) -> None:
        mending.clip_there(self.host)

    def do_back(self) -> None:
        mending.step_back(self.host)

    def do_restart(self) -> None:
        self.host.ask(
            "Start over?",
            f"The weights of {self.lab.status.step:,} steps, their curve and their samples are thrown away; "
            "the same network begins again from fresh weights.",
            [("enter", "start over", self.lab.restart)],
        )

    def do_older(self) -> None:
        self._back = min(self._back + 1, max(0, len(self.lab.samples) - 1))
        self._draw_sample()

    def do_newer(self) -> None:
        self._back = max(0, self._back - 1)
        self._draw_sample()

    # What is kept and told

    def state(self) -> dict[str, Any]:
        return {"log": self.log_axis}

    def restore(self, state: dict[str, Any]) -> None:
        self.log_axis = state.get("log") is True

    def help_values(self) -> dict[str, str]:
        status = self.lab.status
        values = {"step": f"{status.step:,} of {status.planned:,}, epoch {status.epoch:.2f}"}
        for name, loss in (("train", status.train_loss), ("validation", status.val_loss), ("best", status.best_loss)):
            if not math.isnan(loss):
                bits = number(in_unit(loss, "bits"))
                values[name] = f"{number(loss)} nats = {bits} bits, perplexity {number(perplexity(loss))}"
        curves = self.lab.curves
        for line in curves.baselines if curves else ():
            values[line.name] = f"{number(line.nats)} nats, perplexity {number(perplexity(line.nats))}"
        if math.isfinite(status.learning_rate):
            values["learning rate"] = f"{status.learning_rate:.4g}"
        if math.isfinite(status.grad_norm):
            values["gradient norm"] = f"{number(status.grad_norm)}; {100 * status.clipped_share:.2f} % of steps clipped"
        if status.threads:
            values["computed by"] = f"{status.device}, {status.precision}, {status.threads} threads"
        return values

    def copy_text(self) -> str:
        sample = self.sample
        return sample.prompt + sample.text if sample else ""

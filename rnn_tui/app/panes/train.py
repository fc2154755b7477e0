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
from rnn_tui.app.panes.train_help import TRAIN_HELP, live_values
from rnn_tui.app.panes.train_words import (
    answered,
    gradient_plot,
    loss_plot,
    metric_plot,
    progress_bar,
    spark,
    validation_words,
)
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.curve import STYLES, Curve
from rnn_tui.app.widgets.row import Line, Lines, Run, fit, wrap
from rnn_tui.app.widgets.status import follows, number
from rnn_tui.config import ConfigError
from rnn_tui.lab import LabError
from rnn_tui.lab.measures import (
    BOUNDED,
    Measures,
    marks,
    measures,
    metric_name,
)
from rnn_tui.views import UNITS, Curves, Phase, Sample, Status, Unit

PACES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Steps a second that `<` and `>` go through; beyond the last it is as fast as it goes."""
BROAD = 110
"""Columns from which the sample stands beside the curves."""


class Legend(Lines):
    """The line above the curves; its marks have the curves' colours."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--train", "lines--validation"}
    DEFAULT_CSS = f"""
    Legend .lines--train {{ color: {palette.colour(STYLES["train"]).get_truecolor().hex}; }}
    Legend .lines--validation {{ color: {palette.colour(STYLES["validation"]).get_truecolor().hex}; }}
    """


class TrainPane(Pane):
    """The run: loss and what else is measured, gradient norm, samples, progress."""

    PANE = "train"
    TITLE = "Train"
    DEFAULT_CSS = """
    TrainPane { layout: vertical; }
    TrainPane #train-body { height: 1fr; layout: vertical; }
    TrainPane #train-left { height: 1fr; width: 1fr; }
    TrainPane #train-right { height: auto; width: 1fr; }
    TrainPane #train-head, TrainPane #train-progress { height: 1; }
    TrainPane #train-marks { height: 0; }
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
    HELP: ClassVar[str] = TRAIN_HELP

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.log_axis = False
        self.metric = ""
        """The metric whose curve is drawn; empty: the loss."""
        self._back = 0
        """How many samples before the newest one is shown."""
        self._pace: float | None = None
        self._rate: float | None = None
        self._session = ""
        self._drawn: tuple[Any, ...] = ()
        self._drawn_at = 0.0

    def compose(self) -> ComposeResult:
        yield Lines(id="train-marks")
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
        told, unit = measures(status.config), self.host.unit
        if self.metric and self.metric not in told.own_curves and status.session:
            # The other session's task does not measure that.
            self.metric = ""
        self._draw_marks(status)
        self.query_one("#train-head", Lines).put([Line(self._head(status, told, unit))])
        bar = progress_bar(status, self.size.width, self.host.ascii_only)
        self.query_one("#train-progress", Lines).put([Line(bar)])
        self._draw_sample()
        curves = self.lab.curves
        shown = (unit, self.metric, self.log_axis)
        # The facts' own width too: they are laid out a moment after the pane.
        sizes = (self.size, self.query_one("#train-facts").size.width)
        key = (curves.version if curves else -1, *shown, *sizes, status.step == 0, status.session)
        now = time.monotonic()
        if key == self._drawn or (key[1:] == self._drawn[1:] and now < self._drawn_at + self.host.plot_period):
            return
        self._drawn, self._drawn_at = key, now
        self._draw_facts(status, curves, unit)
        if self.metric:
            plot = metric_plot(curves, self.metric, self.log_axis)
        else:
            plot = loss_plot(curves, unit, self.log_axis, told)
        self.query_one("#train-curve", Curve).put(plot)
        if self.has_class("-broad"):
            self.query_one("#train-gradient", Curve).put(gradient_plot(curves))

    def _draw_marks(self, status: Status) -> None:
        """What makes these numbers worthless, or a mistake to look at, as long as it is so."""
        shown = self.query_one("#train-marks", Lines)
        found = marks(status.config) if status.session else ()
        width = max(self.size.width - 2, 8)
        if self.has_class("-short"):
            rows = [fit("; ".join(mark.sentence for mark in found), width)] if found else []
        else:
            rows = [row for mark in found for row in wrap(mark.sentence, width)]
        shown.styles.height = len(rows)
        shown.put([Line(((" " + row, "warn"),)) for row in rows])

    def _head(self, status: Status, told: Measures, unit: Unit) -> tuple[Run, ...]:
        if not status.session:
            if status.phase is Phase.EMPTY and not self.host.starting:
                return ((" no session yet: space trains the network that Build shows", "mark"),)
            return ((" the network is being made ready", "mark"),)
        ascii_only = self.host.ascii_only
        pace = self._pace if self._pace is not None else status.pace
        roomy = self.size.width >= 60
        if self.metric:
            named = metric_name(self.metric)
        else:
            named = told.loss_name(unit) if roomy or told.squared else told.unit(unit)
        log = ", log" if self.log_axis and self.metric not in BOUNDED else ""
        validation: list[Run] = [("validation ", "quiet"), ("o" if ascii_only else "●", "validation")]
        train: list[Run] = [("train ", "quiet"), ("*" if ascii_only else "⠒⠒", "train"), ("  ", "")]
        shown: list[Run] = [(f" {named}{log}", "mark"), (" ", ""), *([] if self.metric else train), *validation]
        speed = f"pace {pace:g} a second" if pace > 0 else "full speed"
        words = (f"rate {self._rate_words(status)}", *([] if follows(status) else [speed]))
        taken = sum(cell_len(text) for text, _ in (*shown, *((word, "") for word in words)))
        gap = "   " if taken + 9 <= self.size.width else "  "
        return (*shown[:1], (gap, ""), *shown[2:], *((gap + word, "value") for word in words))

    def _rate_words(self, status: Status) -> str:
        """The rate that was chosen, which is what `+` and `-` turn, and what a schedule makes of it now."""
        assert status.config is not None
        training = status.config.training
        rate = self._rate if self._rate is not None else training.learning_rate
        scheduled = training.schedule != "constant" and status.step and self._rate is None
        now = status.learning_rate if scheduled and math.isfinite(status.learning_rate) else rate
        words = f"{rate:.4g}"
        return words if f"{now:.4g}" == words else f"{words}, now {now:.3g}"

    def _draw_facts(self, status: Status, curves: Curves | None, unit: Unit) -> None:
        facts = self.query_one("#train-facts", Lines)
        if curves is None:
            facts.put(())
            return
        broad, width = self.has_class("-broad"), max(facts.size.width - 2, 20)
        words = wrap(validation_words(status, unit), width) if broad else [validation_words(status, unit, width)]
        validation = [Line(((" " + row, "value"),)) for row in words]
        facts.styles.height = 1 + len(validation)
        if not len(curves.step):
            told = " no step yet: the gradient's length over the run will stand here"
            facts.put([Line(((told, "quiet"),)), *validation])
            return
        norm = number(status.grad_norm) or "?"
        clip = curves.clip_norm
        share = f" ({100 * curves.clipped_share:.1f} % of steps clipped)" if clip else ""
        before = f" gradient norm {norm}{share}  "
        after = f"  clip {clip:g}" if clip > 0 else "  not clipped"
        room = facts.size.width - cell_len(before) - cell_len(after) - 1
        middle: tuple[Run, ...] = ()
        if room > 4 and not broad:
            middle = spark(curves.step, curves.grad_norm, curves.planned, room, clip, self.host.ascii_only)
        facts.put([Line(((before, "quiet"), *middle, (after, "quiet"))), *validation])

    @property
    def sample(self) -> Sample | None:
        """The one that is shown."""
        samples = self.lab.samples
        self._back = max(0, min(self._back, len(samples) - 1))
        return samples[len(samples) - 1 - self._back] if samples else None

    def _draw_sample(self) -> None:
        shown = self.query_one("#train-sample", Lines)
        sample, count = self.sample, len(self.lab.samples)
        told = measures(self.lab.status.config)
        if sample is None:
            shown.put([Line(((self._no_sample(told), "quiet"),))])
            return
        which = f"  ({count - self._back} of {count}; down: newer)" if self._back else ""
        lines = [Line(((f" step {sample.step:,} {'wrote' if told.writes else 'answered'}{which}", "quiet"),))]
        columns = max(8, shown.size.width - 4)
        rows = answered(sample, told, columns, max(0, shown.size.height - 1))
        lines += [Line((("   " + row, "value"),)) for row in rows]
        shown.put(lines)

    def _no_sample(self, told: Measures) -> str:
        config = self.lab.status.config
        if told.task == "language" and config is not None and config.model.bidirectional:
            return " reading from both ends, it can't write: what it would write has no end yet"
        does = "writes or answers" if config is None else "writes" if told.writes else "answers"
        return f" what it {does} as it learns will stand here, from step 0 on"

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
        told = measures(self.lab.status.config)
        loss = told.units or ("",)
        shown: list[str] = [*loss, *told.own_curves]
        now = self.metric or (told.unit(self.host.unit) if told.units else "")
        chosen = shown[(shown.index(now) + by) % len(shown)]
        self.metric = chosen if chosen in told.own_curves else ""
        unit = next((unit for unit in UNITS if unit == chosen), None)
        if unit is not None:
            self.host.choose_unit(unit)
        elif len(shown) == 1:
            self.host.say(f"{told.task} is measured by its loss alone, the {told.loss_name('nats')}")
        self.tick(self.lab.status)

    def do_log(self) -> None:
        if self.metric in BOUNDED:
            self.host.say(f"{metric_name(self.metric)} is drawn from 0 to 100 %: the log axis is for the loss")
            return
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
            tokens = status.tokens / status.step if status.step else 0.0
            if not tokens and training:
                tokens = training.batch_size * training.sequence_length
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
        best = measures(status.config).loss_words(status.best_loss)
        self.host.ask(
            "Go back to the best weights?",
            f"They are of step {status.best_step:,}, the lowest validation loss: {best}. "
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
        return {"log": self.log_axis} | ({"metric": self.metric} if self.metric else {})

    def restore(self, state: dict[str, Any]) -> None:
        self.log_axis = state.get("log") is True
        metric = state.get("metric")
        self.metric = metric if isinstance(metric, str) else ""

    def help_values(self) -> dict[str, str]:
        return live_values(self.lab.status, self.lab.curves)

    def copy_text(self) -> str:
        sample = self.sample
        return sample.prompt + sample.text if sample else ""

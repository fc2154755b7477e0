"""The views that the training thread leaves for others: one slot each, the newest wins."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rnn_tui.views import Curves, DataView, Phase, Sample, Status, frozen

if TYPE_CHECKING:
    from rnn_tui.lab.keeping import Keeper
    from rnn_tui.training.run import Run

STATUS_EVERY = 0.05
CURVES_EVERY = 0.25
POINTS = 1000
RATE_WINDOW = 3.0
# Training that has not made a step for so many seconds, and for so many times the usual step, hangs or is very slow.
STALLED_AFTER, STALLED_STEPS = 30.0, 20


@dataclass
class Goal:
    """When the training under way is to stop, and what to call that."""

    last_step: int
    reason: str
    deadline: float = math.inf
    """Of time.monotonic."""


class Board:
    """Public attributes are replaced, never changed: any thread may read them without a lock."""

    def __init__(self) -> None:
        self.status = Status()
        self.curves: Curves | None = None
        self.samples: tuple[Sample, ...] = ()
        self.data: DataView | None = None
        self._fault = ""
        self._shown = self._drawn = 0.0
        self._rate: deque[tuple[float, int]] = deque()
        self._pulse = time.monotonic()
        self._step_seconds: deque[float] = deque(maxlen=50)

    @property
    def stalled(self) -> bool:
        """Whether it trains, as far as it has told, and has not made a step for a suspiciously long time."""
        waited = time.monotonic() - self._pulse
        if self.status.phase is not Phase.TRAINING or waited <= STALLED_AFTER:
            return False
        usual = statistics.median(tuple(self._step_seconds) or (0.0,))
        if self.status.pace > 0:
            usual = max(usual, 1 / self.status.pace)
        return waited > STALLED_STEPS * usual

    @property
    def status_due(self) -> bool:
        return time.monotonic() - self._shown >= STATUS_EVERY

    @property
    def curves_due(self) -> bool:
        return time.monotonic() - self._drawn >= CURVES_EVERY

    def clear(self, data: DataView | None) -> None:
        """Another session is open."""
        self.data, self._fault = data, ""
        self._step_seconds.clear()
        self.status = Status(curves_version=self.status.curves_version, samples_version=self.status.samples_version)
        self.start_rate()

    def start_rate(self) -> None:
        """Measure the speed from now on: what came between was no training."""
        self._rate.clear()
        self._pulse = time.monotonic()

    def say(self, **changes: Any) -> None:
        """Change what no run is needed for."""
        self._shown = time.monotonic()
        self._fault = changes.get("fault", self._fault)
        self.status = replace(self.status, **changes)

    def publish(self, run: Run, keeper: Keeper, goal: Goal | None, **changes: Any) -> None:
        """The newest state of a run."""
        self._shown = time.monotonic()
        p, training = run.progress, run.config.training
        made = p.step - self.status.step
        if made > 0 and self.status.phase is Phase.TRAINING:
            self._step_seconds.append((self._shown - self._pulse) / made)
        self._pulse = self._shown
        if goal is not None:
            self._rate.append((self._shown, p.tokens))
            while len(self._rate) > 2 and self._shown - self._rate[0][0] > RATE_WINDOW:
                self._rate.popleft()
        self._fault = changes.get("fault", self._fault)
        # A save that failed is told until one succeeds, whatever else has happened since.
        changes["fault"] = self._fault or keeper.fault
        rate = self._speed()
        told: dict[str, Any] = dict(
            session=keeper.name,
            config=run.config,
            step=p.step,
            planned=training.steps,
            tokens=p.tokens,
            epoch=run.epoch,
            train_loss=p.train_loss,
            val_loss=p.val_loss,
            val_step=p.val_step,
            val_metrics=dict(p.val_metrics),
            best_loss=p.best_loss if run.best else math.nan,
            best_step=p.best_step,
            learning_rate=training.learning_rate if math.isnan(p.learning_rate) else p.learning_rate,
            grad_norm=p.grad_norm,
            clipped_share=p.clipped / max(1, p.step),
            tokens_per_second=rate,
            eta_seconds=_left(run, goal, rate),
            device=run.device.type,
            precision=run.precision,
            saved_step=keeper.saved_step,
            save_failed=bool(keeper.fault),
            weights_version=run.weights_version,
            has_best=run.best is not None,
            can_step_back=run.flight.back is not None,
            recording_version=run.timelapse.version if run.timelapse else 0,
            writer="",
            writer_phase="",
        )
        self.status = replace(self.status, **{**told, **changes})

    def _speed(self) -> float:
        """Symbols a second over the last seconds of training."""
        if len(self._rate) < 2 or self._rate[-1][0] <= self._rate[0][0]:
            return self.status.tokens_per_second
        (t0, n0), (t1, n1) = self._rate[0], self._rate[-1]
        return (n1 - n0) / (t1 - t0)

    def show_samples(self, run: Run) -> None:
        self.samples = tuple(run.samples)
        self.status = replace(self.status, samples_version=self.status.samples_version + 1)

    def draw(self, run: Run) -> None:
        """The curves as they are now, thinned: their size does not grow with the run."""
        self._drawn = time.monotonic()
        p, version = run.progress, self.status.curves_version + 1
        thinned: dict[str, Any] = {name: frozen(array) for name, array in run.history.thinned(POINTS).items()}
        metrics = {name: thinned.pop(f"val_{name}") for name in run.history.metrics}
        self.curves = Curves(
            version=version,
            clip_norm=run.config.training.clip_norm,
            clipped_share=p.clipped / max(1, p.step),
            planned=run.config.training.steps,
            best_step=p.best_step,
            baselines=self.data.baselines if self.data else (),
            groups=run.groups,
            norm_p90=run.history.percentile(90),
            val_metrics=metrics,
            **thinned,
        )
        self.status = replace(self.status, curves_version=version)


def _left(run: Run, goal: Goal | None, rate: float) -> float:
    """Seconds to the goal at this rate; NaN where there is none."""
    if goal is None:
        return math.nan
    if goal.deadline < math.inf:
        return max(0.0, goal.deadline - time.monotonic())
    p = run.progress
    symbols = (goal.last_step - p.step) * p.tokens / max(1, p.step)
    return symbols / rate if rate > 0 and p.step else math.nan

"""What a person changes on the run that trains, and holds in what is read of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnn_tui.config import CHOICES, Config, put
from rnn_tui.lab import opening
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.saving import OpenSession
from rnn_tui.model.holding import check
from rnn_tui.views import Hold, Phase

MOST_HOLDS = 100


class Changing(OpenSession):
    """Commands that change a run or its readings; they run on the training thread."""

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        super().__init__(folder, answers)
        self._later: dict[str, Any] = {}
        """Changes that wait for the next start of training."""

    def change(self, key: str, value: Any) -> None:
        run = self._mine()
        if CHOICES[key].applies == "next run" and self._goal is not None:
            self._later[key] = value
            self._publish(notice=f"{CHOICES[key].label} takes effect when training is next started")
            return
        opening.check_memory(put(run.config, key, value), self.board.data)
        run.change(key, value)
        self._publish()
        self._show_all()

    def set_pace(self, steps_per_second: float) -> None:
        self._pace = max(0.0, steps_per_second)
        self._publish()

    def use_best(self) -> None:
        run = self._mine()
        run.use_best()
        self._publish(notice=f"the weights of step {run.progress.best_step:,} are back", fault="")

    def clip_to_p90(self) -> None:
        """Clip the gradient at the 90th percentile of its length so far."""
        run = self._mine()
        from rnn_tui.training.intervening import clip_to_percentile

        norm = clip_to_percentile(run)
        self._publish(notice=f"clip_norm is {norm:g} now: nine gradients of ten were shorter", fault="")
        self._show_all()

    def scale_recurrent(self, radius: float) -> None:
        """Scale W_hh of every layer to a spectral radius."""
        run = self._mine()
        from rnn_tui.training.intervening import scale_recurrent

        scale_recurrent(run, radius)
        self._publish(notice=f"W_hh has the spectral radius {radius:g} now, in every layer")

    def step_back(self) -> None:
        """Go back to the weights from before the loss stopped being finite; training stops."""
        run = self._mine()
        from rnn_tui.training.intervening import step_back

        step = step_back(run)
        self._goal = None
        self._publish(
            Phase.PAUSED,
            notice=f"the weights of step {step:,} are back; lower the learning rate or set clip_norm before going on",
            fault="",
        )

    def hold_value(self, hold: Hold) -> None:
        """Hold a value in readings and writings, in the place of what was held there."""
        run, _ = self._needed()
        check_hold(run.config, hold)
        held = tuple(other for other in self.board.status.held if _place(other) != _place(hold))
        if len(held) >= MOST_HOLDS:
            raise LabError(f"{MOST_HOLDS} values are held already; release some first (x)")
        self._publish(held=(*held, hold))

    def release_value(self, hold: Hold | None) -> None:
        """Let go of one value, or of all."""
        kept = tuple(other for other in self.board.status.held if hold is not None and other != hold)
        self._publish(held=kept)


def check_hold(config: Config, hold: Hold) -> None:
    """Raises LabError, in one sentence, for a value that this network has no place for."""
    try:
        check(config.model, (hold,))
    except ValueError as error:
        raise LabError(str(error)) from None


def _place(hold: Hold) -> tuple[Any, ...]:
    return hold.layer, hold.name, hold.unit, hold.first, hold.last

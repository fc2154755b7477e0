"""Training, one piece of work at a time: a step, a validation, the end. On the training thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_tui.lab.asking import AnsweringThread
from rnn_tui.lab.board import Goal
from rnn_tui.lab.following import Following
from rnn_tui.lab.mailbox import Interrupted
from rnn_tui.views import Phase

if TYPE_CHECKING:
    from rnn_tui.training.run import Run

REASONS = {
    "planned": "the planned steps are done",
    "steps": "the steps asked for are done",
    "epochs": "the epochs asked for are done",
    "minutes": "the time is up",
    "early_stopping": "validation stopped improving",
}


class Advancing(Following):
    """The way to the goal."""

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        super().__init__(folder, answers)
        self._next_step = 0.0

    def _advance(self) -> None:
        """One piece of work on the way to the goal: a validation, a step, or the end."""
        run, goal = self._run, self._goal
        assert run is not None and goal is not None
        if self._validate_if_due(run):
            if run.out_of_patience:
                goal.reason, goal.last_step = "early_stopping", run.progress.step
        elif run.progress.step >= goal.last_step or time.monotonic() >= goal.deadline:
            self._finish(run, goal)
        elif self._pace and time.monotonic() < self._next_step:
            self.mailbox.rest(min(0.05, self._next_step - time.monotonic()))
        else:
            self._next_step = time.monotonic() + 1 / self._pace if self._pace else 0.0
            self._make_step(run)
            self._leave_views(run)

    def _make_step(self, run: Run) -> None:
        from rnn_tui.training.trainer import NonFinite

        threads = self._use_threads(run)
        started = time.perf_counter()
        try:
            run.step()
        except NonFinite as error:
            self._goal = None
            self._stopped = _non_finite(run, error)
            self._publish(Phase.PAUSED, stopped_because="non_finite", fault=self._stopped)
            self._show_all()
            self._save_in_background()
            return
        run.threads.spent(threads, time.perf_counter() - started)
        if run.sample_due():
            self._sample(run)
        if run.progress.step == 1:
            self._save_in_background()

    def _use_threads(self, run: Run) -> int:
        """The chosen number of threads, one fewer while the answering thread works beside."""
        import torch

        threads = run.threads.current
        crowded = run.threads.free and self._answers.busy and threads >= run.threads.available
        used = max(1, threads - 1) if crowded else threads
        if used != torch.get_num_threads():
            torch.set_num_threads(used)
        return used

    def _validate_if_due(self, run: Run) -> bool:
        if not run.validation_due():
            return False
        self._use_threads(run)
        with self._doing(Phase.VALIDATING, "validating"):
            run.validate(self._serve_while)
        self._sample(run)
        self.board.start_rate()
        self._show_all()
        return True

    def _serve_while(self, share: float) -> None:
        """A periodic validation is part of the run: it is short, and is not broken off but by leaving."""
        self.mailbox.serve()
        if self.mailbox.closing or self._leaving:
            raise Interrupted

    def _finish(self, run: Run, goal: Goal) -> None:
        reason = goal.reason
        self._goal = None
        p = run.progress
        self._stopped = f"stopped at step {p.step:,}: {REASONS[reason]}"
        self._publish(Phase.PAUSED, stopped_because=reason)
        if run.has_validation:
            with self._doing(Phase.VALIDATING, "validating on the whole part"):
                run.validate_whole(lambda share: self._working(share, "validating on the whole part"))
        self._publish(Phase.PAUSED, notice=self._stopped)
        self._show_all()
        self._save_in_background()

    def _sample(self, run: Run) -> None:
        run.sample()
        self.board.show_samples(run)

    def _leave_views(self, run: Run) -> None:
        if self.board.status_due:
            self._publish()
        if self.board.curves_due:
            self.board.draw(run)
        if self._keeper is not None and self._keeper.due:
            self._save_in_background()


def _non_finite(run: Run, error: Exception) -> str:
    """What went wrong, where first, and which ways lead back."""
    step, first, back = run.progress.step, run.flight.first_bad, run.flight.back
    where = f" (first not finite: {first})" if first else ""
    ways = [f"stopped: {error}{where}", f"the weights are those of step {step:,}"]
    if back is not None:
        ways.append(f"u goes back to the weights of step {back.step:,}")
    ways.append("lower the learning rate or set clip_norm")
    if run.best:
        ways.append(f"b brings back the best weights (step {run.progress.best_step:,})")
    return "; ".join(ways)

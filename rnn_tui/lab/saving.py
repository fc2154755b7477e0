"""The open session on the training thread: what others see of it, and how it is saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_tui import session
from rnn_tui.lab import opening
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.board import Board, Goal
from rnn_tui.lab.keeping import Keeper, Kept
from rnn_tui.lab.mailbox import Mailbox
from rnn_tui.views import Phase

if TYPE_CHECKING:
    from rnn_tui.training.run import Run

log = logging.getLogger(__name__)


class OpenSession:
    """The run, its file and its views. Every method runs on the training thread."""

    mailbox: Mailbox

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        self.board = Board()
        self.view_state: dict[str, Any] = {}
        self.notes = ""
        self._folder = folder
        self._answers = answers
        self._keeper: Keeper | None = None
        self._run: Run | None = None
        self._goal: Goal | None = None
        self._pace = 0.0
        self._to_write: Kept | None = None

    def _needed(self) -> tuple[Run, Keeper]:
        if self._run is None or self._keeper is None:
            # Why there is none may stand there already.
            raise LabError(self.board.status.fault or "there is no session yet; build one first (1, then space)")
        return self._run, self._keeper

    def _resting(self) -> Phase:
        return Phase.EMPTY if self._run is None else Phase.TRAINING if self._goal else Phase.PAUSED

    def _publish(self, phase: Phase | None = None, **changes: Any) -> None:
        changes["phase"] = phase or self.board.status.phase
        if self._run is None or self._keeper is None:
            self.board.say(**changes)
            return
        changes |= {"pace": self._pace, "threads": self._run.threads.current}
        self.board.publish(self._run, self._keeper, self._goal, **changes)

    def _show_all(self) -> None:
        if self._run is not None:
            self.board.show_samples(self._run)
            self.board.draw(self._run)

    # -- commands ---------------------------------------------------------------------

    def save(self) -> None:
        _, keeper = self._needed()
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}; save it under another name (6, a)")
        if self._write(always=True):
            self._publish(notice=f"saved {keeper.name} at step {keeper.saved_step:,}")

    def save_as(self, name: str) -> None:
        run, old = self._needed()
        keeper = Keeper(self._folder)
        keeper.claim(name)
        self._write()
        old.release()
        self._keeper = keeper
        keeper.start_clock(run.config.training.autosave_seconds)
        if self._write(always=True):
            self._publish(notice=f"saved as {name}")

    def rename(self, name: str) -> None:
        _, keeper = self._needed()
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}")
        self._write()
        keeper.rename(name)
        session.remember(self._folder, keeper.name)
        self._publish(notice=f"its name is {keeper.name} now")

    # -- its file ---------------------------------------------------------------------

    def _write(self, *, always: bool = False) -> bool:
        """Write the file in this thread, if there is something new. True if nothing is left unsaved."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None:
            return True
        new = keeper.unsaved(opening.mark(run, self.view_state, self.notes))
        if not always and (not new or run.progress.step == 0):
            return True
        # Newer than what waits for the answering thread, which may drop it.
        self._to_write = None
        saved = keeper.write(opening.copy_of(run, self.view_state, self.notes), always=always)
        self._publish()
        return saved

    def _save_in_background(self) -> None:
        """Copy at this border of a step; the answering thread writes it."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None or run.progress.step == 0:
            return
        keeper.start_clock(run.config.training.autosave_seconds)
        if not keeper.unsaved(opening.mark(run, self.view_state, self.notes)):
            return
        # One slot: while a save waits behind a long answer, only the newest copy is kept for it.
        self._to_write = opening.copy_of(run, self.view_state, self.notes)

        def write() -> None:
            kept, self._to_write = self._to_write, None
            if kept is None:
                return
            if not keeper.write(kept):
                log.error("saving failed: %s", keeper.fault)
            self.mailbox.command(self._publish)

        self._answers.do(write)

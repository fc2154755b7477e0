"""The open session on the training thread: what others see of it, and how it is saved."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_tui import session
from rnn_tui.lab import opening
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.board import Board, Goal
from rnn_tui.lab.keeping import Keeper, Kept, place_of
from rnn_tui.lab.mailbox import Interrupted, Mailbox
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
        self.folder = folder
        self._answers = answers
        self._keeper: Keeper | None = None
        self._run: Run | None = None
        self._goal: Goal | None = None
        self._broken = False
        """Whether training ended by an error that nobody reckoned with."""
        self._pace = 0.0
        self._stopped = ""
        """Why training ended by itself, in words: kept, for who opens the session later."""
        # One slot: while a save waits behind a long answer, only the newest copy is kept for it.
        self._to_write: deque[tuple[Keeper, Kept]] = deque(maxlen=1)

    def _needed(self) -> tuple[Run, Keeper]:
        if self._run is None or self._keeper is None:
            # Why there is none may stand there already.
            raise LabError(self.board.status.fault or "there is no session yet; build one first (1, then space)")
        return self._run, self._keeper

    def _mine(self) -> Run:
        """The run, to be changed. Raises LabError where another process has it."""
        run, keeper = self._needed()
        if keeper.followed:
            raise LabError(f"{keeper.name} is only followed here: {keeper.readonly}; take it over first (space)")
        return run

    def _resting(self) -> Phase:
        if self._keeper is not None and self._keeper.followed:
            return Phase.FOLLOWING
        if self._run is None:
            return Phase.EMPTY
        return Phase.TRAINING if self._goal else Phase.FAILED if self._broken else Phase.PAUSED

    def _followed(self) -> dict[str, Any]:
        """What the status says of a session that another process has."""
        return {}

    def _publish(self, phase: Phase | None = None, **changes: Any) -> None:
        changes["phase"] = phase or self.board.status.phase
        if self._run is None or self._keeper is None:
            self.board.say(**changes)
            return
        changes |= {"pace": self._pace, "threads": self._run.threads.current}
        if self._keeper.followed:
            changes |= self._followed()
        self.board.publish(self._run, self._keeper, self._goal, **changes)

    def _show_all(self) -> None:
        if self._run is not None:
            self.board.show_samples(self._run)
            self.board.draw(self._run)

    def _working(self, progress: float, doing: str) -> None:
        """Called from within long work: tell how far it is, answer requests, notice an interruption."""
        self.mailbox.serve()
        if self.mailbox.interrupted:
            raise Interrupted
        if self.board.status_due:
            self.board.say(progress=progress, doing=doing)

    @contextmanager
    def _doing(self, phase: Phase, doing: str) -> Iterator[None]:
        self._publish(phase, doing=doing, progress=math.nan)
        try:
            yield
        finally:
            self._publish(self._resting(), doing="", progress=math.nan)

    # -- commands ---------------------------------------------------------------------

    def save(self) -> None:
        _, keeper = self._needed()
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}; save it under another name (6, a)")
        if self._write(always=True) and not keeper.fault:
            self._publish(notice=f"saved {keeper.name} at step {keeper.saved_step:,}")

    def save_as(self, wish: str) -> None:
        """Go on under another name, or in another folder: only once it is written there."""
        run, old = self._needed()
        if self._unfit(run, old):
            raise LabError(f"{old.fault}; what was saved last is in {old.path}")
        keeper = Keeper(place_of(self.folder, wish)[0])
        keeper.claim(place_of(self.folder, wish)[1])
        if not keeper.write(self._copy(run)):
            keeper.abandon()
            raise LabError(f"{keeper.name}: {keeper.fault}")
        # The file under the old name is brought up to date too, where that can be.
        self._write()
        old.release()
        keeper.start_clock(run.config.training.autosave_seconds)
        session.remember(keeper.folder, keeper.name)
        where = "" if keeper.folder == old.folder else f" in {keeper.folder}"
        self._keeper, self.folder = keeper, keeper.folder
        self._publish(notice=f"saved as {keeper.name}{where}", fault="")

    def rename(self, name: str) -> None:
        _, keeper = self._needed()
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}")
        self._write()
        keeper.rename(name)
        session.remember(self.folder, keeper.name)
        self._publish(notice=f"its name is {keeper.name} now")

    # -- its file ---------------------------------------------------------------------

    def _write(self, *, always: bool = False) -> bool:
        """Write the file in this thread, if there is something new. True if nothing is left that ought to be saved."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None:
            return True
        new = keeper.unsaved(opening.mark(run, self.view_state, self.notes))
        if (not always and (not new or run.progress.step == 0)) or self._unfit(run, keeper):
            return True
        # Newer than what waits for the answering thread, which may drop it.
        self._to_write.clear()
        mended = keeper.fault
        saved = keeper.write(self._copy(run), always=always)
        if not saved:
            log.error("saving failed: %s", keeper.fault)
        self._publish(**_saved_again(keeper) if saved and mended else {})
        return saved

    def _unfit(self, run: Run, keeper: Keeper) -> bool:
        """Whether the weights are none to go on with: what was saved last is worth more, and is left alone."""
        if run.torn:
            keeper.refuse("its newest update was cut in the middle; start the lab again to go on from what was saved")
        elif not run.finite:
            keeper.refuse("its weights are not finite any more; u or b goes back to earlier ones (2)")
        else:
            return False
        self._publish()
        return True

    def _copy(self, run: Run) -> Kept:
        started = time.monotonic()
        kept = opening.copy_of(run, self.view_state, self.notes, self._stopped)
        return replace(kept, seconds=time.monotonic() - started)

    def _save_in_background(self) -> None:
        """Copy at this border of a step; the answering thread writes it."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None or (run.progress.step == 0 and not keeper.fault):
            return
        keeper.start_clock(run.config.training.autosave_seconds)
        if not keeper.unsaved(opening.mark(run, self.view_state, self.notes)) or self._unfit(run, keeper):
            return
        self._to_write.append((keeper, self._copy(run)))

        def write() -> None:
            try:
                # Its own keeper: another session may have been opened since this one waits.
                keeper, kept = self._to_write.pop()
            except IndexError:
                # A newer one was written meanwhile.
                return
            mended = keeper.fault
            if not keeper.write(kept):
                log.error("saving failed: %s", keeper.fault)
            changes = _saved_again(keeper) if mended and not keeper.fault else {}
            self.mailbox.command(lambda: self._publish(**changes))

        self._answers.do(write)

    def _retry(self) -> None:
        """While nothing is trained: save what is in no file yet, once its time has come."""
        if self._behind and self._keeper is not None and self._keeper.due and not self._to_write:
            self._save_in_background()

    @property
    def _behind(self) -> bool:
        """Whether the file is not of the step that there is, or a save has failed."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None or keeper.readonly:
            return False
        return bool(keeper.fault) or 0 < run.progress.step != keeper.saved_step

    def _patience(self) -> float | None:
        """Seconds until that is to be done; None: not at all."""
        wait = self._keeper.due_in if self._behind and self._keeper is not None else math.inf
        return wait + 0.05 if wait < math.inf else None


def _saved_again(keeper: Keeper) -> dict[str, Any]:
    return {"notice": f"saved again, at step {keeper.saved_step:,}: {keeper.path}"}

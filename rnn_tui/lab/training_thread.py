"""The thread that owns the run: it trains, validates, samples, autosaves and leaves views."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnn_tui import session
from rnn_tui.config import Config, ConfigError
from rnn_tui.data.source import DataError
from rnn_tui.lab import opening
from rnn_tui.lab.advancing import Advancing
from rnn_tui.lab.answers.desk import Frozen
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.board import Goal
from rnn_tui.lab.handing import Handed
from rnn_tui.lab.keeping import Keeper
from rnn_tui.lab.mailbox import Interrupted, Mailbox
from rnn_tui.symbols import clean_line
from rnn_tui.views import Phase

if TYPE_CHECKING:
    from rnn_tui.training.run import Run

log = logging.getLogger(__name__)

LOG = "rnn-lab"
"""What the handler is named that writes the lab's own log."""


class TrainingThread(Advancing):
    """The open session and its training; everything of torch stays inside.

    The methods named as commands run on the thread, given to it through `mailbox`.
    """

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        super().__init__(folder, answers)
        self.mailbox = Mailbox("rnn-lab trains", self._carry_out, self._work, self._leave, self._patience)
        self._save_at_close = True

    def frozen_model(self, best: bool) -> Frozen:
        """A copy of the newest (or best) weights as they are at the border of a step. Raises LabError.

        For other threads; waits for the commands given before.
        """
        return self.mailbox.request(lambda: self._freeze(best))

    def ask_run(self, look: Callable[[Run], Any]) -> Any:
        """What `look` finds in the run, at the border of a step. Raises LabError where there is none.

        For other threads; waits for the commands given before.
        """
        return self.mailbox.request(lambda: look(self._needed()[0]))

    def close(self, save: bool, timeout: float) -> bool:
        """Finish the step under way, save what is not saved, join. False if it did not end in time."""
        if not self.mailbox.closing:
            self._save_at_close = save
        ended = self.mailbox.close(timeout)
        self.channel.close()
        return ended

    def hand_over(self, timeout: float) -> Handed:
        """Have a process without a screen go on with the session; for other threads, which wait.

        Raises LabError, TimeoutError.
        """
        future: Future[Handed] = Future()

        def hand() -> None:
            try:
                future.set_result(self.hand_on())
            except Exception as error:
                future.set_exception(error)

        self._leave_soon(hand)
        return future.result(timeout)

    def release(self) -> None:
        """Let go of the session, once nobody writes any more."""
        if self._keeper is not None:
            self._keeper.release()

    # -- the thread -------------------------------------------------------------------

    def _carry_out(self, command: Callable[[], None]) -> None:
        self._guarded(command)

    def _work(self) -> bool:
        if self._goal is None:
            self._guarded(self._look_at_writer if self.following else self._retry)
            return False
        if not self._guarded(self._advance):
            self._goal, self._broken = None, True
            self._publish(self._resting())
            if self._run is not None and self._run.torn:
                self._guarded(self._back_to_file)
        return True

    def _back_to_file(self) -> None:
        """The newest update was cut in two: go on from what was saved last, or from the start."""
        run, keeper = self._needed()
        if keeper.saved_step < 0:
            fresh = self._started_over(run)
        else:
            fresh = opening.again(run, session.load_or_previous(keeper.path)).run
        self._run = fresh
        self._frozen.clear()
        self._publish(notice=f"an update was cut in the middle: it stands at step {fresh.progress.step:,} again")
        self._show_all()

    def _leave(self) -> None:
        if self._save_at_close and self._run is not None and not self.following:
            self._guarded(self._write)
        self.look_away()
        self._publish(self._resting())

    def _guarded(self, call: Callable[[], object]) -> bool:
        """Nothing that goes wrong ends the thread: it is told in one sentence, and logged."""
        try:
            call()
        except Interrupted:
            self._publish(self._resting(), doing="", progress=math.nan)
            return True
        except (LabError, ConfigError, DataError, session.SessionError) as error:
            self._fail(str(error))
            return False
        except Exception as error:
            failed = error
        else:
            return True
        self._fail(self._reckon(failed))
        return False

    def _reckon(self, error: Exception) -> str:
        """An error that nobody reckoned with, in one sentence."""
        if type(error).__module__.startswith("rnn_tui."):
            # A sentence of ours, of a module that imports torch and so can't be named here.
            return str(error)
        log.error("the training thread failed", exc_info=error)
        if opening.out_of_memory(error):
            # What was computed so far hangs on it.
            error.__traceback__ = None
            run = self._run
            return opening.no_memory(run.config, self.board.data) if run else "there is not enough memory for that"
        first = clean_line((str(error).splitlines() or [""])[0])[:200]
        return f"that failed: {type(error).__name__}: {first}{_where_logged()}"

    def _fail(self, sentence: str) -> None:
        self._publish(self._resting(), fault=sentence, doing="", progress=math.nan)

    @contextmanager
    def _opening(self, doing: str) -> Iterator[None]:
        """While another session is had: what fails takes the commands along that were meant for it."""
        try:
            with self._doing(Phase.LOADING, doing):
                yield
        except BaseException:
            self.mailbox.forget()
            self._leaving = False
            self.channel.hear_again()
            raise

    # -- commands ---------------------------------------------------------------------

    def load_engine(self) -> None:
        """Import torch ahead of the first need of it."""
        opening.load_engine()

    def create(self, config: Config, name: str) -> None:
        """Build a new session; the one that is open is saved and left once the new one can be had."""
        with self._opening("loading"):
            run = opening.build(config, self._working, lambda: self.mailbox.interrupted)
            assert run.data is not None
            self._retire()
            keeper = Keeper(self.folder)
            wish = session.derive_name(run.data.title, session.cell_line(config))
            keeper.claim(name or session.free_name(self.folder, wish))
            self.view_state, self.notes = {}, ""
            self._adopt(run, keeper)
            run.sample()
            run.record_frame()
        self._publish(Phase.PAUSED, notice=f"{keeper.name}: {session.cell_line(config)}, not trained yet")
        self._show_all()

    def open(self, name: str) -> None:
        """Open a session where it was left; the one that is open is saved and left once it can be had."""
        with self._opening(f"opening {name}"):
            keeper = Keeper(self.folder)
            if self._keeper is not None and self._keeper.name.lower() == name.lower():
                self._retire()
            found = keeper.find(name)
            try:
                again = opening.reopen(found, self._working, lambda: self.mailbox.interrupted)
                self._retire()
            except BaseException:
                keeper.release()
                raise
            self.view_state, self.notes = found.view, found.notes
            self._adopt(again.run, keeper)
            keeper.known_as_saved(opening.mark(again.run, self.view_state, self.notes))
            if keeper.followed:
                self._begin_following()
        notice = (
            found.notice
            or keeper.readonly
            or again.run.notice
            or f"{keeper.name} opened at step {again.run.progress.step:,}"
        )
        self._stopped = clean_line(found.progress["stopped"])
        if self._stopped and not found.notice and not keeper.readonly:
            notice += f"; {self._stopped}"
        if keeper.followed:
            notice = f"{keeper.readonly}: it is followed, read-only, with its newest weights"
        self._publish(self._resting(), notice=notice, fault=again.fault or keeper.unwritable, exact=again.exact)
        self._show_all()

    def _adopt(self, run: Run, keeper: Keeper) -> None:
        self._run, self._keeper = run, keeper
        session.remember(self.folder, keeper.name)
        self._later.clear()
        self._frozen.clear()
        self._goal, self._broken, self._stopped = None, False, ""
        keeper.start_clock(run.config.training.autosave_seconds)
        self.board.clear(run.data.view if run.data else None)
        self._publish(self._resting())
        if not keeper.readonly:
            self.channel.open(keeper.path)

    def _retire(self) -> None:
        """Save and let go of the session that is open."""
        self._goal = None
        if self._run is not None and self._keeper is not None:
            if not self._write():
                raise LabError(f"{self._keeper.name} is still open: {self._keeper.fault}")
            self.channel.shut()
            self._keeper.release()
        self._run = self._keeper = None
        self._frozen.clear()

    def begin(self, steps: int | None, epochs: float | None, minutes: float | None) -> None:
        run, keeper = self._needed()
        if run.trainer is None:
            raise LabError("its text is not at hand, so it can't be trained; see the message at the top")
        if run.torn:
            raise LabError("its newest update was cut in the middle; start the lab again to go on from what was saved")
        if keeper.readonly:
            self._mine()
            raise LabError(f"it is opened to look at only: {keeper.readonly}")
        for key, value in self._later.items():
            run.change(key, value)
        self._later.clear()
        run.settle()
        made, planned = run.progress.step, run.config.training.steps
        goal = Goal(planned, "planned")
        if steps is not None:
            goal = Goal(made + steps, "steps")
        elif epochs is not None:
            goal = Goal(made + math.ceil(epochs * run.steps_per_epoch), "epochs")
        elif minutes is not None:
            goal = Goal(2**62, "minutes", time.monotonic() + 60 * minutes)
        elif made >= planned:
            self._publish(
                Phase.PAUSED,
                notice=f"the planned {planned:,} steps are done; raise Steps in Build to go on",
                stopped_because="planned",
            )
            return
        self._goal, self._broken, self._stopped = goal, False, ""
        self.board.start_rate()
        self._publish(Phase.TRAINING, fault="", notice="", stopped_because="")

    def pause(self) -> None:
        if self._run is None or self._goal is None:
            return
        self._goal = None
        self._publish(Phase.PAUSED, stopped_because="interrupted")
        self._show_all()
        self._save_in_background()

    def single_step(self) -> None:
        run, _ = self._needed()
        self._goal = None
        self.begin(1, None, None)
        self._goal = None
        self._validate_if_due(run)
        self._make_step(run)
        self._publish(Phase.PAUSED, notice=f"one step: {run.progress.step:,}")
        self._show_all()

    def restart(self) -> None:
        run, keeper = self._needed()
        if run.data is None or keeper.readonly:
            raise LabError("it can't be trained here, so it can't be started over")
        self._goal, self._broken, self._stopped = None, False, ""
        self._run = self._started_over(run)
        self._frozen.clear()
        self._publish(Phase.PAUSED, notice="started over: fresh weights", fault="", stopped_because="", held=())
        self._show_all()

    @staticmethod
    def _started_over(run: Run) -> Run:
        fresh = type(run)(run.config, run.coding, run.data)
        fresh.sample()
        fresh.record_frame()
        return fresh

    # -- what others take away --------------------------------------------------------

    def _freeze(self, best: bool) -> Frozen:
        if self._run is None:
            raise LabError("there is no network yet; build one and start it first (1, then space)")
        kept = self._frozen.get(best)
        if kept is None or kept.weights_version != self._run.weights_version:
            kept = self._frozen[best] = opening.freeze(self._run, best)
        return kept


def _where_logged() -> str:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and handler.get_name() == LOG:
            return f"; the details are in {handler.baseFilename}"
    return ""

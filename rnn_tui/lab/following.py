"""A session that another process has: looked at while it goes on there, and taken over or given away.

Every method runs on the training thread, but `Following.asked_for` and `looked_at`.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import psutil

from rnn_tui import session
from rnn_tui.lab import handing, opening
from rnn_tui.lab.answers.desk import Frozen
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.changing import Changing
from rnn_tui.lab.channel import Channel
from rnn_tui.lab.keeping import Keeper
from rnn_tui.session import live
from rnn_tui.session.live import Live, Request
from rnn_tui.symbols import clean_line
from rnn_tui.views import NO_ANSWER, RUNNING, Phase, Status

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
ASK_EVERY = 2.0
"""Seconds from one request to save more often, as somebody looks, to the next."""
FIRST_LOOKS = 3
"""Looks that each ask, as only what is repeated is heard."""
REPEAT_EVERY = 0.2
ANSWER_WITHIN = 3.0
"""A writer hears a request within half a second; one that is stopped or gone never does."""
BEGIN_WITHIN = 60.0
"""One that has just been started hears it once it has loaded."""
GIVE_WITHIN = 120.0
"""Seconds for its last step and its save, once it has answered."""
SAVE_EVERY = 5.0
"""Seconds from one autosave to the next while somebody looks."""
FREE_LOOKS = 3
"""Looks that must find a session free before who only follows takes it: who asked for it goes first."""
TOLD = frozenset(f.name for f in fields(Live)) & frozenset(f.name for f in fields(Status))
"""What a status and what is told of it have in common."""
FOLLOWED = TOLD - {"phase", "device", "precision", "fault", "notice"}
"""What the status of a follower takes from it."""


class Following(Changing):
    """Commands and looks of a session that is shared with other processes."""

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        super().__init__(folder, answers)
        self.channel = Channel(self._told, self.asked_for, self.looked_at)
        self.left_at: Status | None = None
        """The status at the moment another process took the session."""
        self._live: Live | None = None
        self._said_last: Live | None = None
        self._last_told: Live | None = None
        """What the writer before told last, when the session was taken from it."""
        self._heard = self._looked = self._asked = -math.inf
        self._free = self._looks = 0
        self._seen_looking = -math.inf
        self._leaving = False
        """Whether the session is about to go to another process."""
        self._look_request = live.request("look")
        self._frozen: dict[bool, Frozen] = {}

    @property
    def following(self) -> bool:
        """Whether another process has the session that is open."""
        return self._keeper is not None and self._keeper.followed

    def begin(self, steps: int | None, epochs: float | None, minutes: float | None) -> None:
        """Train: so many more steps, epochs or minutes; without any, to the planned length."""
        raise NotImplementedError

    def save_as(self, wish: str) -> None:
        super().save_as(wish)
        self._speak()

    def rename(self, name: str) -> None:
        super().rename(name)
        self._speak()

    def _speak(self) -> None:
        """Tell others of the session under the name that it has now."""
        if self._keeper is not None and not self._keeper.readonly:
            self.channel.open(self._keeper.path)

    def _patience(self) -> float | None:
        return LOOK_EVERY if self.following else super()._patience()

    # -- what others are told, and ask: on the thread of the channel --------------------

    def _told(self) -> Live:
        status, goal = self.board.status, self._goal
        values: dict[str, Any] = {name: getattr(status, name) for name in TOLD}
        if goal is not None:
            left = goal.deadline - time.monotonic()
            values |= {"goal": goal.reason, "goal_step": min(goal.last_step, 2**61)}
            values |= {"goal_seconds": max(0.0, left) if math.isfinite(left) else math.nan}
        return live.now_live(**values | {"phase": status.phase.value})

    def asked_for(self, asked: Request) -> None:
        """Another process wants the session."""
        keeper = self._keeper
        self._leave_soon(lambda: self._give(asked, keeper))

    def _leave_soon(self, command: Callable[[], None]) -> None:
        """Do this at the border of a step. A validation is broken off: whoever goes on makes it anew."""

        def leave() -> None:
            self._leaving = False
            command()

        self._leaving = True
        self.mailbox.interrupt()
        self.mailbox.command(leave)

    def looked_at(self) -> None:
        """Somebody looks at it: it is saved more often, and at once for who has just come."""
        now = time.monotonic()
        if self._keeper is not None:
            self._keeper.hurry(SAVE_EVERY if now - self._seen_looking < SAVE_EVERY else 0.0)
        self._seen_looking = now

    # -- giving -------------------------------------------------------------------------

    def _give(self, asked: Request, meant: Keeper | None) -> None:
        """Save, and let another process have the session; it is followed from now on."""
        run, keeper = self._needed()
        if keeper is not meant or keeper.readonly:
            # It was let go of before its turn came.
            return
        goal, self._goal = self._goal, None
        if not self._write(always=True):
            self._goal = goal
            self.channel.refuse()
            raise LabError(f"{asked.who} asked for {keeper.name}, which could not be saved: {keeper.fault}")
        self._publish(Phase.PAUSED, stopped_because="interrupted")
        self.left_at = self.board.status
        log.info("%s was given to %s at step %d", keeper.name, asked.who, run.progress.step)
        # Silent before it is free: what the next one tells must not be overwritten.
        self.channel.shut(handed_on=True)
        keeper.follow(f"{asked.who} has taken it over", asked.who)
        self._begin_following(live.read_live(keeper.path))
        self._publish(Phase.FOLLOWING, notice=f"{asked.who} has taken {keeper.name} over; it is followed from here on")

    def hand_on(self) -> handing.Handed:
        """Save, and have a process without a screen go on to the goal. Raises LabError; it then trains on here."""
        run, keeper = self._needed()
        goal = self._goal
        if goal is None or keeper.readonly or run.progress.step >= goal.last_step:
            raise LabError("nothing trains that could go on without a screen")
        length: tuple[str, ...] = ()
        if goal.reason == "minutes":
            length = ("--minutes", f"{max(0.001, (goal.deadline - time.monotonic()) / 60):.6f}")
        elif goal.reason != "planned":
            length = ("--steps", str(max(1, goal.last_step - run.progress.step)))
        if not self._write(always=True):
            raise LabError(f"it was not handed on: {keeper.fault}")
        try:
            handed = keeper.hand_on(length)
        except OSError as error:
            raise LabError(f"no process could be started to go on with it: {error.strerror or error}") from error
        self._goal = None
        self.channel.shut(handed_on=True)
        self._publish(Phase.FOLLOWING)
        return handed

    # -- following ----------------------------------------------------------------------

    def _begin_following(self, said_last: Live | None = None) -> None:
        self._live, self._free, self._looks, self._said_last = None, 0, 0, said_last
        self._heard = time.monotonic()
        self._look_at_writer()

    def _look_at_writer(self) -> None:
        """The newest of what the writer tells and saves, every half second."""
        _, keeper = self._needed()
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        told = live.read_live(keeper.path)
        if told == self._said_last:
            # By this process itself, before it gave the session away.
            told = None
        if told is not None and (self._live is None or (told.pid, told.beat) != (self._live.pid, self._live.beat)):
            self._live, self._heard = told, now
        present = live.read_request(keeper.path)
        self._looks += 1
        due = self._looks <= FIRST_LOOKS or now - self._asked >= ASK_EVERY
        if due and (present is None or present.want == "look"):
            self._asked = now
            self._look_request = replace(self._look_request, beat=self._look_request.beat + 1)
            live.write_request(keeper.path, self._look_request)
        if keeper.changed():
            self._reread()
        self._publish(Phase.FOLLOWING)
        self._free = self._free + 1 if session.holder(keeper.path) is None else 0
        if self._free >= FREE_LOOKS and (present is None or present.want == "look"):
            self._take_what_is_free()

    def look_away(self) -> None:
        """Nobody looks from here any more: take the request to save more often back."""
        if self._keeper is not None and self._looks:
            live.forget_request(self._keeper.path, self._look_request)

    def _reread(self) -> None:
        """The run as its newest save has it. One that can't be read, or has no place for it now, is passed over."""
        run, keeper = self._needed()
        try:
            found = keeper.reread()
        except session.SessionError:
            return
        self._run = opening.again(run, found).run
        self._frozen.clear()
        self.notes = found.notes
        self._show_all()

    def _followed(self) -> dict[str, Any]:
        """What the status says of a session that another process has."""
        told, keeper = self._live, self._keeper
        assert keeper is not None
        # Counted at a look: while this process itself was busy nobody listened.
        silent = self._looked - self._heard > live.SILENT_AFTER
        if told is None:
            return {"writer": keeper.writer, "writer_phase": NO_ANSWER if silent else "", "tokens_per_second": 0.0}
        values = {name: getattr(told, name) for name in FOLLOWED}
        if self._run is not None and self._run.progress.step > told.step:
            # What was saved a moment ago is newer than what was told last.
            values["step"] = values["saved_step"] = self._run.progress.step
        if silent or told.phase not in RUNNING:
            values |= {"tokens_per_second": 0.0, "eta_seconds": math.nan}
        return values | {"writer": told.who, "writer_phase": NO_ANSWER if silent else told.phase}

    def _take_what_is_free(self) -> None:
        """Whoever had it has ended: it is this process's again, paused."""
        _, keeper = self._needed()
        who = self._live.who if self._live else keeper.writer
        try:
            self._regain(0.0)
        except session.SessionError:
            self._free = 0
            return
        run, _ = self._needed()
        self._publish(
            Phase.PAUSED, notice=f"{who} has ended: {keeper.name} is yours again, at step {run.progress.step:,}"
        )

    def take_over(self, train: bool) -> None:
        """Ask who has the session for it, and go on where that one stopped."""
        _, keeper = self._needed()
        if not keeper.followed:
            raise LabError(f"{keeper.name} is not another process's" if not keeper.readonly else keeper.readonly)
        who = str(session.holder(keeper.path) or keeper.writer)
        doing = f"asking {who} for {keeper.name}"
        with self._doing(Phase.FOLLOWING, doing):
            told = self._obtain(who, doing)
        run, _ = self._needed()
        self._publish(
            Phase.PAUSED, notice=f"{keeper.name} is yours, at step {run.progress.step:,}", fault="", stopped_because=""
        )
        if train and told is not None and told.answered and told.phase in RUNNING:
            self._go_on(told)

    def _go_on(self, told: Live) -> None:
        """Train to the goal that the writer before had."""
        run, _ = self._needed()
        step, goal_step = run.progress.step, told.goal_step
        if told.goal == "minutes" and math.isfinite(told.goal_seconds):
            self.begin(None, None, max(0.001, told.goal_seconds / 60))
        elif goal_step > step:
            # Else it was there already, and only the last validation was under way.
            self.begin(None if told.goal == "planned" else goal_step - step, None, None)

    def _obtain(self, who: str, doing: str) -> Live | None:
        """Repeat the request until the session is free, and take it; what the writer told last.

        Raises LabError, SessionError.
        """
        _, keeper = self._needed()
        asked = live.request("take")
        began = repeated = heard = time.monotonic()
        live.write_request(keeper.path, asked)
        answered = False
        try:
            while True:
                try:
                    self._regain(0.0)
                    return self._last_told
                except session.SessionError as error:
                    refused = error
                now = time.monotonic()
                if now - repeated >= REPEAT_EVERY:
                    repeated = now
                    asked = replace(asked, beat=asked.beat + 1)
                    live.write_request(keeper.path, asked)
                    told = live.read_live(keeper.path)
                    answered = answered or (told is not None and told.answered == asked.mark)
                    if told is not None and answered and told.fault:
                        raise LabError(f"{told.who} does not give {keeper.name}: {told.fault}")
                if now - began < BEGIN_WITHIN and self._begins():
                    heard = now
                if now - heard > (GIVE_WITHIN if answered else ANSWER_WITHIN):
                    self._not_given(who, refused)
                    return None
                self._working(math.nan, "it is being saved there" if answered else doing)
                self.mailbox.rest(0.05)
        finally:
            live.forget_request(keeper.path, asked)

    def _begins(self) -> bool:
        """Whether who has the session was started here a moment ago, and has told nothing yet: it still loads."""
        _, keeper = self._needed()
        has, told = session.holder(keeper.path), live.read_live(keeper.path)
        if has is None or (told is not None and told.pid == has.pid):
            return False
        if has.host != socket.gethostname():
            return False
        with suppress(psutil.Error):
            return time.time() - psutil.Process(has.pid).create_time() < BEGIN_WITHIN
        return False

    def _not_given(self, who: str, refused: Exception) -> None:
        """A lock that a dead process of this machine left is broken; any other process is only named."""
        _, keeper = self._needed()
        if keeper.break_dead():
            self._regain(0.3)
            return
        if session.holder(keeper.path) is None:
            # It was free, and is of no use as it is.
            raise refused
        raise LabError(
            f"{who} has {keeper.name} and does not answer; end it there (kill it if it hangs: at most what it did "
            f"since its last save is lost), or work on a copy (6, a)"
        ) from refused

    def _regain(self, timeout: float) -> None:
        """Take the lock, and the session as it was saved last. Raises SessionError where another one has it."""
        run, keeper = self._needed()
        reason, writer = keeper.readonly, keeper.writer
        found = keeper.regain(timeout)
        told = live.read_live(keeper.path)
        try:
            later = opening.again(run, found)
        except BaseException:
            # The run that is here is older than what was saved: it must not be saved over it.
            keeper.follow(reason, writer)
            raise
        self._last_told = told
        self._run, self.notes, self._stopped = later.run, found.notes, clean_line(found.progress["stopped"])
        self._frozen.clear()
        self._live = None
        self.look_away()
        keeper.known_as_saved(opening.mark(self._run, self.view_state, self.notes))
        keeper.start_clock(self._run.config.training.autosave_seconds)
        self.channel.open(keeper.path)
        self._publish(Phase.PAUSED, exact=later.exact, stopped_because="")
        self._show_all()

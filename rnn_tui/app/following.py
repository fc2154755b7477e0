"""While another program has the open session: what the keys that would change it ask, and taking it over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rnn_tui.app.actions import Action, sign_of
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.widgets.status import follows, writer
from rnn_tui.symbols import clean_line
from rnn_tui.views import NO_ANSWER, RUNNING, Phase, Status

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp

TOLD_FOR = 1.0
"""Seconds in which what the Lab says of a session that came to be followed is the same once more."""


class Following:
    """Asks before a session is taken over, takes it over once it is followed, and says what came of it."""

    def __init__(self, app: LabApp) -> None:
        self._app = app
        self._wanted = ""
        """The session that is to be taken over as soon as it is followed."""
        self._loading = False
        """Whether that one is being opened."""
        self._train = False
        """Whether it is to train once it has been taken over, though it did not before."""
        self._asking = False
        """Whether its writer is being asked for it."""
        self._seen = ("", False)
        """The open session when the status was last looked at, and whether it was followed."""
        self._told_at = -math.inf
        self._said = ""

    @property
    def now(self) -> bool:
        """Whether another program has the open session."""
        return follows(self._app.lab.status)

    @property
    def told(self) -> bool:
        """Whether it was just told that a session is followed: what the Lab says of it is no news."""
        return time.monotonic() < self._told_at + TOLD_FOR

    def hinders(self, action: Action) -> bool:
        """Whether an action can't be had while the session is followed: it asks to take over instead."""
        return action.changes and self.now

    def take(self, status: Status) -> None:
        """A new status: a session came to be followed, or is the Lab's own again."""
        if status.phase is Phase.LOADING:
            self._loading = True
            return
        before, followed = self._seen
        self._seen = status.session, follows(status)
        if follows(status) and self._asking and not status.doing:
            # It was not given.
            self._train = False
        self._asking = follows(status) and bool(status.doing)
        if follows(status) and (not followed or before != status.session):
            self._tell(status, lost=before == status.session)
        elif followed and not follows(status):
            self._app.frame.unsay(self._said)
            self._app.keys_changed()
            if before == status.session:
                self._has_it(status)
        if self._wanted:
            self._take_wanted(status)
        self._loading = False

    def _tell(self, status: Status, lost: bool) -> None:
        """Who has it, and which key takes it over: in the one row that a message has."""
        self._app.keys_changed()
        if self._app.leaving or self._wanted == status.session:
            return
        key = sign_of(self._app.by_id["run"].keys[0])
        does = "trains it" if status.writer_phase in RUNNING else "has it"
        told = f"has taken it over; {key} takes it back" if lost else f"{does}; {key} takes it over"
        self._say(f"read-only: {writer(status)} {told}")
        self._told_at = time.monotonic()

    def _say(self, message: str) -> None:
        self._said = message
        self._app.say(message)

    def _has_it(self, status: Status) -> None:
        """The session that was followed is the Lab's own now."""
        build = self._app.pane("build")
        assert isinstance(build, BuildPane)
        build.taken_over(status)
        if self._train and status.phase is Phase.PAUSED and not status.fault:
            self._app.deeds.trains()
            self._app.lab.train()
        self._train = False

    def _take_wanted(self, status: Status) -> None:
        if status.session == self._wanted and follows(status):
            self._app.lab.take_over()
        elif status.session != self._wanted and not self._loading:
            # It is not being opened yet.
            return
        self._wanted = ""

    def ask(self, *, train: bool = False) -> None:
        """Ask whether to take the session over; `train`: and to train it here, if it is paused there."""
        status = self._app.lab.status
        if status.doing:
            self._app.say(f"{clean_line(status.doing)} ...")
            return
        who, answer = writer(status), "take over"
        if status.writer_phase in RUNNING:
            text = f"{who} trains it. It saves and lets go of it, and training goes on here at the same step."
        elif status.writer_phase == NO_ANSWER:
            text = f"{who} has told nothing for a while. If it has ended, it is yours; if it hangs, end it there first."
        else:
            text = f"{who} has it open, {clean_line(status.writer_phase) or 'paused'}. It saves and lets go of it."
            answer = "take over, train" if train else answer
        self._app.ask(
            "Take it over?", text, [("enter", answer, lambda: self._take_over(train))], stay="keep following"
        )  # fmt: skip

    def _take_over(self, train: bool) -> None:
        status = self._app.lab.status
        # One that trains goes on to its own goal.
        self._train = train and status.writer_phase not in RUNNING
        self.take_over(status.session)

    def take_over(self, session: str) -> None:
        """Take a session over, after opening it if it is not the open one."""
        lab = self._app.lab
        if lab.status.session == session and follows(lab.status):
            self._say(f"taking {clean_line(session)} over ...")
            lab.take_over()
            return
        self._wanted, self._train = session, False
        self._say(f"opening {clean_line(session)} to take it over ...")
        lab.open(session)

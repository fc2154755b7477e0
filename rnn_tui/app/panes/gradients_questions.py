"""What Gradients has asked the Lab, and what was answered: one question at a time, none while keys still come."""

from __future__ import annotations

import math
import time

from rnn_tui.app.panes.lens import Asking
from rnn_tui.lab import Lab
from rnn_tui.lab.questions import Compare, FollowGradient, Question, ReadFlight
from rnn_tui.views import Comparison, Flight, GradientFlow, Status

REST = 0.15
"""Seconds since the last key that changed the question, before it is put."""
FLIGHT_EVERY = 1.0
"""Seconds from one look at the flight recorder to the next, at least."""
KEPT = 12
"""Answers that are kept."""

Found = GradientFlow | Comparison


class Answers:
    """The answers about one reading, and the flight recorder's newest."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why the last question has no answer, in one sentence."""
        self.flight: Flight | None = None
        self.flight_trouble = ""
        self._asking = Asking()
        self._flight_asking = Asking()
        self._found: dict[Question, Found] = {}
        self._last: dict[str, Found] = {}
        """What each view showed last: it stands until the next is there."""
        self._put: Question | None = None
        """The question under way, or the one that came to nothing."""
        self._changed_at = -math.inf
        self._flight_at = -math.inf
        self._flight_of: tuple[int, str] | None = None

    @property
    def late(self) -> bool:
        """Whether a question takes longer than a moment."""
        return self._asking.late

    @property
    def doing(self) -> str:
        """What is being done about the question, and how far it is, once it is late."""
        return self._asking.doing

    @property
    def stopped(self) -> bool:
        """Whether the question that was put last was taken back by a person."""
        return self._put is not None and not self._asking.under_way and not self.trouble

    def shown(self, view: str, question: Question | None) -> Found | None:
        """The answer, or what the view showed last."""
        return (self._found.get(question) if question is not None else None) or self._last.get(view)

    def hurry_not(self) -> None:
        """A key changed the question: others may follow."""
        self._changed_at = time.monotonic()

    def look(self, lab: Lab, question: Question | None, view: str) -> bool:
        """Collect what is answered, put the question if it is another; True where there is something new."""
        changed = self._collect()
        known = question is None or question in self._found
        if not known and question != self._put and time.monotonic() - self._changed_at >= REST:
            assert question is not None
            self._put, self.trouble = question, ""
            self._asking.ask(lab, question)
            changed = True
            self._collect()
        if question is None or question in self._found:
            self._asking.cancel()
            self._put, self.trouble = None, ""
            if question is not None:
                self._last[view] = self._found[question]
        return changed

    def _collect(self) -> bool:
        asked, question = self._asking.under_way, self._put
        answer = self._asking.answer()
        if not asked or self._asking.under_way or question is None:
            return False
        if isinstance(answer, Found):
            while len(self._found) >= KEPT:
                self._found.pop(next(iter(self._found)))
            self._found[question] = answer
        else:
            self.trouble = self._asking.trouble or "there is no answer"
        return True

    def stop(self) -> bool:
        """Take the question back that is under way; it is not put again until `again`."""
        return self._asking.cancel()

    def again(self) -> None:
        """What came to nothing may be asked again."""
        self._put, self.trouble = None, ""
        self._flight_of = None

    def forget_others(self, number: int) -> None:
        """Another reading: what was answered of the ones before is void, but stands until the next is there."""
        kept: dict[Question, Found] = {}
        for question, found in self._found.items():
            if isinstance(question, FollowGradient | Compare) and question.number == number:
                kept[question] = found
        self._found = kept
        self._put, self.trouble = None, ""
        self._asking.cancel()

    def forget_shown(self) -> None:
        """Another text or place: what was shown is of the one before."""
        self._last.clear()

    def forget(self) -> None:
        """Another network."""
        self._asking.cancel()
        self._flight_asking.cancel()
        self._found.clear()
        self._last.clear()
        self._put, self.flight, self._flight_of = None, None, None
        self.trouble = self.flight_trouble = ""

    def look_at_flight(self, lab: Lab, status: Status, period: float) -> bool:
        """Collect the flight recorder's newest, and ask again where an update was made or something went wrong."""
        changed = False
        if self._flight_asking.under_way:
            answer = self._flight_asking.answer()
            if isinstance(answer, Flight):
                self.flight, self.flight_trouble, changed = answer, "", True
            elif not self._flight_asking.under_way:
                self.flight_trouble, changed = self._flight_asking.trouble, True
        now = time.monotonic()
        of = (status.step, status.fault)
        fault = self._flight_of is None or self._flight_of[1] != status.fault
        rested = fault or now - self._flight_at >= max(FLIGHT_EVERY, period)
        if status.config is not None and of != self._flight_of and rested and not self._flight_asking.under_way:
            self._flight_of, self._flight_at = of, now
            self._flight_asking.ask(lab, ReadFlight())
        return changed

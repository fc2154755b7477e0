"""A lens: another look at the place in a reading. It takes the rows below the cost, and the pane keeps the rest."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style

from rnn_tui.app.pane import Host
from rnn_tui.app.panes.inquiry import LATE
from rnn_tui.app.reading import Reading
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.lab import Asked, Lab
from rnn_tui.lab.questions import Question
from rnn_tui.views import Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane


class Asking:
    """One question at a time: a new one takes the one before back."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why the last question has no answer, in one sentence."""
        self._asked: Asked | None = None
        self._since = -math.inf

    @property
    def under_way(self) -> bool:
        return self._asked is not None

    @property
    def late(self) -> bool:
        """Whether it takes longer than a moment: it is told then."""
        return self._asked is not None and time.monotonic() - self._since > LATE

    @property
    def doing(self) -> str:
        """What is being done and how far it is, once it is late: `reading 100,000 symbols 40 %`."""
        if self._asked is None or not self.late:
            return ""
        share = self._asked.progress
        return (self._asked.doing or "working") + (f" {100 * share:.0f} %" if math.isfinite(share) else "")

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1; NaN where that is not known, and before it is late."""
        return self._asked.progress if self._asked is not None and self.late else math.nan

    def ask(self, lab: Lab, question: Question) -> None:
        """Put a question; the one under way is taken back."""
        self.cancel()
        self.trouble = ""
        self._since = time.monotonic()
        self._asked = lab.ask(question)

    def answer(self) -> Any:
        """The answer, once; None while there is none. What went wrong stands in `trouble`."""
        asked = self._asked
        if asked is None or not asked.done:
            return None
        self._asked = None
        if asked.error:
            self.trouble = asked.error
            return None
        return asked.newest

    def cancel(self) -> bool:
        """Take the question back; False if there is none."""
        if self._asked is None:
            return False
        self._asked.cancel()
        self._asked = None
        return True


class Lens:
    """Drawn by Inspect in the rows below text and cost, as lines; it never computes, it asks the Lab.

    A lens is opened by its actions (`ACTIONS`, by their names without the pane's) and closed by escape. Each
    action that it has a method `do_NAME` for is its own while it is open; all others stay the pane's, so moving
    through time, units and layers goes on.
    """

    ACTIONS: ClassVar[tuple[str, ...]]
    """Names of the actions that open it: `equation`."""
    TITLE: ClassVar[str]
    RECORDINGS: ClassVar[bool] = False
    """Whether it can look at a recorded frame as well: that has no gates, and no number to ask by."""
    COST: ClassVar[bool] = True
    """Whether the rows of cost and attention stay above it."""

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        """Whether it has anything to show of the network and of the reading; its keys are not offered otherwise."""
        return True

    def __init__(self, pane: LookingPane) -> None:
        self.pane = pane
        self.asking = Asking()

    @property
    def reading(self) -> Reading:
        """The place: trace, cursor, layer, unit, value."""
        return self.pane.reading

    @property
    def trace(self) -> Trace | None:
        return self.pane.reading.trace

    @property
    def host(self) -> Host:
        return self.pane.host

    @property
    def lab(self) -> Lab:
        return self.pane.host.lab

    def begin(self, action: str) -> None:
        """One of its actions was typed: it is opened with it, or it was open already."""

    def took(self, trace: Trace, another: bool) -> None:
        """A reading came: the same text with newer weights, or another text."""

    def tick(self, status: Status) -> bool:
        """Collect answers, ask again where the place has moved; True where there is something new to draw."""
        return False

    def end(self) -> None:
        """It is closed, or another takes its place: take back what was asked."""
        self.asking.cancel()

    def act(self, action: str) -> bool:
        """Perform an action if it is one of its own; False where the pane is to do it."""
        method = getattr(self, f"do_{action}", None)
        if method is None:
            return False
        method()
        return True

    def allows(self, action: str) -> bool | None:
        """Whether an action makes sense now; None: as the pane says."""
        return True if hasattr(self, f"do_{action}") else None

    def escape(self) -> bool:
        """One level up inside it (what is asked is taken back first); False: it is closed."""
        return self.asking.late and self.asking.cancel()

    def accept(self, value: str) -> str:
        """What was typed in its line (`pane.type_line`), on enter; what is wrong with it, or nothing."""
        return ""

    def rows(self, room: int, width: int) -> int:
        """Rows it wants, of `room`; what is left shows units where it is enough for some."""
        return room

    def header(self) -> str:
        """What it shows, in a few words, for the header; empty: as without it."""
        return ""

    def lines(self, width: int, height: int) -> Sequence[Spans]:
        """What it draws, at most `height` lines of `width` columns."""
        raise AssertionError("a lens draws")

    def styles(self, start: int, end: int) -> list[Style] | None:
        """How the symbols of the window are coloured; None: as without it."""
        return None

    def key_hint(self) -> list[tuple[str, str]] | None:
        """What the key bar shows while it is open; None: the pane's actions."""
        return None

    def copy_text(self) -> str:
        """What `y` copies; empty: what the pane copies."""
        return ""

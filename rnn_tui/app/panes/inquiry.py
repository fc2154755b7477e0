"""What Inspect reads: which text, with which weights, when. It asks the Lab, one question at a time."""

from __future__ import annotations

import math
import time
from typing import Any

from rnn_tui.app.widgets.field import LONGEST
from rnn_tui.lab import Asked, Lab, TraceText
from rnn_tui.lab.task_words import words_of
from rnn_tui.views import DataView, Phase, Status, Trace

PARTS = ("train", "validation", "test")
PASSAGE = 200
"""Symbols of a passage of the validation part."""
FOLLOW_EVERY = 1.0
"""Seconds from one reading to the next while it follows the training, at least."""
LATE = 0.3
"""Seconds after which a question is told to be under way."""


def has_network(status: Status) -> bool:
    """Whether there is a model to ask."""
    return status.config is not None and status.phase not in (Phase.EMPTY, Phase.LOADING)


def network_of(status: Status) -> tuple[str, str]:
    """Which network it is: a name may be given again."""
    return status.session, status.config.model.model_dump_json() if status.config else ""


def writes(status: Status) -> bool:
    """Whether the network reads what it answers, and forwards only."""
    config = status.config
    return config is not None and words_of(config.data.task).writes and not config.model.bidirectional


class Inquiry:
    """The text that is read, and the question about it that is under way."""

    def __init__(self) -> None:
        self.text: str | None = None
        """A text of the person's own; None: a passage of the validation part."""
        self.passage = 0
        """Where the passage begins."""
        self.part = ""
        """The part that it is of; empty: validation."""
        self.follows = False
        """Whether the text is read again by itself when the weights change."""
        self.trouble = ""
        """Why the last question has no answer."""
        self.another = False
        """Whether the question under way is about another text than the one that was read last."""
        self.rest = FOLLOW_EVERY
        """Seconds from one question to the next while it follows."""
        self._read: tuple[str | None, int, str] = (None, 0, "")
        """Text, passage and part that were read last."""
        self._asked: Asked | None = None
        self._since = -math.inf
        self._network: tuple[str, str] | None = None

    @property
    def under_way(self) -> bool:
        return self._asked is not None

    @property
    def late(self) -> bool:
        """Whether the question takes longer than a moment."""
        return self._asked is not None and time.monotonic() - self._since > LATE

    @property
    def doing(self) -> str:
        """What is being done about the question, once it is late."""
        return (self._asked.doing or "reading the text") if self._asked is not None and self.late else ""

    def meet(self, status: Status) -> tuple[bool, bool]:
        """Look at the status: whether it is of another network than before, and whether there was one before."""
        network, before = network_of(status), self._network
        self._network = network
        if before is None or network == before:
            return False, False
        # A name that is given at the first step is no other session.
        return before[1] != network[1] or bool(before[0]), bool(before[1])

    def ask(self, lab: Lab, another: bool = False) -> None:
        """Read the text with the newest weights, `another` than was read last or the same."""
        if self._asked is not None:
            # What was asked before was never shown.
            another = another or self.another
            self._asked.cancel()
        self.another = another
        self.trouble = ""
        self._since = time.monotonic()
        self._asked = lab.ask(
            TraceText(text=self.text, offset=self.passage, length=PASSAGE, part=self.part, holds=lab.status.held)
        )

    def due(self, trace: Trace | None, status: Status, plot_period: float) -> bool:
        """Whether it is time to ask of itself: nothing was read yet, or it follows and the weights have changed."""
        if self.under_way or self.trouble or not has_network(status):
            return False
        if trace is None:
            return True
        rested = time.monotonic() - self._since >= max(self.rest, plot_period)
        return self.follows and rested and trace.weights_version != status.weights_version

    def answer(self) -> Trace | None:
        """The answer, once; None while there is none. What went wrong stands in `trouble`."""
        asked = self._asked
        if asked is None or not asked.done:
            return None
        self._asked = None
        if asked.error:
            self.follows = False
            self.trouble = asked.error
            return None
        trace = asked.newest
        if not isinstance(trace, Trace) or not trace.steps:
            return None
        if self.text is None:
            self.passage = trace.offset
        self._read = self.text, self.passage, self.part
        return trace

    def go_back(self) -> None:
        """Another text can't be had: it is the one before again."""
        self.text, self.passage, self.part = self._read

    def stop(self) -> bool:
        """Take the question back; False if there is none."""
        if self._asked is None:
            return False
        self._asked.cancel()
        self._asked = None
        self.follows = False
        return True

    def forget(self) -> None:
        """Another network: what was asked of the old one is void."""
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None
        self.trouble = ""
        self.passage, self.part = 0, ""

    def turn(self, by: int, data: DataView | None, task: str) -> str:
        """Another passage of the validation part, or another example; why there is none further on, else empty."""
        if self.text is not None:
            self.text = None
            return ""
        what, step = ("passage", PASSAGE) if words_of(task).streamed else ("example", 1)
        of = self.part or "validation"
        length = next((part.length for part in data.parts if part.name == of), 0) if data else 0
        last = max(0, length - step) if length else 2**40
        to = min(max(0, self.passage + by * step), last)
        if to == self.passage:
            return f"this is the first {what} of the {of} part" if by < 0 else f"this is its last {what}"
        self.passage = to
        return ""

    def state(self) -> dict[str, Any]:
        """What is kept with the session."""
        return {"text": self.text, "offset": self.passage, "part": self.part}

    def restore(self, state: dict[str, Any], status: Status) -> None:
        """Take back what `state` gave, for the network of a status; from a file, so anything may be in it."""
        text, offset = state.get("text"), state.get("offset")
        self.forget()
        self.text = text[:LONGEST] if isinstance(text, str) and text else None
        self.passage = offset if isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset < 2**40 else 0
        self.part = str(state.get("part")) if state.get("part") in PARTS else ""
        self._network = network_of(status)

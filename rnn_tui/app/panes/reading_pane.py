"""What panes that show a traced text have in common: the place in it, and the keys that move it."""

from __future__ import annotations

import math
import re
import time

from textual.geometry import Size

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes.answer_words import EXAMPLES, OTHERWISE
from rnn_tui.app.panes.inquiry import Inquiry, has_network
from rnn_tui.app.reading import LANGUAGE, Reading
from rnn_tui.app.widgets.field import LONGEST, Field
from rnn_tui.views import Phase, Trace

DRAW_EVERY = 0.09
"""Seconds from one drawing of a move to the next: keys that come faster share one."""

SLOW = 1.0
"""A plot period, in seconds, from which a line counts as slow: output may be waiting."""

TYPED_AHEAD = 0.5
"""Seconds after a pane was shown in which moves are kept, network or not."""

COMPOSED = "a label, a colon, how it begins"
"""What may be typed where a sequence comes from a label."""

MOST_TYPED = 1000
"""Moves that are kept until there is a text to move in."""


def sizes_in(pane: Pane) -> tuple[Size, ...]:
    """The sizes of what a pane is made of: a layout reaches them a moment after it was changed."""
    return tuple(child.size for child in pane.query("*"))


class TimePane(Pane):
    """A pane with a place in time and in the layers of a trace. A subclass draws it in `draw`.

    Moves that are typed while the text is still being read are kept, and made when it is there.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.reading = Reading()
        self._typed: list[tuple[str, int]] = []
        self._dirty = True
        self._drawn_at = -math.inf
        self._drawn_for: tuple[Size, ...] = ()

    @property
    def trace(self) -> Trace | None:
        """The newest reading."""
        return self.reading.trace

    @property
    def awaits(self) -> bool:
        """Whether moves are meant for a text that is not there yet."""
        return self.trace is None

    def draw(self) -> None:
        """Draw what changed. A subclass does, and calls this first."""
        self._dirty = False
        self._drawn_at = time.monotonic()
        self._drawn_for = sizes_in(self)

    @property
    def stale(self) -> bool:
        """Whether something changed since it was drawn: what it shows, or the room for it."""
        return self._dirty or self._drawn_for != sizes_in(self)

    def make_typed(self) -> None:
        """Make the moves that were typed while the text was awaited."""
        typed, self._typed = self._typed, []
        for move, by in typed:
            self.reading.do(move, by)

    def forget_typed(self) -> None:
        """The text they were meant for does not come."""
        self._typed.clear()

    def _move(self, move: str, by: int) -> None:
        """Move now, or once the text is there."""
        if self.awaits:
            if len(self._typed) < MOST_TYPED:
                self._typed.append((move, by))
            return
        self.reading.do(move, by)
        # Drawn with the next tick where keys come faster than ten a second, or the line is slow.
        if time.monotonic() - self._drawn_at >= DRAW_EVERY and self.host.plot_period < SLOW:
            self.draw()
        else:
            self._dirty = True

    def do_left(self) -> None:
        self._move("move", -1)

    def do_right(self) -> None:
        self._move("move", 1)

    def do_left_ten(self) -> None:
        self._move("move", -10)

    def do_right_ten(self) -> None:
        self._move("move", 10)

    def do_first(self) -> None:
        self._move("go", 0)

    def do_last(self) -> None:
        self._move("go", 2**40)

    def do_layer_down(self) -> None:
        self._move("step_layer", -1)

    def do_layer_up(self) -> None:
        self._move("step_layer", 1)


class TextPane(TimePane):
    """A pane that reads a text: an example or passage of the data, or one of the person's own."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.inquiry = Inquiry()
        self._own = Field(lines=True)
        self._shown_at = -math.inf

    @property
    def has_network(self) -> bool:
        """Whether there is a model to ask."""
        return has_network(self.lab.status)

    @property
    def awaits(self) -> bool:
        """Whether another text than the one that is shown was asked for, and is not there yet."""
        return self.trace is None or (self.inquiry.under_way and self.inquiry.another)

    @property
    def may_come(self) -> bool:
        """Whether a network is there or on its way: what was typed with the pane's number may be ahead of it."""
        status = self.lab.status
        just_shown = time.monotonic() - self._shown_at < TYPED_AHEAD
        return has_network(status) or status.phase is Phase.LOADING or just_shown

    @property
    def takes_text(self) -> bool:
        """Whether a text that is pasted is read."""
        return self.has_network

    def _ask(self, another: bool = False) -> None:
        """Read the text with the newest weights. A subclass does."""

    def _changed(self) -> None:
        """Something else is to be shown. A subclass draws it."""
        self._dirty = True

    def do_text(self) -> None:
        self.open_field(self._own, self.inquiry.text or "")
        self._own.cut = 0
        self._dirty = True
        self.draw()

    @property
    def typed_told(self) -> str:
        """What may be typed, in words; of language any text."""
        config = self.lab.status.config
        task = config.data.task if config is not None else LANGUAGE
        return "" if task == LANGUAGE else COMPOSED if task == "composing" else EXAMPLES.get(task, OTHERWISE)

    def pasted(self, text: str) -> bool:
        if not text or not self.takes_text:
            return False
        if len(text) > LONGEST:
            self.host.say(f"the pasted text has {len(text):,} symbols; the first {LONGEST:,} are read")
        self._read_own(text[:LONGEST])
        return True

    def _read_own(self, text: str) -> None:
        """A text of one's own, whole; an empty one gives the passage back."""
        self.inquiry.text = text or None
        self.inquiry.part = ""
        self._ask(another=True)
        self._changed()

    def do_earlier(self) -> None:
        self._turn(-1)

    def do_later(self) -> None:
        self._turn(1)

    def _turn(self, by: int) -> None:
        config = self.lab.status.config
        no_more = self.inquiry.turn(by, self.lab.data, config.data.task if config is not None else LANGUAGE)
        if no_more:
            self.host.say(no_more)
        else:
            self._ask(another=True)
            self._changed()
            self.tick(self.lab.status)

    def _not_answered(self) -> None:
        """The question came to nothing: the text of before is shown on, where there is one."""
        inquiry = self.inquiry
        self.forget_typed()
        if self.trace is not None:
            inquiry.go_back()
            if inquiry.trouble:
                self.host.say(inquiry.trouble, error=True)
                inquiry.trouble = ""


class ReadingPane(TextPane):
    """A pane with a place in a trace: timestep, layer, unit, value."""

    @property
    def page(self) -> int:
        """Units that pageup and pagedown pass."""
        return 10

    def do_up(self) -> None:
        self._move("step_unit", -1)

    def do_down(self) -> None:
        self._move("step_unit", 1)

    def do_page_up(self) -> None:
        self._move("step_unit", -self.page)

    def do_page_down(self) -> None:
        self._move("step_unit", self.page)

    def do_value(self) -> None:
        self._move("step_value", 1)

    def do_value_back(self) -> None:
        self._move("step_value", -1)

    def do_sort(self) -> None:
        self._move("step_sort", 1)

    def do_go_to(self) -> None:
        last = len(self.reading.columns) - 1
        self.host.ask_text(
            "Go to",
            f"A timestep, 0 to {last}, or a unit, u 0 to u {self.reading.units - 1}.",
            "",
            self._go_to,
        )

    def _go_to(self, answer: str) -> str:
        found = re.fullmatch(r"\s*([tuTU]?)\s*([0-9]{1,9})\s*", answer)
        if not found:
            return "type a timestep (19 or t 19) or a unit (u 42)"
        number = int(found[2])
        if found[1].lower() == "u":
            if number >= self.reading.units:
                return f"unit {number} is not there; the last unit is {self.reading.units - 1}"
            self.reading.unit = number
        else:
            if number >= len(self.reading.columns):
                return f"t {number} is not there; the last timestep is {len(self.reading.columns) - 1}"
            self.reading.go(number)
        self._dirty = True
        self.draw()
        return ""

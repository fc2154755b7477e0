"""What panes that show a traced text have in common: the place in it, and the keys that move it."""

from __future__ import annotations

import math
import re
import time

from textual.geometry import Size

from rnn_tui.app.pane import Pane
from rnn_tui.app.reading import Reading
from rnn_tui.views import Trace

DRAW_EVERY = 0.09
"""Seconds from one drawing of a move to the next: keys that come faster share one."""

SLOW = 1.0
"""A plot period, in seconds, from which a line counts as slow: output may be waiting."""

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


class ReadingPane(TimePane):
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

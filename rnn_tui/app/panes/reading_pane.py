"""What panes that show a traced text have in common: the place in it, and the keys that move it."""

from __future__ import annotations

import math
import re
import time

from rnn_tui.app.pane import Pane
from rnn_tui.app.reading import Reading
from rnn_tui.views import Trace

DRAW_EVERY = 0.09
"""Seconds from one drawing of a move to the next: keys that come faster share one."""

SLOW = 1.0
"""A plot period, in seconds, from which a line counts as slow: output may be waiting."""


class ReadingPane(Pane):
    """A pane with a place in a trace: timestep, layer, unit, value. A subclass draws it in `draw`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.reading = Reading()
        self._dirty = True
        self._drawn_at = -math.inf

    @property
    def trace(self) -> Trace | None:
        """The newest reading."""
        return self.reading.trace

    @property
    def page(self) -> int:
        """Units that pageup and pagedown pass."""
        return 10

    def draw(self) -> None:
        """Draw what changed. A subclass does, and calls this first."""
        self._dirty = False
        self._drawn_at = time.monotonic()

    def _moved(self) -> None:
        """Draw now; with the next tick where keys come faster than ten a second, or the line is slow."""
        if time.monotonic() - self._drawn_at >= DRAW_EVERY and self.host.plot_period < SLOW:
            self.draw()
        else:
            self._dirty = True

    def do_left(self) -> None:
        self.reading.move(-1)
        self._moved()

    def do_right(self) -> None:
        self.reading.move(1)
        self._moved()

    def do_left_ten(self) -> None:
        self.reading.move(-10)
        self._moved()

    def do_right_ten(self) -> None:
        self.reading.move(10)
        self._moved()

    def do_first(self) -> None:
        self.reading.go(0)
        self._moved()

    def do_last(self) -> None:
        self.reading.go(len(self.reading.columns) - 1)
        self._moved()

    def do_up(self) -> None:
        self.reading.step_unit(-1)
        self._moved()

    def do_down(self) -> None:
        self.reading.step_unit(1)
        self._moved()

    def do_page_up(self) -> None:
        self.reading.step_unit(-self.page)
        self._moved()

    def do_page_down(self) -> None:
        self.reading.step_unit(self.page)
        self._moved()

    def do_layer_down(self) -> None:
        self.reading.step_layer(-1)
        self._moved()

    def do_layer_up(self) -> None:
        self.reading.step_layer(1)
        self._moved()

    def do_value(self) -> None:
        self.reading.step_value(1)
        self._moved()

    def do_value_back(self) -> None:
        self.reading.step_value(-1)
        self._moved()

    def do_sort(self) -> None:
        self.reading.step_sort()
        self.reading.top = 0
        self._moved()

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

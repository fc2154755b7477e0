"""The equations of the chosen unit with their numbers, and working them out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rnn_tui.app.panes.equation_view import FEW, WIDE, Hides, Page, error_told
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_by_hand import DIGITS, ByHand
from rnn_tui.app.widgets.bars import quoted
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.row import wrap
from rnn_tui.lab.questions import Explain
from rnn_tui.symbols import clean_line
from rnn_tui.views import Equation, Line, Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

LEAST_PANEL = 4
"""Rows from which one line is shown in full below the equations."""


class EquationLens(Lens):
    """Every term of the unit's equations at the cursor. Moving in time is array indexing; another unit is a question.

    `enter` again hides what the equations come to, and asks for it, a number after another.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("equation",)
    TITLE: ClassVar[str] = "equation"

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.equation: Equation | None = None
        self.hand: ByHand | None = None
        """While the results are hidden."""
        self.focus = 0
        """Index of the line that is shown in full."""
        self._score = ByHand()
        self._begun = False
        self._asked_for: tuple[int, int, int] | None = None
        self._drawn: tuple[Spans, ...] = ()

    def begin(self, action: str) -> None:
        if not self._begun:
            self._begun = True
            self._meet()
        elif self.equation is not None:
            if self.hand is None:
                self.hand = self._score
                self.hand.told = ""
            self.pane.type_line()

    def took(self, trace: Trace, another: bool) -> None:
        self._meet()

    @property
    def _place(self) -> tuple[int, int, int] | None:
        trace = self.trace
        return None if trace is None else (trace.number, self.reading.layer, self.reading.unit)

    def _meet(self) -> bool:
        """Take the answer, ask where the place is another; whether there is something new to draw."""
        before = self.asking.under_way
        found = self.asking.answer()
        if isinstance(found, Equation):
            self.equation = found
        place = self._place
        if place is not None and place != self._asked_for:
            self._asked_for = place
            if place[0]:
                self.asking.ask(self.lab, Explain(*place))
                found = self.asking.answer()
                if isinstance(found, Equation):
                    self.equation = found
        return before and not self.asking.under_way

    def tick(self, status: Status) -> bool:
        return self._meet()

    @property
    def known(self) -> Equation | None:
        """The equation of the place; None while it is computed."""
        found = self.equation
        if found is None or (found.number, found.layer, found.unit) != self._place:
            return None
        return found

    @property
    def line(self) -> Line | None:
        """The line that is shown in full: by hand the one that is asked for."""
        equation = self.known
        if equation is None or not equation.lines:
            return None
        if self.hand is not None:
            step = self.hand.step(equation, self.reading.cursor)
            if step is not None:
                return next(line for line in equation.lines if line.name == step.name)
        return equation.lines[min(self.focus, len(equation.lines) - 1)]

    def do_value(self) -> None:
        """The next line in full."""
        self._step(1)

    def do_value_back(self) -> None:
        """The line before."""
        self._step(-1)

    def _step(self, by: int) -> None:
        count = len(self.equation.lines) if self.equation is not None else 1
        self.focus = (min(self.focus, count - 1) + by) % max(count, 1)

    def escape(self) -> bool:
        if super().escape():
            return True
        if self.hand is not None:
            self.hand = None
            self.host.keys_changed()
            return True
        return False

    # By hand.

    def accept(self, value: str) -> str:
        hand, equation, t = self.hand, self.known, self.reading.cursor
        if hand is None or equation is None:
            return ""
        if hand.step(equation, t) is None:
            more = self._go_on()
            if not more:
                self.pane.close_field()
                return ""
            hand.told = ""
        else:
            hand.answer(equation, t, value)
        self.pane.type_line()
        return ""

    def _after(self) -> str:
        """Where it goes on when a unit is done."""
        reading, trace = self.reading, self.trace
        if reading.unit + 1 < reading.units:
            return f"enter: unit {reading.unit + 1}"
        if trace is not None and reading.cursor + 1 < trace.steps:
            return f"enter: t {reading.cursor + 1}"
        return "the text ends here"

    def _go_on(self) -> bool:
        """To the next unit, after the last one to the next timestep; False at the end of the text."""
        reading, trace = self.reading, self.trace
        if reading.unit + 1 < reading.units:
            reading.unit += 1
        elif trace is not None and reading.cursor + 1 < trace.steps:
            reading.unit = 0
            reading.go(reading.cursor + 1)
        else:
            return False
        self._meet()
        return True

    # Drawing.

    def header(self) -> str:
        forward = ", forward" if self.trace is not None and self.trace.backward else ""
        return f"unit {self.reading.unit}{forward}{' by hand' if self.hand is not None else ''}"

    def lines(self, width: int, height: int) -> Sequence[Spans]:
        self._meet()
        trouble = self.asking.trouble
        if not trouble and self._asked_for is not None and not self._asked_for[0]:
            trouble = "this reading came without its weights; r reads the text again"
        if trouble:
            return [(), *(((f" {row}", "warn"),) for row in wrap(clean_line(trouble), max(width - 2, 10)))]
        equation = self.known
        if equation is None:
            # What stood there stays for the moment that the answer takes.
            return self._drawn if self._drawn and not self.asking.late else [((" ...", "quiet"),)]
        drawn = self._hand_lines(equation, width, height) if self.hand else self._full_lines(equation, width, height)
        self._drawn = tuple(drawn[:height])
        return self._drawn

    def _page(self, equation: Equation, width: int) -> Page:
        t, hand = min(self.reading.cursor, len(equation.lines[0].value) - 1), self.hand
        plain = self.host.ascii_only
        if hand is None:
            return Page(equation, t, width, 4 if width >= WIDE else 2, ascii_only=plain)
        hides: Hides = lambda name, part: hand.hides(equation, t, name, part)  # noqa: E731
        return Page(equation, t, width, DIGITS, hides=hides, ascii_only=plain)

    def _full_lines(self, equation: Equation, width: int, height: int) -> list[Spans]:
        page, focus = self._page(equation, width), self.line
        if width < FEW:
            return page.few(height)
        rows = [row for line in equation.lines for row in page.rows(line, line is focus)]
        if len(rows) > height:
            return page.few(height)
        rows.append(error_told(equation.error, width))
        left = height - len(rows) - 1
        grid = page.grid(width, left)
        if grid:
            return [*rows, (), *grid]
        if left + 1 >= LEAST_PANEL and focus is not None:
            gap: list[Spans] = [()] if left >= 6 else []
            rows += gap + page.panel(focus, width, min(height - len(rows) - len(gap), 14))
        return rows

    def _hand_lines(self, equation: Equation, width: int, height: int) -> list[Spans]:
        hand, page, t = self.hand, self._page(equation, width), self.reading.cursor
        assert hand is not None
        line = self.line
        prompt = hand.prompt(equation, t, self._after(), width)
        rows = [row for each in equation.lines for row in page.rows(each, each is line)] if width >= FEW else []
        symbol = quoted(self.trace.symbols[t]) if self.trace is not None else ""
        asked = line is not None and hand.step(equation, t) is not None
        given = hand.given(equation, t, line, symbol, width) if asked and line is not None else []
        room = height - len(prompt)
        if not rows or len(rows) + len(given) > room:
            # The line that is asked for, and what it is computed from, come first.
            rows = page.rows(line, False) if line is not None and width >= FEW else page.few(max(room - len(given), 1))
        above = [*rows, *([()] if len(rows) + len(given) < room else []), *given][: max(room, 0)]
        blank: list[Spans] = [()] * max(height - len(above) - len(prompt), 0)
        return [*above, *blank, *prompt][-height:]

    def key_hint(self) -> list[tuple[str, str]] | None:
        arrows = ("left right", "up down") if self.host.ascii_only else ("←→", "↑↓")
        if self.hand is not None:
            return [("enter", "go on"), (arrows[0], "time"), (arrows[1], "unit"), ("escape", "show all")]
        return [
            ("enter", "by hand"), (arrows[0], "time"), (arrows[1], "unit"), ("v", "line"), ("[ ]", "layer"),
            ("x", "hold"), ("escape", "back"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        equation = self.known
        if equation is None or self.hand is not None:
            return ""
        page = Page(equation, self.reading.cursor, 200, 4, ascii_only=True)
        told = [f"layer {equation.layer}, unit {equation.unit}, t {self.reading.cursor}"]
        told += ["".join(text for text, _ in row).rstrip() for line in equation.lines for row in page.rows(line, False)]
        return "\n".join(told)

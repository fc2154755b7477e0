"""How one unit's equations are written out with their numbers, at one timestep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len
from rich.style import Style

from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.reading import ramp_of
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.activation import FUNCTIONS, LABEL, curve
from rnn_tui.app.widgets.bars import GREY, NEGATIVE, POSITIVE, UNSIGNED, signed_bar
from rnn_tui.app.widgets.painted import Span, Spans, columns_of
from rnn_tui.app.widgets.row import fit, pad
from rnn_tui.symbols import clean_line
from rnn_tui.views import Equation, Line

FEW = 64
"""Columns below which only results are told."""
WIDE = 120
"""Columns from which numbers have four decimals."""
CALLS = {"sigmoid": "sigmoid(", "tanh": "tanh(", "relu": "max(0, "}
CURVE = 24
"""Columns of an activation curve."""
PANEL = 38
"""Columns that a line's contributions need."""
LEAST_STACKED = 10
"""Rows of one line in full, its curve below, at least."""

Hides = Callable[[str, str], bool]
"""Whether a part of a line is hidden: its name, and `terms`, `pre` or `value`."""


def nothing(name: str, part: str) -> bool:
    """Hides nothing."""
    return False


def figure(value: float, digits: int = 2, signed: bool = True) -> str:
    """A number in a width of its own: `+0.31`, `0.81`; a large one has fewer decimals."""
    width = digits + 2 + signed
    if not math.isfinite(value):
        return "-".rjust(width)
    for places in range(digits, -1, -1):
        text = f"{value:{'+' if signed else ''}.{places}f}"
        if len(text) <= width:
            return text.rjust(width)
    return f"{value:{'+' if signed else ''}.0e}".replace("e+0", "e").replace("e+", "e").rjust(width)


def colour_of(value: float, signed: bool = True) -> Style:
    """Blue, orange or grey by its sign; a gate in the colour of an open one."""
    if not signed:
        return palette.style(UNSIGNED)
    number = GREY if not math.isfinite(value) or abs(value) < 0.005 else POSITIVE if value > 0 else NEGATIVE
    return palette.style(number)


def number(value: float, digits: int, signed: bool = True, hidden: bool = False) -> Span:
    """A number in its colour, or `?`."""
    if hidden:
        return "?".rjust(digits + 2 + signed), "mark"
    return figure(value, digits, signed), colour_of(value, signed)


def joined(spans: Iterable[Span]) -> Spans:
    """The same, signs between numbers in the colour of the number before: each change of colour is sent with a key."""
    made: list[Span] = []
    for text, style in spans:
        if style == "quiet" and made and isinstance(made[-1][1], Style):
            style = made[-1][1]
        if made and made[-1][1] == style:
            made[-1] = (made[-1][0] + text, style)
        elif text:
            made.append((text, style))
    return tuple(made)


def has_sign(name: str) -> bool:
    """Whether a line's value may be negative."""
    return ramp_of(name) == "signed"


class Page:
    """The lines of an equation at timestep t, in so many columns and decimals."""

    def __init__(
        self, equation: Equation, t: int, width: int, digits: int, *, hides: Hides = nothing, ascii_only: bool = False
    ) -> None:
        self.equation, self.t, self.width, self.digits = equation, t, width, digits
        self.hides, self.ascii_only = hides, ascii_only
        self._lines = {line.name: line for line in equation.lines}
        # Of all lines that have one, so that they stand under one another.
        self._call = max((len(CALLS.get(line.activation, "")) for line in equation.lines), default=0)
        forms = ((False, False), (True, False), (False, True), (True, True))
        summed = [line for line in equation.lines if line.activation]
        self._short, self._brief = next(
            (form for form in forms
             if all(columns_of(self._summed(line, *form)[1]) <= width - 1 for line in summed)), forms[-1]
        )  # fmt: skip

    def _at(self, line: Line) -> float:
        return float(line.value[self.t])

    def held(self, line: Line) -> bool:
        """Whether the value is held at t, and the equation does not count."""
        return line.held is not None and bool(line.held[self.t])

    def result(self, line: Line) -> Spans:
        """The value of a line: `0.81`, and whether it is held."""
        signed = has_sign(line.name)
        value = number(self._at(line), self.digits, signed, self.hides(line.name, "value"))
        if not signed:
            value = (" " + value[0], value[1])
        return (value, (" held", "warn")) if self.held(line) else (value,)

    def rows(self, line: Line, focus: bool) -> list[Spans]:
        """The equation, and under it its numbers."""
        if not line.activation:
            return self._state(line, focus)
        first, second = self._summed(line, self._short, self._brief)
        mark: Span = (">" if focus else " ", "mark")
        room = self.width - columns_of(second) - 1
        if not self.hides(line.name, "value") and not self.held(line) and room >= 3:
            second = (*second, (" ", "quiet"), self._bar(line, min(room, 9)))
        return [cut((mark, *first[1:]), self.width), cut(joined(second), self.width)]

    def _bar(self, line: Line, columns: int) -> Span:
        value, signed = self._at(line), has_sign(line.name)
        if signed:
            columns -= 1 - columns % 2
            return signed_bar(value, columns, self.ascii_only).rstrip(), colour_of(value)
        return palette.bar(value, columns, self.ascii_only).rstrip(), colour_of(value, False)

    def _summed(self, line: Line, short: bool, brief: bool) -> tuple[Spans, Spans]:
        """Names and numbers of the terms under one another; `short` names and a `brief` end where it is narrow."""
        digits, t = self.digits, self.t
        call = CALLS[line.activation]
        names: list[Span] = [(" ", "mark"), (f"{line.name} = {call:>{self._call}}", "label")]
        values: list[Span] = [(" ", "mark"), (f"{'':{len(line.name)}} = {call:>{self._call}}", "quiet")]
        hidden = self.hides(line.name, "terms")
        for k, (term, array) in enumerate(line.terms):
            term = term.replace("h_{t-1}", "h'") if short else term
            wide = max(cell_len(term), digits + 3)
            told, style = number(float(array[t]), digits, hidden=hidden and not term.startswith("b_"))
            names.append((("" if k == 0 else " + ") + term.rjust(wide), "label"))
            # Its blanks belong to the number: fewer changes of colour to send.
            values.append((("" if k == 0 else "   ") + told.rjust(wide), style))
        names.append((")", "label"))
        total = number(float(line.pre_activation[t]), digits, hidden=self.hides(line.name, "pre"))
        # All in the colour of the sum, as one: a change of colour is sent with every key.
        told, style = total
        end = f") = {told} ->" if brief else f") = {call:>{self._call}}{told}) ="
        return tuple(names), (*values, (end, style), (" ", "quiet"), *self.result(line))

    def _state(self, line: Line, focus: bool) -> list[Spans]:
        """A state: its equation, the equation with numbers for names, the parts, and the result."""
        sign = " * " if line.product else " + "
        head: Spans = (
            (">" if focus else " ", "mark"), (f"{line.name} = {sign.join(name for name, _ in line.terms)}", "label"),
        )  # fmt: skip
        hidden = self.hides(line.name, "terms")
        inserted: list[Span] = [(" = ", "quiet")]
        for k, (term, array) in enumerate(line.terms):
            if k:
                inserted.append((sign, "quiet"))
            inserted += self._inserted(term, float(array[self.t]), hidden)
        parts: list[Span] = [(" = ", "quiet")]
        for k, (term, array) in enumerate(line.terms):
            parts.append((sign if line.product and k else " " if k else "", "quiet"))
            # A gate alone is shown as far as it is known.
            signed = not (term in self._lines and not has_sign(term))
            unknown = self.hides(term, "value") if term in self._lines else hidden
            parts.append(number(float(array[self.t]), self.digits, signed, unknown))
        end: Spans = ((" = ", "quiet"), *self.result(line))
        whole = (*head, *inserted, *parts, *end)
        if columns_of(whole) <= self.width:
            return [joined(whole)]
        indent: Span = (" " * (len(line.name) + 1), "")
        second = (indent, *inserted, *parts, *end)
        if columns_of(second) > self.width:
            second = (indent, *inserted, *end)
        return [cut(head, self.width), cut(joined(second), self.width)]

    def _inserted(self, term: str, value: float, hidden: bool) -> list[Span]:
        """A product with numbers for its names: `0.98 * +2.10`."""
        spans: list[Span] = []
        for k, written in enumerate(term.split(" * ")):
            front, inner, back = "", written, ""
            for opening in ("(1 - ", "tanh("):
                if written.startswith(opening) and written.endswith(")"):
                    front, inner, back = opening, written[len(opening) : -1], ")"
            past = inner.removesuffix("_{t-1}")
            if inner in self._lines:
                line = self._lines[inner]
                told = number(self._at(line), self.digits, has_sign(inner), self.hides(inner, "value"))
            elif past != inner and past in self.equation.before:
                told = number(float(self.equation.before[past][self.t]), self.digits)
            else:
                return [number(value, self.digits, hidden=hidden)]
            spans += [((" * " if k else "") + front, "quiet"), told, (back, "quiet")]
        return [span for span in spans if span[0]]

    def few(self, height: int) -> list[Spans]:
        """Only what each line comes to, in as many columns as it takes to have them all."""
        told: list[Spans] = []
        for line in self.equation.lines:
            spans: list[Span] = [(f" {line.name} = ", "label")]
            if line.activation:
                total = number(float(line.pre_activation[self.t]), 2, hidden=self.hides(line.name, "pre"))
                spans += [(CALLS[line.activation], "quiet"), total, (") = ", "quiet")]
            told.append((*spans, *self.result(line)))
        across = -(-len(told) // max(height, 1))
        column = self.width // max(across, 1)
        if across > 1:
            told = [
                ((f" {line.name} ", "label"), *self.result(line)) for line in self.equation.lines
            ]  # fmt: skip
        rows: list[Spans] = []
        for k in range(0, len(told), across):
            row: list[Span] = []
            for spans_of in told[k : k + across]:
                kept = cut(spans_of, column)
                row += [*kept, (" " * (column - columns_of(kept)), "")]
            rows.append(tuple(row))
        return rows

    # What adds most, and the curve.

    def point(self, line: Line) -> tuple[str, float] | None:
        """The activation that a line goes through, and where: for `o * tanh(c)` it is c's."""
        if line.activation in FUNCTIONS:
            return line.activation, float(line.pre_activation[self.t])
        for term, _ in line.terms:
            inner = term[5:-1] if term.startswith("tanh(") else ""
            if inner in self._lines:
                return "tanh", self._at(self._lines[inner])
        return None

    def shares(self, line: Line, width: int, count: int) -> list[Spans]:
        """What adds most to a line, by name, with bars."""
        t, digits = self.t, self.digits
        found = line.contributions
        if found is None or not found.source.shape[1]:
            scale = max((abs(float(array[t])) for _, array in line.terms), default=0.0) or 1.0
            wide = max((cell_len(name) for name, _ in line.terms), default=0)
            return [
                self._share(((f" {pad(name, wide)} ", "label"),), float(array[t]), scale, width)
                for name, array in line.terms[:count]
            ]
        names = [clean_line(self.equation.sources[int(k)]) for k in found.source[t, :count]]
        wide = min(max((cell_len(name) for name in names), default=0), 14)
        scale = float(abs(found.value[t]).max()) or 1.0
        rows = []
        for k, name in enumerate(names):
            weight, read, value = (float(a[t, k]) for a in (found.weight, found.input, found.value))
            head: list[Span] = [(f" {pad(name, wide)} ", "label")]
            product: list[Span] = [(f"{figure(weight, digits)} x {figure(read, digits)}", "value")]
            # In a GRU's n what comes from the past is scaled by r as well.
            if "r" in self._lines and line.name == "n" and name.startswith("h "):
                product.append((f" x {figure(self._at(self._lines['r']), digits, False)}", "value"))
            product.append((" = ", "value"))
            if wide + 2 + columns_of(product) + digits + 3 <= width:
                head += product
            rows.append(self._share(tuple(head), value, scale, width))
        return rows

    def _share(self, head: Spans, value: float, scale: float, width: int) -> Spans:
        told = (*head, number(value, self.digits))
        room = min(width - columns_of(told) - 1, 13)
        if room >= 3:
            drawn = signed_bar(value / scale, room - 1 + room % 2, self.ascii_only)
            told = (*told, (" " + drawn.rstrip(), colour_of(value)))
        return cut(joined(told), width)

    def panel(self, line: Line, width: int, height: int) -> list[Spans]:
        """One line in full, side by side: what adds most at the left, the curve with its point at the right."""
        point = self.point(line)
        drawn: list[Spans] = []
        columns = CURVE if width < WIDE else 2 * CURVE
        if point is not None and width >= columns + PANEL + LABEL:
            drawn = curve(point[0], point[1], columns - LABEL - 1, height, self.ascii_only)
        left = min(width - (columns if drawn else 0), PANEL * 2)
        listed = [self._panel_head(line, left), *self.shares(line, left - 1, height - 1)]
        return beside(listed, drawn, left, height)

    def stacked(self, line: Line, width: int, height: int) -> list[Spans]:
        """One line in full, the curve below what adds most."""
        point = self.point(line)
        shares = self.shares(line, width - 1, max(min(height - 6, 5), 1))
        drawn: list[Spans] = []
        rows = min(height - len(shares) - 2, 9)
        if point is not None and rows >= 4:
            drawn = curve(point[0], point[1], min(width - LABEL - 2, 34), rows, self.ascii_only)
        return [self._panel_head(line, width), *shares, *drawn][:height]

    def grid(self, width: int, height: int) -> list[Spans]:
        """Every line in full, side by side and below one another; empty where there is no room for all."""
        lines = self.equation.lines
        down = -(-len(lines) // max(width // PANEL, 1))
        if len(lines) < 2 or down * LEAST_STACKED > height:
            return []
        across = -(-len(lines) // down)
        column, tall = width // across, min(height // down, 16)
        rows: list[Spans] = []
        for k in range(0, len(lines), across):
            blocks = [self.stacked(line, column - 1, tall - 1) for line in lines[k : k + across]]
            side = blocks[-1]
            for block in reversed(blocks[:-1]):
                side = beside(block, side, column, tall)
            rows += [*side, *([()] * (tall - len(side)))]
        return rows

    def _panel_head(self, line: Line, width: int) -> Spans:
        point = self.point(line)
        told = f" {line.name}: its parts" if line.contributions is None else f" {line.name}: what adds most"
        if point is not None and not self.hides(line.name, "pre"):
            told = f"{told}; {point[0]}({figure(point[1], self.digits).strip()})"
        return ((fit(told, width), "heading"),)


def beside(left: Sequence[Spans], right: Sequence[Spans], column: int, height: int) -> list[Spans]:
    """Two blocks of lines side by side, the second from a column on."""
    rows: list[Spans] = []
    for k in range(min(max(len(left), len(right)), height)):
        first = cut(left[k], column - 1) if k < len(left) else ()
        second = right[k] if k < len(right) else ()
        gap: Span = (" " * (column - columns_of(first)), "")
        rows.append((*first, gap, *second) if second else first)
    return rows


def error_told(error: float, width: int) -> Spans:
    """How near the numbers are to what the network computed."""
    size = "exactly" if error == 0 else f"to {error:.0e}".replace("e-0", "e-") if math.isfinite(error) else "not at all"
    return ((fit(f" it adds up to what the network computed {size}", width), "dim"),)

"""The curve of an activation function with a point on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import POSITIVE
from rnn_tui.app.widgets.painted import Spans


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else 1.0 - 1.0 / (1.0 + math.exp(x))


def _relu(x: float) -> float:
    return max(0.0, x)


FUNCTIONS: Mapping[str, tuple[Callable[[float], float], float, float, float]] = {
    "sigmoid": (_sigmoid, 6.0, 0.0, 1.0),
    "tanh": (math.tanh, 3.0, -1.0, 1.0),
    "relu": (_relu, 3.0, 0.0, 3.0),
}
"""Activation: the function, how far the axis reaches to both sides, and its lowest and highest value there."""
LABEL = 3
"""Columns of the numbers at the vertical axis."""
# Dots of a braille sign by row and column, as bits above U+2800.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def place(name: str, x: float, columns: int, rows: int) -> tuple[int, int]:
    """Column and row (0 is the top) of the point x, f(x); what lies beyond the axis stands at its end."""
    function, reach, low, high = FUNCTIONS[name]
    held = max(-reach, min(reach, x)) if math.isfinite(x) else 0.0
    column = round((held + reach) / (2 * reach) * (columns - 1))
    row = round((high - function(held)) / (high - low) * (rows - 1))
    return column, row


@lru_cache(maxsize=64)
def _drawn(name: str, columns: int, rows: int, ascii_only: bool) -> tuple[str, ...]:
    """The curve without a point, row by row."""
    function, reach, low, high = FUNCTIONS[name]
    if ascii_only:
        grid = [[" "] * columns for _ in range(rows)]
        for column in range(columns):
            x = (2 * column / max(columns - 1, 1) - 1) * reach
            grid[place(name, x, columns, rows)[1]][column] = "."
        return tuple("".join(row) for row in grid)
    dots = [[0] * columns for _ in range(rows)]
    before = -1
    for k in range(2 * columns):
        x = (2 * k / (2 * columns - 1) - 1) * reach
        y = round((high - function(x)) / (high - low) * (4 * rows - 1))
        # Where it is steep the dots of a column join those of the one before.
        for each in range(min(y, before + 1 if before > y else y), max(y, before) + 1) if before >= 0 else (y,):
            dots[each // 4][k // 2] |= _DOTS[each % 4][k % 2]
        before = y
    return tuple("".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in dots)


def curve(name: str, x: float | None, columns: int, rows: int, ascii_only: bool = False) -> list[Spans]:
    """`rows` lines of `columns` and the axis' labels: the curve, its point at x marked, and the axis below it.

    `x` None: no point. A point beyond the axis is marked by the side that it lies on.
    """
    _, reach, low, high = FUNCTIONS[name]
    plot = max(rows - 1, 1)
    lines = _drawn(name, columns, plot, ascii_only)
    at = (-1, -1) if x is None or not math.isfinite(x) else place(name, x, columns, plot)
    sign = "O" if ascii_only else "●"
    if x is not None and abs(x) > reach:
        sign = "<" if x < 0 else ">"
    made: list[Spans] = []
    for k, line in enumerate(lines):
        label = f"{high:g}" if k == 0 else f"{low:g}" if k == plot - 1 else ""
        head = (f"{label:>{LABEL - 1}} ", "dim")
        if k == at[1]:
            point = (sign, palette.style(POSITIVE, bold=True))
            made.append((head, (line[: at[0]], "quiet"), point, (line[at[0] + 1 :], "quiet")))
        else:
            made.append((head, (line, "quiet")))
    if rows > 1:
        left, right = f"{-reach:g}", f"+{reach:g}"
        middle = (columns - 1) // 2
        axis = left.ljust(middle) + "0" + right.rjust(columns - middle - 1)
        made.append(((" " * LABEL + axis, "dim"),))
    return made

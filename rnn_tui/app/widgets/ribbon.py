"""A size over many decades, as bars under the text: a timestep as wide as its symbol, a row so many decades.

A blank cell in the row that is labelled 1e-6 says: below 1e-6. What the logarithm can't hold has signs of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.text_strip import GUTTER, Columns

Float = NDArray[np.float64]

VANISHED, NAUGHT, EXPLODED = -6, -8, 10
"""Decimal exponents of the guides."""
LEAST = 8.0
"""Decades that a chart spans at least."""
PARTS = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, *(2.0**k for k in range(3, 11)))
"""Decades of a row, chosen so that the guides fall on the border of a row as long as that can be."""
OVERFLOWED, NOTHING = "^", "0"
"""Signs of what is infinite, and of what is exactly 0."""
FAINT, CLEAR, STRONG = 244, 72, 208
"""Vanished, alive and exploded, of the 256 colours; the height says it too."""
DOT, ASCII_DOT = "•", "o"
CUT, ASCII_CUT = "┃", "|"
RULE, ASCII_RULE = "┈", "-"
AXIS, ASCII_AXIS = "│", "|"


@dataclass(frozen=True, slots=True)
class Scale:
    """Which decades the rows of a chart stand for, from the top."""

    top: float
    """Decimal exponent of the upper edge."""
    part: float
    """Decades of a row."""
    rows: int

    @property
    def bottom(self) -> float:
        """Decimal exponent of the lower edge."""
        return self.top - self.part * self.rows

    def foot(self, row: int) -> float:
        """Decimal exponent of the lower edge of a row; 0 is the uppermost."""
        return self.top - self.part * (row + 1)

    def row_of(self, exponent: float) -> int:
        """The row whose lower edge is at that exponent, or below it by less than a row; -1: outside."""
        row = math.ceil((self.top - exponent) / self.part - 1e-9) - 1
        return row if 0 <= row < self.rows else -1


def scale_of(series: Sequence[Float], rows: int, most: float = math.inf) -> Scale:
    """The scale on which all that is finite and not 0 can be seen, in so many rows.

    It spans at least 8 decades, and at most about `most`: what lies below has the lowest bar then.
    """
    rows = max(rows, 1)
    low, high = math.inf, -math.inf
    for values in series:
        known = values[np.isfinite(values) & (values > 0)]
        if len(known):
            low = min(low, math.log10(float(known.min())))
            high = max(high, math.log10(float(known.max())))
    if high < low:
        low = high = 0.0
    low = max(low, high - most)
    for part in PARTS:
        for top in (math.ceil(high / part) * part, float(math.ceil(high))):
            if top - part * rows <= low and part * rows >= LEAST:
                return Scale(top, part, rows)
    return Scale(float(math.ceil(high)), PARTS[-1], rows)


def heights(values: Float, scale: Scale) -> NDArray[np.int64]:
    """Eighths of a row that each bar is high, from the bottom; at least 1 where there is anything at all.

    0 for what is exactly 0 or no number; inf reaches the top.
    """
    there = values > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(there, np.log10(np.where(there, values, 1.0)), -np.inf)
    exponent = np.clip(exponent, scale.bottom, scale.top)
    high = np.rint((exponent - scale.bottom) / scale.part * 8).astype(np.int64)
    return np.where(there, np.maximum(high, 1), 0)


def label(exponent: float) -> str:
    """`1e-6`; empty between whole decades."""
    return f"1e{round(exponent)}" if abs(exponent - round(exponent)) < 1e-9 else ""


def tone_of(value: float) -> int:
    """The colour of a bar: vanished below 1e-6, exploded above 1e10."""
    if value > 10.0**EXPLODED:
        return STRONG
    return FAINT if value < 10.0**VANISHED else CLEAR


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One ribbon: what its bars, its dots and its line stand for."""

    values: Float
    """(T) drawn as bars, from timestep `first` on."""
    scale: Scale
    dots: Float | None = None
    """(T) drawn as dots over them."""
    first: int = 0
    """What lies before is not drawn: a walk has not come there yet."""
    cut: int = 0
    """First timestep that anything reaches: a line stands before it. 0: none."""


def _cell(band: Band, t: int, row: int, high: int, spot: int, ascii_only: bool) -> Span:
    """Sign and style of one timestep in one row."""
    scale, value = band.scale, float(band.values[t])
    if math.isnan(value):
        return (palette.MISSING if row == scale.rows - 1 else " "), "bad"
    if math.isinf(value) and row == 0:
        return OVERFLOWED, palette.style(STRONG, bold=True)
    if value == 0:
        if band.dots is not None and band.dots[t] > 0 and spot == row:
            return (ASCII_DOT if ascii_only else DOT), palette.style(215)
        return (NOTHING, "quiet") if row == scale.rows - 1 else (" ", "")
    tone = tone_of(value)
    eighths = min(max(high - 8 * (scale.rows - 1 - row), 0), 8)
    if spot == row and eighths in (0, 8):
        # On a bar a dot is dark, beside it bright; the edge of a bar is told rather than a dot beside it.
        behind = tone if eighths and not ascii_only else None
        return (ASCII_DOT if ascii_only else DOT), palette.style(16 if behind else 215, behind)
    if not eighths:
        return " ", ""
    return (palette.ASCII_BARS if ascii_only else palette.BARS)[eighths - 1], palette.style(tone)


def _spots(band: Band, start: int, end: int) -> NDArray[np.int64]:
    """The row of each dot of the window; -1: none."""
    if band.dots is None:
        return np.full(end - start, -1)
    high = heights(band.dots[start:end], band.scale)
    rows = band.scale.rows - 1 - (high - 1) // 8
    return np.where(high > 0, rows, -1)


def gutter(text: str, ascii_only: bool, columns: int = GUTTER) -> Span:
    """A label and the axis right of it."""
    return f"{text:>{columns - 2}.{columns - 2}} {ASCII_AXIS if ascii_only else AXIS}", "quiet"


def guides_of(scale: Scale) -> dict[int, str]:
    """Rows in which a blank says that it vanished, or that it did not explode, and the word for it."""
    found: dict[int, str] = {}
    for exponent in (VANISHED, NAUGHT, EXPLODED):
        row = scale.row_of(exponent)
        told = "exploded" if exponent == EXPLODED else "vanished"
        if row >= 0 and abs(scale.foot(row) - exponent) < 1e-9:
            found[row] = told
        elif row >= 0:
            found.setdefault(row, f"{told} {label(exponent)}")
    return found


def ribbon(
    band: Band, columns: Columns, start: int, end: int, ascii_only: bool = False, guides: bool = True
) -> list[Spans]:
    """The rows of a band, timesteps start .. end - 1, with labels and guides."""
    scale = band.scale
    last = min(end, len(band.values))
    shown = range(max(start, band.first), last)
    high = heights(band.values[shown.start : last], scale) if shown else np.zeros(0, np.int64)
    spots = _spots(band, shown.start, last) if shown else np.zeros(0, np.int64)
    named = guides_of(scale) if guides else {}
    rows = []
    for row in range(scale.rows):
        guide = named.get(row)
        blank: Span = (" ", "")
        if guide is not None:
            blank = (ASCII_RULE if ascii_only else RULE, "dim")
        cells: list[Span] = []
        for t in range(start, end):
            wide = columns.width(t)
            if band.cut and t == band.cut - 1 and band.first <= t:
                line = ASCII_CUT if ascii_only else CUT
                left = NOTHING if row == scale.rows - 1 else " "
                cells.append((left * (wide - 1) + line, "warn"))
                continue
            cell: Span = (" ", "")
            if t in shown:
                at = t - shown.start
                cell = _cell(band, t, row, int(high[at]), int(spots[at]), ascii_only)
            if cell[0] == " ":
                cell = blank
            cells.append((cell[0] * wide, cell[1]))
        name = label(scale.foot(row))
        spans = merged(cells)
        if guide is not None:
            spans = named_rule(spans, guide, blank[0])
        rows.append((gutter(name, ascii_only), *spans))
    return rows


def merged(cells: Sequence[Span]) -> Spans:
    """Neighbours of one style in one span."""
    return tuple(
        ("".join(text for text, _ in group), style)
        for style, group in ((key, list(found)) for key, found in groupby(cells, key=lambda cell: cell[1]))
    )


def named_rule(spans: Spans, word: str, rule: str) -> Spans:
    """The word in the first stretch of a guide that has room for it, at the left."""
    for k, (text, style) in enumerate(spans):
        if set(text) == {rule} and cell_len(text) >= len(word) + 3:
            told = f"{rule}{word}{rule}"
            return (*spans[:k], (told[:1], style), (word, "quiet"), (text[len(told) - 1 :], style), *spans[k + 1 :])
    return spans


class Ribbon(Painted):
    """A band under a text. The cursor is never drawn in it: moving through time sends nothing of it."""

    def show(self, band: Band, columns: Columns, start: int, *, ascii_only: bool = False) -> None:
        """Draw it, timesteps from `start` on."""
        end = columns.end(start, max(self.size.width - GUTTER, 0))
        self.paint(ribbon(band, columns, start, end, ascii_only))

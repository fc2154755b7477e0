"""Rows of values over time, a timestep as wide as its symbol: units, gates, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.style import Style

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.text_strip import GUTTER, Columns

Ramp = Literal["signed", "unit", "surprise"]
UNKNOWN = -1
"""Step of a value that is none: NaN."""


@dataclass(frozen=True, slots=True, eq=False)
class HeatRow:
    """One row: (T) values and what they mean."""

    label: str
    values: NDArray[np.float32]
    ramp: Ramp = "signed"
    scale: float = 1.0
    """A signed value of this size has the strongest colour."""
    chosen: bool = False
    tells_scale: bool = False
    """Whether the label says the scale: `c ±1.2`."""


def steps(values: NDArray[np.float32], ramp: Ramp, scale: float = 1.0) -> NDArray[np.int64]:
    """Index of each value into its ramp's colours; `UNKNOWN` for NaN. What is beyond a ramp's end is cut."""
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    if ramp == "signed":
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.clip(filled / scale, -1.0, 1.0) if scale > 0 else np.zeros_like(filled)
        # An infinite value on an infinite scale is at its end.
        share = np.where(np.isnan(share), np.sign(filled), share)
        index = np.rint((share + 1.0) / 2.0 * (len(palette.SIGNED) - 1))
    elif ramp == "unit":
        index = np.rint(np.clip(filled, 0.0, 1.0) * (len(palette.UNIT) - 1))
    else:
        index = np.clip(np.floor(filled / palette.SURPRISE_STEP), 0, len(palette.SURPRISE) - 1)
    return np.where(known, index, UNKNOWN).astype(np.int64)


def middle_of(step: int, ramp: Ramp, scale: float = 1.0) -> float:
    """A value that has this step."""
    if ramp == "signed":
        return (2.0 * step / (len(palette.SIGNED) - 1) - 1.0) * scale
    if ramp == "unit":
        return step / (len(palette.UNIT) - 1)
    return (step + 0.5) * palette.SURPRISE_STEP


def cell(step: int, ramp: Ramp, coloured: bool, ascii_only: bool) -> Span:
    """Sign and style of one cell.

    The sign's height is the size of the value and its colour the sign; where there are no colours, the signs of
    the glyph ramp tell negative from positive.
    """
    if step == UNKNOWN:
        return " ", Style()
    value = middle_of(step, ramp)
    if ramp == "surprise":
        return palette.surprise(value, ascii_only)
    if ramp == "unit":
        return palette.unit(value, ascii_only)
    if not coloured:
        return palette.signed(value, 1.0, ascii_only)
    bars = palette.ASCII_BARS if ascii_only else palette.BARS
    return bars[round(abs(value) * (len(bars) - 1))], palette.signed(value, 1.0, ascii_only)[1]


def spans_of(row: HeatRow, columns: Columns, start: int, end: int, coloured: bool, ascii_only: bool) -> Spans:
    """The cells of timesteps start .. end - 1 of a row; equal neighbours are one span."""
    found = steps(row.values[start:end], row.ramp, row.scale).tolist()
    looks = {step: cell(step, row.ramp, coloured, ascii_only) for step in set(found)}
    spans: list[Span] = []
    t = start
    for (glyph, style), group in groupby(found, key=looks.__getitem__):
        after = t + sum(1 for _ in group)
        spans.append((glyph * int(columns.edges[after] - columns.edges[t]), style))
        t = after
    return tuple(spans)


def number(value: float) -> str:
    """A value in a legend, with its sign: `+3.2`."""
    return f"{value:+.3g}" if value else "0"


def short(scale: float) -> str:
    """A scale in three or four columns: `1.2`, `.34`, `12`, `2e3`."""
    if not 0.01 <= scale < 1000:
        return f"{scale:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{scale:.2g}".removeprefix("0") if scale < 100 else f"{scale:.0f}"


def label_of(row: HeatRow, room: int, ascii_only: bool) -> str:
    """The label, with the scale behind it where it tells it and there is room."""
    if not row.tells_scale:
        return row.label
    size = f"{'+-' if ascii_only else '±'}{short(row.scale)}"
    whole = next((each for each in (f"{row.label} {size}", row.label + size) if cell_len(each) <= room), row.label)
    return whole


def legend(ramp: Ramp, scale: float, coloured: bool, ascii_only: bool, cut: bool = False) -> Spans:
    """The ramp from its lowest to its highest value, with the numbers at its ends; `cut`: some values lie beyond."""
    if ramp == "signed":
        cells = [cell(k, ramp, coloured, ascii_only) for k in range(len(palette.SIGNED))]
        half = len(cells) // 2
        zero: Span = (" 0 ", "quiet")
        ends = (f"{number(-scale)} ", f" {number(scale)}" + (" or more" if cut else ""))
        return ((ends[0], "quiet"), *cells[:half], zero, *cells[half + 1 :], (ends[1], "quiet"))
    if ramp == "unit":
        cells = [cell(k, ramp, coloured, ascii_only) for k in range(len(palette.UNIT))]
        return (("0 closed ", "quiet"), *cells, (" 1 open", "quiet"))
    cells = [cell(k, ramp, coloured, ascii_only) for k in range(len(palette.SURPRISE))]
    return (("0 ", "quiet"), *cells, (f" {len(cells) - 1}+ bits", "quiet"))


class Heatmap(Painted):
    """Rows x timesteps. The cursor is never drawn in it: moving through time sends nothing of the grid."""

    def __init__(self, *, margin_columns: int = GUTTER, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.margin_columns = margin_columns

    def show(
        self, rows: Sequence[HeatRow], columns: Columns, start: int, *, coloured: bool = True, ascii_only: bool = False
    ) -> None:
        """Draw the rows that fit, timesteps from `start` on; only visible cells are computed."""
        end = columns.end(start, max(self.size.width - self.margin_columns, 0))
        self.paint(
            (*self._label(row, ascii_only), *spans_of(row, columns, start, end, coloured, ascii_only))
            for row in rows[: max(self.size.height, 0)]
        )

    def _label(self, row: HeatRow, ascii_only: bool) -> Spans:
        room = self.margin_columns - 1
        text = f"{'>' if row.chosen else ' '}{label_of(row, room - 1, ascii_only)}"
        text = text + " " * (room - cell_len(text)) if cell_len(text) <= room else set_cell_size(text, room)
        return ((text + " ", "mark" if row.chosen else "quiet"),)

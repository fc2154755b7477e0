"""Texts in cells of one width on a time axis: words, the tag of each, what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.style import Style

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.row import pad
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.symbols import STAND_IN, clean_line, sign

WIDEST = 10
"""Columns of a cell at most, the blank behind it included; a longer word is cut."""

# Of the 256 colours, apart in lightness as well; the class's own name always stands beside its colour.
_CLASSES = (39, 214, 72, 175, 149, 208, 117, 180, 44, 203, 228, 105)


def shown(symbol: str) -> str:
    """A symbol or a class as it is drawn: one sign stands for a single character, longer ones are cleaned."""
    return sign(symbol) if len(symbol) == 1 else clean_line(symbol) or STAND_IN


def class_style(k: int, quiet: bool = False) -> Style:
    """The colour of class `k`, the same in every row and bar."""
    return palette.style(245 if quiet else _CLASSES[k % len(_CLASSES)])


def axis_of(
    symbols: Sequence[str], beside: Iterable[str] = (), widest: int = WIDEST, narrowest: int = 1
) -> Columns:  # fmt: skip
    """Cells that hold each of T symbols, and below it any of the texts `beside` it.

    Single signs stand close together; where anything is longer, a blank stands behind each cell.
    """
    texts = [shown(symbol) for symbol in symbols]
    needed = max(map(cell_len, (*texts, *map(shown, beside))), default=1)
    wide = needed if needed <= 2 and all(len(text) == 1 for text in texts) else min(needed + 1, widest)
    wide = max(wide, narrowest)
    if wide > 1:
        texts = [in_cell(text, wide) for text in texts]
    return Columns(tuple(texts), np.arange(len(texts) + 1, dtype=np.int64) * wide)


def in_cell(text: str, wide: int) -> str:
    """A text in exactly that many columns, a blank behind it where the cell is wider than two."""
    return set_cell_size(text, wide) if wide <= 2 else pad(text, wide - 1) + " "


@dataclass(frozen=True, slots=True, eq=False)
class CellRow:
    """A row of texts: `cell(t)` gives the one at timestep t and its style; only those in view are asked for."""

    label: str
    cell: Callable[[int], Span]


class Cells(Painted):
    """Rows of texts under the symbols of a `TextStrip`; only what changed is drawn anew."""

    def __init__(self, *, margin_columns: int = GUTTER, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.margin_columns = margin_columns

    @property
    def room(self) -> int:
        """Columns for timesteps."""
        return max(self.size.width - self.margin_columns, 0)

    def show(self, rows: Sequence[CellRow | Spans], columns: Columns, start: int) -> None:
        """Draw the rows from timestep `start` on; a row that is drawn already is taken as it is."""
        end = columns.end(start, self.room)
        self.paint(self._spans(row, columns, start, end) if isinstance(row, CellRow) else row for row in rows)

    def _spans(self, row: CellRow, columns: Columns, start: int, end: int) -> Spans:
        label = f" {pad(row.label, self.margin_columns - 2)} "
        cells = []
        for t in range(start, end):
            text, style = row.cell(t)
            cells.append((in_cell(text, columns.width(t)), style))
        grouped = tuple(("".join(text for text, _ in group), style) for style, group in groupby(cells, lambda c: c[1]))
        return ((label, "quiet"), *grouped)

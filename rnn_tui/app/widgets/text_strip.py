"""A text on one line, one timestep beside the other, with the cursor in it and a mark below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rnn_tui.symbols import STAND_IN, sign, width

GUTTER = 8
"""Columns left of timestep 0 of a window: labels stand there."""
CURSOR = Style(reverse=True, bold=True)
MARK = "^"


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The one time axis that text, heatmap, gates and cost share: T symbols, each 1 or 2 columns wide."""

    signs: tuple[str, ...]
    """(T) what stands for each symbol."""
    edges: NDArray[np.int64]
    """(T + 1) column at which each timestep starts, counted from timestep 0; the last is the whole width."""

    @classmethod
    def of(cls, symbols: Sequence[str]) -> Columns:
        """The axis of a text."""
        shown = []
        widths = np.zeros(len(symbols) + 1, dtype=np.int64)
        for t, symbol in enumerate(symbols):
            one = len(symbol) == 1
            shown.append(sign(symbol) if one else "".join(map(sign, symbol)) or STAND_IN)
            widths[t + 1] = width(symbol) if one else sum(map(width, symbol)) or 1
        return cls(tuple(shown), np.cumsum(widths))

    def __len__(self) -> int:
        return len(self.signs)

    def width(self, t: int) -> int:
        """Columns of timestep t."""
        return int(self.edges[t + 1] - self.edges[t])

    def end(self, start: int, room: int) -> int:
        """The first timestep, from `start` on, that no longer fits whole into `room` columns."""
        start = min(max(start, 0), len(self))
        return max(start, int(np.searchsorted(self.edges, self.edges[start] + max(room, 0), side="right")) - 1)

    def window(self, start: int, cursor: int, room: int) -> int:
        """Where the window starts that shows the cursor: where it did, unless the cursor has left it.

        Then it jumps by about a third of its width, so that many moves share one redraw. It never
        shows less of the end than fits.
        """
        if not len(self):
            return 0
        cursor = min(max(cursor, 0), len(self) - 1)
        last = int(np.searchsorted(self.edges, self.edges[-1] - max(room, 1), side="left"))
        start = min(max(start, 0), last)
        if start <= cursor < self.end(start, room):
            return start
        share = min(room // 3 if cursor < start else room * 2 // 3, max(room - self.width(cursor), 0))
        start = int(np.searchsorted(self.edges, self.edges[cursor] - share, side="left"))
        return min(max(start, 0), last, cursor)


class _Piece(Widget, can_focus=False):
    """A few columns of the strip. A terminal is sent a changed row from its widget's left edge on, so that
    one widget for the whole row would send all colours left of the cursor with every key."""

    DEFAULT_CSS = "_Piece { height: 2; width: 0; }"

    def __init__(self) -> None:
        super().__init__()
        self.cells: tuple[tuple[str, Style], ...] = ()
        self.cursor: tuple[int, int, int] | None = None
        """Cell, column and columns of the cursor, if it is in this piece."""

    def set(self, cells: tuple[tuple[str, Style], ...]) -> bool:
        if cells == self.cells:
            return False
        self.cells = cells
        self.refresh()
        return True

    def mark(self, cursor: tuple[int, int, int] | None) -> None:
        if cursor != self.cursor:
            regions = [Region(place[1], 0, place[2], 2) for place in (self.cursor, cursor) if place is not None]
            self.cursor = cursor
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y == 0:
            at = self.cursor[0] if self.cursor else -1
            segments = [
                Segment(text, base + style + CURSOR if k == at else base + style)
                for k, (text, style) in enumerate(self.cells)
            ]
        elif y == 1 and self.cursor:
            segments = [Segment(" " * self.cursor[1] + MARK, base)]
        else:
            segments = []
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()


class TextStrip(Widget, can_focus=False):
    """A window of a text; `show` gives it what to draw, and only what changed is sent."""

    PIECES: ClassVar[int] = 16
    DEFAULT_CSS = """
    TextStrip { height: 2; layout: horizontal; overflow: hidden hidden; }
    """

    def __init__(self, *, margin_columns: int = GUTTER, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.margin_columns = margin_columns
        self._pieces = tuple(_Piece() for _ in range(self.PIECES))
        self.cells_sent = 0
        """Cells of the text that were drawn anew so far."""

    def compose(self) -> ComposeResult:
        yield from self._pieces

    @property
    def room(self) -> int:
        """Columns for timesteps."""
        return max(int(self.size.width) - self.margin_columns, 1)

    def show(self, columns: Columns, start: int, cursor: int, styles: Sequence[Style]) -> None:
        """Draw the timesteps from `start` on, `styles[k]` being that of timestep start + k."""
        end = columns.end(start, self.room)
        bounds = self._cut(columns, start, end)
        for k, piece in enumerate(self._pieces):
            first, last = bounds[k], bounds[k + 1]
            offset = self.margin_columns if k == 0 else 0
            blank: tuple[tuple[str, Style], ...] = ((" " * offset, Style()),) if offset else ()
            if piece.set(blank + tuple((columns.signs[t], styles[t - start]) for t in range(first, last))):
                self.cells_sent += int(columns.edges[last] - columns.edges[first])
            if first <= cursor < last:
                x = offset + int(columns.edges[cursor] - columns.edges[first])
                piece.mark((cursor - first + len(blank), x, columns.width(cursor)))
            else:
                piece.mark(None)
            columns_here = offset + int(columns.edges[last] - columns.edges[first])
            width = piece.styles.width
            if width is None or width.value != columns_here:
                piece.styles.width = columns_here

    def _cut(self, columns: Columns, start: int, end: int) -> tuple[int, ...]:
        """Pieces of about equal width, each beginning where a symbol begins: half a wide sign can't be drawn."""
        step = -(-self.room // self.PIECES)
        origin = columns.edges[start]
        cuts = np.searchsorted(columns.edges, origin + step * np.arange(self.PIECES + 1), side="left")
        return (*(int(min(max(cut, start), end)) for cut in cuts[:-1]), end)

    @property
    def text(self) -> str:
        """What is drawn now: the line of the text, and the line with the mark."""
        line = "".join(text for piece in self._pieces for text, _ in piece.cells)
        marks = ""
        for piece in self._pieces:
            wide = sum(cell_len(text) for text, _ in piece.cells)
            marks += (" " * piece.cursor[1] + MARK if piece.cursor else "").ljust(wide)
        return f"{line.rstrip()}\n{marks.rstrip()}"

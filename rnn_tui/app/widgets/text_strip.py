"""A text on one line, one timestep beside the other, with the cursor in it and a mark below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
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


class TextStrip(Widget, can_focus=False):
    """A window of a text; `show` gives it what to draw, and only what changed is drawn anew."""

    DEFAULT_CSS = """
    TextStrip { height: 2; overflow: hidden hidden; }
    """

    def __init__(self, *, margin_columns: int = GUTTER, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.margin_columns = margin_columns
        self._cells: tuple[tuple[str, Style], ...] = ()
        self._place = (-1, 0, 0)
        """Cell, column and columns of the cursor; no cell where it is out of view."""
        self.cells_sent = 0
        """Columns of the text that were drawn anew so far, but for the cursor's."""

    @property
    def room(self) -> int:
        """Columns for timesteps."""
        return max(int(self.size.width) - self.margin_columns, 1)

    def show(self, columns: Columns, start: int, cursor: int, styles: Sequence[Style]) -> None:
        """Draw the timesteps from `start` on, `styles[k]` being that of timestep start + k."""
        end = columns.end(start, self.room)
        cells = tuple((columns.signs[t], styles[t - start]) for t in range(start, end))
        place = (-1, 0, 0)
        if start <= cursor < end:
            x = self.margin_columns + int(columns.edges[cursor] - columns.edges[start])
            place = (cursor - start, x, columns.width(cursor))
        before, self._place = self._place, place
        if cells != self._cells:
            self._cells = cells
            self.cells_sent += int(columns.edges[end] - columns.edges[start])
            self.refresh()
        elif before != place:
            self.refresh(*(Region(x, 0, wide, 2) for cell, x, wide in (before, place) if cell >= 0))

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        at, x, _ = self._place
        if y == 0:
            segments = [Segment(" " * self.margin_columns, base)]
            segments += [
                Segment(text, base + style + CURSOR if k == at else base + style)
                for k, (text, style) in enumerate(self._cells)
            ]
        elif y == 1 and at >= 0:
            segments = [Segment(" " * x + MARK, base)]
        else:
            segments = []
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()

    @property
    def text(self) -> str:
        """What is drawn now: the line of the text, and the line with the mark."""
        line = " " * self.margin_columns + "".join(text for text, _ in self._cells)
        return f"{line.rstrip()}\n{' ' * self._place[1] + MARK if self._place[0] >= 0 else ''}"

"""A text on one line, one timestep beside the other, with the cursor in it and a mark below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rnn_tui.symbols import STAND_IN, sign, width

GUTTER = 8
"""Columns left of timestep 0 of a window: labels stand there."""
NARROWEST, WIDEST = 4, 11
"""Columns of a word's cell, the blank behind it included."""
LONGEST = 21
"""Columns of a cell at most where the whole text fits into the window."""
SHORT = 8
"""Columns of a cell that is not made narrower to cut a few."""
SHARE = 6
"""How many words a window shows at least, where their cells may be as narrow as that."""
CUT = "~"
"""Where a word goes on that did not fit: a sign that is one column wide everywhere."""
CURSOR = Style(reverse=True, bold=True)
MARK = "^"
BORDER = "|decoder"
"""Under a decoder's first timestep."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The one time axis that text, heatmap, gates and cost share: T symbols, each 1 or 2 columns wide.

    Words and numbers stand in cells of one width, a blank behind each.
    """

    signs: tuple[str, ...]
    """(T) what stands for each symbol."""
    edges: NDArray[np.int64]
    """(T + 1) column at which each timestep starts, counted from timestep 0; the last is the whole width."""
    whole: tuple[str, ...] = ()
    """(T) what stands for each symbol where cells may have cut it; empty where nothing is cut."""

    @classmethod
    def of(cls, symbols: Sequence[str], room: int = 80) -> Columns:
        """The axis of a text. `room`: columns that there are for it, which say how wide a word's cell is."""
        shown = [shown_sign(symbol) for symbol in symbols]
        if are_words(symbols):
            wide = cell_width(list(map(cell_len, shown)), room)
            edges = np.arange(len(shown) + 1, dtype=np.int64) * wide
            return cls(tuple(in_cell(text, wide) for text in shown), edges, tuple(shown))
        return cls.close(symbols)

    @classmethod
    def close(cls, symbols: Sequence[str]) -> Columns:
        """The axis on which each symbol is as wide as it is; a blank stands behind each word."""
        behind = " " if are_words(symbols) else ""
        shown = [shown_sign(symbol) + behind for symbol in symbols]
        widths = np.zeros(len(symbols) + 1, dtype=np.int64)
        for t, (symbol, text) in enumerate(zip(symbols, shown, strict=True)):
            widths[t + 1] = width(symbol) if len(symbol) == 1 and not behind else cell_len(text)
        return cls(tuple(shown), np.cumsum(widths))

    def __len__(self) -> int:
        return len(self.signs)

    def width(self, t: int) -> int:
        """Columns of timestep t."""
        return int(self.edges[t + 1] - self.edges[t])

    def cut_at(self, t: int) -> str:
        """What stands whole for a symbol that its cell has cut; empty where it did not."""
        return self.whole[t] if self.whole and cell_len(self.whole[t]) >= self.width(t) else ""

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


def shown_sign(symbol: str) -> str:
    """What stands for a symbol of any length on one line."""
    return sign(symbol) if len(symbol) == 1 else "".join(map(sign, symbol)) or STAND_IN


def stands_for_none(symbol: str) -> bool:
    """Whether it stands for no text: `<start>`, `<eos>`, `<unk>`."""
    return len(symbol) > 2 and symbol[0] == "<" and symbol[-1] == ">"


def are_words(symbols: Sequence[str]) -> bool:
    """Whether symbols are words or numbers, each longer than a character.

    What stands for no text (`<start>`) says nothing of it, nor does a label in front of characters.
    """
    longer = sum(len(symbol) > 1 and not stands_for_none(symbol) for symbol in symbols)
    return longer > 1 or (longer == 1 and len(symbols) <= 2)


def cell_width(widths: Sequence[int], room: int) -> int:
    """Columns of a cell, a blank behind the word included.

    All words stand whole where all of them fit into the window so, and short ones always: a number that is cut
    is another one. Else nine of ten do, as far as there is room.
    """
    longest = max(widths, default=1) + 1
    if longest <= LONGEST and longest * len(widths) <= room:
        return max(longest, NARROWEST)
    usual = longest - 1 if longest <= SHORT else int(np.quantile(widths, 0.9))
    return min(max(usual + 1, NARROWEST), WIDEST, max(room // SHARE, NARROWEST))


def in_cell(text: str, wide: int) -> str:
    """A text in exactly that many columns: cut where it is longer, with a blank behind it."""
    columns = cell_len(text)
    if columns > wide - 1:
        text, columns = set_cell_size(text, wide - 2) + CUT, wide - 1
    return text + " " * (wide - columns)


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
        self._word = ""
        """What stands at the cursor, where its cell has cut it."""
        self._border = -1
        """Column of the line before which a decoder's timesteps begin; -1: out of view, or there is none."""
        self.cells_sent = 0
        """Columns of the text that were drawn anew so far, but for the cursor's."""

    @property
    def room(self) -> int:
        """Columns for timesteps."""
        return max(int(self.size.width) - self.margin_columns, 1)

    def show(self, columns: Columns, start: int, cursor: int, styles: Sequence[Style], border: int = -1) -> None:
        """Draw the timesteps from `start` on, `styles[k]` being that of timestep start + k.

        `border`: the timestep with which a decoder begins; a sign and a word stand under it.
        """
        end = columns.end(start, self.room)
        cells = tuple((columns.signs[t], styles[t - start]) for t in range(start, end))
        place = (-1, 0, 0)
        if start <= cursor < end:
            x = self.margin_columns + int(columns.edges[cursor] - columns.edges[start])
            place = (cursor - start, x, columns.width(cursor))
        before, self._place = self._place, place
        cut, self._word = self._word, columns.cut_at(cursor) if place[0] >= 0 else ""
        at = self.margin_columns + int(columns.edges[border] - columns.edges[start]) if start <= border < end else -1
        if cells != self._cells or at != self._border:
            self._cells, self._border = cells, at
            self.cells_sent += int(columns.edges[end] - columns.edges[start])
            self.refresh()
        elif before != place:
            marked = [Region(x, 0, wide, 2) for cell, x, wide in (before, place) if cell >= 0]
            if cut or self._word:
                marked.append(Region(0, 1, max(int(self.size.width), 1), 1))
            elif at >= 0:
                marked.append(Region(at, 1, len(BORDER), 1))
            self.refresh(*marked)

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        at = self._place[0]
        if y == 0:
            segments = [Segment(" " * self.margin_columns, base)]
            segments += [
                Segment(text, base + style + CURSOR if k == at else base + style)
                for k, (text, style) in enumerate(self._cells)
            ]
        elif y == 1:
            segments = [Segment(self._marks(), base)]
        else:
            segments = []
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()

    @property
    def text(self) -> str:
        """What is drawn now: the line of the text, and the line with the mark."""
        line = " " * self.margin_columns + "".join(text for text, _ in self._cells)
        return f"{line.rstrip()}\n{self._marks()}"

    def _marks(self) -> str:
        """The row below the text: where the cursor is, the word there where it was cut, where a decoder begins."""
        at, x, _ = self._place
        parts = []
        if at >= 0:
            start, text = x, f"{MARK} {self._word}".rstrip()
            if x == self._border and not self._word:
                text += BORDER[1:]
            room = int(self.size.width)
            if self._word and x + cell_len(text) > room:
                text = f"{set_cell_size(self._word, min(cell_len(self._word), max(x - 1, 0)))} {MARK}".lstrip()
                start = x + 1 - cell_len(text)
            parts.append((start, text))
        if self._border >= 0:
            for text in (BORDER, BORDER[0]):
                if not any(self._border < s + cell_len(t) + 1 and s < self._border + len(text) + 1 for s, t in parts):
                    parts.append((self._border, text))
                    break
        row = ""
        for start, text in sorted(parts):
            row += " " * (start - cell_len(row)) + text
        return row

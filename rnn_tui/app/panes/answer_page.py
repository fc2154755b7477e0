"""What the pages of the answers have in common: an answer, the place in it, and rows under its symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.widgets.bars import Bar, Bars
from rnn_tui.app.widgets.cells import WIDEST, Cells, axis_of, shown
from rnn_tui.app.widgets.heatmap import Heatmap, HeatRow
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.row import fit
from rnn_tui.app.widgets.text_strip import GUTTER, Columns, TextStrip
from rnn_tui.symbols import STAND_IN, clean_line
from rnn_tui.views import Answer

if TYPE_CHECKING:
    from rnn_tui.app.pane import Host

MOST_BARS = 6
LOW = 16
"""Rows of a page below which it says less."""


class Page(Vertical):
    """One kind of answer on the screen, and the place in it. It asks nothing, and computes nothing of the model."""

    VIEWS: ClassVar[tuple[str, ...]] = ("",)
    """What `v` goes through."""
    MORE: ClassVar[str] = ""
    """What `+` and `-` change, in a word; empty: nothing."""
    DEFAULT_CSS = """
    Page { height: 1fr; overflow: hidden hidden; display: none; }
    Page Painted { height: 1; }
    Page Heatmap { height: 1fr; }
    Page Bars { height: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = 0
        """The timestep, or the value, that the cursor is on."""
        self.view = 0

    def take(self, answer: Answer, same: bool) -> None:
        """Show an answer; `same`: to what was shown before, so that the place stays. A subclass does."""

    @property
    def host(self) -> Host:
        return cast("Host", self.app)

    @property
    def coloured(self) -> bool:
        """Whether there are colours; otherwise a glyph says what the colour would."""
        return not self.app.no_color and self.app.console.color_system not in (None, "standard", "windows")

    @property
    def steps(self) -> int:
        """How many places there are for the cursor."""
        return 0

    def put_place(self, place: int) -> None:
        """Put the cursor somewhere, as near as there is a place."""
        self.place = min(max(place, 0), max(self.steps - 1, 0))

    def step_row(self, by: int) -> bool:
        """Go up or down; False where there are no rows to go to."""
        return False

    @staticmethod
    def set_height(widget: Widget, rows: int) -> None:
        """Give a widget so many rows."""
        widget.styles.height = rows

    def verdict(self) -> Spans:
        """In a few words, what it comes to: right or wrong."""
        return ()

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""

    def copied(self) -> str:
        """What `y` copies."""
        return ""

    def told(self) -> dict[str, str]:
        """Live values for the help."""
        return {}


class StripPage(Page):
    """A page whose symbols stand on a line, with rows under them and bars for the place of the cursor."""

    MARGIN: ClassVar[int] = GUTTER
    SPREAD: ClassVar[int] = 0
    """Columns of a timestep at most, where a short text leaves room; 0: no more than its cell needs."""

    def __init__(self) -> None:
        super().__init__()
        self.columns = Columns.of(())
        self.start = 0
        """First timestep of the window."""
        self._texts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        """The symbols, and what stands below them."""
        self._room = -1
        """Columns that the axis was laid out for."""
        self.strip = TextStrip(margin_columns=self.MARGIN)
        self.cells = Cells(margin_columns=self.MARGIN)
        self.grid = Heatmap(margin_columns=self.MARGIN)
        self.bars = Bars()

    def compose(self) -> ComposeResult:
        yield self.strip
        yield self.cells
        yield self.grid
        yield self.bars

    @property
    def steps(self) -> int:
        return len(self._texts[0])

    def lay_out(self, symbols: Sequence[str], beside: Sequence[str], same: bool) -> None:
        """The time axis of these symbols; the cursor goes to the first where they are others than before."""
        self._texts, self._room = (tuple(symbols), tuple(beside)), -1
        self._spread()
        if not same:
            self.place = self.start = 0
        self.put_place(self.place)

    def _spread(self) -> None:
        """The axis for the room that there is."""
        room = self.strip.room
        if room == self._room:
            return
        self._room = room
        symbols, beside = self._texts
        if not self.SPREAD:
            self.columns = axis_of(symbols, beside)
            return
        each = min(room // max(len(symbols), 1), self.SPREAD)
        self.columns = axis_of(symbols, beside, max(each, WIDEST), each) if each >= 4 else axis_of(symbols)

    def window(self) -> tuple[int, int]:
        """First and last (exclusive) timestep in view, with the cursor in it."""
        room = self.strip.room
        self.start = self.columns.window(self.start, self.place, room)
        return self.start, self.columns.end(self.start, room)

    def draw_strip(self, styles: Sequence[Style] = ()) -> None:
        """The symbols, coloured or plain."""
        self._spread()
        first, last = self.window()
        self.strip.show(self.columns, self.start, self.place, styles or [Style()] * (last - first))

    def draw_grid(self, rows: Sequence[HeatRow]) -> None:
        self.grid.show(rows, self.columns, self.start, coloured=self.coloured, ascii_only=self.host.ascii_only)


def named(symbol: str) -> str:
    """A symbol or class in a sentence: `'a'`."""
    return f"'{shown(symbol)}'"


def place_told(place: int, symbol: str) -> str:
    """Where the cursor is: `t 5 'London'`, the whole word."""
    return f"t {place} {named(symbol)}"


def likeliest(p: NDArray[np.float32], count: int, *also: int) -> list[int]:
    """The classes of highest probability (C), and those that must be among them, the likeliest first."""
    order: list[int] = np.argsort(-np.nan_to_num(p), kind="stable").tolist()
    wanted = list(dict.fromkeys(k for k in also if 0 <= k < len(order)))[:count]
    others = [k for k in order if k not in wanted][: count - len(wanted)]
    return sorted((*wanted, *others), key=order.index)


def class_bars(p: NDArray[np.float32], classes: Sequence[str], right: Sequence[str], count: int) -> list[Bar]:
    """Bars of the likeliest classes; the right ones are marked, and are there however unlikely."""
    wanted = [classes.index(each) for each in right if each in classes]
    bars = []
    for k in likeliest(p, count, *wanted[:2]):
        name = classes[k]
        bars.append(
            Bar(fit(shown(name), 16), float(p[k]), note="right" if name in right else "", strong=name in right,
                share=True)
        )  # fmt: skip
    return bars


def heading(text: str, width: int) -> Spans:
    """The line above bars."""
    return ((fit(f" {clean_line(text)}", max(width, 1)), "heading"),)


def line(width: int, *spans: Span) -> Spans:
    """A row of spans, cut to the width."""
    return cut(spans, max(width, 1))


def spelled(symbols: Sequence[str]) -> str:
    """Symbols as a text: words with blanks between them, characters close together."""
    joined = " " if any(len(symbol) > 1 for symbol in symbols) else ""
    return clean_line(joined.join(symbols)) or STAND_IN

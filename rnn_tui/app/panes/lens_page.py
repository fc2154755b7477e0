"""The whole text on many lines, coloured by what each symbol cost or by a unit's value, and its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.style import Style

from rnn_tui.app.panes.inspect_answers import whole_told
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, keys_of, line, looks
from rnn_tui.app.reading import LANGUAGE, name_told, ramp_of
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import legend
from rnn_tui.app.widgets.painted import Span, Spans, columns_of
from rnn_tui.app.widgets.text_strip import CURSOR, Columns, are_words
from rnn_tui.app.widgets.written import SURPRISING
from rnn_tui.views import Trace, perplexity

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

UNDERLINED = Style(underline=True)
MARGIN = 1
LARGE = 0.5
"""Share of a value's scale from which its symbols are underlined where there are no colours."""


class Pages:
    """The lines of a text: where each begins. Broken behind a line feed, a blank, or where a line is full."""

    def __init__(self, symbols: Sequence[str], columns: Columns, width: int) -> None:
        self.symbols, self.columns, self.width = symbols, columns, max(width, 2)
        starts, behind_blank = [0], 0
        edges, apart = columns.edges.tolist(), are_words(symbols)
        for t, symbol in enumerate(symbols):
            # A blank or a line feed may stand in the margin, and the blank behind a word.
            most = self.width + MARGIN * (symbol.isspace() or apart)
            if edges[t + 1] - edges[starts[-1]] > most and t > starts[-1]:
                starts.append(behind_blank if behind_blank > starts[-1] else t)
                if edges[t + 1] - edges[starts[-1]] > most and t > starts[-1]:
                    starts.append(t)
            if symbol.endswith("\n"):
                if t + 1 < len(symbols):
                    starts.append(t + 1)
            elif symbol.isspace() or apart:
                behind_blank = t + 1
        self.starts = np.array(starts, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    def line_of(self, t: int) -> int:
        """The line that timestep t stands on."""
        return int(np.searchsorted(self.starts, t, side="right")) - 1

    def line(self, k: int) -> tuple[int, int]:
        """From which timestep to which (exclusive) line k goes."""
        end = int(self.starts[k + 1]) if k + 1 < len(self.starts) else len(self.symbols)
        return int(self.starts[k]), end

    def column(self, t: int) -> int:
        """Column of timestep t in its line."""
        return int(self.columns.edges[t] - self.columns.edges[self.line(self.line_of(t))[0]])

    def nearest(self, k: int, column: int) -> int:
        """The timestep of line k that stands at a column, or the line's last."""
        first, end = self.line(k)
        at = int(np.searchsorted(self.columns.edges, self.columns.edges[first] + column, side="right")) - 1
        return min(max(at, first), max(end - 1, first))


class PageLens(Lens):
    """The text as one reads it, with the cursor in it; up and down go by lines."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("page",)
    TITLE: ClassVar[str] = "full text"
    RECORDINGS: ClassVar[bool] = True

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.by_unit = False
        """Whether the colour is that of the chosen unit's value; otherwise the symbol's cost."""
        self.top = 0
        self._pages: Pages | None = None
        self._of: Columns | None = None
        """The text's own axis, for which they were made."""
        self._room = 1
        self._goal = (-1, 0)
        """Where the cursor was left by a move from line to line, and the column it is to keep."""
        self._typed: list[int] = []
        """Lines to go once the text is there."""

    @property
    def pages(self) -> Pages:
        """The lines at the present width."""
        own, width = self.reading.columns, self.pane.size.width - 2 * MARGIN
        if self._pages is None or self._of is not own or self._pages.width != max(width, 2):
            symbols = self.trace.symbols if self.trace is not None else ()
            # Of words as they are written: a cell would cut them.
            self._of, columns = own, Columns.close(symbols) if are_words(symbols) else own
            self._pages = Pages(symbols, columns, width)
        return self._pages

    def took(self, trace: Trace, another: bool) -> None:
        typed, self._typed = self._typed, []
        for by in typed:
            self._go(by)

    def do_up(self) -> None:
        self._by_lines(-1)

    def do_down(self) -> None:
        self._by_lines(1)

    def do_page_up(self) -> None:
        self._by_lines(-self._room)

    def do_page_down(self) -> None:
        self._by_lines(self._room)

    def do_value(self) -> None:
        self.by_unit = not self.by_unit

    def do_value_back(self) -> None:
        self.do_value()

    def _by_lines(self, by: int) -> None:
        if self.pane.awaits:
            self._typed.append(by)
        else:
            self._go(by)

    def _go(self, by: int) -> None:
        if self.trace is None or not self.trace.steps:
            return
        pages, cursor = self.pages, self.reading.cursor
        column = self._goal[1] if self._goal[0] == cursor else pages.column(cursor)
        k = min(max(pages.line_of(cursor) + by, 0), len(pages) - 1)
        self.reading.go(pages.nearest(k, column))
        self._goal = self.reading.cursor, column

    # Drawing.

    def header(self) -> str:
        reading = self.reading
        return f"full text, {name_told(reading.value)} of unit {reading.unit}" if self.by_unit else "full text, cost"

    def score(self) -> list[str]:
        """What the whole text cost, in words and in fewer."""
        trace = self.trace
        if trace is None:
            return [""]
        symbols = f"{trace.steps:,} symbol{'s' if trace.steps != 1 else ''}"
        if trace.task != LANGUAGE:
            score = whole_told(trace) or "what is right is not known"
            return [f"{symbols}; {score}", score]
        if math.isnan(trace.loss):
            return [f"{symbols}; the first has no cost: nothing predicts it", symbols]
        bits = float(np.nanmean(trace.bits))
        told = f"{bits:.2f} bits a symbol"
        return [
            f"{symbols}, {told}, perplexity {perplexity(trace.loss):.2f}, loss {trace.loss:.3f} nats",
            f"{symbols}, {told}, perplexity {perplexity(trace.loss):.1f}",
            f"{trace.steps:,}, {bits:.2f} bits, ppl {perplexity(trace.loss):.1f}",
        ]

    def lines(self, width: int, height: int) -> list[Spans]:
        trace = self.trace
        if trace is None or not trace.steps:
            return []
        pages = self.pages
        score = int(height >= 2)
        foot = int(height >= 6)
        self._room = room = max(height - score - foot, 1)
        at = pages.line_of(self.reading.cursor)
        if not self.top <= at < self.top + room:
            # Every line is sent again when it scrolls: it does so a third of the height at a time.
            self.top = at - (room // 3 if at < self.top else room * 2 // 3)
        self.top = min(max(self.top, 0), max(len(pages) - room, 0))
        end = min(self.top + room, len(pages))
        first, last = pages.line(self.top)[0], pages.line(end - 1)[1]
        styles = self._styles(first, last)
        drawn = [self._line(pages, k, styles, first) for k in range(self.top, end)]
        lines = [line(first_that_fits(self.score(), width - 2), width, "mark")] if score else []
        lines += drawn + [()] * (room - len(drawn))
        if foot:
            lines.append(self._legend(width, self.top, end, len(pages)))
        return lines

    def _styles(self, first: int, last: int) -> list[Style]:
        trace, reading = self.trace, self.reading
        assert trace is not None
        if self.by_unit:
            scale = reading.own_scale(reading.value, reading.unit)
            values = reading.array(reading.value)[first:last, reading.unit].tolist()
            if not self.pane.coloured:
                return [UNDERLINED if value >= scale * LARGE else Style() for value in values]
            if ramp_of(reading.value) == "unit":
                return [palette.unit_background(value) for value in values]
            return [palette.signed_background(value, scale) for value in values]
        bits = trace.bits[first:last].tolist()
        if not self.pane.coloured:
            return [UNDERLINED if cost >= SURPRISING else Style() for cost in bits]
        return [palette.surprise(cost)[1] for cost in bits]

    def _line(self, pages: Pages, k: int, styles: list[Style], first: int) -> Spans:
        start, end = pages.line(k)
        cursor = self.reading.cursor
        cells = [(pages.columns.signs[t], styles[t - first] + CURSOR if t == cursor else styles[t - first])
                 for t in range(start, end)]  # fmt: skip
        spans: list[Span] = [(" " * MARGIN, "")]
        for style, group in groupby(cells, key=lambda cell: cell[1]):
            spans.append(("".join(shown for shown, _ in group), style))
        # The rest of the line has no colour.
        return (*spans, (" ", ""))

    def _legend(self, width: int, top: int, end: int, total: int) -> Spans:
        reading, drawn = self.reading, looks(self.pane)
        if not self.pane.coloured:
            least = f"{SURPRISING:.0f} bits or more"
            if self.by_unit:
                least = (
                    f"{name_told(reading.value)} at least {LARGE * reading.own_scale(reading.value, reading.unit):.2g}"
                )
            spans: Spans = ((f" underlined: {least}", "quiet"),)
        elif self.by_unit:
            ramp = ramp_of(reading.value)
            scale = reading.own_scale(reading.value, reading.unit)
            spans = ((f" {name_told(reading.value)} of unit {reading.unit}  ", "quiet"), *legend(ramp, scale, **drawn))
        else:
            spans = ((" cost ", "quiet"), *legend("surprise", 1.0, **drawn))
        place = f"   lines {top + 1} to {end} of {total}" if total > end - top else ""
        if columns_of(spans) + len(place) <= width:
            spans = (*spans, (place, "quiet"))
        return spans if columns_of(spans) <= width else line("", width)

    def key_hint(self) -> list[tuple[str, str]] | None:
        return [
            (keys_of(self.pane, "left", "right"), "symbol"), (keys_of(self.pane, "up", "down"), "line"),
            (keys_of(self.pane, "value"), "cost" if self.by_unit else "unit's value"),
            (keys_of(self.pane, "text"), "text"), (keys_of(self.pane, "earlier", "later"), "passage"),
            ("escape", "close"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        trace = self.trace
        if trace is None:
            return ""
        return f"{self.score()[0]}\n{(' ' if are_words(trace.symbols) else '').join(trace.symbols)}"

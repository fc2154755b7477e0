"""What filling up does: sequences of unequal length in one batch, read with a mask and as if all of it were data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.cells import cell_len, set_cell_size

from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, heat_line, keys_of, line, looks, sentence
from rnn_tui.app.reading import round_up
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow, short
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.row import fit
from rnn_tui.app.widgets.text_strip import CURSOR, GUTTER, Columns, are_words, cell_width, in_cell, shown_sign
from rnn_tui.lab.questions import ComparePadding
from rnn_tui.lab.task_words import words_of
from rnn_tui.symbols import clean_line
from rnn_tui.views import PaddingView, Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

VIEWS = ("masked", "as data", "difference")
LABELS = {"masked": "masked", "as data": "data", "difference": "differ"}
NARROW = 60
MOST_TYPED = 1_000
FILL = "-"
"""Stands where nothing but filling is."""


def axis_of(view: PaddingView, room: int) -> Columns:
    """The time axis that all sequences of the batch share: a cell of one width, in which the widest symbol fits."""
    symbols = [symbol for row, real in zip(view.symbols, view.real.tolist(), strict=True)
               for symbol, there in zip(row, real, strict=True) if there]  # fmt: skip
    steps = view.real.shape[1]
    if are_words(symbols):
        widths = [cell_len(shown_sign(symbol)) for symbol in symbols]
        longest = max(widths) + 1
        wide = longest if longest * steps <= room else cell_width(widths, room)
    else:
        wide = max((cell_len(shown_sign(symbol)) for symbol in symbols if len(symbol) == 1), default=1)
    return Columns((FILL,) * steps, np.arange(steps + 1, dtype=np.int64) * wide)


class PaddingLens(Lens):
    """Each sequence with its states, masked and with what fills up read as data; its answers and losses beside it."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("padding",)
    TITLE: ClassVar[str] = "padding"
    COST: ClassVar[bool] = False

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        config, data = pane.lab.status.config, pane.lab.data
        # Windows of a series are all of one length.
        equal = data is not None and data.unit == "windows"
        return config is not None and not words_of(config.data.task).streamed and not equal

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        config = self.lab.status.config
        self.before = config is not None and config.training.padding == "pre"
        """Whether sequences are filled up before their beginning; as in training, at first."""
        self.shown = "difference"
        self.top = 0
        """The first sequence that is drawn."""
        self.view: PaddingView | None = None
        self._open = False
        self._columns: Columns | None = None

    def begin(self, action: str) -> None:
        if self._open:
            self.before = not self.before
        self._open = True
        self._ask()

    def _ask(self) -> None:
        inquiry = self.pane.inquiry
        offset = inquiry.passage if inquiry.text is None else 0
        self.asking.ask(self.lab, ComparePadding(offset, inquiry.part, self.before))

    def took(self, trace: Trace, another: bool) -> None:
        if another or (self.view is not None and trace.step != self.view.step):
            self._ask()

    def tick(self, status: Status) -> bool:
        was = self.asking.under_way
        found = self.asking.answer()
        if isinstance(found, PaddingView):
            self.view, self._columns = found, None
            self.top = min(self.top, max(len(found.symbols) - 1, 0))
        return was != self.asking.under_way

    def do_value(self) -> None:
        self.shown = VIEWS[(VIEWS.index(self.shown) + 1) % len(VIEWS)]

    def do_value_back(self) -> None:
        self.shown = VIEWS[(VIEWS.index(self.shown) - 1) % len(VIEWS)]

    def do_up(self) -> None:
        self.top = max(self.top - 1, 0)

    def do_down(self) -> None:
        # What is typed before they are there counts as well.
        last = len(self.view.symbols) - 1 if self.view is not None else MOST_TYPED
        self.top = min(self.top + 1, max(last, 0))

    # Drawing.

    def header(self) -> str:
        return f"padding, filled up {'before' if self.before else 'behind'}"

    def lines(self, width: int, height: int) -> Sequence[Spans]:
        view = self.view
        if self.asking.trouble:
            return [(), *sentence(self.asking.trouble, width, "bad")][:height]
        if view is None:
            doing = self.asking.doing
            told = f"{doing or 'reading them'}, escape stops it" if self.asking.under_way else "it was stopped"
            return [(), line(told, width)][:height]
        room = max(width - GUTTER, 1)
        if self._columns is None or self._columns.width(0) > room:
            self._columns = axis_of(view, room)
        columns = self._columns
        cursor = min(self.reading.cursor, len(columns) - 1)
        start = columns.window(0, cursor, room)
        scale = round_up(float(max(view.masked.max(initial=0.0), view.as_data.max(initial=0.0))))
        head = [self._told(view, width)] if height >= 6 else []
        foot = [self._legend(scale, width)] if height >= 9 else []
        free = height - len(head) - len(foot)
        count = len(view.symbols)
        # All three rows of each sequence where there is room for them.
        every = free >= count * (2 + len(VIEWS))
        rows = VIEWS if every else (self.shown,)
        fits = max(free // (2 + len(rows)), 1)
        self.top = min(self.top, max(count - fits, 0))
        drawn: list[Spans] = []
        for k in range(self.top, min(self.top + fits, count)):
            drawn.append(self._sequence(view, k, width))
            drawn.append(self._symbols(view, k, columns, start, width))
            drawn += [self._row(view, k, name, scale, columns, start, width) for name in rows]
        blank: list[Spans] = [()] * max(free - len(drawn), 0)
        return [*head, *drawn[:free], *blank, *foot][:height]

    def _told(self, view: PaddingView, width: int) -> Spans:
        changed = float(np.nanmean(view.loss_as_data - view.loss_masked)) if self._costs(view) else math.nan
        what = "read as data it costs" if math.isfinite(changed) else "read as data it changes the states"
        more = f" {changed:+.3g} on average" if math.isfinite(changed) else ""
        source = clean_line(view.source)
        forms = [f"{source}: '{FILL}' fills up; {what}{more}", f"'{FILL}' fills up; {what}{more}", f"{what}{more}",
                 f"as data{more}" if more else what]  # fmt: skip
        return line(first_that_fits(forms, width - 2), width, "mark")

    @staticmethod
    def _costs(view: PaddingView) -> bool:
        return bool(np.isfinite(view.loss_masked).any() and np.isfinite(view.loss_as_data).any())

    def _sequence(self, view: PaddingView, k: int, width: int) -> Spans:
        """Losses and answers of one sequence, masked and not."""
        steps = int(view.real[k].sum())
        masked, data = float(view.loss_masked[k]), float(view.loss_as_data[k])
        cost = f"  loss {masked:.3f} masked, {data:.3f} as data" if math.isfinite(masked) else ""
        if width < NARROW:
            told = f" loss {masked:.2f}, as data {data:.2f}" if math.isfinite(masked) else ""
            return cut(((f" {steps} of {view.real.shape[1]}", "label"), (told, "value")), width)
        with_mask, without = clean_line(view.answers_masked[k]), clean_line(view.answers_as_data[k])
        same = with_mask == without
        said = f"  answers {with_mask}" + ("" if same else f"; as data {without}")
        right = f"  right {clean_line(view.right[k])}" if view.right[k] else ""
        spans: Spans = (
            (f" {steps} of {view.real.shape[1]} real", "label"),
            (cost, "warn" if math.isfinite(masked) and data > masked * 1.05 + 1e-3 else "value"),
            (said, "value" if same else "warn"),
            (right, "quiet"),
        )
        return cut(spans, width)

    def _symbols(self, view: PaddingView, k: int, columns: Columns, start: int, width: int) -> Spans:
        wide, cursor = columns.width(0), self.reading.cursor
        cells: list[Span] = []
        for t in range(start, columns.end(start, max(width - GUTTER, 0))):
            there = bool(view.real[k, t])
            text = shown_sign(view.symbols[k][t]) if there else FILL
            cell = in_cell(text, wide) if wide > 2 else set_cell_size(text, wide)
            cells.append((cell, CURSOR if t == cursor else "value" if there else "dim"))
        joined = tuple(("".join(text for text, _ in group), style) for style, group in groupby(cells, lambda c: c[1]))
        return ((" " * GUTTER, ""), *joined)

    def _row(
        self, view: PaddingView, k: int, name: str, scale: float, columns: Columns, start: int, width: int
    ) -> Spans:  # fmt: skip
        values = {"masked": view.masked, "as data": view.as_data, "difference": view.difference}[name][k]
        shares = (values / scale).astype(np.float32)
        if name == "masked":
            # It enters nothing: there is no state to draw.
            shares = np.where(view.real[k], shares, np.float32(np.nan))
        row = HeatRow(LABELS[name], shares, "unit", chosen=name == self.shown)
        return heat_line(row, columns, start, width, **looks(self.pane))

    def _legend(self, scale: float, width: int) -> Spans:
        cells = [palette.unit(k / 7, self.host.ascii_only) for k in range(8)]
        told = " mean |h| of the last layer " if width >= 60 else " mean |h| "
        spans: Spans = ((told, "quiet"), ("0 ", "quiet"), *cells, (f" {short(scale)}", "quiet"))
        key = keys_of(self.pane, "padding")
        return cut((*spans, (f"   {key} fills up {'behind' if self.before else 'before'} instead", "quiet")), width)

    def key_hint(self) -> list[tuple[str, str]] | None:
        return [
            (keys_of(self.pane, "padding"), "behind" if self.before else "before"),
            (keys_of(self.pane, "value"), "value"), (keys_of(self.pane, "up", "down"), "sequence"),
            (keys_of(self.pane, "left", "right"), "time"), (keys_of(self.pane, "earlier", "later"), "example"),
            ("escape", "close"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        view = self.view
        if view is None:
            return ""
        rows = [f"{fit(' '.join(view.symbols[k]), 200)}\t{view.loss_masked[k]:.6f}\t{view.loss_as_data[k]:.6f}"
                for k in range(len(view.symbols))]  # fmt: skip
        return "\n".join(["sequence\tloss masked\tloss as data", *rows])

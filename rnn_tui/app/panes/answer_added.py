"""The sum of two marked numbers: what was answered after each of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.app import ComposeResult

from rnn_tui.app.panes.answer_page import LOW, StripPage, line
from rnn_tui.app.widgets.cells import CellRow
from rnn_tui.app.widgets.curve import Curve, Level, Plot, Series
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.views import Added, Answer

SHOULD = 0.04
"""How far off an answer may be and still count as solved (Hochreiter and Schmidhuber 1997)."""


class AddedPage(StripPage):
    """The numbers, the two marked ones, the answer if the sequence ended there, and its curve."""

    MARGIN: ClassVar[int] = 10

    def __init__(self) -> None:
        super().__init__()
        self.answer: Added | None = None
        self.curve = Curve()
        self.detail = Painted()

    def compose(self) -> ComposeResult:
        yield self.strip
        yield self.cells
        yield self.curve
        yield self.detail

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, Added)
        self.answer = answer
        marks = answer.marked.tolist()
        symbols = [f"{value:.2f}{'*' if marks[t] else ''}" for t, value in enumerate(answer.values.tolist())]
        self.lay_out(symbols, ("-0.00",), same)
        if not same:
            self.put_place(len(symbols) - 1)

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None or not len(answer.prediction):
            return ()
        given = float(answer.prediction[-1])
        off = abs(given - answer.right)
        return (
            (f"answer {given:.3f}, the sum is {answer.right:.3f}", "value"),
            (f", off by {off:.3f}", "good" if off < SHOULD else "bad"),
        )

    def draw(self) -> None:
        answer, width = self.answer, self.size.width
        if answer is None or not self.size.height or not self.steps:
            return
        self.draw_strip()
        # A plot of less than a few rows says nothing.
        self.curve.display = self.size.height >= LOW - 5
        self.curve.ascii_only = self.host.ascii_only
        self.set_height(self.cells, 2)
        sums = self._sums(answer)
        self.cells.show(
            [
                CellRow("marked", lambda t: ("^^^^" if answer.marked[t] else "", "mark")),
                CellRow("answer", lambda t: (f"{float(answer.prediction[t]):.2f}", "quiet")),
            ],
            self.columns, self.start,
        )  # fmt: skip
        at = np.arange(len(sums))
        places = np.flatnonzero(answer.marked)
        self.curve.put(
            Plot(
                series=(
                    Series(at, sums, "beside"),
                    Series(at, answer.prediction, "first"),
                    Series(places, sums[places], "second", dots=True),
                ),
                levels=(Level(f"the sum {answer.right:.2f}", answer.right), Level("remembers nothing 1", 1.0)),
                right=float(max(len(sums) - 1, 1)),
                across="t",
            )
        )
        t = self.place
        marked = ", marked" if answer.marked[t] else ""
        self.detail.paint([
            line(width, (f" t {t}: ", "mark"), (f"{float(answer.values[t]):.3f}{marked}", "value"),
                 (f"   it would answer {float(answer.prediction[t]):.3f}", "heading"),
                 (f"   marked so far add up to {float(sums[t]):.3f}", "quiet")),
        ])  # fmt: skip

    @staticmethod
    def _sums(answer: Added) -> np.ndarray:
        """(T): what the marked numbers up to there add up to."""
        return np.cumsum(np.where(answer.marked, answer.values, 0.0))

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        rows = [f"{t}\t{float(answer.values[t]):.4f}\t{int(answer.marked[t])}\t{float(answer.prediction[t]):.4f}"
                for t in range(self.steps)]  # fmt: skip
        return "\n".join(("t\tvalue\tmarked\tanswer", *rows)) + "\n"

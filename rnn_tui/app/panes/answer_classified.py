"""One choice for a whole text: how it is made up, symbol by symbol."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from rnn_tui.app.panes.answer_page import LOW, StripPage, class_bars, heading, likeliest, named, place_told, spelled
from rnn_tui.app.widgets.cells import CellRow, class_style, shown
from rnn_tui.app.widgets.heatmap import HeatRow
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.views import Answer, Classified


class ClassifiedPage(StripPage):
    """The text, below it the probability of each class if the text ended at each timestep, and bars."""

    MARGIN: ClassVar[int] = 14
    SPREAD: ClassVar[int] = 12

    def __init__(self) -> None:
        super().__init__()
        self.answer: Classified | None = None
        self.chosen: tuple[int, ...] = ()
        """(T): the likeliest class after each timestep."""
        self.settled = 0
        """The timestep from which on the likeliest class stays the same."""

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, Classified)
        self.answer = answer
        self.chosen = tuple(np.nan_to_num(answer.p).argmax(axis=1).tolist())
        others = [t for t, k in enumerate(self.chosen) if k != self.chosen[-1]]
        self.settled = others[-1] + 1 if others else 0
        self.lay_out(answer.symbols, answer.classes, same)
        if not same:
            # What it says in the end is read first.
            self.put_place(len(self.chosen) - 1)

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None or not self.chosen:
            return ()
        said = answer.classes[self.chosen[-1]]
        told = f"{shown(said)} {100 * float(answer.p[-1, self.chosen[-1]]):.0f} %"
        if not answer.right:
            return ((told, "value"),)
        if said == answer.right:
            return ((f"{told}, right", "good"),)
        return ((f"{told}, wrong: it is {shown(answer.right)}", "bad"),)

    def draw(self) -> None:
        answer, height, width = self.answer, self.size.height, self.size.width
        if answer is None or not height or not self.chosen:
            return
        self.draw_strip()
        low = height < LOW - 4
        # As many bars below as the room that the classes above leave.
        bars = 3 if low else min(max(height // 3, 5), 12)
        self.set_height(self.cells, 1)
        self.set_height(self.bars, bars)
        right = answer.classes.index(answer.right) if answer.right in answer.classes else -1
        order = likeliest(answer.p[-1], max(self.grid.size.height, 1), right)
        # Where signs stand close together there is room for the class's first letter.
        likely = CellRow("likeliest", lambda t: (shown(answer.classes[self.chosen[t]]), class_style(self.chosen[t])))
        self.cells.show([likely], self.columns, self.start)
        self.draw_grid([HeatRow(shown(answer.classes[k]), answer.p[:, k], "unit", chosen=k == right) for k in order])
        t = self.place
        told = f"after {place_told(t, answer.symbols[t])}: {named(answer.classes[self.chosen[t]])}"
        if t == len(self.chosen) - 1:
            told += ", its answer" + (f", the same since t {self.settled}" if self.settled < t else "")
        elif t >= self.settled:
            told += ", and it stays with that"
        rights = (answer.right,) if answer.right else ()
        shown_bars = class_bars(answer.p[t], answer.classes, rights, max(bars - 1, 1))
        self.bars.show(heading(told, width), shown_bars, (), self.host.ascii_only)

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        rows = ["\t".join(("t", "symbol", *map(shown, answer.classes)))]
        for t, symbol in enumerate(answer.symbols):
            rows.append("\t".join((str(t), shown(symbol), *(f"{float(value):.4f}" for value in answer.p[t]))))
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        answer = self.answer
        if answer is None or not self.chosen:
            return {}
        k, t = self.chosen[self.place], self.place
        return {
            "text": spelled(answer.symbols)[:60],
            "probability": f"{float(answer.p[t, k]):.3f} for {shown(answer.classes[k])} after t {t}",
            "settled": f"it says the same from t {self.settled} on",
        }

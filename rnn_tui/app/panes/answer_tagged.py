"""A choice at every timestep: each word with its tag, each symbol with what a probe answers to it."""

from __future__ import annotations

import numpy as np

from rnn_tui.app.panes.answer_page import LOW, MOST_BARS, StripPage, class_bars, heading, named, place_told
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.cells import CellRow, class_style, shown
from rnn_tui.app.widgets.heatmap import HeatRow, spans_of
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.views import Answer, Tagged

OUTSIDE = "O"
"""The tag of a word that is no part of a name: told quietly."""


class TaggedPage(StripPage):
    """Words or symbols, below each what was answered, what is right, how sure it was, and all classes."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Tagged | None = None
        self.chosen: tuple[int, ...] = ()
        """(T): the likeliest class at each timestep."""
        self.wrong: tuple[int, ...] = ()
        """Timesteps whose answer is wrong."""

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, Tagged)
        self.answer = answer
        self.chosen = tuple(np.nan_to_num(answer.p).argmax(axis=1).tolist())
        self.lay_out(answer.symbols, answer.classes, same)
        self.wrong = tuple(t for t in range(len(self.chosen)) if self.is_wrong(t))
        if not same:
            # Where nothing is asked at first, the cursor begins where it is.
            asked = np.flatnonzero(answer.asked)
            self.put_place(int(asked[0]) if len(asked) else 0)

    @property
    def wide(self) -> bool:
        """Whether a cell has room for several signs."""
        return bool(len(self.columns)) and self.columns.width(0) > 2

    def rights(self, t: int) -> tuple[str, ...]:
        """What would be right at a timestep; several where a grammar leaves the choice."""
        answer = self.answer
        if answer is None:
            return ()
        if answer.allowed and t < len(answer.allowed):
            return answer.allowed[t]
        return (answer.right[t],) if answer.right[t] else ()

    def is_wrong(self, t: int) -> bool:
        """Whether it is asked there and the likeliest class is none of the right ones."""
        answer, rights = self.answer, self.rights(t)
        return answer is not None and bool(answer.asked[t] and rights) and answer.classes[self.chosen[t]] not in rights

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None:
            return ()
        asked = sum(bool(answer.asked[t] and self.rights(t)) for t in range(len(self.chosen)))
        if not asked:
            return (("nothing to hold it against", "quiet"),)
        what = "legal" if answer.allowed else "right"
        right = asked - len(self.wrong)
        return ((f"{right} of {asked} {what}", "good" if not self.wrong else "warn"),)

    def draw(self) -> None:
        answer, height, width = self.answer, self.size.height, self.size.width
        if answer is None or not height:
            return
        rows: list[CellRow | Spans] = [
            CellRow("answer", self._answered),
            CellRow(("legal" if self.wide else "came") if answer.allowed else "right", self._right),
            CellRow("wrong", lambda t: ("x" if t in wrong else "", "bad")),
        ]
        wrong = frozenset(self.wrong)
        self.draw_strip()
        p = np.take_along_axis(answer.p, np.array(self.chosen, np.int64)[:, None], axis=1)[:, 0]
        sure = HeatRow("sure", np.where(answer.asked, p, np.nan).astype(np.float32), "unit")
        end = self.columns.end(self.start, self.cells.room)
        drawn = spans_of(sure, self.columns, self.start, end, self.coloured, self.host.ascii_only)
        rows.append(((f" {'sure':<{self.MARGIN - 2}} ", "quiet"), *drawn))
        # On a low screen what is right is told by the bars.
        low = height < LOW - 4
        self.set_height(self.cells, 3 if low else 4)
        self.set_height(self.bars, min(MOST_BARS + 1, max(height - 6, 2)))
        self.cells.show([rows[0], rows[2], rows[3]] if low else rows, self.columns, self.start)
        self.draw_grid(self._class_rows(max(self.grid.size.height, 0)))
        t = self.place
        count = max(self.bars.size.height - 1, 1)
        told = place_told(t, answer.symbols[t])
        if not answer.asked[t]:
            self.bars.show(heading(f"{told}: nothing is asked here", width), (), (), self.host.ascii_only)
            return
        rights, said = self.rights(t), answer.classes[self.chosen[t]]
        held = f"{told}: {named(said)}"
        if rights:
            names = " or ".join(map(named, rights))
            held += ", right" if said in rights and not answer.allowed else f", {names} {self._word(len(rights))}"
        bars = class_bars(answer.p[t], answer.classes, rights, count)
        self.bars.show(heading(held, width), bars, (), self.host.ascii_only)

    def _word(self, count: int) -> str:
        answer = self.answer
        if answer is not None and answer.allowed:
            return "are legal" if count > 1 else "is legal"
        return "is right"

    def _answered(self, t: int) -> Span:
        answer = self.answer
        if answer is None or not answer.asked[t]:
            return "", ""
        name = answer.classes[self.chosen[t]]
        style = class_style(self.chosen[t], quiet=name == OUTSIDE)
        return shown(name), style + palette.style(bold=True) if self.is_wrong(t) else style

    def _right(self, t: int) -> Span:
        answer = self.answer
        rights = self.rights(t) if answer is not None and answer.asked[t] else ()
        if not rights:
            return "", ""
        # Where signs stand close together there is room for the one that came.
        fits = not answer or not answer.allowed or self.wide
        told = "|".join(map(shown, rights)) if fits or answer is None else shown(answer.right[t] or " ")
        return told, "value" if t in self.wrong else "dim"

    def _class_rows(self, count: int) -> list[HeatRow]:
        """The probability of each class along the text, those that are answered first."""
        answer = self.answer
        if answer is None or not count:
            return []
        often = np.bincount(np.array(self.chosen, np.int64), minlength=len(answer.classes))
        order = np.argsort(-often, kind="stable")[:count].tolist()
        return [HeatRow(shown(answer.classes[k]), answer.p[:, k], "unit") for k in order]

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        rows = ["t\tsymbol\tanswer\tp\tright"]
        for t, symbol in enumerate(answer.symbols):
            k = self.chosen[t]
            said = (answer.classes[k], f"{float(answer.p[t, k]):.4f}") if answer.asked[t] else ("", "")
            rows.append("\t".join((str(t), shown(symbol), shown(said[0]) if said[0] else "", said[1],
                                   "|".join(map(shown, self.rights(t))))))  # fmt: skip
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        answer = self.answer
        if answer is None or not len(self.chosen):
            return {}
        t = self.place
        return {"probability": f"{float(answer.p[t, self.chosen[t]]):.3f} of the answer at t {t}"}

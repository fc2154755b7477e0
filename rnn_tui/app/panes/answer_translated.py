"""What a decoder wrote for what an encoder read: the context vector between them, and the attention's map."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.app import ComposeResult

from rnn_tui.app.panes.answer_page import LOW, StripPage, line, named
from rnn_tui.app.widgets.bars import Bar, Bars
from rnn_tui.app.widgets.cells import shown
from rnn_tui.app.widgets.heatmap import Heatmap, HeatRow
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.app.widgets.row import fit, pad, wrap
from rnn_tui.app.widgets.text_strip import Columns
from rnn_tui.symbols import clean_line
from rnn_tui.views import Answer, Translated

MOST_LAYERS = 2
"""Layers of the context vector that are drawn; the last is what the decoder's top begins with."""


class TranslatedPage(StripPage):
    """Written and right, the candidates, the context vector, and below the source what was looked at."""

    MORE: ClassVar[str] = "beams"
    MARGIN: ClassVar[int] = 14
    SPREAD: ClassVar[int] = 5
    DEFAULT_CSS = """
    TranslatedPage #written { height: 2; }
    TranslatedPage #beams { height: 3; }
    TranslatedPage #likely { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer: Translated | None = None
        self.row = 0
        """u, the written symbol that the map's mark is on."""
        self.top = 0
        """First written symbol in view."""
        self.lines = Painted(id="written")
        self.context = Heatmap(margin_columns=self.MARGIN)
        self.likely = Bars(id="likely")
        self.detail = Painted()
        self.beams = Painted(id="beams")

    def compose(self) -> ComposeResult:
        yield self.lines
        yield self.context
        yield self.strip
        yield self.grid
        yield self.likely
        yield self.detail
        yield self.beams

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, Translated)
        self.answer = answer
        self.lay_out(answer.symbols, (), same)
        if not same:
            self.row = self.top = 0
        self.row = min(self.row, max(len(answer.written) - 1, 0))

    @property
    def attends(self) -> bool:
        """Whether there is a map of what was looked at."""
        return self.answer is not None and self.answer.attention.size > 0

    def step_row(self, by: int) -> bool:
        answer = self.answer
        if answer is None or not answer.written:
            return False
        self.row = min(max(self.row + by, 0), len(answer.written) - 1)
        return True

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None:
            return ()
        how = f"{len(answer.beams)} beams" if len(answer.beams) > 1 else "greedy"
        if not answer.right:
            return ((how, "value"),)
        return (("right", "good") if answer.exact else ("not the right one", "bad"), (f", {how}", "quiet"))

    def draw(self) -> None:
        answer, height, width = self.answer, self.size.height, self.size.width
        if answer is None or not height:
            return
        low = height < LOW - 4
        layers = 0 if low else min(len(answer.context), MOST_LAYERS)
        beams = len(answer.beams) if len(answer.beams) > 1 and not low else 0
        self._arrange(layers, min(beams, max(height // 5, 2)))
        written = clean_line(answer.text) or "nothing: it wrote its end at once"
        rows: list[Spans] = [line(width, (" written      ", "quiet"), (written, "mark"))]
        if answer.right:
            rows.append(line(width, (" right        ", "quiet"), (clean_line(answer.right), "value")))
        self.lines.paint(rows)
        self._draw_context(answer, layers)
        self.draw_strip()
        if self.attends:
            self._draw_map(answer)
            self.detail.paint([self._looked_at(answer, width)])
        else:
            self._draw_likely(answer, width)
            self.detail.paint([line(width, (self._place(answer), "heading"))])
        self.beams.paint(
            line(width, (f" {score:8.3f}     ", "quiet"), (clean_line(text) or "nothing", "mark" if not k else "value"))
            for k, (text, score) in enumerate(answer.beams[: max(beams, 0)])
        )

    def _arrange(self, layers: int, beams: int) -> None:
        """Heights of what may be missing; a map and a list of probabilities have the same place."""
        self.cells.display = self.bars.display = False
        self.grid.display, self.likely.display = self.attends, not self.attends
        self.context.display = layers > 0
        self.beams.display = beams > 0
        for widget, rows in ((self.context, layers), (self.beams, beams)):
            self.set_height(widget, max(rows, 1))

    def _draw_context(self, answer: Translated, layers: int) -> None:
        units = answer.context.shape[1] if answer.context.ndim == 2 else 0
        columns = Columns((" ",) * units, np.arange(units + 1, dtype=np.int64))
        first = len(answer.context) - layers
        labels = [f"context {first + k}" if len(answer.context) > 1 else "context" for k in range(layers)]
        rows = [HeatRow(labels[k], answer.context[first + k], scale=1.0) for k in range(layers)]
        self.context.show(rows, columns, 0, coloured=self.coloured, ascii_only=self.host.ascii_only)

    def _draw_map(self, answer: Translated) -> None:
        """U x T: source symbols along x, written ones along y, as far as there is room."""
        rows = max(self.grid.size.height, 1)
        self._keep_in_view(rows, len(answer.written))
        self.draw_grid([
            HeatRow(f"{pad(shown(answer.written[u]), 6)} {float(answer.p[u]):.2f}", answer.attention[u], "unit",
                    chosen=u == self.row)
            for u in range(self.top, min(self.top + rows, len(answer.written), len(answer.attention)))
        ])  # fmt: skip

    def _keep_in_view(self, rows: int, count: int) -> None:
        self.top = max(min(self.top, self.row, count - rows), 0)
        if self.row >= self.top + rows:
            self.top = self.row - rows + 1

    def _draw_likely(self, answer: Translated, width: int) -> None:
        units = answer.context.shape[-1] if answer.context.ndim else 0
        told = wrap(
            f"Without attention all that the decoder is told of the source is the context vector: {units} numbers, "
            "however long the source is.", max(width - 2, 10),
        )  # fmt: skip
        rows = max(self.likely.size.height - 1 - len(told), 1)
        self._keep_in_view(rows, len(answer.written))
        bars = [
            Bar(f"{'>' if u == self.row else ' '}{fit(shown(answer.written[u]), 12)}", float(answer.p[u]), share=True,
                strong=u == self.row)
            for u in range(self.top, min(self.top + rows, len(answer.written)))
        ]  # fmt: skip
        below: list[Spans] = [((f" {text}", "quiet"),) for text in told]
        self.likely.show((("  probability when it was written", "quiet"),), bars, below, self.host.ascii_only)

    def _place(self, answer: Translated) -> str:
        if not answer.written:
            return ""
        u = self.row
        return f" {named(answer.written[u])} was written with {float(answer.p[u]):.2f}"

    def _looked_at(self, answer: Translated, width: int) -> Spans:
        """Where the attention lay while the marked symbol was written, and how much at the cursor."""
        if not answer.written or self.row >= len(answer.attention):
            return ()
        weights = answer.attention[self.row]
        order = np.argsort(-weights, kind="stable")[:3].tolist()
        most = "  ".join(f"{named(answer.symbols[t])} {float(weights[t]):.2f}" for t in order)
        t = self.place
        here = f", at the cursor {named(answer.symbols[t])} {float(weights[t]):.2f}" if t not in order else ""
        return line(width, (f"{self._place(answer)}, looking at {most}{here}", "heading"))

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        rows = [f"source\t{' '.join(map(shown, answer.symbols))}", f"written\t{clean_line(answer.text)}",
                f"right\t{clean_line(answer.right)}"]  # fmt: skip
        rows += [f"{score:.4f}\t{clean_line(text)}" for text, score in answer.beams]
        if self.attends:
            rows.append("\t".join(("", *map(shown, answer.symbols))))
            for u, weights in enumerate(answer.attention[: len(answer.written)]):
                rows.append("\t".join((shown(answer.written[u]), *(f"{float(w):.4f}" for w in weights))))
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        answer = self.answer
        if answer is None or not answer.beams:
            return {}
        return {"score": f"{answer.beams[0][1]:.3f} nats a symbol, the best candidate's mean",
                "context": f"{answer.context.shape[-1]} numbers a layer"}  # fmt: skip

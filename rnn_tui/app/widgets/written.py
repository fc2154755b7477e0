"""A text that is being written: wrapped, cleaned, its end in view, at will coloured by how likely each symbol was."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.style import Style

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.symbols import sign, width

SURPRISING = 3.0
"""Bits from which a symbol is underlined where there are no colours."""
UNDERLINED = Style(underline=True)


class Wrapped:
    """A growing text on lines of a width; what is added costs only its own length.

    Lines break behind a line feed, else behind the last space, else where the line is full.
    """

    def __init__(self, columns: int) -> None:
        self.columns = max(columns, 2)
        self.text = ""
        self.starts = [0]
        """Where each line begins in the text."""
        self._used = 0
        self._behind_space = 0
        self._used_behind_space = 0

    def extend(self, more: str) -> None:
        """Add to the end."""
        at = len(self.text)
        self.text += more
        for index, symbol in enumerate(more, at):
            if symbol == "\n":
                self._begin(index + 1, 0)
                continue
            wide = width(symbol)
            if self._used + wide > self.columns and symbol != " ":
                if self._behind_space > self.starts[-1]:
                    self._begin(self._behind_space, self._used - self._used_behind_space)
                if self._used + wide > self.columns:
                    self._begin(index, 0)
            self._used += wide
            if symbol == " ":
                self._behind_space, self._used_behind_space = index + 1, self._used

    def _begin(self, start: int, used: int) -> None:
        self.starts.append(start)
        self._used, self._behind_space, self._used_behind_space = used, start, 0

    def line(self, k: int) -> tuple[int, int]:
        """From where to where (exclusive) line k goes."""
        return self.starts[k], self.starts[k + 1] if k + 1 < len(self.starts) else len(self.text)


class Written(Painted):
    """The prompt, and what the model wrote after it."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._wrapped = Wrapped(80)
        self._prompt = 0
        self._coloured = True
        self._top = 0
        """First line in view."""

    def show(
        self, prompt: str, text: str, probability: NDArray[np.float32] | None = None, growing: bool = False,
        coloured: bool = True,
    ) -> None:  # fmt: skip
        """Draw the end of it. `probability` (one for each written symbol) colours them by -log2 p.

        Where there are no colours, those that cost `SURPRISING` bits or more are underlined.
        """
        columns, height = max(self.size.width - 2, 2), max(self.size.height, 1)
        whole = prompt + text
        if columns != self._wrapped.columns or not whole.startswith(self._wrapped.text):
            self._wrapped = Wrapped(columns)
            self._top = 0
        self._wrapped.extend(whole[len(self._wrapped.text) :])
        self._prompt, self._coloured = len(prompt), coloured
        lines = len(self._wrapped.starts)
        if lines - self._top > height:
            # Every line is sent again when the text moves up: it does so a third of the height at a time.
            self._top = lines - height + (height // 3 if growing else 0)
        self._top = min(self._top, max(lines - 1, 0))
        self.paint(self._spans(k, probability) for k in range(self._top, min(lines, self._top + height)))

    def _spans(self, k: int, probability: NDArray[np.float32] | None) -> Spans:
        first, last = self._wrapped.line(k)
        drawn = [self._cell(t, probability) for t in range(first, last)]
        spans: list[Span] = [(" ", "")]
        for style, group in groupby(drawn, key=lambda cell: cell[1]):
            text = "".join(shown for shown, _ in group)
            spans.append((text, style))
        # A space that a full line ends with stands beyond the edge.
        return tuple(spans)

    def _cell(self, t: int, probability: NDArray[np.float32] | None) -> tuple[str, Style | str]:
        symbol = self._wrapped.text[t]
        coloured = probability is not None and 0 <= t - self._prompt < len(probability)
        if coloured and probability is not None:
            p = float(probability[t - self._prompt])
            bits = -np.log2(p) if p > 0 else np.inf
            if self._coloured:
                return sign(symbol), palette.surprise(float(bits))[1]
            return sign(symbol), UNDERLINED if bits >= SURPRISING else "value"
        shown = symbol if symbol == " " else "" if symbol == "\n" else sign(symbol)
        return shown, "quiet" if t < self._prompt else "value"

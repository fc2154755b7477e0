"""The symbols a model knows, and how a text becomes their numbers and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rnn_tui.symbols import REPLACEMENT


class Vocabulary:
    """Symbols, one code point each, numbered in the order given."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        self._points = np.array([ord(s) for s in self.symbols], np.uint32)
        self._order = np.argsort(self._points, kind="stable")
        self._sorted = self._points[self._order]
        self._numbers = {symbol: k for k, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._numbers

    def encode(self, text: str) -> tuple[NDArray[np.int64], int]:
        """The text's numbers, every line end as LF, and how many of its symbols are not known.

        An unknown symbol is read as U+FFFD where the vocabulary has it, and left out where
        it has not.
        """
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        place = np.minimum(np.searchsorted(self._sorted, points), len(self._sorted) - 1)
        known = self._sorted[place] == points
        numbers = self._order[place].astype(np.int64)
        unknown = int((~known).sum())
        if unknown and REPLACEMENT in self:
            numbers[~known] = self._numbers[REPLACEMENT]
            return numbers, unknown
        return numbers[known], unknown

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that the numbers stand for."""
        return "".join([self.symbols[int(k)] for k in numbers])

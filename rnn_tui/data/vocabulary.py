"""The symbols a model knows, and how a text becomes their numbers and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import END, UNKNOWN, Coding
from rnn_tui.symbols import REPLACEMENT

# No code point: what stands for a symbol that is no single character.
_NO_POINT = 2**32 - 1

_STICKS = frozenset(".,;:!?)")


def words(text: str) -> list[str]:
    """A text cut by the plain rule: what its words are where nobody has cut it before.

    A word is a run of letters, marks and digits, with apostrophes inside (`don't`); every other sign
    that is no space stands apart, and so does a line feed. `<unk>` and `<eos>` are left whole.
    """
    return _word(text.isascii()).findall(text)


@cache
def _word(ascii_only: bool) -> re.Pattern[str]:
    run = r"[^\W_]+"
    if not ascii_only:
        # Python's \w lacks the marks that much of the world's writing is made with; all of them lie here.
        places = (*range(0x300, 0x1E950), *range(0xE0100, 0xE01F0))
        marks = "".join(chr(code) for code in places if unicodedata.category(chr(code)).startswith("M"))
        run += rf"(?:[{marks}]+[^\W_]*)*"
    return re.compile(rf"<unk>|<eos>|{run}(?:['\u2019]{run})*|\n|[^\s\x1c-\x1f]")


class Vocabulary:
    """Symbols, numbered in the order given; a text is read one code point at a time.

    Symbols of more than one code point (`<eos>`) have a number, and no text is read as them.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        self._numbers = {symbol: k for k, symbol in enumerate(self.symbols)}

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The numbers by ascending code point, and those code points."""
        points = np.array([ord(s) if len(s) == 1 else _NO_POINT for s in self.symbols], np.uint32)
        order = np.argsort(points, kind="stable")
        return order, points[order]

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._numbers

    @cached_property
    def unknown(self) -> int | None:
        """The number of what is not known: U+FFFD or `<unk>`; None where there is neither."""
        return self._numbers.get(REPLACEMENT, self._numbers.get(UNKNOWN))

    def encode(self, text: str) -> tuple[NDArray[np.int64], int]:
        """The text's numbers, every line end as LF, and how many of its symbols are not known.

        An unknown symbol is read as U+FFFD or `<unk>` where the vocabulary has it, and left out
        where it has neither.
        """
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        order, ascending = self._sorted
        place = np.minimum(np.searchsorted(ascending, points), len(ascending) - 1)
        known = ascending[place] == points
        numbers = order[place].astype(np.int64)
        unknown = int((~known).sum())
        if unknown and self.unknown is not None:
            numbers[~known] = self.unknown
            return numbers, unknown
        return numbers[known], unknown

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that the numbers stand for."""
        return "".join([self.symbols[int(k)] for k in numbers])


class Words(Vocabulary):
    """Words, numbered in the order given; a text is read one word at a time."""

    def encode(self, text: str) -> tuple[NDArray[np.int64], int]:
        """The text's numbers, and how many of its words are not known.

        What stands between two spaces is one word where the vocabulary has it so (`n't` in a text
        that was cut before), else it is cut by the rule of `words`. A line end is `<eos>`. An unknown
        word is read as `<unk>`; where the vocabulary has no `<unk>` it is left out.
        """
        numbers, unknown = [], 0
        for word in self._cut(text.replace("\r\n", "\n").replace("\r", "\n")):
            number = self._numbers.get(word)
            if number is None:
                unknown += 1
                number = self.unknown
            if number is not None:
                numbers.append(number)
        return np.array(numbers, np.int64), unknown

    def _cut(self, text: str) -> Iterator[str]:
        for k, line in enumerate(text.split("\n")):
            if k and END in self:
                yield END
            for word in line.split():
                if word in self:
                    yield word
                else:
                    yield from words(word)

    def decode(self, numbers: Iterable[int]) -> str:
        """The words with spaces between, none before .,;:!?) or after (; `<eos>` is a line end."""
        pieces: list[str] = []
        apart = False
        for k in numbers:
            word = self.symbols[int(k)]
            if word == END:
                pieces.append("\n")
                apart = False
                continue
            pieces.append(f" {word}" if apart and word not in _STICKS else word)
            apart = word != "("
        return "".join(pieces)


def vocabulary_of(coding: Coding) -> Vocabulary:
    """What reads a text as that coding's inputs: by characters or by words."""
    return (Words if coding.symbol == "word" else Vocabulary)(coding.inputs)

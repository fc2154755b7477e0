"""What a unit is held against: where a pattern, or a built-in mark, applies in a text.

A mark says something about each symbol of a text: 1 or 0, or a grade such as a depth. Marks
that open and close say what holds *after* the symbol was read, as a state does: an opening
quote is inside, the closing one is not.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray

from rnn_tui.symbols import clean_line
from rnn_tui.views import Array

SECONDS = 5.0
LONGEST_PATTERN = 1_000
# Built-in patterns take linear time; this only keeps a fault of theirs from lasting.
OWN_SECONDS = 60.0


class MarkError(ValueError):
    """What was to be marked can't be; the text is one sentence that says why."""


def matched(text: str, pattern: str, timeout: float = SECONDS) -> NDArray[np.bool_]:
    """Which symbols of a text lie in a match of a regular expression: (N) bool.

    `^` and `$` stand at every line. Matches do not overlap; those without a symbol mark
    nothing. `timeout` bounds the whole search, in seconds; other threads go on meanwhile.
    Raises MarkError for a pattern that is none, that is too long, or that takes longer.
    """
    marked = np.zeros(len(text), np.bool_)
    for start, end in _spans(text, _compiled(pattern), timeout):
        marked[start:end] = True
    return marked


def _compiled(pattern: str) -> regex.Pattern[str]:
    if not pattern:
        raise MarkError("there is no pattern; give a regular expression such as [A-Z]")
    if len(pattern) > LONGEST_PATTERN:
        raise MarkError(f"the pattern has {len(pattern):,} symbols; {LONGEST_PATTERN:,} are the most it may have")
    try:
        return regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        where = f" at its symbol {error.pos + 1}" if error.pos is not None else ""
        raise MarkError(f"the pattern is no regular expression: {clean_line(error.msg)}{where}; correct it") from None
    except (RecursionError, OverflowError, MemoryError):
        raise MarkError("the pattern is nested too deeply; give a simpler one") from None


def _spans(text: str, pattern: regex.Pattern[str], timeout: float) -> Iterator[tuple[int, int]]:
    # The package counts the processor's time of the search as a whole; our clock counts what we do with it too.
    end = time.monotonic() + timeout
    try:
        for found in pattern.finditer(text, timeout=timeout, concurrent=True):
            yield found.span()
            if time.monotonic() > end:
                raise TimeoutError
    except TimeoutError:
        raise MarkError(
            f"the pattern takes more than {timeout:g} seconds on {len(text):,} symbols; "
            "give a simpler one, without repeats inside repeats"
        ) from None
    except MemoryError:
        raise MarkError("the pattern needs more memory than there is; give a simpler one") from None


@dataclass(frozen=True, slots=True)
class Mark:
    """A built-in mark."""

    name: str
    title: str
    help: str
    graded: bool
    """Whether it has more grades than 0 and 1."""
    grade: Callable[[str], Array]
    """Text of N symbols to grades (N) float32, 0 where it does not apply."""


def marked(text: str, *, pattern: str = "", mark: str = "", timeout: float = SECONDS) -> Array:
    """Grades (N) float32 of a text by a pattern or by the name of a built-in mark. Raises MarkError."""
    if mark and pattern:
        raise MarkError("a pattern and a built-in mark were given; leave one of them out")
    if mark:
        return find_mark(mark).grade(text)
    return matched(text, pattern, timeout).astype(np.float32)


def find_mark(name: str) -> Mark:
    """The built-in mark of that name (`line-end`, `line end`). Raises MarkError, naming the nearest."""
    wanted = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    if wanted in MARKS:
        return MARKS[wanted]
    close = difflib.get_close_matches(wanted, MARKS, n=1)
    nearest = f"; did you mean {close[0]}?" if close else ";"
    raise MarkError(f"{clean_line(name[:60])!r} is no built-in mark{nearest} there are {', '.join(MARKS)}")


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _of_kind(text: str, test: Callable[[str], bool]) -> NDArray[np.bool_]:
    """(N) bool: symbols that pass a test, which each different symbol takes once."""
    different, place = np.unique(_points(text), return_inverse=True)
    passed = np.array([test(chr(point)) for point in different], np.bool_)
    found: NDArray[np.bool_] = passed[place]
    return found


def _is_word(symbol: str) -> bool:
    return symbol.isalnum() or symbol == "_"


def _digit(text: str) -> Array:
    return _of_kind(text, str.isdigit).astype(np.float32)


def _capital(text: str) -> Array:
    return _of_kind(text, str.isupper).astype(np.float32)


def _word_start(text: str) -> Array:
    word = _of_kind(text, _is_word)
    before = np.concatenate((np.zeros(min(1, len(word)), np.bool_), word[:-1]))
    return (word & ~before).astype(np.float32)


def _line_end(text: str) -> Array:
    feed = _of_kind(text, "\n".__eq__)
    after = np.concatenate((feed[1:], np.zeros(min(1, len(feed)), np.bool_)))
    return (after & ~feed).astype(np.float32)


def _column(text: str) -> Array:
    place = np.arange(1, len(text) + 1)
    feed = _points(text) == ord("\n")
    last_feed = np.maximum.accumulate(np.where(feed, place, 0))
    column: NDArray[np.int64] = place - last_feed
    return column.astype(np.float32)


_CLOSES = {")": "(", "]": "[", "}": "{"}


def _depth(text: str) -> Array:
    """How many pairs of brackets are open. A bracket without its partner counts for nothing."""
    steps = np.zeros(len(text), np.int32)
    opened: list[tuple[str, int]] = []
    for place in np.flatnonzero(_of_kind(text, "()[]{}".__contains__)).tolist():
        symbol = text[place]
        if symbol not in _CLOSES:
            opened.append((symbol, place))
            continue
        partner = _CLOSES[symbol]
        back = len(opened) - 1
        while back >= 0 and opened[back][0] != partner:
            back -= 1
        if back >= 0:
            steps[opened[back][1]] += 1
            steps[place] -= 1
            # What was opened since then and not closed has no partner.
            del opened[back:]
    return steps.cumsum(dtype=np.int32).astype(np.float32)


def _brackets(text: str) -> Array:
    return (_depth(text) > 0).astype(np.float32)


# Possessive repeats: each symbol is looked at once, whatever the text.
_QUOTED = regex.compile(
    r"""
    (?P<triple>\"{3}|'{3}) (?:\\.|(?!(?P=triple)).)*+ (?:(?P=triple)|\Z)
    | (?P<double>") (?:\\[^\n]|[^"\\\n])*+ "
    | (?:(?<!\w)|(?<=\b[rbfuRBFU]{1,2})) (?P<single>') (?:\\[^\n]|[^'\\\n]|(?<=\w)'(?=\w))*+ ' (?!\w)
    """,
    regex.VERBOSE | regex.DOTALL,
)


def _quotes(text: str) -> Array:
    """Inside quotes: from the opening quote to the symbol before the closing one.

    '...' and "..." end on their line, or are no quotes; a backslash takes the next symbol's
    meaning; ' between letters or digits is an apostrophe. Three quotes, as Python's source
    has them, go on over lines. Where the text begins inside such a string is guessed: what
    closes one mostly ends its line.
    """
    return _inside(text, _all_quoted(text))


def _strings(text: str) -> Array:
    """Inside quotes that end on their line: docstrings and other quotes of three are left out."""
    return _inside(text, [span for span in _all_quoted(text) if not span[2]])


def _all_quoted(text: str) -> list[tuple[int, int, bool]]:
    spans = _quoted(text, 0)
    first = text.find('"""')
    if first >= 0:
        inside = [(0, first + 3, True), *_quoted(text, first + 3)]
        if _closers(text, inside) > _closers(text, spans):
            return inside
    return spans


def _inside(text: str, spans: list[tuple[int, int, bool]]) -> Array:
    steps = np.zeros(len(text) + 1, np.int32)
    for start, end, _ in spans:
        steps[start] += 1
        steps[end - 1] -= 1
    return steps[:-1].cumsum(dtype=np.int32).astype(np.float32)


def _quoted(text: str, first: int) -> list[tuple[int, int, bool]]:
    """Quoted passages as (start, end, whether it has three quotes), from a place on that is outside."""
    found = []
    for match in _QUOTED.finditer(text, first, timeout=OWN_SECONDS, concurrent=True):
        kind = match.lastgroup or "double"
        start, end = match.start(kind), match.end()
        # What is never closed is open to the very end.
        closed = kind != "triple" or (end - start >= 6 and text.endswith(text[start : start + 3], start, end))
        found.append((start, end if closed else end + 1, kind == "triple"))
    return found


def _closers(text: str, spans: list[tuple[int, int, bool]]) -> int:
    """How many of the triple quotes that close end their line, less those that open."""
    return sum(
        (text[end : end + 1] == "\n") - (start > 0 and text[start + 3 : start + 4] == "\n")
        for start, end, triple in spans
        if triple
    )


_OPEN_TO_CLOSE = "from what opens to the last symbol before what closes it"

MARKS: dict[str, Mark] = {
    mark.name: mark
    for mark in (
        Mark("quotes", "inside quotes", f"{_OPEN_TO_CLOSE}: ' or \", three of them over lines", False, _quotes),
        Mark("strings", "inside a string", f"{_OPEN_TO_CLOSE}: ' or \", on one line", False, _strings),
        Mark("brackets", "inside brackets", f"{_OPEN_TO_CLOSE}: ( [ or {{", False, _brackets),
        Mark("depth", "bracket depth", "how many brackets are open after the symbol", True, _depth),
        Mark("column", "position in the line", "symbols of its line that are read; 0 at the line feed", True, _column),
        Mark("word-start", "start of a word", "the first letter, digit or _ after something else", False, _word_start),
        Mark("capital", "capital letter", "a letter in upper case", False, _capital),
        Mark("digit", "digit", "a digit", False, _digit),
        Mark("line-end", "end of line", "the last symbol before a line feed: it is to be foreseen", False, _line_end),
    )
}

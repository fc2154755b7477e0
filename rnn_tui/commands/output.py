"""How a command tells what it does: data on stdout, narration and progress on stderr."""

from __future__ import annotations

import errno
import math
import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnn_tui.symbols import clean, clean_line, width

SCREEN_EVERY = 0.1
"""Seconds from one drawing of the progress to the next on a terminal."""
LINES_EVERY = 5.0
"""The same where it is no terminal, and every drawing is a line."""
BAR = 20


def say(text: str) -> None:
    """A line of narration."""
    _narrate(clean_line(text) + "\n")


def _narrate(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError as error:
        # The line has dropped: what nobody reads must not end the work.
        if error.errno != errno.EIO:
            raise


def put(text: str = "", *, exact: bool = False) -> None:
    """Lines of data on stdout, cleaned; `exact` ones (a file's name) only on a terminal, for programs read them."""
    print(text if exact and not sys.stdout.isatty() else clean(text))


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object on one line; numbers that are not finite are null."""
    from rnn_tui.session.contents import pack_json

    print(pack_json(values), flush=True)


def columns(text: str) -> int:
    """Columns that a line takes on a terminal."""
    return sum(map(_columns, text))


def _columns(symbol: str) -> int:
    # What has a stand-in where each symbol has its place is drawn onto its neighbour in a line of text.
    return 0 if unicodedata.category(symbol) in ("Mn", "Me", "Cf") else width(symbol)


def fit(text: str, room: int) -> str:
    """As much of a line as fits into so many columns."""
    taken = 0
    for place, symbol in enumerate(text):
        taken += _columns(symbol)
        if taken > room:
            return text[:place]
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as they need to be; those numbered in `right` end together."""
    cells = [list(head), *([clean_line(cell) for cell in row] for row in rows)]
    widths = [max(columns(row[k]) for row in cells) for k in range(len(head))]
    lines = []
    for row in cells:
        parts = []
        for k, cell in enumerate(row):
            space = " " * (widths[k] - columns(cell))
            parts.append(space + cell if k in right else cell + space)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def number(value: float, form: str = ".3f") -> str:
    """A measured number, or `-` where there is none."""
    return format(value, form) if math.isfinite(value) else "-"


def duration(seconds: float) -> str:
    """`0:42`, `1:02:03`."""
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(share: float) -> str:
    """`[########............]`."""
    filled = round(BAR * min(1.0, max(0.0, share))) if math.isfinite(share) else 0
    return "[" + "#" * filled + "." * (BAR - filled) + "]"


class Progress:
    """How far it is, on stderr: one line that changes on a terminal, else a line every few seconds."""

    def __init__(self) -> None:
        self._screen = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._due = 0.0 if self._screen else time.monotonic() + LINES_EVERY
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Put this in the line's place, if the last one has been there long enough to be read."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (SCREEN_EVERY if self._screen else LINES_EVERY)
        if self._screen:
            try:
                room = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            except OSError:
                room = 79
            _narrate("\r" + fit(clean_line(text), room) + "\x1b[K")
            self._drawn = True
        else:
            say(text)

    def share(self, share: float, doing: str) -> None:
        """`show` for work that knows how much of it is done, 0 to 1."""
        self.show(f"{bar(share)} {doing}" + (f" {share:.0%}" if math.isfinite(share) else ""))

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        say(text)

    def clear(self) -> None:
        if self._drawn:
            _narrate("\r\x1b[K")
            self._drawn = False

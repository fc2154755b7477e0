"""A text on its way to stdout while it is written."""

from __future__ import annotations

import sys
import time

FLUSH_EVERY = 0.05


class Text:
    """Text as it is written: on a terminal cleaned and at once, elsewhere as it is."""

    def __init__(self) -> None:
        self._screen = sys.stdout.isatty()
        self._flushed = 0.0

    def write(self, text: str) -> None:
        if self._screen:
            from rnn_tui.symbols import clean

            sys.stdout.write(clean(text))
        else:
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        now = time.monotonic()
        if now - self._flushed >= FLUSH_EVERY:
            self.flush()
            self._flushed = now

    def flush(self) -> None:
        sys.stdout.flush()
        if not self._screen:
            sys.stdout.buffer.flush()

"""A terminal at the end of a slow line, and a session whose steps can be counted from outside."""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnn_tui.session.live import read_live
from tests.terminal.terminal import PATIENCE, Terminal

SLOW = 1024, 0.1
"""Bytes at a time, and seconds from one time to the next: 10 KB a second."""


class SlowTerminal(Terminal):
    """Reads no faster than the line gives, once `line` is set; not at all while its reader stays away."""

    def __init__(
        self, args: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:  # fmt: skip
        self.line: tuple[int, float] | None = None
        self._next = 0.0
        super().__init__(args, environment, columns, rows)

    def read(self, seconds: float = 0.05) -> None:
        if self.line is None:
            super().read(seconds)
            return
        size, every = self.line
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + every
        if select.select([self.master], [], [], 0)[0]:
            found = os.read(self.master, size)
            self.bytes += found
            with contextlib.suppress(Exception):  # pyte does not know every private sequence
                self._stream.feed(found)

    def reaction(self, key: str, *words: str) -> float:
        """Seconds from a key to these words on the screen."""
        pressed = time.monotonic()
        self.type(key)
        self.until(*words)
        return time.monotonic() - pressed

    def catch_up(self, step: int) -> float:
        """Seconds until the screen shows a step that is no older than this one."""
        began = time.monotonic()
        while (shown := re.search(r"training ([\d,]+) of", self.text)) is None or int(shown[1].replace(",", "")) < step:
            self.read()
            assert time.monotonic() < began + PATIENCE, self.text
        return time.monotonic() - began


def told(path: Path) -> tuple[int, int]:
    """Step and saved step as whoever trains a session tells them to others, each second; zeros before it does."""
    live = read_live(path)
    return (live.step, live.saved_step) if live is not None else (0, 0)

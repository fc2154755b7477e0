"""A real pseudo-terminal with a process in it, and the screen that a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyte

PATIENCE = 40.0


class Terminal:
    """`rnn-lab` with these arguments in a terminal of its own; reads what it draws when told to."""

    def __init__(
        self, args: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24,
        program: Sequence[str] = (sys.executable, "-m", "rnn_tui"),
    ) -> None:  # fmt: skip
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = self.settings()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.process = subprocess.Popen(
            [*program, *args], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env={**os.environ, "TERM": "xterm-256color", **environment}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def read(self, seconds: float = 0.05) -> None:
        """Take what was drawn, waiting at most so long for more."""
        while select.select([self.master], [], [], seconds)[0]:
            found = os.read(self.master, 65536)
            self.bytes += found
            with contextlib.suppress(Exception):  # pyte does not know every private sequence
                self._stream.feed(found)
            seconds = 0.0

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, *words: str) -> None:
        """Read until the screen shows all of these words."""
        last = time.monotonic() + PATIENCE
        while not all(word in self.text for word in words):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text}"
            assert time.monotonic() < last, f"{words} did not come:\n{self.text}"
            self.read()

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def ended(self, reading: bool = True, within: float = PATIENCE) -> int:
        """Its exit status, once it has ended."""
        last = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < last, f"it did not end:\n{self.text}"
            if reading:
                self.read()
            else:
                time.sleep(0.02)
        if reading:
            self.read(0.1)
        return int(self.process.returncode)

    def hang_up(self) -> None:
        """The window is closed, the line is dropped."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.slave)
        if self.master >= 0:
            os.close(self.master)

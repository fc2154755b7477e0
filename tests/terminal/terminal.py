"""A real pseudo-terminal with a process in it, and the screen that a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import pyte

from rnn_tui.lab.handing import INHERITED

PATIENCE = 40.0


class Terminal:
    """`rnn-lab` with these arguments in a terminal of its own; reads what it draws when told to."""

    def __init__(
        self, args: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24,
        program: Sequence[str] = (sys.executable, "-m", "rnn_tui"), controlling: bool = True,
    ) -> None:  # fmt: skip
        """Without `controlling` no signal says that the line has dropped, and SIGHUP is ignored besides."""
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = self.settings()
        self._sessions = environment.get("RNN_LAB_SESSIONS", "")
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""

        def attach() -> None:
            if controlling:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            else:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            [*program, *args], stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=attach,
            env={**os.environ, "TERM": "xterm-256color", **environment}, start_new_session=True,
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

    def until_step(self, after: int) -> None:
        """Read until the status line shows a later step than this."""
        last = time.monotonic() + PATIENCE
        while not any(int(n.replace(",", "")) > after for n in re.findall(r"training ([\d,]+)", self.text)):
            assert self.process.poll() is None and time.monotonic() < last, f"no step after {after}:\n{self.text}"
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

    def stall(self) -> None:
        """Have it draw large screens that nobody reads, until the terminal takes nothing any more."""
        last = time.monotonic() + 2 * PATIENCE
        sizes = itertools.cycle((200, 199))
        while select.select([], [self.slave], [], 0)[1]:
            assert time.monotonic() < last, "it draws nothing"
            self.resize(next(sizes), 60)
            time.sleep(0.1)

    def app(self) -> psutil.Process:
        """The app itself, below the process that waits for it."""
        (found,) = psutil.Process(self.process.pid).children()
        return found

    def resize(self, columns: int, rows: int) -> None:
        """Of the terminal, and of the screen that is read."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

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
        self._end_handed_on()

    def _end_handed_on(self) -> None:
        """What was left training without a screen ends with the test."""
        for process in psutil.process_iter() if self._sessions else ():
            with contextlib.suppress(psutil.Error):
                there = process.environ()
                if INHERITED in there and there.get("RNN_LAB_SESSIONS") == self._sessions:
                    process.kill()


class Tmux:
    """A command in a tmux, which may itself run in another one."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], depth: int = 1) -> None:
        assert shutil.which("tmux"), "tmux is needed: apt-get install tmux"
        self._servers = [["tmux", "-L", f"rnn-lab-{os.getpid()}-{uuid.uuid4().hex[:8]}", "-f", "/dev/null"]
                         for _ in range(depth)]  # fmt: skip
        words = shlex.join(["env", "-u", "TMUX", *(f"{n}={v}" for n, v in environment.items()), *command])
        for server in self._servers[1:]:
            words = shlex.join(["env", "-u", "TMUX", *server, "new-session", "-x", "80", "-y", "24", words])
        subprocess.run(
            [*self._servers[0], "new-session", "-d", "-x", "80", "-y", "26", words],
            check=True, env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip

    def tell(self, *words: str) -> str:
        """A command of tmux's own; what it answers."""
        return subprocess.run([*self._servers[0], *words], capture_output=True, text=True, check=True).stdout

    def screen(self) -> str:
        return self.tell("capture-pane", "-p")

    def until(self, pattern: str) -> None:
        """Wait until the screen shows this."""
        last = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen()):
            assert time.monotonic() < last, f"{pattern} did not come:\n{self.screen()}"
            time.sleep(0.05)

    def send(self, *keys: str, after: float = 0.0) -> None:
        """Type keys by tmux's names for them, so many seconds from now."""
        time.sleep(after)
        subprocess.run([*self._servers[0], "send-keys", *keys], check=True)

    def close(self) -> None:
        for server in reversed(self._servers):
            subprocess.run([*server, "kill-server"], capture_output=True, check=False)

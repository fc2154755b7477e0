"""Between the app and the terminal: keys in, sequences out.

Textual's driver, where it does not bear what a terminal may do: bytes that are no text, a line that is gone, floods
of keys and of sizes, being continued without having been stopped, an encoding that lacks most signs.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time
import tty
from codecs import getincrementaldecoder
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rich.cells import cell_len
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Event, Paste, Resize
from textual.geometry import Size

TYPED_AT_ONCE, PASTED_AT_ONCE = 256, 65_536
LOOK_EVERY, WAIT = 0.1, 0.002
RESIZE_EVERY, RESIZE_AT_MOST_EVERY = 0.2, 0.6
"""Seconds from one size to the next, and where they do not end: a layout takes a seventh of one."""
MOST_WAITING = 64
"""Messages that wait for the app, above which no more keys are read: they wait in the terminal then."""
PASTED_AT_MOST = 1_000_000
"""Symbols; what is pasted beyond is dropped. No field takes nearly as many."""
ENTER_SCREEN = "\x1b[?1049h\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?7l"
"""Its own screen, no cursor, reports of the focus, bracketed paste, lines that are cut."""
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
STAND_INS = str.maketrans(
    {"●": "o", "○": "o", "▶": ">", "▸": ">", "→": ">", "←": "<", "↑": "^", "↓": "v", "▀": '"', "\u00d7": "x"}
    | dict.fromkeys("▁▂▃", "_") | dict.fromkeys("▄▅▆▇█", "#") | dict.fromkeys("·…", ".")
    | dict.fromkeys("─━═╴╶╌▔⠒\u2212\u2013\u2014", "-") | dict.fromkeys("│┃║╎▊▌▎▏▐▕", "|")
    | dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╷╵", "+")
)  # fmt: skip


@lru_cache(maxsize=1024)
def _stand_in(sign: str, encoding: str) -> str:
    """A sign as an encoding has it; what it lacks as others of the same width."""
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        other = sign.translate(STAND_INS)
        return other if other.isascii() else "?" * cell_len(sign)
    return sign


def spelled(text: str, encoding: str) -> str:
    """A text, or sequences for the terminal, without signs that an encoding lacks."""
    return text if text.isascii() else "".join(_stand_in(sign, encoding) for sign in text)


class Pastes:
    """Takes what is pasted out of what is typed. Nothing of it is a key, whatever it holds."""

    def __init__(self) -> None:
        self._pieces: list[str] | None = None
        self._kept = 0

    @property
    def open(self) -> bool:
        """Whether the end of a paste is still to come."""
        return self._pieces is not None

    def split(self, text: str) -> Iterator[tuple[bool, str]]:
        """The pieces of what came from the terminal, in order: whether it was pasted, and the text."""
        while text:
            if self._pieces is None:
                typed, begins, text = text.partition(PASTE_BEGINS)
                if typed:
                    yield False, typed
                if begins:
                    self._pieces, self._kept = [""], 0
                continue
            # The end may stand in two pieces.
            last = self._pieces.pop()
            pasted, ends, text = (last + text).partition(PASTE_ENDS)
            if not ends:
                tail = len(PASTE_ENDS) - 1
                self._keep(pasted[:-tail])
                self._pieces.append(pasted[-tail:])
                return
            self._keep(pasted)
            whole, self._pieces = "".join(self._pieces), None
            yield True, whole.replace("\x00", "")

    def _keep(self, text: str) -> None:
        assert self._pieces is not None
        text = text[: PASTED_AT_MOST - self._kept]
        self._kept += len(text)
        self._pieces.append(text)


class LabDriver(LinuxDriver):
    """The driver of the lab's app."""

    _has_terminal = False
    """Whether the terminal is set up for the app."""
    _away = False
    """Whether the terminal was left, to be stopped."""
    _size_is_told = False
    """Whether the terminal's size will be asked for soon."""
    _sized_at = 0.0
    _rest = RESIZE_EVERY
    """Seconds that the size told last stands at least."""

    @property
    def encoding(self) -> str:
        return getattr(self._file, "encoding", None) or "utf-8"

    @property
    def waits(self) -> bool:
        """Whether what was drawn has not left yet."""
        # Textual's own, and private: a driver without it waits for nothing.
        queue = getattr(self._writer_thread, "_queue", None)
        return queue is not None and bool(queue.qsize() > 1)

    def write(self, data: str) -> None:
        super().write(data if self.encoding == "utf-8" else spelled(data, self.encoding))

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._has_terminal = True
        signal.signal(signal.SIGWINCH, self._resized)

    def stop_application_mode(self) -> None:
        self._has_terminal = False
        super().stop_application_mode()

    # Sizes

    def _resized(self, *_: Any) -> None:
        # Laying the screen out anew for each of many sizes a second would leave the training little time.
        if not self._in_band_window_resize and not self._size_is_told:
            self._size_is_told = True
            since = time.monotonic() - self._sized_at
            self._rest = min(2 * self._rest, RESIZE_AT_MOST_EVERY) if since < self._rest else RESIZE_EVERY
            wait = max(0.0, self._rest - since)
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, self._tell_size)

    def _tell_size(self) -> None:
        self._size_is_told = False
        self._sized_at = time.monotonic()
        size = Size(*self._get_terminal_size())
        self._app.post_message(Resize(size, size))

    # Being stopped, and going on

    def _sigtstp_application(self, *_: Any) -> None:
        if self._auto_restart and not self._away:
            self._away = True
            self.suspend_application_mode()
            self._must_signal_resume = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _sigcont_application(self, *_: Any) -> None:
        # A line that drops continues the job too, which was not stopped.
        if self._away:
            self._away = False
            self.resume_application_mode()
        elif self._has_terminal:
            self._take_back()

    def _take_back(self) -> None:
        """It was stopped without being asked: what others did to the terminal meanwhile is undone."""
        with contextlib.suppress(termios.error):
            found = termios.tcgetattr(self.fileno)
            found[tty.LFLAG] = self._patch_lflag(found[tty.LFLAG])
            found[tty.IFLAG] = self._patch_iflag(found[tty.IFLAG])
            found[tty.CC][termios.VMIN] = 1
            termios.tcsetattr(self.fileno, termios.TCSANOW, found)
            self.write(ENTER_SCREEN)
            self.send_message(self.Retaken())

    class Retaken(Event):
        """The terminal is the app's again, and shows something else."""

    # Keys

    def run_input_thread(self) -> None:
        """Read what is typed until the app leaves the terminal, or the terminal is gone."""
        decode = getincrementaldecoder(self.encoding)(errors="replace").decode
        parser, pastes = XTermParser(self._debug), Pastes()
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], LOOK_EVERY)[0]:
                try:
                    found = os.read(self.fileno, PASTED_AT_ONCE if pastes.open else TYPED_AT_ONCE)
                except BlockingIOError:
                    # Another program reads it too, and set it so.
                    continue
                except OSError:
                    found = b""
                if not found:
                    # To go on reading would take a whole processor.
                    return
                for pasted, text in pastes.split(decode(found)):
                    for message in [Paste(text)] if pasted else parser.feed(text):
                        self.process_message(message)
            for message in parser.tick():
                self.process_message(message)
            while self._app._message_queue.qsize() > MOST_WAITING and not self.exit_event.wait(WAIT):
                pass

"""The process around the Lab: its log, and its terminal."""

from __future__ import annotations

import codecs
import contextlib
import faulthandler
import locale
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

log = logging.getLogger(__name__)

LOG_BYTES = 1_000_000
"""A log file is put aside above this, and two are kept."""
NATIVE_BYTES = 4_000_000
WAKE_WITHIN = 0.1
# No half frame, plain keys, no mouse reports, no focus reports, no bracketed paste, no reports of the size, plain
# colours, lines that wrap, main screen, cursor.
RESETS = (
    b"\x1b\\\x1b[?2026l\x1b[<u\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l"
    b"\x1b[?2004l\x1b[?2048l\x1b[0m\x1b[?7h\x1b[?1049l\x1b[?25h"
)


# The log


def log_folder() -> Path:
    """Where the logs lie: RNN_LAB_STATE, or the platform's folder for logs."""
    chosen = os.environ.get("RNN_LAB_STATE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_log_path("rnn-lab")


def log_path() -> Path:
    """What the lab itself notes."""
    return log_folder() / "rnn-lab.log"


def native_log_path() -> Path:
    """What libraries write to fd 2 while the app has the terminal."""
    return log_folder() / "native.log"


def start_log() -> None:
    """Send what is logged, and Python's warnings, to the log file, which is made when first needed.

    Never fails: where nothing can be written there is no log.
    """
    from logging.handlers import RotatingFileHandler

    class LogFile(RotatingFileHandler):
        def _open(self) -> Any:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            return super()._open()

    logging.raiseExceptions = False
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.get_name() == "rnn-lab"]:
        root.removeHandler(old)
        old.close()
    handler = LogFile(log_path(), maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", errors="replace", delay=True)
    handler.set_name("rnn-lab")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread


def _log_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        log.error("a thread failed", exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback))


def note_failure(error: BaseException) -> str:
    """Log an unexpected exception with its traceback; where that is, as the end of a sentence."""
    log.error("unexpected", exc_info=(type(error), error, error.__traceback__))
    path = log_path()
    return f"the details are in {path}" if path.exists() else f"no log could be written at {path}"


# The terminal


def terminal_fault() -> str:
    """Why the app can't be shown here, in one sentence; empty where it can."""
    for number, name in enumerate(("input", "output", "error output")):
        if not os.isatty(number):
            return (
                f"the app needs a terminal; standard {name} is none; "
                "run it without pipes or redirections, or use a verb (rnn-lab --help)"
            )
    if os.environ.get("TERM") == "dumb":
        return "the app needs a terminal with a cursor to move; TERM is dumb; set TERM, or use a verb (rnn-lab --help)"
    return ""


def settle_terminal() -> None:
    """Make the environment fit for the app; before Textual is imported."""
    os.environ.setdefault("ESCDELAY", "25")
    # Exported by some shells, they would win over the terminal's real size, for ever.
    for name in ("LINES", "COLUMNS"):
        os.environ.pop(name, None)
    if screen_encoding() != "utf-8":
        os.environ.setdefault("RNN_LAB_ASCII", "1")


def screen_encoding() -> str:
    """What the terminal takes: UTF-8 if anything says so, or RNN_LAB_ASCII=0 does, else the locale's encoding."""
    asked = os.environ.get("RNN_LAB_ASCII", "") in ("0", "no", "false")
    if asked or _is_utf8(getattr(sys.__stderr__, "encoding", "")) or _is_utf8(locale.getencoding()):
        return "utf-8"
    try:
        return codecs.lookup(locale.getencoding()).name
    except LookupError:
        return "ascii"


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


@contextlib.contextmanager
def native_output_to_log() -> Iterator[TextIO]:
    """The terminal for whoever draws, in its encoding; all else that is written to fd 2 goes to a log.

    Textual draws on `sys.__stderr__`; libraries write to fd 2, and would write over the screen.
    """
    before = sys.stderr, sys.__stderr__
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
    screen = os.fdopen(os.dup(2), "w", encoding=screen_encoding(), errors="replace")
    native = _open_native()
    os.dup2(native, 2)
    os.close(native)
    sys.stderr = sys.__stderr__ = screen  # type: ignore[misc]
    traced = not faulthandler.is_enabled()
    if traced:
        # Where a library crashed.
        faulthandler.enable(2)
    try:
        yield screen
    finally:
        if traced:
            faulthandler.disable()
        with contextlib.suppress(OSError, ValueError):
            screen.flush()
        os.dup2(screen.fileno(), 2)
        sys.stderr, sys.__stderr__ = before  # type: ignore[misc]


def _open_native() -> int:
    path = native_log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        bound_log(opened)
        return opened
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def bound_log(descriptor: int) -> None:
    """Empty a log that grew too large."""
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_size > NATIVE_BYTES:
            os.ftruncate(descriptor, 0)


class Terminal:
    """The terminal as it was found, to be given back so, whatever happens."""

    def __init__(self) -> None:
        import termios

        self._termios = termios
        self._kept: list[Any] | None = None
        self._path = ""
        # Whoever draws does so on its own copy of fd 2.
        self._drawn_on = [1, sys.__stderr__.fileno()] if sys.__stderr__ else [1]
        with contextlib.suppress(OSError, termios.error):
            self._kept = termios.tcgetattr(0)
            self._path = os.ttyname(0)

    def give_back(self) -> None:
        """Restore its settings and leave the app's screen, also where the terminal takes nothing any more.

        The process can draw nothing after this.
        """
        if self._kept is None:
            return
        with contextlib.suppress(OSError, self._termios.error):
            self._termios.tcsetattr(0, self._termios.TCSANOW, self._kept)
        with contextlib.suppress(OSError, self._termios.error):
            # Opened anew: O_NONBLOCK on fd 0 itself would also be the shell's.
            opened = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for drawn_on in self._drawn_on:
                os.dup2(nowhere, drawn_on)
            # A write that hangs keeps others from writing. A signal wakes it, and Python then goes on
            # writing, to where the descriptor leads now.
            for thread in threading.enumerate():
                if thread.ident and thread is not threading.current_thread():
                    signal.pthread_kill(thread.ident, signal.SIGTERM)
            time.sleep(WAKE_WITHIN)
            self._termios.tcflush(opened, self._termios.TCOFLUSH)
            os.write(opened, RESETS)

    def leave_screen(self, words: str = "", *, always: bool = False) -> None:
        """Give it back for another process, which is stopped or has ended, and say something on it. Never waits.

        Without `always` only where that process left it so that keys come singly.
        """
        with contextlib.suppress(OSError, self._termios.error):
            # In the background it is not this job's terminal.
            if self._kept is None or os.tcgetpgrp(0) != os.getpgrp():
                return
            if not always and self._termios.tcgetattr(0)[3] & self._termios.ICANON:
                return
            self._termios.tcsetattr(0, self._termios.TCSANOW, self._kept)
            opened = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                self._termios.tcflush(opened, self._termios.TCOFLUSH)
                encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
                os.write(opened, RESETS + words.encode(encoding, "backslashreplace"))
            finally:
                os.close(opened)

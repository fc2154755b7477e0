"""The small process below which the app runs: the terminal is given back whatever becomes of the app.

It forks before anything heavy is imported and before there are threads, then does nothing but wait.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from rnn_tui.process import Terminal, native_log_path
from rnn_tui.symbols import clean_line

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that are for the app, also where they were sent to this process alone."""
LOOKED_AT = (*PASSED_ON, signal.SIGTSTP, signal.SIGCHLD)
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
CONTINUED_WITHIN = 0.05
STOPPED_WITHIN = 1.0
"""Seconds in which the app stops by itself, when all of a job is told to."""


def run_below(folder: Path) -> int | None:
    """Fork: None in the child, which goes on and is the app; in the parent the child's exit status, once it ended.

    A child that a signal n ended counts as 128 + n. The folder is that of the sessions, for the sentence about it.
    """
    terminal = Terminal()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            # What waits in a buffer would be written by both.
            stream.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LOOKED_AT)
    # Ignored, as whoever started this may have left it, it would not be told, and nor would the status.
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    # They stay blocked: one that comes when the app has ended must not change the status that it ended with.
    return _Parent(child, terminal, folder).wait()


class _Parent:
    """Waits for the app, and hands it what signals come here."""

    def __init__(self, child: int, terminal: Terminal, folder: Path) -> None:
        self._child = child
        self._terminal = terminal
        self._folder = folder
        self._stop_at = 0.0

    def wait(self) -> int:
        """The exit status of the app."""
        while True:
            # The status first: a child that changed it before this process was ready sends nothing any more.
            found, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
            if not found:
                self._take(self._next())
            elif not os.WIFSTOPPED(status):
                return self._ended(status)
            elif (ended := self._stop_too()) is not None:
                return self._ended(ended)

    def _next(self) -> int:
        if not self._stop_at or not hasattr(signal, "sigtimedwait"):
            return signal.sigwait(LOOKED_AT)
        came = signal.sigtimedwait(LOOKED_AT, max(0.0, self._stop_at - time.monotonic()))
        if came is not None:
            return came.si_signo
        self._stop_at = 0.0
        self._send(signal.SIGTSTP)
        return 0

    def _take(self, number: int) -> None:
        if number in PASSED_ON:
            self._send(number)
        elif number == signal.SIGTSTP and not self._stop_at:
            # Whoever stops a job sends it to all of its processes. A second one would wait for the app to go
            # on, and stop it again: it is passed on only where the app did not get one.
            self._stop_at = time.monotonic() + STOPPED_WITHIN

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _stop_too(self) -> int | None:
        """Stop as the app did, so that the shell has the terminal; its status if it ended meanwhile."""
        self._stop_at = 0.0
        self._terminal.leave_screen()
        os.kill(os.getpid(), signal.SIGSTOP)
        # A shell lets all of a job go on: the app would be told twice.
        time.sleep(CONTINUED_WITHIN)
        found, status = os.waitpid(self._child, os.WNOHANG | os.WCONTINUED)
        if not found:
            self._send(signal.SIGCONT)
        return status if found and not os.WIFCONTINUED(status) else None

    def _ended(self, status: int) -> int:
        code = os.waitstatus_to_exitcode(status)
        words = "" if code >= 0 or -code in PASSED_ON else f"error: {clean_line(self._last_words(-code))}\n"
        self._terminal.leave_screen(words, always=code < 0)
        return 128 - code if code < 0 else code

    def _last_words(self, number: int) -> str:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        if number in CRASHES:
            what = f"the app crashed ({name}); where it was is in {native_log_path()}"
        elif number == signal.SIGKILL:
            what = "the app was killed (SIGKILL), by somebody or by the system for want of memory"
        else:
            what = f"the app was ended by {name}"
        return f"{what}; what it trained since its last autosave is lost, no more; go on with: {self._command()}"

    def _command(self) -> str:
        # Imported only now: the parent is to be small.
        from rnn_tui.session import last_session

        words = ["rnn-lab"]
        if any(word.startswith("--sessions") for word in sys.argv):
            words += ["--sessions", os.fspath(self._folder)]
        with contextlib.suppress(Exception):
            words += [last_session(self._folder)]
        return shlex.join(filter(None, words))

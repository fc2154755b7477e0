"""Leaving when a signal says so, or when the terminal is gone.

A signal's handler only notes the signal. A watchdog thread does the rest, so that a process
whose main thread hangs in a write to a stalled terminal still saves and leaves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import signal
import threading
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rnn_tui.process import Terminal, bound_log
from rnn_tui.views import RUNNING

if TYPE_CHECKING:
    from rnn_tui.lab import Lab

log = logging.getLogger(__name__)

SAVE_WITHIN, SAVE_WITHIN_HEADLESS = 9.0, 60.0
"""Most saves take a moment; a large one on a slow disk is waited for, less where a terminal waits too."""
LEAVE_WITHIN = 0.9
LOOK_EVERY = 1.0
BOUND_EVERY = 10
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP"))


class Signalled(BaseException):
    """A signal asks a command that has nothing to save to leave."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Watchdog:
    """While it is entered, SIGINT, SIGTERM and SIGHUP save the Lab's session and end the process.

    Where the line has dropped (SIGHUP, or a terminal that is gone without one) and the Lab
    trains, training goes on without a screen unless `training.hang_up` is `stop`: the app hands
    it on to a process of its own, a command without a screen only lets go of its terminal.

    `ask` is told the exit status once the session is saved, and is to end the main thread's
    work. Where that doesn't come about soon the process ends all the same, with the terminal
    as it was. `signal` is the first signal that came, 0 if none did.
    """

    def __init__(self, lab: Lab, *, screen: bool = False) -> None:
        self._lab = lab
        self._screen = screen
        self.signal = 0
        self.ask: Callable[[int], None] = lambda code: None
        self._terminal = Terminal() if screen else None
        self._parent = os.getppid()
        self._ttys = [number for number in (0, 1, 2) if os.isatty(number)]
        # Not an Event: a signal that comes while another one is being noted would wait for that one's lock, for ever.
        self._noted: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._hung_up = self._dropped = False
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rnn-lab watches", daemon=True)
        self._before: dict[int, Any] = {}

    @property
    def code(self) -> int:
        """The exit status that the signal stands for; 0 without one."""
        return 128 + self.signal if self.signal else 0

    def __enter__(self) -> Watchdog:
        for number in SIGNALS:
            # nohup's point is that work without a screen goes on; the app has lost its terminal.
            if number == signal.SIGHUP and not self._screen and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._note)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._finished.set()
        self._noted.put(0)
        self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._hung_up = True
        elif not self.signal:
            self.signal = number
        self._noted.put(number)

    def _watch(self) -> None:
        looks = 0
        while not self.signal and not self._finished.is_set():
            with contextlib.suppress(queue.Empty):
                self._noted.get(timeout=LOOK_EVERY)
            looks += 1
            if self._screen and looks % BOUND_EVERY == 0:
                bound_log(2)
            if self._hung_up or self._terminal_gone():
                self._hang_up()
            if self._stops():
                self.signal = self.signal or signal.SIGHUP
        if not self.signal or self._finished.is_set():
            return
        log.info("leaving on signal %d", self.signal)
        if not (self.signal == signal.SIGHUP and self._goes_on()):
            self._close()
        for _ in range(3):
            with contextlib.suppress(RuntimeError):
                self.ask(self.code)
            if self._finished.wait(LEAVE_WITHIN / 3):
                return
        log.warning("ended without the main thread: it is held up, by a stalled terminal perhaps")
        if self._terminal is not None:
            self._terminal.give_back()
        os._exit(self.code)

    def _close(self) -> None:
        within = SAVE_WITHIN if self._screen else SAVE_WITHIN_HEADLESS
        try:
            if not self._lab.close(save=True, timeout=within):
                log.error("the session was not saved within %g s", within)
        except Exception:
            log.exception("closing the lab failed")

    # The line has dropped

    def _terminal_gone(self) -> bool:
        """Whether nobody is at the other end any more, though no signal said so: it was ignored, or lost."""
        if self._screen and os.getppid() != self._parent:
            return True
        if not self._ttys:
            return False
        poll = select.poll()
        poll.register(self._ttys[0], 0)
        return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poll.poll(0))

    def _wanted(self) -> bool:
        """Whether training is under way that is to go on."""
        status = self._lab.status
        return status.phase in RUNNING and status.config is not None and status.config.training.hang_up == "go on"

    def _goes_on(self) -> bool:
        """Have a process without a screen go on; False where nothing trains that is to, or it can't be."""
        try:
            if self._wanted():
                log.info("the line has dropped: %s", self._lab.hand_on(SAVE_WITHIN, begun_within=0.0))
                return True
        except Exception:
            log.exception("training was not handed on")
        return False

    def _hang_up(self) -> None:
        """Nobody reads any more. A command has no screen that it could lose: it lets go of its terminal."""
        self._hung_up, self._dropped = False, True
        if self._screen:
            return
        log.info("the line has dropped: it goes on without a terminal")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in self._ttys:
            os.dup2(nowhere, number)
        os.close(nowhere)
        self._ttys = []

    def _stops(self) -> bool:
        """Whether the line has dropped, and it ends with it; a command's session may be read only after that."""
        config = self._lab.status.config
        return self._dropped and (self._screen or (config is not None and config.training.hang_up == "stop"))


@contextlib.contextmanager
def leaving_on_signals() -> Iterator[None]:
    """For work that has nothing to save: SIGINT, SIGTERM and SIGHUP raise Signalled in the main thread."""
    before = {}

    def leave(number: int, frame: types.FrameType | None) -> None:
        raise Signalled(number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

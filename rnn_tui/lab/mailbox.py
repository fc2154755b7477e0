"""A thread that is given commands and requests, and works on its own between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from rnn_tui.lab.asking import LabError

T = TypeVar("T")


class Interrupted(Exception):
    """Long work was broken off by a command, or because the lab closes."""


class Mailbox:
    """Commands are carried out in the order given; a request waits for those given before it.

    `carry_out` does a command and handles its errors. `work` does one piece of what the
    thread does by itself and says whether there is more; `leave` is the last thing it does.
    `patience` tells after how many seconds `work` is asked again although there was none left;
    None: not before the next command.
    """

    def __init__(
        self, name: str, carry_out: Callable[[Callable[[], None]], None], work: Callable[[], bool],
        leave: Callable[[], None], patience: Callable[[], float | None] = lambda: None,
    ) -> None:  # fmt: skip
        self.idle = threading.Event()
        """Set while no command is left and there is no work."""
        self.idle.set()
        self.closing = False
        self._name = name
        self._carry_out, self._work, self._leave, self._patience = carry_out, work, leave, patience
        self._commands: deque[Callable[[], None]] = deque()
        self._requests: deque[tuple[int, Callable[[], None]]] = deque()
        self._given = self._carried_out = 0
        self._giving, self._starting = threading.Lock(), threading.Lock()
        self._wake, self._interrupt = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    # From other threads.

    def command(self, command: Callable[[], None]) -> None:
        """Do this after the commands given before it; returns at once."""
        with self._giving:
            self.idle.clear()
            self._given += 1
            self._commands.append(command)
        self._start()

    def request(self, wanted: Callable[[], T]) -> T:
        """Have the thread do something between two pieces of its work, and wait for it.

        Raises what `wanted` raises, and LabError if the thread ends before.
        """
        future: Future[T] = Future()

        def serve() -> None:
            try:
                future.set_result(wanted())
            except Exception as error:
                future.set_exception(error)

        self._requests.append((self._given, serve))
        self._start()
        while True:
            with suppress(TimeoutError):
                return future.result(0.1)
            if self.closing and not future.done():
                raise LabError("the lab is closing")

    def interrupt(self) -> None:
        """Break off the command or the work under way, where it can be."""
        self._interrupt.set()

    def close(self, timeout: float) -> bool:
        """Have the thread leave and join it. False if it did not end within `timeout` seconds."""
        with self._starting:
            self.closing = True
        self._interrupt.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self.closing:
                # Not left alone at the interpreter's end: the Lab joins it there.
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
        self._wake.set()

    # From the thread itself.

    @property
    def interrupted(self) -> bool:
        return self._interrupt.is_set() or self.closing

    def serve(self) -> None:
        """Answer the requests whose turn it is; long work calls this now and then."""
        while self._requests and self._requests[0][0] <= self._carried_out:
            self._requests.popleft()[1]()

    def forget(self) -> None:
        """Drop the commands that are still to come: they were meant for what could not be had."""
        with self._giving:
            self._carried_out += len(self._commands)
            self._commands.clear()

    def rest(self, seconds: float) -> None:
        """Wait, but not past the next command."""
        self._wake.wait(seconds)
        self._wake.clear()

    def _loop(self) -> None:
        while not self.closing:
            self.serve()
            if self._commands:
                self._interrupt.clear()
                self._carry_out(self._commands.popleft())
                self._carried_out += 1
            elif not self._work():
                with self._giving:
                    if not self._commands:
                        self.idle.set()
                self._wake.wait(self._patience())
                self._wake.clear()
        self._leave()
        self.idle.set()

"""What the writer of a session tells other processes, and what it hears from them: a thread of its own.

It neither trains nor draws, so that a request is answered also while a step takes long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rnn_tui.session import live

HEAR_EVERY = 0.2


class Channel:
    """Refreshes `.NAME.live` each second and hears `.NAME.take` while a session is open.

    `now` gives the newest state; `taken` is called when another process asks to be given the
    session, `looked_at` now and then while somebody looks at it.
    """

    def __init__(
        self, now: Callable[[], live.Live], taken: Callable[[live.Request], None], looked_at: Callable[[], None]
    ) -> None:
        self._now, self._taken, self._looked_at = now, taken, looked_at
        self._path: Path | None = None
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._beat = 0
        self._phase = ""
        self._heard: live.Request | None = None
        self._answered = ""
        self._given: live.Live | None = None
        """The state when the request came that is being carried out: whoever asked goes on from it."""

    def open(self, path: Path) -> None:
        """Speak for this session from now on."""
        with self._guard:
            if self._path not in (None, path):
                live.forget_live(self._path)
            self._path, self._heard, self._answered, self._given = path, None, "", None
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="rnn-lab tells others", daemon=True)
                self._thread.start()
        self._wake.set()

    def refuse(self) -> None:
        """The session could not be given away: it is told of as before."""
        self._given = None

    def hear_again(self) -> None:
        """The request was dropped before its turn: whoever repeats it is heard once more."""
        with self._guard:
            self._heard, self._answered, self._given = None, "", None

    def shut(self, *, handed_on: bool = False) -> None:
        """The session is no longer this process's; where another one goes on, what was told last stands for it."""
        with self._guard:
            if self._path is not None and not handed_on:
                live.forget_live(self._path)
            self._path = None

    def close(self) -> None:
        """End the thread and join it."""
        self._ended = True
        self._wake.set()
        # It holds the guard while it writes, and a disk that hangs must keep nobody here.
        if self._guard.acquire(timeout=2.0):
            self._guard.release()
            self.shut()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _loop(self) -> None:
        told = -live.EVERY
        while not self._ended:
            with self._guard:
                path = self._path
                if path is not None:
                    asked = self._hear(path)
                    # What begins or ends is told at once.
                    now = self._now()
                    turned = now.phase != self._phase
                    if asked is not None or turned or time.monotonic() - told >= live.EVERY:
                        told = time.monotonic()
                        self._tell(path, now)
            if path is None:
                self._wake.wait()
                told = -live.EVERY
            else:
                if asked is not None:
                    self._taken(asked)
                self._wake.wait(HEAR_EVERY)
            self._wake.clear()

    def _tell(self, path: Path, now: live.Live) -> None:
        self._beat += 1
        self._phase = now.phase
        live.write_live(path, replace(self._given or now, beat=self._beat, answered=self._answered))

    def _hear(self, path: Path) -> live.Request | None:
        """A request to be given the session, once; it must have been repeated since it was first seen."""
        found, before = live.read_request(path), self._heard
        self._heard = found
        if found is None or before is None or found.mark != before.mark or found.beat == before.beat:
            return None
        if found.want == "look":
            self._looked_at()
        elif found.mark != self._answered:
            # A fault that stood there before is no answer: who asks takes one for a refusal.
            self._answered, self._given = found.mark, replace(self._now(), fault="")
            return found
        return None

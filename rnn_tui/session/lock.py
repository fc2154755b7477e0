"""The lock on a session: one writer at a time, on this machine or on another that shares the folder.

It is held on a companion, `.NAME.lock`, never on the session file, which every save replaces.
The system lets go of it when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import psutil
from filelock import Timeout, UnixFileLock

from rnn_tui.session.files import SessionError, open_regular, read_small, reason
from rnn_tui.session.names import companion, name_of
from rnn_tui.symbols import clean_line

LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session."""

    pid: int
    host: str
    started: float
    """When the process began, Unix time."""
    what: str
    """What it does with it: `training`."""

    def __str__(self) -> str:
        doing = f", {self.what}" if self.what else ""
        return f"process {self.pid} on {self.host}{doing}"


class Lock:
    """The right to write one session; a context manager. Not held before `acquire`.

    May be taken in one thread and released in another.
    """

    def __init__(self, path: Path, what: str = "") -> None:
        self.path = path
        self.what = what
        self._lock = self._of(path)

    @staticmethod
    def _of(path: Path) -> UnixFileLock:
        return UnixFileLock(companion(path, "lock"), thread_local=False, mode=0o644)

    @property
    def held(self) -> bool:
        return self._lock.is_locked

    def acquire(self, timeout: float = 0.3) -> Lock:
        """Takes the lock; waits at most `timeout` seconds, as somebody who only looks holds it for a moment.

        Raises SessionError naming the process and the machine that hold it.
        """
        if self.held:
            return self
        name = clean_line(name_of(self.path))
        # Before the attempt: an attempt of some versions of the library empties the file.
        before = _written(self.path)
        try:
            self._lock.acquire(timeout=timeout, poll_interval=0.02)
        except Timeout:
            who = _written(self.path) or before or "another program"
            raise SessionError(f"{name} is in use by {who}; close it there, or work on a copy") from None
        except OSError as error:
            what, remedy = reason(error, self.path.parent)
            raise SessionError(f"{name} could not be locked: {what}; {remedy}") from error
        # A file system without locks is served by a marker file that is not ours to write.
        if isinstance(self._lock, UnixFileLock):
            self._write(json.dumps(asdict(_self(self.what))))
        return self

    def release(self) -> None:
        """Lets go; the companion stays, as removing it could split two waiters onto two files."""
        if self.held:
            if isinstance(self._lock, UnixFileLock):
                self._write("")
            self._lock.release()

    def move(self, path: Path) -> None:
        """Follows a session to its new name: takes that lock, then lets go of the old one. Raises SessionError."""
        following = Lock(path, self.what).acquire()
        self.discard()
        self.path, self._lock = path, following._lock

    def discard(self) -> None:
        """Removes the companion of a session that is gone, and lets go.

        Whoever waits on the removed file finds that it has no name any more, and starts over.
        """
        if self.held:
            with suppress(OSError):
                os.unlink(companion(self.path, "lock"))
            self._lock.release()

    def _write(self, text: str) -> None:
        with suppress(OSError):
            fd = os.open(companion(self.path, "lock"), os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)

    def __enter__(self) -> Lock:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _self(what: str) -> Holder:
    return Holder(os.getpid(), socket.gethostname(), psutil.Process().create_time(), what)


def _written(path: Path) -> Holder | None:
    """Who wrote the companion last; None where nobody did, or nothing that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        found = json.loads(read_small(companion(path, "lock"), LARGEST))
        host, what = clean_line(str(found["host"]))[:80], clean_line(str(found["what"]))[:80]
        return Holder(int(found["pid"]), host, float(found["started"]), what)
    return None


def holder(path: Path) -> Holder | None:
    """Who holds the session now; None where nobody does. Takes no lock for longer than the look."""
    written = _written(path)
    if written is None:
        return None
    with suppress(OSError):
        fd, _ = open_regular(companion(path, "lock"))
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return written
        finally:
            os.close(fd)
    return None


def busy(path: Path) -> str:
    """Who holds the session, in words; empty where nobody does."""
    found = holder(path)
    if found is None:
        return ""
    if found.pid == os.getpid() and found.host == socket.gethostname():
        return "open here"
    since = time.strftime("%H:%M", time.localtime(found.started))
    return f"{found} since {since}"

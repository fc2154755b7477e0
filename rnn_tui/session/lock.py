"""The lock on a session: one writer at a time, on this machine or on another that shares the folder.

It is held on a companion, `.NAME.lock`, never on the session file, which every save replaces.
The system lets go of it when the process ends, however it ends.
"""

from __future__ import annotations

import errno
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
from filelock import SoftFileLock, Timeout, lock_descriptor, unlock_descriptor

from rnn_tui.session.files import SessionError, open_regular, read_small, reason
from rnn_tui.session.names import companion, name_of
from rnn_tui.symbols import clean_line

LARGEST = 4096
LATEST = 1e11
"""Seconds; no clock shows more."""
POLL = 0.02
NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
"""What a file system without locks answers: Lustre without `-o flock`, some that run in user space."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, of this machine or of another one that shares the folder."""

    pid: int = 0
    host: str = ""

    @property
    def who(self) -> str:
        """`process 4242 on gpu1`."""
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class Holder(Process):
    """Who holds a session."""

    started: float = 0.0
    """When the process began, Unix time."""
    what: str = ""
    """What it does with it: `training`."""
    after_boot: float = 0.0
    """When the process began, in seconds since its machine did: no clock that is set changes it."""
    machine: str = ""
    """Within what its number means something: hosts share names, and containers a host's."""

    def __str__(self) -> str:
        return f"{self.who}, {self.what}" if self.what else self.who


class Lock:
    """The right to write one session; a context manager. Not held before `acquire`.

    May be taken in one thread and released in another, and handed on to a process that this
    one starts: it belongs to the open file, so whoever inherits the descriptor has it.
    """

    def __init__(self, path: Path, what: str = "") -> None:
        self.path = path
        self.what = what
        self._fd: int | None = None
        self._marker: SoftFileLock | None = None
        """Where the file system knows no locks: a file whose being there is the lock."""

    @property
    def held(self) -> bool:
        return self._fd is not None

    @property
    def descriptor(self) -> int | None:
        """What a process inherits that the lock is handed on to; None where only a marker holds it."""
        return None if self._marker is not None else self._fd

    def acquire(self, timeout: float = 0.3) -> Lock:
        """Takes the lock; waits at most `timeout` seconds, as somebody who only looks holds it for a moment.

        Raises SessionError naming the process and the machine that hold it.
        """
        last = time.monotonic() + timeout
        name = clean_line(name_of(self.path))
        while not self.held:
            try:
                taken = self._attempt()
            except OSError as error:
                what, remedy = reason(error, self.path.parent)
                raise SessionError(f"{name} could not be locked: {what}; {remedy}") from error
            if taken:
                self._write(_running(os.getpid(), self.what))
            elif time.monotonic() >= last:
                who = _written(self.path) or "another program"
                raise SessionError(f"{name} is in use by {who}; close it there, or work on a copy")
            else:
                time.sleep(POLL)
        return self

    def _attempt(self) -> bool:
        """One attempt; False where somebody else holds it. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(companion(self.path, "lock"), flags, 0o644)
        try:
            # A file that was removed meanwhile guards no name.
            if self._locked(fd) and os.fstat(fd).st_nlink:
                self._fd, fd = fd, -1
                return True
            return False
        finally:
            if fd >= 0:
                os.close(fd)

    def _locked(self, fd: int) -> bool:
        try:
            return lock_descriptor(fd, blocking=False)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        marker = SoftFileLock(companion(self.path, "holder"), thread_local=False)
        try:
            # It breaks the marker of a process of this machine that is dead, and no other.
            marker.acquire(timeout=0)
        except Timeout:
            return False
        self._marker = marker
        return True

    @classmethod
    def inherited(cls, path: Path, descriptor: int, what: str = "") -> Lock | None:
        """The lock that the process before handed on; None where the descriptor is no lock of this session."""
        with suppress(OSError):
            mine, named = os.fstat(descriptor), os.lstat(companion(path, "lock"))
            if (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino) and lock_descriptor(
                descriptor, blocking=False
            ):
                os.set_inheritable(descriptor, False)
                found = cls(path, what)
                found._fd = descriptor
                found._write(_running(os.getpid(), what))
                return found
        return None

    def handed_on(self, pid: int) -> None:
        """It belongs to a process that has inherited it: named there, no longer held here."""
        if self._fd is not None and self._marker is None:
            with suppress(psutil.Error):
                self._write(_running(pid, self.what))
            # Closed, not unlocked: an unlocking would take it from the other one too.
            os.close(self._fd)
            self._fd = None

    def release(self) -> None:
        """Lets go; the companion stays, as removing it could split two waiters onto two files."""
        if self._fd is not None:
            with suppress(OSError):
                if os.fstat(self._fd).st_nlink == 1:
                    os.ftruncate(self._fd, 0)
            self._let_go()

    def _let_go(self) -> None:
        if self._fd is not None:
            with suppress(OSError):
                unlock_descriptor(self._fd)
            os.close(self._fd)
            self._fd = None
        if self._marker is not None:
            self._marker.release()
            self._marker = None

    def move(self, path: Path) -> None:
        """Follows a session to its new name: takes that lock, then lets go of the old one. Raises SessionError."""
        following = Lock(path, self.what).acquire()
        self.discard()
        self.path, self._fd, self._marker = path, following._fd, following._marker

    def discard(self) -> None:
        """Removes the companion of a session that is gone, and lets go.

        Whoever waits on the removed file finds that it has no name any more, and starts over.
        """
        if self.held:
            with suppress(OSError):
                os.unlink(companion(self.path, "lock"))
            self._let_go()

    def _write(self, holder: Holder) -> None:
        with suppress(OSError):
            assert self._fd is not None
            if os.fstat(self._fd).st_nlink > 1:
                # It is another file too.
                return
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(asdict(holder)).encode(), 0)

    def __enter__(self) -> Lock:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _running(pid: int, what: str) -> Holder:
    """A process of this machine that runs. Raises psutil.NoSuchProcess."""
    boot = psutil.boot_time()
    started = psutil.Process(pid).create_time()
    return Holder(pid, socket.gethostname(), started, what, started - boot, _machine())


def _machine() -> str:
    """This machine since it was started, and the numbering of processes that we are in; empty where unknown."""
    with suppress(OSError):
        booted = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{booted} {os.stat('/proc/self/ns/pid').st_ino}"
    return ""


def _written(path: Path) -> Holder | None:
    """Who wrote the companion last; None where nobody did, or nothing that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        found = json.loads(read_small(companion(path, "lock"), LARGEST))
        host, what = clean_line(str(found["host"]))[:80], clean_line(str(found["what"]))[:80]
        pid, started, after_boot = int(found["pid"]), float(found["started"]), float(found["after_boot"])
        if 0 < pid < 2**31 and 0 <= started < LATEST and abs(after_boot) < LATEST:
            return Holder(pid, host, started, what, after_boot, str(found["machine"]))
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
        except OSError as error:
            if error.errno in NO_LOCKS and companion(path, "holder").exists():
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


def _lives(found: Holder) -> bool:
    """Whether this process of our machine still runs; one that can't be asked does."""
    try:
        os.kill(found.pid, 0)
        return abs(_running(found.pid, "").after_boot - found.after_boot) < 1.0
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
    except (OSError, psutil.Error):
        return True


def break_dead(path: Path) -> bool:
    """Breaks the lock of a process that ran on this machine and is dead, though a descendant may hold its file.

    True if it was broken. A process of another machine can't be looked for from here: its lock stays.
    """
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # One at a time: what another one broke, and has taken since, is looked at anew.
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = holder(path)
            if found is None or (found.host, found.machine) != (socket.gethostname(), _machine()):
                return False
            if _lives(found):
                return False
            os.unlink(companion(path, "lock"))
            return True
        finally:
            os.close(folder)
    return False

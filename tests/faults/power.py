"""A disk in memory that forgets, at a power cut, what was not flushed: each fault of a save, and each thing that may
stand on the disk afterwards.

Contents that no fsync covers are kept, lost or garbage; of the names that no flush of the folder covers any subset
may have reached the disk.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from rnn_tui.session import Files, SessionError, companion, load_or_previous, save
from tests.session_builder import small_config, small_session

FAULTS = ("die", "ENOSPC", "EIO", "EDQUOT", "EINTR", "short")
FATES = ("kept", "lost", "garbage")
FOLDER = Path("/sessions")
PATH = FOLDER / "demo.safetensors"


class Died(BaseException):
    """The machine is off: nothing after it is done."""


@dataclass
class Inode:
    number: int
    data: bytearray = field(default_factory=bytearray)
    flushed: bytes = b""
    changed: int = 0


class Disk(Files):
    """One folder. The k-th call from `at` on fails as told, once; a disk that died does nothing more."""

    def __init__(self, at: int = -1, fault: str = "") -> None:
        self.at, self.fault = at, fault
        self.calls: list[str] = []
        self.hit = False
        self.names_now: dict[str, Inode] = {}
        self.names_flushed: dict[str, Inode] = {}
        self.pending: list[tuple[str, Inode | None]] = []
        """Changes of names since the folder was flushed; None: the name is gone."""
        self._open: dict[int, tuple[Inode, int]] = {}
        self._next = 1

    def _call(self, name: str) -> bool:
        """Counts a call and fails it where it is its turn; True where a write is to fall short."""
        if self.hit and self.fault == "die":
            raise Died
        self.calls.append(name)
        if len(self.calls) - 1 != self.at or (self.fault == "short" and name != "write"):
            return False
        self.hit = True
        if self.fault == "die":
            raise Died
        if self.fault != "short":
            raise OSError(getattr(errno, self.fault), os.strerror(getattr(errno, self.fault)))
        return True

    def _find(self, path: Path) -> Inode:
        if path.name not in self.names_now:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return self.names_now[path.name]

    def _name(self, path: Path, inode: Inode | None) -> None:
        if inode is None:
            self.names_now.pop(path.name, None)
        else:
            self.names_now[path.name] = inode
        self.pending.append((path.name, inode))

    def _status(self, inode: Inode) -> os.stat_result:
        seconds = inode.changed // 10**9
        whole = (stat.S_IFREG | 0o644, inode.number, 1, 1, 0, 0, len(inode.data), seconds, seconds, seconds)
        return os.stat_result(whole, {"st_mtime_ns": inode.changed, "st_mtime": inode.changed / 1e9})

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        self._call("open")
        if flags & os.O_CREAT:
            if path.name in self.names_now:
                raise FileExistsError(errno.EEXIST, "there already")
            self._next += 1
            self._name(path, Inode(self._next))
        inode = self._find(path)
        fd = 100 + len(self._open)
        self._open[fd] = (inode, 0)
        return fd

    def close(self, fd: int) -> None:
        self._call("close")

    def fstat(self, fd: int) -> os.stat_result:
        self._call("fstat")
        return self._status(self._open[fd][0])

    def lstat(self, path: Path) -> os.stat_result:
        self._call("lstat")
        return self._status(self._find(path))

    def read(self, fd: int, into: memoryview) -> int:
        self._call("read")
        inode, place = self._open[fd]
        piece = bytes(inode.data[place : place + len(into)])
        into[: len(piece)] = piece
        self._open[fd] = (inode, place + len(piece))
        return len(piece)

    def seek(self, fd: int, place: int) -> None:
        self._call("seek")
        self._open[fd] = (self._open[fd][0], place)

    def write(self, fd: int, piece: memoryview) -> int:
        if self._call("write"):
            piece = piece[: max(1, len(piece) // 3)]
        inode = self._open[fd][0]
        inode.data += piece
        inode.changed += 1
        return len(piece)

    def chmod(self, fd: int, mode: int) -> None:
        self._call("chmod")

    def fsync(self, fd: int) -> None:
        self._call("fsync")
        inode = self._open[fd][0]
        inode.flushed = bytes(inode.data)

    def link(self, source: Path, target: Path) -> None:
        self._call("link")
        if target.name in self.names_now:
            raise FileExistsError(errno.EEXIST, "there already")
        self._name(target, self._find(source))

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace")
        inode = self._find(source)
        if self.names_now.get(target.name) is inode:
            # As rename(2) does with two links of one file: nothing.
            return
        self._name(target, inode)
        self._name(source, None)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        self._find(path)
        self._name(path, None)

    def names(self, folder: Path) -> list[str]:
        self._call("names")
        return list(self.names_now)

    def fsync_folder(self, folder: Path) -> None:
        self._call("fsync_folder")
        self.names_flushed, self.pending = dict(self.names_now), []

    def after(self, fate: str, reached: tuple[int, ...]) -> Disk:
        """The disk after a power cut: what became of contents, and which changes of names had reached it."""
        found = Disk()
        names = dict(self.names_flushed)
        for k in reached:
            name, inode = self.pending[k]
            names.pop(name, None)
            if inode is not None:
                names[name] = inode
        copies: dict[int, Inode] = {}
        for name, inode in names.items():
            if inode.number not in copies:
                data = _fallen(inode, fate)
                copies[inode.number] = Inode(inode.number, bytearray(data), data, inode.changed)
            found.names_now[name] = found.names_flushed[name] = copies[inode.number]
        found._next = self._next
        return found


def _fallen(inode: Inode, fate: str) -> bytes:
    """What stands on the disk of a file; what was flushed stays as it was flushed."""
    whole, kept = bytes(inode.data), inode.flushed
    if fate == "kept" or whole == kept:
        return whole
    if fate == "lost":
        return kept
    return kept + random.Random(inode.number).randbytes(len(whole) - len(kept))


@dataclass(frozen=True)
class Crash:
    """A disk after a fault and a power cut, and the steps that may be read from it; -1: there is no session."""

    disk: Disk
    allowed: tuple[int, ...]
    kind: str


def crashes(faults: tuple[str, ...] = FAULTS) -> Iterator[Crash]:
    """Each call of a save in turn, each fault, and after it each thing that a power cut may leave."""
    config = small_config(cell="rnn", layers=1, hidden_size=1, embedding_size=0)
    sessions = [small_session(step, config) for step in (1, 2, 3)]

    def first(disk: Disk) -> None:
        save(PATH, sessions[0], disk, new=True)

    def third(disk: Disk) -> None:
        save(PATH, sessions[2], disk)

    def fresh(saved: int) -> Disk:
        disk = Disk()
        for session in sessions[:saved]:
            save(PATH, session, disk)
        disk.calls.clear()
        return disk

    for saved, do, before, meant in ((0, first, -1, 1), (2, third, 2, 3)):
        counter = fresh(saved)
        do(counter)
        for fault in faults:
            for at in range(len(counter.calls)):
                disk = fresh(saved)
                disk.at, disk.fault = at, fault
                done = _done(do, disk)
                if fault == "short" and not disk.hit:
                    continue
                for fate in FATES:
                    for reached in _subsets(len(disk.pending)):
                        # What was called saved is saved; of what was not, either is whole.
                        allowed = (meant,) if done else (before, meant)
                        yield Crash(disk.after(fate, reached), allowed, f"{fault} at {counter.calls[at]} {at}, {fate}")


def _done(do: Callable[[Disk], None], disk: Disk) -> bool:
    try:
        do(disk)
    except (Died, SessionError):
        return False
    return True


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(count + 1):
        yield from combinations(range(count), size)


def step_on(disk: Disk) -> int:
    """The step of the session that is read from a disk; -1 where there is none. Raises what the loader raises."""
    names = set(disk.names_now)
    if not names & {PATH.name, companion(PATH, "previous").name}:
        return -1
    step = load_or_previous(PATH, disk).progress["step"]
    assert isinstance(step, int)
    return step

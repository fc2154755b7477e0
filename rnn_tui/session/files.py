"""Every call to the file system that a save makes, behind one seam, and the atomic write made of them.

`Files` is that seam: a test puts another object in its place and makes any call fail, fall
short or be the last one. `write_atomic` keeps one promise whatever happens to them: at every
instant the name holds either the whole old contents or the whole new ones.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

PIECE = 4 << 20
"""Bytes that one write hands over: small enough for a signal to be noticed between two."""
ORPHAN_SECONDS = 3600.0
# What link(2) answers where the file system, or a rule on it, has no hard links.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
# What fsync answers for a folder where the file system can't flush one.
NO_FOLDER_FLUSH = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})
_TEMPORARY = re.compile(r"\..+\.(\d{1,10})\.tmp")
_ONE_WRITER = threading.RLock()


class Stamp(NamedTuple):
    """Which contents stand under a name, as far as the file system knows."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


class SessionError(Exception):
    """What can't be done with a session: one clear sentence.

    `stamp` is set where a save failed only after the new contents had taken their place:
    it is then what the next save has to expect.
    """

    def __init__(self, sentence: str, *, stamp: Stamp | None = None) -> None:
        super().__init__(sentence)
        self.stamp = stamp


class DamagedError(SessionError):
    """A file that isn't whole, or isn't a session: an earlier generation may be."""


class Files:
    """The calls themselves; each raises OSError as the system does."""

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        os.close(fd)

    def fstat(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def lstat(self, path: Path) -> os.stat_result:
        return os.lstat(path)

    def read(self, fd: int, into: memoryview) -> int:
        """Bytes read; 0 at the end; may be fewer than fit."""
        return os.readv(fd, [into])

    def seek(self, fd: int, place: int) -> None:
        os.lseek(fd, place, os.SEEK_SET)

    def write(self, fd: int, piece: memoryview) -> int:
        """Bytes written; may be fewer than handed over."""
        return os.write(fd, piece)

    def chmod(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def fsync(self, fd: int) -> None:
        full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:
            # macOS: fsync alone leaves the data in the drive's own memory.
            with suppress(OSError):
                fcntl.fcntl(fd, full)
                return
        os.fsync(fd)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def fsync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in NO_FOLDER_FLUSH:
                raise
        finally:
            os.close(fd)


FILES = Files()


def reason(error: OSError, folder: Path) -> tuple[str, str]:
    """What an error of the system means, and what to do about it."""
    match error.errno:
        case errno.ENOSPC:
            return f"the disk is full ({folder})", "free some space or save in another folder"
        case errno.EDQUOT:
            return f"your disk quota is used up ({folder})", "free some space or save in another folder"
        case errno.EFBIG:
            return f"the file would be larger than allowed here ({folder})", "raise the limit (ulimit -f)"
        case errno.EROFS:
            return f"{folder} is read-only", "choose another folder with --sessions"
        case errno.EACCES | errno.EPERM:
            return f"there is no permission for it in {folder}", "change its permissions or choose another folder"
        case errno.ENOENT | errno.ENOTDIR:
            return f"the folder {folder} is gone", "make it again or choose another folder"
        case errno.ENAMETOOLONG:
            return f"the name is too long for {folder}", "choose a shorter one"
        case errno.EIO:
            return f"the disk reported an error ({folder})", "check it, or save in another folder"
        case _:
            return f"{error.strerror or error} ({folder})", "try again, or choose another folder"


def stamp(path: Path, files: Files = FILES) -> Stamp | None:
    """The stamp of the file, or None where there is none."""
    try:
        return Stamp.of(files.lstat(path))
    except OSError:
        return None


def open_regular(path: Path, files: Files = FILES) -> tuple[int, os.stat_result]:
    """Opens a plain file for reading: never a link, and no FIFO or device can hold us up.

    Raises OSError (ELOOP for a link, EINVAL for what is no plain file).
    """
    fd = files.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = files.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
    except BaseException:
        files.close(fd)
        raise
    return fd, status


def read_exactly(fd: int, into: memoryview, files: Files = FILES) -> int:
    """Fills the buffer; the bytes read are fewer only where the file ends."""
    done = 0
    while done < len(into):
        count = files.read(fd, into[done : done + PIECE])
        if count == 0:
            break
        done += count
    return done


def read_small(path: Path, limit: int, files: Files = FILES) -> bytes:
    """The contents of a small plain file. Raises OSError, also where it is above the limit."""
    fd, status = open_regular(path, files)
    try:
        if status.st_size > limit:
            raise OSError(errno.EFBIG, "too large")
        buffer = bytearray(limit + 1)
        with memoryview(buffer) as view:
            count = read_exactly(fd, view, files)
    finally:
        files.close(fd)
    if count > limit:
        raise OSError(errno.EFBIG, "too large")
    return bytes(buffer[:count])


def write_atomic(
    path: Path,
    pieces: Iterable[memoryview],
    files: Files = FILES,
    *,
    previous: Path | None = None,
    new: bool = False,
    expect: Stamp | None = None,
) -> Stamp:
    """Puts the pieces under the name, whole or not at all, and flushes them to the disk.

    `previous` receives the contents that stood there before; `new` refuses a name that is
    taken; `expect` refuses contents that another program has put there since. Returns the
    new stamp. Raises SessionError; then no temporary file is left, and what stood under
    the name still does (unless the error's own `stamp` says otherwise).
    """
    name = path.name.removesuffix(".safetensors")
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    placed: Stamp | None = None
    with _ONE_WRITER:
        try:
            present = _present(path, files)
            if new and present is not None:
                raise _taken(name)
            _expected(name, present, expect)
            written = _write_temporary(temporary, pieces, present, files)
            if previous is not None:
                _keep(path if present is not None else None, previous, new, files)
            if new:
                _publish(temporary, path, name, files)
            else:
                _expected(name, _present(path, files), expect)
                files.replace(temporary, path)
            placed = written
            files.fsync_folder(path.parent)
        except OSError as error:
            _discard(temporary, files)
            what, remedy = reason(error, path.parent)
            outcome = "its new contents may not survive a power cut" if placed else "the last save is untouched"
            raise SessionError(f"{name} was not saved: {what}; {remedy}; {outcome}", stamp=placed) from error
        except BaseException:
            _discard(temporary, files)
            raise
    return placed


def _present(path: Path, files: Files) -> os.stat_result | None:
    try:
        status = files.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise SessionError(f"{path} is not a plain file; move it away or save under another name")
    return status


def _taken(name: str) -> SessionError:
    return SessionError(f"there is a session {name} already; choose another name")


def _expected(name: str, present: os.stat_result | None, expect: Stamp | None) -> None:
    if expect is None:
        return
    if present is None:
        raise SessionError(f"{name} was removed by another program; save under another name")
    if Stamp.of(present) != expect:
        raise SessionError(f"{name} was changed by another program; save under another name")


def _write_temporary(
    temporary: Path, pieces: Iterable[memoryview], present: os.stat_result | None, files: Files
) -> Stamp:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        fd = files.open(temporary, flags, 0o644)
    except FileExistsError:
        # In a container the next process often has the last one's pid: it is a dead one's, as we are the only writer.
        files.unlink(temporary)
        fd = files.open(temporary, flags, 0o644)
    try:
        if present is not None:
            with suppress(PermissionError):
                files.chmod(fd, stat.S_IMODE(present.st_mode) & 0o777)
        for piece in pieces:
            done = 0
            while done < len(piece):
                count = files.write(fd, piece[done : done + PIECE])
                if count <= 0:
                    raise OSError(errno.EIO, "nothing was written")
                done += count
        files.fsync(fd)
        return Stamp.of(files.fstat(fd))
    finally:
        files.close(fd)


def _publish(temporary: Path, path: Path, name: str, files: Files) -> None:
    """Gives the file its name only if nobody has it: a link, unlike a rename, never replaces."""
    try:
        files.link(temporary, path)
    except FileExistsError:
        raise _taken(name) from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if _present(path, files) is not None:
            raise _taken(name) from None
        files.replace(temporary, path)
        return
    _discard(temporary, files)


def link_over(source: Path, target: Path, files: Files = FILES) -> None:
    """Makes the target another name of the source, atomically; a copy where links are impossible.

    Raises OSError.
    """
    beside = target.with_name(f"{target.name.removesuffix('.safetensors')}.{os.getpid()}.tmp")
    if not beside.name.startswith("."):
        beside = beside.with_name("." + beside.name)
    try:
        with suppress(FileNotFoundError):
            files.unlink(beside)
        try:
            files.link(source, beside)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            _copy(source, beside, files)
        files.replace(beside, target)
    except BaseException:
        _discard(beside, files)
        raise
    # A rename onto another link of the same file does nothing, and leaves both names.
    _discard(beside, files)


def _keep(present: Path | None, previous: Path, new: bool, files: Files) -> None:
    if present is not None:
        link_over(present, previous, files)
    elif new:
        # Left by a session of the same name that is gone: it is no generation of this one.
        with suppress(FileNotFoundError):
            files.unlink(previous)


def _copy(source: Path, target: Path, files: Files) -> None:
    fd, status = open_regular(source, files)
    try:
        _write_temporary(target, read_pieces(fd, files), status, files)
    finally:
        files.close(fd)


def read_pieces(fd: int, files: Files = FILES) -> Iterable[memoryview]:
    """The contents of an open file, piece by piece."""
    buffer = bytearray(PIECE)
    with memoryview(buffer) as view:
        while count := files.read(fd, view):
            yield view[:count]


def _discard(path: Path, files: Files) -> None:
    with suppress(OSError):
        files.unlink(path)


def sweep(folder: Path, files: Files = FILES, now: float | None = None) -> int:
    """Removes temporary files whose writer is dead and that are older than an hour.

    Returns how many; never fails: an orphan costs space and nothing else.
    """
    now = time.time() if now is None else now
    removed = 0
    with suppress(OSError):
        for name in files.names(folder):
            found = _TEMPORARY.fullmatch(name)
            if found is None:
                continue
            path = folder / name
            with suppress(OSError):
                status = files.lstat(path)
                if not stat.S_ISREG(status.st_mode) or now - status.st_mtime < ORPHAN_SECONDS:
                    continue
                if not _alive(int(found[1]), status.st_mtime):
                    files.unlink(path)
                    removed += 1
    return removed


def _alive(pid: int, since: float) -> bool:
    """Whether the process that had this pid at that time still runs."""
    try:
        return float(psutil.Process(pid).create_time()) <= since
    except (psutil.NoSuchProcess, OverflowError, ValueError):
        return False
    except psutil.Error:
        return True

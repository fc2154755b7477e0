"""Where a text comes from: a file opened safely, or bytes made here. Read in chunks, more than once."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, NoReturn, Protocol

from rnn_tui.symbols import clean_line

LIMIT = 2**30
"""Longest text that is read, in bytes after decompression."""
CHUNK = 2**18
MOST_INFLATED, INFLATED = 300, 2**26
"""A gzip file that has become so many times as long as what was read of it is no text, once it is longer than that."""

_GZIP = b"\x1f\x8b"
# The longer marks first: that of UTF-32 LE begins with that of UTF-16 LE.
_WIDE_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class DataError(Exception):
    """A text that can't be used: one sentence, what is wrong; where; what to do."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how far the reading is, and who may stop it.

    `low` and `high` are the stretch of the whole, 0 to 1, that this part of the work is.
    """

    progress: Callable[[float, str], None]
    cancelled: Callable[[], bool]
    low: float = 0.0
    high: float = 1.0

    def part(self, low: float, high: float) -> Watch:
        """The stretch from `low` to `high` of this one."""
        width = self.high - self.low
        return Watch(self.progress, self.cancelled, self.low + width * low, self.low + width * high)

    def at(self, share: float, doing: str, title: str) -> None:
        """Tell that `share` (0 to 1) of this stretch is done. Raises DataError once cancelled."""
        if self.cancelled():
            raise DataError(f"reading {title} was cancelled")
        self.progress(self.low + (self.high - self.low) * min(share, 1.0), f"{doing} {title}")


class Source(Protocol):
    """A text as bytes that can be read from its beginning as often as needed."""

    title: str
    """Its name as a person reads it, safe for a screen."""
    where: str
    """The path or built-in name."""
    notice: str
    """What a person should know about it; empty if nothing."""

    @property
    def place(self) -> str:
        """Path or name for messages: safe for a screen, with the field that named it."""

    @property
    def limit(self) -> int:
        """No more bytes than this can come; of a plain file, its size."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What an encoded copy is kept under: where it lies, then what tells one state from another."""

    def chunks(self, size: int) -> Iterator[tuple[bytes, float]]:
        """The bytes from the beginning, each piece with the share (0 to 1) read so far. Raises DataError."""

    def close(self) -> None: ...


@dataclass(slots=True)
class BytesSource:
    """A text made here, whole in memory."""

    title: str
    where: str
    data: bytes
    digest: str
    notice: str = ""

    @property
    def place(self) -> str:
        return self.where

    @property
    def limit(self) -> int:
        return len(self.data)

    @property
    def identity(self) -> tuple[str, ...]:
        return (self.where, self.digest)

    def chunks(self, size: int) -> Iterator[tuple[bytes, float]]:
        for start in range(0, len(self.data), size):
            yield self.data[start : start + size], (start + size) / len(self.data)

    def close(self) -> None:
        """Nothing is held open."""


class FileSource:
    """A regular file, plain or gzip, held open so that both passes read the same one.

    Raises DataError if it is missing, no regular file (a pipe or device is not waited for),
    unreadable, empty, over 1 GB, or begins with the mark of UTF-16 or UTF-32.
    """

    def __init__(self, path: str, field: str) -> None:
        self.where = os.path.abspath(os.path.expanduser(path))
        self.title = clean_line(os.path.basename(self.where) or self.where)
        self.place = f"{field} {_short(clean_line(self.where))}"
        self.notice = ""
        self._file = self._open()
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> IO[bytes]:
        try:
            # Asked before opening as well: opening alone can set off a device.
            self._require_regular(os.stat(self.where))
            # A pipe that took the file's place in between must not hang the opening.
            descriptor = os.open(self.where, os.O_RDONLY | os.O_NONBLOCK)
        except ValueError:
            self._refuse("a path can't hold a NUL character", "name a UTF-8 text file")
        except OSError as error:
            self._unreadable(error)
        return os.fdopen(descriptor, "rb", buffering=0)

    def _begin(self) -> None:
        try:
            state = os.fstat(self._file.fileno())
            self._require_regular(state)
            self._state = (state.st_size, state.st_mtime_ns)
            self.size = state.st_size
            if not self.size:
                self._refuse("the file is empty", "choose a text of at least two characters")
            self.gzip = os.pread(self._file.fileno(), 2, 0) == _GZIP
        except OSError as error:
            self._unreadable(error)
        if not self.gzip and self.where.lower().endswith(".gz"):
            self._refuse("the file is named .gz but is not gzip", "unpack it, or make it anew with gzip")
        if not self.gzip and self.size > LIMIT:
            self._too_large()
        self.limit = LIMIT if self.gzip else self.size
        head, _ = next(self.chunks(4), (b"", 0.0))
        for mark, name in _WIDE_MARKS:
            if head.startswith(mark):
                self._refuse(f"the text is {name}, not UTF-8", f"convert it: iconv -f {name} -t UTF-8 OLD > NEW")

    def _require_regular(self, state: os.stat_result) -> None:
        if stat.S_ISDIR(state.st_mode):
            self._refuse("this is a folder, not a text", "name a file in it")
        if not stat.S_ISREG(state.st_mode):
            self._refuse("this is a pipe or a device, not a file", "save the text in a file and name that")

    @property
    def identity(self) -> tuple[str, ...]:
        return (os.path.realpath(self.where), *map(str, self._state))

    def chunks(self, size: int) -> Iterator[tuple[bytes, float]]:
        read = 0
        try:
            self._file.seek(0)
            read_piece = gzip.GzipFile(fileobj=self._file).read if self.gzip else self._file.read
            while piece := read_piece(size):
                read += len(piece)
                if read > LIMIT:
                    self._too_large()
                if not self.gzip:
                    yield piece, read / self.size
                    continue
                taken = self._file.tell()
                if read > INFLATED and read > MOST_INFLATED * taken:
                    self._refuse(
                        f"the gzip file becomes more than {MOST_INFLATED} times as long, as no text does",
                        "unpack it if you trust it, and name what comes out",
                    )
                yield piece, taken / self.size
            state = os.fstat(self._file.fileno())
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self._refuse("the gzip file is damaged or cut short", "fetch it again, or test it with gzip -t")
        except OSError as error:
            self._unreadable(error)
        if (state.st_size, state.st_mtime_ns) != self._state:
            self.changed()

    def changed(self) -> NoReturn:
        """Raises DataError: the passes did not see the same text."""
        self._refuse("the file changed while it was read", "try again once nothing writes to it")

    def close(self) -> None:
        self._file.close()

    def _too_large(self) -> NoReturn:
        self._refuse("the text is larger than 1 GB (1,073,741,824 bytes)", "cut it, for example with head -c")

    def _unreadable(self, error: OSError) -> NoReturn:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            self._refuse("no such file", "check the path, or choose one of rnn-lab data list")
        reason = clean_line(error.strerror or str(error)).lower()
        self._refuse(f"the file can't be read ({reason})", "check the path and its permissions")

    def _refuse(self, what: str, what_to_do: str) -> NoReturn:
        raise DataError(f"{what}; {self.place}; {what_to_do}") from None


def _short(path: str) -> str:
    """A path no longer than a message can bear; its end says most."""
    return path if len(path) <= 300 else "..." + path[-297:]

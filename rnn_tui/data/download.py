"""One file over HTTP: where it was cut it is gone on with, and it gets its name when its bytes are right.

What has come lies in `FILE.part`, and in `FILE.part.json` from where and of which state of it,
so that a later call asks for the rest alone (RFC 9110, Range and If-Range).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rnn_tui.data.catalog import KnownSet
from rnn_tui.data.network_faults import host_of, http_fault, network_fault
from rnn_tui.symbols import clean_line

CHUNK = 2**16
CONNECTIONS = 5
"""Connections for one file, as long as each brings more of it."""
_LARGEST_NOTE = 10_000
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class FetchError(Exception):
    """A set could not be fetched: one sentence, what is wrong; where; what to do."""


class FetchCancelled(FetchError):
    """The one who asked for it wants it no longer. What has come is kept."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a fetching is."""

    done: int
    """Bytes that are here, those of an earlier call included."""
    total: int
    rate: float
    """Bytes a second in this call; 0 before the first came."""

    @property
    def seconds_left(self) -> float:
        """Infinite while the rate is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else float("inf")


def beside(known: KnownSet, suffix: str) -> Path:
    """A companion of the set's file."""
    return known.path.with_name(known.file + suffix)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_fault(known: KnownSet, error: OSError) -> FetchError:
    """What to say where the disk takes no more."""
    reason = clean_line(error.strerror or str(error)).lower()
    return FetchError(
        f"the {known.size:,} bytes of {known.name} can't be kept ({reason}); {clean_line(str(known.path.parent))}; "
        "make room there, or name another folder with RNN_LAB_CACHE"
    )


def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https and nothing else, through the proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.UnknownHandler(), urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


class _StartOver(Exception):
    """What is here can't be gone on with."""


class _Cut(Exception):
    """The connection ended before the file did; the sentence that says how."""


class Download:
    """Brings one set here. Only one of a set may be at work: whoever runs it holds its lock."""

    def __init__(
        self,
        known: KnownSet,
        url: str,
        progress: Callable[[Transfer], None],
        cancelled: Callable[[], bool],
        timeout: float,
    ) -> None:
        self.known, self.url, self.timeout = known, url, timeout
        self._progress, self._cancelled = progress, cancelled
        self._part, self._note = beside(known, ".part"), beside(known, ".part.json")
        self._opener = _opener()
        self._began, self._came = time.monotonic(), 0
        self._resumed = 0

    def run(self) -> int:
        """Bring the file; returns how many bytes an earlier call had left of it. Raises FetchError."""
        known = self.known
        self._resumed = self._left()
        if not self._resumed:
            self._discard()
        fresh = not self._resumed
        while True:
            self._bring()
            if self._finish():
                return self._resumed
            # The beginning may be of another state of the file than the rest.
            if fresh:
                raise FetchError(
                    f"the bytes that came are not those of {known.name}: their SHA-256 is another, and nothing "
                    f"of them was kept; {self._where}; the file there has changed, or something on the way changes it"
                )
            fresh = True

    @property
    def _where(self) -> str:
        return clean_line(self.url)

    def _bring(self) -> None:
        """Connect until the part is whole. Raises FetchError."""
        barren = 0
        for _ in range(CONNECTIONS):
            before = self._left()
            if before == self.known.size:
                return
            try:
                self._receive(before)
            except _StartOver:
                self._discard()
                barren += 1
                if barren > 1:
                    break
            except _Cut as cut:
                left = self._left()
                if left <= before:
                    raise self._stopped(str(cut)) from None
            else:
                return
        raise self._stopped(f"{host_of(self.url)} cuts the connection again and again")

    def _stopped(self, what: str) -> FetchError:
        left = self._left()
        kept = f" ({left:,} of {self.known.size:,} bytes are kept, and it goes on from there)" if left else ""
        return FetchError(f"{what}; {self._where}; try again later{kept}")

    def _receive(self, have: int) -> None:
        """One request, from byte `have` on. Raises _StartOver, _Cut, FetchError."""
        # A file that is packed for the way has other ranges, and perhaps another checksum.
        headers = {"User-Agent": "rnn-lab", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if state := self._read_note().get("state"):
                headers["If-Range"] = state
        with self._network():
            try:
                response = self._opener.open(urllib.request.Request(self.url, headers=headers), timeout=self.timeout)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416 and have:
                    raise _StartOver from None
                raise self._stopped_for_good(error) from None
        with response:
            encoding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
            self._check_size(response, have, encoding)
            if response.status != 206:
                have = self._resumed = 0
            if not have:
                self._write_note(response, encoding)
            self._pour(response, have, encoding)

    def _stopped_for_good(self, error: urllib.error.HTTPError) -> FetchError:
        what, remedy = http_fault(error.code, host_of(error.url or self.url), str(error.reason))
        return FetchError(f"{what}; {self._where}; {remedy}")

    def _check_size(self, response: Any, have: int, encoding: str) -> None:
        """Refuse what can't be the file before it is read."""
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else -1
        if response.status == 206:
            match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
            if match is None or int(match[1]) != have or encoding != "identity":
                raise _StartOver
            total = int(match[2]) if match[2] != "*" else -1
        elif response.status != 200:
            raise FetchError(
                f"{host_of(self.url)} gives an answer without the file (HTTP {response.status}); {self._where}; "
                "try again later"
            )
        elif encoding != "identity":
            return
        if total not in (-1, self.known.size):
            self._discard()
            raise FetchError(
                f"the file there has {total:,} bytes, {self.known.name} has {self.known.size:,}; {self._where}; "
                "the file there has changed, or something on the way changes it"
            )

    def _pour(self, response: Any, have: int, encoding: str) -> None:
        """The body into the part, from byte `have` on."""
        unpacked = _unpacker(encoding, self.known.file)
        if unpacked is None:
            raise FetchError(
                f"{host_of(self.url)} sends the file packed in a way that was not asked for "
                f"({clean_line(encoding)[:40]}); {self._where}; try again later"
            )
        try:
            with self._disk():
                # Without a buffer: whatever ends the process, what was written is there.
                file = open(self._part, "r+b" if have else "wb", buffering=0)  # noqa: SIM115
            with file:
                with self._disk():
                    file.truncate(have)
                    file.seek(have)
                self._copy(response, file, have, unpacked)
        except zlib.error:
            self._discard()
            raise _Cut(f"what {host_of(self.url)} sends is damaged") from None
        finally:
            if encoding != "identity" and self._left() < self.known.size:
                # Its place in the packed stream is not known.
                self._discard()
        if self._left() < self.known.size:
            raise _Cut(f"{host_of(self.url)} cut the connection")

    def _copy(self, response: Any, file: IO[bytes], done: int, unpacked: Callable[[bytes], bytes]) -> None:
        self._tell(done)
        while True:
            if self._cancelled():
                raise FetchCancelled(f"fetching {self.known.name} was cancelled; what has come is kept")
            with self._network():
                packed = response.read1(CHUNK)
            if not packed:
                return
            piece = memoryview(unpacked(packed))
            if done + len(piece) > self.known.size:
                self._discard()
                raise FetchError(
                    f"more bytes come than the {self.known.size:,} of {self.known.name}; {self._where}; "
                    "the file there has changed, or something on the way changes it"
                )
            while piece:
                with self._disk():
                    written = file.write(piece)
                piece = piece[written:]
                done += written
                self._came += written
            self._tell(done)

    def _tell(self, done: int) -> None:
        seconds = time.monotonic() - self._began
        self._progress(Transfer(done, self.known.size, self._came / seconds if seconds > 0 else 0.0))

    @contextmanager
    def _network(self) -> Iterator[None]:
        """What goes wrong in here is the network's fault: it becomes _Cut or FetchError."""
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Cut(network_fault(error, self.url, self.timeout)) from None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise disk_fault(self.known, error) from None

    def _finish(self) -> bool:
        """Give the part its name if its bytes are right; else nothing stays of it."""
        with self._disk():
            if digest(self._part) != self.known.sha256:
                self._discard()
                return False
            with open(self._part, "r+b") as file:
                os.fsync(file.fileno())
            os.replace(self._part, self.known.path)
            with suppress(OSError):
                self._note.unlink()
                folder = os.open(self.known.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        return True

    def _left(self) -> int:
        """Bytes of the part that can be gone on with."""
        try:
            size = self._part.stat().st_size
        except OSError:
            return 0
        return size if size <= self.known.size and self._read_note().get("url") == self.url else 0

    def _discard(self) -> None:
        self._resumed = 0
        for path in (self._part, self._note):
            with suppress(OSError):
                path.unlink()

    def _read_note(self) -> dict[str, str]:
        try:
            with open(self._note, "rb") as file:
                note = json.loads(file.read(_LARGEST_NOTE))
            return {key: note[key] for key in ("url", "state") if isinstance(note[key], str)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def _write_note(self, response: Any, encoding: str) -> None:
        """Remember which state of the file this is; a weak mark doesn't tell one byte from another."""
        mark = response.headers.get("ETag", "")
        if not re.fullmatch(r'"[\x21\x23-\x7e]*"', mark) or encoding != "identity":
            mark = response.headers.get("Last-Modified", "")
        state = mark if re.fullmatch(r"[\x20-\x7e]{0,200}", mark) else ""
        with self._disk():
            self._note.write_text(json.dumps({"url": self.url, "state": state}), encoding="utf-8")


def _unpacker(encoding: str, file: str) -> Callable[[bytes], bytes] | None:
    """What undoes a Content-Encoding; None of an unknown one."""
    if encoding == "identity":
        return bytes
    if encoding in ("gzip", "x-gzip"):
        # Many servers say so of a file that is itself gzip.
        return bytes if file.endswith(".gz") else zlib.decompressobj(16 + zlib.MAX_WBITS).decompress
    if encoding == "deflate":
        return zlib.decompressobj().decompress
    return None

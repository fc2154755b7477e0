"""Fetches a set of the catalog: resumed where it was cut, checked before it gets its name, kept beside the cache."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rnn_tui.data.catalog import SETS, KnownSet, downloads_folder
from rnn_tui.data.download import Download, FetchCancelled, FetchError, Transfer, beside, digest, disk_fault
from rnn_tui.symbols import clean_line

__all__ = [
    "MIRROR", "TIMEOUT", "FetchCancelled", "FetchError", "Fetched", "Transfer", "clear_downloads", "downloaded_size",
    "fetch", "verified",
]  # fmt: skip

MIRROR = "RNN_LAB_MIRROR"
"""Variable: a URL under which all files of the catalog lie by their `KnownSet.file`."""
TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""
_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Fetched:
    """A set that is here, its bytes checked."""

    name: str
    path: Path
    url: str
    """Where it was asked for."""
    size: int
    sha256: str
    there: bool
    """Whether it was here before."""
    resumed: int
    """Bytes that an earlier call had left."""


def _silent(transfer: Transfer) -> None:
    """Nobody asked how far it is."""


def _never() -> bool:
    return False


def fetch(
    known: KnownSet,
    progress: Callable[[Transfer], None] = _silent,
    cancelled: Callable[[], bool] = _never,
    timeout: float = TIMEOUT,
) -> Fetched:
    """Fetch a set of the catalog, if it is not here yet, and check its bytes.

    `cancelled` is asked after each piece; `timeout` in seconds is how long a server may be
    silent. Where two processes want the same set, one fetches and the other waits. Raises
    FetchError; of what can be resumed the beginning stays, of wrong bytes nothing.
    """
    url = _url(known)
    try:
        known.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(beside(known, ".lock"), thread_local=False)
        while True:
            if cancelled():
                raise FetchCancelled(f"fetching {known.name} was cancelled")
            with suppress(Timeout):
                lock.acquire(timeout=_LOOK_EVERY, poll_interval=0.05)
                break
    except OSError as error:
        raise disk_fault(known, error) from None
    try:
        if verified(known):
            return Fetched(known.name, known.path, url, known.size, known.sha256, there=True, resumed=0)
        resumed = Download(known, url, progress, cancelled, timeout).run()
        return Fetched(known.name, known.path, url, known.size, known.sha256, there=False, resumed=resumed)
    finally:
        lock.release()


def verified(known: KnownSet) -> bool:
    """Whether a set is here with exactly its bytes."""
    try:
        return known.fetched and digest(known.path) == known.sha256
    except OSError:
        return False


def downloaded_size() -> int:
    """Bytes that fetched sets take, unfinished ones included."""
    return sum(size for _, size in _ours())


def clear_downloads() -> int:
    """Delete every fetched set, whole or begun, that no other process is fetching. Returns the bytes freed."""
    freed = 0
    for known in SETS:
        files = list(_ours((known,)))
        if not files:
            continue
        with suppress(Timeout, OSError), FileLock(beside(known, ".lock"), timeout=0):
            for path, size in files:
                with suppress(OSError):
                    os.unlink(path)
                    freed += size
    return freed


def _ours(sets: tuple[KnownSet, ...] | None = None) -> Iterator[tuple[Path, int]]:
    """The files of sets that are here, with their bytes. Nothing else in the folder is touched."""
    folder = downloads_folder()
    for known in SETS if sets is None else sets:
        for suffix in ("", ".part", ".part.json"):
            path = folder / (known.file + suffix)
            with suppress(OSError):
                yield path, path.stat(follow_symlinks=False).st_size


def _url(known: KnownSet) -> str:
    mirror = os.environ.get(MIRROR, "")
    url = f"{mirror.rstrip('/')}/{urllib.parse.quote(known.file)}" if mirror else known.url
    try:
        parts = urllib.parse.urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine or re.search(r"[\x00-\x20\x7f]", url):
        what_to_do = f"give {MIRROR} a URL like http://localhost:8000" if mirror else "report it"
        raise FetchError(f"this is no URL of http or https; {clean_line(url)[:200]}; {what_to_do}")
    return url

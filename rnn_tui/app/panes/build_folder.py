"""What is in a folder: read beside the screen's thread, and never more of it than a list can hold."""

from __future__ import annotations

import heapq
import os
import threading
from dataclasses import dataclass

MOST = 1000
"""Entries of one list."""
LOOKED_AT = 200_000
"""Entries that are passed over while those that fit are sought."""
MOMENT = 0.02
"""Seconds that the screen waits for a folder: most are read in less, and then nothing flickers."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file or a folder, by its name."""

    name: str
    folder: bool
    size: int = 0
    """Bytes of a file."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The folders and then the files of a folder whose names hold `narrowed`, by name; hidden ones are left out."""

    folder: str
    narrowed: str = ""
    found: tuple[Found, ...] = ()
    more: bool = False
    """Whether there are more than are listed."""
    trouble: str = ""
    """Why it can't be read."""


def fits(name: str, narrowed: str) -> bool:
    """Whether the name is one that the letters may mean; capitals count for nothing."""
    return narrowed.casefold() in name.casefold()


def list_folder(folder: str, narrowed: str = "") -> Listing:
    """Read a folder (empty: the one the lab was started in). What is neither file nor folder is left out."""
    most: list[tuple[bool, str, str, Found]] = []
    count = looked = 0
    try:
        with os.scandir(folder or ".") as entries:
            for looked, entry in enumerate(entries, start=1):
                if looked > LOOKED_AT:
                    break
                if entry.name.startswith(".") or not fits(entry.name, narrowed):
                    continue
                found = _found(entry)
                if found is not None:
                    count += 1
                    most.append((not found.folder, found.name.casefold(), found.name, found))
                if len(most) >= 2 * MOST:
                    most = heapq.nsmallest(MOST, most, key=lambda item: item[:3])
    except OSError as error:
        return Listing(folder, narrowed, trouble=error.strerror or str(error))
    kept = heapq.nsmallest(MOST, most, key=lambda item: item[:3])
    return Listing(folder, narrowed, tuple(item[3] for item in kept), count > MOST or looked > LOOKED_AT)


def _found(entry: os.DirEntry[str]) -> Found | None:
    try:
        if entry.is_dir():
            return Found(entry.name, True)
        # A pipe or a device would never end.
        return Found(entry.name, False, entry.stat().st_size) if entry.is_file() else None
    except OSError:
        return None


class Reader:
    """Lists one folder at a time on a thread of its own; a folder that hangs holds nothing up."""

    def __init__(self) -> None:
        self._wanted: tuple[str, str] | None = None
        self._came: dict[tuple[str, str], Listing] = {}

    @property
    def reading(self) -> bool:
        """Whether a folder is being read that nobody has taken yet."""
        return self._wanted is not None

    def want(self, folder: str, narrowed: str = "") -> None:
        """Begin to read a folder; one that was wanted before is forgotten."""
        self._wanted = (folder, narrowed)
        came = self._came = {}

        def read() -> None:
            came[folder, narrowed] = list_folder(folder, narrowed)

        thread = threading.Thread(target=read, name="listing", daemon=True)
        thread.start()
        thread.join(MOMENT)

    def take(self) -> Listing | None:
        """The folder that was wanted, once it is read; None before, and after it was taken."""
        listing = self._came.pop(self._wanted, None) if self._wanted else None
        if listing is not None:
            self._wanted = None
        return listing

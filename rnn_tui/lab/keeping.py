"""The file of the open session: its name, its lock, when it is saved and what came of it."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_tui import session
from rnn_tui.session.names import refuse_taken

# Saving may take this share of the time at most: a slow disk stretches the autosave.
SAVING_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a session keeps, copied at the border of a step; copies are numbered as they were made."""

    file: session.SessionFile
    mark: tuple[Any, ...]
    """Stands for the contents: equal marks, equal files."""
    step: int
    number: int


class Keeper:
    """Holds one session's name and lock, and writes its file; safe to call from any thread.

    `readonly` says why the file is not written (another program holds it); empty where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = ""
        self.readonly = ""
        self.fault = ""
        """Why the last save failed; empty if it did not."""
        self.saved_step = -1
        self._saved: Any = None
        self._last = 0
        self._lock: session.Lock | None = None
        self._stamp: session.Stamp | None = None
        self._writing = threading.Lock()
        self._seconds = 0.0
        self._due = math.inf

    @property
    def path(self) -> Path:
        return session.path_of(self.folder, self.name)

    def claim(self, name: str) -> None:
        """Take a name that is free. Raises SessionError."""
        session.prepare_folder(self.folder)
        refuse_taken(self.folder, session.check_name(name))
        self.name = name
        self._lock = session.Lock(self.path, "training")
        self._lock.acquire()

    def find(self, name: str) -> session.SessionFile:
        """Open a session that exists: to write if nobody holds it, else to look at.

        Raises SessionError.
        """
        path = session.existing(self.folder, name)
        self.name = session.name_of(path)
        if session.is_gallery(path):
            self.readonly = f"{self.name} belongs to the gallery; save it under a name of your own (6, a) to train it"
        else:
            self._lock = session.Lock(path, "training")
            try:
                self._lock.acquire()
            except session.SessionError as error:
                self.readonly, self._lock = str(error), None
        try:
            found = session.load_or_previous(path)
            if found.readonly:
                self.readonly = found.notice
            if found.damaged and not self.readonly:
                session.set_aside(path)
                found.stamp = session.stamp(path)
            self._stamp = found.stamp
        except BaseException:
            self.release()
            raise
        self.saved_step = int(found.progress.get("step", 0))
        return found

    def rename(self, name: str) -> None:
        """Give the session another name, its lock with it. Raises SessionError."""
        with self._writing:
            if self.saved_step < 0 and session.find(self.folder, self.name) is None:
                # Nothing was written yet: it is enough to take another name.
                lock = self._lock
                self.claim(name)
                if lock is not None:
                    lock.discard()
                return
            path = session.rename(self.folder, self.name, name, held=self._lock)
            self.name, self._stamp = session.name_of(path), session.stamp(path)

    def known_as_saved(self, mark: Any) -> None:
        """What stands in the file already: it need not be written again."""
        self._saved = mark

    def unsaved(self, mark: Any) -> bool:
        """Whether `mark`, which stands for all that is kept, differs from what was last written."""
        return not self.readonly and mark != self._saved

    def start_clock(self, autosave_seconds: float) -> None:
        """The next autosave is that far away, or further where saving is slow."""
        self._due = time.monotonic() + max(autosave_seconds, self._seconds / SAVING_SHARE)

    @property
    def due(self) -> bool:
        return not self.readonly and time.monotonic() >= self._due

    def write(self, kept: Kept, *, always: bool = False) -> bool:
        """Write a copy; False, with `fault` set, if that failed. The file before it then still stands.

        A copy that is older than what was written, or no different, is passed over.
        """
        with self._writing:
            if kept.number < self._last or (kept.mark == self._saved and not always):
                return True
            started = time.monotonic()
            try:
                self._stamp = session.save(self.path, kept.file, expect=self._stamp, new=self._stamp is None)
            except session.SessionError as error:
                if error.stamp is not None:
                    self._stamp = error.stamp
                self.fault = str(error)
                return False
            finally:
                self._seconds = time.monotonic() - started
            self.fault = ""
            self._saved, self._last, self.saved_step = kept.mark, kept.number, kept.step
            return True

    def release(self) -> None:
        """Let others have it."""
        with self._writing:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

"""The file of the open session: its name, its lock, when it is saved and what came of it."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_tui import session
from rnn_tui.lab import handing
from rnn_tui.session.files import reason
from rnn_tui.session.names import refuse_taken
from rnn_tui.symbols import clean_line

log = logging.getLogger(__name__)

# Saving, the copy included, may take this share of the time at most: a slow disk stretches the autosave.
SAVING_SHARE = 0.02
# After a save that failed the next attempt comes so many seconds later, then twice as many, up to the autosave's.
FIRST_RETRY = 2.0


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a session keeps, copied at the border of a step; copies are numbered as they were made."""

    file: session.SessionFile
    mark: tuple[Any, ...]
    """Stands for the contents: equal marks, equal files."""
    step: int
    number: int
    seconds: float = 0.0
    """That training stood still for the copy."""


def place_of(folder: Path, wish: str) -> tuple[Path, str]:
    """Folder and name of a session to be: `NAME` is in the folder, `DIR/NAME` in a folder as a shell understands it.

    Raises SessionError for a name that can't be, or a folder that can't.
    """
    place, slash, name = wish.strip().rpartition("/")
    session.check_name(name)
    if not slash:
        return folder, name
    try:
        if "\0" in place:
            raise RuntimeError
        return Path(place or "/").expanduser().absolute(), name
    except RuntimeError:
        raise session.SessionError(f"{clean_line(place)} can't be a folder; write it as in a shell") from None


class Keeper:
    """Holds one session's name and lock, and writes its file; safe to call from any thread.

    `readonly` says why the file is not written (another program holds it); empty where it is.
    `followed`: another program writes it meanwhile, `writer` in words.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = ""
        self.readonly = ""
        self.unwritable = ""
        """Why the folder lets nobody write; empty where it does."""
        self.followed = False
        self.writer = ""
        self.fault = ""
        """Why the last save failed; empty if it did not."""
        self.saved_step = -1
        self._saved: Any = None
        self._last = 0
        self._lock: session.Lock | None = None
        self._stamp: session.Stamp | None = None
        self._writing = threading.Lock()
        self._seconds = 0.0
        self._autosave = self._due = math.inf
        self._failures = 0

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
        elif not os.access(self.folder, os.W_OK | os.X_OK) and session.holder(path) is None:
            # Found here, and not at the first save: it may come after hours.
            self.unwritable = f"nothing can be written in {self.folder}; save it elsewhere (6, a) to train it"
            self.readonly = self.unwritable
        else:
            self._lock = handing.inherited(path, "training") or session.Lock(path, "training")
            try:
                self._lock.acquire()
            except session.SessionError as error:
                holder = session.holder(path)
                if holder is None:
                    # It can't be locked at all, or whoever had it has just ended.
                    self.readonly, self._lock = str(error), None
                else:
                    self.follow(f"it is in use by {holder}", holder.who)
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

    # -- shared with other processes -----------------------------------------------------

    def follow(self, reason: str, writer: str = "") -> None:
        """Let the lock go, if it is held: another process has the session, or is to have it."""
        with self._writing:
            self.readonly, self.followed, self.writer = reason, True, writer
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def hand_on(self, length: tuple[str, ...]) -> handing.Handed:
        """Have a process without a screen go on with it. Raises OSError, and it is still held."""
        with self._writing:
            assert self._lock is not None
            handed = handing.start(self.path, self._lock, length)
            self.readonly, self.followed, self._lock = handed.sentence, True, None
            self.writer = f"process {handed.process.pid}"
            return handed

    def changed(self) -> bool:
        """Whether there is a save that was not read yet; while it is followed."""
        return session.stamp(self.path) not in (None, self._stamp)

    def reread(self) -> session.SessionFile:
        """The newest save of a session that is followed. Raises SessionError."""
        found = session.load(self.path)
        self._stamp = found.stamp
        return found

    def regain(self, timeout: float) -> session.SessionFile:
        """Take the lock and read the newest save. Raises SessionError where another process has it."""
        lock = session.Lock(self.path, "training").acquire(timeout)
        try:
            found = session.load_or_previous(self.path)
            if found.damaged:
                session.set_aside(self.path)
                found.stamp = session.stamp(self.path)
        except BaseException:
            lock.release()
            raise
        with self._writing:
            self._lock, self._stamp = lock, found.stamp
            self.readonly, self.followed, self.writer = found.notice if found.readonly else "", False, ""
            self.saved_step = int(found.progress.get("step", 0))
        return found

    def break_dead(self) -> bool:
        """Break the lock if the process it names is dead, and was one of this machine. True if it was."""
        return session.break_dead(self.path)

    def hurry(self, seconds: float) -> None:
        """Save within so many seconds, where saving is not too slow for that."""
        self._due = min(self._due, time.monotonic() + max(seconds, self._seconds / SAVING_SHARE))

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
        return not self.readonly and (mark != self._saved or bool(self.fault))

    def start_clock(self, autosave_seconds: float) -> None:
        """The next autosave is that far away, or further where saving is slow or has just failed."""
        self._autosave = autosave_seconds
        self._due = time.monotonic() + self._rest()

    def _rest(self) -> float:
        """Seconds from one save to the next."""
        rest = self._autosave
        if self._failures:
            rest = min(rest, FIRST_RETRY * 2.0 ** min(self._failures - 1, 30))
        return max(rest, self._seconds / SAVING_SHARE)

    @property
    def due(self) -> bool:
        """Whether it is time for an autosave. Not while one is being written: a slow disk is not given the next."""
        return not self.readonly and time.monotonic() >= self._due and not self._writing.locked()

    @property
    def due_in(self) -> float:
        """Seconds until it is time for an autosave, or for another attempt."""
        return max(0.0, self._due - time.monotonic())

    def write(self, kept: Kept, *, always: bool = False) -> bool:
        """Write a copy; False, with `fault` set, if that failed. The file before it then still stands.

        A copy that is older than what was written, or no different, is passed over.
        """
        with self._writing:
            if kept.number < self._last or (kept.mark == self._saved and not always and not self.fault):
                return True
            started = time.monotonic()
            try:
                self._stamp = session.save(self.path, kept.file, expect=self._stamp, new=self._stamp is None)
            except session.SessionError as error:
                if error.stamp is not None:
                    self._stamp = error.stamp
                self._failures += 1
                self.fault = self._told(error)
                return False
            except Exception as error:
                log.exception("saving failed")
                self._failures += 1
                why = f"{type(error).__name__}: {clean_line(str(error))[:200]}"
                if isinstance(error, MemoryError):
                    why = "there is not enough memory for it"
                self.fault = f"{self._since()}: {why}; it is tried again (save as: 6, a)"
                return False
            else:
                self._saved, self._last, self.saved_step = kept.mark, kept.number, kept.step
                # Last: whoever sees that it is mended sees the step too.
                self._failures, self.fault = 0, ""
                return True
            finally:
                ended = time.monotonic()
                self._seconds = kept.seconds + ended - started
                # Counted from the end: whoever waited for a slow disk may first train again.
                self._due = ended + self._rest() if math.isfinite(self._due) else self._due

    def refuse(self, why: str) -> None:
        """What there is now must not take the place of what was saved last."""
        with self._writing:
            self._failures += 1
            self.fault = f"{self._since()}: {why}"
            self._due = time.monotonic() + self._rest()

    def _since(self) -> str:
        return f"not saved since step {self.saved_step:,}" if self.saved_step >= 0 else "not saved yet"

    def _told(self, error: session.SessionError) -> str:
        """Since when nothing is saved, why, and what to do about it."""
        since = self._since()
        cause = error.__cause__
        if isinstance(cause, OSError) and error.stamp is None:
            what, remedy = reason(cause, self.folder)
            return f"{since}: {what}; {remedy} (save as: 6, a)"
        if not self.folder.is_dir():
            return f"{since}: the folder {self.folder} is gone; save elsewhere (6, a)"
        return f"{since}: {error} (save as: 6, a)"

    def abandon(self) -> None:
        """Give up a name that was claimed, and has no file yet."""
        with self._writing:
            if self._lock is not None:
                self._lock.discard()
                self._lock = None

    def release(self) -> None:
        """Let others have it."""
        with self._writing:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

"""A folder of sessions: what is in it, read from headers alone, and what can be done to one."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn_tui.config import Config
from rnn_tui.session.files import FILES, Files, SessionError, reason, stamp, sweep
from rnn_tui.session.lock import Lock, busy
from rnn_tui.session.names import check_name, companion, existing, name_of, path_of, refuse_taken, session_names
from rnn_tui.session.places import gallery_folder, gallery_names, is_gallery, is_shipped_folder
from rnn_tui.session.session_file import Summary, copy_file, opened
from rnn_tui.symbols import clean_line
from rnn_tui.views import SessionRow

_COMPANIONS = ("previous", "holder", "live", "take")
MOST_METRICS, LONGEST_METRIC = 12, 40


def cell_line(config: Config) -> str:
    """The network in a word or two: `LSTM 2x128`, `BiLSTM 1x64`, `LSTM 1x128 enc-dec, attention`."""
    model = config.model
    cell = model.cell if model.cell == "feedforward" else model.cell.upper()
    size = f"{model.layers}x{model.hidden_size}"
    if config.data.task == "translation":
        # Its encoder reads from left to right, whatever `model.bidirectional` says.
        return f"{cell} {size} enc-dec{', attention' if model.attention else ''}"
    return f"{'Bi' if model.bidirectional else ''}{cell} {size}"


def list_sessions(folder: Path, files: Files = FILES) -> list[SessionRow]:
    """The sessions of a folder, newest first; empty where there is no such folder.

    A file that can't be opened has a row too, which says why.
    """
    shipped = gallery_names(folder, files)
    whole = is_shipped_folder(folder)
    if not whole:
        sweep(folder, files)
    rows = [
        _row(folder / f"{name}.safetensors", whole or name in shipped, files) for name in session_names(folder, files)
    ]
    return sorted(rows, key=lambda row: (-row.updated, row.name))


def list_gallery(files: Files = FILES) -> list[SessionRow]:
    """The sessions that ship with the lab, by name."""
    return sorted((row for row in list_sessions(gallery_folder(), files) if row.gallery), key=lambda row: row.name)


def row(path: Path, files: Files = FILES) -> SessionRow:
    """One session as a list shows it; its `fault` says why it can't be opened. Never raises SessionError."""
    return _row(path, is_gallery(path, files), files)


def _row(path: Path, gallery: bool, files: Files) -> SessionRow:
    try:
        check_name(name_of(path))
        with opened(path, files) as (_, stamp, summary):
            return _describe(path, summary, stamp.size, gallery)
    except SessionError as error:
        size, updated = 0, 0.0
        try:
            status = files.lstat(path)
            size, updated = status.st_size, status.st_mtime
        except OSError:
            pass
        return SessionRow(
            name=clean_line(name_of(path)), task="", model="", parameters=0, step=0, planned=0, tokens=0,
            train_loss=math.nan, val_loss=math.nan, best_loss=math.nan, updated=updated, size=size, source="",
            fault=str(error), gallery=gallery,
        )  # fmt: skip


def _describe(path: Path, summary: Summary, size: int, gallery: bool) -> SessionRow:
    config, progress = summary.config, summary.progress
    learned = (entry for name, entry in summary.header.tensors.items() if name.startswith("model."))
    values: dict[str, Any] = {
        key: progress[key] for key in ("step", "tokens", "train_loss", "val_loss", "best_loss", "updated")
    }
    return SessionRow(
        name=name_of(path),
        task=config.data.task,
        model=cell_line(config),
        parameters=sum(math.prod(entry.shape) for entry in learned),
        planned=progress["planned"] or config.training.steps,
        size=size,
        source=progress["title"] or config.data.path,
        notes=summary.header.metadata["notes"],
        busy="" if gallery else busy(path),
        gallery=gallery,
        config=config,
        val_metrics=_metrics(progress),
        **values,
    )


def _metrics(progress: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of the newest validation. What is no number there is left out: a list shows what it can."""
    kept = progress.get("val_metrics")
    if not isinstance(kept, dict):
        return {}
    return {
        clean_line(name)[:LONGEST_METRIC]: float(value)
        for name, value in list(kept.items())[:MOST_METRICS]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    }


def copy(folder: Path, name: str, to: str, files: Files = FILES) -> Path:
    """Copies a session (one of the gallery too, also one that is in use) to a new name in the folder.

    Returns the new file. Raises SessionError.
    """
    source = existing(folder, name, gallery_folder())
    target = refuse_taken(folder, to)
    with Lock(target, "copying"):
        copy_file(source, target, files)
    return target


def rename(folder: Path, name: str, to: str, files: Files = FILES, held: Lock | None = None) -> Path:
    """Gives a session another name; its contents are not touched. Returns the new file.

    `held` is the lock of a caller that has the session open; it follows to the new name.
    Raises SessionError: no such session, name taken, in use by another.
    """
    source = existing(folder, name)
    _ours(source, files)
    # Only the case differs: on some file systems that is the file itself, so nothing else can be in the way.
    same = name_of(source).casefold() == to.casefold()
    target = path_of(folder, to) if same else refuse_taken(folder, to)
    if target == source:
        return source
    if same and stamp(target, files) not in (None, stamp(source, files)):
        raise SessionError(f"there is a session {name_of(target)} already; choose another name")
    lock = held if held is not None and held.path == source and held.held else Lock(source, "renaming").acquire()
    try:
        _move(source, target, same, files)
    except OSError as error:
        what, remedy = reason(error, folder)
        raise SessionError(f"{name} was not renamed: {what}; {remedy}") from error
    else:
        if lock is held:
            lock.move(target)
        else:
            lock.discard()
    finally:
        if lock is not held:
            lock.release()
    return target


def _move(source: Path, target: Path, same: bool, files: Files) -> None:
    if same:
        files.replace(source, target)
    else:
        try:
            # Unlike a rename, a link never replaces what came there meanwhile.
            files.link(source, target)
        except FileExistsError:
            raise SessionError(f"there is a session {name_of(target)} already; choose another name") from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            files.replace(source, target)
        else:
            files.unlink(source)
    for path in _belonging(source, files):
        files.replace(path, target.with_name(f".{name_of(target)}" + path.name.removeprefix(f".{name_of(source)}")))
    files.fsync_folder(target.parent)


def delete(folder: Path, name: str, files: Files = FILES, held: Lock | None = None) -> None:
    """Removes a session and its companions, for good. Raises SessionError."""
    path = existing(folder, name)
    _ours(path, files)
    lock = held if held is not None and held.path == path and held.held else Lock(path, "deleting").acquire()
    try:
        # The session last: an earlier save must never outlive it and pass for one of the next of that name.
        for gone in (*_belonging(path, files), path):
            files.unlink(gone)
        files.fsync_folder(folder)
    except OSError as error:
        what, remedy = reason(error, folder)
        raise SessionError(f"{name} was not deleted: {what}; {remedy}") from error
    else:
        lock.discard()
    finally:
        if lock is not held:
            lock.release()


def _ours(path: Path, files: Files) -> None:
    if is_gallery(path, files):
        raise SessionError(f"{name_of(path)} belongs to the gallery and can't be changed; copy it instead")


def _belonging(path: Path, files: Files) -> list[Path]:
    """The companions that are there, the lock apart: it is held meanwhile."""
    aside = re.compile(re.escape(f".{name_of(path)}.damaged-") + r"\d{8}T\d{6}Z\.safetensors")
    wanted = {companion(path, kind).name for kind in _COMPANIONS}
    return [path.with_name(n) for n in files.names(path.parent) if n in wanted or aside.fullmatch(n)]

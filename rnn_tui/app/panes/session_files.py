"""What the Sessions pane does to files, on a thread: nothing here touches the screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rnn_tui import session
from rnn_tui.views import SessionRow, Status


def read_folder(folder: Path, known: Any) -> tuple[Any, tuple[SessionRow, ...]] | None:
    """A stamp of the folder and its sessions, then those that ship; None if the stamp is the known one."""
    try:
        status = folder.stat()
        stamp: Any = (status.st_mtime_ns, status.st_ino)
    except OSError:
        stamp = "none"
    if stamp == known:
        return None
    rows = session.list_sessions(folder)
    present = {row.name for row in rows if row.gallery}
    return stamp, (*rows, *(row for row in session.list_gallery() if row.name not in present))


def write_notes(folder: Path, name: str, text: str) -> None:
    """Keep notes in a session that is not open. Raises SessionError."""
    path = session.existing(folder, name)
    with session.Lock(path, "writing notes"):
        file = session.load(path)
        file.notes = text
        session.save(path, file, expect=file.stamp)


def live_row(row: SessionRow, status: Status) -> SessionRow:
    """The open session as it is now: its file is older."""
    return replace(
        row, step=status.step, planned=status.planned, tokens=status.tokens, train_loss=status.train_loss,
        val_loss=status.val_loss, best_loss=status.best_loss, val_metrics=status.val_metrics,
    )  # fmt: skip


def unsaved_row(status: Status) -> SessionRow:
    """The open session as a row, before its first save."""
    config = status.config
    assert config is not None
    return SessionRow(
        name=status.session, task=config.data.task, model=session.cell_line(config), parameters=0, step=status.step,
        planned=status.planned, tokens=status.tokens, train_loss=status.train_loss, val_loss=status.val_loss,
        best_loss=status.best_loss, updated=0.0, size=0, source=config.data.path, config=config,
        val_metrics=status.val_metrics,
    )  # fmt: skip

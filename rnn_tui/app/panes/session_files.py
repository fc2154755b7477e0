"""What the Sessions pane does to files, on a thread: nothing here touches the screen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnn_tui import session
from rnn_tui.app.widgets.session_rows import Entry
from rnn_tui.app.widgets.status import follows, rate, writer
from rnn_tui.lab.measures import measures
from rnn_tui.session.elsewhere import Elsewhere, elsewhere
from rnn_tui.session.live import SILENT_AFTER, Live
from rnn_tui.views import NO_ANSWER, Phase, SessionRow, Status

GALLERY = "shipped with the lab"


def read_folder(folder: Path, known: Any, watch: Watch) -> tuple[Any, tuple[SessionRow, ...], People] | None:
    """A stamp of the folder, its sessions, then those that ship, and who has which; None for the known stamp."""
    try:
        status = folder.stat()
        stamp: Any = (status.st_mtime_ns, status.st_ino)
    except OSError:
        stamp = "none"
    if stamp == known:
        return None
    rows = session.list_sessions(folder)
    present = {row.name for row in rows if row.gallery}
    shipped = (row for row in session.list_gallery() if row.name not in present)
    return stamp, (*rows, *shipped), watch.look(folder, names_in_use(rows))


def names_in_use(rows: Iterable[SessionRow]) -> list[str]:
    """The sessions that another program had when the folder was read."""
    return [row.name for row in rows if row.busy and not row.fault]


def free_name(folder: Path, name: str) -> str:
    """A name like that one which no session has; the name itself where none can be found."""
    try:
        return session.free_name(folder, name)
    except session.SessionError:
        return name


def taken(folder: Path, name: str) -> str:
    """Why no new session can have that name; empty where one can."""
    try:
        found = session.find(folder, name)
    except session.SessionError as error:
        return str(error)
    return f"there is a session {session.name_of(found)} already; choose another name" if found else ""


def write_notes(folder: Path, name: str, text: str) -> None:
    """Keep notes in a session that is not open. Raises SessionError."""
    path = session.existing(folder, name)
    with session.Lock(path, "writing notes"):
        file = session.load(path)
        file.notes = text
        session.save(path, file, expect=file.stamp)


def live_row(row: SessionRow, status: Status) -> SessionRow:
    """The open session as it is now: its file is older."""
    busy = f"{status.writer_phase}, {writer(status)}" if follows(status) else ""
    return replace(
        row, step=status.step, planned=status.planned, tokens=status.tokens, train_loss=status.train_loss,
        val_loss=status.val_loss, best_loss=status.best_loss, val_metrics=status.val_metrics, busy=busy,
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


People = dict[str, Elsewhere]
"""Of each session that another program has, which one that is."""


class Watch:
    """Looks who has which session, and how far it is there. Used by one thread at a time."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[tuple[int, int], float]] = {}
        """The newest beat of each writer, and when it was first seen: clocks of two machines need not agree."""

    def look(self, folder: Path, names: Iterable[str]) -> People:
        """Those of the sessions that another program has now."""
        found: People = {}
        for name in names:
            there = elsewhere(session.path_of(folder, name))
            if there is None:
                continue
            if there.live is not None and self._silent(name, there.live):
                there = replace(there, doing=NO_ANSWER)
            found[name] = there
        return found

    def _silent(self, name: str, live: Live) -> bool:
        now, beat = time.monotonic(), (live.pid, live.beat)
        if self._beats.get(name, ((0, 0), 0.0))[0] != beat:
            self._beats[name] = (beat, now)
        return now - self._beats[name][1] > SILENT_AFTER


def _with_speed(row: SessionRow, there: Elsewhere) -> SessionRow:
    told = measures(row.config).counted if row.config else ""
    speed = rate(there.live.tokens_per_second, told) if there.live and there.doing == Phase.TRAINING else ""
    row = there.row(row)
    return replace(row, busy=f"{row.busy}, {speed}") if speed else row


def entries(rows: Sequence[SessionRow], status: Status, people: People) -> list[Entry]:
    """The list's lines: sessions of the folder, the open one and those of other programs as they are now."""
    own = [row for row in rows if not row.gallery]
    if status.session and status.config is not None and not any(row.name == status.session for row in own):
        own.insert(0, unsaved_row(status))
    shown = []
    for row in own:
        there = people.get(row.name)
        if row.name == status.session:
            doing = status.writer_phase if follows(status) else ""
            if row.fault and status.config is not None:
                # What happened to its file does not keep anybody from saving what is here under another name.
                row = unsaved_row(status)
            shown.append(Entry(row.name, live_row(row, status), open=True, doing=doing))
        elif there is not None:
            shown.append(Entry(row.name, _with_speed(row, there), doing=there.doing))
        else:
            shown.append(Entry(row.name, replace(row, busy="")))
    shipped = [row for row in rows if row.gallery]
    if shipped:
        shown.append(Entry("", heading=GALLERY))
        shown += [Entry(f"/{row.name}", row) for row in shipped]
    return shown

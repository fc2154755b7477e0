"""Sessions: the files of the folder, what is in each, and what can be done to one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.worker import Worker, WorkerState

from rnn_tui import session
from rnn_tui.app.pane import Pane
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.build_words import SESSIONS_HELP
from rnn_tui.app.panes.session_files import (
    People,
    Watch,
    entries,
    free_name,
    names_in_use,
    read_folder,
    taken,
    write_notes,
)
from rnn_tui.app.widgets.session_list import SessionList
from rnn_tui.app.widgets.session_rows import facts
from rnn_tui.app.widgets.status import follows, trains, writer
from rnn_tui.lab import LabError
from rnn_tui.model.shapes import size as bytes_words
from rnn_tui.symbols import clean_line
from rnn_tui.views import SessionRow, Status

LIVE_EVERY = 1.0
"""Seconds from one drawing of the open session's numbers to the next."""
LOOK_EVERY = 20
"""Ticks from one look at the folder to the next."""
LIST, WATCH, WORK = "sessions-list", "sessions-watch", "sessions-work"
ACTIONS_BEFORE_LIST = 50
"""Keys that are kept for the moment the list is there."""


class SessionsPane(Pane):
    """The sessions of the Lab's folder. Files are read and changed on a thread of their own."""

    PANE: ClassVar[str] = "sessions"
    TITLE: ClassVar[str] = "Sessions"
    HELP: ClassVar[str] = SESSIONS_HELP
    DEFAULT_CSS = """
    SessionsPane { layout: vertical; overflow: hidden hidden; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.sessions: tuple[SessionRow, ...] | None = None
        """None until the folder was read."""
        self._stamp: Any = None
        self._ticks = 0
        self._listing = False
        """Whether a thread reads the folder, or looks what other programs do with its sessions."""
        self._elsewhere: People = {}
        self._watch = Watch()
        self._open = ""
        self._working = ""
        """What is being done to a file, in words; empty where nothing is."""
        self._then: Callable[[], None] | None = None
        self._waiting: list[str] = []
        self._wanted = ""
        self._drawn: tuple[Any, ...] = ()
        self._drawn_at = 0.0
        self._list = SessionList(self._notes, id="session-list")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw, True)

    # What the app asks of a pane

    def shown(self) -> None:
        self._look(again=True)
        self._draw(True)

    def tick(self, status: Status) -> None:
        self._ticks += 1
        if status.session != self._open or self._ticks % LOOK_EVERY == 0:
            # Another session is open, or this one has another name: the list is read at once.
            self._look()
            self._open = status.session
        elif self._ticks % LOOK_EVERY == LOOK_EVERY // 2:
            self._look_elsewhere()
        self._draw()

    def act(self, action: str) -> None:
        if self.sessions is None and len(self._waiting) < ACTIONS_BEFORE_LIST:
            # Typed ahead of the list: done when it is there, in their order.
            self._waiting.append(action)
            return
        super().act(action)

    def allows(self, action: str) -> bool:
        row = self.selected
        if self.sessions is None:
            return super().allows(action)
        if action in ("up", "down"):
            return self._list.more
        if action == "open":
            return row is not None and not row.fault and not self._is_open(row)
        if action == "take":
            return row is not None and not row.fault and self._is_elsewhere(row)
        if action == "edit":
            return row is not None and not row.fault and not row.gallery
        if action == "delete":
            return row is not None and not row.gallery
        if action == "save_as":
            return row is not None and not row.fault
        return super().allows(action)

    def label_of(self, action: str) -> str:
        row = self.selected
        if action == "save_as" and row is not None and not self._is_ours(row):
            return "copy"
        return "follow" if action == "open" and row is not None and self._is_elsewhere(row) else ""

    def state(self) -> dict[str, Any]:
        return {}

    def help_values(self) -> dict[str, str]:
        values = {"Folder": str(self.lab.folder.absolute())}
        row = self.selected
        if row is not None:
            values["Session"] = row.name
            values |= dict(facts(row, self._notes(row)))
        return values

    def copy_text(self) -> str:
        row = self.selected
        if row is None or row.fault:
            return row.fault if row else ""
        return str(session.path_of(session.gallery_folder() if row.gallery else self.lab.folder, row.name))

    @property
    def selected(self) -> SessionRow | None:
        """The session under the cursor."""
        return self._list.selected

    # Actions

    def do_up(self) -> None:
        self._list.move(-1)
        self.host.keys_changed()

    def do_down(self) -> None:
        self._list.move(1)
        self.host.keys_changed()

    def do_new(self) -> None:
        build = self.host.pane("build")
        if isinstance(build, BuildPane):
            self.host.go("build")
            build.begin_new()

    def do_open(self) -> None:
        row = self.selected
        if row is None or row.fault or self._is_open(row):
            return
        if row.gallery:
            self._copy_and_open(row.name)
        else:
            self.host.say(f"opening {row.name} ...")
            self.lab.open(row.name)

    def do_take(self) -> None:
        row = self.selected
        if row is not None and not row.fault and self._is_elsewhere(row):
            self.host.take_over(row.name)

    def do_save_as(self) -> None:
        row = self.selected
        if row is None or row.fault:
            return
        if self._is_ours(row):
            self.host.ask_text(
                f"Save {row.name} as", "A name for the session from now on, or DIR/NAME for another folder; the file "
                "under the old name stays.",
                free_name(self.lab.folder, row.name), self._save_as,
            )  # fmt: skip
        else:
            self.host.ask_text(
                f"Copy {row.name} to", "A name for the copy.", free_name(self.lab.folder, row.name),
                partial(self._copy_to, row.name),
            )  # fmt: skip

    def do_edit(self) -> None:
        row = self.selected
        if row is None or row.fault or row.gallery:
            return
        if self._is_elsewhere(row):
            self._refuse(row)
            return
        self.host.ask_text(
            f"Name of {row.name}", "Letters, digits, dots, dashes and underscores. Then come its notes.", row.name,
            partial(self._renamed, row),
        )  # fmt: skip

    def do_delete(self) -> None:
        row = self.selected
        if row is None or row.gallery:
            return
        if self._is_open(row):
            also = " and trains" if trains(self.lab.status) else ""
            self.host.say(f"open another session first: {row.name} is open{also}", error=True)
            return
        if self._is_elsewhere(row):
            self._refuse(row)
            return
        steps = f"{row.step:,} steps" if not row.fault else "a file that can't be opened"
        self.host.ask(
            f"Delete {row.name}?", f"{steps}, {bytes_words(row.size)}. It can't be brought back.",
            [("enter", "delete it", partial(self._delete, row.name))],
        )  # fmt: skip

    # What the actions do

    def _refuse(self, row: SessionRow) -> None:
        there = self._elsewhere.get(row.name)
        who = there.who if there else writer(self.lab.status)
        self.host.say(f"{row.name} is in use by {who}; t takes it over", error=True)

    def _notes(self, row: SessionRow) -> str:
        return self.lab.notes if self._is_open(row) else row.notes

    def _is_open(self, row: SessionRow) -> bool:
        return not row.gallery and row.name == self.lab.status.session

    def _is_ours(self, row: SessionRow) -> bool:
        """Whether it is open, and no other program has it."""
        return self._is_open(row) and not follows(self.lab.status)

    def _is_elsewhere(self, row: SessionRow) -> bool:
        """Whether another program has it."""
        if self._is_open(row):
            return follows(self.lab.status)
        return not row.gallery and row.name in self._elsewhere

    def _save_as(self, name: str) -> str:
        try:
            self.lab.save_as(name.strip())
        except LabError as error:
            return str(error)
        self._wanted = Path(name.strip()).name
        return ""

    def _copy_to(self, name: str, to: str) -> str:
        to = to.strip()
        wrong = taken(self.lab.folder, to)
        if not wrong:
            self._wanted = to
            self._work(f"{name} copied to {to}", partial(session.copy, self.lab.folder, name, to))
        return wrong

    def _copy_and_open(self, name: str) -> None:
        to = free_name(self.lab.folder, name)

        def copied() -> None:
            session.copy(self.lab.folder, name, to)

        self._wanted = to
        self._work(f"opening a copy of {name}", copied, then=lambda: self.lab.open(to))

    def _delete(self, name: str) -> None:
        self._work(f"{name} deleted", partial(session.delete, self.lab.folder, name))

    def _renamed(self, row: SessionRow, name: str) -> str:
        name, is_open = name.strip(), self._is_open(row)
        if name != row.name:
            wrong = taken(self.lab.folder, name) if name.casefold() != row.name.casefold() else ""
            if wrong:
                return wrong
            if is_open:
                try:
                    self.lab.rename(name)
                except LabError as error:
                    return str(error)
                self._wanted = name
                build = self.host.pane("build")
                if isinstance(build, BuildPane):
                    build.draft.expect_name(name)
            else:
                self._wanted = name
                self._work(f"{row.name} is now {name}", partial(session.rename, self.lab.folder, row.name, name))
        # Once this dialog has closed.
        self.call_next(self._ask_notes, replace(row, name=name), is_open)
        return ""

    def _ask_notes(self, row: SessionRow, is_open: bool) -> None:
        notes = self.lab.notes if is_open else row.notes
        # One line to type in: the notes' lines are kept apart by the sign of a line feed.
        self.host.ask_text(
            f"Notes on {row.name}", "Whatever you want to remember. Empty: none.", notes.replace("\n", " "),
            partial(self._note, row.name, notes, is_open),
        )  # fmt: skip

    def _note(self, name: str, before: str, is_open: bool, text: str) -> str:
        text = text.strip()
        if text == before.replace("\n", " ").strip():
            return ""
        if is_open:
            self.lab.set_notes(text)
            self.lab.save()
            self.host.say(f"notes on {name} changed")
        else:
            self._work(f"notes on {name} kept", partial(write_notes, self.lab.folder, name, text))
        return ""

    # The thread

    def _look(self, again: bool = False) -> None:
        """Read the folder if it changed since the last time; `again`: in any case."""
        if self._listing or self._working or not self.is_attached:
            return
        self._listing = True
        self.run_worker(
            partial(read_folder, self.lab.folder, None if again else self._stamp, self._watch),
            thread=True, group=LIST, name=LIST, exit_on_error=False,
        )  # fmt: skip

    def _look_elsewhere(self) -> None:
        """See what other programs do with the sessions that they have; the folder is not read for that."""
        names = names_in_use(self.sessions or ())
        if names and not self._listing and not self._working:
            self._listing = True
            look = partial(self._watch.look, self.lab.folder, names)
            self.run_worker(look, thread=True, group=WATCH, name=WATCH, exit_on_error=False)

    def _work(self, told: str, call: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        """Do something to a file on a thread; say what came of it, read the folder again."""
        if self._working:
            # A rename is followed by notes: they wait for it.
            self.set_timer(0.1, partial(self._work, told, call, then))
            return
        self._working = told

        def work() -> str:
            try:
                call()
            except session.SessionError as error:
                return str(error)
            return ""

        self._then = then

        self.run_worker(work, thread=True, group=WORK, name=WORK, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        worker = event.worker
        if worker.state not in (WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED):
            return
        event.stop()
        failed = worker.error if worker.state is WorkerState.ERROR else None
        if worker.group == LIST:
            self._listing = False
            if worker.state is WorkerState.SUCCESS and worker.result is not None:
                self._stamp, self.sessions, self._elsewhere = worker.result
            elif failed is not None:
                self.sessions = self.sessions or ()
                self.host.say(f"the folder can't be listed: {failed}", error=True)
            self._draw(True)
            waiting, self._waiting = self._waiting, []
            for action in waiting:
                if self.allows(action):
                    self.act(action)
        elif worker.group == WATCH:
            self._listing = False
            if worker.state is WorkerState.SUCCESS:
                self._elsewhere = worker.result or {}
                self._draw()
                self.host.keys_changed()
        elif worker.group == WORK:
            told, then = self._working, self._then
            self._working, self._then = "", None
            wrong = f"that failed: {failed}" if failed is not None else worker.result or ""
            if wrong:
                self._wanted = ""
            self.host.say(wrong or told, error=bool(wrong))
            if then is not None and not wrong:
                then()
            self._look(again=True)

    # Drawing

    def _draw(self, anyway: bool = False) -> None:
        if not self.is_mounted:
            return
        status = self.lab.status
        of_list = (self.sessions, status.session, self._working, self._elsewhere)
        seen = (*of_list, status.step, status.val_loss)
        now = time.monotonic()
        # What the open session is at changes all the time: once a second is enough to read.
        due = seen != self._drawn and (of_list != self._drawn[: len(of_list)] or now >= self._drawn_at + LIVE_EVERY)
        if not (due or anyway):
            return
        self._drawn, self._drawn_at = seen, now
        shown = entries(self.sessions or (), status, self._elsewhere)
        wanted = self._wanted if any(entry.key == self._wanted for entry in shown) else None
        if wanted:
            self._wanted = ""
        if not shown:
            folder = clean_line(str(self.lab.folder))
            empty = [f"There are no sessions in {folder} yet.", "", "n begins one: Build opens with a network that "
                     "is ready, and space trains it. It is saved by itself."]  # fmt: skip
            self._list.show_words([f"reading {folder} ..."] if self.sessions is None else empty)
            return
        if wanted is None and not self._list.filled and status.session:
            wanted = status.session
        self._list.show(shown, wanted)

"""The sessions of a folder: their columns, the list, and what is known of the one under the cursor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from rnn_tui.app.widgets.row import Line, Lines, wrap
from rnn_tui.app.widgets.session_rows import Entry, SessionRows, detail_lines
from rnn_tui.views import SessionRow


class SessionList(Widget, can_focus=False):
    """A list with a cursor, its headings above it, and below it the facts of the session under the cursor."""

    DEFAULT_CSS = """
    SessionList { layout: vertical; height: 1fr; overflow: hidden hidden; }
    SessionList #session-columns { height: 1; }
    SessionList #session-rows { height: 1fr; }
    SessionList #session-details { height: 7; }
    SessionList.-low #session-details { height: 3; }
    """

    def __init__(self, notes: Callable[[SessionRow], str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._notes = notes
        self._columns = Lines(id="session-columns")
        self._rows = SessionRows(id="session-rows")
        self._details = Lines(id="session-details")

    def compose(self) -> ComposeResult:
        yield self._columns
        yield self._rows
        yield self._details

    def on_resize(self) -> None:
        self.set_class(self.size.height < 16, "-low")

    @property
    def selected(self) -> SessionRow | None:
        """The session under the cursor."""
        entry = self._rows.selected
        return entry.row if entry else None

    @property
    def filled(self) -> bool:
        """Whether sessions are shown."""
        return bool(self._rows.rows)

    @property
    def more(self) -> bool:
        """Whether the cursor has anywhere to go."""
        return len(self._rows.rows) > 1

    def move(self, by: int) -> None:
        """Take the cursor down by so many sessions, up if negative."""
        self._rows.move(by)
        self._draw_details()

    def move_to(self, key: str) -> None:
        """Take the cursor to a session, if it is in the list."""
        self._rows.move_to(key)
        self._draw_details()

    def show(self, entries: Sequence[Entry], cursor: str | None) -> None:
        """These sessions; the cursor goes to `cursor`, or stays where it is."""
        self._rows.now = time.time()
        self._rows.choose_columns(entries)
        self._columns.put([self._rows.heading()])
        self._rows.show_rows(entries, cursor)
        self._draw_details()

    def show_words(self, paragraphs: Sequence[str]) -> None:
        """Words in the place of a list that has nothing in it."""
        width = max(self._rows.size.width - 2, 8)
        self._columns.put([])
        self._rows.show_rows(())
        self._rows.put(Line(((" " + row, "quiet"),)) for part in paragraphs for row in (wrap(part, width) or [""]))
        self._details.put([])

    def _draw_details(self) -> None:
        entry = self._rows.selected
        if entry is not None and entry.row is not None:
            width, height = self._details.size
            self._details.put(detail_lines(entry.row, self._notes(entry.row), entry.open, width, height))

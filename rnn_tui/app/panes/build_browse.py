"""A file is chosen: a path that is typed, and below it the files that it may mean."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widget import Widget

from rnn_tui.app.panes.build_folder import Found, Listing, Reader, fits
from rnn_tui.app.widgets.path_field import PathField, complete_path
from rnn_tui.app.widgets.row import Line, Lines, Rows, fit, pad
from rnn_tui.model.shapes import size
from rnn_tui.symbols import clean_line

HINT = [
    ("enter", "take"),
    ("escape", "back"),
    ("\u2191\u2193", "file"),
    ("\u2190", "go up"),
    ("tab", "complete"),
]
"""What the key bar says while a file is chosen."""
HERE = "."
"""Key of the row that takes the folder itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row: something that can be taken or gone into, or a heading (no key)."""

    key: str = ""
    """What is taken: a path, or the name of something built in."""
    name: str = ""
    detail: str = ""
    folder: bool = False


class Places(Rows[Place]):
    """The list; while nothing of it is aimed at, enter takes what stands in the field."""

    aimed = False

    def draw_row(self, row: Place, width: int, selected: bool) -> Line:
        if not row.key:
            name = fit(row.name, max(width - 4, 1), tail=True)
            rule = "─" * max(width - cell_len(name) - 3, 0)
            return Line(((f" {name} ", "heading"), (rule, "dim")))
        room = max(width - 2, 1)
        detail = row.detail if cell_len(row.detail) + 10 <= room else ""
        name = pad("  " + row.name, room - cell_len(detail))
        tone = "label" if row.folder else "value"
        return Line(((name, tone), (detail, "quiet"), ("  ", "")), "cursor" if selected and self.aimed else "")


class Keys(Protocol):
    """What the field hands on to the list below it."""

    def pressed(self, key: str) -> bool:
        """A key that the list understands; False leaves it to the field."""

    def wrote(self, text: str) -> bool:
        """Something is typed or pasted; False leaves it to the field."""

    def changed(self) -> None:
        """The field holds another text now."""


class BrowseField(PathField):
    """A path being typed; arrows and the first letters mean something to the list below it."""

    keys: Keys

    def feed(self, key: str, character: str | None) -> bool:
        if self.keys.pressed(key):
            return True
        before = self.value
        done = super().feed(key, character)
        if self.value != before:
            self.keys.changed()
        return done

    def paste(self, text: str) -> None:
        if not self.keys.wrote(self._allowed(text)):
            super().paste(text)
        self.keys.changed()


class Browser(Widget, can_focus=False):
    """Files and folders by keyboard alone.

    Up and down choose, enter goes into a folder or takes a file, left and backspace go up, letters narrow the list
    down or make a path.
    """

    DEFAULT_CSS = """
    Browser { layout: vertical; height: 1fr; display: none; }
    Browser > #browse-note { height: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.field = BrowseField()
        self.field.keys = self
        self.places = Places()
        self._note = Lines(id="browse-note")
        self._reader = Reader()
        self._listing: Listing | None = None
        self._fixed: tuple[tuple[str, tuple[Place, ...]], ...] = ()
        self._opening = ""
        self._untouched = True
        self._aim = ""
        """Key that the cursor goes to once it is listed."""

    def compose(self) -> ComposeResult:
        yield self.field
        yield self.places
        yield self._note

    # What the pane asks

    def begin(self, value: str, fixed: Iterable[tuple[str, Sequence[Place]]] = ()) -> None:
        """Show what may be taken in the place of `value`; `fixed`: headings, and what is there without a folder."""
        self._opening, self._aim = value, value
        self._fixed = tuple((heading, tuple(places)) for heading, places in fixed if places)
        self._untouched = True
        self._listing = None
        self._look()

    def take(self) -> str | None:
        """What enter means now: a path to take, or None where it went into a folder."""
        row = self.places.selected if self.places.aimed else None
        if row is None:
            return self._opening if self._untouched else os.path.expanduser(self.field.value.strip())
        if row.folder and row.key != HERE:
            self._enter(row.key)
            return None
        if row.key == HERE:
            return os.path.abspath(self._folder or ".")
        if any(0xD800 <= ord(c) <= 0xDFFF for c in row.key):
            self._say("its name is not UTF-8: rename the file to use it", "bad")
            return None
        return row.key

    def tick(self) -> None:
        """Take the folder that was being read."""
        listing = self._reader.take()
        if listing is not None:
            self._listing = listing
            self._show()

    # What the field asks

    def pressed(self, key: str) -> bool:
        """Keys of the list."""
        rows = max(self.places.size.height - 1, 1)
        steps = {"up": -1, "down": 1, "pageup": -rows, "pagedown": rows}
        if key in steps:
            if self.places.aimed:
                self.places.move(steps[key])
            else:
                self.places.aimed = True
                self.places.redraw()
            return True
        if key == "tab":
            self._untouched = False
            self.field.set(complete_path(self.field.value))
            self.changed()
            return True
        at_end = self._untouched or self.field.at_end
        if (key == "left" and at_end) or (key == "backspace" and (self._untouched or not self._narrowed)):
            self._up()
            return True
        if key == "right" and at_end:
            row = self.places.selected if self.places.aimed else None
            if row is not None and row.folder and row.key != HERE:
                self._enter(row.key)
            return True
        return False

    def wrote(self, text: str) -> bool:
        """The first letters narrow down the folder that is listed; a path from the root stands for itself."""
        begins = text.startswith(("/", "~"))
        if begins and (self._untouched or not self._narrowed):
            self.field.set("~/" if text == "~" else text)
        elif self._untouched:
            self.field.set(self._folder + text)
        else:
            return False
        self._untouched = False
        return True

    def changed(self) -> None:
        """The field holds another text: list what it may mean."""
        self._untouched = False
        self._aim = ""
        self._look()

    # Where it is

    @property
    def _folder(self) -> str:
        """The folder that is listed, with its slash, as it was typed; empty: the one the lab was started in."""
        text = self._opening if self._untouched else self.field.value
        if self._untouched and text.startswith("builtin:"):
            return ""
        return text[: text.rfind("/") + 1]

    @property
    def _narrowed(self) -> str:
        """The letters that the names must hold."""
        return "" if self._untouched else self.field.value[len(self._folder) :]

    def _enter(self, folder: str) -> None:
        self._go(folder, "")

    def _up(self) -> None:
        now = os.path.abspath(os.path.expanduser(self._folder) or ".")
        self._go(os.path.dirname(now), now)

    def _go(self, folder: str, aim: str) -> None:
        self._untouched = False
        self.field.set(folder.rstrip("/") + "/")
        self._aim = aim
        self._look()

    def _look(self) -> None:
        """Read the folder anew where what is known of it is not enough; then show it."""
        folder, narrowed = os.path.expanduser(self._folder), self._narrowed
        known = self._listing
        if (
            known is None
            or known.folder != folder
            or ((known.more or known.narrowed) and not narrowed.startswith(known.narrowed))
            or (known.more and narrowed != known.narrowed)
        ):
            if known is not None and known.folder != folder:
                self._listing = None
            self._reader.want(folder, narrowed if known is not None and known.more else "")
            self._listing = self._reader.take() or self._listing
        self._show()

    # Drawing

    def _show(self) -> None:
        rows = self._rows()
        keys = [row.key for row in rows if row.key and row.key != HERE]
        aim = self._aim if self._aim in keys else ""
        if aim:
            self._aim = ""
        elif not self._untouched and keys:
            aim = self._likeliest(rows)
        self.places.aimed = bool(aim) or (self.places.aimed and not self._untouched and bool(keys))
        self.places.top = 0
        self.places.show_rows(rows, aim or None)
        self._tell()

    def _likeliest(self, rows: Sequence[Place]) -> str:
        """What the letters mean first of all: the very name, a name that begins so, or the first in the list."""
        wanted = self._narrowed.casefold()
        named = [(row.name.rstrip("/").casefold(), row.key) for row in rows if row.key and row.key != HERE]
        exact = (key for name, key in named if name == wanted)
        begun = (key for name, key in named if name.startswith(wanted))
        return next(exact, "") or next(begun, "") or named[0][1]

    def _rows(self) -> list[Place]:
        narrowed, folder = self._narrowed, self._folder
        rows: list[Place] = []
        if self._untouched or not folder:
            for heading, places in self._fixed:
                those = [place for place in places if fits(place.name, narrowed)]
                rows += [Place(name=heading), *those] if those else []
        where = os.path.abspath(os.path.expanduser(folder) or ".")
        rows.append(Place(name=clean_line(where)))
        listing = self._listing
        if listing is not None:
            rows += [_place(where, found) for found in listing.found if fits(found.name, narrowed)]
            if not self._untouched and folder and not narrowed and not listing.trouble:
                rows.append(Place(HERE, "all of this folder", "a folder for each label"))
        return rows

    def _tell(self) -> None:
        listing = self._listing
        if listing is None:
            self._say("reading the folder ...", "warn")
        elif listing.trouble:
            self._say(f"can't be listed: {listing.trouble}", "bad")
        elif listing.more:
            self._say("more files than can be listed: type a part of the name", "warn")
        elif not any(fits(found.name, self._narrowed) for found in listing.found):
            self._say("no file of that name here" if self._narrowed else "no files here", "quiet")
        else:
            self._say("letters narrow down, / and ~ begin a path", "quiet")

    def _say(self, words: str, tone: str) -> None:
        self._note.put([Line(((" " + clean_line(words), tone),))])


def _place(folder: str, found: Found) -> Place:
    path = os.path.join(folder, found.name)
    shown = clean_line(found.name)
    return Place(path, shown + "/", "folder", True) if found.folder else Place(path, shown, size(found.size))

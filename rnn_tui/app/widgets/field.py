"""A line to type in, that never needs the focus: the app hands it its keys, so none is lost or late."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from rnn_tui.symbols import sign, width

LONGEST = 4096
"""Symbols a field takes; what is pasted beyond is cut."""


class Field(Widget):
    """One line of text with a cursor; it shows line feeds as `⏎`, so a pasted text stays whole.

    `begin` opens it, `feed` gives it a key, `paste` a text, `restore` brings back what it held when it was opened.
    `value` is the text; control characters other than line feed and tab are dropped.
    """

    can_focus = False
    DEFAULT_CSS = """
    Field { height: 1; width: 1fr; background: $surface; }
    Field.-open { background: $boost; }
    """

    def __init__(
        self, value: str = "", *, lines: bool = False, longest: int = LONGEST, id: str | None = None,
        classes: str | None = None,
    ) -> None:  # fmt: skip
        """`lines`: whether line feeds may be pasted; otherwise they become spaces."""
        super().__init__(id=id, classes=classes)
        self.value = value
        self.lines = lines
        self.longest = longest
        self.open = False
        self.cut = 0
        """Symbols that the last paste was too long by."""
        self._cursor = len(value)
        self._before = value
        self._left = 0

    def begin(self, value: str | None = None) -> None:
        """Open it, with a text of its own or the one it holds, the cursor behind it."""
        if value is not None:
            self.value = self._allowed(value)[: self.longest]
        self._before = self.value
        self._cursor = len(self.value)
        self.open = True
        self.add_class("-open")
        self.refresh()

    def end(self) -> None:
        """Close it; the text stays."""
        self.open = False
        self._left = 0
        self.remove_class("-open")
        self.refresh()

    def restore(self) -> None:
        """The text it held when it was opened."""
        self.value = self._before
        self._cursor = len(self.value)
        self.refresh()

    def set(self, value: str) -> None:
        """Replace the text from outside."""
        if value != self.value:
            self.value = value
            self._cursor = len(value)
            self._left = 0
            self.refresh()

    def paste(self, text: str) -> None:
        """Insert a text at the cursor, whole up to the field's longest."""
        text = self._allowed(text)
        room = self.longest - len(self.value)
        self.cut = max(0, len(text) - room)
        text = text[: max(0, room)]
        self.value = self.value[: self._cursor] + text + self.value[self._cursor :]
        self._cursor += len(text)
        self.refresh()

    @property
    def at_end(self) -> bool:
        """Whether the cursor stands behind the text."""
        return self._cursor == len(self.value)

    def feed(self, key: str, character: str | None) -> bool:
        """A key; True if it meant something here."""
        at, text = self._cursor, self.value
        match key:
            case "left":
                self._cursor = max(0, at - 1)
            case "right":
                self._cursor = min(len(text), at + 1)
            case "home" | "ctrl+a":
                self._cursor = 0
            case "end" | "ctrl+e":
                self._cursor = len(text)
            case "backspace" | "ctrl+h":
                self.value = text[: max(0, at - 1)] + text[at:]
                self._cursor = max(0, at - 1)
            case "delete":
                self.value = text[:at] + text[at + 1 :]
            case "ctrl+w":
                kept = text[:at].rstrip()
                kept = kept[: kept.rfind(" ") + 1]
                self.value = kept + text[at:]
                self._cursor = len(kept)
            case "ctrl+u":
                self.value = text[at:]
                self._cursor = 0
            case "ctrl+k":
                self.value = text[:at]
            case _:
                if not character or not character.isprintable() or key.startswith(("ctrl+", "alt+")):
                    return False
                self.paste(character)
                return True
        self.refresh()
        return True

    def _allowed(self, text: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if not self.lines:
            text = text.replace("\n", " ").replace("\t", " ")
        return "".join(c for c in text if c.isprintable() or c in "\n\t" or ord(c) > 0x9F)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def render_line(self, y: int) -> Strip:
        style = self.rich_style
        columns = self.size.width
        if y or columns <= 0:
            return Strip.blank(columns, style)
        self._scroll(columns)
        plain, marked = style, style + Style(reverse=True)
        segments: list[Segment] = []
        used = 0
        for index in range(self._left, len(self.value) + 1):
            at_end = index == len(self.value)
            # A space is a space here: a field is read as prose, not as timesteps.
            shown = " " if at_end or self.value[index] == " " else sign(self.value[index])
            wide = 1 if at_end else width(self.value[index])
            if used + wide > columns:
                break
            segments.append(Segment(shown, marked if self.open and index == self._cursor else plain))
            used += wide
        return Strip(segments).adjust_cell_length(columns, style).simplify()

    def _scroll(self, columns: int) -> None:
        """Move the left edge as little as keeps the cursor in sight."""
        self._left = min(self._left, self._cursor)
        while self._left < self._cursor:
            inside = sum(width(c) for c in self.value[self._left : self._cursor]) + 1
            if inside <= columns:
                break
            self._left += 1

"""Rows of one line each: what a form and a list are made of.

A line is a tuple of runs, a run is (text, name of a tone). Nothing here parses markup: what
a run holds is drawn as it is, and what comes from outside has passed `symbols.clean_line` before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rnn_tui.app.widgets.field import Field
from rnn_tui.app.widgets.tones import TONES, style_of

Run = tuple[str, str]

LEFT, RIGHT = "\u2039", "\u203a"
"""Small angles around a value that left and right change."""
ASCII_SIGNS = str.maketrans(f"─│┃┌┐└┘├┤┬┴┼╮╯◂▸▾↺←→{LEFT}{RIGHT}…·", "-|#+++++++++++<>v@<><>~.")
"""What stands for a sign that may be two columns wide, or missing, where only ASCII may be drawn."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a screen: runs from left to right, `under` a style for the whole row."""

    runs: tuple[Run, ...] = ()
    under: str = ""


def fit(text: str, width: int, *, tail: bool = False) -> str:
    """The text in at most `width` columns; what is cut shows as `…`, at the front with `tail`.

    Wide signs count two columns.
    """
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    if not tail:
        return set_cell_size(text, width - 1).rstrip() + "…"
    start = 0
    while cell_len(text[start:]) > width - 1:
        start += 1
    return "…" + text[start:]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` columns, at the left or, with `right`, at the right."""
    cut = fit(text, width)
    blank = " " * max(width - cell_len(cut), 0)
    return blank + cut if right else cut + blank


def wrap(text: str, width: int) -> list[str]:
    """The words of a text on lines of at most `width` columns; a longer word is broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while cell_len(word) > width:
            if line:
                lines.append(line)
                line = ""
            head = set_cell_size(word, width).rstrip()
            # A wide sign that does not fit a width of one must not loop for ever.
            taken = max(len(head), 1)
            lines.append(word[:taken])
            word = word[taken:]
        if not word:
            continue
        joined = f"{line} {word}" if line else word
        if cell_len(joined) > width:
            lines.append(line)
            line = word
        else:
            line = joined
    if line:
        lines.append(line)
    return lines


class Lines(Widget, can_focus=False):
    """Lines of text that redraw only where they changed."""

    DEFAULT_CSS = "Lines { height: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """What is drawn now, from the top."""
        return self._lines

    @property
    def text(self) -> str:
        """What is drawn now, without colours."""
        return "\n".join("".join(run for run, _ in line.runs).rstrip() for line in self._lines)

    def put(self, lines: Iterable[Line]) -> None:
        """Draw these lines; only the rows that differ from the last ones are sent."""
        old, self._lines = self._lines, tuple(lines)
        width = self.size.width
        if not self.is_mounted:
            return
        if not width:
            # Hidden: what it looked like when it was last shown must not come back.
            self.refresh()
            return
        changed = [
            Region(0, y, width, 1)
            for y in range(min(max(len(old), len(self._lines)), self.size.height))
            if y >= len(old) or y >= len(self._lines) or old[y] != self._lines[y]
        ]
        if changed:
            self.refresh(*changed)

    def tone(self, name: str) -> Style:
        """The style of a tone, or of a component class that a subclass has beside them."""
        found = TONES.get(name)
        if found is None:
            return self.get_component_rich_style(f"lines--{name}")
        theme = self.app.theme_variables
        ground = self.background_colors[1]
        return style_of(found, theme.get(found.colour, ""), theme.get(found.ground, ""), ground)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = self._lines[y] if y < len(self._lines) else Line()
        base = self.tone(line.under) if line.under else self.rich_style
        # Of two component styles Textual takes the last one's background: the row's is put over it.
        over = Style(bgcolor=base.bgcolor, bold=base.bold) if line.under else Style()
        ascii_only = getattr(self.app, "ascii_only", False)
        segments = []
        for text, style in line.runs:
            text = text.translate(ASCII_SIGNS) if ascii_only else text
            segments.append(Segment(text, self.tone(style) + over if style else base))
        return Strip(segments).adjust_cell_length(width, base)


class Selectable(Protocol):
    """What `Rows` asks of a row."""

    @property
    def key(self) -> str:
        """Its identity; the cursor stays on it when rows come and go. Empty: not selectable."""


R = TypeVar("R", bound=Selectable)


class Rows(Lines, Generic[R]):
    """A list with a cursor, longer than the screen: the cursor is always in view.

    A subclass says how one row is drawn with `draw_row`.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: tuple[R, ...] = ()
        self.cursor = 0
        self.top = 0

    def draw_row(self, row: R, width: int, selected: bool) -> Line:
        """One row on one line."""
        raise TypeError(f"{type(self).__name__} does not say how a row is drawn")

    @property
    def selected(self) -> R | None:
        """The row under the cursor."""
        if 0 <= self.cursor < len(self.rows) and self.rows[self.cursor].key:
            return self.rows[self.cursor]
        return None

    def show_rows(self, rows: Sequence[R], key: str | None = None) -> None:
        """Other rows; the cursor goes to `key`, else stays on its row, else as near as can be."""
        old, self.rows = self.rows, tuple(rows)
        places = {row.key: i for i, row in enumerate(self.rows) if row.key}
        by_nearness = sorted(range(len(old)), key=lambda i: abs(i - self.cursor))
        wanted = [key] if key is not None else [old[i].key for i in by_nearness]
        found = next((places[k] for k in wanted if k in places), None)
        if found is not None and key is None:
            # Rows above came or went: the cursor's line on the screen holds still.
            self.top += found - self.cursor
        self.cursor = found if found is not None else self._nearest(self.cursor)
        self.redraw()

    def move(self, by: int) -> bool:
        """Take the cursor `by` selectable rows down, up if negative; False if it stayed."""
        places = [i for i, row in enumerate(self.rows) if row.key]
        if not places:
            return False
        now = places.index(self.cursor) if self.cursor in places else 0
        return self._go(places[min(max(now + by, 0), len(places) - 1)])

    def move_to(self, key: str) -> bool:
        """Take the cursor to a row by its key; False if there is none or it is there."""
        found = next((i for i, row in enumerate(self.rows) if row.key == key and key), None)
        return found is not None and self._go(found)

    def _go(self, index: int) -> bool:
        moved = index != self.cursor
        self.cursor = index
        self.redraw()
        return moved

    def _nearest(self, index: int) -> int:
        places = [i for i, row in enumerate(self.rows) if row.key]
        return min(places, key=lambda i: abs(i - index), default=0)

    def redraw(self) -> None:
        """Draw what is in view."""
        width, height = self.size
        if not width or not height:
            return
        self._scroll(height)
        shown = self.rows[self.top : self.top + height]
        self.put(
            self._with_bar(self.draw_row(row, width - 1, self.top + y == self.cursor), y) for y, row in enumerate(shown)
        )

    def _scroll(self, height: int) -> None:
        # A row's heading above it and its notes below are seen with it.
        first = end = self.cursor
        while first and not self.rows[first - 1].key:
            first -= 1
        while end + 1 < len(self.rows) and not self.rows[end + 1].key:
            end += 1
        if end - first >= height:
            first = end = self.cursor
        top = min(max(self.top, end - height + 1), first)
        self.top = max(min(top, len(self.rows) - height), 0)

    def _with_bar(self, line: Line, y: int) -> Line:
        """The line with its piece of the scroll bar at the right edge."""
        width, height = self.size
        used = sum(cell_len(text) for text, _ in line.runs)
        blank = " " * max(width - 1 - used, 0)
        total = len(self.rows)
        if total <= height:
            return Line((*line.runs, (blank + " ", "")), line.under)
        length = max(height * height // total, 1)
        start = round(self.top * (height - length) / max(total - height, 1))
        bar = ("┃", "quiet") if start <= y < start + length else ("│", "dim")
        return Line((*line.runs, (blank, ""), bar), line.under)

    def on_resize(self) -> None:
        self.redraw()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a form: a field, a heading (no key) or a note (no key, no label)."""

    key: str = ""
    label: str = ""
    value: str = ""
    gloss: str = ""
    """What the value means, or its unit: shown where it fits."""
    mark: str = ""
    """When a change takes effect."""
    changed: bool = False
    note: str = ""
    """Drawn in the place of label and value, in the style `tone`."""
    tone: str = "quiet"
    tail: bool = False
    """A value too long for its place keeps its end: paths."""


LEAST_VALUE = 8
MARKS = {"now": "good", "next run": "warn", "new net": "key"}


class Form(Rows[Row]):
    """A form of one-line rows: label, value, and when a change takes effect.

    `editor` opens over the value of the selected row.
    """

    LABEL = 16
    MARK = 8
    DEFAULT_CSS = """
    Form > Field { position: absolute; display: none; }
    Form > Field.-open { display: block; background: $primary 60%; }
    """

    def __init__(self, editor: Field, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.editor = editor

    def compose(self) -> ComposeResult:
        yield self.editor

    def redraw(self) -> None:
        super().redraw()
        self.place_editor()

    def place_editor(self) -> None:
        """Put the editor over the selected value."""
        self.editor.styles.offset = (self.LABEL + 2, self.cursor - self.top)
        self.editor.styles.width = max(self.size.width - self.LABEL - 3, 1)

    def draw_row(self, row: Row, width: int, selected: bool) -> Line:
        if row.note:
            return Line(((pad("   " + row.note, width), row.tone),))
        if not row.key:
            rule = "─" * max(width - cell_len(row.label) - 3, 0)
            return Line(((f" {row.label} ", "heading"), (rule, "dim")))
        room = width - self.LABEL - 3
        # Where both have no room, the value is worth more than when a change of it takes effect.
        mark = row.mark if room - self.MARK - 1 >= LEAST_VALUE else ""
        room = max(room - (self.MARK + 1 if mark else 0), 1)
        value = fit(row.value or row.gloss, room, tail=row.tail and bool(row.value))
        gloss = f" {row.gloss}" if row.gloss and row.value else ""
        if cell_len(value) + cell_len(gloss) > room:
            gloss = ""
        tone = "mark" if row.changed else "value" if row.value else "quiet"
        arrows = (LEFT, RIGHT) if selected else (" ", " ")
        runs: list[Run] = [
            (pad(" " + row.label, self.LABEL), "label"),
            (" " + arrows[0], "key"),
            (value, tone),
            (arrows[1], "key"),
            (pad(gloss, room - cell_len(value)), "quiet"),
        ]
        if mark:
            tone = MARKS.get(mark, "quiet") if row.changed else "dim"
            runs += [("*" if row.changed else " ", tone), (pad(mark, self.MARK), tone)]
        return Line(tuple(runs), "cursor" if selected else "")

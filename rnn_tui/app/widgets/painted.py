"""Lines of coloured cells that send only the columns that changed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from rnn_tui.app.widgets.row import Lines

Span = tuple[str, Style | str]
"""A text and how it looks: a style of the palette, or the name of a tone."""
Spans = tuple[Span, ...]


def columns_of(spans: Iterable[Span]) -> int:
    """Columns that the spans take together."""
    return sum(cell_len(text) for text, _ in spans)


def common(one: str, other: str) -> str:
    """What both texts begin with."""
    for k, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:k]
    return min(one, other, key=len)


def changed_columns(old: Spans, new: Spans) -> tuple[int, int]:
    """From which column to which (exclusive) two lines differ; (0, 0) where they don't."""
    if old == new:
        return 0, 0
    same = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            if before[1] == after[1]:
                same += cell_len(common(before[0], after[0]))
            break
        same += cell_len(after[0])
    old_end, new_end = columns_of(old), columns_of(new)
    end = max(old_end, new_end)
    if old_end == new_end:
        for before, after in zip(reversed(old), reversed(new), strict=False):
            if before != after:
                if before[1] == after[1]:
                    end -= cell_len(common(before[0][::-1], after[0][::-1]))
                break
            end -= cell_len(after[0])
    return same, max(end, same + 1)


class Painted(Lines):
    """Lines made of spans in any colour; what they hold has passed `symbols.clean_line` or `symbols.sign`."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Spans, ...] = ()
        self.cells_sent = 0
        """Cells that were drawn anew so far: what it costs a slow line."""

    @property
    def rows(self) -> tuple[Spans, ...]:
        """What is drawn now, from the top."""
        return self._rows

    @property
    def text(self) -> str:
        """What is drawn now, without colours."""
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self._rows)

    def paint(self, rows: Iterable[Spans]) -> None:
        """Draw these lines; only the columns that differ from the last ones are sent."""
        old, self._rows = self._rows, tuple(rows)
        if not self.is_mounted or not self.size.width:
            return
        width, height = self.size
        regions = []
        for y in range(min(max(len(old), len(self._rows)), height)):
            start, end = changed_columns(old[y] if y < len(old) else (), self._rows[y] if y < len(self._rows) else ())
            if start < min(end, width):
                regions.append(Region(start, y, min(end, width) - start, 1))
                self.cells_sent += min(end, width) - start
        if regions:
            self.refresh(*regions)

    def style_of(self, name: Style | str) -> Style:
        """A named style of the theme, or the style itself."""
        if isinstance(name, Style):
            return name
        return self.tone(name) if name else self.rich_style

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        row = self._rows[y] if y < len(self._rows) else ()
        segments = [Segment(text, base + self.style_of(style)) for text, style in row if text]
        blank = self.size.width - columns_of(row)
        if segments and blank > 0:
            last = segments[-1].style
            # Blanks look alike in any foreground; in that of the last span they cost no escape sequence.
            plain = last is None or not (last.reverse or last.underline or last.bgcolor != base.bgcolor)
            segments.append(Segment(" " * blank, last if plain else base))
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()

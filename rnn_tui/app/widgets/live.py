"""Lines whose numbers change all the time: only the columns that changed are sent."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual.geometry import Region

from rnn_tui.app.widgets.row import Line, Lines, Run


def merged(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs with neighbours of one style joined, and blanks given to the run before: a style costs 40 bytes."""
    joined: list[Run] = []
    for text, style in runs:
        if not text:
            continue
        if joined and (joined[-1][1] == style or not text.strip()):
            joined[-1] = (joined[-1][0] + text, joined[-1][1])
        elif joined and not joined[-1][0].strip():
            joined[-1] = (joined[-1][0] + text, style)
        else:
            joined.append((text, style))
    return tuple(joined)


def _cells(line: Line) -> list[tuple[str, str]]:
    """Sign and style by column; a wide sign counts twice."""
    return [(sign, style) for text, style in line.runs for sign in text for _ in range(cell_len(sign))]


class Live(Lines):
    """Lines that are drawn many times a second."""

    def put(self, lines: Iterable[Line]) -> None:
        """Draw these lines; of each row, only what lies between its first and last change is sent."""
        old = self._lines
        self._lines = tuple(Line(merged(line.runs), line.under) for line in lines)
        width, height = self.size
        if not self.is_mounted or not width or old == self._lines:
            return
        changed = []
        for y in range(min(max(len(old), len(self._lines)), height)):
            before = old[y] if y < len(old) else Line()
            after = self._lines[y] if y < len(self._lines) else Line()
            if before == after:
                continue
            a, b = _cells(before), _cells(after)
            longest = min(width, max(len(a), len(b)))
            differ = [x for x in range(longest) if x >= len(a) or x >= len(b) or a[x] != b[x]]
            if before.under != after.under:
                differ = [0, width - 1]
            if differ:
                changed.append(Region(differ[0], y, differ[-1] - differ[0] + 1, 1))
        if changed:
            self.refresh(*changed)

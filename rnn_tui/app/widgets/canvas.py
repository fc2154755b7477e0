"""Signs in rows and columns, put down one over the other: what a plot is drawn on."""

from __future__ import annotations

from rich.cells import cell_len

from rnn_tui.app.terminal import signs

Cell = tuple[str, str]
"""A sign and the name of its style; the second column of a wide sign holds an empty one."""


class Canvas:
    """Rows of cells that begin blank."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.rows: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]
        self._wide = False

    def write(self, x: int, y: int, text: str, style: str, *, over: bool = True) -> None:
        """Put a text down from column `x`; beyond the edges it is cut."""
        if not 0 <= y < self.height:
            return
        row, drawn = self.rows[y], signs(text)
        self._wide = self._wide or "" in drawn
        for at, sign in enumerate(drawn, x):
            if 0 <= at < self.width and (over or row[at][0] == " "):
                row[at] = (sign, style)

    def mend(self) -> None:
        """Take away halves of wide signs, which were written over: they would move all that follows."""
        if not self._wide:
            return
        for row in self.rows:
            for x, (sign, style) in enumerate(row):
                before, after = row[x - 1][0] if x else "", row[x + 1][0] if x + 1 < self.width else " "
                if (not sign and cell_len(before) != 2) or (cell_len(sign) == 2 and after):
                    row[x] = (" ", style)

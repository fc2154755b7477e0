"""A confusion matrix as coloured cells: in a row what texts of one class were taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.row import fit, pad
from rnn_tui.app.widgets.text_strip import CURSOR
from rnn_tui.symbols import clean_line
from rnn_tui.views import Array, Breakdown

NARROWEST = 3
"""Columns of a cell at least: the one in front of it, and two for a short name or a number."""
WIDEST_LABEL = 20
DIAGONAL = "\\"
"""In front of a cell of the diagonal, where a class was taken for itself."""
TICKS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares that the legend shows."""


def depth(share: float) -> float:
    """How strong the colour of a share is, 0 to 1: its root, so that a few mistakes in a hundred are seen."""
    return math.sqrt(min(max(share, 0.0), 1.0))


def short_names(names: Sequence[str], columns: int) -> list[str]:
    """The names in so many columns, told apart where they can be: `Po` for Polish, `Pr` for Portuguese."""
    if all(cell_len(name) <= columns for name in names):
        return list(names)
    heads = [set_cell_size(name, columns).rstrip() for name in names]
    if len(set(heads)) == len(heads) and all(heads):
        return heads
    taken: set[str] = set()
    shortened = []
    for name in names:
        letters = "".join(sign for sign in name if sign.isalnum()) or name
        head = set_cell_size(letters, max(columns - 1, 0)).rstrip()
        ways = (head + letter for letter in letters[len(head) :])
        found = name if cell_len(name) <= columns else set_cell_size(letters, columns).rstrip()
        if found in taken:
            found = next((way for way in ways if way not in taken and cell_len(way) <= columns), found)
        taken.add(found)
        shortened.append(found)
    return shortened


class Matrix(Painted):
    """The part of a square of counts that there is room for, with the cursor in it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = self.start = 0
        """First row and column in view."""

    def show(
        self, names: Sequence[str], counts: Array, row: int, column: int, coloured: bool, ascii_only: bool
    ) -> None:
        """Draw what is in view. `counts`: (C, C), the right classes one below the other.

        A cell's colour is the share of its row; where there is no colour, a sign stands for it.
        """
        width, height, C = self.size.width, self.size.height, len(names)
        if not C or width <= 0 or height <= 1:
            self.paint([])
            return
        label = min(max(map(cell_len, names)) + 2, WIDEST_LABEL, max(width // 4, 6))
        number = len(f"{int(counts.max(initial=0)):,}")
        wanted = max(number + (1 if coloured else 2), max(map(cell_len, names)) + 1)
        # The last column of the screen says where more of them lie to the right.
        room = width - label - 1
        wide = max(min(room // C, wanted), NARROWEST)
        across, down = max(room // wide, 1), height - 1
        self.start = in_view(self.start, column, across, C)
        self.top = in_view(self.top, row, down, C)
        shown = range(self.start, min(self.start + across, C))
        short = short_names(names, wide - 1)
        head: list[Span] = [(pad(" is \\ said", label), "quiet")]
        head += [(f" {pad(short[k], wide - 1)}", "mark" if k == column else "label") for k in shown]
        if shown.stop < C:
            head.append((">", "quiet"))
        rows: list[Spans] = [tuple(head)]
        for k in range(self.top, min(self.top + down, C)):
            total = float(counts[k].sum())
            mark = ">" if k == row else " "
            spans: list[Span] = [(f"{mark}{pad(names[k], label - 1)}", "mark" if k == row else "label")]
            for j in shown:
                spans += cell_of(
                    float(counts[k, j]), total, wide, k == j, (k, j) == (row, column), coloured, ascii_only
                )  # fmt: skip
            rows.append(tuple(spans))
        self.paint(rows)


def in_view(first: int, cursor: int, room: int, count: int) -> int:
    """The first place of a window of `room` places, moved as little as it takes to show the cursor."""
    return max(min(first, cursor, count - room), cursor - room + 1, 0)


def cell_of(
    count: float, total: float, wide: int, diagonal: bool, chosen: bool, coloured: bool, ascii_only: bool
) -> tuple[Span, ...]:
    """What stands in front of a cell, and the cell: its number where it fits, on its colour or behind its sign."""
    front = DIAGONAL if diagonal else " "
    room = wide - 1
    number = f"{int(count):,}" if count else ""
    share = count / total if total else 0.0
    if not count:
        style, body = Style(), " " * room
    elif coloured:
        style = palette.unit_background(depth(share))
        body = number.rjust(room) if len(number) <= room else " " * room
    else:
        glyph, style = palette.unit(depth(share), ascii_only)[0], Style()
        body = glyph + number.rjust(room - 1) if len(number) < room else glyph * room
    return (front, "mark" if diagonal else ""), (body, style + CURSOR if chosen else style)


def legend(coloured: bool, ascii_only: bool, width: int) -> Spans:
    """Which colour, or which sign, is which share of a row."""
    spans: list[Span] = [(" share of the row ", "quiet")]
    for share in TICKS:
        told = f"{100 * share:.0f} %"
        if coloured:
            spans += [(f" {told} ", palette.unit_background(depth(share)))]
        else:
            spans += [(f" {palette.unit(depth(share), ascii_only)[0]}", ""), (f" {told}", "quiet")]
    spans.append((f"  {DIAGONAL} the diagonal: right", "quiet"))
    room = width
    kept: list[Span] = []
    for text, style in spans:
        if cell_len(text) > room:
            break
        kept.append((text, style))
        room -= cell_len(text)
    return tuple(kept)


def told_at(table: Breakdown, names: Sequence[str], row: int, column: int, room: int) -> str:
    """The cell in words: `28 of 1,103 English texts were taken for Irish (2.5 %)`.

    With fewer words, and in the end shorter names, where there are fewer columns (`room`) for it.
    """
    what = clean_line(table.title).partition(" of ")[0] or "examples"
    right, said = names[row], names[column]
    total, count = int(table.values[row].sum()), int(table.values[row, column])
    if not total:
        return f"the {table.part} part has no {fit(right, max(room - 24, 6))} {what}"
    many = f"{count:,}" if count else "none"
    of, share = f"{many} of {total:,}", f"({100 * count / total:.1f} %)"
    rightly = ", rightly" if row == column and count else ""
    told = f"{of} {right} {what} {'were' if count > 1 else 'was'} taken for {said}{rightly} {share}"
    if cell_len(told) <= room:
        return told
    longest = max((room - len(of) - len(share) - 13) // 2, 6)
    return f"{of} {fit(right, longest)} taken for {fit(said, longest)} {share}"

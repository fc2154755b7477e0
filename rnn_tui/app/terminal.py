"""What the terminal shows, cell by cell: of each frame only the cells that differ are sent.

Textual sends a changed row from its widget's left edge on, and all of a pane that was laid out anew, whether or
not it looks as before. On a slow line that is most of the traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from rnn_tui.symbols import REPLACEMENT, has_sure_width, is_harmless, is_mark

Cell = tuple[str, Style]
"""A sign, with what combines with it, and its style. The second column of a wide sign holds an empty one."""

GAP = 6
"""Equal cells between two changes that are sent along: going over them would cost as many bytes."""
PLAIN = Style.null()
JOINER, WIDENING = "\u200d", "\ufe0f"
"""What joins two signs to one, and makes some narrow ones wide."""
UNKNOWN: Cell = ("unknown", PLAIN)
ATTRIBUTES = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"), ("reverse", "7"), ("strike", "9"),
)  # fmt: skip


class Pen(NamedTuple):
    """A style as the terminal's codes for it."""

    attributes: str = ""
    colour: str = "39"
    ground: str = "49"


@lru_cache(maxsize=4096)
def pen_of(style: Style, system: ColorSystem) -> Pen:
    """The codes of a style in a terminal of so many colours."""

    def code(colour: Color | None, default: str, foreground: bool) -> str:
        return default if colour is None else ";".join(colour.downgrade(system).get_ansi_codes(foreground))

    attributes = "".join(f";{number}" for name, number in ATTRIBUTES if getattr(style, name))
    return Pen(attributes, code(style.color, "39", True), code(style.bgcolor, "49", False))


def change(old: Pen, new: Pen) -> str:
    """The shortest sequence from one pen to another."""
    if old == new:
        return ""
    if old.attributes != new.attributes:
        colours = [code for code in new[1:] if code not in ("39", "49")]
        return f"\x1b[{';'.join(['0' + new.attributes, *colours])}m"
    return f"\x1b[{';'.join(after for before, after in zip(old, new, strict=True) if before != after)}m"


@lru_cache(maxsize=4096)
def bare(style: Style) -> Style:
    """What can be seen of a style where nothing is written."""
    if style.underline or style.reverse or style.strike or style.link:
        return style
    return Style(bgcolor=style.bgcolor)


@lru_cache(maxsize=8192)
def signs(text: str) -> tuple[str, ...]:
    """A sign a column; a wide one is followed by an empty one, and marks stand with the sign that they are put on.

    Nothing that drives a terminal leaves here, whichever widget drew it. What joins signs or varies them is left
    out: terminals differ in how wide that makes them.
    """
    if text.isascii() and text.isprintable():
        return tuple(text)
    found: list[str] = []
    base, joined, last = -1, False, ""
    for sign in text:
        if joined:
            # What was joined to the one before has no column of its own.
            joined = False
        elif sign == JOINER:
            joined = True
        elif sign == WIDENING:
            found += [" "] * (cell_len(last + WIDENING) - cell_len(last))
            last = ""
        elif columns := cell_len(sign):
            base, last = len(found), sign
            shown = sign if is_harmless(sign) else REPLACEMENT
            found += [shown, *[""] * (cell_len(shown) - 1), *[" "] * (columns - cell_len(shown))]
        elif base >= 0 and is_mark(sign):
            found[base] += sign
    return tuple(found)


@lru_cache(maxsize=8192)
def is_sure(sign: str) -> bool:
    """Whether every terminal goes on by as many columns as we count."""
    return all(map(has_sure_width, sign))


def cells_of(strip: Strip) -> list[Cell]:
    """A strip, a column after the other."""
    cells: list[Cell] = []
    for text, style, control in strip:
        if not control:
            shown = style or PLAIN
            cells += [(sign, bare(shown) if sign == " " else shown) for sign in signs(text)]
    return cells


def pieces_of(update: CompositorUpdate) -> Iterator[tuple[int, int, list[Cell]]] | None:
    """Row, first column, and the cells that an update puts there; None for an update of another kind."""
    if isinstance(update, LayoutUpdate):
        return _whole(update)
    return _spans(update) if isinstance(update, ChopsUpdate) else None


def _whole(update: LayoutUpdate) -> Iterator[tuple[int, int, list[Cell]]]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield y, update.region.x, [cell for strip in strips for cell in cells_of(strip)]


def _spans(update: ChopsUpdate) -> Iterator[tuple[int, int, list[Cell]]]:
    for y, start, end in update.spans:
        # What lies outside of the span may lack a widget: only what lies in it was composed of all of them.
        for x, strip in update.chops[y].items():
            if strip is not None and x < end and x + strip.cell_length > start:
                cells = cells_of(strip)
                first, last = max(start - x, 0), min(end - x, len(cells))
                while first and not cells[first][0]:
                    first -= 1
                while last < len(cells) and not cells[last][0]:
                    last += 1
                yield y, x + first, cells[first:last]


class Terminal:
    """The cells that were sent so far."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Cell]] = {}
        self.width = 0
        """Columns that it has; 0: not known."""

    def forget(self) -> None:
        """Nothing is known of what the terminal shows: the next frame is sent whole."""
        self._rows.clear()

    def difference(self, pieces: Iterable[tuple[int, int, list[Cell]]], system: ColorSystem) -> str:
        """What turns the terminal's screen into one with these cells. They count as sent."""
        out: list[str] = []
        pen = Pen()
        for y, x, cells in pieces:
            if self.width:
                # Just after it became narrower a frame may still be a wide one: its end would pile up at the edge.
                room = max(self.width - x, 0)
                cells = cells[: room - 1 if room < len(cells) and room and not cells[room][0] else room]
            row = self._rows.setdefault(y, [])
            row += [UNKNOWN] * (x + len(cells) - len(row))
            for start, end in changes(row[x : x + len(cells)], cells):
                while end < len(cells) and not is_sure(cells[end - 1][0]):
                    # The terminal may have drawn it over the next one.
                    end += 1
                out.append(f"\x1b[{y + 1};{x + start + 1}H")
                for column, (sign, style) in enumerate(cells[start:end], x + start + 2):
                    wanted = pen_of(style, system)
                    if sign == " " and not wanted.attributes and not pen.attributes and wanted.ground == pen.ground:
                        # A blank takes any foreground.
                        wanted = pen
                    out.append(change(pen, wanted))
                    pen = wanted
                    out.append(sign)
                    if not sign.isascii() and not is_sure(sign) and column <= x + end:
                        # Where the terminal has gone with it is not known.
                        out.append(f"\x1b[{y + 1};{column + cell_len(sign) - 1}H")
            row[x : x + len(cells)] = cells
        if pen != Pen():
            out.append("\x1b[0m")
        return "".join(out)


def changes(old: list[Cell], new: list[Cell]) -> list[tuple[int, int]]:
    """From which cell to which (exclusive) two rows of one length differ."""
    if old == new:
        return []
    found: list[tuple[int, int]] = []
    for x, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            if found and x - found[-1][1] <= GAP:
                found[-1] = (found[-1][0], x + 1)
            else:
                found.append((x, x + 1))
    return found


class Difference(CompositorUpdate):
    """An update of the screen that sends no more than what changed."""

    def __init__(self, update: CompositorUpdate, terminal: Terminal) -> None:
        self._update, self._terminal = update, terminal

    def render_segments(self, console: Console) -> str:
        """The sequences for the terminal; called at the moment they are sent."""
        pieces = pieces_of(self._update)
        if pieces is None:
            self._terminal.forget()
            return self._update.render_segments(console)
        # As Textual has it, without this name it is a terminal of all colours.
        named = console.color_system
        system = ColorSystem.TRUECOLOR if named is None else COLOUR_SYSTEMS[named]
        return self._terminal.difference(pieces, system)


COLOUR_SYSTEMS = {
    "standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}  # fmt: skip

"""How many rows each part of Inspect gets."""

from __future__ import annotations

from dataclasses import dataclass

COMPACT_HEIGHT, COMPACT_WIDTH = 14, 60
TALL, AIRY = 22, 30
FEWEST_UNITS = 4
"""Rows of units above a lens, at least; with less room the lens has them all."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of each part, from the top; 0: it is not shown."""

    strip: int
    own: int
    hint: int
    cost: int
    units: int
    over_time: int
    legend: int
    lens: int
    line: int
    detail: int
    few: int
    message: int
    airy: bool


def compact(width: int, height: int) -> bool:
    """Too small for more than text, units and two lines."""
    return height < COMPACT_HEIGHT or width < COMPACT_WIDTH


def with_lens(height: int, wanted: int, typing_own: bool, typing_line: bool, cost: int) -> Rows:
    """Text, `cost` rows of cost and attention, and the lens below them; units where the lens leaves room for some."""
    line = int(typing_line)
    # On the lowest screens what one types is worth more than the text.
    strip = 2 * (height >= 3 + line)
    room = max(height - 1 - strip - cost - line, 0)
    lens = min(max(wanted, 1), room)
    units = room - lens
    legend = int(units > FEWEST_UNITS)
    if units - legend < FEWEST_UNITS:
        # It asked for fewer rows than there are: they stay empty.
        lens, units, legend = room, 0, 0
    return Rows(
        strip=0 if typing_own else strip, own=int(typing_own), hint=int(typing_own), cost=cost, units=units - legend,
        over_time=0, legend=legend, lens=lens, line=line, detail=0, few=0, message=0, airy=height >= AIRY,
    )  # fmt: skip


def without_lens(
    width: int, height: int, names: int, single: bool, units_there: int, typing: bool, there: bool, cost: int
) -> Rows:
    """Text, cost, units, the chosen unit over time where there is room, and the detail of the cursor.

    `names`: values that a unit has; `single`: all of the chosen unit's are shown anyway; `there`: a text was read;
    `cost`: rows of cost and attention.
    """
    small = compact(width, height)
    tall = height >= TALL and not small
    airy = height >= AIRY
    detail = 0 if small else 8 if airy else 6
    few = (2 if height >= 8 else int(height >= 5)) if small else 0
    legend = int(not small)
    units = max(height - 3 - cost - legend - detail - few, 0)
    over_time = 0
    if names > 1 and not single and (tall or units - units_there >= names):
        # On a tall screen, or where so few units leave room.
        over_time = names + airy
    units -= over_time
    shown = int(there)
    return Rows(
        strip=2 * shown * (not typing), own=int(typing), hint=int(typing), cost=cost * shown, units=units * shown,
        over_time=over_time * shown, legend=legend * shown, lens=0, line=0, detail=detail * shown, few=few * shown,
        message=0 if there else max(height - 3, 1), airy=airy,
    )  # fmt: skip

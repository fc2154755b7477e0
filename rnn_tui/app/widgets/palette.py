"""Colours as data, one meaning each, everywhere: blue negative, orange positive, grey near zero.

From the 256 colours, so that a cell costs few bytes; told apart by lightness and by blue against
orange, which colour-blind eyes keep. Beside each colour stands a glyph that says the same without it.
"""

from __future__ import annotations

import math
from functools import lru_cache

from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.style import Style

# From the most negative to the most positive: 17 steps, lightness falling towards zero on both sides.
SIGNED = (45, 39, 33, 32, 26, 25, 24, 60, 240, 95, 94, 130, 136, 172, 208, 214, 220)
# A gate, 0 closed to 1 open: from near black to pale green-yellow.
UNIT = (234, 235, 236, 23, 29, 35, 71, 107, 143, 149, 185, 192)
# Surprise in bits: expected is calm, unexpected glows.
SURPRISE = (244, 246, 250, 229, 222, 216, 210, 203, 197)
SURPRISE_STEP = 1.0
"""Bits from one step of the surprise ramp to the next."""

SHADES = " ░▒▓█"
BARS = "▁▂▃▄▅▆▇█"
ASCII_SHADES = " .:+#"
ASCII_BARS = "_.-=+*%#"
# A sign that also says which side of zero: pale to strong.
NEGATIVE_GLYPHS = "·-=≡"
POSITIVE_GLYPHS = "·+*#"
ASCII_NEGATIVE = ".-=~"

SIGNED_LEGEND = "blue -  grey 0  orange +"
UNIT_LEGEND = "0 dark, closed   1 bright, open"
SURPRISE_LEGEND = "grey expected   red surprising (bits)"
MISSING = "?"


@lru_cache(maxsize=512)
def colour(number: int) -> Color:
    """One of the 256 colours, from 16 up. As it carries its triplet, Textual sends it in its short form."""
    if number >= 232:
        triplet = ColorTriplet(*[8 + 10 * (number - 232)] * 3)
    else:
        levels = (0, 95, 135, 175, 215, 255)
        cube = number - 16
        triplet = ColorTriplet(levels[cube // 36], levels[cube // 6 % 6], levels[cube % 6])
    return Color(f"color({number})", ColorType.EIGHT_BIT, number=number, triplet=triplet)


@lru_cache(maxsize=1024)
def style(foreground: int | None = None, background: int | None = None, bold: bool = False) -> Style:
    """A style of the 256 colours; shared, so that equal neighbours merge into one span."""
    return Style(
        color=None if foreground is None else colour(foreground),
        bgcolor=None if background is None else colour(background),
        bold=bold or None,
    )


def signed_step(value: float, scale: float) -> int:
    """Index into `SIGNED` of a value that runs from -scale to scale; beyond is cut."""
    share = value / scale if scale > 0 else 0.0
    share = max(-1.0, min(1.0, share))
    return round((share + 1.0) / 2.0 * (len(SIGNED) - 1))


def signed(value: float, scale: float, ascii_only: bool = False) -> tuple[str, Style]:
    """Glyph and style (foreground) for a value with a sign: h, c, g, a gradient."""
    if not math.isfinite(value):
        return MISSING, style()
    step = signed_step(value, scale)
    middle = (len(SIGNED) - 1) // 2
    strength = min(3, (abs(step - middle) + 1) // 2) if step != middle else 0
    if step < middle:
        glyphs = ASCII_NEGATIVE if ascii_only else NEGATIVE_GLYPHS
    else:
        glyphs = "." + POSITIVE_GLYPHS[1:] if ascii_only else POSITIVE_GLYPHS
    return glyphs[strength], style(SIGNED[step])


def signed_background(value: float, scale: float) -> Style:
    """The same colour behind a sign: for a text coloured by a value."""
    if not math.isfinite(value):
        return style()
    step = signed_step(value, scale)
    # Dark signs on the pale ends, pale ones on the dark middle.
    return style(16 if abs(step - 8) >= 5 else 255, SIGNED[step])


def unit_step(value: float) -> int:
    """Index into `UNIT` of a value from 0 to 1; beyond is cut."""
    return round(max(0.0, min(1.0, value)) * (len(UNIT) - 1))


def unit(value: float, ascii_only: bool = False) -> tuple[str, Style]:
    """Glyph and style for a gate or a probability, 0 to 1."""
    if not math.isfinite(value):
        return MISSING, style()
    bars = ASCII_BARS if ascii_only else BARS
    share = max(0.0, min(1.0, value))
    # The dark end would vanish as a foreground: the glyph's height says it, in a visible grey.
    number = UNIT[unit_step(value)]
    return bars[min(len(bars) - 1, int(share * len(bars)))], style(max(number, 240) if number > 230 else number)


def unit_background(value: float) -> Style:
    """The same colour behind a sign."""
    if not math.isfinite(value):
        return style()
    step = unit_step(value)
    return style(16 if step >= 6 else 255, UNIT[step])


def surprise_step(bits: float) -> int:
    """Index into `SURPRISE`; a symbol that cost 0 bits was certain."""
    return min(len(SURPRISE) - 1, max(0, int(bits / SURPRISE_STEP)))


def surprise(bits: float, ascii_only: bool = False) -> tuple[str, Style]:
    """Glyph and style for a symbol's cost in bits, -log2 p."""
    if math.isnan(bits):
        return " ", style()
    step = surprise_step(max(0.0, min(bits, 1e6)))
    bars = ASCII_BARS if ascii_only else BARS
    return bars[min(len(bars) - 1, step)], style(SURPRISE[step])


def bar(share: float, columns: int, ascii_only: bool = False) -> str:
    """A bar of that many columns, filled to a share of 0 to 1, in eighths of a column."""
    share = max(0.0, min(1.0, share)) if math.isfinite(share) else 0.0
    if ascii_only:
        full = round(share * columns)
        return "#" * full + " " * (columns - full)
    eighths = round(share * columns * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(columns)

"""How foreign text reaches a screen: one door, `clean`, and one sign for each symbol.

A corpus, a model's output, a file name and an exception's text may hold bytes that
drive a terminal (ESC, C1, bidirectional marks). Nothing of the kind passes here.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

REPLACEMENT = "�"
STAND_IN = "◌"


def _safe_sign(code: int) -> str | None:
    """The visible sign for a code point that must not reach a terminal; None where it may."""
    if code in (0x09, 0x0A):
        return None
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x80 <= code < 0xA0:
        return REPLACEMENT
    # Bidirectional controls, line and paragraph separators, the byte order mark, surrogates.
    if code in (0x061C, 0xFEFF, 0x2028, 0x2029) or 0x200E <= code <= 0x200F:
        return REPLACEMENT
    if 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or 0xD800 <= code <= 0xDFFF:
        return REPLACEMENT
    return None


_TABLE = {
    code: shown
    for span in (
        range(0xA0),
        (0x061C, 0xFEFF),
        range(0x200E, 0x2010),
        range(0x2028, 0x202F),
        range(0x2066, 0x206A),
        range(0xD800, 0xE000),
    )
    for code in span
    if (shown := _safe_sign(code)) is not None
}


def is_harmless(symbol: str) -> bool:
    """Whether a terminal only draws this character: it moves, switches and reorders nothing."""
    return unicodedata.category(symbol) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def is_mark(symbol: str) -> bool:
    """Whether it is put onto the sign before it; no variation selector."""
    return unicodedata.category(symbol)[0] == "M" and not unicodedata.name(symbol, "").startswith("VARIATION")


def clean(text: str) -> str:
    """The text with every control character as a visible sign; line feed and tab stay.

    Safe to send to a terminal. Markup is not escaped: text from outside is never parsed
    as markup, it is drawn as it is.
    """
    return text.translate(_TABLE)


def clean_line(text: str) -> str:
    """`clean`, on one line: line feeds and tabs become signs as well."""
    return clean(text).replace("\n", "⏎").replace("\t", "→")


# Jamo that compose, flags' letters and emoji modifiers change their neighbour's width in some terminals; trigrams,
# hexagrams, Tai Xuan Jing signs and counting rods became wide in Unicode 16, so terminals differ.
_UNSURE_WIDTH = (
    (0x1160, 0x11FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x2630, 0x2637), (0x268A, 0x268F), (0x3164, 0x3164),
    (0x4DC0, 0x4DFF), (0xD7B0, 0xD7FB), (0xFFA0, 0xFFA0), (0x1D300, 0x1D356), (0x1D360, 0x1D376),
)  # fmt: skip


def has_sure_width(symbol: str) -> bool:
    """Whether terminals agree on how many columns this character takes."""
    code = ord(symbol)
    return unicodedata.category(symbol) != "Mc" and not any(low <= code <= high for low, high in _UNSURE_WIDTH)


@lru_cache(maxsize=8192)
def sign(symbol: str) -> str:
    """The sign that stands for one symbol on one line of a screen: one or two columns wide.

    A space is a middle dot, a line feed a return arrow. What has no width of its own
    (combining marks, joiners, variation selectors) and what is written from right to
    left gets a stand-in, so that a timestep is always as wide as `width` says.
    """
    if symbol == " ":
        return "·"
    if symbol == "\n":
        return "⏎"
    if symbol == "\t":
        return "→"
    code = ord(symbol)
    safe = _safe_sign(code)
    if safe is not None:
        return safe
    category = unicodedata.category(symbol)
    if category in ("Mn", "Me", "Mc", "Cf", "Cn", "Co", "Zl", "Zp", "Zs"):
        return " " if symbol == "　" else STAND_IN
    if unicodedata.bidirectional(symbol) in ("R", "AL", "AN"):
        return STAND_IN
    return symbol if has_sure_width(symbol) else STAND_IN


@lru_cache(maxsize=8192)
def width(symbol: str) -> int:
    """Columns that `sign(symbol)` takes: 2 for East Asian wide signs, else 1."""
    shown = sign(symbol)
    return 2 if unicodedata.east_asian_width(shown) in ("W", "F") else 1

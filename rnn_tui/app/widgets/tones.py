"""The few tones that text has, as the theme's colours: one meaning each, in every pane.

They are no component classes: Textual would match each of them against the style sheet for every widget that
has lines, which takes longer than all else when the app starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.style import Style
from textual.color import Color


@dataclass(frozen=True, slots=True)
class Tone:
    """Names of the theme's colours, and how much of each is laid over the ground (0 to 1)."""

    colour: str = "foreground"
    share: float = 1.0
    ground: str = ""
    ground_share: float = 1.0
    bold: bool = False


TONES: Mapping[str, Tone] = {
    "plain": Tone(),
    "quiet": Tone(share=0.65),
    "dim": Tone(share=0.35),
    "label": Tone(share=0.85),
    "value": Tone(),
    "mark": Tone(bold=True),
    "heading": Tone("text-accent", bold=True),
    "key": Tone("text-accent"),
    "good": Tone("text-success"),
    "warn": Tone("text-warning"),
    "bad": Tone("text-error"),
    "cursor": Tone(ground="primary", ground_share=0.35, bold=True),
    "edit": Tone(ground="surface-lighten-2"),
    "caret": Tone("background", ground="foreground"),
}


@lru_cache(maxsize=1024)
def style_of(tone: Tone, colour: str, over: str, ground: Color) -> Style:
    """A tone on a ground; `colour` and `over` are the theme's values for its two names, or empty."""
    below = _laid(ground, Color.parse(over), tone.ground_share) if over else ground
    above = _laid(below, Color.parse(colour), tone.share) if colour else None
    return Style(
        color=above.rich_color if above else None, bgcolor=below.rich_color, bold=tone.bold or None,
        # The terminal's own sixteen colours can't be mixed: it has a dim one of its own.
        dim=(above is not None and above.ansi is not None and tone.share < 0.8) or None,
    )  # fmt: skip


def _laid(ground: Color, colour: Color, share: float) -> Color:
    """A colour over a ground; one of the terminal's own stays what it is."""
    return colour if colour.ansi is not None else ground + colour.multiply_alpha(share)

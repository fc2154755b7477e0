"""Tones: every one can be read on its ground, in every theme that comes along."""

from __future__ import annotations

import pytest
from rich.color import Color as RichColor
from textual.app import App
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from rnn_tui.app.widgets.tones import TONES, Tone, style_of

MIXED = [name for name in BUILTIN_THEMES if not name.endswith("-ansi") and not name.startswith("ansi")]


def contrast(one: RichColor | None, other: RichColor | None) -> float:
    """Relative luminance as in WCAG 2.1: from 1, the same, to 21."""
    assert one is not None and other is not None

    def luminance(colour: RichColor) -> float:
        parts = [c / 255 for c in colour.get_truecolor()]
        r, g, b = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", MIXED)
def test_each_tone_can_be_read(theme: str) -> None:
    app: App[None] = App()
    app.theme = theme
    variables = app.get_css_variables()
    # Some of these themes have a panel close to their own text; little is written there.
    for ground, least in ((variables["background"], 2.4), (variables["panel"], 2.0)):
        for name, tone in TONES.items():
            style = style_of(tone, variables[tone.colour], variables.get(tone.ground, ""), Color.parse(ground))
            assert contrast(style.color, style.bgcolor) > (1.3 if name == "dim" else least), (name, ground)


def test_shares_are_mixed_and_the_terminals_own_colours_are_left() -> None:
    black = Color.parse("#000000")
    half = style_of(Tone(share=0.5), "#ffffff", "", black)
    assert half.color is not None and half.color.get_truecolor() == (127, 127, 127)
    own = style_of(Tone(share=0.35), "ansi_green", "", Color.parse("ansi_default"))
    assert own.color is not None and own.color.number == 2 and own.dim

"""Bars: as long as their value, with their zero, in the colour of their sign."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from rnn_tui.app.widgets.bars import NEGATIVE, POSITIVE, Bar, Bars, quoted, signed_bar


@given(st.floats(-2, 2), st.integers(1, 15), st.booleans())
def test_a_signed_bar_grows_from_its_zero(share: float, half: int, ascii_only: bool) -> None:
    drawn = signed_bar(share, 2 * half + 1, ascii_only)
    assert cell_len(drawn) == 2 * half + 1
    assert drawn[half] == ("|" if ascii_only else "│")
    left, right = drawn[:half], drawn[half + 1 :]
    assert not (left.strip() and right.strip())
    if share < 0:
        assert not right.strip()
        assert abs(len(left.strip()) - min(-share, 1) * half) <= 1
    else:
        assert not left.strip()
        assert abs(len(right.strip()) - min(share, 1) * half) <= 1


def test_what_is_not_finite_has_no_bar() -> None:
    assert signed_bar(math.nan, 9).strip() == "│"
    assert Bar("c", math.inf, signed=True).number.strip() == "-"


@pytest.mark.parametrize(("value", "number"), [(0.4, NEGATIVE), (-0.4, POSITIVE)])
def test_the_colour_is_that_of_the_sign(value: float, number: int) -> None:
    style = Bar("g", -value, signed=True).style
    assert style.color is not None
    assert style.color.number == number


def test_a_symbol_is_quoted_by_its_sign() -> None:
    assert quoted("\n") == "'⏎'"
    assert quoted("\x1b") == "'␛'"
    assert quoted("[/b]") == "'[/b]'"


class One(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.bars = Bars()

    def compose(self) -> ComposeResult:
        yield self.bars


async def test_bars_stand_below_their_heading_in_one_column() -> None:
    app = One()
    async with app.run_test(size=(40, 6)) as pilot:
        shown = [Bar("'a'", 0.5), Bar("'神'", 0.25, note="came", strong=True), Bar("g", -0.5, signed=True)]
        app.bars.show(((" expects next", "heading"),), shown)
        await pilot.pause()
        lines = [app.bars.render_line(y).text for y in range(5)]
        assert all(cell_len(line) == 40 for line in lines)
        assert lines[0].rstrip() == " expects next"
        assert lines[1].startswith(" 'a'   0.50 ████")
        assert lines[2].startswith(" '神'  0.25 ████") and lines[2].rstrip().endswith("came")
        assert lines[3].startswith(" g    -0.50 ") and "█│" in lines[3]
        assert lines[4].strip() == ""

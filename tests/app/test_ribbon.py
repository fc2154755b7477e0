"""The ribbon: the height of a bar is the logarithm, and what has none has a sign of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.ribbon import Band, Scale, heights, ribbon, scale_of
from rnn_tui.app.widgets.text_strip import GUTTER, Columns

BARS = " ▁▂▃▄▅▆▇█"
SIZES = st.floats(min_value=-300, max_value=300, allow_nan=False)


def text_of(rows: list[Spans]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def column(lines: list[str], t: int) -> str:
    """What stands in one column, from the top."""
    return "".join(line[GUTTER + t] for line in lines)


@given(st.lists(SIZES, min_size=1, max_size=40), st.integers(1, 40))
def test_a_scale_holds_all_sizes_and_eight_decades(exponents: list[float], rows: int) -> None:
    values = 10.0 ** np.array(exponents)
    scale = scale_of([values], rows)
    assert scale.rows == rows and scale.part * rows >= 8
    assert scale.top >= max(exponents) - 1e-9 and scale.bottom <= min(exponents) + 1e-9


@given(st.lists(SIZES, min_size=1, max_size=40), st.integers(1, 40))
def test_a_bar_is_as_high_as_its_logarithm_within_an_eighth(exponents: list[float], rows: int) -> None:
    values = 10.0 ** np.array(exponents)
    scale = scale_of([values], rows)
    for exponent, eighths in zip(exponents, heights(values, scale).tolist(), strict=True):
        told = scale.bottom + eighths / 8 * scale.part
        assert abs(told - exponent) <= scale.part / 8 * (0.51 if eighths > 1 else 1.51)


@given(st.lists(SIZES, min_size=1, max_size=30), st.integers(2, 20))
def test_what_is_drawn_adds_up_to_the_height(exponents: list[float], rows: int) -> None:
    values = 10.0 ** np.array(exponents)
    scale = scale_of([values], rows)
    columns = Columns.of("x" * len(values))
    lines = text_of(ribbon(Band(values, scale), columns, 0, len(values), guides=False))
    for t, eighths in enumerate(heights(values, scale).tolist()):
        assert sum(BARS.index(sign) for sign in column(lines, t)) == eighths


def test_decades_stand_in_the_rows_that_are_labelled_with_them() -> None:
    values = 10.0 ** -np.arange(0.0, 8.0)[::-1]
    scale = scale_of([values], 8)
    assert scale == Scale(0.0, 1.0, 8)
    lines = text_of(ribbon(Band(values, scale), Columns.of("abcdefgh"), 0, 8, guides=False))
    assert [line[:GUTTER].split()[0] for line in lines] == [f"1e-{k}" for k in range(1, 9)]
    for t, exponent in enumerate(range(-7, 1)):
        drawn = [line[:GUTTER].split()[0] for line in lines if line[GUTTER + t] != " "]
        assert drawn[0] == f"1e{exponent - 1}", "the row below 1e-3 is full where the value is 1e-3"


def test_infinite_zero_and_no_number_have_signs() -> None:
    values = np.array([math.inf, 1e5, 0.0, math.nan, 1.0])
    lines = text_of(ribbon(Band(values, scale_of([values], 9)), Columns.of("abcde"), 0, 5))
    assert column(lines, 0) == "^" + "█" * 8
    assert column(lines, 2)[-1] == "0" and not set(column(lines, 2)) & set(BARS[1:])
    assert column(lines, 3)[-1] == "?"
    assert "^" not in column(lines, 1) + column(lines, 4)


def test_nothing_but_zeros_and_an_empty_window() -> None:
    values = np.zeros(4)
    scale = scale_of([values, np.zeros(0)], 5)
    lines = text_of(ribbon(Band(values, scale), Columns.of("abcd"), 0, 4))
    assert lines[-1][GUTTER:] == "0000"
    assert all(len(line) == GUTTER for line in text_of(ribbon(Band(values, scale), Columns.of("abcd"), 2, 2)))


def test_a_wide_symbol_has_a_wide_bar() -> None:
    columns = Columns.of("a神b東c")
    values = 10.0 ** np.array([-1.0, -3.0, -5.0, -7.0, 0.0])
    lines = text_of(ribbon(Band(values, scale_of([values], 9)), columns, 0, 5, guides=False))
    for line in lines:
        cells = line[GUTTER:]
        assert len(cells) == columns.edges[-1] == 7
        assert cells[1] == cells[2] and cells[4] == cells[5]
    assert len({column(lines, t) for t in (0, 1, 3, 4, 6)}) == 5


def test_the_line_stands_in_the_last_column_that_is_cut() -> None:
    columns = Columns.of("ab神defgh")
    values = np.array([0.0, 0.0, 0.0, 1e-3, 1e-2, 1e-2, 1e-1, 1.0])
    lines = text_of(ribbon(Band(values, scale_of([values], 8), cut=3), columns, 0, 8))
    for line in lines:
        assert line[GUTTER:].index("┃") == int(columns.edges[3]) - 1
    assert lines[-1][GUTTER:].startswith("000┃█")
    walked = text_of(ribbon(Band(values, scale_of([values], 8), first=5, cut=3), columns, 0, 8, guides=False))
    assert all("┃" not in line and not line[GUTTER : GUTTER + 6].strip() for line in walked)


def test_guides_fill_what_is_below_them_and_are_named() -> None:
    values = 10.0 ** -(np.arange(40.0)[::-1] / 3)
    lines = text_of(ribbon(Band(values, scale_of([values], 14)), Columns.of("x" * 40), 0, 40))
    by_label = {line[:GUTTER].split()[0]: line[GUTTER:] for line in lines}
    assert by_label["1e-6"].startswith("┈vanished┈") and by_label["1e-8"].startswith("┈vanished┈")
    assert "┈" not in by_label["1e-5"]
    assert by_label["1e-6"].rindex("┈") == max(t for t in range(40) if values[t] < 1.1e-6)
    grown = 1 / values
    lines = text_of(ribbon(Band(grown, scale_of([grown], 14)), Columns.of("x" * 40), 0, 40))
    assert any("exploded" in line and line.startswith("  1e10") for line in lines)


def test_dots_of_the_cell_stand_at_their_own_height() -> None:
    values, dots = np.array([1e-6, 1e-2]), np.array([1e-2, 1e-2])
    lines = text_of(ribbon(Band(values, scale_of([values, dots], 8), dots), Columns.of("ab"), 0, 2, guides=False))
    row = next(k for k, line in enumerate(lines) if "•" in line)
    assert lines[row][GUTTER:] == "••"
    assert column(lines, 0)[row + 1] == " " and column(lines, 1)[row + 1] == "█"


@pytest.mark.parametrize("ascii_only", [False, True])
def test_only_ascii_where_only_ascii_can_be_drawn(ascii_only: bool) -> None:
    values = np.array([math.inf, 1e-3, 1e-9, 0.0, math.nan, 1.0])
    rows = ribbon(Band(values, scale_of([values], 9), values * 3, cut=4), Columns.of("abcdef"), 0, 6, ascii_only)
    assert "".join(text_of(rows)).isascii() == ascii_only

"""What Inspect draws, held against the numbers of the trace; and that no move leaves it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from rnn_tui.app.panes.inspect import CELL_BYTES, FOLLOW_BYTES
from rnn_tui.app.panes.inspect_view import legend_line, text_styles
from rnn_tui.app.reading import SORTS, Reading, round_up, values_of
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow, spans_of
from rnn_tui.app.widgets.text_strip import Columns
from rnn_tui.symbols import sign
from rnn_tui.views import frozen
from tests.app.inspecting import stage, the_trace
from tests.app.stage import FakeLab, lines_of, make_trace, press, settle


async def test_the_true_symbol_is_marked_or_stands_below() -> None:
    async with stage() as (app, pane, pilot):
        trace = the_trace(pane)
        seen = set()
        for t in range(60):
            pane.reading.go(t)
            pane.draw()
            rows = pane._next.text.splitlines()[1:]
            true = f"'{sign(trace.symbols[t + 1])}'"
            among = int(trace.tokens[t + 1]) in trace.top_id[t, :5].tolist()
            seen.add(among)
            marked = [row for row in rows if row.endswith(" true")]
            assert len(rows) == 5 and len(marked) == 1 and marked[0].split()[0] == true
            p = 2.0 ** -float(trace.bits[t + 1])
            told = float(marked[0].split()[1])
            assert told == (pytest.approx(p, abs=0.005) if p >= 0.005 else pytest.approx(p, rel=0.5))
            assert among or rows[-1] is marked[0]
        assert seen == {True, False}
        screen = await press(app, pilot, "end")
        assert "the text ends here" in screen and " true" not in screen


async def test_what_the_symbol_cost_is_never_cut_off() -> None:
    lab = FakeLab(units=1024)
    async with stage(lab) as (app, pane, pilot):
        trace = the_trace(pane)
        for width in (40, 80, 160):
            await pilot.resize_terminal(width, 21)
            await settle(app, pilot)
            for t in range(1, 40):
                pane.reading.go(t)
                pane.draw()
                text = pane._few.text if pane.compact else pane._values.text
                assert f"'{sign(trace.symbols[t])}' {float(trace.bits[t]):.1f} bits" in text


GLYPHS = "▁▂▃▄▅▆▇█"


def drawn(row: HeatRow) -> list[tuple[int, int]]:
    """Height (0 to 7) and colour of every cell of a row."""
    columns = Columns.of("x" * len(row.values))
    found = []
    for text, style in spans_of(row, columns, 0, len(row.values), True, False):
        assert isinstance(style, Style) and style.color is not None and style.color.number is not None
        found += [(GLYPHS.index(glyph), style.color.number) for glyph in text]
    return found


@pytest.mark.parametrize(("cell", "relu"), [("lstm", False), ("gru", False), ("rnn", False), ("rnn", True)])
def test_every_row_of_a_unit_is_as_high_as_its_numbers(cell: str, relu: bool) -> None:
    """Gates on 0 to 1; g, n and h on -1 to 1; c, and the h of a ReLU, on the unit's own largest size."""
    trace = make_trace(cell=cell, relu=relu, units=5)
    reading = Reading()
    reading.take(trace)
    for unit in range(5):
        for name, row in zip(reading.names, reading.rows_of(unit), strict=True):
            values = trace.layers[0][name][:, unit].astype(float)
            largest = float(np.abs(values).max())
            own = name == "c" or (name == "h" and relu)
            scale = row.scale
            assert row.tells_scale == own
            if own:
                assert largest <= scale <= 1.11 * largest
            for value, (height, colour) in zip(values.tolist(), drawn(row), strict=True):
                if name in "iforz":
                    assert abs((height + 0.5) / 8 - value) <= 0.12
                    continue
                assert abs(height / 7 - abs(value) / scale) <= 0.14
                side = palette.SIGNED.index(colour) - len(palette.SIGNED) // 2
                assert side * value >= 0
                assert side != 0 or abs(value) / scale <= 1 / 16 + 1e-6


def test_a_flat_row_is_flat_only_where_the_unit_is() -> None:
    trace = make_trace(units=3)
    c = trace.layers[0]["c"].copy()
    c[:, 1] *= 0.01
    c[:, 2] = 0.0
    reading = Reading()
    reading.take(replace(trace, layers=({**trace.layers[0], "c": frozen(c)}, trace.layers[1])))
    heights = [max(height for height, _ in drawn(reading.rows_of(unit)[1])) for unit in range(3)]
    assert heights == [7, 7, 0]
    # Side by side all units have one scale, which the legend tells.
    reading.step_value(1)
    rows = {row.label: row for row in reading.unit_rows(3)}
    assert len({row.scale for row in rows.values()}) == 1
    assert max(height for height, _ in drawn(rows["u 1"])) == 0
    legend = "".join(text for text, _ in legend_line(reading, 80, True, False))
    assert f"{rows['u 0'].scale:+.3g} or more" in legend


async def test_the_text_has_the_colour_of_the_units_memory() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "V")
        assert pane.reading.single
        c = the_trace(pane).layers[0]["c"][:, pane.reading.unit]
        for t, style in enumerate(text_styles(pane.reading, 0, 60)):
            assert style.bgcolor is not None and style.bgcolor.number is not None
            side = palette.SIGNED.index(style.bgcolor.number) - len(palette.SIGNED) // 2
            assert side * c[t] >= 0
        assert f"c in text -{float(pane.reading.own_scale('c', pane.reading.unit)):.3g}" in "\n".join(lines_of(app))


async def test_following_rests_for_as_long_as_a_reading_takes_to_send() -> None:
    lab = FakeLab()
    async with stage(lab, size=(160, 45)) as (app, pane, pilot):
        await press(app, pilot, "F")
        for version in (2, 3):
            pane.inquiry.rest = 0.0
            lab.trace_options = {"seed": version}
            lab.status = replace(lab.status, step=1240 + version, weights_version=version)
            await settle(app, pilot)
        grid = 152 * (len(pane._units.rows) + len(pane._over_time.rows))
        assert pane.inquiry.rest * FOLLOW_BYTES >= grid * CELL_BYTES


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
KEYS = st.sampled_from(["cursor", "layer", "unit", "value", "single", "sort", "text", "offset"])


@given(st.dictionaries(KEYS, JUNK))
def test_a_state_from_a_file_may_hold_anything(state: dict[str, Any]) -> None:
    reading = Reading()
    reading.restore(state)
    reading.take(make_trace("abc"))
    assert reading.unit_rows(5)
    assert math.isfinite(reading.at(reading.value))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["move", "step_unit", "step_layer", "step_value"]), st.integers(-30, 30))))
def test_no_move_leaves_the_trace(moves: list[tuple[str, int]]) -> None:
    reading = Reading()
    reading.take(make_trace("abcdef", units=5, layers=3))
    for name, by in moves:
        getattr(reading, name)(by)
        reading.step_sort()
        rows = reading.unit_rows(3)
        assert len(rows) == 3
        assert reading.single or any(row.chosen for row in rows)
        assert 0 <= reading.cursor < 6 and 0 <= reading.layer < 3 and 0 <= reading.unit < 5
        assert sorted(reading.order.tolist()) == list(range(5))


def test_the_orders_are_what_they_say() -> None:
    reading = Reading()
    trace = make_trace("abcdefgh" * 4, units=6)
    reading.take(trace)
    h = trace.layers[0]["h"].astype(np.float64)
    assert reading.sort == "change"
    change = [sum(abs(h[t + 1, u] - h[t, u]) for t in range(31)) for u in range(6)]
    assert reading.order.tolist() == sorted(range(6), key=lambda u: -change[u])
    reading.go(9)
    reading.step_sort()
    assert reading.order.tolist() == sorted(range(6), key=lambda u: -abs(h[9, u]))
    reading.step_sort()
    assert reading.order.tolist() == list(range(6))
    assert SORTS == ("index", "change", "size")


def test_names_and_scales() -> None:
    assert values_of(make_trace(cell="lstm"), 0) == ("h", "c", "i", "f", "g", "o")
    assert values_of(make_trace(cell="gru"), 0) == ("h", "r", "z", "n")
    assert values_of(make_trace(cell="rnn"), 0) == ("h",)
    for value, expected in ((0.3, 0.3), (0.31, 0.4), (3.01, 4), (9.5, 10), (120, 200), (0, 1), (math.nan, 1)):
        assert round_up(value) == pytest.approx(expected)

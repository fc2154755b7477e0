"""Curves: nothing that is a number breaks them, peaks stay, and only what changed is sent."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from rnn_tui.app.widgets.curve import (
    Curve,
    Level,
    Plot,
    Series,
    draw,
    finite_series,
    nice_range,
    nice_step,
    steps,
    thin,
)

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)
VALUES = st.lists(st.one_of(ANY_FLOAT, st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, math.nan])), max_size=40)


def rows(plot: Plot, width: int = 60, height: int = 14, ascii_only: bool = False) -> list[str]:
    return ["".join(sign for sign, _ in row) for row in draw(plot, width, height, ascii_only).rows]


@given(VALUES, VALUES, st.booleans())
def test_one_door_lets_only_finite_points_through(x: list[float], y: list[float], log: bool) -> None:
    xs, ys = finite_series(x, y, log=log)
    assert len(xs) == len(ys) <= min(len(x), len(y))
    assert np.isfinite(xs).all() and np.isfinite(ys).all()
    kept = [b for a, b in zip(x, y, strict=False) if math.isfinite(a) and math.isfinite(b) and (not log or b > 0)]
    wanted = [math.log10(b) if log else max(-1e300, min(1e300, b)) for b in kept]
    assert ys.tolist() == pytest.approx(wanted, rel=1e-12)


@given(
    VALUES, VALUES, st.booleans(), st.one_of(ANY_FLOAT, st.just(5000.0)), st.one_of(ANY_FLOAT, st.just(math.inf)),
    st.integers(0, 90), st.integers(0, 25), st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_numbers_break_a_plot(
    x: list[float], y: list[float], log: bool, right: float, ceiling: float, width: int, height: int, ascii_only: bool
) -> None:
    plot = Plot(
        (Series(x, y, "train"), Series(range(len(y)), y, "validation", dots=True)),
        tuple(Level(f"level {value}", value) for value in y[:3]), right, log, ceiling,
    )  # fmt: skip
    drawn = draw(plot, width, height, ascii_only)
    assert len(drawn.rows) == height and all(len(row) == width for row in drawn.rows)
    if ascii_only:
        assert all(ord(sign) < 128 for row in drawn.rows for sign, _ in row)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=600), st.integers(1, 40))
def test_thinning_keeps_extremes_and_order(values: list[float], columns: int) -> None:
    x = np.arange(len(values), dtype=np.float64)
    y = np.array(values)
    kept_x, kept_y = thin(x, y, columns, 0.0, float(len(values)))
    assert len(kept_x) <= max(len(values) if len(values) <= 2 * columns else 0, 2 * columns)
    assert (kept_y.min(), kept_y.max()) == (y.min(), y.max())
    assert (np.diff(kept_x) > 0).all()
    assert all(y[int(a)] == b for a, b in zip(kept_x, kept_y, strict=True))


@given(st.floats(1e-200, 1e200), st.integers(1, 10))
def test_a_nice_step_is_1_2_or_5(span: float, count: int) -> None:
    step = nice_step(span, count)
    lead = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert any(lead == pytest.approx(m, rel=1e-6) for m in (1, 2, 5, 10))
    assert span / count <= step * (1 + 1e-6) <= span / count * 2.5 * (1 + 1e-3)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_nice_range_holds_its_data(a: float, b: float) -> None:
    low, high, step = nice_range(min(a, b), max(a, b))
    assert low <= min(a, b) + abs(step) * 1e-6 and high >= max(a, b) - abs(step) * 1e-6 and low < high


def test_axes_hold_still_while_the_loss_falls() -> None:
    """With the bigram line at 2.48 in sight, a loss that falls from 4.0 to 1.7 moves the axis twice at most."""
    ranges = [nice_range(min(loss, 2.48), 4.2) for loss in np.linspace(4.0, 1.7, 500)]
    assert sum(a != b for a, b in itertools.pairwise(ranges)) <= 2


def test_the_curve_is_where_the_numbers_are() -> None:
    """A line from the top left to the bottom right of a canvas of 50 x 10 crosses each of its rows once."""
    plot = Plot((Series([0, 100], [10.0, 0.0], "train"),), right=100.0)
    drawn = rows(plot, 58, 12)
    firsts = [min((x for x, sign in enumerate(row[8:]) if sign != " "), default=-1) for row in drawn[:10]]
    assert firsts == [pytest.approx(5 * y, abs=1) for y in range(10)]


def test_dots_stand_at_their_steps_and_levels_at_their_height() -> None:
    """Ten rows from 0 to 10: a row for each unit, counted from the top."""
    plot = Plot(
        (Series([0, 50.5, 99], [1.3, 5.3, 9.3], "validation", dots=True),), (Level("uniform 9.30", 9.3),), right=100.0,
    )  # fmt: skip
    drawn = rows(plot, 58, 12)
    places = [(y, x - 8) for y, row in enumerate(drawn) for x, sign in enumerate(row) if sign == "●"]
    assert places == [(0, 49), (4, 25), (8, 0)]
    assert [y for y, row in enumerate(drawn) if "uniform 9.3" in row] == [0]


def test_log_axis_needs_values_above_zero() -> None:
    with_zero = Plot((Series([0, 1, 2, 3], [0.0, -1.0, 10.0, 1.0], "train"),), right=4.0, log=True)
    without = Plot((Series([2, 3], [10.0, 1.0], "train"),), right=4.0, log=True)
    assert rows(with_zero) == rows(without)


def test_a_spike_does_not_flatten_the_rest() -> None:
    plot = Plot((Series([0, 1, 2], [4.0, 1e6, 1.7], "train"),), right=2.0, ceiling=5.0)
    assert any(row.lstrip().startswith(("4 ", "4│")) for row in rows(plot))


def test_steps_are_short() -> None:
    assert [steps(v) for v in (0, 800, 5000, 12_000, 1_500_000)] == ["0", "800", "5000", "12k", "1.5M"]


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield Curve()


def falling(upto: int) -> Plot:
    x = np.arange(0, upto, 5)
    return Plot(
        (Series(x, 1.7 + 2.5 * np.exp(-x / 300), "train"),), (Level("uniform 4.17", 4.17),), right=5000.0,
    )  # fmt: skip


async def test_only_what_changed_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Shown()
    async with app.run_test(size=(80, 14)) as pilot:
        curve = app.query_one(Curve)
        asked: list[Any] = []
        curve.put(falling(1000))
        await pilot.pause()
        real = curve.refresh

        def refresh(*regions: Any, **options: Any) -> Any:
            asked.append(regions)
            return real(*regions, **options)

        monkeypatch.setattr(curve, "refresh", refresh)
        curve.put(falling(1000))
        assert asked == []
        before = curve.text.split("\n")
        curve.put(falling(1100))
        after = curve.text.split("\n")
        (regions,) = asked
        assert {region.y for region in regions} == {y for y in range(14) if before[y] != after[y]}
        assert sum(region.width for region in regions) < 30
        for region in regions:
            old, new = before[region.y].ljust(80), after[region.y].ljust(80)
            assert old[: region.x] == new[: region.x] and old[region.right :] == new[region.right :]


async def test_what_is_sent_is_what_was_drawn() -> None:
    app = Shown()
    async with app.run_test(size=(80, 14)) as pilot:
        curve = app.query_one(Curve)
        for upto in (100, 1000, 3000):
            curve.put(falling(upto))
            await pilot.pause()
            shown = "\n".join(curve.render_line(y).text.rstrip() for y in range(14))
            assert shown == curve.text
            wanted = draw(falling(upto), 80, 14).rows
            styles = [[style for sign, style in row if sign != " "] for row in wanted]
            for y in range(14):
                seen = [s.style for s in curve.render_line(y) for sign in s.text if sign != " "]
                assert seen == [curve._style(name) for name in styles[y]]
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert len(curve.text.split("\n")) == 10


def test_a_level_keeps_its_name_where_the_curve_runs() -> None:
    """The line comes last, and the name is not lost below it: it stands further left, or in the row beside."""
    level = Level("majority 5.30", 5.3)
    beside = Plot((Series([50, 99], [5.3, 5.3], "validation"),), (level, Level("", 9.9), Level("", 0.1)), right=100.0)
    drawn = rows(beside, 58, 12)
    assert "majority 5.30" in drawn[4][:33] and "majority" not in "".join(drawn[:4] + drawn[5:])
    along = Plot((Series([0, 99], [5.3, 5.3], "validation"),), (level, Level("", 9.9), Level("", 0.1)), right=100.0)
    drawn = rows(along, 58, 12)
    assert "majority" not in drawn[4] and "majority 5.30" in drawn[3] + drawn[5]


def test_a_span_holds_the_axis_whatever_the_values_are() -> None:
    plot = Plot((Series([0, 99], [0.9, 0.95], "validation"),), right=100.0, span=(0.0, 1.0))
    drawn = rows(plot, 58, 12)
    assert drawn[0][:6].strip() == "1" and drawn[9][:6].strip() == "0"
    assert any(sign not in " │" for sign in drawn[0][7:]) and not any(sign not in " │" for sign in drawn[5][7:])

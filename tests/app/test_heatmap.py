"""Colours against values, columns against the text, and that only what is visible is computed or sent."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.cells import cell_len
from textual.app import App, ComposeResult

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import UNKNOWN, Heatmap, HeatRow, Ramp, cell, legend, spans_of, steps
from rnn_tui.app.widgets.painted import Painted, Spans, changed_columns, columns_of
from rnn_tui.app.widgets.text_strip import Columns

VALUES = arrays(np.float32, st.integers(1, 40), elements=st.floats(-3, 3, width=32))
RAMPS: tuple[Ramp, ...] = ("signed", "unit", "surprise")


def colour_number(step: int, ramp: Ramp, coloured: bool = True) -> int | None:
    style = cell(step, ramp, coloured, False)[1]
    assert not isinstance(style, str)
    return style.color.number if style.color is not None else None


@given(VALUES, st.floats(0.5, 4))
def test_steps_are_those_of_the_palette(values: np.ndarray[Any, Any], scale: float) -> None:
    assert steps(values, "signed", scale).tolist() == [palette.signed_step(float(v), scale) for v in values]
    assert steps(values, "unit").tolist() == [palette.unit_step(float(v)) for v in values]
    bits = np.abs(values) * 4
    assert steps(bits, "surprise").tolist() == [palette.surprise_step(float(v)) for v in bits]


@given(st.floats(-5, 5), st.floats(0.1, 4))
def test_blue_is_negative_orange_positive_grey_zero(value: float, scale: float) -> None:
    step = int(steps(np.array([value]), "signed", scale)[0])
    middle = len(palette.SIGNED) // 2
    if value < 0:
        assert step <= middle
    if value > 0:
        assert step >= middle
    if abs(value) > 0.1 * scale:
        assert (step > middle) == (value > 0)
        assert colour_number(step, "signed") == palette.SIGNED[step]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_without_colours_the_glyph_still_tells_the_sign(ascii_only: bool) -> None:
    negative, positive = (
        {cell(int(step), "signed", False, ascii_only)[0] for step in steps(np.array(values, np.float32), "signed")}
        for values in ((-1.0, -0.6, -0.3), (1.0, 0.6, 0.3))
    )
    assert not negative & positive


@pytest.mark.parametrize("ramp", RAMPS)
def test_a_larger_value_is_never_drawn_lower(ramp: Ramp) -> None:
    found = steps(np.linspace(0, 8, 9, dtype=np.float32), ramp, 8)
    heights = [palette.BARS.index(cell(int(step), ramp, True, False)[0]) for step in found]
    assert heights == sorted(heights)


def test_a_nan_is_blank() -> None:
    assert steps(np.array([math.nan, 0.5]), "surprise").tolist() == [UNKNOWN, 0]
    assert cell(UNKNOWN, "surprise", True, False)[0] == " "


@given(st.text("ab神の é", min_size=1, max_size=50), st.sampled_from(RAMPS), st.booleans(), st.data())
def test_a_row_has_the_columns_of_its_text(text: str, ramp: Ramp, coloured: bool, data: st.DataObject) -> None:
    columns = Columns.of(tuple(text))
    values = data.draw(arrays(np.float32, len(text), elements=st.floats(-9, 9, width=32) | st.just(math.nan)))
    start = data.draw(st.integers(0, len(text)))
    end = columns.end(start, 30)
    spans = spans_of(HeatRow("u 0", values, ramp), columns, start, end, coloured, False)
    assert columns_of(spans) == columns.edges[end] - columns.edges[start]
    assert all(one[1] != two[1] or one[0][-1] != two[0][0] for one, two in pairwise(spans))


@pytest.mark.parametrize("ramp", RAMPS)
def test_a_legend_has_the_whole_ramp_and_its_scale(ramp: Ramp) -> None:
    spans = legend(ramp, 30.0, True, False)
    text = "".join(part for part, _ in spans)
    assert {"signed": "+30", "unit": "1 open", "surprise": "8+ bits"}[ramp] in text


SPANS = st.lists(st.tuples(st.text("ab神", min_size=1, max_size=4), st.sampled_from(["value", "quiet"])), max_size=6)


@given(SPANS, SPANS)
def test_what_lies_outside_the_changed_columns_is_the_same(old: Any, new: Any) -> None:
    def cells(spans: Spans) -> list[tuple[str, Any]]:
        return [(c, style) for text, style in spans for c in text for _ in range(cell_len(c))]

    start, end = changed_columns(tuple(old), tuple(new))
    before, after = cells(tuple(old)), cells(tuple(new))
    assert before[:start] == after[:start]
    assert len(before) == len(after) or end == max(len(before), len(after))
    assert before[end:] == after[end:]


class One(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.map = Heatmap()

    def compose(self) -> ComposeResult:
        yield self.map


class Watched:
    """An array that remembers which part of it was read."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values
        self.read: list[slice] = []

    def __getitem__(self, part: slice) -> np.ndarray[Any, Any]:
        self.read.append(part)
        return self.values[part]


async def test_only_visible_cells_are_computed() -> None:
    app = One()
    async with app.run_test(size=(80, 10)) as pilot:
        values = [Watched(np.zeros(2000, np.float32)) for _ in range(1024)]
        rows = [HeatRow(f"u {k}", each) for k, each in enumerate(values)]  # type: ignore[arg-type]
        app.map.show(rows, Columns.of("x" * 2000), 500)
        await pilot.pause()
        assert [len(each.read) for each in values] == [1] * 10 + [0] * 1014
        assert values[0].read == [slice(500, 572)]
        assert all(cell_len(app.map.render_line(y).text) == 80 for y in range(10))


async def test_only_what_changed_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    app = One()
    async with app.run_test(size=(80, 6)) as pilot:
        columns = Columns.of("x" * 40)
        rows = [HeatRow(f"u {k}", np.linspace(-1, 1, 40, dtype=np.float32), chosen=k == 0) for k in range(6)]
        app.map.show(rows, columns, 0)
        await pilot.pause()
        sent: list[Any] = []
        monkeypatch.setattr(Painted, "refresh", lambda self, *regions, **_: sent.extend(regions))
        app.map.show(rows, columns, 0)
        assert sent == []
        rows[0], rows[1] = HeatRow("u 0", rows[0].values), HeatRow("u 1", rows[1].values, chosen=True)
        app.map.show(rows, columns, 0)
        assert [(region.y, region.right) for region in sent] == [(0, 8), (1, 8)]

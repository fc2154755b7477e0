"""Gradients for every kind of sequence: where the loss stands, what it is called, and both directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab import TraceText
from rnn_tui.lab.questions import FollowGradient
from rnn_tui.views import Trace
from tests.app.gradienting import GradientLab, stage
from tests.app.inspecting import SENTENCE, classified, forecast, tagged, translated
from tests.app.stage import lines_of, press

KINDS = (tagged(), classified(), translated(), forecast())


@pytest.mark.parametrize(
    ("trace", "at", "title"),
    [
        (tagged(), 6, "L = cost of tag O after '.' t 6"),
        (classified(), 8, "L = cost of class Russian after 'v' t 8"),
        (translated(), 8, "L = cost of <eos> after '?' t 8"),
        (forecast(), 11, "L = squared error of 121.7 after"),
    ],
    ids=["tagging", "classification", "translation", "forecasting"],
)
async def test_the_loss_stands_at_the_last_that_is_asked_and_says_what_it_is(
    trace: Trace, at: int, title: str
) -> None:  # fmt: skip
    async with stage(GradientLab().reads(trace), size=(100, 24)) as (app, pane, _):
        lab: Any = app.lab
        assert pane.place == at and lab.of(FollowGradient)[-1].at == at
        assert title in lines_of(app)[0]
        assert "horizon" in "\n".join(lines_of(app))


async def test_the_loss_goes_only_where_something_is_asked() -> None:
    trace = tagged(right=("", "O", "", "", "B-location", "", ""))
    async with stage(GradientLab().reads(trace)) as (app, pane, pilot):
        assert pane.places == [1, 4] and pane.place == 4
        await press(app, pilot, "home", "enter")
        assert pane.place == 4 and app.said[-1] == "nothing is asked at t 0, so no loss can stand there; t 1 asks"
        await press(app, pilot, "right", "enter")
        assert pane.place == 1
        assert "cost of tag O" in lines_of(app)[0]


async def test_without_a_right_answer_it_is_the_cost_of_the_likeliest() -> None:
    own = replace(tagged(), right=("",) * len(SENTENCE))
    async with stage(GradientLab().reads(own), size=(110, 24)) as (app, pane, pilot):
        assert pane.places == list(range(7))
        assert "(the likeliest)" in lines_of(app)[0]
        await press(app, pilot, "home", "enter")
        assert pane.place == 0
    async with stage(GradientLab().reads(replace(classified(), right=()))) as (_, pane, _):
        assert pane.places == [8]
    async with stage(GradientLab().reads(replace(translated(), right=()))) as (_, pane, _):
        assert pane.places == list(range(3, 9))


@pytest.mark.parametrize("size", [(80, 21), (160, 44), (40, 9)])
@pytest.mark.parametrize("trace", KINDS, ids=lambda trace: trace.task)
async def test_every_view_of_every_kind_is_drawn_within_its_rows(trace: Trace, size: tuple[int, int]) -> None:
    async with stage(GradientLab().reads(trace), size=size) as (app, pane, pilot):
        for key in ("home", "enter", "end", "enter", "v", *["left"] * 3, "v", "v", "c", "c"):
            lines = (await press(app, pilot, key)).splitlines()
            assert len(lines) == size[1] and all(cell_len(line) <= size[0] for line in lines)
        assert pane.help_values()["L"]


async def test_both_directions_are_drawn_one_below_the_other() -> None:
    async with stage(GradientLab().reads(tagged()), size=(100, 30)) as (app, pane, pilot):
        await press(app, pilot, *["left"] * 3, "enter")
        lines = lines_of(app)
        flow = pane.flow
        assert flow is not None and flow.layers[0].backward is not None
        forward = next(k for k, line in enumerate(lines) if line.startswith(" forward: the past"))
        backward = next(k for k, line in enumerate(lines) if line.startswith(" backward: what comes later"))
        assert forward < backward
        wide, at = pane.reading.columns.width(0), pane.place
        first = GUTTER + wide * at
        # The forward direction's bars end with the loss's timestep; the other's begin there.
        top = lines[backward - 1]
        assert top[first : first + wide].strip() and not top[first + wide :].strip(" 0")
        below = lines[backward + 1 : backward + 4]
        assert all(not set(line[GUTTER:first]) & set("▁▂▃▄▅▆▇█•") for line in below)
        screen = await press(app, pilot, "right")
        norm = float(flow.layers[0].backward[at + 1])
        assert "forward exactly 0, backward" in screen and f"{norm:.2f}" in screen


async def test_examples_are_followed_whole() -> None:
    trace = classified()
    async with stage(GradientLab().reads(trace), size=(100, 24)) as (app, pane, pilot):
        screen = await press(app, pilot, "v")
        assert pane.trained_with == 0 and pane.reach == trace.steps
        assert "training cuts nothing" in screen
    async with stage() as (_, pane, _):
        assert pane.trained_with > 0


async def test_the_border_is_drawn() -> None:
    async with stage(GradientLab().reads(translated()), size=(100, 24)) as (app, pane, _):
        at = GUTTER + int(pane.reading.columns.edges[3] - pane.reading.columns.edges[pane.reading.start])
        assert lines_of(app)[2][at : at + 8] == "|decoder"


async def test_a_squared_error_is_not_told_in_nats() -> None:
    async with stage(GradientLab().reads(forecast()), size=(100, 24)) as (app, pane, pilot):
        assert pane.help_values()["L"] == "2.31, a squared error"
        assert "nats" not in pane.copy_text() and "squared error of" in pane.copy_text()
        screen = await press(app, pilot, "c")
        assert "nats" not in screen and "squared error" in screen


async def test_a_text_of_ones_own_is_no_longer_of_a_part() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        pane.inquiry.part = "test"
        await press(app, pilot, "i", "H", "i", "enter")
        assert lab.of(TraceText)[-1] == TraceText(text="Hi") and pane.inquiry.part == ""
        await press(app, pilot, "left_parenthesis")
        assert lab.of(TraceText)[-1].part == ""


async def test_parentheses_go_by_one_example() -> None:
    async with stage(GradientLab().reads(tagged())) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "right_parenthesis")
        assert lab.of(TraceText)[-1].offset == 1
        assert pane.place == 6

"""Holding values: what is sent to the Lab, and what the screen tells of what became of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnn_tui.app.panes import lens_effect
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.lens_effect import EffectLens, cost_told, meant
from rnn_tui.app.widgets.status import StatusLine, held_told
from rnn_tui.lab import TraceText, Write
from rnn_tui.views import Hold, Status, perplexity
from tests.app.explaining import KnowingLab
from tests.app.inspecting import stage, the_trace
from tests.app.stage import lines_of, press, settle

NAMES = ("h", "c", "i", "f", "g", "o")


@pytest.mark.parametrize(("typed", "hold"), [
    ("0.5", Hold(1, "c", 7, 0.5)), ("-2", Hold(1, "c", 7, -2.0)), ("all 0", Hold(1, "c", -1, 0.0)),
    ("here 0,5", Hold(1, "c", 7, 0.5, 19, 19)), ("f 1", Hold(1, "f", 7, 1.0)), ("i all 0", Hold(1, "i", -1, 0.0)),
    ("all i .25", Hold(1, "i", -1, 0.25)), ("here all h 1e-2", Hold(1, "h", -1, 0.01, 19, 19)),
    ("=3", Hold(1, "c", 7, 3.0)),
])  # fmt: skip
def test_what_was_typed_as_a_hold(typed: str, hold: Hold) -> None:
    assert meant(typed, 1, 7, "c", NAMES, 19) == hold


@pytest.mark.parametrize("typed", ["", "r 1", "all", "0.5 all", "nan", "inf", "1e9", "x", "1 2", "0x1", "\x1b[31m 1"])
def test_what_can_not_be_held_is_told_in_a_sentence(typed: str) -> None:
    wrong = meant(typed, 1, 7, "c", NAMES, 19)
    assert isinstance(wrong, str) and wrong and "\x1b" not in wrong


async def test_x_holds_the_shown_value_at_zero_and_releases_it() -> None:
    async with stage(KnowingLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "v", "x")
        unit = pane.reading.unit
        assert lab.status.held == (Hold(0, "c", unit, 0.0),)
        await settle(app, pilot)
        assert lab.asked[-1].question.holds == lab.status.held
        assert the_trace(pane).holds == lab.status.held
        screen = "\n".join(lines_of(app))
        assert f"held layer 0 c {unit} = +0" in screen and "1 held" in lines_of(app)[0]
        await press(app, pilot, "x")
        await settle(app, pilot)
        assert lab.status.held == () and the_trace(pane).holds == ()
        assert "Nothing is held" in "\n".join(lines_of(app))
        await press(app, pilot, *["v"] * 5)
        assert pane.reading.single
        await press(app, pilot, "x")
        assert lab.status.held == (Hold(0, "h", unit, 0.0),)
        assert pane.escape()
        assert pane.lens is None and lab.status.held


async def test_the_line_takes_every_form_and_says_what_is_wrong() -> None:
    async with stage(KnowingLab()) as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, "L", "X")
        assert pane.editing and "hold at: 0.5" in screen
        await press(app, pilot, "q", "enter")
        assert pane.editing and "is no number" in app.said[-1]
        await press(app, pilot, "backspace", *"here", "space", *"f", "space", "1", "enter")
        unit = pane.reading.unit
        assert not pane.editing and lab.status.held == (Hold(0, "f", unit, 1.0, 10, 10),)
        lab.refuses = "the network has no such value"
        await press(app, pilot, "X", "3", "enter")
        assert app.said[-1] == lab.refuses and pane.editing
        lab.refuses = ""
        await press(app, pilot, "escape")
        assert isinstance(pane.lens, EffectLens)
        await press(app, pilot, "X", *"all", "space", "0", "enter")
        assert len(lab.status.held) == 2 and lab.status.held[-1].unit == -1
        await press(app, pilot, "X", *"release", "enter")
        assert lab.status.held == ()


async def test_before_and_after_side_by_side() -> None:
    async with stage(KnowingLab(), size=(80, 20)) as (app, pane, pilot):
        await press(app, pilot, "L", "x")
        await settle(app, pilot)
        for keys in ((), ("right",), ("L",), ("end",)):
            await press(app, pilot, *keys)
            screen, trace, t = lines_of(app), the_trace(pane), pane.reading.cursor
            before = trace.without
            assert before is not None
            told = "\n".join(screen)
            assert f"{before.loss:.2f} -> {trace.loss:.2f} nats" in told
            assert f"perplexity {perplexity(before.loss):.2f} -> {perplexity(trace.loss):.2f}" in told
            change = np.nan_to_num(trace.bits - before.bits)
            most = int(np.abs(change).argmax())
            assert f"t {most} {change[most]:+.1f}" in told
            rows = [row for row in screen if row.startswith(" '")]
            assert len(rows) >= 5
            for each, column in ((before, 0), (trace, 1)):
                best = trace.vocabulary[int(each.top_id[t, 0])].replace("\n", "⏎").replace(" ", "·")
                row = next(row for row in rows if row.startswith(f" '{best}'"))
                numbers = [part for part in row.replace("true", "").split() if part[0].isdigit() or part[0] == "<"]
                assert numbers[column] == f"{float(each.top_p[t, 0]):.2f}"
            true = [row for row in rows if "true" in row]
            if t + 1 < trace.steps:
                symbol = trace.symbols[t + 1].replace("\n", "⏎").replace(" ", "·")
                assert len(true) == 1 and true[0].startswith(f" '{symbol}' true")
            else:
                assert not true


async def test_it_writes_with_and_without_once_the_cursor_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(KnowingLab(), size=(80, 20)) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "x")
        await settle(app, pilot)
        assert not [a for a in lab.asked if isinstance(a.question, Write)]
        monkeypatch.setattr(lens_effect, "RESTS", 0.0)
        await settle(app, pilot)
        await settle(app, pilot)
        trace = the_trace(pane)
        assert trace.without is not None
        asked = [a for a in lab.asked if isinstance(a.question, Write)]
        without, held = (a.question for a in asked[-2:])
        assert (without.number, without.holds, without.t) == (trace.without.number, (), 10)
        assert (held.number, held.holds, held.t) == (trace.number, trace.holds, 10)
        assert without.seed == held.seed and without.length == held.length == 60
        screen = "\n".join(lines_of(app))
        assert "written from t 10" in screen
        for each in asked[-2:]:
            assert each.newest.text.replace("\n", "⏎")[:60] in screen
        count = len(asked)
        await settle(app, pilot)
        assert len([a for a in lab.asked if isinstance(a.question, Write)]) == count


def test_the_change_of_cost_in_the_unit_of_the_screen() -> None:
    before, after = 1.6, 2.04
    assert cost_told(before, after, "nats")[0] == "mean cost 1.60 -> 2.04 nats, perplexity 4.95 -> 7.69"
    assert cost_told(before, after, "bits")[0].startswith("mean cost 2.31 -> 2.94 bits, perplexity")
    assert cost_told(before, math.inf, "nats")


def test_the_badge_tells_what_is_held_and_is_never_dropped() -> None:
    one = Status(session="play", held=(Hold(0, "c", 17, 0.0),))
    assert held_told(one, 80) == "held: layer 0 c 17 = +0"
    two = replace(one, held=(*one.held, Hold(1, "f", -1, 1.0)))
    assert held_told(two, 80) == "2 held" and held_told(one, 40) == "1 held"
    for status in (one, two):
        runs = StatusLine()._runs(replace(status, session="x" * 60, fault="y" * 90), "nats", True, "saving ...", False)
        assert any("held" in text and style == "warn" for text, style in runs)


@pytest.mark.parametrize("size", [(40, 9), (40, 5), (60, 12), (160, 44)])
async def test_other_sizes(size: tuple[int, int]) -> None:
    async with stage(KnowingLab(), size=size) as (app, _, pilot):
        await press(app, pilot, "L", "x")
        await settle(app, pilot)
        assert all(len(row) <= size[0] for row in lines_of(app))
        assert "held" in "\n".join(lines_of(app))


async def test_generate_goes_on_from_this_very_state() -> None:
    async with stage(KnowingLab(), others=[GeneratePane()]) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "x")
        await settle(app, pilot)
        trace = the_trace(pane)
        await press(app, pilot, "g")
        screen = "\n".join(lines_of(app))
        assert app.went == "generate" and "with 1 value held" in screen and "from h at t 10" in screen
        await press(app, pilot, "enter")
        question = lab.asked[-1].question
        assert (question.number, question.t, question.holds) == (trace.number, 10, trace.holds)
        assert "with 1 value held" in "\n".join(lines_of(app))
        await press(app, pilot, "i", "x", "enter", "enter")
        question = lab.asked[-1].question
        assert question.number == 0 and question.prompt.endswith("x") and question.holds == trace.holds


async def test_where_the_reading_is_gone_the_prompt_is_read() -> None:
    async with stage(KnowingLab(), others=[GeneratePane()]) as (app, _, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "g")
        lab.traces.clear()
        await press(app, pilot, "enter")
        await settle(app, pilot)
        assert lab.asked[-1].question.number == 0 and lab.asked[-1].question.prompt
        assert "reads the prompt" in app.said[-1]
        generate = app.panes["generate"]
        assert isinstance(generate, GeneratePane) and generate.writing is not None and not generate.trouble


async def test_the_score_of_a_text_of_ones_own_stands_on_a_small_screen() -> None:
    async with stage(KnowingLab(), size=(80, 20)) as (app, pane, pilot):
        await press(app, pilot, "i", *"Butsoft", "enter")
        trace = the_trace(pane)
        assert isinstance(app.lab.asked[-1].question, TraceText)  # type: ignore[attr-defined]
        told = f"{trace.loss:.2f} nats, {trace.loss / math.log(2):.2f} bits, perplexity {perplexity(trace.loss):.2f}"
        assert told in "\n".join(lines_of(app))

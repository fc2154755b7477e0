"""Working the equations out by hand: checked to three decimals, unit by unit, timestep by timestep."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from rnn_tui.app.panes.lens_by_hand import ByHand, Step, steps_of, truth
from rnn_tui.app.panes.lens_equation import EquationLens
from rnn_tui.views import Hold
from tests.app.explaining import KnowingLab, make_equation
from tests.app.inspecting import stage
from tests.app.stage import lines_of, make_trace, press


def typed(value: float) -> list[str]:
    return [{"-": "minus", ".": "full_stop"}.get(c, c) for c in f"{value:.3f}"]


async def type_in(app: Any, pilot: Any, text: str) -> str:
    from textual import events

    if text:
        app.post_message(events.Paste(text))
    return await press(app, pilot, "enter")


def equation_of(pane: Any) -> Any:
    assert isinstance(pane.lens, EquationLens)
    assert pane.lens.known is not None
    return pane.lens.known


@pytest.mark.parametrize(("cell", "steps"), [
    ("rnn", "h.pre h"), ("gru", "r.pre r z.pre z n.pre n h"), ("lstm", "i.pre i f.pre f g.pre g o.pre o c h"),
])  # fmt: skip
def test_what_is_asked_for_in_the_order_of_the_equations(cell: str, steps: str) -> None:
    equation = make_equation(make_trace(cell=cell, units=3, layers=1), 0, 1)
    told = [step.name + (".pre" if step.part == "pre" else "") for step in steps_of(equation, 4)]
    assert told == steps.split()
    held = make_equation(make_trace(cell=cell, units=3, layers=1), 0, 1, (Hold(0, "h", 1, 0.5),))
    assert "h" not in [step.name for step in steps_of(held, 4)]


@pytest.mark.parametrize(("off", "right"), [(0.0, True), (0.0004, True), (-0.0009, True), (0.0012, False),
                                            (-0.002, False)])  # fmt: skip
def test_three_decimals_are_enough(off: float, right: bool) -> None:
    equation = make_equation(make_trace(cell="rnn", units=3, layers=1), 0, 2)
    hand, true = ByHand(), truth(equation, 3, Step("h", "pre"))
    hand.answer(equation, 3, f"{true + off:.6f}")
    assert (hand.step(equation, 3) == Step("h", "value")) is right
    if not right:
        assert ("too high" if off > 0 else "too low") in hand.told and f"{true + off:.4g}"[:4] in hand.told


def test_only_the_first_try_counts_and_an_empty_answer_shows_it() -> None:
    equation = make_equation(make_trace(cell="rnn", units=3, layers=1), 0, 0)
    hand, pre, value = ByHand(), Step("h", "pre"), Step("h", "value")
    hand.answer(equation, 5, "no number")
    assert "is no number" in hand.told and hand.asked == 0
    hand.answer(equation, 5, "99")
    hand.answer(equation, 5, str(truth(equation, 5, pre)).replace(".", ","))
    assert (hand.first_try, hand.asked) == (0, 1)
    hand.answer(equation, 5, str(truth(equation, 5, value)))
    assert (hand.first_try, hand.asked) == (1, 2) and hand.step(equation, 5) is None
    hand.answer(equation, 6, "  ")
    assert f"{truth(equation, 6, pre):+.3f}" in hand.told and (hand.first_try, hand.asked) == (1, 3)
    for text in ("nan", "inf", "-", "1e999"):
        hand.answer(equation, 7, text)
        assert "is no number" in hand.told


async def test_the_whole_way_through_three_units_of_a_plain_rnn() -> None:
    """From what is given on the screen's equation alone, each answer computed as a student does."""
    async with stage(KnowingLab(cell="rnn", units=3, layers=1), size=(80, 20)) as (app, pane, pilot):
        await press(app, pilot, "right", "right", "enter")
        pane.reading.unit = 0
        screen = await press(app, pilot, "enter")
        assert "pre-activation of h?" in screen and "by hand" in screen
        for t in (2, 3):
            for unit in range(3):
                equation = equation_of(pane)
                assert (pane.reading.cursor, equation.unit) == (t, unit)
                weights, before = equation.weights, equation.inputs["h"][t]
                drive = float(equation.lines[0].terms[0][1][t])
                assert re.search(rf"W_ihh? x, column '.', \{drive:+.4f}", screen)
                assert f"b_hh {float(weights['b_hh'][0]):+.4f}" in screen
                for w, h in zip(weights["W_hh"][0], before, strict=True):
                    assert f"{float(w):+.4f}*{float(h):+.4f}" in screen
                rounded = [np.round(a.astype(np.float64), 4) for a in (weights["W_hh"][0], before)]
                pre = round(drive, 4) + float(weights["b_ih"][0]) + float(weights["b_hh"][0]) + rounded[0] @ rounded[1]
                value = f"{float(equation.lines[0].value[t]):+.4f}"
                assert value not in screen
                screen = await type_in(app, pilot, f"{pre:.3f}")
                assert "right" in screen and " h?" in screen and value not in screen
                screen = await type_in(app, pilot, f"{math.tanh(pre):.3f}")
                assert value in screen and f"unit {unit} at t {t} is done" in screen
                screen = await press(app, pilot, "enter")
        assert (pane.reading.cursor, pane.reading.unit) == (4, 0)
        assert "12 of 12 right at the first try" in screen


async def test_wrong_ones_are_told_and_escape_goes_up_one_level_at_a_time() -> None:
    async with stage(KnowingLab(), size=(80, 20)) as (app, pane, pilot):
        await press(app, pilot, "L", "enter")
        whole = lines_of(app)
        screen = await press(app, pilot, "enter")
        assert "pre-activation of i?" in screen
        # The terms stand there: 12 units are too many to multiply out.
        assert f"{float(equation_of(pane).lines[0].terms[0][1][10]):+.4f}" in screen
        screen = await type_in(app, pilot, "77.5")
        assert "77.5 is too high" in screen
        screen = await type_in(app, pilot, "-77,5")
        assert "-77.5 is too low" in screen
        await press(app, pilot, "escape")
        assert not pane.editing and isinstance(pane.lens, EquationLens) and pane.lens.hand is not None
        screen = await press(app, pilot, "right")
        assert pane.reading.cursor == 11 and "?" in screen
        await press(app, pilot, "enter")
        assert pane.editing
        assert pane.escape() and pane.escape()
        assert pane.lens is not None and pane.lens.hand is None
        await press(app, pilot, "left")
        assert lines_of(app) == whole
        assert pane.escape()
        assert pane.lens is None


async def test_nothing_that_is_asked_for_stands_on_the_screen() -> None:
    for cell in ("lstm", "gru"):
        async with stage(KnowingLab(cell=cell, units=3, layers=1), size=(80, 20)) as (app, pane, pilot):
            await press(app, pilot, "L", "enter", "enter")
            equation, t = equation_of(pane), 10
            for step in steps_of(equation, t):
                shown = "\n".join(lines_of(app))
                true = truth(equation, t, step)
                assert f"{true:+.4f}" not in shown and f" {true:.4f}" not in shown, (cell, step)
                assert step.question in shown
                await type_in(app, pilot, f"{true:.3f}")
            assert f"{len(steps_of(equation, t))} of {len(steps_of(equation, t))} right" in "\n".join(lines_of(app))


@pytest.mark.parametrize("size", [(40, 9), (59, 12), (160, 44)])
async def test_other_sizes(size: tuple[int, int]) -> None:
    async with stage(KnowingLab(), size=size) as (app, _, pilot):
        screen = await press(app, pilot, "L", "enter", "enter")
        assert "pre-activation of i?" in screen
        assert all(len(row) <= size[0] for row in lines_of(app))

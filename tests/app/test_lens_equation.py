"""The equation's lens: what stands on the screen is what the view says, and moving in time asks nothing."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from rnn_tui.app.panes.equation_view import figure
from rnn_tui.app.panes.lens_equation import EquationLens
from rnn_tui.app.widgets.activation import FUNCTIONS, LABEL, curve, place
from rnn_tui.lab.questions import Explain, TraceText
from rnn_tui.views import Equation, Hold
from tests.app.explaining import KnowingLab
from tests.app.inspecting import stage, the_trace
from tests.app.stage import lines_of, press, settle

NUMBER = r"([+-]?\d+\.?\d*(?:e\d+)?)"


def lens_of(pane: Any) -> EquationLens:
    assert isinstance(pane.lens, EquationLens)
    return pane.lens


def equation_of(pane: Any) -> Equation:
    found = lens_of(pane).known
    assert found is not None
    return found


def numbers_in(line: str) -> list[float]:
    return [float(each) for each in re.findall(r"(?<![\w.])" + NUMBER, line)]


@pytest.mark.parametrize(("cell", "size", "digits"), [
    ("lstm", (80, 20), 2), ("gru", (80, 20), 2), ("rnn", (80, 20), 2), ("lstm", (160, 44), 4), ("gru", (100, 30), 2),
    ("lstm", (64, 20), 2),
    ("lstm", (72, 18), 2),
])  # fmt: skip
async def test_every_number_on_the_screen_is_the_views(cell: str, size: tuple[int, int], digits: int) -> None:
    half = 0.5 * 10**-digits + 1e-6
    async with stage(KnowingLab(cell=cell), size=size) as (app, pane, pilot):
        await press(app, pilot, "L", "enter")
        for key in ("right", "L", "down", "right_square_bracket"):
            await press(app, pilot, key)
            equation, t = equation_of(pane), pane.reading.cursor
            screen = lines_of(app)
            for line in equation.lines:
                at = next(k for k, row in enumerate(screen) if re.match(rf"[ >]{line.name} = ", row))
                if line.activation:
                    for name, _ in line.terms:
                        assert name in screen[at] or name.replace("h_{t-1}", "h'") in screen[at]
                    shown = numbers_in(screen[at + 1])
                    wanted = [float(a[t]) for _, a in line.terms] + [
                        float(line.pre_activation[t]),
                        float(line.value[t]),
                    ]
                    assert len(shown) == len(wanted)
                    # Each stands under its name, right aligned with it.
                    for (name, array), told in zip(line.terms, shown, strict=False):
                        short = name if name in screen[at] else name.replace("h_{t-1}", "h'")
                        end = screen[at].index(short) + len(short)
                        assert screen[at + 1][:end].endswith(figure(float(array[t]), digits)), told
                else:
                    told = screen[at] if " = " in screen[at].partition("=")[2] else screen[at] + screen[at + 1]
                    shown = numbers_in(told.replace("1 - ", ""))[-1 - len(line.terms) :]
                    wanted = [float(a[t]) for _, a in line.terms] + [float(line.value[t])]
                for a, b in zip(shown, wanted, strict=True):
                    assert a == pytest.approx(b, abs=half)
            assert any("adds up to what the network computed to 3e-7" in row for row in screen)


async def test_time_asks_nothing_and_another_unit_or_reading_asks_once() -> None:
    async with stage(KnowingLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "enter")
        unit = pane.reading.unit
        assert lab.asked[-1].question == Explain(the_trace(pane).number, 0, unit)
        count = len(lab.asked)
        await press(app, pilot, *["right"] * 12, "L", "end", "home")
        assert len(lab.asked) == count
        await press(app, pilot, "down")
        assert lab.asked[-1].question == Explain(the_trace(pane).number, 0, pane.reading.unit)
        assert pane.reading.unit != unit and len(lab.asked) == count + 1
        await press(app, pilot, "right_square_bracket")
        assert lab.asked[-1].question.layer == 1
        await press(app, pilot, "r")
        assert lab.asked[-1].question == Explain(the_trace(pane).number, 1, pane.reading.unit)
        assert isinstance(lab.asked[-2].question, TraceText)
        assert pane.escape()
        assert pane.lens is None


async def test_the_chosen_line_in_full() -> None:
    async with stage(KnowingLab(), size=(80, 20)) as (app, pane, pilot):
        await press(app, pilot, "L", "enter")
        for name in ("i", "f", "g", "o", "c", "h"):
            screen, equation, t = lines_of(app), equation_of(pane), pane.reading.cursor
            line = lens_of(pane).line
            assert line is not None and line.name == name
            assert sum(row.startswith(">") for row in screen) == 1
            assert any(row.startswith(f">{name} = ") for row in screen)
            if line.contributions is not None:
                at = next(k for k, row in enumerate(screen) if row.startswith(f" {name}: what adds most"))
                first = screen[at + 1]
                found = line.contributions
                assert first.startswith(f" {equation.sources[found.source[t, 0]]} ")
                told = numbers_in(first.split("'")[-1] if "'" in first else first[4:])[:3]
                wanted = [float(found.weight[t, 0]), float(found.input[t, 0]), float(found.value[t, 0])]
                assert told == pytest.approx(wanted, abs=0.0051)
            await press(app, pilot, "v")
        assert lens_of(pane).line.name == "i"  # type: ignore[union-attr]
        await press(app, pilot, "V")
        assert lens_of(pane).line.name == "h"  # type: ignore[union-attr]


async def test_a_wide_screen_shows_every_line_in_full() -> None:
    async with stage(KnowingLab(), size=(160, 44)) as (app, _, pilot):
        screen = await press(app, pilot, "L", "enter")
        for name in "ifgo":
            assert f" {name}: what adds most" in screen
        assert " c: its parts" in screen and " h: its parts" in screen
        assert screen.count("●") + screen.count("  >  ") + screen.count("  <  ") >= 4


@pytest.mark.parametrize("size", [(40, 9), (40, 8), (59, 12), (40, 4), (70, 12)])
async def test_a_small_screen_tells_the_values(size: tuple[int, int]) -> None:
    async with stage(KnowingLab(), size=size) as (app, pane, pilot):
        await press(app, pilot, "L", "enter")
        screen = lines_of(app)
        assert all(len(row) <= size[0] for row in screen)
        if size[1] >= 8:
            for line in equation_of(pane).lines:
                signed = line.name in "gch"
                told = figure(float(line.value[pane.reading.cursor]), 2, signed).strip()
                assert any(re.search(rf"\b{line.name}\b.* {re.escape(told)}", row) for row in screen), line.name


async def test_a_held_line_is_marked() -> None:
    lab = KnowingLab()
    lab.hold(Hold(0, "f", -1, 1.0))
    async with stage(lab) as (app, _, pilot):
        await press(app, pilot, "L", "enter")
        rows = [row for row in lines_of(app) if row.rstrip().endswith("held")]
        assert len(rows) == 1 and rows[0].rstrip().endswith("1.00 held")
        assert "1 held" in lines_of(app)[0]


async def test_without_an_answer_it_says_why() -> None:
    lab = KnowingLab()
    async with stage(lab) as (app, pane, pilot):
        lab.at_once = False
        await press(app, pilot, "enter")
        assert "..." in "\n".join(lines_of(app))
        lab.asked[-1].finish(error="this text was read a while ago and its weights are gone; read it again (r)")
        await settle(app, pilot)
        assert "its weights are gone" in "\n".join(lines_of(app))
        lab.at_once = True
        await press(app, pilot, "down")
        assert lens_of(pane).known is not None
        assert "adds up" in "\n".join(lines_of(app))


def test_the_point_lies_on_the_curve() -> None:
    for name, (function, reach, low, high) in FUNCTIONS.items():
        for columns, rows in ((20, 5), (34, 9), (21, 4)):
            for k in range(-8, 9):
                x = reach * k / 8
                for ascii_only in (False, True):
                    drawn = curve(name, x, columns, rows, ascii_only)
                    bare = curve(name, None, columns, rows, ascii_only)
                    assert len(drawn) == len(bare) == rows
                    column, row = place(name, x, columns, rows - 1)
                    text, plain = ("".join(part for part, _ in lines[row]) for lines in (drawn, bare))
                    assert text[LABEL + column] == ("O" if ascii_only else "●")
                    assert text[: LABEL + column] == plain[: LABEL + column]
                    # At most the neighbouring cell away from where the function is.
                    assert abs((high - function(x)) / (high - low) * (rows - 2) - row) <= 0.5 + 1e-9
    assert "".join(part for row in curve("tanh", 7.5, 20, 5) for part, _ in row).count(">") == 1
    assert curve("sigmoid", math.nan, 20, 5) == curve("sigmoid", None, 20, 5)


def test_figures_have_a_width_of_their_own() -> None:
    for value in (0.0, -0.004, 0.31, 9.996, -12.3, 99.96, 1234.5, -5e7, 3e-9):
        assert len(figure(value, 2)) in (5, 6)
        if abs(value) < 1000:
            assert len(figure(value, 2)) == 5 and float(figure(value, 2)) == pytest.approx(value, rel=0.01, abs=0.005)
    assert figure(math.nan, 2).strip() == "-"
    assert figure(0.8088, 2, False) == "0.81" and figure(0.8088, 4, False) == "0.8088"

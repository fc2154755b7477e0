"""Gate statistics on the screen, and the scatter that they are drawn in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnn_tui.app.panes.lens_gates import GatesLens
from rnn_tui.app.widgets.scatter import ASCII, CHOSEN, SIGNS, cells_of, scatter
from rnn_tui.lab.questions import CountGates
from tests.app.inspecting import stage
from tests.app.lens_lab import LensLab, leave, statistics
from tests.app.stage import lines_of, press, settle


def test_a_point_stands_where_its_shares_say() -> None:
    x = np.array([0.0, 1.0, 0.0, 0.5, np.nan, 2.0], np.float32)
    y = np.array([0.0, 0.0, 1.0, 0.5, 0.0, -1.0], np.float32)
    across, down = cells_of(x, y, 11, 5)
    assert across.tolist() == [0, 10, 0, 5, 0, 10]
    assert down.tolist() == [4, 4, 0, 2, 4, 4]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_sign_is_heavier_where_more_points_fall(ascii_only: bool) -> None:
    x = np.repeat(np.array([0.0, 0.5, 1.0], np.float32), (1, 3, 9))
    lines = ["".join(text for text, _ in row) for row in scatter(x, np.zeros_like(x), 23, 7, -1, ascii_only)]
    assert len(lines) == 7 and all(len(line) == 23 for line in lines)
    inside = lines[5][1:-1]
    assert (inside[0], inside[10], inside[20]) == tuple(ASCII if ascii_only else SIGNS)
    assert not "".join(line[1:-1] for line in lines[1:5]).strip()
    assert "".join(lines).isascii() == ascii_only


def test_the_chosen_unit_stands_out() -> None:
    rows = scatter(np.array([0.2, 0.8], np.float32), np.array([0.8, 0.2], np.float32), 22, 12, 1)
    spans = [(y, text) for y, row in enumerate(rows) for text, style in row if style == CHOSEN]
    assert spans == [(8, "X")] or spans == [(9, "X")]


async def test_the_gates_of_the_layer_stand_side_by_side() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "G")
        screen = await press(app, pilot)
        assert lab.asked_for(CountGates) == [CountGates()]
        names = next(line for line in screen.splitlines() if "input" in line)
        assert names.index("i  input") < names.index("f  forget") < names.index("o  output")
        assert "< 0.1" in screen and "> 0.9" in screen
        assert "last 100,000 symbols of the training part, weights of step 1,240" in screen
        assert "dead, h never moves by more than 0.01: u 7 (1 in other layers)" in screen
        assert "always (99 % of the time): i open: u 2, o closed: u 5 (1 in other layers)" in screen
        counted = statistics(12, "lstm", 1240)
        for keys in ([], ["down"], ["down", "down"], ["right_square_bracket"]):
            screen = await press(app, pilot, *keys)
            unit, shares = pane.reading.unit, counted.layers[pane.reading.layer]
            line = next(line for line in screen.splitlines() if line.startswith(f" u {unit} "))
            told = [float(word) for word in line.replace("%", "").replace("<", "").split() if word[0].isdigit()][1:]
            wanted = [100 * float(side[unit]) for name in "ifo" for side in (shares[name].left, shares[name].right)]
            assert told == pytest.approx(wanted, abs=0.51)
        assert "u 4 (1 in other layers)" in screen


async def test_a_plain_network_has_bars_of_its_saturated_units() -> None:
    async with stage(LensLab(cell="rnn")) as (app, pane, pilot):
        await press(app, pilot, "G")
        screen = await press(app, pilot, "down")
        share = statistics(12, "rnn", 1240).states[0]["h"]
        rows = [line.split() for line in screen.splitlines() if line[:3] in (" u ", ">u ")]
        units = [int(row[row.index("u") + 1 if "u" in row else 1]) for row in rows]
        assert units == np.argsort(-share, kind="stable").tolist()[: len(units)] and len(units) >= 8
        assert sum(line.startswith(">u ") for line in screen.splitlines()) == 1
        assert f">u {pane.reading.unit} " in screen


async def test_newer_weights_are_counted_anew_and_what_fails_is_told() -> None:
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "G")
        await settle(app, pilot)
        lab.status = replace(lab.status, step=2000, weights_version=2)
        await press(app, pilot, "r")
        await settle(app, pilot)
        assert len(lab.asked_for(CountGates)) == 2
        assert "weights of step 2,000" in await press(app, pilot)
        await leave(app, pilot)
        assert pane.lens is None
        lab.error = "the text it was trained on is not at hand"
        await press(app, pilot, "G")
        assert "is not at hand" in await press(app, pilot)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
async def test_every_size_is_kept(cell: str) -> None:
    async with stage(LensLab(cell=cell, units=128)) as (app, pane, pilot):
        await press(app, pilot, "G")
        for size in ((160, 45), (20, 3), (40, 9), (40, 12), (80, 21), (300, 80)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            assert all(child.region.bottom <= size[1] for child in pane.children if child.display)
            lens = pane.lens
            assert isinstance(lens, GatesLens)
            drawn = lens.lines(size[0], pane._view.size.height)
            assert len(drawn) <= pane._view.size.height
            if size[1] >= 9:
                assert any(line.strip() for line in lines_of(app)[4:])

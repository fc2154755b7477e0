"""Finding a state: the range that is marked, what is asked, and walking the places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rnn_tui.app.panes.lens_states import BEFORE, StatesLens
from rnn_tui.lab import TraceText
from rnn_tui.lab.questions import FindState
from rnn_tui.symbols import sign
from tests.app.inspecting import stage, the_trace
from tests.app.lens_lab import LensLab, leave
from tests.app.stage import lines_of, press, settle


def underlined(pane: Any) -> list[int]:
    """Timesteps of the strip that are underlined."""
    return [t for t, (_, style) in enumerate(pane._strip._cells, pane.reading.start) if style.underline]


async def test_a_range_is_marked_and_its_state_is_sought() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "right", "v")
        screen = await press(app, pilot, "m")
        assert "marks t 11 to 11" in screen and underlined(pane) == [11]
        assert any(line.startswith((" u ", ">u ")) for line in screen.splitlines()), "the units are seen meanwhile"
        screen = await press(app, pilot, "left", "left", "left")
        assert "marks t 8 to 11" in screen and underlined(pane) == [8, 9, 10, 11]
        await press(app, pilot, "m")
        assert lab.asked_for(FindState) == [FindState(1, 0, "c", 8, 11, 0.3)]
        screen = await press(app, pilot)
        values = the_trace(pane).layers[0]["c"][8:12]
        units = [u for u in range(12) if all(values[t, u] >= 0.3 for t in range(4))]
        assert units and f"{len(units)} units stay on: {' '.join(map(str, units))}" in screen
        assert "layer 0, c at least 0.30 from t 8 to 11" in screen
        assert "5 places in 100,000 symbols" in screen
        assert underlined(pane) == [8, 9, 10, 11]


async def test_the_threshold_moves_in_steps_and_asks_again() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "m", "m", "plus", "plus", "minus", "plus", "plus")
        thresholds = [round(question.threshold, 6) for question in lab.asked_for(FindState)]
        assert thresholds == [0.3, 0.35, 0.4, 0.35, 0.4, 0.45]
        screen = await press(app, pilot, *["plus"] * 30)
        assert "No unit stays on" in screen and "lowers the threshold" in screen
        assert not pane.allows("next_match")


async def test_places_are_read_and_the_cursor_lands_on_them() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "m", "right", "right", "m")
        await settle(app, pilot)
        lens = pane.lens
        assert isinstance(lens, StatesLens) and lens.matches is not None
        places = lens.matches.places
        for key, at in (("n", 0), ("n", 1), ("down", 2), ("N", 1)):
            await press(app, pilot, key)
            await settle(app, pilot)
            place = places[at]
            question = lab.asked_for(TraceText)[-1]
            assert (question.part, question.offset) == (place.part, place.offset - BEFORE)
            assert pane.reading.cursor == BEFORE and pane.lens is lens and lens.at == at
            assert underlined(pane) == list(range(BEFORE, BEFORE + place.length))
            chosen = next(line for line in lines_of(app) if line.startswith(">  "))
            assert int(chosen.split()[1]) == at + 1
            assert "".join(map(sign, place.text)) in chosen
            assert f"{place.part} {place.offset:,}" in chosen


async def test_a_place_near_the_end_of_its_part_is_landed_on_too() -> None:
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "m", "m")
        lab.at_once = False
        await press(app, pilot, "n")
        lab.answer(lab.asked[-1])
        # The passage would go on beyond the part: it begins 30 symbols earlier.
        lab.asked[-1].newest = replace(lab.asked[-1].newest, offset=lab.asked[-1].newest.offset - 30)
        await settle(app, pilot)
        assert pane.reading.cursor == BEFORE + 30 and underlined(pane) == [BEFORE + 30]


async def test_keys_in_a_burst_come_to_the_last_place() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "m", "m")
        lab.at_once = False
        await press(app, pilot, "n", "n", "n", "n")
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        lens = pane.lens
        assert isinstance(lens, StatesLens) and lens.at == 3 and lens.matches is not None
        place = lens.matches.places[3]
        assert the_trace(pane).offset == place.offset - BEFORE
        assert the_trace(pane).part == place.part and pane.reading.cursor == BEFORE


async def test_escape_drops_the_marks_then_closes() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        await press(app, pilot, "m", "right")
        screen = await leave(app, pilot)
        assert pane.lens is not None and not underlined(pane) and "marks where the range begins" in screen
        await press(app, pilot, "m", "m")
        assert underlined(pane) == [1]
        await leave(app, pilot)
        assert pane.lens is not None and not underlined(pane)
        await leave(app, pilot)
        assert pane.lens is None


async def test_what_fails_is_told_and_another_text_drops_a_half_marked_range() -> None:
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        lab.error = "this text was read a while ago and its weights are gone; read it again (r)"
        await press(app, pilot, "m", "m")
        assert "weights are gone" in await press(app, pilot)
        await leave(app, pilot)
        lab.error = ""
        await press(app, pilot, "m", "right_parenthesis")
        await settle(app, pilot)
        assert isinstance(pane.lens, StatesLens) and pane.lens.start == -1 and not underlined(pane)


async def test_every_size_is_kept() -> None:
    lab = LensLab(units=128)
    lab.places = 50
    async with stage(lab) as (app, pane, pilot):
        for keys in (["m"], ["m", "n"]):
            await press(app, pilot, *keys)
            for size in ((160, 45), (20, 3), (40, 9), (80, 21)):
                await pilot.resize_terminal(*size)
                await settle(app, pilot)
                assert all(child.region.bottom <= size[1] for child in pane.children if child.display)

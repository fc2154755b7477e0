"""Training time: the recorded frames, and one unit at all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.app.panes.lens_becoming import BecomingLens, brief, shown_frames, unit_over_training
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import cell, steps
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab.questions import ReadRecording
from tests.app.inspecting import stage, the_trace
from tests.app.lens_lab import LensLab, leave, recording
from tests.app.stage import PLAY, lines_of, press, settle


async def test_commas_go_back_through_the_training_and_the_place_stays() -> None:
    async with stage(LensLab(frames=12)) as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "L", "L", "down", "down")
        live, unit = the_trace(pane), pane.reading.unit
        await press(app, pilot, "comma")
        screen = await press(app, pilot)
        assert "recording, step 1,210, frame 12 of 12" in screen.splitlines()[0]
        assert pane.key_hint() is not None and ("escape", "live text") in (pane.key_hint() or [])
        whole = recording(12, 12)
        for key, frame in (("comma", 10), ("comma", 9), ("full_stop", 10), ("comma", 9)):
            screen = await press(app, pilot, key)
            assert f"step {int(whole.steps[frame]):,}, frame {frame + 1} of 12" in screen.splitlines()[0]
            assert (pane.reading.cursor, pane.reading.unit) == (20, unit)
            shown = the_trace(pane)
            assert np.array_equal(shown.layers[1]["h"], whole.frame(frame).layers[1]["h"])
        assert len(lab.asked_for(ReadRecording)) == 1
        await leave(app, pilot)
        assert the_trace(pane) is live and pane.reading.cursor == 20
        assert "weights of step 1,240" in lines_of(app)[0]


async def test_keys_typed_before_the_recording_is_there_are_not_lost() -> None:
    lab = LensLab(frames=12)
    async with stage(lab) as (app, _, pilot):
        lab.at_once = False
        await press(app, pilot, "comma", "comma", "comma", "comma", "full_stop")
        assert len(lab.asked_for(ReadRecording)) == 1
        lab.answer(lab.asked[-1])
        assert "frame 10 of 12" in await press(app, pilot)
        await press(app, pilot, *["comma"] * 30)
        assert "frame 1 of 12" in lines_of(app)[0]
        await press(app, pilot, *["full_stop"] * 30)
        assert "frame 12 of 12" in lines_of(app)[0]


async def test_keys_typed_before_the_text_is_there_are_not_lost() -> None:
    lab = LensLab(at_once=False, frames=12)
    async with stage(lab) as (app, _, pilot):
        await press(app, pilot, "comma", "comma")
        lab.at_once = True
        lab.answer(lab.asked[0])
        await settle(app, pilot)
        assert "frame 11 of 12" in await press(app, pilot)


async def test_a_text_that_is_read_again_meanwhile_does_not_end_the_recording() -> None:
    lab = LensLab(frames=12)
    async with stage(lab) as (app, _, pilot):
        lab.at_once = False
        await press(app, pilot, "r")
        asked = lab.asked[-1]
        lab.at_once = True
        await press(app, pilot, "comma")
        lab.answer(asked)
        assert "frame 12 of 12" in await press(app, pilot)


async def test_nothing_recorded_is_told_in_a_sentence() -> None:
    async with stage(LensLab(frames=0)) as (app, pane, pilot):
        live = the_trace(pane)
        await press(app, pilot, "comma")
        await press(app, pilot)
        assert app.said == ["nothing is recorded yet: the first frame comes with training"]
        assert the_trace(pane) is live and not pane.scrub.on
        screen = await press(app, pilot, "T")
        assert "Nothing is recorded yet" in await press(app, pilot) or "Nothing is recorded yet" in screen
        await leave(app, pilot)
        assert pane.lens is None


async def test_a_recording_of_another_session_is_forgotten() -> None:
    lab = LensLab(frames=12)
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "comma")
        await settle(app, pilot)
        lab.status = replace(lab.status, session="other")
        await settle(app, pilot)
        await settle(app, pilot)
        live = the_trace(pane)
        assert not pane.scrub.on and live.weights_version >= 0
        await press(app, pilot, "comma")
        await settle(app, pilot)
        await leave(app, pilot)
        assert the_trace(pane) is live


async def test_the_value_that_was_shown_comes_back_with_the_live_text() -> None:
    async with stage(LensLab(frames=3)) as (app, pane, pilot):
        await press(app, pilot, "v", "v", "v")
        assert pane.reading.value == "f"
        await press(app, pilot, "comma")
        await settle(app, pilot)
        assert pane.reading.value == "h" and pane.reading.names == ("h", "c")
        await leave(app, pilot)
        assert pane.reading.value == "f"


async def test_a_small_screen_says_that_it_is_a_recording() -> None:
    async with stage(LensLab(frames=3), size=(40, 9)) as (app, _, pilot):
        await press(app, pilot, "comma")
        assert "recorded at 40" in await press(app, pilot)


async def test_becoming_draws_the_unit_at_every_step() -> None:
    async with stage(LensLab(frames=8), size=(80, 24)) as (app, pane, pilot):
        await press(app, pilot, "T")
        await settle(app, pilot)
        whole = recording(8, 12)
        for keys in ([], ["comma", "comma"], ["down"], ["right_square_bracket", "right"], ["v"]):
            screen = (await press(app, pilot, *keys)).splitlines()
            reading = pane.reading
            values = unit_over_training(whole, reading.layer, reading.value, reading.unit)
            scale = 1.0 if reading.value == "h" else None
            rows = {k: next(line for line in screen if line[1:5] == f"{brief(int(whole.steps[k])):>4}" and
                            line[:1] in " >") for k in range(8)}  # fmt: skip
            assert [k for k, row in rows.items() if row.startswith(">")] == [pane.scrub.frame]
            if scale:
                for k, row in rows.items():
                    drawn = [cell(step, "signed", True, False)[0]
                             for step in steps(values[k][:60], "signed", scale).tolist()]  # fmt: skip
                    assert row[GUTTER : GUTTER + 60] == "".join(drawn)
            k = pane.scrub.frame
            told = f"frame {k + 1} of 8: loss of this text {float(whole.loss[k]):.3f} nats"
            assert any(f"step {int(whole.steps[k]):,}, {told}" in line for line in screen)
        assert "".join(the_trace(pane).symbols) == PLAY
        # Rows of less training have a higher loss: a higher bar.
        bars = [palette.BARS.index(rows[k][6]) for k in range(8)]
        assert bars == sorted(bars, reverse=True) and bars[0] == 7
        await leave(app, pilot)
        assert pane.lens is None and pane.scrub.on
        await press(app, pilot, "f")
        assert pane.lens is not None, "the full text can be looked at in a recording"
        await leave(app, pilot)
        await leave(app, pilot)
        assert not pane.scrub.on


async def test_becoming_stays_open_while_one_scrubs_and_other_lenses_close() -> None:
    async with stage(LensLab(frames=30)) as (app, pane, pilot):
        await press(app, pilot, "G", "comma")
        await settle(app, pilot)
        assert pane.scrub.on and pane.lens is None
        assert not pane.allows("gates") and pane.allows("becoming") and pane.allows("page")
        await press(app, pilot, "T", *["comma"] * 9)
        assert isinstance(pane.lens, BecomingLens) and pane.scrub.frame == 20
        for size in ((160, 45), (20, 3), (40, 9), (40, 12), (80, 21)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            assert all(child.region.bottom <= size[1] for child in pane.children if child.display)
            screen = lines_of(app)
            rows = [line for line in screen[3:] if line[:1] == ">"]
            assert size[1] < 9 or len(rows) == 1


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_frames_that_are_shown(frames: int, room: int, data: Any) -> None:
    now = data.draw(st.integers(0, frames - 1))
    shown = shown_frames(frames, now, room)
    assert shown == sorted(set(shown)) and now in shown
    assert len(shown) <= min(frames, room) and all(0 <= k < frames for k in shown)
    if room >= 3:
        assert {0, frames - 1} <= set(shown)


@pytest.mark.parametrize(
    ("step", "told"),
    [(0, "0"), (999, "999"), (1240, "1.2k"), (12_400, "12k"), (999_400, "999k"), (999_999, "1.0M")],
)
def test_a_step_in_four_columns(step: int, told: str) -> None:
    assert brief(step) == told

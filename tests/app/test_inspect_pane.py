"""Inspect, driven by its keys: what is shown belongs to the place, and moving asks nothing of the model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual import events
from textual.widget import Widget

from rnn_tui.app.panes import inspect as inspect_module
from rnn_tui.app.panes import reading_pane
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.inquiry import PASSAGE
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab import TraceText
from rnn_tui.symbols import sign
from rnn_tui.views import DataView, Part, Phase, Status
from tests.app.inspecting import stage, the_trace
from tests.app.stage import PLAY, FakeLab, lines_of, press, settle


async def test_keys_move_through_time_and_the_model_is_asked_once() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        for keys, t in ((["right"], 1), (["l", "l"], 3), (["left"], 2), (["L"], 12), (["H"], 2), (["home"], 0),
                        (["h"], 0), (["end"], PASSAGE - 1), (["right"], PASSAGE - 1)):  # fmt: skip
            screen = await press(app, pilot, *keys)
            assert pane.reading.cursor == t
            assert f" t {t} of {PASSAGE}" in screen
        assert len(lab.asked) == 1


async def test_everything_of_a_timestep_stands_under_its_symbol() -> None:
    async with stage() as (app, pane, pilot):
        screen = (await press(app, pilot, *["right"] * 30)).splitlines()
        trace = the_trace(pane)
        at = GUTTER + 30
        assert screen[1][GUTTER : GUTTER + 60] == "".join(pane.reading.columns.signs[:60])
        assert screen[2].index("^") == at
        # The cost row: full height from 7 bits on, nothing at t 0.
        assert screen[3].startswith(" cost")
        assert screen[3][GUTTER] == " "
        for t in range(1, 60):
            expected = "▁▂▃▄▅▆▇█"[min(7, int(trace.bits[t]))]
            assert screen[3][GUTTER + t] == expected


async def test_the_detail_tells_the_values_at_the_cursor() -> None:
    async with stage() as (app, pane, pilot):
        screen = await press(app, pilot, "L", "j", "j", "right_square_bracket")
        trace, t, unit = the_trace(pane), 10, pane.reading.unit
        assert pane.reading.layer == 1
        for name in "ifg":
            value = float(trace.layers[1][name][t, unit])
            assert f" {name} {value:+.2f}" in screen or f" {name}  {value:.2f}" in screen
        for name in "ch":
            assert f" {name} {float(trace.layers[1][name][t, unit]):+.2f}" in screen
        assert f"cost of '{sign(trace.symbols[t])}' {float(trace.bits[t]):.1f} bits" in screen
        assert f"true is '{sign(trace.symbols[t + 1])}', {float(trace.bits[t + 1]):.1f} bits" in screen
        likeliest = trace.vocabulary[int(trace.top_id[t, 0])]
        assert f"'{sign(likeliest)}'" in screen
        assert f"{float(trace.top_p[t, 0]):.2f}" in screen
        assert "layer 1 of 2" in screen and "weights of step 1,240" in screen


async def test_units_layers_values_and_orders() -> None:
    async with stage() as (app, pane, pilot):
        reading = pane.reading
        screen = await press(app, pilot, "S", "S")
        assert reading.sort == "index" and "by number" in screen
        first = int(reading.order[0])
        await press(app, pilot, *["up"] * 15)
        assert reading.unit == first == 0
        await press(app, pilot, "pagedown")
        assert reading.place == pane._units.size.height - 1
        await press(app, pilot, *["j"] * 30)
        assert reading.unit == 11
        assert any(line.startswith(">u 11") for line in lines_of(app))
        seen = []
        for _ in range(7):
            await press(app, pilot, "v")
            seen.append("all" if reading.single else reading.value)
        assert seen == ["c", "i", "f", "g", "o", "all", "h"]
        await press(app, pilot, "V")
        assert reading.single
        labels = [line[:GUTTER].strip() for line in lines_of(app)[4:10]]
        assert labels[0] == "u11 h" and re.fullmatch(r"c ?±[0-9.]+", labels[1]) and labels[2:] == ["i", "f", "g", "o"]


async def test_moving_through_time_leaves_the_grid_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "right")
        sent: list[Any] = []
        refresh = Widget.refresh

        def watch(self: Widget, *regions: Any, **options: Any) -> Widget:
            sent.append((self, regions))
            return refresh(self, *regions, **options)

        monkeypatch.setattr(Widget, "refresh", watch)
        pane.do_right()
        touched = {widget for widget, _ in sent}
        assert not touched & {pane._units, pane._cost, pane._over_time, pane._legend}
        assert all(regions for widget, regions in sent)
        assert sum(region.area for _, regions in sent for region in regions) < 400


async def test_a_pasted_text_is_the_text_whole() -> None:
    text = "To be, or\nnot to be,\nthat is"
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        app.post_message(events.Paste(text.replace("\n", "\r\n")))
        await settle(app, pilot)
        assert lab.asked[-1].question == TraceText(text=text, offset=0, length=PASSAGE)
        assert "".join(the_trace(pane).symbols) == text
        await press(app, pilot, "i")
        assert pane.editing
        app.post_message(events.Paste(text))
        await settle(app, pilot)
        screen = await press(app, pilot, "left", "x")
        assert "enter reads it" in screen
        await press(app, pilot, "enter")
        assert not pane.editing
        assert lab.asked[-1].question.text == text + text[:-1] + "x" + text[-1]


async def test_escape_keeps_the_old_text_and_letters_are_text_only_in_the_field() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, "i", "l", "l", "v")
        assert pane._own.value == "llv" and pane.reading.cursor == 0 and " llv" in screen
        screen = await press(app, pilot, "escape")
        assert len(lab.asked) == 1 and pane.inquiry.text is None
        assert "ROMEO" in screen


async def test_passages_of_the_validation_part() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "right_parenthesis", "right_parenthesis")
        assert lab.asked[-1].question.offset == 2 * PASSAGE
        await press(app, pilot, "left_parenthesis")
        assert lab.asked[-1].question.offset == PASSAGE and pane.reading.cursor == 0
        await press(app, pilot, *["left_parenthesis"] * 3)
        assert lab.asked[-1].question.offset == 0


async def test_go_to_a_timestep_or_a_unit() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "number_sign")
        assert app.dialog is not None
        accept = app.dialog[1]
        assert accept("150") == "" and pane.reading.cursor == 150
        assert accept(" t 3 ") == "" and pane.reading.cursor == 3
        assert accept("u 7") == "" and pane.reading.unit == 7
        for wrong in ("", "x", "-1", "9999", "u 12", "t"):
            assert accept(wrong)
        assert (pane.reading.cursor, pane.reading.unit) == (3, 7)


async def test_writing_on_takes_the_symbols_up_to_the_cursor() -> None:
    async with stage(others=[GeneratePane()]) as (app, _, pilot):
        await press(app, pilot, "L", "g")
        assert app.went == "generate"
        generate = app.panes["generate"]
        assert isinstance(generate, GeneratePane)
        assert generate.prompt == PLAY[:11]


async def test_it_names_the_weights_reads_again_and_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, *["right"] * 5, "down")
        monkeypatch.setattr(inspect_module, "NOW_EVERY", 0.0)
        lab.status = replace(lab.status, step=1900, weights_version=2, phase=Phase.TRAINING)
        await settle(app, pilot)
        assert "weights of step 1,240 (now 1,900)" in lines_of(app)[0]
        assert len(lab.asked) == 1
        unit = pane.reading.unit
        assert "weights of step 1,900" in await press(app, pilot, "r")
        assert (pane.reading.cursor, pane.reading.unit) == (5, unit)
        await press(app, pilot, "F")
        lab.status = replace(lab.status, step=2000, weights_version=3)
        await settle(app, pilot)
        assert len(lab.asked) == 2, "no sooner than a second after the last reading"
        pane.inquiry.rest = 0.0
        await settle(app, pilot)
        assert len(lab.asked) == 3
        await settle(app, pilot)
        assert "weights of step 2,000, follows" in lines_of(app)[0]
        await settle(app, pilot)
        assert len(lab.asked) == 3


async def test_one_question_at_a_time_and_a_failed_one_says_why() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        assert len(lab.asked) == 1
        assert "reading the text" in "\n".join(lines_of(app))
        lab.asked[0].finish(error="the text it was trained on is not at hand; type one of your own (i)")
        await settle(app, pilot)
        screen = "\n".join(lines_of(app))
        assert "is not at hand" in screen and "r tries again" in screen
        await settle(app, pilot)
        assert len(lab.asked) == 1
        await press(app, pilot, "r")
        lab.answer(lab.asked[1])
        await settle(app, pilot)
        assert "ROMEO" in "\n".join(lines_of(app))
        await press(app, pilot, "r")
        lab.asked[2].finish(error="no\x1b[31m")
        await settle(app, pilot)
        assert app.said == ["no\x1b[31m"] and pane.trace is not None


async def test_without_a_network_it_says_what_to_press(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = FakeLab()
    lab.status = Status()
    async with stage(lab) as (app, pane, pilot):
        screen = "\n".join(lines_of(app))
        assert "space trains" in screen and "no network yet" in screen
        assert not lab.asked
        monkeypatch.setattr(reading_pane, "TYPED_AHEAD", 0.0)
        assert not pane.allows("right") and not pane.allows("text")
        await press(app, pilot, "right", "v", "i", "g", "S")
        lab.status = FakeLab().status
        await settle(app, pilot)
        assert pane.trace is not None and pane.reading.cursor == 0


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
async def test_every_size_is_filled_and_nothing_overflows(cell: str) -> None:
    async with stage(FakeLab(cell=cell, units=128)) as (app, pane, pilot):
        await press(app, pilot, "L", "v", "j")
        for size in ((160, 45), (20, 3), (40, 9), (40, 12), (79, 20), (80, 21), (120, 24), (300, 80)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            assert all(child.region.bottom <= size[1] for child in pane.children if child.display)
            screen = lines_of(app)
            assert screen[1].startswith(" " * GUTTER + "ROMEO")
            assert "^" in screen[2]
            if size[1] >= 9:
                rows = [line for line in screen if re.match(r"[ >](u ?\d|[cifgorzn] )", line)]
                assert len(rows) >= 3
                assert sum(line[GUTTER:].strip() != "" for line in rows) >= 3
                assert screen[-1 if size[1] < 14 else -2].strip()


async def test_japanese_steps_two_columns() -> None:
    text = "神の光abc東"
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste(text))
        await settle(app, pilot)
        for size in ((80, 21), (40, 12), (160, 45)):
            await pilot.resize_terminal(*size)
            await press(app, pilot, "home")
            for t, column in enumerate([0, 2, 4, 6, 7, 8, 9]):
                line, marks = lines_of(app)[1:3]
                assert line.rstrip() == " " * GUTTER + text
                assert pane.reading.cursor == t and marks.index("^") == GUTTER + column
                await press(app, pilot, "right")


async def test_hostile_text_never_reaches_the_screen_raw() -> None:
    hostile = "\x1b]0;x\x07[bold]b[/bold][@click=app.quit]q[/]‮evil\x9b2J\x00é́"
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste(hostile))
        await settle(app, pilot)
        screen = ""
        for _ in hostile:
            pane.do_right()
            parts = (pane._header, pane._strip, pane._values, pane._next)
            screen = "".join(part.text for part in parts)
            assert not {c for c in screen if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "‮́"}
        screen = await press(app, pilot, "left")
        assert "[bold]b[/bold]" in screen
        assert not {c for c in screen if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "‮́"}
        assert pane.copy_text().isprintable() or "\n" in pane.copy_text()


async def test_without_colours_the_signs_of_the_values_are_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage() as (app, pane, _):
        assert not pane.coloured
        rows = [line[GUTTER:] for line in lines_of(app) if line[:3] in (" u ", ">u ")]
        assert set("".join(rows)) <= set("·-=≡+*# ")
        h = the_trace(pane).layers[0]["h"]
        unit = int(pane.reading.order[0])
        for t in range(40):
            if abs(h[t, unit]) > 0.2:
                assert (rows[0][t] in "+*#") == (h[t, unit] > 0)


async def test_state_goes_out_and_comes_back() -> None:
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste("some text of mine"))
        await settle(app, pilot)
        await press(app, pilot, "right", "right", "v", "right_square_bracket", "j", "S")
        kept = pane.state()
    async with stage() as (app, pane, pilot):
        pane.restore(kept)
        await settle(app, pilot)
        await settle(app, pilot)
        assert pane.state() == kept
        assert "".join(the_trace(pane).symbols) == "some text of mine"


async def test_another_session_is_read_anew_and_a_restored_place_is_kept() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "right_parenthesis", "right")
        lab.status = replace(lab.status, session="other")
        pane.restore({"offset": 600, "cursor": 7})
        await settle(app, pilot)
        assert lab.asked[-1].question.offset == 600
        await settle(app, pilot)
        assert (pane.inquiry.passage, pane.reading.cursor) == (600, 7)
        lab.status = replace(lab.status, session="third")
        await settle(app, pilot)
        assert lab.asked[-1].question.offset == 0


async def test_moves_typed_before_the_text_is_there_are_made_when_it_is() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "right", "right", "L", "left", "v", "right_square_bracket", "j", "g", "number_sign")
        assert pane.trace is None and app.went == "inspect" and app.dialog is None
        lab.answer(lab.asked[0])
        await settle(app, pilot)
        reading = pane.reading
        assert (reading.cursor, reading.value, reading.layer) == (11, "c", 1)
        order = np.argsort(-np.abs(np.diff(the_trace(pane).layers[1]["c"], axis=0)).mean(axis=0), kind="stable")
        assert reading.order.tolist() == order.tolist()
        assert "t 11 of" in lines_of(app)[0] and lines_of(app)[2].index("^") == GUTTER + 11


async def test_moves_are_of_the_text_that_was_asked_for() -> None:
    lab = FakeLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "end")
        lab.at_once = False
        await press(app, pilot, "right_parenthesis", "L", "right")
        assert pane.reading.cursor == PASSAGE - 1
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert pane.reading.cursor == 11 and pane.inquiry.passage == PASSAGE
        app.post_message(events.Paste("abcde"))
        await press(app, pilot, "L", "left")
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert pane.reading.cursor == 3, "ten on are only four in a text of five"
        # The same text with newer weights keeps the place: moves need not wait.
        await press(app, pilot, "r", "left")
        assert pane.reading.cursor == 2
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert pane.reading.cursor == 2


async def test_a_text_that_can_not_be_read_leaves_the_one_before() -> None:
    lab = FakeLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "L")
        lab.at_once = False
        app.post_message(events.Paste("€€€"))
        await press(app, pilot, "right")
        lab.asked[-1].finish(error="none of that text's symbols is in the vocabulary; type another text (i)")
        screen = await press(app, pilot)
        assert "none of" in app.said[-1] and "ROMEO" in screen
        assert pane.inquiry.text is None and pane.reading.cursor == 10
        await press(app, pilot, "r")
        assert lab.asked[-1].question == TraceText(text=None, offset=0, length=PASSAGE)


async def test_unknown_symbols_are_told_once() -> None:
    lab = FakeLab(unknown=3)
    async with stage(lab, size=(160, 45)) as (app, _, pilot):
        assert app.said == ["3 symbols are not in the vocabulary: left out"]
        screen = await press(app, pilot, "r", "right")
        assert len(app.said) == 1 and "3 symbols are not in the vocabulary: left out" in screen


async def test_an_empty_text_is_the_passage_again_and_a_passage_beyond_the_ends_is_none() -> None:
    lab = FakeLab()
    lab.data = DataView(
        "x", "x", 5000, 60, (Part("train", 0, 4000), Part("validation", 4000, 450)), (), (), "", ""
    )  # fmt: skip
    async with stage(lab) as (app, pane, pilot):
        app.post_message(events.Paste("mine"))
        await settle(app, pilot)
        await press(app, pilot, "i", *["backspace"] * 4, "enter")
        assert lab.asked[-1].question == TraceText(text=None, offset=0, length=PASSAGE)
        await press(app, pilot, "L")
        back, on = "left_parenthesis", "right_parenthesis"
        for key, offset, told in ((back, 0, "first passage"), (on, 200, ""), (on, 250, ""), (on, 250, "last passage")):
            asked, said = len(lab.asked), len(app.said)
            await press(app, pilot, key)
            assert pane.inquiry.passage == offset
            assert (len(lab.asked) == asked) == bool(told) == (len(app.said) > said)
            assert told in " ".join(app.said[said:])


async def test_the_memory_of_a_reading_is_told() -> None:
    async with stage() as (_, pane, _):
        held = sum(array.nbytes for layer in the_trace(pane).layers for array in layer.values())
        assert f"holds {held / 1e6:,.1f} MB" in pane.help_values()["memory"]

"""Inspect, driven by its keys: what is shown belongs to the place, and moving asks nothing of the model."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style
from textual import events
from textual.pilot import Pilot
from textual.widget import Widget

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import inspect as inspect_module
from rnn_tui.app.panes import reading_pane
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.inquiry import PASSAGE
from rnn_tui.app.panes.inspect import CELL_BYTES, FOLLOW_BYTES, InspectPane
from rnn_tui.app.panes.inspect_view import legend_line, text_styles
from rnn_tui.app.reading import SORTS, Reading, round_up, values_of
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow, spans_of
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.lab import TraceText
from rnn_tui.symbols import sign
from rnn_tui.views import DataView, Part, Phase, Status, Trace, frozen
from tests.app.stage import PLAY, FakeLab, Stage, lines_of, make_trace, press, settle


@pytest.fixture(autouse=True)
def _draw_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reading_pane, "DRAW_EVERY", 0.0)
    yield


@asynccontextmanager
async def stage(
    lab: FakeLab | None = None, size: tuple[int, int] = (80, 21), others: Sequence[Pane] = ()
) -> AsyncIterator[tuple[Stage, InspectPane, Pilot[None]]]:
    pane = InspectPane()
    app = Stage(lab or FakeLab(), pane, others)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        yield app, pane, pilot


def the_trace(pane: InspectPane) -> Trace:
    assert pane.trace is not None
    return pane.trace


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
        monkeypatch.setattr(inspect_module, "TYPED_AHEAD", 0.0)
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


async def test_the_true_symbol_is_marked_or_stands_below() -> None:
    async with stage() as (app, pane, pilot):
        trace = the_trace(pane)
        seen = set()
        for t in range(60):
            pane.reading.go(t)
            pane.draw()
            rows = pane._next.text.splitlines()[1:]
            true = f"'{sign(trace.symbols[t + 1])}'"
            among = int(trace.tokens[t + 1]) in trace.top_id[t, :5].tolist()
            seen.add(among)
            marked = [row for row in rows if row.endswith(" true")]
            assert len(rows) == 5 and len(marked) == 1 and marked[0].split()[0] == true
            p = 2.0 ** -float(trace.bits[t + 1])
            told = float(marked[0].split()[1])
            assert told == (pytest.approx(p, abs=0.005) if p >= 0.005 else pytest.approx(p, rel=0.5))
            assert among or rows[-1] is marked[0]
        assert seen == {True, False}
        screen = await press(app, pilot, "end")
        assert "the text ends here" in screen and " true" not in screen


async def test_what_the_symbol_cost_is_never_cut_off() -> None:
    lab = FakeLab(units=1024)
    async with stage(lab) as (app, pane, pilot):
        trace = the_trace(pane)
        for width in (40, 80, 160):
            await pilot.resize_terminal(width, 21)
            await settle(app, pilot)
            for t in range(1, 40):
                pane.reading.go(t)
                pane.draw()
                text = pane._few.text if pane.compact else pane._values.text
                assert f"'{sign(trace.symbols[t])}' {float(trace.bits[t]):.1f} bits" in text


GLYPHS = "▁▂▃▄▅▆▇█"


def drawn(row: HeatRow) -> list[tuple[int, int]]:
    """Height (0 to 7) and colour of every cell of a row."""
    columns = Columns.of("x" * len(row.values))
    found = []
    for text, style in spans_of(row, columns, 0, len(row.values), True, False):
        assert isinstance(style, Style) and style.color is not None and style.color.number is not None
        found += [(GLYPHS.index(glyph), style.color.number) for glyph in text]
    return found


@pytest.mark.parametrize(("cell", "relu"), [("lstm", False), ("gru", False), ("rnn", False), ("rnn", True)])
def test_every_row_of_a_unit_is_as_high_as_its_numbers(cell: str, relu: bool) -> None:
    """Gates on 0 to 1; g, n and h on -1 to 1; c, and the h of a ReLU, on the unit's own largest size."""
    trace = make_trace(cell=cell, relu=relu, units=5)
    reading = Reading()
    reading.take(trace)
    for unit in range(5):
        for name, row in zip(reading.names, reading.rows_of(unit), strict=True):
            values = trace.layers[0][name][:, unit].astype(float)
            largest = float(np.abs(values).max())
            own = name == "c" or (name == "h" and relu)
            scale = row.scale
            assert row.tells_scale == own
            if own:
                assert largest <= scale <= 1.11 * largest
            for value, (height, colour) in zip(values.tolist(), drawn(row), strict=True):
                if name in "iforz":
                    assert abs((height + 0.5) / 8 - value) <= 0.12
                    continue
                assert abs(height / 7 - abs(value) / scale) <= 0.14
                side = palette.SIGNED.index(colour) - len(palette.SIGNED) // 2
                assert side * value >= 0
                assert side != 0 or abs(value) / scale <= 1 / 16 + 1e-6


def test_a_flat_row_is_flat_only_where_the_unit_is() -> None:
    trace = make_trace(units=3)
    c = trace.layers[0]["c"].copy()
    c[:, 1] *= 0.01
    c[:, 2] = 0.0
    reading = Reading()
    reading.take(replace(trace, layers=({**trace.layers[0], "c": frozen(c)}, trace.layers[1])))
    heights = [max(height for height, _ in drawn(reading.rows_of(unit)[1])) for unit in range(3)]
    assert heights == [7, 7, 0]
    # Side by side all units have one scale, which the legend tells.
    reading.step_value(1)
    rows = {row.label: row for row in reading.unit_rows(3)}
    assert len({row.scale for row in rows.values()}) == 1
    assert max(height for height, _ in drawn(rows["u 1"])) == 0
    legend = "".join(text for text, _ in legend_line(reading, 80, True, False))
    assert f"{rows['u 0'].scale:+.3g} or more" in legend


async def test_the_text_has_the_colour_of_the_units_memory() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "V")
        assert pane.reading.single
        c = the_trace(pane).layers[0]["c"][:, pane.reading.unit]
        for t, style in enumerate(text_styles(pane.reading, 0, 60)):
            assert style.bgcolor is not None and style.bgcolor.number is not None
            side = palette.SIGNED.index(style.bgcolor.number) - len(palette.SIGNED) // 2
            assert side * c[t] >= 0
        assert f"c in text -{float(pane.reading.own_scale('c', pane.reading.unit)):.3g}" in "\n".join(lines_of(app))


async def test_following_rests_for_as_long_as_a_reading_takes_to_send() -> None:
    lab = FakeLab()
    async with stage(lab, size=(160, 45)) as (app, pane, pilot):
        await press(app, pilot, "F")
        for version in (2, 3):
            pane.inquiry.rest = 0.0
            lab.trace_options = {"seed": version}
            lab.status = replace(lab.status, step=1240 + version, weights_version=version)
            await settle(app, pilot)
        grid = 152 * (len(pane._units.rows) + len(pane._over_time.rows))
        assert pane.inquiry.rest * FOLLOW_BYTES >= grid * CELL_BYTES


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
KEYS = st.sampled_from(["cursor", "layer", "unit", "value", "single", "sort", "text", "offset"])


@given(st.dictionaries(KEYS, JUNK))
def test_a_state_from_a_file_may_hold_anything(state: dict[str, Any]) -> None:
    reading = Reading()
    reading.restore(state)
    reading.take(make_trace("abc"))
    assert reading.unit_rows(5)
    assert math.isfinite(reading.at(reading.value))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["move", "step_unit", "step_layer", "step_value"]), st.integers(-30, 30))))
def test_no_move_leaves_the_trace(moves: list[tuple[str, int]]) -> None:
    reading = Reading()
    reading.take(make_trace("abcdef", units=5, layers=3))
    for name, by in moves:
        getattr(reading, name)(by)
        reading.step_sort()
        rows = reading.unit_rows(3)
        assert len(rows) == 3
        assert reading.single or any(row.chosen for row in rows)
        assert 0 <= reading.cursor < 6 and 0 <= reading.layer < 3 and 0 <= reading.unit < 5
        assert sorted(reading.order.tolist()) == list(range(5))


def test_the_orders_are_what_they_say() -> None:
    reading = Reading()
    trace = make_trace("abcdefgh" * 4, units=6)
    reading.take(trace)
    h = trace.layers[0]["h"].astype(np.float64)
    assert reading.sort == "change"
    change = [sum(abs(h[t + 1, u] - h[t, u]) for t in range(31)) for u in range(6)]
    assert reading.order.tolist() == sorted(range(6), key=lambda u: -change[u])
    reading.go(9)
    reading.step_sort()
    assert reading.order.tolist() == sorted(range(6), key=lambda u: -abs(h[9, u]))
    reading.step_sort()
    assert reading.order.tolist() == list(range(6))
    assert SORTS == ("index", "change", "size")


def test_names_and_scales() -> None:
    assert values_of(make_trace(cell="lstm"), 0) == ("h", "c", "i", "f", "g", "o")
    assert values_of(make_trace(cell="gru"), 0) == ("h", "r", "z", "n")
    assert values_of(make_trace(cell="rnn"), 0) == ("h",)
    for value, expected in ((0.3, 0.3), (0.31, 0.4), (3.01, 4), (9.5, 10), (120, 200), (0, 1), (math.nan, 1)):
        assert round_up(value) == pytest.approx(expected)

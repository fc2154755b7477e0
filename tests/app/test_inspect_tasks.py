"""Inspect for every kind of sequence: what is answered, what is right, and which keys are offered."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from rnn_tui.app.panes import inspect_answers as answers
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.inspect_view import as_text
from rnn_tui.app.reading import Reading
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab import TraceText
from rnn_tui.views import Trace
from tests.app.inspecting import (
    PAIR,
    RIGHT_TAGS,
    SENTENCE,
    TAGS,
    TaskLab,
    both_ways,
    classified,
    forecast,
    made,
    stage,
    tagged,
    the_trace,
    translated,
)
from tests.app.stage import FakeLab, lines_of, make_trace, press, settle

KINDS = (tagged(), classified(), translated(), translated(attention=False), forecast(), forecast(columns=3))


async def test_words_have_cells_of_one_width_that_all_rows_share() -> None:
    async with stage(TaskLab(tagged())) as (app, pane, pilot):
        await press(app, pilot, "right", "right", "right")
        columns, lines = pane.reading.columns, lines_of(app)
        wide = columns.width(0)
        assert set(np.diff(columns.edges).tolist()) == {wide} and wide < cell_len("Papua-Neuguinea")
        for t, word in enumerate(SENTENCE):
            cell = lines[1][GUTTER + wide * t : GUTTER + wide * (t + 1)]
            assert cell[-1] == " " and (cell.rstrip() == word or cell[: wide - 2] == word[: wide - 2])
        # Whole at the cursor: below the text, and in the detail.
        assert lines[2].rstrip() == " " * (GUTTER + 3 * wide) + "^ Papua-Neuguinea"
        assert "after 'Papua-Neuguinea'" in "\n".join(lines)
        row = lines[3][GUTTER : GUTTER + wide * len(SENTENCE)]
        for t in range(len(SENTENCE)):
            assert len(set(row[wide * t : wide * (t + 1)])) == 1


async def test_a_word_that_has_no_room_behind_the_mark_stands_before_it() -> None:
    words = [*["and"] * 9, "Donaudampfschifffahrt"]
    async with stage(TaskLab(tagged(words, ["O"] * 10)), size=(60, 21)) as (app, pane, pilot):
        mark = (await press(app, pilot, "end")).splitlines()[2].rstrip()
        assert mark.endswith("Donaudampfschifffahrt ^")
        assert mark.index("^") == GUTTER + int(pane.reading.columns.edges[9] - pane.reading.columns.edges[
            pane.reading.start])  # fmt: skip


async def test_long_texts_draw_only_their_window() -> None:
    words = [f"w{k}" for k in range(2000)]
    async with stage(TaskLab(tagged(words, ["O"] * 2000))) as (app, pane, pilot):
        screen = await press(app, pilot, "end")
        assert "t 1999 of 2000" in screen and "w1999" in screen and "w0 " not in screen
        room = 80 - GUTTER
        assert len(pane._strip._cells) <= room // pane.reading.columns.width(0)
        start = pane.reading.start
        await press(app, pilot, "left", "left")
        assert pane.reading.start == start


@pytest.mark.parametrize("size", [(80, 21), (160, 44), (40, 9)])
@pytest.mark.parametrize("trace", KINDS, ids=lambda trace: trace.task)
async def test_every_place_of_every_kind_is_drawn_within_its_rows(trace: Trace, size: tuple[int, int]) -> None:
    async with stage(TaskLab(trace), size=size) as (app, pane, pilot):
        for _ in range(3):
            for key in ("home", *["right"] * 3, "end", "v"):
                lines = (await press(app, pilot, key)).splitlines()
                assert len(lines) == size[1] and all(cell_len(line) <= size[0] for line in lines)
        assert pane.trace is not None and pane.copy_text() and pane.help_values()


def test_the_right_answer_is_marked_and_its_cost_told() -> None:
    trace, reading = tagged(), Reading()
    reading.take(trace)
    for t, right in enumerate(RIGHT_TAGS):
        reading.go(t)
        heading, bars, _ = answers.next_bars(reading, 60, 6)
        bits = float(trace.bits[t])
        assert heading[0][0].strip() == f"answers; right is {right}, {bits:.1f} bits"
        assert [bar.label for bar in bars if bar.note == "right"] == [right]
        assert next(bar.value for bar in bars if bar.note) == pytest.approx(2.0**-bits, rel=1e-5)
        assert answers.cost_told(trace, t)[0] == f"cost of {right} {bits:.1f} bits"
    wrong = [t for t in range(len(SENTENCE)) if TAGS[int(trace.top_id[t, 0])] != RIGHT_TAGS[t]]
    assert answers.wrong_at(trace) == wrong
    mean = float(np.mean(trace.bits)) * math.log(2)
    assert answers.whole_told(trace) == f"{7 - len(wrong)} of 7 right, {mean:.2f} nats an answer"


def test_a_right_answer_that_is_not_among_the_likeliest_stands_last() -> None:
    names = tuple(f"tag {k}" for k in range(12))
    trace = made(("a", "b"), "tagging", names, ("tag 0", ""))
    worst = next(k for k in range(12) if k not in trace.top_id[0].tolist())
    trace = replace(trace, right=(names[worst], ""), next_bits=np.array([9.0, np.nan], np.float32))
    found = answers.likeliest(trace, 0, 4)
    assert len(found) == 4 and found[-1] == (names[worst], 2.0**-9, True)
    assert not any(true for _, _, true in answers.likeliest(trace, 1, 4))


def test_what_is_answered_once_is_told_as_if_it_ended_here() -> None:
    trace = classified()
    assert answers.heading_of(trace, 3)[0] == "if it ended here"
    assert answers.heading_of(trace, 8)[0].startswith("answers; right is Russian, ")
    assert answers.cost_told(trace, 3)[0] == "nothing is asked here"
    own = replace(trace, right=(), part="")
    assert answers.cost_told(own, 8)[0] == "what is right is not known"
    assert answers.heading_of(own, 8)[0] == "answers" and not answers.whole_told(own)


def test_where_several_answers_may_be_right_only_what_came_is_told() -> None:
    trace = made("BTXSE", "reber", tuple("BTPSXVE"), ("T", "X", "S", "E", ""))
    assert answers.heading_of(trace, 1)[0].startswith("answers; what came is 'X', ")
    assert answers.wrong_at(trace) == [] and "right" not in answers.whole_told(trace)
    reading = Reading()
    reading.take(trace)
    _, bars, _ = answers.next_bars(reading, 60, 9)
    assert [bar.note for bar in bars if bar.note] == ["came"]


async def test_numbers_are_told_in_their_own_units() -> None:
    trace = forecast()
    async with stage(TaskLab(trace), size=(120, 24)) as (app, _, pilot):
        screen = await press(app, pilot, "end")
        assert "Sunspots t+1" in screen and "210" in screen and "right 121.7" in screen
        assert "squared error 0.25" in screen and "mean squared error 0.25" in screen
        assert "bits" not in screen and "perplexity" not in screen
        assert lines_of(app)[3].startswith(" column")
        screen = await press(app, pilot, "home")
        assert "if it ended here" in screen and "right 121.7" not in screen and "nothing is asked here" in screen


async def test_both_directions_are_gone_through() -> None:
    async with stage(TaskLab(tagged())) as (app, pane, pilot):
        seen = [pane.reading.value]
        for _ in range(11):
            await press(app, pilot, "v")
            seen.append(pane.reading.value)
        names = ["h", "c", "i", "f", "g", "o"]
        assert seen == [*names, *(f"backward.{name}" for name in names)]
        screen = await press(app, pilot, "V", "V", "V", "V")
        assert pane.reading.value == "backward.c"
        unit, t = pane.reading.unit, pane.reading.cursor
        value = float(the_trace(pane).layers[0]["backward.c"][t, unit])
        assert "c backward, 8 units" in screen and ", backward" in screen and f"<c {value:+.2f}" in screen
        # What is held is held in the forward direction.
        assert not pane.allows("hold") and not pane.allows("edit")
        await press(app, pilot, *["V"] * 6)
        assert pane.reading.value == "c" and pane.allows("hold")


async def test_a_tall_screen_shows_the_direction_that_is_looked_at() -> None:
    async with stage(TaskLab(tagged()), size=(120, 30)) as (app, _, pilot):
        lines = (await press(app, pilot, *["v"] * 6)).splitlines()
        labels = {line[1:GUTTER].split("±")[0].strip() for line in lines}
        assert {"<c", "<i", "<f", "<g", "<o"} <= labels and not {"c", "i", "f"} & labels


async def test_where_the_decoder_begins_is_drawn_and_told() -> None:
    async with stage(TaskLab(translated())) as (app, pane, pilot):
        lines = (await press(app, pilot, "home")).splitlines()
        columns = pane.reading.columns
        at = GUTTER + int(columns.edges[3])
        assert "encoder" in lines[0] and lines[2][at : at + 8] == "|decoder"
        assert lines[1][at : at + 6] == "<start"
        assert "the source is read: no answer yet" in "\n".join(lines)
        lines = (await press(app, pilot, "end")).splitlines()
        assert "decoder" in lines[0] and "right is <eos>" in "\n".join(lines)
        lines = (await press(app, pilot, "home", "right", "right", "right")).splitlines()
        assert lines[2][at : at + 8] == "^decoder"


async def test_attention_stands_over_the_source_or_over_those_that_looked() -> None:
    trace = translated()
    assert trace.attention is not None
    for t in range(len(PAIR)):
        row = answers.attention_row(trace, t).values
        if t < 3:
            assert np.isnan(row[:3]).all() and row[3:].tolist() == trace.attention[:, t].tolist()
        else:
            assert np.isnan(row[3:]).all() and row[:3].tolist() == trace.attention[t - 3].tolist()
            k = int(np.argmax(trace.attention[t - 3]))
            told = f"attends to '{PAIR[k]}' {float(trace.attention[t - 3, k]):.2f}"
            assert answers.attention_told(trace, t).startswith(told)
    async with stage(TaskLab(trace)) as (app, _, pilot):
        assert lines_of(app)[3].startswith(" seen")
        assert (await press(app, pilot, "end")).splitlines()[3].startswith(" attend")


async def test_parentheses_go_by_one_example() -> None:
    async with stage(TaskLab(tagged(), examples=3)) as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, "right_parenthesis")
        assert lab.asked[-1].question.offset == 1 and pane.trace is not None
        assert "8 of" not in screen and pane.trace.source == "sentence 1 of the validation part"
        await press(app, pilot, "right_parenthesis", "right_parenthesis")
        assert lab.asked[-1].question.offset == 2 and app.said[-1] == "this is its last example"
        await press(app, pilot, *["left_parenthesis"] * 3)
        assert app.said[-1] == "this is the first example of the validation part"


async def test_words_of_ones_own() -> None:
    async with stage(TaskLab(tagged())) as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, "i")
        assert "a sentence, words with blanks between" in screen
        await press(app, pilot, "H", "i", "enter")
        assert lab.asked[-1].question == TraceText(text="Hi") and not pane.editing
        lab.status = replace(lab.status, weights_version=2)
        lab.at_once = False
        await press(app, pilot, "i", "x", "enter")
        lab.asked[-1].finish(error="there is no word in it; write a sentence")
        await settle(app, pilot)
        assert app.said[-1] == "there is no word in it; write a sentence" and pane.inquiry.text == "Hi"


@pytest.mark.parametrize(
    ("trace", "offered", "withheld"),
    [
        (tagged(), "padding find mark equation", "write_on scrub_back becoming masks"),
        (classified(), "padding find hold page", "write_on scrub_on becoming masks"),
        (forecast(), "equation gates hold padding", "write_on find mark scrub_back becoming"),
        (both_ways(make_trace()), "find page equation", "write_on scrub_back becoming padding masks"),
        (make_trace(), "write_on scrub_back becoming find", "padding masks"),
    ],
    ids=["tagging", "classification", "forecasting", "language both ways", "language"],
)  # fmt: skip
async def test_only_what_can_work_is_offered(trace: Trace, offered: str, withheld: str) -> None:
    async with stage(TaskLab(trace), others=[GeneratePane()]) as (_, pane, _):
        assert {name: pane.allows(name) for name in offered.split()} == dict.fromkeys(offered.split(), True)
        assert {name: pane.allows(name) for name in withheld.split()} == dict.fromkeys(withheld.split(), False)


async def test_masks_are_offered_where_something_is_dropped() -> None:
    for fields, there in (({}, False), ({"model.dropout": 0.5}, True), ({"model.recurrent_dropout": 0.2}, True)):
        async with stage(TaskLab(make_trace(), **fields)) as (_, pane, _):
            assert pane.allows("masks") == there


async def test_windows_of_a_series_have_nothing_to_fill_up() -> None:
    lab = TaskLab(forecast())
    assert lab.data is not None
    lab.data = replace(lab.data, unit="windows")
    async with stage(lab) as (_, pane, _):
        assert not pane.allows("padding")


async def test_a_language_model_that_reads_both_ways_says_that_it_has_seen_the_answer() -> None:
    async with stage(TaskLab(both_ways(make_trace()), examples=1000), size=(130, 30)) as (app, _, pilot):
        screen = await press(app, pilot, "right")
        assert app.said == [answers.BOTH_WAYS] and "has read it; true is " in screen
        assert "it reads both ways" in screen
        await press(app, pilot, "right_parenthesis")
        assert len(app.said) == 1
    async with stage(FakeLab()) as (app, _, _):
        assert not app.said


async def test_what_is_held_is_weighed_by_the_answers() -> None:
    numbers, tags = forecast(), tagged()
    assert numbers.squared is not None
    dearer = replace(tags, bits=tags.bits * 2)
    nats = tags.loss
    for free, held, told in (
        (numbers, replace(numbers, squared=numbers.squared * 2), ["squared error 0.25 -> 0.5", "answers 210 -> 210"]),
        (tags, dearer, [f"mean cost {nats:.2f} -> {2 * nats:.2f} nats", "without", "held", " right"]),
    ):  # fmt: skip
        lab = TaskLab(free)
        lab.held_reading = held
        async with stage(lab, size=(100, 30)) as (app, _, pilot):
            screen = await press(app, pilot, "end", "x")
            for each in told:
                assert each in screen
            # It does not write: nothing is asked to be written from here.
            assert all(isinstance(asked.question, TraceText) for asked in lab.asked)


def test_a_prompt_is_what_one_would_type() -> None:
    labelled = made(("Czech", *"Novak"), "composing", tuple("Novak"), ("",) * 6)
    assert answers.prompt_of(labelled, 3) == "Czech: Nov"
    bare = made(("<start>", *"Novak"), "composing", tuple("Novak"), ("",) * 6)
    assert answers.prompt_of(bare, 3) == "Nov" and answers.prompt_of(bare, 0) == ""
    words = replace(made(("So", "said", "I"), "composing", ("I",), ("",) * 3), task="language")
    assert answers.prompt_of(words, 2) == "So said I"
    assert answers.prompt_of(make_trace("To <b>"), 5) == "To <b>"


def test_copied_text_names_answers_and_the_right_one() -> None:
    reading = Reading()
    for trace, t, wanted in ((tagged(), 3, "right: B-location"), (forecast(), 11, "right: 121.7"),
                             (translated(), 8, "right: <eos>")):  # fmt: skip
        reading.leave()
        reading.take(trace)
        reading.go(t)
        assert wanted in as_text(reading) and "\nanswers: " in as_text(reading)

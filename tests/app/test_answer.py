"""Generate where the network does not write: what is asked of the Lab, and what is drawn of its answer."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from rnn_tui.app.panes.answer_asking import BEAMS, UPDATES, VALUES
from rnn_tui.app.panes.answer_page import Page, likeliest
from rnn_tui.app.panes.answer_showing import PAGES
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.config import TASKS, put
from rnn_tui.lab.questions import AnswerText, MeasureGaps
from rnn_tui.lab.task_words import words_of
from rnn_tui.tasks import task_of
from rnn_tui.views import Phase
from tests.app import answering as made
from tests.app.answering import AnswerLab
from tests.app.stage import Stage, lines_of, press, settle


@asynccontextmanager
async def stage(
    task: str, reply: Any, size: tuple[int, int] = (80, 20), at_once: bool = True
) -> AsyncIterator[tuple[Stage, GeneratePane, Pilot[None], AnswerLab]]:
    pane = GeneratePane()
    lab = AnswerLab(task, reply, at_once)
    app = Stage(lab, pane)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        await settle(app, pilot)
        yield app, pane, pilot, lab


def row_of(app: Stage, label: str) -> str:
    """The row that begins with a label, blanks in the label's place."""
    found = next(line for line in lines_of(app) if line.strip().lstrip(">").startswith(label))
    return found.replace(label, " " * len(label), 1)


def page_of(pane: GeneratePane) -> Page:
    page = pane.answering.page
    assert page is not None
    return page


async def test_words_stand_over_their_tags_and_what_is_wrong_is_marked_without_colour() -> None:
    async with stage("tagging", made.tagged()) as (app, pane, pilot, lab):
        assert lab.questions == [AnswerText()]
        screen = "\n".join(lines_of(app))
        assert "5 of 6 right" in screen and "weights of step 7" in screen and "there are 50" in screen
        answer, right, wrong = (row_of(app, label) for label in ("answer", "right", "wrong"))
        # A long word is cut in its cell; its tag, the right one and the mark begin at the same column.
        assert answer.split() == ["O", "B-PER", "O", "O", "B-LOC", "I-LOC"] and right.split() == list(made.RIGHT)
        assert wrong.index("x") == answer.index("B-PER") and wrong.count("x") == 1
        assert "electroencephalographer" not in lines_of(app)[2]
        screen = await press(app, pilot, "right")
        assert "t 1 'electroencephalographer': 'B-PER', 'O' is right" in screen
        bars = next(line for line in screen.splitlines() if "right" in line and line.split()[0] == "O")
        assert "0.10" in bars
        assert pane.copy_text().splitlines()[2].split("\t") == ["1", "electroencephalographer", "B-PER", "0.7000", "O"]


async def test_of_a_grammar_every_legal_symbol_is_right() -> None:
    async with stage("reber", made.grammar()) as (app, _, pilot, _lab):
        screen = "\n".join(lines_of(app))
        # P, S are legal and did not come; B after X is not.
        assert "2 of 3 legal" in screen and row_of(app, "wrong").rstrip().endswith("x")
        assert row_of(app, "came").strip() == "TXX"
        assert "'P', 'T' or 'P' are legal" in screen
        assert "'B', 'X' or 'S' are legal" in await press(app, pilot, "end")


async def test_nothing_is_shown_where_nothing_is_asked() -> None:
    async with stage("recall", made.recalled(30)) as (app, pane, pilot, _):
        assert page_of(pane).place == 29 and "1 of 1 right" in "\n".join(lines_of(app))
        assert row_of(app, "answer").strip() == "d"
        assert "nothing is asked here" in await press(app, pilot, "left")


async def test_keys_are_answered_soon_in_a_long_sequence() -> None:
    """Of 2,000 timesteps only those in view are looked at: what a move costs does not grow with T."""
    looked: list[int] = []
    async with stage("recall", made.recalled(2000)) as (app, pane, pilot, _):
        page: Any = page_of(pane)
        before = page.rights

        def rights(t: int) -> tuple[str, ...]:
            looked.append(t)
            return tuple(before(t))

        page.rights = rights
        begun = time.perf_counter()
        await press(app, pilot, "H", "left")
        assert page.place == 1988 and len(looked) < 400
        assert time.perf_counter() - begun < 5


async def test_one_watches_a_text_being_classified() -> None:
    async with stage("classification", made.classified()) as (app, pane, pilot, _):
        screen = "\n".join(lines_of(app))
        assert "Czech 70 %, right" in screen and "its answer, the same since t 2" in screen
        assert row_of(app, "likeliest").split() == ["English", "English", "Czech", "Czech", "Czech"]
        assert screen.index(">Czech") < screen.index("Irish")
        screen = await press(app, pilot, "home")
        assert "after t 0 'N': 'English'" in screen
        # The right one is among the bars, marked, while it is still unlikely.
        assert any(line.split()[:2] == ["Czech", "0.10"] and "right" in line for line in screen.splitlines())
        assert "and it stays with that" in await press(app, pilot, "l", "l")
        header = pane.copy_text().splitlines()[0].split("\t")
        assert header == ["t", "symbol", *made.LABELS]


async def test_a_long_text_is_told_in_single_columns() -> None:
    text = "It was the best of times, it was the worst of times, it was the age of wisdom " * 3
    async with stage("classification", made.classified(text)) as (app, pane, pilot, _):
        assert page_of(pane).place == len(text) - 1
        assert "ee" + "c" * 5 not in row_of(app, "likeliest")
        await press(app, pilot, "home")
        assert row_of(app, "likeliest").strip().startswith("EECCC")


async def test_a_translation_beside_the_right_one_with_its_map() -> None:
    async with stage("translation", made.translated()) as (app, _, pilot, lab):
        screen = "\n".join(lines_of(app))
        assert "not the right one, greedy" in screen
        assert row_of(app, "written").strip() == "chat noir" and row_of(app, "right").strip() == "un chat noir"
        assert "'chat' was written with 0.75, looking at 'cat' 0.90" in screen
        chat, noir = row_of(app, "chat"), row_of(app, "noir")
        # The fuller bar stands under the word that was looked at.
        low, full = "▁▂", "▇█"
        source = next(line for line in lines_of(app) if "black" in line and "cat" in line)
        offset = source.index("cat")
        lines = lines_of(app)
        at = next(k for k, line in enumerate(lines) if line.startswith(">chat"))
        assert lines[at][offset] in full and lines[at][source.index("black")] in low
        assert lines[at + 1][offset] in "▁▂▃" and lines[at + 1][source.index("black")] in full
        assert "0.75" in chat and "0.50" in noir
        screen = await press(app, pilot, "down", "right")
        assert ">noir" in screen and "looking at 'black' 0.80" in screen and "'cat' 0.20" in screen
        lab.reply = made.translated(beams=2)
        screen = await press(app, pilot, "plus")
        assert lab.questions[-1].beams == BEAMS[1] == 2
        assert "-0.250" in screen and "chien noir" in screen and "2 beams" in screen
        await press(app, pilot, "minus", "minus")
        assert lab.questions[-1].beams == 1


async def test_without_attention_a_sentence_says_what_the_decoder_is_told() -> None:
    async with stage("translation", made.translated(attends=False)) as (app, _, pilot, _lab):
        screen = await press(app, pilot, "down")
        assert "all that the decoder is told of the source is the context" in screen and "12 numbers" in screen
        assert ">noir  0.50" in screen and "looking at" not in screen


async def test_a_forecast_beside_the_lines_that_need_no_network() -> None:
    async with stage("forecasting", made.forecast()) as (app, pane, pilot, lab):
        screen = "\n".join(lines_of(app))
        assert "RMSE 1, persistence 2" in screen and "at 1960, visitors" in screen and "^ free-running" in screen
        assert page_of(pane).place == 10
        truth = 100 + 10 * math.sin(10 / 3)
        assert f"{truth:.4g}" in row_of(app, "── truth") and f"{truth - 4:.4g}" in row_of(app, "── free-running")
        assert row_of(app, "── network").split()[1:] == ["1", "1", "1.0", "%"]
        screen = await press(app, pilot, "v", "v", "v")
        assert "without network" in screen and "── persistence" in screen and "── network" not in screen
        await press(app, pilot, "right_parenthesis")
        assert lab.questions[-1] == AnswerText(offset=30)
        await press(app, pilot, "minus")
        assert lab.questions[-1].length == VALUES[1]
        assert pane.copy_text().splitlines()[1].startswith("1950\t100\t99\tnan")


async def test_a_move_does_not_draw_the_plot_again() -> None:
    async with stage("forecasting", made.forecast()) as (app, pane, pilot, _):
        page: Any = page_of(pane)
        put: list[Any] = []
        page.curve.put = put.append
        await press(app, pilot, "right", "right")
        assert page.place == 12 and not put
        await press(app, pilot, "v")
        assert len(put) == 1


async def test_mape_that_means_nothing_is_not_told() -> None:
    metrics = {"network": {"rmse": 1.0, "mae": 1.0, "mape": 512.0}}
    async with stage("forecasting", made.forecast(metrics=metrics), size=(80, 24)) as (app, _, _pilot, _lab):
        screen = "\n".join(lines_of(app))
        assert "near a truth of 0 it means nothing" in screen and "51200" not in screen


async def test_a_sum_that_grows() -> None:
    async with stage("adding", made.added()) as (app, pane, pilot, _):
        screen = "\n".join(lines_of(app))
        assert "answer 0.800, the sum is 0.750, off by 0.050" in screen and "the sum 0.75" in screen
        assert "t 11: 0.900" in screen and "add up to 0.750" in screen
        assert "t 2: 0.500, marked" in await press(app, pilot, "H", "right")
        assert pane.copy_text().splitlines()[3].split("\t")[:3] == ["2", "0.5000", "1"]


async def test_gap_curves_grow_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn_tui.app.panes.answer_showing.DRAW_EVERY", 0.0)
    async with stage("recall", made.recalled(30)) as (app, pane, pilot, lab):
        await press(app, pilot, "c")
        screen = await press(app, pilot)
        assert lab.questions[-1] == MeasureGaps(cells=("rnn", "gru", "lstm"), steps=1000)
        assert "accuracy against gap" in screen and pane.label_of("write") == "stop"
        asked = lab.asked[-1]
        asked.doing = "RNN 1x8: 120 of 1,000 updates"
        asked.newest = made.gap_curves(2)
        await settle(app, pilot)
        screen = await press(app, pilot)
        assert "RNN 1x8: 120 of 1,000 updates, enter stops" in screen
        assert "this LSTM 1x8" in screen and "10 timesteps" in screen and "2 timesteps" in screen
        assert "remembers nothing" in screen and "gap 40" in screen
        screen = await press(app, pilot, "left", "left", "left")
        assert "gap 5" in screen and row_of(app, "── this LSTM 1x8").split()[0] == "0.95"
        assert row_of(app, "── RNN 1x8").split()[0] == "0.125"
        screen = await press(app, pilot, "enter")
        assert asked.cancelled and "enter stops" not in screen and "RNN 1x8" in screen
        await press(app, pilot, "plus", "enter")
        assert lab.questions[-1].steps == UPDATES[UPDATES.index(1000) + 1]
        app.here.escape()
        app.here.escape()
        assert "answer" in await press(app, pilot) and not pane.answering.at_gaps


async def test_what_remembers_nothing_and_what_is_not_measured_are_told_apart() -> None:
    async with stage("copying", made.recalled(30), size=(80, 24)) as (app, _, pilot, lab):
        await press(app, pilot, "c")
        curves = made.gap_curves(4)
        values = curves.values.copy()
        values[3] = np.nan
        lab.asked[-1].finish(replace(curves, values=values, remembers=(40, 2, 0, 0), done=True))
        await settle(app, pilot)
        screen = await press(app, pilot)
        assert "at least 40 timesteps" in row_of(app, "── this LSTM 1x8")
        assert row_of(app, "── GRU 1x8").split()[-1] == "nothing"
        assert "not measured yet" in row_of(app, "── LSTM 1x8") and "enter stops" not in screen


async def test_only_probes_with_a_gap_have_curves() -> None:
    for task in TASKS:
        gaps = getattr(task_of(task), "gaps", None)
        assert words_of(task).gapped == (gaps is not None and len(gaps(20)) > 0), task
    async with stage("tagging", made.tagged()) as (app, pane, pilot, lab):
        await press(app, pilot, "c")
        assert not pane.allows("compare") and len(lab.asked) == 1


async def test_a_text_of_ones_own_and_another_example() -> None:
    async with stage("classification", made.classified()) as (app, pane, pilot, lab):
        screen = await press(app, pilot, "i")
        assert "a text to be labelled" in screen and pane.editing
        await press(app, pilot, "D", "v", "o", "r", "enter")
        assert lab.questions[-1].text == "Dvor" and not pane.editing
        assert "your text" in "\n".join(lines_of(app))
        await press(app, pilot, "i", "x", "escape")
        assert lab.questions[-1].text == "Dvor"
        await press(app, pilot, "right_parenthesis")
        assert lab.questions[-1] == AnswerText(offset=0)
        await press(app, pilot, "left_parenthesis")
        assert lab.questions[-1].offset == 19
        await press(app, pilot, "number_sign")
        assert app.dialog is not None
        assert app.dialog[1]("t 2") == "" and page_of(pane).place == 2
        assert "the last is 4" in app.dialog[1]("t 99") and "type a timestep" in app.dialog[1]("u 3")
        assert app.dialog[1]("12") == "" and lab.questions[-1].offset == 12


async def test_an_answer_stays_while_it_trains_until_it_is_asked_for_again() -> None:
    async with stage("tagging", made.tagged()) as (app, _, pilot, lab):
        await press(app, pilot, "right")
        lab.status = replace(lab.status, phase=Phase.TRAINING, step=90, weights_version=5)
        screen = await press(app, pilot)
        assert "weights of step 7 (now 90)" in screen and len(lab.asked) == 1
        screen = await press(app, pilot, "r")
        assert "weights of step 90" in screen and "(now" not in screen
        # The same sentence: the cursor stays where it was.
        assert "t 1 'electro" in screen
        assert "follows" in await press(app, pilot, "F")


async def test_the_best_weights_where_there_are_some() -> None:
    async with stage("tagging", made.tagged()) as (app, pane, pilot, lab):
        assert not pane.allows("best")
        lab.status = replace(lab.status, has_best=True)
        screen = await press(app, pilot, "b")
        assert lab.questions[-1].best and "best weights of step 7" in screen


async def test_what_is_under_way_and_what_went_wrong() -> None:
    async with stage("tagging", made.tagged(), at_once=False) as (app, pane, pilot, lab):
        screen = await press(app, pilot, "right", "right")
        assert "reading it ..." in screen and pane.label_of("write") == "stop"
        lab.asked[0].finish(error="the data are not at hand; type something of your own (i)")
        screen = await press(app, pilot)
        assert "not at hand; type something" in screen and "r tries again" in screen and pane.label_of("write") == "ask"
        await press(app, pilot, "r", "right", "right")
        lab.answer(lab.asked[1])
        # Moves that were typed while it was awaited are made now.
        assert "t 2 'flew'" in await press(app, pilot)
        lab.error = "'Klingon' is none of its labels"
        await press(app, pilot, "i", "x", "enter")
        lab.answer(lab.asked[2])
        screen = await press(app, pilot)
        assert any("Klingon" in said for said in app.said) and "t 2 'flew'" in screen
        assert pane.answering.asking.text is None


async def test_another_network_is_asked_anew() -> None:
    async with stage("tagging", made.tagged()) as (app, pane, pilot, lab):
        await press(app, pilot, "right_parenthesis")
        lab.status, lab.reply = made.status_of("classification"), made.classified()
        lab.status = replace(lab.status, session="other")
        screen = await press(app, pilot)
        await settle(app, pilot)
        assert lab.questions[-1] == AnswerText() and "its answer" in "\n".join(lines_of(app))
        lab.status = replace(made.status_of("language"), session="third")
        await press(app, pilot)
        screen = await press(app, pilot)
        assert "enter lets it write" in screen and not pane.answers and pane.label_of("write") == ""


async def test_a_bidirectional_language_model_says_why_it_does_not_write() -> None:
    lab_status = made.status_of("language")
    assert lab_status.config is not None
    async with stage("language", None) as (app, pane, pilot, lab):
        lab.status = replace(lab_status, config=put(lab_status.config, "model.bidirectional", True))
        told = " ".join((await press(app, pilot, "enter", "r")).split())
        assert "sees the symbol that it must predict" in told and "it can't write" in told
        assert not lab.asked and not pane.allows("write") and not pane.allows("again")


REPLIES: dict[str, Callable[[], Any]] = {
    "tagging": made.tagged, "reber": made.grammar, "recall": made.recalled, "classification": made.classified,
    "translation": made.translated, "forecasting": made.forecast, "adding": made.added,
}  # fmt: skip


@pytest.mark.parametrize("task", REPLIES)
async def test_every_size_keeps_the_cursor_in_view(task: str) -> None:
    async with stage(task, REPLIES[task]()) as (app, _, pilot, _lab):
        for size in ((20, 3), (40, 9), (160, 45)):
            await pilot.resize_terminal(*size)
            await press(app, pilot, "end")
            screen = await press(app, pilot, "left")
            assert len(screen.splitlines()) == size[1]
            if size[1] >= 9:
                assert "^" in screen or task == "translation", size
                assert "weights of step 7" in screen or size[0] < 80


@pytest.mark.parametrize("task", REPLIES)
async def test_hostile_symbols_never_reach_the_screen_raw(task: str) -> None:
    bad = "\x1b[2J\u202e\x9b"
    reply: Any = REPLIES[task]()
    if hasattr(reply, "symbols"):
        reply = replace(reply, symbols=(bad, "\x07", *reply.symbols[2:]))
    if hasattr(reply, "classes"):
        reply = replace(reply, classes=(bad, *reply.classes[1:]))
    if task == "translation":
        reply = replace(reply, text=bad, written=(bad, "\x00"), beams=((bad, -1.0), ("\r", -2.0)), right=bad)
    if task == "forecasting":
        reply = replace(reply, column=bad, times=(bad,) * len(reply.times))
    reply = replace(reply, source=bad)
    async with stage(task, reply) as (app, pane, pilot, _):
        await press(app, pilot, "home", "right", "down")
        for text in ("".join(lines_of(app)), pane.copy_text().replace("\n", "").replace("\t", "")):
            assert not {c for c in text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e"}


async def test_state_goes_out_and_comes_back() -> None:
    async with stage("classification", made.classified()) as (app, pane, pilot, _):
        await press(app, pilot, "right_parenthesis", "home", "right")
        kept = pane.state()
    pane = GeneratePane()
    pane.restore(kept)
    assert pane.state() == kept
    lab = AnswerLab("classification", made.classified())
    app = Stage(lab, pane)
    async with app.run_test(size=(80, 20)) as pilot:
        await settle(app, pilot)
        assert lab.questions[0].offset == kept["answer"]["offset"] and page_of(pane).place == 1


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from(["text", "offset", "best", "beams", "values", "place"]), JUNK))
@settings(max_examples=40)
def test_a_state_from_a_file_may_hold_anything(state: dict[str, Any]) -> None:
    pane = GeneratePane()
    pane.restore({"answer": state})
    asking = pane.answering.asking
    assert 0 <= asking.offset < 2**40 and asking.beams in range(len(BEAMS)) and asking.values in range(len(VALUES))
    assert asking.text is None or isinstance(asking.text, str)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
    st.integers(1, 6),
    st.lists(st.integers(-1, 11), max_size=2),
)  # fmt: skip
def test_the_likeliest_and_those_that_must_be_there(p: list[float], count: int, also: list[int]) -> None:
    chosen = likeliest(np.array(p, np.float32), count, *also)
    assert len(set(chosen)) == len(chosen) and all(0 <= k < len(p) for k in chosen)
    values = [np.float32(p[k]) for k in chosen]
    assert values == sorted(values, reverse=True)
    if count > len(also):
        assert {k for k in also if 0 <= k < len(p)} <= set(chosen)
        assert int(np.argmax(np.array(p, np.float32))) in chosen


def test_every_kind_of_answer_has_a_page() -> None:
    from typing import get_args

    from rnn_tui.views import Answer

    assert set(PAGES) == set(get_args(Answer))

"""Generate where a task's figures are taken apart: the confusion matrix, and numbers with their bars."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style
from textual.pilot import Pilot

from rnn_tui.app.panes.answer_apart import ApartPage
from rnn_tui.app.panes.answer_matrix import DIAGONAL, cell_of, depth, in_view, short_names
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import columns_of
from rnn_tui.config import put
from rnn_tui.lab.questions import AnswerText, TakeApart
from rnn_tui.views import Breakdown
from tests.app import answering as made
from tests.app.answering import AnswerLab
from tests.app.stage import Stage, lines_of, press, settle


@asynccontextmanager
async def stage(
    task: str, reply: Any, *tables: Breakdown, size: tuple[int, int] = (80, 22), at_once: bool = True
) -> AsyncIterator[tuple[Stage, GeneratePane, Pilot[None], AnswerLab]]:
    pane = GeneratePane()
    lab = AnswerLab(task, reply, at_once)
    lab.tables = tables
    app = Stage(lab, pane)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        await settle(app, pilot)
        yield app, pane, pilot, lab


async def show(app: Stage, pilot: Pilot[None], *keys: str) -> list[str]:
    """The screen once the keys are done and the layout with them."""
    await press(app, pilot, *keys)
    await settle(app, pilot)
    return lines_of(app)


def page_of(pane: GeneratePane) -> ApartPage:
    page = pane.answering.page
    assert isinstance(page, ApartPage)
    return page


async def test_eighteen_classes_stand_on_a_small_screen_and_the_cursor_says_the_cell() -> None:
    async with stage("classification", made.classified(), made.confused()) as (app, pane, pilot, lab):
        assert lab.questions == [AnswerText()]
        lines = await show(app, pilot, "v")
        assert lab.questions[1:] == [TakeApart()]
        screen = "\n".join(lines)
        assert "confusion matrix" in screen and "weights of step 7" in screen and "validation part" in screen
        rows = [next(line for line in lines if line.lstrip(" >").startswith(name)) for name in made.LANGUAGES]
        assert [row.count(DIAGONAL) for row in rows] == [1] * 18
        # Every name has a column of its own, told apart from the others, over its diagonal.
        head = next(line for line in lines if line.startswith(" is "))
        at = [row.index(DIAGONAL) for row in rows]
        names = [head[x + 1 : x + 3] for x in at]
        assert len(set(names)) == 18 and names[12] == "Po" and names[13] == "Pr" and at == sorted(at)
        assert "100 of 101 Arabic texts were taken for Arabic, rightly (99.0 %)" in screen
        lines = await show(app, pilot, *["down"] * 4, *["right"] * 8)
        assert "28 of 1,103 English texts were taken for Irish (2.5 %)" in "\n".join(lines)
        english = next(line for line in lines if line.startswith(">English"))
        assert english[at[8] + 1 : at[8] + 3] == "28" and "1,075" not in english
        assert "none of 1,103 English texts was taken for Arabic (0.0 %)" in "\n".join(await show(app, pilot, "home"))
        assert "the validation part has no Greek texts" in "\n".join(await show(app, pilot, *["down"] * 3))
        assert pane.copy_text().splitlines()[5].split("\t")[:2] == ["English", "0"]


async def test_where_every_row_is_needed_the_words_stand_above() -> None:
    async with stage("classification", made.classified(), made.confused(), size=(80, 20)) as (app, pane, pilot, lab):
        lines = await show(app, pilot, "v", *["down"] * 4, *["right"] * 8)
        assert "28 of 1,103 English texts were taken for Irish (2.5 %)  weights of step 7" in lines[0]
        assert [line[1:10].split()[0] for line in lines[2:20]] == [name[:9] for name in made.LANGUAGES]
        # With fewer columns fewer words; what is under way goes before them.
        await pilot.resize_terminal(70, 20)
        assert "28 of 1,103 English taken for Irish (2.5 %)  weights of step 7" in (await show(app, pilot))[0]
        lab.tables = ()
        lines = await show(app, pilot, "r")
        assert "confusion matrix" in lines[0] and "scoring every example, escape stops" in lines[0]
        # One class more than there are rows: it is scrolled, and the words stand below again.
        await pilot.resize_terminal(80, 19)
        assert pane.escape()
        lines = await show(app, pilot)
        assert "confusion matrix" in lines[0] and "28 of 1,103" in "\n".join(lines[-2:])


async def test_a_wide_screen_has_every_number_and_every_name_whole() -> None:
    async with stage("classification", made.classified(), made.confused(), size=(200, 40)) as (app, _, pilot, _lab):
        lines = await show(app, pilot, "v")
        head = next(line for line in lines if line.startswith(" is "))
        assert "Portugues" in head and "Arabic" in head
        assert "1,075" in next(line for line in lines if line.startswith(" English"))
        assert any("share of the row" in line and "the diagonal" in line for line in lines)
        last = next(k for k, line in enumerate(lines) if line.startswith(" Vietnamese"))
        assert "Arabic texts were taken for Arabic" in lines[last + 1]


async def test_many_classes_are_scrolled_through_with_the_cursor() -> None:
    names = tuple(f"class{k:02}" for k in range(60))
    async with stage("tagging", made.tagged(), made.confused(names)) as (app, pane, pilot, _):
        lines = await show(app, pilot, "v")
        assert ">class00" in "\n".join(lines) and "class59" not in "\n".join(lines)
        assert next(line for line in lines if line.startswith(" is ")).rstrip().endswith(">")
        lines = await show(app, pilot, "end", *["down"] * 70)
        page = page_of(pane)
        assert (page.row, page.place) == (59, 59)
        last = next(line for line in lines if line.startswith(">class59"))
        assert last.count(DIAGONAL) == 1 and last.rstrip().endswith(DIAGONAL)
        assert "100 of 101 class59 texts were taken for class59" in "\n".join(lines)
        lines = await show(app, pilot, "H", "left")
        assert page.place == 48 and "taken for class48" in "\n".join(lines)


def ground(span: tuple[str, Style | str]) -> Any:
    style = span[1]
    return style.bgcolor if isinstance(style, Style) else None


def test_the_share_of_the_row_colours_a_cell_and_not_the_count() -> None:
    few, many = (cell_of(share * total, total, 6, False, False, True, False)[1]
                 for share, total in ((0.5, 10.0), (0.5, 1000.0)))  # fmt: skip
    assert few[0].strip() == "5" and many[0].strip() == "500" and ground(few) == ground(many) is not None
    assert ground(cell_of(100, 1000, 6, False, False, True, False)[1]) != ground(few)
    # Two in a hundred are told from none.
    assert palette.unit_step(depth(0.02)) > 0 and ground(cell_of(0, 9, 6, False, False, True, False)[1]) is None


@given(st.integers(0, 99_999), st.integers(1, 99_999), st.integers(3, 12), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=200)
def test_a_cell_is_as_wide_as_its_column(
    count: int, more: int, wide: int, diagonal: bool, coloured: bool, ascii_only: bool
) -> None:
    spans = cell_of(float(count), float(count + more), wide, diagonal, False, coloured, ascii_only)
    text = "".join(text for text, _ in spans)
    assert columns_of(spans) == wide and text.startswith(DIAGONAL if diagonal else " ")
    assert not ascii_only or text.isascii()
    digits = "".join(sign for sign in text if sign.isdigit() or sign == ",")
    # A number stands whole, or not at all.
    assert digits in ("", f"{count:,}")
    if not count:
        assert not text.strip(f"{DIAGONAL} ")
    elif not coloured:
        # Without colour a sign tells the share, beside the number or in its place.
        assert text[1:].replace(digits, "").strip()


@given(st.lists(st.text("abAB-", min_size=1, max_size=8), unique=True, min_size=1, max_size=9), st.integers(2, 9))
def test_short_names_fit(names: list[str], columns: int) -> None:
    short = short_names(names, columns)
    assert len(short) == len(names) and all(0 < len(each) <= columns for each in short)
    if all(len(name) <= columns for name in names):
        assert short == names


def test_short_names_are_told_apart() -> None:
    tags = ("B-corporation", "B-creative-work", "I-corporation", "I-creative-work", "O")
    assert short_names(tags, 3) == ["Bco", "Bcr", "Ico", "Icr", "O"]
    assert short_names(tags, 2) == ["Bc", "Br", "Ic", "Ir", "O"]


@given(st.integers(0, 80), st.integers(0, 79), st.integers(1, 90), st.integers(1, 80))
def test_the_cursor_is_in_view_and_no_room_is_wasted(first: int, cursor: int, room: int, count: int) -> None:
    cursor = min(cursor, count - 1)
    found = in_view(first, cursor, room, count)
    assert 0 <= found <= cursor < found + room and found + min(room, count) <= count


async def test_without_colour_signs_tell_the_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage("classification", made.classified(), made.confused()) as (app, _, pilot, _lab):
        app.ascii_only = True
        lines = await show(app, pilot, "v")
        czech = next(line for line in lines if line.startswith(" Czech"))
        full, low = palette.unit(1.0, True)[0], palette.unit(depth(1 / 101), True)[0]
        assert f"{DIAGONAL}{full}{full}" in czech and f"{low}1" in czech and full != low


async def test_views_come_round_with_v_and_back_with_shift_v() -> None:
    one = made.status_of("forecasting").config
    assert one is not None
    config = put(one, "data.horizon", 3)
    async with stage("forecasting", made.forecast(), made.by_step()) as (app, pane, pilot, lab):
        # One step ahead has one error: nothing to take apart, and nobody asks for it.
        await show(app, pilot, "v", "v", "v", "v")
        assert not pane.answering.at_apart and lab.questions == [AnswerText()]
        lab.status = replace(lab.status, config=config)
        screen = "\n".join(await show(app, pilot, "V"))
        assert "error against how far ahead" in screen and "steps ahead 1: RMSE 1, MAE 0.5, MAPE 10.0 %" in screen
        screen = "\n".join(await show(app, pilot, "down", "down", "right"))
        assert "steps ahead 3: RMSE 4, MAE 3, MAPE -" in screen
        await show(app, pilot, "V")
        page: Any = pane.answering.page
        assert page.VIEWS[page.view] == "without network"
        await show(app, pilot, "v")
        assert page_of(pane).row == 2
        await show(app, pilot, "v")
        assert not pane.answering.at_apart and page.view == 0
        assert lab.questions == [AnswerText(), TakeApart()]


async def test_each_number_has_a_bar_as_long_as_it_is() -> None:
    async with stage("translation", made.translated(), made.by_length()) as (app, _, pilot, _lab):
        lines = await show(app, pilot, "v")
        assert "accuracy against the length of the source" in "\n".join(lines)
        head = next(k for k, line in enumerate(lines) if "source symbols" in line and "characters" in line)
        bars = [[len(run) for run in "".join("#" if c == "█" else " " for c in line).split()]
                for line in lines[head + 1 : head + 4]]  # fmt: skip
        exact, _, pairs = np.array(bars).T
        assert abs(exact[1] - exact[0] / 2) <= 1 and abs(exact[2] - exact[0] / 3) <= 1
        assert abs(pairs[0] - pairs[2] / 3) <= 1 and pairs[2] == exact[0]
        assert "source symbols 1 to 4: exact 100.0 %, characters 90.0 %, pairs 10" in "\n".join(lines)
        # Where there is no room for all bars, the column of the cursor has them.
        await pilot.resize_terminal(40, 12)
        lines = await show(app, pilot, "down")
        row = next(line for line in lines if line.startswith(">5 to 8"))
        exact, rest = row.split("50.0 %")[0], row.split("50.0 %")[1].split("90.0 %")
        assert "█" not in exact and "█" in rest[0] and rest[1].split() == ["20"]


async def test_a_long_table_is_scrolled() -> None:
    async with stage("translation", made.translated(), made.by_length(40)) as (app, _, pilot, _lab):
        lines = await show(app, pilot, "v", *["down"] * 50)
        assert any(line.startswith(">157 to 160") for line in lines)


async def test_it_says_how_far_it_is_and_escape_stops_it() -> None:
    async with stage("classification", made.classified()) as (app, pane, pilot, lab):
        await show(app, pilot, "v")
        asked = lab.asked[-1]
        asked.report(0.43, "scoring every example")
        screen = "\n".join(await show(app, pilot, "right", "down"))
        assert "scoring every example, 43 %" in screen and "escape stops it" in screen
        assert pane.label_of("write") == "stop" and not pane.allows("follow") and not pane.allows("later")
        assert pane.escape() and asked.cancelled
        assert not pane.answering.at_apart and "its answer" in "\n".join(await show(app, pilot))
        assert not pane.escape()
        # Moves that were typed while it worked are made once it is there.
        await show(app, pilot, "v", "down", "down", "right")
        lab.tables = (made.confused(),)
        lab.answer(lab.asked[-1])
        await show(app, pilot)
        assert (page_of(pane).row, page_of(pane).place) == (2, 1)
        # Scored anew while the old table stands; escape keeps the old one, once more goes back.
        lab.tables = ()
        lab.status = replace(lab.status, step=90, weights_version=2)
        screen = "\n".join(await show(app, pilot, "r"))
        assert "confusion matrix" in screen and "escape stops" in screen
        assert pane.escape() and page_of(pane).row == 2
        assert "weights of step 7 (now 90)" in "\n".join(await show(app, pilot))
        assert pane.escape() and not pane.answering.at_apart


async def test_why_there_are_no_figures() -> None:
    async with stage("classification", made.classified()) as (app, pane, pilot, lab):
        await show(app, pilot, "v")
        lab.asked[-1].finish(error="the data it was trained on are not at hand, so there is nothing to score")
        screen = " ".join("\n".join(await show(app, pilot)).split())
        assert "are not at hand, so there is nothing to score" in screen and "r scores the part" in screen
        lab.tables = (made.confused(),)
        assert "confusion matrix" in "\n".join(await show(app, pilot, "r"))
        lab.error = "the validation part is empty"
        screen = "\n".join(await show(app, pilot, "r"))
        assert "confusion matrix" in screen and "the validation part is empty" in app.said
        # Another network has other figures.
        lab.error = ""
        lab.status = replace(made.status_of("tagging"), session="other")
        lab.reply = made.tagged()
        await show(app, pilot)
        assert "5 of 6 right" in "\n".join(await show(app, pilot)) and not pane.answering.parting.tables


async def test_the_best_weights_are_taken_apart_where_they_answer() -> None:
    async with stage("classification", made.classified(), made.confused()) as (app, _, pilot, lab):
        lab.status = replace(lab.status, has_best=True)
        await show(app, pilot, "v", "v", "b", "v")
        assert lab.questions[1:] == [TakeApart(), AnswerText(best=True), TakeApart(best=True)]
        assert "best weights of step 7" in "\n".join(lines_of(app))
        # A text of one's own is answered by itself.
        await show(app, pilot, "i", *"Li", "enter")
        assert lab.questions[-1] == AnswerText(text="Li", best=True) and "its answer" in "\n".join(lines_of(app))


@pytest.mark.parametrize("task", ["adding", "recall", "reber"])
async def test_no_other_task_has_the_view(task: str) -> None:
    replies: dict[str, Callable[[], Any]] = {"adding": made.added, "recall": made.recalled, "reber": made.grammar}
    reply = replies[task]()
    async with stage(task, reply) as (app, pane, pilot, lab):
        assert not pane.allows("probabilities") and not pane.allows("probabilities_back")
        await show(app, pilot, "v", "V")
        assert lab.questions == [AnswerText()]


async def test_every_size_and_hostile_names() -> None:
    bad = "\x1b[2J\u202e\x9b"
    names = (bad, "\x07", "漢字漢字漢字", "x" * 300)
    async with stage("classification", made.classified(), made.confused(names)) as (app, pane, pilot, _):
        await show(app, pilot, "v")
        for size in ((12, 3), (40, 9), (160, 45)):
            await pilot.resize_terminal(*size)
            lines = await show(app, pilot, "right")
            assert len(lines) == size[1]
            told = "".join(lines) + pane.copy_text().replace("\n", "").replace("\t", "")
            assert not {c for c in told if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e"}
            assert size[1] < 9 or "%" in told

"""The time axis: every row's columns come from one set of prefix sums, whatever the text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from textual.app import App, ComposeResult

from rnn_tui.app.widgets.text_strip import GUTTER, Columns, TextStrip
from tests.app.stage import lines_of

ANY = st.text(st.characters(), max_size=60)
MIXED = st.text("ab \n\t神の光é́‮\x1b[]🙂☰", min_size=1, max_size=80)


@given(ANY)
def test_prefix_sums_are_what_a_terminal_would_measure(text: str) -> None:
    columns = Columns.of(tuple(text))
    assert len(columns) == len(text)
    assert columns.edges[0] == 0
    for t in range(len(text) + 1):
        assert columns.edges[t] == cell_len("".join(columns.signs[:t]))


@given(ANY)
def test_every_timestep_is_one_or_two_columns_and_harmless(text: str) -> None:
    columns = Columns.of(tuple(text))
    assert set(np.diff(columns.edges).tolist()) <= {1, 2}
    for shown in columns.signs:
        assert shown.isprintable()


@given(MIXED, st.integers(0, 100), st.integers(-5, 100), st.integers(2, 50))
def test_a_window_shows_the_cursor_and_holds_still_while_it_does(text: str, start: int, cursor: int, room: int) -> None:
    columns = Columns.of(tuple(text))
    window = columns.window(start, cursor, room)
    at = min(max(cursor, 0), len(text) - 1)
    assert 0 <= window <= at < columns.end(window, room)
    assert columns.edges[columns.end(window, room)] - columns.edges[window] <= room
    assert columns.window(window, cursor, room) == window


def test_a_cursor_that_leaves_makes_the_window_jump_by_a_third() -> None:
    columns = Columns.of(tuple("x" * 300))
    start = columns.window(0, 60, 60)
    assert start == 60 - 40
    assert columns.window(start, start - 1, 60) == max(0, start - 1 - 20)
    assert columns.window(0, 299, 60) == 240


class Strip(App[None]):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.strip = TextStrip()
        self.columns = Columns.of(tuple(text))

    def compose(self) -> ComposeResult:
        yield self.strip

    def put(self, cursor: int, start: int = 0) -> None:
        shown = self.columns.end(start, self.strip.room) - start
        self.strip.show(self.columns, start, cursor, [Style(color="red")] * shown)


@pytest.mark.parametrize("text", ["But soft, what light", "神の光 light 東", "é́א‮[bold]x[/bold]\x1b[2J\x9b"])
async def test_the_mark_stands_under_its_symbol(text: str) -> None:
    app = Strip(text)
    async with app.run_test(size=(60, 4)) as pilot:
        for cursor in range(len(text)):
            app.put(cursor)
            await pilot.pause()
            line, mark = lines_of(app)[:2]
            assert line.rstrip() == " " * GUTTER + "".join(app.columns.signs)
            assert mark.rstrip() == " " * (GUTTER + int(app.columns.edges[cursor])) + "^"
            assert app.strip.text == f"{line.rstrip()}\n{mark.rstrip()}"


@pytest.mark.parametrize("width", [20, 33, 80, 161])
async def test_wide_signs_are_never_cut_in_two(width: int) -> None:
    text = "a神bの光cd東西x南北" * 20
    app = Strip(text)
    async with app.run_test(size=(width, 4)) as pilot:
        for start in range(0, 12):
            app.put(start, start)
            await pilot.pause()
            end = app.columns.end(start, width - GUTTER)
            assert lines_of(app)[0].rstrip()[GUTTER:] == "".join(app.columns.signs[start:end])


async def test_the_cursor_is_reversed_in_the_text_and_only_there() -> None:
    app = Strip("abcdef")
    async with app.run_test(size=(40, 4)) as pilot:
        app.put(3)
        await pilot.pause()
        segments = app.screen._compositor.render_strips()[0]
        reversed_ = "".join(segment.text for segment in segments if segment.style and segment.style.reverse)
        assert reversed_ == "d"


WORDS = st.lists(st.text("ab神é́[]", min_size=2, max_size=30), min_size=2, max_size=40)


@given(WORDS, st.integers(8, 160))
def test_words_have_cells_of_one_width_with_a_blank_behind_each(words: list[str], room: int) -> None:
    columns = Columns.of(words, room)
    (wide,) = set(np.diff(columns.edges).tolist())
    assert 4 <= wide <= max(room, 4)
    for t, word in enumerate(words):
        whole = "".join(Columns.of(tuple(word)).signs)
        assert cell_len(columns.signs[t]) == wide and columns.signs[t][-1] == " "
        if cell_len(whole) < wide:
            assert columns.signs[t].rstrip() == whole and not columns.cut_at(t)
        else:
            assert columns.signs[t].rstrip()[-1] == "~" and columns.cut_at(t) == whole


@given(WORDS)
def test_on_the_close_axis_words_are_as_wide_as_they_are(words: list[str]) -> None:
    columns = Columns.close(words)
    for t in range(len(words) + 1):
        assert columns.edges[t] == cell_len("".join(columns.signs[:t]))
    assert all(shown[-1] == " " for shown in columns.signs)


def test_what_stands_for_no_text_makes_no_words_of_characters() -> None:
    assert Columns.of(("<start>", "a", "b", "<eos>")).edges.tolist() == [0, 7, 8, 9, 14]
    assert Columns.of(("Czech", "N", "o", "v")).edges.tolist() == [0, 5, 6, 7, 8]
    assert len(set(np.diff(Columns.of(("I", "am", "here")).edges).tolist())) == 1


@pytest.mark.parametrize(
    ("cursor", "border", "mark"),
    [(0, 3, "^       |decoder"), (3, 3, "        ^decoder"), (4, 3, "        |  ^"), (2, 3, "      ^ |decoder"),
     (0, -1, "^")],
)  # fmt: skip
async def test_a_sign_stands_where_a_decoder_begins(cursor: int, border: int, mark: str) -> None:
    symbols = ("ab", "cd", "ef", "gh", "ij")
    strip = Strip("")
    strip.columns = Columns(tuple(f"{symbol} " for symbol in symbols), np.array([0, 3, 6, 8, 11, 14]))
    async with strip.run_test(size=(60, 4)) as pilot:
        strip.strip.show(strip.columns, 0, cursor, [Style()] * 5, border)
        await pilot.pause()
        assert lines_of(strip)[1].rstrip() == " " * GUTTER + mark

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

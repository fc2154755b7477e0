"""The whole text on many lines: where it breaks, how the cursor moves in it, and what it is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events

from rnn_tui.app.panes.lens_page import PageLens, Pages
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.text_strip import Columns
from rnn_tui.symbols import sign
from tests.app.inspecting import stage, the_trace
from tests.app.lens_lab import LensLab
from tests.app.stage import PLAY, lines_of, press, settle


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab \n東\t"), min_size=1, max_size=200), st.integers(2, 40))
def test_every_symbol_stands_on_one_line_that_fits(text: str, width: int) -> None:
    pages = Pages(tuple(text), Columns.of(tuple(text)), width)
    met: list[int] = []
    for k in range(len(pages)):
        first, end = pages.line(k)
        assert first < end
        met += range(first, end)
        in_margin = text[end - 1].isspace()
        assert int(pages.columns.edges[end] - pages.columns.edges[first]) <= width + in_margin
        assert "\n" not in text[first : end - 1]
        for t in range(first, end):
            assert pages.line_of(t) == k
            assert pages.nearest(k, pages.column(t)) == t
    assert met == list(range(len(text)))


def test_lines_break_behind_blanks_and_line_feeds() -> None:
    text = "to be or not\nto be"
    pages = Pages(tuple(text), Columns.of(tuple(text)), 8)
    assert [text[slice(*pages.line(k))] for k in range(len(pages))] == ["to be or ", "not\n", "to be"]
    long = "abcdefghijkl"
    pages = Pages(tuple(long), Columns.of(tuple(long)), 5)
    assert [long[slice(*pages.line(k))] for k in range(len(pages))] == ["abcde", "fghij", "kl"]


async def test_the_page_shows_the_whole_text_and_its_score() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        app.post_message(events.Paste(PLAY))
        await settle(app, pilot)
        screen = await press(app, pilot, "f")
        lines = screen.splitlines()
        assert any(line.rstrip() == " ROMEO:⏎" for line in lines)
        assert any(line.rstrip() == " " + "".join(map(sign, PLAY.splitlines()[2])) + "⏎" for line in lines)
        bits = the_trace(pane).bits[1:].astype(np.float64)
        nats = bits.mean() * math.log(2)
        told = f"{len(PLAY)} symbols, {bits.mean():.2f} bits a symbol, perplexity {math.exp(nats):.2f}"
        assert f"{told}, loss {nats:.3f} nats" in screen


async def test_up_and_down_go_by_lines_and_keep_the_column() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        app.post_message(events.Paste("abcdefgh\nxy\nijklmnop\n"))
        await settle(app, pilot)
        await press(app, pilot, "f", *["right"] * 5)
        for key, symbol in (("down", "\n"), ("down", "n"), ("up", "\n"), ("up", "f"), ("up", "f"), ("left", "e"),
                            ("down", "\n"), ("down", "m"), ("down", "m")):  # fmt: skip
            await press(app, pilot, key)
            assert the_trace(pane).symbols[pane.reading.cursor] == symbol, key


async def test_v_colours_by_the_units_value_and_back() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        await press(app, pilot, "f")
        trace, reading, lens = the_trace(pane), pane.reading, pane.lens
        assert isinstance(lens, PageLens)

        def drawn() -> list[tuple[str, object]]:
            rows = pane._view.rows[1:-1]
            return [(c, style) for row in rows for text, style in row[1:-1] for c in text]

        costs = drawn()
        for t in range(1, 150):
            assert costs[t] == (sign(trace.symbols[t]), palette.surprise(float(trace.bits[t]))[1])
        screen = await press(app, pilot, "v")
        values = trace.layers[0]["h"][:, reading.unit]
        for t, (_, style) in enumerate(drawn()[:150]):
            assert t == 0 or style == palette.signed_background(float(values[t]), 1.0)
        assert f"h of unit {reading.unit}" in screen
        assert reading.value == "h"
        await press(app, pilot, "V")
        assert drawn() == costs


async def test_without_colours_what_is_large_is_underlined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage(LensLab()) as (app, pane, pilot):
        screen = await press(app, pilot, "f")
        assert "underlined: 3 bits or more" in screen
        trace, lens = the_trace(pane), pane.lens
        assert isinstance(lens, PageLens)
        assert [bool(style.underline) for style in lens._styles(1, 50)] == (trace.bits[1:50] >= 3).tolist()
        screen = await press(app, pilot, "v")
        assert "underlined: h at least 0.5" in screen
        values = trace.layers[0]["h"][:50, pane.reading.unit]
        assert [bool(style.underline) for style in lens._styles(0, 50)] == (values >= 0.5).tolist()


async def test_moves_by_lines_before_the_text_is_there_are_made_when_it_is() -> None:
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "f")
        lab.at_once = False
        app.post_message(events.Paste("ab\ncd\nef\n"))
        await press(app, pilot, "down", "down")
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert the_trace(pane).symbols[pane.reading.cursor] == "e"


async def test_a_long_text_scrolls_and_the_cursor_stays_in_view() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        app.post_message(events.Paste("\n".join(f"line {k}" for k in range(300))))
        await settle(app, pilot)
        await press(app, pilot, "f")
        for keys in (["pagedown"], ["pagedown"] * 3, ["end"], ["pageup"], ["home"], ["down"] * 40):
            screen = await press(app, pilot, *keys)
            lens = pane.lens
            assert isinstance(lens, PageLens)
            at = lens.pages.line_of(pane.reading.cursor)
            assert f" line·{at}⏎" in screen or at == 299
            assert "of 300" in screen


@pytest.mark.parametrize("text", ["x", "東京の空は青い" * 30, "word " * 400])
async def test_every_size_is_kept(text: str) -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        app.post_message(events.Paste(text))
        await settle(app, pilot)
        await press(app, pilot, "f")
        for size in ((160, 45), (20, 3), (40, 9), (80, 21)):
            await pilot.resize_terminal(*size)
            await press(app, pilot, "down", "right")
            assert all(child.region.bottom <= size[1] for child in pane.children if child.display)
            assert all(sum(1 + (ord(c) > 0x2E80) for c in line.rstrip()) <= size[0] for line in lines_of(app))

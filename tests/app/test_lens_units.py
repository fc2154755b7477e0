"""Finding units: what is asked, what the ranking shows, and that walking it goes to each unit."""

from __future__ import annotations

from typing import Any

import pytest

from rnn_tui.app.panes.lens_parts import share_told, source_told
from rnn_tui.app.panes.lens_units import UnitsLens
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.inspection import marks
from rnn_tui.lab.questions import FindMarks, FindUnits
from rnn_tui.views.units import GRADED, MARKS
from tests.app.inspecting import stage, the_trace
from tests.app.lens_lab import LensLab, leave
from tests.app.stage import lines_of, press, settle


async def search(app: Any, pilot: Any, pattern: str) -> str:
    await press(app, pilot, "slash")
    app.here.field.set("")
    app.here.field.paste(pattern)
    return await press(app, pilot, "enter")


def test_the_names_are_the_marks_that_there_are() -> None:
    assert list(MARKS) == list(marks.MARKS)
    assert {name for name, mark in marks.MARKS.items() if mark.graded} == GRADED


async def test_a_pattern_is_typed_sought_and_its_units_are_walked() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, "slash")
        assert all(name in screen for name in MARKS) and '"[^"]*"' in screen
        assert pane.editing
        await press(app, pilot, "q", "n", "backspace", "backspace")
        assert pane.editing and not lab.asked_for(FindUnits)
        pane._line.paste("[A-Z]+")
        screen = await press(app, pilot, "enter")
        assert lab.asked_for(FindUnits) == [FindUnits(pattern="[A-Z]+")]
        screen = await press(app, pilot)
        assert lab.asked_for(FindMarks) == [FindMarks(1, pattern="[A-Z]+")]
        assert (pane.reading.layer, pane.reading.unit, pane.reading.value) == (1, 3, "c")
        assert "AUC 0.97 on the last 100,000 symbols of the training part, 12 % marked" in screen
        assert "units for [A-Z]+" in screen.splitlines()[0]
        assert "higher in a match" in screen and "lower in a match" in screen
        lens = pane.lens
        assert isinstance(lens, UnitsLens) and lens.ranking is not None
        for keys, at in ((["n"], 1), (["down"], 2), (["N"], 1), (["n", "n", "n"], 4), (["up"], 3), (["pagedown"], 13),
                         (["pageup", "pageup"], 0), (["N"], 0)):  # fmt: skip
            screen = await press(app, pilot, *keys)
            found = lens.ranking.units[at]
            reading = pane.reading
            assert (reading.layer, reading.unit, reading.value) == (found.layer, found.unit, found.state)
            chosen = next(line for line in screen.splitlines() if line.startswith(">"))
            assert chosen.split()[0] == ">" and int(chosen.split()[1]) == at + 1
            assert f"layer {found.layer}" in chosen and f"AUC {found.auc:.3f}" in chosen
        # Moving through time goes on.
        await press(app, pilot, "right", "right")
        assert pane.reading.cursor == 2


async def test_the_text_has_the_units_colour_and_the_marked_symbols_are_underlined() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        await search(app, pilot, "[A-Z]")
        screen = (await press(app, pilot)).splitlines()
        trace, reading = the_trace(pane), pane.reading
        values = trace.layers[1]["c"][:, 3]
        scale = reading.own_scale("c", 3)
        for t, (sign, style) in enumerate(pane._strip._cells):
            assert style.bgcolor == palette.signed_background(float(values[t]), scale).bgcolor
            assert bool(style.underline) == trace.symbols[t].isupper(), sign
        marked = next(line for line in screen if line.startswith(" marked"))
        for t in range(60):
            assert (marked[GUTTER + t] != " ") == trace.symbols[t].isupper()
        assert any(line.startswith(" c 3") for line in screen)


async def test_a_name_is_a_mark_however_it_is_written() -> None:
    async with stage(LensLab()) as (app, _, pilot):
        lab: Any = app.lab
        await search(app, pilot, " Line_End ")
        assert lab.asked_for(FindUnits) == [FindUnits(mark="line-end")]
        await search(app, pilot, "column")
        screen = await press(app, pilot)
        assert lab.asked_for(FindMarks)[-1] == FindMarks(1, mark="column")
        assert "rises with it" in screen
        await search(app, pilot, " the ")
        assert lab.asked_for(FindUnits)[-1] == FindUnits(pattern=" the ")


async def test_slash_again_edits_the_pattern_and_escape_goes_one_level_up() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        await search(app, pilot, "abc")
        await press(app, pilot, "slash")
        assert pane._line.value == "abc"
        await press(app, pilot, "d", "escape")
        assert pane.lens is not None and not pane.editing
        assert "higher in a match" in "\n".join(lines_of(app))
        await leave(app, pilot)
        assert pane.lens is None
        assert not pane.allows("next_match")


async def test_what_is_wrong_with_a_pattern_is_told_and_nothing_is_asked_for_an_empty_one() -> None:
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "slash", "enter")
        assert pane.editing and "regular expression" in app.said[-1]
        lab.error = "the pattern is no regular expression: missing ); correct it"
        pane._line.paste("(")
        await press(app, pilot, "enter")
        screen = await press(app, pilot)
        assert "missing ); correct it" in screen
        lab.error = ""
        await search(app, pilot, "x")
        assert "AUC" in await press(app, pilot)


async def test_a_search_is_told_and_escape_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnn_tui.app.panes.lens.LATE", -1.0)
    lab = LensLab()
    async with stage(lab) as (app, pane, pilot):
        lab.at_once = False
        await search(app, pilot, "x")
        asked = lab.asked[-1]
        asked.report(0.4, "reading 100,000 symbols")
        screen = await press(app, pilot)
        assert "reading 100,000 symbols 40 %, escape stops it" in screen
        await leave(app, pilot)
        assert asked.cancelled and pane.lens is not None
        await leave(app, pilot)
        assert pane.lens is None


async def test_another_passage_is_marked_and_coloured_as_well() -> None:
    async with stage(LensLab()) as (app, pane, pilot):
        lab: Any = app.lab
        await search(app, pilot, "[A-Z]")
        await press(app, pilot, "n", "right_parenthesis")
        await settle(app, pilot)
        await settle(app, pilot)
        assert lab.asked_for(FindMarks)[-1].number == the_trace(pane).number == 2
        lens = pane.lens
        assert isinstance(lens, UnitsLens) and lens.at == 1
        assert any(style.underline for _, style in pane._strip._cells)


async def test_every_size_is_kept() -> None:
    async with stage(LensLab(units=128)) as (app, pane, pilot):
        for step in ("typing", "found"):
            if step == "typing":
                await press(app, pilot, "slash")
            else:
                pane._line.set("[A-Z]")
                await press(app, pilot, "enter")
                await press(app, pilot, "n")
            for size in ((160, 45), (20, 3), (40, 9), (40, 12), (80, 21), (300, 80)):
                await pilot.resize_terminal(*size)
                await settle(app, pilot)
                screen = lines_of(app)
                assert all(child.region.bottom <= size[1] for child in pane.children if child.display)
                assert all(len(line) <= size[0] for line in screen)
                if step == "found" and size[1] >= 9:
                    assert sum("AUC" in line for line in screen) >= 2


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0 %"), (0.0004, "<0.1 %"), (0.004, "0.4 %"), (0.12345, "12 %"), (1, "100 %"), (0.02, "2 %")],
)
def test_shares_in_words(share: float, told: str) -> None:
    assert share_told(share) == told


def test_a_source_as_a_phrase() -> None:
    assert source_told("training part, all 5,000 symbols") == "all 5,000 symbols of the training part"
    assert source_told("a text") == "a text"

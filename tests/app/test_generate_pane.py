"""Generate, driven by its keys: what is asked of the Lab, and what is drawn of its answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.pilot import Pilot

from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.generate_options import BY_NAME, LARGEST_SEED, OPTIONS
from rnn_tui.app.panes.generate_view import candidates
from rnn_tui.app.widgets.written import Wrapped
from rnn_tui.config import Config
from rnn_tui.data.coding import Coding
from rnn_tui.data.vocabulary import Vocabulary
from rnn_tui.generation import distribution
from rnn_tui.lab import Asked, Write
from rnn_tui.lab.answers.desk import Desk, Frozen, Sources
from rnn_tui.lab.answers.reading import write
from rnn_tui.lab.asking import AnsweringThread
from rnn_tui.symbols import sign, width
from rnn_tui.views import Phase, Status
from tests.app.stage import FakeLab, Stage, lines_of, make_writing, press, settle
from tests.networks import build


@asynccontextmanager
async def stage(
    lab: FakeLab | None = None, size: tuple[int, int] = (80, 21)
) -> AsyncIterator[tuple[Stage, GeneratePane, Pilot[None]]]:
    pane = GeneratePane()
    app = Stage(lab or FakeLab(), pane)
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        yield app, pane, pilot


async def test_prompt_and_options_are_what_is_asked() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "i", "T", "h", "e", "space", "enter")
        assert pane.prompt == "The " and not pane.editing
        await press(app, pilot, "right", "down", "left", "left", "down", "right", "right")
        await press(app, pilot, "down", "left", "down", "right")
        await press(app, pilot, "enter")
        assert lab.asked[0].question == Write(
            prompt="The ", length=500, temperature=0.8, top_k=2, top_p=0.95, seed=2, best=False
        )


async def test_it_writes_as_it_goes_and_stops_at_once() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        screen = await press(app, pilot, "enter")
        assert "enter stops" in screen and pane.label_of("write") == "stop"
        asked = lab.asked[0]
        for count in (5, 40):
            asked.newest = make_writing("", 300, 1, count)
            await settle(app, pilot)
            screen = "\n".join(lines_of(app))
            assert f"writing {count} of 300" in screen
            assert asked.newest.text.splitlines()[-1].strip() in screen
        screen = await press(app, pilot, "enter")
        assert asked.cancelled and not pane.busy
        assert "40 of 300 symbols" in screen and "enter stops" not in screen
        assert pane.copy_text() == asked.newest.text


async def test_escape_stops_the_writing_and_leaves_nothing_else() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "enter")
        lab.asked[0].newest = make_writing("", 300, 1, 5)
        await settle(app, pilot)
        await press(app, pilot, "i", "x")
        assert pane.escape() and pane.busy and pane.prompt == "", "first the field"
        assert pane.escape() and not pane.busy and lab.asked[0].cancelled
        assert pane.copy_text() == lab.asked[0].newest.text
        assert not pane.escape()


async def test_what_another_network_wrote_is_not_shown() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        await press(app, pilot, "enter")
        lab.status = replace(lab.status, step=1300, weights_version=2, phase=Phase.TRAINING)
        await settle(app, pilot)
        assert pane.writing is not None
        lab.status = replace(lab.status, session="other")
        screen = await press(app, pilot)
        assert pane.writing is None and "enter lets it write" in screen


async def test_a_shown_probability_is_that_of_the_distribution_it_was_drawn_from() -> None:
    """By hand: the logits after the prompt, divided by the temperature, cut, made to add up to 1."""
    network, vocabulary = build(4, seed=3), Vocabulary("ab \n")
    frozen = Frozen(network, Config(), Coding(tuple("ab \n")), None, "validation", 7, 1)
    question = Write("abba", length=1, temperature=0.7, top_k=3, top_p=0.9, seed=5)
    asked = Asked(question)
    # As in the lab, on a thread of its own: it changes how torch computes there.
    thread = AnsweringThread()
    thread.take(asked, write(question, asked, Sources(Desk(), lambda best: frozen, lambda look: None, Path("."))))
    asked.result(timeout=60)
    thread.close(10)
    tokens, _ = vocabulary.encode("abba")
    logits, _ = network(torch.from_numpy(tokens).unsqueeze(1), None)
    ids, p = distribution(logits[-1, 0].detach().numpy().astype(np.float64), 0.7, 3, 0.9)
    expected = {sign(vocabulary.symbols[k]): float(chance) for k, chance in zip(ids.tolist(), p.tolist(), strict=True)}
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, _, pilot):
        await press(app, pilot, "enter", "v")
        lab.asked[0].finish(asked.newest)
        screen = await press(app, pilot)
        symbol = sign(asked.newest.text)
        assert f"last '{symbol}' {expected[symbol]:.2f}, of" in screen
        for each, chance in expected.items():
            assert f"'{each}' {chance:.2f}" in screen
        assert f"mean {-math.log2(expected[symbol]):.2f} bits, perplexity {1 / expected[symbol]:.2f}" in screen
    _, bars = candidates(asked.newest)
    assert {bar.label: bar.value for bar in bars} == {f"'{each}'": pytest.approx(p) for each, p in expected.items()}
    assert [bar.label for bar in bars if bar.note] == [f"'{symbol}'"]


@pytest.mark.parametrize("count", [1, 5])
def test_a_drawn_symbol_that_is_not_among_the_likeliest_stands_below(count: int) -> None:
    top = tuple((letter, 0.1) for letter in "abcde"[:count])
    writing = replace(make_writing("", 3, 1, 1), text="z", top=(top,))
    _, bars = candidates(writing)
    assert [bar.label for bar in bars] == [*(f"'{letter}'" for letter, _ in top), "'z'"]
    assert bars[-1].note == "written" and bars[-1].value == pytest.approx(float(writing.probability[0]))


async def test_a_long_text_costs_what_is_in_view() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        pane.values["length"] = 100_000.0
        await press(app, pilot, "enter", "v")
        whole = make_writing("", 100_000, 1, 100_000)
        for count in (50_000, 100_000):
            lab.asked[0].newest = replace(
                whole, text=whole.text[:count], probability=whole.probability[:count], top=whole.top[:count]
            )
            await settle(app, pilot)
            assert len(pane._text.rows) <= pane._text.size.height
            assert f"writing {count:,} of 100,000" in "\n".join(lines_of(app))


async def test_without_colours_what_surprised_is_underlined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage() as (app, pane, pilot):
        screen = await press(app, pilot, "enter", "v")
        assert "underlined from 3 bits on" in screen
        writing = pane.writing
        assert writing is not None
        shown = [(c, isinstance(style, Style) and bool(style.underline))
                 for row in pane._text.rows for text, style in row[1:] for c in text]  # fmt: skip
        surprised = [bool(-np.log2(float(p)) >= 3) for p in writing.probability]
        assert True in surprised
        assert [mark for _, mark in shown] == surprised[-len(shown) :]


async def test_again_takes_another_seed_and_the_same_seed_gives_the_same_text() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "enter")
        first = pane.copy_text()
        await press(app, pilot, "r")
        assert pane.values["seed"] == 2 and pane.copy_text() != first
        await press(app, pilot, "down", "down", "down", "down", "left", "enter")
        assert pane.values["seed"] == 1 and pane.copy_text() == first


async def test_probabilities_mean_bits_and_candidates() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "enter")
        screen = await press(app, pilot, "v")
        writing = pane.writing
        assert writing is not None
        bits = float(np.mean([-np.log2(float(p)) for p in writing.probability]))
        assert f"mean {bits:.2f} bits, perplexity {2**bits:.2f}" in screen
        assert f"last '{sign(writing.text[-1])}' {float(writing.probability[-1]):.2f}" in screen
        assert "'e' 0.04" in screen


async def test_the_weights_can_be_the_best_ones_only_where_there_are_some() -> None:
    async with stage() as (app, pane, pilot):
        lab: Any = app.lab
        screen = await press(app, pilot, *["down"] * 9, "right")
        assert not pane.best and "Weights" not in screen
        lab.status = replace(lab.status, has_best=True)
        assert "Weights       newest" in await press(app, pilot)
        screen = await press(app, pilot, *["down"] * 9, "right", "enter")
        assert lab.asked[-1].question.best and ">Weights" in screen and "best" in screen
        # Started over: there are none any more.
        lab.status = replace(lab.status, has_best=False)
        screen = await press(app, pilot, "enter")
        assert not lab.asked[-1].question.best and "Weights" not in screen and ">Seed" in screen


async def test_it_names_the_weights_and_what_went_wrong() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        assert "weights of step 1,240" in "\n".join(lines_of(app))
        await press(app, pilot, "enter")
        lab.asked[0].finish(error="the network's output is not finite")
        await settle(app, pilot)
        assert "is not finite" in "\n".join(lines_of(app)) and not pane.busy
        screen = await press(app, pilot, "enter")
        lab.answer(lab.asked[1])
        await settle(app, pilot)
        screen = "\n".join(lines_of(app))
        assert "is not finite" not in screen and "300 of 300 symbols  weights of step 1,240  seed 1" in screen


async def test_without_a_network_it_says_what_to_press() -> None:
    lab = FakeLab()
    lab.status = Status()
    async with stage(lab) as (app, pane, pilot):
        screen = await press(app, pilot, "enter", "r")
        assert "no network yet" in screen and "space trains" in screen
        assert not lab.asked and not pane.allows("write")


async def test_a_paste_is_the_prompt_whole_and_escape_restores() -> None:
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste("one\r\ntwo\nthree"))
        await settle(app, pilot)
        assert pane.prompt == "one\ntwo\nthree"
        await press(app, pilot, "i", "x", "v", "escape")
        assert pane.prompt == "one\ntwo\nthree" and not pane.probabilities


async def test_hostile_text_never_reaches_the_screen_raw() -> None:
    lab = FakeLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        pane.take_prompt("\x1b[2J[/bold]‮\x00")
        await press(app, pilot, "enter", "v")
        text = "\x1b]52;c;x\x07\x9bé́‮[@click=app.quit]x[/]"
        asked = lab.asked[0]
        asked.newest = replace(
            make_writing(pane.prompt, len(text), 1, len(text)), text=text,
            top=tuple(((c, 0.5), ("\x1b", 0.2)) for c in text),
        )  # fmt: skip
        asked.finish()
        await settle(app, pilot)
        for screen in (lines_of(app), (await press(app, pilot, "v")).splitlines()):
            assert not {c for c in "".join(screen) if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "‮́"}
        assert "[@click=app.quit]x[/]" in "\n".join(lines_of(app))


async def test_every_size_shows_the_end_of_the_text() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "enter")
        last = pane.copy_text().splitlines()[-1]
        for size in ((20, 3), (40, 9), (80, 21), (120, 24), (160, 45)):
            await pilot.resize_terminal(*size)
            for shown in (last[-10:].strip(), "".join(map(sign, last[-10:]))):
                await settle(app, pilot)
                if size[1] >= 9:
                    assert shown in "\n".join(lines_of(app))
                await press(app, pilot, "v")


async def test_state_goes_out_and_comes_back() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "i", "a", "enter", "down", "right", "v")
        kept = pane.state()
    async with stage() as (_, pane, pilot):
        pane.restore(kept)
        assert pane.state() == kept and pane.values["temperature"] == pytest.approx(1.1)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@given(st.dictionaries(st.sampled_from([*BY_NAME, "prompt", "best", "probabilities"]), JUNK))
def test_a_state_from_a_file_may_hold_anything(state: dict[str, Any]) -> None:
    pane = GeneratePane()
    pane.restore(state)
    for option in OPTIONS:
        assert option.valid(pane.values[option.name])


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.name != "seed"])
def test_every_step_of_an_option_is_in_its_range(option: Any) -> None:
    seen: list[float] = []
    value = option.ladder[0]
    assert option.step(value, -1) == value
    while not seen or value != seen[-1]:
        seen.append(value)
        value = option.step(value, 1)
    assert seen == list(option.ladder) and option.default in seen
    for value in reversed(seen[:-1]):
        assert option.step(seen[seen.index(value) + 1], -1) == value


def test_ranges() -> None:
    assert (BY_NAME["temperature"].ladder[0], BY_NAME["temperature"].ladder[-1]) == (0.0, 5.0)
    assert BY_NAME["top_p"].ladder[0] == 0.05
    assert BY_NAME["length"].ladder[-1] == 100_000
    assert BY_NAME["seed"].ladder == (0, LARGEST_SEED)


TEXT = st.text("ab \n神é́", max_size=80)


@given(st.lists(TEXT, max_size=4), st.integers(2, 20))
def test_wrapping_keeps_every_symbol_and_every_line_fits(parts: list[str], columns: int) -> None:
    grown, whole = Wrapped(columns), Wrapped(columns)
    for part in parts:
        grown.extend(part)
    whole.extend("".join(parts))
    assert grown.starts == whole.starts
    lines = [whole.text[slice(*whole.line(k))] for k in range(len(whole.starts))]
    assert "".join(lines) == "".join(parts)
    for line in lines:
        assert "\n" not in line[:-1]
        bare = line.removesuffix("\n").rstrip(" ")
        assert sum(map(width, bare)) <= columns
        assert cell_len("".join(map(sign, bare))) <= columns

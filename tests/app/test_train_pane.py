"""Train: what it shows of a run, and what its keys tell the Lab."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnn_tui.app.panes.train import TrainPane
from rnn_tui.app.panes.train_words import convert, prose, spark
from rnn_tui.config import Config, put
from rnn_tui.views import Phase, Sample

from .conftest import Open, screen_text, settle
from .fakes import FakeLab


async def text_of(pilot: Any) -> str:
    await settle(pilot)
    pilot.app.pane("train").shown()
    await settle(pilot)
    return "\n".join(screen_text(pilot.app))


async def test_a_run_at_80x24(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        text = await text_of(pilot)
        for part in (
            "nats per symbol", "uniform 4.17", "unigram 3.35", "bigram 2.48", "●", "step", "5000",
            "gradient norm 0.83 (0.4 % of steps clipped)", "clip 5",
            "validation 1.74 at step 1,750, best; next at 2,000", "step 1,750 wrote",
            "ROMEO: I would the like of step 1750", "38 %  paused", "rate 0.002", "full speed",
        ):  # fmt: skip
            assert part in text, part
        trained.run_to(2000)
        text = await text_of(pilot)
        assert "40 %  0:25 left" in text and "step 2,000 wrote" in text


async def test_before_there_is_anything(shown: Open, lab: FakeLab) -> None:
    async with shown() as pilot:
        await pilot.press("2")
        text = await text_of(pilot)
        assert "no session yet: space trains" in text and "from step 0 on" in text
        # Axes of nothing would mean nothing.
        assert "the loss will stand here" in text and "│" not in text and "0.5" not in text
        await pilot.press("s", "plus", "minus", "less_than_sign", "b", "R", "up", "down", "v", "l", "y")
        assert lab.told == []


async def test_a_new_session_shows_its_planned_steps_and_what_guessing_costs(shown: Open, lab: FakeLab) -> None:
    async with shown("s", size=(120, 30)) as pilot:
        lab.run_to(0, Phase.PAUSED)
        lab.curves = replace(lab.curves, step=np.zeros(0, np.int64), **{  # type: ignore[type-var]
            name: np.zeros(0, np.float32) for name in ("train_loss", "grad_norm", "learning_rate", "val_loss")
        }, val_step=np.zeros(0, np.int64))  # fmt: skip
        text = await text_of(pilot)
        assert "uniform 4.17" in text and "5000" in text and "not trained yet" in text
        assert "the gradient's length will stand here" in text


async def test_the_rate_is_the_chosen_one_and_what_the_schedule_makes_of_it(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        config = put(Config(), "training.learning_rate", 0.05)
        # The last step was made at another rate: what counts is what the next one is made at.
        trained.change(config=config, learning_rate=0.002)
        assert "rate 0.05   " in await text_of(pilot)
        trained.change(config=put(config, "training.schedule", "cosine"), learning_rate=0.0261)
        assert "rate 0.05, now 0.0261   " in await text_of(pilot)
        await pilot.press("plus", "less_than_sign")
        assert trained.calls[-2] == ("set", "training.learning_rate", pytest.approx(0.05 * 10**0.1, rel=1e-10))
        # What one session was told is not shown for the next.
        trained.change(session="other", config=config, pace=0.0)
        text = await text_of(pilot)
        assert "rate 0.05   full speed" in text


async def test_units_turn_round_both_ways_and_are_kept(shown: Open, trained: FakeLab, plain_settings: Any) -> None:
    async with shown("s") as pilot:
        seen = []
        for key in ("v", "v", "v", "V"):
            await pilot.press(key)
            text = await text_of(pilot)
            head = text.split("\n")[2]
            seen.append(next(name for name in ("nats per", "bits per", "perplexity ") if f" {name}" in head))
        assert seen == ["bits per", "perplexity ", "nats per", "perplexity "]
        assert "uniform 64.72" in text
    assert 'unit = "perplexity"' in (plain_settings / "settings.toml").read_text()
    async with shown("s") as pilot:
        assert pilot.app.unit == "perplexity"  # type: ignore[attr-defined]


def test_conversion_is_that_of_the_definitions() -> None:
    nats = np.array([0.0, 1.0, 4.17, 800.0, np.nan])
    assert convert(nats, "bits")[:4].tolist() == pytest.approx([n * math.log2(math.e) for n in nats[:4]])
    assert convert(nats, "perplexity")[:3].tolist() == pytest.approx([1.0, math.e, 64.715], rel=1e-4)
    assert convert(nats, "perplexity")[3] == math.inf
    assert np.isnan(convert(nats, "perplexity")[4])


async def test_log_axis(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        linear = await text_of(pilot)
        await pilot.press("l")
        log = await text_of(pilot)
        assert "nats per symbol, log" in log and linear != log
        assert pilot.app.pane("train").state() == {"log": True}  # type: ignore[attr-defined]


async def test_one_step(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("s", "s")
        assert trained.told == ["open", "single_step", "single_step"]


async def test_pace_from_full_speed_down_and_up_again(shown: Open, trained: FakeLab) -> None:
    """309,000 symbols a second are 124 steps of 50 x 50: the next slower pace is 100."""
    async with shown("s") as pilot:
        await pilot.press("less_than_sign", "less_than_sign", "less_than_sign")
        await pilot.press(*["greater_than_sign"] * 4)
        assert [call[1] for call in trained.calls if call[0] == "set_pace"] == [100, 50, 20, 50, 100, 0, 0]
        assert "full speed" in await text_of(pilot)
        await pilot.press(*["less_than_sign"] * 12)
        assert trained.calls[-1] == ("set_pace", 1.0)


async def test_learning_rate_by_a_tenth_of_a_decade(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press(*["plus"] * 10)
        rates = [call[2] for call in trained.calls if call[0] == "set"]
        assert rates == [pytest.approx(0.002 * 10 ** (k / 10), rel=1e-10) for k in range(1, 11)]
        await pilot.press("minus")
        assert trained.calls[-1] == ("set", "training.learning_rate", pytest.approx(0.02 / 10**0.1, rel=1e-10))


async def test_a_rate_that_cannot_be_is_a_sentence(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        trained.set("training.learning_rate", 1e6)
        await pilot.press("plus")
        text = await text_of(pilot)
        assert "training.learning_rate" in text and "at most" in text


@pytest.mark.parametrize(("key", "command"), [("b", "use_best"), ("R", "restart")])
async def test_what_cannot_be_undone_asks_once(shown: Open, trained: FakeLab, key: str, command: str) -> None:
    async with shown("s") as pilot:
        await pilot.press(key, "escape")
        assert trained.told == ["open"]
        await pilot.press(key, "space", "enter")
        assert trained.told == ["open", command]


async def test_samples_are_read_back_and_forth(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("up", "up")
        text = await text_of(pilot)
        assert "step 1,250 wrote" in text and "6 of 8" in text
        await pilot.press(*["up"] * 20)
        assert "step 0 wrote" in await text_of(pilot)
        await pilot.press(*["down"] * 20)
        assert "step 1,750 wrote" in await text_of(pilot)


async def test_what_the_model_writes_cannot_drive_the_screen(shown: Open, trained: FakeLab) -> None:
    """Control characters, bidirectional marks and markup in a sample are signs like any other."""
    async with shown("s") as pilot:
        trained.samples = (Sample(7, "\x1b]0;PWNED\x07", "[/foo] [@click=app.quit]x[/]\x9b\u202e \u3042\u0301", 1.0),)
        text = await text_of(pilot)
        assert "[/foo] [@click=app.quit]x[/]" in text and "␛]0;PWNED␇" in text
        signs = set(text) - {"\n"}
        assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 or sign == "\u202e" for sign in signs)


def test_prose_keeps_line_feeds_and_breaks_at_the_edge() -> None:
    assert prose("abc def\nx\n\ny", 5) == ["abc d", "ef", "x", "", "y"]
    assert prose("日本語", 4) == ["日本", "語"]
    assert prose("", 5) == [""]


def test_spark_has_a_column_for_each_stretch_of_steps() -> None:
    runs = spark(np.arange(0, 50), np.linspace(0, 10, 50), 100, 20, 5.0)
    assert sum(len(text) for text, _ in runs) == 20
    above = "".join(text for text, style in runs if style == "warn")
    # Half the planned steps are done: ten columns, of which those above the clip norm of 5 are marked.
    assert len(above.rstrip()) == 5
    assert spark([], [], 100, 20, 5.0) == ((" " * 20, ""),)
    assert spark([1, 2], [math.nan, math.inf], 100, 3, 0.0) == ((" " * 3, ""),)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308, 0.0, -1.0])
async def test_a_run_that_went_wrong_is_still_drawn(shown: Open, trained: FakeLab, bad: float) -> None:
    async with shown("s") as pilot:
        trained.run_to(300, Phase.FAILED)
        assert trained.curves is not None
        for array in (trained.curves.train_loss, trained.curves.grad_norm, trained.curves.val_loss):
            with np.errstate(over="ignore"):
                array[:] = bad
        trained.change(
            train_loss=bad, val_loss=bad, grad_norm=bad, learning_rate=bad, fault="the loss was not a number"
        )
        for key in ("v", "v", "l", "v"):
            await pilot.press(key)
            text = await text_of(pilot)
        assert "the loss was not a number" in text


async def test_state_is_taken_back_and_nonsense_ignored(shown: Open) -> None:
    async with shown("s") as pilot:
        pane: TrainPane = pilot.app.pane("train")  # type: ignore[attr-defined]
        pane.restore({"log": True})
        assert pane.log_axis
        pane.restore({"log": "yes"})
        assert not pane.log_axis


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48), (20, 5), (300, 100)])
async def test_sizes(shown: Open, trained: FakeLab, size: tuple[int, int]) -> None:
    async with shown("s", size=size) as pilot:
        text = await text_of(pilot)
        assert "│" in text or size == (20, 5)
        assert all(len(row) <= size[0] for row in text.split("\n"))

"""Train over every kind of sequence: what is drawn, in which unit, and what is said of it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnn_tui.app.panes.train import TrainPane
from rnn_tui.app.panes.train_words import answered, loss_plot, metric_plot, stopped_words, validation_words
from rnn_tui.config import TASKS, Config, put
from rnn_tui.lab.measures import measures_of
from rnn_tui.views import Baseline, Phase, Sample, Status

from .conftest import Open, screen_text, settle
from .fakes import FakeLab

MAJORITY = Baseline("majority", 1.85, {"accuracy": 0.468, "f1": 0.035})
SERIES = (
    Baseline("persistence", 0.21, {"rmse": 14.83, "mae": 11.0, "mape": 0.24}),
    Baseline("seasonal", 0.9, {"rmse": 51.2, "mae": 40.0, "mape": 0.634}),
)


def config_of(task: str, **fields: Any) -> Config:
    config = put(Config(), "data.task", task)
    for key, value in fields.items():
        config = put(config, key.replace("__", "."), value)
    return config


def run(
    lab: FakeLab, task: str, baselines: tuple[Baseline, ...], metrics: dict[str, list[float]], **changes: Any
) -> None:
    """A run of a task to step 1,900, validated every 250 steps; the last of each metric is the newest."""
    lab.run_to(1900, Phase.PAUSED)
    assert lab.curves is not None
    count = len(lab.curves.val_step)
    kept = {
        name: np.interp(np.linspace(0, 1, count), [0, 1], ends).astype(np.float32) for name, ends in metrics.items()
    }
    lab.curves = replace(lab.curves, baselines=baselines, val_metrics=kept)
    config = changes.pop("config", config_of(task))
    lab.change(config=config, val_metrics={name: float(ends[1]) for name, ends in metrics.items()}, **changes)


@pytest.fixture
def labels(lab: FakeLab) -> FakeLab:
    lab.give_session()
    run(lab, "classification", (MAJORITY,), {"accuracy": [0.5, 0.836], "f1": [0.1, 0.511]}, val_loss=0.559,
        best_loss=0.558, best_step=750)  # fmt: skip
    return lab


@pytest.fixture
def series(lab: FakeLab) -> FakeLab:
    lab.give_session()
    run(lab, "forecasting", SERIES, {"rmse": [40.0, 18.02], "mae": [30.0, 13.0], "mape": [0.9, 0.31]},
        val_loss=0.000125, train_loss=0.25)  # fmt: skip
    return lab


async def text_of(pilot: Any) -> str:
    await settle(pilot)
    pilot.app.frame._words = ()
    pilot.app.pane("train").shown()
    await settle(pilot)
    return "\n".join(screen_text(pilot.app))


async def opened(pilot: Any) -> None:
    await pilot.press("2")
    await settle(pilot)


async def test_labels_have_nats_and_bits_and_curves_of_their_own(shown: Open, labels: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        heads, texts = [], []
        for key in ("", "v", "v", "v", "v", "V"):
            await pilot.press(*([key] if key else []))
            texts.append(await text_of(pilot))
            heads.append(texts[-1].split("\n")[2].split("  ")[0].strip())
        assert heads == ["nats per answer", "bits per answer", "accuracy", "F1", "nats per answer", "F1"]
        assert not any("perplexity" in text or "ppl" in text for text in texts)
        assert "majority 1.85" in texts[0] and "majority 2.67" in texts[1]
        assert "majority 46.8 %" in texts[2] and "100 %" in texts[2] and "   0 %" in texts[2]
        assert "majority 3.5 %" in texts[3]
        # Nothing is measured on what it learns from but the loss.
        assert "train ⠒⠒" in texts[0] and "train ⠒⠒" not in texts[2]
        assert "accuracy 83.6 %" in texts[0].split("\n")[0]


async def test_a_share_is_drawn_between_0_and_100_percent_and_has_no_log_axis(shown: Open, labels: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        await pilot.press("v", "v", "l")
        text = await text_of(pilot)
        pane: TrainPane = pilot.app.pane("train")  # type: ignore[attr-defined]
        assert not pane.log_axis and "from 0 to 100 %" in text and "accuracy, log" not in text
        rows = text.split("\n")
        place = {
            label: y for y, row in enumerate(rows) for label in ("100 %", "50 %", "0 %") if row[:6].strip() == label
        }
        assert place["100 %"] < place["50 %"] < place["0 %"]
        # The newest, 83.6 %, stands between the upper two.
        last = max(x for row in rows[3:15] for x, sign in enumerate(row) if sign == "●")
        dot = next(y for y, row in enumerate(rows) if y > 2 and row[last : last + 1] == "●")
        assert place["100 %"] <= dot < place["50 %"]


async def test_a_series_is_told_by_its_squared_error_and_its_own_unit(shown: Open, series: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        text = await text_of(pilot)
        assert "mean squared error, scaled" in text and "nats" not in text and "perplexity" not in text
        assert "persistence 0.21" in text and "seasonal 0.9" in text
        assert text.split("\n")[0].startswith(" shakespeare  paused 1,900 of 5,000  val 0.000125  RMSE 18.02")
        await pilot.press("v")
        text = await text_of(pilot)
        assert " RMSE " in text.split("\n")[2]
        assert "persistence 14.83" in text and "seasonal 51.2" in text
        await pilot.press("v", "l")
        assert "MAE, log" in await text_of(pilot)
        await pilot.press("v", "v")
        assert "mean squared error, scaled, log" in await text_of(pilot)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_the_lines_of_a_series_are_there_at_every_size(
    shown: Open, series: FakeLab, size: tuple[int, int]
) -> None:  # fmt: skip
    async with shown(size=size) as pilot:
        await opened(pilot)
        for _ in range(2):
            text = await text_of(pilot)
            assert "persistence" in text and "seasonal" in text
            assert all(len(row) <= size[0] for row in text.split("\n"))
            await pilot.press("v")


async def test_adding_has_one_curve_and_says_so(shown: Open, lab: FakeLab) -> None:
    lab.give_session()
    run(lab, "adding", (Baseline("always 1", 0.1667, {"mse": 0.1667}),), {"mse": [0.17, 0.000125]}, val_loss=0.000125)
    async with shown() as pilot:
        await opened(pilot)
        await pilot.press("v")
        text = await text_of(pilot)
        assert "mean squared error" in text and "measured by its loss alone" in text and "always 1 0.167" in text
        assert "val MSE 0.000125" in text.split("\n")[0]
        assert pilot.app.unit == "nats"  # type: ignore[attr-defined]


async def test_a_perplexity_chosen_before_is_kept_for_where_it_means_something(shown: Open, labels: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        pilot.app.choose_unit("perplexity")  # type: ignore[attr-defined]
        assert "nats per answer" in await text_of(pilot)
        labels.change(config=config_of("translation"), val_metrics={})
        assert " perplexity " in (await text_of(pilot)).split("\n")[2]


async def test_another_task_has_no_curve_of_the_first(shown: Open, labels: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        await pilot.press("v", "v", "v")
        assert pilot.app.pane("train").state() == {"log": False, "metric": "f1"}  # type: ignore[attr-defined]
        labels.change(session="other", config=Config(), val_metrics={})
        text = await text_of(pilot)
        assert pilot.app.pane("train").state() == {"log": False}  # type: ignore[attr-defined]
        assert "bits per symbol" in text


async def test_the_curve_is_found_again(shown: Open, labels: FakeLab) -> None:
    async with shown() as pilot:
        await opened(pilot)
        pilot.app.pane("train").restore({"log": False, "metric": "accuracy"})  # type: ignore[attr-defined]
        assert "majority 46.8 %" in await text_of(pilot)
        pilot.app.pane("train").restore({"metric": ["x"]})  # type: ignore[attr-defined]
        assert "nats per answer" in await text_of(pilot)


MARKS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("language", {"model__bidirectional": True}, "this perplexity means nothing", "bidirectional",
     " bidirectional: it"),
    ("classification", {"training__forgot_reset": True}, "an unrelated one left", "forgot to reset",
     " forgot to reset, on"),
    ("tagging", {"training__masking": False}, "padded timesteps are read", "no masking", " masking is off, on"),
]  # fmt: skip


@pytest.mark.parametrize("size", [(40, 12), (80, 24)])
async def test_what_makes_the_numbers_worthless_stands_there_as_long_as_it_is_so(
    shown: Open, lab: FakeLab, size: tuple[int, int]
) -> None:  # fmt: skip
    lab.give_session()
    async with shown(size=size) as pilot:
        await opened(pilot)
        for task, fields, sentence, badge, beginning in MARKS:
            run(lab, task, (), {}, config=config_of(task, **fields))
            text = await text_of(pilot)
            words = " ".join(text.split())
            assert (badge if size[0] >= 60 else badge.split()[-1]) in text.split("\n")[0]
            assert sentence in words or size[0] < 80
            # A narrow pane has at least its beginning.
            assert any(row.startswith(beginning) for row in text.split("\n")[1:])
            lab.change(config=config_of(task))
            text = await text_of(pilot)
            assert sentence not in " ".join(text.split()) and badge not in text and beginning not in text


async def test_a_network_that_reads_from_both_ends_does_not_promise_a_sample(shown: Open, lab: FakeLab) -> None:
    lab.give_session()
    run(lab, "language", (), {}, config=config_of("language", model__bidirectional=True))
    lab.samples = ()
    async with shown() as pilot:
        await opened(pilot)
        assert "it can't write" in await text_of(pilot)
        lab.change(config=config_of("classification"))
        assert "what it answers as it learns will stand here" in await text_of(pilot)


async def test_early_stopping_is_told_in_words(shown: Open, labels: FakeLab) -> None:
    labels.change(stopped_because="early_stopping")
    async with shown() as pilot:
        await opened(pilot)
        text = await text_of(pilot)
        assert "stopped early: the validation loss fell no more" in text
        assert "accuracy 83.6 % at step 1,750, best loss 0.56 at 750; next at 2,000" in text
        await pilot.press("b")
        assert "the lowest validation loss: 0.56 nats" in " ".join((await text_of(pilot)).split())
    assert stopped_words(Status(stopped_because="interrupted", step=3)) == "paused"


async def test_the_pace_below_full_speed_goes_by_the_symbols_that_a_step_really_has(
    shown: Open, labels: FakeLab
) -> None:
    """1,900 steps of 500 symbols at 6,000 symbols a second are 12 steps a second: the next slower pace is 10."""
    labels.change(tokens=1900 * 500, tokens_per_second=6000.0)
    async with shown() as pilot:
        await opened(pilot)
        await pilot.press("less_than_sign")
        assert labels.calls[-1] == ("set_pace", 10.0)


def test_validation_words_give_way_to_the_room() -> None:
    status = Status(
        config=config_of("tagging", training__validate_every=250), step=1000, planned=5000, val_step=1000, val_loss=0.5,
        best_loss=0.4, best_step=750, val_metrics={"span_f1": 0.612, "accuracy": 0.95, "sentence_accuracy": 0.7},
    )  # fmt: skip
    full = validation_words(status, "nats")
    assert full == (
        "validation 0.50, span F1 61.2 %, accuracy 95.0 %, whole sentences 70.0 % at step 1,000, "
        "best loss 0.40 at 750; next at 1,250"
    )
    assert validation_words(status, "nats", 78) == "span F1 61.2 % at step 1,000, best loss 0.40 at 750; next at 1,250"
    assert validation_words(status, "nats", 20) == "span F1 61.2 % at step 1,000, best loss 0.40 at 750"
    assert validation_words(replace(status, val_metrics={}), "bits", 78) == (
        "validation 0.72 at step 1,000, best 0.58 at 750; next at 1,250"
    )


def test_an_answer_stands_beside_what_was_read() -> None:
    told = measures_of("classification")
    assert answered(Sample(1, "Tosi", "Japanese 55 %, right is Italian"), told, 40, 3) == [
        "Tosi   Japanese 55 %, right is Italian"
    ]
    # A long text gives way, and what was answered to it stays.
    rows = answered(Sample(1, "word " * 50, "Czech 83 %, right"), told, 20, 3)
    assert rows == ["word word word word", "word word word word…", "Czech 83 %, right"]
    assert answered(Sample(1, "ab\x1b", "c"), told, 20, 1) == ["ab␛   c"]
    # Lines of an answer are kept, and broken between words.
    assert answered(Sample(1, "", "ab   right\ncde fgh"), told, 12, 3) == ["ab   right", "cde fgh"]
    assert answered(Sample(1, "", "cde fgh"), told, 5, 3) == ["cde", "fgh"]
    # Tags stand at the words themselves.
    assert answered(Sample(1, "by Ada", "by Ada/B-PER"), measures_of("tagging"), 30, 3) == ["by Ada/B-PER"]
    assert answered(Sample(1, "Go. → ", "Va !"), measures_of("translation"), 30, 3) == ["Go. → Va !"]
    assert answered(Sample(1, "ROMEO:", " I\nAnd"), measures_of("language"), 30, 3) == ["ROMEO: I", "And"]


def test_a_metric_without_values_waits_and_nonsense_is_not_drawn() -> None:
    lab = FakeLab(None)  # type: ignore[arg-type]
    lab.run_to(500)
    plot = metric_plot(lab.curves, "accuracy", False)
    assert "accuracy will stand here" in plot.empty and not plot.levels
    assert lab.curves is not None
    wrong = replace(lab.curves, baselines=(Baseline("b\x1b[2J", math.nan, {"accuracy": math.inf}),))
    assert not metric_plot(wrong, "accuracy", False).levels
    assert not loss_plot(wrong, "nats", False, measures_of("tagging")).levels
    named = replace(lab.curves, baselines=(Baseline("b\x1b", 1.0, {"accuracy": 0.5}),))
    for plot in (metric_plot(named, "accuracy", False), loss_plot(named, "nats", False, measures_of("tagging"))):
        assert re.match("b␛ ", plot.levels[0].name)


async def test_every_task_is_drawn_with_all_its_curves(shown: Open, lab: FakeLab) -> None:
    lab.give_session()
    async with shown() as pilot:
        await opened(pilot)
        for task in TASKS:
            told = measures_of(task)
            guess = Baseline("guess", 1.0, dict.fromkeys(told.metrics, 0.25))
            run(lab, task, (guess,), {name: [0.1, 0.5] for name in told.metrics}, session=task)
            first = (await text_of(pilot)).split("\n")[2]
            seen = [first]
            for _ in range(len(told.units or ("",)) + len(told.own_curves)):
                await pilot.press("v")
                text = await text_of(pilot)
                assert "guess" in text, task
                seen.append(text.split("\n")[2])
            # Once round, and each was another.
            assert seen[-1] == first and len(set(seen)) == len(seen) - 1, task

"""The first line over every kind of sequence: what tells most, and what is counted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rnn_tui.app.widgets.status import numbers, rate
from rnn_tui.config import Config, put
from rnn_tui.views import Phase, Status

from .conftest import Open, screen_text, settle
from .fakes import FakeLab


def status(task: str, **values: Any) -> Status:
    return Status(config=put(Config(), "data.task", task), **values)


@pytest.mark.parametrize(
    ("task", "metrics", "told"),
    [
        ("language", {}, ["val 0.56", "ppl 1.75"]),
        ("composing", {}, ["val 0.56", "ppl 1.75"]),
        ("classification", {"accuracy": 0.8359, "f1": 0.51}, ["val 0.56", "accuracy 83.6 %"]),
        ("tagging", {"span_f1": 0.612, "accuracy": 0.95}, ["val 0.56", "span F1 61.2 %"]),
        ("translation", {"exact": 0.41, "bleu": 38.83}, ["val 0.56", "exact 41.0 %"]),
        ("translation", {"exact": math.nan, "bleu": 38.83}, ["val 0.56", "BLEU 38.8"]),
        ("forecasting", {"rmse": 18.021, "mae": 13.0}, ["val 0.559", "RMSE 18.02"]),
        ("adding", {"mse": 0.559}, ["val MSE 0.559"]),
        ("recall", {"accuracy": 1.0}, ["val 0.56", "accuracy 100.0 %"]),
    ],
)
def test_what_tells_most(task: str, metrics: dict[str, float], told: list[str]) -> None:
    assert numbers(status(task, val_loss=0.559, train_loss=9.0, val_metrics=metrics), "nats") == told


def test_before_the_first_validation_the_training_loss_is_told() -> None:
    assert numbers(status("classification", train_loss=2.5), "nats") == ["train 2.50"]
    assert numbers(status("classification", train_loss=2.5), "bits") == ["train 3.61"]
    assert numbers(status("language", train_loss=2.5), "bits") == ["train 3.61", "ppl 12.18"]
    assert numbers(status("forecasting", train_loss=0.00025), "bits") == ["train 0.00025"]
    assert numbers(status("forecasting"), "nats") == []


def test_speed_is_named_by_what_is_counted() -> None:
    assert [rate(n, "words") for n in (math.nan, 0.0, 950, 309_000, 1.23e6)] == [
        "", "", "950 words/s", "309k words/s", "1.23M words/s",
    ]  # fmt: skip


@pytest.mark.parametrize(("width", "speed"), [(120, "309k {}/s  cpu bf16"), (74, "309k/s"), (60, "")])
async def test_on_the_screen(shown: Open, lab: FakeLab, width: int, speed: str) -> None:
    lab.give_session()
    lab.run_to(1900)
    async with shown(size=(width, 24)) as pilot:
        for task, symbol, counted in (
            ("language", "character", "symbols"), ("language", "word", "words"), ("tagging", "character", "words"),
            ("forecasting", "character", "timesteps"), ("adding", "character", "timesteps"),
        ):  # fmt: skip
            lab.change(config=put(put(Config(), "data.task", task), "data.symbol", symbol))
            pilot.app.frame._words = ()  # type: ignore[attr-defined]
            await settle(pilot)
            line = screen_text(pilot.app)[0]
            assert line.startswith(" shakespeare  training 1,900 of 5,000") and speed.format(counted) in line, line
            lab.change(pace=5.0, phase=Phase.TRAINING)
            pilot.app.frame._words = ()  # type: ignore[attr-defined]
            await settle(pilot)
            assert "309k" not in screen_text(pilot.app)[0]
            lab.change(pace=0.0)

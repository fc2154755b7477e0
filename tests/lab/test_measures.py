"""What a run is measured by, asked of every task without torch."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import TASKS, Config, put
from rnn_tui.lab.measures import (
    BOUNDED,
    FORGOT_RESET,
    NO_MASKING,
    SEES_THE_ANSWER,
    marks,
    measures,
    measures_of,
    metric_value,
    metric_words,
)
from rnn_tui.tasks import task_of


def test_it_needs_no_torch() -> None:
    code = (
        "import sys; from rnn_tui.config import TASKS; from rnn_tui.lab.measures import measures_of; "
        "[measures_of(task) for task in TASKS]; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_says_what_its_loss_is(task: str) -> None:
    told = measures_of(task)
    assert told.squared == task_of(task).real == (task in ("adding", "forecasting"))
    assert ("perplexity" in told.units) == (task in ("language", "composing", "translation"))
    assert ("nats" in told.loss_name("nats")) != told.squared
    assert told.headline(0.5, {}) == ("MSE 0.5" if told.squared else "ppl 1.65" if told.writes else "loss 0.50")
    assert told.headline(math.nan, {}) == ""
    # The key that tells most is one that is told.
    if told.metrics:
        assert told.headline(0.5, dict.fromkeys(told.metrics, 0.25)) == metric_words(told.metrics[0], 0.25)
        assert told.headline_name == f"val_{told.metrics[0]}"
    else:
        assert told.headline_name == "val_perplexity"


def test_losses_in_their_units() -> None:
    told = measures_of("language")
    assert (told.loss(math.log(8)), told.loss(math.log(8), "bits"), told.loss(math.log(8), "perplexity")) == (
        "2.08", "3.00", "8.00",
    )  # fmt: skip
    assert told.loss_words(math.log(8), "perplexity") == "perplexity 8.00"
    assert [told.loss(value) for value in (0.0, 0.000312, 0.0099, 0.01, 99.99, 1234.56, math.inf, math.nan)] == [
        "0.00", "0.0003", "0.01", "0.01", "99.99", "1235", ">1e304", "",
    ]  # fmt: skip
    labels = measures_of("classification")
    assert labels.loss(math.log(8), "perplexity") == "2.08" and labels.loss_name("perplexity") == "nats per answer"
    series = measures_of("forecasting")
    assert series.loss(0.000125, "bits") == "0.000125" and series.loss_words(0.25) == "squared error 0.25"
    assert measures_of("language", "word").loss_name("bits") == "bits per word"
    assert measures_of("translation", "word").loss_name("nats") == "nats per target word"


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["accuracy", "mape", "bleu", "rmse", "new\x1b"]))
def test_any_number_has_words(value: float, name: str) -> None:
    words = metric_words(name, value)
    assert words.isprintable() and (words.endswith(" -") or math.isfinite(value))
    assert (" %" in words) == (name in (*BOUNDED, "mape") and math.isfinite(value))


def test_shares_in_percent_and_the_rest_as_they_are() -> None:
    assert [metric_value(n, v) for n, v in (("accuracy", 0.8359), ("mape", 1.059), ("bleu", 38.83), ("rmse", 18.021))] \
        == ["83.6 %", "105.9 %", "38.8", "18.02"]  # fmt: skip


def test_marks_stand_where_they_are_true() -> None:
    def of(task: str, **fields: object) -> tuple[object, ...]:
        config = put(Config(), "data.task", task)
        for key, value in fields.items():
            config = put(config, key.replace("__", "."), value)
        return marks(config)

    assert marks(None) == () and all(of(task) == () for task in TASKS)
    assert of("language", model__bidirectional=True) == (SEES_THE_ANSWER,)
    # Where all of a sequence may be known before the answer, reading from both ends is no mistake.
    assert of("tagging", model__bidirectional=True) == of("classification", model__bidirectional=True) == ()
    assert of("tagging", training__forgot_reset=True, training__masking=False) == (FORGOT_RESET, NO_MASKING)
    # One stream has no borders: neither does anything there.
    assert of("language", training__forgot_reset=True, training__masking=False) == ()


def test_without_a_configuration_it_is_language() -> None:
    assert measures(None) == measures_of("language") == measures(Config())

"""What a run is measured by, in words: its loss, the task's metrics, what it counts, and what makes them worthless."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from rnn_tui.config import CHOICES, Config, visible
from rnn_tui.symbols import clean_line
from rnn_tui.tasks import task_of
from rnn_tui.views import UNITS, Unit, in_unit, perplexity

NAMES = {
    "f1": "F1", "span_f1": "span F1", "bleu": "BLEU", "mse": "MSE", "mae": "MAE", "rmse": "RMSE", "mape": "MAPE",
    "exact": "exact", "sentence_accuracy": "whole sentences", "char_accuracy": "characters",
}  # fmt: skip
"""How people write them, where it is not as they are called in files."""
SHARES = ("accuracy", "f1", "span_f1", "sentence_accuracy", "exact", "char_accuracy", "legal", "mape")
"""Metrics from 0 to 1, told in percent; a `mape` can be more than 1."""
BOUNDED = tuple(name for name in SHARES if name != "mape")
NATS: tuple[Unit, ...] = ("nats", "bits")


def measured(value: float) -> str:
    """A loss in nats, or a perplexity, in about four signs."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return ">1e304"
    if 0 < abs(value) < 0.01:
        # Where next to nothing is left, how little it is still tells two runs apart.
        return f"{value:.1g}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.4g}"


def metric_name(name: str) -> str:
    """`span F1`, `accuracy`."""
    return NAMES.get(name, clean_line(name).replace("_", " "))


def metric_value(name: str, value: float) -> str:
    """`83.6 %`, `18.02`; `-` where there is none."""
    if not math.isfinite(value):
        return "-"
    if name in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if name == "bleu" else f"{value:.4g}"


def metric_words(name: str, value: float) -> str:
    """`accuracy 83.6 %`."""
    return f"{metric_name(name)} {metric_value(name, value)}"


@dataclass(frozen=True, slots=True)
class Measures:
    """How a task's runs are told: everything that a curve, a line or a list must know of it."""

    task: str
    squared: bool
    """Whether the loss is a mean squared error; else it is nats."""
    perplexity: bool
    """Whether e to the loss is worth telling: where each answer is a symbol of what is written."""
    metrics: tuple[str, ...]
    """The task's own, the most telling first."""
    counted: str
    """What a timestep is, in the plural: `symbols`, `words`, `timesteps`."""
    writes: bool
    """Whether what it answers is a text that it goes on with."""
    repeats: bool
    """Whether an answer told in words has what was read in it already."""

    @property
    def units(self) -> tuple[Unit, ...]:
        """In what the loss can be shown; empty where it is a squared error."""
        if self.squared:
            return ()
        return UNITS if self.perplexity else NATS

    @property
    def own_curves(self) -> tuple[str, ...]:
        """Metrics with a curve of their own: a plain squared error is the loss already."""
        return tuple(name for name in self.metrics if not (self.squared and name == "mse"))

    @property
    def per(self) -> str:
        """What the loss is the mean over: `symbol`, `target word`, `answer`."""
        symbol = self.counted.removesuffix("s")
        if self.writes:
            return symbol
        return f"target {symbol}" if self.task == "translation" else "answer"

    def unit(self, chosen: Unit) -> Unit:
        """The chosen unit, or nats where that one tells nothing of this task."""
        return chosen if self.squared or chosen in self.units else "nats"

    def loss_name(self, chosen: Unit) -> str:
        """What the axis of the loss counts: `nats per symbol`, `mean squared error, scaled`."""
        if self.squared:
            # Values are scaled before they are read: 1 is the variance of the training part.
            return "mean squared error" + (", scaled" if self.task == "forecasting" else "")
        unit = self.unit(chosen)
        return unit if unit == "perplexity" else f"{unit} per {self.per}"

    def loss(self, value: float, chosen: Unit = "nats") -> str:
        """A loss as a number in the chosen unit; empty where there is none."""
        if not self.squared:
            return measured(in_unit(value, self.unit(chosen)))
        return f"{value:.3g}" if math.isfinite(value) else "" if math.isnan(value) else ">1e304"

    def loss_words(self, value: float, chosen: Unit = "nats") -> str:
        """The same with its unit: `0.56 nats`, `squared error 0.00012`."""
        if self.squared:
            return f"squared error {self.loss(value)}"
        unit = self.unit(chosen)
        shown = self.loss(value, chosen)
        return f"perplexity {shown}" if unit == "perplexity" else f"{shown} {unit}"

    def headline(self, loss: float, metrics: Mapping[str, float]) -> str:
        """What tells most of a validation: `accuracy 83.6 %`, `ppl 5.70`; empty where nothing was measured."""
        for name in (*self.metrics, *metrics):
            if math.isfinite(metrics.get(name, math.nan)):
                return metric_words(name, metrics[name])
        if math.isnan(loss):
            return ""
        if self.perplexity and not self.metrics:
            return f"ppl {measured(perplexity(loss))}"
        return f"{'MSE' if self.squared else 'loss'} {self.loss(loss)}"

    @property
    def headline_name(self) -> str:
        """The key of what tells most: `val_accuracy`, `val_perplexity`."""
        return f"val_{self.metrics[0]}" if self.metrics else "val_perplexity" if self.perplexity else "val_loss"


@functools.cache
def measures_of(task: str, symbol: str = "character") -> Measures:
    """What runs of a task (one of `config.TASKS`) are measured by; `symbol` as `data.symbol`. Needs no torch."""
    found = task_of(task)
    counted = "timesteps" if found.real else "words" if symbol == "word" or task == "tagging" else "symbols"
    return Measures(
        task=task, squared=found.real, perplexity=found.writes or found.answers == "decoder", metrics=found.metrics,
        counted=counted, writes=found.writes, repeats=found.answers == "every" and not found.writes,
    )  # fmt: skip


def measures(config: Config | None) -> Measures:
    """What this configuration's run is measured by; that of language where there is none yet."""
    return measures_of(config.data.task, config.data.symbol) if config else measures_of("language")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that must be known of all numbers of a run."""

    short: str
    badge: str
    sentence: str


SEES_THE_ANSWER = Mark(
    "bidirectional",
    "bidirectional: ppl means nothing",
    "bidirectional: it sees the symbol that it must predict; this perplexity means nothing",
)
FORGOT_RESET = Mark(
    "no reset", "forgot to reset",
    "forgot to reset, on purpose: each sequence starts with the state that an unrelated one left",
)  # fmt: skip
NO_MASKING = Mark(
    "no masking", "no masking",
    "masking is off, on purpose: padded timesteps are read and learned like data",
)  # fmt: skip


def marks(config: Config | None) -> tuple[Mark, ...]:
    """What stands beside a run's numbers as long as it is so."""
    if config is None:
        return ()
    found = []
    if config.model.bidirectional and measures(config).writes:
        found.append(SEES_THE_ANSWER)
    if config.training.forgot_reset and visible(CHOICES["training.forgot_reset"], config):
        found.append(FORGOT_RESET)
    if not config.training.masking and visible(CHOICES["training.masking"], config):
        found.append(NO_MASKING)
    return tuple(found)

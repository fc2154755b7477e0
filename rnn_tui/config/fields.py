"""The fields themselves: bounds, default, unit and help of every choice.

A field says when a change of it takes effect:

    now        at the next step, also while training runs
    next run   when training is next started
    new net    only in a new session: trained weights would no longer fit
"""

from __future__ import annotations

import math
import pkgutil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rnn_tui.symbols import clean_line

Applies = Literal["now", "next run", "new net"]

BUILTIN_TEXTS = ("builtin:python-docs", "builtin:python-source", "builtin:sentences")

# Each module of rnn_tui/tasks is a task of that name (packages there are what tasks share),
# so a new one needs no entry here. They are not imported: some need torch.
TASKS = tuple(
    sorted(
        (m.name for m in pkgutil.iter_modules([str(Path(__file__).parents[1] / "tasks")]) if not m.ispkg),
        key=lambda name: (name != "language", name),
    )
)


def _field(
    default: Any,
    help: str,
    *,
    label: str,
    applies: Applies,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    unit: str = "",
    ladder: tuple[float, ...] = (),
    choices: tuple[str, ...] = (),
    closed: bool = False,
    tasks: tuple[str, ...] = (),
) -> Any:
    """`closed`: nothing but the `choices`; `tasks` where it is of use, all without any."""
    return Field(
        default=default,
        description=help,
        ge=low,
        le=high,
        gt=above,
        json_schema_extra={
            "label": label,
            "applies": applies,
            "low": low,
            "high": high,
            "above": above,
            "unit": unit,
            "ladder": list(ladder),
            "choices": list(choices),
            "closed": closed,
            "tasks": list(tasks),
        },
    )


GENERATED = ("adding", "copying", "recall", "brackets", "reber")
"""Tasks whose data are made as they are needed: they read no file."""
COLUMNED = ("tagging", "classification", "composing", "translation", "forecasting")
READ = ("language", *COLUMNED)
"""Tasks that read a file."""
SEQUENCES = tuple(task for task in TASKS if task != "language")
"""Tasks whose data are sequences of their own, each read from h_0; the others read one long stream."""

_POWERS = tuple(float(2**k) for k in range(18))
_SIZES = (1, 2, 3, 4, 8, 16, 32, 64, 100, 128, 200, 256, 400, 512, 768, 1024, 1536, 2048, 4096, 8192)
_TENTHS = tuple(round(0.05 * k, 2) for k in range(20))
# A tenth of a decade a key: 1, 1.26, 1.58, 2 ... as + and - do while training.
_DECADES = tuple(float(f"{10 ** (k / 10):.2g}") for k in range(-80, 61))


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class DataConfig(_Section):
    """What is read, and how it is cut into training, validation and test."""

    task: str = _field(
        "language", "what is learned from the data", label="Task", applies="new net", choices=TASKS, closed=True
    )
    path: str = _field(
        BUILTIN_TEXTS[0],
        "the data to learn from: a file (plain or .gz), for classification also a folder, or what is built in: "
        "builtin:example for any task, builtin:doubling to forecast, catalog:NAME what was fetched, and the texts " + ", ".join(BUILTIN_TEXTS),
        label="Data",
        applies="new net",
        choices=BUILTIN_TEXTS,
        tasks=READ,
    )
    validation_path: str = _field(
        "",
        "a file of its own for validation (empty: a part of the text)",
        label="Validation file",
        applies="new net",
        tasks=READ,
    )
    test_path: str = _field(
        "",
        "a file of its own for the test (empty: a part of the text)",
        label="Test file",
        applies="new net",
        tasks=READ,
    )
    split: str = _field(
        "90/5/5",
        "contiguous parts for training, validation and test, in percent",
        label="Split",
        applies="new net",
        unit="%",
        choices=("80/10/10", "90/5/5", "90/10/0", "95/5/0"),
        tasks=READ,
    )
    symbol: Literal["character", "word"] = _field(
        "character",
        "what one timestep reads: a character, or a word (a text is cut at white space, punctuation apart)",
        label="Symbol",
        applies="new net",
        tasks=("language", "classification", "translation"),
    )
    vocabulary_size: int = _field(
        0,
        "keep this many symbols, the most frequent ones; the rest become one unknown symbol (0: keep all)",
        label="Vocabulary",
        applies="new net",
        low=0,
        high=1_114_112,
        unit="symbols",
        ladder=(0, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10_000, 20_000, 33_000, 50_000),
        tasks=("language", "tagging", "classification", "translation"),
    )
    least_count: int = _field(
        1,
        "words seen fewer times than this in training become <unk>",
        label="Least count",
        applies="new net",
        low=1,
        high=1_000_000,
        ladder=(1, 2, 3, 5, 10, 20),
        tasks=("language", "tagging", "classification", "translation"),
    )
    columns: str = _field(
        "",
        "columns that are read, by name or by number from 0, with commas between: the token's (tagging), the text's "
        "(classification, composing), source and target (translation), the values (forecasting); empty: guessed",
        label="Columns",
        applies="new net",
        tasks=COLUMNED,
    )
    label_column: str = _field(
        "",
        "column of the tag or label, by name or by number from 0 (-1: the last); empty: guessed",
        label="Label column",
        applies="new net",
        tasks=("tagging", "classification", "composing"),
    )
    reverse_source: bool = _field(
        False,
        "the encoder reads each source from its end to its beginning (Sutskever, Vinyals and Le 2014)",
        label="Reverse source",
        applies="new net",
        tasks=("translation",),
    )
    window: int = _field(
        36,
        "timesteps of the series that are read before each forecast",
        label="Window",
        applies="new net",
        low=1,
        high=100_000,
        unit="timesteps",
        ladder=(1, 2, 3, 6, 12, 24, 36, 48, 60, 96, 132, 168, 365, 500, 1000),
        tasks=("forecasting",),
    )
    horizon: int = _field(
        1,
        "timesteps that are forecast from each window",
        label="Horizon",
        applies="new net",
        low=1,
        high=10_000,
        unit="timesteps",
        ladder=(1, 2, 3, 6, 7, 12, 24, 36, 48, 96),
        tasks=("forecasting",),
    )
    season: int = _field(
        0,
        "timesteps of one season, for the line that repeats the last one (0: found from the training part)",
        label="Season",
        applies="new net",
        low=0,
        high=100_000,
        unit="timesteps",
        ladder=(0, 4, 7, 12, 24, 52, 132, 144, 168, 365),
        tasks=("forecasting",),
    )
    length: int = _field(
        20,
        "of a generated probe: how many timesteps lie between what is to be remembered and where it is asked for "
        "(adding: timesteps in all; brackets: the longest string)",
        label="Gap",
        applies="new net",
        low=1,
        high=10_000,
        unit="timesteps",
        ladder=(1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000),
        tasks=("adding", "copying", "recall", "brackets"),
    )

    @field_validator("task")
    @classmethod
    def _known_task(cls, text: str) -> str:
        if text not in TASKS:
            raise ValueError(f"{shorten(repr(text))} is not one of {', '.join(TASKS)}")
        return text

    @field_validator("split")
    @classmethod
    def _three_parts(cls, text: str) -> str:
        split_percent(text)
        return text


class ModelConfig(_Section):
    """The network: which cell, how many, how wide."""

    cell: Literal["rnn", "gru", "lstm", "feedforward"] = _field(
        "lstm",
        "the recurrent cell; feedforward, h_t = tanh(W_ih x_t + b), has no memory and is the baseline",
        label="Cell",
        applies="new net",
    )
    layers: int = _field(
        2, "cells stacked on one another", label="Layers", applies="new net", low=1, high=8,
        ladder=tuple(range(1, 9)),
    )  # fmt: skip
    hidden_size: int = _field(
        128, "units in each layer: the length of h", label="Hidden size", applies="new net",
        low=1, high=8192, unit="units", ladder=_SIZES,
    )  # fmt: skip
    embedding_size: int = _field(
        128, "length of the learned vector for each symbol (0: one-hot)", label="Embedding", applies="new net",
        low=0, high=8192, unit="units", ladder=(0, *_SIZES),
    )  # fmt: skip
    bidirectional: bool = _field(
        False,
        "a second layer beside each reads from the end to the beginning: at every timestep all of the sequence is "
        "known (Schuster and Paliwal 1997)",
        label="Bidirectional",
        applies="new net",
        tasks=("language", "tagging", "classification"),
    )
    attention: bool = _field(
        False,
        "the decoder looks at every state of the encoder, not at the last alone (Luong, Pham and Manning 2015, dot)",
        label="Attention",
        applies="new net",
        tasks=("translation",),
    )
    nonlinearity: Literal["tanh", "relu"] = _field(
        "tanh", "of the plain RNN only", label="Nonlinearity", applies="new net"
    )
    dropout: float = _field(
        0.0,
        "share of activations dropped between layers, in training only (with one layer it does nothing)",
        label="Dropout",
        applies="now",
        low=0.0,
        high=0.95,
        ladder=_TENTHS,
    )
    locked_dropout: bool = _field(
        False, "one dropout mask for all timesteps (Gal and Ghahramani 2016)", label="Locked dropout", applies="now"
    )
    recurrent_dropout: float = _field(
        0.0,
        "share of W_hh dropped, one mask for all timesteps (weight drop, Merity et al. 2018)",
        label="Recurrent drop",
        applies="now",
        low=0.0,
        high=0.95,
        ladder=_TENTHS,
    )
    tied: bool = _field(
        False,
        "the readout shares its weights with the embedding (needs embedding_size = hidden_size)",
        label="Tied weights",
        applies="new net",
    )
    initial_state: Literal["zero", "learned"] = _field(
        "zero", "h_0 where a sequence starts: zeros, or a learned vector", label="Initial state", applies="new net"
    )
    init: Literal["default", "xavier", "orthogonal", "identity"] = _field(
        "default",
        "initial weights: PyTorch's own, Xavier, orthogonal gate by gate, or identity for W_hh",
        label="Initial weights",
        applies="new net",
    )
    spectral_radius: float = _field(
        0.0,
        "scale the initial W_hh, gate by gate, to this largest |eigenvalue| (0: leave it as drawn)",
        label="Spectral radius",
        applies="new net",
        low=0.0,
        high=10.0,
        ladder=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0),
    )
    forget_bias: float = _field(
        0.0,
        "set the LSTM's forget-gate bias to this (0: leave it as drawn, which starts f at 0.5)",
        label="Forget bias",
        applies="new net",
        low=-10.0,
        high=10.0,
        ladder=(-1.0, 0.0, 1.0, 2.0, 3.0, 5.0),
    )


class TrainingConfig(_Section):
    """How the weights are found."""

    steps: int = _field(
        5000,
        "planned length of the run, in updates; schedules, the curve's axis and the ETA read it",
        label="Steps",
        applies="next run",
        low=1,
        high=1_000_000_000,
        unit="updates",
        ladder=(100, 200, 500, 1000, 1200, 2000, 2500, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000),
    )
    batch_size: int = _field(
        50, "streams or sequences read side by side", label="Batch", applies="next run", low=1, high=65_536,
        unit="sequences", ladder=(1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 256, 512, 1024),
    )  # fmt: skip
    sequence_length: int = _field(
        50, "timesteps that the gradient is followed back (the truncation of BPTT)", label="Timesteps",
        applies="next run", low=1, high=100_000, unit="timesteps", tasks=("language",),
        ladder=(1, 2, 5, 10, 20, 25, 35, 50, 64, 100, 128, 200, 256, 500, 1000),
    )  # fmt: skip
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd"] = _field(
        "adamw", "the rule that turns gradients into updates", label="Optimizer", applies="next run"
    )
    learning_rate: float = _field(
        0.002, "length of an update", label="Learning rate", applies="now", above=0.0, high=1e6, ladder=_DECADES
    )
    momentum: float = _field(
        0.9, "of sgd", label="Momentum", applies="next run", low=0.0, high=0.9999,
        ladder=(0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999),
    )  # fmt: skip
    weight_decay: float = _field(
        0.0, "pull of the weights toward zero (with adamw 0.01 is usual)", label="Weight decay",
        applies="next run", low=0.0, high=100.0,
        ladder=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0),
    )  # fmt: skip
    schedule: Literal["constant", "step", "cosine", "plateau"] = _field(
        "constant",
        "of the learning rate: step multiplies by schedule_factor at each schedule point, cosine falls to zero "
        "at the planned end, plateau multiplies when validation has not improved",
        label="Schedule",
        applies="next run",
    )
    schedule_points: str = _field(
        "0.5,0.75",
        "where the step schedule acts, as shares of the planned steps; for plateau, how many validations without "
        "improvement it waits (numbers below 1 are passed over; none: 2)",
        label="Schedule points",
        applies="next run",
        choices=("0.5,0.75", "0.5,0.8", "0.33,0.66", "1", "2", "4"),
    )
    schedule_factor: float = _field(
        0.5, "what the learning rate is multiplied by", label="Schedule factor", applies="next run",
        above=0.0, high=1.0, ladder=(0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0),
    )  # fmt: skip
    clip_norm: float = _field(
        5.0, "longest gradient that is let through (0: never clip)", label="Clip norm", applies="now",
        low=0.0, high=1e9, ladder=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0),
    )  # fmt: skip
    validate_every: int = _field(
        250, "updates from one validation to the next", label="Validate every", applies="now", low=1,
        high=1_000_000_000, unit="updates", ladder=(10, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000),
    )  # fmt: skip
    validation_tokens: int = _field(
        50_000,
        "symbols of the validation part that are read each time; at the end of a run it is read whole",
        label="Validate on",
        applies="now",
        low=2,
        high=1_000_000_000,
        unit="symbols",
        ladder=(1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000),
    )
    patience: int = _field(
        0,
        "stop after this many validations without improvement (0: never)",
        label="Patience",
        applies="now",
        low=0,
        high=1_000_000,
        unit="validations",
        ladder=(0, 1, 2, 3, 5, 8, 10, 20, 50),
    )
    stateful: bool = _field(
        True,
        "carry h from one batch to the next, detached; off: random passages, each starting at h_0",
        label="Carry state",
        applies="next run",
        tasks=("language",),
    )
    forgot_reset: bool = _field(
        False,
        "a mistake to look at: h is not reset between sequences, each starts with what an unrelated one left",
        label="Forgot to reset",
        applies="next run",
        tasks=SEQUENCES,
    )
    masking: bool = _field(
        True,
        "padded timesteps enter neither state nor loss; off is a mistake to look at: they are read like data",
        label="Masking",
        applies="next run",
        tasks=SEQUENCES,
    )
    padding: Literal["post", "pre"] = _field(
        "post",
        "where short sequences of a batch are filled up: after their end or before their beginning",
        label="Padding",
        applies="next run",
        tasks=SEQUENCES,
    )
    teacher_forcing: float = _field(
        1.0,
        "share of the decoder's steps that read the right symbol before, not the one it chose itself",
        label="Teacher forcing",
        applies="now",
        low=0.0,
        high=1.0,
        ladder=(0.0, 0.25, 0.5, 0.75, 0.9, 1.0),
        tasks=("translation",),
    )
    seed: int = _field(
        1, "of initial weights, data order, dropout and samples", label="Seed", applies="new net",
        low=0, high=2**31 - 1, ladder=tuple(range(0, 11)),
    )  # fmt: skip
    precision: Literal["auto", "float32", "bfloat16"] = _field(
        "auto",
        "of the arithmetic in training; weights are float32 always. auto: bfloat16 where the processor has it",
        label="Precision",
        applies="next run",
    )
    threads: int = _field(
        0, "processor threads for training (0: chosen by measuring)", label="Threads", applies="now",
        low=0, high=1024, ladder=(0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda", "mps"] = _field(
        "auto", "where it is computed; auto: a CUDA GPU if there is one", label="Device", applies="next run"
    )
    autosave_seconds: int = _field(
        30, "seconds from one autosave to the next", label="Autosave", applies="now", low=1, high=86_400,
        unit="s", ladder=(5, 10, 20, 30, 60, 120, 300, 600),
    )  # fmt: skip

    @field_validator("schedule_points")
    @classmethod
    def _points(cls, text: str) -> str:
        schedule_points(text)
        return text


class Config(_Section):
    """A session's whole configuration: `data`, `model` and `training`."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()


def split_percent(text: str) -> tuple[float, float, float]:
    """`"90/5/5"` as percents of training, validation and test that add up to 100."""
    try:
        parts = [float(p) for p in text.split("/")]
    except ValueError:
        parts = []
    if (
        len(parts) not in (2, 3)
        or not all(math.isfinite(p) and p >= 0 for p in parts)
        or abs(sum(parts) - 100) > 1e-6
        or parts[0] <= 0
    ):
        raise ValueError(f"{shorten(repr(text))} is not a split; write percents that add up to 100, as 90/5/5")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else 0.0


def schedule_points(text: str) -> tuple[float, ...]:
    """`"0.5,0.75"` as numbers."""
    try:
        points = tuple(float(p) for p in text.split(","))
    except ValueError:
        points = ()
    if not points or not all(math.isfinite(p) and p > 0 for p in points):
        raise ValueError(f"{shorten(repr(text))} is not a list of points; write numbers above 0, as 0.5,0.75")
    return points


def shorten(text: str) -> str:
    """At most 60 characters of what a person wrote, on one line and safe for a terminal."""
    text = clean_line(text[:61])
    return text if len(text) <= 60 else text[:57] + "..."

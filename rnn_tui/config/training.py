"""How the weights are found."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import field_validator

from rnn_tui.config.field import DECADES, Section, field, shorten
from rnn_tui.config.tasks import SEQUENCES


class TrainingConfig(Section):
    """How the weights are found."""

    steps: int = field(
        5000,
        "planned length of the run, in updates; schedules, the curve's axis and the ETA read it",
        label="Steps",
        applies="next run",
        low=1,
        high=1_000_000_000,
        unit="updates",
        ladder=(100, 200, 500, 1000, 1200, 2000, 2500, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000),
    )
    batch_size: int = field(
        50, "streams or sequences read side by side", label="Batch", applies="next run", low=1, high=65_536,
        unit="sequences", ladder=(1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 256, 512, 1024),
    )  # fmt: skip
    sequence_length: int = field(
        50, "timesteps that the gradient is followed back (the truncation of BPTT)", label="Timesteps",
        applies="next run", low=1, high=100_000, unit="timesteps", tasks=("language",),
        ladder=(1, 2, 5, 10, 20, 25, 35, 50, 64, 100, 128, 200, 256, 500, 1000),
    )  # fmt: skip
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd"] = field(
        "adamw", "the rule that turns gradients into updates", label="Optimizer", applies="next run"
    )
    learning_rate: float = field(
        0.002, "length of an update", label="Learning rate", applies="now", above=0.0, high=1e6, ladder=DECADES
    )
    momentum: float = field(
        0.9, "of sgd", label="Momentum", applies="next run", low=0.0, high=0.9999,
        ladder=(0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999),
    )  # fmt: skip
    weight_decay: float = field(
        0.0, "pull of the weights toward zero (with adamw 0.01 is usual)", label="Weight decay",
        applies="next run", low=0.0, high=100.0,
        ladder=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0),
    )  # fmt: skip
    schedule: Literal["constant", "step", "cosine", "plateau"] = field(
        "constant",
        "of the learning rate: step multiplies by schedule_factor at each schedule point, cosine falls to zero "
        "at the planned end, plateau multiplies when validation has not improved",
        label="Schedule",
        applies="next run",
    )
    schedule_points: str = field(
        "0.5,0.75",
        "where the step schedule acts, as shares of the planned steps; for plateau, how many validations without "
        "improvement it waits (numbers below 1 are passed over; none: 2)",
        label="Schedule points",
        applies="next run",
        choices=("0.5,0.75", "0.5,0.8", "0.33,0.66", "1", "2", "4"),
    )
    schedule_factor: float = field(
        0.5, "what the learning rate is multiplied by", label="Schedule factor", applies="next run",
        above=0.0, high=1.0, ladder=(0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0),
    )  # fmt: skip
    clip_norm: float = field(
        5.0, "longest gradient that is let through (0: never clip)", label="Clip norm", applies="now",
        low=0.0, high=1e9, ladder=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0),
    )  # fmt: skip
    validate_every: int = field(
        250, "updates from one validation to the next", label="Validate every", applies="now", low=1,
        high=1_000_000_000, unit="updates", ladder=(10, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000),
    )  # fmt: skip
    validation_tokens: int = field(
        50_000,
        "symbols of the validation part that are read each time; at the end of a run it is read whole",
        label="Validate on",
        applies="now",
        low=2,
        high=1_000_000_000,
        unit="symbols",
        ladder=(1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000),
    )
    patience: int = field(
        0,
        "stop after this many validations without improvement (0: never)",
        label="Patience",
        applies="now",
        low=0,
        high=1_000_000,
        unit="validations",
        ladder=(0, 1, 2, 3, 5, 8, 10, 20, 50),
    )
    stateful: bool = field(
        True,
        "carry h from one batch to the next, detached; off: random passages, each starting at h_0",
        label="Carry state",
        applies="next run",
        tasks=("language",),
    )
    forgot_reset: bool = field(
        False,
        "a mistake to look at: h is not reset between sequences, each starts with what an unrelated one left",
        label="Forgot to reset",
        applies="next run",
        tasks=SEQUENCES,
    )
    masking: bool = field(
        True,
        "padded timesteps enter neither state nor loss; off is a mistake to look at: they are read like data",
        label="Masking",
        applies="next run",
        tasks=SEQUENCES,
    )
    padding: Literal["post", "pre"] = field(
        "post",
        "where short sequences of a batch are filled up: after their end or before their beginning",
        label="Padding",
        applies="next run",
        tasks=SEQUENCES,
    )
    teacher_forcing: float = field(
        1.0,
        "share of the decoder's steps that read the right symbol before, not the one it chose itself",
        label="Teacher forcing",
        applies="now",
        low=0.0,
        high=1.0,
        ladder=(0.0, 0.25, 0.5, 0.75, 0.9, 1.0),
        tasks=("translation",),
    )
    seed: int = field(
        1, "of initial weights, data order, dropout and samples", label="Seed", applies="new net",
        low=0, high=2**31 - 1, ladder=tuple(range(0, 11)),
    )  # fmt: skip
    precision: Literal["auto", "float32", "bfloat16"] = field(
        "auto",
        "of the arithmetic in training; weights are float32 always. auto: bfloat16 where the processor has it",
        label="Precision",
        applies="next run",
    )
    threads: int = field(
        0, "processor threads for training (0: chosen by measuring)", label="Threads", applies="now",
        low=0, high=1024, ladder=(0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda", "mps"] = field(
        "auto", "where it is computed; auto: a CUDA GPU if there is one", label="Device", applies="next run"
    )
    autosave_seconds: int = field(
        30, "seconds from one autosave to the next", label="Autosave", applies="now", low=1, high=86_400,
        unit="s", ladder=(5, 10, 20, 30, 60, 120, 300, 600),
    )  # fmt: skip
    hang_up: Literal["go on", "stop"] = field(
        "go on",
        "when the line drops while it trains: go on without a screen to the planned end, or save and stop",
        label="Hang-up",
        applies="now",
    )

    @field_validator("schedule_points")
    @classmethod
    def _points(cls, text: str) -> str:
        schedule_points(text)
        return text


def schedule_points(text: str) -> tuple[float, ...]:
    """`"0.5,0.75"` as numbers."""
    try:
        points = tuple(float(p) for p in text.split(","))
    except ValueError:
        points = ()
    if not points or not all(math.isfinite(p) and p > 0 for p in points):
        raise ValueError(f"{shorten(repr(text))} is not a list of points; write numbers above 0, as 0.5,0.75")
    return points

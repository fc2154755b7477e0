"""What is read, and how it is cut."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import field_validator

from rnn_tui.config.field import Section, field, shorten
from rnn_tui.config.tasks import BUILTIN_TEXTS, COLUMNED, READ, TASKS


class DataConfig(Section):
    """What is read, and how it is cut into training, validation and test."""

    task: str = field(
        "language", "what is learned from the data", label="Task", applies="new net", choices=TASKS, closed=True
    )
    path: str = field(
        BUILTIN_TEXTS[0],
        "the data to learn from: a file (plain or .gz), for classification also a folder, or what is built in: "
        "builtin:example for any task, builtin:doubling to forecast, catalog:NAME what was fetched, and the texts "
        + ", ".join(BUILTIN_TEXTS),
        label="Data",
        applies="new net",
        choices=BUILTIN_TEXTS,
        tasks=READ,
    )
    validation_path: str = field(
        "",
        "a file of its own for validation (empty: a part of the text)",
        label="Validation file",
        applies="new net",
        tasks=READ,
    )
    test_path: str = field(
        "",
        "a file of its own for the test (empty: a part of the text)",
        label="Test file",
        applies="new net",
        tasks=READ,
    )
    split: str = field(
        "90/5/5",
        "contiguous parts for training, validation and test, in percent",
        label="Split",
        applies="new net",
        unit="%",
        choices=("80/10/10", "90/5/5", "90/10/0", "95/5/0"),
        tasks=READ,
    )
    symbol: Literal["character", "word"] = field(
        "character",
        "what one timestep reads: a character, or a word (a text is cut at white space, punctuation apart)",
        label="Symbol",
        applies="new net",
        tasks=("language", "classification", "translation"),
    )
    vocabulary_size: int = field(
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
    least_count: int = field(
        1,
        "words seen fewer times than this in training become <unk>",
        label="Least count",
        applies="new net",
        low=1,
        high=1_000_000,
        ladder=(1, 2, 3, 5, 10, 20),
        tasks=("language", "tagging", "classification", "translation"),
    )
    columns: str = field(
        "",
        "columns that are read, by name or by number from 0, with commas between: the token's (tagging), the text's "
        "(classification, composing), source and target (translation), the values (forecasting); empty: guessed",
        label="Columns",
        applies="new net",
        tasks=COLUMNED,
    )
    label_column: str = field(
        "",
        "column of the tag or label, by name or by number from 0 (-1: the last); empty: guessed",
        label="Label column",
        applies="new net",
        tasks=("tagging", "classification", "composing"),
    )
    reverse_source: bool = field(
        False,
        "the encoder reads each source from its end to its beginning (Sutskever, Vinyals and Le 2014)",
        label="Reverse source",
        applies="new net",
        tasks=("translation",),
    )
    window: int = field(
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
    horizon: int = field(
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
    season: int = field(
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
    length: int = field(
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

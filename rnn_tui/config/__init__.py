"""Every choice a person can make, defined once: bounds, default, unit, help.

The Build pane's form, `--set`, the TOML file, `--help` and the validation messages are all
drawn from `fields`.
"""

from __future__ import annotations

from rnn_tui.config.choices import CHOICES, Choice, Kind, show, turn, visible
from rnn_tui.config.fields import (
    BUILTIN_TEXTS,
    COLUMNED,
    GENERATED,
    READ,
    SEQUENCES,
    TASKS,
    Applies,
    Config,
    DataConfig,
    ModelConfig,
    TrainingConfig,
    schedule_points,
    split_percent,
)
from rnn_tui.config.reading import ConfigError, choice, differences, get, load_toml, parse, put, read, to_toml

__all__ = [
    "BUILTIN_TEXTS",
    "CHOICES",
    "COLUMNED",
    "GENERATED",
    "READ",
    "SEQUENCES",
    "TASKS",
    "Applies",
    "Choice",
    "Config",
    "ConfigError",
    "DataConfig",
    "Kind",
    "ModelConfig",
    "TrainingConfig",
    "choice",
    "differences",
    "get",
    "load_toml",
    "parse",
    "put",
    "read",
    "schedule_points",
    "show",
    "split_percent",
    "to_toml",
    "turn",
    "visible",
]

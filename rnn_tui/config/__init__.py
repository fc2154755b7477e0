"""Every choice a person can make, defined once: bounds, default, unit, help.

The Build pane's form, `--set`, the TOML file, `--help` and the validation messages are all
drawn from `fields` and the sections that it puts together.
"""

from __future__ import annotations

from rnn_tui.config.choices import CHOICES, Choice, Kind, show, turn, visible
from rnn_tui.config.data import DataConfig, split_percent
from rnn_tui.config.field import Applies
from rnn_tui.config.fields import Config
from rnn_tui.config.model import ModelConfig
from rnn_tui.config.reading import (
    ConfigError,
    choice,
    differences,
    get,
    load_toml,
    parse,
    put,
    read,
    read_toml,
    to_toml,
)
from rnn_tui.config.tasks import BUILTIN_TEXTS, COLUMNED, GENERATED, READ, SEQUENCES, TASKS
from rnn_tui.config.training import TrainingConfig, schedule_points

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
    "read_toml",
    "schedule_points",
    "show",
    "split_percent",
    "to_toml",
    "turn",
    "visible",
]

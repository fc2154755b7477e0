"""The whole configuration: the sections `data`, `model` and `training`."""

from __future__ import annotations

from rnn_tui.config.data import DataConfig
from rnn_tui.config.field import Section
from rnn_tui.config.model import ModelConfig
from rnn_tui.config.training import TrainingConfig


class Config(Section):
    """A session's whole configuration: `data`, `model` and `training`."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()

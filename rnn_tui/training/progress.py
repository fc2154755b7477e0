"""How far a run has come, as numbers that its file keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnn_tui.config import show


@dataclass
class Progress:
    """How far a run has come; all of it is kept in the session file. Losses in nats."""

    step: int = 0
    tokens: int = 0
    train_loss: float = math.nan
    val_loss: float = math.nan
    val_step: int = -1
    best_loss: float = math.inf
    best_step: int = -1
    val_metrics: dict[str, float] = field(default_factory=dict)
    """Of the newest validation, by their names."""
    bad_validations: int = 0
    checked_step: int = 0
    """Step of the newest validation that best weights and patience went by."""
    clipped: int = 0
    grad_norm: float = math.nan
    learning_rate: float = math.nan
    events: list[dict[str, Any]] = field(default_factory=list)
    """What was changed on the way, and when: at most 1,000."""


def describe_change(change: Mapping[str, Any]) -> str:
    """`step 1,200: training.learning_rate from 0.002 to 0.001`."""
    return f"step {change['step']:,}: {change['field']} from {show(change['from'])} to {show(change['to'])}"

"""The optimizer and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from rnn_tui.config import TrainingConfig, schedule_points

PLATEAU_WAITS = 2
STATES = {
    "AdamW": {"step", "exp_avg", "exp_avg_sq"}, "Adam": {"step", "exp_avg", "exp_avg_sq"},
    "RMSprop": {"step", "square_avg"}, "SGD": {"momentum_buffer"},
}  # fmt: skip
"""What each keeps of a parameter."""


def make_optimizer(parameters: Iterable[nn.Parameter], training: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), Adam (Kingma and Ba 2015), RMSprop (Hinton 2012), or
    SGD with momentum, each as torch.optim computes it, at the configured learning rate.
    """
    kept = list(parameters)
    lr, decay = training.learning_rate, training.weight_decay
    # One fused pass over all parameters: a small model's update is mostly call overhead.
    match training.optimizer:
        case "adamw":
            return torch.optim.AdamW(kept, lr=lr, weight_decay=decay, fused=True)
        case "adam":
            return torch.optim.Adam(kept, lr=lr, weight_decay=decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(kept, lr=lr, weight_decay=decay)
        case "sgd":
            return torch.optim.SGD(kept, lr=lr, momentum=training.momentum, weight_decay=decay, fused=True)


@dataclass
class Schedule:
    """The factor on the learning rate at a step.

    `constant`: 1. `step`: schedule_factor to the power of the points passed. `cosine`:
    (1 + cos(pi step / steps)) / 2, zero from the planned end on. `plateau`: multiplied by
    schedule_factor each time that validation has not improved for a number of validations.
    """

    plateau_factor: float = 1.0
    plateau_best: float = math.inf
    plateau_bad: int = 0

    def factor(self, training: TrainingConfig, step: int) -> float:
        """For the update that follows `step` updates."""
        match training.schedule:
            case "step":
                passed = sum(step >= point * training.steps for point in schedule_points(training.schedule_points))
                return float(training.schedule_factor**passed)
            case "cosine":
                return (1 + math.cos(math.pi * min(1.0, step / training.steps))) / 2
            case "plateau":
                return self.plateau_factor
        return 1.0

    def validated(self, training: TrainingConfig, val_loss: float) -> None:
        """Tell the plateau schedule of a validation."""
        if training.schedule != "plateau":
            return
        if val_loss < self.plateau_best:
            self.plateau_best, self.plateau_bad = val_loss, 0
            return
        self.plateau_bad += 1
        waits = next((p for p in schedule_points(training.schedule_points) if p >= 1), PLATEAU_WAITS)
        if self.plateau_bad > waits:
            self.plateau_factor *= training.schedule_factor
            self.plateau_bad = 0

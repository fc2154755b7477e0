"""What is asked of a reading at each of its timesteps, and what the answers cost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.examples import NOT_ASKED

Answers = Literal["every", "last", "decoder"]
"""Where an answer is given: at every timestep, after the last, or by a decoder (`tasks.Task.answers`)."""


def spread(targets: NDArray[Any] | None, timesteps: int, outputs: int, answers: Answers) -> NDArray[Any]:
    """The right answers by timestep: (T) int64 with NOT_ASKED, or (T, K) float32 with NaN where they are numbers.

    `targets` as in `data.examples.Examples`; None: none is known. Of a decoder T is its own timesteps.
    """
    if targets is None or not len(targets):
        return np.full(timesteps, NOT_ASKED, np.int64)
    if targets.dtype.kind == "f":
        whole: NDArray[Any] = np.full((timesteps, outputs), np.nan, np.float32)
    else:
        whole = np.full(timesteps, NOT_ASKED, np.int64)
    if answers == "last":
        whole[-1] = targets[0]
    else:
        count = min(timesteps, len(targets))
        whole[:count] = targets[:count]
    return whole


def following(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of a text (T) the symbol that comes after each: what language asks for."""
    return np.append(tokens[1:], NOT_ASKED)


def is_asked(targets: NDArray[Any]) -> NDArray[np.bool_]:
    """(T): where a right answer is known, of `spread`'s targets."""
    found: NDArray[np.bool_] = np.isfinite(targets).all(axis=1) if targets.ndim == 2 else targets != NOT_ASKED
    return found


def costs(answers: Tensor, targets: NDArray[Any]) -> NDArray[Any]:
    """(T): -ln p of the right answer, nats, from logits (T, V), or the mean squared error of numbers (T, K).

    NaN where nothing is asked.
    """
    asked = torch.from_numpy(np.flatnonzero(is_asked(targets))).to(answers.device)
    right = torch.from_numpy(targets).to(answers.device)[asked]
    found = answers.new_full((len(targets),), torch.nan)
    if right.is_floating_point():
        found[asked] = (answers[asked] - right.to(answers.dtype)).square().mean(dim=1)
    else:
        found[asked] = torch.nn.functional.cross_entropy(answers[asked], right, reduction="none")
    array: NDArray[Any] = found.cpu().numpy()
    return array

"""The adding problem (Hochreiter and Schmidhuber 1997), as Le, Jaitly and Hinton 2015 pose it.

Each timestep reads a value from U(0, 1) and a marker, 0 or 1. One value of either half is
marked; asked for, after the last timestep, is the sum of the two.
"""

from __future__ import annotations

import numpy as np

from rnn_tui.data.examples import Ragged
from rnn_tui.data.probes import Draws

SHORTEST = 2
"""Timesteps: one value in either half."""
ALWAYS_ONE = 1 / 6
"""Mean squared error of answering 1, the mean: the variance of a sum of two U(0, 1)."""


def draw(draws: Draws, count: int, T: int) -> Ragged:
    """`count` sequences (T, 2) of value and marker, and of each the sum, (1, 1)."""
    if T < SHORTEST:
        raise ValueError(f"a sequence of {T} timesteps has no two halves")
    inputs = np.zeros((count, T, 2), np.float32)
    inputs[:, :, 0] = draws.random((count, T), dtype=np.float32)
    each = np.arange(count)
    marked = draws.integers(0, T // 2, count), draws.integers(T // 2, T, count)
    for place in marked:
        inputs[each, place, 1] = 1.0
    sums = inputs[each, marked[0], 0] + inputs[each, marked[1], 0]
    return Ragged.of(list(inputs), list(sums[:, None, None]))

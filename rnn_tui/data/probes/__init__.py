"""Memory probes: sequences that are made, not read, and what can be reached on them, exactly.

Each module draws sequences from a numpy generator that is passed in (`draw`), and states in
closed form what a model that forgets scores on them.
"""

from __future__ import annotations

import numpy as np

Draws = np.random.Generator

PARTS = ("train", "validation", "test")
_FIXED, _BATCH, _GAP, _SAMPLE = range(4)

# The first number differs, so no two of these streams begin alike: what a network is scored
# on is never drawn a second time for its training.


def part_draws(seed: int, part: str) -> Draws:
    """What the fixed sequences of a part are drawn from."""
    return np.random.default_rng([_FIXED, PARTS.index(part), seed])


def batch_draws(number: int) -> Draws:
    """What one training batch is drawn from; the number is drawn by the run's own generator."""
    return np.random.default_rng([_BATCH, number])


def gap_draws(seed: int, gap: int) -> Draws:
    """What the sequences of one gap are drawn from."""
    return np.random.default_rng([_GAP, seed, gap])


def sample_draws(seed: int) -> Draws:
    """What is shown while it trains is drawn from."""
    return np.random.default_rng([_SAMPLE, seed])

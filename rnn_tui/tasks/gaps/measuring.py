"""One network on sequences of each gap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config
from rnn_tui.data.probes import gap_draws
from rnn_tui.model.network import Network
from rnn_tui.tasks import task_of
from rnn_tui.tasks.probing.probe import Probe

COUNT = 200
"""Sequences of each gap, fewer where they are very long: a share is then right to about 0.03."""
TIMESTEPS = 200_000
FEWEST = 20
# Measured where a task has no gap of its own.
RECALL = "recall"


def probe_of(config: Config) -> Probe:
    """The probe that tells what this configuration's networks remember: its own task, where that has
    gaps, else recall.
    """
    task = task_of(config.data.task)
    if isinstance(task, Probe) and len(task.gaps(config.data.length)):
        return task
    recall = task_of(RECALL)
    assert isinstance(recall, Probe), "recall is a probe"
    return recall


def measure(network: Network, task: Probe, config: Config, gaps: Iterable[int]) -> NDArray[np.float32]:
    """The task's first metric at each gap, (G): the same sequences for every network of one seed.

    The network is one of that task's. Raises ValueError for a gap that the task does not have.
    """
    return np.array(list(measured(network, task, config, gaps)), np.float32)


def measured(network: Network, task: Probe, config: Config, gaps: Iterable[int]) -> Iterator[float]:
    """`measure`, one gap after the other."""
    for gap in gaps:
        count = max(FEWEST, min(COUNT, TIMESTEPS // int(gap)))
        examples = task.at_gap(gap_draws(config.training.seed, int(gap)), count, int(gap))
        yield float(task.score(network, examples).metrics[task.metrics[0]])


def remembers(task: Probe, gaps: NDArray[np.int64], values: NDArray[np.float32]) -> int:
    """The longest gap at which more than half of the way from nothing to perfect is reached; 0: none."""
    perfect = 0.0 if task.lower_is_better else 1.0
    longest = 0
    for gap, value in zip(gaps.tolist(), values.tolist(), strict=True):
        nothing = task.nothing(gap)
        if math.isfinite(value) and (value - nothing) / (perfect - nothing) > 0.5:
            longest = max(longest, gap)
    return longest

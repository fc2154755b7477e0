"""Delayed recall: the first symbol, asked for after a gap of others like it.

`c a h h d ?` asks for c over a gap of 5 timesteps. What lies between are symbols of the same
kinds: a state that every symbol overwrites a little has lost the first one soon. The gap of
a sequence is drawn uniformly from 1 to the longest, so that one run tells over how many
timesteps a network remembers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.examples import NOT_ASKED, Ragged
from rnn_tui.data.probes import Draws

SYMBOLS = tuple("abcdefgh")
MARK = "?"
INPUTS = (*SYMBOLS, MARK)
KINDS = len(SYMBOLS)
_MARK = len(INPUTS) - 1


def draw(draws: Draws, count: int, longest: int) -> Ragged:
    """`count` sequences whose gaps are uniform over 1 to `longest`."""
    return draw_gaps(draws, draws.integers(1, longest + 1, count))


def draw_gaps(draws: Draws, gaps: NDArray[np.int64]) -> Ragged:
    """A sequence for each gap g: g + 1 timesteps, the last of them the mark, which alone asks."""
    inputs = []
    for gap in gaps:
        sequence = draws.integers(0, KINDS, int(gap) + 1)
        sequence[-1] = _MARK
        inputs.append(sequence)
    return Ragged.of(inputs, [answers(sequence) for sequence in inputs])


def finished(inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Any sequence (T), with a mark at its end if it has none."""
    return inputs if _MARK in inputs else np.append(inputs, _MARK)


def answers(inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is asked at each timestep of any sequence (T): at a mark its first symbol, nothing elsewhere."""
    targets = np.full(len(inputs), NOT_ASKED, np.int64)
    if inputs[0] < KINDS:
        targets[inputs == _MARK] = inputs[0]
    return targets

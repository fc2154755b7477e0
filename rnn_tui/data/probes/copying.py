"""The copying problem (Hochreiter and Schmidhuber 1997), as Arjovsky, Shah and Bengio 2016 pose it.

Ten symbols of eight kinds, T - 1 blanks, a mark, ten blanks: T + 20 timesteps. Asked for are
T + 10 blanks, and from the mark's next timestep on the ten symbols in their order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.examples import Ragged
from rnn_tui.data.probes import Draws

SYMBOLS = tuple("abcdefgh")
BLANK, MARK = "-", ">"
_MARK = len(SYMBOLS) + 1
INPUTS = (*SYMBOLS, BLANK, MARK)
ANSWERS = (*SYMBOLS, BLANK)
WIDTH = 10
"""Symbols to be copied."""
KINDS = len(SYMBOLS)


def draw(draws: Draws, count: int, delay: int) -> Ragged:
    """`count` sequences of `delay` + 20 timesteps, every one of which is asked for an answer."""
    T = delay + 2 * WIDTH
    symbols = draws.integers(0, KINDS, (count, WIDTH))
    inputs = np.full((count, T), KINDS, np.int64)
    targets = np.full((count, T), KINDS, np.int64)
    inputs[:, :WIDTH] = symbols
    inputs[:, delay + WIDTH - 1] = _MARK
    targets[:, delay + WIDTH :] = symbols
    return Ragged.of(list(inputs), list(targets))


def finished(inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Any sequence (T), with a mark if it has none, and room after it for all symbols before it."""
    marks = np.flatnonzero(inputs == _MARK)
    begun = inputs if len(marks) else np.append(inputs, _MARK)
    place = int(marks[0]) if len(marks) else len(inputs)
    missing = int((begun[:place] < KINDS).sum()) - (len(begun) - place - 1)
    return np.append(begun, np.full(max(0, missing), KINDS))


def answers(inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is asked at each timestep of any sequence (T): blanks, and after a mark the symbols before it, in order."""
    targets = np.full(len(inputs), KINDS, np.int64)
    marks = np.flatnonzero(inputs == _MARK)
    if len(marks):
        before = inputs[: marks[0]]
        symbols = before[before < KINDS][: len(inputs) - marks[0] - 1]
        targets[marks[0] + 1 : marks[0] + 1 + len(symbols)] = symbols
    return targets


def remembers_nothing(delay: int) -> float:
    """Nats a timestep of a model that knows where it is and nothing of what it read: 10 ln 8 / (T + 20)."""
    return WIDTH * math.log(KINDS) / (delay + 2 * WIDTH)

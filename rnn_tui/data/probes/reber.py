"""The embedded Reber grammar (Reber 1967; Fahlman 1991; Hochreiter and Schmidhuber 1997).

    B T reber T E    or    B P reber P E

The last T or P is the second symbol again, over all of the inner string: one thing to be
remembered for long among much that is of the moment. At every fork both ways have p = 1/2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.examples import Ragged
from rnn_tui.data.probes import Draws

SYMBOLS = tuple("BTPSXVE")
CHOSEN = (SYMBOLS.index("T"), SYMBOLS.index("P"))
"""What the second symbol, and the last but one, chooses among."""

# Reber's own grammar: from each state the symbols that leave it, and where to.
_REBER = ("B1", "T2 P3", "S2 X4", "T3 V5", "X3 S6", "P4 V6", "E7")
_START, _CHOICE, _INNER, _SIZE = 0, 1, 2, len(_REBER) + 1
_LAST = _INNER + 2 * _SIZE
_DONE = _LAST + 1


def _edges() -> tuple[tuple[tuple[int, int], ...], ...]:
    """Of each state the (symbol, next state) that leave it: one copy of Reber's grammar for T, one for P."""
    found = [((SYMBOLS.index("B"), _CHOICE),), tuple((CHOSEN[k], _INNER + k * _SIZE) for k in (0, 1))]
    for k in (0, 1):
        for ways in _REBER:
            found.append(tuple((SYMBOLS.index(w[0]), _INNER + k * _SIZE + int(w[1])) for w in ways.split()))
        found.append(((CHOSEN[k], _LAST),))
    return (*found, ((SYMBOLS.index("E"), _DONE),))


EDGES = _edges()
_SYMBOL = np.array([[ways[0][0], ways[-1][0]] for ways in EDGES])
_NEXT = np.array([[ways[0][1], ways[-1][1]] for ways in EDGES])


def strings(draws: Draws, count: int) -> list[NDArray[np.int64]]:
    """`count` strings of the grammar, from B to E."""
    state, running = np.full(count, _START), np.arange(count)
    found: list[list[int]] = [[] for _ in range(count)]
    while len(running):
        way = draws.integers(0, 2, len(running))
        for k, symbol in zip(running.tolist(), _SYMBOL[state, way].tolist(), strict=True):
            found[k].append(symbol)
        state = _NEXT[state, way]
        running, state = running[state != _DONE], state[state != _DONE]
    return [np.array(each) for each in found]


def draw(draws: Draws, count: int) -> Ragged:
    """`count` sequences: each symbol but the last is read, and the next one asked for."""
    return _asked(strings(draws, count))


def representative(draws: Draws, count: int) -> Ragged:
    """`count` strings whose mean length is exactly the grammar's, 12 symbols.

    So the best predictor, which is in doubt at all but four symbols of a string, scores on
    them exactly what it scores on all.
    """
    found = strings(draws, count)
    excess = sum(map(len, found)) - 12 * count
    while excess:
        for k, another in enumerate(strings(draws, count)):
            change = len(another) - len(found[k])
            if abs(excess + change) < abs(excess):
                found[k], excess = another, excess + change
    return _asked(found)


def _asked(found: list[NDArray[np.int64]]) -> Ragged:
    return Ragged.of([each[:-1] for each in found], [each[1:] for each in found])


def legal(inputs: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    """What the grammar allows after each symbol of a string (T): numbers of SYMBOLS; nothing once it was left."""
    found: list[tuple[int, ...]] = []
    state = _START
    for symbol in inputs.tolist():
        ways = dict(EDGES[state]) if state < _DONE else {}
        state = ways.get(symbol, _DONE)
        found.append(tuple(symbol for symbol, _ in EDGES[state]) if state < _DONE else ())
    return tuple(found)


def optimum() -> float:
    """Nats a prediction of the best predictor there can be: 7 ln 2 / 11 = 0.44109."""
    return cost(lambda state, symbol: state)


def without_long_memory() -> float:
    """The same of one that knows the place in the inner grammar, not which of T and P began: 8 ln 2 / 11 = 0.50411."""

    def place(state: int, symbol: int) -> int:
        return (state - _INNER) % _SIZE + _INNER if _INNER <= state < _LAST else state

    return cost(place)


def bigram() -> float:
    """The same of one that sees the last symbol alone."""
    return cost(lambda state, symbol: symbol)


def cost(knows: Callable[[int, int], Hashable]) -> float:
    """Nats a prediction of the best predictor that knows `knows(state, symbol just read)` and nothing else.

    Exact: how often each edge is taken in a string, in the mean, solves visits = start + P^T visits.
    """
    P = np.zeros((_DONE, _DONE))
    for state, ways in enumerate(EDGES):
        for _, after in ways:
            if after < _DONE:
                P[state, after] += 1 / len(ways)
    start = np.zeros(_DONE)
    start[_START] = 1.0
    visits = np.linalg.solve(np.eye(_DONE) - P.T, start)
    expected: dict[Hashable, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for state, ways in enumerate(EDGES):
        for symbol, after in ways:
            for following, _ in EDGES[after] if after < _DONE else ():
                expected[knows(after, symbol)][following] += visits[state] / len(ways) / len(EDGES[after])
    total = count = 0.0
    for times in expected.values():
        whole = sum(times.values())
        count += whole
        total -= sum(each * math.log(each / whole) for each in times.values())
    return float(total / count)

"""Brackets of two kinds (the language Dyck-2): after each, what comes next?

Half the length, m pairs, is drawn uniformly from 1 to N; then one of the Catalan(m) ways to
nest them, all equally likely; then the kind of each pair. So a word of m pairs has the
probability 1 / (N Catalan(m) K^m), and what the best predictor scores is known exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.examples import NOT_ASKED, Ragged
from rnn_tui.data.probes import Draws

OPENING, CLOSING = tuple("(["), tuple(")]")
KINDS = len(OPENING)
SYMBOLS = (*OPENING, *CLOSING)
END = "$"
ANSWERS = (*SYMBOLS, END)
_END = len(SYMBOLS)
SHORTEST = 2
"""Symbols of one pair."""


def draw(draws: Draws, count: int, longest: int) -> Ragged:
    """`count` words of 2 to `longest` symbols."""
    return _asked(word(draws, int(m)) for m in draws.integers(1, pairs(longest) + 1, count))


def representative(draws: Draws, count: int, longest: int) -> Ragged:
    """About `count` words, of every length equally many, in random order.

    So the best predictor scores on them exactly what it scores on all.
    """
    N = pairs(longest)
    sizes = np.tile(np.arange(1, N + 1), -(-count // N)) if count >= N else np.linspace(1, N, count).astype(np.int64)
    return _asked(word(draws, int(m)) for m in draws.permutation(sizes))


def draw_distance(draws: Draws, count: int, distance: int) -> Ragged:
    """Words whose first bracket closes `distance` timesteps later, as the last; that one alone is asked for.

    The distance is odd: between the two lies a word. Raises ValueError for an even one.
    """
    if distance < 1 or distance % 2 == 0:
        raise ValueError(f"between a bracket and its end lie whole pairs, so {distance} timesteps can't")
    inputs, targets = [], []
    for kind in draws.integers(0, KINDS, count):
        inside = word(draws, (distance - 1) // 2)
        inputs.append(np.concatenate(([kind], inside)))
        asked = np.full(distance, NOT_ASKED, np.int64)
        asked[-1] = kind + KINDS
        targets.append(asked)
    return Ragged.of(inputs, targets)


def word(draws: Draws, m: int) -> NDArray[np.int64]:
    """A word of m pairs, (2m), each as likely as any other.

    Of the rotations of m + 1 steps up and m down exactly one stays above 0 (the cycle lemma,
    Dvoretzky and Motzkin 1947); without its first step it is a word.
    """
    steps = draws.permutation(np.repeat([1, -1], [m + 1, m]))
    heights = np.concatenate(([0], np.cumsum(steps)[:-1]))
    lowest = len(heights) - 1 - int(np.argmin(heights[::-1]))
    kinds, k = draws.integers(0, KINDS, m), 0
    found, open_ones = np.empty(2 * m, np.int64), []
    for t, step in enumerate(np.roll(steps, -lowest)[1:]):
        if step > 0:
            found[t] = kinds[k]
            open_ones.append(int(kinds[k]))
            k += 1
        else:
            found[t] = open_ones.pop() + KINDS
    return found


def _asked(words: Iterable[NDArray[np.int64]]) -> Ragged:
    inputs = list(words)
    return Ragged.of(inputs, [np.append(each[1:], _END) for each in inputs])


def pairs(longest: int) -> int:
    """N: the most pairs in `longest` symbols."""
    if longest < SHORTEST:
        raise ValueError(f"{longest} symbols hold no pair of brackets")
    return longest // 2


def legal(inputs: NDArray[np.int64], longest: int = 0) -> tuple[tuple[int, ...], ...]:
    """What may come after each symbol (T): numbers of ANSWERS; nothing once a bracket was wrong.

    `longest` is the most symbols of a word; 0: any number.
    """
    found: list[tuple[int, ...]] = []
    stack: list[int] = []
    wrong = False
    for t, symbol in enumerate(inputs):
        if symbol < KINDS:
            stack.append(int(symbol))
        elif symbol == _END or not stack or stack.pop() != symbol - KINDS:
            wrong = True
        room = not longest or t + 1 + len(stack) + 2 <= longest // 2 * 2
        opens = tuple(range(KINDS)) if room else ()
        closes = (stack[-1] + KINDS,) if stack else (_END,)
        found.append(() if wrong else opens + closes)
    return tuple(found)


def optimum(longest: int) -> float:
    """Nats a prediction of the best predictor there can be: the entropy of what follows the first bracket."""
    N = pairs(longest)
    shapes = sum(_ln_catalan(m) for m in range(1, N + 1)) / N
    mean = (N + 1) / 2
    return (math.log(N) + shapes + (mean - 1) * math.log(KINDS)) / (2 * mean)


def forgets_kinds(longest: int) -> float:
    """The same of one that knows the depth and the length, and not which kinds are open: ln K more a closing."""
    return optimum(longest) + math.log(KINDS) / 2


def bigram(longest: int) -> tuple[float, float]:
    """Nats a prediction of the best predictor that sees one symbol, and its share of closing brackets right.

    Of m steps down in a word (m + 1) / 2 follow a step up, in the mean over all words.
    """
    mean = (pairs(longest) + 1) / 2
    peaks = (mean + 1) / 2
    ln_kinds = math.log(KINDS)
    after_open = _cost(peaks, mean) + _cost(mean - peaks, mean) + (mean - peaks) * ln_kinds
    after_close = _cost(peaks - 1, mean) + _cost(mean - peaks, mean) + _cost(1, mean) + (mean - 1) * ln_kinds
    return (after_open + after_close) / (2 * mean), (peaks + (mean - peaks) / KINDS) / mean


def _cost(times: float, of: float) -> float:
    """What happens `times` times `of` so many costs this in all."""
    return -times * math.log(times / of) if times > 0 else 0.0


def _ln_catalan(m: int) -> float:
    return math.lgamma(2 * m + 1) - math.lgamma(m + 1) - math.lgamma(m + 2)

"""What a text costs to predict without a network: uniform, unigram, bigram.

Both n-grams are interpolated as Witten and Bell (1991) do, method C: a context seen n
times before T different symbols trusts its own counts with weight n / (n + T) and the
shorter context with T / (n + T). Below the unigram stands the uniform distribution, so
no symbol of the vocabulary is impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views import Baseline

FITTED = 20_000_000
SCORED = 1_000_000

_CHUNK = 2**18
# Pairs gathered at a time, and cells of a table of pairs: what bounds the memory.
_BLOCK = 2_000_000
_CELLS = 2**21

Symbols = NDArray[Any]


def baselines(train: Symbols, validation: Symbols, vocabulary: int) -> tuple[Baseline, ...]:
    """Mean cost in nats per symbol of the predictions of validation[1:], each from the symbol before it.

    Fitted on `train` and scored on `validation`, or on `train` itself where validation has
    fewer than two symbols: (N,) ids below `vocabulary`. Of a longer text the first
    20,000,000 training symbols are fitted and the first 1,000,000 others are scored.
    """
    uniform = Baseline("uniform", math.log(vocabulary))
    train = train[:FITTED]
    scored = (validation if len(validation) >= 2 else train)[:SCORED].astype(np.int64)
    if len(train) == 0 or len(scored) < 2:
        return (uniform,)
    counts = _counts(train, vocabulary)
    kinds = np.count_nonzero(counts)
    unigram = (counts + kinds / vocabulary) / (len(train) + kinds)
    return (
        uniform,
        # Without the sign of a zero: a text of one symbol costs 0, not -0.
        Baseline("unigram", abs(float(np.log(unigram[scored[1:]]).mean()))),
        Baseline("bigram", abs(_bigram_cost(train, scored, unigram))),
    )


def _bigram_cost(train: Symbols, scored: NDArray[np.int64], unigram: NDArray[np.float64]) -> float:
    vocabulary = len(unigram)
    contexts = _counts(train[:-1], vocabulary)
    wanted, times = np.unique(scored[:-1] * vocabulary + scored[1:], return_counts=True)
    cost = 0.0
    for first, last in _blocks(contexts, vocabulary):
        here = slice(*np.searchsorted(wanted, (first * vocabulary, last * vocabulary)))
        context, following = np.divmod(wanted[here], vocabulary)
        if not len(context):
            continue
        pairs, counts = _pairs(train, first, last, vocabulary)
        kinds = np.bincount(pairs // vocabulary - first, minlength=last - first)[context - first]
        at = np.searchsorted(pairs, wanted[here])
        seen = np.append(counts, 0)[at] * (np.append(pairs, -1)[at] == wanted[here])
        total = contexts[context]
        shorter = unigram[following]
        probability = np.where(total > 0, (seen + kinds * shorter) / np.maximum(total + kinds, 1), shorter)
        cost -= float(times[here] @ np.log(probability))
    return cost / (len(scored) - 1)


def _counts(ids: Symbols, vocabulary: int) -> NDArray[np.int64]:
    counts = np.zeros(vocabulary, np.int64)
    for start in range(0, len(ids), _CHUNK):
        found = np.bincount(ids[start : start + _CHUNK])
        counts[: len(found)] += found
    return counts


def _blocks(contexts: NDArray[np.int64], vocabulary: int) -> Iterator[tuple[int, int]]:
    """Ranges of contexts whose pairs fit into memory: all at once where the alphabet is small."""
    if vocabulary * vocabulary <= _CELLS:
        yield 0, vocabulary
        return
    upto = np.concatenate(([0], np.cumsum(contexts)))
    first = 0
    while first < vocabulary:
        fitting = int(np.searchsorted(upto, upto[first] + _BLOCK, side="right")) - 1
        last = max(first + 1, fitting)
        yield first, last
        first = last


def _pairs(train: Symbols, first: int, last: int, vocabulary: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct pairs, context * V + following, with first <= context < last, ascending; and how often."""
    dense = (last - first) * vocabulary <= _CELLS
    table = np.zeros((last - first) * vocabulary if dense else 0, np.int64)
    gathered = [np.empty(0, np.int64)]
    for start in range(0, len(train) - 1, _CHUNK):
        piece = train[start : start + _CHUNK + 1].astype(np.int64)
        pairs = (piece[:-1] - first) * vocabulary + piece[1:]
        if last - first < vocabulary:
            pairs = pairs[(piece[:-1] >= first) & (piece[:-1] < last)]
        if dense:
            found = np.bincount(pairs)
            table[: len(found)] += found
        else:
            gathered.append(pairs)
    if dense:
        distinct = np.flatnonzero(table)
        return distinct + first * vocabulary, table[distinct]
    distinct, counts = np.unique(np.concatenate(gathered), return_counts=True)
    return distinct + first * vocabulary, counts

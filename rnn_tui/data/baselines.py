"""What a text costs to predict without a network: uniform, unigram, bigram, 3-gram.

The n-grams are interpolated as Witten and Bell (1991) do, method C: a context seen n
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


def baselines(train: Symbols, validation: Symbols, vocabulary: int, *, trigram: bool = False) -> tuple[Baseline, ...]:
    """Mean cost in nats per symbol of the predictions of validation[1:], each from what is before it.

    Fitted on `train` and scored on `validation`, or on `train` itself where validation has
    fewer than two symbols: (N,) ids below `vocabulary`. Of a longer text the first
    20,000,000 training symbols are fitted and the first 1,000,000 others are scored.
    The very first prediction has one symbol before it, so the 3-gram makes it as the bigram does.
    """
    uniform = Baseline("uniform", math.log(vocabulary))
    train = train[:FITTED]
    scored = (validation if len(validation) >= 2 else train)[:SCORED].astype(np.int64)
    if len(train) == 0 or len(scored) < 2:
        return (uniform,)
    unigram = shares(_counts(train, vocabulary))
    pairs, which = np.unique(scored[:-1] * vocabulary + scored[1:], return_inverse=True)
    p = _bigram(train, pairs, unigram)
    found = [
        uniform,
        # Without the sign of a zero: a text of one symbol costs 0, not -0.
        Baseline("unigram", abs(float(np.log(unigram[scored[1:]]).mean()))),
        Baseline("bigram", abs(float(np.log(p[which]).mean()))),
    ]
    # Beyond two million kinds a triple has no room in 64 bits.
    if trigram and vocabulary**3 < 2**63:
        triples, these = np.unique(
            (scored[:-2] * vocabulary + scored[1:-1]) * vocabulary + scored[2:], return_inverse=True
        )
        shorter = p[np.searchsorted(pairs, triples % vocabulary**2)]
        costs = np.log(_trigram(train, triples, shorter, vocabulary)[these])
        found.append(Baseline("3-gram", abs(float(np.log(p[which[0]]) + costs.sum())) / (len(scored) - 1)))
    return tuple(found)


def shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(V): the unigram that gives every symbol something, from how often each was seen."""
    kinds = np.count_nonzero(counts)
    found: NDArray[np.float64] = (counts + kinds / len(counts)) / (counts.sum() + kinds)
    return found


def conditional(
    seen: NDArray[np.int64], wanted: NDArray[np.int64], shorter: NDArray[np.float64], vocabulary: int
) -> NDArray[np.float64]:
    """Probability of each `wanted`: a context and what follows it, as context * V + following.

    `seen` are those of the training part, in any order; `shorter` is what the shorter context gives
    to each wanted one.
    """
    distinct, counts = np.unique(seen, return_counts=True)
    return _interpolated(distinct, counts, wanted, shorter, vocabulary)


def _interpolated(
    distinct: NDArray[np.int64], counts: NDArray[np.int64], wanted: NDArray[np.int64], shorter: NDArray[np.float64],
    vocabulary: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Witten and Bell's mixture; `distinct`, ascending, holds all that was seen after the wanted contexts."""
    at = np.searchsorted(distinct, wanted)
    times = np.append(counts, 0)[at] * (np.append(distinct, -1)[at] == wanted)
    contexts, which = np.unique(wanted // vocabulary, return_inverse=True)
    first, last = (np.searchsorted(distinct, edge) for edge in (contexts * vocabulary, (contexts + 1) * vocabulary))
    upto = np.concatenate(([0], np.cumsum(counts)))
    total, kinds = (upto[last] - upto[first])[which], (last - first)[which]
    return np.where(total > 0, (times + kinds * shorter) / np.maximum(total + kinds, 1), shorter)


def _bigram(train: Symbols, wanted: NDArray[np.int64], unigram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each wanted pair, context * V + following, ascending."""
    vocabulary = len(unigram)
    p = np.empty(len(wanted))
    for first, last in _blocks(_counts(train[:-1], vocabulary), vocabulary):
        here = slice(*np.searchsorted(wanted, (first * vocabulary, last * vocabulary)))
        if here.start == here.stop:
            continue
        pairs, counts = _pairs(train, first, last, vocabulary)
        p[here] = _interpolated(pairs, counts, wanted[here], unigram[wanted[here] % vocabulary], vocabulary)
    return p


def _trigram(
    train: Symbols, wanted: NDArray[np.int64], shorter: NDArray[np.float64], vocabulary: int
) -> NDArray[np.float64]:
    """Probability of each wanted triple, (first * V + second) * V + third, ascending."""
    p = np.empty(len(wanted))
    for first, last in _blocks(_counts(train[:-2], vocabulary), vocabulary):
        here = slice(*np.searchsorted(wanted, (first * vocabulary**2, last * vocabulary**2)))
        if here.start == here.stop:
            continue
        contexts = np.unique(wanted[here] // vocabulary)
        gathered = [np.empty(0, np.int64)]
        for start in range(0, len(train) - 2, _CHUNK):
            piece = train[start : start + _CHUNK + 2].astype(np.int64)
            at = np.flatnonzero((piece[:-2] >= first) & (piece[:-2] < last))
            pairs = piece[at] * vocabulary + piece[at + 1]
            asked = np.append(contexts, -1)[np.searchsorted(contexts, pairs)] == pairs
            gathered.append(pairs[asked] * vocabulary + piece[at[asked] + 2])
        p[here] = conditional(np.concatenate(gathered), wanted[here], shorter[here], vocabulary)
    return p


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

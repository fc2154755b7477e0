"""What labels are worth without a network: the commonest one, the word's own tag, letters counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.assembling import unknown_numbers
from rnn_tui.data.examples import Examples
from rnn_tui.tasks.measures.labels import measure_classes, measure_tags
from rnn_tui.views import Baseline

# Of naive Bayes: added to every count, and how many characters are counted and scored at most.
SMOOTHING = 0.3
FITTED = 5_000_000
SCORED = 1_000_000
LONGEST_GRAM = 3
MOST_COUNTS = 20_000_000
"""Numbers in a table of runs or of texts by classes: of more runs the commonest are kept, of more texts the first."""


def _majority(train: NDArray[np.int64], scored: NDArray[np.int64], classes: int) -> tuple[int, float]:
    """The commonest class of the training part, and what its shares cost, in nats.

    A class that training lacks has a share of what one more example would give it.
    """
    counts = np.bincount(train, minlength=classes)
    missing = bool((counts == 0).any())
    share = (counts + missing) / (counts.sum() + missing * classes)
    return int(counts.argmax()), float(-np.log(share[scored]).mean())


def tagging_lines(train: Examples, scored: Examples, tags: Sequence[str], words: Sequence[str]) -> tuple[Baseline, ...]:
    """`majority`: the commonest tag everywhere. `tag of the word`: each word's commonest in training,
    for others the commonest of all. Fitted on `train`, scored on `scored`; both from word numbers.
    """
    reads = np.concatenate([train.read(k) for k in range(len(train))])
    asks = np.concatenate([train.asked(k) for k in range(len(train))])
    right = [scored.asked(k) for k in range(len(scored))]
    common, cost = _majority(asks, np.concatenate(right), len(tags))
    pairs, counts = np.unique(reads * len(tags) + asks, return_counts=True)
    best = np.full(len(words), common)
    # Ascending by count, so that the largest of a word is written last.
    by_count = pairs[np.argsort(counts, kind="stable")]
    best[by_count // len(tags)] = by_count % len(tags)
    # What is not known has no tag of its own.
    best[unknown_numbers(words)] = common
    everywhere = [np.full(len(sentence), common) for sentence in right]
    of_word = [best[scored.read(k)] for k in range(len(scored))]
    return (
        Baseline("majority", cost, measure_tags(right, everywhere, tags)),
        Baseline("tag of the word", math.nan, measure_tags(right, of_word, tags)),
    )


def classification_lines(
    train: Sequence[Sequence[str]], train_labels: NDArray[np.int64],
    scored: Sequence[Sequence[str]], scored_labels: NDArray[np.int64], classes: int, joined: str = "",
) -> tuple[Baseline, ...]:  # fmt: skip
    """`majority`: the commonest class. `naive Bayes`: on runs of one to three characters.

    Of longer data the first 5,000,000 characters are counted and the first 1,000,000 scored.
    Texts are sequences of symbols that `joined` puts together.
    """
    common, cost = _majority(train_labels, scored_labels, classes)
    majority = measure_classes(scored_labels, np.full(len(scored_labels), common), classes)
    seen = _texts(train, joined, FITTED)
    asked = _texts(scored, joined, SCORED)[: MOST_COUNTS // classes]
    found = naive_bayes(seen, train_labels[: len(seen)], asked, classes)
    return (
        Baseline("majority", cost, majority),
        Baseline("naive Bayes", math.nan, measure_classes(scored_labels[: len(asked)], found, classes)),
    )


def _texts(sequences: Sequence[Sequence[str]], joined: str, most: int) -> list[str]:
    found, size = [], 0
    for sequence in sequences:
        found.append(joined.join(sequence))
        size += len(found[-1])
        if size > most:
            break
    return found


def naive_bayes(
    train: Sequence[str], labels: NDArray[np.int64], asked: Sequence[str], classes: int
) -> NDArray[np.int64]:
    """(N,): the likeliest class of each text asked, by multinomial naive Bayes (Manning, Raghavan and Schütze
    2008, chapter 13) on how often each run of one to three characters occurs. Runs that training lacks
    say nothing.
    """
    letters = {letter: k for k, letter in enumerate(sorted(set(chain.from_iterable(train))), 1)}
    grams, of = _grams(train, letters)
    known, gram, often = np.unique(grams, return_inverse=True, return_counts=True)
    if len(known) > MOST_COUNTS // classes:
        kept = np.sort(np.argsort(-often, kind="stable")[: MOST_COUNTS // classes])
        number = np.full(len(known), -1)
        number[kept] = np.arange(len(kept))
        there = number[gram] >= 0
        known, gram, of = known[kept], number[gram][there], of[there]
    counts = np.zeros((len(known), classes))
    np.add.at(counts, (gram, labels[of]), 1.0)
    counts += SMOOTHING
    weights = np.log(counts) - np.log(counts.sum(0))
    with np.errstate(divide="ignore"):
        scores = np.tile(np.log(np.bincount(labels, minlength=classes) / len(labels)), (len(asked), 1))
    grams, of = _grams(asked, letters)
    place = np.minimum(np.searchsorted(known, grams), len(known) - 1)
    here = known[place] == grams
    np.add.at(scores, of[here], weights[place[here]])
    return np.asarray(scores.argmax(1), np.int64)


def _grams(texts: Sequence[str], letters: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every run of one to three characters as a number, and which text it is from; with an unknown one: -1."""
    ids = np.array([letters.get(letter, 0) for letter in chain.from_iterable(texts)], np.int64)
    text = np.repeat(np.arange(len(texts)), [len(t) for t in texts])
    grams, owners = [], []
    base = len(letters) + 1
    for n in range(1, LONGEST_GRAM + 1):
        count = max(len(ids) - n + 1, 0)
        number = np.zeros(count, np.int64)
        known = np.ones(count, bool)
        for k in range(n):
            part = ids[k : k + count]
            number = number * base + part
            known &= part > 0
        inside = text[:count] == text[n - 1 : n - 1 + count]
        grams.append(np.where(known, number, -1)[inside])
        owners.append(text[:count][inside])
    return np.concatenate(grams), np.concatenate(owners)

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.data import baselines as module
from rnn_tui.data.baselines import baselines


def slow(train: list[int], scored: list[int], vocabulary: int) -> tuple[float, float]:
    """Witten-Bell as its equations read, with dictionaries."""
    seen = Counter(train)
    following: dict[int, Counter[int]] = defaultdict(Counter)
    for before, after in pairwise(train):
        following[before][after] += 1

    def unigram(w: int) -> float:
        return (seen[w] + len(seen) / vocabulary) / (len(train) + len(seen))

    def bigram(v: int, w: int) -> float:
        n, kinds = sum(following[v].values()), len(following[v])
        return (following[v][w] + kinds * unigram(w)) / (n + kinds) if n else unigram(w)

    pairs = list(pairwise(scored))
    return (
        -sum(math.log(unigram(w)) for _, w in pairs) / len(pairs),
        -sum(math.log(bigram(v, w)) for v, w in pairs) / len(pairs),
    )


def ids(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint16)


@settings(deadline=None)
@given(st.data(), st.integers(1, 12), st.sampled_from([2**21, 1]), st.integers(1, 9), st.integers(1, 5))
def test_against_a_slow_witten_bell(data: st.DataObject, vocabulary: int, cells: int, block: int, chunk: int) -> None:
    symbol = st.integers(0, vocabulary - 1)
    train = data.draw(st.lists(symbol, min_size=1, max_size=60))
    validation = data.draw(st.lists(symbol, min_size=2, max_size=30))
    with pytest.MonkeyPatch.context() as patch:
        # Tables and blocks so small that every way through is taken.
        patch.setattr(module, "_CELLS", cells * vocabulary)
        patch.setattr(module, "_BLOCK", block)
        patch.setattr(module, "_CHUNK", chunk)
        uniform, unigram, bigram = baselines(ids(train), ids(validation), vocabulary)
    assert [uniform.name, unigram.name, bigram.name] == ["uniform", "unigram", "bigram"]
    assert uniform.loss == pytest.approx(math.log(vocabulary), abs=1e-12)
    assert (unigram.loss, bigram.loss) == pytest.approx(slow(train, validation, vocabulary), abs=1e-12)


@pytest.mark.parametrize("vocabulary", [40, 3000, 60_000])
def test_small_and_large_alphabets(vocabulary: int) -> None:
    rng = np.random.default_rng(1)
    # A few frequent symbols and a long tail, as texts have.
    drawn = np.minimum(rng.zipf(1.3, 30_000), vocabulary) - 1
    train, validation = drawn[:25_000].astype(np.uint16), drawn[25_000:].astype(np.uint16)
    found = [baseline.loss for baseline in baselines(train, validation, vocabulary)]
    assert found[1:] == pytest.approx(slow(train.tolist(), validation.tolist(), vocabulary), abs=1e-10)


def test_without_validation_the_training_part_is_scored() -> None:
    train = [0, 1, 2, 0, 1, 1, 2, 0]
    for validation in ([], [2]):
        found = [baseline.loss for baseline in baselines(ids(train), ids(validation), 3)]
        assert found[1:] == pytest.approx(slow(train, train, 3), abs=1e-12)


def test_too_little_to_score_leaves_the_uniform_line() -> None:
    assert [baseline.name for baseline in baselines(ids([0]), ids([]), 2)] == ["uniform"]


def test_of_a_long_text_only_the_beginning_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FITTED", 100)
    monkeypatch.setattr(module, "SCORED", 50)
    drawn = np.random.default_rng(1).integers(0, 7, 1000).astype(np.uint8)
    assert baselines(drawn[:900], drawn[900:], 7) == baselines(drawn[:100], drawn[900:950], 7)


def test_a_learnable_order_shows_in_the_bigram() -> None:
    cycle = np.tile(np.arange(10, dtype=np.uint8), 500)
    uniform, unigram, bigram = baselines(cycle, cycle, 10)
    assert unigram.loss == pytest.approx(uniform.loss, abs=1e-3)
    assert bigram.loss < 0.01

"""BLEU, exact match and characters in their places, against sacrebleu and against counting by hand."""

from __future__ import annotations

import logging
import math
from collections import Counter

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.tasks.measures.writing import bleu, char_accuracy, exact

_WORDS = st.sampled_from(["the", "cat", "sat", "on", "mat", ".", ",", "it's", "3.5", "Où", "?", "well-known"])
_SENTENCES = st.lists(_WORDS, max_size=9).map(" ".join)
_PAIRS = st.lists(st.tuples(_SENTENCES, _SENTENCES), min_size=1, max_size=12)
_TEXTS = st.lists(st.tuples(st.text("abc 12", max_size=7), st.text("abc 12", max_size=7)), min_size=1, max_size=12)


@given(_PAIRS)
def test_bleu_of_words_is_sacrebleus_default(pairs: list[tuple[str, str]]) -> None:
    written, right = [list(side) for side in zip(*pairs, strict=True)]
    assert bleu(written, right) == sacrebleu.corpus_bleu(written, [right]).score


@given(_TEXTS)
def test_bleu_of_characters_is_sacrebleus_of_characters(pairs: list[tuple[str, str]]) -> None:
    written, right = [list(side) for side in zip(*pairs, strict=True)]
    assert bleu(written, right, "character") == sacrebleu.corpus_bleu(written, [right], tokenize="char").score


def test_bleu_is_what_the_paper_says() -> None:
    """Counted here: clipped n-grams up to four over all texts, their geometric mean, and the penalty for brevity."""
    written = ["the cat sat on the mat today", "a dog sat on the mat", "it is raining in the old town"]
    right = ["the cat sat on the mat", "the dog sat on the old mat", "it is raining again in the old town here"]
    logs = 0.0
    for n in range(1, 5):
        hits = total = 0
        for a, b in zip(written, right, strict=True):
            grams = [Counter(zip(*(side.split()[k:] for k in range(n)), strict=False)) for side in (a, b)]
            hits += (grams[0] & grams[1]).total()
            total += grams[0].total()
        logs += math.log(hits / total) / 4
    long, short = (sum(len(text.split()) for text in side) for side in (right, written))
    assert short < long
    assert bleu(written, right) == pytest.approx(100 * math.exp(logs + 1 - long / short), rel=1e-12)


def test_bleu_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert bleu(["he left early today ."] * 200, ["he left early today ."] * 200) == pytest.approx(100)
    assert not caplog.records


@given(_TEXTS)
def test_the_share_of_places(pairs: list[tuple[str, str]]) -> None:
    written, right = [list(side) for side in zip(*pairs, strict=True)]
    right_places = places = 0
    for a, b in pairs:
        for k in range(max(len(a), len(b))):
            places += 1
            right_places += k < len(a) and k < len(b) and a[k] == b[k]
    assert char_accuracy(written, right) == (right_places / places if places else 1.0)
    assert exact(written, right) == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))


def test_places_by_hand() -> None:
    assert char_accuracy(["123"], ["124"]) == pytest.approx(2 / 3)
    assert char_accuracy(["12345"], ["12"]) == pytest.approx(2 / 5)
    assert char_accuracy(["234"], ["1234"]) == 0.0
    assert char_accuracy(["ab", "xxxx"], ["ab", "yyyy"]) == pytest.approx(2 / 6)


@pytest.mark.parametrize("measure", [bleu, exact, char_accuracy])
@pytest.mark.parametrize(("written", "right"), [([], []), (["a"], ["a", "b"])])
def test_nothing_to_measure(measure: object, written: list[str], right: list[str]) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="text"):
        measure(written, right)

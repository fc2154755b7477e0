"""How near written texts are to the right ones: BLEU, exact match, characters in their places.

All three compare a list of written texts with the right ones, one for each, and are over all
of them together. Each raises ValueError where there is none, or not as many of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal


def bleu(written: Sequence[str], right: Sequence[str], symbol: Literal["character", "word"] = "word") -> float:
    """Corpus BLEU, 0 to 100 (Papineni et al. 2002), as sacrebleu computes it (Post 2018), by sacrebleu itself.

    Of words with its default tokenisation (13a), exponential smoothing and 4-grams; of
    characters with its tokenisation `char`, which passes spaces over.
    """
    _counted(written, right)
    from sacrebleu.metrics.bleu import BLEU

    # `force` only keeps it from warning, on the screen, that a text seems to be tokenised.
    measure = BLEU(tokenize="13a" if symbol == "word" else "char", force=True)
    return float(measure.corpus_score(list(written), [list(right)]).score)


def exact(written: Sequence[str], right: Sequence[str]) -> float:
    """The share, 0 to 1, that is right to the last character."""
    count = _counted(written, right)
    return sum(a == b for a, b in zip(written, right, strict=True)) / count


def char_accuracy(written: Sequence[str], right: Sequence[str]) -> float:
    """The share, 0 to 1, of places where written and right text have the same character.

    There are as many places as the longer of both has characters: what is missing at the end, or
    too much, is wrong. One character left out shifts all after it. Of empty texts alone it is 1.
    """
    _counted(written, right)
    same = sum(x == y for a, b in zip(written, right, strict=True) for x, y in zip(a, b, strict=False))
    places = sum(max(len(a), len(b)) for a, b in zip(written, right, strict=True))
    return same / places if places else 1.0


def _counted(written: Sequence[str], right: Sequence[str]) -> int:
    if len(written) != len(right):
        raise ValueError(f"{len(written)} texts were written and {len(right)} are right")
    if not written:
        raise ValueError("there is no text to measure")
    return len(written)

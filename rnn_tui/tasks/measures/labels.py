"""Metrics of labels: accuracy, F1, the confusion matrix, and for tags whole spans and whole sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.symbols import clean_line
from rnn_tui.views import Breakdown

Ids = NDArray[np.int64]
Span = tuple[str, int, int]
"""What it is, its first word and its last."""

_SPAN_TAG = re.compile(r"[BIES]-.+|[BI]")
_OUTSIDE = ("O", ".")


def accuracy(right: Ids, predicted: Ids) -> float:
    """Share of (N,) answers that are right. NaN where there is none."""
    return float((right == predicted).mean()) if len(right) else float("nan")


def confusion_matrix(right: Ids, predicted: Ids, classes: int) -> Ids:
    """(C, C): how often class `row` was answered with class `column`, as scikit-learn's."""
    return np.bincount(right * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion_table(title: str, matrix: Ids, classes: Sequence[str], part: str) -> Breakdown:
    """A confusion matrix (C, C) as it is shown, a row for each class."""
    names = tuple(clean_line(name) for name in classes)
    rows = tuple((name, *(f"{count:,}" for count in row)) for name, row in zip(names, matrix, strict=True))
    return Breakdown(title, ("", *names), rows, matrix.astype(np.float32), counts=True, part=part)


def class_f1(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """(C,): harmonic mean of precision and recall of each class; NaN where it neither occurs nor is answered."""
    hits, sums = np.diag(confusion).astype(np.float64), confusion.sum(0) + confusion.sum(1)
    found = np.full(len(hits), np.nan)
    np.divide(2 * hits, sums, out=found, where=sums > 0)
    return found


def macro_f1(confusion: NDArray[Any]) -> float:
    """Mean F1 of the classes that occur or are answered, each counting the same."""
    found = class_f1(confusion)
    found = found[~np.isnan(found)]
    return float(found.mean()) if len(found) else float("nan")


def are_spans(tags: Sequence[str]) -> bool:
    """Whether the kinds of tags mark spans: O, and B-X, I-X (E-X, S-X) of some X."""
    marks = [tag for tag in tags if tag != "O"]
    return bool(marks) and all(_SPAN_TAG.fullmatch(tag) for tag in marks) and any(tag[0] in "BI" for tag in marks)


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of one sentence's tags as conlleval, and seqeval by default, read them.

    Lenient: an I-X that follows no X begins a span, and a span goes on until a tag that
    can't continue it. E-X ends a span, S-X is a whole one.
    """
    found: list[Span] = []
    before, kind_before, begin = "O", "", 0
    for k, tag in enumerate((*tags, "O")):
        mark = tag[:1]
        kind = tag[1:].split("-", maxsplit=1)[-1] or "_"
        if _ends(before, mark, kind_before, kind):
            found.append((kind_before, begin, k - 1))
        if _begins(before, mark, kind_before, kind):
            begin = k
        before, kind_before = mark, kind
    return found


def _ends(before: str, mark: str, kind_before: str, kind: str) -> bool:
    """Whether a span ended at the tag before this one."""
    if before in ("E", "S") or (before in ("B", "I") and mark in ("B", "S", "O")):
        return True
    return before not in _OUTSIDE and kind_before != kind


def _begins(before: str, mark: str, kind_before: str, kind: str) -> bool:
    """Whether a span begins at this tag."""
    if mark in ("B", "S") or (before in ("E", "S", "O") and mark in ("E", "I")):
        return True
    return mark not in _OUTSIDE and kind_before != kind


def span_scores(right: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> tuple[float, float, float]:
    """Precision, recall and F1 of whole spans over all sentences (micro); 0 where there are none.

    A span counts if its kind and both its ends are right (Tjong Kim Sang and De Meulder 2003).
    """
    hits = asked = answered = 0
    for want, have in zip(right, predicted, strict=True):
        wanted, had = set(spans(want)), set(spans(have))
        hits += len(wanted & had)
        asked += len(wanted)
        answered += len(had)
    precision, recall = hits / answered if answered else 0.0, hits / asked if asked else 0.0
    return precision, recall, 2 * hits / (asked + answered) if hits else 0.0


def sentence_accuracy(right: Sequence[Ids], predicted: Sequence[Ids]) -> float:
    """Share of sentences without any wrong tag. NaN where there is none."""
    if not right:
        return float("nan")
    return sum(bool((want == have).all()) for want, have in zip(right, predicted, strict=True)) / len(right)


def measure_tags(right: Sequence[Ids], predicted: Sequence[Ids], tags: Sequence[str]) -> dict[str, float]:
    """`span_f1` (where the tags mark spans), `accuracy` of words, `sentence_accuracy`."""
    found = {}
    if are_spans(tags):
        named = [[[tags[k] for k in sentence] for sentence in side] for side in (right, predicted)]
        found["span_f1"] = span_scores(*named)[2]
    found["accuracy"] = accuracy(np.concatenate(right), np.concatenate(predicted))
    found["sentence_accuracy"] = sentence_accuracy(right, predicted)
    return found


def measure_classes(right: Ids, predicted: Ids, classes: int) -> dict[str, float]:
    """`accuracy`, and `f1`: its mean over the classes."""
    return {"accuracy": accuracy(right, predicted), "f1": macro_f1(confusion_matrix(right, predicted, classes))}

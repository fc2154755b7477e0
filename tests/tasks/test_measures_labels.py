from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.data.examples import Ragged
from rnn_tui.tasks.measures.label_lines import classification_lines, naive_bayes, tagging_lines
from rnn_tui.tasks.measures.labels import (
    accuracy,
    are_spans,
    class_f1,
    confusion_matrix,
    macro_f1,
    measure_tags,
    sentence_accuracy,
    span_scores,
    spans,
)

SPAN_TAGS = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "B-a-b", "I-a-b", "B", "I")


def classes_of(seed: int, count: int = 200, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Answers of which some classes are never asked for and some never given."""
    draws = np.random.default_rng(seed)
    right, predicted = draws.integers(1, classes, count), draws.integers(0, classes - 2, count)
    return np.where(right == 3, 4, right), np.where(predicted == 3, 2, predicted)


@pytest.mark.parametrize("seed", range(6))
def test_f1_accuracy_and_confusion_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    right, predicted = classes_of(seed)
    found = confusion_matrix(right, predicted, 7)
    assert (found == metrics.confusion_matrix(right, predicted, labels=range(7))).all()
    assert accuracy(right, predicted) == pytest.approx(metrics.accuracy_score(right, predicted), abs=1e-12)
    assert macro_f1(found) == pytest.approx(
        metrics.f1_score(right, predicted, average="macro", zero_division=0), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(6))
def test_f1_accuracy_and_confusion_are_those_of_torchmetrics(seed: int) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    import torch

    right, predicted = classes_of(seed)
    ours = confusion_matrix(right, predicted, 7)
    both = torch.from_numpy(predicted), torch.from_numpy(right)
    assert (ours == functional.multiclass_confusion_matrix(*both, num_classes=7).numpy()).all()
    theirs = functional.multiclass_f1_score(*both, num_classes=7, average="macro")
    assert macro_f1(ours) == pytest.approx(float(theirs), abs=1e-6)
    theirs = functional.multiclass_accuracy(*both, num_classes=7, average="micro")
    assert accuracy(right, predicted) == pytest.approx(float(theirs), abs=1e-6)


def test_a_class_that_neither_occurs_nor_is_answered_has_no_f1() -> None:
    found = confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert class_f1(found)[:2] == pytest.approx([2 / 3, 2 / 3]) and math.isnan(class_f1(found)[2])
    assert macro_f1(found) == pytest.approx(2 / 3)


sentences = st.lists(st.lists(st.sampled_from(SPAN_TAGS), min_size=1, max_size=9), min_size=1, max_size=6)


@settings(max_examples=50)
@given(sentences, st.randoms(use_true_random=False))
def test_spans_and_their_f1_are_those_of_seqeval(right: list[list[str]], draws: random.Random) -> None:
    labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    predicted = [[tag if draws.random() < 0.7 else draws.choice(SPAN_TAGS) for tag in tags] for tags in right]
    for tags in (*right, *predicted):
        assert spans(tags) == labeling.get_entities(tags)
    precision, recall, f1 = span_scores(right, predicted)
    assert precision == pytest.approx(labeling.precision_score(right, predicted, zero_division=0), abs=1e-12)
    assert recall == pytest.approx(labeling.recall_score(right, predicted, zero_division=0), abs=1e-12)
    assert f1 == pytest.approx(labeling.f1_score(right, predicted, zero_division=0), abs=1e-12)


def test_spans_are_read_as_conlleval_does() -> None:
    assert spans(["O", "B-PER", "I-PER", "O", "B-LOC"]) == [("PER", 1, 2), ("LOC", 4, 4)]
    assert spans(["I-PER", "I-PER", "B-PER", "I-LOC"]) == [("PER", 0, 1), ("PER", 2, 2), ("LOC", 3, 3)]
    assert spans([]) == []
    assert span_scores([["O"]], [["O"]]) == (0.0, 0.0, 0.0)
    # No span crosses from one sentence into the next.
    assert span_scores([["B-X"], ["I-X"]], [["B-X"], ["I-X"]]) == (1.0, 1.0, 1.0)
    assert span_scores([["B-X"], ["I-X"]], [["B-X"], ["O"]]) == (1.0, 0.5, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("O", "B-PER", "I-PER"), True), (("B-PER", "I-PER"), True), (("O", "S-X", "B-X", "E-X", "I-X"), True),
        (("O", "B", "I"), True), (("O", "NOUN"), False), (("NOUN", "VERB"), False), (("O",), False), ((), False),
        (("B-X", "I-X", "VERB"), False), (("O", "E-X"), False),
    ],
)  # fmt: skip
def test_tags_that_mark_spans_are_known(tags: tuple[str, ...], expected: bool) -> None:
    assert are_spans(tags) is expected


def test_a_sentence_counts_when_all_of_it_is_right() -> None:
    right = [np.array([0, 1]), np.array([1]), np.array([2, 2, 2])]
    predicted = [np.array([0, 1]), np.array([0]), np.array([2, 2, 1])]
    assert sentence_accuracy(right, predicted) == pytest.approx(1 / 3)
    assert measure_tags(right, predicted, ("NOUN", "VERB", "X")) == {
        "accuracy": pytest.approx(4 / 6),
        "sentence_accuracy": pytest.approx(1 / 3),
    }
    assert list(measure_tags(right, predicted, ("O", "B-X", "I-X"))) == ["span_f1", "accuracy", "sentence_accuracy"]


@pytest.mark.parametrize("seed", range(3))
def test_naive_bayes_is_that_of_scikit_learn(seed: int) -> None:
    text, bayes = (pytest.importorskip(f"sklearn.{name}") for name in ("feature_extraction.text", "naive_bayes"))
    draws = random.Random(seed)

    def texts(count: int, letters: str) -> list[str]:
        return ["".join(draws.choices(letters, k=draws.randint(1, 9))) for _ in range(count)]

    train, asked = texts(80, "abcdeé "), texts(60, "abcdeé xyZ")
    labels = np.array([draws.randrange(4) for _ in train])
    counter = text.CountVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False)
    # Its analyzer draws white space together, which is no part of the method.
    squeezed = [" ".join(filter(None, one.split(" "))) if "  " in one else one for one in train]
    model = bayes.MultinomialNB(alpha=0.3).fit(counter.fit_transform(squeezed), labels)
    plain = [one for one in asked if "  " not in one]
    expected = model.predict_joint_log_proba(counter.transform(plain))
    found = naive_bayes(squeezed, labels, plain, 4)
    clear = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] > 1e-9
    assert clear.sum() > 40 and (found[clear] == expected.argmax(1)[clear]).all()


def test_lines_of_classification() -> None:
    labels, asked = np.array([0, 0, 0, 1]), np.array([0, 1])
    majority, bayes = classification_lines(["aa", "ab", "a", "xx"], labels, ["aaa", "xxx"], asked, 2)
    assert (majority.name, majority.metrics["accuracy"]) == ("majority", 0.5)
    assert majority.loss == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    assert (bayes.name, bayes.metrics) == ("naive Bayes", {"accuracy": 1.0, "f1": 1.0})


def test_a_class_that_training_lacks_costs_no_infinity() -> None:
    majority, _ = classification_lines(["a", "b"], np.array([0, 0]), ["a"], np.array([1]), 2)
    assert majority.loss == pytest.approx(-math.log(1 / 4))


def test_lines_of_tagging() -> None:
    # Words 2 and 3: word 2 is mostly tag 1, word 3 always tag 0; 1 is <unk>.
    def part(reads: list[list[int]], asks: list[list[int]]) -> Ragged:
        return Ragged.of([np.array(r) for r in reads], [np.array(a) for a in asks])

    train = part([[2, 3, 2], [2, 3, 3, 3, 1]], [[1, 0, 1], [0, 0, 0, 0, 1]])
    scored = part([[2, 3], [1, 4]], [[1, 0], [0, 0]])
    majority, of_word = tagging_lines(train, scored, ("O", "B-X"), ("<pad>", "<unk>", "a", "b", "c"))
    assert majority.metrics == {"span_f1": 0.0, "accuracy": 0.75, "sentence_accuracy": 0.5}
    assert majority.loss == pytest.approx(-(3 * math.log(5 / 8) + math.log(3 / 8)) / 4)
    assert of_word.name == "tag of the word"
    assert of_word.metrics == {"span_f1": 1.0, "accuracy": 1.0, "sentence_accuracy": 1.0}

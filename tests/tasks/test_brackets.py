from __future__ import annotations

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch

from rnn_tui.data.probes import brackets
from rnn_tui.tasks.brackets import verdict
from rnn_tui.tasks.learning.batches import collate
from rnn_tui.tasks.probing import scoring
from tests.tasks.probing import exact_logits, network_for, probe, read

TASK = probe("brackets")
LONGEST = 6


@cache
def continuations() -> dict[str, Counter[str]]:
    """After each beginning, how likely each symbol is: counted over all words of up to LONGEST symbols."""
    found: dict[str, Counter[str]] = {}
    for m in range(1, LONGEST // 2 + 1):
        words = []
        for letters in itertools.product("([)]", repeat=2 * m):
            left = whole = "".join(letters)
            while "()" in left or "[]" in left:
                left = left.replace("()", "").replace("[]", "")
            words += [] if left else [whole + "$"]
        for word in words:
            for t in range(1, len(word)):
                found.setdefault(word[:t], Counter())[word[t]] += 1 / len(words)  # type: ignore[assignment]
    return found


def best(inputs: np.ndarray) -> np.ndarray:
    """(T, C): what is known after each symbol."""
    text = "".join(brackets.SYMBOLS[k] for k in inputs)
    rows = [continuations()[text[: t + 1]] for t in range(len(text))]
    return np.array([[row[symbol] / sum(row.values()) for symbol in brackets.ANSWERS] for row in rows])


def test_the_best_predictor_scores_the_optimum_on_what_is_scored() -> None:
    data = read("brackets", LONGEST)
    N = len(data.validation)
    batch = collate(data.validation, range(N))
    logits = exact_logits(batch, [best(data.validation.read(k)) for k in range(N)])
    cost = scoring.cost(torch.from_numpy(logits).double(), batch.targets)
    lines = {line.name: line for line in data.view.baselines}
    assert float(cost.mean()) == pytest.approx(lines["optimum"].loss, abs=1e-6)
    assert TASK.rights(logits, batch)["accuracy"] == (N * 2, N * 2)
    assert lines["optimum"].metrics == {"accuracy": 1.0} and lines["forgets kinds"].metrics == {"accuracy": 0.5}
    assert lines["optimum"].loss < lines["forgets kinds"].loss


def test_accuracy_is_of_the_kinds_of_closing_brackets_whatever_else_is_expected() -> None:
    # ([]) and the end: of the closing brackets, ] is right and ) is wrong.
    passage = TASK.encode(TASK.coding, "([])")
    drawn = brackets.draw(np.random.default_rng(1), 1, 2)
    assert len(drawn) == 1 and passage.targets.tolist() == [1, 3, 2, -1]
    batch = collate(type(drawn).of([passage.inputs], [passage.targets]), [0])
    logits = np.zeros((4, 1, 5), np.float32)
    logits[:, :, 0] = 9
    logits[:, :, 3] = 1
    assert TASK.rights(logits, batch)["accuracy"] == (1.0, 2.0)


def test_an_answer_tells_all_that_may_follow() -> None:
    data = read("brackets", LONGEST)
    k = int(np.flatnonzero(data.validation.lengths == LONGEST)[0])
    passage = TASK.passage(data, "validation", k, 0)
    answer = TASK.answer(network_for("brackets"), data.coding, passage, step=0, data=data)
    text = "".join(passage.symbols)
    assert [set(each) for each in answer.allowed] == [set(continuations()[text[: t + 1]]) for t in range(LONGEST)]
    typed = TASK.answer(network_for("brackets"), data.coding, TASK.encode(data.coding, "(]("), step=0)
    assert typed.allowed == (("(", "[", ")"), (), ())


@pytest.mark.parametrize(("word", "told"), [
    ("()$", "right"), ("([)]$", "wrong at t 2"), ("(]", "wrong at t 1"), ("(($", "wrong at t 2"),
    ("([[", "right so far"),
])  # fmt: skip
def test_what_it_writes_is_judged(word: str, told: str) -> None:
    assert verdict([brackets.ANSWERS.index(c) for c in word]) == told

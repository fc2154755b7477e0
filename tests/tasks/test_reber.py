from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn_tui.data.examples import Ragged
from rnn_tui.data.probes import reber
from rnn_tui.tasks.learning.batches import collate
from rnn_tui.tasks.probing import scoring
from rnn_tui.tasks.reber import judged
from tests.tasks.probing import exact_logits, network_for, probe, read

TASK = probe("reber")


def ids(text: str) -> np.ndarray:
    return np.array([reber.SYMBOLS.index(c) for c in text])


def best(inputs: np.ndarray, long_memory: bool = True) -> np.ndarray:
    """(T, C): equally likely is whatever the grammar allows; the last T or P a toss without memory."""
    p = np.zeros((len(inputs), 7))
    for t, allowed in enumerate(reber.legal(inputs)):
        p[t, list(allowed)] = 1 / len(allowed)
    if not long_memory:
        p[-2] = 0
        p[-2, list(reber.CHOSEN)] = 0.5
    return p


@pytest.mark.parametrize("long_memory", [True, False])
def test_the_best_predictors_score_their_lines_on_what_is_scored(long_memory: bool) -> None:
    data = read("reber")
    N = len(data.validation)
    batch = collate(data.validation, range(N))
    logits = exact_logits(batch, [best(data.validation.read(k), long_memory) for k in range(N)])
    cost = scoring.cost(torch.from_numpy(logits).double(), batch.targets)
    lines = {line.name: line for line in data.view.baselines}
    line = lines["optimum" if long_memory else "no long memory"]
    assert float(cost.mean()) == pytest.approx(line.loss, abs=1e-6)
    rights = TASK.rights(logits, batch)
    assert rights["legal"][1] == 11 * N and rights["accuracy"][1] == N
    if long_memory:
        assert rights == {"accuracy": (N, N), "legal": (11 * N, 11 * N)} and line.metrics == {"accuracy": 1, "legal": 1}
    else:
        assert abs(rights["accuracy"][0] / N - 0.5) < 0.1 and line.metrics == {"accuracy": 0.5}


def test_accuracy_and_legal_by_hand() -> None:
    text = "BTBTXSETE"
    batch = collate(Ragged.of([ids(text)[:-1]], [ids(text)[1:]]), [0])
    logits = exact_logits(batch, [best(ids(text)[:-1])])
    # Before the last T: it expects P above T.
    logits[6, 0, reber.SYMBOLS.index("P")] = 5
    assert TASK.rights(logits, batch) == {"accuracy": (0, 1), "legal": (7, 8)}
    # At a fork one of the two likeliest is not allowed.
    logits[1, 0, reber.SYMBOLS.index("V")] = 5
    logits[0, 0, reber.SYMBOLS.index("V")] = 5
    assert TASK.rights(logits, batch) == {"accuracy": (0, 1), "legal": (5, 8)}


def test_an_answer_tells_all_that_the_grammar_allows() -> None:
    passage = TASK.encode(TASK.coding, "BTB TX SETE")
    answer = TASK.answer(network_for("reber"), TASK.coding, passage, step=0)
    assert answer.allowed == (
        ("T", "P"), ("B",), ("T", "P"), ("S", "X"), ("X", "S"), ("E",), ("T",), ("E",), (),
    )  # fmt: skip
    assert answer.right == (*"TBTXSETE", "")


@pytest.mark.parametrize(("written", "kept", "told"), [
    ("BTBTXSETEBTP", "BTBTXSETE", "right"), ("BTBTXSEPE", "BTBTXSEP", "wrong at t 7"), ("BE", "BE", "wrong at t 1"),
    ("BPBTSS", "BPBTSS", "right so far"),
])  # fmt: skip
def test_what_it_writes_is_judged(written: str, kept: str, told: str) -> None:
    word, verdict = judged(ids(written).tolist())
    assert "".join(reber.SYMBOLS[k] for k in word) == kept and verdict == told

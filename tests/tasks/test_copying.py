from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rnn_tui.data.probes import copying
from rnn_tui.tasks.learning.batches import collate
from rnn_tui.tasks.probing import scoring
from tests.tasks.probing import exact_logits, probe, read

TASK = probe("copying")


def predictor(targets: np.ndarray, memory: bool) -> np.ndarray:
    """(T, C): sure of the blanks, and of the symbols with a memory."""
    p = np.zeros((len(targets), len(copying.ANSWERS)))
    for t, k in enumerate(targets):
        if k == copying.KINDS or memory:
            p[t, k] = 1
        else:
            p[t, : copying.KINDS] = 1 / copying.KINDS
    return p


def test_a_predictor_without_memory_scores_its_line_and_one_with_it_nothing() -> None:
    data = read("copying", 12)
    batch = collate(data.validation, range(300))
    (line,) = data.view.baselines
    for memory, loss in ((False, line.loss), (True, 0.0)):
        logits = exact_logits(batch, [predictor(data.validation.asked(k), memory) for k in range(300)])
        cost = scoring.cost(torch.from_numpy(logits), batch.targets).mean()
        assert float(cost) == pytest.approx(loss, abs=1e-6)
        right, of = TASK.rights(logits, batch)["accuracy"]
        assert of == 3000
        assert abs(right / of - (1.0 if memory else 1 / 8)) < (1e-9 if memory else 5 * math.sqrt(7 / 64 / 3000))
    assert line.metrics == {"accuracy": 1 / 8} and TASK.nothing(12) == 1 / 8


def test_accuracy_counts_the_ten_symbols_and_no_blank() -> None:
    batch = collate(read("copying", 5).validation, range(2))
    logits = np.zeros((25, 2, 9), np.float32)
    logits[:, :, copying.KINDS] = 1
    assert TASK.rights(logits, batch) == {"accuracy": (0.0, 20.0)}
    logits[-3:, 0] = 0
    for t in (22, 23, 24):
        logits[t, 0, int(batch.targets[t, 0])] = 2
    assert TASK.rights(logits, batch) == {"accuracy": (3.0, 20.0)}


def test_a_text_without_a_mark_is_given_one_and_room_for_the_answer() -> None:
    passage = TASK.encode(TASK.coding, "abc--")
    assert "".join(passage.symbols) == "abc-->---"
    assert "".join(copying.ANSWERS[k] for k in passage.targets) == "------abc"

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rnn_tui.data.probes import recall
from rnn_tui.tasks.learning.batches import collate
from rnn_tui.tasks.probing import scoring
from tests.tasks.probing import network_for, probe, read, small

TASK = probe("recall")


def test_a_network_that_says_nothing_scores_the_line() -> None:
    network = network_for("recall")
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.zero_()
    data = read("recall", 8)
    (line,) = data.view.baselines
    scores = TASK.evaluate(network, data, "validation", small("recall", 8))
    assert scores.count == 1000 and line.loss == math.log(8) == pytest.approx(scores.loss, rel=1e-6)
    # It always answers the first of the eight.
    firsts = np.mean([data.validation.read(k)[0] == 0 for k in range(1000)])
    assert scores.metrics["accuracy"] == pytest.approx(float(firsts)) and line.metrics["accuracy"] == 1 / 8


def test_accuracy_is_the_share_of_marks_answered_with_the_first_symbol() -> None:
    data = read("recall", 5)
    batch = collate(data.validation, range(4))
    T, B = batch.targets.shape
    logits = np.zeros((T, B, 8), np.float32)
    for b in range(B):
        logits[len(data.validation.read(b)) - 1, b, data.validation.read(b)[0]] = 1.0
    assert TASK.rights(logits, batch) == {"accuracy": (4.0, 4.0)}
    assert float(scoring.cost(torch.from_numpy(logits * 50), batch.targets).max()) < 1e-6
    assert TASK.rights(-logits, batch) == {"accuracy": (0.0, 4.0)}


def test_a_typed_text_is_asked_for_its_first_symbol() -> None:
    for text in ("c a h", "cah?"):
        passage = TASK.encode(TASK.coding, text)
        assert "".join(passage.symbols) == "cah?"
        assert [recall.SYMBOLS[k] if k >= 0 else "" for k in passage.targets] == ["", "", "", "c"]


def test_it_learns_to_remember_for_a_moment() -> None:
    torch.set_num_threads(1)
    config = small("recall", 2, model={"hidden_size": 24}, training={"batch_size": 64})
    network = network_for("recall", hidden_size=24)
    batches = TASK.fresh(config, torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        loss, _ = TASK.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert TASK.evaluate(network, read("recall", 2), "validation", config).metrics["accuracy"] > 0.95

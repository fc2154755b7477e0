from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn_tui.inspection import corpus
from rnn_tui.inspection.gates import count
from rnn_tui.inspection.trace import trace
from tests import networks

GATES = {"rnn": (), "gru": ("r", "z"), "lstm": ("i", "f", "o"), "feedforward": ()}


@pytest.mark.parametrize("cell", networks.CELL_NAMES)
def test_shares_are_those_of_a_plain_count(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.build(cell=cell).eval().requires_grad_(False)
    # Far from 0, so that gates close and open.
    for layer in network.layers:
        for parameter in layer.parameters():
            parameter.mul_(6)
    ids = networks.tokens(400)
    traced = trace(network, ids)
    monkeypatch.setattr(corpus, "LONGEST_PIECE", 64)
    counted = count(network, ids.numpy(), source="here", step=7)
    assert (counted.characters, counted.source, counted.step) == (400, "here", 7)
    seen = 0.0
    for k, values in enumerate(traced.layers):
        assert tuple(counted.layers[k]) == GATES[cell]
        for name, shares in counted.layers[k].items():
            # Values within rounding of an edge may fall on its other side.
            assert np.abs(shares.left - (values[name] < 0.1).mean(axis=0)).max() <= 1 / 400
            assert np.abs(shares.right - (values[name] > 0.9).mean(axis=0)).max() <= 1 / 400
            assert not shares.left.flags.writeable
            seen += float(shares.left.sum() + shares.right.sum())
        assert np.abs(counted.states[k]["h"] - (np.abs(values["h"]) > 0.9).mean(axis=0)).max() <= 1 / 400
    assert seen > 1 or not GATES[cell]
    assert counted.dead == ()


def test_dead_units_and_gates_that_never_move_are_named() -> None:
    network = networks.build(cell="lstm", hidden_size=5, embedding_size=0).eval().requires_grad_(False)
    first, second = network.layers
    # Unit 3 of layer 0: its output gate is shut. Unit 1 of layer 1: its forget gate is open.
    first.bias_ih_l0[3 * 5 + 3] = -100.0
    second.bias_ih_l0[1 * 5 + 1] = 100.0
    counted = count(network, networks.tokens(300).numpy())
    assert counted.dead == ((0, 3),)
    assert counted.always == ((0, 3, "o", "closed"), (1, 1, "f", "open"))
    assert counted.layers[0]["o"].left[3] == 1 and counted.layers[1]["f"].right[1] == 1


def test_always_means_99_in_100() -> None:
    network = networks.build(cell="gru", layers=1, hidden_size=2, embedding_size=0).eval().requires_grad_(False)
    layer = network.layers[0]
    for parameter in layer.parameters():
        parameter.zero_()
    # z (rows 2 and 3) is open but at symbols 1 and 2.
    layer.weight_ih_l0[2:] = 10.0
    layer.weight_ih_l0[2, 1] = -10.0
    layer.weight_ih_l0[3, 1:3] = -10.0
    ids = torch.zeros(200, dtype=torch.int64)
    ids[50], ids[51], ids[52] = 1, 1, 2
    counted = count(network, ids.numpy())
    assert counted.always == ((0, 0, "z", "open"),)
    assert counted.layers[0]["z"].right.tolist() == pytest.approx([0.99, 0.985])


def test_nothing_to_read() -> None:
    with pytest.raises(ValueError, match="empty"):
        count(networks.build(), np.zeros(0, np.uint8))

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import ModelConfig
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks.learning import streams as language
from rnn_tui.tasks.learning.streams import Streams
from rnn_tui.training.randomness import generator


def network(vocabulary: int = 11, **fields: object) -> Network:
    model = ModelConfig(hidden_size=9, embedding_size=5, **fields)  # type: ignore[arg-type]
    built = Network(model, vocabulary)
    fill(built, model, generator(3, "init"))
    return built


@given(st.integers(2, 400), st.integers(1, 6), st.integers(1, 12))
@settings(max_examples=80)
def test_an_epoch_reads_each_stream_in_order_and_predicts_the_next_symbol(N: int, B: int, T: int) -> None:
    ids = np.arange(N, dtype=np.uint16)
    if N < B * T + 1:
        with pytest.raises(ValueError, match="fewer"):
            Streams(ids, B, T, True, generator(1, "data"))
        return
    streams = Streams(ids, B, T, True, generator(1, "data"))
    read = []
    for k in range(streams.chunks):
        assert streams.fresh == (k == 0)
        batch = streams.next()
        inputs, targets = batch.inputs, batch.targets
        assert inputs.shape == targets.shape == (T, B)
        assert torch.equal(targets, inputs + 1)
        read.append(inputs)
    whole = torch.cat(read).T
    for stream in whole:
        assert torch.equal(stream, torch.arange(int(stream[0]), int(stream[0]) + T * streams.chunks))
    assert len(whole.unique()) == whole.numel()
    assert streams.epoch == 1 and streams.fresh


def test_each_epoch_starts_elsewhere_and_the_cursor_finds_the_place_again() -> None:
    ids = np.arange(1000, dtype=np.uint16)
    draws = generator(5, "data")
    streams = Streams(ids, 3, 50, True, draws)
    firsts = set()
    for _ in range(8):
        firsts.add(int(streams.next().inputs[0, 0]))
        for _ in range(streams.chunks - 1):
            streams.next()
    assert len(firsts) > 3
    streams.next()
    cursor, state = streams.cursor(), draws.get_state()
    expected = [streams.next().inputs for _ in range(20)]
    again = Streams(ids, 3, 50, True, generator(9, "data"))
    again.seek(cursor)
    again.generator.set_state(state)
    assert all(torch.equal(a, again.next().inputs) for a in expected)


def test_without_carry_every_batch_starts_at_h_0_anywhere() -> None:
    ids = np.arange(500, dtype=np.uint16)
    streams = Streams(ids, 4, 20, False, generator(1, "data"))
    starts = []
    for _ in range(50):
        assert streams.fresh
        batch = streams.next()
        inputs, targets = batch.inputs, batch.targets
        assert torch.equal(targets, inputs + 1)
        starts += inputs[0].tolist()
    assert len(set(starts)) > 100 and max(starts) <= 500 - 21


def plain_score(net: Network, ids: np.ndarray) -> float:
    tokens = torch.from_numpy(ids.astype(np.int64))
    with torch.no_grad():
        logits, _ = net(tokens[:-1, None])
        return float(F.cross_entropy(logits[:, 0].double(), tokens[1:]))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "feedforward"])
@pytest.mark.parametrize("N", [2, 3, 700, 5000])
def test_one_stream_is_the_mean_cost_of_every_prediction(cell: str, N: int) -> None:
    ids = np.random.default_rng(0).integers(0, 11, N).astype(np.uint8)
    net = network(cell=cell)
    loss, count = language.score(net, ids)
    assert count == N - 1
    assert math.isclose(loss, plain_score(net, ids), rel_tol=1e-5)


def test_many_streams_score_each_prediction_once_after_a_warm_up() -> None:
    ids = np.random.default_rng(1).integers(0, 11, 9001).astype(np.uint8)
    net = network()
    loss, count = language.score(net, ids, streams=language.STREAMS)
    _, B = language.passage_shape(11, count, language.STREAMS)
    assert B > 1
    length = -(-count // B)
    total = 0.0
    for b in range(B):
        start, end = b * length, min(count, (b + 1) * length)
        warm = max(0, start - language.WARM_UP)
        tokens = torch.from_numpy(ids[warm : end + 1].astype(np.int64))
        with torch.no_grad():
            logits, _ = net(tokens[:-1, None])
        costs = F.cross_entropy(logits[:, 0].double(), tokens[1:], reduction="none")
        total += float(costs[start - warm :].sum())
    assert math.isclose(loss, total / count, rel_tol=1e-6)
    assert abs(loss - plain_score(net, ids)) < 1e-3


def test_scoring_can_be_broken_off_and_leaves_the_mode_alone() -> None:
    ids = np.zeros(50_000, np.uint8)
    net = network().train()

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        language.score(net, ids, working=stop)
    assert net.training

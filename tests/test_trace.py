"""The trace against torch.nn and against the step functions, one timestep after another."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_tui.inspection.trace import state_at, trace, trace_bytes, trace_view, tracing
from rnn_tui.model.network import Network
from rnn_tui.views import Hold, Trace
from tests.networks import CELL_NAMES, RECURRENT, build, peer, seeded, tokens, train


def by_torch(network: Network, ids: Tensor) -> list[dict[str, Tensor]]:
    """h and c of every layer at every timestep: single steps of torch.nn's cell modules."""
    kinds = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
    width = network.model.embedding_size
    x = network.embedding.weight[ids] if network.embedding is not None else torch.eye(network.vocabulary)[ids]
    found = []
    for layer in network.layers:
        module = kinds[network.model.cell](width, network.model.hidden_size, dtype=x.dtype)
        module.load_state_dict({name[:-3]: value for name, value in layer.state_dict().items()})
        states, state = [], None
        for x_t in x:
            state = module(x_t.unsqueeze(0), state)
            states.append(state if isinstance(state, tuple) else (state,))
        found.append({n: torch.cat(column) for n, column in zip("hc", zip(*states, strict=True), strict=False)})
        x, width = found[-1]["h"], network.model.hidden_size
    return found


def by_steps(network: Network, ids: Tensor) -> list[dict[str, Tensor]]:
    """Every named value of every layer by the cell's step function."""
    state = [tuple(part[0] for part in layer) for layer in network.initial(1)]
    rows: list[list[dict[str, Tensor]]] = [[] for _ in network.layers]
    for token in ids:
        x = network.embed(token)
        for k in range(len(network.layers)):
            values = network.cell.step(x, state[k], network.layer_weights(k))
            state[k] = tuple(values[name] for name in network.cell.states)
            rows[k].append(values)
            x = values["h"]
    return [{name: torch.stack([row[name] for row in layer]) for name in layer[0]} for layer in rows]


def furthest(a: np.ndarray, b: Tensor) -> float:
    return float(np.abs(a - b.detach().numpy()).max())


@pytest.mark.parametrize("cell", RECURRENT)
@torch.no_grad()
def test_float32_at_default_weights_to_one_millionth(cell: str) -> None:
    network = build(65, cell=cell, hidden_size=128, embedding_size=128)
    ids = tokens(200, vocabulary=65)
    found = trace(network, ids)
    for layer, theirs, ours in zip(found.layers, by_torch(network, ids), by_steps(network, ids), strict=True):
        assert set(layer) == {*network.cell.gates, *network.cell.states}
        for name, value in layer.items():
            assert value.shape == (200, 128) and value.dtype == np.float32
            assert furthest(value, ours[name]) < 1e-6
            assert name not in theirs or furthest(value, theirs[name]) < 1e-6


@pytest.mark.parametrize("cell", RECURRENT)
def test_float64_at_trained_weights_to_ten_digits(cell: str) -> None:
    network = train(build(cell=cell, hidden_size=20, embedding_size=8, initial_state="zero")).double()
    ids = tokens(200)
    found = trace(network, ids)
    assert np.nanmax(np.abs(found.layers[0]["h"])) > 0.8
    for layer, theirs, ours in zip(found.layers, by_torch(network, ids), by_steps(network, ids), strict=True):
        for name, value in layer.items():
            assert furthest(value, ours[name]) < 1e-10
            assert name not in theirs or furthest(value, theirs[name]) < 1e-10


@pytest.mark.parametrize("cell", RECURRENT)
def test_logits_and_loss_equal_a_stacked_torch_module(cell: str) -> None:
    network = build(cell=cell, layers=3, embedding_size=0)
    ids = tokens(60)
    found = trace(network, ids)
    output, _ = peer(network)(nn.functional.one_hot(ids, 11).float().unsqueeze(1))
    logits = network.output(output[:, 0]).detach()
    assert furthest(found.layers[-1]["h"], output[:, 0]) < 1e-6
    assert furthest(found.logits, logits) < 1e-6
    p = logits.double().softmax(-1).numpy()
    expected = [-math.log(p[t, ids[t + 1]]) for t in range(59)]
    np.testing.assert_allclose(found.loss[:-1], expected, rtol=1e-5)
    assert math.isnan(found.loss[-1])


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_learned_start_and_one_symbol(cell: str) -> None:
    network = build(cell=cell, initial_state="learned", double=True)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("_0"):
                parameter.normal_(generator=seeded())
    ids = tokens(9)
    for length in (1, 9):
        found = trace(network, ids[:length])
        for layer, ours in zip(found.layers, by_steps(network, ids[:length]), strict=True):
            assert all(furthest(value, ours[name]) < 1e-12 for name, value in layer.items())
    assert found.loss.shape == (9,)
    with pytest.raises(ValueError, match="nothing to read"):
        trace(network, ids[:0])


@settings(max_examples=25, deadline=None)
@given(
    cell=st.sampled_from(CELL_NAMES), layers=st.integers(1, 4), hidden=st.integers(1, 12),
    width=st.integers(0, 6), length=st.integers(1, 20), cut=st.integers(1, 19),
)  # fmt: skip
def test_reading_on_from_a_state(cell: str, layers: int, hidden: int, width: int, length: int, cut: int) -> None:
    network = build(cell=cell, layers=layers, hidden_size=hidden, embedding_size=width, double=True)
    ids = tokens(length + 1)
    cut = min(cut, length)
    whole = trace(network, ids)
    with torch.no_grad():
        _, state = network(ids[:cut].unsqueeze(1))
    rest = trace(network, ids[cut:], state)
    for a, b in zip(whole.layers, rest.layers, strict=True):
        assert all(np.abs(a[name][cut:] - b[name]).max() < 1e-12 for name in a)
    np.testing.assert_allclose(rest.logits, whole.logits[cut:], atol=1e-12)


def test_dropout_and_autocast_do_not_reach_a_trace() -> None:
    plain, dropping = build(), build(dropout=0.5, recurrent_dropout=0.5)
    ids = tokens(30)
    expected = trace(plain, ids)
    untouched = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        found = trace(dropping, ids.numpy())
    assert torch.equal(torch.get_rng_state(), untouched)
    assert np.array_equal(found.logits, expected.logits)
    assert np.array_equal(found.layers[1]["f"], expected.layers[1]["f"])


def test_the_view_shifts_the_cost_and_names_the_likeliest() -> None:
    network, vocabulary = build(), tuple("abcdefghijk")
    ids = tokens(25)
    found = trace(network, ids)
    seen = trace_view(
        found, vocabulary, cell="lstm", gates=network.cell.gates, source="your text", step=7, weights_version=3
    )
    assert seen.symbols == tuple(vocabulary[i] for i in ids) and seen.steps == 25
    assert math.isnan(seen.bits[0]) and math.isnan(seen.next_bits[-1])
    np.testing.assert_array_equal(seen.bits[1:], seen.next_bits[:-1])
    p = torch.tensor(found.logits).double().softmax(-1).numpy()
    for t in range(24):
        assert seen.next_bits[t] == pytest.approx(-math.log2(p[t, ids[t + 1]]), rel=1e-5)
        assert list(seen.top_id[t]) == sorted(range(11), key=lambda v: -p[t, v])[:5]
        np.testing.assert_allclose(seen.top_p[t], sorted(p[t], reverse=True)[:5], rtol=1e-5)
    assert seen.loss == pytest.approx(np.nanmean(found.loss), rel=1e-6)
    for array in (seen.bits, seen.top_p, seen.tokens, seen.layers[0]["h"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_vocabulary_smaller_than_the_candidates() -> None:
    network = build(2)
    seen = trace_view(trace(network, tokens(4, vocabulary=2)), "ab", cell="lstm", gates=(), source="your text")
    assert seen.top_id.shape == (4, 2)
    np.testing.assert_allclose(seen.top_p.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("width", [0, 5])
def test_the_bytes_of_a_trace_are_known_before_it_is_made(cell: str, width: int) -> None:
    network = build(cell=cell, embedding_size=width, layers=3)
    for length in (1, 17):
        found = trace(network, tokens(length))
        arrays = [found.tokens, found.logits, found.loss, *(a for layer in found.layers for a in layer.values())]
        assert trace_bytes(network.model, network.vocabulary, length) == sum(a.nbytes for a in arrays)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_state_at_a_timestep_is_the_one_that_reading_ends_in(cell: str) -> None:
    network, ids = build(cell=cell, double=True), tokens(20)
    found = trace(network, ids)
    for t in (0, 7, 19):
        with torch.no_grad():
            _, expected = network(ids[: t + 1].unsqueeze(1))
        state = state_at(found, network, t)
        for mine, theirs in zip(state, expected, strict=True):
            assert len(mine) == len(theirs) == len(network.cell.states)
            for a, b in zip(mine, theirs, strict=True):
                assert a.shape == (1, 7) and a.dtype == torch.float64
                torch.testing.assert_close(a, b, atol=1e-12, rtol=0)
    state_at(found, network, 3)[0][0].zero_()
    assert np.abs(found.layers[0]["h"][3]).max() > 0
    for t in (-1, 20):
        with pytest.raises(ValueError, match="no timestep"):
            state_at(found, network, t)


def test_a_trace_in_pieces_and_holds_that_never_come_change_nothing() -> None:
    network, ids = build(), tokens(30)
    whole = trace(network, ids)
    pieces, shares = tracing(network, ids, holds=(Hold(1, "f", 2, 0.5, 30), Hold(0, "h", -1, 1.0, 99, 120))), []
    try:
        while True:
            shares.append(next(pieces))
    except StopIteration as end:
        found = end.value
    assert shares == sorted(shares) and shares[-1] == 1.0
    np.testing.assert_array_equal(found.logits, whole.logits)


def test_the_view_carries_what_was_held_and_the_reading_without() -> None:
    network, ids, holds = build(), tokens(9), (Hold(0, "c", 3, 0.5),)

    def view(held: tuple[Hold, ...], without: Trace | None = None) -> Trace:
        found = trace(network, ids, holds=held)
        return trace_view(found, "abcdefghijk", cell="lstm", gates=(), source="x", holds=held, without=without)

    without = view(())
    seen = view(holds, without)
    assert seen.holds == holds and seen.without is without and without.holds == () and without.without is None
    assert (seen.layers[0]["c"][:, 3] == 0.5).all() and not (without.layers[0]["c"][:, 3] == 0.5).any()

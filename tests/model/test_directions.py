"""Two directions: against torch.nn, their names, their dropout and where their weights start."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_tui.model.cells import CELLS
from rnn_tui.model.network import load_weights, weights
from rnn_tui.views import Sizes
from tests.model.peers import KINDS, network_of, torch_stack, torch_start
from tests.networks import CELL_NAMES, RECURRENT, seeded, tokens

SIZES = Sizes(9, 4)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    layers=st.integers(1, 3),
    hidden=st.integers(1, 20),
    width=st.integers(0, 9),
    steps=st.integers(1, 20),
    batch=st.integers(1, 6),
    start=st.sampled_from(("zero", "learned")),
)
def test_two_directions_of_any_size_equal_torch_nn(
    kind: tuple[str, str], layers: int, hidden: int, width: int, steps: int, batch: int, start: str
) -> None:
    network = network_of(
        SIZES, cell=kind[0], nonlinearity=kind[1], layers=layers, hidden_size=hidden, embedding_size=width,
        initial_state=start, bidirectional=True,
    )  # fmt: skip
    inputs = tokens(steps, batch, vocabulary=9)
    logits, state = network(inputs)
    assert logits.shape == (steps, batch, 4)
    assert all(part.shape == (batch, hidden) for layer in state for part in layer)
    module = torch_stack(network)
    output, last = module(network.embed(inputs).detach(), torch_start(network, batch))
    torch.testing.assert_close(logits, network.output(output), atol=1e-12, rtol=1e-10)
    ends = last if isinstance(last, tuple) else (last,)
    for k, layer in enumerate(state):
        for own, theirs in zip(layer, ends, strict=True):
            torch.testing.assert_close(own, theirs[2 * k], atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("cell", RECURRENT)
def test_gradients_reach_both_directions_as_in_torch_nn(cell: str) -> None:
    network = network_of(SIZES, cell=cell, layers=3, bidirectional=True, initial_state="learned")
    inputs = tokens(8, 3, vocabulary=9)
    out, _ = network.hidden(inputs)
    torch.autograd.backward(out.sin().sum())
    module = torch_stack(network)
    starts = torch_start(network, 3)
    output, _ = module(network.embed(inputs).detach(), starts)
    torch.autograd.backward(output.sin().sum())
    for k, layer in enumerate(network.layers):
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None and parameter.grad.any()
            if "_l0" in name:
                theirs = getattr(module, name.replace("_l0", f"_l{k}")).grad
                torch.testing.assert_close(parameter.grad, theirs, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize(("cell", "kind"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_torch_nn_takes_a_layer_by_its_names(cell: str, kind: Any) -> None:
    network = network_of(SIZES, cell=cell, bidirectional=True, double=False)
    own = weights(network)
    for k, width in enumerate((5, 12)):
        prefix = f"layers.{k}."
        module = kind(width, 6, bidirectional=True)
        module.load_state_dict({n.removeprefix(prefix): v for n, v in own.items() if n.startswith(prefix)})
        x = torch.randn(7, 2, width, generator=seeded())
        said, _ = network.run_layer(k, x, network.start(k, 2))
        torch.testing.assert_close(said, module(x)[0], atol=1e-6, rtol=1e-5)
    assert own["output.weight"].shape == (4, 12)


def test_feedforward_has_two_sets_of_weights_and_no_past_in_either() -> None:
    network = network_of(SIZES, cell="feedforward", layers=1, bidirectional=True)
    inputs = torch.tensor([[3], [5], [3], [1]])
    out, _ = network.hidden(inputs)
    assert torch.equal(out[0], out[2]) and not torch.equal(out[0], out[1])
    own, x = weights(network), network.embed(inputs)
    for direction, half in (("", out[..., :6]), ("_reverse", out[..., 6:])):
        W, b = own[f"layers.0.weight_ih_l0{direction}"], own[f"layers.0.bias_ih_l0{direction}"]
        torch.testing.assert_close(half, torch.tanh(x @ W.T + b), atol=1e-12, rtol=0)


def test_one_direction_alone_is_what_the_layer_says_of_it() -> None:
    network = network_of(SIZES, cell="lstm", bidirectional=True, initial_state="learned")
    x = torch.randn(9, 2, 5, generator=seeded(), dtype=torch.float64)
    whole, state = network.run_layer(0, x, network.start(0, 2))
    forward, last = network.run_direction(0, x, network.start(0, 2))
    backward, first = network.run_direction(0, x, network.start(0, 2, "_reverse"), "_reverse")
    assert torch.equal(whole, torch.cat((forward, backward), -1))
    assert all(torch.equal(a, b) for a, b in zip(state, last, strict=True))
    assert torch.equal(first[0], backward[0])
    # The equations, step by step from the end, with the weights by the names that they use.
    own, carried = network.layer_weights(0, "_reverse"), network.start(0, 2, "_reverse")
    for t in reversed(range(9)):
        found = network.cell.step(x[t], carried, own)
        carried = (found["h"], found["c"])
        torch.testing.assert_close(backward[t], found["h"], atol=1e-12, rtol=0)
    torch.testing.assert_close(first[1], carried[1], atol=1e-12, rtol=0)


# Numbers, and answers that are no symbols


@pytest.mark.parametrize("bidirectional", [False, True])
def test_numbers_are_read_as_they_are(bidirectional: bool) -> None:
    network = network_of(Sizes(3, 2, numeric=True), cell="gru", bidirectional=bidirectional)
    assert network.embedding is None and "embedding.weight" not in weights(network)
    x = torch.randn(6, 4, 3, generator=seeded())
    logits, _ = network(x)
    output, _ = torch_stack(network)(x.double(), torch_start(network, 4))
    torch.testing.assert_close(logits, network.output(output), atol=1e-12, rtol=0)
    assert logits.shape == (6, 4, 2)


def test_weights_are_tied_only_where_both_ends_are_one_set_of_symbols() -> None:
    same = {"tied": True, "hidden_size": 5, "embedding_size": 5}
    assert "output.weight" not in weights(network_of(Sizes(9, 9), **same))
    for sizes, more in ((Sizes(9, 4), {}), (Sizes(9, 9), {"bidirectional": True}), (Sizes(3, 3, numeric=True), {})):
        assert "output.weight" in weights(network_of(sizes, **same, **more))


# Dropout


DROPPING = ({"dropout": 0.4}, {"dropout": 0.4, "locked_dropout": True}, {"recurrent_dropout": 0.3},
            {"dropout": 0.2, "recurrent_dropout": 0.5})  # fmt: skip


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("rates", DROPPING)
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_masks_shown_are_those_of_the_next_call(cell: str, rates: dict[str, Any], bidirectional: bool) -> None:
    network = network_of(SIZES, cell=cell, layers=3, bidirectional=bidirectional, **rates)
    inputs, generator = tokens(7, 4, vocabulary=9), seeded(3)
    untouched = generator.get_state()
    masks = network.masks(7, 4, generator)
    assert torch.equal(generator.get_state(), untouched)
    dropped, _ = network(inputs, None, generator)
    # The same network without dropout, with the masks put where they act.
    plain = network_of(SIZES, cell=cell, layers=3, bidirectional=bidirectional)
    used = {name for name in masks if name in weights(plain)}
    load_weights(plain, {n: v * masks[n] if n in masks else v for n, v in weights(network).items()})
    x = plain.embed(inputs)
    for k, start in enumerate(plain.initial(4)):
        if f"layers.{k}.x" in masks:
            used.add(f"layers.{k}.x")
            x = x * masks[f"layers.{k}.x"]
        x, _ = plain.run_layer(k, x, start)
    torch.testing.assert_close(plain.output(x), dropped, atol=1e-12, rtol=0)
    assert used == set(masks) and (bool(masks) or cell == "feedforward")
    if "locked_dropout" in rates:
        assert masks["layers.1.x"].shape == (1, 4, 12 if bidirectional else 6)
    if bidirectional and cell != "feedforward" and "recurrent_dropout" in rates:
        assert not torch.equal(masks["layers.0.weight_hh_l0"], masks["layers.0.weight_hh_l0_reverse"])


def test_masks_are_the_same_under_bfloat16_autocast() -> None:
    network = network_of(SIZES, double=False, bidirectional=True, dropout=0.4)
    mask, seen = network.masks(6, 3, seeded(4))["layers.1.x"], list[Tensor]()
    handle = network.layers[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.autocast("cpu", torch.bfloat16):
        network(tokens(6, 3, vocabulary=9), None, seeded(4))
    handle.remove()
    assert torch.equal(seen[0] != 0, mask != 0)


def test_dropout_of_padded_sequences_masks_the_same_timesteps_on_either_side() -> None:
    network = network_of(SIZES, bidirectional=True, dropout=0.5, recurrent_dropout=0.3)
    reads = [tokens(n, vocabulary=9, seed=n) for n in (3, 6)]
    after = torch.zeros(6, 2, dtype=torch.int64)
    before = after.clone()
    for b, read in enumerate(reads):
        after[: len(read), b] = read
        before[6 - len(read) :, b] = read
    lengths = torch.tensor([3, 6])
    a, _ = network(after, None, seeded(), lengths)
    b, _ = network(before, None, seeded(), lengths, True)
    assert torch.equal(a[:3, 0], b[3:, 0]) and torch.equal(a[:, 1], b[:, 1])


def test_rates_may_be_set_from_a_configuration() -> None:
    network = network_of(SIZES, dropout=0.5)
    network.set_dropout(network.model.model_copy(update={"dropout": 0.0}))
    inputs = tokens(5, 2, vocabulary=9)
    assert torch.equal(network(inputs, None, seeded())[0], network(inputs)[0])


# Where weights start


@pytest.mark.parametrize("init", ["orthogonal", "identity"])
@pytest.mark.parametrize("cell", RECURRENT)
def test_each_direction_starts_gate_by_gate(cell: str, init: str) -> None:
    own = weights(network_of(SIZES, cell=cell, hidden_size=8, init=init, bidirectional=True, double=False))
    eye, gates = torch.eye(8), CELLS[cell].rows
    for k in range(2):
        for gate in own[f"layers.{k}.weight_hh_l0_reverse"].chunk(gates):
            torch.testing.assert_close(gate @ gate.T, eye, atol=1e-5, rtol=0)
        assert not own[f"layers.{k}.bias_hh_l0_reverse"].any()
    both = own["layers.0.weight_hh_l0"], own["layers.0.weight_hh_l0_reverse"]
    assert torch.equal(*both) == (init == "identity")


def test_forget_bias_and_spectral_radius_are_of_both_directions() -> None:
    own = weights(
        network_of(SIZES, cell="lstm", forget_bias=2.0, spectral_radius=0.7, bidirectional=True, double=False)
    )
    for k in range(2):
        for direction in ("", "_reverse"):
            bias = own[f"layers.{k}.bias_ih_l0{direction}"] + own[f"layers.{k}.bias_hh_l0{direction}"]
            assert torch.equal(bias[6:12], torch.full((6,), 2.0)) and not (bias[:6] == 2).any()
            for gate in own[f"layers.{k}.weight_hh_l0{direction}"].double().chunk(4):
                assert torch.linalg.eigvals(gate).abs().max().item() == pytest.approx(0.7, rel=1e-5)


def test_a_readout_of_two_directions_starts_within_its_own_bound() -> None:
    own = weights(network_of(SIZES, hidden_size=50, bidirectional=True, double=False))
    assert own["output.weight"].shape == (4, 100)
    assert 0.09 < own["output.weight"].abs().max() <= 0.1

"""The stacked network against torch.nn, its dropout, its state, and where its weights start."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_tui.model.cells import CELLS
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network, detach, load_weights, weights
from tests.networks import CELL_NAMES, RECURRENT, build, peer, peer_state, seeded, tokens


def reference(network: Network, ids: Tensor) -> tuple[Tensor, nn.Module]:
    """The same logits by plain torch.nn, from an embedding or one-hot rows."""
    module = peer(network)
    embedding = network.embedding.weight if network.embedding is not None else torch.eye(network.vocabulary)
    output, _ = module(embedding.to(network.output.bias.dtype)[ids], peer_state(network.initial(ids.shape[1])))
    return output @ network.output.weight.T + network.output.bias, module


@pytest.mark.parametrize("layers", range(1, 9))
@pytest.mark.parametrize("cell", RECURRENT)
def test_a_stack_equals_torch_nn_forward_and_gradient(cell: str, layers: int) -> None:
    for batch, width in ((1, 5), (4, 0)):
        network = build(cell=cell, layers=layers, embedding_size=width, double=True)
        ids = tokens(12, batch)
        logits, _ = network(ids)
        expected, module = reference(network, ids)
        assert (logits - expected).abs().max() < 1e-12
        target = tokens(12 * batch, seed=9)
        torch.autograd.backward(nn.functional.cross_entropy(logits.flatten(0, 1), target))
        torch.autograd.backward(nn.functional.cross_entropy(expected.flatten(0, 1), target))
        for k, layer in enumerate(network.layers):
            for name, parameter in layer.named_parameters():
                theirs = getattr(module, name.replace("_l0", f"_l{k}"))
                assert parameter.grad is not None
                assert (parameter.grad - theirs.grad).abs().max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(RECURRENT),
    nonlinearity=st.sampled_from(("tanh", "relu")),
    layers=st.integers(1, 3),
    hidden=st.integers(1, 40),
    width=st.integers(0, 20),
    vocabulary=st.integers(1, 60),
    steps=st.integers(1, 30),
    batch=st.integers(1, 9),
)
def test_float32_of_any_size_equals_torch_nn(
    cell: str, nonlinearity: str, layers: int, hidden: int, width: int, vocabulary: int, steps: int, batch: int
) -> None:
    network = build(
        vocabulary, cell=cell, nonlinearity=nonlinearity, layers=layers, hidden_size=hidden, embedding_size=width
    )
    ids = tokens(steps, batch, vocabulary=vocabulary)
    logits, state = network(ids)
    assert logits.shape == (steps, batch, vocabulary)
    assert all(part.shape == (batch, hidden) for layer in state for part in layer)
    torch.testing.assert_close(logits, reference(network, ids)[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_one_hot_input_is_an_embedding_with_the_identity(cell: str) -> None:
    one_hot = build(cell=cell, embedding_size=0, double=True)
    embedded = build(cell=cell, embedding_size=11, double=True)
    load_weights(embedded, weights(one_hot) | {"embedding.weight": torch.eye(11, dtype=torch.float64)})
    ids = tokens(15, 3)
    assert torch.equal(one_hot(ids)[0], embedded(ids)[0])


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_carrying_the_state_reads_on_as_if_in_one_piece(cell: str) -> None:
    network = build(cell=cell, double=True, initial_state="learned")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("_0"):
                parameter.normal_(generator=seeded())
    ids = tokens(20, 3)
    whole, end = network(ids)
    first, state = network(ids[:13])
    second, last = network(ids[13:], detach(state))
    assert (torch.cat((first, second)) - whole).abs().max() < 1e-12
    assert all((a - b).abs().max() < 1e-12 for x, y in zip(end, last, strict=True) for a, b in zip(x, y, strict=True))
    assert not any(part.requires_grad for layer in detach(state) for part in layer)


def test_feedforward_sees_the_present_symbol_only() -> None:
    network = build(cell="feedforward", layers=1, double=True)
    ids = torch.tensor([[3], [5], [3], [3]])
    logits, _ = network(ids)
    assert (logits[2:] - logits[0]).abs().max() < 1e-14
    assert (logits[1] - logits[0]).abs().max() > 1e-3
    own = weights(network)
    h = torch.tanh(own["layers.0.weight_ih_l0"] @ own["embedding.weight"][3] + own["layers.0.bias_ih_l0"])
    assert (logits[0, 0] - (own["output.weight"] @ h + own["output.bias"])).abs().max() < 1e-12


def test_tied_weights_are_one_matrix_that_both_ends_train() -> None:
    network = build(tied=True, hidden_size=5, embedding_size=5)
    assert "output.weight" not in weights(network)
    assert network.embedding is not None and network.output.weight is network.embedding.weight
    logits, _ = network(torch.tensor([[2], [2]]))
    torch.autograd.backward(logits[..., 7].sum())
    gradient = network.embedding.weight.grad
    assert gradient is not None
    assert gradient[2].any() and gradient[7].any() and not gradient[4].any()


def test_a_learned_initial_state_is_used_and_learns() -> None:
    network = build(cell="lstm", initial_state="learned", double=True)
    ids = tokens(3, 4)
    torch.autograd.backward(network(ids)[0].square().sum())
    for name, parameter in network.named_parameters():
        if name.endswith(("h_0", "c_0")):
            assert parameter.grad is not None and parameter.grad.abs().min() > 0
    network(ids, detach(network.initial(4)))


# Dropout


def test_dropout_acts_only_between_layers_and_only_with_a_generator() -> None:
    ids = tokens(6, 4)
    single = build(layers=1, dropout=0.5)
    assert torch.equal(single(ids)[0], single(ids, None, seeded())[0])
    double = build(layers=2, dropout=0.5).train()
    assert torch.equal(double(ids)[0], double.eval()(ids)[0])
    assert not torch.equal(double(ids)[0], double(ids, None, seeded())[0])


def masks_between_layers(network: Network, ids: Tensor, generator: torch.Generator) -> Tensor:
    """What reached layer 1, over what left layer 0: the mask itself."""
    seen: list[Tensor] = []
    handle = network.layers[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(ids, None, generator)
    handle.remove()
    left, _ = network.run_layer(0, network.embed(ids), network.initial(ids.shape[1])[0])
    return (seen[0] / left).detach()


def test_dropout_keeps_the_share_it_says_and_the_mean() -> None:
    network = build(hidden_size=64, dropout=0.3)
    mask = masks_between_layers(network, tokens(40, 30), seeded())
    kept = mask != 0
    # 76,800 draws: five standard errors are 0.008.
    assert abs(kept.float().mean() - 0.7) < 0.009
    torch.testing.assert_close(mask[kept], torch.full_like(mask[kept], 1 / 0.7), rtol=1e-4, atol=0)
    assert not torch.equal(kept[0], kept[1])


def test_locked_dropout_is_one_mask_for_all_timesteps() -> None:
    network = build(hidden_size=64, dropout=0.3, locked_dropout=True)
    kept = masks_between_layers(network, tokens(40, 30), seeded()) != 0
    assert torch.equal(kept, kept[:1].expand_as(kept))
    assert not torch.equal(kept[0, 0], kept[0, 1])
    assert abs(kept[0].float().mean() - 0.7) < 0.06


@pytest.mark.parametrize("cell", RECURRENT)
def test_recurrent_dropout_is_one_mask_on_w_hh_for_the_whole_passage(cell: str) -> None:
    network = build(cell=cell, layers=1, recurrent_dropout=0.4, double=True)
    ids = tokens(25, 3)
    dropped, _ = network(ids, None, seeded(8))
    whole = weights(network)["layers.0.weight_hh_l0"]
    mask = torch.empty_like(whole).bernoulli_(0.6, generator=seeded(8)) / 0.6
    other = build(cell=cell, layers=1, double=True)
    load_weights(other, weights(network) | {"layers.0.weight_hh_l0": whole * mask})
    assert (other(ids)[0] - dropped).abs().max() < 1e-12
    assert (network(ids)[0] - dropped).abs().max() > 1e-4
    torch.autograd.backward(dropped.square().sum())
    gradient = dict(network.named_parameters())["layers.0.weight_hh_l0"].grad
    assert gradient is not None and not gradient[mask == 0].any() and gradient[mask != 0].all()
    assert torch.equal(weights(network)["layers.0.weight_hh_l0"], whole)


def test_dropout_draws_from_its_generator_and_its_rates_may_change() -> None:
    network = build(dropout=0.5, recurrent_dropout=0.3, layers=3)
    ids = tokens(6, 4)
    untouched = torch.get_rng_state()
    a, b, c = (network(ids, None, seeded(s))[0] for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    network.dropout = network.recurrent_dropout = 0.0
    assert torch.equal(network(ids, None, seeded())[0], network(ids)[0])
    assert torch.equal(torch.get_rng_state(), untouched)


def test_building_and_filling_leave_the_global_generator_alone() -> None:
    untouched = torch.get_rng_state()
    for cell in CELL_NAMES:
        for init in ("default", "xavier", "orthogonal", "identity"):
            build(cell=cell, init=init)
    assert torch.equal(torch.get_rng_state(), untouched)


# Precision


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("width", [0, 16])
def test_under_bfloat16_autocast_the_state_is_carried_as_float32(cell: str, width: int) -> None:
    network = build(cell=cell, hidden_size=16, embedding_size=width, dropout=0.1, recurrent_dropout=0.1)
    ids = tokens(10, 4)
    exact, _ = network(ids)
    state = None
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = network(ids)
        for _ in range(2):
            logits, state = network(ids, state, seeded())
            assert all(part.dtype == torch.float32 for layer in state for part in layer)
            state = detach(state)
    torch.autograd.backward(logits.float().square().sum())
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert (rounded.float() - exact).abs().max() < 0.05


# Where weights start


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("kind", ["embedding", "one-hot", "tied"])
def test_the_first_loss_is_ln_v(cell: str, kind: str) -> None:
    width = {"embedding": 128, "one-hot": 0, "tied": 128}[kind]
    for seed in (1, 2):
        network = build(65, seed, cell=cell, hidden_size=128, embedding_size=width, tied=kind == "tied")
        ids = tokens(51, 50, vocabulary=65)
        with torch.no_grad():
            logits, _ = network(ids[:-1])
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten()).item()
        assert abs(loss - math.log(65)) < 0.05


def test_default_weights_have_pytorchs_distributions() -> None:
    own = weights(build(60, hidden_size=100, embedding_size=80))
    for name, value in own.items():
        if name == "embedding.weight":
            assert abs(value.std() - 1) < 0.05 and abs(value.mean()) < 0.05
        else:
            # Uniform within 1/sqrt(H) = 0.1, whose standard deviation is 0.1/sqrt(3).
            assert value.abs().max() <= 0.1
            if value.numel() > 1000:
                assert value.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("cell", RECURRENT)
def test_orthogonal_and_identity_are_gate_by_gate(cell: str) -> None:
    eye, gates = torch.eye(16), CELLS[cell].rows
    orthogonal = weights(build(cell=cell, hidden_size=16, init="orthogonal"))
    identity = weights(build(cell=cell, hidden_size=16, init="identity"))
    for k in range(2):
        for gate in orthogonal[f"layers.{k}.weight_hh_l0"].chunk(gates):
            torch.testing.assert_close(gate @ gate.T, eye, atol=1e-5, rtol=0)
        for gate in identity[f"layers.{k}.weight_hh_l0"].chunk(gates):
            assert torch.equal(gate, eye)
        assert not orthogonal[f"layers.{k}.bias_ih_l0"].any()


def test_xavier_is_bounded_by_one_gate_not_by_all_of_them() -> None:
    own = weights(build(cell="lstm", hidden_size=50, embedding_size=40, init="xavier"))
    bound = math.sqrt(6 / (40 + 50))
    assert 0.98 * bound < own["layers.0.weight_ih_l0"].abs().max() <= bound


@pytest.mark.parametrize("init", ["default", "orthogonal"])
def test_the_forget_bias_is_the_sum_of_both_biases_in_the_forget_rows(init: str) -> None:
    network = build(cell="lstm", hidden_size=6, init=init, forget_bias=2.0)
    own = weights(network)
    for k in range(2):
        both = own[f"layers.{k}.bias_ih_l0"] + own[f"layers.{k}.bias_hh_l0"]
        assert torch.equal(both[6:12], torch.full((6,), 2.0))
        assert not (both[:6] == 2).any() and not (both[12:] == 2).any()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_default_weights_are_drawn_one_after_the_other_from_the_generator(cell: str) -> None:
    own, draws = weights(build(cell=cell, hidden_size=9, initial_state="learned")), seeded(1)
    for name, value in own.items():
        drawn = torch.empty_like(value)
        if name.endswith("_0"):
            drawn.zero_()
        elif name == "embedding.weight":
            drawn.normal_(generator=draws)
        else:
            drawn.uniform_(-1 / 3, 1 / 3, generator=draws)
        assert torch.equal(value, drawn), name


def test_the_same_seed_gives_the_same_weights() -> None:
    a, b, c = (weights(build(seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["layers.1.weight_hh_l0"], c["layers.1.weight_hh_l0"])


# Loading


def test_weights_go_out_and_in_again() -> None:
    first, second = build(seed=1), build(seed=2)
    load_weights(second, weights(first))
    assert torch.equal(first(tokens(5, 2))[0], second(tokens(5, 2))[0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda own: own.pop("output.bias"), "output.bias is missing"),
        (lambda own: own.update({"output.bias": torch.zeros(3)}), "output.bias has the shape"),
        (lambda own: own.update({"layers.9.h_0": torch.zeros(3)}), "layers.9.h_0 is no weight"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_changed(spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    network, own = build(), dict(weights(build(seed=2)))
    before = {name: value.clone() for name, value in weights(network).items()}
    spoil(own)
    with pytest.raises(ValueError, match=said):
        load_weights(network, own)
    assert all(torch.equal(before[name], value) for name, value in weights(network).items())


def test_fill_covers_every_parameter() -> None:
    for cell in CELL_NAMES:
        network = build(cell=cell, initial_state="learned")
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(math.nan)
        fill(network, network.model, seeded())
        assert all(parameter.isfinite().all() for parameter in network.parameters())

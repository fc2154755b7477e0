"""Encoder and decoder against torch.nn, attention against its definition, and what must not be seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.building import build
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network, detach, load_weights, weights
from rnn_tui.model.parameters import parameter_shapes
from rnn_tui.model.translation import EncoderDecoder, pick
from rnn_tui.views import Sizes
from tests.model.peers import filled_up, gradients, torch_stack, torch_start
from tests.networks import CELL_NAMES, RECURRENT, seeded, tokens

SIZES = Sizes(11, 7, decoder=True)


def pair(double: bool = True, **choices: Any) -> EncoderDecoder:
    model = ModelConfig(**({"layers": 2, "hidden_size": 6, "embedding_size": 5} | choices))
    network = build(model, SIZES)
    assert isinstance(network, EncoderDecoder)
    fill(network, model, seeded())
    return network.double() if double else network


def sources(*lengths: int) -> list[Tensor]:
    return [tokens(n, vocabulary=11, seed=n + k) for k, n in enumerate(lengths)]


def states(found: list[tuple[Tensor, ...]]) -> list[Tensor]:
    return [part for layer in found for part in layer]


@pytest.mark.parametrize("cell", RECURRENT)
@pytest.mark.parametrize("layers", [1, 3])
def test_without_attention_it_is_two_stacks_of_torch_nn(cell: str, layers: int) -> None:
    network = pair(cell=cell, layers=layers)
    source, inputs = tokens(8, 3, vocabulary=11), tokens(5, 3, vocabulary=7)
    logits, state, found = network.decode(network.encode(source), inputs)
    reading, writing = torch_stack(network.encoder), torch_stack(network.decoder)
    _, last = reading(network.encoder.embed(source), torch_start(network.encoder, 3))
    output, ends = writing(network.decoder.embed(inputs), last)
    torch.testing.assert_close(logits, network.decoder.output(output), atol=1e-12, rtol=0)
    parts = ends if isinstance(ends, tuple) else (ends,)
    for k, layer in enumerate(state):
        for own, theirs in zip(layer, parts, strict=True):
            torch.testing.assert_close(own, theirs[k], atol=1e-12, rtol=0)
    assert found is None


def test_attention_is_that_of_the_paper() -> None:
    network = pair(attention=True, cell="gru")
    reads = sources(4, 8, 1)
    source, lengths = filled_up(reads, before=False)
    inputs = tokens(5, 3, vocabulary=7)
    encoded = network.encode(source, lengths)
    logits, _, found = network.decode(encoded, inputs)
    h, _ = network.decoder.hidden(inputs, encoded.state)
    own = weights(network)
    assert found is not None and found.shape == (5, 3, 8)
    for b, read in enumerate(reads):
        outputs, _ = network.encoder.hidden(read.unsqueeze(1))
        for u in range(5):
            scores = torch.stack([h[u, b] @ output for output in outputs[:, 0]])
            a = torch.exp(scores) / torch.exp(scores).sum()
            torch.testing.assert_close(found[u, b, : len(read)], a, atol=1e-12, rtol=0)
            assert not found[u, b, len(read) :].any()
            c = sum(weight * output for weight, output in zip(a, outputs[:, 0], strict=True))
            both = torch.cat((torch.as_tensor(c), h[u, b]))
            seen = torch.tanh(own["decoder.attention.weight"] @ both + own["decoder.attention.bias"])
            expected = own["decoder.output.weight"] @ seen + own["decoder.output.bias"]
            torch.testing.assert_close(logits[u, b], expected, atol=1e-12, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    cell=st.sampled_from(CELL_NAMES),
    attention=st.booleans(),
    before=st.booleans(),
)
def test_padded_pairs_and_pairs_alone_give_equal_losses_and_gradients(
    lengths: list[int], cell: str, attention: bool, before: bool
) -> None:
    network = pair(cell=cell, attention=attention, initial_state="learned")
    reads = sources(*lengths)
    asks = [tokens(n % 3 + 2, vocabulary=7, seed=n) for n in lengths]
    source, counted = filled_up(reads, before)
    written, _ = filled_up(asks, before=False, value=-1)

    def cost(source: Tensor, written: Tensor, counted: Tensor | None) -> Tensor:
        logits, _, _ = network.decode(network.encode(source, counted, before), written[:-1].clamp(min=0))
        return F.cross_entropy(logits.flatten(0, 1), written[1:].flatten(), ignore_index=-1, reduction="sum")

    loss = cost(source, written, counted)
    torch.autograd.backward(loss)
    padded = gradients_where(network)
    alone = torch.stack([cost(r.unsqueeze(1), a.unsqueeze(1), None) for r, a in zip(reads, asks, strict=True)]).sum()
    torch.autograd.backward(alone)
    assert loss.item() == pytest.approx(alone.item(), rel=1e-12)
    for name, gradient in gradients_where(network).items():
        torch.testing.assert_close(padded[name], gradient, atol=1e-11, rtol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def gradients_where(network: nn.Module) -> dict[str, Tensor]:
    """As `gradients`, with 0 where nothing flows: without W_hh nothing of the encoder reaches a decoder."""
    for parameter in network.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return gradients(network)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_step_by_step_is_the_whole_at_once(cell: str, attention: bool) -> None:
    network = pair(cell=cell, attention=attention)
    source, lengths = filled_up(sources(3, 6), before=True)
    inputs = tokens(5, 2, vocabulary=7)
    encoded = network.encode(source, lengths, before=True)
    logits, end, found = network.decode(encoded, inputs)
    state = None
    for u, symbols in enumerate(inputs):
        each, state, looked = network.step(encoded, symbols, state)
        torch.testing.assert_close(each, logits[u], atol=1e-12, rtol=0)
        assert (looked is None) == (found is None)
        if looked is not None and found is not None:
            torch.testing.assert_close(looked, found[u], atol=1e-12, rtol=0)
            assert looked[0, :3].eq(0).all() and looked.sum(-1).sub(1).abs().max() < 1e-12
    assert state is not None
    for a, b in zip(states(state), states(end), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_rows_of_what_is_encoded_go_on_as_those_sequences() -> None:
    network = pair(attention=True)
    source, lengths = filled_up(sources(3, 6, 2), before=False)
    encoded = network.encode(source, lengths)
    inputs = tokens(4, 3, vocabulary=7)
    which = torch.tensor([2, 2, 0])
    logits, state, found = network.decode(encoded.rows(which), inputs)
    assert found is not None
    for b, k in enumerate(which.tolist()):
        alone = network.encode(source[: lengths[k], k : k + 1])
        own, after, looked = network.decode(alone, inputs[:, b : b + 1])
        torch.testing.assert_close(logits[:, b], own[:, 0], atol=1e-12, rtol=0)
        assert looked is not None
        torch.testing.assert_close(found[:, b, : lengths[k]], looked[:, 0], atol=1e-12, rtol=0)
        for part, theirs in zip(states(pick(state, torch.tensor([b]))), states(after), strict=True):
            torch.testing.assert_close(part, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    "choices",
    [{}, {"attention": True}, {"bidirectional": True}, {"cell": "feedforward"}, {"initial_state": "learned"},
     {"tied": True, "embedding_size": 6}, {"embedding_size": 0, "layers": 1}],
)  # fmt: skip
def test_the_parameters_are_named_and_shaped_as_told(choices: dict[str, Any]) -> None:
    network = pair(double=False, **choices)
    own = weights(network)
    assert {name: tuple(value.shape) for name, value in own.items()} == parameter_shapes(network.model, SIZES)
    assert all(name.startswith(("encoder.", "decoder.")) and value.isfinite().all() for name, value in own.items())
    assert not any("_reverse" in name or name.startswith("decoder.layers.0.h_0") for name in own)
    assert ("encoder.layers.0.h_0" in own) == (choices.get("initial_state") == "learned")
    if choices.get("tied"):
        assert network.decoder.embedding is not None
        assert network.decoder.output.weight is network.decoder.embedding.weight
    other = pair(double=False, **choices)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(float("nan"))
    load_weights(other, own)
    source, inputs = tokens(4, 2, vocabulary=11), tokens(3, 2, vocabulary=7)
    assert torch.equal(other.decode(other.encode(source), inputs)[0], network.decode(network.encode(source), inputs)[0])
    with pytest.raises(ValueError, match=r"encoder\.layers\.0\.weight_ih_l0 is missing"):
        load_weights(other, {name: value for name, value in own.items() if name != "encoder.layers.0.weight_ih_l0"})


@pytest.mark.parametrize(
    "rates", [{"dropout": 0.5}, {"dropout": 0.3, "locked_dropout": True, "recurrent_dropout": 0.4}]
)
def test_the_masks_shown_are_those_of_the_next_pair(rates: dict[str, Any]) -> None:
    network = pair(**rates)
    generator = seeded(6)
    masks = network.masks(8, 5, 3, generator)
    source, inputs = tokens(8, 3, vocabulary=11), tokens(5, 3, vocabulary=7)
    encoded = network.encode(source, dropout=generator)
    logits, _, _ = network.decode(encoded, inputs, dropout=generator)
    plain = pair()
    load_weights(plain, {n: v * masks[n] if n in masks else v for n, v in weights(network).items()})
    for stack, x, start in (
        (plain.encoder, plain.encoder.embed(source), plain.initial(3)),
        (plain.decoder, plain.decoder.embed(inputs), encoded.state),
    ):
        name = "encoder" if stack is plain.encoder else "decoder"
        x, first = stack.run_layer(0, x, start[0])
        x, second = stack.run_layer(1, x * masks[f"{name}.layers.1.x"], start[1])
        if stack is plain.encoder:
            for a, b in zip((*first, *second), states(encoded.state), strict=True):
                torch.testing.assert_close(a, b, atol=1e-12, rtol=0)
    torch.testing.assert_close(plain.decoder.output(x), logits, atol=1e-12, rtol=0)
    network.set_dropout(plain.model)
    assert not network.masks(8, 5, 3, generator)


def test_a_state_can_be_carried_into_the_next_source() -> None:
    network = pair(cell="lstm")
    source = tokens(9, 2, vocabulary=11)
    whole = network.encode(source)
    first = network.encode(source[:4])
    second = network.encode(source[4:], state=detach(first.state))
    torch.testing.assert_close(second.outputs, whole.outputs[4:], atol=1e-12, rtol=0)


def test_under_bfloat16_autocast_the_state_stays_float32() -> None:
    network = pair(double=False, attention=True, hidden_size=16, embedding_size=16)
    source, lengths = filled_up(sources(3, 9), before=False)
    inputs = tokens(4, 2, vocabulary=7)
    exact, _, _ = network.decode(network.encode(source, lengths), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        encoded = network.encode(source, lengths)
        logits, state, _ = network.decode(encoded, inputs)
    assert all(part.dtype == torch.float32 for part in (*states(encoded.state), *states(state)))
    assert (logits.float() - exact).abs().max() < 0.05
    torch.autograd.backward(logits.float().square().sum())
    assert all(p.grad is not None for p in network.parameters())


def test_without_a_decoder_a_network_is_built() -> None:
    network = build(ModelConfig(hidden_size=4, embedding_size=3), Sizes(5, 2))
    assert isinstance(network, Network) and network.output.out_features == 2

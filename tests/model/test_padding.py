"""Sequences of unequal length side by side: nothing that fills them up may be seen anywhere."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnn_tui.model.network import Network, detach
from rnn_tui.model.padding import Padding
from rnn_tui.views import Sizes
from tests.model.peers import KINDS, filled_up, gradients, network_of, torch_packed
from tests.networks import CELL_NAMES, seeded, tokens

SIZES = Sizes(9, 4)

lengths_of_a_batch = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def sequences(lengths: list[int], seed: int = 5) -> list[Tensor]:
    return [tokens(n, vocabulary=SIZES.inputs, seed=seed + k) for k, n in enumerate(lengths)]


def furthest(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max())


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("cell", "nonlinearity"), KINDS)
def test_unequal_lengths_equal_torch_nn_packed(cell: str, nonlinearity: str, layers: int, bidirectional: bool) -> None:
    network = network_of(
        SIZES, cell=cell, nonlinearity=nonlinearity, layers=layers, bidirectional=bidirectional,
        initial_state="learned",
    )  # fmt: skip
    inputs, lengths = filled_up(sequences([4, 7, 1, 7, 3]), before=False)
    x = network.embed(inputs).detach()
    out, state = network.hidden(inputs, lengths=lengths)
    expected, ends, module = torch_packed(network, x, lengths)
    assert furthest(out, expected) < 1e-12
    for own, theirs in zip(state, ends, strict=True):
        for a, b in zip(own, theirs, strict=True):
            assert furthest(a, b) < 1e-12
    # The state is part of the cost, so that the path of its gradient is held too.
    cost = torch.sin(out).sum() + sum(torch.cos(part).sum() for layer in state for part in layer)
    torch.autograd.backward(cost)
    same = torch.sin(expected).sum() + sum(torch.cos(part).sum() for layer in ends for part in layer)
    torch.autograd.backward(same)
    for k, layer in enumerate(network.layers):
        for name, parameter in layer.named_parameters():
            if "_l0" in name:
                theirs = getattr(module, name.replace("_l0", f"_l{k}")).grad
                assert parameter.grad is not None and furthest(parameter.grad, theirs) < 1e-11


def losses(network: Network, inputs: Tensor, targets: Tensor, lengths: Tensor | None, before: bool) -> Tensor:
    """Mean cost over all timesteps that are data, with a summary of the whole sequence beside each."""
    out, state = network.hidden(inputs, lengths=lengths, before=before)
    logits = network.output(out) + network.output(network.summary(out, lengths, before))
    cost = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")
    return cost + sum(part.square().sum() for layer in state for part in layer)


@settings(max_examples=100, deadline=None)
@given(
    lengths=lengths_of_a_batch,
    cell=st.sampled_from(CELL_NAMES),
    nonlinearity=st.sampled_from(("tanh", "relu")),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    before=st.booleans(),
    width=st.sampled_from((0, 5)),
    double=st.booleans(),
)
def test_padded_and_alone_give_equal_losses_and_gradients(
    lengths: list[int], cell: str, nonlinearity: str, layers: int, bidirectional: bool, before: bool, width: int,
    double: bool,
) -> None:  # fmt: skip
    network = network_of(
        SIZES, double=double, cell=cell, nonlinearity=nonlinearity, layers=layers, bidirectional=bidirectional,
        embedding_size=width, initial_state="learned",
    )  # fmt: skip
    reads = sequences(lengths)
    asks = [read % SIZES.outputs for read in reads]
    inputs, counted = filled_up(reads, before)
    targets, _ = filled_up(asks, before, value=-1)
    loss = losses(network, inputs, targets, counted, before) / sum(lengths)
    torch.autograd.backward(loss)
    padded = gradients(network)
    alone = sum(
        losses(network, read.unsqueeze(1), ask.unsqueeze(1), None, False) for read, ask in zip(reads, asks, strict=True)
    )
    alone = torch.as_tensor(alone) / sum(lengths)
    torch.autograd.backward(alone)
    near = 1e-12 if double else 1e-6
    assert loss.item() == pytest.approx(alone.item(), abs=near, rel=near)
    for name, gradient in gradients(network).items():
        torch.testing.assert_close(padded[name], gradient, atol=near, rtol=near * 10, msg=lambda m, n=name: f"{n}: {m}")


@settings(max_examples=25, deadline=None)
@given(
    lengths=lengths_of_a_batch, cell=st.sampled_from(CELL_NAMES), bidirectional=st.booleans(), before=st.booleans(),
    junk=st.integers(0, 8),
)  # fmt: skip
def test_what_fills_up_is_never_read(
    lengths: list[int], cell: str, bidirectional: bool, before: bool, junk: int
) -> None:
    network = network_of(SIZES, cell=cell, bidirectional=bidirectional)
    inputs, counted = filled_up(sequences(lengths), before)
    other, _ = filled_up(sequences(lengths), before, value=junk)
    out, state = network.hidden(inputs, lengths=counted, before=before)
    again, after = network.hidden(other, lengths=counted, before=before)
    assert torch.equal(out, again)
    assert all(torch.equal(a, b) for x, y in zip(state, after, strict=True) for a, b in zip(x, y, strict=True))
    real, _ = filled_up([torch.ones(n) for n in lengths], before)
    assert not out[real == 0].any() and out[real == 1].any(dim=-1).all()


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equal_lengths_take_the_path_of_whole_batches(cell: str, bidirectional: bool) -> None:
    network = network_of(SIZES, double=False, cell=cell, bidirectional=bidirectional)
    inputs = tokens(6, 3, vocabulary=9)
    plain, state = network(inputs)
    for before in (False, True):
        same, after = network(inputs, lengths=torch.full((3,), 6), before=before)
        assert torch.equal(plain, same)
        assert all(torch.equal(a, b) for x, y in zip(state, after, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_state_that_is_carried_on_is_that_of_each_sequence(cell: str, before: bool) -> None:
    network = network_of(SIZES, cell=cell)
    first, second = sequences([3, 6, 1]), sequences([5, 2, 4], seed=20)
    inputs, lengths = filled_up(first, before)
    _, state = network(inputs, lengths=lengths, before=before)
    inputs, lengths = filled_up(second, before)
    logits, _ = network(inputs, detach(state), lengths=lengths, before=before)
    for b, (a, c) in enumerate(zip(first, second, strict=True)):
        whole, _ = network(torch.cat((a, c)).unsqueeze(1))
        n = len(c)
        own = logits[-n:, b] if before else logits[:n, b]
        assert furthest(own, whole[-n:, 0]) < 1e-12


def test_the_summary_is_each_directions_last_word() -> None:
    both = network_of(SIZES, bidirectional=True)
    reads = sequences([5, 2, 8])
    for before in (False, True):
        inputs, lengths = filled_up(reads, before)
        out, _ = both.hidden(inputs, lengths=lengths, before=before)
        found = both.summary(out, lengths, before)
        assert found.shape == (3, 12)
        for b, read in enumerate(reads):
            alone, _ = both.hidden(read.unsqueeze(1))
            assert furthest(found[b, :6], alone[-1, 0, :6]) < 1e-12
            assert furthest(found[b, 6:], alone[0, 0, 6:]) < 1e-12
    forward = network_of(SIZES)
    out, state = forward.hidden(tokens(7, 3, vocabulary=9))
    assert torch.equal(forward.summary(out), state[-1][0])


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_padded_batches_under_bfloat16_autocast(cell: str) -> None:
    network = network_of(
        Sizes(9, 4), double=False, cell=cell, bidirectional=True, hidden_size=16, embedding_size=16, dropout=0.2,
        recurrent_dropout=0.2,
    )  # fmt: skip
    inputs, lengths = filled_up(sequences([4, 9, 2]), before=True)
    exact, _ = network(inputs, lengths=lengths, before=True)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, state = network(inputs, lengths=lengths, before=True)
        dropped, _ = network(inputs, None, seeded(), lengths, True)
    assert all(part.dtype == torch.float32 for layer in state for part in layer)
    assert (rounded.float() - exact).abs().max() < 0.05
    torch.autograd.backward(dropped.float().square().sum())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("wrong", [[0, 3], [3, 7], [-1, 2]])
def test_lengths_that_can_not_be_are_refused(wrong: list[int]) -> None:
    network = network_of(SIZES)
    with pytest.raises(ValueError, match="from 1 to 6"):
        network(tokens(6, 2, vocabulary=9), lengths=torch.tensor(wrong))


@settings(max_examples=30, deadline=None)
@given(lengths=lengths_of_a_batch, before=st.booleans())
def test_turning_round_and_aligning_are_undone(lengths: list[int], before: bool) -> None:
    T = max(lengths) + 1
    x = torch.arange(T * len(lengths)).reshape(T, len(lengths))
    padding = Padding(torch.tensor(lengths), T, before, torch.device("cpu"))
    aligned = padding.aligned(x)
    assert torch.equal(padding.restored(aligned), x)
    assert torch.equal(padding.reversed(padding.reversed(aligned)), aligned)
    for b, n in enumerate(lengths):
        own = x[T - n :, b] if before else x[:n, b]
        assert torch.equal(aligned[:n, b], own)
        assert torch.equal(padding.reversed(aligned)[:n, b], own.flip(0))
        assert padding.last(aligned)[b] == own[-1]
        assert padding.filled[:, b, 0].tolist() == [t >= n for t in range(T)]

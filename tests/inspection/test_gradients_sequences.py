"""The replay of every kind of sequence, held against autograd on cells of torch.nn, unrolled by hand in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.inspection.comparison import compare_fresh, fresh
from rnn_tui.inspection.gradients import flow
from rnn_tui.inspection.replay import bytes_needed, replay
from rnn_tui.inspection.trace import trace
from rnn_tui.model.building import build
from rnn_tui.model.initial import fill
from rnn_tui.model.network import weights
from rnn_tui.views import GradientFlow, Sizes
from tests.networks import CELL_NAMES, RECURRENT, seeded, tokens

NAMES = tuple("abcdef")
KINDS: dict[str, Any] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
SYMBOLS, NUMBERS = Sizes(11, 6), Sizes(3, 2, numeric=True)


def made(sizes: Sizes, seed: int = 1, **choices: Any) -> Any:
    model = ModelConfig(**({"layers": 2, "hidden_size": 7, "embedding_size": 5} | choices))
    network = build(model, sizes)
    fill(network, model, seeded(seed))
    return network.requires_grad_(False)


class Unrolled:
    """One stack of cells, a loop over time in each direction; every state keeps its gradient."""

    def __init__(self, network: Any, prefix: str = "") -> None:
        self.model = network.model
        self.values = {name: value.double() for name, value in weights(network).items()}
        self.prefix = prefix
        self.h: list[list[list[Tensor]]] = []
        self.c: list[list[list[Tensor]]] = []

    def cell(self, k: int, direction: str) -> nn.Module:
        own = {
            name: self.values[f"{self.prefix}layers.{k}.{name}_l0{direction}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        width = own["weight_ih"].shape[1]
        cell = KINDS[self.model.cell](width, self.model.hidden_size, dtype=torch.float64)
        cell.load_state_dict(own)
        return cell  # type: ignore[no-any-return]

    def read(self, x: Tensor, start: list[Any] | None = None, both: bool = False) -> tuple[Tensor, list[Any]]:
        """x (T, in); what the last layer says (T, H or 2H), and each layer's last state."""
        ends = []
        for k in range(self.model.layers):
            sides = []
            self.h.append([])
            self.c.append([])
            for d, direction in enumerate(("", "_reverse") if both else ("",)):
                cell = self.cell(k, direction)
                zero = torch.zeros(1, self.model.hidden_size, dtype=torch.float64)
                state: Any = (zero, zero) if self.model.cell == "lstm" else zero
                if start is not None:
                    state = start[k]
                h, c = [], []
                for x_t in x.flip(0) if d else x:
                    state = cell(x_t.unsqueeze(0), state)
                    parts = state if isinstance(state, tuple) else (state,)
                    for part in parts:
                        part.retain_grad()
                    h.append(parts[0])
                    c += parts[1:]
                if not d:
                    ends.append(state)
                turn = -1 if d else 1
                self.h[k].append(h[::turn])
                self.c[k].append(c[::turn])
                sides.append(torch.cat(h[::turn]))
            x = torch.cat(sides, dim=1)
        return x, ends

    def embed(self, read: Any) -> Tensor:
        if self.prefix + "embedding.weight" in self.values:
            return self.values[self.prefix + "embedding.weight"][torch.as_tensor(read)].requires_grad_()
        return torch.as_tensor(np.asarray(read)).double().requires_grad_()

    def readout(self, said: Tensor) -> Tensor:
        return self.values[self.prefix + "output.weight"] @ said + self.values[self.prefix + "output.bias"]


def norms(states: list[Tensor]) -> np.ndarray:
    return np.array([0.0 if state.grad is None else float(state.grad.norm()) for state in states])


def close(found: Any, true: np.ndarray) -> None:
    np.testing.assert_allclose(found, true, rtol=1e-9, atol=1e-300)


def agree(found: GradientFlow, true: Unrolled, until: int | None = None) -> None:
    lstm = true.model.cell == "lstm"
    for k, layer in enumerate(found.layers):
        close(layer.norms, norms(true.h[k][0])[:until])
        assert (layer.cell_norms is not None) == lstm
        if lstm:
            close(layer.cell_norms, norms(true.c[k][0])[:until])
        if true.model.bidirectional:
            close(layer.backward, norms(true.h[k][1]))
            if lstm:
                close(layer.backward_cell, norms(true.c[k][1]))
        else:
            assert layer.backward is None and layer.backward_horizon == 0


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", RECURRENT)
def test_a_label_at_one_timestep(cell: str, layers: int, both: bool) -> None:
    network = made(SYMBOLS, cell=cell, layers=layers, bidirectional=both)
    ids, targets = tokens(14), np.full(14, NOT_ASKED)
    targets[[4, 9]] = [2, 5]
    found = flow(network, ids, NAMES, at=4, targets=targets, answers="every")
    true = Unrolled(network)
    said, _ = true.read(true.embed(ids), both=both)
    loss = nn.functional.cross_entropy(true.readout(said[4]), torch.tensor(2))
    loss.backward()
    assert (found.at, found.target, found.likeliest, found.border) == (4, "c", False, -1)
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    agree(found, true, None if both else 5)
    assert flow(network, ids, NAMES, targets=targets, answers="every").at == 9
    with pytest.raises(ValueError, match="nothing is asked at timestep 5, so there is no loss; 4 asks"):
        flow(network, ids, NAMES, at=5, targets=targets, answers="every")


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", RECURRENT)
def test_one_answer_after_a_whole_sequence_of_numbers(cell: str, both: bool) -> None:
    network = made(NUMBERS, cell=cell, bidirectional=both)
    x = torch.randn(12, 3, generator=seeded(5)).numpy()
    right = np.array([[0.5, -1.25]], np.float32)
    found = flow(network, x, ("sum", "more"), targets=right, answers="last")
    true = Unrolled(network)
    said, _ = true.read(true.embed(x), both=both)
    summary = torch.cat((said[-1, :7], said[0, 7:]))
    loss = (true.readout(summary) - torch.tensor(right[0]).double()).square().mean()
    loss.backward()
    assert (found.at, found.target, found.real) == (11, "0.5, -1.25", True)
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    agree(found, true)
    if both:
        first = found.layers[-1].backward
        assert first is not None and first[0] > 0 and found.layers[-1].backward_horizon >= 1
    with pytest.raises(ValueError, match="not known"):
        flow(network, x, ("a", "b"), targets=np.full((1, 2), np.nan, np.float32), answers="last")


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", RECURRENT)
def test_the_gradient_crosses_from_the_decoder_into_the_encoder(cell: str, layers: int, attention: bool) -> None:
    network = made(Sizes(11, 6, decoder=True), cell=cell, layers=layers, attention=attention)
    source, targets = tokens(9), np.array([4, 5, 4, 2])
    found = flow(network, source, NAMES, at=11, targets=targets, answers="decoder")
    left, right = Unrolled(network, "encoder."), Unrolled(network, "decoder.")
    heard, ends = left.read(left.embed(source))
    # <start> is number 3.
    said, _ = right.read(right.embed([3, 4, 5]), ends)
    read = said[-1]
    if attention:
        a = torch.softmax(heard @ read, 0)
        W, b = right.values["decoder.attention.weight"], right.values["decoder.attention.bias"]
        read = torch.tanh(W @ torch.cat((a @ heard, read)) + b)
    loss = nn.functional.cross_entropy(right.readout(read), torch.tensor(4))
    loss.backward()
    assert (found.at, found.border, found.target) == (11, 9, "e")
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    for k, layer in enumerate(found.layers):
        close(layer.norms, np.concatenate((norms(left.h[k][0]), norms(right.h[k][0]))))
        if cell == "lstm":
            close(layer.cell_norms, np.concatenate((norms(left.c[k][0]), norms(right.c[k][0]))))
        assert layer.spectral_radius is None and (layer.norms[:9] > 0).all()
    with pytest.raises(ValueError, match="choose one from 9 to 12"):
        flow(network, source, NAMES, at=8, targets=targets, answers="decoder")
    assert flow(network, source, NAMES, targets=targets, answers="decoder").at == 12


@pytest.mark.parametrize("cell", RECURRENT)
def test_what_is_gathered_is_the_gradient_of_the_weights(cell: str) -> None:
    network = made(Sizes(11, 6, decoder=True), cell=cell, layers=1)
    source, targets = tokens(40), np.array([4, 5, 2])
    found = flow(network, source, NAMES, targets=targets, answers="decoder").layers[0]
    double = made(Sizes(11, 6, decoder=True), cell=cell, layers=1).double().requires_grad_(True)
    with torch.enable_grad():
        encoded = double.encode(source.unsqueeze(1))
        logits, _, _ = double.decode(encoded, torch.tensor([[3], [4], [5]]))
        nn.functional.cross_entropy(logits[-1, 0], torch.tensor(2)).backward()
    for name, theirs in (("W_ih", "weight_ih_l0"), ("W_hh", "weight_hh_l0"), ("b_ih", "bias_ih_l0")):
        for part, at in (("encoder", 0), ("decoder", 40)):
            true = float(getattr(getattr(double, part).layers[0], theirs).grad.norm())
            assert found.accumulated[name][at] == pytest.approx(true, rel=1e-9)


def test_without_a_right_answer_the_likeliest_is_followed() -> None:
    for both in (False, True):
        network, ids = made(SYMBOLS, bidirectional=both), tokens(10)
        none = np.full(10, NOT_ASKED)
        found = flow(network, ids, NAMES, at=6, targets=none, answers="every")
        best = int(trace(network, ids, targets=none, answers="every").logits[6].argmax())
        assert found.likeliest and found.at == 6 and found.target == NAMES[best]
        last = flow(network, ids, NAMES, targets=none[:1], answers="last")
        assert last.likeliest and last.at == 9
    pair = made(Sizes(11, 6, decoder=True))
    assert flow(pair, tokens(5), NAMES, at=5, targets=np.zeros(0, np.int64), answers="decoder").likeliest


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_both_directions_of_every_cell_go_through(cell: str) -> None:
    network = made(SYMBOLS, cell=cell, bidirectional=True)
    found = flow(network, tokens(20), NAMES, at=8, targets=np.full(20, 1), answers="every")
    assert all(len(layer.norms) == 20 for layer in found.layers) and not found.overflow
    top = found.layers[-1]
    assert top.backward is not None and (top.norms[9:] == 0).all() and (top.backward[:8] == 0).all()
    if cell == "rnn":
        assert top.jacobian is not None and len(top.jacobian) == 20 and (top.jacobian[9:] == 0).all()


def test_what_can_not_be_cut_is_not() -> None:
    both, pair = made(SYMBOLS, bidirectional=True), made(Sizes(11, 6, decoder=True))
    with pytest.raises(ValueError, match="truncation"):
        flow(both, tokens(9), NAMES, truncate=3, targets=np.full(9, 1), answers="every")
    with pytest.raises(ValueError, match="truncation"):
        flow(pair, tokens(9), NAMES, truncate=3, targets=np.full(4, 2), answers="decoder")
    with pytest.raises(ValueError, match="decoder's first is 9"):
        replay(pair, tokens(9), lambda h, heard: h.sum(), at=3, written=np.array([3]))
    one = made(SYMBOLS)
    assert bytes_needed(both, 1000) > bytes_needed(one, 1000)


def test_cells_are_compared_on_any_kind_of_sequence() -> None:
    sizes = Sizes(11, 6, decoder=True)
    model, source, targets = made(sizes).model, tokens(8), np.array([4, 2])
    found = compare_fresh(model, sizes, source, targets=targets, answers="decoder")
    assert [one.cell for one in found] == ["rnn", "gru", "lstm"]
    for one in found:
        alone = flow(fresh(model, sizes, one.cell), source, NAMES, targets=targets, answers="decoder")
        close(one.norms, alone.layers[-1].norms)
        assert one.loss == alone.loss and one.horizon == alone.layers[-1].horizon

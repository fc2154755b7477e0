"""The replay, held against autograd on networks of nn.RNNCell, nn.GRUCell and nn.LSTMCell, unrolled by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_tui.inspection.comparison import compare_fresh, fresh
from rnn_tui.inspection.gradients import cross_entropy, flow, flow_steps
from rnn_tui.inspection.replay import bytes_needed, horizon, replay
from rnn_tui.inspection.spectrum import scaled_to_radius
from rnn_tui.model.network import Network
from rnn_tui.views import GradientFlow
from tests.networks import CELL_NAMES, RECURRENT, build, tokens, weights

SYMBOLS = tuple("abcdefghijk")
KINDS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
NAMES = {"W_ih": "weight_ih", "W_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}


class Unrolled:
    """Cells of torch.nn in float64, a Python loop over time, and autograd's own gradients of every state."""

    def __init__(
        self, network: Network, ids: Tensor, at: int, truncate: int = 0, state: list[tuple[Tensor, ...]] | None = None
    ) -> None:
        model, values = network.model, {name: value.double() for name, value in weights(network).items()}
        kinds: dict[str, Any] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
        extra = {"nonlinearity": model.nonlinearity} if model.cell == "rnn" else {}
        self.cells = []
        for k in range(model.layers):
            width = model.hidden_size if k else model.embedding_size or network.vocabulary
            cell = kinds[model.cell](width, model.hidden_size, dtype=torch.float64, **extra)
            own = {name: values[f"layers.{k}.{name}_l0"] for name in NAMES.values()}
            cell.load_state_dict(own)
            self.cells.append(cell)
        first = max(0, at + 1 - truncate) if truncate else 0
        zeros = torch.zeros(1, model.hidden_size, dtype=torch.float64)
        lstm = model.cell == "lstm"
        carried = [[part.double() for part in layer] for layer in state] if state else [
            [zeros] * (1 + lstm) for _ in self.cells
        ]  # fmt: skip
        self.h: list[list[Tensor]] = [[] for _ in self.cells]
        self.c: list[list[Tensor]] = [[] for _ in self.cells]
        for t in range(at + 1):
            if t == first:
                carried = [[part.detach() for part in layer] for layer in carried]
            one = nn.functional.one_hot(ids[t : t + 1], network.vocabulary).double()
            x = values["embedding.weight"][ids[t : t + 1]] if model.embedding_size else one
            for k, cell in enumerate(self.cells):
                new = cell(x, tuple(carried[k]) if lstm else carried[k][0])
                carried[k] = list(new) if lstm else [new]
                for part in carried[k]:
                    part.retain_grad()
                self.h[k].append(carried[k][0])
                self.c[k] += carried[k][1:]
                x = carried[k][0]
        logits = x @ values["output.weight"].T + values["output.bias"]
        self.loss = nn.functional.cross_entropy(logits, ids[at + 1 : at + 2])
        torch.autograd.backward(self.loss)
        self.loss = self.loss.detach()

    @staticmethod
    def norms(states: list[Tensor]) -> np.ndarray:
        return np.array([0.0 if s.grad is None else float(s.grad.norm()) for s in states])


def close(found: np.ndarray, true: np.ndarray, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(found, true, rtol=rtol, atol=0)


@pytest.fixture(autouse=True)
def as_on_the_answering_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("width", [0, 5])
@pytest.mark.parametrize(("cell", "nonlinearity"), KINDS)
def test_the_ribbon_is_autograds(cell: str, nonlinearity: str, width: int) -> None:
    network = build(cell=cell, nonlinearity=nonlinearity, hidden_size=16, embedding_size=width)
    network.requires_grad_(False)
    ids = tokens(101)
    found = flow(network, ids, SYMBOLS, number=3, step=7)
    true = Unrolled(network, ids, 99)
    assert (found.at, found.cut, found.number, found.step, found.overflow) == (99, 0, 3, 7, False)
    assert found.target == SYMBOLS[ids[100]] and found.cell == cell
    assert found.loss == pytest.approx(float(true.loss), rel=1e-12)
    for k, layer in enumerate(found.layers):
        assert layer.norms.shape == (100,) and layer.norms.dtype == np.float64
        close(layer.norms, true.norms(true.h[k]))
        if cell == "lstm":
            assert layer.cell_norms is not None
            close(layer.cell_norms, true.norms(true.c[k]))
        else:
            assert layer.cell_norms is None
        for name, theirs in NAMES.items():
            whole = float(getattr(true.cells[k], theirs).grad.norm())
            assert layer.accumulated[name][0] == pytest.approx(whole, rel=1e-9)
            assert layer.accumulated[name][-1] == pytest.approx(layer.step_norms[name][-1], rel=1e-9)
        assert not layer.norms.flags.writeable


@pytest.mark.parametrize("truncate", [1, 5, 40])
@pytest.mark.parametrize("cell", RECURRENT)
def test_a_truncated_gradient_is_exactly_zero_beyond(cell: str, truncate: int) -> None:
    network, ids, at = build(cell=cell), tokens(60), 50
    found, true = flow(network, ids, SYMBOLS, at=at, truncate=truncate), Unrolled(network, ids, at, truncate)
    whole = flow(network, ids, SYMBOLS, at=at)
    assert (found.cut, found.truncated) == (at + 1 - truncate, truncate)
    assert found.loss == pytest.approx(whole.loss, rel=1e-12), "the state crosses the border"
    for k, layer in enumerate(found.layers):
        assert len(layer.norms) == at + 1 and not layer.norms[: found.cut].any() and layer.norms[found.cut :].all()
        close(layer.norms[found.cut :], true.norms(true.h[k])[found.cut :])
        close(layer.norms[found.cut :], whole.layers[k].norms[found.cut :])
        if layer.cell_norms is not None:
            assert not layer.cell_norms[: found.cut].any()
            close(layer.cell_norms[found.cut :], true.norms(true.c[k])[found.cut :])
        assert layer.horizon <= truncate - 1
        for name, theirs in NAMES.items():
            gradient = float(getattr(true.cells[k], theirs).grad.norm())
            np.testing.assert_allclose(layer.accumulated[name][: found.cut + 1], gradient, rtol=1e-9)
            assert not layer.step_norms[name][: found.cut].any()


def test_a_truncation_longer_than_the_text_cuts_nothing() -> None:
    network, ids = build(cell="gru"), tokens(20)
    assert flow(network, ids, SYMBOLS, truncate=500).cut == 0


@settings(max_examples=12, deadline=None)
@given(cell=st.sampled_from(RECURRENT), steps=st.integers(2, 75), data=st.data())
def test_every_place_of_the_loss_and_any_first_state(cell: str, steps: int, data: st.DataObject) -> None:
    network, ids = build(cell=cell, hidden_size=4, seed=steps), tokens(steps, seed=steps)
    at = data.draw(st.integers(0, steps - 2))
    draw = torch.Generator().manual_seed(steps)
    state = [tuple(torch.randn(1, 4, generator=draw) for _ in network.cell.states) for _ in network.layers]
    found, true = flow(network, ids, SYMBOLS, at=at, state=state), Unrolled(network, ids, at, state=state)
    for k, layer in enumerate(found.layers):
        close(layer.norms, true.norms(true.h[k]), rtol=1e-8)
        # Each entry is what autograd gives where the text begins there.
        assert layer.accumulated["W_hh"][0] == pytest.approx(float(true.cells[k].weight_hh.grad.norm()), rel=1e-7)


def test_what_is_gathered_at_each_timestep_is_what_a_truncation_there_gives() -> None:
    network, ids, at = build(cell="gru", embedding_size=0), tokens(50), 44
    found = flow(network, ids, SYMBOLS, at=at)
    for reach in (1, 2, 13, 32, 33, 45):
        true = Unrolled(network, ids, at, reach)
        for k, layer in enumerate(found.layers):
            for name, theirs in NAMES.items():
                gradient = float(getattr(true.cells[k], theirs).grad.norm())
                assert layer.accumulated[name][at + 1 - reach] == pytest.approx(gradient, rel=1e-9)


def test_a_learned_first_state_is_read_from() -> None:
    network, ids = build(cell="lstm", initial_state="learned"), tokens(12)
    with torch.no_grad():
        for layer in network.layers:
            layer.h_0.fill_(0.3)
            layer.c_0.fill_(-0.4)
    true = Unrolled(network, ids, 10, state=network.initial(1))
    close(flow(network, ids, SYMBOLS).layers[0].norms, true.norms(true.h[0]))


def test_inputs_may_be_what_layer_0_reads() -> None:
    network, ids = build(cell="lstm"), tokens(9)
    with torch.no_grad():
        x = network.embed(ids)
    loss = cross_entropy(network, 4)
    by_token, by_value = replay(network, ids, loss, at=5), replay(network, x, loss, at=5)
    for one, other in zip(by_token.layers, by_value.layers, strict=True):
        close(one.gradients["h"], other.gradients["h"])
        close(one.accumulated["W_ih"], other.accumulated["W_ih"])


def test_a_cell_without_memory_reaches_back_exactly_nowhere() -> None:
    network, ids = build(cell="feedforward"), tokens(50)
    for layer in flow(network, ids, SYMBOLS).layers:
        assert layer.norms[-1] > 0 and not layer.norms[:-1].any() and layer.horizon == 0
        assert {layer.spectral_radius, layer.jacobian, layer.singular_values, layer.linear} == {None}
        assert set(layer.accumulated) == {"W_ih", "b_ih"}
        np.testing.assert_array_equal(layer.accumulated["W_ih"], layer.accumulated["W_ih"][-1])


def test_a_fresh_tanh_rnn_loses_ten_orders_of_magnitude_over_50_steps() -> None:
    network = build(cell="rnn", layers=1, hidden_size=128, embedding_size=0)
    layer = flow(network, tokens(101), SYMBOLS).layers[0]
    assert layer.norms[49] < 1e-10 * layer.norms[99]
    assert 10 < layer.horizon < 50
    assert layer.norms[0] > 0, "what fades is still a number"


def scaled(radius: float, **choices: Any) -> Network:
    network = build(cell="rnn", layers=1, **choices).requires_grad_(False)
    hidden: Tensor = network.layers[0].weight_hh_l0  # type: ignore[assignment]
    hidden.copy_(scaled_to_radius(hidden, radius))
    return network


@pytest.mark.parametrize("radius", [1.5, 3.0])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_scaled_recurrence_grows_and_overflows_without_a_crash(radius: float, nonlinearity: str) -> None:
    network = scaled(radius, hidden_size=48, nonlinearity=nonlinearity)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short = flow(network, tokens(41), SYMBOLS)
        # A tanh holds the growth down to 1.3 a step.
        far = 301 if radius < 3 else 1001 if nonlinearity == "relu" else 2701
        long = flow(network, tokens(far), SYMBOLS)
    assert not short.overflow and short.layers[0].spectral_radius == pytest.approx(radius, rel=1e-6)
    assert short.layers[0].norms.max() > (1e3 if radius == 3.0 else 10) * short.layers[0].norms[-1]
    assert type(long.layers[0].horizon) is int and long.overflow == (radius == 3.0)
    assert np.isinf(long.layers[0].norms[0]) == (radius == 3.0)
    assert not any(np.isnan(values).any() for values in arrays(long))


def arrays(found: GradientFlow) -> Iterator[np.ndarray]:
    for layer in found.layers:
        yield from (v for v in (layer.norms, layer.cell_norms, layer.jacobian, layer.linear) if v is not None)
        yield from (*layer.accumulated.values(), *layer.step_norms.values())


def test_growth_is_told_up_to_the_last_float64_and_as_inf_beyond() -> None:
    """A linear network of one direction: the ReLU never closes, h grows by nothing, the gradient by 10 a step."""
    network = build(cell="rnn", nonlinearity="relu", layers=1, hidden_size=2, embedding_size=0).requires_grad_(False)
    layer: Any = network.layers[0]
    for value in layer.parameters():
        value.zero_()
    # The two units hand the gradient back tenfold with opposite signs; their states stay equal and cancel.
    layer.weight_hh_l0.copy_(torch.tensor([[5.0, -5.0], [-5.0, 5.0]]))
    layer.bias_ih_l0.fill_(1.0)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.weight[0] = torch.tensor([1.0, -1.0])
    found = flow(network, torch.zeros(402, dtype=torch.int64), SYMBOLS)
    (layer,) = found.layers
    back = np.arange(400, -1, -1)
    with np.errstate(over="ignore"):
        true = layer.norms[-1] * 10.0**back
    np.testing.assert_allclose(layer.norms, true, rtol=1e-9)
    assert np.isinf(layer.norms[0]) and np.isfinite(layer.norms[100]) and found.overflow
    assert layer.horizon == 400
    assert layer.accumulated["b_hh"][399] == pytest.approx(11 * layer.norms[-1])
    assert np.isinf(layer.accumulated["b_hh"][0]) and np.isinf(layer.accumulated["W_hh"][0])
    np.testing.assert_allclose(layer.jacobian, 10.0 ** np.minimum(back, 308) * np.where(back > 308, np.inf, 1))


def test_the_horizon_in_closed_form() -> None:
    """An open ReLU and W_hh = 1/4: the norm is 4^-d, so 1e-6 is crossed between 9 and 10 timesteps back."""
    network = build(cell="rnn", nonlinearity="relu", layers=1, hidden_size=6).requires_grad_(False)
    layer: Any = network.layers[0]
    layer.weight_hh_l0.copy_(torch.eye(6) / 4)
    layer.weight_ih_l0.zero_()
    layer.bias_ih_l0.fill_(1.0)
    layer.bias_hh_l0.zero_()
    (found,) = flow(network, tokens(30), SYMBOLS).layers
    np.testing.assert_allclose(found.norms, found.norms[-1] * 0.25 ** np.arange(28, -1, -1.0), rtol=1e-12)
    assert found.jacobian is not None and found.linear is not None
    assert found.horizon == 9 == math.floor(6 * math.log(10) / math.log(4))
    np.testing.assert_allclose(found.jacobian, found.linear, rtol=1e-9)


@pytest.mark.parametrize(("norms", "far"), [
    ([1.0], 0), ([1e-6, 1.0], 1), ([9e-7, 1.0], 0), ([1.0, 1e-9, 1.0, 1.0], 1), ([0.0, 0.0], 0), ([1.0, 0.0], 0),
    ([1.0, np.inf], 0), ([np.inf, 5.0, 1.0], 2), ([np.nan, 1.0], 0), ([1.0, np.nan], 0),
])  # fmt: skip
def test_the_horizon_counts_from_the_loss_while_it_holds(norms: list[float], far: int) -> None:
    assert horizon(np.array(norms)) == far


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0"])
def test_a_weight_that_is_no_number_is_told(cell: str, name: str) -> None:
    network = build(cell=cell).requires_grad_(False)
    spoilt = dict(network.layers[0].named_parameters())
    if name not in spoilt:
        pytest.skip("it has no memory")
    spoilt[name][0, 0] = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = flow(network, tokens(40), SYMBOLS)
    assert found.overflow and all(layer.horizon == 0 for layer in found.layers)
    assert np.isinf(found.layers[1].norms[-1]) and not any(np.isnan(values).any() for values in arrays(found))


@pytest.mark.parametrize(("count", "at", "word"), [(1, -1, "one symbol"), (0, -1, "one symbol"), (5, 4, "timestep 4"),
                                                   (5, 9, "timestep 9"), (5, -2, "timestep -2")])  # fmt: skip
def test_a_place_without_a_next_symbol_is_refused(count: int, at: int, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        flow(build(), tokens(count), SYMBOLS, at=at)
    with pytest.raises(ValueError, match="timesteps"):
        flow(build(), tokens(5), SYMBOLS, truncate=-1)


def test_between_its_pieces_the_thread_is_as_it_was() -> None:
    network = build(cell="lstm", hidden_size=64)

    def flushes() -> bool:
        return float(torch.full((), 1e-310, dtype=torch.float64) * 1.0) == 0.0

    random = torch.get_rng_state()
    for setting in (True, False):
        torch.set_flush_denormal(setting)
        steps = flow_steps(network, tokens(400), SYMBOLS)
        shares = []
        for share in steps:
            assert flushes() is setting
            shares.append(share)
        assert flushes() is setting
        assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert torch.equal(torch.get_rng_state(), random)


def test_it_can_be_ended_from_within() -> None:
    class Enough(Exception):
        pass

    def working(share: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        flow(build(cell="lstm", hidden_size=128), tokens(1000), SYMBOLS, working=working)


def test_the_network_is_left_as_it_was() -> None:
    network = build(cell="lstm")
    before = {name: value.clone() for name, value in weights(network).items()}
    flow(network, tokens(30), SYMBOLS)
    assert all(torch.equal(value, before[name]) for name, value in weights(network).items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_memory_is_told() -> None:
    network = build(cell="lstm", hidden_size=100, layers=2)
    short, long = bytes_needed(network, 100), bytes_needed(network, 2100)
    assert long - short == 2000 * (2 * 100 * 4 + 2 * 100) * 8
    assert bytes_needed(network, 10_000, truncate=50) < bytes_needed(network, 10_000)


def test_fresh_networks_of_equal_size_are_compared() -> None:
    model, ids = build(cell="gru", hidden_size=12, init="orthogonal").model, tokens(61)
    found = compare_fresh(model, 11, ids, at=40)
    assert [one.cell for one in found] == ["rnn", "gru", "lstm"]
    assert [one.title for one in found] == ["RNN 2x12, fresh", "GRU 2x12, fresh", "LSTM 2x12, fresh"]
    for one in found:
        network = fresh(model, 11, one.cell)
        assert network.model.init == "orthogonal" and network.model.embedding_size == model.embedding_size
        true = Unrolled(network, ids, 40)
        close(one.norms, true.norms(true.h[-1]))
        assert (one.cell_norms is not None) == (one.cell == "lstm") and not one.trained
        assert one.horizon == horizon(one.norms) and one.loss == pytest.approx(float(true.loss))
    again = compare_fresh(model, 11, ids, at=40)
    assert all(np.array_equal(a.norms, b.norms) for a, b in zip(found, again, strict=True))

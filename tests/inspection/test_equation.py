"""The numbers of a unit's equations: that they add up, and what adds most to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rnn_tui.inspection.equation import explain
from rnn_tui.inspection.statements import statements
from rnn_tui.inspection.trace import trace
from rnn_tui.model.cells import CELLS, RELU_RNN
from rnn_tui.model.network import Network
from rnn_tui.views import Equation, Hold, Line
from tests.inspection.loud import loud, one_thread  # noqa: F401
from tests.networks import CELL_NAMES, RECURRENT, build, tokens

SYMBOLS = tuple("ab\ndefghijk")
FUNCTIONS = {"sigmoid": lambda a: 1 / (1 + math.exp(-a)), "tanh": math.tanh, "relu": lambda a: max(0.0, a)}


def adds_up(line: Line) -> None:
    terms = np.stack([values.astype(np.float64) for _, values in line.terms])
    free = np.ones(len(line.value), bool) if line.held is None else ~line.held
    if line.activation:
        np.testing.assert_allclose(terms.sum(axis=0), line.pre_activation, atol=1e-5)
        value = np.array([FUNCTIONS[line.activation](float(a)) for a in line.pre_activation])
        assert line.contributions is not None
    else:
        value = terms.prod(axis=0) if line.product else terms.sum(axis=0)
        assert line.pre_activation.shape == (0,) and line.contributions is None
    np.testing.assert_allclose(line.value[free], value[free], atol=1e-5)


def line_of(found: Equation, name: str) -> Line:
    return next(line for line in found.lines if line.name == name)


@pytest.mark.parametrize("cell", [*CELL_NAMES, "relu"])
@pytest.mark.parametrize("choices", [{"embedding_size": 0}, {"embedding_size": 5}, {"embedding_size": 7, "tied": True}])
@pytest.mark.parametrize("layer", [0, 1])
def test_what_is_shown_adds_up_to_what_the_network_computed(cell: str, choices: dict[str, Any], layer: int) -> None:
    kind = {"cell": "rnn", "nonlinearity": "relu"} if cell == "relu" else {"cell": cell}
    network = loud(build(**kind, **choices, initial_state="learned"), 1.5 if cell == "relu" else 3.0)
    before = {name: value.clone() for name, value in network.named_parameters()}
    ids = tokens(60)
    traced = trace(network, ids)
    for unit in (0, 6):
        found = explain(network, traced, layer, unit, vocabulary=SYMBOLS, number=4)
        assert (found.number, found.layer, found.unit) == (4, layer, unit)
        assert found.error < 1e-5 * max(1.0, float(np.abs(traced.layers[layer]["h"]).max()))
        assert [line.name for line in found.lines] == [text.split("_t")[0] for text in network.cell.equations]
        for line in found.lines:
            adds_up(line)
            np.testing.assert_allclose(line.value, traced.layers[layer][line.name][:, unit], atol=1e-5)
        assert set(found.before) == set(network.cell.states)
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


@pytest.mark.parametrize("cell", RECURRENT)
def test_h_is_that_of_torchs_own_cells(cell: str) -> None:
    network = loud(build(cell=cell, hidden_size=12, embedding_size=0, initial_state="zero"))
    ids = tokens(80)
    found = explain(network, trace(network, ids), 0, 5, vocabulary=SYMBOLS)
    kinds: dict[str, Any] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
    module = kinds[cell](11, 12)
    module.load_state_dict({name[:-3]: value for name, value in network.layers[0].state_dict().items()})
    state, rows = None, []
    with torch.no_grad():
        for x in torch.eye(11)[ids]:
            state = module(x.unsqueeze(0), state)
            rows.append(state if isinstance(state, tuple) else (state,))
    for at, name in enumerate(network.cell.states):
        expected = [float(row[at][0, 5]) for row in rows]
        np.testing.assert_allclose(line_of(found, name).value, expected, atol=1e-5)


def test_equations_are_those_of_the_books() -> None:
    found = {cell.name: [part.text for part in statements(cell)] for cell in CELLS.values()}
    assert found["gru"] == [
        "r = sigmoid(W_ir x + b_ir + W_hr h_{t-1} + b_hr)",
        "z = sigmoid(W_iz x + b_iz + W_hz h_{t-1} + b_hz)",
        "n = tanh(W_in x + b_in + r * (W_hn h_{t-1} + b_hn))",
        "h = (1 - z) * n + z * h_{t-1}",
    ]
    n = statements(CELLS["gru"])[2]
    assert n.terms == (("W_in x",), ("b_in",), ("r", "W_hn h_{t-1}"), ("r", "b_hn"))
    assert [part.activation for part in statements(CELLS["lstm"])] == ["sigmoid", "sigmoid", "tanh", "sigmoid", "", ""]
    assert statements(CELLS["lstm"])[5].terms == (("o", "tanh(c)"),)
    assert statements(RELU_RNN)[0].activation == "relu"


def brute(network: Network, ids: Any, layers: Any, layer: int, gate: int, unit: int, t: int) -> dict[str, float]:
    """Every product in one gate's pre-activation at one timestep, by name."""
    hidden = network.model.hidden_size
    row = unit + hidden * gate
    weights = {name: value.detach().double() for name, value in network.layers[layer].named_parameters()}
    past = layers[layer]["h"][t - 1] if t else np.zeros(hidden)
    r = layers[layer]["r"][t, unit] if network.model.cell == "gru" and gate == 2 else 1.0
    found = {}
    if "weight_hh_l0" in weights:
        found = {f"h {j}": float(weights["weight_hh_l0"][row, j]) * past[j] * r for j in range(hidden)}
    if layer:
        below = layers[layer - 1]["h"][t]
        found |= {f"layer {layer - 1} h {j}": float(weights["weight_ih_l0"][row, j]) * below[j] for j in range(hidden)}
    else:
        symbol = {"\n": "⏎"}.get(SYMBOLS[ids[t]], SYMBOLS[ids[t]])
        x = network.embed(ids[t]).detach().double()
        name = f"'{symbol}'" if network.embedding is None else f"symbol '{symbol}'"
        found[name] = float(weights["weight_ih_l0"][row] @ x)
    return found


@settings(max_examples=20)
@given(
    cell=st.sampled_from(CELL_NAMES), width=st.sampled_from((0, 5)), layer=st.integers(0, 1),
    hidden=st.sampled_from((1, 3, 9)), unit=st.integers(0, 8), length=st.integers(1, 12),
)  # fmt: skip
def test_contributions_are_the_largest_products(
    cell: str, width: int, layer: int, hidden: int, unit: int, length: int
) -> None:
    network, unit = (
        loud(build(cell=cell, embedding_size=width, hidden_size=hidden, initial_state="zero")),
        unit % hidden,
    )
    ids = tokens(length)
    traced = trace(network, ids)
    found = explain(network, traced, layer, unit, vocabulary=SYMBOLS)
    for line in found.lines:
        gate = network.cell.gates.index(line.name) if line.name in network.cell.gates else 0
        parts = line.contributions
        assert (parts is None) == (line.activation == "")
        for t in range(length) if parts is not None else ():
            products = brute(network, ids, traced.layers, layer, gate, unit, t)
            expected = sorted((abs(value) for value in products.values()), reverse=True)[:5]
            np.testing.assert_allclose(np.abs(parts.value[t]), expected, atol=1e-5)
            names = [found.sources[k] for k in parts.source[t]]
            assert len(set(names)) == len(names)
            for name, value, weight, given_in in zip(
                names, parts.value[t], parts.weight[t], parts.input[t], strict=True
            ):  # fmt: skip
                assert value == pytest.approx(products[name], abs=1e-5)
                scaled = line.name == "n" and not name.startswith(("layer", "symbol", "'"))
                r = traced.layers[layer]["r"][t, unit] if scaled else 1.0
                assert weight * given_in * r == pytest.approx(products[name], abs=1e-5)


def test_a_long_text_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network, ids = build(cell="gru"), tokens(50)
    traced = trace(network, ids)
    whole = explain(network, traced, 1, 3, vocabulary=SYMBOLS)
    monkeypatch.setattr("rnn_tui.inspection.equation.PIECE", 50)
    shares: list[float] = []
    found = explain(network, traced, 1, 3, vocabulary=SYMBOLS, working=shares.append)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0) and len(shares) > 20
    for a, b in zip(whole.lines, found.lines, strict=True):
        np.testing.assert_allclose(a.value, b.value, atol=1e-7)
        if a.contributions is not None and b.contributions is not None:
            np.testing.assert_allclose(a.contributions.value, b.contributions.value, atol=1e-6)


@pytest.mark.parametrize("cell", RECURRENT)
@pytest.mark.parametrize("width", [0, 2])
def test_three_units_by_hand(cell: str, width: int) -> None:
    """From what the view hands out, and nothing else, the pre-activations come out."""
    network = loud(build(cell=cell, hidden_size=3, embedding_size=width, layers=2))
    traced = trace(network, tokens(12))
    for layer in (0, 1):
        found = explain(network, traced, layer, 2, vocabulary=SYMBOLS)
        w, given_in = found.weights, found.inputs
        assert ("x" in given_in) == ("W_ih" in w) == bool(layer or width)
        past = given_in["h"] @ w["W_hh"].T + w["b_hh"]
        for line in found.lines:
            if not line.activation:
                continue
            gate = network.cell.gates.index(line.name) if network.cell.gates else 0
            drive = given_in["x"] @ w["W_ih"][gate] if "x" in given_in else line.terms[0][1]
            scale = line_of(found, "r").value if line.name == "n" else 1.0
            expected = drive + w["b_ih"][gate] + scale * past[:, gate]
            np.testing.assert_allclose(line.pre_activation, expected, atol=1e-5)
    wide = explain(build(cell=cell, hidden_size=9), trace(build(cell=cell, hidden_size=9), tokens(3)), 0, 0,
                   vocabulary=SYMBOLS)  # fmt: skip
    assert wide.inputs == {} and wide.weights == {}


def test_a_given_start_and_one_symbol() -> None:
    network, ids = loud(build(double=True)), tokens(30)
    with torch.no_grad():
        _, state = network(ids[:20].unsqueeze(1))
    found = explain(network, trace(network, ids[20:], state), 1, 2, vocabulary=SYMBOLS, state=state)
    whole = explain(network, trace(network, ids), 1, 2, vocabulary=SYMBOLS)
    for name in ("h", "c"):
        np.testing.assert_allclose(line_of(found, name).value, line_of(whole, name).value[20:], atol=1e-6)
        np.testing.assert_allclose(found.before[name], whole.before[name][20:], atol=1e-6)
    assert explain(network, trace(network, ids[:1]), 0, 0, vocabulary=SYMBOLS).error < 1e-5


def test_held_values_are_shown_where_they_are_held() -> None:
    network, ids = loud(build()), tokens(20)
    holds = (Hold(1, "f", -1, 0.25, 3, 5), Hold(1, "c", 2, -0.5, 8, 8), Hold(1, "h", 2, 0.75, 12), Hold(0, "h", 1, 0.0))
    found = explain(network, trace(network, ids, holds=holds), 1, 2, vocabulary=SYMBOLS, holds=holds)
    assert found.error < 1e-5
    for line in found.lines:
        adds_up(line)
    held = {line.name: None if line.held is None else np.flatnonzero(line.held).tolist() for line in found.lines}
    assert held == {"i": None, "f": [3, 4, 5], "g": None, "o": None, "c": [8], "h": list(range(12, 20))}
    assert line_of(found, "c").value[8] == -0.5 and line_of(found, "h").value[12:].tolist() == [0.75] * 8
    h, o, c = (line_of(found, name).value for name in "hoc")
    assert h[8] == pytest.approx(o[8] * math.tanh(-0.5), abs=1e-6)
    assert found.before["c"][9] == -0.5 and found.before["h"][13] == 0.75
    assert c[4] == pytest.approx(0.25 * c[3] + line_of(found, "i").value[4] * line_of(found, "g").value[4], abs=1e-6)


def test_what_is_not_there_is_refused_and_arrays_are_read_only() -> None:
    network = build()
    traced = trace(network, tokens(5))
    with pytest.raises(ValueError, match="no layer 2"):
        explain(network, traced, 2, 0, vocabulary=SYMBOLS)
    with pytest.raises(ValueError, match="no unit 7"):
        explain(network, traced, 0, 7, vocabulary=SYMBOLS)
    found = explain(network, traced, 0, 1, vocabulary=SYMBOLS)
    parts = found.lines[0].contributions
    assert parts is not None
    for array in (found.lines[0].value, found.lines[0].pre_activation, parts.value, found.weights["W_ih"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0

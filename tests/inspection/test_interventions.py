"""Held values against loops in plain torch that overwrite the same numbers by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rnn_tui.generation import Writer
from rnn_tui.inspection.equation import explain
from rnn_tui.inspection.interventions import intervene
from rnn_tui.inspection.trace import state_at, trace
from rnn_tui.model.holding import Holding, held_steps
from rnn_tui.model.network import Network
from rnn_tui.views import Hold
from tests.inspection.loud import loud, one_thread  # noqa: F401
from tests.networks import CELL_NAMES, RECURRENT, build, tokens


def difference(network: Network, ids: Any, holds: tuple[Hold, ...]) -> float:
    free, held = trace(network, ids), trace(network, ids, holds=holds)
    pairs = [(free.logits, held.logits)]
    pairs += [(a[name], b[name]) for a, b in zip(free.layers, held.layers, strict=True) for name in a]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_holding_at_its_own_value_changes_nothing(cell: str) -> None:
    network, ids = build(cell=cell, hidden_size=4), tokens(12)
    free = trace(network, ids)
    for layer, name in itertools.product(range(2), (*network.cell.gates, *network.cell.states)):
        for unit in range(4):
            value = float(free.layers[layer][name][5, unit])
            found = trace(network, ids, holds=(Hold(layer, name, unit, value, 5, 5),))
            assert np.abs(found.logits - free.logits).max() <= 1e-6
            assert np.abs(found.layers[1]["h"] - free.layers[1]["h"]).max() <= 1e-6


def test_every_value_of_a_text_held_at_its_own_changes_nothing() -> None:
    network, ids = loud(build(hidden_size=3)), tokens(6)
    free = trace(network, ids)
    for name in "ifgoch":
        holds = tuple(
            Hold(k, name, unit, float(free.layers[k][name][t, unit]), t, t)
            for k in range(2) for unit in range(3) for t in range(6)
        )  # fmt: skip
        assert difference(network, ids, holds) <= 1e-5
        assert np.abs(trace(network, ids, holds=holds).logits - free.logits).max() <= 1e-5


@pytest.mark.parametrize("cell", RECURRENT)
@torch.no_grad()
def test_a_held_h_is_torchs_own_cell_with_the_number_overwritten(cell: str) -> None:
    network, ids = build(cell=cell, embedding_size=0, double=True), tokens(30)
    holds = (Hold(0, "h", 3, 0.5, 4, 9), Hold(0, "h", 1, -0.25, 20), Hold(1, "h", -1, 0.0, 15, 15))
    found = trace(network, ids, holds=holds)
    kinds: dict[str, Any] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
    x, width = torch.eye(11).double()[ids], 11
    for k, layer in enumerate(network.layers):
        module = kinds[cell](width, 7, dtype=torch.float64)
        module.load_state_dict({name[:-3]: v for name, v in layer.state_dict().items() if name.endswith("_l0")})
        state, rows = None, []
        for t, x_t in enumerate(x):
            state = module(x_t.unsqueeze(0), state)
            h = (state[0] if cell == "lstm" else state).clone()
            if k == 0 and 4 <= t <= 9:
                h[0, 3] = 0.5
            if k == 0 and t >= 20:
                h[0, 1] = -0.25
            if k == 1 and t == 15:
                h[:] = 0.0
            state = (h, state[1]) if cell == "lstm" else h
            rows.append(h[0])
        x, width = torch.stack(rows), 7
        np.testing.assert_allclose(found.layers[k]["h"], x, atol=1e-12)
    np.testing.assert_allclose(found.logits, network.output(x), atol=1e-12)


@torch.no_grad()
def test_held_gates_and_c_of_an_lstm_are_the_equations_with_them_overwritten() -> None:
    network, ids = build(layers=1, double=True), tokens(25)
    holds = (Hold(0, "f", -1, 1.0, 3, 8), Hold(0, "i", 2, 0.0), Hold(0, "c", 5, 1.5, 10, 12), Hold(0, "o", 4, 0.5, 7))
    found = trace(network, ids, holds=holds).layers[0]
    W_ih, W_hh, b_ih, b_hh = (value for _, value in network.layers[0].named_parameters())
    assert network.embedding is not None
    h = c = torch.zeros(7).double()
    for t, x in enumerate(network.embedding.weight[ids]):
        i, f, g, o = (W_ih @ x + b_ih + W_hh @ h + b_hh).reshape(4, 7)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        i[2] = 0.0
        if 3 <= t <= 8:
            f[:] = 1.0
        if t >= 7:
            o[4] = 0.5
        c = f * c + i * g
        if 10 <= t <= 12:
            c[5] = 1.5
        h = o * c.tanh()
        for name, value in {"i": i, "f": f, "g": g, "o": o, "c": c, "h": h}.items():
            np.testing.assert_allclose(found[name][t], value, atol=1e-12)


@torch.no_grad()
def test_held_gates_of_a_gru_are_the_equations_with_them_overwritten() -> None:
    network, ids = build(cell="gru", layers=1, double=True), tokens(25)
    found = trace(network, ids, holds=(Hold(0, "z", 1, 1.0), Hold(0, "r", -1, 0.0, 5, 6), Hold(0, "n", 3, 0.9, 11, 11)))
    W_ih, W_hh, b_ih, b_hh = (value for _, value in network.layers[0].named_parameters())
    assert network.embedding is not None
    h = torch.zeros(7).double()
    for t, x in enumerate(network.embedding.weight[ids]):
        a, u = (W_ih @ x + b_ih).reshape(3, 7), (W_hh @ h + b_hh).reshape(3, 7)
        r, z = (a[0] + u[0]).sigmoid(), (a[1] + u[1]).sigmoid()
        z[1] = 1.0
        if t in (5, 6):
            r[:] = 0.0
        n = (a[2] + r * u[2]).tanh()
        if t == 11:
            n[3] = 0.9
        h = (1 - z) * n + z * h
        for name, value in {"r": r, "z": z, "n": n, "h": h}.items():
            np.testing.assert_allclose(found.layers[0][name][t], value, atol=1e-12)


@pytest.mark.parametrize("cell", RECURRENT)
def test_holding_the_largest_contribution_changes_the_distribution(cell: str) -> None:
    network, ids = loud(build(cell=cell, hidden_size=16)), tokens(40)
    before = {name: value.clone() for name, value in network.named_parameters()}
    untouched = torch.get_rng_state()
    free = trace(network, ids)
    gate = network.cell.gates[0] if network.cell.gates else "h"
    found = explain(network, free, 1, int(np.abs(free.layers[1]["h"][20]).argmax()), vocabulary="abcdefghijk")
    parts = next(line for line in found.lines if line.name == gate).contributions
    assert parts is not None
    name = next(found.sources[k] for k in parts.source[20] if not found.sources[k].startswith("layer"))
    unit = int(name.removeprefix("h "))
    value = -float(np.sign(free.layers[1]["h"][19, unit]))
    seen = intervene(network, ids, (Hold(1, "h", unit, value, 19, 19),), at=20)
    assert np.abs(seen.p_after - seen.p_before).max() > 1e-3 and seen.kl > 1e-6
    assert seen.p_before.sum() == pytest.approx(1) and seen.p_after.sum() == pytest.approx(1)
    assert seen.kl == pytest.approx(float((seen.p_before * np.log(seen.p_before / seen.p_after)).sum()), rel=1e-6)
    assert seen.change == seen.loss_after - seen.loss_before != 0
    assert seen.loss_before == pytest.approx(float(np.nanmean(free.loss)), rel=1e-6)
    np.testing.assert_array_equal(seen.before.logits, free.logits)
    np.testing.assert_allclose(seen.after.logits[:19], free.logits[:19], atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    assert torch.equal(torch.get_rng_state(), untouched)


@settings(max_examples=20)
@given(
    cell=st.sampled_from(CELL_NAMES), width=st.sampled_from((0, 5)), cut=st.integers(1, 19), seed=st.integers(0, 9),
    holds=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(-1, 6), st.sampled_from((-1.0, 0.0, 0.5)),
                  st.integers(0, 19), st.integers(-1, 8)),
        max_size=4,
    ),
)  # fmt: skip
def test_a_writer_with_holds_is_a_trace_with_holds(cell: str, width: int, cut: int, seed: int, holds: Any) -> None:
    network = build(cell=cell, embedding_size=width, double=True, initial_state="learned")
    names = (*network.cell.gates, *network.cell.states)
    chosen = tuple(
        Hold(layer, names[name % len(names)], unit, value, first, last if last < 0 else first + last)
        for layer, name, unit, value, first, last in holds
    )
    ids = tokens(cut, seed=seed)
    drawn = list(itertools.islice(Writer(network, ids.numpy(), holds=chosen, seed=seed), 12))
    text = np.append(ids.numpy(), [d.token for d in drawn])
    found = trace(network, text, holds=chosen)
    p = torch.as_tensor(found.logits).softmax(-1)
    for t, d in enumerate(drawn):
        assert d.probability == pytest.approx(float(p[cut - 1 + t, d.token]), rel=1e-9)
    state = state_at(found, network, cut - 1)
    again = Writer(network, None, state=state, holds=chosen, first=cut, seed=seed)
    assert [d.token for d in itertools.islice(again, 12)] == [d.token for d in drawn]


@pytest.mark.parametrize(("hold", "said"), [
    (Hold(2, "h", 0, 0.0), "no layer 2"), (Hold(-1, "h", 0, 0.0), "no layer -1"), (Hold(0, "r", 0, 0.0), "no r"),
    (Hold(0, "h", 7, 0.0), "no unit 7"), (Hold(0, "h", -2, 0.0), "no unit -2"), (Hold(0, "h", 0, math.nan), "nan"),
    (Hold(0, "h", 0, math.inf), "inf"), (Hold(0, "h", 0, 1e39), "finite"),
    (Hold(0, "h", 0, 0.0, -1), "from timestep -1"), (Hold(0, "h", 0, 0.0, 5, 4), "from timestep 5 to 4"),
])  # fmt: skip
def test_what_the_network_has_not_is_refused(hold: Hold, said: str) -> None:
    for refuse in (lambda: trace(build(), tokens(3), holds=(hold,)), lambda: Writer(build(), [1], holds=(hold,))):
        with pytest.raises(ValueError, match=said) as error:
            refuse()
        assert "\n" not in str(error.value)


def test_a_timestep_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no timestep 3"):
        intervene(build(), tokens(3), (Hold(0, "h", 0, 0.0),), at=3)
    with pytest.raises(ValueError, match="empty"):
        intervene(build(), tokens(0), ())
    seen = intervene(build(), tokens(1), (Hold(0, "h", 0, 0.0),))
    assert seen.at == 0 and math.isnan(seen.change) and seen.kl >= 0


def test_when_a_value_is_held() -> None:
    holds = (Hold(0, "h", 2, 0.0, 3, 4), Hold(0, "h", -1, 0.0, 8), Hold(0, "c", 2, 0.0), Hold(1, "h", 2, 0.0))
    assert np.flatnonzero(held_steps(holds, 0, "h", 2, 10)).tolist() == [3, 4, 8, 9]
    assert np.flatnonzero(held_steps(holds, 0, "h", 1, 10)).tolist() == [8, 9]
    model = build().model
    assert not Holding(model) and Holding(model, holds)
    assert Holding(model, holds[:2]).span(0, 10) == (3, 10) and Holding(model, holds[:1]).span(0, 10) == (3, 5)
    assert Holding(model, holds[:1]).span(0, 3) == (3, 3) and Holding(model, holds[:3]).span(1, 10) == (10, 10)


def test_of_two_holds_the_later_one_counts_and_dropout_and_autocast_do_not_reach_it() -> None:
    ids = tokens(10)
    one = (Hold(0, "h", -1, 0.5), Hold(0, "h", 2, -0.5))
    found = trace(build(), ids, holds=one)
    assert (found.layers[0]["h"][:, 2] == -0.5).all() and (found.layers[0]["h"][:, 3] == 0.5).all()
    with torch.autocast("cpu", torch.bfloat16):
        again = trace(build(dropout=0.5, recurrent_dropout=0.5), ids, holds=one)
    np.testing.assert_array_equal(again.logits, found.logits)

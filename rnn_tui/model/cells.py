"""The recurrent cells, each stated once: gates, equations, and the fused module that trains.

Everything else derives from the entries of `CELLS`: shapes, the network, the trace, the
writer. Notation, for one layer at timestep t:

    x_t                       what the layer reads            (..., in)
    h_{t-1}, c_{t-1}          the state it carries            (..., H)
    a_t = W_ih x_t + b_ih     the drive from the input        (..., G H)
    u_t = W_hh h_{t-1} + b_hh the drive from the past         (..., G H)

with the G gates' rows stacked in the order in which torch.nn fuses them. The equations
broadcast over the leading dimensions: a single step (B), or all timesteps at once (T, B)
where h_{t-1} is known. This module needs torch only when a cell is built or run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rnn_tui.config import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    Values = dict[str, Tensor]
    Previous = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """One layer's weights: W_ih (G H, in), W_hh (G H, H), b_ih and b_hh (G H).

    A cell without memory has neither W_hh nor b_hh.
    """

    W_ih: Tensor
    b_ih: Tensor
    W_hh: Tensor | None = None
    b_hh: Tensor | None = None


class Gates(Protocol):
    """From the two drives (..., G H) to the gates, each (..., H).

    `replace(name, gate)` gives what stands in place of a gate that another gate depends on,
    before that one is computed: without it a value held there would come too late.
    """

    def __call__(
        self, a: Tensor, u: Tensor | None, replace: Callable[[str, Tensor], Tensor] | None = None
    ) -> Values: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of recurrent cell.

    `gates` are in the order of the fused rows; `states` are what it carries, h first.
    `drive_to_gates(a, u)` gives the gates (and whatever else follows from x_t and h_{t-1}
    alone), `gates_to_states(gates, previous)` the new states. `fused(inputs, hidden,
    device)` builds the one-layer module that trains, with torch.nn's parameter names.
    """

    name: str
    title: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    equations: tuple[str, ...]
    paper: str
    drive_to_gates: Gates
    gates_to_states: Callable[[Mapping[str, Tensor], Previous], Values]
    fused: Callable[[int, int, str], nn.Module]
    recurrent: bool = True
    memory: tuple[str, str, str] | None = None
    """Of a cell with c: the gates that keep it, let in, and bring what is let in: c_t = keep c_{t-1} + let_in new."""

    @property
    def rows(self) -> int:
        """G: how many H rows stand above one another in W_ih and W_hh."""
        return max(1, len(self.gates))

    def drive(self, x: Tensor, weights: Weights) -> Tensor:
        """a = W_ih x + b_ih: (..., in) to (..., G H)."""
        return x @ weights.W_ih.T + weights.b_ih

    def past(self, h: Tensor, weights: Weights) -> Tensor | None:
        """u = W_hh h + b_hh: (..., H) to (..., G H); None for a cell without memory."""
        if weights.W_hh is None or weights.b_hh is None:
            return None
        return h @ weights.W_hh.T + weights.b_hh

    def rebuild(self, x: Tensor, h: Tensor, weights: Weights) -> Values:
        """The gates from x_t (..., in) and h_{t-1} (..., H), each (..., H).

        One step, or every timestep of a sequence at once.
        """
        return self.drive_to_gates(self.drive(x, weights), self.past(h, weights))

    def step(self, x: Tensor, previous: Previous, weights: Weights) -> Values:
        """One timestep: every gate and the new states by name, each (..., H).

        `previous` are the states before it, in the order of `states`.
        """
        gates = self.rebuild(x, previous[0], weights)
        return {**gates, **self.gates_to_states(gates, previous)}


def _sum(a: Tensor, u: Tensor | None) -> Tensor:
    return a if u is None else a + u


def _net_input(a: Tensor, u: Tensor | None, replace: Callable[[str, Tensor], Tensor] | None = None) -> Values:
    return {"a": _sum(a, u)}


def _tanh_state(gates: Mapping[str, Tensor], previous: Previous) -> Values:
    """Elman 1990: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""
    return {"h": gates["a"].tanh()}


def _relu_state(gates: Mapping[str, Tensor], previous: Previous) -> Values:
    """Le, Jaitly and Hinton 2015: h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""
    return {"h": gates["a"].relu()}


def _lstm_gates(a: Tensor, u: Tensor | None, replace: Callable[[str, Tensor], Tensor] | None = None) -> Values:
    """Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000, no peepholes."""
    i, f, g, o = _sum(a, u).chunk(4, dim=-1)
    return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}


def _lstm_states(gates: Mapping[str, Tensor], previous: Previous) -> Values:
    _, c = previous
    c = gates["f"] * c + gates["i"] * gates["g"]
    return {"c": c, "h": gates["o"] * c.tanh()}


def _gru_gates(a: Tensor, u: Tensor | None, replace: Callable[[str, Tensor], Tensor] | None = None) -> Values:
    """Cho et al. 2014, in the variant that torch and cuDNN compute: r scales W_hn h + b_hn.

    The paper has r scale h before the matrix; with r after it, one product serves all gates.
    """
    assert u is not None, "a GRU has a W_hh"
    a_r, a_z, a_n = a.chunk(3, dim=-1)
    u_r, u_z, u_n = u.chunk(3, dim=-1)
    r = (a_r + u_r).sigmoid()
    if replace is not None:
        r = replace("r", r)
    z = (a_z + u_z).sigmoid()
    return {"r": r, "z": z, "n": (a_n + r * u_n).tanh()}


def _gru_states(gates: Mapping[str, Tensor], previous: Previous) -> Values:
    z = gates["z"]
    return {"h": (1 - z) * gates["n"] + z * previous[0]}


def _fused_rnn(inputs: int, hidden: int, device: str) -> nn.Module:
    from torch import nn

    return nn.RNN(inputs, hidden, device=device)


def _fused_relu(inputs: int, hidden: int, device: str) -> nn.Module:
    from torch import nn

    return nn.RNN(inputs, hidden, nonlinearity="relu", device=device)


def _fused_gru(inputs: int, hidden: int, device: str) -> nn.Module:
    from torch import nn

    return nn.GRU(inputs, hidden, device=device)


def _fused_lstm(inputs: int, hidden: int, device: str) -> nn.Module:
    from torch import nn

    return nn.LSTM(inputs, hidden, device=device)


def _fused_feedforward(inputs: int, hidden: int, device: str) -> nn.Module:
    from rnn_tui.model.feedforward import Feedforward

    return Feedforward(inputs, hidden, device=device)


CELLS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        Cell(
            name="rnn",
            title="RNN",
            gates=(),
            states=("h",),
            equations=("h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",),
            paper="Elman 1990",
            drive_to_gates=_net_input,
            gates_to_states=_tanh_state,
            fused=_fused_rnn,
        ),
        Cell(
            name="gru",
            title="GRU",
            gates=("r", "z", "n"),
            states=("h",),
            equations=(
                "r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)",
                "z_t = sigmoid(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)",
                "n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))",
                "h_t = (1 - z_t) * n_t + z_t * h_{t-1}",
            ),
            paper="Cho et al. 2014",
            drive_to_gates=_gru_gates,
            gates_to_states=_gru_states,
            fused=_fused_gru,
        ),
        Cell(
            name="lstm",
            title="LSTM",
            gates=("i", "f", "g", "o"),
            states=("h", "c"),
            equations=(
                "i_t = sigmoid(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)",
                "f_t = sigmoid(W_if x_t + b_if + W_hf h_{t-1} + b_hf)",
                "g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)",
                "o_t = sigmoid(W_io x_t + b_io + W_ho h_{t-1} + b_ho)",
                "c_t = f_t * c_{t-1} + i_t * g_t",
                "h_t = o_t * tanh(c_t)",
            ),
            paper="Hochreiter and Schmidhuber 1997; forget gate Gers et al. 2000",
            drive_to_gates=_lstm_gates,
            gates_to_states=_lstm_states,
            fused=_fused_lstm,
            memory=("f", "i", "g"),
        ),
        Cell(
            name="feedforward",
            title="feedforward",
            gates=(),
            states=("h",),
            equations=("h_t = tanh(W_ih x_t + b_ih)",),
            paper="",
            drive_to_gates=_net_input,
            gates_to_states=_tanh_state,
            fused=_fused_feedforward,
            recurrent=False,
        ),
    )
}

RELU_RNN = Cell(
    name="rnn",
    title="RNN",
    gates=(),
    states=("h",),
    equations=("h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",),
    paper="Le, Jaitly and Hinton 2015",
    drive_to_gates=_net_input,
    gates_to_states=_relu_state,
    fused=_fused_relu,
)


def cell_of(model: ModelConfig) -> Cell:
    """The cell that a configuration names; the plain RNN with the nonlinearity it asks for."""
    if model.cell == "rnn" and model.nonlinearity == "relu":
        return RELU_RNN
    return CELLS[model.cell]

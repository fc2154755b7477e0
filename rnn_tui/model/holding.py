"""Values held in the recurrence, whatever the equations say: an intervention, one timestep at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import Weights, cell_of
from rnn_tui.views import Hold

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from rnn_tui.model.cells import Previous, Values

LARGEST = float(np.finfo(np.float32).max)


def check(model: ModelConfig, holds: Sequence[Hold]) -> None:
    """Raises ValueError, in one sentence, for a hold of what the network has not, or of no finite value."""
    cell = cell_of(model)
    names = (*cell.gates, *cell.states)
    for hold in holds:
        if not 0 <= hold.layer < model.layers:
            raise ValueError(f"there is no layer {hold.layer} to hold: the network has {model.layers}, counted from 0")
        if hold.name not in names:
            raise ValueError(f"there is no {hold.name} to hold: this {cell.title} has {', '.join(names)}")
        if not -1 <= hold.unit < model.hidden_size:
            raise ValueError(
                f"there is no unit {hold.unit} to hold: layer {hold.layer} has {model.hidden_size}, counted from 0"
            )
        if not (math.isfinite(hold.value) and abs(hold.value) <= LARGEST):
            raise ValueError(f"{hold.value} can't be held: give a finite number")
        if hold.first < 0 or (hold.last != -1 and hold.last < hold.first):
            raise ValueError(
                f"nothing can be held from timestep {hold.first} to {hold.last}: timesteps count from 0, first to last"
            )


def in_force(hold: Hold, t: int) -> bool:
    """Whether it is held at timestep t."""
    return hold.first <= t and (hold.last < 0 or t <= hold.last)


def held_steps(holds: Sequence[Hold], layer: int, name: str, unit: int, timesteps: int) -> NDArray[np.bool_]:
    """(T) where that value of that unit is held."""
    found = np.zeros(timesteps, bool)
    for hold in holds:
        if hold.layer == layer and hold.name == name and hold.unit in (-1, unit):
            found[hold.first : timesteps if hold.last < 0 else hold.last + 1] = True
    return found


class Holding:
    """The cell's equations with values held in force.

    A held gate stands in place of the gate wherever the equations name it. A held c is
    what the cell's own equation gives with its old content shut out and the value let in,
    and h follows from it. A held h replaces what the step gave: the layer above reads it,
    and it recurs. Where two holds name the same value, the later one counts.

    Raises ValueError as `check` does.
    """

    def __init__(self, model: ModelConfig, holds: Sequence[Hold] = ()) -> None:
        check(model, holds)
        self._cell = cell_of(model)
        self._layers = [tuple(hold for hold in holds if hold.layer == k) for k in range(model.layers)]

    def __bool__(self) -> bool:
        return any(self._layers)

    def span(self, layer: int, timesteps: int) -> tuple[int, int]:
        """The first timestep of so many at which anything is held in that layer, and the one after the last.

        Both are `timesteps` where nothing is.
        """
        found = [hold for hold in self._layers[layer] if hold.first < timesteps]
        if not found:
            return timesteps, timesteps
        last = max(timesteps if hold.last < 0 else hold.last + 1 for hold in found)
        return min(hold.first for hold in found), min(last, timesteps)

    def step(self, layer: int, t: int, drive: Tensor, previous: Previous, weights: Weights) -> tuple[Values, Values]:
        """Gates and new states of timestep t, each (..., H).

        `drive` (..., G H) is W_ih x_t + b_ih, `previous` the states before t.
        """
        cell = self._cell
        past = cell.past(previous[0], weights)
        now = [hold for hold in self._layers[layer] if in_force(hold, t)]
        if not now:
            gates = cell.drive_to_gates(drive, past)
            return gates, cell.gates_to_states(gates, previous)

        def replace(name: str, gate: Tensor) -> Tensor:
            for hold in now:
                if hold.name == name:
                    gate = _with(gate, hold, hold.value)
            return gate

        found = cell.drive_to_gates(drive, past, replace)
        gates = {name: replace(name, gate) for name, gate in found.items()}
        used = dict(gates)
        if cell.memory is not None:
            keep, let_in, new = cell.memory
            for hold in now:
                if hold.name == "c":
                    for name, value in ((keep, 0.0), (let_in, 1.0), (new, hold.value)):
                        used[name] = _with(used[name], hold, value)
        states = cell.gates_to_states(used, previous)
        return gates, states | {"h": replace("h", states["h"])}


def _with(values: Tensor, hold: Hold, value: float) -> Tensor:
    values = values.clone()
    values[..., slice(None) if hold.unit < 0 else hold.unit] = value
    return values

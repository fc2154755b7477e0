"""One layer in one direction, in float64: forward once, keeping its states, then the gradient walked back (BPTT).

At each timestep autograd differentiates the cell's own equations between its drives a_t,
u_t and its states; the matrix products in between are linear, and are applied as they stand.
So nothing longer than one timestep is ever a graph, memory grows with the states alone, and
the walk can be left at any timestep.

The weights' gradients follow from the drives': dL/dW_hh is the sum over t of
dL/du_t h_{t-1}^T, dL/dW_ih that of dL/da_t x_t^T (Werbos 1990).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from rnn_tui.inspection.gathering import Gathered
from rnn_tui.inspection.pieces import Pace
from rnn_tui.model.cells import Cell, Weights

# Timesteps whose drives are computed together.
SEGMENT = 32

Carried = list[Tensor]
"""h, for an LSTM also c: (H) each."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What a layer reads, in its own order: tokens (T) or numbers (T, in)."""

    raw: Tensor
    embedding: Tensor | None = None
    symbols: int = 0

    def __len__(self) -> int:
        return len(self.raw)

    def between(self, first: int, last: int) -> Reads:
        return Reads(self.raw[first:last], self.embedding, self.symbols)

    def turned(self) -> Reads:
        """From the end to the beginning."""
        return Reads(self.raw.flip(0), self.embedding, self.symbols)

    def rows(self, first: int, last: int) -> Tensor:
        """x_t at the timesteps first .. last - 1, (S, in)."""
        part = self.raw[first:last]
        if part.is_floating_point():
            return part
        if self.embedding is not None:
            return self.embedding[part]
        return torch.nn.functional.one_hot(part, self.symbols).double()

    def gathered(self, first: int, last: int) -> Tensor:
        """The same, of one-hot rows their numbers alone, (S)."""
        one_hot = self.embedding is None and not self.raw.is_floating_point()
        return self.raw[first:last] if one_hot else self.rows(first, last)


def steps_through(
    cell: Cell, weights: Weights, x: Tensor, carried: tuple[Tensor, ...], pace: Pace
) -> Generator[int, None, list[tuple[Tensor, ...]]]:
    """The states after each row of x (S, in). Yields the row that it is at, where the pace says so."""
    a, outputs = cell.drive(x, weights), []
    for t in range(len(x)):
        gates = cell.drive_to_gates(a[t], cell.past(carried[0], weights))
        new = cell.gates_to_states(gates, carried)
        carried = tuple(new[name] for name in cell.states)
        outputs.append(carried)
        if pace.due:
            yield t
            pace.restart()
    return outputs


class Walk:
    """One layer's states and the gradients at them. Timesteps count in the order in which it reads."""

    def __init__(self, cell: Cell, weights: Weights, reads: Reads, start: Carried, gather: bool) -> None:
        """`start` are the states before its first timestep, `weights` float64."""
        self.cell, self.weights, self.reads, self.start = cell, weights, reads, start
        self.steps, hidden = len(reads), len(weights.b_ih) // cell.rows

        def room() -> Tensor:
            return torch.zeros(self.steps, hidden, dtype=torch.float64)

        self.states = {name: room() for name in cell.states}
        self.gradients = {name: room() for name in cell.states}
        """dL/dh_t and dL/dc_t, through every path."""
        self.slopes = room() if cell.recurrent and not cell.gates else None
        """(T, H): dh_t / d(a_t + u_t) of a plain RNN."""
        self.gathered = Gathered(weights, self.steps) if gather else None

    @property
    def end(self) -> Carried:
        """The states after its last timestep."""
        return [column[-1] for column in self.states.values()]

    def forward(self) -> Generator[float, None, None]:
        """Every state. Yields the share that is done."""
        pace, carried = Pace(), tuple(self.start)
        for first in range(0, self.steps, SEGMENT):
            last = min(first + SEGMENT, self.steps)
            walk = steps_through(self.cell, self.weights, self.reads.rows(first, last), carried, pace)
            while True:
                try:
                    t = next(walk)
                except StopIteration as finished:
                    outputs = finished.value
                    break
                yield (first + t) / self.steps
            carried = outputs[-1]
            for name, column in zip(self.cell.states, zip(*outputs, strict=True), strict=True):
                self.states[name][first:last] = torch.stack(column)

    def back(self, above: Tensor, later: Carried, below: bool) -> Generator[float, None, tuple[Tensor | None, Carried]]:
        """The gradient from the last timestep to the first. Yields the share that is done.

        `above` (T, H) is what reaches each h_t from outside this layer, `later` what reaches
        the states after the last timestep. Returns what reaches its inputs (T, in), where
        `below` asks for it, and the states before the first.
        """
        cell, weights, pace = self.cell, self.weights, Pace()
        inputs = torch.zeros(self.steps, weights.W_ih.shape[1], dtype=torch.float64) if below else None
        for first in reversed(range(0, self.steps, SEGMENT)):
            last = min(first + SEGMENT, self.steps)
            segment = self._segment(first, last)
            drives: list[tuple[Tensor, Tensor]] = []
            for t in reversed(range(first, last)):
                a, u, previous = segment.at(t - first)
                reached, da, du, before = _through(cell, a, u, previous, [later[0] + above[t], *later[1:]])
                for name, gradient in zip(cell.states, reached, strict=True):
                    self.gradients[name][t] = gradient
                if weights.W_hh is not None:
                    before[0] = before[0] + du @ weights.W_hh
                later = before
                drives.append((da, du))
                if pace.due:
                    yield (self.steps - t) / self.steps
                    pace.restart()
            da, du = (torch.stack(d).flip(0) for d in zip(*drives, strict=True))
            if inputs is not None:
                inputs[first:last] = da @ weights.W_ih
            if self.gathered is not None:
                self.gathered.add(first, da, du, self.reads.gathered(first, last), segment.previous[0])
            # A NaN is not equal to 0 and goes on.
            if not any(bool((part != 0).any()) for part in (*later, above[:first])):
                self._flat(first)
                break
        if self.gathered is not None:
            self.gathered.close()
        return inputs, later

    def _flat(self, first: int) -> None:
        """Slopes of the timesteps that the walk back did not come to: nothing was left to go further."""
        for begin in range(0, first if self.slopes is not None else 0, SEGMENT):
            self._segment(begin, min(begin + SEGMENT, first))

    def _segment(self, first: int, last: int) -> _Segment:
        """Drives at the timesteps first .. last - 1, from the states beside and below them."""
        cell, weights, previous = self.cell, self.weights, []
        for name, start in zip(cell.states, self.start, strict=True):
            own = self.states[name][max(0, first - 1) : last - 1]
            previous.append(own if first else torch.cat((start.unsqueeze(0), own)))
        x = self.reads.rows(first, last)
        segment = _Segment(cell.drive(x, weights), cell.past(previous[0], weights), previous)
        if self.slopes is not None and segment.u is not None:
            a = segment.a.clone().requires_grad_()
            with torch.enable_grad():
                h = cell.gates_to_states(cell.drive_to_gates(a, segment.u), tuple(previous))["h"]
                self.slopes[first:last] = torch.autograd.grad(h.sum(), a)[0]
        return segment


@dataclass(frozen=True, slots=True)
class _Segment:
    """Consecutive timesteps: drives (S, G H), and the states before each, (S, H)."""

    a: Tensor
    u: Tensor | None
    previous: list[Tensor]

    def at(self, t: int) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        return self.a[t], None if self.u is None else self.u[t], [part[t] for part in self.previous]


def _through(
    cell: Cell, a: Tensor, u: Tensor | None, previous: list[Tensor], later: list[Tensor]
) -> tuple[list[Tensor], Tensor, Tensor, list[Tensor]]:
    """One timestep: dL/d(new states), dL/da_t, dL/du_t, dL/d(states before) past the drives.

    `later` are the gradients that reach the new states from elsewhere; an LSTM's c_t is
    reached through its own h_t as well.
    """
    with torch.enable_grad():
        a = a.detach().requires_grad_()
        u = None if u is None else u.detach().requires_grad_()
        before = [part.detach().requires_grad_() for part in previous]
        new = cell.gates_to_states(cell.drive_to_gates(a, u), tuple(before))
        states = [new[name] for name in cell.states]
        leaves = [a, *([] if u is None else [u]), *before]
        found = torch.autograd.grad(states, [*states, *leaves], later, materialize_grads=True, allow_unused=True)
    count = len(states)
    own, da, rest = list(found[:count]), found[count], list(found[count + 1 :])
    du = rest.pop(0) if u is not None else da
    return own, da, du, rest

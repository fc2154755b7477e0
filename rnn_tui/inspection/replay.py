"""A text read once more, one timestep after another, and the gradient walked back through it (BPTT).

A fused module gives gradients of its last output only. Here the step functions of
`model.cells` are run in float64: forward once, keeping the states; then from the loss back,
a timestep at a time. At each, autograd differentiates that cell's own equations between its
drives a_t, u_t and its states; the matrix products in between are linear, and are applied as
they stand. So nothing longer than one timestep is ever a graph, memory grows with the states
alone, and the walk can be left at any timestep.

The weights' gradients follow from the drives': dL/dW_hh is the sum over t of
dL/du_t h_{t-1}^T, dL/dW_ih that of dL/da_t x_t^T (Werbos 1990).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.gathering import Gathered, row_norms
from rnn_tui.model.cells import Cell, Weights
from rnn_tui.model.network import Network, State

Array64 = NDArray[np.float64]
Loss = Callable[[Tensor], Tensor]
Working = Callable[[float], None]
Result = TypeVar("Result")

# Timesteps whose drives are computed together, and seconds of work from one look up to the next.
SEGMENT = 32
LOOK_EVERY = 0.03
FLOAT64 = 8


@dataclass(frozen=True, slots=True)
class LayerReplay:
    """One layer's way there and back. T is the timesteps from `Replay.cut` to the loss's own, both included."""

    states: dict[str, Array64]
    """`h`, for an LSTM also `c`: (T, H)."""
    gradients: dict[str, Array64]
    """dL/dh_t, dL/dc_t by the same names, (T, H), through every path: later timesteps and the layers above."""
    slopes: Array64 | None
    """(T, H): dh_t / d(a_t + u_t) of a plain RNN; None for a cell with gates or without memory."""
    step_norms: dict[str, Array64]
    """`W_ih`, `W_hh`, `b_ih`, `b_hh`: (T), what timestep t adds to that gradient; empty if not gathered."""
    accumulated: dict[str, Array64]
    """The same names, (T): the norm of the sum over t .. T - 1."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A loss, and its gradient at every state on the way."""

    loss: float
    at: int
    cut: int
    """First timestep that the gradient reaches."""
    layers: tuple[LayerReplay, ...]


def bytes_needed(network: Network, timesteps: int, truncate: int = 0) -> int:
    """Bytes a replay takes beyond the network itself: weights and their gathered gradients, states, their gradients."""
    hidden, layers = network.model.hidden_size, network.model.layers
    reached = min(timesteps, truncate) if truncate else timesteps
    learned = sum(parameter.numel() for parameter in network.parameters())
    kept = layers * hidden * (2 * len(network.cell.states) + (not network.cell.gates))
    return FLOAT64 * (2 * learned + reached * kept + 4 * min(SEGMENT, reached) * layers * network.cell.rows * hidden)


@contextmanager
def denormals_kept() -> Iterator[None]:
    """Numbers below 2.2e-308 are numbers in here; afterwards they are what they were to this thread."""
    flushing = not float(torch.full((), 1e-310, dtype=torch.float64) * 1.0)
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushing)


def in_pieces(work: Generator[float, None, Result]) -> Generator[float, None, Result]:
    """The same work, each of its pieces with denormals kept; between them the thread is as it was."""
    while True:
        with denormals_kept():
            try:
                share = next(work)
            except StopIteration as finished:
                result: Result = finished.value
                return result
        yield share


def finish(work: Generator[float, None, Result], working: Working | None = None) -> Result:
    """Do work to its end, telling `working` the share that is done; what it raises ends it."""
    while True:
        try:
            share = next(work)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        if working is not None:
            working(share)


class Pace:
    """Says when it is time to look up."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._since = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._since >= LOOK_EVERY


def replay(
    network: Network,
    inputs: Tensor | NDArray[Any],
    loss: Loss,
    *,
    at: int = -1,
    truncate: int = 0,
    state: State | None = None,
    gather: bool = True,
    working: Working | None = None,
) -> Replay:
    """`replay_steps`, done to its end; `working` is told the share that is done and may raise to end it."""
    steps = replay_steps(network, inputs, loss, at=at, truncate=truncate, state=state, gather=gather)
    return finish(steps, working)


def replay_steps(
    network: Network,
    inputs: Tensor | NDArray[Any],
    loss: Loss,
    *,
    at: int = -1,
    truncate: int = 0,
    state: State | None = None,
    gather: bool = True,
) -> Generator[float, None, Replay]:
    """The gradient of a loss at one timestep, back through time and layers; yields the share that is done.

    `inputs` are tokens (T), or what layer 0 reads (T, in). `loss` is a differentiable function
    of the last layer's h at timestep `at` (-1: the last), (H) float64, to one number. The
    gradient goes back over `truncate` timesteps, the loss's own included (0: all of them); at
    that border the carried state of every layer crosses and the gradient does not. `state` is
    what the text is read from (batch 1), h_0 by default. Without `gather` the weights'
    gradients are left out. Float64, no dropout, the network is not touched. Raises
    ValueError for a place outside the text.
    """
    found = inputs if isinstance(inputs, Tensor) else torch.from_numpy(np.array(inputs))
    if not 0 <= (at := at + len(found) if at < 0 else at) < len(found):
        raise ValueError(f"the loss can't stand at timestep {at:,}: the text has {len(found):,}")
    if truncate < 0:
        raise ValueError(f"a gradient can't go back {truncate:,} timesteps; 0 is all of them")
    return in_pieces(_Replaying(network, found[: at + 1], at, truncate, state, gather).run(loss))


class _Replaying:
    """The work of one replay."""

    def __init__(
        self, network: Network, inputs: Tensor, at: int, truncate: int, state: State | None, gather: bool
    ) -> None:
        self.cell: Cell = network.cell
        self.weights = [_double(network.layer_weights(k)) for k in range(len(network.layers))]
        self.at, self.cut = at, max(0, at + 1 - truncate) if truncate else 0
        self.inputs = inputs.to("cpu").long() if not inputs.is_floating_point() else inputs.detach().cpu().double()
        self.embedding = None if network.embedding is None else network.embedding.weight.detach().cpu().double()
        self.symbols = network.vocabulary
        self.before = [
            [part.detach().to("cpu", torch.float64).reshape(-1) for part in layer]
            for layer in (network.initial(1) if state is None else state)
        ]
        steps, hidden = at + 1 - self.cut, network.model.hidden_size
        names, depth = self.cell.states, range(len(self.weights))
        self.states = [{name: torch.zeros(steps, hidden, dtype=torch.float64) for name in names} for _ in depth]
        self.gradients = [{name: torch.zeros(steps, hidden, dtype=torch.float64) for name in names} for _ in depth]
        plain = self.cell.recurrent and not self.cell.gates
        self.slopes = [torch.zeros(steps, hidden, dtype=torch.float64) for _ in depth] if plain else None
        self.gathered = [Gathered(weights, steps) for weights in self.weights] if gather else None

    def run(self, loss: Loss) -> Generator[float, None, Replay]:
        yield from self._forward()
        top = self.states[-1]["h"][-1].clone().requires_grad_()
        with torch.enable_grad():
            value = loss(top)
            (slope,) = torch.autograd.grad(value, top)
        yield from self._backward(slope)
        if self.gathered is not None:
            for gathered in self.gathered:
                gathered.close()
        return Replay(float(value.detach()), self.at, self.cut, tuple(map(self._layer, range(len(self.weights)))))

    def _reads(self, first: int, last: int) -> Tensor:
        """What layer 0 reads at the timesteps first .. last - 1, (S, in)."""
        part = self.inputs[first:last]
        if part.is_floating_point():
            return part
        if self.embedding is not None:
            return self.embedding[part]
        return torch.nn.functional.one_hot(part, self.symbols).double()

    def _forward(self) -> Generator[float, None, None]:
        """Every state from the cut on; before it only what is carried."""
        pace, cell = Pace(), self.cell
        carried = [tuple(layer) for layer in self.before]
        borders = sorted({*range(0, self.cut, SEGMENT), *range(self.cut, self.at + 1, SEGMENT), self.at + 1})
        for first, last in itertools.pairwise(borders):
            if first == self.cut:
                self.before = [list(layer) for layer in carried]
            x = self._reads(first, last)
            for k, weights in enumerate(self.weights):
                a, outputs = cell.drive(x, weights), []
                for t in range(last - first):
                    gates = cell.drive_to_gates(a[t], cell.past(carried[k][0], weights))
                    new = cell.gates_to_states(gates, carried[k])
                    carried[k] = tuple(new[name] for name in cell.states)
                    outputs.append(carried[k])
                    if pace.due:
                        done = first + (k + (t + 1) / (last - first)) / len(self.weights) * (last - first)
                        yield 0.4 * done / (self.at + 1)
                        pace.restart()
                columns = [torch.stack(column) for column in zip(*outputs, strict=True)]
                if first >= self.cut:
                    for name, column in zip(cell.states, columns, strict=True):
                        self.states[k][name][first - self.cut : last - self.cut] = column
                x = columns[0]

    def _backward(self, slope: Tensor) -> Generator[float, None, None]:
        pace, depth, names = Pace(), len(self.weights), self.cell.states
        zero = torch.zeros_like(slope)
        # dL/d(state after t) that comes from later timesteps, per layer.
        later = [[zero for _ in names] for _ in range(depth)]
        for first in reversed(range(0, self.at + 1 - self.cut, SEGMENT)):
            last = min(first + SEGMENT, self.at + 1 - self.cut)
            segment = [self._segment(k, first, last) for k in range(depth)]
            drives: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(depth)]
            for t in reversed(range(first, last)):
                above = slope if t == self.at - self.cut else None
                for k in reversed(range(depth)):
                    a, u, previous = segment[k].at(t - first)
                    carried = [later[k][0] if above is None else later[k][0] + above, *later[k][1:]]
                    states, da, du, before = _through(self.cell, a, u, previous, carried)
                    for name, gradient in zip(names, states, strict=True):
                        self.gradients[k][name][t] = gradient
                    weights = self.weights[k]
                    if weights.W_hh is not None:
                        before[0] = before[0] + du @ weights.W_hh
                    later[k], above = before, da @ weights.W_ih if k else None
                    drives[k].append((da, du))
                    if pace.due:
                        yield 0.4 + 0.6 * (self.at - self.cut - t) / (self.at + 1 - self.cut)
                        pace.restart()
            if self.gathered is not None:
                for k, gathered in enumerate(self.gathered):
                    da, du = (torch.stack(d).flip(0) for d in zip(*drives[k], strict=True))
                    reads = self.inputs[first + self.cut : last + self.cut] if not k else segment[k].x
                    if not k and self.embedding is not None:
                        reads = segment[k].x
                    gathered.add(first, da, du, reads, segment[k].previous[0])
                    if pace.due:
                        yield 0.4 + 0.6 * (self.at - self.cut - first) / (self.at + 1 - self.cut)
                        pace.restart()
            if not any(bool((part != 0).any()) for layer in later for part in layer):
                # Nothing is left to go further back; a NaN is not equal to 0 and goes on.
                self._flat(first)
                return

    def _flat(self, first: int) -> None:
        """Slopes of the timesteps that the walk back did not come to."""
        for begin in range(0, first if self.slopes is not None else 0, SEGMENT):
            for k in range(len(self.weights)):
                self._segment(k, begin, min(begin + SEGMENT, first))

    def _segment(self, k: int, first: int, last: int) -> _Segment:
        """Drives of layer k at the kept timesteps first .. last - 1, from the states beside and below them."""
        cell, weights = self.cell, self.weights[k]
        x = self.states[k - 1]["h"][first:last] if k else self._reads(first + self.cut, last + self.cut)
        previous = []
        for name, start in zip(cell.states, self.before[k], strict=True):
            kept = self.states[k][name]
            own = kept[max(0, first - 1) : last - 1]
            previous.append(own if first else torch.cat((start.unsqueeze(0), own)))
        segment = _Segment(x, cell.drive(x, weights), cell.past(previous[0], weights), previous)
        if self.slopes is not None and segment.u is not None:
            a = segment.a.clone().requires_grad_()
            with torch.enable_grad():
                h = cell.gates_to_states(cell.drive_to_gates(a, segment.u), tuple(previous))["h"]
                self.slopes[k][first:last] = torch.autograd.grad(h.sum(), a)[0]
        return segment

    def _layer(self, k: int) -> LayerReplay:
        gathered = self.gathered[k] if self.gathered is not None else None
        return LayerReplay(
            states=_arrays(self.states[k]),
            gradients=_arrays(self.gradients[k]),
            slopes=np.asarray(self.slopes[k].numpy()) if self.slopes is not None else None,
            step_norms=_arrays(gathered.added) if gathered is not None else {},
            accumulated=_arrays(gathered.sums) if gathered is not None else {},
        )


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array64]:
    return {name: np.asarray(tensor.numpy()) for name, tensor in tensors.items()}


@dataclass(frozen=True, slots=True)
class _Segment:
    """Consecutive timesteps of a layer: x (S, in), drives (S, G H), and the states before each, (S, H)."""

    x: Tensor
    a: Tensor
    u: Tensor | None
    previous: list[Tensor]

    def at(self, t: int) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        return self.a[t], None if self.u is None else self.u[t], [part[t] for part in self.previous]


def _double(weights: Weights) -> Weights:
    def copy(value: Tensor) -> Tensor:
        return value.detach().to("cpu", torch.float64, copy=True)

    return Weights(
        W_ih=copy(weights.W_ih),
        b_ih=copy(weights.b_ih),
        W_hh=None if weights.W_hh is None else copy(weights.W_hh),
        b_hh=None if weights.b_hh is None else copy(weights.b_hh),
    )


def _through(
    cell: Cell, a: Tensor, u: Tensor | None, previous: list[Tensor], later: list[Tensor]
) -> tuple[list[Tensor], Tensor, Tensor, list[Tensor]]:
    """One timestep of one layer: dL/d(new states), dL/da_t, dL/du_t, dL/d(states before) past the drives.

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


def norms_of(gradients: Array64) -> Array64:
    """The norm of each row, (T, H) to (T); its squares can't overflow; inf where a number is not finite."""
    return np.asarray(row_norms(torch.from_numpy(gradients)).numpy())


def horizon(norms: Array64, share: float = 1e-6) -> int:
    """How many timesteps back from the last the norm stays at least `share` of the last one's.

    Counted from the loss backwards while it holds: a norm that fades and comes back later does
    not count again. 0 where the last one is 0 or not finite.
    """
    last = float(norms[-1])
    if not 0 < last < math.inf:
        return 0
    below = np.flatnonzero(~(norms[::-1] >= share * last))
    return int(below[0]) - 1 if len(below) else len(norms) - 1

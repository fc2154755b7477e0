"""The layers of a stack over one sequence, there and back, in float64; both directions where there are two."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.pieces import Pace, within
from rnn_tui.inspection.walk import SEGMENT, Carried, Reads, Walk, steps_through
from rnn_tui.model.cells import Weights
from rnn_tui.model.stack import Stack, State

Array64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerReplay:
    """One layer's way there and back. T is the timesteps from `Replay.cut` to the loss's own, both included.

    Of a bidirectional network T is all timesteps; of an encoder and a decoder the encoder's
    come first, and what is told of weights is of the encoder's there and of the decoder's after.
    """

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
    backward: LayerReplay | None = None
    """The backward direction, at the same t; nothing is gathered of it. None where there is none."""


def start_of(stack: Stack, state: State | None) -> list[Carried]:
    return [
        [part.detach().to("cpu", torch.float64).reshape(-1) for part in layer]
        for layer in (stack.initial(1) if state is None else state)
    ]


class Reader:
    """The layers of a stack over one sequence, from timestep `cut` of it on; before it only states are carried."""

    def __init__(self, stack: Stack, inputs: Tensor, cut: int, start: list[Carried], gather: bool) -> None:
        self.cell, self.hidden = stack.cell, stack.model.hidden_size
        self.weights = [
            [_double(stack.layer_weights(k, d)) for d in stack.directions] for k in range(len(stack.layers))
        ]
        embedding = None if stack.embedding is None else stack.embedding.weight.detach().cpu().double()
        reads = Reads(inputs, embedding, stack.vocabulary)
        self._before, self._reads = reads.between(0, cut), reads.between(cut, len(inputs))
        self._start, self._gather = start, gather
        self._other = [
            [part.detach().to("cpu", torch.float64).reshape(-1) for part in stack.start(k, 1, "_reverse")]
            if len(stack.directions) > 1 else []
            for k in range(len(stack.layers))
        ]  # fmt: skip
        self.walks: list[list[Walk]] = []

    def forward(self) -> Generator[float, None, None]:
        """Every layer's states. Yields the share that is done."""
        total = len(self._before) + len(self._reads)
        early = len(self._before) / total
        yield from within(self._carry(), 0.0, early)
        reads, count = self._reads, sum(map(len, self.weights))
        for k, weights in enumerate(self.weights):
            walks = [Walk(self.cell, weights[0], reads, self._start[k], self._gather)]
            if len(weights) > 1:
                walks.append(Walk(self.cell, weights[1], reads.turned(), self._other[k], False))
            self.walks.append(walks)
            for d, walk in enumerate(walks):
                part = (1.0 - early) / count
                yield from within(walk.forward(), early + part * (k * len(walks) + d), part)
            reads = Reads(self.out())

    def _carry(self) -> Generator[float, None, None]:
        """The states after what lies before the cut."""
        pace, carried = Pace(), [tuple(layer) for layer in self._start]
        for first in range(0, len(self._before), SEGMENT):
            x = self._before.rows(first, first + SEGMENT)
            for k, (weights, *_) in enumerate(self.weights):
                walk = steps_through(self.cell, weights, x, carried[k], pace)
                while True:
                    try:
                        next(walk)
                    except StopIteration as finished:
                        outputs = finished.value
                        break
                    yield first / len(self._before)
                carried[k], x = outputs[-1], torch.stack([states[0] for states in outputs])
        self._start = [list(layer) for layer in carried]

    def out(self) -> Tensor:
        """What the newest layer says at every timestep, (T, H) or (T, 2H)."""
        forward, *other = (walk.states["h"] for walk in self.walks[-1])
        return torch.cat((forward, *(h.flip(0) for h in other)), dim=1) if other else forward

    def ends(self) -> list[Carried]:
        """The states after the last timestep: what a decoder starts from."""
        return [walks[0].end for walks in self.walks]

    def back(self, above: Tensor, ends: list[Carried] | None) -> Generator[float, None, list[Carried]]:
        """From what reaches the last layer, (T, H) or (T, 2H), and the states after the last timestep.

        Yields the share that is done; returns what reaches the states before the first.
        """
        starts: list[Carried] = []
        count, done = sum(map(len, self.walks)), 0
        for k in reversed(range(len(self.walks))):
            below: Tensor | None = None
            for d, walk in enumerate(self.walks[k]):
                own = above[:, d * self.hidden : (d + 1) * self.hidden]
                zeros = [torch.zeros(self.hidden, dtype=torch.float64) for _ in self.cell.states]
                later = zeros if ends is None or d else ends[k]
                work = walk.back(own.flip(0) if d else own, later, k > 0)
                reached, start = yield from within(work, done / count, 1 / count)
                done += 1
                if d == 0:
                    below = reached
                    starts.insert(0, start)
                elif below is not None and reached is not None:
                    below = below + reached.flip(0)
            if below is not None:
                above = below
        return starts

    def layers(self) -> tuple[LayerReplay, ...]:
        """What was found, by layers."""
        return tuple(_layer(walks) for walks in self.walks)


def _layer(walks: list[Walk]) -> LayerReplay:
    walk, gathered = walks[0], walks[0].gathered
    return LayerReplay(
        states=_arrays(walk.states),
        gradients=_arrays(walk.gradients),
        slopes=None if walk.slopes is None else np.asarray(walk.slopes.numpy()),
        step_norms=_arrays(gathered.added) if gathered is not None else {},
        accumulated=_arrays(gathered.sums) if gathered is not None else {},
        backward=_turned(_layer(walks[1:])) if len(walks) > 1 else None,
    )


def _turned(layer: LayerReplay) -> LayerReplay:
    """Found in the order in which the backward direction reads, as it is told: by t."""
    return LayerReplay(
        states={name: values[::-1].copy() for name, values in layer.states.items()},
        gradients={name: values[::-1].copy() for name, values in layer.gradients.items()},
        slopes=None if layer.slopes is None else layer.slopes[::-1].copy(),
        step_norms={},
        accumulated={},
    )


def joined(encoder: LayerReplay, decoder: LayerReplay) -> LayerReplay:
    """On one axis: the source's timesteps, then the decoder's."""

    def both(a: Mapping[str, Array64], b: Mapping[str, Array64]) -> dict[str, Array64]:
        return {name: np.concatenate((a[name], b[name])) for name in a}

    return LayerReplay(
        states=both(encoder.states, decoder.states),
        gradients=both(encoder.gradients, decoder.gradients),
        slopes=None if encoder.slopes is None or decoder.slopes is None
        else np.concatenate((encoder.slopes, decoder.slopes)),
        step_norms=both(encoder.step_norms, decoder.step_norms),
        accumulated=both(encoder.accumulated, decoder.accumulated),
    )  # fmt: skip


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array64]:
    return {name: np.asarray(tensor.numpy()) for name, tensor in tensors.items()}


def _double(weights: Weights) -> Weights:
    def copy(value: Tensor) -> Tensor:
        return value.detach().to("cpu", torch.float64, copy=True)

    return Weights(
        W_ih=copy(weights.W_ih),
        b_ih=copy(weights.b_ih),
        W_hh=None if weights.W_hh is None else copy(weights.W_hh),
        b_hh=None if weights.b_hh is None else copy(weights.b_hh),
    )

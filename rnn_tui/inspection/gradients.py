"""How far back a loss reaches: dL/dh_t and dL/dc_t at every earlier timestep, and what they do to the weights."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.replay import (
    Array64,
    Loss,
    Pace,
    Replay,
    Working,
    finish,
    horizon,
    in_pieces,
    norms_of,
    replay_steps,
)
from rnn_tui.inspection.spectrum import jacobian_steps, linear_story, singular_values, spectral_radius
from rnn_tui.model.network import Network, State
from rnn_tui.views import GradientFlow, LayerFlow, frozen

# Of the work on a plain RNN, the share that the replay itself has.
REPLAY_SHARE = 0.5


def flow(
    network: Network,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    vocabulary: Sequence[str],
    *,
    at: int = -1,
    truncate: int = 0,
    number: int = 0,
    step: int = 0,
    state: State | None = None,
    working: Working | None = None,
) -> GradientFlow:
    """The gradient of L = -ln p(symbol at + 1 | the symbols up to at), in nats, back through time and layers.

    `tokens` (T) are numbers of the symbols in `vocabulary`; `at` is the timestep at whose
    output the loss stands (-1: the last that has a next symbol). The gradient goes back over
    `truncate` timesteps, the loss's own included (0: all). `state` is what the text is read
    from (batch 1), h_0 by default. `working` is told the share that is done, and may raise to
    end the work. Float64, without dropout; numbers that are not finite are told as inf.

    Raises ValueError, in one sentence, where no symbol comes after `at`.
    """
    steps = flow_steps(
        network, tokens, vocabulary, at=at, truncate=truncate, number=number, step=step, state=state
    )  # fmt: skip
    return finish(steps, working)


def flow_steps(
    network: Network,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    vocabulary: Sequence[str],
    *,
    at: int = -1,
    truncate: int = 0,
    number: int = 0,
    step: int = 0,
    state: State | None = None,
) -> Generator[float, None, GradientFlow]:
    """`flow` as a generator that yields the share that is done, some 0.05 s of work apart. Raises ValueError."""
    ids = np.asarray(tokens, np.int64)
    at = place(ids, at)
    target = int(ids[at + 1])
    steps = replay_steps(network, ids, cross_entropy(network, target), at=at, truncate=truncate, state=state)

    def work() -> Generator[float, None, GradientFlow]:
        plain = network.cell.recurrent and not network.cell.gates
        share = REPLAY_SHARE if plain else 1.0
        replayed = yield from _within(steps, 0.0, share)
        layers = []
        for k in range(len(network.layers)):
            part = (1.0 - share) / len(network.layers)
            layers.append((yield from _within(in_pieces(_layer(network, replayed, k)), share + k * part, part)))
        return GradientFlow(
            number=number, at=at, target=vocabulary[target], loss=replayed.loss, layers=tuple(layers),
            truncated=truncate, cut=replayed.cut, step=step, cell=network.cell.name,
            overflow=not math.isfinite(replayed.loss) or any(map(_overflowed, layers)),
        )  # fmt: skip

    return work()


def place(tokens: NDArray[Any], at: int) -> int:
    """The timestep of a loss; -1 is the last that has a next symbol. Raises ValueError where none comes after it."""
    if len(tokens) < 2:
        raise ValueError("a text of one symbol has no next one whose cost could be followed; give at least two")
    at = len(tokens) - 2 if at == -1 else at
    if not 0 <= at <= len(tokens) - 2:
        raise ValueError(
            f"no symbol comes after timestep {at:,}, so there is no loss; choose one from 0 to {len(tokens) - 2:,}"
        )
    return at


def cross_entropy(network: Network, target: int) -> Loss:
    """The cost of a symbol after the last layer's h (H), in nats and float64."""
    weight = network.output.weight.detach().to("cpu", torch.float64)
    bias = network.output.bias.detach().to("cpu", torch.float64)

    def loss(h: Tensor) -> Tensor:
        return -torch.log_softmax(weight @ h + bias, dim=0)[target]

    return loss


def _within(work: Generator[float, None, Any], first: float, share: float) -> Generator[float, None, Any]:
    """A part of some work: its own shares as shares of the whole."""
    while True:
        try:
            done = next(work)
        except StopIteration as finished:
            return finished.value
        yield first + share * done


def _layer(network: Network, replayed: Replay, k: int) -> Generator[float, None, LayerFlow]:
    layer, steps = replayed.layers[k], replayed.at + 1
    cut = replayed.cut
    norms = _from_start(norms_of(layer.gradients["h"]), cut)
    radius: float | None = None
    values: Array64 | None = None
    jacobian: Array64 | None = None
    linear: Array64 | None = None
    W_hh = network.layer_weights(k).W_hh
    if layer.slopes is not None and W_hh is not None:
        yield 0.0
        radius = spectral_radius(W_hh)
        yield 0.0
        values = frozen(singular_values(W_hh))
        linear = frozen(linear_story(radius, steps))
        pace, work = Pace(), jacobian_steps(W_hh, layer.slopes)
        while jacobian is None:
            try:
                share = next(work)
            except StopIteration as finished:
                jacobian = _from_start(finished.value, cut)
                break
            if pace.due:
                yield share
                pace.restart()
    return LayerFlow(
        norms=norms,
        cell_norms=_from_start(norms_of(layer.gradients["c"]), cut) if "c" in layer.gradients else None,
        horizon=horizon(norms),
        # What lies before the cut adds nothing: what was gathered stays.
        accumulated={name: _from_start(sums, cut, sums[0]) for name, sums in layer.accumulated.items()},
        step_norms={name: _from_start(added, cut) for name, added in layer.step_norms.items()},
        spectral_radius=radius,
        singular_values=values,
        jacobian=jacobian,
        linear=linear,
    )


def _from_start(values: Array64, cut: int, before: float = 0.0) -> Array64:
    """An array from the cut on as one from timestep 0 on, read-only."""
    return frozen(np.concatenate((np.full(cut, before), values)) if cut else values)


def _overflowed(layer: LayerFlow) -> bool:
    cells = () if layer.cell_norms is None else (layer.cell_norms,)
    arrays = (layer.norms, *cells, *layer.accumulated.values(), *layer.step_norms.values())
    return not all(bool(np.isfinite(values).all()) for values in arrays)

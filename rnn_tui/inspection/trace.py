"""What the network computes while it reads a text: every state and gate of every timestep.

The fused forward runs once. Gates are then rebuilt for all timesteps at once from x_t and
h_{t-1}, both known by then, with the equations of `model.cells`; only what depends on its
own past beyond h (the LSTM's c) is walked step by step, without any matrix product. A layer
in which something is held can't be fused: it goes through the equations step by step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import cell_of
from rnn_tui.model.holding import Holding
from rnn_tui.model.network import Network, State
from rnn_tui.views import LN2, Hold, Trace, frozen

SHOWN_CANDIDATES = 5
# Seconds of steps between two pieces, and timesteps whose drive is computed at once.
PIECE_SECONDS = 0.03
DRIVEN = 256


@dataclass(frozen=True, slots=True)
class Traced:
    """Arrays of one reading, float32 where the network is (float64 for a float64 one).

    `layers[k]` maps the gates (`i f g o`, `r z n`) and states (`h`, `c`) to (T, H).
    `logits` (T, V) are of the symbol after t; `loss` (T) is -ln p of the symbol that came
    after t, in nats, NaN at the last.
    """

    tokens: NDArray[np.int64]
    layers: tuple[dict[str, NDArray[Any]], ...]
    logits: NDArray[Any]
    loss: NDArray[Any]


def trace_bytes(model: ModelConfig, vocabulary: int, timesteps: int) -> int:
    """Bytes of the float32 arrays of a `Traced` of so many timesteps: they grow with nothing else."""
    cell = cell_of(model)
    numbers = vocabulary + 1 + model.layers * model.hidden_size * len({*cell.gates, *cell.states})
    return timesteps * (4 * numbers + 8)


def trace(
    network: Network, tokens: Tensor | NDArray[Any], state: State | None = None, holds: Sequence[Hold] = ()
) -> Traced:
    """Reads `tokens` (T) from h_0 (or from `state`, of batch 1), without dropout, in full precision.

    `holds` are in force while it reads, counting the first token's timestep as 0. Raises
    ValueError if there are no tokens, or if the network hasn't what is to be held.
    """
    pieces = tracing(network, tokens, state, holds)
    while True:
        try:
            next(pieces)
        except StopIteration as finished:
            traced: Traced = finished.value
            return traced


@torch.no_grad()
def tracing(
    network: Network, tokens: Tensor | NDArray[Any], state: State | None = None, holds: Sequence[Hold] = ()
) -> Generator[float, None, Traced]:
    """`trace` in pieces: yields the share that is done, returns the reading."""
    ids = torch.as_tensor(np.asarray(tokens).astype(np.int64), device=network.output.bias.device)
    if not len(ids):
        raise ValueError("there is nothing to read: the text is empty")
    holding = Holding(network.model, holds)
    # Entered anew for each piece: between two of them the thread does other work.
    device = ids.device.type
    x = network.embed(ids.unsqueeze(1))
    layers = []
    for k, before in enumerate(network.initial(1) if state is None else state):
        pieces = []
        first, last = holding.span(k, len(ids))
        # What lies before and after what is held runs as if nothing was: the same numbers, and fast.
        for start, end, held in ((0, first, False), (first, last, True), (last, len(ids), False)):
            if start == end:
                continue
            if held:
                piece, before = yield from _held(network, k, x, before, holding, start, end)
            else:
                with torch.autocast(device, enabled=False):
                    piece, before = _fused(network, k, x[start:end], before)
            pieces.append(piece)
        found = pieces[0] if len(pieces) == 1 else {name: torch.cat([p[name] for p in pieces]) for name in pieces[0]}
        x = found["h"].unsqueeze(1)
        layers.append({name: value.contiguous().cpu().numpy() for name, value in found.items()})
        yield (k + 1) / len(network.layers)
    with torch.autocast(device, enabled=False):
        logits = network.output(x.squeeze(1))
        cost = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
    return Traced(
        tokens=ids.cpu().numpy(),
        layers=tuple(layers),
        logits=logits.cpu().numpy(),
        loss=torch.cat((cost, cost.new_full((1,), math.nan))).cpu().numpy(),
    )


def _held(
    network: Network, k: int, x: Tensor, before: tuple[Tensor, ...], holding: Holding, first: int, last: int
) -> Generator[float, None, tuple[dict[str, Tensor], tuple[Tensor, ...]]]:
    """Layer k from timestep `first` to before `last`, step by step: gates and states (n, H), and the last state."""
    cell, weights = network.cell, network.layer_weights(k)
    names = (*cell.gates, *cell.states)
    carried = tuple(part.squeeze(0) for part in before)
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    t, drive = first, x[:0, 0]
    while t < last:
        with torch.autocast(x.device.type, enabled=False):
            until = time.monotonic() + PIECE_SECONDS
            while t < last and time.monotonic() < until:
                place = (t - first) % DRIVEN
                if place == 0:
                    drive = cell.drive(x[t : min(t + DRIVEN, last), 0], weights)
                gates, states = holding.step(k, t, drive[place], carried, weights)
                carried = tuple(states[name] for name in cell.states)
                for name in names:
                    rows[name].append(states[name] if name in states else gates[name])
                t += 1
        yield (k + t / len(x)) / len(network.layers)
    return {name: torch.stack(column) for name, column in rows.items()}, tuple(part.unsqueeze(0) for part in carried)


def state_at(traced: Traced, network: Network, t: int) -> State:
    """The state after reading symbol t, (1, H) for h and c of each layer: what a `Writer` goes on from.

    Raises ValueError if there is no such timestep.
    """
    if not 0 <= t < len(traced.tokens):
        raise ValueError(f"there is no timestep {t}: the text has {len(traced.tokens):,}, counted from 0")
    like, names = network.output.bias, network.cell.states
    return [
        tuple(torch.tensor(layer[name][t : t + 1], dtype=like.dtype, device=like.device) for name in names)
        for layer in traced.layers
    ]


def _fused(
    network: Network, k: int, x: Tensor, before: tuple[Tensor, ...]
) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
    """Layer k over its input x (T, 1, in): gates and states, (T, H) each, and the last state."""
    cell, weights = network.cell, network.layer_weights(k)
    output, after = network.run_layer(k, x, before)
    h_before = torch.cat((before[0].unsqueeze(0), output[:-1]))
    gates = cell.rebuild(x, h_before, weights)
    found = {name: gates[name] for name in cell.gates} | {"h": output}
    if len(cell.states) > 1:
        carried, steps = before, []
        for t in range(len(output)):
            new = cell.gates_to_states({name: gate[t] for name, gate in gates.items()}, carried)
            carried = tuple(new[name] for name in cell.states)
            steps.append(carried[1:])
        for name, column in zip(cell.states[1:], zip(*steps, strict=True), strict=True):
            found[name] = torch.stack(column)
    return {name: value.squeeze(1) for name, value in found.items()}, after


def trace_view(
    traced: Traced,
    vocabulary: Sequence[str],
    *,
    cell: str,
    gates: tuple[str, ...],
    source: str,
    offset: int = 0,
    unknown: int = 0,
    step: int = 0,
    weights_version: int = 0,
    best: bool = False,
    candidates: int = SHOWN_CANDIDATES,
    number: int = 0,
    part: str = "",
    holds: tuple[Hold, ...] = (),
    without: Trace | None = None,
) -> Trace:
    """The reading as a screen shows it: read-only arrays, costs in bits, the likeliest next symbols."""
    shown = min(candidates, traced.logits.shape[1])
    p = torch.as_tensor(traced.logits).softmax(dim=-1)
    top = p.topk(shown, dim=-1)
    cost = traced.loss.astype(np.float32) / np.float32(LN2)
    return Trace(
        symbols=tuple(vocabulary[token] for token in traced.tokens),
        tokens=frozen(traced.tokens),
        layers=tuple(
            {name: frozen(values.astype(np.float32, copy=False)) for name, values in layer.items()}
            for layer in traced.layers
        ),
        gates=gates,
        top_id=frozen(top.indices.numpy()),
        top_p=frozen(top.values.float().numpy()),
        vocabulary=tuple(vocabulary),
        # What came after t is what was read at t + 1: the same costs, one step later.
        bits=frozen(np.concatenate((cost[-1:], cost[:-1]))),
        next_bits=frozen(cost),
        unknown=unknown,
        step=step,
        weights_version=weights_version,
        source=source,
        offset=offset,
        cell=cell,
        best=best,
        number=number,
        part=part,
        holds=holds,
        without=without,
    )

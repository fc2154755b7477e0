"""What the network computes while it reads a text: every state and gate of every timestep.

The fused forward runs once. Gates are then rebuilt for all timesteps at once from x_t and
h_{t-1}, both known by then, with the equations of `model.cells`; only what depends on its
own past beyond h (the LSTM's c) is walked step by step, without any matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.model.network import Network, State
from rnn_tui.views import LN2, Trace, frozen

SHOWN_CANDIDATES = 5


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


@torch.no_grad()
def trace(network: Network, tokens: Tensor | NDArray[Any], state: State | None = None) -> Traced:
    """Reads `tokens` (T) from h_0 (or from `state`, of batch 1), without dropout, in full precision.

    Raises ValueError if there are none.
    """
    ids = torch.as_tensor(np.asarray(tokens, dtype=np.int64), device=network.output.bias.device)
    if not len(ids):
        raise ValueError("there is nothing to read: the text is empty")
    with torch.autocast(ids.device.type, enabled=False):
        x = network.embed(ids.unsqueeze(1))
        layers = []
        for k, before in enumerate(network.initial(1) if state is None else state):
            output, _ = network.run_layer(k, x, before)
            layers.append(_layer(network, k, x, output, before))
            x = output
        logits = network.output(x.squeeze(1))
        cost = torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")
    return Traced(
        tokens=ids.cpu().numpy(),
        layers=tuple(layers),
        logits=logits.cpu().numpy(),
        loss=torch.cat((cost, cost.new_full((1,), math.nan))).cpu().numpy(),
    )


def _layer(network: Network, k: int, x: Tensor, output: Tensor, before: tuple[Tensor, ...]) -> dict[str, NDArray[Any]]:
    """Gates and states of one layer, (T, H) each, from its input (T, 1, in) and its h (T, 1, H)."""
    cell, weights = network.cell, network.layer_weights(k)
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
    return {name: value.squeeze(1).contiguous().cpu().numpy() for name, value in found.items()}


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
    )

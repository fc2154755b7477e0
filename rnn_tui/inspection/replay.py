"""A sequence read once more, one timestep after another, and the gradient walked back through it (BPTT).

A fused module gives gradients of its last output only. Here the step functions of
`model.cells` are run in float64 without denormal flushing: layer by layer and direction by
direction forward, then from the loss back, as `inspection.walk` says. One replay serves
every kind of network; what differs is where the loss stands, and what it reads:

one direction        the last layer's h at the loss's timestep
both directions      h of both there, or, of the whole sequence, each at the end of its reading
encoder and decoder  the decoder's h, with attention also all that the encoder said; the
                     decoder starts from the encoder's last states, and the gradient crosses there
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.gathering import row_norms
from rnn_tui.inspection.pieces import Working, finish, in_pieces, within
from rnn_tui.inspection.reader import Array64, LayerReplay, Reader, joined, start_of
from rnn_tui.inspection.walk import SEGMENT
from rnn_tui.model.network import Network, State
from rnn_tui.model.translation import EncoderDecoder

Loss = Callable[..., Tensor]
"""Of what the last layer says where the loss stands, (H) or (2H) float64; of an encoder and a decoder also of
what the encoder's last layer said, (T, H)."""

FLOAT64 = 8
FORWARD = 0.4
"""Share of the work that the way there has."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A loss, and its gradient at every state on the way."""

    loss: float
    at: int
    cut: int
    """First timestep that the gradient reaches."""
    layers: tuple[LayerReplay, ...]
    border: int = -1
    """The decoder's first timestep; -1: there is no decoder."""


def bytes_needed(network: Network | EncoderDecoder, timesteps: int, truncate: int = 0) -> int:
    """Bytes a replay takes beyond the network itself: weights and their gathered gradients, states, their gradients."""
    hidden, layers, cell = network.model.hidden_size, network.model.layers, network.cell
    both = 2 if isinstance(network, Network) and network.model.bidirectional else 1
    reached = min(timesteps, truncate) if truncate else timesteps
    learned = sum(parameter.numel() for parameter in network.parameters())
    # Of every layer states and their gradients; of one at a time what reaches it from above and goes on below.
    kept = both * hidden * (layers * (2 * len(cell.states) + (not cell.gates)) + 2)
    return FLOAT64 * (2 * learned + reached * kept + 4 * min(SEGMENT, reached) * cell.rows * hidden)


def replay(
    network: Network | EncoderDecoder,
    inputs: Tensor | NDArray[Any],
    loss: Loss,
    *,
    at: int = -1,
    truncate: int = 0,
    state: State | None = None,
    gather: bool = True,
    whole: bool = False,
    written: Tensor | NDArray[Any] | None = None,
    working: Working | None = None,
) -> Replay:
    """`replay_steps`, done to its end; `working` is told the share that is done and may raise to end it."""
    steps = replay_steps(
        network, inputs, loss, at=at, truncate=truncate, state=state, gather=gather, whole=whole, written=written
    )  # fmt: skip
    return finish(steps, working)


def replay_steps(
    network: Network | EncoderDecoder,
    inputs: Tensor | NDArray[Any],
    loss: Loss,
    *,
    at: int = -1,
    truncate: int = 0,
    state: State | None = None,
    gather: bool = True,
    whole: bool = False,
    written: Tensor | NDArray[Any] | None = None,
) -> Generator[float, None, Replay]:
    """The gradient of a loss at one timestep, back through time and layers; yields the share that is done.

    `inputs` are tokens (T), or what layer 0 reads (T, in). `loss` is a differentiable function
    of what the last layer says at timestep `at` (-1: the last) to one number; with `whole`
    each direction speaks at the end of its own reading. `written` (U) is what a decoder reads:
    its timesteps count on from the source's. The gradient goes back over `truncate` timesteps,
    the loss's own included (0: all of them); at that border the carried state of every layer
    crosses and the gradient does not. `state` is what the sequence is read from (batch 1),
    h_0 by default. Without `gather` the weights' gradients are left out. Float64, no dropout,
    the network is not touched. Raises ValueError for a place outside the sequence, and where
    a gradient is to be cut that has no one way back: both directions, an encoder.
    """
    found, decoder = _tensor(inputs), None if written is None else _tensor(written)
    total = len(found) + (0 if decoder is None else len(decoder))
    if not 0 <= (at := at + total if at < 0 else at) < total:
        raise ValueError(f"the loss can't stand at timestep {at:,}: the text has {total:,}")
    if truncate < 0:
        raise ValueError(f"a gradient can't go back {truncate:,} timesteps; 0 is all of them")
    if isinstance(network, EncoderDecoder):
        if decoder is None or at < len(found):
            raise ValueError(f"the loss can't stand at timestep {at:,}: the decoder's first is {len(found):,}")
        if truncate:
            raise ValueError("what a decoder learns goes back to the source whole; leave the truncation out (0)")
        work = _translated(network, found, decoder[: at + 1 - len(found)], loss, at, state, gather)
    else:
        if truncate and network.model.bidirectional:
            raise ValueError("a bidirectional network reads whole sequences; leave the truncation out (0)")
        work = _read(network, found, loss, at, truncate, state, gather, whole)
    return in_pieces(work)


def _tensor(values: Tensor | NDArray[Any]) -> Tensor:
    found = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    return found.detach().cpu().double() if found.is_floating_point() else found.to("cpu").long()


def _read(
    network: Network, inputs: Tensor, loss: Loss, at: int, truncate: int, state: State | None, gather: bool, whole: bool
) -> Generator[float, None, Replay]:
    both, cut = network.model.bidirectional, max(0, at + 1 - truncate) if truncate else 0
    reader = Reader(network, inputs if both else inputs[: at + 1], cut, start_of(network, state), gather)
    yield from within(reader.forward(), 0.0, FORWARD)
    out = reader.out()
    first = 0 if whole else at
    said = torch.cat((out[at, : reader.hidden], out[first, reader.hidden :])) if both else out[at - cut]
    value, (slope,) = _slopes(loss, said)
    above = torch.zeros_like(out)
    above[at - cut, : reader.hidden] = slope[: reader.hidden]
    if both:
        above[first, reader.hidden :] = slope[reader.hidden :]
    yield from within(reader.back(above, None), FORWARD, 1.0 - FORWARD)
    return Replay(value, at, cut, reader.layers())


def _translated(
    network: EncoderDecoder, source: Tensor, written: Tensor, loss: Loss, at: int, state: State | None, gather: bool
) -> Generator[float, None, Replay]:
    border = len(source)
    part = border / (at + 1)
    encoder = Reader(network.encoder, source, 0, start_of(network.encoder, state), gather)
    yield from within(encoder.forward(), 0.0, FORWARD * part)
    decoder = Reader(network.decoder, written, 0, encoder.ends(), gather)
    yield from within(decoder.forward(), FORWARD * part, FORWARD * (1 - part))
    said, heard = decoder.out(), encoder.out()
    value, (slope, direct) = _slopes(loss, said[-1], heard)
    above = torch.zeros_like(said)
    above[-1] = slope
    back = 1.0 - FORWARD
    crossing = yield from within(decoder.back(above, None), FORWARD, back * (1 - part))
    # Beside the states that the decoder started from, attention asks for every timestep of the source.
    yield from within(encoder.back(direct, crossing), FORWARD + back * (1 - part), back * part)
    layers = tuple(joined(a, b) for a, b in zip(encoder.layers(), decoder.layers(), strict=True))
    return Replay(value, at, 0, layers, border)


def _slopes(loss: Loss, *said: Tensor) -> tuple[float, list[Tensor]]:
    """The loss, and its gradient with respect to each of what it reads."""
    leaves = [each.clone().requires_grad_() for each in said]
    with torch.enable_grad():
        value = loss(*leaves)
        found = torch.autograd.grad(value, leaves, materialize_grads=True, allow_unused=True)
    return float(value.detach()), list(found)


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

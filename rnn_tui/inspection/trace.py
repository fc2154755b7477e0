"""What the network computes while it reads: every state and gate of every timestep.

Layer by layer, as `inspection.layers` says. Above them stands what is answered: after every
timestep, or as if the sequence ended there.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import ModelConfig
from rnn_tui.inspection import layers
from rnn_tui.inspection.asked import Answers, costs, following, spread
from rnn_tui.inspection.trace_view import SHOWN_CANDIDATES, trace_view
from rnn_tui.model.cells import cell_of
from rnn_tui.model.holding import Holding
from rnn_tui.model.network import Network, State
from rnn_tui.model.parameters import as_sizes
from rnn_tui.model.stack import Stack
from rnn_tui.model.translation import Encoded, EncoderDecoder
from rnn_tui.tasks.decoding import BEGIN
from rnn_tui.tasks.decoding.greedy import greedy
from rnn_tui.views import Hold, Sizes

__all__ = [
    "SHOWN_CANDIDATES", "Traced", "decoder_inputs", "state_at", "trace", "trace_bytes", "trace_view", "tracing",
]  # fmt: skip

Model: TypeAlias = Network | EncoderDecoder
Arrays = dict[str, NDArray[Any]]

# Multiplications that the beginnings of one sequence may take to be read as sequences of their own, and at once.
PREFIXES = 1 << 33
PREFIXES_AT_ONCE = 1 << 28


@dataclass(frozen=True, slots=True)
class Traced:
    """Arrays of one reading, float32 where the network is (float64 for a float64 one).

    `tokens` (T) are the numbers of the symbols read; of a network that reads numbers they
    are these numbers, (T, F). `layers[k]` maps the gates (`i f g o`, `r z n`) and states (`h`, `c`)
    to (T, H), of a bidirectional network also `backward.h` and so on, at the same t.
    `logits` (T, V) are of the answer at t (in language, of the symbol after t); of answers
    that are numbers, (T, K), they are these numbers. `loss` (T) is the cost of the right
    answer: -ln p, nats (in language of the symbol that came after t; the last is NaN), or
    the mean squared error of numbers; NaN where nothing is asked or no right answer is known.

    An encoder and a decoder have one axis: the source's timesteps, then from `border` on the
    decoder's, which reads <start> and then each symbol that was right (or, where that is not
    known, that it wrote itself). Nothing is answered before the border: NaN.
    """

    tokens: NDArray[Any]
    layers: tuple[Arrays, ...]
    logits: NDArray[Any]
    loss: NDArray[Any]
    targets: NDArray[Any] | None = None
    """(T) or (T, K): the right answers by timestep, as `asked.spread` gives them; of a decoder from the border on."""
    border: int = -1
    """The decoder's first timestep; -1: there is no decoder."""
    attention: NDArray[Any] | None = None
    """(U, border): weights of the source's timesteps while the decoder answered; None without attention."""


def trace_bytes(model: ModelConfig, sizes: Sizes | int, timesteps: int) -> int:
    """Bytes of tokens and float32 arrays of a `Traced` of so many timesteps: they grow with nothing else.

    Timesteps of encoder and decoder together; attention's weights are not counted.
    """
    sizes, cell = as_sizes(sizes), cell_of(model)
    both = 2 if model.bidirectional and not sizes.decoder else 1
    numbers = sizes.outputs + 1 + both * model.layers * model.hidden_size * len({*cell.gates, *cell.states})
    return timesteps * (4 * numbers + (4 * sizes.inputs if sizes.numeric else 8))


def trace(
    network: Model,
    tokens: Tensor | NDArray[Any],
    state: State | None = None,
    holds: Sequence[Hold] = (),
    *,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
) -> Traced:
    """Reads `tokens` (T), or numbers (T, F), from h_0 or from `state` (of batch 1), without dropout, in full precision.

    `holds` are in force while it reads, counting the first token's timestep as 0; of a
    bidirectional network they hold the forward direction. `answers` says where an answer is
    given and `targets` what is right, as in `data.examples.Examples`; without `answers` it is
    the next symbol that is asked for at every timestep. Where the end alone answers, `logits`
    at t are of the answer if the sequence ended there; a bidirectional network then reads
    each beginning as a sequence of its own, and where that would take long, or something is
    held, all but the last are NaN.

    Raises ValueError if there is nothing to read, or if the network hasn't what is to be held.
    """
    pieces = tracing(network, tokens, state, holds, targets=targets, answers=answers)
    while True:
        try:
            next(pieces)
        except StopIteration as finished:
            traced: Traced = finished.value
            return traced


@torch.no_grad()
def tracing(
    network: Model,
    tokens: Tensor | NDArray[Any],
    state: State | None = None,
    holds: Sequence[Hold] = (),
    *,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
) -> Generator[float, None, Traced]:
    """`trace` in pieces: yields the share that is done, returns the reading."""
    read = np.asarray(tokens).copy()
    if not len(read):
        raise ValueError("there is nothing to read: the text is empty")
    read = read if network.sizes.numeric else read.astype(np.int64)
    holding = Holding(network.model, holds)
    if isinstance(network, EncoderDecoder):
        return (yield from _translating(network, read, targets, holding))
    inputs = torch.as_tensor(read, device=network.output.bias.device)
    state = network.initial(1) if state is None else state
    # The beginnings that are read apart take most of the time where there are any.
    ends = answers == "last" and network.model.bidirectional
    out, found, _ = yield from _stacked(network, network.embed(inputs.unsqueeze(1)), state, holding, 0, 0.0, 1.0)
    logits = _answered(network, out, answers == "last")
    if ends and not holding and _cheap(network, len(read)):
        yield from _beginnings(network, inputs, logits)
    asked = following(read) if answers is None else spread(targets, len(read), logits.shape[1], answers)
    return Traced(read, _arrays(found), logits.cpu().numpy(), costs(logits, asked), asked)


def _stacked(
    stack: Stack, x: Tensor, state: State, holding: Holding, first: int, base: float, part: float
) -> Generator[float, None, tuple[Tensor, list[layers.Rows], State]]:
    """All layers of a stack over x (T, 1, in): what the last one says, (T, 1, H or 2H), gates and states, the end."""
    depth, found, after = len(stack.layers), [], []
    for k, before in enumerate(state):
        walk = layers.forward(stack, k, x, before, holding, first)
        while True:
            try:
                share = next(walk)
            except StopIteration as finished:
                rows, last = finished.value
                break
            yield base + part * (k + share) / depth
        x_out = rows["h"].unsqueeze(1)
        if stack.model.bidirectional:
            other = layers.backward(stack, k, x)
            rows |= {f"backward.{name}": values for name, values in other.items()}
            x_out = torch.cat((x_out, other["h"].unsqueeze(1)), dim=-1)
        x = x_out
        found.append(rows)
        after.append(last)
        yield base + part * (k + 1) / depth
    return x, found, after


def _answered(network: Network, out: Tensor, ends: bool) -> Tensor:
    """(T, V) from what the last layer says, (T, 1, H or 2H)."""
    with torch.autocast(out.device.type, enabled=False):
        if not (ends and network.model.bidirectional):
            return network.output(out.squeeze(1))  # type: ignore[no-any-return]
        logits = out.new_full((len(out), network.sizes.outputs), torch.nan)
        logits[-1] = network.output(network.summary(out))[0]
    return logits


def _cheap(network: Network, timesteps: int) -> bool:
    return timesteps**2 * _weights(network) <= PREFIXES


def _weights(network: Network) -> int:
    return max(1, sum(parameter.numel() for parameter in network.layers.parameters()))


def _beginnings(network: Network, inputs: Tensor, logits: Tensor) -> Generator[float, None, None]:
    """Fill `logits` (T, V) with the answer to each beginning of the sequence, read as a whole."""
    total = len(inputs)
    wide = max(1, PREFIXES_AT_ONCE // (total * _weights(network)))
    for first in range(1, total, wide):
        lengths = torch.arange(first, min(first + wide, total))
        longest = int(lengths[-1])
        batch = inputs[:longest].unsqueeze(1).expand(longest, len(lengths), *inputs.shape[1:])
        with torch.autocast(inputs.device.type, enabled=False):
            out, _ = network.hidden(batch.contiguous(), None, None, lengths)
            logits[first - 1 : longest] = network.output(network.summary(out, lengths))
        yield 1.0


def _translating(
    network: EncoderDecoder, source: NDArray[np.int64], targets: NDArray[Any] | None, holding: Holding
) -> Generator[float, None, Traced]:
    """Source and target on one axis."""
    border = len(source)
    read = torch.as_tensor(source, device=network.decoder.output.bias.device)
    x = network.encoder.embed(read.unsqueeze(1))
    encoded, left, state = yield from _stacked(network.encoder, x, network.initial(1), holding, 0, 0.0, 0.5)
    written = decoder_inputs(network, source, targets)
    yield 0.5
    x = network.decoder.embed(torch.as_tensor(written, device=read.device).unsqueeze(1))
    out, right, _ = yield from _stacked(network.decoder, x, state, holding, border, 0.5, 0.5)
    weights: Tensor | None = None
    with torch.autocast(read.device.type, enabled=False):
        if network.decoder.attention is not None:
            out, weights = network.decoder.attend(out, Encoded(encoded, state))
        logits = network.decoder.output(out.squeeze(1))
    asked = spread(targets, len(written), network.sizes.outputs, "decoder")
    before = logits.new_full((border, logits.shape[1]), torch.nan)
    rows = [{name: torch.cat((a[name], b[name])) for name in a} for a, b in zip(left, right, strict=True)]
    return Traced(
        tokens=np.concatenate((source, written)),
        layers=_arrays(rows),
        logits=torch.cat((before, logits)).cpu().numpy(),
        loss=np.concatenate((before[:, 0].cpu().numpy(), costs(logits, asked))),
        targets=np.concatenate((spread(None, border, 0, "decoder"), asked)),
        border=border,
        attention=None if weights is None else weights[:, 0].cpu().numpy(),
    )


@torch.no_grad()
def decoder_inputs(
    network: EncoderDecoder, source: NDArray[np.int64], targets: NDArray[Any] | None
) -> NDArray[np.int64]:
    """(U): what a decoder reads to give `targets` (U): <start>, then each right symbol but the last.

    Where no right answer is known, what greedy search writes, up to the symbol after which it ended.
    """
    if targets is not None and len(targets):
        return np.concatenate(([BEGIN], targets[:-1])).astype(np.int64)
    device = network.decoder.output.bias.device
    (found,) = greedy(network, torch.as_tensor(source, device=device).unsqueeze(1))
    return np.array([BEGIN, *found.symbols][: len(found.costs)], np.int64)


def _arrays(found: list[layers.Rows]) -> tuple[Arrays, ...]:
    return tuple({name: value.contiguous().cpu().numpy() for name, value in rows.items()} for rows in found)


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

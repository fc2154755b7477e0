"""The loss of a decoder, told the right symbol before each step or left to its own choice."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from rnn_tui.data.coding import PAD
from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.data.pairs import TARGET_SYMBOLS
from rnn_tui.model.stack import State
from rnn_tui.model.translation import Encoded, EncoderDecoder
from rnn_tui.tasks.decoding import BARRED, BEGIN
from rnn_tui.tasks.learning.batches import Batch

_FILL = TARGET_SYMBOLS.index(PAD)


def loss(
    network: EncoderDecoder, batch: Batch, state: State | None = None, dropout: torch.Generator | None = None,
    rate: float = 1.0,
) -> tuple[Tensor, State]:  # fmt: skip
    """Mean cost in nats of a target symbol, <eos> among them, and the encoder's state after the sources.

    `rate` is that of teacher forcing (Williams and Zipser 1989): at each step after the first,
    with that probability, the whole batch reads the right symbol before, else the one that
    the network found likeliest (scheduled sampling, Bengio et al. 2015, with one draw a step).
    The draws come from `dropout`; without it the right symbol is read always. No gradient
    goes through a choice. Not masked, what fills a source up is read, and what fills a target
    up is to be written and counted.
    """
    encoded = network.encode(
        batch.inputs, batch.lengths if batch.masked else None, batch.before and batch.masked, dropout, state or None
    )
    targets = batch.targets if batch.masked else batch.targets.masked_fill(batch.targets == NOT_ASKED, _FILL)
    logits = written(network, encoded, targets, dropout, rate)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=NOT_ASKED), encoded.state


def written(
    network: EncoderDecoder,
    encoded: Encoded,
    targets: Tensor,
    dropout: torch.Generator | None = None,
    rate: float = 1.0,
) -> Tensor:
    """Logits (U, B, V) of the targets (U, B), each from the symbols before it; `rate` as in `loss`."""
    start = torch.full_like(targets[:1], BEGIN)
    right = torch.cat((start, targets[:-1].masked_fill(targets[:-1] == NOT_ASKED, _FILL)))
    if dropout is None or rate >= 1.0:
        return network.decode(encoded, right, None, dropout)[0]
    U = len(targets)
    told = torch.rand(U, generator=dropout, device=dropout.device) < rate
    own = [u for u in range(1, U) if not told[u]]
    pieces: list[Tensor] = []
    state: State | None = None
    # Between two choices of its own the decoder runs over many timesteps at once.
    for first, last in pairwise((0, *own, U)):
        inputs = right[first:last]
        if first:
            inputs = torch.cat((_likeliest(pieces[-1][-1]).unsqueeze(0), inputs[1:]))
        logits, state, _ = network.decode(encoded, inputs, state, dropout)
        pieces.append(logits)
    return torch.cat(pieces)


def _likeliest(logits: Tensor) -> Tensor:
    """(B): what greedy search would write."""
    found = logits.detach().clone()
    found[..., list(BARRED)] = float("-inf")
    return found.argmax(dim=-1)

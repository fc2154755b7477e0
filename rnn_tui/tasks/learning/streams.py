"""One long stream of symbols, cut into B parallel ones for training, and scored as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.model.memory import MOST_LOGITS
from rnn_tui.model.network import Network, State
from rnn_tui.tasks.learning.batches import Batch
from rnn_tui.tasks.learning.softmax import cross_entropy

# Validation during training reads this many streams side by side. Each first reads
# WARM_UP symbols before its own, so that what it scores has a past, as in one stream.
STREAMS = 64
WARM_UP = 128
# With an odd few rows a matrix product may sum in another order on another number of threads.
EVEN = 16
# Logits held at a time: what bounds the memory of a validation.
LOGITS = 4_000_000
# Logits of a batch from which on they are computed, and forgotten, in pieces.
SPLIT = MOST_LOGITS


class Streams:
    """The training part as B parallel streams, read T symbols at a time.

    Stateful: stream b is the b-th contiguous part; batch n continues where batch n-1
    ended, so h can be carried. Each epoch shifts all streams by a random offset, so that
    the symbols left over at the end differ. Not stateful: every batch is B passages from
    anywhere, each starting at h_0. All draws come from the generator given.
    """

    steady = True

    def __init__(
        self, ids: NDArray[Any], batch_size: int, sequence_length: int, stateful: bool, generator: torch.Generator
    ) -> None:
        self.ids, self.B, self.T = ids, batch_size, sequence_length
        self.shape: tuple[int, ...] = (batch_size, sequence_length)
        self.stateful, self.generator = stateful, generator
        self.chunks = (len(ids) - 1) // (batch_size * sequence_length)
        if self.chunks < 1:
            raise ValueError(f"{len(ids)} symbols are fewer than {batch_size} x {sequence_length} + 1")
        self.epoch, self.position, self.offset = 0, 0, -1

    @property
    def fresh(self) -> bool:
        """Whether the next batch starts at h_0."""
        return self.position == 0 or not self.stateful

    def next(self) -> Batch:
        """Inputs and targets, both (T, B) int64; targets are the inputs one symbol later."""
        B, T = self.B, self.T
        if self.position == 0:
            slack = len(self.ids) - 1 - B * T * self.chunks
            self.offset = int(torch.randint(slack + 1, (), generator=self.generator))
        if self.stateful:
            starts = self.offset + np.arange(B) * (self.chunks * T) + self.position * T
        else:
            starts = torch.randint(len(self.ids) - T, (B,), generator=self.generator).numpy()
        passage = np.stack([self.ids[s : s + T + 1] for s in starts], axis=1).astype(np.int64)
        self.position += 1
        if self.position == self.chunks:
            self.position, self.epoch = 0, self.epoch + 1
        both = torch.from_numpy(passage)
        return Batch(both[:-1], both[1:])

    def cursor(self) -> tuple[int, int, int]:
        """Epoch, position and offset: with the generator's state, all that `next` depends on."""
        return self.epoch, self.position, self.offset

    def seek(self, cursor: tuple[int, int, int]) -> None:
        """Go back to a cursor; one of another batch size or length starts its epoch anew."""
        epoch, position, offset = cursor
        slack = len(self.ids) - 1 - self.B * self.T * self.chunks
        fits = 0 <= position < self.chunks and -1 <= offset <= slack
        self.epoch, self.position, self.offset = (epoch, position, offset) if fits else (epoch, 0, -1)


def loss(
    network: Network, inputs: Tensor, targets: Tensor, state: State | None, dropout: torch.Generator | None
) -> tuple[Tensor, State]:
    """Mean cost in nats of predicting `targets` (T, B), and the state after them.

    With more than SPLIT logits they are never held all at once; the cost is the same but for rounding.
    """
    if targets.numel() * network.output.out_features > SPLIT:
        out, state = network.hidden(inputs, state, dropout)
        return cross_entropy(out.flatten(0, 1), network.output.weight, network.output.bias, targets.flatten()), state
    logits, state = network(inputs, state, dropout)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten()), state


def score(
    network: Network, ids: NDArray[Any], *, streams: int = 1, working: Callable[[float], None] | None = None
) -> tuple[float, int]:
    """Mean cost in nats over the len(ids) - 1 predictions in `ids`, and their number.

    One stream is the definition: each symbol is predicted from all before it, from h_0 on.
    More streams are faster: each scores its own part after reading WARM_UP symbols before
    it, so the result differs only by what a longer past would have told. float32, eval mode.
    `working` is called with the share done; what it raises stops the scoring.
    """
    count = len(ids) - 1
    if count < 1:
        raise ValueError("a text of fewer than two symbols predicts nothing")
    device = next(network.parameters()).device
    total = 0.0
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for inputs, targets, state, done in _passages(network, ids, streams):
                logits, state[:] = network(torch.from_numpy(inputs).to(device), state)
                wanted = torch.from_numpy(targets).to(device).flatten()
                costs = F.cross_entropy(logits.flatten(0, 1).float(), wanted, reduction="none", ignore_index=-1)
                total += float(costs.double().sum())
                if working is not None:
                    working(done)
    finally:
        network.train(was_training)
    return total / count, count


def passage_shape(vocabulary: int, predictions: int, streams: int) -> tuple[int, int]:
    """T and B of what `score` reads at a time: bounded in logits, and no stream shorter than its warm-up."""
    B = max(1, min(streams, predictions // (2 * WARM_UP) // EVEN * EVEN))
    return max(1, min(2048, LOGITS // vocabulary) // B), B


def _passages(
    network: Network, ids: NDArray[Any], streams: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], State, float]]:
    """Inputs and targets (T, B), the state to carry, the share done.

    A target that no stream owns is -1.
    """
    count = len(ids) - 1
    chunk, B = passage_shape(network.vocabulary, count, streams)
    length = -(-count // B)
    state = network.initial(B)
    starts = np.arange(B) * length
    if B > 1:
        warm = np.stack([np.asarray(ids[max(0, s - WARM_UP) :][:WARM_UP], np.int64) for s in starts], axis=1)
        # Without the readout: the logits of a warm-up are many, and nobody asks for them.
        state = network.hidden(torch.from_numpy(warm).to(state[0][0].device), state)[1]
        for layer, start in zip(state, network.initial(1), strict=True):
            for part, first in zip(layer, start, strict=True):
                # The first stream has nothing before it.
                part[0] = first[0]
    at = 0
    while at < length:
        T = min(chunk, length - at)
        where = starts[None, :] + at + np.arange(T)[:, None]
        owned = (where < count) & (where < starts[None, :] + length)
        inputs = np.asarray(ids[np.minimum(where, count)], np.int64)
        targets = np.where(owned, np.asarray(ids[np.minimum(where + 1, count)], np.int64), -1)
        at += T
        yield inputs, targets, state, at / length

"""Batches: sequences side by side, filled up to one length, and the order in which they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.examples import NOT_ASKED, Examples

# Batches whose sequences are sorted by length together: wide enough for a random order,
# narrow enough that a batch holds sequences of nearly one length.
POOL = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """B sequences side by side, time first.

    `inputs` (T, B) int64 or (T, B, F) float32; `targets` (T, B), (1, B) or (U, B) int64 with
    NOT_ASKED, or (..., B, K) float32 with NaN. `lengths` (B) int64, on the CPU: how many
    timesteps of each are data; None: all. Where `before` is set, short sequences are filled
    up before their beginning: the data are the last `lengths` timesteps. `masked` False:
    what fills up is read like data, a mistake that is kept to be looked at.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    before: bool = False
    masked: bool = True

    @property
    def tokens(self) -> int:
        """Timesteps that are data."""
        return int(self.inputs.shape[0] * self.inputs.shape[1]) if self.lengths is None else int(self.lengths.sum())

    def to(self, device: torch.device) -> Batch:
        """The same batch with inputs and targets there."""
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))


class Batches(Protocol):
    """The training part as batches, in an order that the generator and the cursor alone decide."""

    chunks: int
    """Batches of an epoch."""
    epoch: int
    position: int
    steady: bool
    """Whether every batch has one shape."""
    shape: tuple[int, ...]
    """What a carried state and a cursor hang on: B, and for streams T."""

    @property
    def fresh(self) -> bool:
        """Whether the next batch starts at h_0."""

    def next(self) -> Batch: ...

    def cursor(self) -> tuple[int, int, int]:
        """Epoch, position and offset: with the generator's state, all that `next` depends on."""

    def seek(self, cursor: tuple[int, int, int]) -> None:
        """Go back to a cursor; one that doesn't fit starts its epoch anew."""


def collate(examples: Examples, which: Sequence[int], *, before: bool = False, masked: bool = True) -> Batch:
    """The sequences of those numbers as one batch; `lengths` None where all are equally long."""
    reads = [examples.read(int(k)) for k in which]
    asks = [examples.asked(int(k)) for k in which]
    lengths = torch.tensor([len(read) for read in reads])
    synced = all(len(read) == len(ask) for read, ask in zip(reads, asks, strict=True))
    inputs, targets = _filled(reads, 0, before), _filled(asks, NOT_ASKED, before and synced)
    unequal = bool((lengths != lengths[0]).any())
    return Batch(inputs, targets, lengths if unequal else None, before and unequal, masked)


def _filled(parts: Sequence[NDArray[Any]], number: int, before: bool) -> Tensor:
    """(T, B, ...): float32 filled up with 0 or, for answers, NaN; whole numbers as int64 with `number`."""
    T = max(len(part) for part in parts)
    real = parts[0].dtype.kind == "f"
    value = (np.nan if number == NOT_ASKED else 0.0) if real else number
    whole = np.full((T, len(parts), *parts[0].shape[1:]), value, np.float32 if real else np.int64)
    for b, part in enumerate(parts):
        whole[T - len(part) :, b] = part if before else whole[T - len(part) :, b]
        if not before:
            whole[: len(part), b] = part
    return torch.from_numpy(whole)


class Buckets:
    """Every example once an epoch, in random order, each batch of sequences of nearly one length.

    The order of an epoch is that of one number, `offset`, drawn from the generator where the
    epoch begins. `reset` False lets h run on from batch to batch: "forgot to reset".
    """

    def __init__(
        self, examples: Examples, batch_size: int, generator: torch.Generator, *,
        reset: bool = True, before: bool = False, masked: bool = True,
    ) -> None:  # fmt: skip
        if not len(examples):
            raise ValueError("there is no sequence to train on")
        self.examples, self.B, self.generator = examples, min(batch_size, len(examples)), generator
        self.shape: tuple[int, ...] = (self.B,)
        self.reset, self.before, self.masked = reset, before, masked
        lengths = examples.lengths
        self.steady = bool((lengths == lengths[0]).all())
        # A last batch of another size would need another state to be carried on: it is left out.
        self.chunks = len(examples) // self.B
        self.epoch, self.position, self.offset = 0, 0, -1
        self._order: NDArray[np.int64] | None = None

    @property
    def fresh(self) -> bool:
        return self.reset

    def next(self) -> Batch:
        if self.position == 0:
            self.offset = int(torch.randint(2**31 - 1, (), generator=self.generator))
            self._order = None
        if self._order is None:
            self._order = self._arranged()
        which = self._order[self.position]
        self.position += 1
        if self.position == self.chunks:
            self.position, self.epoch = 0, self.epoch + 1
        return collate(self.examples, which, before=self.before, masked=self.masked)

    def _arranged(self) -> NDArray[np.int64]:
        """(chunks, B): the examples of each batch."""
        draws = np.random.default_rng(self.offset)
        order = draws.permutation(len(self.examples))[: self.chunks * self.B]
        if not self.steady:
            lengths = self.examples.lengths
            for first in range(0, len(order), POOL * self.B):
                pool = order[first : first + POOL * self.B]
                order[first : first + POOL * self.B] = pool[np.argsort(lengths[pool], kind="stable")]
        return order.reshape(self.chunks, self.B)[draws.permutation(self.chunks)]

    def cursor(self) -> tuple[int, int, int]:
        return self.epoch, self.position, self.offset

    def seek(self, cursor: tuple[int, int, int]) -> None:
        epoch, position, offset = cursor
        fits = 0 <= position < self.chunks and (position == 0 or offset >= 0)
        self.epoch, self.position, self.offset = (epoch, position, offset) if fits else (epoch, 0, -1)
        self._order = None


class Fresh:
    """Batches that are made when they are asked for: no example comes twice. `make(generator, B)` makes one."""

    def __init__(
        self, make: Callable[[torch.Generator, int], Batch], batch_size: int, generator: torch.Generator, *,
        chunks: int = 100, steady: bool = True, reset: bool = True,
    ) -> None:  # fmt: skip
        self.make, self.B, self.generator = make, batch_size, generator
        self.shape: tuple[int, ...] = (batch_size,)
        self.chunks, self.steady, self.reset = chunks, steady, reset
        self.epoch, self.position = 0, 0

    @property
    def fresh(self) -> bool:
        return self.reset

    def next(self) -> Batch:
        batch = self.make(self.generator, self.B)
        self.position += 1
        if self.position == self.chunks:
            self.position, self.epoch = 0, self.epoch + 1
        return batch

    def cursor(self) -> tuple[int, int, int]:
        return self.epoch, self.position, 0

    def seek(self, cursor: tuple[int, int, int]) -> None:
        self.epoch, self.position = cursor[0], cursor[1] if 0 <= cursor[1] < self.chunks else 0

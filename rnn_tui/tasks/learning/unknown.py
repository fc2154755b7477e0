"""Learning what <unk> is, where no word of the training part is unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_tui.config import TrainingConfig
from rnn_tui.data.assembling import unknown_as
from rnn_tui.data.examples import Dataset, Examples
from rnn_tui.tasks.learning.batches import Batch, Buckets

SHARE = 0.5
"""How often a symbol that training has once is read as <unk>."""


class SometimesUnknown(Buckets):
    """Batches in which the symbols of the numbers `once` are read as `unknown` (V,) says half of the time.

    What is seen once in training stands for what will be seen for the first time later. Which
    ones are taken depends on the epoch's draw from the generator and on the batch's position,
    so a run goes on exactly where it was left.
    """

    def __init__(
        self, examples: Examples, batch_size: int, generator: torch.Generator, *, once: NDArray[np.int64],
        unknown: NDArray[np.int64], reset: bool = True, before: bool = False, masked: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(examples, batch_size, generator, reset=reset, before=before, masked=masked)
        self.once, self.unknown = torch.from_numpy(once), torch.from_numpy(unknown)

    def next(self) -> Batch:
        position = self.position
        batch = super().next()
        draws = np.random.default_rng((self.offset, position)).random(tuple(batch.inputs.shape))
        hidden = torch.isin(batch.inputs, self.once) & torch.from_numpy(draws < SHARE)
        return replace(batch, inputs=torch.where(hidden, self.unknown[batch.inputs], batch.inputs))


def bucketed(data: Dataset, training: TrainingConfig, generator: torch.Generator) -> Buckets:
    """The training part in buckets as a run's fields say, and with what teaches <unk>."""
    numbers = {symbol: k for k, symbol in enumerate(data.coding.inputs)}
    return SometimesUnknown(
        data.train,
        training.batch_size,
        generator,
        once=data.extra.once,
        unknown=np.array([unknown_as(symbol, numbers) for symbol in numbers], np.int64),
        reset=not training.forgot_reset,
        before=training.padding == "pre",
        masked=training.masking,
    )

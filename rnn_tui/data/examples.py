"""Sequences of unequal length and what is asked of each, stored end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.views import DataView

NOT_ASKED = -1
"""In targets that choose: nothing is asked there. In targets that are numbers it is NaN."""


class Examples(Protocol):
    """N sequences: of each what is read, (T,) numbers of symbols or (T, F) float32, and what is asked.

    What is asked is (T,) where every timestep answers, (1,) where the end does, (U,) where a
    decoder writes: int64 with NOT_ASKED, or float32 (..., K) with NaN where the answer is numbers.
    """

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N): timesteps of each sequence."""

    def read(self, k: int) -> NDArray[Any]:
        """What sequence k gives to read: (T,) or (T, F)."""

    def asked(self, k: int) -> NDArray[Any]:
        """The right answers of sequence k."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """Examples that lie in four arrays: `inputs` and `targets` end to end, and where each begins, (N + 1)."""

    inputs: NDArray[Any]
    starts: NDArray[np.int64]
    targets: NDArray[Any]
    target_starts: NDArray[np.int64]

    @classmethod
    def of(cls, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> Ragged:
        """From one array for each sequence and one for its answers."""
        return cls(_joined(inputs), _starts(inputs), _joined(targets), _starts(targets))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def read(self, k: int) -> NDArray[Any]:
        return self.inputs[self.starts[k] : self.starts[k + 1]]

    def asked(self, k: int) -> NDArray[Any]:
        return self.targets[self.target_starts[k] : self.target_starts[k + 1]]


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if len(parts) else np.zeros(0, np.int64)


def _starts(parts: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum([len(part) for part in parts], dtype=np.int64)))


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a task has read: its sequences in three parts, how they are coded, and what is known of them."""

    title: str
    """Its name as a person reads it, safe for a screen."""
    source: str
    """The absolute path or the built-in name it came from."""
    sha256: str
    """Of the bytes that were read, hexadecimal; of generated data, of what they are generated from."""
    coding: Coding
    train: Examples
    validation: Examples
    test: Examples
    view: DataView
    extra: Any = None
    """What the task keeps beside, for itself: the series a forecast is cut from, for example."""
    notes: tuple[str, ...] = field(default=())

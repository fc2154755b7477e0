"""What filling sequences up to one length does to what is read, and what dropout takes away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import Array


@dataclass(frozen=True, slots=True)
class PaddingView:
    """B sequences of unequal length side by side, filled up to T timesteps and read twice.

    `masked`: what fills up enters neither state nor answer. `as_data`: it is read like data.
    """

    symbols: tuple[tuple[str, ...], ...]
    """(B, T): what is read, `<pad>` (of numbers 0) where it fills up."""
    real: NDArray[np.bool_]
    """(B, T): where data are."""
    before: bool
    """Whether sequences are filled up before their beginning."""
    masked: Array
    """(B, T): mean |h| of the last layer (of both directions); 0 where nothing is real."""
    as_data: Array
    """(B, T)"""
    difference: Array
    """(B, T): mean |h masked - h as data|; what fills up counts as 0 once masked."""
    answers_masked: tuple[str, ...]
    """(B): what is answered, of a decoder with the right symbols told."""
    answers_as_data: tuple[str, ...]
    right: tuple[str, ...]
    """(B): what would be right."""
    loss_masked: Array
    """(B): mean cost of its answers, nats, or a squared error; NaN where nothing is asked."""
    loss_as_data: Array
    offset: int
    """Number of the first example."""
    part: str
    source: str
    step: int = 0
    """Step of the weights."""


@dataclass(frozen=True, slots=True)
class Mask:
    """What one mask of dropout lets through: 0 where it drops, 1 / (1 - rate) elsewhere."""

    name: str
    """`layer 1 reads`, `layer 0 W_hh`, `encoder layer 0 W_hh, backward`."""
    recurrent: bool
    """Whether it is one of W_hh, the same for all timesteps."""
    locked: bool
    """Whether it is the same at all timesteps."""
    rate: float
    values: Array
    """(T, H) of the first sequence, or (G H, H) of W_hh, its gates' blocks below one another."""
    dropped: float
    """The share that is 0."""


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks of one update, as a training batch would draw them."""

    masks: tuple[Mask, ...]
    gates: tuple[str, ...]
    """Names of the blocks of W_hh; empty where it has one."""
    symbols: tuple[str, ...]
    """(T): the first sequence of the batch; of an encoder and a decoder its source."""
    written: tuple[str, ...]
    """(U): what a decoder reads; empty without one."""
    batch: int
    source: str
    seed: int
    step: int

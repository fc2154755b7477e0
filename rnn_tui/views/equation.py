"""The equations of one unit with their numbers, over all timesteps of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import Array


@dataclass(frozen=True, slots=True)
class Contributions:
    """What adds most to a pre-activation, by name: (T, n), largest size first."""

    source: NDArray[np.int64]
    """(T, n) index into `Equation.sources`."""
    weight: Array
    """(T, n) the weight."""
    input: Array
    """(T, n) what it multiplies; 1 for a one-hot symbol."""
    value: Array
    """(T, n) their product, and for a GRU's n of the past also times r: what is really added."""


@dataclass(frozen=True, slots=True)
class Line:
    """One equation: a gate, the candidate or a new state of the unit.

    For a gate, and for the h of a cell without gates, the `terms` add up to `pre_activation`
    and `activation` of that is `value`. For any other state (`c`, `h`) `terms` are the parts
    that its own equation adds (`f * c_{t-1}`, `i * g`), or its factors where it is a product,
    and `pre_activation` is empty.
    """

    name: str
    """`i`, `f`, `g`, `o`, `r`, `z`, `n`, `c` or `h`."""
    equation: str
    """In the notation of the books: `i = sigmoid(W_ii x + b_ii + W_hi h_{t-1} + b_hi)`."""
    terms: tuple[tuple[str, Array], ...]
    """(name, (T) values): `W_ii x`, `b_ii`, `W_hi h_{t-1}`, `r * b_hn` ..."""
    product: bool
    """Whether the terms are multiplied and not added."""
    pre_activation: Array
    """(T); of length 0 where there is none."""
    activation: str
    """`sigmoid`, `tanh`, `relu`, or empty."""
    value: Array
    """(T) the result."""
    contributions: Contributions | None = None
    held: NDArray[np.bool_] | None = None
    """(T) where `value` was held and the equation does not count; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Equation:
    """Every term of the equations of one unit, at every timestep of a traced text."""

    number: int
    """Of the Trace."""
    layer: int
    unit: int
    cell: str
    lines: tuple[Line, ...]
    sources: tuple[str, ...]
    """Names of what contributes: `'a'` a one-hot symbol, `symbol 'a'` an embedded one (all of its W_ih x),
    `layer 0 h 5` of the layer below, `h 12` of h_{t-1}."""
    before: Mapping[str, Array]
    """(T) each: the unit's own state before t, `h` and for an LSTM `c`."""
    inputs: Mapping[str, Array]
    """What a person needs to compute it by hand where the network is small, (T, n) each: `x` as it comes
    from a layer below or an embedding, `h` the whole h_{t-1}; empty above 8 columns."""
    weights: Mapping[str, Array]
    """Rows of this unit, (G, n) and (G): `W_ih`, `W_hh`, `b_ih`, `b_hh`; empty where `inputs` is."""
    error: float
    """Largest difference between what is shown and what the fused network computed."""

"""The gradient on its way back through time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy import typing

Array64 = typing.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerFlow:
    """One layer's share of a gradient's way back. T is the timesteps up to the loss's own, it included.

    Of a bidirectional network T is all timesteps: what comes later reaches the loss through the
    backward direction. Of an encoder and a decoder the source's timesteps come first; what is told
    of weights is then of the encoder's before `GradientFlow.border` and of the decoder's after it.
    """

    norms: Array64
    """(T) float64: |dL/dh_t|; exactly 0 beyond a truncation, inf where it overflowed."""
    cell_norms: Array64 | None
    """(T) float64: |dL/dc_t| of an LSTM, else None."""
    horizon: int
    """How many timesteps back the norm is at least 1e-6 of that at the loss's own step."""
    accumulated: Mapping[str, Array64]
    """`W_ih`, `W_hh`, `b_ih`, `b_hh`: (T) float64, |dL/dW| summed over the timesteps t .. T - 1: what BPTT
    has gathered once it has walked back to t."""
    step_norms: Mapping[str, Array64]
    """The same names, (T): what timestep t alone adds."""
    spectral_radius: float | None
    """Largest |eigenvalue| of W_hh; None for a cell with gates or without memory."""
    singular_values: Array64 | None
    """(H) float64, of W_hh, largest first; None as above."""
    jacobian: Array64 | None
    """(T) float64: largest singular value of dh_T/dh_t, the product of Jacobians from t to the loss's step,
    within this layer; None as above."""
    linear: Array64 | None
    """(T): spectral_radius ** (T - 1 - t), what the eigenvalue alone would say; None as above."""
    backward: Array64 | None = None
    """(T): |dL/dh_t| of the backward direction, which has gone from the end to t; None where there is none."""
    backward_cell: Array64 | None = None
    """(T): |dL/dc_t| of the same."""
    backward_horizon: int = 0
    """How many timesteps on, as `horizon` counts them back."""


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """dL/dh_t and dL/dc_t for every earlier timestep and layer; L is the cost of the answer at `at`.

    In language that is -ln p(the symbol after `at`).
    """

    number: int
    """Of the Trace; 0 for a text without one."""
    at: int
    """Timestep at whose output the loss stands."""
    target: str
    """The symbol or answer whose cost L is; numbers in the data's own units."""
    loss: float
    """Nats; where answers are numbers, their mean squared error in the network's units."""
    layers: tuple[LayerFlow, ...]
    truncated: int
    """How many timesteps the gradient may go back, the loss's own included; 0: all."""
    cut: int
    """First timestep that the gradient reaches: what lies before is exactly 0. 0: nothing is cut."""
    step: int
    """Step of the weights."""
    cell: str
    overflow: bool
    """Whether a number on the way was not finite."""
    border: int = -1
    """The decoder's first timestep, where the gradient goes over into the encoder; -1: there is no decoder."""
    likeliest: bool = False
    """Whether no right answer is known, and L is the cost of the likeliest."""
    real: bool = False
    """Whether answers are numbers and L is a squared error."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One network of a comparison."""

    title: str
    """`LSTM 2x128, this session, step 1,240` or `GRU 2x128, fresh`."""
    cell: str
    trained: bool
    norms: Array64
    """(T) of the last layer, float64."""
    cell_norms: Array64 | None
    horizon: int
    loss: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same text and loss through RNN, GRU and LSTM of equal size."""

    number: int
    at: int
    networks: tuple[Compared, ...]
    missing: tuple[str, ...]
    """In plain words what could not be compared: `no trained GRU 2x128 here; Build makes one`."""


@dataclass(frozen=True, slots=True)
class FlightRow:
    """One update as the flight recorder keeps it."""

    step: int
    loss: float
    """Nats."""
    grad_norm: float
    learning_rate: float
    clipped: bool
    group_norms: tuple[float, ...]
    text: str
    """What the first stream of the batch read."""


@dataclass(frozen=True, slots=True)
class Flight:
    """The last updates before now, or before the loss stopped being a number; oldest first."""

    groups: tuple[str, ...]
    rows: tuple[FlightRow, ...]
    first_bad: str
    """The first tensor that was not finite, by name: `gradient of layers.0.weight_hh_l0`; empty: none was."""
    bad_step: int
    """Number of the update that was not made; -1: none."""
    back_step: int
    """Step of the weights that one key brings back; -1: none are kept."""

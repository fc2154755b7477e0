"""What a network answers to something that it read, as each kind of task shows it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import Array


@dataclass(frozen=True, slots=True)
class Tagged:
    """A choice at every timestep: the tags of a sentence, or what a probe asks along the way."""

    symbols: tuple[str, ...]
    """(T): what was read."""
    classes: tuple[str, ...]
    """(C): what is chosen among."""
    p: Array
    """(T, C): probability of each class at each timestep."""
    right: tuple[str, ...]
    """(T): the right answers, empty where none is known or asked."""
    asked: NDArray[np.bool_]
    """(T): where an answer is asked for."""
    source: str
    step: int
    """Step of the weights."""
    unknown: int = 0
    allowed: tuple[tuple[str, ...], ...] = ()
    """(T): where several answers are right (a grammar), all of them."""
    offset: int = 0
    count: int = 0
    """How many examples the part has that `offset` counts through; 0 for a text of one's own."""


@dataclass(frozen=True, slots=True)
class Classified:
    """One choice for a whole sequence, and how it came about: the answer if it ended at t."""

    symbols: tuple[str, ...]
    classes: tuple[str, ...]
    p: Array
    """(T, C): after reading the first t + 1 symbols. A bidirectional network reads these alone, as a whole."""
    right: str
    source: str
    step: int
    unknown: int = 0
    offset: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Translated:
    """A sequence that a decoder wrote for one that an encoder read."""

    symbols: tuple[str, ...]
    """(T): the source."""
    written: tuple[str, ...]
    """(U): the likeliest found, without the end's symbol."""
    p: Array
    """(U): probability of each written symbol when it was written."""
    text: str
    right: str
    """The right one as a text; empty where none is known."""
    beams: tuple[tuple[str, float], ...]
    """Candidates and their mean log-probability a symbol in nats, the best first; one with greedy search."""
    context: Array
    """(L, H): the encoder's last h, all that a decoder without attention is told."""
    attention: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(U, T): weight of source symbol t while symbol u was written; (0, 0) without attention."""
    exact: bool = False
    source: str = ""
    step: int = 0
    unknown: int = 0
    offset: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """A stretch of a series, what was forecast of it, and the lines that need no network. In the data's own units."""

    column: str
    times: tuple[str, ...]
    """(N): the first column's texts where it is no number, else the row's number."""
    truth: Array
    """(N): NaN where it is not known yet."""
    forecast: Array
    """(N): one step ahead from the true past; of a horizon, its last step. NaN where the window is not full."""
    free: Array
    """(N): the network fed with its own forecasts from `start` on; NaN before."""
    persistence: Array
    seasonal: Array
    start: int
    """Index of the first value that is free-running."""
    season: int
    metrics: dict[str, dict[str, float]]
    """`network`, `persistence`, `seasonal` to `rmse`, `mae`, `mape`, over what is drawn."""
    columns: tuple[str, ...]
    source: str
    step: int
    offset: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Added:
    """The sum of the marked numbers of a sequence, and what was answered after each of them."""

    values: Array
    """(T)"""
    marked: NDArray[np.bool_]
    """(T)"""
    prediction: Array
    """(T): the answer if the sequence ended at t; the last is the answer."""
    right: float
    source: str
    step: int
    offset: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class GapCurves:
    """What is remembered over how many timesteps: accuracy (or error) against the gap, one line a network."""

    gaps: NDArray[np.int64]
    """(G)"""
    names: tuple[str, ...]
    """(N): `this LSTM 1x64`, `RNN`, `GRU` ..."""
    values: Array
    """(N, G): NaN where it is not measured yet."""
    measure: str
    """`accuracy`, `mse` ..."""
    nothing: Array
    """(G): what a model that remembers nothing reaches."""
    lower_is_better: bool
    remembers: tuple[int, ...]
    """(N): the longest gap at which more than half of the way from nothing to perfect is reached; 0: none."""
    trained_at: int
    """data.length of the session."""
    step: int
    done: bool = True
    doing: str = ""


Answer = Tagged | Classified | Translated | Forecast | Added | GapCurves


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One figure taken apart: a confusion matrix, accuracy against the source's length, error against the step."""

    title: str
    """`texts of class (row) taken for class (column)`"""
    head: tuple[str, ...]
    """Names of the columns, that of the rows' own names first."""
    rows: tuple[tuple[str, ...], ...]
    values: Array
    """(rows, columns - 1): the numbers themselves."""
    counts: bool = False
    """Whether they count something: then a row's share of its sum tells more than the number."""
    part: str = ""
    step: int = 0
    """Step of the weights."""

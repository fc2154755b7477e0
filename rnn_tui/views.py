"""What crosses from the Lab to a screen: frozen dataclasses and numpy arrays, no torch.

Arrays in a view are read-only and never change after the view was handed out. Losses are
in nats per symbol unless a name says otherwise. T is timesteps, H units, V symbols.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config

Unit = Literal["nats", "bits", "perplexity"]
UNITS: tuple[Unit, ...] = ("nats", "bits", "perplexity")
LN2 = math.log(2.0)
# exp of more than this is no longer a float64.
LARGEST_EXPONENT = 709.0

Array = NDArray[np.float32]


def perplexity(nats: float) -> float:
    """exp of the mean cost in nats: the number of equally likely symbols it is like choosing from."""
    if math.isnan(nats):
        return math.nan
    return math.exp(nats) if nats < LARGEST_EXPONENT else math.inf


def in_unit(nats: float, unit: Unit) -> float:
    """A cost in nats as nats, as bits (nats / ln 2) or as perplexity (exp of nats)."""
    if unit == "bits":
        return nats / LN2
    return perplexity(nats) if unit == "perplexity" else nats


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The array, marked read-only: what crosses to a screen can't be changed there."""
    array.flags.writeable = False
    return array


class Phase(StrEnum):
    """What the Lab is doing with its session."""

    EMPTY = "no session"
    LOADING = "loading"
    PAUSED = "paused"
    TRAINING = "training"
    VALIDATING = "validating"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """The newest state of the run; one slot holds it, and a reader takes it whenever it likes."""

    phase: Phase = Phase.EMPTY
    session: str = ""
    """Name of the session; empty where there is none yet."""
    config: Config | None = None
    step: int = 0
    """Updates made so far."""
    planned: int = 0
    tokens: int = 0
    """Symbols trained on so far."""
    epoch: float = 0.0
    train_loss: float = math.nan
    """Mean over the last steps (exponential, 1 % a step), nats."""
    val_loss: float = math.nan
    val_step: int = -1
    """Step of the newest validation; -1 before the first."""
    best_loss: float = math.nan
    best_step: int = -1
    learning_rate: float = math.nan
    grad_norm: float = math.nan
    """Length of the newest gradient before clipping."""
    clipped_share: float = 0.0
    """Share of all steps so far whose gradient was clipped."""
    tokens_per_second: float = 0.0
    eta_seconds: float = math.nan
    """Until the planned end; NaN while nothing runs."""
    pace: float = 0.0
    """Steps per second it is held to; 0: as fast as it goes."""
    device: str = "cpu"
    precision: str = ""
    """`float32` or `bfloat16` once resolved, empty before."""
    threads: int = 0
    progress: float = math.nan
    """Of loading or validating, 0 to 1; NaN while neither runs."""
    doing: str = ""
    """What takes longer than a moment, in words: `reading tinyshakespeare.txt`."""
    notice: str = ""
    """The last thing worth knowing: `saved`, `stopped: planned steps reached`."""
    fault: str = ""
    """What went wrong and what to do about it; stays until it is mended."""
    stopped_because: str = ""
    saved_step: int = -1
    """Step at which the session's file was last written; -1: never."""
    weights_version: int = 0
    """Changes whenever the weights do."""
    curves_version: int = 0
    samples_version: int = 0
    exact: bool = True
    """Whether the run is, bit for bit, the one that was saved (`approximate` otherwise)."""
    has_best: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """A line that needs no network: `uniform` 4.17 nats."""

    name: str
    nats: float


@dataclass(frozen=True, slots=True)
class Curves:
    """The run so far, thinned so that it never grows with the run's length.

    `step` and the arrays beside it share one length (at most 2,000); validation has its own.
    """

    version: int
    step: NDArray[np.int64]
    train_loss: Array
    """Mean over the steps that a point stands for, nats."""
    grad_norm: Array
    learning_rate: Array
    val_step: NDArray[np.int64]
    val_loss: Array
    clip_norm: float
    clipped_share: float
    planned: int
    best_step: int
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model wrote at a step: the prompt's text and what it wrote after it."""

    step: int
    prompt: str
    text: str
    val_loss: float = math.nan


@dataclass(frozen=True, slots=True)
class Part:
    """A contiguous part of the data."""

    name: str
    start: int
    length: int
    """In symbols."""


@dataclass(frozen=True, slots=True)
class DataView:
    """A text once it has been read: known before any network is built."""

    source: str
    """The path or built-in name it came from."""
    title: str
    characters: int
    vocabulary: int
    parts: tuple[Part, ...]
    baselines: tuple[Baseline, ...]
    """Uniform, unigram and bigram: fitted on the training part, scored on validation."""
    notices: tuple[str, ...]
    """In plain words: replaced bytes, one kind of symbol only, a part that is empty."""
    preview: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One box of the network's diagram, and the shape of what leaves it."""

    name: str
    detail: str
    shape: str
    """`(50, 50, 128)`: batch, timesteps, features."""
    parameters: int
    recurrent: bool = False


@dataclass(frozen=True, slots=True)
class NetworkView:
    """The network as a draft describes it, before anything is allocated."""

    stages: tuple[Stage, ...]
    parameters: int
    memory_bytes: int
    """Weights, gradients, optimizer, best weights and activations of one update: an estimate."""
    free_bytes: int
    first_loss: float
    """ln V, nats."""
    warnings: tuple[str, ...]
    refusal: str = ""
    """Why this network can't be built here; empty where it can."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What the network computed while it read a text, one timestep after another.

    `layers[k]` maps a name to a (T, H) array: `h`, for an LSTM also `c, i, f, g, o`, for
    a GRU `r, z, n`. After reading symbol t, `top_id[t]` are the likeliest next symbols
    and `top_p[t]` their probabilities.
    """

    symbols: tuple[str, ...]
    tokens: NDArray[np.int64]
    layers: tuple[Mapping[str, Array], ...]
    gates: tuple[str, ...]
    """Names of the gates in the order of the equations; empty for a plain RNN."""
    top_id: NDArray[np.int64]
    top_p: Array
    vocabulary: tuple[str, ...]
    bits: Array
    """(T): -log2 p(x_t | x_0 .. x_{t-1}); NaN at t = 0, which nothing predicted."""
    next_bits: Array
    """(T): cost of the symbol that really came after t; NaN at the last."""
    unknown: int
    """Symbols of the text that the vocabulary lacks; they were read as U+FFFD or left out."""
    step: int
    """Step of the weights."""
    weights_version: int
    source: str
    """Where the text is from: `validation at 1,024`, or `your text`."""
    offset: int
    """Position of the first symbol in its part; 0 for a text of one's own."""
    cell: str
    best: bool = False

    @property
    def steps(self) -> int:
        return len(self.symbols)

    @property
    def loss(self) -> float:
        """Mean cost of the symbols that were predicted, nats."""
        known = self.bits[1:]
        return float(known.mean()) * LN2 if len(known) else math.nan


@dataclass(frozen=True, slots=True)
class Writing:
    """A text while it is being written; the newest one replaces the one before."""

    prompt: str
    text: str
    """Written after the prompt so far."""
    probability: Array
    """Of each written symbol when it was drawn, from the distribution that was sampled."""
    top: tuple[tuple[tuple[str, float], ...], ...]
    """For each written symbol the likeliest candidates at that moment."""
    length: int
    seed: int
    step: int
    done: bool
    dropped: int = 0
    """Symbols of the prompt that the vocabulary lacks."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as a list shows it; read from the file's header alone."""

    name: str
    task: str
    model: str
    """`LSTM 2x128`."""
    parameters: int
    step: int
    planned: int
    tokens: int
    train_loss: float
    val_loss: float
    best_loss: float
    updated: float
    """Unix time of the last save, seconds."""
    size: int
    """Bytes on disk."""
    source: str
    notes: str = ""
    busy: str = ""
    """Who holds it, in words; empty where nobody does."""
    fault: str = ""
    """Why it can't be opened; empty where it can."""
    gallery: bool = False
    config: Config | None = field(default=None, compare=False)

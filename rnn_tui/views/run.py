"""The run, its data and its network, and the sessions of a folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config
from rnn_tui.views.numbers import Array
from rnn_tui.views.reading import Hold


class Phase(StrEnum):
    """What the Lab is doing with its session."""

    EMPTY = "no session"
    LOADING = "loading"
    PAUSED = "paused"
    TRAINING = "training"
    VALIDATING = "validating"
    FOLLOWING = "following"
    """Another program has the session; what it does is looked at, read-only."""
    FAILED = "failed"


RUNNING = (Phase.TRAINING, Phase.VALIDATING)
"""Phases in which a session is being trained."""
NO_ANSWER = "no answer"
"""What stands for the phase of another program that has told nothing for a while."""


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
    """Mean over the last steps (exponential, 1 % a step), in the unit of the task's loss."""
    val_loss: float = math.nan
    val_step: int = -1
    """Step of the newest validation; -1 before the first."""
    val_metrics: Mapping[str, float] = field(default_factory=dict)
    """The task's metrics at the newest validation, by their names, the most telling first."""
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
    held: tuple[Hold, ...] = ()
    """What is held in readings and writings until it is released; training knows nothing of it."""
    can_step_back: bool = False
    """Whether weights from before the loss stopped being finite are kept."""
    recording_version: int = 0
    """Changes whenever a frame was added to the recording of the probe text."""
    writer: str = ""
    """While following: who has the session, `process 4242 on gpu1`; else empty."""
    writer_phase: str = ""
    """While following: what that one does (a Phase's value), or NO_ANSWER."""
    save_failed: bool = False
    """Whether the newest save failed: `fault` says why, it is tried again, and `save_as` may go elsewhere."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A line that needs no network: `uniform` 4.17 nats, `majority` with an accuracy of 0.47."""

    name: str
    loss: float
    """In the unit of the task's loss; NaN where it has none."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What it reaches in the task's metrics, by their names (`accuracy`, `rmse` ...)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a network reads and answers: with the model's configuration it gives every shape."""

    inputs: int
    """V, the kinds of symbols read; or F, the features of a timestep, where they are numbers."""
    outputs: int
    """What an answer chooses among (logits), or how many numbers it is."""
    numeric: bool = False
    """Each timestep reads F numbers, as they are."""
    decoder: bool = False
    """An encoder reads V kinds of symbols, a decoder of the same cell and size writes `outputs` kinds."""
    last: bool = field(default=False, compare=False)
    """One answer, after the last timestep; it changes no shape of a weight."""
    real: bool = field(default=False, compare=False)
    """An answer is numbers and no choice."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a validation found."""

    loss: float
    """Mean over `count`, in the unit of the task's loss."""
    count: int
    """Answers that were scored."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The task's metrics by their names, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The run so far, thinned so that it never grows with the run's length.

    `step` and the arrays beside it share one length (at most 2,000); validation has its own.
    """

    version: int
    step: NDArray[np.int64]
    train_loss: Array
    """Mean over the steps that a point stands for, in the unit of the task's loss: nats, or a squared error."""
    grad_norm: Array
    learning_rate: Array
    val_step: NDArray[np.int64]
    val_loss: Array
    clip_norm: float
    clipped_share: float
    planned: int
    best_step: int
    baselines: tuple[Baseline, ...]
    groups: tuple[str, ...] = ()
    """Names of the parameter groups: `embedding`, `layer 0 W_ih`, `layer 0 W_hh`, `layer 0 b`, `output`."""
    group_norms: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(groups, points): length of each group's gradient before clipping, mean over the steps of a point."""
    update_ratios: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(groups, points): length of the update over length of the weights; NaN where none was measured."""
    val_metrics: Mapping[str, Array] = field(default_factory=dict)
    """The task's metrics at every `val_step`, by their names."""
    norm_p90: float = math.nan
    """90th percentile of the gradient norm over the last 1,000 steps (fewer where there are fewer)."""


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
    """In symbols, or in what `DataView.unit` counts."""


@dataclass(frozen=True, slots=True)
class DataView:
    """The data once they have been read: known before any network is built."""

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
    """The first lines; where there are columns, in columns."""
    sha256: str
    task: str = "language"
    unit: str = "symbols"
    """What `Part.length` counts: `symbols`, `sentences`, `texts`, `pairs`, `windows` ..."""
    outputs: int = 0
    """Kinds of answers (tags, classes, target symbols) or numbers an answer is; 0: the vocabulary."""
    numeric: bool = False
    decoder: bool = False
    last: bool = False
    """A sequence is answered once, after its last timestep."""
    real: bool = False
    """Answers are numbers and no choice."""
    longest: int = 0
    """Timesteps of the longest sequence; 0: one stream without borders."""
    typical: int = 0
    """Timesteps of a sequence, the median."""
    labels: tuple[str, ...] = ()
    """What composing writes a sequence for; empty where it has no labels."""

    @property
    def sizes(self) -> Sizes:
        outputs = self.outputs or self.vocabulary
        return Sizes(self.vocabulary, outputs, self.numeric, self.decoder, self.last, self.real)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file may be learned as."""

    task: str
    changes: Mapping[str, Any]
    """Fields that go with it, by their keys: columns, symbol, horizon ..."""
    why: str
    """One sentence: `two columns, the second of few kinds: texts with labels`."""
    others: tuple[str, ...] = ()
    """Tasks that it could be used for as well."""


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
class SessionRow:
    """A session as a list shows it; read from the file's header alone."""

    name: str
    task: str
    model: str
    """`LSTM 2x128`, `BiLSTM 1x64`, `LSTM 1x128 enc-dec, attention`."""
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
    val_metrics: Mapping[str, float] = field(default_factory=dict)
    """The task's metrics at the newest validation, by their names, the most telling first."""

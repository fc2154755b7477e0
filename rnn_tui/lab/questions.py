"""The questions that can be put to a Lab. They name readings by their number: `Trace.number`."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_tui.config import DataConfig
from rnn_tui.views import Hold

SEARCHED = 100_000
"""Symbols of the corpus that a search reads."""


@dataclass(frozen=True, slots=True)
class LookAtData:
    """Read a text and say what is in it. Answered with a DataView; needs no network."""

    data: DataConfig


@dataclass(frozen=True, slots=True)
class TraceText:
    """What the network computes while it reads a text. Answered with a Trace.

    `text` None: `length` symbols of the validation part from `offset` on.
    """

    text: str | None = None
    offset: int = 0
    length: int = 200
    best: bool = False
    part: str = ""
    """`train`, `validation` or `test`; empty: validation, or what there is."""
    holds: tuple[Hold, ...] = ()
    """Held while it is read; the answer then holds the reading without them too."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write `length` symbols after a prompt. Answered with a Writing, which grows meanwhile."""

    prompt: str = ""
    length: int = 300
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1
    best: bool = False
    number: int = 0
    """Of a Trace: write on from its very h_t, with its weights; prompt and `best` are then not looked at."""
    t: int = 0
    """The timestep whose state it goes on from."""
    holds: tuple[Hold, ...] = ()
    """Held while it writes. Timesteps count on from the reading's (from 0 without one)."""


@dataclass(frozen=True, slots=True)
class Explain:
    """The equations of one unit with their numbers, at every timestep. Answered with an Equation."""

    number: int
    layer: int
    unit: int


@dataclass(frozen=True, slots=True)
class FindUnits:
    """Which units tell marked text from the rest. Answered with a UnitRanking.

    Either a regular expression or the name of a built-in mark.
    """

    pattern: str = ""
    mark: str = ""
    characters: int = SEARCHED
    best: bool = False


@dataclass(frozen=True, slots=True)
class FindMarks:
    """Where a pattern or built-in mark applies in a text that was read. Answered with a Marked."""

    number: int
    pattern: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class FindState:
    """Units that are on from timestep `first` to `last`, and where else they are. Answered with StateMatches.

    On is a value of at least `threshold`.
    """

    number: int
    layer: int
    state: str
    first: int
    last: int
    threshold: float = 0.3
    characters: int = SEARCHED


@dataclass(frozen=True, slots=True)
class CountGates:
    """How often the gates are nearly closed and nearly open. Answered with GateStatistics."""

    characters: int = 20_000
    best: bool = False


@dataclass(frozen=True, slots=True)
class FollowGradient:
    """The gradient of one symbol's cost back through time. Answered with a GradientFlow.

    `at`: the timestep at whose output the loss stands; -1: the last that has a next symbol.
    `truncate`: how many timesteps it may go back, the loss's own included; 0: all.
    """

    number: int
    at: int = -1
    truncate: int = 0


@dataclass(frozen=True, slots=True)
class Compare:
    """The same gradient in RNN, GRU and LSTM of equal size. Answered with a Comparison.

    `trained`: this session's network and other trained sessions of the folder; else fresh ones.
    """

    number: int
    at: int = -1
    trained: bool = False


@dataclass(frozen=True, slots=True)
class ReadFlight:
    """The last updates, and what first was not finite. Answered with a Flight."""


@dataclass(frozen=True, slots=True)
class ReadRecording:
    """The probe text at all steps it was read. Answered with a Recording."""


@dataclass(frozen=True, slots=True)
class GuessTask:
    """What a file may be learned as. Answered with a Guess; needs no network."""

    path: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """What the network answers, as its task shows it. Answered with an `views.Answer`.

    `text` None: the example of number `offset` of a part.
    """

    text: str | None = None
    offset: int = 0
    part: str = ""
    best: bool = False
    beams: int = 1
    """Of a decoder: how many candidates are kept; 1 is greedy search."""
    length: int = 0
    """Of a forecast: how many values are drawn; 0: as many as are clear."""


@dataclass(frozen=True, slots=True)
class MeasureGaps:
    """What is remembered over how many timesteps. Answered with GapCurves, which grow meanwhile.

    This network first; then each of `cells` as a fresh network of the same size, trained for `steps` updates.
    """

    cells: tuple[str, ...] = ()
    steps: int = 1000
    best: bool = False


@dataclass(frozen=True, slots=True)
class TakeApart:
    """The task's figures taken apart: confusion matrix, accuracy by length ... Answered with views.Breakdown's."""

    part: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class ComparePadding:
    """A few examples of unequal length in one batch, read masked and not. Answered with a PaddingView.

    `offset`: the number of the first, counted round; the others follow it in a part.
    """

    offset: int = 0
    part: str = ""
    before: bool = False
    """Whether they are filled up before their beginning instead of after their end."""
    best: bool = False


@dataclass(frozen=True, slots=True)
class ShowMasks:
    """The masks that dropout would draw for one training batch. Answered with a Masks."""

    offset: int = 0
    """Number of the batch's first example; in language the place of its first symbol."""
    seed: int = 1
    best: bool = False


Question = (
    LookAtData
    | TakeApart
    | GuessTask
    | AnswerText
    | MeasureGaps
    | TraceText
    | Write
    | Explain
    | FindUnits
    | FindMarks
    | FindState
    | CountGates
    | FollowGradient
    | Compare
    | ReadFlight
    | ReadRecording
    | ComparePadding
    | ShowMasks
)

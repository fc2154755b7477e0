"""A text that the network read, and one that it writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import LN2, Array


@dataclass(frozen=True, slots=True)
class Hold:
    """A value that is held while a text is read, whatever the equations say: an intervention.

    `name` is a state (`h`, `c`) or a gate (`i f g o`, `r z n`) of a layer, `unit` one unit or
    -1 for all of them. It is held from timestep `first` to `last`, both included; `last` -1:
    to the end. An edit of h_t at one timestep is a hold with `first == last`.
    """

    layer: int
    name: str
    unit: int
    value: float
    first: int = 0
    last: int = -1

    def __str__(self) -> str:
        """`layer 0 c 17 = +0.5`, and the timesteps where it is not held throughout."""
        who = "all" if self.unit < 0 else str(self.unit)
        when = ""
        if self.first == self.last:
            when = f" at t {self.first}"
        elif self.first or self.last >= 0:
            when = f" from t {self.first}" + (f" to {self.last}" if self.last >= 0 else "")
        return f"layer {self.layer} {self.name} {who} = {self.value:+.3g}{when}"


@dataclass(frozen=True, slots=True)
class Trace:
    """What the network computed while it read a sequence, one timestep after another.

    `layers[k]` maps a name to a (T, H) array: `h`, for an LSTM also `c, i, f, g, o`, for
    a GRU `r, z, n`; of a bidirectional network also `backward.h` and so on, at the same t.
    After reading symbol t, `top_id[t]` are the likeliest answers (in language: next symbols)
    and `top_p[t]` their probabilities, NaN where nothing is answered or it is not known;
    (T, 0) where answers are numbers.

    An encoder and a decoder stand on one axis: the source, then from `border` on what the
    decoder read, <start> first.
    """

    symbols: tuple[str, ...]
    tokens: NDArray[np.int64]
    """(T): numbers of the symbols; -1 throughout where numbers are read."""
    layers: tuple[Mapping[str, Array], ...]
    gates: tuple[str, ...]
    """Names of the gates in the order of the equations; empty for a plain RNN."""
    top_id: NDArray[np.int64]
    top_p: Array
    vocabulary: tuple[str, ...]
    bits: Array
    """(T): -log2 p(x_t | x_0 .. x_{t-1}); NaN at t = 0, which nothing predicted. Of any other task than
    language: the cost of the right answer at t, NaN where nothing is asked, none is known, or answers are numbers."""
    next_bits: Array
    """(T): cost of the symbol that really came after t; NaN at the last. Of any other task: as `bits`."""
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
    number: int = 0
    """By which the Lab knows this reading and its weights: further questions about it name it. 0: it does not."""
    part: str = ""
    """Part of the data that the text is of; empty for a text of one's own."""
    holds: tuple[Hold, ...] = ()
    """What was held while it was read."""
    without: Trace | None = None
    """The same text and weights with nothing held; None where nothing was."""
    answers: tuple[str, ...] = ()
    """What `top_id` counts in, or the names of the numbers that an answer is; empty: `vocabulary`."""
    right: tuple[str, ...] = ()
    """(T): the right answer at each timestep, empty where none is asked or known; () in language."""
    values: Array | None = None
    """(T, F): the numbers that were read, as layer 0 reads them; None where symbols were."""
    task: str = "language"
    border: int = -1
    """The decoder's first timestep; -1: there is no decoder."""
    attention: Array | None = None
    """(U, border): weight of source symbol t while the decoder answered at timestep border + u; None without."""
    backward: bool = False
    """Whether there is a backward direction in `layers`."""
    predictions: Array | None = None
    """(T, K): what is answered where answers are numbers, in the data's own units; else None."""
    squared: Array | None = None
    """(T): the mean squared error where answers are numbers, in the network's units; NaN where nothing is asked."""

    @property
    def steps(self) -> int:
        return len(self.symbols)

    @property
    def loss(self) -> float:
        """Mean cost of the answers that were asked for (in language, of all symbols but the first), nats."""
        known = self.bits[1:] if self.task == "language" else self.bits[~np.isnan(self.bits)]
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
    symbols: tuple[str, ...] = ()
    """What was written, one piece for each symbol that was drawn (a word with the space before it); `text` is all of
    them joined."""
    ended: bool = False
    """Whether it came to its own end (`<eos>`) before `length` symbols."""

"""Which unit does what: rankings, places where a state comes back, and gate statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import Array

MARKS: Mapping[str, str] = {
    "quotes": "inside quotes: from an opening one to before its closing one",
    "strings": "inside '...' or \"...\" that ends on its line",
    "brackets": "inside brackets: ( [ {",
    "depth": "how many brackets are open",
    "column": "position in the line, 0 at the line feed",
    "word-start": "the first letter or digit of a word",
    "capital": "a letter in upper case",
    "digit": "a digit",
    "line-end": "the last symbol before a line feed",
}
"""The built-in marks: name, and what it marks."""
GRADED = frozenset(("depth", "column"))
"""Marks that have more grades than 0 and 1."""


@dataclass(frozen=True, slots=True)
class UnitMatch:
    """How well one unit tells marked text from the rest."""

    layer: int
    unit: int
    state: str
    """`h` or `c`."""
    auc: float
    """0.5 to 1: the chance that a marked symbol has the higher value than an unmarked one (or the lower,
    where `sign` is -1)."""
    sign: int


@dataclass(frozen=True, slots=True)
class UnitRanking:
    """All units of all layers, best first."""

    what: str
    """The pattern, or the name of the built-in mark."""
    characters: int
    marked: int
    """Symbols that lie in a match (for a graded mark: that have a grade above 0)."""
    units: tuple[UnitMatch, ...]
    source: str
    """`training part, 100,000 symbols`."""
    step: int


@dataclass(frozen=True, slots=True)
class Marked:
    """Where a pattern or built-in mark applies in a traced text."""

    number: int
    what: str
    grade: Array
    """(T) 0 where it does not apply, 1 where it does; depth or column for graded marks."""


@dataclass(frozen=True, slots=True)
class StatePlace:
    """A place of the corpus where the same units are on."""

    part: str
    offset: int
    """Of its first symbol, in its part."""
    length: int
    """Timesteps through which they are on."""
    on: int
    """How many of the units are on through all of it."""
    others: int
    """How many other units of the layer are on through all of it too: fewer is a closer match."""
    before: str
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class StateMatches:
    """Units that stay on through a range of timesteps, and where in the corpus the same set is on."""

    number: int
    layer: int
    state: str
    first: int
    last: int
    threshold: float
    units: tuple[int, ...]
    places: tuple[StatePlace, ...]
    """Best first, at most 50."""
    characters: int
    step: int


@dataclass(frozen=True, slots=True)
class GateShares:
    """How often each unit of one gate is nearly closed or nearly open."""

    left: Array
    """(H) share of timesteps below 0.1."""
    right: Array
    """(H) share of timesteps above 0.9."""


@dataclass(frozen=True, slots=True)
class GateStatistics:
    """Saturation of every gate over a stretch of the corpus (Karpathy, Johnson and Fei-Fei 2015)."""

    layers: tuple[Mapping[str, GateShares], ...]
    """Of each layer its gates that lie between 0 and 1 (`i f o`, `r z`); empty for a cell without gates."""
    dead: tuple[tuple[int, int], ...]
    """(layer, unit) whose h never moves by more than 0.01."""
    always: tuple[tuple[int, int, str, str], ...]
    """(layer, unit, gate, `open` or `closed`): on that side at least 99 % of the time."""
    states: tuple[Mapping[str, NDArray[np.float32]], ...]
    """Of each layer `h`: (H) share of timesteps with |h| > 0.9; for tanh cells the saturated share."""
    characters: int
    source: str
    step: int

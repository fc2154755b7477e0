"""How Generate may write: each option, its values and what it means."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

LONGEST_TEXT = 100_000
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of how to write: the values that left and right step through."""

    name: str
    label: str
    default: float
    ladder: tuple[float, ...]
    whole: bool
    help: str
    names: tuple[str, ...] = ()
    """What the values 0, 1 .. stand for, where they are no numbers to a person."""

    def step(self, value: float, by: int) -> float:
        """The next value of the ladder above, or the one below."""
        place = bisect_right(self.ladder, value + 1e-9) if by > 0 else bisect_left(self.ladder, value - 1e-9) - 1
        return self.ladder[min(max(place, 0), len(self.ladder) - 1)]

    def valid(self, value: Any) -> bool:
        """Whether a value that comes from a file may stand."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return self.ladder[0] <= value <= self.ladder[-1] and (not self.whole or value == int(value))


OPTIONS: tuple[Option, ...] = (
    Option("length", "Length", 300,
           (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, LONGEST_TEXT), True,
           "symbols to write after the prompt"),
    Option("temperature", "Temperature", 1.0, tuple(round(k / 10, 1) for k in range(51)), False,
           "1: as learned; lower is careful, higher is bold; 0: always the likeliest"),
    Option("top_k", "Top-k", 0, (0, 1, 2, 3, 5, 10, 20, 30, 40, 50, 100, 200, 500, 1000, 2000, 5000, 1_114_112), True,
           "draw among the k likeliest symbols only; 0: among all"),
    Option("top_p", "Top-p", 1.0, tuple(round(k / 20, 2) for k in range(1, 21)), False,
           "draw among the fewest symbols that together have this probability; 1: among all"),
    Option("seed", "Seed", 1, (0, LARGEST_SEED), True,
           "of the draws: the same seed, prompt and weights give the same text"),
)  # fmt: skip
BY_NAME = {option.name: option for option in OPTIONS}


def label_option(labels: tuple[str, ...]) -> Option:
    """Which label a sequence is written for."""
    ladder = tuple(float(k) for k in range(len(labels)))
    return Option("label", "Label", 0.0, ladder, True, "what it writes one for; it stops at its end", labels)


WEIGHTS_HELP = "newest: as trained so far; best: those of the best validation"

"""Series that are always there: months with a trend and a season, and doubled numbers."""

from __future__ import annotations

import math
import random

DOUBLING = "builtin:doubling"
"""`data.path` of the doubled numbers."""
TOP = 2027
"""Doubled numbers are folded back at it: 2 x less than it, 2 (TOP - x) above. Since 2 is a primitive root
of this prime, each even number below it comes exactly once before the first comes again.
"""
MONTHS = 1000


def example() -> bytes:
    """A CSV of 1,000 months: visitors, with a trend, a yearly season that grows with it, slow ups and downs, noise.

    The same bytes everywhere: `random.Random.random` is the same in every Python.
    """
    draws = random.Random("builtin:example")
    rows = ["Month,Visitors"]
    mood = 0.0
    for k in range(MONTHS):
        # The sum of twelve uniform draws less 6 is nearly normal, with a variance of 1.
        noise = sum(draws.random() for _ in range(12)) - 6
        mood = 0.8 * mood + noise
        level = 400 + 0.15 * k
        turn = 2 * math.pi * k / 12
        season = 0.22 * math.sin(turn) + 0.08 * math.cos(2 * turn)
        rows.append(f"{1941 + k // 12}-{k % 12 + 1:02d},{level * (1 + season) + 12 * mood:.0f}")
    return ("\n".join(rows) + "\n").encode()


def doubling() -> bytes:
    """One column: 2, 4, 8, 16 ... 1,024, then what passes 2,027 is folded back there, 2 x 2,027 - 2,048 = 2,006,
    then 42, 84 ...: 1,013 numbers, none of them twice.

    A network can't double past the largest number it has seen: tanh is flat there. Folding keeps
    the numbers in range (it is the tent map), and leaves a rule that no line of least squares
    follows: the series is not correlated with its own past. A number of the validation part never
    came in training: to forecast what follows it, the rule must have been found.
    """
    number, rows = 2, ["Number"]
    for _ in range(TOP // 2):
        rows.append(str(number))
        number = 2 * number if 2 * number < TOP else 2 * (TOP - number)
    return ("\n".join(rows) + "\n").encode()

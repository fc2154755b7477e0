"""Costs in their units, and arrays that can't be changed."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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

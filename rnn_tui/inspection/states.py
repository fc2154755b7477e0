"""Find a state: the units that stay on through a passage, and where in a corpus they are on again.

The idea of LSTMVis (Strobelt, Gehrmann, Pfister and Rush 2018). A unit is on where its value
is at least a threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.inspection.corpus import StateError, Work, finish, read_states
from rnn_tui.model.stack import Stack

MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where the units are on again: `length` timesteps from `first` on."""

    first: int
    length: int
    on: int
    """How many of the units are on through all of it."""
    others: int
    """How many other units of the layer are on through all of it."""


def units_on(values: NDArray[Any], first: int, last: int, threshold: float) -> tuple[int, ...]:
    """The units whose values (T, H) are at least `threshold` from timestep `first` to `last`, both included.

    Raises StateError where the timesteps are not there, or no unit stays on.
    """
    if not 0 <= first <= last < len(values):
        raise StateError(f"timesteps {first} to {last} are not in this text of {len(values):,}; mark others")
    units = np.flatnonzero((values[first : last + 1] >= threshold).all(axis=0))
    if not len(units):
        raise StateError(f"no unit stays above {threshold:g} there; lower the threshold or mark fewer timesteps")
    return tuple(units.tolist())


def find(
    network: Stack,
    ids: NDArray[Any],
    layer: int,
    state: str,
    units: tuple[int, ...],
    length: int,
    threshold: float,
    working: Callable[[float, str], None] | None = None,
    starts: NDArray[np.int64] | None = None,
) -> tuple[Place, ...]:
    """Where at least half of `units` are on together through at least `length` timesteps, best first, at most 50.

    `ids` (N) are read from h_0 as one stream, or with `starts` each sequence, whose border no
    place crosses. Best is where most of the units are on, then
    where fewest others are. Places do not overlap: each goes on as long as its units do.
    Raises StateError where the text is shorter or a state is not finite.
    """
    return finish(finding(network, ids, layer, state, units, length, threshold, starts), working)


def finding(
    network: Stack,
    ids: NDArray[Any],
    layer: int,
    state: str,
    units: tuple[int, ...],
    length: int,
    threshold: float,
    starts: NDArray[np.int64] | None = None,
) -> Work[tuple[Place, ...]]:
    """`find` as a work in pieces. It holds a bit for each timestep and unit, and 9 bytes for each timestep."""
    if length > len(ids):
        raise StateError(f"{length:,} timesteps are marked, and only {len(ids):,} are searched; mark fewer")
    hidden = network.model.hidden_size
    chosen = np.zeros(hidden, np.bool_)
    chosen[list(units)] = True
    bits = np.empty((len(ids), -(-hidden // 8)), np.uint8)
    # Of the window that ends at t; a window that begins before the text has no score.
    score = np.full(len(ids), -1, np.int64)
    needed, last_off = -(-len(units) // 2), np.full(hidden, -1, np.int64)
    # The first timestep of each one's own sequence.
    begins = np.zeros(len(ids), np.int64)
    if starts is not None:
        begins = np.repeat(starts, np.diff(np.append(starts, len(ids))))
    doing = f"reading {len(ids):,} symbols"
    yield 0.0, doing
    for piece in read_states(network, ids, [(layer, state)], starts):
        on = piece.values[layer, state] >= threshold
        bits[piece.first : piece.end] = np.packbits(on, axis=1)
        t = np.arange(piece.first, piece.end)[:, None]
        off = np.maximum.accumulate(np.concatenate((last_off[None], np.where(on, -1, t))), axis=0)
        last_off = off[-1]
        through = t - np.maximum(off[1:], begins[piece.first : piece.end, None] - 1) >= length
        count = through[:, chosen].sum(axis=1)
        others = through.sum(axis=1) - count
        score[piece.first : piece.end] = np.where(count >= needed, count * (hidden + 1) + hidden - others, -1)
        yield 0.9 * piece.end / len(ids), doing
    score[: length - 1] = -1
    places: list[Place] = []
    taken = np.zeros(len(ids), np.bool_)
    while len(places) < MOST_PLACES:
        end = int(score.argmax()) + 1
        if score[end - 1] < 0:
            break
        place = _grown(bits, np.packbits(chosen), end - length, end, taken, begins)
        places.append(place)
        taken[place.first : place.first + place.length] = True
        # What shares a timestep with it is the same place.
        score[place.first : place.first + place.length + length - 1] = -1
        yield 0.9 + 0.1 * len(places) / MOST_PLACES, "looking at the places"
    return tuple(sorted(places, key=lambda p: (-p.on, p.others, p.length, p.first)))


def _grown(
    bits: NDArray[np.uint8], chosen: NDArray[np.uint8], first: int, end: int, taken: NDArray[np.bool_],
    begins: NDArray[np.int64],
) -> Place:  # fmt: skip
    """The window, and what lies on either side of it, free, while the same of the chosen units are on."""
    begin = int(begins[first])
    # Nothing goes on into the next sequence.
    stop = int(np.searchsorted(begins, begin, side="right"))
    mask = np.bitwise_and.reduce(bits[first:end], axis=0) & chosen
    off = np.flatnonzero(((bits & mask) != mask).any(axis=1) | taken)
    at = int(np.searchsorted(off, first))
    first = max(begin, int(off[at - 1]) + 1 if at else 0)
    end = min(stop, int(off[at]) if at < len(off) else len(bits))
    through = np.bitwise_and.reduce(bits[first:end], axis=0)
    on = int(np.unpackbits(through & chosen).sum())
    return Place(first, end - first, on, int(np.unpackbits(through & ~chosen).sum()))

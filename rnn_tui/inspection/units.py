"""Which unit knows it: every unit's values held against a mark, ranked by AUC.

The AUC of a unit is the chance that a marked symbol has a higher value than an unmarked one,
equal values counting half (Mann and Whitney 1947). For a mark with more than two grades it is
the same over all pairs of places with different grades: how often the higher grade has the
higher value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.inspection.corpus import Work, finish, read_states
from rnn_tui.inspection.marks import MarkError
from rnn_tui.model.stack import Stack
from rnn_tui.views import Array, UnitMatch

HELD = 200 << 20
"""Bytes of states that are held at once; a text is read again for the columns that find no room."""
LEVELS = 12
"""Grades that are told apart; where there are more, neighbours are put together."""
COLUMNS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Levels:
    """What a mark says of each symbol, as few whole numbers, in an order that is quick to add."""

    level: NDArray[np.int64]
    """(N) from 0."""
    count: int
    pairs: int
    """Pairs of places with different levels."""


def levels(grades: Array) -> Levels:
    """Grades (N) as at most 12 levels, in the order of the grades.

    Up to 12 different grades keep a level each; of more, neighbouring ones share a level so
    that each holds about a twelfth of the places. Raises MarkError where all are equal.
    """
    different = np.unique(grades)
    if len(different) < 2:
        what = "marks every symbol" if len(different) and different[0] else "marks no symbol"
        raise MarkError(f"that {what} of the {len(grades):,} that were searched: there is nothing to tell apart")
    if len(different) > LEVELS:
        cuts = np.quantile(grades, np.arange(1, LEVELS) / LEVELS, method="lower")
        # A cut at the lowest grade would leave the level below it empty.
        different = np.unique(np.concatenate((different[:1], cuts)))
        if len(different) < 2:
            different = np.unique(grades)[:2]
    level = np.searchsorted(different, grades, side="right") - 1
    sizes = np.bincount(level)
    pairs = (len(grades) ** 2 - int((sizes.astype(object) ** 2).sum())) // 2
    return Levels(level.astype(np.int64), len(sizes), pairs)


def concordance(values: Array, marks: Levels) -> float:
    """The chance that of two places with different levels the higher one has the higher value; ties count half.

    `values` (N) finite float32. Exact: the pairs are counted, in whole numbers.
    """
    # A float's bits as a whole number of the same order (-0.0 becomes 0.0), with the level behind them.
    bits = (values + np.float32(0)).view(np.int32)
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    packed = (ordered.astype(np.int64) << 4) | marks.level
    packed.sort()
    level = packed & 15
    packed >>= 4
    starts = np.flatnonzero(np.concatenate(([True], packed[1:] != packed[:-1])))
    ends = np.append(starts[1:], len(packed))
    tied = len(starts) < len(packed)
    run = np.repeat(np.arange(len(starts)), ends - starts) if tied else None
    twice = 0
    for one in range(1, marks.count):
        below = np.concatenate(([0], np.cumsum(level < one)))
        at = np.flatnonzero(level == one)
        if run is None:
            twice += 2 * int(below[at].sum())
        else:
            runs = run[at]
            twice += int(below[starts[runs]].sum()) + int(below[ends[runs]].sum())
    return twice / (2 * marks.pairs)


def auc(values: Array, grades: Array) -> tuple[float, int]:
    """AUC of one unit's values (N) for a mark's grades (N), 0.5 to 1, and its sign.

    -1 where it is the lower value that goes with the higher grade. Raises MarkError where all
    grades are equal.
    """
    return _signed(concordance(np.ascontiguousarray(values, np.float32), levels(grades)))


def _signed(share: float) -> tuple[float, int]:
    return (share, 1) if share >= 0.5 else (1.0 - share, -1)


def rank(
    network: Stack,
    ids: NDArray[Any],
    grades: Array,
    working: Callable[[float, str], None] | None = None,
    starts: NDArray[np.int64] | None = None,
) -> tuple[UnitMatch, ...]:
    """All units of all layers and states by their AUC for a mark's grades, best first.

    `ids` (N) are read from h_0 as one stream, or with `starts` each sequence, and the state after
    symbol t is held against grades[t]. At most about 200 MB of states are held. Of equals the lower layer, h before c,
    and the lower unit come first. Raises MarkError where all grades are equal, StateError where
    a state is not finite.
    """
    return finish(ranking(network, ids, grades, starts=starts), working)


def ranking(
    network: Stack, ids: NDArray[Any], grades: Array, held: int = HELD, starts: NDArray[np.int64] | None = None
) -> Work[tuple[UnitMatch, ...]]:
    """`rank` as a work in pieces, with `held` bytes of states at once."""
    marks, hidden = levels(grades), network.model.hidden_size
    names = [(k, state) for k in range(len(network.layers)) for state in network.cell.states]
    columns = [(k, state, unit) for k, state in names for unit in range(hidden)]
    room = max(1, held // (4 * len(ids)))
    readings = -(-len(columns) // room)
    room = -(-len(columns) // readings)
    values = np.empty((room, len(ids)), np.float32)
    found: list[UnitMatch] = []
    for reading in range(readings):
        group = columns[reading * room : (reading + 1) * room]
        wanted = {(k, state): [u for a, b, u in group if (a, b) == (k, state)] for k, state, _ in group}
        # Reading takes most of the time.
        base, part = reading / readings, 1 / readings
        doing = f"reading {len(ids):,} symbols" + (f", {reading + 1} of {readings} times" if readings > 1 else "")
        yield base, doing
        for piece in read_states(network, ids, wanted, starts):
            row = 0
            for key, units in wanted.items():
                block = piece.values[key][:, units[0] : units[-1] + 1]
                values[row : row + len(units), piece.first : piece.end] = block.T
                row += len(units)
            yield base + 0.8 * part * piece.end / len(ids), doing
        for at, (k, state, unit) in enumerate(group):
            if at % COLUMNS_AT_ONCE == 0:
                yield base + part * (0.8 + 0.2 * at / len(group)), f"ranking {len(columns):,} columns"
            found.append(UnitMatch(k, unit, state, *_signed(concordance(values[at], marks))))
    order = {state: place for place, state in enumerate(network.cell.states)}
    return tuple(sorted(found, key=lambda one: (-one.auc, one.layer, order[one.state], one.unit)))

"""How often gates are nearly closed and nearly open, after Karpathy, Johnson and Fei-Fei 2015."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.inspection.corpus import Work, finish, read_states
from rnn_tui.model.stack import Stack
from rnn_tui.views import GateShares, GateStatistics, frozen

LEFT, RIGHT = 0.1, 0.9
DEAD = 0.01
ALWAYS = 0.99
# Between -1 and 1: what is written, not how far a gate is open.
CANDIDATES = frozenset("gn")


def count(
    network: Stack,
    ids: NDArray[Any],
    *,
    source: str = "",
    step: int = 0,
    starts: NDArray[np.int64] | None = None,
    working: Callable[[float, str], None] | None = None,
) -> GateStatistics:
    """Saturation of every gate and h while ids (N) are read from h_0 as one stream, or with `starts` each sequence.

    Raises ValueError where there is nothing to read, StateError where a state is not finite.
    """
    return finish(counting(network, ids, source=source, step=step, starts=starts), working)


def counting(
    network: Stack, ids: NDArray[Any], *, source: str = "", step: int = 0, starts: NDArray[np.int64] | None = None
) -> Work[GateStatistics]:
    """`count` as a work in pieces."""
    if not len(ids):
        raise ValueError("there is nothing to read: the text is empty")
    layers, hidden = range(len(network.layers)), network.model.hidden_size
    gates = [name for name in network.cell.gates if name not in CANDIDATES]
    wanted = [(k, name) for k in layers for name in (*gates, "h")]
    left, right = ({key: np.zeros(hidden, np.int64) for key in wanted} for _ in range(2))
    low, high = ({k: np.full(hidden, edge, np.float32) for k in layers} for edge in (np.inf, -np.inf))
    doing = f"counting gates over {len(ids):,} symbols"
    yield 0.0, doing
    for piece in read_states(network, ids, wanted, starts):
        for (k, name), values in piece.values.items():
            if name == "h":
                right[k, name] += (np.abs(values) > RIGHT).sum(axis=0)
                np.minimum(low[k], values.min(axis=0), out=low[k])
                np.maximum(high[k], values.max(axis=0), out=high[k])
            else:
                left[k, name] += (values < LEFT).sum(axis=0)
                right[k, name] += (values > RIGHT).sum(axis=0)
        yield piece.end / len(ids), doing

    def share(counted: NDArray[np.int64]) -> NDArray[Any]:
        return frozen((counted / len(ids)).astype(np.float32))

    shares = tuple({name: GateShares(share(left[k, name]), share(right[k, name])) for name in gates} for k in layers)
    always = [
        (k, unit, name, side)
        for k in layers
        for name in gates
        for side, counted in (("closed", left[k, name]), ("open", right[k, name]))
        for unit in np.flatnonzero(counted >= ALWAYS * len(ids)).tolist()
    ]
    return GateStatistics(
        layers=shares,
        dead=tuple((k, unit) for k in layers for unit in np.flatnonzero(high[k] - low[k] < DEAD).tolist()),
        always=tuple(sorted(always)),
        states=tuple({"h": share(right[k, "h"])} for k in layers),
        characters=len(ids),
        source=source,
        step=step,
    )

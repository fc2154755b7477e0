"""What changes when something in the network is held: the same text, read with and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.trace import Traced, trace
from rnn_tui.model.network import Network, State
from rnn_tui.views import Hold

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Intervention:
    """A text read twice by the same weights: `before` with nothing held, `after` with the holds in force."""

    holds: tuple[Hold, ...]
    before: Traced
    after: Traced
    at: int
    """Timestep after whose symbol the distributions stand."""
    loss_before: float
    """Mean cost of the text's predicted symbols, nats; NaN for a text of one symbol."""
    loss_after: float
    p_before: Numbers
    """(V) of the symbol after `at`."""
    p_after: Numbers
    kl: float
    """Nats: how far `p_after` is from `p_before`, sum p_before ln(p_before / p_after)."""

    @property
    def change(self) -> float:
        """Of the loss, nats: above 0 where holding makes the text harder to foresee."""
        return self.loss_after - self.loss_before


def intervene(
    network: Network,
    tokens: Tensor | NDArray[Any],
    holds: Sequence[Hold],
    *,
    at: int = -1,
    state: State | None = None,
) -> Intervention:
    """Reads `tokens` (T) with and without `holds`, from h_0 or from `state`; the weights stay as they are.

    `at` is the timestep whose next-symbol distributions are compared; -1: the last. Raises
    ValueError if the text is empty, has no such timestep, or the network hasn't what is to
    be held.
    """
    total = len(tokens)
    if total and not -1 <= at < total:
        raise ValueError(f"there is no timestep {at}: the text has {total:,}, counted from 0")
    after = trace(network, tokens, state, holds)
    before = trace(network, tokens, state)
    at = total - 1 if at < 0 else at
    before_log, after_log = (_log_softmax(traced.logits[at]) for traced in (before, after))
    p = np.exp(before_log)
    return Intervention(
        holds=tuple(holds),
        before=before,
        after=after,
        at=at,
        loss_before=_mean(before),
        loss_after=_mean(after),
        p_before=p,
        p_after=np.exp(after_log),
        kl=float((p * (before_log - after_log)).sum()),
    )


def _log_softmax(logits: NDArray[Any]) -> Numbers:
    shifted = logits.astype(np.float64) - logits.max()
    found: Numbers = shifted - np.log(np.exp(shifted).sum())
    return found


def _mean(traced: Traced) -> float:
    costs = traced.loss[:-1]
    return float(costs.mean(dtype=np.float64)) if len(costs) else float("nan")

"""What changes when something in the network is held: the same text, read with and without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.inspection.asked import Answers, is_asked
from rnn_tui.inspection.trace import Traced, trace
from rnn_tui.model.network import Network, State
from rnn_tui.model.translation import EncoderDecoder
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
    """Mean cost of the text's predicted symbols, nats, or of the answers that are asked; NaN where there is none."""
    loss_after: float
    p_before: Numbers
    """(V) of the symbol after `at`, or of the answer there; of answers that are numbers the numbers, (K)."""
    p_after: Numbers
    kl: float
    """Nats: how far `p_after` is from `p_before`, sum p_before ln(p_before / p_after); NaN of numbers."""

    @property
    def change(self) -> float:
        """Of the loss, nats: above 0 where holding makes the text harder to foresee."""
        return self.loss_after - self.loss_before


def intervene(
    network: Network | EncoderDecoder,
    tokens: Tensor | NDArray[Any],
    holds: Sequence[Hold],
    *,
    at: int = -1,
    state: State | None = None,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
) -> Intervention:
    """Reads `tokens` (T) with and without `holds`, from h_0 or from `state`; the weights stay as they are.

    `at` is the timestep whose answers (in language: next-symbol distributions) are compared;
    -1: the last. `targets` and `answers` as in `trace`. Raises ValueError if the text is
    empty, has no such timestep or no answer there, or the network hasn't what is to be held.
    """
    after = trace(network, tokens, state, holds, targets=targets, answers=answers)
    before = trace(network, tokens, state, targets=targets, answers=answers)
    total = len(before.tokens)
    if not -1 <= at < total:
        raise ValueError(f"there is no timestep {at}: the text has {total:,}, counted from 0")
    at = total - 1 if at < 0 else at
    if answers is not None and np.isnan(after.logits[at]).any():
        first = before.border if before.border >= 0 else total - 1
        raise ValueError(f"nothing is answered at timestep {at}; choose one from {first} to {total - 1}")
    if targets is not None and targets.dtype.kind == "f":
        numbers = (before.logits[at].astype(np.float64), after.logits[at].astype(np.float64))
        return Intervention(tuple(holds), before, after, at, _mean(before), _mean(after), *numbers, math.nan)
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
    assert traced.targets is not None, "a reading says what was right"
    costs = traced.loss[is_asked(traced.targets)]
    return float(costs.mean(dtype=np.float64)) if len(costs) else float("nan")

"""A reading as a screen shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.inspection.asked import is_asked
from rnn_tui.views import LN2, Array, Hold, Trace, frozen

if TYPE_CHECKING:
    from rnn_tui.inspection.trace import Traced

SHOWN_CANDIDATES = 5
LANGUAGE = "language"


def trace_view(
    traced: Traced,
    vocabulary: Sequence[str],
    *,
    cell: str,
    gates: tuple[str, ...],
    source: str,
    offset: int = 0,
    unknown: int = 0,
    step: int = 0,
    weights_version: int = 0,
    best: bool = False,
    candidates: int = SHOWN_CANDIDATES,
    number: int = 0,
    part: str = "",
    holds: tuple[Hold, ...] = (),
    without: Trace | None = None,
    task: str = LANGUAGE,
    coding: Coding | None = None,
    symbols: Sequence[str] = (),
) -> Trace:
    """Read-only arrays, costs in bits, the likeliest answers.

    Of any other task than language, `coding` says what is answered, and `symbols` (T) what is
    shown of what was read (of a pair, of its source).
    """
    cost = traced.loss.astype(np.float32) / np.float32(LN2)
    real = task != LANGUAGE and traced.targets is not None and traced.targets.ndim == 2
    if task == LANGUAGE:
        # What came after t is what was read at t + 1: the same costs, one step later.
        bits, next_bits = np.concatenate((cost[-1:], cost[:-1])), cost
    else:
        bits = np.full_like(cost, np.nan) if real else cost
        next_bits = bits.copy()
    numeric = traced.tokens.ndim == 2
    answers = () if coding is None else coding.answers
    top = _likeliest(traced.logits, 0 if real else candidates)
    return Trace(
        symbols=_symbols(traced, vocabulary, answers, symbols),
        tokens=frozen(np.full(len(traced.tokens), -1, np.int64) if numeric else traced.tokens),
        layers=tuple(
            {name: frozen(values.astype(np.float32, copy=False)) for name, values in layer.items()}
            for layer in traced.layers
        ),
        gates=gates,
        top_id=top[0],
        top_p=top[1],
        vocabulary=tuple(vocabulary),
        bits=frozen(bits),
        next_bits=frozen(next_bits),
        unknown=unknown,
        step=step,
        weights_version=weights_version,
        source=source,
        offset=offset,
        cell=cell,
        best=best,
        number=number,
        part=part,
        holds=holds,
        without=without,
        answers=answers,
        right=() if coding is None else _right(traced, coding),
        values=frozen(traced.tokens.astype(np.float32)) if numeric else None,
        task=task,
        border=traced.border,
        attention=None if traced.attention is None else frozen(traced.attention.astype(np.float32)),
        backward="backward.h" in traced.layers[0],
        predictions=frozen(own_units(traced.logits, coding)) if real else None,
        squared=frozen(traced.loss.astype(np.float32)) if real else None,
    )


def _likeliest(logits: NDArray[Any], candidates: int) -> tuple[NDArray[np.int64], Array]:
    p = torch.as_tensor(logits).softmax(dim=-1)
    top = p.topk(min(candidates, logits.shape[1]), dim=-1)
    return frozen(top.indices.numpy()), frozen(top.values.float().numpy())


def _symbols(
    traced: Traced, vocabulary: Sequence[str], answers: Sequence[str], symbols: Sequence[str]
) -> tuple[str, ...]:
    """What is shown at each timestep."""
    if traced.border >= 0:
        read = symbols or [vocabulary[token] for token in traced.tokens[: traced.border]]
        return (*read, *(answers[token] for token in traced.tokens[traced.border :]))
    return tuple(symbols) if symbols else tuple(vocabulary[token] for token in traced.tokens)


def _right(traced: Traced, coding: Coding) -> tuple[str, ...]:
    """The right answer at each timestep, empty where none is known."""
    if traced.targets is None:
        return ("",) * len(traced.tokens)
    asked, targets = is_asked(traced.targets), traced.targets
    if targets.ndim == 2:
        own = own_units(targets, coding)
        return tuple(", ".join(f"{v:.4g}" for v in row) if there else "" for row, there in zip(own, asked, strict=True))
    return tuple(coding.answers[k] if there else "" for k, there in zip(targets, asked, strict=True))


def own_units(numbers: NDArray[Any], coding: Coding | None) -> NDArray[np.float32]:
    """Answers (T, K) in the data's own units: K are the F columns read, at one timestep or at several."""
    count, columns = numbers.shape[1], 0 if coding is None else len(coding.mean)
    if coding is None or not columns or count % columns:
        return numbers.astype(np.float32)
    times = count // columns
    scaled: NDArray[Any] = numbers * np.tile(coding.std, times) + np.tile(coding.mean, times)
    return scaled.astype(np.float32)

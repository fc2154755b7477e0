"""An encoder's and a decoder's reading as two, and what is found of each as one, on one axis of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnn_tui.inspection.trace import Traced
from rnn_tui.views import Array, Contributions, Equation, Hold, Line, frozen


def parted(traced: Traced) -> tuple[Traced, Traced]:
    """The source's timesteps, and the decoder's."""
    border = traced.border

    def side(first: int, last: int) -> Traced:
        return Traced(
            tokens=traced.tokens[first:last],
            layers=tuple({name: rows[first:last] for name, rows in layer.items()} for layer in traced.layers),
            logits=traced.logits[first:last],
            loss=traced.loss[first:last],
        )

    return side(0, border), side(border, len(traced.tokens))


def moved(hold: Hold, border: int) -> Hold:
    """A hold by the decoder's own timesteps."""
    return replace(hold, first=max(0, hold.first - border), last=hold.last if hold.last < 0 else hold.last - border)


def joined(encoder: Equation, decoder: Equation) -> Equation:
    """One unit's equations in both; its weights are two kinds, so none stand beside them."""
    shift = len(encoder.sources)
    return replace(
        encoder,
        lines=tuple(_line(a, b, shift) for a, b in zip(encoder.lines, decoder.lines, strict=True)),
        sources=(*encoder.sources, *decoder.sources),
        before={name: _both(values, decoder.before[name]) for name, values in encoder.before.items()},
        inputs={},
        weights={},
        error=max(encoder.error, decoder.error),
    )


def _line(a: Line, b: Line, shift: int) -> Line:
    held = None
    if a.held is not None or b.held is not None:
        held = frozen(
            np.concatenate([np.zeros(len(line.value), np.bool_) if line.held is None else line.held for line in (a, b)])
        )
    return replace(
        a,
        terms=tuple((name, _both(x, y)) for (name, x), (_, y) in zip(a.terms, b.terms, strict=True)),
        pre_activation=_both(a.pre_activation, b.pre_activation),
        value=_both(a.value, b.value),
        contributions=_contributions(a.contributions, b.contributions, shift),
        held=held,
    )


def _contributions(a: Contributions | None, b: Contributions | None, shift: int) -> Contributions | None:
    if a is None or b is None:
        return None
    # Where one side has fewer sources than are shown, both show as many as it has.
    count = min(a.value.shape[1], b.value.shape[1])
    return Contributions(
        source=frozen(np.concatenate((a.source[:, :count], b.source[:, :count] + shift))),
        weight=_both(a.weight[:, :count], b.weight[:, :count]),
        input=_both(a.input[:, :count], b.input[:, :count]),
        value=_both(a.value[:, :count], b.value[:, :count]),
    )


def _both(a: Array, b: Array) -> Array:
    return frozen(np.concatenate((a, b)))

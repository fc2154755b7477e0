"""A reading as named arrays, and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.commands.output import number, table
from rnn_tui.commands.typed import named
from rnn_tui.views import LN2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rnn_tui.data.coding import Coding
    from rnn_tui.inspection.trace import Traced
    from rnn_tui.tasks import Passage, Task


def arrays_of(traced: Traced, coding: Coding, real: bool) -> dict[str, NDArray[Any]]:
    """The arrays of a reading by the names in a file."""
    from rnn_tui.inspection.trace_view import own_units

    border = max(0, traced.border)
    read = {"values" if traced.tokens.ndim == 2 else "tokens": traced.tokens}
    sides = [("", slice(None))]
    if traced.border >= 0:
        read = {"tokens": traced.tokens[:border], "written": traced.tokens[border:]}
        sides = [("encoder.", slice(0, border)), ("decoder.", slice(border, None))]
    answered = {"predictions": own_units(traced.logits, coding)} if real else {"logits": traced.logits[border:]}
    arrays = read | answered | {"loss": traced.loss[border:]}
    for side, rows in sides:
        for k, layer in enumerate(traced.layers):
            arrays |= {f"{side}layer{k}.{key}": values[rows] for key, values in layer.items()}
    return arrays if traced.attention is None else {**arrays, "attention": traced.attention}


def readable(traced: Traced, coding: Coding, passage: Passage, task: Task) -> str:
    """What was read and what is answered, a row a timestep."""
    if task.real:
        return _numbers(traced, coding, passage)
    border, logits, loss = traced.border, traced.logits, traced.loss
    read = list(passage.symbols)
    if border >= 0:
        read += [coding.answers[token] for token in traced.tokens[border:]]
    known = np.isfinite(logits).all(axis=1)
    shifted = np.exp(np.where(known[:, None], logits - logits.max(axis=1, keepdims=True), 0.0))
    p, top = shifted / shifted.sum(axis=1, keepdims=True), logits.argmax(axis=1)
    rows = []
    for t, symbol in enumerate(read):
        # In language the surprise of a symbol stands at itself; elsewhere a cost stands where it was answered.
        cost = float(loss[t - 1]) if task.streamed and t else float("nan") if task.streamed else float(loss[t])
        told = (named(coding.answers[top[t]]), f"{p[t, top[t]]:.0%}") if known[t] else ("", "")
        bits = number(cost / LN2, ".2f") if np.isfinite(cost) else "-"
        rows.append((str(t), named(symbol), bits, *told))
    return table(("t", "symbol", "bits", "next" if task.streamed else "answer", "p"), rows, right=(0, 2, 4))


def _numbers(traced: Traced, coding: Coding, passage: Passage) -> str:
    from rnn_tui.inspection.trace_view import own_units

    own = own_units(traced.logits, coding)
    rows = [
        (str(t), named(symbol), ", ".join("-" if not np.isfinite(v) else f"{v:.4g}" for v in own[t][:4]),
         f"{traced.loss[t]:.4g}" if np.isfinite(traced.loss[t]) else "-")
        for t, symbol in enumerate(passage.symbols)
    ]  # fmt: skip
    return table(("t", "read", "answer", "squared error"), rows, right=(0, 2, 3))

"""Sequences of unequal length in one batch, read with a mask and without: what the filling does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.coding import PAD, Coding
from rnn_tui.data.examples import Ragged
from rnn_tui.inspection.asked import costs, is_asked
from rnn_tui.inspection.trace_view import own_units
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks import Passage, Task
from rnn_tui.tasks.decoding.teaching import written
from rnn_tui.tasks.learning.batches import Batch, collate
from rnn_tui.views import Array, PaddingView, frozen

if TYPE_CHECKING:
    from rnn_tui.inspection.trace import Model

SIDE_BY_SIDE = 6
LOOKED_AT = 500
"""Examples that are looked through for lengths that differ."""


class PaddingError(ValueError):
    """There is nothing to fill up; the text is one sentence that says why."""


def unequal(lengths: NDArray[np.int64], offset: int, count: int = SIDE_BY_SIDE) -> list[int]:
    """Numbers of up to `count` examples of different lengths, from `offset` on, counted round.

    Raises PaddingError where all of the next 500 are equally long.
    """
    found: dict[int, int] = {}
    for k in range(offset, offset + min(len(lengths), LOOKED_AT)):
        if len(found) < count:
            found.setdefault(int(lengths[k % len(lengths)]), k % len(lengths))
    if len(found) < 2:
        raise PaddingError("its sequences are all equally long, so nothing is filled up; choose another task or data")
    return list(found.values())


@torch.no_grad()
def compare_padding(
    network: Model, task: Task, coding: Coding, passages: Sequence[Passage], *, before: bool = False, step: int = 0
) -> PaddingView:
    """These examples in one batch, masked and with what fills them up read as data.

    `before`: filled up before their beginning instead of after their end. float32, eval mode.
    """
    examples = Ragged.of([p.inputs for p in passages], [p.targets for p in passages])
    batch = collate(examples, range(len(passages)), before=before)
    total = batch.inputs.shape[0]
    real = np.zeros((len(passages), total), np.bool_)
    symbols = []
    fill = "0" if coding.numeric else PAD
    for b, passage in enumerate(passages):
        count = len(passage.inputs)
        first = total - count if before else 0
        real[b, first : first + count] = True
        symbols.append((*[fill] * first, *passage.symbols, *[fill] * (total - count - first)))
    (h, answers), (h_data, answers_data) = (_read(network, task, batch, masked) for masked in (True, False))
    targets = [batch.targets[:, b].numpy() for b in range(len(passages))]
    return PaddingView(
        symbols=tuple(symbols),
        real=frozen(real),
        before=before,
        masked=_size(h),
        as_data=_size(h_data),
        difference=_size(h - h_data),
        answers_masked=_told(answers, targets, coding),
        answers_as_data=_told(answers_data, targets, coding),
        right=_told(None, targets, coding),
        loss_masked=_losses(answers, targets),
        loss_as_data=_losses(answers_data, targets),
        offset=passages[0].offset,
        part=passages[0].part,
        source=f"{passages[0].source}, and {len(passages) - 1} of other lengths",
        step=step,
    )


def _read(network: Model, task: Task, batch: Batch, masked: bool) -> tuple[Tensor, Tensor]:
    """The last layer's h (T, B, H or 2H), and the answers, (T, B, C), (1, B, C) or (U, B, C)."""
    lengths, before = (batch.lengths, batch.before) if masked else (None, False)
    if isinstance(network, EncoderDecoder):
        encoded = network.encode(batch.inputs, lengths, before)
        return encoded.outputs.float(), written(network, encoded, batch.targets).float()
    out, _ = network.hidden(batch.inputs, None, None, lengths, before)
    if task.answers == "last":
        return out.float(), network.output(network.summary(out, lengths, before)).unsqueeze(0).float()
    return out.float(), network.output(out).float()


def _size(h: Tensor) -> Array:
    return frozen(h.abs().mean(dim=-1).T.contiguous().numpy())


def _losses(answers: Tensor, targets: list[NDArray[Any]]) -> Array:
    found = []
    for b, right in enumerate(targets):
        own = costs(answers[:, b], right)[is_asked(right)]
        found.append(own.mean() if len(own) else np.nan)
    return frozen(np.array(found, np.float32))


def _told(answers: Tensor | None, targets: list[NDArray[Any]], coding: Coding) -> tuple[str, ...]:
    """What is answered where something is asked, as a text; without `answers` what is right there."""
    told = []
    for b, right in enumerate(targets):
        asked = is_asked(right)
        if right.ndim == 2:
            numbers = right[asked] if answers is None else answers[:, b].numpy()[asked]
            told.append("; ".join(", ".join(f"{v:.4g}" for v in row) for row in own_units(numbers, coding)))
        else:
            chosen = right[asked] if answers is None else answers[:, b].argmax(-1).numpy()[asked]
            names = [coding.answers[int(k)] for k in chosen]
            told.append(("" if all(len(name) == 1 for name in names) else " ").join(names))
    return tuple(told)

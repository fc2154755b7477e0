"""The cost of choices over batches of sequences: one after every timestep, or one after the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.examples import NOT_ASKED, Examples
from rnn_tui.model.network import Network, State
from rnn_tui.tasks.learning.batches import Batch, collate

Answers = Literal["every", "last"]

# Numbers of one layer's activations held at a time, and sequences side by side: what bounds
# the memory of a validation.
HELD = 4_000_000
WIDEST = 256


def choices(
    network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, answers: Answers
) -> tuple[Tensor, State]:
    """Logits of a batch, (T, B, C), or (1, B, C) where only the end answers, and the state after it.

    Without a mask nobody tells the network how long its sequences are: it reads what fills
    them up, and the end that answers is the last row.
    """
    lengths, before = (batch.lengths, batch.before) if batch.masked else (None, False)
    if answers == "every":
        return network(batch.inputs, state, dropout, lengths, before)  # type: ignore[no-any-return]
    out, after = network.hidden(batch.inputs, state, dropout, lengths, before)
    logits: Tensor = network.output(network.summary(out, lengths, before))
    return logits.unsqueeze(0), after


def loss(
    network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, answers: Answers
) -> tuple[Tensor, State]:
    """Mean cost in nats of the answers asked for, and the state after the batch.

    Nothing is asked at timesteps that fill up, masked or not: there is no right answer there.
    """
    logits, after = choices(network, batch, state, dropout, answers)
    costs = F.cross_entropy(logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=NOT_ASKED)
    return costs, after


def score(
    network: Network, examples: Examples, answers: Answers, *,
    limit: int | None = None, working: Callable[[float], None] | None = None,
) -> tuple[float, int, list[NDArray[np.int64]]]:  # fmt: skip
    """Mean cost in nats over all answers asked for, their number, and of each sequence what was chosen.

    With a `limit` the first sequences that have so many timesteps together, at least one. Each is
    read from h_0, masked, in float32 and eval mode, beside others of nearly its length, so the
    result does not depend on how they are put together. Raises ValueError where there is none.
    """
    lengths = examples.lengths
    count = len(lengths)
    if limit is not None:
        count = max(1, int(np.searchsorted(np.cumsum(lengths), limit, side="right"))) if count else 0
    if not count:
        raise ValueError("a part without sequences asks nothing")
    device = next(network.parameters()).device
    chosen: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * count
    total, asked, done = 0.0, 0, 0
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for which in _groups(lengths[:count], _widest_layer(network)):
                batch = collate(examples, which.tolist()).to(device)
                logits, _ = choices(network, batch, None, None, answers)
                costs = F.cross_entropy(
                    logits.flatten(0, 1).float(), batch.targets.flatten(), reduction="none", ignore_index=NOT_ASKED
                )
                total += float(costs.double().sum())
                asked += int((batch.targets != NOT_ASKED).sum())
                best = logits.argmax(-1).cpu().numpy()
                for b, k in enumerate(which):
                    chosen[k] = best[: len(examples.asked(int(k))), b]
                done += int(lengths[which].sum())
                if working is not None:
                    working(done / int(lengths[:count].sum()))
    finally:
        network.train(was_training)
    return total / max(asked, 1), asked, chosen


def _widest_layer(network: Network) -> int:
    """Numbers that one timestep of one sequence needs at most: what is read, a cell's gates, the logits."""
    model = network.model
    reads = model.embedding_size or network.vocabulary
    return max(reads, 4 * model.hidden_size * (1 + model.bidirectional), network.sizes.outputs)


def _groups(lengths: NDArray[np.int64], wide: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of the sequences that are read side by side, the shortest first."""
    order = np.argsort(lengths, kind="stable")
    at = 0
    while at < len(order):
        B = min(WIDEST, len(order) - at)
        while B > 1 and B * int(lengths[order[at + B - 1]]) * wide > HELD:
            B = B // 2
        yield order[at : at + B]
        at += B

"""What a decoder is worth over a part: its loss with the right symbols told, and what it writes by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from rnn_tui.data.examples import NOT_ASKED, Examples
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks.decoding.greedy import greedy
from rnn_tui.tasks.decoding.teaching import written
from rnn_tui.tasks.learning.batches import Batch, collate

SIDE_BY_SIDE = 256
"""Pairs that are scored together, at most."""
# Logits held at a time: what bounds the memory of a validation.
LOGITS = 4_000_000


@contextmanager
def as_it_is(network: EncoderDecoder) -> Iterator[None]:
    """Eval mode and no gradients inside; the mode of before afterwards."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


def first_pairs(examples: Examples, limit: int | None) -> int:
    """How many of the first pairs have at most `limit` timesteps, source and target together; one at least."""
    if limit is None:
        return len(examples)
    timesteps = 0
    for k in range(len(examples)):
        timesteps += len(examples.read(k)) + len(examples.asked(k))
        if timesteps > limit:
            return max(1, k)
    return len(examples)


def cost(
    network: EncoderDecoder, examples: Examples, which: Sequence[int], working: Callable[[float], None] | None = None
) -> tuple[float, int]:
    """Mean cost in nats of those pairs' target symbols, <eos> among them, and their number. float32, eval mode."""
    total, count, done = 0.0, 0, 0
    with as_it_is(network):
        for group, batch in _groups(network, examples, which):
            logits = written(network, network.encode(batch.inputs, batch.lengths), batch.targets)
            costs = F.cross_entropy(
                logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=NOT_ASKED, reduction="none"
            )
            total += float(costs.double().sum())
            count += int((batch.targets != NOT_ASKED).sum())
            done += len(group)
            if working is not None:
                working(done / len(which))
    return total / count, count


def translations(
    network: EncoderDecoder, examples: Examples, which: Sequence[int], working: Callable[[float], None] | None = None
) -> dict[int, tuple[int, ...]]:
    """What greedy search writes for each of those pairs, without <eos>, by its number. float32, eval mode."""
    found: dict[int, tuple[int, ...]] = {}

    def look() -> None:
        if working is not None:
            working(len(found) / len(which))

    with as_it_is(network):
        for group, batch in _groups(network, examples, which):
            answers = greedy(network, batch.inputs, batch.lengths, look=look)
            found.update((k, answer.symbols) for k, answer in zip(group, answers, strict=True))
    return found


def _groups(network: EncoderDecoder, examples: Examples, which: Sequence[int]) -> Iterator[tuple[list[int], Batch]]:
    """Pairs of nearly one length side by side, where the network lies."""
    device = next(network.parameters()).device
    order = sorted(which, key=lambda k: (len(examples.read(k)), len(examples.asked(k))))
    while order:
        U = max(len(examples.asked(k)) for k in order[:SIDE_BY_SIDE])
        size = max(1, min(SIDE_BY_SIDE, LOGITS // (U * network.sizes.outputs)))
        group, order = order[:size], order[size:]
        yield group, collate(examples, group).to(device)

"""Losses and scores of the probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Examples, Ragged
from rnn_tui.data.probes import Draws, batch_draws
from rnn_tui.model.network import Network, State
from rnn_tui.tasks import Passage, Working
from rnn_tui.tasks.learning.batches import Batch, collate
from rnn_tui.tasks.learning.losses import choices
from rnn_tui.views import Scores, Tagged, frozen

Counted = Callable[[NDArray[np.float32], Batch], dict[str, tuple[float, float]]]
"""Of the answers to a batch, for each metric, how much was right and of how much."""

# Timesteps of sequences that are scored side by side: what bounds the memory of a validation.
SIDE_BY_SIDE = 50_000
WIDEST = 256


def make(
    draw: Callable[[Draws, int], Ragged], generator: torch.Generator, B: int, *, before: bool, masked: bool
) -> Batch:
    """A batch of B new sequences; one number of the generator decides them all."""
    number = int(torch.randint(2**63 - 1, (), generator=generator))
    return collate(draw(batch_draws(number), B), range(B), before=before, masked=masked)


def answers(
    network: Network, batch: Batch, last: bool, state: State | None = None, dropout: torch.Generator | None = None
) -> tuple[Tensor, State]:
    """Logits (T, B, C), or with `last` what is answered after the last timestep, (1, B, K); in float32."""
    there = batch.to(network.output.weight.device)
    logits, after = choices(network, there, state or None, dropout, "last" if last else "every")
    return logits.float(), after


def cost(answered: Tensor, targets: Tensor) -> Tensor:
    """Of each answer that is asked for, (N): nats, or of numbers (1, B, K) the squared error."""
    if targets.is_floating_point():
        return (answered - targets).square().flatten()
    asked = targets != NOT_ASKED
    return F.cross_entropy(answered[asked], targets[asked], reduction="none")


def score(
    network: Network, examples: Examples, rights: Counted, last: bool, limit: int | None = None,
    working: Working | None = None,
) -> Scores:  # fmt: skip
    """Mean cost and metrics over these sequences. `working` is called with the share done; what it raises stops it."""
    total, count = 0.0, 0
    found: dict[str, tuple[float, float]] = {}
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            for which, done in _pieces(examples, limit):
                batch = collate(examples, which)
                answered, _ = answers(network, batch, last)
                costs = cost(answered, batch.targets.to(answered.device))
                total, count = total + float(costs.double().sum()), count + len(costs)
                for name, (right, of) in rights(answered.cpu().numpy(), batch).items():
                    before = found.get(name, (0.0, 0.0))
                    found[name] = before[0] + right, before[1] + of
                if working is not None:
                    working(done)
    finally:
        network.train(was_training)
    return Scores(total / count, count, {name: right / of if of else np.nan for name, (right, of) in found.items()})


def _pieces(examples: Examples, limit: int | None) -> Iterator[tuple[range, float]]:
    """Numbers of sequences to be read side by side, and the share that is done after them."""
    lengths = examples.lengths
    N = len(examples)
    if limit is not None:
        N = max(1, min(N, int(np.searchsorted(np.cumsum(lengths), limit, side="right"))))
    B = max(1, min(WIDEST, SIDE_BY_SIDE // int(lengths[:N].max())))
    for first in range(0, N, B):
        after = min(first + B, N)
        yield range(first, after), after / N


def read(network: Network, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """What is answered after each timestep of one sequence from h_0: (T, C) logits or (T, K) numbers."""
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(inputs).to(network.output.weight.device).unsqueeze(1))
    read: NDArray[np.float32] = logits[:, 0].float().cpu().numpy()
    return read


def tagged(
    network: Network, coding: Coding, passage: Passage, step: int, allowed: tuple[tuple[str, ...], ...], count: int
) -> Tagged:
    """The choice at every timestep of a passage."""
    logits = read(network, passage.inputs).astype(np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    asked = passage.targets != NOT_ASKED
    right = tuple(coding.answers[k] if k != NOT_ASKED else "" for k in passage.targets)
    return Tagged(
        passage.symbols, coding.answers, frozen(p.astype(np.float32)), right, asked, passage.source, step,
        passage.unknown, allowed, passage.offset, count,
    )  # fmt: skip

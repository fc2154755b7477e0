"""The same text and loss through RNN, GRU and LSTM of equal size."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import ModelConfig
from rnn_tui.inspection.asked import Answers
from rnn_tui.inspection.gradients import stand
from rnn_tui.inspection.pieces import Working, finish
from rnn_tui.inspection.replay import horizon, norms_of, replay_steps
from rnn_tui.model.building import build
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.model.parameters import as_sizes
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.views import Compared, Sizes, frozen

CELLS = ("rnn", "gru", "lstm")
SEED = 1


def fresh(model: ModelConfig, vocabulary: Sizes | int, cell: str, seed: int = SEED) -> Network | EncoderDecoder:
    """A network of that size with that cell (a plain RNN with tanh) and first weights, which always are the same."""
    network = build(model.model_copy(update={"cell": cell, "nonlinearity": "tanh"}), as_sizes(vocabulary))
    fill(network, network.model, torch.Generator().manual_seed(seed))
    return network.eval().requires_grad_(False)


def compare_fresh(
    model: ModelConfig,
    vocabulary: Sizes | int,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    *,
    at: int = -1,
    seed: int = SEED,
    cells: Sequence[str] = CELLS,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
    working: Working | None = None,
) -> tuple[Compared, ...]:
    """RNN, GRU and LSTM as `model` sizes and initialises them, untrained, over the same text (T).

    `vocabulary` is the number of symbols, or what is read and answered; all else as in `flow`.
    """
    steps = compare_fresh_steps(
        model, vocabulary, tokens, at=at, seed=seed, cells=cells, targets=targets, answers=answers
    )  # fmt: skip
    return finish(steps, working)


def compare_fresh_steps(
    model: ModelConfig,
    vocabulary: Sizes | int,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    *,
    at: int = -1,
    seed: int = SEED,
    cells: Sequence[str] = CELLS,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
) -> Generator[float, None, tuple[Compared, ...]]:
    """`compare_fresh` as a generator that yields the share that is done."""
    found = []
    for k, cell in enumerate(cells):
        network = fresh(model, vocabulary, cell, seed)
        work = compared_steps(
            network, tokens, at=at, title=f"{title(network)}, fresh", trained=False, targets=targets, answers=answers
        )  # fmt: skip
        while True:
            try:
                share = next(work)
            except StopIteration as finished:
                found.append(finished.value)
                break
            yield (k + share) / len(cells)
    return tuple(found)


def compared_steps(
    network: Network | EncoderDecoder, tokens: Tensor | NDArray[Any] | Sequence[int], *, at: int, title: str,
    trained: bool, targets: NDArray[Any] | None = None, answers: Answers | None = None,
) -> Generator[float, None, Compared]:  # fmt: skip
    """One network's share of a comparison: its last layer. Yields the share that is done. Raises ValueError."""
    read = np.asarray(tokens)
    read = read if network.sizes.numeric else read.astype(np.int64)
    stood = stand(network, read, [""] * network.sizes.outputs, at, targets, answers)
    replayed = yield from replay_steps(
        network, read, stood.loss, at=stood.at, gather=False, whole=stood.whole, written=stood.written
    )  # fmt: skip
    gradients = replayed.layers[-1].gradients
    norms = norms_of(gradients["h"])
    return Compared(
        title=title,
        cell=network.cell.name,
        trained=trained,
        norms=frozen(norms),
        cell_norms=frozen(norms_of(gradients["c"])) if "c" in gradients else None,
        horizon=horizon(norms[: replayed.at + 1]),
        loss=replayed.loss,
    )


def title(network: Network | EncoderDecoder) -> str:
    """`GRU 2x128`."""
    return f"{network.cell.title} {network.model.layers}x{network.model.hidden_size}"

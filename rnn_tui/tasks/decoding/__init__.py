"""Finding what a decoder writes: the likeliest symbol each time (greedy), or several candidates (beam search)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rnn_tui.data.coding import END, PAD, START
from rnn_tui.data.pairs import TARGET_SYMBOLS

BEGIN, STOP = TARGET_SYMBOLS.index(START), TARGET_SYMBOLS.index(END)
"""Numbers of <start> and <eos>."""
BARRED = (TARGET_SYMBOLS.index(PAD), BEGIN)
"""What is never written."""

Look = Callable[[], None]
"""Called at each timestep; what it raises stops the search."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a decoder wrote for one source."""

    symbols: tuple[int, ...]
    """(U): without <eos>."""
    costs: tuple[float, ...]
    """Log-probability, nats, of each symbol when it was written; the last is that of <eos> where it was written."""
    attention: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    """(U, T): weight of each source timestep while a symbol was written; (0, 0) without attention."""

    @property
    def score(self) -> float:
        """Mean log-probability of a symbol, <eos> among them: what candidates of unequal length are ranked by."""
        return sum(self.costs) / len(self.costs)

    @property
    def finished(self) -> bool:
        """Whether <eos> was written before the most that is allowed."""
        return len(self.costs) > len(self.symbols)


def most_symbols(timesteps: int) -> int:
    """How many symbols, <eos> among them, may be written for a source of so many timesteps."""
    return 4 * timesteps + 40


def log_probabilities(logits: Tensor) -> Tensor:
    """(..., V): log-softmax in float32 over all symbols; <pad> and <start> then become impossible."""
    found = logits.float().log_softmax(dim=-1)
    found[..., list(BARRED)] = float("-inf")
    return found

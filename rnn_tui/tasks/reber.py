"""Reber: what the embedded Reber grammar allows next (many to many, in step)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Dataset, Ragged
from rnn_tui.data.probes import Draws, reber, sample_draws
from rnn_tui.tasks.probing.probe import SHOWN, Probe, Rights, cut
from rnn_tui.views import Baseline, Sample

if TYPE_CHECKING:
    from rnn_tui.model.network import Network
    from rnn_tui.tasks.learning.batches import Batch

FIRST, LAST = reber.SYMBOLS.index("B"), reber.SYMBOLS.index("E")
WRITTEN = 60
TYPICAL = 12
"""Symbols of a string, the mean."""


class Reber(Probe):
    """Nats of predicting the next symbol.

    `accuracy`: of the strings, those whose last T or P is expected above all other symbols.
    `legal`: of the predictions, those whose k likeliest symbols are the k that the grammar
    allows there (Cleeremans, Servan-Schreiber and McClelland 1989).
    """

    name = "reber"
    title = "reber: what a grammar allows next (many to many, in step)"
    answers = "every"
    metrics = ("accuracy", "legal")
    coding = Coding(reber.SYMBOLS)
    steady = False

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        return reber.draw(draws, count)

    def fixed(self, draws: Draws, count: int, length: int) -> Ragged:
        return reber.representative(draws, count)

    def timesteps(self, length: int) -> int:
        return TYPICAL

    def titled(self, length: int) -> str:
        return "embedded Reber grammar"

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        return (
            Baseline("bigram", reber.bigram()),
            Baseline("no long memory", reber.without_long_memory(), {"accuracy": 0.5}),
            Baseline("optimum", reber.optimum(), {"accuracy": 1.0, "legal": 1.0}),
        )

    def notice(self, length: int) -> str:
        return (
            f"the best predictor there can be has {reber.optimum():.5f} nats a symbol, for the grammar itself tosses "
            f"coins; one that forgets the second symbol has {reber.without_long_memory():.5f}"
        )

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        return cut((*self.show(inputs), reber.SYMBOLS[targets[-1]]))

    def asks(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return np.append(inputs[1:], NOT_ASKED)

    def legal(self, inputs: NDArray[Any], length: int) -> tuple[tuple[int, ...], ...]:
        return reber.legal(inputs)

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        inputs, targets = batch.inputs.numpy(), batch.targets.numpy()
        lasts = legals = predictions = 0
        for b in range(inputs.shape[1]):
            T = int((targets[:, b] != NOT_ASKED).sum())
            order = np.argsort(-logits[:T, b], axis=1, kind="stable")
            # The last symbol is E: the T or P before it is asked for at T - 2.
            lasts += int(order[T - 2, 0] == targets[T - 2, b])
            for t, allowed in enumerate(reber.legal(inputs[:T, b])):
                legals += set(order[t, : len(allowed)].tolist()) == set(allowed)
            predictions += T
        return {"accuracy": (lasts, inputs.shape[1]), "legal": (legals, predictions)}

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """Strings that it writes by itself, each with whether the grammar allows it."""
        from rnn_tui.tasks.probing.writing import write

        draws = sample_draws(seed)
        lines = []
        for _ in range(SHOWN):
            try:
                word = write(network, draws, FIRST, -1, WRITTEN)
            except ValueError:
                return None
            # Only a string's own E ends it: the inner one has T or P after it.
            word, told = judged(word)
            lines.append("".join(coding.inputs[symbol] for symbol in word) + f"   {told}")
        return Sample(0, "", "\n".join(lines))


def judged(word: list[int]) -> tuple[list[int], str]:
    """A string up to its end or its first fault, and which of the two it is."""
    allowed = reber.legal(np.array(word))
    for t, after in enumerate(word[1:]):
        if not allowed[t]:
            return word[: t + 1], "right"
        if after not in allowed[t]:
            return word[: t + 2], f"wrong at t {t + 1}"
    return word, "right so far"


TASK = Reber()

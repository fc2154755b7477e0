"""Brackets: what may follow in a nested word (many to many, in step)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Dataset, Ragged
from rnn_tui.data.probes import Draws, brackets, sample_draws
from rnn_tui.tasks.probing.probe import SHOWN, Probe, Rights, cut, ladder, share
from rnn_tui.views import Baseline, Sample

if TYPE_CHECKING:
    from rnn_tui.model.network import Network
    from rnn_tui.tasks.learning.batches import Batch

CLOSING = slice(brackets.KINDS, 2 * brackets.KINDS)
WRITTEN = 60


class Brackets(Probe):
    """Nats of predicting the next symbol; accuracy: of the closing brackets, those of the right kind.

    That a bracket closes is chance; which kind it must be follows from the one that it closes.
    """

    name = "brackets"
    title = "brackets: what may follow in a nested word (many to many, in step)"
    answers = "every"
    gapped = True
    metrics = ("accuracy",)
    coding = Coding(brackets.SYMBOLS, brackets.ANSWERS)
    shortest = brackets.SHORTEST
    steady = False

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        return brackets.draw(draws, count, length)

    def fixed(self, draws: Draws, count: int, length: int) -> Ragged:
        return brackets.representative(draws, count, length)

    def gaps(self, longest: int) -> NDArray[np.int64]:
        return np.unique((ladder(longest) - 1) // 2 * 2 + 1)

    def at_gap(self, draws: Draws, count: int, gap: int) -> Ragged:
        """Words whose first bracket closes `gap` timesteps later."""
        return brackets.draw_distance(draws, count, gap)

    def nothing(self, gap: int) -> float:
        return 1 / brackets.KINDS

    def titled(self, length: int) -> str:
        return f"brackets, up to {length:,} symbols"

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        bigram, right = brackets.bigram(length)
        return (
            Baseline("bigram", bigram, {"accuracy": right}),
            Baseline("forgets kinds", brackets.forgets_kinds(length), {"accuracy": 1 / brackets.KINDS}),
            Baseline("optimum", brackets.optimum(length), {"accuracy": 1.0}),
        )

    def notice(self, length: int) -> str:
        return (
            f"the best predictor there can be has {brackets.optimum(length):.4f} nats a symbol; one that knows the "
            f"depth and forgets which kinds are open has {brackets.forgets_kinds(length):.4f}"
        )

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        return cut((*self.show(inputs), brackets.END))

    def asks(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return np.append(inputs[1:], NOT_ASKED)

    def legal(self, inputs: NDArray[Any], length: int) -> tuple[tuple[int, ...], ...]:
        return brackets.legal(inputs, length)

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        targets = batch.targets.numpy()
        closing = (targets >= CLOSING.start) & (targets < CLOSING.stop)
        kinds = logits[closing][:, CLOSING].argmax(-1)
        return {"accuracy": share(kinds == targets[closing] - CLOSING.start)}

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """Words that it writes by itself, each with whether it is one."""
        from rnn_tui.tasks.probing.writing import write

        draws = sample_draws(seed)
        lines = []
        for k in range(SHOWN):
            try:
                word = write(network, draws, k % brackets.KINDS, len(brackets.SYMBOLS), WRITTEN)
            except ValueError:
                return None
            lines.append("".join(coding.answers[symbol] for symbol in word) + f"   {verdict(word)}")
        return Sample(0, "", "\n".join(lines))


def verdict(word: list[int]) -> str:
    """Whether it is a word, from its first bracket to its end."""
    allowed = brackets.legal(np.array(word))
    wrong = next((t + 1 for t, after in enumerate(word[1:]) if after not in allowed[t]), 0)
    if wrong:
        return f"wrong at t {wrong}"
    return "right" if word[-1] == len(brackets.SYMBOLS) else "right so far"


TASK = Brackets()

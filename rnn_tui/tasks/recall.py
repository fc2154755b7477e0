"""Recall: the first symbol, asked for after a gap (many to many, in step)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Ragged
from rnn_tui.data.probes import Draws, recall
from rnn_tui.tasks.probing.probe import Probe, Rights, cut, ladder, share
from rnn_tui.views import Baseline

if TYPE_CHECKING:
    from rnn_tui.tasks.learning.batches import Batch


class Recall(Probe):
    """Nats and accuracy at the mark, the one timestep that asks."""

    name = "recall"
    title = "recall: the first symbol after a gap (many to many, in step)"
    answers = "every"
    gapped = True
    metrics = ("accuracy",)
    coding = Coding(recall.INPUTS, recall.SYMBOLS)
    steady = False

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        return recall.draw(draws, count, length)

    def timesteps(self, length: int) -> int:
        return length + 1

    def gaps(self, longest: int) -> NDArray[np.int64]:
        return ladder(longest)

    def at_gap(self, draws: Draws, count: int, gap: int) -> Ragged:
        return recall.draw_gaps(draws, np.full(count, gap))

    def nothing(self, gap: int) -> float:
        return 1 / recall.KINDS

    def titled(self, length: int) -> str:
        return f"recall, gaps of 1 to {length:,}"

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        return (
            Baseline("remembers nothing", math.log(recall.KINDS), {"accuracy": 1 / recall.KINDS}),
        )  # fmt: skip

    def notice(self, length: int) -> str:
        return (
            f"the gap of a sequence is drawn from 1 to {length:,}; without memory {recall.KINDS} symbols are equally "
            f"likely: ln {recall.KINDS} = {math.log(recall.KINDS):.3f} nats, 1 of {recall.KINDS} right"
        )

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        right = "".join(recall.SYMBOLS[k] for k in targets[targets != NOT_ASKED])
        return f"{cut(self.show(inputs))} {right}"

    def finished(self, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
        """With a mark at its end, if it has none."""
        return recall.finished(inputs)

    def asks(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return recall.answers(inputs)

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        targets = batch.targets.numpy()
        asked = targets != NOT_ASKED
        return {"accuracy": share(logits.argmax(-1)[asked] == targets[asked])}


TASK = Recall()

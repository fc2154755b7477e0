"""Copying: ten symbols, written down again after a delay (many to many, in step)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Ragged
from rnn_tui.data.probes import Draws, copying
from rnn_tui.tasks.probing.probe import Probe, Rights, cut, ladder, share
from rnn_tui.views import Baseline

if TYPE_CHECKING:
    from rnn_tui.tasks.learning.batches import Batch


class Copying(Probe):
    """Mean nats over all T + 20 timesteps; accuracy on the ten symbols (Arjovsky, Shah and Bengio 2016)."""

    name = "copying"
    title = "copying: ten symbols again after a delay (many to many, in step)"
    answers = "every"
    gapped = True
    metrics = ("accuracy",)
    coding = Coding(copying.INPUTS, copying.ANSWERS)

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        return copying.draw(draws, count, length)

    def timesteps(self, length: int) -> int:
        return length + 2 * copying.WIDTH

    def gaps(self, longest: int) -> NDArray[np.int64]:
        return ladder(longest)

    def at_gap(self, draws: Draws, count: int, gap: int) -> Ragged:
        """Sequences with a delay of `gap` timesteps."""
        return copying.draw(draws, count, gap)

    def nothing(self, gap: int) -> float:
        return 1 / copying.KINDS

    def titled(self, length: int) -> str:
        return f"copying, delay {length:,}"

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        return (
            Baseline("remembers nothing", copying.remembers_nothing(length), {"accuracy": 1 / copying.KINDS}),
        )  # fmt: skip

    def notice(self, length: int) -> str:
        return (
            f"a model that knows when to answer and remembers nothing has a loss of 10 ln 8 / (T + 20) = "
            f"{copying.remembers_nothing(length):.4f}: low, because most timesteps ask for a blank"
        )

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        return cut(self.show(inputs))

    def finished(self, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
        """With a mark, and as many blanks after it as there are symbols before it."""
        return copying.finished(inputs)

    def asks(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return copying.answers(inputs)

    def told(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray((targets != NOT_ASKED) & (targets != copying.KINDS))

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        targets = batch.targets.numpy()
        symbols = self.told(targets)
        return {"accuracy": share(logits.argmax(-1)[symbols] == targets[symbols])}


TASK = Copying()

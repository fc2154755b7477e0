"""Adding: the sum of two marked numbers, far apart (many to one)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import Dataset, Ragged
from rnn_tui.data.probes import Draws, adding
from rnn_tui.symbols import clean_line
from rnn_tui.tasks import Passage
from rnn_tui.tasks.probing.probe import Probe, Rights, ladder
from rnn_tui.views import Added, Baseline, frozen

if TYPE_CHECKING:
    from rnn_tui.model.network import Network
    from rnn_tui.tasks.learning.batches import Batch

WRITTEN = "write numbers with spaces between, the two to be added with a star: 0.3 0.7* 0.2 0.4*"


class Adding(Probe):
    """Mean squared error of the sum (Le, Jaitly and Hinton 2015)."""

    name = "adding"
    title = "adding: the sum of two marked numbers (many to one)"
    answers = "last"
    gapped = True
    real = True
    metrics = ("mse",)
    coding = Coding(("value", "marked"), ("sum",), numeric=True, mean=(0.0, 0.0), std=(1.0, 1.0))
    shortest = adding.SHORTEST
    lower_is_better = True

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        return adding.draw(draws, count, length)

    def gaps(self, longest: int) -> NDArray[np.int64]:
        return ladder(longest, adding.SHORTEST)

    def at_gap(self, draws: Draws, count: int, gap: int) -> Ragged:
        """Sequences of `gap` timesteps in all."""
        return adding.draw(draws, count, gap)

    def nothing(self, gap: int) -> float:
        return adding.ALWAYS_ONE

    def titled(self, length: int) -> str:
        return f"adding, T = {length:,}"

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        return (Baseline("always 1", adding.ALWAYS_ONE, {"mse": adding.ALWAYS_ONE}),)

    def notice(self, length: int) -> str:
        return "answering 1 every time, the mean, has a squared error of 1/6: without memory nothing is better"

    def show(self, inputs: NDArray[Any]) -> tuple[str, ...]:
        return tuple(f"{value:.2f}{'*' if marked else ''}" for value, marked in inputs.tolist())

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        places = np.flatnonzero(inputs[:, 1])
        parts = " and ".join(f"{inputs[t, 0]:.2f} at t {t}" for t in places)
        return f"{parts} of {len(inputs)}: {float(targets[0, 0]):.2f}"

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        errors = (logits - batch.targets.numpy()).astype(np.float64)
        return {"mse": (float(np.square(errors).sum()), float(errors.size))}

    def answered(self, network: Network, coding: Coding, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        from rnn_tui.tasks.probing import scoring

        return f"{scoring.read(network, inputs)[-1, 0]:.2f}"

    def encode(self, coding: Coding, text: str) -> Passage:
        """`0.3 0.7* 0.2 0.4*`."""
        read, words = [], text.replace(",", " ").split()
        if not words:
            raise ValueError(f"there is nothing to read; {WRITTEN}")
        for word in words:
            try:
                value = float(word.removesuffix("*"))
            except ValueError:
                raise ValueError(f"{clean_line(word[:20])!r} is no number; {WRITTEN}") from None
            if not 0 <= value <= 1:
                raise ValueError(f"{clean_line(word[:20])} is not from 0 to 1, as all that it has read; {WRITTEN}")
            read.append((value, float(word.endswith("*"))))
        inputs = np.array(read, np.float32)
        targets = (inputs[:, 0] * inputs[:, 1]).sum(keepdims=True)[:, None]
        return Passage(inputs, targets, self.show(inputs), "your numbers")

    def answer(
        self, network: Network, coding: Coding, passage: Passage, *, step: int, beams: int = 1,
        data: Dataset | None = None, length: int = 0,
    ) -> Added:  # fmt: skip
        """What it would answer if the sequence ended at each timestep, as a `views.Added`."""
        from rnn_tui.tasks.probing import scoring

        return Added(
            values=frozen(passage.inputs[:, 0].copy()),
            marked=frozen(passage.inputs[:, 1] > 0),
            prediction=frozen(scoring.read(network, passage.inputs)[:, 0].copy()),
            right=float(passage.targets[0, 0]),
            source=passage.source,
            step=step,
            offset=passage.offset,
            count=self.count(data, passage),
        )


TASK = Adding()

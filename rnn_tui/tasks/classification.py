"""Classification: one label for a whole text (many to one)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.assembling import count_unknown, numbered, part_title
from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Dataset, Examples
from rnn_tui.data.labelled import cut, read_labelled
from rnn_tui.data.source import Watch
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.tasks.measures.label_lines import classification_lines
from rnn_tui.tasks.measures.labels import confusion_matrix, confusion_table, measure_classes
from rnn_tui.views import Breakdown, Classified, Sample, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches


class Classification(Task):
    """Mean nats a text; accuracy, and F1 as a mean over the classes."""

    name = "classification"
    title = "classification: a label for a whole text (many to one)"
    answers = "last"
    unit = "texts"
    metrics = ("accuracy", "f1")

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        found = read_labelled(data, Watch(progress, cancelled))
        part = "validation" if len(found.validation) else "train"
        lines = classification_lines(
            found.extra.shown["train"],
            _labels(found.train),
            found.extra.shown[part],
            _labels(getattr(found, part)),
            len(found.coding.outputs),
            " " if data.symbol == "word" else "",
        )
        return replace(found, view=replace(found.view, baselines=lines, last=True))

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.unknown import bucketed

        return bucketed(data, config.training, generator)

    def loss(
        self, network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        from rnn_tui.tasks.learning import losses

        return losses.loss(network, batch, state, dropout, "last")

    def evaluate(
        self, network: Network, data: Dataset, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        cost, right, chosen = _scored(network, data, part, limit, working)
        return Scores(cost, len(right), measure_classes(right, chosen, len(data.coding.outputs)))

    def breakdown(
        self, network: Network, data: Dataset, part: str, config: Config, working: Working | None = None
    ) -> tuple[Breakdown, ...]:
        matrix = confusion(network, data, part, config, working)
        return (confusion_table("texts of class (row) taken for class (column)", matrix, data.coding.outputs, part),)

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """A validation text and its label: `Czech 83 %, right`, or `German 61 %, right is Czech`."""
        if data is None or not len(data.validation):
            return None
        passage = self.passage(data, "validation", int(np.random.default_rng(seed).integers(len(data.validation))), 0)
        p = _after(network, passage.inputs[None, :])[0]
        if not np.isfinite(p).all():
            return None
        k, right = int(p.argmax()), int(passage.targets[0])
        verdict = "right" if k == right else f"right is {coding.answers[right]}"
        joined = " " if coding.symbol == "word" else ""
        return Sample(0, joined.join(passage.symbols), f"{coding.answers[k]} {100 * p[k]:.0f} %, {verdict}")

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        examples = getattr(data, part)
        k = max(0, min(offset, len(examples) - 1))
        inputs = np.asarray(examples.read(k), np.int64)
        line = data.extra.numbers[part][k]
        return Passage(
            inputs,
            np.asarray(examples.asked(k), np.int64),
            tuple(data.extra.shown[part][k]),
            source=f"{part_title(part)} text {k:,}" + (f", line {line:,}" if line else ""),
            offset=k,
            unknown=count_unknown(inputs, data.coding.inputs),
            part=part,
        )

    def encode(self, coding: Coding, text: str) -> Passage:
        symbols = cut(text, coding.symbol)
        if not symbols:
            raise ValueError("there is nothing in it; write a text")
        numbers = {symbol: k for k, symbol in enumerate(coding.inputs)}
        inputs = numbered(symbols, numbers)
        unknown = count_unknown(inputs, coding.inputs)
        targets = np.array([NOT_ASKED], np.int64)
        return Passage(inputs, targets, tuple(symbols), source="your text", unknown=unknown)

    def answer(
        self, network: Network, coding: Coding, passage: Passage, *,
        step: int, beams: int = 1, data: Any = None, length: int = 0,
    ) -> Classified:  # fmt: skip
        """The probability of each class after each timestep, as if the text ended there."""
        right = int(passage.targets[0])
        return Classified(
            symbols=passage.symbols,
            classes=coding.answers,
            p=_along(network, passage.inputs),
            right="" if right == NOT_ASKED else coding.answers[right],
            source=passage.source,
            step=step,
            unknown=passage.unknown,
            offset=passage.offset,
            count=len(getattr(data, passage.part)) if data is not None and passage.part else 0,
        )


def confusion(
    network: Network, data: Dataset, part: str, config: Config, working: Working | None = None
) -> NDArray[np.int64]:
    """(C, C): how many texts of class `row` the network takes for class `column`; classes as in the coding."""
    _, right, chosen = _scored(network, data, part, None, working)
    return confusion_matrix(right, chosen, len(data.coding.outputs))


def _labels(examples: Examples) -> NDArray[np.int64]:
    """(N,): the right class of each text."""
    return np.array([examples.asked(k)[0] for k in range(len(examples))], np.int64)


def _scored(
    network: Network, data: Dataset, part: str, limit: int | None, working: Working | None
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    from rnn_tui.tasks.learning import losses

    examples = getattr(data, part)
    cost, _, chosen = losses.score(network, examples, "last", limit=limit, working=working)
    return cost, _labels(examples)[: len(chosen)], np.concatenate(chosen)


def _along(network: Network, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """(T, C): probabilities after each of the T timesteps. Where both directions are read, each beginning
    of the text is read as a text of its own: the backward direction starts at its end.
    """
    import torch

    from rnn_tui.tasks.learning.losses import HELD

    if not network.model.bidirectional:
        with torch.no_grad():
            out, _ = network.hidden(torch.from_numpy(inputs).unsqueeze(1).to(network.output.bias.device))
            p: NDArray[np.float32] = network.output(out[:, 0]).float().softmax(-1).cpu().numpy()
        return p
    T = len(inputs)
    wide = max(1, HELD // (T * 8 * network.model.hidden_size))
    parts = [
        _after(network, np.tile(inputs, (len(ends), 1)), np.array(ends))
        for ends in (range(start + 1, min(start + wide, T) + 1) for start in range(0, T, wide))
    ]
    return np.concatenate(parts)


def _after(network: Network, inputs: NDArray[Any], lengths: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """(B, C): probabilities after B texts, (B, T), of which the first `lengths` (B) symbols are read."""
    import torch

    known = None if lengths is None else torch.from_numpy(lengths)
    with torch.no_grad():
        reads = torch.from_numpy(inputs.T.copy()).to(network.output.bias.device)
        out, _ = network.hidden(reads, None, None, known, False)
        p: NDArray[np.float32] = network.output(network.summary(out, known, False)).float().softmax(-1).cpu().numpy()
    return p


TASK = Classification()

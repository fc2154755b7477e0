"""Tagging: a label for every word of a sentence (many to many, in step)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.assembling import count_unknown, numbered, part_title
from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Dataset
from rnn_tui.data.source import Watch
from rnn_tui.data.tagged import read_tagged
from rnn_tui.data.vocabulary import words
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.tasks.measures.label_lines import tagging_lines
from rnn_tui.tasks.measures.labels import confusion_matrix, confusion_table, measure_tags
from rnn_tui.views import Breakdown, Sample, Scores, Tagged

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches


class Tagging(Task):
    """Mean nats a tag. With tags that mark spans (B-PER, I-PER, O) F1 of whole spans is told first."""

    name = "tagging"
    title = "tagging: a label for each word (many to many, in step)"
    answers = "every"
    unit = "sentences"
    metrics = ("span_f1", "accuracy", "sentence_accuracy")

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        found = read_tagged(data, Watch(progress, cancelled))
        scored = found.validation if len(found.validation) else found.train
        lines = tagging_lines(found.train, scored, found.coding.outputs, found.coding.inputs)
        return replace(found, view=replace(found.view, baselines=lines))

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.unknown import bucketed

        return bucketed(data, config.training, generator)

    def loss(
        self, network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        from rnn_tui.tasks.learning import losses

        return losses.loss(network, batch, state, dropout, "every")

    def evaluate(
        self, network: Network, data: Dataset, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        from rnn_tui.tasks.learning import losses

        examples = getattr(data, part)
        cost, count, chosen = losses.score(network, examples, "every", limit=limit, working=working)
        right = [examples.asked(k) for k in range(len(chosen))]
        return Scores(cost, count, measure_tags(right, chosen, data.coding.outputs))

    def breakdown(
        self, network: Network, data: Dataset, part: str, config: Config, working: Working | None = None
    ) -> tuple[Breakdown, ...]:
        from rnn_tui.tasks.learning import losses

        examples = getattr(data, part)
        _, _, chosen = losses.score(network, examples, "every", working=working)
        right = np.concatenate([examples.asked(k) for k in range(len(chosen))])
        matrix = confusion_matrix(right, np.concatenate(chosen), len(data.coding.outputs))
        return (confusion_table("words of a tag (row) taken for a tag (column)", matrix, data.coding.outputs, part),)

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """A validation sentence and its tags: `Marlow/B-LOC lies by the river .`, the wrong ones marked."""
        if data is None or not len(data.validation):
            return None
        passage = self.passage(data, "validation", int(np.random.default_rng(seed).integers(len(data.validation))), 0)
        answer = self.answer(network, coding, passage, step=0, data=data)
        if not np.isfinite(answer.p).all():
            return None
        told = []
        for word, p, right in zip(answer.symbols, answer.p, answer.right, strict=True):
            tag = answer.classes[int(p.argmax())]
            shown = word if tag == "O" == right else f"{word}/{tag}"
            told.append(shown if tag == right else f"{shown} (right: {right})")
        return Sample(0, " ".join(answer.symbols), " ".join(told))

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        examples = getattr(data, part)
        k = max(0, min(offset, len(examples) - 1))
        inputs = np.asarray(examples.read(k), np.int64)
        line = data.extra.numbers[part][k]
        return Passage(
            inputs,
            np.asarray(examples.asked(k), np.int64),
            tuple(data.extra.shown[part][k]),
            source=f"{part_title(part)} sentence {k:,}" + (f", line {line:,}" if line else ""),
            offset=k,
            unknown=count_unknown(inputs, data.coding.inputs),
            part=part,
        )

    def encode(self, coding: Coding, text: str) -> Passage:
        """A sentence as words: what stands between two spaces where it is known, else punctuation apart."""
        numbers = {symbol: k for k, symbol in enumerate(coding.inputs)}
        cut = [word for piece in text.split() for word in ([piece] if piece in numbers else words(piece))]
        if not cut:
            raise ValueError("there is no word in it; write a sentence")
        inputs = numbered(cut, numbers)
        targets = np.full(len(cut), NOT_ASKED, np.int64)
        return Passage(inputs, targets, tuple(cut), source="your text", unknown=count_unknown(inputs, coding.inputs))

    def answer(
        self, network: Network, coding: Coding, passage: Passage, *,
        step: int, beams: int = 1, data: Any = None, length: int = 0,
    ) -> Tagged:  # fmt: skip
        """The probability of each tag at each word."""
        import torch

        with torch.no_grad():
            logits, _ = network(torch.from_numpy(passage.inputs).unsqueeze(1).to(network.output.bias.device))
            p = logits[:, 0].float().softmax(-1).cpu().numpy()
        classes = coding.answers
        return Tagged(
            symbols=passage.symbols,
            classes=classes,
            p=p,
            right=tuple("" if k == NOT_ASKED else classes[int(k)] for k in passage.targets),
            # Every word asks for its tag, whether the right one is known or not.
            asked=np.ones(len(passage.inputs), np.bool_),
            source=passage.source,
            step=step,
            unknown=passage.unknown,
            offset=passage.offset,
            count=len(getattr(data, passage.part)) if data is not None and passage.part else 0,
        )


TASK = Tagging()

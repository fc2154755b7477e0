"""Composing: from a label to a sequence, a name in a language for example (one to many)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.assembling import part_title, quoted
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.data.composed import label_symbol, labels_of, read_composed
from rnn_tui.data.examples import NOT_ASKED, Dataset
from rnn_tui.data.source import Watch
from rnn_tui.data.vocabulary import vocabulary_of
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.views import Sample, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches

LONGEST = 100
"""Symbols after which a sequence that doesn't end is cut off."""
SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Composed:
    """A sequence that was written for a label."""

    label: str
    """Empty where sequences have none."""
    beginning: str
    written: str
    """What follows the beginning."""
    p: tuple[float, ...]
    """Probability of each written symbol when it was drawn, that of `<eos>` the last where it ended."""
    ended: bool
    """Whether it came to `<eos>` by itself."""

    @property
    def text(self) -> str:
        return self.beginning + self.written


class Composing(Task):
    """Mean nats a symbol over all that is written, `<eos>` included. The label is read first and is not asked."""

    name = "composing"
    title = "composing: a sequence from a label (one to many)"
    answers = "every"
    writes = True
    unit = "names"

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        return read_composed(data, Watch(progress, cancelled))

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.batches import Buckets

        training = config.training
        return Buckets(
            data.train, training.batch_size, generator, reset=not training.forgot_reset,
            before=training.padding == "pre", masked=training.masking,
        )  # fmt: skip

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

        cost, asked, _ = losses.score(network, getattr(data, part), "every", limit=limit, working=working)
        return Scores(cost, asked)

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """A few sequences, one a line, each with its label before it: `Czech: Novak`."""
        labels = labels_of(coding)
        if labels:
            # Spread over all labels, where there are more of them than lines.
            count = min(len(labels), SAMPLES)
            asked = [labels[k * len(labels) // count] for k in range(count)]
        else:
            asked = [""] * SAMPLES
        try:
            names = [compose(network, coding, label, seed=seed + k) for k, label in enumerate(asked)]
        except ValueError:
            # Weights that have diverged write nothing; the run itself will say so.
            return None
        return Sample(0, "", "\n".join(f"{name.label}: {name.text}" if labels else name.text for name in names))

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        examples = getattr(data, part)
        k = max(0, min(offset, len(examples) - 1))
        inputs = np.asarray(examples.read(k), np.int64)
        line = data.extra[part][k]
        return Passage(
            inputs,
            np.asarray(examples.asked(k), np.int64),
            tuple(data.coding.inputs[n] for n in inputs),
            source=f"{part_title(part)} name {k:,}, line {line:,}",
            offset=k,
            unknown=int((inputs == data.coding.inputs.index(UNKNOWN)).sum()),
            part=part,
        )

    def encode(self, coding: Coding, text: str) -> Passage:
        """`Czech: Nov`, the label and how the name begins; without labels the beginning alone."""
        label, beginning = "", text
        if labels_of(coding):
            label, _, beginning = (part.strip() for part in text.partition(":"))
        inputs, unknown = opening(coding, label, beginning)
        targets = np.append(inputs[1:], NOT_ASKED)
        return Passage(inputs, targets, tuple(coding.inputs[n] for n in inputs), source="your text", unknown=unknown)


def opening(coding: Coding, label: str, beginning: str) -> tuple[np.ndarray, int]:
    """What is read before anything is written, (1 + n) int64: the label or `<start>`, then the beginning.

    Also how many of its characters are not known: they are read as `<unk>`. Raises ValueError for a
    label that the coding has not; it may be written in small or capital letters.
    """
    labels = labels_of(coding)
    first = START
    if labels:
        same = [known for known in labels if known == label]
        same = same or [known for known in labels if known.casefold() == label.casefold()]
        if not same:
            there = ", ".join(quoted(known) for known in labels[:10]) + (" ..." if len(labels) > 10 else "")
            raise ValueError(
                f"{quoted(label)} is none of its {len(labels):,} labels; write the label first, then a colon "
                f"('{labels[0]}: A'); there are {there}"
            )
        first = label_symbol(same[0])
    elif label:
        raise ValueError(f"it knows no labels, {quoted(label)} can't be asked for; leave the label out")
    numbers, unknown = vocabulary_of(coding).encode(beginning)
    return np.concatenate(([coding.inputs.index(first)], numbers)).astype(np.int64), unknown


def compose(
    network: Network, coding: Coding, label: str = "", beginning: str = "", *, seed: int = 1,
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, longest: int = LONGEST,
) -> Composed:  # fmt: skip
    """Write a sequence for a label, from a beginning on, until `<eos>` or `longest` symbols.

    Nothing but characters and `<eos>` is drawn. Options as in `generation.Writer`. Raises ValueError
    for an unknown label, an option out of its range, or weights that have diverged.
    """
    from rnn_tui.generation import Writer

    end = coding.inputs.index(END)
    prompt, _ = opening(coding, label, beginning)
    writer = Writer(
        network, prompt, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=end, never=unwritten(coding)
    )
    drawn = [one for _, one in zip(range(longest), writer, strict=False)]
    ended = bool(drawn) and drawn[-1].token == end
    written = "".join(coding.inputs[one.token] for one in (drawn[:-1] if ended else drawn))
    first = coding.inputs[prompt[0]]
    return Composed(
        label="" if first == START else first[7:-1],
        beginning=beginning,
        written=written,
        p=tuple(one.probability for one in drawn),
        ended=ended,
    )


def unwritten(coding: Coding) -> list[int]:
    """Numbers of the symbols that stand for no text, `<eos>` apart: labels and the like are never drawn."""
    marks = {PAD, UNKNOWN, START, *map(label_symbol, labels_of(coding))}
    return [k for k, symbol in enumerate(coding.inputs) if symbol in marks]


TASK = Composing()

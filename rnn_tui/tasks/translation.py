"""Translation: an encoder reads one sequence, a decoder writes another (encoder and decoder)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import PAD, START, UNKNOWN, Coding
from rnn_tui.data.examples import Dataset
from rnn_tui.data.pairs import PairCoder, cut, read_pairs
from rnn_tui.data.source import DataError, Watch
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.tasks.measures.writing import bleu, char_accuracy, exact
from rnn_tui.views import Baseline, Breakdown, Sample, Scores, Translated, frozen

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.stack import State
    from rnn_tui.model.translation import EncoderDecoder
    from rnn_tui.tasks.learning.batches import Batch, Batches

COPIED = 2_000
"""Pairs on which the line that copies the source is measured, at most."""
RANGES = 8
"""Ranges of source lengths, at most."""
MOST_BEAMS = 100
_PART = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class LengthAccuracy:
    """What becomes of sources of one range of lengths."""

    lengths: tuple[int, int]
    """The shortest and the longest, both included, in source symbols."""
    exact: float
    char_accuracy: float
    count: int


class Translation(Task):
    """Mean nats a target symbol, <eos> among them, with the right ones told; all else on what greedy search writes."""

    name = "translation"
    title = "translation: one sequence to another (encoder and decoder)"
    answers = "decoder"
    unit = "pairs"
    metrics = ("exact", "bleu", "char_accuracy")

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        """Pairs of a file. Their parts are the same for every seed."""
        found = read_pairs(data, Watch(progress, cancelled))
        return replace(found, view=replace(found.view, baselines=_baselines(found)))

    def check(self, data: Dataset, config: Config) -> None:
        if not len(data.train):
            raise DataError(f"there is no pair to train on; data.path {data.title}; name a file of pairs")

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.batches import Buckets

        training = config.training
        return Buckets(
            data.train, training.batch_size, generator, reset=not training.forgot_reset,
            before=training.padding == "pre", masked=training.masking,
        )  # fmt: skip

    def loss(
        self, network: EncoderDecoder, batch: Batch, state: State | None, dropout: torch.Generator | None,
        config: Config,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """With the state after the sources, the encoder's: what a reader that forgot to reset goes on from."""
        from rnn_tui.tasks.decoding import teaching

        return teaching.loss(network, batch, state, dropout, config.training.teacher_forcing)

    def evaluate(
        self, network: EncoderDecoder, data: Dataset, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        """`limit` counts the timesteps of source and target together. Raises ValueError for an empty part."""
        from rnn_tui.tasks.decoding import scoring

        examples = getattr(data, part)
        if not len(examples):
            raise ValueError(f"the {_PART[part]} part has no pair")
        which = range(scoring.first_pairs(examples, limit))
        loss, count = scoring.cost(network, examples, which, _share(working, 0.0, 0.3))
        found = scoring.translations(network, examples, which, _share(working, 0.3, 0.7))
        coder = PairCoder(data.coding)
        written, right = [coder.text(found[k]) for k in which], [_texts(data, part)[k][1] for k in which]
        return Scores(loss, count, _measured(written, right, data.coding))

    def breakdown(
        self, network: EncoderDecoder, data: Dataset, part: str, config: Config, working: Working | None = None
    ) -> tuple[Breakdown, ...]:
        found = self.accuracy_by_length(network, data, part, config, working)
        values = np.array([[entry.exact, entry.char_accuracy, entry.count] for entry in found], np.float32)
        names = [f"{first} to {last}" if first < last else str(first) for first, last in (e.lengths for e in found)]
        return (
            Breakdown(
                "accuracy against the length of the source",
                ("source symbols", "exact", "char_accuracy", "pairs"),
                tuple(
                    (name, f"{entry.exact:.1%}", f"{entry.char_accuracy:.1%}", f"{entry.count:,}")
                    for name, entry in zip(names, found, strict=True)
                ),
                values.reshape(-1, 3),
                part=part,
            ),
        )

    def accuracy_by_length(
        self, network: EncoderDecoder, data: Dataset, part: str, config: Config, working: Working | None = None
    ) -> list[LengthAccuracy]:
        """Accuracy against the source's length: what has to pass through one vector gets lost with more of it.

        At most eight ranges of equal width, the shortest sources first; ranges without a pair are
        left out. Cho et al. 2014 (the properties of neural machine translation) drew it first.
        """
        from rnn_tui.tasks.decoding import scoring

        examples = getattr(data, part)
        if not len(examples):
            return []
        found = scoring.translations(network, examples, range(len(examples)), working)
        coder, lengths = PairCoder(data.coding), examples.lengths
        shortest, longest = int(lengths.min()), int(lengths.max())
        width = -(-(longest - shortest + 1) // RANGES)
        curve = []
        for low in range(shortest, longest + 1, width):
            high = min(low + width - 1, longest)
            which = np.flatnonzero((lengths >= low) & (lengths <= high)).tolist()
            if which:
                written = [coder.text(found[k]) for k in which]
                right = [_texts(data, part)[k][1] for k in which]
                curve.append(
                    LengthAccuracy((low, high), exact(written, right), char_accuracy(written, right), len(which))
                )
        return curve

    def sample(self, network: EncoderDecoder, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """A pair of the validation part (training where there is none) and what is written for its source."""
        if data is None:
            return None
        part = "validation" if len(data.validation) else "train"
        offset = seed % len(getattr(data, part))
        answer = self._answer(network, coding, self.passage(data, part, offset, 0), 1, data)
        if not np.isfinite(answer.p).all():
            # Weights that have diverged write nothing; the run itself will say so.
            return None
        source, right = _texts(data, part)[offset]
        told = answer.text if answer.exact else f"{answer.text}   (right: {right})"
        return Sample(0, f"{source} → ", told)

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        """Pair number `offset` of a part. Raises ValueError where the part has none."""
        examples = getattr(data, part)
        if not len(examples):
            raise ValueError(f"the {_PART[part]} part has no pair")
        offset = max(0, min(offset, len(examples) - 1))
        coder = PairCoder(data.coding)
        # As symbols, so that a word that is not known is shown as it is.
        symbols = cut(_texts(data, part)[offset][0], data.coding.symbol, apart=True)
        inputs = np.asarray(examples.read(offset), np.int64)
        return Passage(
            inputs=inputs,
            targets=np.asarray(examples.asked(offset), np.int64),
            symbols=tuple(reversed(symbols) if data.coding.reversed else symbols),
            source=f"pair {offset:,} of the {_PART[part]} part",
            offset=offset,
            unknown=int((inputs == coder.sources[UNKNOWN]).sum()),
            part=part,
        )

    def encode(self, coding: Coding, text: str) -> Passage:
        """A source as it was typed; after a tab, where there is one, its right target. Raises ValueError if empty."""
        source, _, right = text.partition("\t")
        coder = PairCoder(coding)
        symbols = coder.typed(source, "source")
        if not symbols:
            raise ValueError("there is nothing to translate; the text is empty; type a source")
        inputs, unknown = coder.source(symbols)
        asked = coder.typed(right, "target")
        targets = coder.target(asked)[0] if asked else np.zeros(0, np.int32)
        return Passage(
            inputs=inputs.astype(np.int64),
            targets=targets.astype(np.int64),
            symbols=tuple(reversed(symbols) if coding.reversed else symbols),
            source="your text",
            unknown=unknown,
        )

    def answer(
        self, network: EncoderDecoder, coding: Coding, passage: Passage, *, step: int, beams: int = 1,
        data: Dataset | None = None, length: int = 0,
    ) -> Translated:  # fmt: skip
        """What is written for a source: by greedy search, or with more than one beam by beam search.

        Raises ValueError where the weights give no finite probabilities.
        """
        return replace(self._answer(network, coding, passage, beams, data), step=step)

    def _answer(
        self, network: EncoderDecoder, coding: Coding, passage: Passage, beams: int, data: Dataset | None
    ) -> Translated:
        import torch

        from rnn_tui.tasks.decoding.beam import beam_search
        from rnn_tui.tasks.decoding.greedy import greedy
        from rnn_tui.tasks.decoding.scoring import as_it_is

        source = torch.from_numpy(passage.inputs).to(next(network.parameters()).device)
        with as_it_is(network):
            state = network.encode(source.unsqueeze(1)).state
            if beams > 1:
                found = beam_search(network, source, min(beams, MOST_BEAMS))
            else:
                found = greedy(network, source.unsqueeze(1))
        coder, best = PairCoder(coding), found[0]
        text, right = coder.text(best.symbols), coder.text(passage.targets.tolist())
        if data is not None and passage.part:
            # Unknown words stand in it as they are.
            right = _texts(data, passage.part)[passage.offset][1]
        return Translated(
            symbols=passage.symbols,
            written=tuple(coding.answers[number] for number in best.symbols),
            p=frozen(np.exp(np.array(best.costs[: len(best.symbols)], np.float32))),
            text=text,
            right=right,
            beams=tuple((coder.text(one.symbols), one.score) for one in found),
            context=frozen(np.stack([layer[0][0].float().cpu().numpy() for layer in state])),
            attention=frozen(best.attention.numpy().astype(np.float32)),
            exact=bool(right) and text == right,
            source=passage.source,
            unknown=passage.unknown,
            offset=passage.offset,
            count=len(getattr(data, passage.part)) if data is not None and passage.part else 0,
        )


def _share(working: Working | None, low: float, width: float) -> Working | None:
    """Of the whole work, the stretch from `low` on."""
    return None if working is None else lambda done: working(low + width * done)


def _texts(data: Dataset, part: str) -> Sequence[tuple[str, str]]:
    found: Sequence[tuple[str, str]] = getattr(data.extra, part)
    return found


def _measured(written: Sequence[str], right: Sequence[str], coding: Coding) -> dict[str, float]:
    return {
        "exact": exact(written, right),
        "bleu": bleu(written, right, coding.symbol),
        "char_accuracy": char_accuracy(written, right),
    }


def _baselines(data: Dataset) -> tuple[Baseline, ...]:
    """Lines that need no network: all symbols alike, each as frequent as in training, and the source copied."""
    part = "validation" if len(data.validation) else "train"
    symbols = data.coding.answers
    train, scored = _asked(data, "train"), _asked(data, part)
    # Witten and Bell 1991, method C, over what may be written at all.
    possible = np.array([one not in (PAD, START) for one in symbols])
    counts = np.bincount(train, minlength=len(symbols))
    kinds = int(np.count_nonzero(counts))
    unigram = (counts + kinds * possible / possible.sum()) / (len(train) + kinds)
    pairs = _texts(data, part)[:COPIED]
    copied = _measured([source for source, _ in pairs], [target for _, target in pairs], data.coding)
    return (
        Baseline("uniform", math.log(len(symbols))),
        Baseline("unigram", abs(float(np.log(unigram[scored]).mean()))),
        Baseline("copies the source", math.nan, copied),
    )


def _asked(data: Dataset, part: str) -> Any:
    return getattr(data, part).targets


TASK = Translation()

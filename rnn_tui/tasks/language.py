"""Language modelling: after each symbol, predict the next (many to many, in step)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import Coding
from rnn_tui.data.text import Corpus, check_length, read_corpus
from rnn_tui.data.vocabulary import vocabulary_of
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.views import Sample, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches

SAMPLE_LENGTH = 200
# Up to here a whole part is read as one stream, as the definition says.
ONE_STREAM = 300_000


class Language(Task):
    """Mean nats a symbol, a character or a word; perplexity is exp of it."""

    name = "language"
    title = "language: the next symbol (many to many, in step)"
    answers = "every"
    writes = True
    unit = "symbols"
    streamed = True
    fewest = 2
    example = "builtin:python-docs"

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Corpus:
        return read_corpus(data, progress, cancelled)

    def check(self, data: Corpus, config: Config) -> None:
        check_length(data, config.training.batch_size, config.training.sequence_length)

    def batches(self, data: Corpus, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.streams import Streams

        training = config.training
        return Streams(data.train, training.batch_size, training.sequence_length, training.stateful, generator)

    def loss(
        self, network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        from rnn_tui.tasks.learning import streams

        return streams.loss(network, batch.inputs, batch.targets, state, dropout)

    def evaluate(
        self, network: Network, data: Corpus, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        """The first `limit` symbols in many streams, for the validations of a run; else the whole part,
        as one stream where it is no longer than 300,000 symbols.
        """
        from rnn_tui.tasks.learning import streams

        ids = getattr(data, part)
        wide = streams.STREAMS if limit is not None or len(ids) > ONE_STREAM else 1
        loss, count = streams.score(network, ids if limit is None else ids[:limit], streams=wide, working=working)
        return Scores(loss, count)

    def sample(self, network: Network, data: Corpus | None, coding: Coding, seed: int) -> Sample | None:
        from rnn_tui.generation import Writer, start_symbol

        try:
            writer = Writer(network, seed=seed, start=start_symbol(coding.inputs))
            length = SAMPLE_LENGTH if coding.symbol == "character" else SAMPLE_LENGTH // 4
            ids = [next(writer).token for _ in range(length)]
        except ValueError:
            # Weights that have diverged write nothing, and the run itself will say so; nor does a
            # network that reads from the end as well.
            return None
        return Sample(0, "", vocabulary_of(coding).decode(ids))

    def passage(self, data: Corpus, part: str, offset: int, length: int) -> Passage:
        ids = getattr(data, part)
        length = max(2, min(length, len(ids)))
        offset = max(0, min(offset, len(ids) - length))
        inputs = np.asarray(ids[offset : offset + length], np.int64)
        where = f"{'training' if part == 'train' else part} at {offset:,}"
        return self._passage(data.symbols, inputs, source=where, offset=offset, part=part)

    def encode(self, coding: Coding, text: str) -> Passage:
        inputs, unknown = vocabulary_of(coding).encode(text)
        return self._passage(coding.inputs, inputs, source="your text", unknown=unknown)

    def _passage(self, symbols: tuple[str, ...], inputs: Any, **told: Any) -> Passage:
        targets = np.append(inputs[1:], -1)
        return Passage(inputs, targets, tuple(symbols[k] for k in inputs), **told)


TASK = Language()

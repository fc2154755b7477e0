"""A task whose data are made: fresh sequences for training, fixed ones to be scored on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED, Dataset, Examples, Ragged
from rnn_tui.data.probes import PARTS, Draws, part_draws, sample_draws
from rnn_tui.data.source import DataError
from rnn_tui.symbols import clean_line
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.views import Answer, Baseline, DataView, Part, Sample, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches

COUNT = 1000
"""Sequences of a fixed part, fewer where they are very long."""
TIMESTEPS = 2_000_000
FEWEST = 20
SHOWN = 5
PREVIEW = 8
WIDEST = 60

Rights = dict[str, tuple[float, float]]
"""Of each metric how much was right, and of how much."""


class Probe(Task):
    """The base of the generated tasks. Their sequences depend on the seed and on `data.length` alone."""

    unit = "sequences"
    coding: ClassVar[Coding]
    shortest: ClassVar[int] = 1
    """The smallest `data.length` there is."""
    lower_is_better: ClassVar[bool] = False
    steady: ClassVar[bool] = True
    """Whether all sequences of one `data.length` are equally long."""

    # -- what each probe says of itself -----------------------------------------------

    def draw(self, draws: Draws, count: int, length: int) -> Ragged:
        """`count` sequences as training reads them."""
        raise NotImplementedError

    def fixed(self, draws: Draws, count: int, length: int) -> Ragged:
        """About `count` sequences to be scored on."""
        return self.draw(draws, count, length)

    def gaps(self, longest: int) -> NDArray[np.int64]:
        """Gaps up to `longest` at which it can be measured; none where a probe has no such thing."""
        return np.zeros(0, np.int64)

    def at_gap(self, draws: Draws, count: int, gap: int) -> Ragged:
        """`count` sequences that ask only for what lies `gap` timesteps back."""
        raise NotImplementedError

    def nothing(self, gap: int) -> float:
        """What a model that remembers nothing reaches there, in the first of its metrics."""
        raise NotImplementedError

    def baselines(self, length: int) -> tuple[Baseline, ...]:
        raise NotImplementedError

    def notice(self, length: int) -> str:
        """What the lines beside the curve mean."""
        raise NotImplementedError

    def show(self, inputs: NDArray[Any]) -> tuple[str, ...]:
        """What a screen shows at each timestep (T)."""
        return tuple(self.coding.inputs[k] for k in inputs)

    def line(self, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        """A sequence and what is asked of it, on one line."""
        raise NotImplementedError

    def finished(self, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
        """What a person wrote, with what asks for an answer where they left it out."""
        return inputs

    def asks(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The targets of a sequence that a person wrote."""
        raise NotImplementedError

    def rights(self, logits: NDArray[np.float32], batch: Batch) -> Rights:
        """What of a batch was right: logits (T, B, C), or the numbers answered (1, B, K)."""
        raise NotImplementedError

    # -- the task ----------------------------------------------------------------------

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        length = data.length
        if length < self.shortest:
            raise DataError(
                f"a sequence of the {self.name} probe can't be that short; data.length, {length}; "
                f"set it to {self.shortest} or more"
            )
        count = max(FEWEST, min(COUNT, TIMESTEPS // self.timesteps(length)))
        made: dict[str, Ragged] = {}
        for k, part in enumerate(PARTS):
            if cancelled():
                raise DataError(f"making {self.name} was cancelled")
            progress(k / len(PARTS), f"making {self.name}")
            made[part] = self.fixed(part_draws(seed, part), count, length)
        progress(1.0, f"making {self.name}")
        return self._dataset(length, seed, made)

    def timesteps(self, length: int) -> int:
        """About how many a sequence has."""
        return length

    def _dataset(self, length: int, seed: int, made: dict[str, Ragged]) -> Dataset:
        from_what = json.dumps({"task": self.name, "length": length, "seed": seed}, sort_keys=True)
        digest = hashlib.sha256(from_what.encode()).hexdigest()
        title = self.titled(length)
        parts, start = [], 0
        for part in PARTS:
            parts.append(Part(part, start, len(made[part])))
            start += len(made[part])
        lengths = np.concatenate([made[part].lengths for part in PARTS])
        validation = made["validation"]
        preview = [self.line(validation.read(k), validation.asked(k)) for k in range(min(PREVIEW, len(validation)))]
        view = DataView(
            source="generated",
            title=title,
            characters=int(lengths.sum()),
            vocabulary=len(self.coding.inputs),
            parts=tuple(parts),
            baselines=self.baselines(length),
            notices=(
                f"made as it is needed: no training sequence comes twice, and none of the {len(validation):,} "
                "that it is scored on is drawn for training",
                self.notice(length),
            ),
            preview="\n".join(preview),
            sha256=digest,
            task=self.name,
            unit=self.unit,
            outputs=len(self.coding.answers),
            numeric=self.coding.numeric,
            last=self.answers == "last",
            real=self.real,
            longest=int(lengths.max()),
            typical=int(np.median(lengths)),
        )
        return Dataset(
            title, "generated", digest, self.coding, made["train"], made["validation"], made["test"], view, length
        )  # fmt: skip

    def titled(self, length: int) -> str:
        return f"{self.name}, length {length:,}"

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        return self.fresh(config, generator)

    def fresh(self, config: Config, generator: torch.Generator) -> Batches:
        """New sequences without end; they need no data to have been read."""
        from rnn_tui.tasks.learning.batches import Fresh
        from rnn_tui.tasks.probing.scoring import make

        training = config.training
        draw = partial(self.draw, length=config.data.length)
        return Fresh(
            partial(make, draw, before=training.padding == "pre", masked=training.masking),
            training.batch_size, generator, steady=self.steady, reset=not training.forgot_reset,
        )  # fmt: skip

    def check(self, data: Dataset, config: Config) -> None:
        if config.model.bidirectional:
            raise DataError(
                f"read from both ends, a sequence of {self.name} asks for no memory; model.bidirectional; "
                "set it to false"
            )

    def loss(
        self, network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        from rnn_tui.tasks.probing import scoring

        logits, state = scoring.answers(network, batch, self.answers == "last", state, dropout)
        return scoring.cost(logits, batch.targets.to(logits.device)).mean(), state

    def evaluate(
        self, network: Network, data: Dataset, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        return self.score(network, getattr(data, part), limit=limit, working=working)

    def score(
        self, network: Network, examples: Examples, *, limit: int | None = None, working: Working | None = None
    ) -> Scores:
        """Loss and metrics over these sequences, each read from h_0, or over the first `limit` timesteps of them."""
        from rnn_tui.tasks.probing import scoring

        return scoring.score(network, examples, self.rights, self.answers == "last", limit, working)

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        examples: Examples = getattr(data, part)
        k = offset % len(examples)
        inputs = examples.read(k)
        where = f"sequence {k:,} of the {'training' if part == 'train' else part} part"
        return Passage(inputs, examples.asked(k), self.show(inputs), where, k, part=part)

    def encode(self, coding: Coding, text: str) -> Passage:
        """Symbols one after another; white space is passed over."""
        symbols = [symbol for symbol in text if not symbol.isspace()]
        if not symbols:
            raise ValueError(f"there is nothing to read; write symbols of {' '.join(coding.inputs)}")
        strange = next((symbol for symbol in symbols if symbol not in coding.inputs), None)
        if strange is not None:
            raise ValueError(
                f"{clean_line(strange)!r} is no symbol of the {self.name} probe; write {' '.join(coding.inputs)}"
            )
        inputs = self.finished(np.array([coding.inputs.index(symbol) for symbol in symbols], np.int64))
        return Passage(inputs, self.asks(inputs), self.show(inputs), "your text")

    def answer(
        self, network: Network, coding: Coding, passage: Passage, *, step: int, beams: int = 1,
        data: Dataset | None = None, length: int = 0,
    ) -> Answer:  # fmt: skip
        """The choice at every timestep, as a `views.Tagged`."""
        from rnn_tui.tasks.probing import scoring

        legal = self.legal(passage.inputs, data.extra if data is not None and passage.part else 0)
        names = coding.answers
        allowed = tuple(tuple(names[k] for k in each) for each in legal)
        return scoring.tagged(network, coding, passage, step, allowed, self.count(data, passage))

    def count(self, data: Dataset | None, passage: Passage) -> int:
        """How many examples the passage is one of."""
        return len(getattr(data, passage.part)) if data is not None and passage.part else 0

    def legal(self, inputs: NDArray[Any], length: int) -> tuple[tuple[int, ...], ...]:
        """Where several answers are right, all of them, at each timestep."""
        return ()

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """A few sequences, and what it answers to each."""
        length = data.extra if data is not None else max(self.shortest, 10)
        drawn = self.draw(sample_draws(seed), SHOWN, length)
        lines = []
        for k in range(len(drawn)):
            answered = self.answered(network, coding, drawn.read(k), drawn.asked(k))
            lines.append(f"{self.line(drawn.read(k), drawn.asked(k))}   answered {answered}")
        return Sample(0, "", "\n".join(lines))

    def answered(self, network: Network, coding: Coding, inputs: NDArray[Any], targets: NDArray[Any]) -> str:
        """In a few words, what the network answers where it is asked."""
        from rnn_tui.tasks.probing import scoring

        best = scoring.read(network, inputs).argmax(1)
        return "".join(coding.answers[k] for k in best[self.told(targets)])

    def told(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """(T): the answers worth showing on a line."""
        return np.asarray(targets != NOT_ASKED)


def cut(symbols: tuple[str, ...]) -> str:
    """Symbols on one line, the middle left out where they are many."""
    text = "".join(symbols)
    return text if len(text) <= WIDEST else f"{text[: WIDEST // 2]} ... {text[-WIDEST // 2 :]}"


LADDER = tuple(sorted({round(k * 10**e) for e in range(5) for k in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)}))


def ladder(longest: int, shortest: int = 1) -> NDArray[np.int64]:
    """Whole numbers from `shortest` to `longest`, about ten a decade."""
    return np.array(sorted({*(k for k in LADDER if shortest <= k < longest), max(longest, shortest)}), np.int64)


def share(right: NDArray[np.bool_]) -> tuple[float, float]:
    """How many are right, of how many."""
    return float(right.sum()), float(right.size)

"""What is learned: one module a task; packages here are what tasks share.

A task says what it reads, in which batches, what a right answer is worth, and how an answer
is shown. `task_of(name)` finds it by the name of its module: a new task is a new file and
nothing else. None of them needs torch to be imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import Coding
from rnn_tui.views import Answer, Breakdown, Sample, Scores

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from rnn_tui.model.network import State
    from rnn_tui.tasks.learning.batches import Batch, Batches

Progress = Callable[[float, str], None]
Working = Callable[[float], None]


def silent(share: float, doing: str = "") -> None:
    """Nobody asked how far it is."""


def never() -> bool:
    """Nobody wants it stopped."""
    return False


@dataclass(frozen=True, eq=False)
class Passage:
    """Something to read, and what would be right: a stretch of a text, or one example.

    `inputs` (T,) int64 or (T, F) float32; `targets` as in `data.examples.Examples`; `symbols`
    what a screen shows at each timestep (T).
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    symbols: tuple[str, ...]
    source: str = ""
    """Where it is from: `validation at 1,024`, `sentence 12 of the validation part`."""
    offset: int = 0
    unknown: int = 0
    """Symbols that the vocabulary lacks."""
    part: str = ""


class Task:
    """What is asked of a sequence. One instance, stateless, stands as TASK in the task's module."""

    name: ClassVar[str]
    title: ClassVar[str]
    """In a few words, with the shape of the problem: `language: the next symbol (many to many, in step)`."""
    answers: ClassVar[Literal["every", "last", "decoder"]]
    """Where an answer is given: at every timestep, after the last, or by a decoder."""
    writes: ClassVar[bool] = False
    """Whether what it answers is what it reads next: then it can write on by itself."""
    real: ClassVar[bool] = False
    """Whether an answer is numbers (the loss is a mean squared error) and not a choice (nats)."""
    unit: ClassVar[str] = "symbols"
    """What its data are counted in."""
    metrics: ClassVar[tuple[str, ...]] = ()
    """Names of what is measured beside the loss, the most telling first: keys of `Scores.metrics`."""
    streamed: ClassVar[bool] = False
    """Whether its data are one long stream without borders."""
    gapped: ClassVar[bool] = False
    """Whether it asks for something a known number of timesteps back, so that a gap can be measured."""
    fewest: ClassVar[int] = 1
    """How long a part must at least be, to be scored."""
    example: ClassVar[str] = "builtin:example"
    """A `data.path` that is always there."""

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Any:
        """The data that a configuration names: a `data.examples.Dataset`, or for language a `Corpus`.

        Raises DataError, one sentence: what is wrong; where, with the line's number; what to do.
        """
        raise NotImplementedError

    def check(self, data: Any, config: Config) -> None:
        """Raises DataError where these data can't be trained on with this configuration."""

    def batches(self, data: Any, config: Config, generator: torch.Generator) -> Batches:
        """The training part, batch by batch. Every draw comes from the generator."""
        raise NotImplementedError

    def loss(
        self, network: Any, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        """Mean cost of a batch (nats, or a squared error), and the state after it."""
        raise NotImplementedError

    def evaluate(
        self, network: Any, data: Any, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        """Loss and metrics over a part (`train`, `validation`, `test`), or the first `limit` timesteps of it.

        float32, eval mode. `working` is called with the share done; what it raises stops it.
        """
        raise NotImplementedError

    def breakdown(
        self, network: Any, data: Any, part: str, config: Config, working: Working | None = None
    ) -> tuple[Breakdown, ...]:
        """The task's figures taken apart, over a whole part; none where there is nothing to take apart."""
        return ()

    def sample(self, network: Any, data: Any, coding: Coding, seed: int) -> Sample | None:
        """What it answers at this moment, to be read beside the curves; its step is filled in later.

        `data` may be None. None where there is nothing to show.
        """
        return None

    def answer(
        self, network: Any, coding: Coding, passage: Passage, *, step: int, beams: int = 1, data: Any = None,
        length: int = 0,
    ) -> Answer:  # fmt: skip
        """What the network answers to it, as the task shows it. Raises ValueError, one sentence, where it can't.

        `step` is that of the weights, `beams` how many candidates a decoder keeps, `length` how many values
        of a series are drawn. `data` may be None.
        """
        raise ValueError("this task has no answer of that kind: it writes (5, Generate)")

    def passage(self, data: Any, part: str, offset: int, length: int) -> Passage:
        """Something of a part to look at: example number `offset`, or for language `length` symbols from there."""
        raise NotImplementedError

    def encode(self, coding: Coding, text: str) -> Passage:
        """What a person typed, as something to read. Raises ValueError, one sentence, where it can't be."""
        raise NotImplementedError


def task_of(name: str) -> Task:
    """The task of that name: one of `config.TASKS`."""
    found: Task = importlib.import_module(f"rnn_tui.tasks.{name}").TASK
    return found

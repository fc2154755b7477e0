"""What questions are answered from: frozen weights, and the readings that later questions name."""

from __future__ import annotations

import functools
import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rnn_tui.config import Config
from rnn_tui.data.coding import Coding
from rnn_tui.data.vocabulary import Vocabulary, vocabulary_of
from rnn_tui.lab.asking import LabError
from rnn_tui.tasks import Task, task_of
from rnn_tui.views import Hold

if TYPE_CHECKING:
    from rnn_tui.inspection.trace import Traced
    from rnn_tui.training.run import Run

MOST_READINGS = 4
MOST_BYTES = 512 << 20
"""Of the arrays of one reading, and of all that are kept together."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A copy of a model that nobody trains: float32, on the CPU, with what it reads and writes in."""

    network: Any
    """A `model.building.Built`."""
    config: Config
    coding: Coding
    data: Any
    """What the task has read; None where it is not at hand."""
    part: str
    """The part that passages are taken from where none is named."""
    step: int
    weights_version: int

    @property
    def task(self) -> Task:
        return task_of(self.config.data.task)

    @property
    def vocabulary(self) -> Vocabulary:
        """What texts are read with. Raises LabError where numbers are read."""
        if self.coding.numeric:
            raise LabError("this network reads numbers, not a text")
        return vocabulary_of(self.coding)

    @property
    def parts(self) -> Mapping[str, NDArray[Any]]:
        """The ids of `train`, `validation` and `test`, where they are one stream of symbols; else empty."""
        if self.data is None or not self.task.streamed:
            return {}
        return {name: getattr(self.data, name) for name in ("train", "validation", "test")}

    @property
    def passages(self) -> NDArray[Any] | None:
        """The part that passages are taken from; None where the text is not at hand."""
        return self.parts.get(self.part)

    @property
    def title(self) -> str:
        """`LSTM 2x128`."""
        model = self.network.model
        return f"{self.network.cell.title} {model.layers}x{model.hidden_size}"


@functools.cache
def settle_thread() -> None:
    """One core for answers, and no 20-fold slowdown by denormals. Both settings count per thread."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@dataclass(frozen=True, slots=True)
class Held:
    """A reading that a screen shows: its weights, its arrays, and what was held."""

    frozen: Frozen
    traced: Traced
    holds: tuple[Hold, ...]

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        arrays = [array for layer in self.traced.layers for array in layer.values()]
        return sum(array.nbytes for array in (self.traced.logits, *arrays))


class Desk:
    """The newest readings by their numbers; only the answering thread touches it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: OrderedDict[int, Held] = OrderedDict()

    def put(self, held: Held) -> int:
        """Keep a reading, and let go of the oldest; its number."""
        number = next(self._numbers)
        self._held[number] = held
        while len(self._held) > 1 and (
            len(self._held) > MOST_READINGS or sum(kept.size for kept in self._held.values()) > MOST_BYTES
        ):
            self._held.popitem(last=False)
        return number

    def get(self, number: int) -> Held:
        """The reading of that number. Raises LabError where it is no longer kept."""
        held = self._held.get(number)
        if held is None:
            raise LabError("this text was read a while ago and its weights are gone; read it again (r)")
        self._held.move_to_end(number)
        return held


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer may draw on."""

    desk: Desk
    model: Callable[[bool], Frozen]
    """The newest weights, or the best; waits for the border of a step. Raises LabError."""
    ask_run: Callable[[Callable[[Run], Any]], Any]
    """Look at the run itself, on its own thread at the border of a step: take copies. Raises LabError."""
    folder: Path
    """Of the sessions."""

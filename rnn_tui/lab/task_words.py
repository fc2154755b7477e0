"""What a task is, in the words that a screen needs before anything is read or built."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rnn_tui.tasks import task_of


@dataclass(frozen=True, slots=True)
class TaskWords:
    """A task as it is told to a person."""

    title: str
    """`tagging: a label for each word (many to many, in step)`."""
    answer: str
    """`a label for each word`."""
    shape: str
    """`many to one`, `encoder and decoder` ...: how much is read for how much that is answered."""
    real: bool
    """Whether an answer is numbers, and the loss a squared error."""
    writes: bool
    """Whether what it answers is what it reads next."""
    streamed: bool
    """Whether its data are one long stream without borders, and no examples."""
    last: bool
    """Whether a sequence is answered once, after its last timestep."""
    gapped: bool
    """Whether it asks for something a known number of timesteps back."""


@functools.cache
def words_of(task: str) -> TaskWords:
    """The words of one of `config.TASKS`."""
    found = task_of(task)
    said, _, shape = found.title.rpartition(" (")
    return TaskWords(
        found.title, said.partition(": ")[2], shape.removesuffix(")"), found.real, found.writes, found.streamed,
        found.answers == "last", found.gapped,
    )  # fmt: skip

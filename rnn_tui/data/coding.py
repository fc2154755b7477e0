"""How data become numbers and back: what a network can't be used without, kept with its session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rnn_tui.views import Sizes

PAD, UNKNOWN, END, START = "<pad>", "<unk>", "<eos>", "<start>"
"""Symbols that stand for no text: what fills up a batch, what is not known, the end, the beginning."""


@dataclass(frozen=True, slots=True)
class Coding:
    """The symbols read and the answers there are, each numbered in the order given."""

    inputs: tuple[str, ...]
    """The V kinds of symbols that are read; with numbers, the names of the F columns."""
    outputs: tuple[str, ...] = ()
    """The tags, classes or target symbols, or the names of the numbers that an answer is; empty: the inputs."""
    symbol: Literal["character", "word"] = "character"
    """How a text is cut into symbols and joined again."""
    numeric: bool = False
    decoder: bool = False
    mean: tuple[float, ...] = ()
    """Of each column that is read, over the training part: x is (value - mean) / std. Empty where they are symbols."""
    std: tuple[float, ...] = ()
    reversed: bool = False
    """A source is read from its end to its beginning (Sutskever, Vinyals and Le 2014)."""

    @property
    def answers(self) -> tuple[str, ...]:
        """What an answer chooses among, or the names of its numbers."""
        return self.outputs or self.inputs

    @property
    def sizes(self) -> Sizes:
        return Sizes(len(self.inputs), len(self.answers), self.numeric, self.decoder)

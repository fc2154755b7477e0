"""Data of another file in the numbers of a network that was trained before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.assembling import unknown_as
from rnn_tui.data.coding import UNKNOWN, Coding
from rnn_tui.data.examples import Dataset, Examples, Ragged
from rnn_tui.data.source import DataError
from rnn_tui.data.windows import Windows
from rnn_tui.symbols import clean_line


def recoded(data: Dataset, coding: Coding) -> Dataset:
    """The training part, where all of a file was read as that, in the numbers of `coding`.

    Symbols that it lacks are read as its unknown one, numbers are scaled by its scale. Raises
    DataError for an answer or a column that it does not know.
    """
    return replace(data, coding=coding, train=_recoded(data.train, data, coding))


def _recoded(examples: Examples, data: Dataset, coding: Coding) -> Examples:
    if isinstance(examples, Windows):
        values = examples.values[:, _columns(data.coding.inputs, coding.inputs, data.title)]
        scaled = ((values - np.array(coding.mean)) / np.array(coding.std)).astype(np.float32)
        return replace(examples, values=values, scaled=scaled)
    if not isinstance(examples, Ragged):
        raise DataError(f"these data can't be read by another network; {data.title}; leave --data out")
    inputs = _table(data.coding.inputs, coding.inputs, data.title)
    targets = _table(data.coding.answers, coding.answers, data.title) if coding.outputs else inputs
    asked = examples.targets
    return replace(
        examples,
        inputs=inputs[examples.inputs],
        targets=np.where(asked >= 0, targets[np.maximum(asked, 0)], asked),
    )


def _columns(found: Sequence[str], known: Sequence[str], title: str) -> list[int]:
    """Where the columns that a network reads lie: by their names, or, where there are as many of other names, in
    their order. Raises DataError.
    """
    if set(known) <= set(found):
        return [found.index(name) for name in known]
    if len(found) == len(known):
        return list(range(len(known)))
    raise DataError(
        f"it has {len(found)} column{'s' * (len(found) != 1)} of numbers, the network reads {len(known)} "
        f"({', '.join(map(clean_line, known))}); {title}; give it those columns, by these names"
    )


def _table(found: Sequence[str], known: Sequence[str], title: str) -> NDArray[Any]:
    """From the numbers of one vocabulary to those of another. Raises DataError where that has no unknown symbol."""
    numbers = {symbol: k for k, symbol in enumerate(known)}
    if UNKNOWN not in numbers:
        strange = [symbol for symbol in found if symbol not in numbers]
        if strange:
            shown = ", ".join(clean_line(symbol) for symbol in strange[:3])
            are = "is" if len(strange) == 1 else "are"
            raise DataError(f"{shown} {are} none of the network's {len(known):,} answers; {title}; mend the file")
    return np.array([numbers[s] if s in numbers else unknown_as(s, numbers) for s in found], np.int64)

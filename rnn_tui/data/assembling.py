"""What sequences with labels share: their order, three parts, a vocabulary, and what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import DataConfig, split_percent
from rnn_tui.data.coding import PAD, UNKNOWN, Coding
from rnn_tui.data.examples import Dataset, Ragged
from rnn_tui.data.lines import Lines
from rnn_tui.data.source import DataError, Watch
from rnn_tui.symbols import clean_line, width
from rnn_tui.views import DataView, Part

# Of the order in which sequences are dealt out: one for all sessions, so that their parts are the same.
ORDER = 20_031
PARTS = ("train", "validation", "test")
SHAPES = ("<Unk>", "<UNK>", "<unk1>")
"""What an unknown word is read as where how it is written tells something, as in names: with a capital
first, in capitals alone, with a digit or another sign; <unk> is all the rest."""
MOST_LABELS = 2_000
"""What is counted of every pair of labels is kept as a table."""
PREVIEW = 12
LONGEST_CELL = 48


@dataclass(frozen=True, eq=False)
class Sequences:
    """What a file holds: N sequences of symbols, the labels of each, and where each begins."""

    lines: Lines
    symbols: list[Sequence[str]]
    labels: list[tuple[str, ...]]
    """Of each sequence as many as it has symbols, or one."""
    numbers: list[int]
    """The line on which each begins, counted from 1; 0 where it is a file of its own."""

    def taken(self, which: NDArray[np.int64]) -> Sequences:
        """Those of the numbers given, in that order."""
        return Sequences(
            self.lines,
            [self.symbols[k] for k in which],
            [self.labels[k] for k in which],
            [self.numbers[k] for k in which],
        )


@dataclass(frozen=True, eq=False)
class Kept:
    """What a task keeps beside its numbers, to show what was read and to learn what is unknown."""

    shown: Mapping[str, list[Sequence[str]]]
    """Of each part the sequences as they were read, unknown symbols included."""
    numbers: Mapping[str, list[int]]
    """Of each part the lines on which its sequences begin; 0: none is known."""
    once: NDArray[np.int64]
    """Numbers of the symbols that the training part has once, if nothing else teaches what <unk> is."""


def deal(
    main: Sequences, data: DataConfig, validation: Sequences | None, test: Sequences | None
) -> dict[str, Sequences]:
    """Training, validation and test part: files of their own, the rest cut from the main one by `data.split`.

    Every file is first brought into an order that is always the same: it may be sorted by its
    labels. A part with any percent gets a sequence as long as there are enough for all.
    """
    percents = list(split_percent(data.split))
    for k, own in ((1, validation), (2, test)):
        if own is not None:
            percents[0], percents[k] = percents[0] + percents[k], 0.0
    count = len(main.symbols)
    held = [max(1, round(count * percent / 100)) if percent else 0 for percent in percents[1:]]
    while sum(held) >= count:
        held[1 if held[1] else 0] -= 1
    first = count - sum(held)
    second = first + held[0]
    order = _order(count)
    cut = [main.taken(order[:first]), main.taken(order[first:second]), main.taken(order[second:])]
    for k, own in ((1, validation), (2, test)):
        if own is not None:
            cut[k] = own.taken(_order(len(own.symbols)))
    return dict(zip(PARTS, cut, strict=True))


def _order(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(ORDER).permutation(count)


def vocabulary(counts: Counter[str], data: DataConfig, shapes: bool) -> tuple[str, ...]:
    """<pad>, <unk> (and `SHAPES`), then what is frequent enough, the most frequent first.

    `data.vocabulary_size` is how many there are in all.
    """
    own = (PAD, UNKNOWN, *(SHAPES if shapes else ()))
    found = [symbol for symbol, n in counts.items() if n >= data.least_count and symbol not in own]
    found.sort(key=lambda symbol: (-counts[symbol], symbol))
    return (*own, *(found[: max(data.vocabulary_size - len(own), 0)] if data.vocabulary_size else found))


def numbered(symbols: Iterable[str], numbers: Mapping[str, int]) -> NDArray[np.int64]:
    """(T,): the number of each symbol; what has none, or spells <pad>, is unknown."""
    found = (numbers.get(symbol) if symbol != PAD else None for symbol in symbols)
    return np.array(
        [unknown_as(symbol, numbers) if k is None else k for symbol, k in zip(symbols, found, strict=True)], np.int64
    )


def unknown_as(symbol: str, numbers: Mapping[str, int]) -> int:
    """The number of what an unknown symbol is read as: by its shape where the vocabulary has those."""
    return numbers.get(_shape(symbol), numbers[UNKNOWN])


def unknown_numbers(inputs: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the symbols that stand for what is unknown."""
    return np.array([k for k, symbol in enumerate(inputs) if symbol in (UNKNOWN, *SHAPES)], np.int64)


def count_unknown(inputs: NDArray[np.int64], symbols: Sequence[str]) -> int:
    """How many of what is read is unknown to a vocabulary."""
    return int(np.isin(inputs, unknown_numbers(symbols)).sum())


def _shape(symbol: str) -> str:
    if not symbol.isalpha():
        return SHAPES[2]
    if not symbol[0].isupper():
        return UNKNOWN
    return SHAPES[1] if len(symbol) > 1 and symbol.isupper() else SHAPES[0]


def assemble(
    task: str, unit: str, main: Sequences, validation: Sequences | None, test: Sequences | None,
    data: DataConfig, watch: Watch, *, symbol: str, shapes: bool = False, notices: Sequence[str] = (),
) -> Dataset:  # fmt: skip
    """The dataset of one main file and files of their own for validation and test, without baselines."""
    title = main.lines.title
    watch.at(0.0, "counting", title)
    parts = deal(main, data, validation, test)
    counts = Counter(chain.from_iterable(parts["train"].symbols))
    inputs = vocabulary(counts, data, shapes)
    labels = {name: Counter(chain.from_iterable(part.labels)) for name, part in parts.items()}
    classes = tuple(sorted(set().union(*labels.values())))
    if len(classes) < 2:
        _refuse_one_class(parts, classes)
    if len(classes) > MOST_LABELS:
        raise DataError(
            f"there are {len(classes):,} kinds of labels, at most {MOST_LABELS:,} are told apart; {main.lines.place}; "
            "name another data.label_column"
        )
    coding = Coding(inputs, classes, "word" if symbol == "word" else "character")
    read_as = {name: k for k, name in enumerate(inputs)}
    answers = {name: k for k, name in enumerate(classes)}
    examples: dict[str, Ragged] = {}
    for k, (name, part) in enumerate(parts.items()):
        watch.at(0.2 + 0.2 * k, "numbering", title)
        examples[name] = Ragged.of(
            [numbered(sequence, read_as) for sequence in part.symbols],
            [np.array([answers[label] for label in of], np.int64) for of in part.labels],
        )
    # Where rare symbols were cut, <unk> stands in the training part already.
    own = (PAD, UNKNOWN, *SHAPES)
    cut = any(symbol not in read_as for symbol in counts)
    once = [] if cut else [read_as[symbol] for symbol, n in counts.items() if n == 1 and symbol not in own]
    lengths = np.concatenate([part.lengths for part in examples.values()])
    starts = np.cumsum([0, *(len(part) for part in examples.values())]).tolist()
    view = DataView(
        source=main.lines.where,
        title=title,
        characters=int(lengths.sum()),
        vocabulary=len(inputs),
        parts=tuple(
            Part(name, start, len(part))
            for name, start, part in zip(("training", "validation", "test"), starts, examples.values(), strict=False)
        ),
        baselines=(),
        notices=(
            *notices,
            *_told(examples, labels, unit, data, inputs, len(once), "words" if symbol == "word" else "symbols"),
        ),
        preview="",
        sha256=main.lines.sha256,
        task=task,
        unit=unit,
        outputs=len(classes),
        longest=int(lengths.max()),
        typical=int(np.median(examples["train"].lengths)),
    )
    kept = Kept(
        {name: part.symbols for name, part in parts.items()},
        {name: part.numbers for name, part in parts.items()},
        np.array(sorted(once), np.int64),
    )
    train, valid, tested = examples.values()
    return Dataset(title, main.lines.where, main.lines.sha256, coding, train, valid, tested, view, kept)


def _refuse_one_class(parts: Mapping[str, Sequences], classes: tuple[str, ...]) -> None:
    main = parts["train"]
    numbers = [number for part in parts.values() if part.lines is main.lines for number in part.numbers]
    first, last = min(numbers), max(numbers)
    stretch = f"lines {first:,} to {last:,}" if first < last else f"line {first:,}"
    whole = f"{stretch} of {main.lines.place}" if first else main.lines.place
    raise DataError(
        f"there is one label only, {quoted(classes[0])}, so there is nothing to tell apart; {whole}; "
        "name another data.label_column or another file"
    )


def _told(
    examples: Mapping[str, Ragged], labels: Mapping[str, Counter[str]], unit: str, data: DataConfig,
    inputs: Sequence[str], once: int, symbols: str,
) -> list[str]:  # fmt: skip
    found = []
    if not (data.validation_path and data.test_path) and split_percent(data.split)[0] < 100:
        found.append(f"the {unit} are shuffled, always in the same way, and then cut {data.split}")
    if not len(examples["validation"]):
        found.append("no validation part: the baselines are scored on the training part")
    for name, part in examples.items():
        unknown = count_unknown(part.inputs, inputs)
        if unknown:
            found.append(f"{unknown / len(part.inputs):.1%} of the {symbols} of the {part_title(name)} part are <unk>")
        new = sorted(set(labels[name]) - set(labels["train"]))
        if new:
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            few = ", ".join(quoted(label) for label in new[:3])
            found.append(f"the training part has no label {few}{more}, the {name} part has")
    if once:
        found.append(f"{once:,} {symbols} that training has once are read as <unk> half of the time")
    return found


def quoted(text: str) -> str:
    """What a file says, short and safe for a message."""
    shown = clean_line(text[:41])
    return f"'{shown}'" if len(text) <= 40 else f"'{shown[:37]}...'"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """The first rows with their fields below one another, safe for a screen."""
    cells = [[_cut(cell) for cell in row] for row in rows[:PREVIEW]]
    if not cells:
        return ""
    wide = [max(_wide(row[k]) for row in cells) for k in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell + " " * (wide[k] - _wide(cell)) for k, cell in enumerate(row)).rstrip() for row in cells
    )


def _cut(cell: str) -> str:
    shown = clean_line(cell[: LONGEST_CELL + 1])
    return shown if len(cell) <= LONGEST_CELL else shown[: LONGEST_CELL - 3] + "..."


def _wide(cell: str) -> int:
    return sum(width(symbol) for symbol in cell)


def finished(dataset: Dataset, preview: str) -> Dataset:
    """The dataset with its preview."""
    return replace(dataset, view=replace(dataset.view, preview=preview))


def part_title(part: str) -> str:
    """`training` for `train`; the others are called as they are named."""
    return "training" if part == "train" else part

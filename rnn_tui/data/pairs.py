"""Pairs of texts, a source and its target: a file of them read, cut into symbols and into parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import DataConfig, split_percent
from rnn_tui.data.assembling import ORDER, PARTS, in_columns
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.data.dates import dates
from rnn_tui.data.examples import Dataset, Ragged
from rnn_tui.data.lines import Lines, Table, read_lines, read_table
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.vocabulary import words
from rnn_tui.data.words import cut_before
from rnn_tui.symbols import REPLACEMENT, clean_line
from rnn_tui.views import DataView, Part

SOURCE_SYMBOLS = (PAD, UNKNOWN)
TARGET_SYMBOLS = (PAD, UNKNOWN, END, START)
"""They stand before the symbols of the texts, so these are their numbers: 0, 1, 2, 3."""
_TITLES = {"train": "training", "validation": "validation", "test": "test"}
_TOLD = 20_000
"""Pairs from one look at whether the reading is still wanted to the next."""

_NAMES = frozenset(("source", "target", "src", "tgt", "input", "output", "question", "answer", "text", "translation"))
"""A first line of two of these names the columns."""

Kind = Literal["character", "word"]
Pair = tuple[str, str]


def cut(text: str, symbol: Kind, apart: bool = False) -> list[str]:
    """The symbols of a text: its characters, or its words by the rule of `vocabulary.words`.

    `apart`: it was cut into words before, and white space alone parts them.
    """
    if symbol == "character":
        return list(text)
    return text.split() if apart else words(text)


def joined(symbols: Iterable[str], symbol: Kind) -> str:
    """The text of symbols: words with a space between; of characters, an unknown one is U+FFFD."""
    if symbol == "word":
        return " ".join(symbols)
    return "".join(REPLACEMENT if one == UNKNOWN else one for one in symbols)


@dataclass(frozen=True, eq=False)
class PairTexts:
    """The pairs of each part as texts, cut and joined again: what a translation is held against."""

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]


def encode(symbols: Sequence[str], numbers: dict[str, int]) -> tuple[NDArray[np.int32], int]:
    """Their numbers (T,), and how many of them are unknown."""
    unknown = numbers[UNKNOWN]
    found = np.fromiter((numbers.get(one, unknown) for one in symbols), np.int32, len(symbols))
    return found, int((found == unknown).sum())


def numbering(symbols: Sequence[str]) -> dict[str, int]:
    """Each symbol's number. A word of a text that looks like <eos> is none: it stays unknown."""
    return {one: k for k, one in enumerate(symbols) if one not in (PAD, END, START)}


def read_pairs(data: DataConfig, watch: Watch) -> Dataset:
    """The pairs that a configuration names, coded and cut into parts.

    Each line is one pair: fields with a tab (or comma, semicolon, bar) between them, of which
    `data.columns` are source and target (`0,1` where it is empty); or `source_target`, where
    every line has one `_`. They are shuffled, always in the same way, before they are cut into parts.
    Vocabularies are those of the training part. `extra` is a PairTexts; the view has no
    baselines yet. Raises DataError with the line's number.
    """
    main, notices = _read(data.path, "data.path", data.columns, watch.part(0.0, 0.4))
    own = {
        part: _read(path, f"data.{part}_path", data.columns, watch.part(0.4, 0.5))[0].pairs
        for part, path in (("validation", data.validation_path), ("test", data.test_path))
        if path
    }
    kind = data.symbol
    watch.at(0.5, "cutting", main.lines.title)
    parts = _divided(main.pairs, data, own)
    if not parts["train"]:
        raise DataError(
            f"the training part is empty; data.split {data.split} of {len(main.pairs)} pairs, {main.lines.place}; "
            "give training a larger share, or more pairs"
        )
    reverse = data.reverse_source
    apart = tuple(kind == "word" and cut_before("\n".join(pair[side] for pair in main.pairs)) for side in (0, 1))
    cuts = {part: [(cut(s, kind, apart[0]), cut(t, kind, apart[1])) for s, t in pairs] for part, pairs in parts.items()}
    sides = [_vocabulary([pair[side] for pair in cuts["train"]], data) for side in (0, 1)]
    coding = Coding(SOURCE_SYMBOLS + sides[0].symbols, TARGET_SYMBOLS + sides[1].symbols, kind, decoder=True,
                    reversed=reverse)  # fmt: skip
    coder = PairCoder(coding)
    examples, unknown = {}, {}
    for k, part in enumerate(PARTS):
        examples[part], unknown[part] = coder.examples(cuts[part], watch.part(0.6 + 0.1 * k, 0.7 + 0.1 * k))
    texts = PairTexts(*(tuple((joined(s, kind), joined(t, kind)) for s, t in cuts[part]) for part in PARTS))
    if len(own) < 2 and split_percent(data.split)[0] < 100:
        notices += (f"the pairs are shuffled, always in the same way, and then cut {data.split}",)
    notices += _merged(sides) + _unknown(unknown) + _overlap(texts)
    if reverse:
        notices += ("each source is read from its end to its beginning",)
    if not parts["validation"]:
        notices += ("no validation part: the lines without a network are scored on the training part",)
    lengths = [len(source) for some in cuts.values() for source, _ in some]
    starts = np.cumsum([0, *(len(parts[part]) for part in PARTS)]).tolist()
    view = DataView(
        source=main.lines.where,
        title=main.lines.title,
        characters=sum(lengths) + sum(len(target) for some in cuts.values() for _, target in some),
        vocabulary=len(coding.inputs),
        parts=tuple(Part(_TITLES[part], start, len(parts[part])) for part, start in zip(PARTS, starts, strict=False)),
        baselines=(),
        notices=notices,
        preview=in_columns(main.pairs),
        sha256=main.lines.sha256,
        task="translation",
        unit="pairs",
        outputs=len(coding.outputs),
        decoder=True,
        longest=max(lengths),
        typical=int(median(lengths)),
    )
    watch.at(1.0, "read", main.lines.title)
    return Dataset(
        main.lines.title, main.lines.where, main.lines.sha256, coding,
        examples["train"], examples["validation"], examples["test"], view, extra=texts,
    )  # fmt: skip


class PairCoder:
    """Texts to numbers and back, by a coding."""

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self.sources, self.targets = numbering(coding.inputs), numbering(coding.answers)
        self.end = coding.answers.index(END)

    def source(self, symbols: Sequence[str]) -> tuple[NDArray[np.int32], int]:
        """(T,) as the encoder reads them, and how many are unknown."""
        found, unknown = encode(symbols, self.sources)
        return (found[::-1].copy() if self.coding.reversed else found), unknown

    def target(self, symbols: Sequence[str]) -> tuple[NDArray[np.int32], int]:
        """(U,) with <eos> behind them, and how many are unknown."""
        found, unknown = encode(symbols, self.targets)
        return np.append(found, np.int32(self.end)), unknown

    def typed(self, text: str, side: Literal["source", "target"]) -> list[str]:
        """The symbols of what a person typed: what stands between two spaces is one word where it is known so."""
        if self.coding.symbol == "character":
            return list(text.strip())
        known = self.sources if side == "source" else self.targets
        return [word for piece in text.split() for word in ([piece] if piece in known else words(piece))]

    def text(self, numbers: Iterable[int]) -> str:
        """What target symbols say, up to <eos>."""
        symbols = []
        for number in numbers:
            if number < 0 or number == self.end:
                break
            symbols.append(self.coding.answers[number])
        return joined(symbols, self.coding.symbol)

    def examples(self, cuts: Sequence[tuple[list[str], list[str]]], watch: Watch) -> tuple[Ragged, tuple[int, int]]:
        """Pairs as numbers, and how many source and target symbols are unknown."""
        reads: list[NDArray[np.int32]] = []
        asks: list[NDArray[np.int32]] = []
        unknown = [0, 0]
        for k, (source, target) in enumerate(cuts):
            if k % _TOLD == 0:
                watch.at(k / len(cuts), "coding", "pairs")
            for side, gathered, coded in ((0, reads, self.source(source)), (1, asks, self.target(target))):
                gathered.append(coded[0])
                unknown[side] += coded[1]
        return Ragged.of(reads, asks), (unknown[0], unknown[1])


@dataclass(frozen=True, slots=True)
class _File:
    lines: Lines
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    symbols: tuple[str, ...]
    kinds: int
    """That were left out as too rare."""
    times: int


def _read(path: str, field: str, columns: str, watch: Watch) -> tuple[_File, tuple[str, ...]]:
    """The pairs of one file, and what is to be told of how it was read."""
    lines = read_lines(path, field, watch, dates, "dates")
    filled = [(k, line) for k, line in enumerate(lines.lines, 1) if line.strip()]
    if not columns.strip() and _underscored([line for _, line in filled]):
        return _File(lines, [_underscore_pair(lines, k, line) for k, line in filled]), (
            f"every line of {lines.title} is cut at its _: source_target",
        )
    table, (source, target) = _table(lines, filled, columns)
    pairs = []
    for k, row in enumerate(table.rows):
        pair = row[source].strip(), row[target].strip()
        _both(pair, lines, table.numbers[k])
        pairs.append(pair)
    told: tuple[str, ...] = ()
    if table.header:
        told += (f"the first line of {lines.title} names the columns: {clean_line(', '.join(table.header))[:80]}",)
    if table.width > 2:
        left = table.width - 2
        told += (
            f"columns {source} and {target} of {lines.title} are source and target; "
            f"{left} other{'s are' if left > 1 else ' is'} passed over",
        )
    return _File(lines, pairs), told


def _underscored(filled: list[str]) -> bool:
    """Whether these lines are meant as source_target: nothing else cuts them, and most have one `_`."""
    if any(all(separator in line for line in filled) for separator in "\t,;|"):
        return False
    return not any("\t" in line for line in filled) and 2 * sum(line.count("_") == 1 for line in filled) > len(filled)


def _underscore_pair(lines: Lines, number: int, line: str) -> Pair:
    if line.count("_") != 1:
        raise lines.error(
            number, f"it has {line.count('_')} signs _, the other lines have one", "write source_target on every line"
        )
    source, _, target = line.partition("_")
    pair = source.strip(), target.strip()
    _both(pair, lines, number)
    return pair


def _both(pair: Pair, lines: Lines, number: int) -> None:
    for text, name in zip(pair, ("source", "target"), strict=True):
        if not text:
            raise lines.error(number, f"the {name} is empty", "write it, or delete the line")


def _table(lines: Lines, filled: list[tuple[int, str]], columns: str) -> tuple[Table, tuple[int, int]]:
    """The fields, and which two of them are meant. Raises DataError."""
    named = [name.strip() for name in columns.split(",")] if columns.strip() else ["0", "1"]
    if len(named) != 2:
        raise DataError(
            f"{len(named)} column{'s are' if len(named) != 1 else ' is'} named, a pair has two; "
            f"data.columns {clean_line(columns)[:40]}; name source and target, as 0,1"
        )
    tabs = Counter(line.count("\t") for _, line in filled)
    usual = max(tabs, key=lambda count: (tabs[count], count))
    if usual:
        for number, line in filled:
            if line.count("\t") != usual:
                raise _ragged(lines, number, line.count("\t") + 1, usual + 1)
    # Columns that are named need the line that names them.
    table = read_table(lines, "\t" if usual else "", any(not re.fullmatch(r"-?\d+", name) for name in named))
    if table.width < 2:
        raise lines.error(filled[0][0], "there is no tab in it", "write source, a tab and target on every line")
    source, target = (table.column(name, "data.columns") for name in named)
    if not table.header and {table.rows[0][k].strip().lower() for k in (source, target)} <= _NAMES:
        table = read_table(lines, table.separator, True)
    if not table.rows:
        raise lines.error(filled[0][0], "no pair follows it", "name a file of pairs")
    if source == target:
        raise DataError(
            f"source and target are the same column; data.columns {clean_line(columns)[:40]}, {lines.place}; "
            "name two, as 0,1"
        )
    return table, (source, target)


def _ragged(lines: Lines, number: int, fields: int, usual: int) -> DataError:
    if fields == 1:
        return lines.error(number, "there is no tab in it", "write source, a tab and target on every line")
    return lines.error(number, f"it has {fields} fields, most lines have {usual}",
                       "mend the line (fields are separated by tab)")  # fmt: skip


def _divided(pairs: list[Pair], data: DataConfig, own: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
    """Training, validation, test: files of their own, the rest cut from the main one by `data.split`.

    A part with any percent gets a pair as long as there are enough.
    """
    percents = dict(zip(PARTS, split_percent(data.split), strict=True))
    for part in own:
        percents["train"], percents[part] = percents["train"] + percents[part], 0.0
    counts = {part: int(len(pairs) * percent / 100) for part, percent in percents.items()}
    for part in PARTS[1:]:
        if percents[part] and not counts[part] and len(pairs) > sum(counts.values()) - counts["train"] + 1:
            counts[part] = 1
    others = counts["validation"] + counts["test"]
    # What rounding leaves goes to the last part that has any percent.
    last = max((part for part in PARTS if percents[part] > 0), key=PARTS.index)
    if counts["train"] + others > len(pairs) or last == "train":
        counts["train"] = len(pairs) - others
    else:
        counts[last] += len(pairs) - counts["train"] - others
    order = np.random.default_rng(ORDER).permutation(len(pairs)).tolist()
    found, first = {}, 0
    for part in PARTS:
        found[part] = own.get(part) or [pairs[k] for k in order[first : first + counts[part]]]
        first += counts[part]
    return found


def _vocabulary(texts: Iterable[Sequence[str]], data: DataConfig) -> _Vocabulary:
    """The symbols that are kept: characters by their code, words by how frequent they are."""
    counts = Counter(one for text in texts for one in text)
    for special in TARGET_SYMBOLS:
        counts.pop(special, None)
    ranked = sorted(counts, key=lambda one: (-counts[one], one))
    kept = [one for one in ranked if counts[one] >= data.least_count]
    if data.vocabulary_size:
        kept = kept[: data.vocabulary_size]
    left = len(ranked) - len(kept)
    times = sum(counts.values()) - sum(counts[one] for one in kept)
    return _Vocabulary(tuple(kept if data.symbol == "word" else sorted(kept)), left, times)


def _merged(sides: Sequence[_Vocabulary]) -> tuple[str, ...]:
    return tuple(
        f"{side.kinds:,} rare kinds of {name} symbol ({side.times:,} symbols of the training part) became {UNKNOWN}"
        for side, name in zip(sides, ("source", "target"), strict=True)
        if side.kinds
    )


def _unknown(counts: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    return tuple(
        f"{_TITLES[part]}: {source:,} source and {target:,} target symbols are not known from training"
        for part, (source, target) in counts.items()
        if part != "train" and source + target
    )


def _overlap(texts: PairTexts) -> tuple[str, ...]:
    """How much of validation and test stands in training too: what is only remembered, not translated."""
    pairs = set(texts.train)
    sources = {source for source, _ in texts.train}
    told = []
    for part in ("validation", "test"):
        some: tuple[Pair, ...] = getattr(texts, part)
        same, known = sum(pair in pairs for pair in some), sum(source in sources for source, _ in some)
        if known:
            told.append(
                f"{part}: of {len(some):,} pair{'s' * (len(some) != 1)} {same:,} stand in training as they are, "
                f"{known:,} by their source"
            )
    return tuple(told)

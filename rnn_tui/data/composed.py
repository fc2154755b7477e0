"""Sequences to be written from a label: a name and its language in each row, or a name alone in each line.

What is read is the label and then the name's characters, what is asked the characters and then
`<eos>`. A label is a symbol of its own, `<label Czech>`: no character can be taken for it. Where there
are no labels, `<start>` stands in its place. The symbols are those of the training part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import DataConfig, split_percent
from rnn_tui.data.assembling import PARTS, PREVIEW, Sequences, deal, in_columns, part_title, quoted
from rnn_tui.data.baselines import conditional, shares
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.data.examples import Dataset, Examples, Ragged
from rnn_tui.data.invented import invented_names
from rnn_tui.data.labelled import text_and_label
from rnn_tui.data.lines import Lines, Table, read_lines, read_table
from rnn_tui.data.source import DataError, Watch
from rnn_tui.symbols import clean_line
from rnn_tui.views import Baseline, DataView, Part

# A file is a table where a separator stands in this share of its first lines.
_TABLE = 0.9
_LOOKED_AT = 200


def label_symbol(label: str) -> str:
    """The symbol that stands for a label: longer than any character."""
    return f"<label {label}>"


def labels_of(coding: Coding) -> tuple[str, ...]:
    """The labels that a coding knows, in their order; empty where sequences have none."""
    return tuple(symbol[7:-1] for symbol in coding.inputs if len(symbol) > 8 and symbol.startswith("<label "))


def read_composed(data: DataConfig, watch: Watch) -> Dataset:
    """The sequences that a configuration names, dealt out and numbered. Raises DataError."""
    files: list[Sequences | None] = []
    for k, name in enumerate(("path", "validation_path", "test_path")):
        path, stretch = getattr(data, name), watch.part(k * 0.25, (k + 1) * 0.25)
        files.append(_names(path, f"data.{name}", data, stretch) if path or name == "path" else None)
    main = files[0]
    assert main is not None
    for other in files[1:]:
        if other is not None and any(other.labels) != any(main.labels):
            have, lack = (other, main) if any(other.labels) else (main, other)
            raise DataError(
                f"{have.lines.title} has labels and {lack.lines.title} has none; {lack.lines.place}; "
                "give both a column of labels, or neither"
            )
    parts = deal(main, data, *files[1:])
    if not parts["train"].symbols:
        raise DataError(f"the training part is empty; data.split {data.split}, {main.lines.place}; give it a part")
    coding = Coding(_symbols(parts["train"]))
    examples = {name: _numbered(part, coding) for name, part in parts.items()}
    lengths = np.concatenate([part.lengths for part in examples.values()])
    starts = np.cumsum([0, *(len(part) for part in examples.values())]).tolist()
    title, train = main.lines.title, parts["train"]
    rows = [(*of, "".join(name)) for of, name in zip(train.labels[:PREVIEW], train.symbols[:PREVIEW], strict=True)]
    view = DataView(
        source=main.lines.where,
        title=title,
        characters=int(lengths.sum()),
        vocabulary=len(coding.inputs),
        parts=tuple(
            Part(part_title(name), start, len(examples[name])) for start, name in zip(starts, PARTS, strict=False)
        ),
        baselines=composing_lines(examples["train"], examples["validation"], len(coding.inputs)),
        notices=tuple(_notices(data, main, examples, coding)),
        preview=in_columns(rows),
        sha256=main.lines.sha256,
        task="composing",
        labels=labels_of(coding),
        unit="names",
        longest=int(lengths.max()),
        typical=int(np.median(examples["train"].lengths)),
    )
    numbers = {name: part.numbers for name, part in parts.items()}
    return Dataset(
        title, main.lines.where, main.lines.sha256, coding, examples["train"], examples["validation"], examples["test"],
        view, extra=numbers,
    )  # fmt: skip


def _names(path: str, field: str, data: DataConfig, watch: Watch) -> Sequences:
    """One file: of each name the symbols, the label (or none) and the line."""
    lines = read_lines(path, field, watch, lambda: invented_names().encode(), "Invented names")
    found = Sequences(lines, [], [], [])
    if not (data.columns or data.label_column or _is_table(lines)):
        for number, line in enumerate(lines.lines, 1):
            if name := line.strip():
                found.symbols.append(name)
                found.labels.append(())
                found.numbers.append(number)
        return found
    table = read_table(lines)
    named = {data.columns.strip(), data.label_column.strip()} - {""}
    if not table.header and table.rows and named & set(table.rows[0]):
        # The first row holds the names that were asked for, so it is a header after all.
        table = read_table(lines, header=True)
    text, label = _columns(table, data)
    for k, row in enumerate(table.rows):
        name = row[text].strip()
        if not name:
            raise table.error(k, "the name is empty", "fill it in, or take the line out")
        of = () if label is None else (clean_line(row[label].strip()),)
        if of == ("",):
            raise table.error(k, f"the label of {quoted(name)} is empty", "fill it in, or take the line out")
        found.symbols.append(name)
        found.labels.append(of)
        found.numbers.append(table.numbers[k])
    return found


def _is_table(lines: Lines) -> bool:
    """Whether these are columns and not one name a line."""
    if lines.title.removesuffix(".gz").lower().endswith((".csv", ".tsv")):
        return True
    first = [line for line in lines.lines[:_LOOKED_AT] if line.strip()]
    return any(sum(mark in line for line in first) >= _TABLE * len(first) for mark in ",\t;|")


def _columns(table: Table, data: DataConfig) -> tuple[int, int | None]:
    """The column of names, and that of labels if there are more columns than one."""
    if table.width > 1:
        return text_and_label(table, data)
    if not table.rows:
        raise table.lines.error(1, "there is a header and nothing below it", "add lines with names")
    if data.label_column:
        table.column(data.label_column, "data.label_column")
        raise DataError(
            f"there is one column only, and it holds the names; data.label_column, {table.lines.place}; "
            "leave data.label_column empty: names can be learned without labels"
        )
    return table.column(data.columns or "0", "data.columns"), None


def _symbols(train: Sequences) -> tuple[str, ...]:
    """<pad>, <unk>, <eos>, the labels or <start>, and the characters by their code points."""
    labels = sorted(set(chain.from_iterable(train.labels)))
    characters = sorted(set(chain.from_iterable(train.symbols)))
    return (PAD, UNKNOWN, END, *([label_symbol(label) for label in labels] or [START]), *characters)


def _numbered(part: Sequences, coding: Coding) -> Ragged:
    numbers = {symbol: k for k, symbol in enumerate(coding.inputs)}
    reads, asks = [], []
    for name, of in zip(part.symbols, part.labels, strict=True):
        written = [numbers.get(character, 1) for character in name]
        reads.append(np.array([numbers.get(label_symbol(of[0]) if of else START, 1), *written], np.int64))
        asks.append(np.array([*written, 2], np.int64))
    return Ragged.of(reads, asks)


def composing_lines(train: Examples, validation: Examples, vocabulary: int) -> tuple[Baseline, ...]:
    """Uniform, unigram and bigram: mean nats over all that is asked of `validation`, `<eos>` included.

    Fitted on `train`, which is scored where validation is empty. The bigram's context of a first
    character is the label. Mixtures as in `data.baselines`.
    """
    fitted = _pairs(train, vocabulary)
    scored = _pairs(validation if len(validation) else train, vocabulary)
    unigram = shares(np.bincount(fitted % vocabulary, minlength=vocabulary))
    wanted, which = np.unique(scored, return_inverse=True)
    bigram = conditional(fitted, wanted, unigram[wanted % vocabulary], vocabulary)
    return (
        Baseline("uniform", float(np.log(vocabulary))),
        Baseline("unigram", -float(np.log(unigram[scored % vocabulary]).mean())),
        Baseline("bigram", -float(np.log(bigram[which]).mean())),
    )


def _pairs(examples: Examples, vocabulary: int) -> NDArray[np.int64]:
    """Every answer with what was read just before it, as read * V + answer."""
    whole: Sequence[NDArray[np.int64]] = [
        examples.read(k).astype(np.int64) * vocabulary + examples.asked(k) for k in range(len(examples))
    ]
    return np.concatenate(whole)


def _notices(data: DataConfig, main: Sequences, examples: dict[str, Ragged], coding: Coding) -> list[str]:
    found = []
    if not (data.validation_path and data.test_path) and split_percent(data.split)[0] < 100:
        found.append(f"the names are shuffled, always in the same way, and then cut {data.split}")
    labels = Counter(chain.from_iterable(main.labels))
    if labels:
        common = labels.most_common(1)[0]
        found.append(f"{len(labels):,} labels; the most frequent is {quoted(common[0])} with {common[1]:,} names")
    else:
        found.append(f"no column of labels: every name begins with {START}")
    if not len(examples["validation"]):
        found.append("no validation part: the baselines are scored on the training part")
    for name in PARTS[1:]:
        part = examples[name]
        unknown = int((part.targets == 1).sum())
        if unknown:
            plural = "character" if unknown == 1 else "characters"
            found.append(f"{unknown:,} {plural} of the {name} part are not in the training part: read as {UNKNOWN}")
        strange = int((part.inputs[part.starts[:-1]] == 1).sum()) if len(part) else 0
        if strange:
            found.append(f"{strange:,} names of the {name} part have a label that the training part has not")
    return found

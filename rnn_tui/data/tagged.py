"""Sentences with a tag for each word (CoNLL): a word and its tag on a line, an empty line between sentences.

Fields are separated by tabs, or by spaces where no line has a tab; runs of them count as
one. Not read as words: a line that begins with `-DOCSTART-`; in a file with tabs, a line that
begins with `# ` and has no tab; in one without, a line that begins a sentence with `# ` and has
another number of fields than the rest; in CoNLL-U (ten fields) the numbers of joined or
left-out words (`1-2`, `8.1`).
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from rnn_tui.config import DataConfig
from rnn_tui.data.assembling import Sequences, assemble, finished, in_columns
from rnn_tui.data.examples import Dataset
from rnn_tui.data.lines import MOST_COLUMNS, Lines, Table, read_lines
from rnn_tui.data.newspaper import newspaper
from rnn_tui.data.source import DataError, Watch

# Linear also on a line of spaces alone: those before a tab are cut off afterwards.
_RUN = {"\t": re.compile(r"\t[\t ]*"), " ": re.compile(r"[ ]+")}
_NO_WORD = re.compile(r"\d+[-.]\d+")
_CONLL_U = 10
# Lines that are looked at to find how fields are separated and how many there are.
LOOKED_AT = 500


def read_tagged(data: DataConfig, watch: Watch) -> Dataset:
    """The sentences that a configuration names, without baselines. Raises DataError."""
    files: list[Sequences | None] = []
    for k, name in enumerate(("path", "validation_path", "test_path")):
        path = getattr(data, name)
        stretch = watch.part(k * 0.25, (k + 1) * 0.25)
        files.append(_sentences(path, f"data.{name}", data, stretch) if path or name == "path" else None)
    main, validation, test = files
    assert main is not None
    dataset = assemble(
        "tagging", "sentences", main, validation, test, data, watch.part(0.75, 1.0), symbol="word", shapes=True
    )
    first = zip(main.symbols[:2], main.labels[:2], strict=True)
    rows = [pair for words, tags in first for pair in (*zip(words, tags, strict=True), ("", ""))]
    return finished(dataset, in_columns(rows[:-1]))


def _sentences(path: str, field: str, data: DataConfig, watch: Watch) -> Sequences:
    lines = read_lines(path, field, watch.part(0.0, 0.5), lambda: newspaper().encode(), "Generated tagged sentences")
    table, sentences = fields_of(lines)
    word, tag = _columns(table, data, field)
    found = Sequences(lines, [], [], [])
    for count, (first, last) in enumerate(sentences):
        if count % 5000 == 0:
            watch.at(0.5 + 0.5 * count / len(sentences), "reading", lines.title)
        rows = table.rows[first:last]
        found.symbols.append(tuple(row[word] for row in rows))
        found.labels.append(tuple(row[tag] for row in rows))
        found.numbers.append(table.numbers[first])
    return found


def fields_of(lines: Lines) -> tuple[Table, list[tuple[int, int]]]:
    """Every word's fields as a row, and of each sentence its first row and the row after its last.

    Raises DataError for a line of another number of fields than most of the first ones.
    """
    begun = [line for line in lines.lines[: 4 * LOOKED_AT] if line.strip()][:LOOKED_AT]
    separator = "\t" if sum("\t" in line.strip() for line in begun) * 2 > len(begun) else " "
    for number, line in enumerate(lines.lines, 1):
        if line.count(separator) > MOST_COLUMNS:
            raise lines.error(
                number, f"it has more than {MOST_COLUMNS:,} fields", "write one word and its tag on a line"
            )

    def cut(line: str) -> tuple[str, ...]:
        return tuple(field.rstrip(" ") for field in _RUN[separator].split(line))

    widths = Counter(len(cut(line.strip())) for line in begun if not line.startswith(("# ", "-DOCSTART-")))
    width = max(widths, key=lambda n: (widths[n], n), default=0)
    rows: list[tuple[str, ...]] = []
    numbers: list[int] = []
    borders = [0]
    for number, line in enumerate(lines.lines, 1):
        text = line.strip(" \t")
        if not text or text.startswith("-DOCSTART-"):
            if borders[-1] != len(rows):
                borders.append(len(rows))
            continue
        row = cut(text)
        if text.startswith("# ") and (
            "\t" not in text if separator == "\t" else borders[-1] == len(rows) and len(row) != width
        ):
            continue
        if len(row) != width or width < 2:
            raise _wrong_width(lines, number, len(row), width, separator)
        if width == _CONLL_U and _NO_WORD.fullmatch(row[0]):
            continue
        rows.append(row)
        numbers.append(number)
    if borders[-1] != len(rows):
        borders.append(len(rows))
    if not rows:
        raise DataError(f"it has no line with a word and a tag; {lines.place}; write WORD, a tab and TAG on each line")
    return Table(lines, separator, (), tuple(rows), tuple(numbers)), list(pairwise(borders))


def _wrong_width(lines: Lines, number: int, have: int, width: int, separator: str) -> DataError:
    name = "tabs" if separator == "\t" else "spaces"
    if width < 2:
        return lines.error(
            number, "there is no tag beside the word", "write WORD, a tab and TAG on each line, an empty line after "
            "each sentence",
        )  # fmt: skip
    return lines.error(
        number, f"it has {have} field{'s' * (have != 1)}, most lines have {width}, separated by {name}",
        "mend the line, or leave it empty where a sentence ends",
    )  # fmt: skip


def _columns(table: Table, data: DataConfig, field: str) -> tuple[int, int]:
    usual = ("1", "3") if table.width == _CONLL_U else ("0", "-1")
    if "," in data.columns:
        raise DataError(f"one column holds the words; data.columns {data.columns[:40]!r}; name it alone, as 0")
    word = table.column(data.columns or usual[0], "data.columns")
    tag = table.column(data.label_column or usual[1], "data.label_column")
    if word == tag:
        raise DataError(
            f"words and tags are the same column, {word}; data.columns and data.label_column, {field}; "
            f"the file has {table.width} columns, counted from 0"
        )
    return word, tag

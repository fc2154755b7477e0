"""What a file may be learned as, from its first lines: a person sees at once whether that is meant."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rnn_tui.data.builtin import builtin_source
from rnn_tui.data.catalog import resolved
from rnn_tui.data.lines import EXAMPLE, Lines, Table, is_number, read_table
from rnn_tui.data.source import DataError, FileSource, Source
from rnn_tui.data.tagged import fields_of
from rnn_tui.symbols import clean_line
from rnn_tui.views import Guess

LINES = 200
# Bytes in which they are looked for.
BEGINNING = 2**17
# Of labels: so few kinds among the lines, and no longer than this.
FEW = 0.2
LONGEST_LABEL = 40
LONGEST_DATE = 60
# Texts shorter than this, without spaces in them, are single words: names.
NAME = 25
_MISSING = ("", "nan", "na", "n/a", "null", "none", "?", "-")
_DATE = re.compile(r"\s*\d{1,4}([-/.:]\d{1,2})+([ T]\d.*)?\s*")
_SUM = re.compile(r"[^_]+_[^_]+")


def guess(path: str) -> Guess:
    """The task that the first 200 lines of a file, or the folders in a folder, look made for.

    Where they look like nothing in particular it is language. Raises DataError where it can't
    be read: one sentence, what is wrong; where; what to do.
    """
    if not path.strip():
        raise DataError("no file is named; data.path; name one, or builtin:example")
    if path == EXAMPLE:
        raise DataError(f"each task makes an example of its own; data.path {EXAMPLE}; choose data.task")
    if path.startswith("builtin:"):
        builtin_source(path).close()
        return Guess("language", {"data.symbol": "character"}, "a built-in text: which symbol comes next")
    path = resolved(path)
    where = os.path.abspath(os.path.expanduser(path))
    if "\0" not in path and os.path.isdir(where):
        return _of_folder(Path(where))
    lines = _beginning(FileSource(path, "data.path"))
    found = _tagged(lines) or _sums(lines) or _table(lines)
    return found or _language(lines)


def _of_folder(folder: Path) -> Guess:
    place = f"data.path {clean_line(str(folder))}"
    try:
        labels = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        filled = [label for label in labels if any(not name.is_dir() for name in label.iterdir())]
    except OSError as error:
        reason = clean_line(error.strerror or str(error)).lower()
        raise DataError(f"a folder can't be read ({reason}); {place}; check its permissions") from None
    if not filled:
        raise DataError(f"the folder has no folders with texts in them; {place}; name a file, or make one folder for "
                        "each label, with a file for each text")  # fmt: skip
    return Guess(
        "classification",
        {"data.symbol": "word"},
        f"a folder with {len(filled)} folders of texts: each is a label",
    )


def _beginning(source: Source) -> Lines:
    """The first lines; bytes that are no UTF-8 are replaced, as in a text."""
    begun, whole = b"", True
    try:
        for piece, _ in source.chunks(BEGINNING):
            begun += piece
            if len(begun) > BEGINNING:
                whole = False
                break
    finally:
        source.close()
    text = begun.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if len(lines) > 1 and (not whole or not lines[-1]):
        lines.pop()
    return Lines(source.title, source.where, source.place, "", tuple(lines[:LINES]))


def _tagged(lines: Lines) -> Guess | None:
    """Equally many fields on every line, the last of few kinds, and empty lines between sentences."""
    filled = sum(bool(line.strip()) for line in lines.lines)
    # The end of the last sentence may lie behind what is looked at.
    if filled == len(lines.lines):
        return None
    try:
        table, sentences = fields_of(lines)
    except DataError:
        return None
    if len(table.rows) < 2 * len(sentences):
        return None
    conll_u = table.width == 10
    tags = [row[3 if conll_u else -1] for row in table.rows]
    if len(set(tags)) > max(3, FEW * len(tags)) or max(map(len, tags)) > LONGEST_LABEL:
        return None
    fields: dict[str, Any] = {"data.columns": "1" if conll_u else "0", "data.label_column": "3" if conll_u else "-1"}
    what = "the lines of CoNLL-U" if conll_u else "a word and a tag on each line"
    return Guess("tagging", fields, f"{what}, empty lines between sentences: a tag for each word")


def _sums(lines: Lines) -> Guess | None:
    """`52+607_659`: a source, one `_` and a target on every line."""
    filled = [line for line in lines.lines if line.strip()]
    if len(filled) < 2 or not all(_SUM.fullmatch(line) for line in filled):
        return None
    return Guess(
        "translation",
        {"data.symbol": "character"},
        "a question, _ and its answer on every line: a sequence for a sequence",
        ("language",),
    )


def _table(lines: Lines) -> Guess | None:
    """A file of columns, or of one number on each line."""
    try:
        table = read_table(lines)
    except DataError:
        return None
    if len(table.rows) < 2:
        return None
    columns = list(zip(*table.rows, strict=True))
    series = [k for k, column in enumerate(columns) if _is_series(column)]
    dated = [k for k, column in enumerate(columns) if k not in series and _is_date(column)]
    texts = [k for k in range(table.width) if k not in series and k not in dated]
    if series and not texts:
        return _forecasting(table, columns, series)
    if table.width < 2 or not texts:
        return None
    return _classes(table, columns, texts) or _pairs(table, columns, texts)


def _is_series(column: Sequence[str]) -> bool:
    known = [cell for cell in column if cell.strip().lower() not in _MISSING]
    return len(known) * 2 > len(column) and all(is_number(cell.strip()) for cell in known)


def _is_date(column: Sequence[str]) -> bool:
    return all(len(cell) <= LONGEST_DATE and _DATE.fullmatch(cell) for cell in column)


def _forecasting(table: Table, columns: Sequence[Sequence[str]], series: list[int]) -> Guess:
    # Numbers that go up by one from line to line count the lines: they are no measurement.
    values = [k for k in series if len(series) == 1 or not _counts(columns[k])]
    named = ",".join(table.header[k] if table.header else str(k) for k in values)
    # A name with a comma in it can only be named by its number.
    if table.header and any("," in table.header[k] for k in values):
        named = ",".join(map(str, values))
    many = "one column" if len(values) == 1 else f"{len(values)} columns"
    return Guess("forecasting", {"data.columns": named}, f"{many} of numbers: a series and how it goes on")


def _counts(column: Sequence[str]) -> bool:
    try:
        numbers = [float(cell) for cell in column]
    except ValueError:
        return False
    return all(after - before == 1 for before, after in pairwise(numbers))


def _classes(table: Table, columns: Sequence[Sequence[str]], texts: list[int]) -> Guess | None:
    """A column of few short kinds beside one of texts."""
    rows = len(table.rows)
    kinds = [len({cell.strip() for cell in column}) for column in columns]
    labels = [
        k
        for k, column in enumerate(columns)
        if kinds[k] <= max(3, FEW * rows) and max(map(len, column)) <= LONGEST_LABEL and all(map(str.strip, column))
    ]
    bodies = [k for k in texts if kinds[k] > FEW * rows]
    # Pairs of sentences may come with a column that says where they are from, always the same.
    if not labels or not bodies or (len(bodies) > 1 and all(kinds[k] == 1 for k in labels)):
        return None
    body = max(bodies, key=lambda k: (sum(map(len, columns[k])), -k))
    label = min(labels, key=lambda k: (kinds[k] == 1, kinds[k], -k))
    short = all(len(cell) <= NAME for cell in columns[body]) and not _spaced(columns[body])
    fields = {
        "data.columns": _called(table, body),
        "data.label_column": _called(table, label),
        "data.symbol": "character" if short else "word",
    }
    what = "names" if short else "texts"
    many = "one kind" if kinds[label] == 1 else f"{kinds[label]} kinds"
    why = f"a column of {what} and one of {many} in the first {rows} lines: {what} with labels"
    return Guess("classification", fields, why, ("composing",) if short else ())


def _spaced(column: Sequence[str]) -> bool:
    return sum(" " in cell.strip() for cell in column) * 4 > len(column)


def _called(table: Table, column: int) -> str:
    name = table.header[column] if table.header else ""
    return name if name and "," not in name else str(column)


def _pairs(table: Table, columns: Sequence[Sequence[str]], texts: list[int]) -> Guess | None:
    """Two columns of texts that differ from line to line, with tabs between, or quoted as CSV."""
    varied = [k for k in texts if len(set(columns[k])) > FEW * len(table.rows)]
    if len(varied) < 2:
        return None
    source, target = varied[:2]
    fields: Mapping[str, Any] = {
        "data.columns": f"{_called(table, source)},{_called(table, target)}",
        "data.symbol": "word" if _spaced(columns[source]) else "character",
    }
    return Guess("translation", fields, "two columns of texts side by side: the second is the first's translation")


def _language(lines: Lines) -> Guess:
    filled = [line.strip() for line in lines.lines if line.strip()]
    if any(word in ("<unk>", "<eos>") for line in filled for word in line.split()):
        return Guess(
            "language", {"data.symbol": "word"}, "a text that was cut into words before, with <unk>: the next word"
        )
    if len(filled) > 1 and all(len(line) <= NAME and " " not in line for line in filled):
        return Guess("language", {"data.symbol": "character"}, "a word on each line: which letter comes next")
    return Guess("language", {"data.symbol": "character"}, "a running text: which symbol comes next")

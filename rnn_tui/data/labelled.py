"""Texts with one label each: a table with a column of texts and one of labels, or a folder for each label.

A table is CSV or its like, plain or gzip, with or without a header. A folder holds one
folder for each label, and in it every file is a text. Names that begin with a dot are
passed over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from rnn_tui.config import DataConfig
from rnn_tui.data.assembling import PREVIEW, Sequences, assemble, finished, in_columns, quoted
from rnn_tui.data.catalog import named
from rnn_tui.data.examples import Dataset
from rnn_tui.data.lines import LARGEST, Lines, Table, is_number, read_lines, read_table
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.surnames import surnames
from rnn_tui.data.vocabulary import words
from rnn_tui.symbols import clean_line

# Columns are told apart by so many first rows.
LOOKED_AT = 2000


def read_labelled(data: DataConfig, watch: Watch) -> Dataset:
    """The texts that a configuration names, without baselines. Raises DataError."""
    notices: list[str] = []
    files: list[Sequences | None] = []
    for k, name in enumerate(("path", "validation_path", "test_path")):
        path = getattr(data, name)
        stretch = watch.part(k * 0.25, (k + 1) * 0.25)
        files.append(_texts(path, f"data.{name}", data, stretch, notices) if path or name == "path" else None)
    main, validation, test = files
    assert main is not None
    dataset = assemble(
        "classification", "texts", main, validation, test, data, watch.part(0.75, 1.0), symbol=data.symbol,
        notices=notices[:1],
    )  # fmt: skip
    joined = " " if data.symbol == "word" else ""
    # In the order in which they are learned: a file is often sorted by its labels.
    shown = enumerate(dataset.extra.shown["train"][:PREVIEW])
    rows = [(dataset.coding.outputs[dataset.train.asked(k)[0]], joined.join(text)) for k, text in shown]
    return finished(dataset, in_columns(rows))


def _texts(path: str, field: str, data: DataConfig, watch: Watch, notices: list[str]) -> Sequences:
    """One file or folder; what it guesses about columns is told in `notices`."""
    folder = os.path.abspath(os.path.expanduser(path)) if path.strip() and not named(path) else ""
    try:
        is_folder = bool(folder) and os.path.isdir(folder)
    except ValueError:
        is_folder = False
    if is_folder:
        return _folder(Path(folder), field, data, watch)
    lines = read_lines(path, field, watch.part(0.0, 0.5), lambda: surnames().encode(), "Generated surnames")
    table = read_table(lines)
    if table.width < 2:
        raise lines.error(
            1, "there is one column only", "a text and its label are needed, separated by a comma, a tab or a semicolon"
        )
    text, label = text_and_label(table, data)
    if not (data.columns and data.label_column):
        notices.append(f"texts are column {_called(table, text)}, labels column {_called(table, label)}")
    found = Sequences(lines, [], [], [])
    for k, row in enumerate(table.rows):
        if k % 5000 == 0:
            watch.at(0.5 + 0.5 * k / len(table.rows), "reading", lines.title)
        symbols = cut(row[text], data.symbol)
        of = row[label].strip()
        if not symbols or not of:
            what = "the text is empty" if not symbols else "the label is empty"
            raise table.error(k, f"{what} (column {_called(table, label if symbols else text)})", "fill it in, "
                              "or take the line out")  # fmt: skip
        found.symbols.append(symbols)
        found.labels.append((of,))
        found.numbers.append(table.numbers[k])
    return found


def cut(text: str, symbol: str) -> Sequence[str]:
    """A text as symbols: its characters, or its words; white space at both ends is no part of it."""
    return [word for word in words(text) if not word.isspace()] if symbol == "word" else text.strip()


def _called(table: Table, column: int) -> str:
    return quoted(table.header[column]) if table.header else str(column)


def text_and_label(table: Table, data: DataConfig) -> tuple[int, int]:
    """The columns of text and label. Where they aren't named, the label's is the column of fewest kinds
    (but more than one), and of the others the text's is the one that holds most.

    Raises DataError where the columns named aren't there or are the same, or none looks like labels.
    """
    lines, rows = table.lines, table.rows[:LOOKED_AT]
    if not rows:
        raise lines.error(1, "there is a header and nothing below it", "add lines with a text and its label")
    if "," in data.columns:
        raise DataError(f"one column holds the texts; data.columns {quoted(data.columns)}; name it alone")
    text = table.column(data.columns, "data.columns") if data.columns else -1
    label = table.column(data.label_column, "data.label_column") if data.label_column else _label_column(table, text)
    if text == label:
        raise DataError(
            f"texts and labels are the same column, {_called(table, text)}; data.columns and data.label_column; "
            f"the file has {table.width} columns"
        )
    if text < 0:
        others = [k for k in range(table.width) if k != label]
        words_first = [k for k in others if not all(is_number(row[k]) for row in rows)] or others
        text = max(words_first, key=lambda k: (sum(len(row[k]) for row in rows), -k))
    return text, label


def _label_column(table: Table, text: int) -> int:
    """The column of fewest kinds, but more than one; where no other looks like labels, one of one kind."""
    count = len(table.rows)
    kinds = {k: len({row[k].strip() for row in table.rows} - {""}) for k in range(table.width) if k != text}
    fewest = min(kinds, key=lambda k: (kinds[k] < 2, kinds[k], -k))
    if count > 3 and kinds[fewest] * 2 > count:
        single = [k for k, n in kinds.items() if n == 1]
        if not single:
            raise DataError(
                f"no column looks like labels: column {_called(table, fewest)} has the fewest kinds, "
                f"{kinds[fewest]:,} in {count:,} lines; {table.lines.place}; name data.label_column, "
                "or choose another data.task"
            )
        fewest = single[-1]
    return fewest


def _folder(folder: Path, field: str, data: DataConfig, watch: Watch) -> Sequences:
    place = f"{field} {clean_line(str(folder))}"
    files = [(label, name) for label in _visible(folder, place) if label.is_dir() for name in _visible(label, place)]
    files = [(label, name) for label, name in files if not name.is_dir()]
    if not files:
        raise DataError(
            f"the folder has no folders with texts in them; {place}; make one folder for each label, "
            "with a file for each text"
        )
    digest, size = hashlib.sha256(), 0
    title = clean_line(folder.name)
    found: list[tuple[Sequence[str], str]] = []
    for k, (label, name) in enumerate(files):
        lines = read_lines(str(name), field, watch.part(k / len(files), (k + 1) / len(files)))
        text = "\n".join(lines.lines)
        symbols = cut(text, data.symbol)
        if not symbols:
            raise DataError(f"the text is empty; {lines.place}; fill it in, or take the file out")
        size += len(text)
        if size > LARGEST:
            raise DataError(f"its files hold more than {LARGEST >> 20} MB; {place}; take some of them out")
        digest.update(f"{label.name}/{name.name}\0{lines.sha256}\n".encode("utf-8", "surrogateescape"))
        found.append((symbols, clean_line(label.name)))
    whole = Lines(title, str(folder), place, digest.hexdigest(), ())
    return Sequences(whole, [text for text, _ in found], [(label,) for _, label in found], [0] * len(found))


def _visible(folder: Path, place: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        reason = clean_line(error.strerror or str(error)).lower()
        raise DataError(f"a folder can't be read ({reason}); {place}; check its permissions") from None

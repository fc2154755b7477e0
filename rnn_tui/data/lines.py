"""Files of lines and of columns: read whole, safely, every fault with the number of its line."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psutil

from rnn_tui.data.builtin import builtin_text
from rnn_tui.data.catalog import resolved
from rnn_tui.data.source import CHUNK, BytesSource, DataError, FileSource, Source, Watch
from rnn_tui.symbols import clean_line

LARGEST = 2**28
"""Bytes of the largest file that is read whole."""
ENOUGH = 2**25
"""Bytes of memory that are not asked about."""
EXAMPLE = "builtin:example"
# Of those that cut equally many lines alike the first is taken: commas stand in texts and in
# numbers too, semicolons and bars in texts, tabs in neither.
_SEPARATORS = {"\t": "a tab", ";": "a semicolon", "|": "a bar", ",": "a comma"}
# What takes memory until all of it is numbers, in bytes: of each byte read, each line and each field.
PER_BYTE, PER_LINE, PER_FIELD = 30, 300, 150
# A field longer than this is a quotation mark that is never closed.
LONGEST_FIELD = 1_000_000
MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file, without their ends."""

    title: str
    where: str
    """The path or built-in name."""
    place: str
    """Path or name for messages, with the field that named it."""
    sha256: str
    lines: tuple[str, ...]

    def error(self, number: int, what: str, remedy: str) -> DataError:
        """A fault of the line of that number, counted from 1."""
        return DataError(f"{what}; line {number:,} of {self.place}; {remedy}")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equally many fields."""

    lines: Lines
    separator: str
    header: tuple[str, ...]
    """Names of the columns; empty where the first row is data."""
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    """The line on which each row begins, counted from 1."""

    def error(self, row: int, what: str, remedy: str) -> DataError:
        """A fault of a row, counted from 0: it names the line."""
        return self.lines.error(self.numbers[row], what, remedy)

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else len(self.header)

    def column(self, asked: str, field: str) -> int:
        """The column of a name, or of a number from 0 (negative: from the end). Raises DataError naming those there."""
        asked = asked.strip()
        if asked in self.header:
            return self.header.index(asked)
        try:
            k = int(asked)
        except ValueError:
            there = (
                clean_line(", ".join(self.header))[:200] if self.header else f"0 to {self.width - 1} (it has no header)"
            )
            raise DataError(
                f"there is no column {asked[:40]!r}; {field}, {self.lines.place}; there are {there}"
            ) from None
        if not -self.width <= k < self.width:
            raise DataError(f"there is no column {k}; {field}, {self.lines.place}; it has {self.width}, counted from 0")
        return k % self.width


def read_lines(
    path: str, field: str, watch: Watch, example: Callable[[], bytes] | None = None, title: str = "example"
) -> Lines:
    """All lines of a UTF-8 file, plain or gzip, or of what is built in. `example` makes `builtin:example`.

    Raises DataError; for bytes that are no UTF-8, and for a NUL, with the line's number.
    """
    source = _source(path, field, example, title)
    try:
        pieces, size, newlines = [], 0, 0
        least = source.size if isinstance(source, FileSource) else 0
        for piece, share in source.chunks(CHUNK):
            watch.at(share, "reading", source.title)
            pieces.append(piece)
            size += len(piece)
            if max(size, least) > LARGEST:
                raise DataError(f"it is larger than {LARGEST >> 20} MB; {source.place}; take a part of it")
            newlines += piece.count(b"\n") + piece.count(b"\r")
            _check_memory(PER_BYTE * size + PER_LINE * newlines, source.place)
        whole = b"".join(pieces)
    finally:
        source.close()
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = whole.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"byte 0x{whole[error.start]:02x} is not UTF-8; line {line:,} of {source.place}; "
            "convert it: iconv -f latin1 -t UTF-8 OLD > NEW"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"it holds a NUL, so it is no text; line {line:,} of {source.place}; name a text file")
    # Only line ends end a line: str.splitlines would also cut at form feeds and the like.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if not any(line.strip() for line in lines):
        raise DataError(f"the file has no line with anything on it; {source.place}; name another")
    return Lines(source.title, source.where, source.place, hashlib.sha256(whole).hexdigest(), tuple(lines))


def _check_memory(needed: int, place: str) -> None:
    """Raises DataError before more memory is used up than is free."""
    free = int(psutil.virtual_memory().available)
    if needed > ENOUGH and needed > free:
        raise DataError(
            f"reading it takes up to {needed >> 20:,} MB of memory, {free >> 20:,} MB are free; {place}; "
            "take a part of it"
        )


def _source(path: str, field: str, example: Callable[[], bytes] | None, title: str) -> Source:
    if path == EXAMPLE and example is not None:
        made = example()
        return BytesSource(title, EXAMPLE, made, hashlib.sha256(made).hexdigest())
    if path.startswith("builtin:"):
        text = builtin_text(path)
        return BytesSource(text.title, path, text.data, text.sha256, text.notice)
    if not path.strip():
        raise DataError(f"no file is named; {field}; name one, or {EXAMPLE}")
    return FileSource(resolved(path), field)


def read_table(lines: Lines, separator: str = "", header: bool | None = None) -> Table:
    """The fields of every line, quoted as in CSV (not between tabs); empty lines are passed over.

    Without a `separator` the one is taken that cuts the first lines into equally many fields.
    Without `header` the first row is one where its fields are all different words, and a column
    below one of them is all numbers, or one of them is a usual name and no field below it.
    Raises DataError for a row of another number of fields, with its line.
    """
    separator = separator or _separator(lines)
    _check_memory(PER_FIELD * sum(line.count(separator) for line in lines.lines), lines.place)
    rows: list[tuple[str, ...]] = []
    numbers: list[int] = []
    begin = 1
    csv.field_size_limit(LONGEST_FIELD)
    ended = (line + "\n" for line in lines.lines)
    reader = csv.reader(ended, delimiter=separator, strict=True, quoting=_quoting(separator))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise lines.error(begin, f"the fields can't be told apart ({error})", "mend its quotation marks") from None
        if any(cell.strip() for cell in cells):
            rows.append(tuple(cell.strip("\n") for cell in cells))
            numbers.append(begin)
        begin = reader.line_num + 1
        if len(cells) > MOST_COLUMNS:
            raise lines.error(
                numbers[-1] if numbers else 1, f"it has {len(cells):,} fields, at most {MOST_COLUMNS:,} are read",
                f"take some of its columns (fields are separated by {_SEPARATORS.get(separator, repr(separator))})",
            )  # fmt: skip
    if not rows:
        raise lines.error(1, "every field is empty", "name a file with something in its columns")
    width = len(rows[0])
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != width:
            raise lines.error(
                number, f"it has {len(row)} field{'s' * (len(row) != 1)}, the first line has {width}",
                f"mend the line (fields are separated by {_SEPARATORS.get(separator, repr(separator))})",
            )  # fmt: skip
    named = looks_like_header(rows) if header is None else header
    if named:
        return Table(lines, separator, tuple(cell.strip() for cell in rows[0]), tuple(rows[1:]), tuple(numbers[1:]))
    return Table(lines, separator, (), tuple(rows), tuple(numbers))


def _quoting(separator: str) -> Literal[0, 3]:
    """Between tabs a quotation mark is a sign like others: pairs of sentences begin with it."""
    return csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL


def _separator(lines: Lines) -> str:
    """What cuts the first lines into equally many fields, and most; a comma where nothing does."""
    first = [line for line in lines.lines[:200] if line.strip()][:50]
    best, most = ",", 0
    for separator in _SEPARATORS:
        try:
            widths = [len(row) for row in csv.reader(first, delimiter=separator, quoting=_quoting(separator))]
        except csv.Error:
            continue
        common = max(set(widths), key=widths.count, default=0)
        score = widths.count(common) * (common > 1)
        if score > most:
            best, most = separator, score
    return best


_NAMES = frozenset(
    (
        "label", "labels", "class", "category", "target", "text", "sentence", "name", "word", "token", "tag",
        "tags", "source", "src", "tgt", "date", "time", "month", "year", "day", "value", "values", "id", "language",
        "lang", "surname", "review", "sentiment",
    )
)  # fmt: skip


def looks_like_header(rows: list[tuple[str, ...]]) -> bool:
    """Whether the first of these rows names the columns."""
    first = [cell.strip() for cell in rows[0]]
    if len(rows) < 2 or len(set(first)) < len(first) or any(is_number(cell) or not cell for cell in first):
        return False
    below = rows[1:51]
    # What comes again below in its column is no name of it.
    if any(cell.lower() in _NAMES and cell not in {row[k].strip() for row in below} for k, cell in enumerate(first)):
        return True
    return any(all(is_number(row[k]) for row in below) for k in range(len(first)))


def is_number(text: str) -> bool:
    """Whether a field is a finite number, NaN and infinity included as the words they are written with."""
    try:
        float(text)
    except ValueError:
        return False
    return True

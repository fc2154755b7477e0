"""A series of numbers, read from columns of a table: its values, its times, and every fault with its line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import DataConfig, split_percent
from rnn_tui.data.lines import EXAMPLE, Table, read_lines, read_table
from rnn_tui.data.sequences import DOUBLING, doubling, example
from rnn_tui.data.source import DataError, Watch
from rnn_tui.symbols import clean_line

Values = NDArray[np.float64]

# What float() takes besides (1_000, other scripts' digits) is a slip in a table more often than a number.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?\d[\d.]*,[\d,]+", re.ASCII)
_MISSING = frozenset(("", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity", "-infinity", "?", "-"))
_LONGEST_NAME = 40
_EVERY = 4096


@dataclass(frozen=True, eq=False)
class Stretch:
    """Rows of numbers in the order of time, from one file."""

    title: str
    """Its name as a person reads it, safe for a screen."""
    where: str
    """The absolute path or built-in name."""
    sha256: str
    columns: tuple[str, ...]
    """(F): safe for a screen, each another."""
    values: Values
    """(N, F)"""
    times: tuple[str, ...]
    """(N): the first column where that is no value that is read, else the row's number from 0."""
    preview: str
    notices: tuple[str, ...] = ()


def read_stretch(data: DataConfig, field: str, watch: Watch, like: Stretch | None = None) -> Stretch:
    """The series in the file that `field` (`path`, `validation_path`, `test_path`) of the configuration names.

    `like`: the main file's, whose columns this one must have. Raises DataError, one sentence.
    """
    table = _table(getattr(data, field), f"data.{field}", watch.part(0.0, 0.4))
    if not table.rows:
        raise DataError(f"it has a header and no row of numbers; {table.lines.place}; add rows, or name another file")
    if not any(_numeric(table.rows, k) for k in range(table.width)):
        raise table.error(
            0, f"no column is numbers, this row holds {_quoted(table.rows[0][0])}",
            "name a file with a column of numbers, with a decimal point",
        )  # fmt: skip
    asked = data.columns.split(",") if data.columns.strip() else []
    if like is not None and table.header and not asked:
        asked = list(like.columns)
    which, dated, notices = _columns(table, asked)
    if like is not None and len(which) != len(like.columns):
        raise DataError(
            f"it has {len(which)} column{'s' * (len(which) != 1)} of numbers, {like.title} has {len(like.columns)}; "
            f"{table.lines.place}; give it the same columns"
        )
    stretch = watch.part(0.4, 1.0)
    values = np.empty((len(table.rows), len(which)))
    for j, k in enumerate(which):
        part = stretch.part(j / len(which), (j + 1) / len(which))
        values[:, j] = _numbers(table, k, lambda share, part=part: part.at(share, "reading", table.lines.title))  # type: ignore[misc]
    rows = table.rows
    times = tuple(_shown(row[0]) for row in rows) if dated else tuple(str(k) for k in range(len(rows)))
    return Stretch(
        title=table.lines.title, where=table.lines.where, sha256=table.lines.sha256,
        columns=like.columns if like is not None else _names(table, which), values=values, times=times,
        preview=_preview(table), notices=(*notices, *_blank(table)),
    )  # fmt: skip


def borders(rows: int, data: DataConfig, *, own_validation: bool, own_test: bool) -> tuple[int, int]:
    """The rows at which validation and test begin: contiguous parts, each its percent rounded down, the rest to the
    last that has any. The percent of a part with a file of its own goes to training.
    """
    train, validation, test = split_percent(data.split)
    if own_validation:
        train, validation = train + validation, 0.0
    if own_test:
        train, test = train + test, 0.0
    first, second = int(rows * train / 100), int(rows * train / 100) + int(rows * validation / 100)
    if not test:
        second = rows
    return (rows if not validation and not test else first), second


def scaler(values: Values) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Mean and standard deviation (F) of the training part's (N, F), and which columns are constant: their std is 1.

    A std is infinite or NaN where the numbers are too large for their squares.
    """
    # What overflows is infinite, and refused by who scales with it.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = values.mean(axis=0), values.std(axis=0)
    constant = std <= 1e-12 * np.abs(values).max(axis=0)
    return mean, np.where(constant, 1.0, std), constant


def _table(path: str, field: str, watch: Watch) -> Table:
    """The file's fields, its first row as the header where none of it is a number and some column below is."""
    made, title = (doubling, "doubling") if path == DOUBLING else (example, "example")
    lines = read_lines(EXAMPLE if path == DOUBLING else path, field, watch, example=made, title=title)
    if path == DOUBLING:
        lines = replace(lines, where=path, place=path)
    table = read_table(lines, header=False)
    first, below = [cell.strip() for cell in table.rows[0]], table.rows[1:]
    # A first row whose only fault is a missing value is data: it must not vanish as a header.
    columns = [k for k, cell in enumerate(first) if cell.lower() not in _MISSING]
    if any(_looks(cell) for cell in first) or (below and not any(_numeric(below, k) for k in columns)):
        return table
    header = tuple(cell or str(k) for k, cell in enumerate(first))
    return replace(table, header=header, rows=below, numbers=table.numbers[1:])


def _columns(table: Table, asked: list[str]) -> tuple[list[int], bool, list[str]]:
    """Numbers of the columns that are read; whether the first gives the times; what to tell about the choice."""
    if asked:
        which = [table.column(name, "data.columns") for name in asked]
        if len(set(which)) < len(which):
            raise DataError(f"a column is named twice: {_quoted(','.join(asked))}; data.columns; name each once")
        return which, 0 not in which and (not _numeric(table.rows, 0) or _counts_up(table)), []
    which = [k for k in range(table.width) if _numeric(table.rows, k)]
    notices = []
    dated = which[0] != 0
    if len(which) > 1 and not dated and _counts_up(table):
        which, dated = which[1:], True
        notices.append(
            f"column {_name(table, 0)} counts up evenly and is shown as the time; "
            "data.columns can name it to have it read"
        )
    left = [_name(table, k) for k in range(1, table.width) if k not in which]
    if left:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        notices.append(f"not read, since its fields are no numbers: {shown}")
    return which, dated, notices


def _counts_up(table: Table) -> bool:
    """Whether the first column is numbers that grow by the same step from row to row: an index or years."""
    cells = [row[0].strip() for row in table.rows]
    if len(cells) < 3 or not all(_NUMBER.fullmatch(cell) for cell in cells):
        return False
    steps = np.diff(np.array(cells, np.float64))
    return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def _looks(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _WITH_COMMA.fullmatch(cell))


def _numeric(rows: tuple[tuple[str, ...], ...], k: int) -> bool:
    """Whether a column is meant as numbers: most of what its fields hold looks like one."""
    held = [cell for cell in (row[k].strip() for row in rows) if cell.lower() not in _MISSING]
    return bool(held) and 2 * sum(map(_looks, held)) > len(held)


def _numbers(table: Table, k: int, at: Callable[[float], None]) -> Values:
    """One column, (N). Raises DataError for the first field that is no finite number."""
    found = np.empty(len(table.rows))
    for n, row in enumerate(table.rows):
        cell = row[k].strip()
        value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
        if not math.isfinite(value):
            raise table.error(n, f"column {_name(table, k)} {_fault(cell)}", _remedy(cell))
        found[n] = value
        if n % _EVERY == 0:
            at(n / len(table.rows))
    return found


def _fault(cell: str) -> str:
    if not cell:
        return "is empty"
    if _WITH_COMMA.fullmatch(cell):
        return f"holds {_quoted(cell)}, a number with a comma"
    if cell.lower() in _MISSING or _NUMBER.fullmatch(cell):
        return f"holds {_quoted(cell)}, which is no finite number"
    return f"holds {_quoted(cell)}, which is no number"


def _remedy(cell: str) -> str:
    if _WITH_COMMA.fullmatch(cell):
        return "write a decimal point, and no commas between thousands"
    if cell.lower() in _MISSING:
        return "fill in a value, or cut the series there"
    return "mend it, or name other columns in data.columns"


def _blank(table: Table) -> list[str]:
    """A notice of empty lines between the rows: each may be a value that is missing."""
    lines, numbers = table.lines.lines, table.numbers
    found = [n for n in range(numbers[0], numbers[-1]) if not lines[n - 1].strip()]
    if not found:
        return []
    more = f" and {len(found) - 1:,} more empty lines are" if len(found) > 1 else " is empty and"
    return [f"line {found[0]:,} of {table.lines.title}{more} passed over, as if no time had gone by"]


def _names(table: Table, which: list[int]) -> tuple[str, ...]:
    names = [_name(table, k) for k in which]
    times = Counter(names)
    return tuple(f"{name} {k}" if times[name] > 1 else name for name, k in zip(names, which, strict=True))


def _name(table: Table, k: int) -> str:
    return clean_line(table.header[k])[:_LONGEST_NAME] if table.header else str(k)


def _shown(cell: str) -> str:
    return clean_line(cell.strip())[:_LONGEST_NAME]


def _quoted(cell: str) -> str:
    shown = clean_line(cell.strip()[:31])
    return f"'{shown[:30]}...'" if len(shown) > 30 else f"'{shown}'"


def _preview(table: Table) -> str:
    """The first rows in columns."""
    rows = [row for row in (table.header, *table.rows[:12]) if row]
    cells = [[clean_line(cell.strip())[:16] for cell in row[:8]] for row in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )

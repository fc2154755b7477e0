from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.data.lines import Lines, looks_like_header, read_lines, read_table
from rnn_tui.data.source import DataError, Watch

WATCH = Watch(lambda share, doing: None, lambda: False)


def lines_of(text: str) -> Lines:
    return Lines("a.csv", "/tmp/a.csv", "data.path /tmp/a.csv", "", tuple(text.removesuffix("\n").split("\n")))


def read(folder: Path, data: bytes, name: str = "a.csv") -> Lines:
    path = folder / name
    path.write_bytes(data)
    return read_lines(str(path), "data.path", WATCH)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_at_line_ends_alone(tmp_path: Path, end: bytes) -> None:
    data = end.join([b"\xef\xbb\xbfone\x0ctwo", b"", "drei\u2028 vier".encode(), b""])
    found = read(tmp_path, data)
    assert found.lines == ("one\x0ctwo", "", "drei\u2028 vier")
    assert (found.title, found.sha256) == ("a.csv", hashlib.sha256(data).hexdigest())


def test_gzip_is_read_and_named_by_its_content(tmp_path: Path) -> None:
    found = read(tmp_path, gzip.compress(b"a,b\n"), "a.csv.gz")
    assert found.lines == ("a,b",) and found.sha256 == hashlib.sha256(b"a,b\n").hexdigest()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\ntwo\nd\xe9j\xe0\n", "byte 0xe9 is not UTF-8; line 3 of data.path"),
        (b"one\r\ntw\0o\r\n", "it holds a NUL, so it is no text; line 2 of data.path"),
        (b" \n\t\n", "the file has no line with anything on it; data.path"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, data)


def test_reading_can_be_cancelled_and_a_file_must_be_named() -> None:
    with pytest.raises(DataError, match=r"no file is named; data.path; name one, or builtin:example"):
        read_lines(" ", "data.path", WATCH)
    with pytest.raises(DataError, match="cancelled"):
        read_lines("builtin:sentences", "data.path", Watch(lambda share, doing: None, lambda: True))


def test_the_example_is_what_the_task_makes() -> None:
    found = read_lines("builtin:example", "data.path", WATCH, lambda: b"a\nb\n", "Letters")
    assert (found.title, found.place, found.lines) == ("Letters", "builtin:example", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "separator", "rows"),
    [
        ("a,1\nb,2\n", ",", [("a", "1"), ("b", "2")]),
        ("Go, now!\tVa !\nHi, you\tSalut\n", "\t", [("Go, now!", "Va !"), ("Hi, you", "Salut")]),
        ('"Hi", he said.\tA\nNo "\tB\n', "\t", [('"Hi", he said.', "A"), ('No "', "B")]),
        ("1,5;2,5\n3,5;4,5\n", ";", [("1,5", "2,5"), ("3,5", "4,5")]),
        ("a|b|c\nd|e|f\n", "|", [("a", "b", "c"), ("d", "e", "f")]),
        ('"a, b","say ""no"""\n"two\nlines",d\n', ",", [("a, b", 'say "no"'), ("two\nlines", "d")]),
        ("one column\nand no more\n", ",", [("one column",), ("and no more",)]),
    ],
)
def test_the_separator_is_the_one_that_cuts_lines_alike(text: str, separator: str, rows: list[object]) -> None:
    table = read_table(lines_of(text))
    assert (table.separator, list(table.rows), table.header) == (separator, rows, ())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("Month", "Passengers"), ("1949-01", "112")], True),
        ([("text", "label"), ("so good", "yes")], True),
        ([("Adsit", "Czech"), ("Ajdrna", "Czech")], False),
        ([("1949-01", "112"), ("1949-02", "118")], False),
        ([("x", "x"), ("1", "2")], False),
        ([("x", "y"), ("1", "2")], True),
        ([("a", "x"), ("b", "y")], False),
        ([("word", "day"), ("mot", "jour")], True),
        ([("word", "class"), ("word", "kind"), ("a", "class")], False),
        ([("text", "label")], False),
        ([("a", ""), ("1", "2")], False),
    ],
)
def test_a_header_names_columns(rows: list[tuple[str, ...]], expected: bool) -> None:
    assert looks_like_header(rows) is expected


def test_rows_know_the_line_on_which_they_begin() -> None:
    table = read_table(lines_of('name,kind\n\n"two\nlines",x\n  \nb,y\n'))
    assert (table.header, table.rows, table.numbers) == (("name", "kind"), (("two\nlines", "x"), ("b", "y")), (3, 6))
    assert str(table.error(1, "it is bad", "mend it")) == "it is bad; line 6 of data.path /tmp/a.csv; mend it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nc,d\ne\n", r"^it has 1 field, the first line has 2; line 3 of .*separated by a comma\)$"),
        ("a;b\nc;d\n\ne;f;g\n", r"^it has 3 fields, the first line has 2; line 4 of .*separated by a semicolon\)$"),
        ('a,b\n"c,d\ne,f\n', r"can't be told apart \(.*\); line 2 of .*mend its quotation marks"),
        (",\n , \n", "^every field is empty; line 1 of"),
    ],
)
def test_rows_that_are_no_rows_are_told_with_their_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(lines_of(text))


def test_columns_are_found_by_name_and_by_number() -> None:
    table = read_table(lines_of("text,label\na,b\n"))
    assert [table.column(asked, "data.columns") for asked in ("text", " label", "0", "-1")] == [0, 1, 0, 1]
    with pytest.raises(DataError, match=r"no column 'labl'; data.label_column, .*; there are text, label"):
        table.column("labl", "data.label_column")
    with pytest.raises(DataError, match=r"no column 2; data.columns, .*; it has 2, counted from 0"):
        table.column("2", "data.columns")
    with pytest.raises(DataError, match="there are 0 to 1"):
        read_table(lines_of("a,b\nc,d\n")).column("text", "data.columns")


cell = st.text(st.characters(exclude_characters="\r\0", exclude_categories=("Cs",)), max_size=8)


@given(st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=8))
def test_every_csv_that_python_writes_is_read_back(rows: list[tuple[str, str, str]]) -> None:
    import csv
    import io

    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    kept = [tuple(text.strip("\n") for text in row) for row in rows if any(text.strip() for text in row)]
    lines = lines_of(written.getvalue())
    if not kept:
        with pytest.raises(DataError, match="every field is empty"):
            read_table(lines, ",", header=False)
        return
    assert list(read_table(lines, ",", header=False).rows) == kept

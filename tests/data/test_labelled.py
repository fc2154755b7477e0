from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rnn_tui.config import DataConfig
from rnn_tui.data.examples import Dataset
from rnn_tui.data.labelled import cut, read_labelled
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.surnames import NAMES, surnames

WATCH = Watch(lambda share, doing: None, lambda: False)
ROWS = "so good,pos\nso bad,neg\nfine,pos\nawful,neg\n"


def read(folder: Path, text: str, **fields: Any) -> Dataset:
    (folder / "a.csv").write_bytes(text.encode())
    return read_labelled(DataConfig(task="classification", path=str(folder / "a.csv"), **fields), WATCH)


def pairs(data: Dataset, part: str = "train") -> list[tuple[str, str]]:
    """Every text and its label, back from their numbers."""
    examples, coding = getattr(data, part), data.coding
    joined = " " if coding.symbol == "word" else ""
    return [
        (joined.join(coding.inputs[s] for s in examples.read(k)), coding.outputs[int(examples.asked(k)[0])])
        for k in range(len(examples))
    ]


FOUR = [("awful", "neg"), ("fine", "pos"), ("so bad", "neg"), ("so good", "pos")]


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "text,label\r\n" + ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\n\n"),
        ROWS.replace(",", "\t"),
        ROWS.replace(",", " ; "),
        '"so good","pos"\n"so bad","neg"\n"fine","pos"\nawful,neg\n',
        "1,all,pos,so good\n2,all,neg,so bad\n3,all,pos,fine\n4,all,neg,awful\n",
    ],
)
def test_texts_and_labels_are_read_however_they_are_set_apart(tmp_path: Path, text: str) -> None:
    data = read(tmp_path, text, split="100/0/0")
    assert sorted(pairs(data)) == FOUR
    assert data.coding.outputs == ("neg", "pos") and data.coding.inputs[:2] == ("<pad>", "<unk>")
    assert data.view.outputs == 2 and data.view.unit == "texts" and data.view.task == "classification"
    assert data.view.preview.splitlines()[0].split(maxsplit=1) == list(pairs(data)[0][::-1])


def test_columns_are_named_and_else_guessed_and_told(tmp_path: Path) -> None:
    text = "a,mood,kind\nx y,glad,1\nx z,sad,1\ny,glad,2\nw,glad,3\n"
    assert {label for _, label in pairs(read(tmp_path, text, split="100/0/0"))} == {"glad", "sad"}
    found = read(tmp_path, text, columns="a", label_column="kind", split="100/0/0")
    assert found.coding.outputs == ("1", "2", "3") and ("y", "2") in pairs(found)
    found = read(tmp_path, text, columns="mood", label_column="-1", split="100/0/0")
    assert ("sad", "1") in pairs(found) and not any("column" in notice for notice in found.view.notices)
    assert "texts are column 'a', labels column 'mood'" in read(tmp_path, text).view.notices


def test_words_are_cut_by_the_plain_rule(tmp_path: Path) -> None:
    data = read(tmp_path, '"It\'s so good, so!",a\n"x\ny",b\n', symbol="word", split="100/0/0")
    assert sorted(pairs(data)) == [("It's so good , so !", "a"), ("x y", "b")]
    assert data.coding.symbol == "word"
    assert cut(" a b ", "character") == "a b" and cut(" ", "word") == []


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        (
            "so good\nso bad\n",
            {},
            r"^there is one column only; line 1 of data.path .*; a text and its label are needed",
        ),
        ("a:x\nb:y\n", {}, r"^there is one column only; line 1 of"),
        ("a,x\nb,y\nc\n", {}, r"^it has 1 field, the first line has 2; line 3 of"),
        ("a,x\nb,x\n\nc,x\nd,x\n", {}, r"^there is one label only, 'x', so .*; lines 1 to 5 of data.path .*; name"),
        ("a,x\nb,y\n,x\n", {}, r"^the text is empty \(column 0\); line 3 of data.path"),
        ("a,x\nb,y\nc,\nd,x\ne,y\n", {}, r"^the label is empty \(column 1\); line 3 of data.path"),
        ("text,label\na,x\nb,y\n  ,x\n", {}, r"^the text is empty \(column 'text'\); line 4 of"),
        ("a,x\nb,y\nc,z\nd,w\n", {}, r"^no column looks like labels: column \d has the fewest kinds, 4 in 4 lines;"),
        (ROWS, {"label_column": "2"}, r"^there is no column 2; data.label_column, data.path .*; it has 2, counted"),
        (ROWS, {"label_column": "label"}, r"^there is no column 'label'; data.label_column.*there are 0 to 1 \(it"),
        ("text,label\n" + ROWS, {"columns": "txt"}, r"^there is no column 'txt'; .*; there are text, label$"),
        (ROWS, {"columns": "1", "label_column": "1"}, r"^texts and labels are the same column, 1; data.columns and"),
        (ROWS, {"columns": "0,1"}, r"^one column holds the texts; data.columns '0,1'; name it alone$"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, fields: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, text, **fields)
    assert "\n" not in str(caught.value)


def test_a_file_sorted_by_label_is_shuffled_whole(tmp_path: Path) -> None:
    text = "".join(f"a{k},{k // 50}\n" for k in range(200))
    (tmp_path / "v.csv").write_text(text)
    data = read(tmp_path, text, split="80/10/10", validation_path=str(tmp_path / "v.csv"))
    assert [part.length for part in data.view.parts] == [180, 200, 20]
    # The first of them, which a validation during training reads, are of all kinds.
    assert len({label for _, label in pairs(data, "validation")[:40]}) == 4
    assert Counter(label for _, label in pairs(data, "validation")) == {str(k): 50 for k in range(4)}
    assert data.sha256 == hashlib.sha256(text.encode()).hexdigest() == data.view.sha256


def test_gzip_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    data = read_labelled(DataConfig(task="classification", path=str(tmp_path / "a.csv.gz"), split="100/0/0"), WATCH)
    assert sorted(pairs(data)) == FOUR and data.title == "a.csv.gz"


def folder_of(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / "texts"


def test_a_folder_holds_a_folder_for_each_label(tmp_path: Path) -> None:
    made = folder_of(
        tmp_path,
        {
            "pos/1.txt": "so good\n", "pos/2.txt.gz": gzip.compress(b"fine\n"), "neg/1.txt": "so\r\nbad",
            "neg/2.txt": "awful", "neg/.hidden": "x", "README": "of no label", ".git/x": "no label", "neg/in/x": "x",
        },
    )  # fmt: skip
    data = read_labelled(DataConfig(task="classification", path=str(made), split="100/0/0"), WATCH)
    assert sorted(pairs(data)) == sorted((text.replace("so bad", "so\nbad"), label) for text, label in FOUR)
    assert data.title == "texts" and data.source == str(made)
    before = data.sha256
    (made / "neg" / "2.txt").write_text("awfuL")
    after = read_labelled(DataConfig(task="classification", path=str(made)), WATCH)
    assert before != after.sha256 and len(before) == 64


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": "x"}, r"^the folder has no folders with texts in them; data.path .*; make one folder"),
        ({"a/1.txt": "x", "a/2.txt": "y"}, r"^there is one label only, 'a', so there is nothing to tell apart; data"),
        ({"a/1.txt": "x", "b/2.txt": "\n\n"}, r"^the file has no line with anything on it; data.path .*b/2.txt"),
        ({"a/1.txt": "x", "b/2.txt": b"ok\n\xff"}, r"^byte 0xff is not UTF-8; line 2 of data.path .*b/2.txt"),
        ({"a/1.txt": "x", "b/2.txt": ""}, r"^the file is empty; data.path .*b/2.txt"),
    ],
)
def test_what_is_wrong_in_a_folder_names_the_file(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelled(DataConfig(task="classification", path=str(folder_of(tmp_path, files))), WATCH)


def test_reading_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    told: list[float] = []
    (tmp_path / "a.csv").write_text(ROWS)
    config = DataConfig(task="classification", path=str(tmp_path / "a.csv"))
    read_labelled(config, Watch(lambda share, doing: told.append(share), lambda: False))
    assert told == sorted(told) and told[0] >= 0 and 0.5 < told[-1] <= 1
    with pytest.raises(DataError, match="cancelled"):
        read_labelled(config, Watch(lambda share, doing: None, lambda: len(told) > 0))


def test_the_example_is_of_six_languages_without_a_name_twice() -> None:
    data = read_labelled(DataConfig(task="classification", path="builtin:example"), WATCH)
    rows = [row.split(",") for row in surnames().splitlines()[1:]]
    assert len(rows) == NAMES == len({name for name, _ in rows}) == sum(part.length for part in data.view.parts)
    assert len(data.coding.outputs) == 6 and min(Counter(of for _, of in rows).values()) > 100
    # One of the two languages with the same syllables keeps its vowels in harmony.
    mixed = {of: sum(bool(set(name) & set("aou")) and bool(set(name) & set("äöy")) for name, o in rows if o == of)
             for of in ("Ilmari", "Tolnai")}  # fmt: skip
    assert mixed["Ilmari"] == 0 and mixed["Tolnai"] > 100

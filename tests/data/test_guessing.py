from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest

from rnn_tui.config import DataConfig
from rnn_tui.data.guessing import guess
from rnn_tui.data.labelled import read_labelled
from rnn_tui.data.newspaper import newspaper
from rnn_tui.data.sentences import sentences
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.surnames import surnames
from rnn_tui.data.tagged import read_tagged
from rnn_tui.views import Guess

WATCH = Watch(lambda share, doing: None, lambda: False)
DRAWS = random.Random(4)
WORDS = "the a small old red baker goat river sings finds waits near under with many songs".split()  # noqa: SIM905


def prose(words: int) -> str:
    return " ".join(DRAWS.choices(WORDS, k=words)).capitalize() + "."


REVIEWS = [(prose(12), DRAWS.choice(("good", "bad"))) for _ in range(60)]
PAIRS = [(prose(4), prose(5)) for _ in range(60)]
NAMES = [(name, of) for name, of in (row.split(",") for row in surnames().splitlines()[1:80])]
CONLL_U = "\n".join(
    "\t".join([str(k), w, w, DRAWS.choice(("NOUN", "VERB")), "_", "_", "0", "x", "_", "_"]) if k else ""
    for _ in range(8)
    for k, w in enumerate(["", *WORDS[:6]])
)

FILES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "prose": (sentences(4000), "language", {"data.symbol": "character"}),
    "poem of two words a line": ("\n".join(" ".join(DRAWS.choices(WORDS, k=2)) for _ in range(50)) + "\n", "language",
                                 {"data.symbol": "character"}),
    "words cut before": ("the <unk> sings\nthe goat waits\n" * 20, "language", {"data.symbol": "word"}),
    "names": ("\n".join(name for name, _ in NAMES), "language", {"data.symbol": "character"}),
    "japanese": ("吾輩は猫である。名前はまだ無い。\r\n" * 30, "language", {"data.symbol": "character"}),
    "sums": ("".join(f"{a}+{a * 7}  _{a * 8}  \n" for a in range(10, 60)), "translation", {"data.symbol": "character"}),
    "pairs": ("".join(f"{a}\t{b}\n" for a, b in PAIRS), "translation",
              {"data.columns": "0,1", "data.symbol": "word"}),
    "pairs with their licence": ("".join(f"{a}\t{b}\tCC-BY 2.0 #{k // 2}\n" for k, (a, b) in enumerate(PAIRS)),
                                 "translation", {"data.columns": "0,1", "data.symbol": "word"}),
    "pairs with one licence": ("".join(f"{a}\t{b}\tCC-BY\n" for a, b in PAIRS), "translation",
                               {"data.columns": "0,1", "data.symbol": "word"}),
    "pairs with a header": ("english,french\n" + "".join(f'"{a}","{b}"\n' for a, b in PAIRS), "translation",
                            {"data.symbol": "word"}),
    "one source often": ("".join(f"{PAIRS[k // 3][0]}\t{b}\n" for k, (_, b) in enumerate(PAIRS)), "translation",
                         {"data.columns": "0,1", "data.symbol": "word"}),
    "series": ('"Month","Passengers"\r\n' + "".join(f'"19{k}-01",{k * k}\r\n' for k in range(49, 80)), "forecasting",
               {"data.columns": "Passengers"}),
    "series without a header": ("".join(f"{k / 7}\n" for k in range(40)), "forecasting", {"data.columns": "0"}),
    "two series and a count": ("t;high;low\n" + "".join(f"{k};{k * k},5;{-k}\n".replace(",", ".") for k in range(30)),
                               "forecasting", {"data.columns": "high,low"}),
    "series with holes": ("day,value\n" + "".join(f"2020-01-{k},{k % 5 or 'NaN'}\n" for k in range(10, 30)),
                          "forecasting", {"data.columns": "value"}),
    "labels": ("".join(f'"{text}",{label}\n' for text, label in REVIEWS), "classification",
               {"data.columns": "0", "data.label_column": "1", "data.symbol": "word"}),
    "labels first, numbers, a header": (
        "id\tstars\treview\n" + "".join(f"{k}\t{len(label)}\t{text}\n" for k, (text, label) in enumerate(REVIEWS)),
        "classification", {"data.columns": "review", "data.label_column": "stars", "data.symbol": "word"}),
    "names with labels": (surnames(), "classification",
                          {"data.columns": "surname", "data.label_column": "language", "data.symbol": "character"}),
    "names sorted by label": ("".join(f'"{name}","Czech"\r\n' for name, _ in NAMES), "classification",
                              {"data.columns": "0", "data.label_column": "1", "data.symbol": "character"}),
    "tags": (newspaper(), "tagging", {"data.columns": "0", "data.label_column": "-1"}),
    "tags with more columns": (newspaper().replace("\t", " NN x "), "tagging",
                               {"data.columns": "0", "data.label_column": "-1"}),
    "conll-u": (CONLL_U + "\n\n", "tagging", {"data.columns": "1", "data.label_column": "3"}),
}  # fmt: skip


def guessed(folder: Path, text: str, name: str = "file.txt") -> Guess:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return guess(str(folder / name))


@pytest.mark.parametrize("kind", FILES)
def test_each_kind_of_file_is_known_by_its_beginning(tmp_path: Path, kind: str) -> None:
    text, task, changes = FILES[kind]
    found = guessed(tmp_path, text)
    assert (found.task, dict(found.changes) | changes) == (task, dict(found.changes))
    assert found.why and "\n" not in found.why


def test_names_with_labels_can_also_be_composed(tmp_path: Path) -> None:
    assert guessed(tmp_path, surnames()).others == ("composing",)
    assert guessed(tmp_path, FILES["labels"][0]).others == ()


@pytest.mark.parametrize("kind", ["labels", "labels first, numbers, a header", "names with labels"])
def test_what_is_guessed_can_be_read(tmp_path: Path, kind: str) -> None:
    changes = {key.removeprefix("data."): value for key, value in guessed(tmp_path, FILES[kind][0]).changes.items()}
    data = read_labelled(DataConfig(task="classification", path=str(tmp_path / "file.txt"), **changes), WATCH)
    assert len(data.coding.outputs) == {"names with labels": 6}.get(kind, 2)


@pytest.mark.parametrize("kind", ["tags", "tags with more columns", "conll-u"])
def test_guessed_tags_can_be_read(tmp_path: Path, kind: str) -> None:
    changes = {key.removeprefix("data."): value for key, value in guessed(tmp_path, FILES[kind][0]).changes.items()}
    data = read_tagged(DataConfig(task="tagging", path=str(tmp_path / "file.txt"), **changes), WATCH)
    assert len(data.coding.outputs) == (2 if kind == "conll-u" else 5)


def test_only_the_beginning_of_a_long_file_is_looked_at(tmp_path: Path) -> None:
    tags = newspaper()
    assert guessed(tmp_path, tags * 20 + "and then\nno tags\n").task == "tagging"
    # The line that the look cuts off is left out, whole.
    assert guessed(tmp_path, "1.5,2.5\n" * 40_000).task == "forecasting"
    (tmp_path / "a.gz").write_bytes(gzip.compress(tags.encode()))
    assert guess(str(tmp_path / "a.gz")).task == "tagging"


def test_a_folder_of_folders_is_texts_with_labels(tmp_path: Path) -> None:
    for label in ("bad", "good", ".hidden"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.txt").write_text("so so")
    found = guess(str(tmp_path))
    assert (found.task, found.why) == ("classification", "a folder with 2 folders of texts: each is a label")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(DataError, match=r"^the folder has no folders with texts in them; data.path .*; name a file"):
        guess(str(tmp_path / "empty"))


def test_a_built_in_text_is_language() -> None:
    assert guess("builtin:sentences").task == "language"
    with pytest.raises(DataError, match="no such built-in text"):
        guess("builtin:nothing")
    with pytest.raises(DataError, match=r"^each task makes an example of its own; .*; choose data.task$"):
        guess("builtin:example")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^the file is empty; data.path"),
        ("a,b\n".encode("utf-16"), "^the text is UTF-16, not UTF-8; data.path"),
        (None, "^no such file; data.path"),
    ],
)
def test_what_can_not_be_read_is_told(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        guess(str(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"^no file is named"):
        guess(" ")


def test_bytes_that_are_no_utf8_are_a_text_still(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"d\xe9j\xe0 vu, he said\nand went home again\n")
    assert guess(str(tmp_path / "a.txt")).task == "language"

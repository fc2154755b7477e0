from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_tui.config import DataConfig
from rnn_tui.data.examples import Dataset
from rnn_tui.data.newspaper import SENTENCES, newspaper
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.tagged import read_tagged

WATCH = Watch(lambda share, doing: None, lambda: False)
TWO = "Anna\tB-PER\nsleeps\tO\n.\tO\n\nIn\tO\nBonn\tB-LOC\n"


def read(folder: Path, text: str, **fields: Any) -> Dataset:
    (folder / "a.conll").write_text(text, encoding="utf-8")
    return read_tagged(DataConfig(task="tagging", path=str(folder / "a.conll"), **fields), WATCH)


def pairs(data: Dataset, part: str = "train") -> list[list[tuple[str, str]]]:
    """The words and tags of every sentence, back from their numbers."""
    examples, coding = getattr(data, part), data.coding
    return [
        [(coding.inputs[w], coding.outputs[t]) for w, t in zip(examples.read(k), examples.asked(k), strict=True)]
        for k in range(len(examples))
    ]


SENTENCES_OF_TWO = [
    [("Anna", "B-PER"), ("sleeps", "O"), (".", "O")],
    [("In", "O"), ("Bonn", "B-LOC")],
]


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.replace("\t", " "),
        TWO.replace("\t", " \t\t "),
        TWO.replace("\n", "\r\n"),
        TWO.replace("\n\n", "\n\t\n \n"),
        "-DOCSTART-\tO\n\n# id = 1\n" + TWO.replace("\n\n", "\n\n# text = In Bonn\n"),
        "-DOCSTART- -X- O\n\n# sent_id 1 of 2\n" + TWO.replace("\t", " "),
        TWO.replace("\t", "\tNN\t_\t"),
    ],
)
def test_words_and_tags_are_read_however_they_are_set_apart(tmp_path: Path, text: str) -> None:
    data = read(tmp_path, text, split="100/0/0")
    assert sorted(pairs(data)) == sorted(SENTENCES_OF_TWO)
    assert data.coding.outputs == ("B-LOC", "B-PER", "O")
    assert data.coding.inputs[:2] == ("<pad>", "<unk>")
    assert data.view.preview.splitlines()[0].split() == ["Anna", "B-PER"]


def test_a_hash_is_a_word_where_it_has_a_tag(tmp_path: Path) -> None:
    assert pairs(read(tmp_path, "#\tO\nx\tB-X\n", split="100/0/0")) == [[("#", "O"), ("x", "B-X")]]
    assert pairs(read(tmp_path, "# O\nx B-X\n", split="100/0/0")) == [[("#", "O"), ("x", "B-X")]]


def test_conll_u_is_read_by_its_usual_columns(tmp_path: Path) -> None:
    def row(number: str, word: str, tag: str) -> str:
        return "\t".join([number, word, word.lower(), tag, "_", "_", "0", "root", "_", "_"]) + "\n"

    text = "# text = can't\n" + row("1-2", "can't", "_") + row("1", "ca", "AUX") + row("2", "n't", "PART")
    assert pairs(read(tmp_path, text, split="100/0/0")) == [[("ca", "AUX"), ("n't", "PART")]]
    found = pairs(read(tmp_path, text, split="100/0/0", columns="2", label_column="1"))
    assert found == [[("ca", "ca"), ("n't", "n't")]]


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("a\tO\nc\tO\nb\n", {}, r"^it has 1 field, most lines have 2, separated by tabs; line 3 of data.path .*; mend"),
        ("a O\n\nb O x\nc O\n", {}, r"^it has 3 fields, most lines have 2, separated by spaces; line 3 of"),
        ("a\n\nb\nc\n", {}, r"^there is no tag beside the word; line 1 of .*write WORD, a tab and TAG"),
        ("a,O\nb,X\n", {}, r"^there is no tag beside the word; line 1 of"),
        ("a\tO\n\nb\tO\n", {}, r"^there is one label only, 'O', .*; lines 1 to 3 of data.path .*; name another"),
        (TWO, {"columns": "2"}, r"^there is no column 2; data.columns, data.path .*; it has 2, counted from 0$"),
        (TWO, {"label_column": "tag"}, r"^there is no column 'tag'; data.label_column, .*there are 0 to 1"),
        (TWO, {"columns": "-1"}, r"^words and tags are the same column, 1; data.columns and data.label_column"),
        (TWO, {"columns": "0,1"}, r"^one column holds the words; data.columns '0,1'; name it alone"),
        ("# a\n# b\n", {}, r"^there is no tag beside the word|^it has no line with a word and a tag; data.path"),
        ("-DOCSTART- -X- O\n", {}, r"^it has no line with a word and a tag; data.path"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, fields: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, text, **fields)
    assert "\n" not in str(caught.value)


def test_signs_that_drive_a_terminal_reach_no_message_and_no_preview(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "a\t\x1b[31m\nb\t\x1b[31m\n")
    assert "\x1b" not in str(caught.value)
    assert "\x1b" not in read(tmp_path, "\x1b[2J\tA\nb\tB\n").view.preview


def many(count: int) -> str:
    return "\n".join(f"w{k}\tA\nw{k % 3}\t{'B' if k % 2 else 'A'}\n" for k in range(count))


def test_sentences_are_shuffled_always_alike_and_each_lies_in_one_part(tmp_path: Path) -> None:
    data = read(tmp_path, many(40), split="50/30/20")
    parts = [pairs(data, part) for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [20, 12, 8] == [part.length for part in data.view.parts]
    assert [part.start for part in data.view.parts] == [0, 20, 32]
    firsts = [data.extra.shown[part][k][0] for part in ("train", "validation", "test")
              for k in range(len(data.extra.shown[part]))]  # fmt: skip
    assert sorted(firsts) == sorted(f"w{k}" for k in range(40)) and firsts != [f"w{k}" for k in range(40)]
    again = read(tmp_path, many(40), split="50/30/20")
    assert pairs(again, "validation") == parts[1]
    assert "the sentences are shuffled, always in the same way, and then cut 50/30/20" in data.view.notices
    # Each is still told by the line on which it stands.
    for part in ("train", "validation", "test"):
        for words, number in zip(data.extra.shown[part], data.extra.numbers[part], strict=True):
            assert words[0] == f"w{(number - 1) // 3}"


@pytest.mark.parametrize(
    ("count", "split", "expected"),
    [(3, "90/5/5", [1, 1, 1]), (2, "90/10/0", [1, 1, 0]), (10, "90/5/5", [8, 1, 1]), (1, "90/10/0", [1, 0, 0]),
     (2, "90/5/5", [1, 1, 0]), (40, "95/5/0", [38, 2, 0]), (7, "0.1/50/49.9", [1, 4, 2])],
)  # fmt: skip
def test_no_part_with_a_percent_is_empty_where_there_is_enough(
    tmp_path: Path, count: int, split: str, expected: list[int]
) -> None:
    data = read(tmp_path, "\n".join(f"w{k}\tA\nv\tB\n" for k in range(count)), split=split)
    assert [part.length for part in data.view.parts] == expected


def test_files_of_their_own_are_read_with_the_words_of_training(tmp_path: Path) -> None:
    (tmp_path / "v.conll").write_text("Anna\tB-PER\nOtto\tB-ORG\nÜ2\tO\nnie\tO\nNIE\tO\n", encoding="utf-8")
    data = read(tmp_path, TWO, split="100/0/0", validation_path=str(tmp_path / "v.conll"))
    assert [part.length for part in data.view.parts] == [2, 1, 0]
    read_as = [word for word, _ in pairs(data, "validation")[0]]
    assert read_as == ["Anna", "<Unk>", "<unk1>", "<unk>", "<UNK>"]
    assert data.coding.outputs == ("B-LOC", "B-ORG", "B-PER", "O")
    assert "80.0% of the words of the validation part are <unk>" in data.view.notices
    assert "the training part has no label 'B-ORG', the validation part has" in data.view.notices
    with pytest.raises(DataError, match=r"^no such file; data.test_path "):
        read(tmp_path, TWO, test_path=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, ("w0", "w1", "w2", "w3", "w4", "w5")), ({"least_count": 2}, ("w0", "w1", "w2")),
     ({"vocabulary_size": 7}, ("w0", "w1")), ({"vocabulary_size": 2}, ())],
)  # fmt: skip
def test_the_vocabulary_is_the_frequent_words_of_training(
    tmp_path: Path, fields: dict[str, int], words: tuple[str, ...]
) -> None:
    data = read(tmp_path, many(6), split="100/0/0", **fields)
    assert data.coding.inputs == ("<pad>", "<unk>", "<Unk>", "<UNK>", "<unk1>", *words)
    # Words seen once teach what is unknown where nothing was cut.
    once = [] if fields else [data.coding.inputs.index(f"w{k}") for k in (3, 4, 5)]
    assert data.extra.once.tolist() == once
    assert data.view.vocabulary == len(data.coding.inputs)


def test_a_word_that_spells_padding_is_read_as_unknown(tmp_path: Path) -> None:
    data = read(tmp_path, "<pad>\tA\n<unk>\tB\n", split="100/0/0")
    assert [word for word, _ in pairs(data)[0]] == ["<unk1>", "<unk>"]


def test_the_example_has_names_that_only_their_neighbours_decide() -> None:
    data = read_tagged(DataConfig(task="tagging", path="builtin:example"), WATCH)
    assert newspaper().count("\n\n") + 1 == SENTENCES == sum(part.length for part in data.view.parts)
    assert data.coding.outputs == ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
    seen: dict[str, Counter[str]] = {}
    first: Counter[tuple[str, str]] = Counter()
    for sentence in pairs(data):
        for word, tag in sentence:
            seen.setdefault(word, Counter())[tag[2:]] += 1
        first[sentence[0]] += 1
    # Every name is a person and a place about equally often ...
    for name in ("Alder", "Marlow", "Whitby"):
        share = seen[name]["PER"] / seen[name].total()
        assert 0.3 < share < 0.7
        # ... also where it begins the sentence, so that nothing before it can tell.
        assert first[name, "B-PER"] > 3 and first[name, "B-LOC"] > 3
    assert data.view.longest == max(int(data.train.lengths.max()), int(np.max(data.validation.lengths)),
                                    int(np.max(data.test.lengths)))  # fmt: skip

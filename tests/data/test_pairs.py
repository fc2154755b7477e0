"""Files of pairs: how they are cut, coded and divided, and what is said of those that can't be used."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import DataConfig
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.data.dates import dates
from rnn_tui.data.examples import Dataset
from rnn_tui.data.pairs import SOURCE_SYMBOLS, TARGET_SYMBOLS, PairCoder, cut, joined, read_pairs
from rnn_tui.data.source import DataError, Watch

WATCH = Watch(lambda share, doing: None, lambda: False)
FRENCH = "Go.\tVa !\tCC-BY 1\nRun!\tCours !\tCC-BY 2\nWho?\tQui ?\tCC-BY 3\nWow!\tÇa alors !\tCC-BY 4\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def writes(text: str, name: str = "pairs.tsv") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return str(tmp_path / name)

    return writes


def read(path: str, **fields: object) -> Dataset:
    return read_pairs(DataConfig.model_validate({"path": path, "split": "100/0/0"} | fields), WATCH)


def told(path: str, **fields: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **fields)
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("; ") == 2
    return message


def pairs(found: Dataset) -> set[tuple[str, str]]:
    return {*found.extra.train, *found.extra.validation, *found.extra.test}


def test_two_of_three_columns(write: Callable[[str], str]) -> None:
    found = read(write(FRENCH))
    assert pairs(found) == {("Go.", "Va !"), ("Run!", "Cours !"), ("Who?", "Qui ?"), ("Wow!", "Ça alors !")}
    assert "columns 0 and 1 of pairs.tsv are source and target; 1 other is passed over" in found.view.notices
    back = read(write(FRENCH), columns="1, 0")
    assert pairs(back) == {(b, a) for a, b in pairs(found)}
    assert found.view.unit == "pairs"
    assert found.view.decoder
    assert found.view.preview.splitlines()[0].split("  ")[0] == "Go."


def test_the_same_pairs_with_any_separator(write: Callable[[str], str]) -> None:
    expected = {("one, two", "1 2"), ("three", "3"), ("four", "4")}
    assert pairs(read(write('"one, two",1 2\nthree,3\nfour,4\n'))) == expected
    assert pairs(read(write("one, two;1 2\nthree;3\nfour;4\n"))) == expected
    assert pairs(read(write("one, two\t1 2\r\nthree\t3\r\n\r\nfour\t4\r\n"))) == expected


def test_columns_by_their_names(write: Callable[[str], str]) -> None:
    path = write("id,french,english\n1,chat,cat\n2,chien,dog\n")
    found = read(path, columns="english,french")
    assert pairs(found) == {("cat", "chat"), ("dog", "chien")}
    assert any("names the columns: id, french, english" in notice for notice in found.view.notices)


def test_a_first_line_that_names_source_and_target(write: Callable[[str], str]) -> None:
    assert pairs(read(write("Source,Target\nchat,cat\nchien,dog\n"))) == {("chat", "cat"), ("chien", "dog")}
    assert pairs(read(write("text,chat\nword,mot\n"))) == {("text", "chat"), ("word", "mot")}
    assert told(write("source\ttarget\n")).startswith("no pair follows it; line 1 of data.path ")


def test_sums_with_an_underscore(write: Callable[[str], str]) -> None:
    path = write("16+75  _91  \n52+607 _659 \n8+4    _12  \n")
    assert pairs(read(path)) == {("16+75", "91"), ("52+607", "659"), ("8+4", "12")}
    packed = Path(path).with_suffix(".gz")
    packed.write_bytes(gzip.compress(Path(path).read_bytes()))
    assert pairs(read(str(packed))) == pairs(read(path))


def test_underscores_are_text_where_a_tab_cuts(write: Callable[[str], str]) -> None:
    assert pairs(read(write("a_b\tc\nd_e\tf\n"))) == {("a_b", "c"), ("d_e", "f")}
    assert pairs(read(write("a_b,c\nd_e,f\n"))) == {("a_b", "c"), ("d_e", "f")}


@pytest.mark.parametrize(
    ("text", "fields", "line", "words"),
    [
        ("a\tb\nc d\ne\tf\n", {}, 2, "there is no tab in it"),
        ("a\tb\n\nc\td\te\nf\tg\n", {}, 3, "it has 3 fields, most lines have 2"),
        ("a\tb\tc\nd\te\nf\tg\th\n", {}, 2, "it has 2 fields, most lines have 3"),
        ("a\tb\n \tc\n", {}, 2, "the source is empty"),
        ("a\tb\nc\t  \n", {}, 2, "the target is empty"),
        ("1+1_2\n1+2_3_\n2+2_4\n", {}, 2, "it has 2 signs _, the other lines have one"),
        ("1+1_2\n2+2_4\n3+3_\n", {}, 3, "the target is empty"),
        ("1+1_2\n2+2_4\n3+3\n", {}, 3, "it has 0 signs _"),
        ("no pair\nhere either\n", {}, 1, "there is no tab in it"),
        ("a,b\nc,d,e\n", {}, 2, "it has 3 fields, the first line has 2"),
        ("english,french\n", {"columns": "english,french"}, 1, "no pair follows it"),
    ],
)
def test_a_fault_has_its_line(
    write: Callable[[str], str], text: str, fields: dict[str, object], line: int, words: str
) -> None:
    message = told(write(text), **fields)
    assert message.startswith(words)
    assert f"; line {line} of data.path " in message


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("0", "1 column is named, a pair has two"),
        ("0,1,2", "3 columns are named"),
        ("0,5", "there is no column 5"),
        ("0,0", "source and target are the same column"),
        ("0,-3", "source and target are the same column"),
        ("english,1", "there is no column 'english'"),
    ],
)
def test_columns_that_can_not_be_meant(write: Callable[[str], str], columns: str, words: str) -> None:
    message = told(write(FRENCH), columns=columns)
    assert message.startswith(words)
    assert "data.columns" in message


def test_bytes_that_drive_a_terminal_stay_out_of_messages(write: Callable[[str], str]) -> None:
    path = write("a\x1b[2J\tb\tc\x1b]0;x\x07\nd\te\tf\n")
    assert "\x1b" not in told(path, columns="\x1b[2J,0")
    found = read(path)
    assert "\x1b" not in found.view.preview + "".join(found.view.notices)


def test_what_the_numbers_are(write: Callable[[str], str]) -> None:
    found = read(write("ab\tyx\nb\tx\n"))
    coding = found.coding
    assert coding.inputs == (*SOURCE_SYMBOLS, "a", "b")
    assert coding.outputs == (*TARGET_SYMBOLS, "x", "y")
    assert (coding.inputs[0], coding.outputs[:4]) == (PAD, (PAD, UNKNOWN, END, START))
    assert coding.sizes.decoder
    k = next(k for k in range(2) if found.extra.train[k][0] == "ab")
    assert found.train.read(k).tolist() == [2, 3]
    assert found.train.asked(k).tolist() == [5, 4, 2]
    assert found.train.lengths.tolist() == [len(source) for source, _ in found.extra.train]
    assert (found.view.longest, found.view.vocabulary, found.view.outputs) == (2, 4, 6)


def test_a_reversed_source(write: Callable[[str], str]) -> None:
    found = read(write("abc\txy\n"), reverse_source=True)
    assert found.coding.reversed
    assert [found.coding.inputs[n] for n in found.train.read(0)] == ["c", "b", "a"]
    assert [found.coding.outputs[n] for n in found.train.asked(0)] == ["x", "y", END]
    assert "each source is read from its end to its beginning" in found.view.notices


def test_words_and_what_is_rare(write: Callable[[str], str]) -> None:
    path = write("the cat\tle chat\nthe dog\tle chien\nthe cat.\tle chat.\n")
    found = read(path, symbol="word", least_count=2)
    assert found.coding.inputs == (*SOURCE_SYMBOLS, "the", "cat")
    assert found.coding.outputs == (*TARGET_SYMBOLS, "le", "chat")
    assert ("the cat .", "le chat .") in found.extra.train
    assert "2 rare kinds of source symbol (2 symbols of the training part) became <unk>" in found.view.notices
    k = found.extra.train.index(("the dog", "le chien"))
    assert found.train.read(k).tolist() == [2, 1]
    coder = PairCoder(found.coding)
    assert coder.text(found.train.asked(k).tolist()) == "le <unk>"
    few = read(path, symbol="word", vocabulary_size=1)
    assert few.coding.inputs == (*SOURCE_SYMBOLS, "the")


def test_words_that_look_like_the_end_are_none(write: Callable[[str], str]) -> None:
    found = read(write("a <eos> b\tx <eos> y\n" * 2), symbol="word")
    assert found.coding.outputs == (*TARGET_SYMBOLS, "x", "y")
    assert found.train.asked(0).tolist() == [4, 1, 5, 2]


def test_parts_and_their_overlap(write: Callable[[str], str], tmp_path: Path) -> None:
    main = write("".join(f"{k}\tn{k}\n" for k in range(100)))
    found = read(main, split="80/15/5")
    assert [len(part) for part in (found.train, found.validation, found.test)] == [80, 15, 5]
    assert len(pairs(found)) == 100
    assert not any("stand in training" in notice for notice in found.view.notices)
    assert [part.length for part in found.view.parts] == [80, 15, 5]
    again = read(main, split="80/15/5")
    assert again.extra.train == found.extra.train
    assert [source for source, _ in found.extra.train] != sorted(source for source, _ in found.extra.train)
    own = tmp_path / "own.tsv"
    own.write_text("1\tn1\n2\tother\nnew\tn5\n1\tn1\n")
    held = read(main, split="80/10/10", test_path=str(own))
    assert [len(part) for part in (held.train, held.validation, held.test)] == [90, 10, 4]
    known = [source for source, _ in held.extra.train]
    same = 2 * ("1" in known)
    with_source = same + ("2" in known)
    expected = f"test: of 4 pairs {same} stand in training as they are, {with_source} by their source"
    assert any(notice.startswith(expected) for notice in held.view.notices)


def test_a_line_twice_in_the_file_overlaps(write: Callable[[str], str]) -> None:
    found = read(write("a\tx\n" * 10), split="80/10/10")
    assert "validation: of 1 pair 1 stand in training as they are, 1 by their source" in found.view.notices


@given(st.integers(1, 40), st.sampled_from(["90/5/5", "34/33/33", "1/98/1", "100/0/0", "99/0/1", "50/50"]))
def test_no_pair_is_lost(count: int, split: str) -> None:
    from rnn_tui.data.pairs import _divided

    given_ = [(str(k), str(k)) for k in range(count)]
    parts = _divided(given_, DataConfig(split=split), {})
    assert sorted(pair for part in parts.values() for pair in part) == sorted(given_)
    percents = [float(one) for one in split.split("/")] + [0.0]
    for part, percent in zip(("train", "validation", "test"), percents, strict=False):
        if not percent:
            assert not parts[part]
        else:
            assert len(parts[part]) >= int(count * percent / 100) - 1


@given(st.lists(st.text("abc<>.,' é", min_size=1, max_size=9), min_size=1))
def test_coding_a_target_and_back(texts: list[str]) -> None:
    symbols = sorted({one for text in texts for one in text})
    coder = PairCoder(Coding(SOURCE_SYMBOLS, (*TARGET_SYMBOLS, *symbols), decoder=True))
    for text in texts:
        numbers, unknown = coder.target(cut(text, "character"))
        assert (coder.text(numbers.tolist()), unknown) == (text, 0)
        assert numbers[-1] == coder.end
        assert not np.isin(numbers[:-1], [0, 2, 3]).any()


def test_an_unknown_character_is_one_character() -> None:
    assert joined(["a", UNKNOWN], "character") == "a\N{REPLACEMENT CHARACTER}"
    assert joined(["a", UNKNOWN], "word") == "a <unk>"


def test_the_example() -> None:
    lines = dates().decode().splitlines()
    assert lines == dates().decode().splitlines()
    assert lines[0] == "jun 20th 1917\t1917-06-20"
    phrases, days = zip(*(line.split("\t") for line in lines), strict=True)
    assert len(set(phrases)) == len(lines) == 4000
    for phrase, iso in zip(phrases, days, strict=True):
        day = date.fromisoformat(iso)
        assert str(day.year) in phrase
        assert str(day.day) in phrase
        assert str(day.month) in phrase or f"{day:%b}".lower() in phrase
        assert not any(name in phrase for name in ("1th", "2th", "3th")) or day.day in (11, 12, 13)
    found = read("builtin:example", split="90/5/5")
    assert len(found.train) == 3600
    assert found.view.source == "builtin:example"


@given(st.text(alphabet='ab\t_,;\n" é\r\x1c', max_size=60), st.sampled_from(["", "0,1", "1,0", "a,b"]), st.booleans())
def test_any_text_is_read_or_refused_in_one_sentence(text: str, columns: str, by_words: bool) -> None:
    symbol = "word" if by_words else "character"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.txt"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            found = read_pairs(
                DataConfig.model_validate({"path": str(path), "columns": columns, "symbol": symbol}), WATCH
            )
        except DataError as error:
            assert "\n" not in str(error)
            return
    assert len(found.train) >= 1
    for part in (found.train, found.validation, found.test):
        for k in range(len(part)):
            assert len(part.read(k)) >= 1
            assert len(part.asked(k)) >= 2


def test_a_cancelled_reading(write: Callable[[str], str]) -> None:
    with pytest.raises(DataError, match="cancelled"):
        read_pairs(DataConfig(path=write(FRENCH)), Watch(lambda share, doing: None, lambda: True))

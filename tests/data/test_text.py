from __future__ import annotations

import errno
import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import DataConfig
from rnn_tui.data import encoding, source
from rnn_tui.data.text import Corpus, DataError, check_length, read_corpus

JAPANESE = "吾輩は猫である。名前はまだ無い。\r\nどこで生れたかとんと見当がつかぬ。🙂\r\n" * 20


def written(tmp_path: Path, text: str | bytes, name: str = "text.txt") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def whole(corpus: Corpus) -> str:
    return corpus.decode(corpus.train) + corpus.decode(corpus.validation) + corpus.decode(corpus.test)


def read(path: str, **fields: object) -> Corpus:
    return read_corpus(DataConfig(path=path, **fields))  # type: ignore[arg-type]


def test_a_text_comes_back_as_it_was(tmp_path: Path) -> None:
    text = "To be, or not to be.\n" * 50
    corpus = read(written(tmp_path, text))
    assert whole(corpus) == text
    assert corpus.symbols == tuple(sorted(set(text)))
    assert corpus.sha256 == corpus.view.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert corpus.title == corpus.view.title == "text.txt"
    assert corpus.source == str(tmp_path / "text.txt")
    assert corpus.view.characters == len(text)
    assert corpus.view.preview == text[:400]
    assert corpus.view.notices == ()
    assert corpus.train.dtype == np.uint8
    assert not corpus.train.flags.writeable


def test_japanese_with_crlf(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, JAPANESE))
    text = JAPANESE.replace("\r\n", "\n")
    assert whole(corpus) == text
    assert corpus.symbols == tuple(sorted(set(text)))
    ids, unknown = corpus.encode("猫は🙂")
    assert unknown == 0
    assert corpus.decode(ids) == "猫は🙂"


@pytest.mark.parametrize(
    ("kinds", "dtype"), [(256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.uint32)]
)
def test_ids_are_as_small_as_the_vocabulary_allows(tmp_path: Path, kinds: int, dtype: type) -> None:
    letters = [chr(c) for c in range(0x20, 0x20 + kinds + 3000) if not 0x7F <= c < 0x80 and not 0xD800 <= c < 0xE000]
    text = "".join(letters[:kinds])
    corpus = read(written(tmp_path, text))
    assert corpus.train.dtype == dtype
    assert whole(corpus) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=2), st.integers(1, 5), st.booleans())
def test_round_trip_through_file_cache_and_memory(tmp_path_factory: pytest.TempPathFactory, text: str, chunk: int,
                                                  packed: bool) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("text")
    text = text + "  " + "." * 10 * len(text)
    data = gzip.compress(text.encode()) if packed else text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNN_LAB_CACHE", str(folder / "cache"))
        patch.setattr(source, "CHUNK", chunk)
        first = read(written(folder, data, "t.gz" if packed else "t"))
        again = read(str(folder / "t.gz" if packed else folder / "t"))
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for corpus in (first, again):
        assert whole(corpus) == plain
        assert corpus.symbols == tuple(sorted(set(plain)))
    assert first.view == again.view
    ids, unknown = first.encode(text.removeprefix("\ufeff"))
    assert (first.decode(ids), unknown) == (plain, 0)


def test_unknown_symbols_are_left_out_or_read_as_the_replacement(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, "abc?abc"))
    ids, unknown = corpus.encode("ax🙂b\udc80c�")
    assert (corpus.decode(ids), unknown) == ("abc", 4)
    assert ids.dtype == np.int64
    corpus = read(written(tmp_path, "abc�abc"))
    ids, unknown = corpus.encode("ax🙂b\udc80c�")
    assert (corpus.decode(ids), unknown) == ("a��b�c�", 3)
    assert corpus.encode("")[0].tolist() == []
    with pytest.raises(IndexError):
        corpus.decode([99])


def test_bad_bytes_are_replaced_counted_and_told(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, b"caf\xe9 " * 3 + b"x" * 100))
    assert whole(corpus) == "caf� " * 3 + "x" * 100
    assert corpus.view.notices == ("3 bytes were not UTF-8 and became U+FFFD in text.txt",)


def test_rare_symbols_make_room(tmp_path: Path) -> None:
    text = "aaaa bbb cc d e"
    corpus = read(written(tmp_path, text), vocabulary_size=4)
    assert corpus.symbols == (" ", "a", "b", "�")
    assert whole(corpus) == "aaaa bbb �� � �"
    assert "3 rare kinds of symbol (4 symbols) became U+FFFD: data.vocabulary_size is 4" in corpus.view.notices
    # Of equally frequent symbols the lower code point stays; a vocabulary that fits is left alone.
    assert read(written(tmp_path, "dcba"), vocabulary_size=3).symbols == ("a", "b", "�")
    assert read(written(tmp_path, "dcba"), vocabulary_size=4).symbols == ("a", "b", "c", "d")
    assert read(written(tmp_path, "dcba"), vocabulary_size=1).symbols == ("�",)


@pytest.mark.parametrize(
    ("split", "lengths"),
    [
        ("90/5/5", (92, 5, 6)),
        ("90/10/0", (92, 11, 0)),
        ("100/0/0", (103, 0, 0)),
        ("50/0/50", (51, 0, 52)),
        ("95/5", (97, 6, 0)),
    ],
)
def test_parts_are_contiguous_and_rounded_down(tmp_path: Path, split: str, lengths: tuple[int, ...]) -> None:
    text = "".join(chr(0x4E00 + k) for k in range(103))
    corpus = read(written(tmp_path, text), split=split)
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == lengths
    assert whole(corpus) == text
    assert [(part.name, part.start, part.length) for part in corpus.view.parts] == [
        ("training", 0, lengths[0]),
        ("validation", lengths[0], lengths[1]),
        ("test", lengths[0] + lengths[1], lengths[2]),
    ]
    told = "no validation part: the baselines are scored on the training part" in corpus.view.notices
    assert told == (lengths[1] < 2)


def test_files_of_their_own_replace_the_parts(tmp_path: Path) -> None:
    main = written(tmp_path, "abcd" * 25)
    other, last = written(tmp_path, "dcba" * 3, "v.txt"), written(tmp_path, "aabb", "t.txt")
    corpus = read(main, validation_path=other, split="80/10/10")
    assert corpus.decode(corpus.train) == ("abcd" * 25)[:90]
    assert corpus.decode(corpus.validation) == "dcba" * 3
    assert corpus.decode(corpus.test) == ("abcd" * 25)[90:]
    assert corpus.validation_sha256 == hashlib.sha256(b"dcba" * 3).hexdigest()
    corpus = read(main, validation_path=other, test_path=last, split="80/10/10")
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [100, 12, 4]
    assert corpus.symbols == tuple("abcd")
    assert corpus.view.characters == 116
    assert corpus.view.notices == ()


@pytest.mark.parametrize("times", [1, 2])
def test_a_vocabulary_grows_only_by_the_replacement(tmp_path: Path, times: int) -> None:
    # A symbol above U+FFFD moves when the replacement comes in before it.
    main = written(tmp_path, "ab🙂" * 30)
    validation, test = written(tmp_path, "ab🙂a", "v.txt"), written(tmp_path, "xaxby", "t.txt")
    for _ in range(times):
        corpus = read(main, validation_path=validation, test_path=test)
    assert corpus.symbols == ("a", "b", "�", "🙂")
    assert whole(corpus) == "ab🙂" * 30 + "ab🙂a" + "�a�b�"
    assert corpus.view.notices == (
        "3 symbols of t.txt (2 kinds) are not in the vocabulary and are read as U+FFFD",
    )  # fmt: skip


def test_one_kind_of_symbol_is_allowed_and_told(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, "a" * 100))
    assert corpus.symbols == ("a",)
    assert "one kind of symbol only: there is nothing to predict" in corpus.view.notices
    assert [baseline.loss for baseline in corpus.view.baselines] == [0.0, 0.0, 0.0]


def test_the_preview_can_not_drive_a_terminal(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, "\x1b]0;PWNED\x1b\\ hello\n" * 3, "a\x1bb.txt"))
    assert "\x1b" not in corpus.view.preview + corpus.title
    assert "\x1b" in corpus.symbols


def test_check_length_names_what_fits(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, "abcde" * 20), split="100/0/0")
    check_length(corpus, 9, 11)
    check_length(corpus, 1, 99)
    with pytest.raises(DataError) as caught:
        check_length(corpus, 10, 10)
    for word in ("data.path text.txt", "training.batch_size 10", "training.sequence_length 10", "needs 101",
                 "the largest training.batch_size that fits is 9"):  # fmt: skip
        assert word in str(caught.value)
    with pytest.raises(DataError, match=r"shorter than one sequence: 100 symbols.*at most 99 timesteps fit") as caught:
        check_length(corpus, 2, 100)
    for word in ("data.path", "training.batch_size", "training.sequence_length"):
        assert word in str(caught.value)


# --- the cache


def test_the_second_reading_does_not_encode(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, JAPANESE)
    first = read(path)
    assert sorted(entry.suffix for entry in cache.iterdir()) == [".ids", ".json"]
    monkeypatch.setattr(encoding, "census", None)
    second = read(path)
    assert whole(first) == whole(second)
    assert first.view == second.view


def test_a_changed_file_is_encoded_again_and_its_old_copy_dropped(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path, "abab")
    kept = read(path)
    os.utime(path, ns=(0, 0))
    Path(path).write_text("abcd")
    assert whole(read(path)) == "abcd"
    assert len(list(cache.iterdir())) == 2
    assert whole(kept) == "abab"


def spoil_cut(ids: Path, sidecar: Path) -> None:
    ids.write_bytes(ids.read_bytes()[:-1])


def spoil_bit(ids: Path, sidecar: Path) -> None:
    data = bytearray(ids.read_bytes())
    data[7] ^= 1
    ids.write_bytes(data)


def spoil_json(ids: Path, sidecar: Path) -> None:
    sidecar.write_text("[" * 100_000)


def spoil_types(ids: Path, sidecar: Path) -> None:
    sidecar.write_text(sidecar.read_text().replace('"length": ', '"length": true, "was": '))


def spoil_missing(ids: Path, sidecar: Path) -> None:
    ids.unlink()


def spoil_empty(ids: Path, sidecar: Path) -> None:
    sidecar.write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_cut, spoil_bit, spoil_json, spoil_types, spoil_missing, spoil_empty])
def test_a_damaged_copy_is_made_again(tmp_path: Path, cache: Path, spoil: object) -> None:
    path = written(tmp_path, "the text itself " * 9)
    read(path)
    ids, sidecar = sorted(cache.iterdir())
    good = ids.read_bytes(), sidecar.read_bytes()
    # New files, so that no map of the old ones is cut under a reader.
    ids.unlink()
    ids.write_bytes(good[0])
    spoil(ids, sidecar)  # type: ignore[operator]
    corpus = read(path)
    assert whole(corpus) == "the text itself " * 9
    assert corpus.view.notices == ()
    assert (ids.read_bytes(), sidecar.read_bytes()) == good


def test_without_a_cache_folder_it_still_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("RNN_LAB_CACHE", str(blocked))
    corpus = read(written(tmp_path, "hello world " * 9))
    assert whole(corpus) == "hello world " * 9
    assert corpus.view.notices == ("the cache folder can't be written: the text will be encoded again each time",)
    assert encoding.clear_cache() == 0


def test_a_full_disk_falls_back_to_a_temporary_file_then_to_one_clear_sentence(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "hello world " * 9)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    corpus = read(path)
    assert whole(corpus) == "hello world " * 9
    assert "the cache folder can't be written" in corpus.view.notices[0]
    assert not list(cache.iterdir())
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(DataError, match=r"^no room for the encoded text, 108 bytes \(no space left on device\); "):
        read(path)
    assert not list(cache.iterdir())


def test_clearing_the_cache_takes_only_what_is_ours(tmp_path: Path, cache: Path) -> None:
    corpus = read(written(tmp_path, "hello world " * 9))
    size = sum(entry.stat().st_size for entry in cache.iterdir())
    (cache / "notes.txt").write_text("mine")
    (cache / ".rnn-lab-x1_y.tmp").write_text("left by a crash")
    assert encoding.clear_cache() == size + len("left by a crash")
    assert [entry.name for entry in cache.iterdir()] == ["notes.txt"]
    assert whole(corpus) == "hello world " * 9


# --- progress and cancelling


def test_progress_rises_from_nothing_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK", 16)
    path, other = written(tmp_path, "abcd" * 100), written(tmp_path, gzip.compress(b"dcba" * 100), "v.gz")
    for _ in range(2):
        told: dict[float, str] = {}
        shares: list[float] = []

        def progress(share: float, doing: str, told: dict[float, str] = told, shares: list[float] = shares) -> None:
            told[share] = doing
            shares.append(share)

        read_corpus(DataConfig(path=path, validation_path=other), progress)
        assert shares == sorted(shares)
        assert 0 <= shares[0] < shares[-1] == 1.0
        assert {"checking text.txt", "reading text.txt"} & set(told.values())


@pytest.mark.parametrize("after", [0, 1, 5, 20, 40])
def test_cancelling_leaves_nothing_half_written(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
                                                after: int) -> None:  # fmt: skip
    monkeypatch.setattr(source, "CHUNK", 16)
    path = written(tmp_path, "abcd" * 100)
    asked = iter(range(10_000))
    with pytest.raises(DataError, match=r"^reading text\.txt was cancelled$"):
        read_corpus(DataConfig(path=path), cancelled=lambda: next(asked) >= after)
    assert not cache.exists() or not list(cache.iterdir())
    assert whole(read(path)) == "abcd" * 100


# --- memory

MEASURE = """
import resource, sys
from rnn_tui.config import DataConfig
from rnn_tui.data.text import read_corpus
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
corpus = read_corpus(DataConfig(path=sys.argv[1]))
print(peak() - before, corpus.view.characters)
"""


@pytest.mark.parametrize("line", ["The quick brown fox jumps over the lazy dog, again.\n", "色は匂へど散りぬるを🙂\n"])
def test_memory_does_not_grow_with_the_text(tmp_path: Path, line: str) -> None:
    size = 60_000_000
    path = tmp_path / "long.txt"
    count = size // len(line.encode())
    with path.open("wb") as file:
        for _ in range(10):
            file.write(line.encode() * (count // 10))
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    grown, characters = map(int, done.stdout.split())
    assert characters == count // 10 * 10 * len(line)
    assert grown < 150_000_000

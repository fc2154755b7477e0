from __future__ import annotations

import gzip
import hashlib
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import DataConfig
from rnn_tui.data import baselines as lines
from rnn_tui.data import source, words
from rnn_tui.data.baselines import baselines
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.data.text import Corpus, DataError, read_corpus
from rnn_tui.data.vocabulary import Vocabulary, Words, vocabulary_of
from rnn_tui.data.vocabulary import words as cut

PLAIN = "The dog's bone, isn't it? (The 3 dogs.)\nThe cat sat.\n\nThe end\n"
TREEBANK = (
    " no it was n't black monday \n but while the <unk> stock exchange did n't fall apart friday as the "
    "dow jones industrial average plunged N points \n"
)


def written(folder: Path, text: str | bytes, name: str = "text.txt") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def read(path: str, **fields: object) -> Corpus:
    return read_corpus(DataConfig(path=path, **{"symbol": "word", "split": "100/0/0", **fields}))  # type: ignore[arg-type]


def spelled(corpus: Corpus, part: str = "train") -> list[str]:
    return [corpus.symbols[k] for k in getattr(corpus, part)]


def test_the_plain_rule() -> None:
    assert cut("The dog's bone, isn't it? (3 dogs.)") == [
        "The", "dog's", "bone", ",", "isn't", "it", "?", "(", "3", "dogs", ".", ")",
    ]  # fmt: skip
    assert cut("a_b  'quoted' don\u2019t\nx-y") == [
        "a", "_", "b", "'", "quoted", "'", "don\u2019t", "\n", "x", "-", "y",
    ]  # fmt: skip
    # Letters with marks of their own stay whole, and so does what a treebank writes for rare words.
    assert cut("हिन्दी Čeština <unk>, <x>") == ["हिन्दी", "Čeština", "<unk>", ",", "<", "x", ">"]
    assert cut(" \t\u3000") == []


def test_line_ends_are_symbols(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, PLAIN))
    assert " ".join(spelled(corpus)) == (
        "The dog's bone , isn't it ? ( The 3 dogs . ) <eos> The cat sat . <eos> <eos> The end <eos>"
    )
    assert corpus.symbols[:4] == (UNKNOWN, END, "The", ".")
    assert corpus.coding == Coding(corpus.symbols, symbol="word")
    assert corpus.view.unit == "words"
    assert corpus.view.characters == len(corpus.train) == 23
    assert corpus.sha256 == corpus.view.sha256 == hashlib.sha256(PLAIN.encode()).hexdigest()
    assert corpus.decode(corpus.train) == PLAIN
    assert corpus.view.preview == PLAIN
    assert any("plain rule" in notice for notice in corpus.view.notices)
    assert [baseline.name for baseline in corpus.view.baselines] == ["uniform", "unigram", "bigram", "3-gram"]
    assert not corpus.train.flags.writeable


def test_a_text_that_was_cut_before_is_cut_at_white_space(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, TREEBANK))
    assert spelled(corpus) == TREEBANK.replace("\n", "<eos>").split()
    assert corpus.symbols[0] == UNKNOWN
    assert any("cut before" in notice for notice in corpus.view.notices)
    # What a person types need not be cut as a treebank is.
    ids, unknown = corpus.encode("it was n't black <unk>, friday.\n")
    assert [corpus.symbols[k] for k in ids] == ["it", "was", "n't", "black", "<unk>", "<unk>", "friday", "<unk>", END]
    assert unknown == 2


@pytest.mark.parametrize(
    ("text", "before"),
    [
        (PLAIN * 10, False),
        ("the cat sat . the dog , too , ran . " * 10, True),
        ("the cat sat . and ran . " * 3, False),
        ("Vous dites ? Oui ! Non. " * 20, False),
        ("no signs at all " * 20, False),
        ("a <unk> b", True),
        ("3.5 and 4,000 . x , y . " * 10, True),
    ],
)
def test_how_it_is_known_that_a_text_was_cut_before(text: str, before: bool) -> None:
    assert words.cut_before(text) is before


def test_the_vocabulary_is_of_the_training_part_alone(tmp_path: Path) -> None:
    text = "a a a b b c " + "d d d d "
    corpus = read(written(tmp_path, text), split="60/20/20")
    assert corpus.symbols == (UNKNOWN, END, "a", "b", "c")
    assert spelled(corpus) == ["a", "a", "a", "b", "b", "c"]
    assert spelled(corpus, "validation") == spelled(corpus, "test") == [UNKNOWN, UNKNOWN]
    assert "4 words (1 kinds, 40.0%) are not in the vocabulary and are read as <unk>" in corpus.view.notices
    assert any("data.least_count 2" in notice for notice in corpus.view.notices)


def test_rare_words_become_unknown(tmp_path: Path) -> None:
    path = written(tmp_path, "a a a c b b c d e\n")
    assert read(path, least_count=2).symbols == (UNKNOWN, END, "a", "c", "b")
    assert read(path, vocabulary_size=4).symbols == (UNKNOWN, END, "a", "c")
    assert read(path, vocabulary_size=1).symbols == (UNKNOWN, END)
    assert read(path, vocabulary_size=50, least_count=3).symbols == (UNKNOWN, END, "a")
    found = read(path, least_count=2)
    assert spelled(found) == ["a", "a", "a", "c", "b", "b", "c", UNKNOWN, UNKNOWN, END]
    assert not any("no word of the training part" in notice for notice in found.view.notices)


def test_files_of_their_own_are_cut_as_the_main_one(tmp_path: Path) -> None:
    main = written(tmp_path, TREEBANK)
    validation = written(tmp_path, gzip.compress(b"it was n't <unk> , dow. \n"), "valid.gz")
    corpus = read(main, validation_path=validation, split="90/10/0")
    assert spelled(corpus, "validation") == ["it", "was", "n't", UNKNOWN, UNKNOWN, UNKNOWN, END]
    assert len(corpus.train) == len(TREEBANK.replace("\n", "<eos>").split())
    assert corpus.validation_sha256 == hashlib.sha256(b"it was n't <unk> , dow. \n").hexdigest()
    assert "2 words of valid.gz (2 kinds, 28.6%) are not in the vocabulary and are read as <unk>" in corpus.view.notices


@settings(deadline=None, max_examples=60)
@given(
    st.text(st.sampled_from("ab'\u2019é. ,\n\r\t<>猫\u0301\x0c"), min_size=1, max_size=80),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_chunks_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk: int, looked: int
) -> None:
    folder = tmp_path_factory.mktemp("words")
    text = "one two. three," + text + " four"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNN_LAB_CACHE", str(folder / "cache"))
        patch.setattr(source, "CHUNK", chunk)
        patch.setattr(words, "LOOKED_AT", looked)
        patch.setattr(words, "_PIECE", chunk)
        first = read(written(folder, text))
        again = read(str(folder / "text.txt"))
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    expected = [END if word == "\n" else word for word in cut(plain)]
    assert spelled(first) == spelled(again) == expected
    assert first.view == again.view
    # Typed, it is read as the file was.
    ids, unknown = first.encode(text)
    assert (ids.tolist(), unknown) == (first.train.tolist(), 0)


@given(st.lists(st.sampled_from(["a", "b's", ".", ",", "(", ")", "!", "<unk>", "<eos>", "'", "3"]), max_size=20))
def test_what_is_written_reads_back(spelling: list[str]) -> None:
    vocabulary = Words(["<unk>", "<eos>", "a", "b's", ".", ",", "(", ")", "!", "'", "3"])
    ids = [vocabulary.symbols.index(word) for word in spelling]
    assert vocabulary.encode(vocabulary.decode(ids))[0].tolist() == ids


def test_words_without_marks_for_the_unknown_or_the_end() -> None:
    vocabulary = Words(["<pad>", "a", "b"])
    ids, unknown = vocabulary.encode("a x\nb")
    assert (ids.tolist(), ids.dtype.name, unknown) == ([1, 2], "int64", 1)
    assert vocabulary.encode("")[0].tolist() == []
    assert ("a" in vocabulary, "x" in vocabulary, len(vocabulary)) == (True, False, 3)


def test_symbols_beside_characters() -> None:
    coding = Coding((PAD, UNKNOWN, END, START, "a", "<", "猫"))
    vocabulary = vocabulary_of(coding)
    assert type(vocabulary) is Vocabulary
    ids, unknown = vocabulary.encode("a<eos>猫")
    assert (ids.tolist(), unknown) == ([4, 5, 1, 1, 1, 1, 6], 4)
    assert type(vocabulary_of(Coding(("a",), symbol="word"))) is Words


def test_a_word_without_end_is_no_word(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, "short " + "x" * 101 + " " + "y" * 100 + "\n"))
    assert spelled(corpus) == ["short", UNKNOWN, "y" * 100, END]


def test_the_cache_is_used_checked_and_mended(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path, PLAIN)
    whole = spelled(read(path))
    (ids,) = cache.glob("*.ids")
    before = ids.read_bytes()
    ids.write_bytes(bytes(len(before)))
    assert spelled(read(path)) == whole
    assert ids.read_bytes() == before
    (sidecar,) = cache.glob("*.json")
    sidecar.write_text("[]")
    assert spelled(read(path)) == whole
    # Characters and words of one file lie side by side.
    read(path, symbol="character")
    assert len(list(cache.iterdir())) == 4


def test_without_a_cache_it_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "taken"))
    corpus = read(written(tmp_path, PLAIN))
    assert corpus.decode(corpus.train) == PLAIN
    assert any("can't be written" in notice for notice in corpus.view.notices)


@pytest.mark.parametrize(
    ("text", "message"),
    [("word", "fewer than two words"), (" \t  \t ", "fewer than two words"), (bytes(300), "binary data")],
)
def test_what_has_no_words(tmp_path: Path, cache: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, text))
    assert not cache.exists() or not list(cache.iterdir())


def test_bad_bytes_are_told(tmp_path: Path) -> None:
    corpus = read(written(tmp_path, b"caf\xe9 noir " + b"un deux trois " * 10))
    assert "1 byte was not UTF-8 and became U+FFFD in text.txt" in corpus.view.notices
    assert spelled(corpus)[:3] == ["caf", "�", "noir"]


def slow_trigram(train: list[int], scored: list[int], vocabulary: int) -> float:
    """Witten-Bell with contexts of two symbols as its equations read, with dictionaries."""
    seen = Counter(train)
    after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for k in range(len(train)):
        for n in (1, 2):
            if k >= n:
                after[tuple(train[k - n : k])][train[k]] += 1

    def probability(context: tuple[int, ...], w: int) -> float:
        if not context:
            return (seen[w] + len(seen) / vocabulary) / (len(train) + len(seen))
        shorter = probability(context[1:], w)
        n, kinds = sum(after[context].values()), len(after[context])
        return (after[context][w] + kinds * shorter) / (n + kinds) if n else shorter

    costs = [-math.log(probability(tuple(scored[max(0, k - 2) : k]), scored[k])) for k in range(1, len(scored))]
    return sum(costs) / len(costs)


@settings(deadline=None)
@given(st.data(), st.integers(1, 8), st.sampled_from([2**21, 1]), st.integers(1, 9), st.integers(1, 5))
def test_the_3_gram_by_hand(data: st.DataObject, vocabulary: int, cells: int, block: int, chunk: int) -> None:
    symbol = st.integers(0, vocabulary - 1)
    train = data.draw(st.lists(symbol, min_size=1, max_size=60))
    validation = data.draw(st.lists(symbol, min_size=2, max_size=30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CELLS", cells * vocabulary)
        patch.setattr(lines, "_BLOCK", block)
        patch.setattr(lines, "_CHUNK", chunk)
        found = baselines(np.array(train, np.uint16), np.array(validation, np.uint16), vocabulary, trigram=True)
    assert [baseline.name for baseline in found] == ["uniform", "unigram", "bigram", "3-gram"]
    assert found[3].loss == pytest.approx(slow_trigram(train, validation, vocabulary), abs=1e-12)


def test_the_3_gram_of_many_words() -> None:
    rng = np.random.default_rng(1)
    drawn = np.minimum(rng.zipf(1.2, 12_000), 33_000) - 1
    train, validation = drawn[:10_000].astype(np.uint16), drawn[10_000:].astype(np.uint16)
    found = baselines(train, validation, 33_000, trigram=True)[3]
    assert found.loss == pytest.approx(slow_trigram(train.tolist(), validation.tolist(), 33_000), abs=1e-10)

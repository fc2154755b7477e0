"""A text, read and cut: vocabulary, training, validation and test part, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import DataConfig, split_percent
from rnn_tui.data.baselines import baselines
from rnn_tui.data.builtin import builtin_source
from rnn_tui.data.catalog import resolved
from rnn_tui.data.coding import UNKNOWN, Coding
from rnn_tui.data.decoding import code_points, text_of
from rnn_tui.data.encoding import Encoded, Ids, encode
from rnn_tui.data.source import DataError, FileSource, Source, Watch
from rnn_tui.data.vocabulary import Vocabulary, Words, vocabulary_of
from rnn_tui.data.words import CutText, WordText, chosen, cut_words, numbered
from rnn_tui.symbols import clean
from rnn_tui.views import DataView, Part

__all__ = ["Corpus", "DataError", "check_length", "read_corpus", "split_parts"]

PREVIEW = 400
"""Characters of the preview, or four times the words."""


@dataclass(eq=False)
class Corpus:
    """An encoded text. Its arrays are mapped from disk, read-only, in the smallest type that holds V.

    `coding.inputs` is the vocabulary, V symbols; id k is `symbols[k]`. Characters stand ascending by
    code point, words from `<unk>` and `<eos>` on by how frequent they are. `train`, `validation` and
    `test` are (N,) arrays of ids.
    """

    title: str
    """Its name as a person reads it, safe for a screen."""
    source: str
    """The absolute path or the built-in name it came from."""
    coding: Coding
    sha256: str
    """Of the bytes of the text (decompressed), hexadecimal."""
    train: Ids
    validation: Ids
    test: Ids
    view: DataView
    validation_sha256: str = ""
    """Of the validation file's bytes; empty where validation is a part of the text."""
    test_sha256: str = ""
    vocabulary: Vocabulary = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.vocabulary = vocabulary_of(self.coding)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The vocabulary: what each id stands for."""
        return self.coding.inputs

    def encode(self, text: str) -> tuple[NDArray[np.int64], int]:
        """`Vocabulary.encode`."""
        return self.vocabulary.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """`Vocabulary.decode`."""
        return self.vocabulary.decode(ids)


def _silent(share: float, doing: str) -> None:
    """Nobody asked how far it is."""


def _never() -> bool:
    return False


def read_corpus(
    data: DataConfig,
    progress: Callable[[float, str], None] = _silent,
    cancelled: Callable[[], bool] = _never,
) -> Corpus:
    """Read, encode and cut the text that a configuration names.

    It is encoded once and then taken from the cache. `progress` gets a share from 0 to 1
    and words (`reading tinyshakespeare.txt`); `cancelled` is asked several times a second.
    A validation or test file of its own is encoded with the vocabulary of the main text,
    and the percent of that part goes to training. Raises DataError, one sentence; a
    cancelled or failed reading leaves nothing behind.
    """
    watch = Watch(progress, cancelled)
    with ExitStack() as stack:
        opened: list[Source] = []
        for name in ("path", "validation_path", "test_path"):
            path = getattr(data, name)
            if path or name == "path":
                opened.append(_source(path, f"data.{name}"))
                stack.callback(opened[-1].close)
        read = _read_words if data.symbol == "word" else _read_characters
        found = read(opened, data, watch.part(0.0, 0.9))
    title = opened[0].title
    watch.at(0.9, "measuring", title)
    own = iter(zip(found.texts[1:], found.sha256[1:], strict=True))
    validation = next(own) if data.validation_path else None
    test = next(own) if data.test_path else None
    main = found.texts[0]
    train_part, validation_part, test_part = split_parts(len(main), data)
    train = main[train_part]
    parts = {
        "training": train,
        "validation": main[validation_part] if validation is None else validation[0],
        "test": main[test_part] if test is None else test[0],
    }
    coding = Coding(found.symbols, symbol=data.symbol)
    starts = np.cumsum([0, *(len(part) for part in parts.values())]).tolist()
    view = DataView(
        source=opened[0].where,
        title=title,
        characters=starts[-1],
        vocabulary=len(found.symbols),
        parts=tuple(Part(name, start, len(part)) for start, (name, part) in zip(starts, parts.items(), strict=False)),
        baselines=baselines(train, parts["validation"], len(found.symbols), trigram=data.symbol == "word"),
        notices=(
            *(source.notice for source in opened if source.notice),
            *found.notices,
            *_general(found, len(parts["validation"])),
        ),
        preview=found.preview,
        sha256=found.sha256[0],
        unit="words" if data.symbol == "word" else "symbols",
    )
    watch.at(1.0, "read", title)
    return Corpus(
        title=title,
        source=opened[0].where,
        coding=coding,
        sha256=found.sha256[0],
        train=train,
        validation=parts["validation"],
        test=parts["test"],
        view=view,
        validation_sha256=validation[1] if validation else "",
        test_sha256=test[1] if test else "",
    )


def check_length(corpus: Corpus, batch_size: int, sequence_length: int) -> None:
    """Raises DataError if the training part is too short for one batch.

    `batch_size` streams of `sequence_length` timesteps need one symbol more than their
    product: the last input's target.
    """
    have, needed = len(corpus.train), batch_size * sequence_length + 1
    if have >= needed:
        return
    if have <= sequence_length:
        remedy = f"at most {have - 1:,} timesteps fit; choose a longer text" if have > 1 else "choose a longer text"
        raise DataError(
            f"the training part is shorter than one sequence: {have:,} symbols, training.sequence_length "
            f"{sequence_length:,} needs {sequence_length + 1:,}; data.path {corpus.title}; {remedy} "
            f"(training.batch_size {batch_size:,} needs {needed:,})"
        )
    raise DataError(
        f"the training part is too short: {have:,} symbols, training.batch_size {batch_size:,} x "
        f"training.sequence_length {sequence_length:,} needs {needed:,}; data.path {corpus.title}; "
        f"the largest training.batch_size that fits is {(have - 1) // sequence_length:,}"
    )


def _source(path: str, field_name: str) -> Source:
    if path.startswith("builtin:"):
        return builtin_source(path)
    if not path.strip():
        raise DataError(f"no text is named; {field_name}; name a UTF-8 file or a built-in text")
    return FileSource(resolved(path), field_name)


@dataclass(frozen=True, slots=True)
class _Read:
    """Every text of a configuration in the ids of one vocabulary, the main one first."""

    symbols: tuple[str, ...]
    texts: list[Ids]
    sha256: list[str]
    preview: str
    notices: list[str]
    kept: bool


def _read_characters(opened: list[Source], data: DataConfig, watch: Watch) -> _Read:
    texts = _encode_all(opened, data.vocabulary_size, watch)
    main = texts[0]
    notices = [note for k, text in enumerate(texts) if (note := _replaced(opened[k], text.replaced))]
    if main.merged:
        notices.append(
            f"{main.merged_kinds:,} rare kinds of symbol ({main.merged:,} symbols) became U+FFFD: "
            f"data.vocabulary_size is {data.vocabulary_size:,}"
        )
    for source, text in zip(opened[1:], texts[1:], strict=True):
        if text.merged:
            notices.append(
                f"{text.merged:,} symbols of {source.title} ({text.merged_kinds:,} kinds) are not in the vocabulary "
                "and are read as U+FFFD"
            )
    return _Read(
        symbols=tuple(main.symbols),
        texts=[text.ids for text in texts],
        sha256=[text.sha256 for text in texts],
        preview=clean(text_of(code_points(main.symbols)[main.ids[:PREVIEW]])),
        notices=notices,
        kept=all(text.kept for text in texts),
    )


def _encode_all(opened: list[Source], keep: int, watch: Watch) -> list[Encoded]:
    """Every text with one vocabulary: the main text's, and U+FFFD if another text needs it."""
    stretches = _stretches(opened, watch)
    texts = [encode(opened[0], stretches[0], keep=keep)]
    for source, stretch in zip(opened[1:], stretches[1:], strict=True):
        texts.append(encode(source, stretch, symbols=texts[-1].symbols))
    final = texts[-1].symbols
    last = stretches[-1].part(1.0, 1.0)
    return [
        text if text.symbols == final else encode(source, last, symbols=final)
        for source, text in zip(opened, texts, strict=True)
    ]


def _read_words(opened: list[Source], data: DataConfig, watch: Watch) -> _Read:
    """Every text is cut as the main one is; the vocabulary is of the training part alone."""
    stretches = _stretches(opened, watch)
    cuts = [cut_words(opened[0], stretches[0])]
    for source, stretch in zip(opened[1:], stretches[1:], strict=True):
        cuts.append(cut_words(source, stretch, cuts[0].apart))
    train = split_parts(len(cuts[0].ids), data)[0]
    symbols = chosen(cuts[0], train, data.vocabulary_size, data.least_count)
    texts = [numbered(cut, symbols) for cut in cuts]
    return _Read(
        symbols=symbols,
        texts=[text.ids for text in texts],
        sha256=[cut.sha256 for cut in cuts],
        preview=clean(Words(symbols).decode(texts[0].ids[: PREVIEW // 4])),
        notices=_word_notices(opened, cuts, texts, data),
        kept=all(cut.kept for cut in cuts),
    )


def _stretches(opened: list[Source], watch: Watch) -> list[Watch]:
    shares = [k / len(opened) for k in range(len(opened) + 1)]
    return [watch.part(low, high) for low, high in pairwise(shares)]


def split_parts(length: int, data: DataConfig) -> tuple[slice, slice, slice]:
    """Contiguous training, validation and test parts of that many things.

    Each is its percent rounded down, and what is left goes to the last that has any. The percent of a
    part that has a file of its own goes to training.
    """
    train, validation, test = split_percent(data.split)
    if data.validation_path:
        train, validation = train + validation, 0.0
    if data.test_path:
        train, test = train + test, 0.0
    percents = (train, validation, test)
    lengths = [int(length * percent / 100) for percent in percents]
    last = max(k for k, percent in enumerate(percents) if percent > 0)
    lengths[last] = length - sum(lengths[:last])
    first, second = lengths[0], lengths[0] + lengths[1]
    return slice(0, first), slice(first, second), slice(second, length)


def _replaced(source: Source, count: int) -> str:
    plural = "byte was" if count == 1 else "bytes were"
    return f"{count:,} {plural} not UTF-8 and became U+FFFD in {source.title}" if count else ""


def _word_notices(opened: list[Source], cuts: list[CutText], texts: list[WordText], data: DataConfig) -> list[str]:
    found = [
        "cut into words at white space alone: the text was cut before"
        if cuts[0].apart
        else "cut into words by the plain rule: runs of letters and digits (with ' inside), every other sign apart"
    ]
    found += [note for source, cut in zip(opened, cuts, strict=True) if (note := _replaced(source, cut.replaced))]
    for k, (source, text) in enumerate(zip(opened, texts, strict=True)):
        if text.merged:
            of = f" of {source.title}" if k else ""
            share = f"{text.merged_kinds:,} kinds, {text.merged / len(text.ids):.1%}"
            found.append(f"{text.merged:,} words{of} ({share}) are not in the vocabulary and are read as {UNKNOWN}")
    if not (texts[0].ids[split_parts(len(texts[0].ids), data)[0]] == 0).any():
        found.append(
            f"no word of the training part is {UNKNOWN}, so the network can't learn what to expect of one: "
            "data.least_count 2 or a smaller data.vocabulary_size makes some"
        )
    return found


def _general(found: _Read, validation: int) -> list[str]:
    notices = []
    if len(found.symbols) == 1:
        notices.append("one kind of symbol only: there is nothing to predict")
    if validation < 2:
        notices.append("no validation part: the baselines are scored on the training part")
    if not found.kept:
        notices.append("the cache folder can't be written: the text will be encoded again each time")
    return notices

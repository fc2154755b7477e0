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
from rnn_tui.data.decoding import code_points, text_of
from rnn_tui.data.encoding import Encoded, Ids, encode
from rnn_tui.data.source import DataError, FileSource, Source, Watch
from rnn_tui.data.vocabulary import Vocabulary
from rnn_tui.symbols import clean
from rnn_tui.views import DataView, Part

__all__ = ["Corpus", "DataError", "check_length", "read_corpus"]

PREVIEW = 400


@dataclass(eq=False)
class Corpus:
    """An encoded text. Its arrays are mapped from disk, read-only, in the smallest type that holds V.

    `symbols` is the vocabulary, V strings of one code point each, ascending; id k is
    `symbols[k]`. `train`, `validation` and `test` are (N,) arrays of ids.
    """

    title: str
    """Its name as a person reads it, safe for a screen."""
    source: str
    """The absolute path or the built-in name it came from."""
    symbols: tuple[str, ...]
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
        self.vocabulary = Vocabulary(self.symbols)

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
        texts = _encode_all(opened, data.vocabulary_size, watch.part(0.0, 0.9))
    own = iter(zip(opened[1:], texts[1:], strict=True))
    validation = next(own) if data.validation_path else None
    test = next(own) if data.test_path else None
    main = texts[0]
    train_part, validation_part, test_part = _cut(len(main.ids), data, bool(validation), bool(test))
    train = main.ids[train_part]
    parts = {
        "training": train,
        "validation": validation[1].ids if validation else main.ids[validation_part],
        "test": test[1].ids if test else main.ids[test_part],
    }
    title, symbols = opened[0].title, tuple(main.symbols)
    watch.at(0.9, "measuring", title)
    starts = np.cumsum([0, *(len(part) for part in parts.values())]).tolist()
    view = DataView(
        source=opened[0].where,
        title=title,
        characters=starts[-1],
        vocabulary=len(symbols),
        parts=tuple(Part(name, start, len(part)) for start, (name, part) in zip(starts, parts.items(), strict=False)),
        baselines=baselines(train, parts["validation"], len(symbols)),
        notices=_notices(data, opened, texts, len(parts["validation"])),
        preview=clean(text_of(code_points(main.symbols)[main.ids[:PREVIEW]])),
        sha256=main.sha256,
    )
    watch.at(1.0, "read", title)
    return Corpus(
        title=title,
        source=opened[0].where,
        symbols=symbols,
        sha256=main.sha256,
        train=train,
        validation=parts["validation"],
        test=parts["test"],
        view=view,
        validation_sha256=validation[1].sha256 if validation else "",
        test_sha256=test[1].sha256 if test else "",
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
    return FileSource(path, field_name)


def _encode_all(opened: list[Source], keep: int, watch: Watch) -> list[Encoded]:
    """Every text with one vocabulary: the main text's, and U+FFFD if another text needs it."""
    shares = [k / len(opened) for k in range(len(opened) + 1)]
    stretches = [watch.part(low, high) for low, high in pairwise(shares)]
    texts = [encode(opened[0], stretches[0], keep=keep)]
    for source, stretch in zip(opened[1:], stretches[1:], strict=True):
        texts.append(encode(source, stretch, symbols=texts[-1].symbols))
    final = texts[-1].symbols
    last = stretches[-1].part(1.0, 1.0)
    return [
        text if text.symbols == final else encode(source, last, symbols=final)
        for source, text in zip(opened, texts, strict=True)
    ]


def _cut(length: int, data: DataConfig, own_validation: bool, own_test: bool) -> tuple[slice, slice, slice]:
    """Contiguous parts: each its percent rounded down, and what is left to the last that has any."""
    train, validation, test = split_percent(data.split)
    if own_validation:
        train, validation = train + validation, 0.0
    if own_test:
        train, test = train + test, 0.0
    percents = (train, validation, test)
    lengths = [int(length * percent / 100) for percent in percents]
    last = max(k for k, percent in enumerate(percents) if percent > 0)
    lengths[last] = length - sum(lengths[:last])
    first, second = lengths[0], lengths[0] + lengths[1]
    return slice(0, first), slice(first, second), slice(second, length)


def _notices(data: DataConfig, opened: list[Source], texts: list[Encoded], validation: int) -> tuple[str, ...]:
    found = [source.notice for source in opened if source.notice]
    for source, text in zip(opened, texts, strict=True):
        if text.replaced:
            plural = "byte was" if text.replaced == 1 else "bytes were"
            found.append(f"{text.replaced:,} {plural} not UTF-8 and became U+FFFD in {source.title}")
    main = texts[0]
    if main.merged:
        found.append(
            f"{main.merged_kinds:,} rare kinds of symbol ({main.merged:,} symbols) became U+FFFD: "
            f"data.vocabulary_size is {data.vocabulary_size:,}"
        )
    for source, text in zip(opened[1:], texts[1:], strict=True):
        if text.merged:
            found.append(
                f"{text.merged:,} symbols of {source.title} ({text.merged_kinds:,} kinds) are not in the vocabulary "
                "and are read as U+FFFD"
            )
    if len(main.symbols) == 1:
        found.append("one kind of symbol only: there is nothing to predict")
    if validation < 2:
        found.append("no validation part: the baselines are scored on the training part")
    if not all(text.kept for text in texts):
        found.append("the cache folder can't be written: the text will be encoded again each time")
    return tuple(found)

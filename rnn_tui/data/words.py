"""A text as words: cut once, kept on disk as numbers of its kinds of words, and mapped into memory.

A text that was cut before (as the Penn Treebank is: `<unk>` for rare words, punctuation standing
apart) is cut at white space; any other by the rule of `vocabulary.words`. Each line end is `<eos>`.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.coding import END, UNKNOWN
from rnn_tui.data.decoding import census, decoded, text_of
from rnn_tui.data.encoding import Ids, cache_folder, checksum_of, key_of, save
from rnn_tui.data.source import DataError, Source, Watch
from rnn_tui.data.vocabulary import words

FORMAT = 1
LONGEST_WORD = 100
"""Code points of the longest word; what is longer is no word and is read as `<unk>`."""
LOOKED_AT = 2**18
"""Code points of the beginning by which a text that was cut before is known."""

# Punctuation of this share must stand apart, and at least so often, in a text that was cut before.
_APART, _ENOUGH = 0.95, 10
# What may be held back for the rest of a word, in code points.
_HELD = 2**16
_PIECE = 2**20
_MARKS = re.compile(r"[.,;:!?](?=\s|\Z)")
_LONE = re.compile(r"(?<!\S)[.,;:!?](?!\S)")


@dataclass(frozen=True, slots=True)
class CutText:
    """A text as numbers of its own kinds of words, numbered as they first come."""

    ids: NDArray[np.int32]
    """(N), mapped from disk, read-only."""
    kinds: tuple[str, ...]
    """`<unk>` and `<eos>` first, whether they occur or not."""
    sha256: str
    replaced: int
    """Bytes that were no UTF-8."""
    apart: bool
    """Whether it was cut before, so that white space alone parts its words."""
    kept: bool
    """Whether the cache holds it."""


@dataclass(frozen=True, slots=True)
class WordText:
    """A text as ids of a vocabulary of words."""

    ids: Ids
    """(N), mapped from disk, read-only."""
    merged_kinds: int
    """Kinds of words that the vocabulary lacks: they became `<unk>`."""
    merged: int
    """How many words of the text that was."""


def cut_before(text: str) -> bool:
    """Whether a text was cut into words before: it has `<unk>`, or its punctuation stands apart."""
    if re.search(r"(?<!\S)<unk>(?!\S)", text):
        return True
    marks, lone = len(_MARKS.findall(text)), len(_LONE.findall(text))
    return lone >= _ENOUGH and lone >= _APART * marks


class _Kinds(dict[str, int]):
    """From a word to its number; a new one gets the next."""

    def __init__(self) -> None:
        super().__init__({UNKNOWN: 0, END: 1})

    def __missing__(self, word: str) -> int:
        if len(word) > LONGEST_WORD:
            return 0
        self[word] = len(self)
        return self[word]


def cut_words(source: Source, watch: Watch, apart: bool | None = None) -> CutText:
    """The text as words, from the cache if it is there.

    `apart` says whether white space alone parts the words; None: as the text itself tells. Raises DataError.
    """
    key = key_of(source, f"words {FORMAT} {apart}")
    found = _load(key, source, watch)
    if found:
        return found
    # It tells what is no text at all, and reads so much faster than words are cut.
    characters = census(source, watch.part(0.0, 0.1))
    kinds = _Kinds()
    meaning: dict[str, Any] = {"format": FORMAT, "sha256": characters.sha256, "replaced": characters.replaced}

    def write(file: IO[bytes]) -> int:
        checksum = length = 0
        kinds.clear()
        kinds.update(_Kinds())
        for k, (numbers, alone) in enumerate(_numbered(source, watch.part(0.1, 1.0), kinds, apart)):
            checksum = zlib.crc32(numbers.data, checksum)
            file.write(numbers.data)
            length += len(numbers)
            if not k:
                meaning["apart"] = alone
        file.flush()
        if length < 2:
            raise DataError(f"the text has fewer than two words; {source.place}; choose a longer one")
        # No word has a line feed in it.
        meaning.update(length=length, kinds="\n".join(kinds))
        return checksum

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        save(folder, key, write, meaning)
        return _load(key, source, None) or _unkept(write, meaning)
    except OSError:
        return _unkept(write, meaning)


def _numbered(
    source: Source, watch: Watch, kinds: _Kinds, apart: bool | None
) -> Iterator[tuple[NDArray[np.int32], bool]]:
    """The words' numbers, piece by piece, and whether the text was cut before. Raises DataError."""
    for stretch, alone in _whole_words(source, watch, apart):
        found = stretch.replace("\n", f" {END} ").split() if alone else words(stretch)
        if not alone:
            found = [END if word == "\n" else word for word in found]
        yield np.fromiter(map(kinds.__getitem__, found), np.int32, len(found)), alone


def _whole_words(source: Source, watch: Watch, apart: bool | None) -> Iterator[tuple[str, bool]]:
    """The text in stretches that end between two words."""
    held, begun = "", apart is not None
    alone = bool(apart)
    for codes in decoded(source, watch):
        held += codes.tobytes().decode("ascii") if codes.dtype == np.uint8 else text_of(codes.astype(np.uint32))
        if not begun and len(held) < LOOKED_AT:
            continue
        if not begun:
            alone, begun = cut_before(held[:LOOKED_AT]), True
        end = max(held.rfind(" "), held.rfind("\n")) + 1
        if not end and len(held) > _HELD:
            end = len(held)
        yield held[:end], alone
        held = held[end:]
    yield held, alone if begun else cut_before(held)


def _load(key: str, source: Source, watch: Watch | None) -> CutText | None:
    """What the cache holds under a key, checked to the last byte if there is a `watch`; else None."""
    folder = cache_folder()
    try:
        meaning = json.loads((folder / f"{key}.json").read_bytes())
        if meaning["format"] != FORMAT or not re.fullmatch("[0-9a-f]{64}", meaning["sha256"]):
            return None
        with open(folder / f"{key}.ids", "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != 4 * meaning["length"]:
                return None
            if watch and checksum_of(file, size, source, watch) != meaning["crc32"]:
                return None
            return _mapped(file, meaning, kept=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _unkept(write: Callable[[IO[bytes]], int], meaning: dict[str, Any]) -> CutText:
    """The words in a temporary file without a name, for where nothing can be kept. Raises DataError."""
    try:
        with tempfile.TemporaryFile() as file:
            write(file)
            return _mapped(file, meaning, kept=False)
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> DataError:
    reason = (error.strerror or str(error)).lower()
    return DataError(
        f"no room for the text's words ({reason}); {tempfile.gettempdir()}; "
        "make room, or name another folder with RNN_LAB_CACHE"
    )


def _mapped(file: IO[bytes], meaning: dict[str, Any], *, kept: bool) -> CutText:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return CutText(
        ids=np.frombuffer(mapped, np.int32),
        kinds=tuple(meaning["kinds"].split("\n")),
        sha256=meaning["sha256"],
        replaced=int(meaning["replaced"]),
        apart=bool(meaning["apart"]),
        kept=kept,
    )


def chosen(text: CutText, train: slice, size: int, least: int) -> tuple[str, ...]:
    """The vocabulary: `<unk>`, `<eos>`, and the words of the training part, the most frequent first.

    Left out are words seen fewer than `least` times there, and with `size` > 0 the rarest, until
    `size` kinds are left in all. Of equally frequent ones the one that came first goes first.
    """
    counts = np.zeros(len(text.kinds), np.int64)
    ids = text.ids[train]
    for start in range(0, len(ids), _PIECE):
        found = np.bincount(ids[start : start + _PIECE])
        counts[: len(found)] += found
    counts[:2] = 0
    order = np.argsort(-counts, kind="stable")
    most = int((counts >= max(least, 1)).sum())
    if size:
        most = min(most, max(size - 2, 0))
    return (UNKNOWN, END, *(text.kinds[k] for k in order[:most].tolist()))


def numbered(text: CutText, symbols: tuple[str, ...]) -> WordText:
    """The text in the numbers of a vocabulary, in the smallest type that holds them. Raises DataError."""
    numbers = {symbol: k for k, symbol in enumerate(symbols)}
    dtype = np.min_scalar_type(len(symbols) - 1)
    table = np.array([numbers.get(kind, 0) for kind in text.kinds], dtype)
    lacking = np.array([kind not in numbers for kind in text.kinds])
    merged = 0
    try:
        with tempfile.TemporaryFile() as file:
            for start in range(0, len(text.ids), _PIECE):
                piece = text.ids[start : start + _PIECE]
                merged += int(lacking[piece].sum())
                file.write(table[piece].data)
            file.flush()
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise _no_room(error) from None
    return WordText(np.frombuffer(mapped, dtype), int(lacking.sum()), merged)

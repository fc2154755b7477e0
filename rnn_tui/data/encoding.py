"""A text as numbers: encoded once, kept on disk as raw compact ids, and mapped into memory.

Beside `KEY.ids` lies `KEY.json`, which says what the ids mean and how to tell that they
are whole. A copy that is not exactly what it should be is never used, only made again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from rnn_tui.data import source as sources
from rnn_tui.data.decoding import CODES, UNKNOWN, Census, census, code_points, decoded, text_of
from rnn_tui.data.source import DataError, FileSource, Source, Watch

Ids = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]

FORMAT = 1
_OURS = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{16}\.(ids|json)|\.rnn-lab-\w+\.tmp")
# 1,114,112 symbols take 4 MB at most, and each may be escaped.
_LARGEST_SIDECAR = 2**24


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as ids of a vocabulary."""

    ids: Ids
    """(N), mapped from disk, read-only."""
    symbols: str
    """The vocabulary, ascending by code point; id k is symbols[k]."""
    sha256: str
    replaced: int
    """Bytes that were no UTF-8."""
    merged_kinds: int
    """Kinds of symbol that the vocabulary lacks: they became U+FFFD."""
    merged: int
    """How many symbols of the text that was."""
    kept: bool
    """Whether the cache holds it."""


def cache_folder() -> Path:
    """Where encoded texts are kept: in the user's cache, or in $RNN_LAB_CACHE."""
    chosen = os.environ.get("RNN_LAB_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("rnn-lab")) / "corpora"


def clear_cache() -> int:
    """Delete every encoded text; they are made again when needed. Returns the bytes freed."""
    freed = 0
    with suppress(OSError):
        for entry in os.scandir(cache_folder()):
            if _OURS.fullmatch(entry.name):
                with suppress(OSError):
                    size = entry.stat(follow_symlinks=False).st_size
                    os.unlink(entry.path)
                    freed += size
    return freed


def encode(source: Source, watch: Watch, *, keep: int = 0, symbols: str = "") -> Encoded:
    """The text as ids, from the cache if it is there.

    The vocabulary is `symbols` if given (with U+FFFD added where the text needs it), else
    what the text has: all of it, or with `keep` > 0 and more kinds than that, the keep - 1
    most frequent and U+FFFD for the rest. Raises DataError.
    """
    key = key_of(source, f"{FORMAT} {keep} {symbols}")
    kept = _load(key, source, watch)
    if kept:
        return kept
    found = census(source, watch.part(0.0, 0.5))
    vocabulary = _extended(symbols, found) if symbols else _chosen(found, keep)
    lacking = ~np.isin(found.codes, code_points(vocabulary))
    meaning = {
        "format": FORMAT,
        "symbols": vocabulary,
        "sha256": found.sha256,
        "replaced": found.replaced,
        "merged_kinds": int(lacking.sum()),
        "merged": int(found.counts[lacking].sum()),
        "length": found.length,
    }
    table = _table(vocabulary)
    second = watch.part(0.5, 1.0)
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        save(folder, key, lambda file: _write(file, source, second, table, found.length), meaning)
        return _load(key, source, None) or _unkept(source, second, table, meaning)
    except OSError:
        return _unkept(source, second, table, meaning)


def _chosen(found: Census, keep: int) -> str:
    """The vocabulary of a text by itself."""
    codes = found.codes
    if 0 < keep < len(codes):
        known = codes != UNKNOWN
        # Stable, so that of equally frequent symbols the lower code point stays.
        order = np.argsort(-found.counts[known], kind="stable")[: keep - 1]
        codes = np.sort(np.append(codes[known][order], UNKNOWN))
    return text_of(codes.astype(np.uint32))


def _extended(symbols: str, found: Census) -> str:
    """A given vocabulary, with U+FFFD where the text has what it lacks."""
    known = code_points(symbols)
    if UNKNOWN in known or np.isin(found.codes, known).all():
        return symbols
    return text_of(np.sort(np.append(known, np.uint32(UNKNOWN))))


def _table(symbols: str) -> Ids:
    """From code point to id, in the smallest type that holds every id; what is unknown goes to U+FFFD."""
    codes = code_points(symbols)
    dtype = np.min_scalar_type(len(codes) - 1)
    at = int(np.searchsorted(codes, UNKNOWN))
    unknown = at if at < len(codes) and codes[at] == UNKNOWN else 0
    table: Ids = np.full(CODES, unknown, dtype)
    table[codes] = np.arange(len(codes), dtype=dtype)
    return table


def _write(file: IO[bytes], source: Source, watch: Watch, table: Ids, length: int) -> int:
    """Encode the text into a file; returns the CRC-32 of what was written."""
    checksum = written = 0
    for codes in decoded(source, watch):
        ids = table[codes].data
        file.write(ids)
        checksum = zlib.crc32(ids, checksum)
        written += len(codes)
    file.flush()
    if written != length and isinstance(source, FileSource):
        source.changed()
    return checksum


def key_of(source: Source, wanted: str) -> str:
    """A name that is new whenever the file, its size, its time or what is wanted of it is."""
    place, *state = source.identity
    return f"{_digest(place)[:16]}-{_digest(' '.join(state))[:8]}-{_digest(wanted)[:16]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def save(folder: Path, key: str, write: Callable[[IO[bytes]], int], meaning: dict[str, Any]) -> None:
    """Put ids and their meaning into the cache, whole or not at all. Raises OSError, DataError.

    `write` puts the ids into a file and returns their CRC-32, which is kept beside the meaning.
    """
    place, state, _ = key.split("-")
    for old in folder.glob(f"{place}-*"):
        if old.name.split("-")[1] != state:
            # Of a state that the file no longer has: nothing would ever ask for it again.
            with suppress(OSError):
                old.unlink()
    checksum = 0

    def ids(file: IO[bytes]) -> None:
        nonlocal checksum
        checksum = write(file)

    def sidecar(file: IO[bytes]) -> None:
        file.write(json.dumps(meaning | {"crc32": checksum}, ensure_ascii=False).encode())

    for suffix, fill in ((".ids", ids), (".json", sidecar)):
        descriptor, temporary = tempfile.mkstemp(prefix=".rnn-lab-", suffix=".tmp", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
            os.replace(temporary, folder / (key + suffix))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _load(key: str, source: Source, watch: Watch | None) -> Encoded | None:
    """What the cache holds under a key, checked to the last byte if there is a `watch`; else None."""
    folder = cache_folder()
    try:
        with open(folder / f"{key}.json", "rb") as file:
            meaning = json.loads(file.read(_LARGEST_SIDECAR))
        symbols, length = meaning["symbols"], meaning["length"]
        numbers = [meaning[name] for name in ("replaced", "merged_kinds", "merged", "crc32", "length")]
        if meaning["format"] != FORMAT or not all(type(n) is int and n >= 0 for n in numbers):
            return None
        if not (isinstance(symbols, str) and symbols and re.fullmatch("[0-9a-f]{64}", meaning["sha256"])):
            return None
        with open(folder / f"{key}.ids", "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != length * np.min_scalar_type(len(symbols) - 1).itemsize:
                return None
            if watch and checksum_of(file, size, source, watch) != meaning["crc32"]:
                return None
            return _mapped(file, meaning, kept=True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def checksum_of(file: IO[bytes], size: int, source: Source, watch: Watch) -> int:
    """CRC-32 of a file of the cache. Raises DataError once cancelled."""
    # Through read, not the map: pages of a map that were touched count as resident memory.
    checksum = done = 0
    while piece := file.read(4 * sources.CHUNK):
        checksum = zlib.crc32(piece, checksum)
        done += len(piece)
        watch.at(done / size, "checking", source.title)
    return checksum


def _unkept(source: Source, watch: Watch, table: Ids, meaning: dict[str, Any]) -> Encoded:
    """The text in a temporary file without a name, for where nothing can be kept. Raises DataError."""
    try:
        with tempfile.TemporaryFile() as file:
            _write(file, source, watch, table, meaning["length"])
            return _mapped(file, meaning, kept=False)
    except OSError as error:
        size = meaning["length"] * table.itemsize
        raise DataError(
            f"no room for the encoded text, {size:,} bytes ({(error.strerror or str(error)).lower()}); "
            f"{tempfile.gettempdir()}; make room, or name another folder with RNN_LAB_CACHE"
        ) from None


def _mapped(file: IO[bytes], meaning: dict[str, Any], *, kept: bool) -> Encoded:
    symbols = meaning["symbols"]
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Encoded(
        ids=np.frombuffer(mapped, np.min_scalar_type(len(symbols) - 1)),
        symbols=symbols,
        sha256=meaning["sha256"],
        replaced=meaning["replaced"],
        merged_kinds=meaning["merged_kinds"],
        merged=meaning["merged"],
        kept=kept,
    )

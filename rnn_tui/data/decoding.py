"""Bytes to code points, chunk by chunk, and the census that the vocabulary is chosen from."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data import source as sources
from rnn_tui.data.source import DataError, Source, Watch

UNKNOWN = 0xFFFD
"""The replacement character: bad bytes, rare symbols and unknown ones."""
CODES = 0x110000
WORST_BAD_SHARE = 0.1

_REPLACEMENT = "�".encode()
_MARK = 0xFEFF
# Tab, line feed, carriage return, form feed and ESC do occur in texts.
_NO_TEXT = np.array([code for code in range(32) if code not in (9, 10, 12, 13, 27)])


class Decoder:
    """UTF-8 as bytes.decode("utf-8", "replace") reads it, with every line end as LF and no byte order mark.

    The result does not depend on where the chunks are cut.
    """

    def __init__(self) -> None:
        self.size = 0
        """Bytes so far, a CRLF counted once and the byte order mark not at all."""
        self.genuine = 0
        """U+FFFD that stood in the text itself."""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = b""
        self._tail = b""
        self._begun = False

    def feed(self, data: bytes, final: bool = False) -> NDArray[np.uint8] | NDArray[np.uint32]:
        """The code points that `data` completes; as uint8 where all are ASCII."""
        data = self._held + data
        self._held = b""
        if not final and data.endswith(b"\r"):
            # Whether a LF follows decides what it is.
            data, self._held = data[:-1], b"\r"
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.size += len(data)
        around = self._tail + data
        self.genuine += around.count(_REPLACEMENT)
        self._tail = around[-2:]
        text = self._decode(data, final)
        if text and not self._begun:
            self._begun = True
            if ord(text[0]) == _MARK:
                text = text[1:]
                self.size -= 3
        if text.isascii():
            return np.frombuffer(text.encode("ascii"), np.uint8)
        return np.frombuffer(text.encode("utf-32-le"), "<u4")


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of a text; lone surrogates pass as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def text_of(codes: NDArray[np.uint32]) -> str:
    """The inverse of `code_points`."""
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Census:
    """What a text is made of."""

    codes: NDArray[np.int64]
    """The distinct code points, ascending."""
    counts: NDArray[np.int64]
    sha256: str
    """Of the bytes as they came (decompressed), hexadecimal."""
    replaced: int
    """Bytes that were no UTF-8."""

    @property
    def length(self) -> int:
        """In symbols."""
        return int(self.counts.sum())


def decoded(source: Source, watch: Watch) -> Iterator[NDArray[np.uint8] | NDArray[np.uint32]]:
    """The code points of the whole text, piece by piece. Raises DataError."""
    decoder = Decoder()
    for piece, share in source.chunks(sources.CHUNK):
        watch.at(share, "reading", source.title)
        yield decoder.feed(piece)
    yield decoder.feed(b"", final=True)


def census(source: Source, watch: Watch) -> Census:
    """Read the text once and count its symbols.

    Raises DataError if it was cancelled, can't be read, has fewer than two symbols, or is
    binary: more than 10 % of its bytes are no UTF-8 or control characters that no text has.
    """
    decoder, digest = Decoder(), hashlib.sha256()
    counts = np.zeros(CODES, np.int64)
    original = 0

    def take(codes: NDArray[np.uint8] | NDArray[np.uint32]) -> int:
        found = np.bincount(codes)
        counts[: len(found)] += found
        if codes.dtype == np.uint8:
            return len(codes)
        there = np.flatnonzero(found)
        return int(_utf8_length(there) @ found[there])

    valid = 0
    for piece, share in source.chunks(sources.CHUNK):
        watch.at(share, "reading", source.title)
        digest.update(piece)
        original += len(piece)
        valid += take(decoder.feed(piece))
        # Three bytes may be the beginning of a symbol that the next piece completes.
        replaced = _replaced(decoder, counts, valid) - 3
        if replaced + int(counts[_NO_TEXT].sum()) > WORST_BAD_SHARE * source.limit:
            raise _binary(source)
    valid += take(decoder.feed(b"", final=True))
    replaced = _replaced(decoder, counts, valid)
    if replaced + int(counts[_NO_TEXT].sum()) > WORST_BAD_SHARE * original:
        raise _binary(source)
    codes = np.flatnonzero(counts)
    result = Census(codes, counts[codes], digest.hexdigest(), replaced)
    if result.length < 2:
        what = "the text is one character long" if result.length else "the text is empty"
        raise DataError(f"{what}; {source.place}; choose a text of at least two characters")
    return result


def _replaced(decoder: Decoder, counts: NDArray[np.int64], valid: int) -> int:
    """Bytes that became U+FFFD: those that no symbol of the result accounts for."""
    invented = int(counts[UNKNOWN]) - decoder.genuine
    return decoder.size - (valid - 3 * invented)


def _utf8_length(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)


def _binary(source: Source) -> DataError:
    return DataError(
        f"this is binary data, not UTF-8 text (over 10 % of its bytes are none); {source.place}; "
        "choose a text, or convert it: iconv -f ENCODING -t UTF-8 OLD > NEW"
    )

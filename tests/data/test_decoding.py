from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnn_tui.data import source
from rnn_tui.data.decoding import Decoder, census, code_points, text_of
from rnn_tui.data.source import BytesSource, DataError, Watch

WATCH = Watch(lambda share, doing: None, lambda: False)

# Bytes in which line ends, marks, cut and overlong sequences are as common as letters.
PIECES = st.sampled_from(
    [b"a", b"Z ", b"\r", b"\n", b"\r\n", "é".encode(), "日".encode(), "🙂".encode(), b"\xef\xbb\xbf", b"\xef\xbf\xbd",
     b"\xff", b"\xc3", b"\xe6\x97", b"\xf0\x9f\x99", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80",
     b"\xef", b"\xbf\xbd", b"\x00", b"\x1b", b"\x0c"]
)  # fmt: skip
MESSY = st.one_of(st.lists(PIECES, max_size=40).map(b"".join), st.binary(max_size=60))


def expected(data: bytes) -> str:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def bad_bytes(data: bytes) -> int:
    """Undecodable bytes, counted by an error handler of Python's own that keeps each one."""
    return sum(0xDC80 <= ord(c) <= 0xDCFF for c in data.decode("utf-8", "surrogateescape"))


def decode(data: bytes, size: int) -> tuple[str, Decoder]:
    decoder = Decoder()
    pieces = [decoder.feed(data[k : k + size]) for k in range(0, len(data), size)]
    pieces.append(decoder.feed(b"", final=True))
    return text_of(np.concatenate([piece.astype(np.uint32) for piece in pieces])), decoder


@given(MESSY, st.integers(1, 7))
@example(b"\xef\xbb\xbfa\r", 1)
@example(b"\xef\xbb\xbf\xef\xbb\xbf", 2)
@example(b"a\r\r\n\n\r", 2)
@example("日本\r\n語".encode(), 1)
def test_decodes_as_python_does_wherever_the_chunks_are_cut(data: bytes, size: int) -> None:
    assert decode(data, size)[0] == expected(data)


@given(MESSY, st.integers(1, 7))
def test_counts_the_bytes_that_were_no_utf8(data: bytes, size: int) -> None:
    # Padded so that the share of bad bytes never matters.
    data = data + b"ab" + b" " * 20 * len(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK", size)
        found = census(BytesSource("t", "t", data, "d"), WATCH)
    text = expected(data)
    assert found.replaced == bad_bytes(data)
    assert {chr(c): n for c, n in zip(found.codes, found.counts, strict=True)} == Counter(text)
    assert found.length == len(text)
    assert found.sha256 == hashlib.sha256(data).hexdigest()


@given(MESSY.filter(lambda data: len(expected(data)) > 1), st.integers(1, 7))
def test_refuses_above_ten_percent_bad_and_only_then(data: bytes, size: int) -> None:
    controls = sum(c < "\x20" and c not in "\t\n\r\f\x1b" for c in data.decode("utf-8", "replace"))
    refused = bad_bytes(data) + controls > 0.1 * len(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "CHUNK", size)
        if refused:
            with pytest.raises(DataError, match="binary data"):
                census(BytesSource("t", "t", data, "d"), WATCH)
        else:
            census(BytesSource("t", "t", data, "d"), WATCH)


@pytest.mark.parametrize(("bad", "refused"), [(10, False), (11, True)])
@pytest.mark.parametrize("byte", [b"\xff", b"\x00", b"\x07"])
def test_the_border_is_exactly_ten_percent(byte: bytes, bad: int, refused: bool) -> None:
    text = BytesSource("t", "t", byte * bad + b"x" * (100 - bad), "d")
    if refused:
        with pytest.raises(DataError, match="over 10 %"):
            census(text, WATCH)
    else:
        assert census(text, WATCH).length == 100


@given(st.text(st.characters(exclude_categories=[])))
def test_code_points_and_back(text: str) -> None:
    assert text_of(code_points(text)) == text
    assert code_points(text).tolist() == [ord(c) for c in text]

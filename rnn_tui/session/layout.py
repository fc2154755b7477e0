"""The bytes of a safetensors file: a header that is read strictly, and how it is written.

    8 bytes    length N of the header, little-endian
    N bytes    JSON: {"__metadata__": {string: string}, tensor: {dtype, shape, data_offsets}}
    the rest   the tensors one after another, without a gap

What a lenient reader lets through (duplicate keys, gaps, overlaps, trailing bytes) is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.session.files import FILES, DamagedError, Files, read_exactly

Array = NDArray[Any]
LARGEST_READ = 4 << 20
LARGEST_WRITTEN = 1 << 20
DEEPEST = 20
TYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8"), "U8": np.dtype("u1"),
    "I32": np.dtype("<i4"), "I8": np.dtype("i1"),
}  # fmt: skip
_CODES = {kind: code for code, kind in TYPES.items()}
_SIZES: Mapping[str, int] = {code: kind.itemsize for code, kind in TYPES.items()}
_METADATA = "__metadata__"
_MAGIC = {b"PK": "a zip or torch file", b"\x80": "a pickle", b"\x93NUMPY": "a numpy file", b"\x1f\x8b": "a gzip file"}
# Possessive, and a string may end with the text: linear also for a text that is made to be slow.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies: bytes `begin` to `end` after the header."""

    code: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A file's header; `tensors` in the order of their bytes."""

    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]
    start: int
    """Bytes before the first tensor."""
    size: int
    """Bytes of the whole file that the header speaks of."""
    canonical: bool
    """Whether every byte of the header is the one that we would write."""


def strict_json(text: str, what: str) -> Any:
    """Parses JSON that has one meaning only.

    Raises DamagedError naming `what` for anything else: a duplicate key, NaN or Infinity,
    more than 20 levels.
    """
    if _depth(text) > DEEPEST:
        raise DamagedError(f"{what} is nested more than {DEEPEST} levels deep")

    def refuse(constant: str) -> Any:
        raise DamagedError(f"{what} holds {constant}, which is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise DamagedError(f"{what} holds a key twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise DamagedError(f"{what} is not JSON") from None


def _depth(text: str) -> int:
    """Levels of nesting; stops counting once there are too many."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        match text[found.start()]:
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
                if deepest > DEEPEST:
                    break
            case "]" | "}":
                depth -= 1
    return deepest


def read_header(
    fd: int, file_size: int, files: Files = FILES, *, sizes: Mapping[str, int] = _SIZES, wanted: str = "a session"
) -> Header:
    """The header of an open file, checked against the file's size; reads at most 4 MB.

    `sizes` are the bytes of a number of each type that may stand in it, `wanted` what the file
    is said not to be where it is something else. Raises DamagedError where it isn't a whole
    safetensors file, OSError as the system does.
    """
    first = bytearray(9)
    with memoryview(first) as view:
        count = read_exactly(fd, view, files)
    if count < 9 or first[8:] != b"{":
        kind = next((k for magic, k in _MAGIC.items() if first[:count].startswith(magic)), "")
        raise DamagedError(f"it is not {wanted}" + (f" but {kind}" if kind else "") if count else "it is empty")
    length = int.from_bytes(first[:8], "little")
    if length > LARGEST_READ:
        raise DamagedError(f"it has a header of {length:,} bytes; at most {LARGEST_READ:,} are read")
    if length < 2 or 8 + length > file_size:
        raise DamagedError("it ends within its header")
    raw = bytearray(length)
    raw[0] = first[8]
    with memoryview(raw) as view:
        if read_exactly(fd, view[1:], files) != length - 1:
            raise DamagedError("it ends within its header")
    header = parse_header(bytes(raw), sizes)
    if header.size != file_size:
        raise DamagedError(f"it has {file_size:,} bytes; its header speaks of {header.size:,}")
    return header


def parse_header(raw: bytes, sizes: Mapping[str, int] = _SIZES) -> Header:
    """A header from its JSON (without the length). Raises DamagedError."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedError("it has a header that is not UTF-8") from None
    values = strict_json(text, "its header")
    if not isinstance(values, dict):
        raise DamagedError("it has a header that is no table")
    metadata = values.get(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DamagedError("it has metadata that are no strings")
    found = {name: _entry(name, value, sizes) for name, value in values.items() if name != _METADATA}
    tensors = dict(sorted(found.items(), key=lambda item: (item[1].begin, item[1].end)))
    end = 0
    for name, entry in tensors.items():
        if entry.begin != end:
            raise DamagedError(f"it has a gap or an overlap before {name!r}")
        end = entry.end
    start = 8 + len(raw)
    return Header(tensors, metadata, start, start + end, _dump(values).rstrip(b" ") == raw.rstrip(b" "))


def _entry(name: str, value: Any, sizes: Mapping[str, int]) -> Entry:
    fault = DamagedError(f"it describes the tensor {name[:80]!r} in a way that can't be")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise fault
    code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(code, str) or code not in sizes or not _sizes(shape) or not _sizes(offsets):
        raise fault
    if len(shape) > 8 or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * sizes[code]:
        raise fault
    return Entry(code, tuple(shape), offsets[0], offsets[1])


def _sizes(values: Any) -> bool:
    """Whether it is a list of whole numbers that a file could have."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 48 for v in values)


def _dump(values: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise DamagedError("it has a header with half a character") from None


def read_tensor(fd: int, entry: Entry, into: Array, files: Files = FILES) -> None:
    """Fills the array (C-contiguous, of the entry's shape and type) from where the file stands.

    Raises DamagedError where the file ends too early.
    """
    with octets(into) as view:
        if read_exactly(fd, view, files) != entry.end - entry.begin:
            raise DamagedError("it ends within a tensor")


def octets(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, not copied."""
    return array.reshape(-1).view(np.uint8).data


def code_of(array: Array) -> str:
    """The format's name for an array's type; empty where it has none."""
    return _CODES.get(array.dtype.newbyteorder("<"), "")


def in_order(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors in the order of their bytes: widest type first, so that each one is aligned."""
    return dict(sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))


def layout_text(shapes: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    """Names, types and shapes as one text that does not depend on their order."""
    return json.dumps({name: [code, list(shape)] for name, (code, shape) in sorted(shapes.items())})


def pieces(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[memoryview]:
    """A safetensors file: the header, then each tensor's own bytes, never a second copy.

    The tensors are C-contiguous and in order (`in_order`). Raises ValueError where the
    header would be above 1 MB.
    """
    values: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        values[name] = {"dtype": code_of(array), "shape": list(array.shape), "data_offsets": [begin, end]}
    raw = _dump(values)
    raw += b" " * (-len(raw) % 8)
    if len(raw) > LARGEST_WRITTEN:
        raise ValueError(f"{len(raw):,} bytes of texts and names; at most {LARGEST_WRITTEN:,} are written")

    def parts() -> Iterator[memoryview]:
        yield memoryview(len(raw).to_bytes(8, "little") + raw)
        for array in tensors.values():
            yield octets(array)

    return parts()

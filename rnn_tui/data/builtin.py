"""Texts that need no file and no network: Python's own documentation and source, and generated sentences."""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import sysconfig
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rnn_tui.config import BUILTIN_TEXTS
from rnn_tui.data.sentences import sentences
from rnn_tui.data.source import BytesSource, DataError
from rnn_tui.symbols import clean_line

SOURCE_BYTES = 8_000_000
SENTENCES_BYTES = 300_000

_PSF = "Python Software Foundation License 2.0"
# Tests, tables and what others installed there: no code that one would learn Python from.
_SKIPPED = frozenset(
    ("__pycache__", "test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data")
)


@dataclass(frozen=True)
class BuiltinText:
    """A text made or gathered here."""

    title: str
    what: str
    licence: str
    data: bytes
    """UTF-8."""
    notice: str = ""
    """In plain words, where it is not the text that was asked for."""

    @cached_property
    def sha256(self) -> str:
        """Of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def builtin_text(name: str) -> BuiltinText:
    """One of `config.BUILTIN_TEXTS`; generated sentences where this Python lacks what it is made of.

    Raises DataError for any other name, naming the nearest.
    """
    if name == "builtin:python-docs":
        return _python_docs() or _generated("this Python has no pydoc_data.topics: generated sentences instead")
    if name == "builtin:python-source":
        return _python_source() or _generated("this Python has no library source: generated sentences instead")
    if name == "builtin:sentences":
        return _generated()
    close = difflib.get_close_matches(name, BUILTIN_TEXTS, n=1)
    hint = f"the nearest is {close[0]}" if close else f"there are {', '.join(BUILTIN_TEXTS)}"
    raise DataError(f"no such built-in text; {clean_line(name)[:100]}; {hint}")


def builtin_source(name: str) -> BytesSource:
    """A built-in text, to be read as a file is. Raises DataError for an unknown name."""
    text = builtin_text(name)
    return BytesSource(text.title, name, text.data, text.sha256, text.notice)


def _python_docs() -> BuiltinText | None:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return None
    text = "\n\n\n".join(topics[key].strip("\n") for key in sorted(topics)) + "\n"
    return BuiltinText("Python documentation", "Python's language reference, by topic", _PSF, text.encode())


def _python_source() -> BuiltinText | None:
    pieces: list[bytes] = []
    room = SOURCE_BYTES
    for path in _library_files(Path(sysconfig.get_path("stdlib"))):
        piece = _source_of(path)
        if len(piece) > room:
            break
        pieces.append(piece)
        room -= len(piece)
    if not any(pieces):
        return None
    return BuiltinText("Python source", "the source of Python's standard library", _PSF, b"".join(pieces))


def _library_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(files):
            # The build's own settings differ from machine to machine.
            if name.endswith(".py") and not name.startswith("_sysconfigdata"):
                yield Path(parent, name)


def _source_of(path: Path) -> bytes:
    """A module's source as UTF-8, with a line end at its end; empty if it can't be read."""
    try:
        data = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError):
        return b""
    return (text.rstrip("\n") + "\n\n").encode() if text.strip() else b""


def _generated(notice: str = "") -> BuiltinText:
    return BuiltinText(
        "Generated sentences",
        "sentences of a small grammar, always the same",
        "none needed: made on this machine",
        sentences(SENTENCES_BYTES).encode(),
        notice,
    )

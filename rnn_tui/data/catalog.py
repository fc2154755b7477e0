"""The texts that can be had without a file of one's own, as a list shows them; and the cache."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_tui.config import BUILTIN_TEXTS
from rnn_tui.data.builtin import builtin_text
from rnn_tui.data.encoding import cache_folder, clear_cache

__all__ = ["CatalogRow", "cache_folder", "catalog", "clear_cache"]


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """A text that is always there."""

    name: str
    """What `data.path` calls it."""
    what: str
    licence: str
    size: int
    """Bytes."""
    sha256: str
    """Of its bytes, hexadecimal; those of Python's own texts differ by version."""


def catalog() -> tuple[CatalogRow, ...]:
    """Every built-in text. They are made or gathered for this, which takes a moment."""
    texts = [(name, builtin_text(name)) for name in BUILTIN_TEXTS]
    return tuple(CatalogRow(name, text.what, text.licence, len(text.data), text.sha256) for name, text in texts)

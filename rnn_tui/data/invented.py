"""Names of six languages that do not exist: each is a small grammar of syllables, and can be learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

NAMES = 3000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Language:
    """A name is one to three syllables (onset, vowel, coda) and an ending, as often as `weight` says."""

    name: str
    weight: int
    onsets: tuple[str, ...]
    vowels: tuple[str, ...]
    codas: tuple[str, ...]
    endings: tuple[str, ...]
    syllables: tuple[int, ...]


_LANGUAGES = (
    _Language("Aruvi", 6, ("", "l", "m", "n", "r", "v", "y"), ("a", "e", "i", "ia", "u"), ("", "", "", "l", "n"),
              ("a", "ani", "eli", "u"), (1, 2, 2, 3)),
    _Language("Brakh", 5, ("b", "br", "d", "dr", "g", "gr", "k", "kr", "t"), ("a", "o", "u"),
              ("k", "kh", "rg", "t", "z"), ("", "", "ak", "or"), (1, 1, 2)),
    _Language("Chisto", 4, ("ch", "p", "s", "sh", "t", "ts"), ("i", "o"), ("", "", "n"), ("ko", "mo", "sto", "to"),
              (1, 2, 2)),
    _Language("Delune", 4, ("c", "d", "f", "j", "l", "m", "p"), ("au", "e", "eau", "ou"), ("", "n", "r", "t"),
              ("elle", "et", "ier", "une"), (1, 1, 2)),
    _Language("Eskarn", 3, ("f", "h", "sk", "st", "th", "v"), ("a", "e", "i", "å", "ø"), ("l", "n", "r", "rn"),
              ("sen", "son", "vik", ""), (1, 1, 2)),
    _Language("Zhou-li", 2, ("h", "l", "q", "w", "x", "zh"), ("ai", "ao", "i", "ou", "u"), ("", "n", "ng"),
              ("", "-li", "-wen"), (1, 2)),
)  # fmt: skip


def invented_names(count: int = NAMES, seed: int = 1) -> str:
    """A CSV of `count` names and their languages; the same for the same seed on every Python."""
    random = Random(seed)
    often = [language for language in _LANGUAGES for _ in range(language.weight)]
    rows = ["name,language"]
    while len(rows) <= count:
        language = _one(random, often)
        name = "".join(
            _one(random, part)
            for _ in range(_one(random, language.syllables))
            for part in (language.onsets, language.vowels, language.codas)
        )
        name = (name + _one(random, language.endings)).capitalize()
        if len(name) > 2:
            rows.append(f"{name},{language.name}")
    return "\n".join(rows) + "\n"


def _one(random: Random, of: Sequence[_T]) -> _T:
    # Of a generator's methods only random() promises the same numbers in every version.
    return of[int(random.random() * len(of))]

"""The data that can be had without a file of one's own: what is built in, and well-known sets to be fetched."""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from rnn_tui.config import BUILTIN_TEXTS
from rnn_tui.data.builtin import builtin_text
from rnn_tui.data.encoding import cache_folder, clear_cache
from rnn_tui.data.source import DataError
from rnn_tui.symbols import clean_line

__all__ = [
    "PREFIX", "SETS", "CatalogRow", "KnownSet", "cache_folder", "catalog", "clear_cache", "downloads_folder",
    "known_set", "named", "resolved",
]  # fmt: skip

PREFIX = "catalog:"


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


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A well-known set of data that lies elsewhere. Its bytes are known: any others are refused."""

    name: str
    """What `rnn-lab data fetch` and, after `catalog:`, `data.path` call it."""
    task: str
    """The task that it is usually read for."""
    what: str
    licence: str
    url: str
    file: str
    """Name of the fetched file; none has that of another."""
    size: int
    """Bytes."""
    sha256: str
    """Of the bytes, hexadecimal."""

    @property
    def path(self) -> Path:
        """Where it lies once it is fetched."""
        return downloads_folder() / self.file

    @property
    def fetched(self) -> bool:
        """Whether it is there. Its bytes were checked before it got its name."""
        try:
            state = os.stat(self.path)
        except OSError:
            return False
        return stat.S_ISREG(state.st_mode) and state.st_size == self.size


def catalog() -> tuple[CatalogRow, ...]:
    """Every built-in text. They are made or gathered for this, which takes a moment."""
    texts = [(name, builtin_text(name)) for name in BUILTIN_TEXTS]
    return tuple(CatalogRow(name, text.what, text.licence, len(text.data), text.sha256) for name, text in texts)


def downloads_folder() -> Path:
    """Where fetched data are kept: beside the encoded texts."""
    return cache_folder().parent / "data"


def known_set(name: str) -> KnownSet:
    """The set of that name, with or without `catalog:`. Raises DataError, naming the nearest."""
    bare = name.removeprefix(PREFIX)
    names = [known.name for known in SETS]
    if bare in names:
        return SETS[names.index(bare)]
    close = difflib.get_close_matches(bare, names, n=1)
    hint = f"the nearest is {close[0]}" if close else "rnn-lab data list names them"
    raise DataError(f"the catalog has no such set; {clean_line(name)[:100]}; {hint}")


def named(path: str) -> bool:
    """Whether a `data.path` is the name of something built in or of the catalog, and no place in the file system."""
    return path.startswith(("builtin:", PREFIX))


def resolved(path: str) -> str:
    """A `data.path` as one that can be opened: `catalog:NAME` becomes the path of the fetched file.

    Any other path is returned as it is. Raises DataError where the set is unknown or not fetched.
    """
    if not path.startswith(PREFIX):
        return path
    known = known_set(path)
    if not known.fetched:
        raise DataError(f"this set is not fetched yet; {PREFIX}{known.name}; rnn-lab data fetch {known.name}")
    return os.fspath(known.path)


_GITHUB = "https://raw.githubusercontent.com"
_CHAR_RNN = f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare"
_MAKEMORE = f"{_GITHUB}/karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4"
_ZERO_TO_ALL = f"{_GITHUB}/hunkim/PyTorchZeroToAll/8440894e621e3922a394da25b4a0806bdabee21c/data"
_FROM_SCRATCH = f"{_GITHUB}/oreilly-japan/deep-learning-from-scratch-2/5473be8cd112c446c62c77535766280d445c17a7/dataset"
_BROWNLEE = f"{_GITHUB}/jbrownlee/Datasets"
_WNUT = f"{_GITHUB}/leondz/emerging_entities_17"
_WIKITEXT = "https://cosmo.zip/pub/datasets/wikitext-2-raw"
_CC_BY = "CC BY 4.0"
_WIKI_LICENCE = "CC BY-SA 3.0, GFDL"
_SERIES_LICENCE = "none stated (Time Series Data Library)"

# URLs name a commit where they can, so that what they serve does not change.
SETS: tuple[KnownSet, ...] = (
    KnownSet(
        "shakespeare", "language", "Tiny Shakespeare: 40,000 lines of his plays, 65 kinds of character",
        "public domain", f"{_CHAR_RNN}/input.txt", "tinyshakespeare.txt",
        1_115_394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    KnownSet(
        "wikitext2", "language", "WikiText-2 (raw), training part: 2 million words of Wikipedia, to be read by words",
        _WIKI_LICENCE, f"{_WIKITEXT}/wiki.train.raw", "wikitext2-train.txt",
        10_940_747, "6707892fa3788b5ab9ed78ab5ff37d9fe825f6011a2ad4fcd6a6d467f0e7da57",
    ),
    KnownSet(
        "wikitext2-validation", "language", "its validation part, for data.validation_path",
        _WIKI_LICENCE, f"{_WIKITEXT}/wiki.valid.raw", "wikitext2-validation.txt",
        1_146_846, "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7",
    ),
    KnownSet(
        "wikitext2-test", "language", "its test part, for data.test_path",
        _WIKI_LICENCE, f"{_WIKITEXT}/wiki.test.raw", "wikitext2-test.txt",
        1_290_590, "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08",
    ),
    KnownSet(
        "names", "language", "32,033 first names of the United States (makemore), one a line",
        "MIT", f"{_MAKEMORE}/names.txt", "names.txt",
        228_145, "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ),
    KnownSet(
        "wnut17", "tagging", "WNUT-17, training part: 3,394 messages with the entities named in them (BIO tags)",
        _CC_BY, f"{_WNUT}/e52a2d2a71ac1a051ca2d532eef28653c5c02603/wnut17train.conll", "wnut17-train.conll",
        493_781, "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
    ),
    KnownSet(
        "wnut17-validation", "tagging", "its development part, 1,009 messages, for data.validation_path",
        _CC_BY, f"{_WNUT}/80365bea7179534c260d565f569c0d73369ae2ea/emerging.dev.conll", "wnut17-validation.conll",
        114_749, "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
    ),
    KnownSet(
        "wnut17-test", "tagging", "its test part, 1,287 messages, for data.test_path",
        _CC_BY, f"{_WNUT}/master/emerging.test.annotated", "wnut17-test.conll",
        192_425, "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
    ),
    KnownSet(
        "surnames", "classification", "13,374 surnames with their language, of 18: to tell it, or to compose more",
        "none stated", f"{_ZERO_TO_ALL}/names_train.csv.gz", "surnames-train.csv.gz",
        50_237, "49b4bf41dce5bfeac989b46ca37cf7baccd9a0d2a855df82f86de67a9376268f",
    ),
    KnownSet(
        "surnames-test", "classification", "6,700 more, for data.test_path",
        "none stated", f"{_ZERO_TO_ALL}/names_test.csv.gz", "surnames-test.csv.gz",
        27_541, "57d7758db533a42c99d513b2341a7e7b0f55c1e0e7d233b1ef6a4fa2f1adf753",
    ),
    KnownSet(
        "addition", "translation", "50,000 sums of two numbers below 1,000: 16+75  _91",
        "MIT", f"{_FROM_SCRATCH}/addition.txt", "addition.txt",
        650_000, "34e0746f5014c11311c9452ee9050bf14e38eca44ec4aaf4d81eba2b38674009",
    ),
    KnownSet(
        "airline", "forecasting", "passengers of airlines, in thousands, each month of 1949 to 1960",
        _SERIES_LICENCE, f"{_BROWNLEE}/master/airline-passengers.csv", "airline-passengers.csv",
        2_180, "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
    ),
    KnownSet(
        "sunspots", "forecasting", "sunspots, the mean of each month of 1749 to 1983",
        _SERIES_LICENCE, f"{_BROWNLEE}/7041c0cc3d65519cf5af38b3afa82087a7d80748/monthly-sunspots.csv",
        "monthly-sunspots.csv", 45_039, "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
    ),
)  # fmt: skip

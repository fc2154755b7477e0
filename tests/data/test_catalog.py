from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rnn_tui.config import TASKS
from rnn_tui.data.catalog import PREFIX, SETS, KnownSet, downloads_folder, known_set, named, resolved
from rnn_tui.data.source import DataError

BY_NAME = pytest.mark.parametrize("known", SETS, ids=[known.name for known in SETS])


@BY_NAME
def test_a_set_says_what_it_is(known: KnownSet) -> None:
    assert re.fullmatch("[a-z0-9-]+", known.name)
    assert known.task in TASKS
    assert known.what and known.licence and known.what.isascii()
    assert known.size > 0
    assert re.fullmatch("[0-9a-f]{64}", known.sha256)
    parts = urlsplit(known.url)
    assert parts.scheme == "https" and parts.hostname and not parts.query and not parts.fragment
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z]+)+", known.file)


def test_no_two_sets_are_mistaken_for_each_other() -> None:
    for values in zip(*((k.name, k.file, k.url, k.sha256) for k in SETS), strict=True):
        assert len(set(values)) == len(SETS)


def test_every_kind_of_file_has_a_set() -> None:
    assert {known.task for known in SETS} >= {"language", "tagging", "classification", "translation", "forecasting"}


@BY_NAME
def test_a_set_is_found_by_its_name(known: KnownSet) -> None:
    assert known_set(known.name) is known is known_set(PREFIX + known.name)


@pytest.mark.parametrize(
    ("name", "said"), [("shakespear", "the nearest is shakespeare"), ("zzz", "rnn-lab data list"), ("\x1b[2J", "list")]
)
def test_an_unknown_set(name: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        resolved(PREFIX + name)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "builtin:sentences", "text.txt", "/catalog:names", "~/a/b.csv"])
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert resolved(path) == path
    assert named(path) == (path == "builtin:sentences")
    assert named("catalog:names")


def test_a_set_is_resolved_once_it_is_here(cache: Path) -> None:
    known = known_set("airline")
    assert downloads_folder() == cache.parent / "data"
    with pytest.raises(DataError, match=r"^this set is not fetched yet; catalog:airline; rnn-lab data fetch airline$"):
        resolved("catalog:airline")
    known.path.mkdir(parents=True)
    assert not known.fetched
    known.path.rmdir()
    known.path.write_bytes(b"x" * (known.size - 1))
    assert not known.fetched
    known.path.write_bytes(b"x" * known.size)
    assert known.fetched
    assert resolved("catalog:airline") == str(downloads_folder() / "airline-passengers.csv")

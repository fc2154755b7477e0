"""Choosing a file by keyboard alone: what is listed, what the keys mean, and what the draft becomes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.app.panes import build_folder
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.build_folder import Reader, list_folder
from rnn_tui.app.panes.build_places import fixed_places
from rnn_tui.data import catalog
from rnn_tui.views import Guess

from .conftest import Open, screen_text, settle, until
from .fakes import FakeLab


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files, in which the lab is started."""
    found = tmp_path / "work"
    found.mkdir()
    (found / "plays").mkdir()
    (found / "plays" / "hamlet.txt").write_text("to be or not to be\n" * 99)
    (found / "names.csv").write_text("name,language\nAda,English\n")
    (found / "notes.txt").write_text("x" * 2500)
    (found / ".hidden").write_text("x")
    os.mkfifo(found / "pipe")
    monkeypatch.chdir(found)
    return found


def pane(pilot: Any) -> BuildPane:
    found = pilot.app.pane("build")
    assert isinstance(found, BuildPane)
    return found


async def open_files(pilot: Any) -> BuildPane:
    build = pane(pilot)
    build._form.move_to("data.path")
    await pilot.press("enter")
    await until(pilot, lambda: not build._browser._reader.reading)
    return build


async def press(pilot: Any, *keys: str) -> str:
    await pilot.press(*keys)
    build = pane(pilot)
    await until(pilot, lambda: not build._browser._reader.reading)
    await settle(pilot)
    return "\n".join(screen_text(pilot.app))


def taken(pilot: Any) -> str:
    return pane(pilot).draft.config.data.path


def test_a_listing_has_folders_first_and_leaves_out_what_is_hidden_or_endless(folder: Path) -> None:
    listing = list_folder("")
    assert [found.name for found in listing.found] == ["plays", "names.csv", "notes.txt"]
    assert [found.size for found in listing.found] == [0, 26, 2500] and not listing.more and not listing.trouble
    assert [found.name for found in list_folder(str(folder), "NO").found] == ["notes.txt"]
    assert list_folder(str(folder / "nowhere")).trouble == "No such file or directory"


@given(st.sets(st.text("abcXYZ.01", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))),
       st.integers(1, 5), st.text("abX", max_size=2))  # fmt: skip
def test_a_huge_folder_is_cut_and_says_so(names: set[str], most: int, narrowed: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as where, pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_folder, "MOST", most)
        for name in names:
            Path(where, name).touch()
        listing = list_folder(where, narrowed)
    fit = sorted((n.casefold(), n) for n in names if narrowed.casefold() in n.casefold() and not n.startswith("."))
    assert [found.name for found in listing.found] == [name for _, name in fit][:most]
    assert listing.more == (len(fit) > most)


def test_only_the_folder_that_was_wanted_last_is_taken(folder: Path) -> None:
    reader = Reader()
    reader.want(str(folder))
    reader.want(str(folder / "plays"))
    listing = None
    while listing is None:
        listing = reader.take()
    assert listing.folder.endswith("plays") and reader.take() is None and not reader.reading


async def test_enter_goes_into_a_folder_and_takes_a_file(shown: Open, folder: Path) -> None:
    async with shown() as pilot:
        await open_files(pilot)
        text = await press(pilot)
        assert "Built in" in text and "python-source" in text and "notes.txt" in text and "2.5 kB" in text
        assert ".hidden" not in text and "pipe" not in text and "enter take" in text
        text = await press(pilot, "p", "l", "enter")
        assert "hamlet.txt" in text and "names.csv" not in text and pane(pilot).editing
        text = await press(pilot, "enter")
        assert taken(pilot) == str(folder / "plays" / "hamlet.txt")
        assert not pane(pilot).editing and "Preset" in text


async def test_left_and_backspace_go_up_and_the_cursor_stands_where_one_came_from(shown: Open, folder: Path) -> None:
    async with shown() as pilot:
        build = await open_files(pilot)
        for up in ("left", "backspace"):
            await press(pilot, "p", "l", "a", "y", "enter")
            text = await press(pilot, up)
            assert build._browser.field.value == f"{folder}/" and "names.csv" in text
            assert build._browser.places.selected is not None
            assert build._browser.places.selected.name == "plays/"
            # With letters typed, backspace takes them back first.
            await press(pilot, "n", "o", "backspace")
            assert build._browser.field.value == f"{folder}/n"
            await press(pilot, "escape", "enter")


async def test_escape_leaves_everything_as_it_was(shown: Open, folder: Path) -> None:
    async with shown() as pilot:
        await open_files(pilot)
        before = pane(pilot).draft.config
        text = await press(pilot, "n", "o", "down", "escape")
        assert pane(pilot).draft.config == before and not pane(pilot).editing
        assert "Preset" in text and "notes.txt" not in text
        # Nor does enter, where nothing was touched.
        await press(pilot, "enter", "enter")
        assert pane(pilot).draft.config == before and not pane(pilot).editing


async def test_a_path_can_be_typed_or_pasted_whole(shown: Open, folder: Path) -> None:
    async with shown() as pilot:
        build = await open_files(pilot)
        build._browser.field.paste(f"{folder}/plays/hamlet.txt")
        await press(pilot, "enter")
        assert taken(pilot) == f"{folder}/plays/hamlet.txt"
        # One that is not there is taken as it stands: reading it says what is wrong.
        await open_files(pilot)
        await press(pilot, "slash", "z", "q", "enter")
        assert taken(pilot) == "/zq"
        await open_files(pilot)
        await press(pilot, "ctrl+u", "p", "l", "tab")
        assert build._browser.field.value == "plays/"
        await press(pilot, "enter")
        assert taken(pilot) == str(folder / "plays" / "hamlet.txt")


async def test_what_is_built_in_is_taken_from_the_list(shown: Open, folder: Path) -> None:
    async with shown() as pilot:
        await open_files(pilot)
        await press(pilot, "down", "enter")
        assert taken(pilot) == "builtin:python-source"
        build = pane(pilot)
        build._form.move_to("data.validation_path")
        text = await press(pilot, "enter")
        assert "Built in" not in text and "names.csv" in text
        await press(pilot, "enter")
        assert build.draft.config.data.validation_path == ""
        await press(pilot, "enter", "n", "o", "enter")
        assert build.draft.config.data.validation_path == str(folder / "notes.txt")


def test_sets_that_were_fetched_stand_under_their_own_heading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "cache"))
    assert fixed_places("language", whole=True)[1] == ("Fetched", [])
    known = min(catalog.SETS, key=lambda one: one.size)
    known.path.parent.mkdir(parents=True)
    known.path.write_bytes(bytes(known.size))
    heading, places = fixed_places(known.task, whole=True)[1]
    assert heading == "Fetched" and [place.key for place in places] == [f"catalog:{known.name}"]
    built = fixed_places("tagging", whole=True)[0][1]
    assert [place.key for place in built] == ["builtin:example"]


async def test_hostile_names_are_signs_and_those_without_a_text_are_refused(shown: Open, folder: Path) -> None:
    (folder / "a\x1b[2Jb\u202e.txt").write_text("x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text("x")
    async with shown() as pilot:
        build = await open_files(pilot)
        text = await press(pilot, "a", "left_square_bracket")
        assert "\x1b" not in text and "\u202e" not in text
        text = await press(pilot, "backspace", "backspace")
        assert "a\u241b[2Jb" in text
        await press(pilot, "t", "x", "t", "down", "down", "down")
        row = build._browser.places.selected
        assert row is not None and row.key.endswith("\udcff.txt")
        text = await press(pilot, "enter")
        assert "its name is not UTF-8" in text and build.editing


@pytest.mark.parametrize("size", [(160, 48), (40, 12), (20, 5)])
async def test_the_files_are_listed_at_any_size(shown: Open, folder: Path, size: tuple[int, int]) -> None:
    async with shown(size=size) as pilot:
        await open_files(pilot)
        text = await press(pilot, "n", "a")
        assert "names.csv" in text
        await press(pilot, "enter")
        assert taken(pilot) == str(folder / "names.csv")


async def test_a_file_that_is_taken_is_learned_as_what_it_looks_like(shown: Open, lab: FakeLab, folder: Path) -> None:
    path = str(folder / "names.csv")
    lab.guesses[path] = Guess(
        "classification", {"data.columns": "0", "data.label_column": "1"}, "two columns, the second of few kinds",
        ("composing", "language"),
    )  # fmt: skip
    async with shown() as pilot:
        await open_files(pilot)
        text = await press(pilot, "n", "a", "enter")
        data = pane(pilot).draft.config.data
        assert (data.task, data.path, data.columns, data.label_column) == ("classification", path, "0", "1")
        told = " ".join(row.note for row in pane(pilot)._form.rows if row.note)
        assert "taken for classification: two columns, the second of few kinds; also fit for composing" in told
        assert "classification" in text
        # A person knows better.
        pane(pilot)._form.move_to("data.task")
        text = await press(pilot, "right")
        data = pane(pilot).draft.config.data
        assert (data.task, data.path, data.columns) == ("composing", path, "")
        assert "taken for" not in text and "composing" in text


async def test_without_a_guess_the_task_stays(shown: Open, lab: FakeLab, folder: Path) -> None:
    async with shown() as pilot:
        build = await open_files(pilot)
        await press(pilot, "n", "o", "enter")
        assert build.guess.waiting and build.draft.config.data.task == "language"
        await press(pilot, "escape")
        assert not build.guess.waiting and taken(pilot) == str(folder / "notes.txt")


async def test_a_guess_comes_too_late_for_another_file(shown: Open, lab: FakeLab, folder: Path) -> None:
    async with shown() as pilot:
        build = await open_files(pilot)
        await press(pilot, "n", "a", "enter")
        asked: Any = build.guess._asked
        build.draft.put("data.path", "builtin:sentences")
        asked.newest, asked.done = Guess("tagging", {}, "why"), True
        await settle(pilot)
        assert build.draft.config.data.task == "language" and taken(pilot) == "builtin:sentences"

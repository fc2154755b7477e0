"""Sessions, driven by its keys, over a folder with real session files."""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnn_tui import session
from rnn_tui.app.panes import session_files
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.sessions import SessionsPane
from rnn_tui.app.widgets.session_rows import date_words, detail_lines, perplexity_words, validation_words
from rnn_tui.config import Config, put
from rnn_tui.lab import LabError
from rnn_tui.session import folder as session_folder
from rnn_tui.views import Phase, SessionRow
from tests.session_builder import small_config, small_session

from .conftest import Open, screen_text, settle
from .fakes import FakeLab

pytestmark = pytest.mark.asyncio


def write(folder: Path, name: str, step: int = 1, **changes: Any) -> None:
    file = small_session(step, changes.pop("config", None))
    file.progress |= changes
    file.notes = f"notes on {name}"
    folder.mkdir(parents=True, exist_ok=True)
    session.save(session.path_of(folder, name), file, new=True)


@pytest.fixture
def files(lab: FakeLab) -> Path:
    """Three sessions, the newest first in the list: gamma, beta, alpha."""
    now = time.time()
    write(lab.folder, "alpha", 10, updated=now - 400 * 86_400, val_loss=1.5)
    write(lab.folder, "beta", 1900, updated=now - 60, config=small_config(cell="gru", layers=1))
    write(lab.folder, "gamma", 7, updated=now, val_loss=1000.0)
    return lab.folder


@asynccontextmanager
async def listed(shown: Open, name: str | None = None, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Any]:
    async with shown(name, size=size) as pilot:
        await pilot.press("6")
        await done(pilot)
        yield pilot


async def done(pilot: Any) -> str:
    """Until no thread works on files any more; what the screen shows then."""
    for _ in range(4):
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
    return "\n".join(screen_text(pilot.app))


async def press(pilot: Any, *keys: str) -> str:
    await pilot.press(*keys)
    return await done(pilot)


async def type_in(pilot: Any, text: str, *keys: str) -> str:
    names = {"-": "minus", "_": "underscore", ".": "full_stop", " ": "space", "/": "slash"}
    return await press(pilot, "ctrl+u", *(names.get(c, c) for c in text), *keys)


def pane(pilot: Any) -> SessionsPane:
    found = pilot.app.pane("sessions")
    assert isinstance(found, SessionsPane)
    return found


def names(folder: Path) -> list[str]:
    return sorted(row.name for row in session.list_sessions(folder))


async def test_the_list(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        lines = (await done(pilot)).splitlines()
        head = next(i for i, line in enumerate(lines) if "name" in line and "model" in line)
        for word in ("task", "model", "steps", "validation", "saved", "size"):
            assert word in lines[head]
        rows = [line.replace("\u203a", " ").split() for line in lines[head + 1 : head + 4]]
        assert [row[0] for row in rows] == ["gamma", "beta", "alpha"]
        assert rows[1][1:5] == ["language", "GRU", "1x3", "1,900"] and rows[1][5] == "-"
        assert f"{math.exp(1.5):.2f}" in rows[2] and "inf" in rows[0]
        text = "\n".join(lines)
        assert "notes on gamma" in text and "parameters" in text and "step 7 of 5,000" in text


async def test_an_empty_folder_says_what_to_press(shown: Open, lab: FakeLab) -> None:
    async with listed(shown) as pilot:
        text = await done(pilot)
        assert "There are no sessions" in text and "n begins one" in text
        for key in ("enter", "a", "e", "d", "up", "down", "y"):
            await press(pilot, key)
        assert lab.told == []


async def test_open(shown: Open, files: Path, lab: FakeLab) -> None:
    async with listed(shown) as pilot:
        await press(pilot, "down", "enter")
        assert ("open", "beta") in lab.calls
        await press(pilot, "6")
        text = await done(pilot)
        assert "\u25b8 beta" in text
        lab.calls.clear()
        await press(pilot, "enter")
        assert lab.told == []


async def test_keys_typed_ahead_of_the_list_are_not_lost(shown: Open, files: Path, lab: FakeLab) -> None:
    async with shown() as pilot:
        pilot.app.go("sessions")  # type: ignore[attr-defined]
        for action in ("sessions.down", "sessions.down", "sessions.open"):
            pilot.app.perform(action)  # type: ignore[attr-defined]
        await done(pilot)
        assert ("open", "alpha") in lab.calls


async def test_new_shows_build_with_a_fresh_draft(shown: Open, files: Path, lab: FakeLab) -> None:
    async with listed(shown, "beta") as pilot:
        await press(pilot, "n")
        build = pilot.app.pane("build")
        assert pilot.app.current == "build" and isinstance(build, BuildPane) and build.draft.needs_new


async def test_a_closed_session_is_copied(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        text = await press(pilot, "a")
        assert "Copy gamma to" in text and "gamma-2" in text
        text = await type_in(pilot, "beta", "enter")
        assert "there is a session beta already" in text
        text = await type_in(pilot, "../x", "enter")
        assert "can't be a session's name" in text
        text = await type_in(pilot, "delta", "enter")
        assert names(files) == ["alpha", "beta", "delta", "gamma"] and "gamma copied to delta" in text
        row = pane(pilot).selected
        assert row is not None and row.name == "delta"
        copy, original = (session.load(session.path_of(files, name)) for name in ("delta", "gamma"))
        assert copy.config == original.config


async def test_the_open_session_is_saved_under_another_name(shown: Open, files: Path, lab: FakeLab) -> None:
    def refuse(name: str) -> None:
        raise LabError("there is a session beta already; choose another name")

    async with listed(shown, "gamma") as pilot:
        assert "Save gamma as" in await press(pilot, "a")
        await type_in(pilot, "delta", "enter")
        assert ("save_as", "delta") in lab.calls
        lab.save_as = refuse  # type: ignore[method-assign]
        await press(pilot, "a")
        assert "there is a session beta already" in await type_in(pilot, "beta", "enter")


async def test_name_and_notes_of_a_closed_session(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        await press(pilot, "down", "down", "e")
        text = await type_in(pilot, "omega", "enter")
        assert "Notes on omega" in text
        await type_in(pilot, "it began here", "enter")
        for _ in range(20):
            await pilot.pause(0.05)
            text = await done(pilot)
            if "notes on omega kept" in text:
                break
        assert names(files) == ["beta", "gamma", "omega"]
        assert session.load(session.path_of(files, "omega")).notes == "it began here"
        row = pane(pilot).selected
        assert row is not None and row.name == "omega" and "it began here" in text


async def test_escape_changes_neither_name_nor_notes(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        await press(pilot, "e", "x", "escape")
        await press(pilot, "e", "enter")
        await type_in(pilot, "x", "escape")
        assert names(files) == ["alpha", "beta", "gamma"]
        assert session.load(session.path_of(files, "gamma")).notes == "notes on gamma"


async def test_the_open_session_gets_a_new_name(shown: Open, files: Path, lab: FakeLab) -> None:
    def rename(name: str) -> None:
        session.rename(files, lab.status.session, name)
        lab.change(session=name)

    def refuse(name: str) -> None:
        raise LabError("the lab says no")

    lab.rename = rename  # type: ignore[method-assign]
    async with listed(shown, "gamma") as pilot:
        build = pilot.app.pane("build")
        build._follow(lab.status)
        build.draft.put("model.layers", 5)
        await press(pilot, "e")
        assert "there is a session beta already" in await type_in(pilot, "beta", "enter")
        text = await type_in(pilot, "Gamma", "enter")
        assert "Notes on Gamma" in text and names(files) == ["Gamma", "alpha", "beta"]
        await type_in(pilot, "new notes", "enter")
        assert lab.notes == "new notes" and lab.told == ["open", "save"]
        row = pane(pilot).selected
        assert row is not None and row.name == "Gamma"
        # It is the same session: what was being edited stays.
        build._follow(lab.status)
        assert build.draft.config.model.layers == 5 and build.draft.session == "Gamma"
        lab.rename = refuse  # type: ignore[method-assign]
        await press(pilot, "e")
        assert "the lab says no" in await type_in(pilot, "delta", "enter")


async def test_delete_asks_once_and_escape_keeps(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        assert "Delete gamma?" in await press(pilot, "d")
        await press(pilot, "escape")
        assert names(files) == ["alpha", "beta", "gamma"]
        text = await press(pilot, "d", "enter")
        assert names(files) == ["alpha", "beta"] and "gamma deleted" in text
        row = pane(pilot).selected
        assert row is not None and row.name == "beta"


async def test_the_open_session_is_not_deleted(shown: Open, files: Path, lab: FakeLab) -> None:
    async with listed(shown, "gamma") as pilot:
        lab.change(phase=Phase.TRAINING)
        text = await press(pilot, "d")
        assert "gamma is open and trains" in text and "Delete gamma?" not in text
        assert names(files) == ["alpha", "beta", "gamma"]


async def test_a_session_that_another_program_holds_is_told(shown: Open, files: Path) -> None:
    with session.Lock(session.path_of(files, "gamma"), "training"):
        async with listed(shown) as pilot:
            assert f"In use   training, process {os.getpid()}" in await done(pilot)
            assert "in use by" in await press(pilot, "d")
    assert "gamma" in names(files)


async def test_a_faulty_file_is_listed_with_its_sentence(shown: Open, files: Path, lab: FakeLab) -> None:
    (files / "broken.safetensors").write_bytes(b"\x1b[2J not a session")
    async with listed(shown) as pilot:
        pane(pilot)._list.move_to("broken")
        text = await press(pilot, "right")
        line = next(line for line in text.splitlines() if " broken " in line and "opened" in line)
        assert "can't be opened" in line and "Fault" in text and "\x1b" not in text
        await press(pilot, "enter", "a", "escape", "e", "escape")
        assert lab.told == []
        await press(pilot, "d", "enter")
        assert names(files) == ["alpha", "beta", "gamma"]


async def test_the_open_session_shows_what_it_has_now(shown: Open, files: Path, lab: FakeLab) -> None:
    async with listed(shown, "gamma") as pilot:
        lab.change(step=2345, val_loss=math.log(7.25))
        pane(pilot)._drawn_at = 0.0
        line = next(line for line in (await done(pilot)).splitlines() if "\u25b8 gamma" in line)
        assert "2,345" in line and "7.25" in line


async def test_a_session_without_a_file_yet_is_in_the_list(shown: Open, lab: FakeLab) -> None:
    async with listed(shown, "brand-new") as pilot:
        text = await done(pilot)
        assert "\u25b8 brand-new" in text and "not yet" in text


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (160, 48), (20, 5)])
async def test_any_size(shown: Open, files: Path, size: tuple[int, int]) -> None:
    async with listed(shown, size=size) as pilot:
        text = await done(pilot)
        assert "gamma" in text
        if size[0] >= 40:
            assert "steps" in text and "1,900" in text


async def test_a_change_of_the_folder_is_seen(shown: Open, files: Path) -> None:
    async with listed(shown) as pilot:
        write(files, "delta", 3)
        pane(pilot)._look()
        assert "delta" in await done(pilot)
        seen = pane(pilot).sessions
        pane(pilot)._look()
        await done(pilot)
        assert pane(pilot).sessions is seen


async def test_a_gallery_session_is_opened_as_a_copy(
    shown: Open, files: Path, lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = tmp_path / "gallery"
    write(gallery, "shipped-one", 50)
    monkeypatch.setattr(session_folder, "gallery_folder", lambda: gallery)
    rows = [replace(row, gallery=True) for row in session.list_sessions(gallery)]
    monkeypatch.setattr(session_files.session, "list_gallery", lambda: rows)
    async with listed(shown) as pilot:
        assert "shipped with the lab" in await done(pilot)
        pane(pilot)._list.move_to("/shipped-one")
        await press(pilot, "d", "e", "enter")
        assert names(files) == ["alpha", "beta", "gamma", "shipped-one"]
        assert ("open", "shipped-one") in lab.calls


async def test_words() -> None:
    noon = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))
    assert date_words(noon - 3600, noon) == "11:00"
    assert date_words(noon - 86_400 * 20, noon).startswith("1 ")
    assert date_words(noon - 86_400 * 500, noon) == "2025"
    assert date_words(math.nan, noon) == date_words(0, noon) == "-"
    assert perplexity_words(math.nan) == "-" and perplexity_words(math.log(4.5)) == "4.50"
    assert perplexity_words(math.log(2217)) == "2,217" and perplexity_words(1e9) == "inf"


def listed_row(task: str, model: str, val_loss: float, metrics: dict[str, float], **fields: Any) -> SessionRow:
    config = put(Config(), "data.task", task)
    for key, value in fields.items():
        config = put(config, key.replace("__", "."), value)
    return SessionRow(
        name=task, task=task, model=model, parameters=5, step=100, planned=200, tokens=3000, train_loss=1.0,
        val_loss=val_loss, best_loss=val_loss, updated=1000.0, size=10, source="x.txt", config=config,
        val_metrics=metrics,
    )  # fmt: skip


KINDS = (
    listed_row("language", "BiLSTM 1x64", math.log(4.5), {}, model__bidirectional=True),
    listed_row("tagging", "BiLSTM 1x64", 0.5, {"span_f1": 0.612, "accuracy": 0.95}, training__masking=False),
    listed_row("translation", "LSTM 1x128 enc-dec, attention", 2.0, {"exact": 0.41, "bleu": 38.83}),
    listed_row("forecasting", "GRU 1x32", 0.11, {"rmse": 18.021, "mape": 0.24}),
    listed_row("adding", "LSTM 1x32", 0.000125, {"mse": 0.000125}),
    listed_row("recall", "RNN 1x32", math.nan, {}),
)


async def test_every_kind_of_sequence_is_told_by_what_tells_most() -> None:
    assert [validation_words(row) for row in KINDS] == [
        "ppl 4.50", "span F1 61.2 %", "exact 41.0 %", "RMSE 18.02", "MSE 0.000125", "-",
    ]  # fmt: skip
    told = ["\n".join("".join(text for text, _ in line.runs) for line in detail_lines(row, "", False, 120, 9))
            for row in KINDS]  # fmt: skip
    assert "this perplexity means nothing" in told[0] and "best 1.504 nats" in told[0]
    assert "span F1 61.2 %, accuracy 95.0 % on the validation part" in told[1]
    assert "3,000 words" in told[1] and "padded timesteps" in told[1]
    assert "exact 41.0 %, BLEU 38.8" in told[2] and "translation: x.txt" in told[2]
    assert "RMSE 18.02, MAPE 24.0 %" in told[3] and "best squared error 0.11" in told[3]
    assert "nats" not in told[3] + told[4] and "3,000 timesteps" in told[4]
    assert "not validated yet" in told[5]


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_the_list_of_every_kind(shown: Open, lab: FakeLab, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(session, "list_sessions", lambda folder: list(KINDS))
    monkeypatch.setattr(session, "list_gallery", list)
    async with listed(shown, size=(width, 24)) as pilot:
        text = await done(pilot)
        assert "RMSE 18.02" in text and "span F1 61.2 %" in text
        # A long network is cut, then left out.
        assert ("LSTM 1x128 enc-dec" in text, "enc-dec, attention" in text) == (width >= 80, width == 120)
        assert all(len(line) <= width for line in text.split("\n"))


async def test_the_open_session_shows_the_metrics_it_has_now(shown: Open, files: Path, lab: FakeLab) -> None:
    async with listed(shown, "beta") as pilot:
        lab.run_to(2000)
        lab.change(val_metrics={"accuracy": 0.5})
        assert "accuracy 50.0 %" in await press(pilot, "1", "6")

"""What is kept for every session: read with care, written whole, never a reason to stop."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rnn_tui.app import settings


def put(folder: Path, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_without_a_file_the_defaults(plain_settings: Path) -> None:
    assert settings.load() == settings.Settings()
    assert not plain_settings.exists()


def test_stored_values_are_read_again_and_the_rest_stays(plain_settings: Path) -> None:
    put(plain_settings, 'mine = 3\n[keymap]\n"train.step" = "n"\n')
    assert settings.store(theme="nord", unit="bits") == ""
    found = settings.load()
    assert (found.theme, found.unit, dict(found.keymap)) == ("nord", "bits", {"train.step": "n"})
    assert tomllib.loads((plain_settings / "settings.toml").read_text())["mine"] == 3
    assert [path.name for path in plain_settings.iterdir()] == ["settings.toml"]


def test_keymap_without_quotes_means_the_same(plain_settings: Path) -> None:
    put(plain_settings, '[keymap]\ntrain.step = "n"\nzoom = "Z"\n')
    assert dict(settings.load().keymap) == {"train.step": "n", "zoom": "Z"}


@pytest.mark.parametrize(
    "text", ["theme = [", b"\xff\xfe\x00", "theme = 3", 'unit = "furlongs"', "keymap = 3", "[keymap]\nzoom = 3"]
)
def test_what_is_wrong_is_told_and_left_out(plain_settings: Path, text: str | bytes) -> None:
    path = put(plain_settings, text)
    found = settings.load()
    assert len(found.complaints) == 1 and str(path) in found.complaints[0]
    assert (found.theme, found.unit, dict(found.keymap)) == (settings.DEFAULT_THEME, "nats", {})


def test_a_file_that_cannot_be_read_is_not_overwritten(plain_settings: Path) -> None:
    path = put(plain_settings, "theme = [")
    assert "not changed" in settings.store(theme="nord")
    assert path.read_text() == "theme = ["


def test_a_folder_that_cannot_be_made_is_a_sentence(plain_settings: Path) -> None:
    plain_settings.write_text("a file stands in the folder's place")
    assert "not kept" in settings.store(theme="nord") or "not changed" in settings.store(theme="nord")

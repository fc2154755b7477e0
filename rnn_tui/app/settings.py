"""What a person chose for every session: theme, unit, keys. Kept where the platform keeps settings."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w

from rnn_tui.config import ConfigError, read_toml
from rnn_tui.views import UNITS, Unit

DEFAULT_THEME = "textual-dark"


def folder() -> Path:
    """Where `settings.toml` lies: RNN_LAB_CONFIG, or the platform's folder for settings."""
    given = os.environ.get("RNN_LAB_CONFIG")
    return Path(given) if given else platformdirs.user_config_path("rnn-lab")


def copies() -> Path:
    """Where the last copied text lies, for terminals that do not take it."""
    given = os.environ.get("RNN_LAB_CONFIG")
    return (Path(given) if given else platformdirs.user_state_path("rnn-lab")) / "copied.txt"


@dataclass(frozen=True, slots=True)
class Settings:
    """As read from the file; what the file has wrong is left at its default and told in `complaints`."""

    theme: str = DEFAULT_THEME
    unit: Unit = "nats"
    keymap: Mapping[str, str] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()


def load() -> Settings:
    """The settings. Never fails: a file that can't be read counts as empty, and is told."""
    path = folder() / "settings.toml"
    if not path.exists():
        return Settings()
    try:
        values = read_toml(path)
    except ConfigError as error:
        return Settings(complaints=(f"not read: {error}; the defaults are used",))
    complaints = []
    theme = values.get("theme", DEFAULT_THEME)
    if not isinstance(theme, str):
        complaints.append(f"{path}: theme is not a name")
        theme = DEFAULT_THEME
    unit = values.get("unit", "nats")
    if unit not in UNITS:
        complaints.append(f"{path}: unit is not one of {', '.join(UNITS)}")
        unit = "nats"
    keymap = values.get("keymap", {})
    if not isinstance(keymap, dict) or not all(isinstance(keys, str) for keys in keymap.values()):
        keymap, flat = {}, _flat(keymap)
        if flat is None:
            complaints.append(f'{path}: [keymap] must hold lines like "train.step" = "n"')
        else:
            keymap = flat
    return Settings(theme, unit, keymap, tuple(complaints))


def _flat(table: Any, before: str = "") -> dict[str, str] | None:
    """`train.step = "n"` without quotes is a nested table in TOML: the same meant. None if it is neither."""
    if not isinstance(table, dict):
        return None
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, str):
            found[before + name] = value
        elif (inner := _flat(value, f"{before}{name}.")) is not None:
            found |= inner
        else:
            return None
    return found


def store(**changed: str) -> str:
    """Keep single settings, leaving the rest of the file's values; what went wrong in a sentence, or empty."""
    path = folder() / "settings.toml"
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = read_toml(path)
        except ConfigError as error:
            return f"{path.name} was not changed, because it can't be read: {error}"
    if all(values.get(name) == value for name, value in changed.items()):
        return ""
    try:
        write_whole(path, tomli_w.dumps(values | changed))
    except OSError as error:
        return f"{path}: not kept: {error.strerror or error}"
    return ""


def write_whole(path: Path, text: str) -> None:
    """Write a file so that at every instant a whole one exists. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

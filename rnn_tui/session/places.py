"""Where sessions are kept: the folder of this call, the gallery, and the folders used lately."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from rnn_tui.session.files import FILES, Files, SessionError, read_small, reason, sweep, write_atomic
from rnn_tui.session.names import name_of

MOST_REMEMBERED = 50
LARGEST_LIST = 1 << 20
GALLERY_LIST = "gallery.json"

_PACKAGE = Path(__file__).absolute().parents[1]


def sessions_folder(option: str | None = None) -> Path:
    """The folder of sessions: the option, else RNN_LAB_SESSIONS, else `./sessions`. It need not exist."""
    chosen = option or os.environ.get("RNN_LAB_SESSIONS") or "sessions"
    return Path(chosen).expanduser().absolute()


def prepare_folder(folder: Path, files: Files = FILES) -> Path:
    """Makes the folder if need be, sees that it can be written, and clears what dead writers left there.

    Raises SessionError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SessionError(f"{folder} is no folder; choose another one with --sessions") from None
    except OSError as error:
        what, remedy = reason(error, folder)
        raise SessionError(f"the folder {folder} could not be made: {what}; {remedy}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SessionError(f"nothing can be written in {folder}; choose another folder with --sessions")
    sweep(folder, files)
    return folder


@cache
def gallery_folder() -> Path:
    """The folder of the sessions that ship: inside the package, or beside it in a clone."""
    beside = _PACKAGE.parent / "sessions"
    in_clone = not (_PACKAGE / "sessions").is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file()
    return beside if in_clone else _PACKAGE / "sessions"


def is_shipped_folder(folder: Path) -> bool:
    """Whether all of this folder ships: the gallery of an installed package, not that of a clone."""
    return folder == _PACKAGE / "sessions"


def gallery_names(folder: Path, files: Files = FILES) -> frozenset[str]:
    """Names that the folder's `gallery.json` lists (a list of names, or a table of them); often none."""
    with suppress(OSError, ValueError, RecursionError):
        listed = json.loads(read_small(folder / GALLERY_LIST, LARGEST_LIST, files))
        if isinstance(listed, (list, dict)):
            return frozenset(name for name in listed if isinstance(name, str))
    return frozenset()


def is_gallery(path: Path, files: Files = FILES) -> bool:
    """Whether this file ships with the lab: it is never written, only opened as a copy."""
    if is_shipped_folder(path.parent):
        return True
    return name_of(path) in gallery_names(path.parent, files)


def state_folder() -> Path:
    """Where the lab remembers things between calls: RNN_LAB_STATE, else where platformdirs says."""
    chosen = os.environ.get("RNN_LAB_STATE")
    return Path(chosen).expanduser().absolute() if chosen else platformdirs.user_state_path("rnn-lab")


def remember(folder: Path, name: str) -> None:
    """Notes that this session of this folder was opened last. Never fails: it is only a convenience."""
    entry = {"folder": os.fspath(folder.absolute()), "session": name, "time": time.time()}
    kept = [old for old in _remembered() if old["folder"] != entry["folder"]]
    path = state_folder() / "recent.json"
    with suppress(OSError, ValueError, SessionError):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([entry, *kept][:MOST_REMEMBERED], indent=1)
        write_atomic(path, [memoryview(text.encode())])


def recent_folders() -> tuple[Path, ...]:
    """The folders used lately that still exist, newest first; at most 50."""
    return tuple(path for path in (Path(old["folder"]) for old in _remembered()) if _is_folder(path))


def _is_folder(path: Path) -> bool:
    # A name that is too long is an error of its own.
    with suppress(OSError, ValueError):
        return path.is_dir()
    return False


def last_session(folder: Path) -> str:
    """The session of this folder that was opened last, if its file still exists; else empty."""
    for old in _remembered():
        if old["folder"] == os.fspath(folder.absolute()):
            name = str(old["session"])
            with suppress(OSError, ValueError):
                if "/" not in name and (folder / f"{name}.safetensors").is_file():
                    return name
    return ""


def _remembered() -> list[dict[str, Any]]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(read_small(state_folder() / "recent.json", LARGEST_LIST))
        if isinstance(found, list):
            entries = [entry for entry in found if isinstance(entry, dict)]
            known = [e for e in entries if isinstance(e.get("folder"), str) and isinstance(e.get("session"), str)]
            return known[:MOST_REMEMBERED]
    return []

"""Names of sessions: what may be one, which file it is, and one for a session that has none yet."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from pathlib import Path

from rnn_tui.session.files import FILES, Files, SessionError
from rnn_tui.symbols import clean_line

SUFFIX = ".safetensors"
LONGEST = 64
VERBS = frozenset({
    "train", "eval", "generate", "trace", "gradients", "units", "sessions", "data", "bench", "doctor", "keys",
    "open", "import", "intervene", "answer", "help", "version",
})  # fmt: skip
"""Words that the command understands itself: `rnn-lab train` could never open a session of that name."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _fault(name: str) -> str:
    """Why this can't be a session's name; empty where it can."""
    if _NAME.fullmatch(name) is None:
        return "a name has 1 to 64 letters, digits, dots, dashes or underscores, and begins with a letter or digit"
    if name.lower() in VERBS:
        return f"{name.lower()} is a command; choose another name"
    if name.lower().endswith((".previous", SUFFIX)):
        return "a name can't end in .previous or .safetensors; leave the ending out"
    return ""


def check_name(name: str) -> str:
    """The name itself. Raises SessionError, saying what is allowed, where it can't be one."""
    fault = _fault(name)
    if fault:
        shown = clean_line(name)
        raise SessionError(f"{shown[:60] + '...' if len(shown) > 60 else shown!r} can't be a session's name: {fault}")
    return name


def name_of(path: Path) -> str:
    """The session's name: the file's, without the suffix."""
    return path.name.removesuffix(SUFFIX)


def path_of(folder: Path, name: str) -> Path:
    """Where a session of that name is kept. Raises SessionError for a bad name."""
    return folder / (check_name(name) + SUFFIX)


def companion(path: Path, kind: str) -> Path:
    """A session's companion file: `previous` (a session file itself), `lock`, `holder`, `live`, `take`."""
    return path.with_name(f".{name_of(path)}.{kind}{SUFFIX if kind == 'previous' else ''}")


def session_names(folder: Path, files: Files = FILES) -> list[str]:
    """Names of all session files in a folder, sorted; empty where there is no such folder."""
    try:
        found = files.names(folder)
    except OSError:
        return []
    return sorted(n.removesuffix(SUFFIX) for n in found if n.endswith(SUFFIX) and not n.startswith("."))


def find(folder: Path, name: str, files: Files = FILES) -> Path | None:
    """The file of that name, compared without case (an exact match first); None where there is none.

    Raises SessionError for a bad name.
    """
    check_name(name)
    present = session_names(folder, files)
    if name in present:
        return folder / (name + SUFFIX)
    same = [n for n in present if n.casefold() == name.casefold()]
    return folder / (same[0] + SUFFIX) if same else None


def existing(folder: Path, name: str, *also: Path) -> Path:
    """The file of that name in the folder, or in one of the others.

    Raises SessionError for a bad name, and, naming the nearest, where there is none.
    """
    for place in (folder, *also):
        path = find(place, name)
        if path is not None:
            return path
    known = {n.casefold(): n for place in (folder, *also) for n in session_names(place)}
    close = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.4)
    hint = f"the nearest is {known[close[0]]}" if close else "see rnn-lab sessions list"
    raise SessionError(f"there is no session {name} in {clean_line(os.fspath(folder))}; {hint}")


def refuse_taken(folder: Path, name: str) -> Path:
    """Where a new session of that name goes. Raises SessionError for a bad or a taken name."""
    path = path_of(folder, name)
    present = find(folder, name)
    if present is not None:
        raise SessionError(f"there is a session {name_of(present)} already; choose another name")
    return path


def free_name(folder: Path, wish: str) -> str:
    """The wish itself where nobody has it, else wish-2, wish-3 ...

    Raises SessionError for a bad name.
    """
    check_name(wish)
    taken = {n.casefold() for n in session_names(folder)}
    name, count = wish, 1
    while name.casefold() in taken:
        count += 1
        tail = f"-{count}"
        name = wish[: LONGEST - len(tail)] + tail
    return name


def derive_name(title: str, cell_line: str) -> str:
    """A name from the data's title and the network's line: `shakespeare.txt`, `LSTM 2x128`
    give `shakespeare-lstm-2x128`."""
    stem = title.replace("\\", "/").rstrip("/").rpartition("/")[2].rpartition(":")[2]
    stem = re.sub(r"(\.(txt|md|csv|tsv|gz|utf-?8|py))+$", "", stem, flags=re.IGNORECASE)
    tail = _words(cell_line)[: LONGEST // 2]
    head = _words(stem)[: LONGEST - len(tail) - 1].strip("-")
    name = "-".join(part for part in (head, tail) if part) or "session"
    return name if not _fault(name) else f"session-{name}"[:LONGEST].rstrip("-.")


def _words(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")

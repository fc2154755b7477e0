"""What the writer of a session tells others while it works, and what others ask of it.

`.NAME.live` is one JSON line that the writer refreshes each second. `.NAME.take` is a request
of somebody else: to be given the session, or to save more often because it is looked at. Both
are of no worth once their writers are gone, and anything may stand in them: they are read
strictly, and never trusted with more than words and numbers.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from rnn_tui.session.files import read_small
from rnn_tui.session.lock import Process
from rnn_tui.session.names import companion
from rnn_tui.symbols import clean_line

LARGEST = 16_384
LONGEST_TEXT = 400
MOST_METRICS = 12
EVERY = 1.0
"""Seconds from one refreshing to the next."""
SILENT_AFTER = 5.0
"""Seconds without a refreshing after which a writer counts as silent."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Live(Process):
    """The newest state of a session that a process has open; numbers as in `views.Status`."""

    beat: int = 0
    """Counts the refreshings: clocks of two machines need not agree."""
    time: float = 0.0
    """Unix time of this refreshing, by the writer's clock."""
    phase: str = ""
    step: int = 0
    planned: int = 0
    tokens: int = 0
    epoch: float = 0.0
    train_loss: float = math.nan
    val_loss: float = math.nan
    val_step: int = -1
    val_metrics: Mapping[str, float] = field(default_factory=dict)
    best_loss: float = math.nan
    best_step: int = -1
    learning_rate: float = math.nan
    grad_norm: float = math.nan
    clipped_share: float = 0.0
    tokens_per_second: float = 0.0
    eta_seconds: float = math.nan
    device: str = ""
    precision: str = ""
    saved_step: int = -1
    goal: str = "planned"
    """Why it will stop: `planned`, `steps`, `epochs`, `minutes`."""
    goal_step: int = 0
    goal_seconds: float = math.nan
    """Left, where the goal is a time."""
    fault: str = ""
    notice: str = ""
    answered: str = ""
    """The mark of the request that is being carried out."""


@dataclass(frozen=True, slots=True)
class Request(Process):
    """What somebody asks of the writer."""

    want: Literal["take", "look"] = "take"
    """To be given the session; or to save more often, as somebody looks at it."""
    mark: str = ""
    """Of this request alone: the answer names it."""
    beat: int = 0
    """Counts how often it was repeated: a writer heeds only who is still there to repeat it."""


def request(want: Literal["take", "look"]) -> Request:
    """A new request of this process."""
    return Request(os.getpid(), socket.gethostname(), want, secrets.token_hex(8))


def write_live(path: Path, live: Live) -> None:
    """Refresh what is told of the session. Never fails: it is told again in a second."""
    _write(companion(path, "live"), asdict(live))


def read_live(path: Path) -> Live | None:
    """What the writer of a session told last; None where nothing can be read. It may be gone since."""
    return _read(companion(path, "live"), Live)


def write_request(path: Path, asked: Request) -> None:
    """Ask the writer of a session; the newest request replaces the one before. Never fails."""
    _write(companion(path, "take"), asdict(asked))


def read_request(path: Path) -> Request | None:
    """What was asked last; None where nothing can be read."""
    found = _read(companion(path, "take"), Request)
    return found if found is not None and found.want in ("take", "look") else None


def forget_request(path: Path, asked: Request) -> None:
    """Take a request away, if it is still that one."""
    found = read_request(path)
    if found is not None and found.mark == asked.mark:
        with suppress(OSError):
            os.unlink(companion(path, "take"))


def forget_live(path: Path) -> None:
    """Nobody has the session any more."""
    with suppress(OSError):
        os.unlink(companion(path, "live"))


def now_live(**values: Any) -> Live:
    """A state of this process, at this moment."""
    return Live(pid=os.getpid(), host=socket.gethostname(), time=time.time(), **values)


def _write(path: Path, values: Mapping[str, Any]) -> None:
    plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    for key, value in plain.items():
        if isinstance(value, str):
            plain[key] = value[:LONGEST_TEXT]
        elif isinstance(value, Mapping):
            plain[key] = {k: v for k, v in value.items() if math.isfinite(v)}
    line = json.dumps(plain, allow_nan=False).encode() + b"\n"
    # In place: a rename each second would have every list of the folder read again.
    with suppress(OSError, ValueError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(fd).st_nlink > 1:
                # It is somebody's file under this name too: the name is given up, and a file of its own made next time.
                os.unlink(path)
                return
            os.pwrite(fd, line, 0)
            os.ftruncate(fd, len(line))
        finally:
            os.close(fd)


def _read(path: Path, kind: type[T]) -> T | None:
    """The line, each value of the type that belongs there; another one is left out."""
    with suppress(OSError, ValueError, RecursionError):
        line = read_small(path, LARGEST).split(b"\n", 1)[0]
        values = json.loads(line)
        if not isinstance(values, dict):
            return None
        known = {f.name: f.type for f in fields(kind)}  # type: ignore[arg-type]
        found = {}
        for name, value in values.items():
            fitting = _fitting(value, str(known.get(name, "")))
            if fitting is not None:
                found[name] = fitting
        return kind(**found) if found.get("pid") else None
    return None


def _fitting(value: Any, kind: str) -> Any:
    match kind:
        case "int":
            return value if type(value) is int and -1 <= value < 1 << 62 else None
        case "float":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
            return float(value) if fits else None
        case "Mapping[str, float]":
            if not isinstance(value, dict):
                return None
            pairs = ((clean_line(k)[:40], _fitting(v, "float")) for k, v in list(value.items())[:MOST_METRICS])
            return {name: number for name, number in pairs if number is not None}
        case "":
            return None
        case _:
            return clean_line(value)[:LONGEST_TEXT] if isinstance(value, str) else None

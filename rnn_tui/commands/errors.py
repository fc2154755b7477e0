"""How a command ends that can't do what was asked: one sentence on stderr, and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rnn_tui.symbols import clean_line

DONE, FAILED, WRONG = 0, 1, 2
CLOSED_PIPE = 128 + 13
"""Whoever read our output has left: as if SIGPIPE had ended us."""


class WrongArguments(Exception):
    """What was asked for can't be: one sentence, what is wrong; where; what to do. Exit status 2."""


class Failed(Exception):
    """What was asked for did not come about; one sentence. Exit status 1."""


@contextmanager
def arguments() -> Iterator[None]:
    """What goes wrong in here is what was asked for, not the doing."""
    from rnn_tui.config import ConfigError
    from rnn_tui.data.source import DataError
    from rnn_tui.lab import LabError
    from rnn_tui.session import SessionError

    try:
        yield
    except (ConfigError, DataError, LabError, SessionError) as error:
        raise WrongArguments(str(error)) from error


def explain(error: BaseException) -> tuple[str, int] | None:
    """The sentence and the exit status of an error that was to be reckoned with; None of any other."""
    match error:
        case WrongArguments():
            return str(error), WRONG
        case Failed():
            return str(error), FAILED
        case MemoryError():
            return "there is not enough memory for that; close other programs, or take something smaller", FAILED
        case ModuleNotFoundError():
            return f"{error.name} is not installed; this Python is {sys.executable}; install rnn-lab again", FAILED
        case OSError():
            where = f"; {error.filename}" if error.filename is not None else ""
            return f"{(error.strerror or str(error)).lower()}{where}; check that it is there and may be used", FAILED
    # What was never imported was not raised.
    if isinstance(error, (*_known("rnn_tui.config", "ConfigError"), *_known("rnn_tui.data.source", "DataError"))):
        return str(error), WRONG
    if isinstance(error, _known("rnn_tui.training.precision", "DeviceError")):
        return str(error), WRONG
    if isinstance(error, (*_known("rnn_tui.lab", "LabError"), *_known("rnn_tui.session", "SessionError"))):
        return str(error), FAILED
    return None


def _known(module: str, name: str) -> tuple[Any, ...]:
    found = getattr(sys.modules.get(module), name, None)
    return () if found is None else (found,)


def tell(sentence: str) -> None:
    """The one line that an error is."""
    print(f"error: {clean_line(' '.join(sentence.split()))}", file=sys.stderr)

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

FOLDERS = {
    "RNN_LAB_CACHE": "cache",
    "RNN_LAB_STATE": "state",
    "RNN_LAB_CONFIG": "config",
    "RNN_LAB_SESSIONS": "sessions",
}
TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
UNSET = (
    "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PY_COLORS",
    "COLUMNS", "LINES", "ESCDELAY", "RNN_LAB_ASCII", "TEXTUAL", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_THEME",
    "TEXTUAL_ANIMATIONS", "TMUX", "STY",
)  # fmt: skip

# Here and not in a fixture: Textual and Rich read some of them when they are imported.
for _name in UNSET:
    os.environ.pop(_name, None)
os.environ.update(TERMINAL)
# The suite runs in several processes: threads of torch that wait for one another would only cost.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nor may they spin while they wait, where a lab tries two of them: the processor is another test's.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# By default the collector walks all of torch, Textual and the tests' own syntax trees again and again: a quarter of the
# suite's time.
gc.set_threshold(100_000, 10, 10)

settings.register_profile("here", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_finish() -> None:
    """What has been imported by now stays, and is never looked through again."""
    gc.collect()
    gc.freeze()


def _use(patch: pytest.MonkeyPatch, home: Path) -> None:
    for variable, folder in FOLDERS.items():
        patch.setenv(variable, str(home / folder))
    # What is asked of platformdirs without a variable of the lab's own must not reach the person who runs the tests.
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        patch.setenv(f"XDG_{kind}_HOME", str(home / "xdg" / kind.lower()))


@pytest.fixture(scope="session")
def lab_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh path at each call of `next`; nothing is made there before it is needed."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(scope="session", autouse=True)
def session_environment(lab_homes: Iterator[Path]) -> Iterator[None]:
    """For fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        _use(patch, next(lab_homes))
        yield


@pytest.fixture(autouse=True)
def environment(lab_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's folders of this test alone, outside its `tmp_path`; the same terminal everywhere."""
    home = next(lab_homes)
    _use(monkeypatch, home)
    if "torch" in sys.modules:
        # The lab sets it for its threads; a test that did a thread's work here leaves it behind.
        sys.modules["torch"].set_flush_denormal(False)
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    return home

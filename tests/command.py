"""`rnn-lab` called in this process or in one of its own, with all its folders in a test's own folder."""

from __future__ import annotations

import functools
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rnn_tui.cli import main

TEXT = "the cat sat on the mat, and the dog sat on the log; then the cat saw the dog. " * 30
TINY = (
    "--set", "model.layers=2", "--set", "model.hidden_size=8", "--set", "model.embedding_size=5",
    "--set", "training.batch_size=4", "--set", "training.sequence_length=10", "--set", "training.validate_every=10",
    "--set", "training.threads=1",
)  # fmt: skip
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of stdout, which must be strict JSON."""

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is no JSON")

        found: dict[str, Any] = json.loads(self.out.splitlines()[-1], parse_constant=refuse)
        return found

    @property
    def error(self) -> str:
        """The one line that an error is."""
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err + self.out
        return lines[0]


def environment(folder: Path) -> dict[str, str]:
    """The variables that keep everything below one folder."""
    return {
        "RNN_LAB_SESSIONS": str(folder / "sessions"), "RNN_LAB_CACHE": str(folder / "cache"),
        "RNN_LAB_STATE": str(folder / "state"), "RNN_LAB_CONFIG": str(folder / "config"),
    }  # fmt: skip


@contextmanager
def own_process_settings() -> Iterator[None]:
    """What the command sets for a whole process, taken back."""
    hook, handlers = threading.excepthook, list(logging.getLogger().handlers)
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        if "torch" in sys.modules:
            sys.modules["torch"].set_flush_denormal(False)
        for handler in [h for h in logging.getLogger().handlers if h not in handlers]:
            logging.getLogger().removeHandler(handler)
            handler.close()


class Command:
    """Calls `rnn-lab` in this process, with its folders below one."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.sessions = folder, folder / "sessions"
        self._capture = capture

    def __call__(self, *args: str | Path) -> Outcome:
        self._capture.readouterr()
        with own_process_settings():
            code = main([str(arg) for arg in args])
        found = self._capture.readouterr()
        return Outcome(code, found.out, found.err)

    def text(self, name: str = "cats.txt", text: str = TEXT) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def train(self, name: str, *args: str | Path) -> Outcome:
        """A new tiny session."""
        return self("train", "--new", name, "--data", self.text(), *TINY, *args)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """A folder that holds `demo`, trained for 25 steps, for tests that only read it."""
    folder = _trained()
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Command(folder, capsys)


@functools.cache
def _trained() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rnn-lab-tests-"))
    (folder / "cats.txt").write_text(TEXT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, own_process_settings():
        for name, value in environment(folder).items():
            patch.setenv(name, value)
        assert main(["train", "--new", "demo", "--data", str(folder / "cats.txt"), *TINY, "--steps", "25"]) == 0
    return folder


def start(args: Sequence[str], folder: Path, **more: str) -> subprocess.Popen[str]:
    """`rnn-lab` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rnn_tui", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env={**os.environ, **environment(folder), **more},
    )  # fmt: skip


def run(args: Sequence[str], folder: Path, **more: str) -> Outcome:
    process = start(args, folder, **more)
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)

"""Sessions whose line drops: prepared, trained to the end without a fault, and compared."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from rnn_tui import session
from rnn_tui.config import Config, parse
from rnn_tui.lab import Lab
from rnn_tui.session import live
from rnn_tui.session.live import Live
from rnn_tui.views import Phase
from tests.command import TEXT, environment
from tests.faults.waiting import until

BEGUN, STEPS = 10, 1000
TRAINED = ("model.", "best.", "optimizer.", "carry.", "rng.")
RUNNING = (Phase.TRAINING.value, Phase.VALIDATING.value)
Result = tuple[list[float], dict[str, str]]
PR_SET_CHILD_SUBREAPER = 36


def tiny(folder: Path, **training: Any) -> Config:
    """A network whose steps take a millisecond or two; its text is written to the folder."""
    text = folder / "cats.txt"
    text.write_text(TEXT, encoding="utf-8")
    return parse(
        {
            "data": {"path": str(text), "split": "80/15/5"},
            "model": {"hidden_size": 8, "embedding_size": 4, "layers": 1},
            "training": {
                "batch_size": 2, "sequence_length": 5, "steps": STEPS, "validate_every": 400,
                "validation_tokens": 100, "precision": "float32", "threads": 1, **training,
            },
        }
    )  # fmt: skip


def begun(folder: Path, config: Config, steps: int = BEGUN) -> Path:
    """`demo`, trained for a few steps, in the folder's `sessions`."""
    with Lab(folder / "sessions") as lab:
        lab.create(config, "demo")
        lab.train(steps=steps)
        assert not lab.wait(120).fault
    return session.path_of(folder / "sessions", "demo")


def finished(path: Path) -> None:
    """Train a session to its planned end, in this process."""
    with Lab(path.parent) as lab:
        lab.open(session.name_of(path))
        lab.wait(120)
        lab.train()
        assert lab.wait(240).stopped_because == "planned", lab.status


@functools.cache
def start() -> Path:
    """`demo` at its first steps, beside its text; to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="rnn-lab-tests-"))
    return begun(folder, tiny(folder))


@functools.cache
def whole() -> Result:
    """What a run from there to the planned end that nothing happened to leaves."""
    path = Path(tempfile.mkdtemp(prefix="rnn-lab-tests-")) / start().name
    shutil.copy(start(), path)
    finished(path)
    return result(path)


def copied(folder: Path) -> Path:
    """`demo` at its first steps, in the folder's `sessions`."""
    (folder / "sessions").mkdir()
    return Path(shutil.copy(start(), folder / "sessions" / start().name))


def result(path: Path) -> Result:
    """The loss of every step, and the SHA-256 of all else that training left in the file."""
    found = session.load(path)
    losses = found.tensors["history.train_loss"].tolist()
    sums = {
        name: hashlib.sha256(array.tobytes()).hexdigest()
        for name, array in found.tensors.items()
        if name.startswith(TRAINED)
    }
    assert len(losses) == found.progress["step"] and any(name.startswith("optimizer.") for name in sums)
    return losses, sums


def processes(folder: Path) -> list[psutil.Process]:
    """Every process that was started for this folder and is not dead."""
    mine = ("RNN_LAB_SESSIONS", environment(folder)["RNN_LAB_SESSIONS"])
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            there = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if there and process.environ().get(mine[0]) == mine[1]:
                found.append(process)
    return found


def writer(path: Path, *, but: int = 0) -> Live:
    """What the process tells that trains the session now; another one than `but`."""
    until(lambda: (told := live.read_live(path)) is not None and told.pid != but and told.phase in RUNNING)
    told = live.read_live(path)
    assert told is not None
    return told


def status_of(pid: int, within: float = 60.0) -> int:
    """The exit status of a process that has no other parent any more; below `adopting`."""
    last = time.monotonic() + within
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        assert time.monotonic() < last, f"process {pid} did not end"
        time.sleep(0.02)


@contextmanager
def adopting(folder: Path) -> Iterator[None]:
    """Be the parent of what is left behind, so that its exit status can be asked for; nothing of it stays."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        for process in processes(folder):
            with suppress(psutil.Error, ChildProcessError):
                process.kill()
                os.waitpid(process.pid, 0)
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class LockWatch:
    """Looks at the lock of a session all the time, from a thread: whether it was ever free, or another file."""

    def __init__(self, path: Path) -> None:
        self._path = session.companion(path, "lock")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.free = 0
        self.looks = 0
        self.inodes: set[int] = set()

    def __enter__(self) -> LockWatch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.002):
            self.looks += 1
            fd = os.open(self._path, os.O_RDONLY)
            try:
                self.inodes.add(os.fstat(fd).st_ino)
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                self.free += 1
            except BlockingIOError:
                pass
            finally:
                os.close(fd)

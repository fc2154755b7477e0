"""Long training in the app with random keys in every pane, random sizes and a terminal that is often not read.

    python -m tests.soak.soak_session [--minutes 30] [--seed 1]

Memory must not grow by more than 50 MB once all panes were seen, no step may be lost, nothing
may be told as a fault or logged as one, and the session has to be, loss by loss and weight by
weight, that of as many steps with nobody at the keys.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import select
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rnn_tui import session
from rnn_tui.config import Config, parse
from rnn_tui.lab import Lab
from rnn_tui.process import log_path
from rnn_tui.session import live
from tests.command import REPOSITORY, environment
from tests.faults import line
from tests.terminal.terminal import Terminal

GROWTH = 50e6
WARM = 120.0
"""Seconds, or a third of all, until every pane has been seen."""
EVERY = 2.0
ESC = "\x1b"
UP, DOWN, RIGHT, LEFT, HOME, END = (f"{ESC}[{letter}" for letter in "ABCDHF")
PAGE_UP, PAGE_DOWN = f"{ESC}[5~", f"{ESC}[6~"
MOVES = (UP, DOWN, LEFT, RIGHT)
EVERYWHERE = ("z", "y", "w", "?", "\x03", "é", "日")
# What changes the run is left out: training is to be the same as with nobody at the keys.
KEYS = {
    "2": (*MOVES, "v", "V", "l"),
    "3": (*MOVES, *"hlHLjk[]vV()SrFnN,.m#/", HOME, END, PAGE_UP, PAGE_DOWN, "\r", "i"),
    "4": (*MOVES, *"hlHLvV[]r", HOME, END, "\r"),
    "5": (*MOVES, *"vr", "\r", "i"),
    "6": (UP, DOWN, "m", "c"),
}


def config(folder: Path) -> Config:
    text = folder / "text.txt"
    text.write_text("".join(f"the {k} cats sat on {k * 7} mats; then they slept. " for k in range(4000)))
    return parse(
        {
            "data": {"path": str(text), "split": "90/5/5"},
            "model": {"hidden_size": 64, "embedding_size": 16, "layers": 2},
            "training": {
                "batch_size": 16, "sequence_length": 40, "steps": 10_000_000, "validate_every": 500,
                "validation_tokens": 5000, "precision": "float32", "threads": 1, "autosave_seconds": 10,
            },
        }
    )  # fmt: skip


class Sitting:
    """One person, or something like one, at the app."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self._draw = draw
        variables = {**environment(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self.terminal = Terminal(["demo"], variables)
        self.terminal.until("opened at step")
        self.app = self.terminal.app()
        self._path = session.path_of(folder / "sessions", "demo")
        self._began = time.monotonic()
        self._sampled = 0.0
        self.memory: list[tuple[float, int]] = []
        self.faults: list[str] = []
        self.keys = self.sizes = self.stalls = self.drawn = 0

    def read(self, seconds: float) -> None:
        """Take what is drawn for so long, and forget it."""
        last = time.monotonic() + seconds
        while (left := last - time.monotonic()) > 0:
            if select.select([self.terminal.master], [], [], left)[0]:
                self.drawn += len(os.read(self.terminal.master, 65536))
            self._sample()

    def _sample(self) -> None:
        now = time.monotonic()
        if now - self._sampled < EVERY:
            return
        self._sampled = now
        self.memory.append((now - self._began, self.app.memory_info().rss))
        told = live.read_live(self._path)
        if told is not None and told.fault and told.fault not in self.faults:
            self.faults.append(told.fault)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.terminal.type(key)
            self.keys += 1
            self.read(self._draw.choice((0.0, 0.0, 0.02, 0.2)))

    def to(self, pane: str) -> None:
        """Out of whatever is open, to a pane."""
        for _ in range(3):
            self.terminal.type(ESC)
            self.read(0.15)
        self.terminal.type(pane)
        self.read(0.1)

    def burst(self) -> None:
        pane = self._draw.choice(list(KEYS))
        self.to(pane)
        keys = KEYS[pane] if self._draw.random() < 0.9 else EVERYWHERE
        self.press(*self._draw.choices(keys, k=self._draw.randint(1, 30)))
        self.read(self._draw.uniform(0.0, 1.0))

    def resize(self) -> None:
        self.sizes += 1
        self.terminal.resize(self._draw.randint(1, 200), self._draw.randint(1, 60))
        self.read(self._draw.uniform(0.0, 0.5))

    def stall(self) -> None:
        """Nobody reads, and keys are pressed all the same."""
        self.stalls += 1
        self.to(self._draw.choice("23"))
        last = time.monotonic() + self._draw.uniform(1.0, 15.0)
        for key in self._draw.choices(MOVES, k=20):
            self.terminal.type(key)
        while time.monotonic() < last:
            time.sleep(0.1)
            self._sample()

    def pause_and_go_on(self) -> None:
        self.to("2")
        self.press(" ")
        self.read(1.0)
        self.go_on()

    def go_on(self) -> None:
        """Train, if it does not."""
        told = live.read_live(self._path)
        if told is None or told.phase not in line.RUNNING:
            self.to("2")
            self.press(" ")
            self.read(1.5)

    def sit(self, seconds: float) -> None:
        last = time.monotonic() + seconds
        while time.monotonic() < last and self.terminal.process.poll() is None:
            for _ in range(5):
                self._draw.choices((self.burst, self.resize, self.stall), (10, 6, 1))[0]()
            if self._draw.random() < 0.1:
                self.pause_and_go_on()
            self.go_on()

    def leave(self) -> int:
        """Pause, read the step that is shown, and leave."""
        self.terminal.resize(80, 24)
        self.read(2.0)
        self.to("2")
        told = live.read_live(self._path)
        if told is not None and told.phase in line.RUNNING:
            self.terminal.type(" ")
        self.terminal.resize(100, 30)
        self.terminal.until("paused")
        self.terminal.read(2.0)
        shown = re.search(r"paused\s+([\d,]+)", self.terminal.screen.display[0])
        self.terminal.type("q")
        code = self.terminal.ended()
        if code != 0:
            self.faults.append(f"it ended with {code}: {self.terminal.text.strip()}")
        return int(shown[1].replace(",", "")) if shown else -1


def digest(path: Path) -> dict[str, str]:
    """SHA-256 of all that training left in the file; the history thinned as it is."""
    found = session.load(path)
    return {
        name: hashlib.sha256(array.tobytes()).hexdigest()
        for name, array in found.tensors.items()
        if name.startswith((*line.TRAINED, "history.step", "history.train_loss"))
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rnn-lab-soak-"))
    os.environ.update(environment(folder))
    path = line.begun(folder, config(folder), steps=2)
    alone = folder / "alone" / path.name
    alone.parent.mkdir()
    shutil.copy(path, alone)

    sitting = Sitting(folder, random.Random(given.seed))
    try:
        sitting.sit(60 * given.minutes)
        shown = sitting.leave()
    finally:
        sitting.terminal.close()
    faults = sitting.faults
    step = session.row(path).step
    if shown != step:
        faults.append(f"step {shown} was shown, step {step} is saved")
    for log in (log_path(), log_path().with_name("native.log")):
        with suppress(OSError):
            if "Traceback" in log.read_text(errors="replace"):
                faults.append(f"there is a traceback in {log}")

    warm = min(WARM, 20 * given.minutes)
    later = [used for at, used in sitting.memory if at >= warm]
    some = max(1, len(later) // 10)
    growth = statistics.median(later[-some:]) - statistics.median(later[:some])
    if growth > GROWTH:
        faults.append("memory grew")

    began = time.monotonic()
    with Lab(alone.parent) as lab:
        lab.open("demo")
        lab.wait(120)
        lab.train(steps=step - lab.status.step)
        lab.wait()
    if digest(path) != digest(alone):
        faults.append("the session is not that of as many steps with nobody at the keys")
    took = time.monotonic() - began
    print(
        f"{given.minutes:g} min: {step:,} steps, {sitting.keys:,} keys, {sitting.sizes:,} sizes, "
        f"{sitting.stalls} stalls, {sitting.drawn / 1e6:.1f} MB drawn; "
        f"memory {statistics.median(later[:some]) / 1e6:.0f} MB after {warm:.0f} s, {growth / 1e6:+.0f} MB at the end, "
        f"{max(later) / 1e6:.0f} MB at most; the same steps alone took {took:.0f} s"
    )
    tenths = [statistics.median(later[k : k + some]) / 1e6 for k in range(0, len(later), some)]
    print("memory as it went, MB: " + " ".join(f"{used:.0f}" for used in tenths))
    print("; ".join(faults) or "no fault, nothing lost, every loss and every weight equal")
    if not faults:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

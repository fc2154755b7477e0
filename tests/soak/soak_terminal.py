"""Two runs side by side, one on a fast terminal and one on a slow, stalled, or ever resized one: the same step rate.

`python -m tests.soak.soak_terminal` prints the figures, and exits 1 where one is not what is promised.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import os
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.command import REPOSITORY, TEXT, environment
from tests.faults.slow_terminal import SLOW, SlowTerminal, told

PANES = ("[1 Build]", "[2 Train]", "[3 Inspect]", "[4 Gradients]", "[5 Generate]", "[6 Sessions]")
AUTOSAVE = 2


class Side:
    """A training app in a folder of its own."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.path = folder / "sessions" / "demo.safetensors"
        (folder / "cats.txt").write_text(TEXT * 10, encoding="utf-8")
        variables = {**environment(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        words = (
            "train --new demo --data cats.txt --steps 50 --set model.hidden_size=64 --set training.steps=10000000"
            f" --set training.validate_every=100000 --set training.autosave_seconds={AUTOSAVE} --set training.threads=1"
        )
        subprocess.run(
            [sys.executable, "-m", "rnn_tui", *words.split()],
            cwd=folder,
            env={**os.environ, **variables},
            check=True,
            capture_output=True,
        )
        self.terminal = SlowTerminal(["demo"], variables, columns, rows)
        self.terminal.until("demo", "paused 50")
        self.terminal.type(" ")
        self.terminal.until("training")


class Drained:
    """Reads a terminal as fast as it draws, without looking at it."""

    def __init__(self, terminal: SlowTerminal) -> None:
        self._terminal = terminal
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._ended.is_set():
            if select.select([self._terminal.master], [], [], 0.05)[0]:
                os.read(self._terminal.master, 65536)


def ratio(fast: Side, other: Side, seconds: float, meanwhile: Callable[[], None]) -> tuple[float, float]:
    """The other side's step rate by that of the fast one, and so the longest time between two saves."""
    steps: dict[Side, list[tuple[float, int]]] = {fast: [], other: []}
    saves: dict[Side, list[float]] = {fast: [], other: []}
    ended = threading.Event()

    def watch(side: Side) -> None:
        saved = -1
        while not ended.is_set():
            step, newest = told(side.path)
            if not steps[side] or step > steps[side][-1][1]:
                steps[side].append((time.monotonic(), step))
            if newest != saved:
                saved = newest
                saves[side].append(time.monotonic())
            time.sleep(0.02)

    watchers = [threading.Thread(target=watch, args=(side,)) for side in steps]
    for watcher in watchers:
        watcher.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        meanwhile()
    ended.set()
    for watcher in watchers:
        watcher.join()
    # The moment of the first step that was seen is not known.
    rates = [(seen[-1][1] - seen[1][1]) / (seen[-1][0] - seen[1][0]) for seen in steps.values()]
    longest = [max(b - a for a, b in itertools.pairwise([*seen, end])) for seen in saves.values()]
    return rates[1] / rates[0], longest[1] / longest[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each part")
    parser.add_argument("--size", default="80x24")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    failed = []

    def tell(what: str, value: float, low: float = 0.0, high: float = float("inf")) -> None:
        well = low <= value <= high
        print(f"{what:<58} {value:8.3f}{'' if well else '   NOT AS PROMISED'}", flush=True)
        if not well:
            failed.append(what)

    def resize(width: int, height: int) -> None:
        fcntl.ioctl(other.terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def draw_all() -> None:
        """What was drained is not known here: have all of the screen drawn again, at its size."""
        for width in (columns + 1, columns):
            terminal.screen.reset()
            resize(width, rows)
            last = time.monotonic() + 1.0
            while time.monotonic() < last:
                terminal.read()

    def storm() -> None:
        resize(draw.randint(1, 250), draw.randint(1, 80))
        time.sleep(0.001)

    with tempfile.TemporaryDirectory(prefix="rnn-lab-soak-") as kept:
        folders = [Path(kept) / name for name in ("fast", "other")]
        for folder in folders:
            folder.mkdir()
        fast, other = (Side(folder, columns, rows) for folder in folders)
        terminal, draw = other.terminal, random.Random(0)
        try:
            with Drained(fast.terminal):
                with Drained(terminal):
                    calm, _ = ratio(fast, other, options.seconds, lambda: time.sleep(0.1))
                tell("both read fast: the one rate by the other", calm)
                draw_all()

                terminal.line = SLOW
                reactions: list[float] = []

                def visit() -> None:
                    number = len(reactions) % len(PANES)
                    reactions.append(terminal.reaction(str(number + 1), PANES[number]))
                    for _ in range(20):
                        terminal.read()

                found, _ = ratio(fast, other, options.seconds, visit)
                tell("10 KB a second: rate by the fast one's", found / calm, low=0.95)
                tell("10 KB a second: slowest pane, seconds", max(reactions), high=4.0)

                def press() -> None:
                    # As fast as a person changes panes who sees nothing of it.
                    terminal.type(draw.choice("13"))
                    time.sleep(0.5)

                found, between = ratio(fast, other, options.seconds, press)
                tell("nobody reads: rate by the fast one's", found / calm, low=0.95)
                # A slow disk stretches it for both.
                tell("nobody reads: time between two saves by the fast one's", between, high=2.0)
                terminal.line = None
                again = terminal.catch_up(told(other.path)[0])
                tell("read again: right after so many seconds", again, high=2.0)

                with Drained(terminal):
                    found, _ = ratio(fast, other, options.seconds, storm)
                tell("1,000 sizes a second: rate by the fast one's", found / calm, low=0.5)
                draw_all()
                tell("afterwards: right after so many seconds", terminal.reaction("6", "[6 Sessions]"), high=1.0)

                for _ in range(20):
                    press()
                terminal.type("q\r")
                time.sleep(3.0)
                began = time.monotonic()
                tell("q while nobody read: exit status", terminal.ended(), high=0)
                tell("left so many seconds after reading goes on", time.monotonic() - began, high=3.0)
            fast.terminal.type("q\r")
            tell("the fast one's exit status", fast.terminal.ended(), high=0)
        finally:
            fast.terminal.close()
            other.terminal.close()
    print("failed: " + "; ".join(failed) if failed else "all as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A key in the real app, in a real pseudo-terminal: milliseconds to its first byte of answer, and bytes sent.

While it trains and while it is paused, alternately, in the same process.

python -m benchmarks.keys [--size 80x24] [--keys N]
"""

from __future__ import annotations

import argparse
import os
import select
import tempfile
import time
from statistics import median, quantiles

from tests.terminal.terminal import Terminal

RIGHT, DOWN = "\x1b[C", "\x1b[B"


def answer(terminal: Terminal, key: str) -> tuple[float, int]:
    """Milliseconds to the first byte after a key, and the bytes of the next 0.3 s."""
    terminal.read(0.0)
    before = len(terminal.bytes)
    started = time.perf_counter()
    terminal.type(key)
    ready = select.select([terminal.master], [], [], 2.0)[0]
    seconds = time.perf_counter() - started
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        terminal.read(0.02)
    return (seconds * 1000 if ready else 2000.0), len(terminal.bytes) - before


def idle(terminal: Terminal, seconds: float) -> float:
    """Bytes a second that are sent while nobody presses a key."""
    terminal.read(0.0)
    before, end = len(terminal.bytes), time.perf_counter() + seconds
    while time.perf_counter() < end:
        terminal.read(0.05)
    return (len(terminal.bytes) - before) / seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", default="80x24")
    arguments.add_argument("--keys", type=int, default=40)
    chosen = arguments.parse_args()
    columns, rows = map(int, chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as home:
        folders = {f"RNN_LAB_{name}": f"{home}/{name}" for name in ("CACHE", "STATE", "CONFIG", "SESSIONS")}
        terminal = Terminal([], {**folders, "PYTHONPATH": os.getcwd()}, columns, rows)
        try:
            terminal.until("Build", "leave")
            terminal.type(" ")
            terminal.until("training")
            terminal.type("3")
            terminal.until("expects next")
            print(f"{chosen.size}: Inspect; first byte of the answer to a key, milliseconds; bytes a key")
            for running in ("training", "paused") * 2:
                if running == "paused":
                    terminal.type(" ")
                    terminal.until("paused")
                elif "training" not in terminal.text:
                    terminal.type(" ")
                    terminal.until("training")
                for name, key in (("timestep", RIGHT), ("unit", DOWN)):
                    found = [answer(terminal, key) for _ in range(chosen.keys)]
                    ms, sent = [f[0] for f in found], [f[1] for f in found]
                    print(f"  {running:8} {name:8} median {median(ms):5.1f}  95 % {quantiles(ms, n=20)[-1]:5.1f}  "
                          f"bytes median {median(sent):6.0f}")  # fmt: skip
            terminal.type(" ")
            terminal.until("training")
            print("bytes a second while it trains and nobody presses a key")
            for pane, number in (
                ("Build", "1"),
                ("Train", "2"),
                ("Inspect", "3"),
                ("Generate", "5"),
                ("Sessions", "6"),
            ):
                terminal.type(number)
                terminal.until(f"[{number} {pane}]")
                idle(terminal, 2)
                print(f"  {pane:8} {idle(terminal, 6):6.0f}")
        finally:
            terminal.close()


if __name__ == "__main__":
    main()

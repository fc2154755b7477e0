"""Inspect and Gradients over a long text, in a real pseudo-terminal: bytes and milliseconds a key.

An LSTM of one layer of 1,024 units reads 2,000 symbols; every look at them (units, the equation, the whole
text) is moved through by keys.

python -m benchmarks.microscope [--size 80x24] [--keys N] [--units 1024]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median, quantiles

from benchmarks.keys import DOWN, RIGHT, answer
from tests.terminal.terminal import Terminal

LOOKS = (("units", ()), ("equation", ("\r",)), ("whole text", ("f",)))


def settle(terminal: Terminal, seconds: float = 1.5) -> None:
    """Read until nothing more comes for a while."""
    last = len(terminal.bytes)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        terminal.read(0.05)
        if len(terminal.bytes) != last:
            last, end = len(terminal.bytes), time.perf_counter() + seconds


def told(name: str, key_name: str, found: Sequence[tuple[float, int]]) -> None:
    ms, sent = [f[0] for f in found], [f[1] for f in found]
    print(
        f"  {name:11} {key_name:9} median {median(ms):5.1f} ms  95 % {quantiles(ms, n=20)[-1]:5.1f} ms"
        f"  bytes median {median(sent):6.0f}  largest {max(sent):6}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", default="80x24")
    arguments.add_argument("--keys", type=int, default=30)
    arguments.add_argument("--units", type=int, default=1024)
    chosen = arguments.parse_args()
    columns, rows = map(int, chosen.size.split("x"))
    with tempfile.TemporaryDirectory() as home:
        folders = {f"RNN_LAB_{name}": f"{home}/{name}" for name in ("CACHE", "STATE", "CONFIG", "SESSIONS")}
        environment = {**folders, "PYTHONPATH": os.getcwd()}
        settings = [f"model.hidden_size={chosen.units}", "model.layers=1", "training.steps=1", "training.batch_size=2"]
        subprocess.run(
            [sys.executable, "-m", "rnn_tui", "train", "--new", "large", *(a for s in settings for a in ("--set", s))],
            env={**os.environ, **environment}, check=True, capture_output=True,
        )  # fmt: skip
        terminal = Terminal(["large"], environment, columns, rows)
        try:
            terminal.until("large", "leave")
            settle(terminal)
            before = len(terminal.bytes)
            terminal.type("3")
            terminal.until("expects next")
            settle(terminal)
            print(f"{chosen.size}, LSTM 1x{chosen.units}")
            print(f"  opening Inspect sends {len(terminal.bytes) - before:,} bytes")
            text = ("The quick brown fox (and 2 lazy dogs) said: hello. " * 50)[:2000]
            terminal.type(f"\x1b[200~{text}\x1b[201~")
            terminal.until("of 2000")
            settle(terminal)
            for name, keys in LOOKS:
                for key in keys:
                    terminal.type(key)
                settle(terminal)
                told(name, "timestep", [answer(terminal, RIGHT) for _ in range(chosen.keys)])
                told(name, "unit", [answer(terminal, DOWN) for _ in range(chosen.keys)])
                if keys:
                    terminal.type("\x1b")
                    settle(terminal)
            terminal.type("4")
            settle(terminal, 6.0)
            told("gradients", "timestep", [answer(terminal, "\x1b[D") for _ in range(chosen.keys)])
        finally:
            terminal.close()


if __name__ == "__main__":
    main()

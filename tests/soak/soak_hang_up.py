"""A hundred lines that drop, each at a moment of its own: no step is lost, and nothing is left that spins.

    python -m tests.soak.soak_hang_up [--count 100] [--seed 1] [--keep]

Each time the app trains a tiny session in a terminal of its own until the line drops: while
torch is loaded, at the first steps, in a save, in a validation, with the help open, with a
terminal that takes nothing, by a signal, by a closed terminal, or by a terminal that is gone
without a signal. What goes on is then awaited, or taken over; the session is trained to its
end, and has to be what a run that nothing happened to leaves: every loss, every weight.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rnn_tui import session
from rnn_tui.config import put
from rnn_tui.lab import Lab
from rnn_tui.session import live
from rnn_tui.views import Phase
from tests.command import REPOSITORY, environment
from tests.faults import line
from tests.terminal.terminal import Terminal

STEPS = 2500
MOMENTS = (
    "loading",
    "not training",
    "first steps",
    "training",
    "saving",
    "validating",
    "help open",
    "stalled",
    "ending",
)
WAYS = ("closed", "SIGHUP", "SIGHUP to all", "without a signal")
LEFT_WITHIN = 20.0
SPINS = 1.5
"""CPU seconds per second that one thread of training and its neighbours do not reach."""


@dataclass
class Found:
    """What came of one hang-up."""

    moment: str
    way: str
    faults: list[str] = field(default_factory=list)
    end: str = ""
    """`intact`, `awaited` or `taken over`."""
    seconds: float = 0.0
    """From the drop to the end of the app."""
    load: float = 0.0
    """CPU seconds per second of what goes on without a screen."""
    at: int = -1
    """The step of the newest save when the app had ended."""


def reach(terminal: Terminal, path: Path, moment: str, draw: random.Random) -> None:
    """Bring the app to the moment at which its line is to drop."""
    if moment == "loading":
        terminal.read(draw.uniform(0.0, 4.0))
        return
    terminal.until("opened at step")
    if moment == "not training":
        return
    terminal.type(" ")
    if moment == "first steps":
        terminal.read(draw.uniform(0.0, 0.3))
        return
    terminal.until_step(line.BEGUN)
    start = time.monotonic()
    for_a_while = draw.uniform(0.0, 1.0)
    while time.monotonic() - start < for_a_while:
        terminal.read(0.02)
    if moment == "help open":
        terminal.type("?")
        terminal.read(0.3)
    elif moment == "stalled":
        terminal.stall()
    elif moment == "saving":
        app = terminal.app()
        terminal.type("w")
        wait(lambda: path.with_name(f".{session.name_of(path)}.{app.pid}.tmp").exists(), 1.0)
    elif moment == "validating":
        # It validates at step 400, for a moment.
        terminal.until_step(380)
    elif moment == "ending":
        wait(lambda: (told := live.read_live(path)) is not None and told.step > STEPS * 0.9, 20.0)


def wait(come: Callable[[], bool], within: float) -> bool:
    """Whether it came about within so many seconds."""
    last = time.monotonic() + within
    while time.monotonic() < last:
        if come():
            return True
        time.sleep(0.001)
    return come()


def drop(terminal: Terminal, way: str) -> None:
    if way == "SIGHUP":
        with suppress(psutil.Error, ValueError):
            terminal.app().send_signal(signal.SIGHUP)
    elif way == "SIGHUP to all":
        for process in [psutil.Process(terminal.process.pid), *psutil.Process(terminal.process.pid).children()]:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGHUP)
    terminal.hang_up()


def hang_up(folder: Path, start: Path, draw: random.Random, found: Found) -> Path:
    """One app, one dropped line, and what goes on; the session's file at the end."""
    (folder / "sessions").mkdir(parents=True)
    path = Path(shutil.copy(start, folder / "sessions" / start.name))
    variables = {**environment(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    terminal = Terminal(["demo"], variables, controlling=found.way != "without a signal")
    apps = {terminal.process.pid}
    try:
        reach(terminal, path, found.moment, draw)
        apps |= {child.pid for child in psutil.Process(terminal.process.pid).children()}
        before = live.read_live(path)
        shown = before.step if before is not None else 0
        began = time.monotonic()
        drop(terminal, found.way)
        try:
            status = terminal.ended(reading=False, within=LEFT_WITHIN)
        except AssertionError:
            found.faults.append("the app did not end: " + "; ".join(map(state_of, line.processes(folder))))
            return path
        found.seconds = time.monotonic() - began
        # Before it has begun, what a program does that knows nothing of signals or terminals will do.
        if status not in (128 + signal.SIGHUP, -signal.SIGHUP) and found.moment != "loading":
            found.faults.append(f"it ended with {status}")
        found.at = session.row(path).step
        if found.at < shown:
            found.faults.append(f"step {shown} was told, step {found.at} is saved")
        look_at_what_is_left(folder, path, apps, draw, found)
    finally:
        terminal.close()
    line.finished(path)
    return path


def look_at_what_is_left(folder: Path, path: Path, apps: set[int], draw: random.Random, found: Found) -> None:
    left = line.processes(folder)
    if any(process.pid in apps for process in left):
        found.faults.append("something of the app is left")
    if len(left) > 1:
        found.faults.append(f"{len(left)} processes are left")
    if not left:
        found.end = "intact"
        if session.holder(path) is not None:
            found.faults.append(f"nothing is left, but {session.holder(path)} holds it")
        return
    if draw.random() < 0.5:
        found.end = "awaited"
        found.load = load_of(left[0], draw.uniform(0.5, 2.0))
        if not wait(lambda: not line.processes(folder), 120):
            found.faults.append("what goes on without a screen did not end")
        elif session.row(path).step != STEPS:
            found.faults.append(f"it ended at step {session.row(path).step}")
    else:
        found.end = "taken over"
        time.sleep(draw.uniform(0.0, 3.0))
        with Lab(path.parent) as lab:
            lab.open("demo")
            lab.wait(60)
            if lab.status.phase is Phase.FOLLOWING:
                asked = time.monotonic()
                lab.take_over()
                wait(lambda: lab.status.phase is not Phase.FOLLOWING or bool(lab.status.fault), 30)
                if lab.status.fault:
                    found.faults.append(lab.status.fault)
                if time.monotonic() - asked > 20:
                    found.faults.append("it was taken over late")
        if not wait(lambda: not line.processes(folder), 20):
            found.faults.append("the one that gave it away did not end")


def state_of(process: psutil.Process) -> str:
    """What a process that ought to be gone does."""
    with suppress(psutil.Error, OSError):
        times, waits = process.cpu_times(), Path(f"/proc/{process.pid}/wchan").read_text()
        return f"{process.pid} {process.status()} in {waits}, {times.user + times.system:.1f} s of CPU"
    return f"{process.pid} gone"


def load_of(process: psutil.Process, seconds: float) -> float:
    """CPU seconds per second over so many seconds; 0 where it ends meanwhile."""
    with suppress(psutil.Error):
        times, began = process.cpu_times(), time.monotonic()
        time.sleep(seconds)
        later = process.cpu_times()
        return (later.user + later.system - times.user - times.system) / (time.monotonic() - began)
    return 0.0


def plain_load(folder: Path, start: Path) -> float:
    """The same of `rnn-lab train` that nothing happened to."""
    (folder / "sessions").mkdir(parents=True)
    path = Path(shutil.copy(start, folder / "sessions" / start.name))
    variables = {**os.environ, **environment(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = psutil.Popen(
        [sys.executable, "-m", "rnn_tui", "train", "demo"],
        env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        line.writer(path)
        return load_of(process, 1.0)
    finally:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folders of those that failed")
    given = parser.parse_args()
    draw = random.Random(given.seed)
    base = Path(tempfile.mkdtemp(prefix="rnn-lab-soak-"))
    began = time.monotonic()
    config = put(line.tiny(base, steps=STEPS), "training.autosave_seconds", 1)
    start = line.begun(base / "start", config)
    whole = base / "whole" / start.name
    whole.parent.mkdir()
    shutil.copy(start, whole)
    line.finished(whole)
    expected = line.result(whole)
    plain = plain_load(base / "plain", start)
    all_found: list[Found] = []
    with line.adopting(base):
        for number in range(given.count):
            moment = MOMENTS[number % len(MOMENTS)]
            found = Found(moment, draw.choice(WAYS))
            folder = base / str(number)
            try:
                path = hang_up(folder, start, draw, found)
                if not found.faults and line.result(path) != expected:
                    found.faults.append("the session is not that of a run that nothing happened to")
            except Exception as error:
                found.faults.append(f"{type(error).__name__}: {error}")
            all_found.append(found)
            print(
                f"{number + 1:4} {found.moment:12} {found.way:17} left after {found.seconds:5.2f} s at step "
                f"{found.at:5} {found.end:10} load {found.load:4.2f} {'; '.join(found.faults)}",
                flush=True,
            )
            for process in line.processes(folder):
                with suppress(psutil.Error):
                    process.kill()
            if not (given.keep and found.faults):
                shutil.rmtree(folder, ignore_errors=True)
    return report(all_found, time.monotonic() - began, plain)


def report(found: list[Found], seconds: float, plain: float) -> int:
    failed = [f for f in found if f.faults]
    spinning = [f for f in found if f.load > SPINS]
    left = sorted(f.seconds for f in found if f.seconds)
    ends = collections.Counter(f.end for f in found)
    loads = [f.load for f in found if f.load]
    print(
        f"{len(found)} hang-ups in {seconds:,.0f} s: {len(found) - len(failed)} without loss ("
        + ", ".join(f"{count} {end or 'not judged'}" for end, count in ends.most_common())
        + f"), {len(failed)} failed, {len(spinning)} spinning"
    )
    if left:
        print(f"the app was gone after {statistics.median(left):.2f} s (median), {left[-1]:.2f} s (longest)")
    if loads:
        print(
            f"CPU of what goes on without a screen: {statistics.median(loads):.2f} (median), {max(loads):.2f} (most); "
            f"of a plain rnn-lab train: {plain:.2f}"
        )
    return 1 if failed or spinning else 0


if __name__ == "__main__":
    sys.exit(main())

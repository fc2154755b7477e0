"""The line drops, or a signal comes, while it trains: nothing is lost, and nothing is left that spins.

With the app and the command in real terminals; what goes on without one ends with the very
numbers of a run that nothing happened to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rnn_tui import session
from rnn_tui.config import put
from rnn_tui.lab import Lab
from rnn_tui.session import live
from rnn_tui.views import Phase
from tests.command import REPOSITORY, environment
from tests.faults import line
from tests.faults.line import BEGUN, RUNNING, STEPS
from tests.faults.waiting import until
from tests.terminal.terminal import Terminal

ANSWERED_WITHIN = 2.0
LEFT_WITHIN = 15.0
"""Seconds; 3 are promised where nothing else keeps the machine busy."""
HOST = socket.gethostname()
Open = Callable[..., Terminal]


@pytest.fixture(autouse=True)
def adopted(tmp_path: Path) -> Iterator[None]:
    with line.adopting(tmp_path):
        yield


@pytest.fixture
def opened(tmp_path: Path, adopted: None) -> Iterator[Open]:
    terminals: list[Terminal] = []

    def start(*args: str, controlling: bool = True, **more: str) -> Terminal:
        variables = {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY), **more}
        terminals.append(Terminal(args, variables, controlling=controlling))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """`demo` at its first steps, in this test's own folder."""
    return line.copied(tmp_path)


def trains(terminal: Terminal) -> psutil.Process:
    """The app trains the session that it was opened with, slowly: there is something left to be done."""
    terminal.until("opened at step")
    terminal.type(" <<")
    terminal.until_step(BEGUN)
    return terminal.app()


def given_back(terminal: Terminal) -> bool:
    terminal.read(0.1)
    settings = terminal.settings()
    left = terminal.bytes.rfind(b"\x1b[?1049l") > terminal.bytes.rfind(b"\x1b[?1049h")
    shown = terminal.bytes.rfind(b"\x1b[?25h") > terminal.bytes.rfind(b"\x1b[?25l")
    return settings == terminal.before and bool(settings[3] & termios.ECHO) and left and shown


def test_the_line_drops_and_it_goes_on_to_its_planned_end(opened: Open, path: Path, tmp_path: Path) -> None:
    terminal = opened("demo")
    app = trains(terminal)
    with line.LockWatch(path) as lock:
        terminal.hang_up()
        assert terminal.ended(reading=False, within=LEFT_WITHIN) == 128 + signal.SIGHUP
        headless = line.writer(path, but=app.pid)
    assert lock.looks > 10 and lock.free == 0 and len(lock.inodes) == 1
    assert line.status_of(headless.pid) == 0
    assert line.result(path) == line.whole()
    assert session.holder(path) is None and live.read_live(path) is None and not line.processes(tmp_path)


def test_a_line_that_drops_without_a_signal_and_a_writer_that_hangs_for_a_while(
    opened: Open, path: Path, tmp_path: Path
) -> None:
    """What goes on is taken over from another process, once it answers; its lock is never broken."""
    terminal = opened("demo", controlling=False)
    app = trains(terminal)
    terminal.hang_up()
    assert terminal.ended(reading=False, within=LEFT_WITHIN) == 128 + signal.SIGHUP
    headless = line.writer(path, but=app.pid)
    os.kill(headless.pid, signal.SIGSTOP)
    (left,) = line.processes(tmp_path)
    assert left.pid == headless.pid and left.terminal() is None and os.getsid(left.pid) == left.pid
    assert session.row(path).step > BEGUN
    with Lab(path.parent) as lab:
        lab.open("demo")
        until(lambda: lab.status.writer_phase in RUNNING)
        assert lab.status.phase is Phase.FOLLOWING and str(headless.pid) in lab.status.writer
        lab.take_over()
        until(lambda: lab.status.fault)
        assert f"process {headless.pid} on {HOST}" in lab.status.fault and "does not answer" in lab.status.fault
        holder = session.holder(path)
        assert lab.status.phase is Phase.FOLLOWING and holder is not None and holder.pid == headless.pid
        os.kill(headless.pid, signal.SIGCONT)
        lab.take_over()
        until(lambda: (asked := live.read_request(path)) is not None and asked.want == "take")
        began = time.monotonic()
        until(lambda: (told := live.read_live(path)) is not None and (told.answered or told.pid == os.getpid()))
        assert time.monotonic() - began < ANSWERED_WITHIN
        until(lambda: lab.status.phase is Phase.TRAINING)
        assert BEGUN < lab.status.step < STEPS and line.status_of(headless.pid) == 0
        until(lambda: lab.status.stopped_because == "planned")
        lab.wait(60)
    assert line.result(path) == line.whole()
    assert session.holder(path) is None and live.read_live(path) is None


def test_a_child_that_outlives_the_process_of_the_lock_does_not_keep_it(path: Path) -> None:
    """A process of this machine that is dead, and whose lock a stray child has inherited."""
    held = session.Lock(path, "training").acquire()
    assert held.descriptor is not None
    stray = subprocess.Popen(["sleep", "1000"], pass_fds=(held.descriptor,))
    try:
        dead = subprocess.Popen(["true"])
        held.handed_on(dead.pid)
        dead.wait()
        companion = session.companion(path, "lock")
        written = json.loads(companion.read_text())
        for host, ours in (("elsewhere", False), (HOST, True)):
            companion.write_text(json.dumps({**written, "host": host}))
            with Lab(path.parent) as lab:
                lab.open("demo")
                until(lambda: lab.status.phase is Phase.FOLLOWING and not lab.status.doing)
                lab.take_over(train=False)
                if ours:
                    until(lambda: lab.status.phase is Phase.PAUSED)
                    assert lab.status.step == BEGUN and stray.poll() is None
                else:
                    until(lambda: lab.status.fault)
                    assert f"process {dead.pid} on elsewhere" in lab.status.fault
                    assert lab.status.phase is Phase.FOLLOWING and companion.exists()
    finally:
        stray.kill()
        stray.wait()


def test_what_is_to_stop_with_its_line_is_saved(opened: Open, path: Path, tmp_path: Path) -> None:
    """Told so by a signal, on a terminal that is still there."""
    found = session.load(path)
    found.config = put(found.config, "training.hang_up", "stop")
    session.save(path, found)
    terminal = opened("demo")
    app = trains(terminal)
    os.kill(app.pid, signal.SIGHUP)
    assert terminal.ended(within=LEFT_WITHIN) == 128 + signal.SIGHUP
    assert given_back(terminal) and "Traceback" not in terminal.text
    assert BEGUN < session.load(path).progress["step"] < STEPS
    assert session.holder(path) is None and not line.processes(tmp_path)


def test_the_command_goes_on_in_the_same_process(opened: Open, path: Path, tmp_path: Path) -> None:
    terminal = opened("train", "demo")
    terminal.until("] step", "loss")
    terminal.hang_up()
    assert terminal.ended(reading=False) == 0
    assert line.result(path) == line.whole()
    assert session.holder(path) is None and not line.processes(tmp_path)
    assert not (tmp_path / "state" / "rnn-lab.log").exists()


def test_the_command_stops_with_its_line_where_it_is_to(opened: Open, path: Path, tmp_path: Path) -> None:
    terminal = opened("train", "demo", "--set", "training.hang_up=stop")
    terminal.until("] step", "loss")
    terminal.hang_up()
    assert terminal.ended(reading=False, within=LEFT_WITHIN) == 128 + signal.SIGHUP
    assert BEGUN < session.load(path).progress["step"] < STEPS
    assert session.holder(path) is None and not line.processes(tmp_path)


NESTED = """
import signal, sys
from rnn_tui.watchdog import Watchdog

class Lab:
    class status:
        config = None

seen = set()

def trace(frame, event, arg):
    place = frame.f_code, frame.f_lineno
    if event == "line" and place not in seen:
        seen.add(place)
        signal.raise_signal(signal.SIGHUP)
    return trace

with Watchdog(Lab()):
    sys.settrace(trace)
    signal.raise_signal(signal.SIGHUP)
    sys.settrace(None)
print(len(seen))
"""


def test_a_signal_may_come_anywhere_while_another_one_is_noted() -> None:
    """A line that drops is told to a process more than once, by the system and by the shell."""
    found = subprocess.run([sys.executable, "-c", NESTED], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0 and int(found.stdout) >= 3, found.stderr


def test_a_signal_in_the_middle_of_a_save(opened: Open, tmp_path: Path) -> None:
    """A session of some megabytes: the save that is under way is completed, and what came after it is saved too."""
    path = line.begun(tmp_path, put(line.tiny(tmp_path), "model.hidden_size", 300))
    assert path.stat().st_size > 4_000_000
    terminal = opened("demo")
    app = trains(terminal)
    terminal.type("w")
    temporary = path.with_name(f".demo.{app.pid}.tmp")
    until(temporary.exists)
    os.kill(app.pid, signal.SIGTERM)
    assert terminal.ended(within=LEFT_WITHIN) == 128 + signal.SIGTERM
    assert given_back(terminal)
    found = session.load(path)
    losses = found.tensors["history.train_loss"]
    assert found.progress["step"] == len(losses) > BEGUN
    assert session.holder(path) is None and not temporary.exists()


FAULTY = """
import sys
from importlib.abc import MetaPathFinder

class Faulty(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "rnn_tui.lab.measures":
            from rnn_tui.training.run import Run
            step = Run.step
            def broken(self):
                if self.progress.step == 50:
                    raise ArithmeticError("it broke\\x1b[2J")
                return step(self)
            Run.step = broken
        return None

sys.meta_path.insert(0, Faulty())
"""


def test_an_error_in_training_is_told_and_the_app_stays(opened: Open, path: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULTY)
    terminal = opened("demo", PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}")
    terminal.until("opened at step")
    terminal.type(" ")
    terminal.until("ArithmeticError: it broke")
    terminal.type("3")
    terminal.until("[3 Inspect]")
    terminal.type("q")
    assert terminal.ended() == 1
    assert given_back(terminal) and session.load(path).progress["step"] == 50 and session.holder(path) is None

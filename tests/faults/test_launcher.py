# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""The app below its small parent: whatever becomes of it, the terminal is given back, and the status is the app's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from rnn_tui import session
from rnn_tui.process import RESETS
from tests.command import Command, trained  # noqa: F401
from tests.terminal.terminal import PATIENCE, Terminal
from tests.terminal.test_app_process import Open, copied, given_back, open_terminal  # noqa: F401


def app_of(terminal: Terminal) -> psutil.Process:
    """The process of the app: the only child of the one that was started."""
    (app,) = psutil.Process(terminal.process.pid).children()
    return app


def until(terminal: Terminal, so: Callable[[], bool]) -> None:
    """Read what is drawn until something is so."""
    last = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < last, terminal.text
        terminal.read()


def train_demo(terminal: Terminal, path: Path) -> None:
    """Train, until that is known from the file."""
    terminal.until("opened at step 25")
    terminal.type(" <<<")
    terminal.until("pause")
    while session.row(path).step <= 25:
        terminal.type("w")
        terminal.read(0.2)
        assert terminal.process.poll() is None


def last_words(terminal: Terminal) -> str:
    """What stands on the terminal after it was given back."""
    return terminal.bytes[terminal.bytes.rindex(RESETS) + len(RESETS) :].decode()


def test_a_killed_app_gives_the_terminal_back_and_its_session_opens(
    open_terminal: Open, trained: Command, tmp_path: Path
) -> None:
    path = copied(trained, tmp_path)
    terminal = open_terminal("demo")
    train_demo(terminal, path)
    app_of(terminal).kill()
    assert terminal.ended() == 137
    assert given_back(terminal)
    words = last_words(terminal)
    assert "SIGKILL" in words and "autosave" in words and words.endswith("go on with: rnn-lab demo\r\n")
    assert words.count("\n") == 1
    assert session.load(path).progress["step"] > 25 and session.holder(path) is None


def test_a_terminal_that_takes_nothing_is_given_back_too(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.until("[1 Build]", "Hidden size")
    for _ in range(20):
        terminal.type("62")
        time.sleep(0.02)
    app_of(terminal).kill()
    assert terminal.ended(reading=False) == 137
    terminal.read(0.1)
    assert given_back(terminal) and "SIGKILL" in last_words(terminal)


def test_a_crash_tells_where_and_has_the_signals_status(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.until("[1 Build]", "Hidden size")
    app_of(terminal).send_signal(signal.SIGSEGV)
    assert terminal.ended() == 139
    assert given_back(terminal)
    words = last_words(terminal)
    assert "SIGSEGV" in words and "native.log" in words and words.endswith("rnn-lab\r\n")


def test_the_parent_is_small_and_passes_on_what_it_is_told(open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.until("[1 Build]", "Hidden size")
    parent = psutil.Process(terminal.process.pid)
    assert not any("torch" in part.path or "textual" in part.path for part in parent.memory_maps())
    assert parent.memory_info().rss < 100e6
    before = parent.cpu_times()
    terminal.type("26")
    terminal.until("[6 Sessions]")
    after = parent.cpu_times()
    assert (after.user, after.system) == (before.user, before.system)
    os.kill(parent.pid, signal.SIGINT)
    assert terminal.ended() == 130
    assert given_back(terminal) and "Traceback" not in terminal.text


def test_a_wrong_word_is_told_once_and_is_the_status(open_terminal: Open) -> None:
    terminal = open_terminal("nosuch")
    assert terminal.ended() == 2
    assert terminal.bytes.count(b"no command and no session") == 1 and given_back(terminal)


def test_stopped_it_has_left_the_terminal_and_goes_on_at_the_same_step(
    open_terminal: Open, trained: Command, tmp_path: Path
) -> None:
    path = copied(trained, tmp_path)
    terminal = open_terminal("demo")
    train_demo(terminal, path)
    parent, app = psutil.Process(terminal.process.pid), app_of(terminal)

    def stopped() -> bool:
        return parent.status() == app.status() == psutil.STATUS_STOPPED

    def goes_on(everybody: bool) -> None:
        (os.killpg if everybody else os.kill)(parent.pid, signal.SIGCONT)
        terminal.screen.reset()
        terminal.until("demo", "[2 Train]", "pause", "leave")
        assert not given_back(terminal) and app.status() != psutil.STATUS_STOPPED

    # All of the job, as ctrl+z of a shell's; the parent alone; the app alone, which had no time to leave.
    for stop, everybody in (
        (lambda: os.killpg(parent.pid, signal.SIGTSTP), True),
        (lambda: os.kill(parent.pid, signal.SIGTSTP), False),
        (lambda: app.send_signal(signal.SIGSTOP), True),
    ):
        stop()
        until(terminal, stopped)
        terminal.read(0.1)
        assert given_back(terminal) and terminal.bytes.rindex(b"\x1b[?1049l") > terminal.bytes.rindex(b"\x1b[?1049h")
        used = sum(app.cpu_times()[:2])
        time.sleep(0.3)
        assert sum(app.cpu_times()[:2]) == used
        goes_on(everybody)
        assert terminal.bytes.rindex(b"\x1b[?1049h") > terminal.bytes.rindex(b"\x1b[?1049l")
    terminal.type("q\r")
    assert terminal.ended() == 0 and given_back(terminal)
    assert session.load(path).progress["step"] > 25

# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""The app as a process in a real terminal: it opens, leaves, is told to leave, and gives the terminal back."""

from __future__ import annotations

import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnn_tui import session
from tests.command import REPOSITORY, Command, environment, trained  # noqa: F401
from tests.terminal.terminal import Terminal

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    opened = []

    def start(*args: str, folder: Path = tmp_path, **more: str) -> Terminal:
        opened.append(Terminal(args, {**environment(folder), "PYTHONPATH": str(REPOSITORY), **more}))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def copied(trained: Command, folder: Path) -> Path:
    """`demo` in a folder of the test's own."""
    (folder / "sessions").mkdir()
    path = folder / "sessions" / "demo.safetensors"
    path.write_bytes((trained.sessions / "demo.safetensors").read_bytes())
    return path


def given_back(terminal: Terminal) -> bool:
    return terminal.settings() == terminal.before and bool(terminal.settings()[3] & termios.ECHO)


def test_it_opens_build_and_q_leaves_with_0(open_terminal: Open) -> None:
    # LINES and COLUMNS of the shell are not the terminal's size.
    terminal = open_terminal(LINES="5", COLUMNS="7", PYTHONIOENCODING="ascii")
    terminal.until("[1 Build]", "leave", "Hidden size")
    assert terminal.settings() != terminal.before
    terminal.type("q")
    assert terminal.ended() == 0
    assert given_back(terminal) and b"\x1b[?1049l" in terminal.bytes and b"\\u25" not in terminal.bytes


def test_a_terminal_that_is_gone_is_a_hang_up(open_terminal: Open, trained: Command, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    terminal = open_terminal("demo")
    terminal.until("opened at step 25")
    terminal.hang_up()
    assert terminal.ended(reading=False, within=10) == 129
    assert session.load(path).progress["step"] == 25 and session.holder(path) is None


@pytest.mark.parametrize("redirected", ["<&0 </dev/null", "2>/dev/null", "<&-"])
def test_it_refuses_what_is_no_terminal(open_terminal: Open, tmp_path: Path, redirected: str) -> None:
    command = f'{sys.executable} -m rnn_tui {redirected}; echo "status $?"'
    terminal = Terminal([], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, program=["sh", "-c", command])
    try:
        assert terminal.ended() == 0
        assert "status 2" in terminal.text
        assert "2>" in redirected or "needs a terminal" in terminal.text
    finally:
        terminal.close()


def test_it_refuses_a_dumb_terminal(open_terminal: Open) -> None:
    terminal = open_terminal(TERM="dumb")
    assert terminal.ended() == 2
    assert "TERM is dumb" in terminal.text and given_back(terminal)


def test_deleting_asks_on_a_terminal(open_terminal: Open, trained: Command, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    for answer, code, there in (("n\n", 1, True), ("y\n", 0, False)):
        terminal = open_terminal("sessions", "delete", "demo")
        terminal.until("can't be undone")
        terminal.type(answer)
        assert terminal.ended() == code and path.exists() is there

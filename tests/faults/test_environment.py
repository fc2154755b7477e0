# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""The app in terminals of every kind: sizes, colours, encodings, redirections, noise, floods of keys."""

from __future__ import annotations

import fcntl
import os
import random
import re
import select
import struct
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

from rnn_tui.app.driver import PASTED_AT_MOST, Pastes, spelled
from tests.command import REPOSITORY, Command, environment, trained  # noqa: F401
from tests.terminal.terminal import PATIENCE, Terminal
from tests.terminal.test_app_process import Open, copied, given_back, open_terminal  # noqa: F401

PANES = ("[1 Build]", "[2 Train]", "[3 Inspect]", "[4 Gradients]", "[5 Generate]", "[6 Sessions]")
NOISE = """
import os, sys, threading, time

def write():
    while True:
        os.write(2, b"NOISE of a library\\n")
        time.sleep(0.05)

if "rnn_tui" in " ".join(sys.orig_argv) and os.environ.get("NOISY"):
    class Wait:
        def find_spec(self, name, path=None, target=None):
            # By then the app has the terminal.
            if name == "rnn_tui.app.app":
                threading.Thread(target=write, daemon=True).start()
            return None

    sys.meta_path.insert(0, Wait())
"""


def visit_all(terminal: Terminal) -> None:
    """Show every pane, the help, the palette; at the end Build."""
    for number, name in enumerate(PANES, 1):
        terminal.type(str(number))
        terminal.until(name)
    terminal.type("?")
    terminal.until("escape back")
    terminal.type("\x1b")
    terminal.until("space")
    terminal.type("1")
    terminal.until("[1 Build]")


def colours(drawn: bytes) -> set[bytes]:
    """The codes of pens that were sent."""
    pens = re.findall(rb"\x1b\[([\d;]*)m", drawn)
    return {code for pen in pens for code in re.findall(rb"[34]8;\d;\d+|\d+", pen)}


def resize(terminal: Terminal, columns: int, rows: int) -> None:
    terminal.screen.resize(rows, columns)
    fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_no_byte_beyond_ascii_where_the_locale_has_none(open_terminal: Open, trained: Command, tmp_path: Path) -> None:
    """Noise on fd 2 stays off the screen here too, and bytes that are no text are no end of the keyboard."""
    copied(trained, tmp_path)
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    terminal = open_terminal(
        "demo", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", NOISY="1",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}",
    )  # fmt: skip
    terminal.until("opened at step 25")
    os.write(terminal.master, b"\xff\xc3")
    visit_all(terminal)
    terminal.type("q")
    assert terminal.ended() == 0
    assert terminal.bytes.isascii() and b"\\u" not in terminal.bytes and b"\\x" not in terminal.bytes
    # Once it has left its screen the terminal is whoever's again.
    assert b"NOISE" not in terminal.bytes[: terminal.bytes.rfind(b"\x1b[?1049l")]
    assert b"NOISE of a library" in (tmp_path / "state" / "native.log").read_bytes()


SIXTEEN = rb"[013457]|[349][0-7]|10[0-7]|39|49"
MANY = rb"[013457]|39|49|[34]8;5;\d+"
GREYS = rb"[013457]|39|49|[34]8;5;(23[2-9]|24\d|25[0-5]|16|231)"


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        (["-u", "TERM"], SIXTEEN), (["TERM=xterm-256color"], MANY), (["TERM=xterm-256color", "NO_COLOR=1"], GREYS),
    ],
)  # fmt: skip
def test_only_colours_that_the_terminal_has(tmp_path: Path, variables: list[str], allowed: bytes) -> None:
    program = ["env", "-u", "COLORTERM", *variables, sys.executable, "-m", "rnn_tui"]
    terminal = Terminal([], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, program=program)
    try:
        terminal.until("[1 Build]", "Hidden size")
        terminal.type("6")
        terminal.until("[6 Sessions]")
        used = colours(terminal.bytes)
        assert len(used) > 3 and not {code for code in used if not re.fullmatch(allowed, code)}
    finally:
        terminal.close()


def test_any_size_and_a_thousand_sizes_a_second(open_terminal: Open, trained: Command, tmp_path: Path) -> None:
    copied(trained, tmp_path)
    terminal = open_terminal("demo")
    terminal.until("opened at step 25")
    for columns, rows, words in (
        (1, 1, ()), (500, 200, ("demo", "2 Train", "leave")), (10, 2, ()), (40, 12, ("demo", "[2 Train]", "leave")),
    ):  # fmt: skip
        resize(terminal, columns, rows)
        terminal.until(*words)
    assert len(terminal.screen.display) == 12
    terminal.type(" <<<")
    terminal.until("training")
    draw, number = random.Random(0), 0
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", draw.randint(1, 80), draw.randint(1, 250), 0, 0))  # fmt: skip
        number += 1
        if select.select([terminal.master], [], [], 0.001)[0]:
            os.read(terminal.master, 65536)
    assert number > 100 and terminal.process.poll() is None
    # What was cut in the middle of a sequence must not be read on from there.
    while select.select([terminal.master], [], [], 0.1)[0]:
        os.read(terminal.master, 65536)
    resize(terminal, 80, 24)
    terminal.screen.reset()
    terminal.until("demo  training", " 1 Build  [2 Train]", "nats per symbol", "pause", "leave")
    last = time.monotonic() + PATIENCE
    # A frame of the size before may still have been on its way.
    while not ("leave" in terminal.screen.display[-1] and "demo" in terminal.screen.display[0]):
        assert time.monotonic() < last
        terminal.read()
    # The steps that it counts go on.
    before = terminal.text.splitlines()[0]
    terminal.until("training")
    while terminal.text.splitlines()[0] == before:
        assert time.monotonic() < last
        terminal.read()
    terminal.type("q\r")
    assert terminal.ended() == 0 and given_back(terminal)


@pytest.mark.parametrize("redirected", ["2>&-", ">&-", ">out.txt", "| cat"])
def test_an_output_that_is_no_terminal_is_told_of(tmp_path: Path, redirected: str) -> None:
    command = f'{sys.executable} -m rnn_tui {redirected}; echo "status $?"'
    program = ["bash", "-o", "pipefail", "-c", f"cd {tmp_path}; {command}"]
    terminal = Terminal([], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, program=program)
    try:
        assert terminal.ended() == 0
        assert "status 2" in terminal.text and "Traceback" not in terminal.text
        assert "2>" in redirected or "standard output is none" in terminal.text
        assert b"\x1b[?1049h" not in terminal.bytes
    finally:
        terminal.close()


def type_all(terminal: Terminal, data: bytes) -> None:
    """Type more than the terminal holds, while its output is read."""
    os.set_blocking(terminal.master, False)
    left = memoryview(data)
    last = time.monotonic() + 2 * PATIENCE
    while left:
        ready = select.select([terminal.master], [terminal.master], [], 1.0)
        if ready[0]:
            terminal.read(0)
        if ready[1]:
            left = left[os.write(terminal.master, left[:4096]) :]
        assert time.monotonic() < last, f"{len(left)} bytes were not taken"
    os.set_blocking(terminal.master, True)


def test_a_flood_of_keys_and_10_mb_pasted_lose_no_key_after_them(
    open_terminal: Open, trained: Command, tmp_path: Path
) -> None:
    copied(trained, tmp_path)
    terminal = open_terminal("demo")
    terminal.until("opened at step 25")
    terminal.type("3")
    terminal.until("expects next")
    app = psutil.Process(terminal.process.pid).children()[0]
    before = app.memory_info().rss
    type_all(terminal, b"\x1b[C\x1b[D" * 500 + b"5")
    terminal.until("[5 Generate]")
    terminal.type("i")
    terminal.until("restore")
    # Keys in what is pasted are no keys, and escape is none.
    type_all(terminal, b"\x1b[200~" + b"q\x1b[3~ w\r" * 1_200_000 + b"\x1b[201~")
    terminal.until("too long")
    assert app.memory_info().rss < before + 100e6
    terminal.type("\x1b")
    terminal.until("space")
    terminal.type("q")
    assert terminal.ended() == 0 and given_back(terminal)


def test_what_is_pasted_is_taken_out_wherever_it_is_cut() -> None:
    begins = "\x1b[200~"
    typed = f"ab{begins}q\x1b[C\x00w\x1b[201~\x1b[Dc{begins}\x1b[201~d"
    places = [k for k in range(len(typed) + 1) if begins not in typed[max(k - 5, 0) : k + 5]]
    assert len(places) > 20
    for first in places:
        for second in places:
            pastes, (start, end) = Pastes(), sorted((first, second))
            pieces = [piece for cut in (typed[:start], typed[start:end], typed[end:]) for piece in pastes.split(cut)]
            assert [text for pasted, text in pieces if pasted] == ["q\x1b[Cw", ""] and not pastes.open
            assert "".join(text for pasted, text in pieces if not pasted) == "ab\x1b[Dcd"


def test_a_paste_is_bounded() -> None:
    pastes = Pastes()
    assert list(pastes.split("\x1b[200~" + "x" * 600_000)) == [] and pastes.open
    assert list(pastes.split("y" * 600_000)) == []
    ((pasted, text),) = pastes.split("z\x1b[201~")
    assert pasted and len(text) == PASTED_AT_MOST and not pastes.open


def test_what_an_encoding_lacks_keeps_its_width() -> None:
    assert spelled("\x1b[1mé│日█a\u0301·", "ascii") == "\x1b[1m?|??#a."
    assert spelled("é│日", "iso8859-1") == "é|??"

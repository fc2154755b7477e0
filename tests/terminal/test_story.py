# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""What a person does with it, in a real terminal: build, train, step, write, save, leave, come back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_tui import session
from tests.command import REPOSITORY, Command, environment, trained  # noqa: F401
from tests.terminal.terminal import Terminal, Tmux
from tests.terminal.test_app_process import Open, copied, open_terminal  # noqa: F401

RIGHT = "\x1b[C"

GATE = """
import builtins, os, sys, time
from importlib.abc import MetaPathFinder

class Gate(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            with open(os.environ["GATE"] + ".asked", "w"):
                pass
            while not os.path.exists(os.environ["GATE"]):
                time.sleep(0.01)
        return None

sys.meta_path.insert(0, Gate())
"""


def test_the_first_frame_comes_before_torch_and_space_waits_for_it(open_terminal: Open, tmp_path: Path) -> None:
    """The import of torch is held up at a gate: the form is there, and takes `space`, all the same."""
    (tmp_path / "sitecustomize.py").write_text(GATE)
    gate = tmp_path / "gate"
    terminal = open_terminal(PYTHONPATH=f"{tmp_path}{os.pathsep}{REPOSITORY}", GATE=str(gate))
    terminal.until("[1 Build]", "Hidden size", "leave")
    terminal.type(" ")
    while not Path(f"{gate}.asked").exists():
        terminal.read(0.05)
        assert terminal.process.poll() is None
    terminal.type("16")
    terminal.until("[6 Sessions]")
    assert "training" not in terminal.text.splitlines()[0]
    gate.touch()
    terminal.type("2")
    terminal.until("training", "step", "wrote")
    terminal.type("q\r")
    assert terminal.ended() == 0
    (name,) = [row.name for row in session.list_sessions(tmp_path / "sessions")]
    kept = session.load(tmp_path / "sessions" / f"{name}.safetensors")
    assert kept.progress["step"] >= 1 and kept.samples[0].step == 0


@pytest.mark.parametrize(("columns", "rows"), [(80, 24)])
def test_from_a_trained_session_to_the_same_place_again(
    open_terminal: Open, trained: Command, tmp_path: Path, columns: int, rows: int
) -> None:
    path = copied(trained, tmp_path)
    terminal = Terminal(["demo"], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, columns, rows)
    try:
        terminal.until("opened at step 25")
        terminal.type("s")
        terminal.until("26")
        terminal.type("3")
        terminal.until("t 0 of", "expects next")
        terminal.type(RIGHT * 50)
        terminal.until("t 50 of")
        terminal.type("5\r")
        terminal.until("[5 Generate]", "300 of 300")
        terminal.type("6")
        terminal.until("[6 Sessions]", "demo")
        terminal.type("3w")
        terminal.until("t 50 of")
        terminal.type("q")
        assert terminal.ended() == 0
    finally:
        terminal.close()
    assert session.load(path).progress["step"] == 26
    again = Terminal([], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, columns, rows)
    try:
        # Without a name: the last session of this folder, paused, in the pane and at the timestep where it was left.
        again.until("demo", "[3 Inspect]", "t 50 of")
        assert "paused" in again.text.splitlines()[0]
        again.type("q")
        assert again.ended() == 0
    finally:
        again.close()


def test_keys_typed_ahead_in_one_write_and_lines_pasted(open_terminal: Open, trained: Command, tmp_path: Path) -> None:
    path = copied(trained, tmp_path)
    terminal = open_terminal("demo")
    terminal.until("opened at step 25")
    terminal.type(f"2s3{RIGHT}{RIGHT}x5")
    terminal.until("[5 Generate]")
    terminal.type("3")
    terminal.until("[3 Inspect]", "t 2 of")
    terminal.type("i")
    terminal.until("restore")
    terminal.type("\x1b[200~the cat\nsat on\nthe mat\x1b[201~\r")
    # The vocabulary of this session has no line feed; the rest is there, and it is one text.
    terminal.until("t 0 of 20", "the·catsat·onthe·mat")
    terminal.type("q")
    assert terminal.ended() == 0
    assert session.load(path).progress["step"] == 26


@pytest.fixture
def nested(tmp_path: Path, trained: Command) -> Iterator[Tmux]:
    """A tmux in which another runs: where a quick escape and a digit were once taken for one key."""
    copied(trained, tmp_path)
    command = [sys.executable, "-m", "rnn_tui", "demo"]
    tmux = Tmux(command, {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, depth=2)
    yield tmux
    tmux.close()


def test_escape_then_a_digit_changes_the_pane_inside_tmux_in_tmux(nested: Tmux) -> None:
    nested.until(r"opened at step 25")
    for delay in (0.0, 0.05, 0.3):
        nested.send("5")
        nested.until(r"\[5 Generate\]")
        nested.send("i")
        nested.until("restore")
        nested.send("Escape")
        nested.send("3", after=delay)
        nested.until(r"\[3 Inspect\]")
        nested.send("5")
        nested.until(r"\[5 Generate\][^\0]*Prompt\s+none")

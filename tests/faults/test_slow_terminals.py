# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""A slow line, and one that takes nothing for a while: the training knows nothing of it, and keys are answered.

It trains at a pace of its own, so that it needs little of the processor: full speed is tests/soak/soak_terminal.py.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_tui import session
from rnn_tui.process import RESETS
from tests.command import REPOSITORY, Command, command, environment, trained  # noqa: F401
from tests.faults.slow_terminal import SLOW, SlowTerminal, told
from tests.terminal.terminal import PATIENCE
from tests.terminal.test_app_process import copied, given_back

PANES = ("[1 Build]", "[2 Train]", "[3 Inspect]", "[4 Gradients]", "[5 Generate]", "[6 Sessions]")
REACTS_WITHIN = 4.0
PACE = 20
STALL = 5.0


def shown_pace(terminal: SlowTerminal) -> str:
    found = re.search(r"full speed|pace [\d.]+ a second", terminal.text)
    return found[0] if found else ""


@pytest.fixture
def terminal(trained: Command, command: Command, tmp_path: Path) -> Iterator[SlowTerminal]:
    """`demo`, which is saved each second, training at some steps a second; its line is a fast one so far."""
    copied(trained, tmp_path)
    settings = ("--set", "training.autosave_seconds=1", "--set", "training.steps=100000")
    assert command("train", "demo", *settings, "--steps", "1").code == 0
    found = SlowTerminal(["demo"], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)})
    try:
        found.until("demo", "paused 26")
        found.type(" ")
        found.until("training", "full speed")
        # One after the other, and back where a busy machine made the first one a large step.
        while f"pace {PACE} a second" not in found.text:
            before, last = shown_pace(found), time.monotonic() + PATIENCE
            slower = before.startswith("pace") and float(before.split()[1]) < PACE
            found.type(">" if slower else "<")
            while shown_pace(found) == before:
                found.read()
                assert time.monotonic() < last, found.text
        yield found
    finally:
        found.close()


def test_on_a_slow_line_every_pane_answers_and_the_training_keeps_its_pace(
    terminal: SlowTerminal, command: Command
) -> None:
    path = command.sessions / "demo.safetensors"
    terminal.line = SLOW
    (first, _), started = told(path), time.monotonic()
    for number, name in [*enumerate(PANES, 1), (3, PANES[2])]:
        assert terminal.reaction(str(number), name) < REACTS_WITHIN
    # A held key: what it moved over is not drawn one by one.
    terminal.type("\x1b[C" * 100)
    assert terminal.reaction("2", "[2 Train]") < REACTS_WITHIN
    while (made := told(path)[0] - first) < 2 * PACE:
        terminal.read()
        assert time.monotonic() - started < PATIENCE
    # It tells its step once a second; other programs may leave it little time.
    assert made > PACE / 4 * (time.monotonic() - started - 2)
    terminal.type("q\r")
    assert terminal.ended() == 0 and given_back(terminal)


def test_a_terminal_that_takes_nothing_holds_neither_steps_nor_saves_up(
    terminal: SlowTerminal, command: Command
) -> None:
    path = command.sessions / "demo.safetensors"
    (first, saved), started = told(path), time.monotonic()
    steps = [(started, first)]
    while (now := time.monotonic()) < started + STALL or told(path)[1] == saved:
        # Much to draw, more than the terminal holds, and nobody reads it.
        terminal.type("13")
        time.sleep(0.1)
        if (step := told(path)[0]) > steps[-1][1]:
            steps.append((now, step))
        assert now < started + PATIENCE
    assert len(steps) > 3 and max(after[0] - before[0] for before, after in itertools.pairwise(steps)) < STALL / 2
    assert steps[-1][1] - first > PACE / 4 * (steps[-1][0] - started - 2)
    assert terminal.catch_up(steps[-1][1]) < REACTS_WITHIN
    terminal.until("[3 Inspect]", "expects next")
    # Told to leave while nobody reads.
    terminal.type("13" * 40)
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.ended(reading=False, within=PATIENCE) == 128 + signal.SIGTERM
    terminal.read(0.1)
    assert given_back(terminal) and (terminal.bytes.endswith(RESETS) or b"\x1b[?1049l" in terminal.bytes)
    assert session.load(path).progress["step"] >= steps[-1][1] and session.holder(path) is None

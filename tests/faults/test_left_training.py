"""`q`, then `k`, in a real terminal: it goes on without a screen, and the last words say where."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_tui import session
from tests.command import REPOSITORY, environment
from tests.faults import line
from tests.terminal.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The app with `demo`, in this test's own folder."""
    with line.adopting(tmp_path):
        line.copied(tmp_path)
        opened = Terminal(["demo"], {**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)})
        yield opened
        opened.close()


def test_it_goes_on_at_the_same_step_and_the_last_words_say_where(terminal: Terminal, tmp_path: Path) -> None:
    path = session.path_of(tmp_path / "sessions", "demo")
    terminal.until("opened at step")
    # At a pace that leaves steps to be made when it is left.
    terminal.type(" <<")
    terminal.until_step(line.BEGUN)
    app = terminal.app()
    terminal.type("q")
    terminal.until("keep training")
    terminal.type("k")
    assert terminal.ended() == 0
    told = " ".join(terminal.text.split())
    assert "demo goes on training without a screen: process" in told and "rnn-lab demo follows it" in told
    assert terminal.settings() == terminal.before
    headless = line.writer(path, but=app.pid)
    assert f"process {headless.pid};" in told
    os.kill(headless.pid, signal.SIGTERM)
    assert line.status_of(headless.pid) in (0, 128 + signal.SIGTERM)
    # Not a step is missing, and none was made twice.
    losses, _ = line.result(path)
    assert line.BEGUN < len(losses) == session.row(path).step
    assert session.holder(path) is None and not line.processes(tmp_path)

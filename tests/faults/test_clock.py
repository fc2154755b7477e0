# ruff: noqa: F811  (fixtures are imported, and asked for by their names)
"""The machine's clock is set back by an hour while it trains: no rate, no save and no lock hangs on it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from rnn_tui import session
from rnn_tui.config import Config, put
from rnn_tui.lab import Lab
from rnn_tui.views import Phase
from tests.faults.waiting import until
from tests.lab.conftest import folder, lab, small, text_file  # noqa: F401

HOUR = 3600.0


class Clock:
    """What `time.time` and the start of the machine, which the kernel reckons from it, are said to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = 0.0
        now, boot = time.time, psutil._psplatform.boot_time  # type: ignore[attr-defined]
        monkeypatch.setattr(time, "time", lambda: now() + self.off)
        monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: boot() + self.off)  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_no_rate_turns_negative_and_no_save_is_missed(lab: Lab, small: Config, folder: Path, clock: Clock) -> None:
    lab.set_pace(40)
    lab.create(put(put(small, "training.steps", 10_000), "training.autosave_seconds", 1), "one", train=True)
    until(lambda: lab.status.saved_step > 1)
    with Lab(folder) as other:
        other.open("one")
        until(lambda: other.status.phase is Phase.FOLLOWING and other.status.writer_phase == Phase.TRAINING)
        clock.off = -HOUR
        jumped = lab.status.step
        seen = []
        while lab.status.saved_step <= jumped or other.status.step <= jumped:
            seen.append((lab.status, other.status))
            until(lambda: lab.status is not seen[-1][0])
        for status in (status for pair in seen for status in pair):
            assert not status.tokens_per_second < 0 and not status.eta_seconds < 0 and not status.fault
        assert {other.writer_phase for _, other in seen} <= {Phase.TRAINING, Phase.VALIDATING}


def test_a_process_that_lives_keeps_its_lock(lab: Lab, small: Config, folder: Path, clock: Clock) -> None:
    lab.create(small, "one")
    path = session.path_of(folder, "one")
    until(lambda: session.holder(path))
    clock.off = -HOUR
    assert not session.break_dead(path) and session.holder(path) is not None


def test_another_process_of_its_number_does_not_keep_it(tmp_path: Path) -> None:
    """The number of a dead process, given to one that began later."""
    path = tmp_path / "one.safetensors"
    later = subprocess.Popen(["sleep", "1000"])
    try:
        with session.Lock(path, "training"):
            companion = session.companion(path, "lock")
            mine = f'"pid": {psutil.Process().pid},'
            assert mine in companion.read_text()
            companion.write_text(companion.read_text().replace(mine, f'"pid": {later.pid},'))
            assert session.break_dead(path)
    finally:
        later.kill()
        later.wait()

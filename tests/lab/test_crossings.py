"""Sessions, threads and processes whose ways cross: no step, note or goal goes to the wrong one, or to none."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_tui import session
from rnn_tui.config import Config, put
from rnn_tui.lab import Lab, LabError, following, opening
from rnn_tui.lab.asking import Asked
from rnn_tui.session import live, lock
from rnn_tui.training.run import Run
from rnn_tui.views import Phase
from tests.lab.test_following import config, labs, training, until  # noqa: F401

New = Callable[[], Lab]


@pytest.fixture
def long(config: Config) -> Config:  # noqa: F811
    """Trains on until it is stopped."""
    return put(config, "training.steps", 2000)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, whatever waits at it."""
    found = threading.Event()
    yield found
    found.set()


def kept(lab: Lab, name: str = "demo") -> session.SessionFile:
    return session.load(session.path_of(lab.folder, name))


def followed(writer: Lab, taker: Lab) -> None:
    taker.open("demo")
    until(lambda: taker.status.phase is Phase.FOLLOWING and taker.status.writer_phase != "")


def out_of_memory(*args: Any, **more: Any) -> Any:
    raise MemoryError


# A save


def test_a_save_that_waited_goes_to_its_own_session(labs: New, long: Config, gate: threading.Event) -> None:  # noqa: F811
    lab = labs()
    training(lab, long)

    def question() -> Iterator[None]:
        gate.wait(30)
        return
        yield

    lab._answers.take(Asked(None), question())  # type: ignore[arg-type]
    until(lambda: lab._trains._to_write)
    lab.create(put(long, "model.hidden_size", 9), "other", train=True)
    until(lambda: lab.status.session == "other" and lab.status.step >= 2)
    gate.set()
    until(lambda: lab.status.session == "other" and lab.status.saved_step > 0)
    assert kept(lab).config.model.hidden_size == 6 and kept(lab, "other").config.model.hidden_size == 9


def test_an_error_that_nobody_reckoned_with_is_told_and_the_save_tried_again(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    lab = labs()
    training(lab, long)
    with monkeypatch.context() as patch:
        patch.setattr(session, "save", out_of_memory)
        until(lambda: lab.status.save_failed)
        failed_at = lab.status.saved_step
        assert "not enough memory" in lab.status.fault
    until(lambda: not lab.status.save_failed and lab.status.saved_step > failed_at)
    assert lab.status.phase is Phase.TRAINING and kept(lab).progress["step"] > failed_at


def test_steps_made_one_by_one_are_autosaved(labs: New, config: Config) -> None:  # noqa: F811
    lab = labs()
    lab.create(config, "demo")
    lab.train(steps=2)
    lab.wait(30)
    until(lambda: lab.status.saved_step == 2)
    lab.single_step()
    until(lambda: lab.status.saved_step == 3)
    assert kept(lab).progress["step"] == 3 and lab.status.phase is Phase.PAUSED


def test_why_it_stopped_is_that_sessions_and_no_longer_true_once_it_goes_on(labs: New, long: Config) -> None:  # noqa: F811
    lab = labs()
    lab.create(long, "demo")
    lab.train(steps=2)
    lab.wait(30)
    until(lambda: kept(lab).progress["stopped"].startswith("stopped at step 2"))
    lab.set_pace(50)
    lab.train()
    until(lambda: lab.status.step > 3)
    lab.pause()
    lab.wait(30)
    until(lambda: kept(lab).progress["step"] > 3)
    assert kept(lab).progress["stopped"] == ""
    lab.set_pace(0)
    lab.train(steps=2)
    lab.wait(30)
    lab.create(long, "other", train=True)
    until(lambda: lab.status.session == "other" and lab.status.saved_step > 0)
    assert kept(lab, "other").progress["stopped"] == ""


@pytest.mark.parametrize("locks", [True, False])
def test_a_process_that_can_not_be_started_leaves_the_session_here(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch, locks: bool  # noqa: F811
) -> None:  # fmt: skip
    """Also on a file system without locks, where a marker must be given up for the other one."""

    def none(*args: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if not locks:
        monkeypatch.setattr(lock, "lock_descriptor", none)
        monkeypatch.setattr(fcntl, "flock", none)
    lab = labs()
    training(lab, long)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", none)
        with pytest.raises(LabError, match="no process could be started"):
            lab.hand_on()
    found, path = session.holder(session.path_of(lab.folder, "demo")), session.path_of(lab.folder, "demo")
    assert found is not None and found.pid == os.getpid()
    with pytest.raises(session.SessionError, match="in use by process"):
        session.Lock(path).acquire(timeout=0)
    before = lab.status.step
    until(lambda: lab.status.step > before)
    assert lab.status.phase is Phase.TRAINING


# Taking over


def test_a_take_over_that_fails_halfway_saves_nothing_over_what_is_newer(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    writer, taker = labs(), labs()
    training(writer, long)
    followed(writer, taker)
    monkeypatch.setattr(opening, "again", out_of_memory)
    seen = writer.status.step
    until(lambda: writer.status.step > seen + 20)
    taker.take_over()
    until(lambda: writer.status.phase is not Phase.TRAINING)
    given = kept(writer).progress["step"]
    until(lambda: taker.status.fault and not taker.status.doing)
    assert given > seen + 20 and taker.status.phase is Phase.FOLLOWING
    taker.close()
    assert kept(writer).progress["step"] == given
    monkeypatch.undo()
    until(lambda: writer.status.phase is Phase.PAUSED)
    assert writer.status.step == given


def test_a_fault_that_stood_at_the_writer_is_no_refusal(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    writer, taker = labs(), labs()
    training(writer, long)
    followed(writer, taker)

    def refused() -> None:
        raise LabError("that value is too large")

    writer._trains.mailbox.command(refused)
    until(lambda: writer.status.fault)
    real = session.save

    def slowly(*args: Any, **more: Any) -> Any:
        time.sleep(3 * following.REPEAT_EVERY)
        return real(*args, **more)

    monkeypatch.setattr(session, "save", slowly)
    taker.take_over()
    until(lambda: taker.status.phase is Phase.TRAINING or taker.status.fault)
    assert taker.status.phase is Phase.TRAINING and not taker.status.fault


def test_a_request_that_broke_an_opening_off_is_heard_again(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    writer, taker = labs(), labs()
    writer.create(long, "other")
    writer.wait(30)
    writer.train(steps=2)
    writer.wait(30)
    training(writer, long)
    followed(writer, taker)
    begun = threading.Event()

    def slowly(found: Any, working: Callable[[float, str], None], interrupted: Callable[[], bool]) -> Any:
        begun.set()
        while True:
            working(0.1, "reading")
            time.sleep(0.02)

    with monkeypatch.context() as patch:
        patch.setattr(opening, "reopen", slowly)
        writer.open("other")
        assert begun.wait(30)
        taker.set_pace(20)
        taker.take_over()
        until(lambda: taker.status.phase in (Phase.TRAINING, Phase.PAUSED))
    until(lambda: writer.status.phase is Phase.FOLLOWING)
    assert taker.status.session == writer.status.session == "demo"


def test_a_request_never_gives_another_session_away(labs: New, long: Config) -> None:  # noqa: F811
    lab = labs()
    training(lab, long)
    thread = lab._trains
    asked, meant = live.request("take"), thread._keeper
    lab.create(long, "other", train=True)
    until(lambda: lab.status.session == "other" and lab.status.step > 2)
    thread.mailbox.command(lambda: thread._give(asked, meant))
    before = lab.status.step
    until(lambda: lab.status.step > before + 3)
    assert lab.status.phase is Phase.TRAINING


def test_a_goal_that_was_reached_is_not_overrun(
    labs: New, long: Config, monkeypatch: pytest.MonkeyPatch, gate: threading.Event  # noqa: F811
) -> None:  # fmt: skip
    writer, taker = labs(), labs()
    writer.create(long, "demo")
    writer.wait(30)

    def slowly(run: Run, working: Callable[[float], None]) -> None:
        while not gate.is_set():
            working(0.1)
            time.sleep(0.01)

    monkeypatch.setattr(Run, "validate_whole", slowly)
    writer.train(steps=12)
    until(lambda: writer.status.step == 12 and writer.status.phase is Phase.VALIDATING)
    taker.set_pace(50)
    followed(writer, taker)
    until(lambda: taker.status.writer_phase == Phase.VALIDATING)
    taker.take_over()
    until(lambda: taker.status.phase is Phase.PAUSED)
    taker.save()
    taker.wait(30)
    assert taker.status.step == 12 and taker.status.phase is Phase.PAUSED
    assert kept(taker).progress["stopped"].startswith("stopped at step 12")


def test_notes_come_along(labs: New, long: Config) -> None:  # noqa: F811
    writer, taker = labs(), labs()
    training(writer, long)
    writer.pause()
    writer.wait(30)
    followed(writer, taker)
    writer.set_notes("what I found out")
    writer.save()
    writer.wait(30)
    taker.take_over()
    until(lambda: taker.status.phase is Phase.PAUSED)
    assert taker.notes == "what I found out"
    taker.single_step()
    taker.wait(30)
    taker.save()
    taker.wait(30)
    assert kept(taker).notes == "what I found out"


def test_a_disk_that_hangs_keeps_nobody_here(labs: New, long: Config, gate: threading.Event, monkeypatch: Any) -> None:  # noqa: F811
    """What tells others of the session waits for the disk; leaving does not wait for it."""
    lab = labs()
    training(lab, long)
    hangs = threading.Event()

    def write(path: Path, told: Any) -> None:
        hangs.set()
        gate.wait(60)

    monkeypatch.setattr(live, "write_live", write)
    assert hangs.wait(30)
    closed = threading.Thread(target=lab._trains.channel.close)
    closed.start()
    closed.join(30)
    assert not closed.is_alive() and not gate.is_set()

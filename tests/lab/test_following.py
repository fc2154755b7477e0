"""Two labs and one session: one has it, the other follows, asks for it, and goes on where the first one stopped."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui import session
from rnn_tui.config import Config, put
from rnn_tui.lab import Lab, following
from rnn_tui.session import live
from rnn_tui.views import Phase

STEPS = 120
HERE = f"process {os.getpid()} on {socket.gethostname()}"


def until(holds: Callable[[], bool], within: float = 30.0) -> None:
    last = time.monotonic() + within
    while not holds():
        assert time.monotonic() < last, "it did not come about"
        time.sleep(0.01)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log. " * 40, encoding="utf-8")
    config = Config()
    for key, value in {
        "data.path": str(text), "model.layers": 1, "model.hidden_size": 6, "model.embedding_size": 4,
        "training.batch_size": 4, "training.sequence_length": 8, "training.validate_every": 20, "training.threads": 1,
        "training.steps": STEPS, "training.autosave_seconds": 1,
    }.items():  # fmt: skip
        config = put(config, key, value)
    return config


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Callable[[], Lab]]:
    opened: list[Lab] = []

    def new() -> Lab:
        opened.append(Lab(tmp_path / "s"))
        return opened[-1]

    yield new
    for lab in opened:
        lab.close()


def training(lab: Lab, config: Config, pace: float = 25.0) -> None:
    """It trains `demo`, slowly enough to be looked at."""
    lab.set_pace(pace)
    lab.create(config, "demo", train=True)
    until(lambda: lab.status.saved_step > 0 and lab.status.step > 5)


def kept(folder: Path) -> dict[str, bytes]:
    """All of a session that its training made."""
    found = session.load(folder / "s" / "demo.safetensors")
    wanted = ("model.", "best.", "optimizer.", "carry.", "rng.", "history.")
    return {name: array.tobytes() for name, array in found.tensors.items() if name.startswith(wanted)}


def uninterrupted(folder: Path, config: Config) -> dict[str, bytes]:
    with Lab(folder / "s") as lab:
        lab.create(config, "demo", train=True)
        until(lambda: lab.status.stopped_because == "planned")
        lab.wait(60)
    return kept(folder)


def test_a_session_of_another_process_is_followed(labs: Callable[[], Lab], config: Config) -> None:
    writer, follower = labs(), labs()
    training(writer, config)
    follower.open("demo")
    until(lambda: follower.status.writer_phase == "training")
    assert follower.status.phase is Phase.FOLLOWING and follower.status.writer == HERE
    step, version = follower.status.step, follower.status.weights_version
    until(lambda: follower.status.step > step + 5)
    # The newest save is read again, while the other one goes on.
    until(lambda: follower.status.weights_version > version)
    assert follower.curves is not None and follower.curves.step[-1] > step
    assert follower.trace("the cat").symbols == tuple("the cat")
    assert follower.status.fault == ""
    follower.train()
    until(lambda: "only followed" in follower.status.fault)
    follower.set("training.learning_rate", 0.5)
    follower.wait(5.0)
    assert follower.status.phase is Phase.FOLLOWING and writer.status.phase is Phase.TRAINING
    assert writer.status.config is not None and writer.status.config.training.learning_rate != 0.5
    writer.pause()
    until(lambda: follower.status.writer_phase == "paused")
    assert follower.status.tokens_per_second == 0
    assert follower.status.step == writer.status.step
    follower.close()
    assert live.read_request(session.path_of(writer.folder, "demo")) is None


def test_taking_over_goes_on_at_the_same_step(
    labs: Callable[[], Lab], config: Config, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer, taker = labs(), labs()
    training(writer, config)
    taker.open("demo")
    until(lambda: taker.status.phase is Phase.FOLLOWING)
    taker.set_pace(20)
    taker.take_over()
    until(lambda: taker.status.phase is Phase.TRAINING)
    left = writer.left_at
    assert left is not None and 5 < left.step < STEPS and left.stopped_because == "interrupted"
    until(lambda: writer.status.phase is Phase.FOLLOWING and writer.status.writer_phase in ("training", "validating"))
    assert HERE in writer.status.notice and "taken demo over" in writer.status.notice
    taker.set_pace(0)
    until(lambda: taker.status.stopped_because == "planned")
    taker.wait(60)
    taker.close()
    assert kept(tmp_path) == uninterrupted(tmp_path_factory.mktemp("alone"), config)
    # Whoever followed has it again, once nobody else does.
    until(lambda: "is yours again" in writer.status.notice)
    assert writer.status.step == STEPS and writer.status.phase is Phase.PAUSED
    assert session.holder(tmp_path / "s" / "demo.safetensors") is not None


def test_the_goal_goes_along(labs: Callable[[], Lab], config: Config) -> None:
    writer, taker = labs(), labs()
    training(writer, config)
    writer.pause()
    until(lambda: writer.status.phase is Phase.PAUSED)
    last = writer.status.step + 40
    writer.set_pace(5)
    writer.train(steps=40)
    taker.open("demo")
    until(lambda: taker.status.phase is Phase.FOLLOWING)
    taker.take_over()
    until(lambda: taker.status.stopped_because == "steps")
    assert taker.status.step == last


def test_one_that_is_paused_is_taken_over_paused(labs: Callable[[], Lab], config: Config) -> None:
    writer, taker = labs(), labs()
    training(writer, config)
    writer.pause()
    taker.open("demo")
    until(lambda: taker.status.writer_phase == "paused")
    taker.take_over()
    until(lambda: taker.status.phase is Phase.PAUSED and "is yours" in taker.status.notice)
    assert taker.status.step == writer.status.step and not taker.status.fault


def test_what_can_not_be_saved_is_not_given(labs: Callable[[], Lab], config: Config, tmp_path: Path) -> None:
    writer, taker = labs(), labs()
    training(writer, config)
    taker.open("demo")
    until(lambda: taker.status.phase is Phase.FOLLOWING)
    # Somebody else writes over it: that must not be lost either.
    path = tmp_path / "s" / "demo.safetensors"
    os.utime(path)
    taker.take_over()
    until(lambda: "does not give demo" in taker.status.fault)
    assert writer.status.phase is Phase.TRAINING and "changed by another program" in writer.status.fault
    assert taker.status.phase is Phase.FOLLOWING and writer.left_at is None
    step = writer.status.step
    until(lambda: writer.status.step > step)


def test_a_request_that_is_dropped_does_not_keep_it_from_validating(labs: Callable[[], Lab], config: Config) -> None:
    writer, gate = labs(), threading.Event()
    training(writer, config)
    writer._trains.mailbox.command(lambda: gate.wait(30.0) and None)
    # What can't be opened takes the commands along that were given after it.
    writer.open("nowhere")
    writer._trains.asked_for(live.request("take"))
    gate.set()
    until(lambda: "nowhere" in writer.status.fault)
    before = writer.status.val_step
    until(lambda: writer.status.val_step > before)
    assert writer.left_at is None


def test_a_writer_that_does_not_answer_is_named(
    labs: Callable[[], Lab], config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "ANSWER_WITHIN", 0.5)
    # This process may have been started a moment ago.
    monkeypatch.setattr(following, "BEGIN_WITHIN", 0.0)
    writer, taker = labs(), labs()
    training(writer, config)
    writer.close()
    path = tmp_path / "s" / "demo.safetensors"
    with session.Lock(path, "sleeping"):
        taker.open("demo")
        until(lambda: taker.status.phase is Phase.FOLLOWING)
        taker.take_over()
        until(lambda: f"{HERE}, sleeping has demo and does not answer" in taker.status.fault)
        assert taker.status.phase is Phase.FOLLOWING and session.holder(path) is not None
        left = live.read_request(path)
        assert left is None or left.want == "look"
    # It has ended: who follows has the session.
    until(lambda: taker.status.phase is Phase.PAUSED)


def test_a_lock_is_broken_only_if_its_process_was_of_this_machine_and_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    lock = session.Lock(path, "training").acquire()
    companion = session.companion(path, "lock")
    mine = json.loads(companion.read_text())
    dead = {**mine, "pid": 2**22 + 1}
    for written, broken in ((mine, False), ({**dead, "host": "elsewhere"}, False), (dead, True)):
        companion.write_text(json.dumps(written))
        assert session.break_dead(path) is broken
        assert companion.exists() is not broken
    # What the dead one left is no hindrance.
    with session.Lock(path, "again"):
        assert session.holder(path) is not None
    lock.release()


def test_why_it_stopped_is_told_to_who_opens_it_later(labs: Callable[[], Lab], config: Config) -> None:
    alone = labs()
    alone.create(put(config, "training.steps", 20), "demo", train=True)
    until(lambda: alone.status.stopped_because == "planned")
    alone.close()
    later = labs()
    later.open("demo")
    assert later.wait(30.0).notice == "demo opened at step 20; stopped at step 20: the planned steps are done"
    later.train(steps=2)
    later.wait(30.0)
    later.pause()
    assert "planned" not in later.wait(30.0).notice


def test_a_request_that_nobody_repeats_is_not_heeded(labs: Callable[[], Lab], config: Config, tmp_path: Path) -> None:
    writer = labs()
    path = tmp_path / "s" / "demo.safetensors"
    path.parent.mkdir()
    asked = live.request("take")
    live.write_request(path, asked)
    training(writer, config)
    step = writer.status.step
    until(lambda: writer.status.step > step + 15)
    until(lambda: (told := live.read_live(path)) is not None and told.phase == "training")
    told = live.read_live(path)
    assert told is not None and told.answered == "" and writer.left_at is None
    live.write_request(path, replace(asked, beat=1))
    until(lambda: writer.left_at is not None)


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{", b'{"pid": "x"}', b'{"pid": 1, "step": 1e999}' * 2, b"\xff" * 10, b"[" * 9000, b"1" * 20_000],
)
def test_companions_that_hold_something_else_are_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "demo.safetensors"
    for kind in ("live", "take"):
        session.companion(path, kind).write_bytes(line)
    assert live.read_live(path) is None and live.read_request(path) is None


def test_only_plain_files_are_read_and_written(tmp_path: Path) -> None:
    path, other = tmp_path / "demo.safetensors", tmp_path / "other"
    other.write_text("precious")
    session.companion(path, "live").symlink_to(other)
    os.mkfifo(session.companion(path, "take"))
    live.write_live(path, live.now_live(step=3))
    live.write_request(path, live.request("take"))
    assert live.read_live(path) is None and live.read_request(path) is None
    assert other.read_text() == "precious"


@given(
    values=st.fixed_dictionaries(
        {
            "step": st.integers(0, 2**61),
            "train_loss": st.floats(),
            "val_metrics": st.dictionaries(st.text(max_size=20), st.floats(), max_size=5),
            "fault": st.text(max_size=500),
            "host": st.text(max_size=50),
            "pid": st.integers(1, 2**22),
        }
    )
)
def test_what_is_told_is_read_again(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("live") / "demo.safetensors"
    told = live.Live(**values)  # type: ignore[arg-type]
    live.write_live(path, told)
    found = live.read_live(path)
    assert found is not None and (found.step, found.pid) == (told.step, told.pid)
    same = np.isclose(found.train_loss, told.train_loss, rtol=0, equal_nan=True)
    assert same or not abs(told.train_loss) < 1e300
    for text in (found.fault, found.host, *found.val_metrics):
        assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in text)

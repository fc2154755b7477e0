from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_tui import session
from rnn_tui.config import Config, ConfigError, put
from rnn_tui.lab import Asked, Lab, LabError, LookAtData, TraceText, Write
from rnn_tui.lab.answers import training
from rnn_tui.lab.questions import ReadFlight, ReadRecording
from rnn_tui.views import DataView, Hold, Phase, Status, Trace, Writing
from tests.faults.waiting import until
from tests.training.conftest import make_run

WAIT = 120.0


def trained(lab: Lab, config: Config, name: str = "one", **goal: Any) -> Status:
    lab.create(config, name)
    lab.train(**goal)
    return lab.wait(WAIT)


def losses_in(folder: Path, name: str = "one") -> list[float]:
    return session.load(folder / f"{name}.safetensors").tensors["history.train_loss"].tolist()


def plain_losses(config: Config) -> list[float]:
    run = make_run(config)
    for _ in range(config.training.steps):
        run.step()
    return run.history.column("train_loss").tolist()


def test_a_run_from_start_to_the_planned_end(lab: Lab, small: Config, folder: Path) -> None:
    status = trained(lab, small)
    assert (status.phase, status.step, status.stopped_because, status.fault) == (Phase.PAUSED, 60, "planned", "")
    assert status.tokens == 60 * 4 * 10 and status.val_step == 60 and status.has_best
    assert lab.data is not None and lab.data.title == "cats.txt"
    assert lab.curves is not None and lab.curves.step.tolist() == list(range(1, 61))
    assert lab.curves.val_step.tolist() == [20, 40, 60]
    assert [s.step for s in lab.samples] == [0, 1, 10, 20, 40, 50, 60]
    lab.close()
    kept = session.load(folder / "one.safetensors")
    assert kept.progress["step"] == 60 and kept.config == small
    assert not [t for t in threading.enumerate() if t.name.startswith("rnn-lab")]


def test_losses_are_those_of_the_bare_run_also_while_questions_are_asked(lab: Lab, small: Config, folder: Path) -> None:
    config = put(small, "model.dropout", 0.2)
    lab.create(config, "one")
    # Slowly, so that it does not end before the questions do.
    lab.set_pace(20)
    lab.train()
    asked: list[Asked] = []
    for step in range(1, 25, 3):
        until(lambda step=step: lab.status.step >= step)  # type: ignore[misc]
        asked.append(lab.ask(TraceText("the cat sat on the mat")))
        asked.append(lab.ask(Write("the ", 30, seed=3)))
        asked.append(lab.ask(LookAtData(config.data)))
        for question in asked[-3:]:
            question.result(WAIT)
    lab.set_pace(0)
    assert not lab.wait(WAIT).fault
    assert all(isinstance(a.newest, Trace | Writing | DataView) for a in asked)
    lab.close()
    assert losses_in(folder) == plain_losses(config)


def test_pausing_and_reopening_changes_nothing(lab: Lab, small: Config, folder: Path) -> None:
    config = put(small, "training.steps", 30)
    lab.create(config, "one")
    lab.train(steps=13)
    lab.wait(WAIT)
    lab.single_step()
    lab.train(steps=6)
    lab.wait(WAIT)
    lab.close()
    with Lab(folder) as again:
        again.open("ONE")
        again.train()
        status = again.wait(WAIT)
        assert status.exact and status.session == "one" and status.step == 30
    assert losses_in(folder) == plain_losses(config)


@pytest.mark.parametrize(
    ("goal", "reason", "steps"),
    [
        ({"steps": 7}, "steps", 7),
        ({"epochs": 0.1}, "epochs", 16),
        ({"minutes": 0.0}, "minutes", 0),
    ],
)
def test_it_stops_where_it_was_told_and_says_why(
    lab: Lab, small: Config, goal: dict[str, Any], reason: str, steps: int
) -> None:
    status = trained(lab, small, **goal)
    assert (status.stopped_because, status.step) == (reason, steps)
    assert status.val_step == steps


def test_early_stopping_and_the_end_of_the_plan(lab: Lab, small: Config) -> None:
    config = put(put(put(small, "training.patience", 1), "training.learning_rate", 5.0), "training.validate_every", 3)
    status = trained(lab, config)
    assert status.stopped_because == "early_stopping" and status.step < 60
    lab.restart()
    lab.set("training.patience", 0)
    lab.set("training.steps", 5)
    lab.train()
    lab.wait(WAIT)
    lab.train()
    assert "planned 5 steps are done" in lab.wait(WAIT).notice


def test_a_non_finite_step_stops_the_run_with_the_weights_before_it(lab: Lab, small: Config, folder: Path) -> None:
    config = put(put(small, "model.cell", "rnn"), "model.nonlinearity", "relu")
    config = put(put(config, "training.learning_rate", 1e6), "training.clip_norm", 0)
    config = put(config, "training.optimizer", "sgd")
    status = trained(lab, config)
    assert status.stopped_because == "non_finite" and status.phase is Phase.PAUSED
    assert f"the weights are those of step {status.step:,}" in status.fault
    lab.close()
    kept = session.load(folder / "one.safetensors")
    assert kept.progress["step"] == status.step
    assert all(np.isfinite(a).all() for name, a in kept.tensors.items() if name.startswith("model."))


def test_changes_on_the_way(lab: Lab, small: Config, folder: Path) -> None:
    config = put(small, "training.steps", 100_000)
    lab.create(config, "one")
    lab.set_pace(200)
    lab.train()
    lab.set("training.learning_rate", 0.001)
    lab.set("training.batch_size", 2)
    with pytest.raises(LabError, match="new session"):
        lab.set("model.hidden_size", 64)
    with pytest.raises(ConfigError, match="above 0"):
        lab.set("training.learning_rate", -1)
    while lab.status.step < 5:
        lab.ask(Write("", 1)).result(WAIT)
    assert lab.status.config is not None
    assert lab.status.config.training.learning_rate == 0.001
    assert lab.status.config.training.batch_size == 4, "that one waits for the next start"
    lab.pause()
    lab.wait(WAIT)
    lab.set_pace(0)
    lab.train(steps=2)
    assert lab.wait(WAIT).config == put(put(config, "training.learning_rate", 0.001), "training.batch_size", 2)
    lab.close()
    events = session.load(folder / "one.safetensors").progress["events"]
    assert [(e["field"], e["to"]) for e in events] == [("training.learning_rate", 0.001), ("training.batch_size", 2)]


def test_names_are_made_checked_and_never_taken_twice(lab: Lab, small: Config) -> None:
    for bad in ("train", "a/b", "", ".x", "-x", "x" * 65, "one.safetensors"):
        if bad:
            with pytest.raises(LabError):
                lab.create(small, bad)
    lab.create(small)
    lab.train(steps=1)
    first = lab.wait(WAIT).session
    lab.create(put(small, "training.steps", 1), train=True)
    second = lab.wait(WAIT).session
    assert first != second and first.startswith("cats") and second.startswith("cats")
    with pytest.raises(LabError, match="already"):
        lab.save_as(first)
    lab.save_as("third")
    assert lab.wait(WAIT).session == "third"
    assert {row.name for row in session.list_sessions(lab.folder)} == {first, second, "third"}


def test_a_session_that_another_holds_is_opened_to_look_at(lab: Lab, small: Config, folder: Path) -> None:
    trained(lab, small, steps=3)
    lab.save()
    lab.wait(WAIT)
    with Lab(folder) as other:
        other.open("one")
        assert "in use" in other.wait(WAIT).notice
        assert other.trace("the cat").step == 3
        other.train()
        assert "only followed here" in other.wait(WAIT).fault
        other.save_as("mine")
        other.train(steps=1)
        assert other.wait(WAIT).step == 4


def test_a_text_that_is_gone_or_changed_still_lets_one_look_and_write(
    lab: Lab, small: Config, folder: Path, text_file: Path
) -> None:
    trained(lab, small, steps=3)
    lab.close()
    whole = text_file.read_text()
    for spoil in (text_file.unlink, lambda: text_file.write_text(whole.replace("cat", "cow"))):
        spoil()
        with Lab(folder) as again:
            again.open("one")
            status = again.wait(WAIT)
            assert status.phase is Phase.PAUSED and str(text_file.name) in status.fault and "not train" in status.fault
            assert len(again.write("the ", 5)) == 5
            with pytest.raises(LabError, match="not at hand"):
                again.ask(TraceText()).result(WAIT)
            again.train()
            assert "can't be trained" in again.wait(WAIT).fault
    text_file.write_text(whole)
    with Lab(folder) as again:
        again.open("one")
        again.train(steps=1)
        assert again.wait(WAIT).step == 4


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_a_session_of_a_machine_with_a_gpu_opens_here(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(put(small, "training.device", "cuda"), "two")
    assert "no CUDA GPU" in lab.wait(WAIT).fault
    trained(lab, small, steps=2)
    lab.close()
    path = folder / "one.safetensors"
    kept = session.load(path)
    kept.config = put(kept.config, "training.device", "cuda")
    kept.resolved["device"] = "cuda"
    session.save(path, kept)
    with Lab(folder) as again:
        again.open("one")
        status = again.wait(WAIT)
        assert "set to auto here" in status.fault and not status.exact and status.step == 2
        again.train(steps=1)
        assert again.wait(WAIT).step == 3


def test_what_cannot_be_read_leaves_the_open_session_alone(lab: Lab, small: Config, tmp_path: Path) -> None:
    trained(lab, small, steps=2)
    lab.create(put(small, "data.path", str(tmp_path / "nowhere.txt")), "two")
    status = lab.wait(WAIT)
    assert "nowhere.txt" in status.fault and status.session == "one" and status.phase is Phase.PAUSED
    lab.train(steps=1)
    assert lab.wait(WAIT).step == 3
    lab.open("absent")
    assert "absent" in lab.wait(WAIT).fault and lab.status.session == "one"


def test_a_session_that_cannot_be_had_takes_its_commands_along(lab: Lab, small: Config, tmp_path: Path) -> None:
    nowhere = put(small, "data.path", str(tmp_path / "nowhere.txt"))
    lab.create(nowhere, "none")
    lab.train()
    status = lab.wait(WAIT)
    assert "nowhere.txt" in status.fault and status.phase is Phase.EMPTY
    trained(lab, small, steps=2)
    lab.create(nowhere, "none", train=True)
    assert lab.wait(WAIT).step == 2 and "nowhere.txt" in lab.status.fault


def test_the_open_session_can_be_renamed(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(small, "one")
    lab.rename("two")
    lab.train(steps=2)
    assert lab.wait(WAIT).session == "two"
    lab.rename("Two")
    lab.wait(WAIT)
    lab.rename("three")
    lab.train(steps=1)
    assert lab.wait(WAIT).session == "three" and lab.status.fault == ""
    with pytest.raises(LabError):
        lab.rename("train")
    lab.close()
    assert [row.name for row in session.list_sessions(folder)] == ["three"]
    assert session.load(folder / "three.safetensors").progress["step"] == 3


def test_start_over_best_weights_notes_and_view(lab: Lab, small: Config, folder: Path) -> None:
    trained(lab, put(small, "training.validate_every", 5), steps=12)
    lab.set_notes("as far as 12")
    lab.remember({"pane": "inspect", "t": 7})
    lab.use_best()
    assert "step 10" in lab.wait(WAIT).notice
    lab.close()
    with Lab(folder) as again:
        again.open("one")
        again.wait(WAIT)
        assert (again.notes, again.view_state) == ("as far as 12", {"pane": "inspect", "t": 7})
        again.restart()
        assert again.wait(WAIT).step == 0
        again.train(steps=1)
        assert again.wait(WAIT).step == 1


def test_leaving_in_mid_training_saves_the_step_it_stands_at(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(put(small, "training.steps", 1_000_000), "one")
    lab.train()
    while lab.status.step < 20:
        lab.ask(Write("", 1)).result(WAIT)
    assert lab.close()
    kept = session.load(folder / "one.safetensors")
    assert kept.progress["step"] >= 20
    assert kept.tensors["history.step"][-1] == kept.progress["step"]
    assert session.holder(folder / "one.safetensors") is None


def test_a_save_that_fails_is_told_and_training_goes_on(lab: Lab, small: Config, folder: Path) -> None:
    trained(lab, small, steps=2)
    lab.save()
    lab.wait(WAIT)
    shutil.rmtree(folder)
    lab.train(steps=5)
    lab.wait(WAIT)
    lab.save()
    status = lab.wait(WAIT)
    assert status.step == 7 and f"the folder {folder} is gone" in status.fault and status.save_failed
    assert status.saved_step < 7


def test_a_save_that_waited_never_replaces_a_newer_one(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(put(small, "training.steps", 100_000), "one")
    held, go_on = threading.Event(), threading.Event()
    # The answering thread is busy with something that takes its time.
    lab._answers.do(lambda: (held.set(), go_on.wait(WAIT))[0])
    held.wait(WAIT)
    lab.train(steps=5)
    lab.wait(WAIT)
    lab.train(steps=3)
    assert lab.wait(WAIT).saved_step == -1
    closing = threading.Thread(target=lab.close)
    closing.start()
    trains = lab._trains.mailbox._thread
    assert trains is not None
    trains.join(WAIT)
    go_on.set()
    closing.join(WAIT)
    assert session.load(folder / "one.safetensors").progress["step"] == 8


def test_each_generation_is_another_step(lab: Lab, small: Config, folder: Path) -> None:
    trained(lab, small, steps=5)
    lab.close()
    path = folder / "one.safetensors"
    previous = session.load(session.companion(path, "previous"))
    assert (previous.progress["step"], session.load(path).progress["step"]) == (1, 5)


def test_a_batch_that_the_text_cannot_fill_is_refused_and_nothing_changes(lab: Lab, small: Config) -> None:
    trained(lab, small, steps=2)
    lab.set("training.batch_size", 5000)
    status = lab.wait(WAIT)
    assert "training.batch_size" in status.fault and status.config == small
    lab.train(steps=1)
    assert lab.wait(WAIT).step == 3


def test_questions_without_an_answer(lab: Lab, small: Config, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no network yet"):
        lab.trace("x")
    with pytest.raises(LabError, match=r"missing\.txt"):
        lab.ask(LookAtData(put(small, "data.path", str(tmp_path / "missing.txt")).data)).result(WAIT)
    trained(lab, small, steps=1)
    with pytest.raises(LabError, match="vocabulary"):
        lab.trace("Ω≈ç")
    with pytest.raises(LabError, match="temperature"):
        lab.write("the", temperature=-1)
    with pytest.raises(LabError, match="temperature"):
        lab.write("the", temperature=math.nan)


def test_writing_is_the_same_for_the_same_seed_and_stops_at_once(lab: Lab, small: Config) -> None:
    trained(lab, small, steps=5)
    assert lab.write("the ", 80, seed=5) == lab.write("the ", 80, seed=5) != lab.write("the ", 80, seed=6)
    endless = lab.ask(Write("the ", 1_000_000))
    while endless.newest is None:
        assert not endless.done
    lab.trace("a trace comes while a text is written")
    endless.cancel()
    writing = endless.result(WAIT)
    assert 0 < len(writing.text) < 1_000_000 and not writing.done
    assert len(writing.text) == len(writing.probability) == len(writing.top)
    assert all(0 < p <= 1 for p in writing.probability)


def answer(lab: Lab, name: str, question: Any) -> Any:
    """What the function of that name answers, in this thread."""
    pieces = getattr(training, name)(question, Asked(question), lab._sources)
    while True:
        try:
            next(pieces)
        except StopIteration as finished:
            return finished.value


def test_the_way_back_after_a_loss_that_is_no_number(lab: Lab, small: Config, folder: Path) -> None:
    config = put(put(small, "model.cell", "rnn"), "model.nonlinearity", "relu")
    config = put(put(config, "training.clip_norm", 0), "training.optimizer", "sgd")
    config = put(config, "training.steps", 1000)
    trained(lab, config, steps=70)
    lab.step_back()
    assert "no weights to go back to" in lab.wait(WAIT).fault
    lab.forget_fault()
    lab.set("training.learning_rate", 1e6)
    lab.train()
    status = lab.wait(WAIT)
    assert status.stopped_because == "non_finite" and status.can_step_back
    flight = answer(lab, "read_flight", ReadFlight())
    assert flight.bad_step == status.step + 1 and flight.back_step == 50 and flight.rows[-1].step == flight.bad_step
    assert f"first not finite: {flight.first_bad}" in status.fault
    assert "u goes back to the weights of step 50" in status.fault
    lab.step_back()
    status = lab.wait(WAIT)
    assert not status.fault and not status.can_step_back and "weights of step 50 are back" in status.notice
    lab.set("training.learning_rate", 0.01)
    lab.train(steps=20)
    status = lab.wait(WAIT)
    assert not status.fault and status.step == flight.bad_step - 1 + 20 and math.isfinite(status.val_loss)
    assert answer(lab, "read_flight", ReadFlight()).first_bad == ""
    lab.close()
    events = session.load(folder / "one.safetensors").progress["events"]
    assert {"step": flight.bad_step - 1, "field": "weights", "from": flight.bad_step - 1, "to": 50} in events


def test_clip_at_the_percentile_and_scale_the_recurrence(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(small, "one")
    lab.clip_to_p90()
    assert "no gradient has been measured yet" in lab.wait(WAIT).fault
    lab.train(steps=30)
    before = lab.wait(WAIT)
    assert lab.curves is not None
    curves = lab.curves
    assert curves.groups[:2] == ("embedding", "layer 0 W_ih") and len(curves.groups) == 8
    assert curves.group_norms.shape == curves.update_ratios.shape == (8, 30)
    np.testing.assert_allclose(np.hypot.reduce(curves.group_norms, axis=0), curves.grad_norm, rtol=1e-5)
    assert np.flatnonzero(~np.isnan(curves.update_ratios[0])).tolist() == [0, 25]
    assert curves.norm_p90 == pytest.approx(float(np.percentile(curves.grad_norm, 90)))
    lab.clip_to_p90()
    status = lab.wait(WAIT)
    assert status.config is not None and status.config.training.clip_norm == float(f"{curves.norm_p90:.3g}")
    lab.scale_recurrent(3.0)
    status = lab.wait(WAIT)
    assert status.weights_version > before.weights_version and not status.fault
    for bad in (0.0, 10.5, math.nan):
        lab.scale_recurrent(bad)
        assert "above 0, at most 10" in lab.wait(WAIT).fault
    lab.train(steps=1)
    lab.wait(WAIT)
    lab.close()
    events = session.load(folder / "one.safetensors").progress["events"]
    assert [e["field"] for e in events] == ["training.clip_norm", "spectral radius of W_hh"]


def test_what_is_held_is_told_until_it_is_released(lab: Lab, small: Config) -> None:
    held, other = Hold(1, "c", 3, 0.5), Hold(0, "f", -1, 1.0, 2, 4)
    lab.hold(held)
    assert "no session yet" in lab.wait(WAIT).fault
    trained(lab, small, steps=2)
    lab.hold(held)
    lab.hold(other)
    changed = Hold(1, "c", 3, -0.5)
    lab.hold(changed)
    assert lab.wait(WAIT).held == (other, changed)
    for wrong in (Hold(2, "h", 0, 1.0), Hold(0, "r", 0, 1.0), Hold(0, "h", 12, 1.0), Hold(0, "h", 0, math.nan)):
        with pytest.raises(LabError):
            lab.hold(wrong)
    lab.release(other)
    assert lab.wait(WAIT).held == (changed,)
    lab.release()
    assert lab.wait(WAIT).held == ()
    for leave in (lab.restart, lambda: lab.create(small, "two"), lambda: lab.open("one")):
        lab.hold(held)
        assert lab.wait(WAIT).held == (held,)
        leave()
        assert lab.wait(WAIT).held == ()


def test_holding_changes_nothing_in_training(lab: Lab, small: Config, folder: Path) -> None:
    config = put(small, "training.steps", 24)
    lab.create(config, "one")
    lab.train(steps=8)
    lab.hold(Hold(0, "h", -1, 0.0))
    lab.train()
    lab.wait(WAIT)
    lab.close()
    assert losses_in(folder) == plain_losses(config)


def test_the_recording_is_read_while_it_trains(lab: Lab, small: Config, folder: Path) -> None:
    lab.create(put(small, "training.steps", 30), "one")
    first = lab.wait(WAIT).recording_version
    recording = answer(lab, "read_recording", ReadRecording())
    assert recording.steps.tolist() == [0] and recording.version == first
    lab.train()
    status = lab.wait(WAIT)
    recording = answer(lab, "read_recording", ReadRecording())
    assert recording.steps.tolist() == [0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30]
    assert recording.version == status.recording_version != first
    newest = recording.frame(recording.frames - 1)
    assert newest.step == 30 and len(newest.symbols) == 120
    lab.restart()
    lab.wait(WAIT)
    assert answer(lab, "read_recording", ReadRecording()).steps.tolist() == [0]

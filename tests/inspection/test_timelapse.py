"""The recording of a probe text: exact to 8 bits, small, and unnoticed by training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui import session
from rnn_tui.config import Config, ModelConfig, parse, put
from rnn_tui.inspection.timelapse import (
    FRAMES,
    LARGEST,
    PROBE,
    Timelapse,
    most_crowded,
    quantized,
    recording_bytes,
    recording_size,
)
from rnn_tui.inspection.trace import trace, trace_view
from rnn_tui.lab import Lab
from rnn_tui.training.run import Run
from rnn_tui.views import LN2
from tests.networks import build, tokens
from tests.training.conftest import make_run

WAIT = 120.0
VOCABULARY = tuple("abcdefghijk")
CELLS = ("rnn", "gru", "lstm", "feedforward")


def lapse_of(network: Any, T: int = 30, most: int = FRAMES) -> Timelapse:
    return Timelapse(network.model, VOCABULARY, tokens(T).numpy(), most)


@pytest.mark.parametrize("cell", CELLS)
def test_a_frame_is_the_trace_to_half_a_127th(cell: str) -> None:
    network = build(cell=cell)
    lapse = lapse_of(network)
    assert lapse.record(network, 0)
    exact = trace_view(trace(network, lapse.tokens), VOCABULARY, cell=cell, gates=network.cell.gates, source="")
    recording = lapse.view()
    frame = recording.frame(0)
    for k, layer in enumerate(frame.layers):
        assert set(layer) == set(network.cell.states)
        for name, values in layer.items():
            scale = np.abs(exact.layers[k][name]).max(axis=0)
            np.testing.assert_array_equal(recording.scales[k][name][0], scale)
            assert (np.abs(values - exact.layers[k][name]) <= scale * (1 / 254 + 1e-6)).all()
    np.testing.assert_array_equal(frame.top_id, exact.top_id)
    np.testing.assert_array_equal(frame.top_p, exact.top_p)
    np.testing.assert_array_equal(frame.bits, exact.bits)
    assert recording.loss[0] == pytest.approx(float(exact.bits[1:].mean()) * LN2)


values = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=8))
def test_no_number_is_off_by_more_than_half_a_127th(rows: list[list[float]]) -> None:
    exact = np.array(rows, np.float32)
    q, scale = quantized(exact)
    assert q.dtype == np.int8 and (np.abs(q.astype(int)) <= 127).all()
    back = q.astype(np.float64) * scale / 127
    assert (np.abs(back - exact) <= scale.astype(np.float64) / 254 * (1 + 1e-6)).all()


@given(st.integers(1, 3_000_000), st.integers(0, 5000), st.integers(4, 40))
@settings(max_examples=60)
def test_frames_are_few_spaced_logarithmically_and_keep_both_ends(last: int, first: int, most: int) -> None:
    lapse = lapse_of(build(), most=most)
    lapse._read = lambda network, step: _frame(step)  # type: ignore[method-assign]
    step, end = first, first + last
    while step <= end:
        if lapse.due(step):
            lapse.record(build, step)  # type: ignore[arg-type]
            assert len(lapse.frames) <= most
        # Steps between two due ones are not due: jump ahead.
        step = max(step + 1, math.ceil(1.25 * lapse.frames[-1].step))
    steps = [frame.step for frame in lapse.frames]
    assert steps[0] == first and steps == sorted(set(steps))
    assert steps[-1] > end / 1.25 - 1, "the newest is never dropped"
    if len(steps) == most and first == 0:
        # No gap is more than a few times what even spacing would be.
        gaps = np.diff(np.log(np.array(steps) + 1.0))
        assert gaps.max() <= max(3.2 * gaps.mean(), math.log(2) + 1e-9)


def _frame(step: int) -> Any:
    from rnn_tui.inspection.timelapse import Frame

    nothing = np.zeros((1, 1))
    return Frame(step, (), (), nothing, nothing, nothing)  # type: ignore[arg-type]


def test_at_first_every_step_then_each_a_quarter_further() -> None:
    lapse = lapse_of(build())
    network = build()
    for step in range(40):
        if lapse.due(step):
            lapse.record(network, step)
    assert [f.step for f in lapse.frames] == [0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 38]
    assert most_crowded([0, 10, 11, 1000]) == 1


def test_it_stays_within_its_bytes_and_they_are_counted_right() -> None:
    wide = ModelConfig(cell="lstm", layers=2, hidden_size=256)
    assert recording_size(wide, 100) == (PROBE, FRAMES)
    network = build(cell="lstm", layers=2, hidden_size=256, embedding_size=16)
    lapse = Timelapse.of(network.model, VOCABULARY, tokens(500).numpy())
    assert lapse is not None and len(lapse.tokens) == PROBE
    lapse.record(network, 0)
    one = lapse.frames[0]
    lapse.frames = [one] * FRAMES
    size = sum(array.nbytes for array in lapse.arrays().values())
    assert size == recording_bytes(network.model, len(VOCABULARY), PROBE, FRAMES)
    assert 5_000_000 < size <= LARGEST


@given(
    st.sampled_from(CELLS),
    st.integers(1, 8),
    st.sampled_from((1, 64, 128, 512, 1024, 2048, 8192)),
    st.integers(1, 2000),
)
def test_a_larger_network_is_recorded_shorter_or_not_at_all(cell: Any, layers: int, hidden: int, V: int) -> None:
    model = ModelConfig(cell=cell, layers=layers, hidden_size=hidden)
    T, F = recording_size(model, V)
    if T:
        assert 20 <= T <= PROBE and 4 <= F <= FRAMES and recording_bytes(model, V, T, F) <= LARGEST
    else:
        assert recording_bytes(model, V, 20, 4) > LARGEST
        assert Timelapse.of(model, tuple(map(chr, range(V))), np.zeros(200, np.int64)) is None


def test_weights_that_diverged_leave_no_frame() -> None:
    network = build()
    lapse = lapse_of(network)
    version = lapse.version
    with torch.no_grad():
        network.output.bias[0] = math.nan
    assert not lapse.record(network, 0) and not lapse.frames and lapse.version == version
    assert lapse.arrays() == {} and not lapse.due(0) and lapse.due(1)
    with pytest.raises(ValueError, match="nothing is recorded"):
        lapse.view()


def losses(config: Config) -> tuple[list[float], Run]:
    run = make_run(config)
    for _ in range(40):
        run.step()
    return run.history.column("train_loss").tolist(), run


def test_training_does_not_notice(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config = put(put(small, "model.dropout", 0.2), "model.recurrent_dropout", 0.1)
    with_it, run = losses(config)
    assert run.timelapse is not None and len(run.timelapse.frames) == 14
    monkeypatch.setattr(Timelapse, "of", lambda *given: None)
    without, other = losses(config)
    assert other.timelapse is None and with_it == without
    a, b = run.arrays(), other.arrays()
    for name, array in b.items():
        np.testing.assert_array_equal(a[name], array, err_msg=name)


def test_without_a_validation_part_the_training_part_is_read(small: Config) -> None:
    run = make_run(put(small, "data.split", "100/0/0"))
    assert run.timelapse is not None and run.data is not None
    assert run.timelapse.tokens.tolist() == run.data.train[:PROBE].tolist()
    run = make_run(small)
    assert run.timelapse is not None and run.data is not None
    assert run.timelapse.tokens.tolist() == run.data.validation[:PROBE].tolist()


def recorded(path: Path) -> dict[str, Any]:
    return {n: a for n, a in session.load(path).tensors.items() if n.startswith("timelapse.")}


def test_it_survives_saving_resuming_renaming_and_copying(small: Config, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    small = put(small, "training.threads", 1)
    with Lab(folder) as lab:
        lab.create(small, "one")
        assert lab.wait(WAIT).recording_version > 0, "the weights as they were drawn"
        lab.train(steps=20)
        first = lab.wait(WAIT)
        lab.rename("two")
        lab.train(steps=1)
        lab.wait(WAIT)
    before = recorded(folder / "two.safetensors")
    assert before["timelapse.steps"].tolist() == [0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19]
    assert before["timelapse.layers.1.c"].dtype == np.int8 and before["timelapse.top_id"].dtype == np.int32
    with Lab(folder) as lab:
        lab.open("two")
        opened = lab.wait(WAIT)
        assert opened.recording_version not in (0, first.recording_version)
        lab.save_as("three")
        lab.train()
        lab.wait(WAIT)
    after = recorded(folder / "three.safetensors")
    assert after["timelapse.steps"].tolist() == [0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 38, 48, 60]
    for name, array in before.items():
        if name != "timelapse.tokens":
            np.testing.assert_array_equal(after[name][: len(array)], array, err_msg=name)
    whole = make_run(small)
    for _ in range(60):
        whole.step()
        if whole.validation_due():
            whole.validate()
    assert whole.timelapse is not None
    for name, array in whole.timelapse.arrays().items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def test_a_recording_that_was_reopened_looks_the_same(small: Config) -> None:
    _, run = losses(small)
    assert run.timelapse is not None
    again = Timelapse.restored(small.model, run.vocabulary.symbols, run.arrays())
    assert again is not None
    a, b = run.timelapse.view(), again.view()
    assert a.symbols == b.symbols and a.version != b.version
    for k in range(a.frames):
        np.testing.assert_array_equal(a.frame(k).layers[1]["c"], b.frame(k).layers[1]["c"])
    assert Timelapse.restored(small.model, run.vocabulary.symbols, {}) is None
    with pytest.raises(ValueError, match="read-only"):
        a.states[0]["h"][0] = 0


def hostile(name: str, change: Any) -> Any:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors[f"timelapse.{name}"] = change(tensors[f"timelapse.{name}"].copy())

    return spoil


def put_at(value: float) -> Any:
    def change(array: Any) -> Any:
        array.flat[-1] = value
        return array

    return change


HOSTILE = {
    "a missing state": lambda t: t.pop("timelapse.layers.0.h"),
    "no tokens": lambda t: t.pop("timelapse.tokens"),
    "a name too many": lambda t: t.update({"timelapse.layers.9.h": np.zeros((1, 1), np.int8)}),
    "more frames here": hostile("bits", lambda a: np.concatenate((a, a))),
    "fewer units": hostile("layers.1.c", lambda a: a[..., 1:]),
    "another type": hostile("layers.1.c", lambda a: a.astype(np.float32)),
    "no frames": lambda t: t.update({n: a[:0] for n, a in t.items() if n.startswith("timelapse.") and "tok" not in n}),
    "a scale of NaN": hostile("layers.0.h_scale", put_at(math.nan)),
    "a scale below 0": hostile("layers.0.h_scale", put_at(-1.0)),
    "a token beyond the vocabulary": hostile("tokens", put_at(99_999)),
    "a token below 0": hostile("tokens", put_at(-1)),
    "a candidate beyond the vocabulary": hostile("top_id", put_at(99_999)),
    "a probability of 2": hostile("top_p", put_at(2.0)),
    "a cost that is none": hostile("bits", put_at(math.inf)),
    "steps that fall": hostile("steps", lambda a: a[::-1].copy()),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_recording_that_cannot_be_is_neither_written_nor_read(
    small: Config,
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_run(small)
    for _ in range(4):
        run.step()
    tensors = {**run.arrays(), "vocabulary": session.pack_vocabulary(run.vocabulary.symbols)}
    file = session.SessionFile(config=small, tensors=tensors, progress=run.progress_record())
    path = tmp_path / "demo.safetensors"
    HOSTILE[case](tensors)
    with pytest.raises(session.SessionError, match=r"demo was not saved: .*recording"):
        session.save(path, file)
    # A writer that does not look.
    with monkeypatch.context() as careless:
        careless.setattr("rnn_tui.session.session_file._check", lambda *given: None)
        session.save(path, file)
    with pytest.raises(session.SessionError, match=r"demo can't be opened: .*recording"):
        session.load(path)


def test_a_recording_of_one_symbol_of_vocabulary_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 400)
    config = parse({"data": {"path": str(tmp_path / "a.txt")}, "model": {"hidden_size": 4, "embedding_size": 0},
                    "training": {"batch_size": 2, "sequence_length": 5, "precision": "float32"}})  # fmt: skip
    run = make_run(config)
    run.step()
    assert run.timelapse is not None and run.timelapse.view().top_id.shape[2] == 1

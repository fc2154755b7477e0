"""Exports: what other programs read equals what the session holds."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from rnn_tui.config import load_toml
from rnn_tui.export import KINDS, Kind, export
from rnn_tui.session import SessionError, save
from tests.session_builder import SYMBOLS, small_config, small_session


def test_weights_fit_plain_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    session = small_session(3)
    path = export(session, tmp_path, "weights", name="demo")
    assert path.name == "demo.weights.safetensors"
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert tuple(json.loads(metadata["vocabulary"])) == SYMBOLS
    assert json.loads(metadata["config"])["model"]["hidden_size"] == 3
    layer = torch.nn.LSTM(2, 3)
    layer.load_state_dict({n.removeprefix("layers.0."): w for n, w in weights.items() if n.startswith("layers.0.")})
    np.testing.assert_array_equal(layer.weight_ih_l0.detach().numpy(), session.tensors["model.layers.0.weight_ih_l0"])
    best = export(session, tmp_path / "best.safetensors", "weights", best=True)
    with safe_open(best, framework="numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("output.bias"), session.tensors["best.output.bias"])


def test_history_as_csv(tmp_path: Path) -> None:
    session = small_session(4)
    session.tensors["history.val_loss"][2] = 1.5
    with export(session, tmp_path / "out.csv", "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["step"]) for r in rows] == [0, 1, 2, 3]
    assert [r["val_loss"] for r in rows] == ["", "", "1.5", ""]
    read = np.array([r["train_loss"] for r in rows], dtype=np.float32)
    np.testing.assert_array_equal(read, session.tensors["history.train_loss"])


def test_metrics_have_columns_too(tmp_path: Path) -> None:
    session = small_session(3)
    session.tensors["history.val_accuracy"] = np.array([np.nan, 0.25, 0.8359375], np.float32)
    session.tensors["history.val_span_f1"] = np.array([np.nan, np.nan, 0.5], np.float32)
    with export(session, tmp_path / "out.csv", "csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert next(iter(rows[0])) == "step"
    assert [r["val_accuracy"] for r in rows] == ["", "0.25", "0.8359375"]
    assert [r["val_span_f1"] for r in rows] == ["", "", "0.5"]
    if importlib.util.find_spec("tensorboard") is None:
        return
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(export(session, tmp_path / "runs", "tensorboard")))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("val_accuracy")] == [(1, 0.25), (2, 0.8359375)]


def test_configuration_as_toml(tmp_path: Path) -> None:
    config = small_config(cell="gru", dropout=0.25)
    assert load_toml(export(small_session(1, config), tmp_path, "toml", name="demo")) == config


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_overwritten(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SessionError, match="exists already"):
        export(small_session(2), tmp_path / "out", kind)
    assert (tmp_path / "out").read_text() == "mine"


def test_what_is_not_there(tmp_path: Path) -> None:
    session = small_session(2)
    session.tensors = {n: a for n, a in session.tensors.items() if not n.startswith(("best.", "history."))}
    with pytest.raises(SessionError, match="no best weights"):
        export(session, tmp_path / "a", "weights", best=True)
    with pytest.raises(SessionError, match="no history"):
        export(session, tmp_path / "a", "csv")
    with pytest.raises(SessionError, match="choose one of weights, csv, toml, tensorboard"):
        export(session, tmp_path / "a", "onnx")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_tensorboard(tmp_path: Path) -> None:
    session = small_session(4)
    save(tmp_path / "demo.safetensors", session)
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(SessionError, match="pip install tensorboard"):
            export(session, tmp_path / "runs", "tensorboard")
        return
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(export(session, tmp_path / "runs", "tensorboard")))
    events.Reload()
    found = events.Scalars("train_loss")
    assert [e.step for e in found] == [0, 1, 2, 3]
    np.testing.assert_allclose([e.value for e in found], session.tensors["history.train_loss"])

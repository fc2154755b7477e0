"""Small sessions for tests, built without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnn_tui.config import Config, parse
from rnn_tui.model.shapes import parameter_shapes
from rnn_tui.session import SessionFile, pack_samples, pack_vocabulary
from rnn_tui.views import Sample

SYMBOLS = ("\n", " ", "a", "é", "日", "😀")


def small_config(**model: Any) -> Config:
    return parse({"model": {"cell": "lstm", "layers": 2, "hidden_size": 3, "embedding_size": 2, **model}})


def small_session(step: int = 1, config: Config | None = None, symbols: tuple[str, ...] = SYMBOLS) -> SessionFile:
    """A session with a tensor of every kind, filled from the step."""
    config = config or small_config()
    draw = np.random.default_rng(step)
    shapes = parameter_shapes(config.model, len(symbols))
    tensors: dict[str, np.ndarray] = {"vocabulary": pack_vocabulary(symbols)}
    for name, shape in shapes.items():
        tensors[f"model.{name}"] = draw.normal(size=shape).astype(np.float32)
        tensors[f"best.{name}"] = draw.normal(size=shape).astype(np.float32)
        tensors[f"optimizer.{name}.exp_avg"] = draw.normal(size=shape).astype(np.float32)
        tensors[f"optimizer.{name}.exp_avg_sq"] = draw.random(size=shape, dtype=np.float32)
        tensors[f"optimizer.{name}.step"] = np.array(step, np.float32)
    states = {"lstm": ("h", "c"), "feedforward": ()}.get(config.model.cell, ("h",))
    for k in range(config.model.layers):
        for state in states:
            tensors[f"carry.layers.{k}.{state}"] = draw.normal(size=(4, config.model.hidden_size)).astype(np.float32)
    tensors["rng.data"] = draw.integers(0, 256, 50).astype(np.uint8)
    tensors["history.step"] = np.arange(step, dtype=np.int64)
    tensors["history.train_loss"] = np.linspace(4, 1, step, dtype=np.float32)
    tensors["history.val_loss"] = np.full(step, np.nan, dtype=np.float32)
    tensors["samples"] = pack_samples([Sample(0, "日", "aé\n"), Sample(step, "", "😀", 1.5)])
    return SessionFile(
        config=config,
        tensors=tensors,
        progress={"step": step, "tokens": step * 200, "planned": 5000, "train_loss": 1.25, "val_loss": float("nan"),
                  "best_loss": float("inf"), "updated": 1000.0 + step, "title": "a text", "events": [{"step": 0}]},
        resolved={"precision": "float32"},
        view={"pane": "inspect", "cursor": 3, "text": "\udcff\x1b[2J"},
        notes="first\nsecond 日本",
    )  # fmt: skip

"""A run that is cut, saved and gone on with in a new process is the run that was not: each cell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_tui import session

ROOT = Path(__file__).parents[2]
CELLS = ("rnn", "gru", "lstm")
PIECE = """
import sys
from pathlib import Path
from rnn_tui.config import parse
from rnn_tui.lab import Lab

folder, text, piece = sys.argv[1:]
for cell in ("rnn", "gru", "lstm"):
    config = parse({
        "data": {"path": text},
        "model": {"cell": cell, "hidden_size": 24, "embedding_size": 8, "dropout": 0.2},
        "training": {"batch_size": 8, "sequence_length": 12, "steps": 60, "validate_every": 20, "threads": 1,
                     "schedule": "cosine", "validation_tokens": 400},
    })
    names = {"first": [("whole", 60), ("cut", 40)], "second": [("cut", 20)]}[piece]
    for kind, steps in names:
        with Lab(folder) as lab:
            if piece == "first":
                lab.create(config, f"{kind}-{cell}")
            else:
                lab.open(f"{kind}-{cell}")
            lab.train(steps=steps)
            status = lab.wait()
            assert not status.fault and status.exact, status
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("pieces")
    text = base / "text.txt"
    text.write_text("in the beginning was the word, and the word was long; " * 120)
    for piece in ("first", "second"):
        subprocess.run(
            [sys.executable, "-c", PIECE, str(base / "sessions"), str(text), piece], check=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    return base / "sessions"


@pytest.mark.parametrize("cell", CELLS)
def test_losses_and_weights_are_equal(folder: Path, cell: str) -> None:
    whole = session.load(folder / f"whole-{cell}.safetensors")
    pieces = session.load(folder / f"cut-{cell}.safetensors")
    assert whole.progress["step"] == pieces.progress["step"] == 60
    assert set(whole.tensors) == set(pieces.tensors)
    for name, expected in whole.tensors.items():
        np.testing.assert_array_equal(pieces.tensors[name], expected, err_msg=name)

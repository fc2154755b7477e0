from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rnn_tui.config import Config, parse
from rnn_tui.data.text import read_corpus
from rnn_tui.training.run import Run

PATTERN = "the cat sat on the mat, and the dog ran after it; then they slept.\n"


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    return written(tmp_path / "cats.txt")


def written(path: Path) -> Path:
    path.write_text("".join(PATTERN.upper() if k % 3 == 0 else PATTERN for k in range(120)))
    return path


@pytest.fixture
def small(text_file: Path) -> Config:
    """A network and a batch so small that 200 updates take a second or two."""
    return small_of(text_file)


def small_of(path: Path) -> Config:
    """The same, for a fixture that outlives a test: it writes the text itself."""
    return parse(
        {
            "data": {"path": str(written(path)), "split": "80/15/5"},
            "model": {"hidden_size": 12, "embedding_size": 6, "layers": 2},
            "training": {
                "batch_size": 4, "sequence_length": 10, "steps": 60, "validate_every": 20, "learning_rate": 0.01,
                "validation_tokens": 400, "precision": "float32", "threads": 1,
            },
        }
    )  # fmt: skip


def make_run(config: Config) -> Run:
    corpus = read_corpus(config.data)
    return Run(config, corpus.coding, corpus)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks this small gain nothing from a second thread, and lose much on a busy machine."""
    torch.set_num_threads(1)

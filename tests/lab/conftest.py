from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_tui.lab import Lab
from tests.training.conftest import small, text_file  # noqa: F401


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def lab(folder: Path) -> Iterator[Lab]:
    with Lab(folder) as opened:
        yield opened

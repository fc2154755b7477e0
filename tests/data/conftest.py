from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test alone."""
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "corpora"

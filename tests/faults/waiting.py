"""Waiting for what comes about on another thread."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT = 60.0


def until(come: Callable[[], object], limit: float = LIMIT) -> None:
    """Return once `come()` is true; an AssertionError after `limit` seconds."""
    last = time.monotonic() + limit
    while not come():
        assert time.monotonic() < last, "it did not come about"
        time.sleep(0.005)

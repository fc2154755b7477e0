from __future__ import annotations

from tests.training.conftest import one_thread, small, text_file  # noqa: F401

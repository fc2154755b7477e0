"""What is remembered over how many timesteps: accuracy (or error) against the gap, measured."""

from __future__ import annotations

from rnn_tui.tasks.gaps.comparing import compare
from rnn_tui.tasks.gaps.measuring import measure, probe_of, remembers

__all__ = ["compare", "measure", "probe_of", "remembers"]

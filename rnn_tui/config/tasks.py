"""The tasks there are, and which of them share a kind of data."""

from __future__ import annotations

import pkgutil
from pathlib import Path

BUILTIN_TEXTS = ("builtin:python-docs", "builtin:python-source", "builtin:sentences")

# Each module of rnn_tui/tasks is a task of that name (packages there are what tasks share),
# so a new one needs no entry here. They are not imported: this is read before anything is.
TASKS = tuple(
    sorted(
        (m.name for m in pkgutil.iter_modules([str(Path(__file__).parents[1] / "tasks")]) if not m.ispkg),
        key=lambda name: (name != "language", name),
    )
)
GENERATED = ("adding", "copying", "recall", "brackets", "reber")
"""Tasks whose data are made as they are needed: they read no file."""
READ = tuple(task for task in TASKS if task not in GENERATED)
"""Tasks that read a file."""
COLUMNED = tuple(task for task in READ if task != "language")
"""Tasks that read columns of a file."""
SEQUENCES = tuple(task for task in TASKS if task != "language")
"""Tasks whose data are sequences of their own, each read from h_0; language reads one long stream."""

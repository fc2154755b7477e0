"""What a preset is: a name, what one learns from it, and the fields it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnn_tui.config import CHOICES, Config, get, parse

# What belongs to the machine a person sits at, not to the network: no preset changes it.
MACHINE = (
    "training.precision",
    "training.threads",
    "training.device",
    "training.autosave_seconds",
)


EXAMPLE = "builtin:example"
"""The `data.path` of the example that a task generates for itself."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A named configuration: the fields in which it differs from the defaults, by dotted key."""

    name: str
    shows: str
    """One sentence: what one learns from it."""
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """What it learns: one of `config.TASKS`."""
        return str(self.changes.get("data.task", CHOICES["data.task"].default))

    def config(self, base: Config | None = None) -> Config:
        """The preset's configuration on the data and the machine of `base`.

        The model and training fields are the defaults with the preset's changes. Those in `MACHINE` are taken
        from `base`, and where `base` is of the same task so are the data fields, unless the preset names them;
        a file of one's own stays in the place of an example. Raises ConfigError if the two don't fit together.
        """
        base = base or start(self.task)
        same = base.data.task == self.task
        data = (base if same else start(self.task)).data
        values: dict[str, dict[str, Any]] = {"data": data.model_dump(), "model": {}, "training": {}}
        for key in MACHINE:
            values["training"][CHOICES[key].name] = get(base, key)
        for key, value in self.changes.items():
            if not (same and key == "data.path" and value == EXAMPLE):
                values[CHOICES[key].section][CHOICES[key].name] = value
        return parse(values)


def start(task: str) -> Config:
    """The defaults, with a task and what it learns from where there is no file of one's own."""
    default = CHOICES["data.task"].default
    return Config() if task == default else parse({"data": {"task": task, "path": EXAMPLE}})

"""Networks worth having at hand: each a name, what it shows, and the fields it changes.

A preset is a point of departure, not a mode: it becomes an ordinary configuration, and
everything about it can be changed afterwards.
"""

from __future__ import annotations

from rnn_tui.config import CHOICES, TASKS, Config, get
from rnn_tui.presets.language import LANGUAGE
from rnn_tui.presets.preset import EXAMPLE, MACHINE, Preset, start
from rnn_tui.presets.sequences import SEQUENCES

__all__ = ["EXAMPLE", "MACHINE", "PRESETS", "Preset", "first_of", "nearest", "preset", "start"]

PRESETS: tuple[Preset, ...] = tuple(
    sorted((p for p in (*LANGUAGE, *SEQUENCES) if p.task in TASKS), key=lambda p: TASKS.index(p.task))
)
"""In the order of their tasks; of each task the first is what it starts with."""


def first_of(task: str) -> Preset:
    """What a task starts with; where it has no preset, the defaults in its name."""
    bare = Preset(task, "the defaults", {"data.task": task, "data.path": EXAMPLE})
    return next((found for found in PRESETS if found.task == task), bare)


def preset(name: str) -> Preset:
    """The preset of that name. Raises KeyError where there is none."""
    for found in PRESETS:
        if found.name == name:
            return found
    raise KeyError(name)


def nearest(config: Config) -> tuple[Preset, int]:
    """The preset of its task that a configuration comes closest to, and in how many fields it differs.

    Data fields and those in `MACHINE` count only where the preset itself names them. Of two
    that are equally close, the first in `PRESETS`.
    """
    task = config.data.task
    found = [p for p in PRESETS if p.task == task] or [first_of(task)]
    counted = [_changed(p, config) for p in found]
    least = min(counted)
    return found[counted.index(least)], least


def _changed(found: Preset, config: Config) -> int:
    """In how many fields a configuration differs from what the preset makes of it; it is drawn with every key."""
    count = 0
    for key, c in CHOICES.items():
        if key in found.changes:
            wanted = found.changes[key]
            # A file of one's own may stand in the place of an example.
            count += wanted != get(config, key) and (key, wanted) != ("data.path", EXAMPLE)
        elif c.section != "data" and key not in MACHINE:
            count += c.default != get(config, key)
    return count

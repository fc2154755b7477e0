"""A line to type a path in: tab goes on as far as there is one way to."""

from __future__ import annotations

import os

from rnn_tui.app.widgets.field import Field

MOST_ENTRIES = 2000
"""Entries of a folder that tab looks at: a larger one would hold up the screen."""


def complete_path(text: str) -> str:
    """The path as far as the files that begin with it agree; a folder gets its slash. The text itself otherwise."""
    folder, start = os.path.split(os.path.expanduser(text))
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            for seen, entry in enumerate(entries):
                if seen >= MOST_ENTRIES:
                    break
                if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                    found.append(entry.name + ("/" if entry.is_dir() else ""))
    except OSError:
        return text
    if not found:
        return text
    first, last = min(found), max(found)
    agreed = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return text[: len(text) - len(start)] + first[:agreed] if agreed > len(start) else text


class PathField(Field):
    """A field that completes a path while `completes` is set, and is an ordinary one otherwise."""

    completes = False

    def feed(self, key: str, character: str | None) -> bool:
        if key == "tab" and self.completes:
            self.set(complete_path(self.value))
            return True
        return super().feed(key, character)

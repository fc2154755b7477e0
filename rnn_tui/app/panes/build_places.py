"""What can be learned from without a file: what is built in, and the well-known sets that were fetched."""

from __future__ import annotations

from rnn_tui.app.draft import built_in
from rnn_tui.app.panes.build_browse import Place
from rnn_tui.data.catalog import PREFIX, SETS
from rnn_tui.model.shapes import size
from rnn_tui.symbols import clean_line


def fixed_places(task: str, *, whole: bool) -> list[tuple[str, list[Place]]]:
    """Headings and what stands under them. `whole`: all that a task can learn from, not a part of its own."""
    fetched = [
        Place(PREFIX + known.name, clean_line(known.name), f"{known.task}, {size(known.size)}")
        for known in SETS
        if known.fetched
    ]
    built = [Place(name, name.partition(":")[2], "built in") for name in built_in(task)] if whole else []
    return [("Built in", built), ("Fetched", fetched)]

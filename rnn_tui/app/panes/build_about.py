"""The last lines of Build: what the field under the cursor is, and before there is a session what to press."""

from __future__ import annotations

from rnn_tui import presets
from rnn_tui.app.draft import Draft
from rnn_tui.app.widgets.row import Line, wrap
from rnn_tui.config import Choice
from rnn_tui.symbols import clean_line

WHEN = {
    "now": "; a change acts at once",
    "next run": "; a change acts when training is next started",
    "new net": "; a change makes a new network",
}
INVITATIONS = (
    "Ready: space trains this network. Or change anything first.",
    "Ready: space trains this network.",
    "Ready: press space.",
)


def about(draft: Draft, choice: Choice | None, ready: bool, width: int) -> list[Line]:
    """What the row is, what it may be and when a change takes effect. `choice` is None on the preset's row.

    `ready`: the draft can be trained as it is.
    """
    if choice is not None:
        may_be = "" if choice.kind == "text" else f"; {choice.range}"
        return _told(choice.label, choice.help + may_be + WHEN.get(draft.mark(choice), ""), width)
    found, changed = presets.nearest(draft.config)
    told = found.shows + ("; you changed it" if changed else "")
    if draft.session:
        if draft.needs_new:
            told += f"; it would be a new session, u goes back to {clean_line(draft.session)}"
        return _told(found.name, told, width)
    # A person who starts for the first time need not fill in anything: that comes first.
    words = next((words for words in INVITATIONS if len(words) <= width - 2), INVITATIONS[-1])
    return [*([Line(((f" {words}", "good"),))] if ready else []), *_told(found.name, told, width)]


def _told(name: str, told: str, width: int) -> list[Line]:
    lines = []
    for number, row in enumerate(wrap(f"{name}: {told}", width - 2)):
        head = min(len(name) + 1, len(row)) if not number else 0
        lines.append(Line(((" " + row[:head], "heading"), (row[head:], "value"))))
    return lines

"""The last line of the screen: the keys that matter here, and where to find the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len

from rnn_tui.app.actions import Action, sign_of
from rnn_tui.app.widgets.row import Line, Lines, Run

MOST = 7
"""Entries of the pane at most."""

Hint = tuple[str, str]
"""Sign of the keys, and what they do."""


def hints(
    actions: Iterable[Action], allows: Callable[[Action], bool], label: Callable[[Action], str],
    ascii_only: bool = False, everything: bool = False,
) -> list[Hint]:  # fmt: skip
    """The key bar's entries of these actions: those that make sense now, and have a place in it or `everything`."""
    actions = list(actions)
    by_id = {action.id: action for action in actions}
    shown = []
    for action in sorted((a for a in actions if a.bar or everything), key=lambda a: a.bar):
        if not allows(action):
            continue
        keys = [sign_of(action.keys[0], ascii_only)]
        if action.pair in by_id:
            keys.append(sign_of(by_id[action.pair].keys[0], ascii_only))
        joined = "".join(keys) if all(len(key) == 1 and not key.isalnum() for key in keys) else " ".join(keys)
        shown.append((joined, label(action)))
    return shown[:MOST]


class KeyBar(Lines):
    """Keys of where one is, then help, all actions and leaving; the middle gives way when there is no room."""

    DEFAULT_CSS = """
    KeyBar { height: 1; background: $panel; }
    """

    def show(self, here: Sequence[Hint], always: Sequence[Hint]) -> None:
        """Draw the entries; those of `always` stand last and give way last, from the right."""
        room = self.size.width - 1
        kept_always = self._fitting(always, room)
        room -= sum(self._width(hint) for hint in kept_always)
        runs: list[Run] = [(" ", "")]
        for key, label in [*self._fitting(here, room), *kept_always]:
            runs += [(key, "key"), (f" {label}  ", "quiet")]
        self.put([Line(tuple(runs))])

    def show_message(self, text: str, *, error: bool = False) -> None:
        """A message in the keys' place: on a screen too low for a line of its own."""
        self.put([Line(((" " + text, "bad" if error else "mark"),))])

    @staticmethod
    def _width(hint: Hint) -> int:
        return cell_len(hint[0]) + cell_len(hint[1]) + 3

    def _fitting(self, some: Sequence[Hint], room: int) -> list[Hint]:
        kept = []
        for hint in some:
            # The two blanks behind the last entry may fall off the edge.
            if self._width(hint) - 2 > room:
                break
            kept.append(hint)
            room -= self._width(hint)
        return kept

"""Everything that is possible here, by name: what `:` opens. It lists the same actions that have the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from rnn_tui.app.actions import PANES, sign_of
from rnn_tui.symbols import clean_line

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp

HIDDEN = ("escape", "interrupt", "palette")
"""Actions that mean nothing in a list that is open."""


class LabCommands(Provider):
    """The actions of the pane and of the app, and the themes."""

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        app = cast("LabApp", self.app)
        for action in app.actions:
            if action.id in HIDDEN or not app.possible(action.id):
                continue
            group = PANES[action.pane][1] if action.pane else ("Show" if action.id.startswith("go.") else "Lab")
            keys = " ".join(sign_of(key) for key in action.keys if not key.startswith("alt+"))
            label = app.label_of(action) or action.label
            yield clean_line(f"{group}: {label}  ({keys})"), action.help, partial(app.perform, action.id)
        for theme in app.available_themes:
            run = partial(setattr, app, "theme", theme)
            yield f"Theme: {theme}", "Colours of the whole lab; kept for the next time.", run

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, help_text, run in self._entries():
            yield DiscoveryHit(Content(name), run, text=name, help=escape(help_text))

    async def search(self, query: str) -> Hits:
        """Those that match what was typed."""
        matcher = self.matcher(query)
        for name, help_text, run in self._entries():
            score = max(matcher.match(name), matcher.match(help_text) * 0.5)
            if score > 0:
                # Textual's own highlighting reads the name as markup.
                shown = Content(name)
                for offset in matcher.fuzzy_search.match(query, name)[1]:
                    if not name[offset].isspace():
                        shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, run, text=name, help=escape(help_text))

"""Where one is in a session: kept with it, and found again when it is opened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp


class Place:
    """The pane that is shown and what each pane wants kept, handed to the Lab when it changes."""

    def __init__(self, app: LabApp) -> None:
        self._app = app
        self._kept: dict[str, Any] = {}
        self._kept_at = 0.0
        self.session = ""
        """Whose place it is; empty before one was opened."""
        self.moved = False
        """Whether a person chose a pane: a session that is still loading won't take them elsewhere."""

    def restore(self, session: str) -> None:
        """The session as it was left: its pane, cursors, texts. From a file, so anything may be in it."""
        self.session = session
        view = self._app.lab.view_state
        kept = view.get("panes") if isinstance(view, dict) else None
        if isinstance(kept, dict):
            for name, state in kept.items():
                if name in self._app.panes and isinstance(state, dict) and state:
                    self._app.panes[name].restore(state)
        pane = view.get("pane") if isinstance(view, dict) else None
        if not self.moved and isinstance(pane, str) and pane in self._app.panes and pane != self._app.current:
            self._app.go(pane)

    def remember(self, every: float = 0.0) -> None:
        """Tell the Lab what to keep, if it changed and was not told in the last `every` seconds."""
        now = time.monotonic()
        if not self.session or now < self._kept_at + every:
            return
        self._kept_at = now
        state = {"pane": self._app.current, "panes": {name: pane.state() for name, pane in self._app.panes.items()}}
        if state != self._kept:
            self._kept = state
            self._app.lab.remember(state)

"""The lines around the panes: status and names above, a message and the keys below."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rnn_tui.app.widgets.key_bar import KeyBar, hints
from rnn_tui.app.widgets.row import Line, Lines, wrap
from rnn_tui.app.widgets.status import PaneNames, StatusLine, follows, writer_forms
from rnn_tui.symbols import clean_line
from rnn_tui.views import Status

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp

LOW = 20
"""Rows below which messages take the key bar's place: they have no line of their own."""
MESSAGE_FOR = 6.0
"""Seconds that a message stands."""


class Frame:
    """The four lines and what is drawn into them."""

    def __init__(self, app: LabApp) -> None:
        self._app = app
        self.status = StatusLine(id="status")
        self.names = PaneNames(id="names")
        self.message = Lines(id="message")
        self.keys = KeyBar(id="keys")
        self._said: tuple[str, bool, float] | None = None
        self._words: tuple[Any, ...] = ()
        self._words_at = 0.0

    def draw(self, status: Status) -> None:
        """Draw what changed of all four."""
        app = self._app
        badge = app.leaving or ("stalled" if app.lab.stalled else "")
        # Numbers four times a second: faster can't be read, and costs a kilobyte a second.
        words = (
            status.phase, status.session, status.fault, status.exact, status.held, status.save_failed, status.writer,
            status.writer_phase, status.doing, app.slow, badge, app.unit, app.starting, self.status.size,
        )  # fmt: skip
        now = time.monotonic()
        if words != self._words or now >= self._words_at + app.plot_period:
            self._words, self._words_at = words, now
            self.status.show(status, app.unit, slow=app.slow, badge=badge, starting=app.starting)
        self.names.show(app.current, app.on_screen, writer_forms(status) if follows(status) else ())
        self._draw_message(status)
        if not (app.extent.height < LOW and self._said):
            self.draw_keys()

    def hurry(self) -> None:
        """Draw the numbers at the next occasion, however lately that was done."""
        self._words_at = 0.0

    def say(self, message: str, error: bool) -> None:
        """Show a sentence for some seconds."""
        self._said = (clean_line(message), error, time.monotonic() + MESSAGE_FOR)
        if self._app.is_running:
            self._draw_message(self._app.lab.status)

    def unsay(self, message: str) -> None:
        """Take a sentence back, if it still stands."""
        if self._said and message and self._said[0] == clean_line(message):
            self._said = None

    def hush(self) -> None:
        """Give the key bar back: a question has its answers there."""
        self._said = None
        self.draw_keys()

    def _draw_message(self, status: Status) -> None:
        if self._said and time.monotonic() > self._said[2]:
            self._said = None
        width, height = self._app.extent
        if height < LOW:
            if self._said:
                self.keys.show_message(self._said[0], error=self._said[1])
            return
        if self._said:
            # A passing message does not move the panes: it has one row, and is cut.
            rows, style = [self._said[0]], "bad" if self._said[1] else "mark"
        else:
            rows, style = wrap(clean_line(status.fault), max(10, width - 2))[:3] or [""], "bad"
        height_now = self.message.styles.height
        if height_now is None or height_now.value != len(rows):
            self.message.styles.height = len(rows)
        self.message.put([Line(((" " + row, style),)) for row in rows])

    def draw_keys(self) -> None:
        """The keys of what lies over the panes, or of the pane."""
        app = self._app
        cover = app.dialog
        if cover is not None:
            self.keys.show(cover.hints(), ())
            return
        out = [app.by_id[name] for name in ("help", "palette", "quit")]
        always = hints(out, lambda action: True, lambda action: action.label, app.ascii_only, everything=True)
        here = app.here.key_hint()
        if here is None:
            mine = [a for a in app.actions if a.pane == app.current or (not a.pane and a.bar)]
            here = hints(
                mine, lambda action: app.possible(action.id) and not app.following.hinders(action),
                lambda action: app.label_of(action) or action.label, app.ascii_only,
            )  # fmt: skip
        self.keys.show(here, [] if app.here.editing else always)

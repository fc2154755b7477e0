"""Who gets what is typed or pasted before any binding: what lies over the panes, then an open field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import _ansi_sequences, events

from rnn_tui.app.dialogs import Dialog

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp

# Escape and a digit that follow each other quickly look like a key of a Mac keyboard, which Textual
# would type as a sign: without these entries they arrive as alt+digit, a twin of the digit.
for _digit in "1234567":
    _ansi_sequences.ANSI_SEQUENCES_KEYS.pop(f"\x1b{_digit}", None)  # type: ignore[attr-defined]


class Keystrokes:
    """Decides in the order of typing; nothing of it depends on the focus."""

    def __init__(self, app: LabApp) -> None:
        self._app = app

    def take(self, event: events.Event) -> bool:
        """Hand over a key or a paste; False if nobody has it, and the bindings are to be asked."""
        if len(self._app.screen_stack) > 1:
            return False
        if isinstance(event, events.Key):
            return not event.is_forwarded and self._key(event)
        if isinstance(event, events.Paste) and not event.is_forwarded:
            self._paste(event.text.replace("\r\n", "\n").replace("\r", "\n"))
            return True
        return False

    def _key(self, event: events.Key) -> bool:
        # Escape and a digit in one piece: leave what is open, then show that pane.
        both = event.key.startswith("alt+") and event.key[4:].isdigit()
        cover = self._app.dialog
        if cover is not None:
            if both:
                cover.close()
                return False
            if isinstance(cover, Dialog):
                cover.feed(event.key, event.character)
            else:
                cover.feed(event.key)
            return True
        pane = self._app.here
        if pane.field is None:
            return False
        if event.key == "escape" or both:
            pane.escape()
            return not both
        if event.key == "enter":
            pane.accept()
            return True
        # Control keys that the field has no use for are still the app's: save, leave, the palette.
        return pane.field.feed(event.key, event.character) or not event.key.startswith("ctrl+")

    def _paste(self, text: str) -> None:
        cover, pane = self._app.dialog, self._app.here
        if cover is not None:
            if isinstance(cover, Dialog):
                cover.paste(text)
        elif pane.field is not None:
            pane.field.paste(text)
            if pane.field.cut:
                taken = len(text) - pane.field.cut
                self._app.say(f"the pasted text was too long: its first {taken:,} symbols were taken")
        else:
            pane.pasted(text)

"""What every pane is: a widget that draws views and performs its actions, without ever having the focus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from textual.widget import Widget

from rnn_tui.app.widgets.field import Field
from rnn_tui.views import Status, Unit

if TYPE_CHECKING:
    from rnn_tui.lab import Lab

Answer = tuple[str, str, Callable[[], None]]
"""A choice of a dialog: its key as Textual names it, what it does in words, and doing it."""


class Host(Protocol):
    """What a pane may ask of the app around it. All of it is called on the UI thread and returns at once."""

    lab: Lab
    unit: Unit
    """Nats, bits or perplexity: one choice for all panes, kept in the settings."""

    @property
    def wide(self) -> bool:
        """Whether several panes stand side by side."""

    @property
    def ascii_only(self) -> bool:
        """Whether only ASCII may be drawn: no UTF-8, or ambiguous signs two columns wide."""

    @property
    def plot_period(self) -> float:
        """Seconds from one drawing of a curve or heatmap to the next: longer on a slow line."""

    @property
    def starting(self) -> bool:
        """Whether it was told to train and does not do so yet: a network is being built, or torch loaded."""

    def go(self, pane: str) -> None:
        """Show a pane and give it the keys; done when it returns."""

    def pane(self, name: str) -> Pane:
        """The pane of that name, shown or not."""

    def say(self, message: str, *, error: bool = False) -> None:
        """Show a sentence above the key bar for some seconds. Plain text, cleaned, never markup."""

    def ask(self, title: str, text: str, answers: Sequence[Answer], stay: str = "stay") -> None:
        """Open a dialog; escape, which closes it and does nothing, is always among the answers, as `stay`."""

    def ask_text(self, title: str, text: str, value: str, accept: Callable[[str], str]) -> None:
        """Open a dialog with a line to type in. `accept` gets it on enter and returns what is wrong
        with it in one sentence; the dialog closes when that is empty."""

    def choose_unit(self, unit: Unit) -> None:
        """Show costs in another unit, in every pane, and keep that in the settings."""

    def trains(self) -> None:
        """It was told to train: until the status says so, the next `space` pauses. Build gives way to Train."""

    def rests(self) -> None:
        """What it was told to train could not be had: the next `space` trains again."""

    def take_over(self, session: str) -> None:
        """Take a session over from the program that has it, after opening it if it is not the open one."""

    def keys_changed(self) -> None:
        """The pane's key hint or what it allows changed: draw the key bar again."""


class Pane(Widget):
    """One of the numbered views of the lab.

    A subclass names itself in `PANE` and `TITLE`, explains itself in `HELP`, composes its widgets, draws in
    `tick`, and performs each of its actions in a method `do_NAME` (`do_step` for `train.step`). All of these
    run on the UI thread, return at once and await nothing: keys typed ahead depend on it.
    """

    can_focus = False
    can_focus_children = False

    PANE: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""
    HELP: ClassVar[str] = ""
    """Markdown: the pane and its words, in plain language. The keys are added from the actions."""

    field: Field | None = None
    """The open text field, if any: it is given every key but enter, escape and ctrl+letter, and what is pasted.

    Open one with `open_field`. It lives wherever the pane composed it.
    """

    @property
    def host(self) -> Host:
        """The app, as a pane may use it."""
        return cast("Host", self.app)

    @property
    def lab(self) -> Lab:
        """The Lab that owns the model."""
        return self.host.lab

    @property
    def editing(self) -> bool:
        """Whether an open text field owns the letters."""
        return self.field is not None

    def tick(self, status: Status) -> None:
        """Draw what changed. Called ten times a second while the pane is on the screen."""

    def shown(self) -> None:
        """The pane came to be on the screen, or was given the keys there."""

    def act(self, action: str) -> None:
        """Perform an action of this pane, by its name without the pane's: `step`."""
        method = getattr(self, f"do_{action}", None)
        if method is not None:
            method()

    def allows(self, action: str) -> bool:
        """Whether the action makes sense now; the key bar and the palette leave it out otherwise."""
        return hasattr(self, f"do_{action}")

    def open_field(self, field: Field, value: str | None = None) -> None:
        """Let the field own the letters, from the next key on; enter calls `accept`, escape restores."""
        field.begin(value)
        self.field = field
        self.host.keys_changed()

    def close_field(self) -> None:
        """The field owns the letters no more; it keeps its text."""
        if self.field is not None:
            self.field.end()
            self.field = None
            self.host.keys_changed()

    def accept(self) -> None:
        """Enter, in an open field. A subclass reads `self.field.value` and closes the field."""
        self.close_field()

    def escape(self) -> bool:
        """Escape: one level up inside the pane (field, marks). False where the pane has nothing to leave."""
        if self.field is not None:
            self.field.restore()
            self.close_field()
            return True
        return False

    def pasted(self, text: str) -> bool:
        """A text was pasted while no field is open. True if the pane took it. Line ends are \\n already."""
        return False

    def state(self) -> dict[str, Any]:
        """What is kept with the session, JSON-able: cursor, texts."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; from a file, so every part of it may be missing or wrong."""

    def help_values(self) -> dict[str, str]:
        """Live values for the help: word, and its value now."""
        return {}

    def key_hint(self) -> list[tuple[str, str]] | None:
        """What the key bar shows instead of the pane's actions, as (key sign, label); None: the actions."""
        if self.editing:
            return [("enter", "accept"), ("escape", "restore")]
        return None

    def label_of(self, action: str) -> str:
        """A label of the moment for an action in the key bar (`write` or `stop`); empty: its own."""
        return ""

    def copy_text(self) -> str:
        """What `y` copies; empty where there is nothing."""
        return ""

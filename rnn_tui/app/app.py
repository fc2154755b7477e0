"""The app around the panes: what is shown, who gets a key, when to look at the Lab, how to leave.

It computes nothing of the model. Ten times a second it looks at the Lab's newest status and draws what
changed; it never waits for the Lab and the Lab never waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingsMap
from textual.containers import Vertical

from rnn_tui.app import settings
from rnn_tui.app.actions import PANES, Action, with_keymap
from rnn_tui.app.commands import LabCommands
from rnn_tui.app.deeds import Deeds
from rnn_tui.app.dialogs import Dialog, Help
from rnn_tui.app.driver import LabDriver
from rnn_tui.app.encoding import draws_ascii_only
from rnn_tui.app.following import Following
from rnn_tui.app.frame import LOW, Frame
from rnn_tui.app.keystrokes import Keystrokes
from rnn_tui.app.pane import Answer, Pane
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.gradients import GradientsPane
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.app.panes.sessions import SessionsPane
from rnn_tui.app.panes.train import TrainPane
from rnn_tui.app.place import Place
from rnn_tui.app.terminal import Difference, Terminal
from rnn_tui.app.widgets.row import Line, Lines
from rnn_tui.config import Config
from rnn_tui.views import RUNNING, Phase, Status, Unit

if TYPE_CHECKING:
    from rnn_tui.lab import Lab

TICK = 0.1
BEGIN_AFTER = 0.05
"""Seconds that the first frame has to itself."""
PLOT_PERIOD, SLOW_PLOT_PERIOD = 0.25, 2.0
SLOW_AFTER, SLOW_FOR = 4, 5.0
"""Ticks in a row with output waiting after which a line counts as slow, and for how many seconds."""
REMEMBER_EVERY = 5.0
WIDE = (120, 36)
SMALLEST = (20, 5)
BESIDE = ("train", "inspect")
"""On a wide screen these stand together: one watches it learn, and what it learns."""


class LabApp(App[None], inherit_bindings=False):
    """The lab on a screen. Every key is bound here, once; a key belongs to the pane that is shown."""

    CSS_PATH = "app.tcss"
    TITLE = "rnn-lab"
    COMMANDS: ClassVar[set[Any]] = {LabCommands}
    AUTO_FOCUS = None
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self, lab: Lab, session: str | None = None, draft: Config | None = None,
        chosen: settings.Settings | None = None,
    ) -> None:  # fmt: skip
        super().__init__(driver_class=LabDriver)
        chosen = settings.load() if chosen is None else chosen
        self.lab = lab
        self.unit: Unit = chosen.unit
        self.ascii_only = draws_ascii_only()
        self.actions, complaints = with_keymap(chosen.keymap)
        self.by_id: Mapping[str, Action] = {action.id: action for action in self.actions}
        self._complaints = (*chosen.complaints, *complaints)
        # Textual's own keymap loses a key that several panes have: the bindings are made from ours.
        self._bindings = BindingsMap(
            Binding(key, f"act({action.id!r})", action.label, show=False, priority=True, id=f"{action.id}:{key}")
            for action in self.actions
            for key in action.keys
        )
        self._keystrokes = Keystrokes(self)
        self._terminal = Terminal()
        self.frame = Frame(self)
        self.deeds = Deeds(self)
        self.following = Following(self)
        self.place = Place(self)
        self._theme_wanted = chosen.theme
        self.first_session = session
        self._first_draft = draft
        self._begun = False
        self.current = "train" if session else "build"
        self.on_screen: tuple[str, ...] = ()
        self.extent = self.size
        self.zoomed = False
        self._seen: Status | None = None
        self._notice = ""
        self._trains_now = False
        self._slow_until = 0.0
        self._held = 0
        self._undrawn = False
        self.leaving = ""
        """What is still done before it leaves, in words; empty while it stays."""
        self._ui_loop: asyncio.AbstractEventLoop | None = None
        self.panes: dict[str, Pane] = {}

    # What is on the screen

    def compose(self) -> ComposeResult:
        draft = self._first_draft
        self.panes = {
            "build": BuildPane(id="build") if draft is None else BuildPane(draft, id="build"),
            "train": TrainPane(id="train"),
            "inspect": InspectPane(id="inspect"),
            "gradients": GradientsPane(id="gradients"),
            "generate": GeneratePane(id="generate"),
            "sessions": SessionsPane(id="sessions"),
        }
        yield self.frame.status
        yield self.frame.names
        yield Vertical(*self.panes.values(), id="panes")
        yield self.frame.message
        yield self.frame.keys
        yield Dialog()
        yield Help()
        yield Lines(id="too-small")

    def on_mount(self) -> None:
        self.extent = self.size
        self._ui_loop = asyncio.get_running_loop()
        for name, pane in self.panes.items():
            pane.border_title = f"{PANES[name][0]} {PANES[name][1]}"
        if self._theme_wanted in self.available_themes:
            self.theme = self._theme_wanted
        else:
            self._complaints += (f"settings.toml: no theme is named {self._theme_wanted!r}",)
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self.app_resume_signal.subscribe(self, lambda _: self._draw_all())
        self._arrange()
        for complaint in self._complaints:
            self.say(complaint, error=True)
        self.look()
        self.set_interval(TICK, self.look)
        self.call_after_refresh(self._first_frame)

    def _first_frame(self) -> None:
        # Only now the lines have their widths. The Lab's import of its engine would hold the first frame up.
        self.look()
        self.set_timer(BEGIN_AFTER, self.begin)

    def begin(self) -> None:
        """Open the session that the app was started with; once."""
        if not self._begun:
            self._begun = True
            if self.first_session:
                self.lab.open(self.first_session)
            else:
                self.lab.prepare()

    def pane(self, name: str) -> Pane:
        """The pane of that name, shown or not."""
        return self.panes[name]

    @property
    def here(self) -> Pane:
        """The pane that has the keys."""
        return self.panes[self.current]

    @property
    def wide(self) -> bool:
        """Whether panes stand side by side."""
        return self.extent.width >= WIDE[0] and self.extent.height >= WIDE[1]

    @property
    def plot_period(self) -> float:
        """Seconds from one drawing of a plot to the next."""
        return SLOW_PLOT_PERIOD if self.slow else PLOT_PERIOD

    @property
    def slow(self) -> bool:
        return time.monotonic() < self._slow_until

    @property
    def dialog(self) -> Dialog | Help | None:
        """What lies over the panes now."""
        for cover in (self.query_one(Dialog), self.query_one(Help)):
            if cover.open:
                return cover
        return None

    def move(self, pane: str) -> None:
        """Show a pane because a person asked for it: a session that is still loading won't take them elsewhere."""
        self.place.moved = True
        self.go(pane)

    def go(self, pane: str) -> None:
        """Show a pane and give it the keys; done when it returns, so that the next key reaches it."""
        if pane not in self.panes:
            return
        if pane != self.current:
            self.here.close_field()
            self.current = pane
            self.place.remember()
        self._arrange()
        self.here.shown()
        self.look()
        # Drawn again once the layout has given it a size.
        self.call_after_refresh(self.look)

    def _arrange(self) -> None:
        if self.zoomed or not self.wide or self.current not in BESIDE:
            shown: tuple[str, ...] = (self.current,)
        else:
            shown = BESIDE
        width, height = self.extent
        self.screen.set_class(len(shown) > 1, "-beside")
        self.screen.set_class(self.zoomed, "-zoom")
        self.screen.set_class(height < LOW, "-low")
        too_small = width < SMALLEST[0] or height < SMALLEST[1]
        self.screen.set_class(too_small, "-too-small")
        if too_small:
            self.query_one("#too-small", Lines).put([Line((("terminal too small", "warn"),))])
        for name, pane in self.panes.items():
            if name in shown and not pane.display:
                # Textual keeps the rows of a hidden widget, and may know nothing of what changed meanwhile.
                pane.query("*").refresh()
            pane.display = name in shown
            # Each class that is set has Textual style the whole pane again.
            pane.set_class(len(shown) > 1 and name == self.current, "-current")
        came = [name for name in shown if name not in self.on_screen and name != self.current]
        self.on_screen = shown
        for name in came:
            self.panes[name].shown()

    def on_resize(self, event: events.Resize) -> None:
        # `size` still is the one before.
        self.extent = event.size
        self._terminal.width = event.size.width
        self._arrange()
        self._draw_all()
        self.frame.draw(self.lab.status)
        self.call_after_refresh(self.look)

    @on(LabDriver.Retaken)
    def _draw_all(self) -> None:
        """Nobody knows what the terminal shows after it was resized, or had by another program."""
        self._terminal.forget()
        self.screen.refresh()

    def _display(self, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            if self._output_waits():
                # On a slow line frames would pile up: what stands on the screen by then is sent.
                self._undrawn = True
                return
            renderable = Difference(renderable, self._terminal)
        super()._display(screen, renderable)

    # The tick

    def _output_waits(self) -> bool:
        """Whether what was drawn before has not left yet: drawing more would only make it older."""
        return isinstance(self._driver, LabDriver) and self._driver.waits

    def look(self) -> None:
        """Look at the Lab and draw what changed; nothing here grows with the length of the run."""
        if not self.is_running:
            return
        if self._output_waits():
            self._held += 1
            if self._held >= SLOW_AFTER:
                self._slow_until = time.monotonic() + SLOW_FOR
            return
        self._held = 0
        if self._undrawn:
            self._undrawn = False
            self.frame.hurry()
            self.screen.refresh()
        if len(self.screen_stack) > 1:
            return
        status = self.lab.status
        if status is not self._seen:
            self._take(status)
        self.frame.draw(status)
        # The help lies over all of the panes: nobody sees them.
        if not isinstance(self.dialog, Help):
            for name in self.on_screen:
                self.panes[name].tick(status)
        self.place.remember(REMEMBER_EVERY)

    def _take(self, status: Status) -> None:
        self._seen = status
        self.deeds.take(status)
        if status.session and status.session != self.place.session and status.phase is not Phase.LOADING:
            self.place.restore(status.session)
        running = status.phase in RUNNING
        self.following.take(status)
        if status.notice != self._notice or running != self._trains_now:
            # What the Lab said before is out of date.
            self.frame.unsay(self._notice)
        if status.notice != self._notice:
            self._notice = status.notice
            if status.notice and not self.following.told:
                self.say(status.notice)
        self._trains_now = running

    def keys_changed(self) -> None:
        """The pane's hint or what it allows changed."""
        if self.is_running:
            self.frame.draw_keys()

    def label_of(self, action: Action) -> str:
        """The label that an action has at the moment, if not its own."""
        if action.id == "run":
            return self.deeds.run_label
        return self.panes[action.pane].label_of(action.name) if action.pane else ""

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """An open dialog and an open field get their keys before any binding, in the order they were typed."""
        if self._keystrokes.take(event):
            self.frame.draw(self.lab.status)
        else:
            await super().on_event(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a bound action is possible now: asks the pane, the dialogs, and whether it is leaving."""
        if action != "act":
            return True
        return len(self.screen_stack) == 1 and self.possible(str(parameters[0]))

    def possible(self, action_id: str) -> bool:
        """Whether an action means something in the pane that has the keys, at this moment."""
        action = self.by_id.get(action_id)
        if action is None or self.leaving:
            return False
        if self.following.hinders(action):
            # The key is heard: it asks whether to take the session over.
            return action.pane == self.current
        return not action.pane or (action.pane == self.current and self.here.allows(action.name))

    def action_act(self, action_id: str) -> None:
        """What every key is bound to."""
        self.perform(action_id)

    def perform(self, action_id: str) -> None:
        """Do an action, from a key or from the palette."""
        if not self.possible(action_id):
            return
        action = self.by_id[action_id]
        if self.following.hinders(action):
            self.following.ask()
        elif action.pane:
            self.here.act(action.name)
        elif action_id.startswith("go."):
            self.move(action.name)
        else:
            getattr(self.deeds, f"do_{action_id}")()
        self.frame.draw(self.lab.status)

    def request_exit(self, code: int) -> None:
        """End the app with an exit status. Thread-safe; returns at once. Saving is the caller's affair."""
        if self._ui_loop is not None and not self._ui_loop.is_closed():
            self._ui_loop.call_soon_threadsafe(self._exit_with, code)

    def _exit_with(self, code: int) -> None:
        self.exit(return_code=code)

    # What panes ask of the app

    def say(self, message: str, *, error: bool = False) -> None:
        """Show a sentence for some seconds."""
        self.frame.say(message, error)

    def ask(self, title: str, text: str, answers: Sequence[Answer], stay: str = "stay") -> None:
        """Open a question; escape answers it by `stay`."""
        self.query_one(Dialog).ask(title, text, answers, stay)
        self.frame.hush()

    def ask_text(self, title: str, text: str, value: str, accept: Callable[[str], str]) -> None:
        """Open a line to type in."""
        self.query_one(Dialog).ask_text(title, text, value, accept)
        self.frame.hush()

    @property
    def starting(self) -> bool:
        """Whether it was told to train and does not do so yet."""
        return self.deeds.training and self.lab.status.phase not in RUNNING

    def trains(self) -> None:
        """It was told to train: until the status says so, the next `space` pauses."""
        self.deeds.trains()

    def rests(self) -> None:
        self.deeds.rests()

    def take_over(self, session: str) -> None:
        self.following.take_over(session)

    def choose_unit(self, unit: Unit) -> None:
        """Nats, bits or perplexity, in every pane and the next time."""
        self.unit = unit
        self._keep(unit=unit)

    def _keep_theme(self, theme: Any) -> None:
        self._keep(theme=self.theme)

    def _keep(self, **changed: str) -> None:
        complaint = settings.store(**changed)
        if complaint:
            self.say(complaint, error=True)

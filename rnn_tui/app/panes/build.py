"""Build: the network as a form of one-line rows, and as the diagram that follows from it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from rnn_tui.app.draft import PATH, TASK, Draft, is_file
from rnn_tui.app.pane import Pane
from rnn_tui.app.panes.build_about import about
from rnn_tui.app.panes.build_browse import HINT, Browser
from rnn_tui.app.panes.build_data import DataCard
from rnn_tui.app.panes.build_help import draft_values
from rnn_tui.app.panes.build_places import fixed_places
from rnn_tui.app.panes.build_rows import PRESET, form_rows, preset_line, settings, typed
from rnn_tui.app.panes.build_shapes import picture
from rnn_tui.app.panes.build_text import DraftText, FileGuess
from rnn_tui.app.panes.build_words import BUILD_HELP
from rnn_tui.app.widgets.diagram import Diagram, summary
from rnn_tui.app.widgets.field import Field
from rnn_tui.app.widgets.row import Form, Line, Lines, Row
from rnn_tui.app.widgets.status import follows, writer
from rnn_tui.config import CHOICES, Choice, Config, ConfigError
from rnn_tui.lab import LabError
from rnn_tui.lab.task_words import words_of
from rnn_tui.model.shapes import diagram, free_bytes
from rnn_tui.symbols import clean_line
from rnn_tui.views import NetworkView, Phase, Status

PATHS = (PATH, "data.validation_path", "data.test_path")
PATIENCE = 50
"""Ticks without a new session, after it was being built, until it counts as interrupted."""


class BuildPane(Pane):
    """A draft of the configuration, edited beside the network that runs; no edit touches trained weights."""

    PANE: ClassVar[str] = "build"
    TITLE: ClassVar[str] = "Build"
    HELP: ClassVar[str] = BUILD_HELP
    DEFAULT_CSS = """
    BuildPane { layout: vertical; overflow: hidden hidden; }
    BuildPane #build-body { height: 1fr; }
    BuildPane #form { width: 42; }
    BuildPane #diagram { width: 1fr; }
    BuildPane #card { width: 1fr; display: none; }
    BuildPane.-data #card { display: block; }
    BuildPane.-data #diagram, BuildPane.-browsing #build-body, BuildPane.-browsing #about { display: none; }
    BuildPane #about { height: 3; }
    BuildPane.-wide #form { width: 58; }
    BuildPane.-widest #diagram, BuildPane.-widest #card { display: block; }
    BuildPane.-narrow #form { width: 1fr; }
    BuildPane.-narrow #diagram, BuildPane.-narrow #card { display: none; }
    BuildPane.-browsing Browser { display: block; }
    BuildPane.-low #about { height: 2; }
    """

    def __init__(self, draft: Config | None = None, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.draft = Draft(draft)
        self.text = DraftText()
        self.guess = FileGuess()
        self.wrong: tuple[str, str] = ("", "")
        """Key of the field whose new value was refused, and the sentence that says why."""
        self._progress, self._width = "", 0
        self._phase = Phase.EMPTY
        self._rested = -1
        self._watching: Timer | None = None
        self._editor = Field()
        self._form = Form(self._editor, id="form")
        self._diagram = Diagram(id="diagram")
        self._card = DataCard(id="card")
        self._browser = Browser(id="browser")
        self._about = Lines(id="about")
        self._network: NetworkView | None = None

    def compose(self) -> ComposeResult:
        yield Horizontal(self._form, self._diagram, self._card, id="build-body")
        yield self._browser
        yield self._about

    def on_mount(self) -> None:
        self._form.show_rows(self._rows(), PRESET)
        self._changed()

    def on_resize(self) -> None:
        width, height = self.size
        self.set_class(width < 72, "-narrow")
        self.set_class(width >= 110, "-wide")
        self.set_class(width >= 150, "-widest")
        self.set_class(height < 16, "-low")
        self.call_after_refresh(self._draw)

    # What the app asks of a pane

    def shown(self) -> None:
        self._network = None
        self._draw()

    def tick(self, status: Status) -> None:
        if status.phase in (Phase.TRAINING, Phase.VALIDATING) and self._phase not in (Phase.TRAINING, Phase.VALIDATING):
            self.draft.trained()
            self._draw()
        self._phase = status.phase
        self._follow(status)
        self._look_at_text(status)
        if self._browsing:
            self._browser.tick()

    def _follow(self, status: Status) -> None:
        """Keep the draft beside the session that is open; also while another pane is shown and one is being built."""
        if self.draft.awaiting and self._given_up(status):
            self.draft.refused()
            self.host.rests()
            self._draw()
        if status.session and status.config is not None:
            before = self.draft.session
            if self.draft.follow(status.session, status.config):
                if before != self.draft.session:
                    self.close_field()
                    self.wrong = ("", "")
                self._changed()
            elif before != self.draft.session:
                self._changed()
        if not self.draft.awaiting and self._watching is not None:
            self._watching.stop()
            self._watching = None

    def allows(self, action: str) -> bool:
        if action == "undo":
            return self.draft.edited
        return super().allows(action)

    def state(self) -> dict[str, Any]:
        row = self._form.selected
        return {"row": row.key} if row else {}

    def restore(self, state: dict[str, Any]) -> None:
        row = state.get("row")
        if isinstance(row, str):
            self._form.move_to(row)
            self._draw()

    def help_values(self) -> dict[str, str]:
        return draft_values(self.draft.config, self._choice, self.text.data, self._network_now())

    def copy_text(self) -> str:
        c = self._choice
        if c is None:
            return f"# {preset_line(self.draft.config)}\n" + "\n".join(settings(self.draft.config))
        return f"--set {c.key}={typed(self.draft.config, c)}"

    def key_hint(self) -> list[tuple[str, str]] | None:
        if self._browsing:
            return HINT
        return super().key_hint()

    def escape(self) -> bool:
        if super().escape():
            self._draw()
            return True
        if self.guess.stop() or self.text.stop():
            self._draw()
            return True
        if self.wrong[1]:
            self.wrong = ("", "")
            self._draw()
            return True
        return False

    # Actions

    def do_up(self) -> None:
        self._move(-1)

    def do_down(self) -> None:
        self._move(1)

    def do_left(self) -> None:
        self._turn(-1)

    def do_right(self) -> None:
        self._turn(1)

    def do_edit(self) -> None:
        c = self._choice
        if c is None or c.kind == "switch":
            self._turn(1)
            return
        value = typed(self.draft.config, c)
        if c.key in PATHS:
            self._browser.begin(value, fixed_places(self.draft.config.data.task, whole=c.key == PATH))
            self.open_field(self._browser.field, value)
            self.set_class(True, "-browsing")
        else:
            self.open_field(self._editor, value)
            self._form.place_editor()
        self._draw()

    @property
    def _browsing(self) -> bool:
        """Whether a file is being chosen."""
        return self.field is self._browser.field

    def close_field(self) -> None:
        super().close_field()
        self.set_class(False, "-browsing")

    def do_preset(self) -> None:
        self._preset(1)

    def do_preset_back(self) -> None:
        self._preset(-1)

    def do_undo(self) -> None:
        if self.draft.undo():
            self._told()

    def begin_new(self) -> None:
        """The plan of a new session, on the text that was chosen last."""
        self.close_field()
        self.wrong = ("", "")
        self.draft.begin_new()
        self._form.move_to(PRESET)
        self._changed()

    def accept(self) -> None:
        c = self._choice
        value: str | None = self._editor.value
        if self._browsing:
            value = self._browser.take()
            if value is None:
                return
        self.close_field()
        if c is not None and value is not None:
            before = self.draft.config
            self._try(c.key, lambda: self.draft.put(c.key, value))
            if c.key == PATH and self.draft.config != before and is_file(value):
                self.guess.ask(self.lab, self.draft.config.data.path)
            elif c.key == PATH and self.text.trouble:
                self.text.ask(self.lab)
        self._draw()

    def start(self) -> None:
        """What space does here while nothing trains: train the draft, as a new session where it has to be one."""
        if not self.draft.needs_new:
            self.host.trains()
            self.lab.train()
            return
        refusal = self.text.trouble or self._network_now().refusal
        if refusal:
            self.host.say(refusal, error=True)
        elif self.draft.session:
            name = clean_line(self.draft.session)
            self.host.ask(
                "Train it as a new session?",
                f"This network is not the one of {name}: its trained weights would not fit. "
                f"{name} is saved and stays as it is.",
                [("enter", "train as a new session", self._create)],
            )
        else:
            self._create()

    def _create(self) -> None:
        if self.lab.status.fault:
            self.lab.forget_fault()
        try:
            self.lab.create(self.draft.config, train=True)
        except LabError as error:
            self.host.say(str(error), error=True)
            return
        self.draft.created()
        self._rested = -1
        # Ticks come only while this pane is shown, which training is about to take the place of.
        self._watching = self.set_interval(0.1, lambda: self._follow(self.lab.status))
        self._draw()
        self.host.trains()

    def take_back(self) -> None:
        """It was told to pause before the draft was built: the draft is the plan of a new session again."""
        self._follow(self.lab.status)
        if self.draft.awaiting:
            self.draft.refused()
            self._draw()

    def _given_up(self, status: Status) -> bool:
        """Whether the Lab could not build the draft, or was interrupted while it did."""
        if status.phase is Phase.LOADING:
            self._rested = 0
        elif status.fault and status.phase in (Phase.EMPTY, Phase.PAUSED, Phase.FAILED):
            return True
        elif self._rested >= 0:
            self._rested += 1
        return self._rested > PATIENCE

    def _move(self, by: int) -> None:
        if self._form.move(by):
            self.wrong = ("", "")
            self._draw()

    def _turn(self, by: int) -> None:
        c = self._choice
        if c is None:
            self._preset(by)
        else:
            self._try(c.key, lambda: self.draft.turn(c.key, by))

    def _preset(self, by: int) -> None:
        self._form.move_to(PRESET)
        self._try(PRESET, lambda: self.draft.preset(by))

    def _try(self, key: str, edit: Any) -> None:
        """Change the draft; where that can't be, the sentence stands below the field."""
        try:
            edit()
        except ConfigError as error:
            self.wrong = (key, str(error).removeprefix(f"{key}: "))
            self._draw()
            return
        self._told()

    def _told(self) -> None:
        """The draft was edited: the open session gets what it can take."""
        self.wrong = ("", "")
        status = self.lab.status
        if not follows(status):
            self.wrong = self.draft.tell(self.lab.set)
        elif self.draft.edited and not self.draft.needs_new:
            self.host.say(f"{writer(status)} has it: the edit waits here until it is taken over (space)")
        self._changed()

    def taken_over(self, status: Status) -> None:
        """The session that was followed is the Lab's own now: it gets the edits that waited for that."""
        self._follow(status)
        self._told()

    def _look_at_text(self, status: Status) -> None:
        if self.guess.tick():
            guess = self.guess.guess
            if guess is not None and self.draft.config.data.path == self.guess.path:
                self._try(TASK, lambda: self.draft.guessed(self.guess.path, guess))
        if self.guess.waiting:
            # What the file is decides how it is read.
            return
        known = self.lab.data
        own = status.config.data if status.session and status.config is not None else None
        news = known is not None and own is not None and own == self.draft.config.data and self.text.know(own, known)
        if self.text.tick(self.lab) or news:
            self._network = None
            self._draw()
        elif self.text.line() != self._progress:
            self._draw()

    def _changed(self) -> None:
        """The draft is another one: find its text, draw."""
        self.text.want(self.draft.config.data)
        self._network = None
        self._draw()

    # Drawing

    @property
    def _choice(self) -> Choice | None:
        """The field under the cursor; None on the preset's row."""
        row = self._form.selected
        return CHOICES.get(row.key) if row else None

    def _network_now(self) -> NetworkView:
        if self._network is None:
            self._network = diagram(self.draft.config, self.text.data, free_bytes())
        return self._network

    def _rows(self) -> list[Row]:
        # While a file is chosen the form has no width: it will be the one it had.
        self._width = self._form.size.width or self._width
        beside = not self.has_class("-narrow")
        return form_rows(self.draft, self.text, self.guess, self.wrong, max(self._width, 20), beside=beside)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self._progress = self.text.line()
        self._form.show_rows(self._rows())
        config, text, c = self.draft.config, self.text, self._choice
        # Why the data can't be read is worth more than a network that can't be trained on them.
        self.set_class(bool(text.trouble) or (c is not None and c.section == "data"), "-data")
        drawn = picture(config)
        self._diagram.show_network(self._network_now(), text.data, words_of(config.data.task).answer, drawn)
        # On the widest screens the picture stands above the network.
        whole = c is not None and c.key == TASK and not self.has_class("-widest")
        self._card.show_data(config, text.data, text.trouble, text.line(), whole)
        width, height = self._about.size
        if width:
            ready = not (text.trouble or self._network_now().refusal)
            lines = about(self.draft, c, ready, width)
            if self.has_class("-narrow"):
                # There is no room for the diagram: its sums stand here.
                lines = lines[: max(height - 1, 1)] + summary(self._network_now(), text.data, width)[:1]
            elif len(lines) < height:
                lines = [Line(), *lines]
            self._about.put(lines[:height])

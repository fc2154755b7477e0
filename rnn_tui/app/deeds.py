"""What the app's own keys do; a pane does what its keys do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich.text import Text

from rnn_tui.app import settings
from rnn_tui.app.actions import PANES
from rnn_tui.app.dialogs import Help
from rnn_tui.app.frame import LOW
from rnn_tui.app.pane import Answer
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.widgets.status import writer
from rnn_tui.symbols import clean
from rnn_tui.views import RUNNING, Phase, Status

if TYPE_CHECKING:
    from rnn_tui.app.app import LabApp

SAVING = "saving ..."


class Deeds:
    """One method `do_NAME` for each action that belongs to no pane, but showing one."""

    def __init__(self, app: LabApp) -> None:
        self._app = app
        self._wish: tuple[bool, float] | None = None
        self._saved_before: Status | None = None

    def take(self, status: Status) -> None:
        """A new status: what was waited for may have come."""
        if self._wish is not None:
            wanted, _ = self._wish
            running = status.phase in RUNNING
            refused = wanted and bool(status.fault) and not running and status.phase is not Phase.LOADING
            if wanted == running or refused:
                self._wish = None
        before = self._saved_before
        if before is not None and status.save_failed:
            self._saved_before = None
            self._app.frame.unsay(SAVING)
            if self._app.extent.height < LOW:
                # Elsewhere it stands above the keys as long as it is so.
                self._app.say(status.fault, error=True)
        elif before is not None and (status.saved_step != before.saved_step or status.saved_step == status.step):
            self._saved_before = None
            # Said even where the notice is the same as the last time.
            self._app.say(status.notice or "saved")

    @property
    def training(self) -> bool:
        """Whether it trains, or was just told to."""
        if self._wish is not None and time.monotonic() < self._wish[1]:
            return self._wish[0]
        return self._app.lab.status.phase in RUNNING

    @property
    def run_label(self) -> str:
        """What `space` does now."""
        if self._app.following.now and not self._trains_draft:
            return "take over"
        return "pause" if self.training else "train"

    @property
    def _trains_draft(self) -> bool:
        """Whether what stands on Build, and is on the screen, is another network than the open session."""
        return self._app.current == "build" and self._build.draft.needs_new

    def do_run(self) -> None:
        """Train or pause; on Build, and where there is no session yet, train the draft. Or take over."""
        self._app.begin()
        if self._app.following.now and not self._trains_draft:
            self._app.following.ask(train=True)
            return
        if self.training:
            self._wish = (False, time.monotonic() + 3)
            self._app.lab.pause()
            self._build.take_back()
            return
        build = self._build
        status = self._app.lab.status
        nothing = status.phase is Phase.EMPTY and not status.session and not self._app.first_session
        if self._app.current == "build" or nothing or build.draft.awaiting:
            build.start()
        else:
            self.trains()
            self._app.lab.train()

    @property
    def _build(self) -> BuildPane:
        build = self._app.pane("build")
        assert isinstance(build, BuildPane)
        return build

    def trains(self) -> None:
        """It was told to train: until the status says so, the next `space` pauses. Build gives way to the run."""
        # Torch may still be loading: the wish must outlive that.
        loaded = self._app.lab.status.phase is Phase.PAUSED
        self._wish = (True, time.monotonic() + (3 if loaded else 60))
        if self._app.current == "build":
            self._app.go("train")

    def rests(self) -> None:
        """What was to train could not be had: the next `space` trains again."""
        self._wish = None

    def do_next_pane(self) -> None:
        if len(self._app.on_screen) > 1:
            beside = self._app.on_screen
            self._app.move(beside[(beside.index(self._app.current) + 1) % len(beside)])

    def do_zoom(self) -> None:
        self._app.zoomed = not self._app.zoomed
        self._app.go(self._app.current)

    def do_copy(self) -> None:
        text = self._app.here.copy_text()
        if not text:
            self._app.say("there is nothing to copy here")
            return
        # A path may hold bytes that are no text.
        text = text.encode("utf-8", "replace").decode()
        self._app.copy_to_clipboard(text)
        path = settings.copies()
        try:
            settings.write_whole(path, text)
        except OSError as error:
            self._app.say(f"copied to the clipboard, if the terminal takes it; {path}: {error.strerror or error}")
            return
        self._app.say(f"copied {len(text):,} characters: to the clipboard, if the terminal takes it, and to {path}")

    def do_save(self) -> None:
        if not self._app.lab.status.session:
            self._app.say("there is no session to save yet: space trains the draft")
            return
        if self._app.following.now:
            self._app.say(f"{writer(self._app.lab.status)} saves it; here it is read-only")
            return
        self._app.place.remember()
        self._saved_before = self._app.lab.status
        self._app.say(SAVING)
        self._app.lab.save()

    def do_help(self) -> None:
        pane = self._app.here
        values = dict(pane.help_values())
        if self._app.lab.status.fault:
            values["Fault"] = self._app.lab.status.fault
        if self._app.following.now:
            status = self._app.lab.status
            values["Followed"] = f"{writer(status)} has it, {status.writer_phase or 'busy'}; space takes it over"
        everywhere = [a for a in self._app.actions if not a.pane and a.id != "interrupt"]
        mine = [a for a in self._app.actions if a.pane == self._app.current]
        shown = self._app.query_one(Help)
        shown.show(PANES[self._app.current][1], pane.HELP, values, mine, everywhere, self._app.ascii_only)

    def do_palette(self) -> None:
        self._app.action_command_palette()

    def do_escape(self) -> None:
        """One level up: what the pane has open, then the zoom, then a fault that has been read."""
        if self._app.here.escape():
            return
        if self._app.zoomed:
            self.do_zoom()
        elif self._app.lab.status.fault:
            self._app.lab.forget_fault()

    def do_interrupt(self) -> None:
        self._app.say("q leaves the lab; ctrl+c does nothing here")

    def do_quit(self) -> None:
        if not self.training:
            self.leave()
            return
        answers: list[Answer] = [("enter", "save and stop", self.leave)]
        if self._app.lab.status.phase in RUNNING:
            answers.append(("k", "keep training", self.hand_on))
        self._app.ask(
            "Leave?",
            "It is training. It can be saved and stopped, or go on without a screen: "
            "the next rnn-lab finds it and follows it.",
            answers,
        )

    def leave(self, code: int = 0) -> None:
        """Save, stop the Lab's threads, end with `code`; with 1 where that fails."""
        if self._begin_to_leave("leaving ..." if self._app.following.now else "saving ..."):
            self._app.run_worker(self._close_lab(code), group="leave", exit_on_error=False)

    def hand_on(self) -> None:
        """Leave it training without a screen, and end with 0."""
        if self._begin_to_leave("handing over ..."):
            self._app.run_worker(self._hand_on(), group="leave", exit_on_error=False)

    def _begin_to_leave(self, doing: str) -> bool:
        if self._app.leaving:
            return False
        self._app.place.remember()
        self._app.leaving = doing
        self._app.frame.draw(self._app.lab.status)
        return True

    async def _hand_on(self) -> None:
        try:
            told = await asyncio.to_thread(self._app.lab.hand_on)
        except Exception as error:  # whatever it was, the person decides what now
            self._app.leaving = ""
            why = "the step under way and its save take long; try again" if isinstance(error, TimeoutError) else error
            self._app.ask("It was not handed over", f"{why}", [("enter", "save and leave", lambda: self.leave(1))])
            return
        self._app.exit(return_code=0, message=Text(clean(told)))

    async def _close_lab(self, code: int) -> None:
        try:
            ended = await asyncio.to_thread(self._app.lab.close, True)
        except Exception as error:  # whatever it was, it must be told, and the terminal given back
            self._app.exit(return_code=1, message=Text(f"error: {clean(str(error))}"))
            return
        status = self._app.lab.status
        if ended is False:
            late = "error: the lab's threads did not end in time; it was left without them"
            self._app.exit(return_code=1, message=Text(late))
        elif self._unsaved(status):
            fault = status.fault or f"{status.session} is not saved: step {status.saved_step:,} is in its file"
            self._app.exit(return_code=1, message=Text(f"error: {clean(fault)}"))
        elif status.phase is Phase.FAILED:
            broke = status.fault or f"training {status.session} broke off at step {status.step:,}"
            self._app.exit(return_code=1, message=Text(f"error: {clean(broke)}"))
        else:
            self._app.exit(return_code=code)

    @staticmethod
    def _unsaved(status: Status) -> bool:
        """Whether something of the session is in no file, though it ought to be."""
        if not status.session or status.phase is Phase.FOLLOWING:
            return False
        return status.save_failed or bool(status.fault and status.saved_step != status.step)

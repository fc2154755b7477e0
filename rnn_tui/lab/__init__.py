"""The Lab: owns one session's model and its two threads. Commands in, views out.

One thread trains. The other answers questions on a frozen copy of the weights and writes
the session's file. A command returns at once; its outcome shows in `status`, which any
thread may read at any time. Torch is imported by the threads, never by importing this.
"""

from __future__ import annotations

import atexit
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnn_tui import session
from rnn_tui.config import Config, choice, get, put
from rnn_tui.data.source import DataError
from rnn_tui.lab.answers import ANSWERS
from rnn_tui.lab.answers.desk import Desk, Sources
from rnn_tui.lab.asking import AnsweringThread, Asked, LabError
from rnn_tui.lab.changing import check_hold
from rnn_tui.lab.keeping import place_of
from rnn_tui.lab.questions import LookAtData, Question, TraceText, Write
from rnn_tui.lab.training_thread import TrainingThread
from rnn_tui.session.names import refuse_taken
from rnn_tui.views import Curves, DataView, Hold, Sample, Status, Trace

__all__ = ["Asked", "Lab", "LabError", "LookAtData", "TraceText", "Write"]


# Seconds that a step which hangs is given to end after all, before one leaves without it.
HANGING = 2.0


class Lab:
    """A folder of sessions, and at most one open session in it.

    Every public method may be called from any thread and returns at once, except `wait`,
    `trace`, `write` and `close`. Call `close` when done: it saves and joins the threads.
    """

    def __init__(self, folder: Path | str = "sessions") -> None:
        self._answers = AnsweringThread((session.SessionError, DataError))
        self._trains = TrainingThread(Path(folder), self._answers)
        self._sources = Sources(Desk(), self._trains.frozen_model, self._trains.ask_run, self.folder)
        self._hangs = False
        # A daemon thread inside torch at the interpreter's end aborts the process.
        reference = weakref.ref(self)
        atexit.register(lambda: (lab := reference()) and lab.close(save=False, timeout=5.0))

    @property
    def folder(self) -> Path:
        """Of the sessions; another one once a session was saved there."""
        return self._trains.folder

    # What there is to see: the newest state, never blocking.

    @property
    def status(self) -> Status:
        return self._trains.board.status

    @property
    def stalled(self) -> bool:
        """Whether training has not made a step for 30 seconds and for 20 times as long as it usually takes."""
        return self._trains.board.stalled

    @property
    def curves(self) -> Curves | None:
        """Replaced when `status.curves_version` changes."""
        return self._trains.board.curves

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Oldest first; replaced when `status.samples_version` changes."""
        return self._trains.board.samples

    @property
    def data(self) -> DataView | None:
        """The text of the open session."""
        return self._trains.board.data

    @property
    def view_state(self) -> dict[str, Any]:
        """What the screen showed when the session was saved."""
        return self._trains.view_state

    @property
    def notes(self) -> str:
        return self._trains.notes

    # Commands: they return at once, and show in `status`.

    def prepare(self) -> None:
        """Start loading what training needs, so that it is there when it is wanted."""
        self._trains.mailbox.command(self._trains.load_engine)

    def create(self, config: Config, name: str = "", *, train: bool = False) -> None:
        """Build a new session, and start to train it if `train`; an open one is saved and left first.

        Without a name one is made from the text's title and the network. Its file is written
        at its first step. Raises LabError for a name that can't be.
        """
        if name:
            self._check_new(name)

        def build() -> None:
            self._trains.create(config, name)
            if train:
                self._trains.begin(None, None, None)

        self._trains.mailbox.command(build)

    def open(self, name: str) -> None:
        """Open a session, paused, where it was left; one that another program holds is opened to look at."""
        self._trains.mailbox.command(lambda: self._trains.open(name))

    def train(self, *, steps: int | None = None, epochs: float | None = None, minutes: float | None = None) -> None:
        """Go on training: so many more steps, epochs or minutes; without any, to the planned length."""
        self._trains.mailbox.command(lambda: self._trains.begin(steps, epochs, minutes))

    def pause(self) -> None:
        """Stop after the step under way, and save."""
        self._trains.mailbox.interrupt()
        self._trains.mailbox.command(self._trains.pause)

    def single_step(self) -> None:
        """One update, then pause."""
        self._trains.mailbox.interrupt()
        self._trains.mailbox.command(self._trains.single_step)

    def set(self, key: str, value: Any) -> None:
        """Change a field of the session: at once, or when training is next started if it says so.

        Raises ConfigError for an impossible value, LabError for a field of a new net.
        """
        field = choice(key)
        wanted = get(put(self.status.config or Config(), key, value), key)
        if field.applies == "new net":
            raise LabError(f"{key} would not fit the trained weights; train it as a new session")
        self._trains.mailbox.command(lambda: self._trains.change(key, wanted))

    def set_pace(self, steps_per_second: float) -> None:
        """Hold training to so many steps a second, slow enough to watch; 0: as fast as it goes."""
        self._trains.mailbox.command(lambda: self._trains.set_pace(steps_per_second))

    def restart(self) -> None:
        """Start over: fresh weights, step 0, the same configuration."""
        self._trains.mailbox.interrupt()
        self._trains.mailbox.command(self._trains.restart)

    def use_best(self) -> None:
        """Put the weights of the best validation in the place of the newest."""
        self._trains.mailbox.command(self._trains.use_best)

    def clip_to_p90(self) -> None:
        """Set training.clip_norm to the 90th percentile of the last 1,000 gradients' lengths."""
        self._trains.mailbox.command(self._trains.clip_to_p90)

    def scale_recurrent(self, radius: float) -> None:
        """Scale W_hh of every layer (each gate's block) to a spectral radius, above 0 and at most 10."""
        self._trains.mailbox.command(lambda: self._trains.scale_recurrent(radius))

    def step_back(self) -> None:
        """After a loss that was not finite: go back to the newest weights kept from before (`status.can_step_back`)."""
        self._trains.mailbox.command(self._trains.step_back)

    def hold(self, hold: Hold) -> None:
        """Hold a value in what is read and written (`status.held`), until it is released; training knows nothing
        of it. Raises LabError where the network has no such value.
        """
        if self.status.config is not None:
            check_hold(self.status.config, hold)
        self._trains.mailbox.command(lambda: self._trains.hold_value(hold))

    def release(self, hold: Hold | None = None) -> None:
        """Let go of a value that is held; of all of them without one."""
        self._trains.mailbox.command(lambda: self._trains.release_value(hold))

    def save(self) -> None:
        """Write the session's file now."""
        self._trains.mailbox.command(self._trains.save)

    def save_as(self, name: str) -> None:
        """Go on under another name, in this folder or, as `DIR/NAME`, in another one, which is then `folder`.

        The session so far keeps its file. Nothing changes if the new file can't be written.
        Raises LabError for a name that can't be or is taken.
        """
        self._check_new(name, elsewhere=True)
        self._trains.mailbox.command(lambda: self._trains.save_as(name))

    def rename(self, name: str) -> None:
        """Give the open session another name. Raises LabError for one that can't be or is taken."""
        if name.lower() != self.status.session.lower():
            self._check_new(name)
        self._trains.mailbox.command(lambda: self._trains.rename(name))

    def take_over(self, *, train: bool = True) -> None:
        """Ask the process that has the followed session for it, and go on at the same step; `train`: also to
        train, if that one did, to the goal that it had.
        """
        self._trains.mailbox.interrupt()
        self._trains.mailbox.command(lambda: self._trains.take_over(train))

    @property
    def left_at(self) -> Status | None:
        """The status at the moment when another process took the session over; None while none has."""
        return self._trains.left_at

    def hand_on(self, timeout: float = 15.0, begun_within: float = 15.0) -> str:
        """Save, and have a process without a screen go on training; this Lab then only follows. Waits for it.

        Returns what there is to say of it. Raises LabError where that can't be, TimeoutError where the step
        under way and the save took more than `timeout` seconds.
        """
        handed = self._trains.hand_over(timeout)
        # One that takes long to load has begun: only one that has ended won't.
        if begun_within and not handed.begun(begun_within) and handed.process.poll() is not None:
            raise LabError(
                f"the process that was to go on with {handed.name} has not begun; all is saved; try rnn-lab train "
                f"{handed.name}"
            )
        return handed.sentence

    def set_notes(self, text: str) -> None:
        """Notes that are kept with the session."""
        self._trains.notes = text

    def remember(self, state: dict[str, Any]) -> None:
        """What the screen shows, JSON-able: kept with the session, to find it again."""
        self._trains.view_state = state

    def forget_fault(self) -> None:
        """The person has read it."""
        self._trains.board.say(fault="")

    def _check_new(self, name: str, *, elsewhere: bool = False) -> None:
        try:
            refuse_taken(*place_of(self.folder, name) if elsewhere else (self.folder, session.check_name(name)))
        except session.SessionError as error:
            raise LabError(str(error)) from None

    # Questions: answered by the other thread on a frozen copy of the weights.

    def ask(self, question: Question) -> Asked:
        """Put a question; never blocks. What comes of it stands in the `Asked`."""
        asked = Asked(question)
        self._answers.take(asked, ANSWERS[type(question)](question, asked, replace(self._sources, folder=self.folder)))
        return asked

    def trace(self, text: str, *, best: bool = False) -> Trace:
        """Every state and gate while the model reads `text`; waits for it. Raises LabError."""
        found: Trace = self.ask(TraceText(text, best=best)).result()
        return found

    def write(self, prompt: str = "", length: int = 200, **options: Any) -> str:
        """`length` symbols after the prompt; options as in `Write`. Waits for it. Raises LabError."""
        return str(self.ask(Write(prompt, length, **options)).result().text)

    # Waiting and leaving.

    def wait(self, timeout: float | None = None) -> Status:
        """Wait until it neither trains nor loads nor has a command left.

        Raises TimeoutError after `timeout` seconds.
        """
        if not self._trains.mailbox.idle.wait(timeout):
            raise TimeoutError("it is still at work")
        return self.status

    def close(self, save: bool = True, timeout: float = 10.0) -> bool:
        """Stop, save what is not saved, join the threads. False if a thread did not end in time.

        One that hangs is not waited for that long, nor twice.
        """
        if self.stalled or self._hangs:
            timeout = min(timeout, 0.1 if self._hangs else HANGING)
        ended = self._trains.close(save, timeout)
        ended = self._answers.close(timeout) and ended
        self._hangs = not ended
        if ended:
            self._trains.release()
        return ended

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

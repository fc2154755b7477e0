"""What is laid over a reading: lenses, and the recorded frames of the training."""

from __future__ import annotations

import time

from rnn_tui.app.panes import reading_pane
from rnn_tui.app.panes.inquiry import writes
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lenses import LENSES
from rnn_tui.app.panes.reading_pane import ReadingPane
from rnn_tui.app.panes.scrub import Scrub
from rnn_tui.app.widgets.field import Field
from rnn_tui.views import Trace


class LookingPane(ReadingPane):
    """A reading pane that lenses can be opened over, and that can go back in training time."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.scrub = Scrub()
        self.lens: Lens | None = None
        self._live: Trace | None = None
        """The text as the newest reading has it, while a recording is shown."""
        self._land = -1
        """The symbol of the part to go to once the passage is there; -1: none."""
        self._line = Field(longest=200)
        self._later = 0
        """Frames to go in training time once the text is there."""
        self._shown_value = ("h", False)
        """What was shown of the live text: value, and whether all of one unit's."""

    def _changed(self) -> None:
        self._dirty = True
        self.draw()

    def _changed_by_key(self) -> None:
        """The same; keys that come faster than it is drawn share one drawing."""
        self._dirty = True
        rested = time.monotonic() - self._drawn_at >= reading_pane.DRAW_EVERY
        if rested and self.host.plot_period < reading_pane.SLOW:
            self.draw()

    @property
    def writes(self) -> bool:
        """Whether the network reads what it answers, forwards: it can write on, and its training is recorded."""
        return writes(self.lab.status)

    @property
    def reads_symbols(self) -> bool:
        """Whether it is symbols that are read, and no numbers: they can be searched."""
        return self.trace is None or self.trace.values is None

    @property
    def coloured(self) -> bool:
        """Whether there are colours; otherwise a glyph says what the colour would."""
        return not self.app.no_color and self.app.console.color_system not in (None, "standard", "windows")

    def forget_typed(self) -> None:
        super().forget_typed()
        self._later = 0

    # Training time.

    def _collect_frame(self) -> None:
        """Show the recorded frame that was asked for, once it is there."""
        if self._later and not self.awaits:
            by, self._later = self._later, 0
            self._scrub(by)
        before = self.scrub.asking.under_way
        frame = self.scrub.arrived()
        if frame is not None:
            self._show_frame(frame)
        elif before and not self.scrub.asking.under_way:
            self.host.say(self.scrub.asking.trouble or "nothing is recorded yet: the first frame comes with training")
            self._dirty = True

    def _show_frame(self, frame: Trace) -> None:
        if self._live is None:
            self._live = self.trace
            self._shown_value = self.reading.value, self.reading.single
            if self.lens is not None and not self.lens.RECORDINGS:
                self.close_lens()
            self.host.keys_changed()
        self.inquiry.follows = False
        self.reading.take(frame, keep_order=True)
        self._changed()

    def _leave_recording(self) -> bool:
        """Back to the live text; False where it is shown."""
        if not self.scrub.on:
            return False
        self.scrub.leave()
        live, self._live = self._live, None
        if live is not None:
            self.reading.value, self.reading.single = self._shown_value
            self.reading.take(live)
        self.host.keys_changed()
        return True

    def show_recording(self) -> None:
        """Go to the newest recorded frame, where none is shown yet."""
        if not self.scrub.on:
            self._scrub(-1)

    def do_scrub_back(self) -> None:
        self._scrub(-1)

    def do_scrub_on(self) -> None:
        self._scrub(1)

    def _scrub(self, by: int) -> None:
        if self.awaits:
            self._later += by
            return
        if self.inquiry.under_way:
            # The same text with newer weights would put an end to the recording.
            self.inquiry.stop()
        frame = self.scrub.move(self.lab, by)
        if frame is not None:
            self._show_frame(frame)

    # Lenses.

    def act(self, action: str) -> None:
        lens = self.lens
        if lens is not None and lens.act(action):
            self._changed_by_key()
        elif action in LENSES:
            self.open_lens(action)
        else:
            super().act(action)

    def open_lens(self, action: str) -> None:
        """Look through the lens that an action opens; a lens that is open and has it is told again."""
        kind = LENSES[action]
        if type(self.lens) is not kind:
            self.close_lens()
            self.lens = kind(self)
        assert self.lens is not None
        self.lens.begin(action)
        self.host.keys_changed()
        self._changed()

    def close_lens(self) -> bool:
        """Back to the units; False where no lens is open."""
        lens, self.lens = self.lens, None
        if lens is None:
            return False
        if self.field is self._line:
            self.close_field()
        lens.end()
        self.host.keys_changed()
        self._dirty = True
        return True

    def type_line(self, value: str = "") -> None:
        """Open the lens' line; on enter the lens gets what was typed."""
        self.open_field(self._line, value)
        self._changed()

    def read_passage(self, part: str, offset: int, cursor: int) -> None:
        """Read another passage, of any part, and go to a timestep of it; near the part's end it begins earlier."""
        self.inquiry.text = None
        self.inquiry.part, self.inquiry.passage = part, max(offset, 0)
        self._land = max(offset, 0) + cursor
        self._ask(another=True)

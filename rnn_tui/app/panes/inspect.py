"""Inspect: every state and gate while the network reads a text, a timestep at a time."""

from __future__ import annotations

import math
import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from rnn_tui.app.panes import inspect_view as view
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.reading_pane import ReadingPane
from rnn_tui.app.panes.words import INSPECT_HELP
from rnn_tui.app.widgets.bars import Bars
from rnn_tui.app.widgets.field import LONGEST, Field
from rnn_tui.app.widgets.heatmap import Heatmap
from rnn_tui.app.widgets.painted import Painted
from rnn_tui.app.widgets.text_strip import TextStrip
from rnn_tui.lab import Asked, TraceText
from rnn_tui.views import Phase, Status, Trace, perplexity

PASSAGE = 200
"""Symbols of a passage of the validation part."""
FOLLOW_EVERY = 1.0
"""Seconds from one reading to the next while it follows the training."""
NOW_EVERY = 1.0
"""Seconds from one drawing of the step the training has reached to the next."""


class InspectPane(ReadingPane):
    """The states of the network over a text. It draws a Trace; moving in it asks nothing of the model."""

    PANE: ClassVar[str] = "inspect"
    TITLE: ClassVar[str] = "Inspect"
    HELP: ClassVar[str] = INSPECT_HELP
    DEFAULT_CSS = """
    InspectPane { layout: vertical; overflow: hidden hidden; }
    InspectPane Painted { height: 1; }
    InspectPane Field { margin: 0 1; }
    InspectPane Horizontal { height: 6; }
    InspectPane .gap { padding: 1 0 0 0; }
    InspectPane Horizontal Painted { height: 1fr; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.text: str | None = None
        """A text of the person's own; None: a passage of the validation part."""
        self.passage = 0
        self.follows = False
        self.question: Asked | None = None
        """The reading that is under way."""
        self.trouble = ""
        """Why there is nothing to see, after a reading failed."""
        self._asked_at = -math.inf
        self._keep_order = False
        self._session: tuple[str, str] | None = None
        self._now = (0, -math.inf)
        self._header = Painted()
        self._strip = TextStrip()
        self._own = Field(lines=True)
        self._hint = Painted()
        self._cost = Heatmap()
        self._units = Heatmap()
        self._over_time = Heatmap()
        self._legend = Painted()
        self._values = Bars()
        self._next = Bars()
        self._facts = Painted()
        self._detail = Horizontal(self._values, self._next, self._facts)
        self._few = Painted()
        self._message = Painted()

    def compose(self) -> ComposeResult:
        yield from (self._header, self._strip, self._own, self._hint, self._cost, self._units, self._over_time)
        yield from (self._legend, self._detail, self._few, self._message)

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self.draw)

    # What is read.

    @property
    def has_network(self) -> bool:
        """Whether there is a model to ask."""
        status = self.lab.status
        return status.config is not None and status.phase not in (Phase.EMPTY, Phase.LOADING)

    def shown(self) -> None:
        self.tick(self.lab.status)

    def tick(self, status: Status) -> None:
        session = self._session_of(status)
        if session != self._session:
            before, self._session = self._session, session
            # A name that is given at the first step is no other session.
            if before is not None and (before[1] != session[1] or before[0]):
                self._drop()
        self._collect()
        if self.question is None and self.has_network and not self.trouble:
            stale = self.trace is not None and self.trace.weights_version != status.weights_version
            rested = time.monotonic() - self._asked_at >= max(FOLLOW_EVERY, self.host.plot_period)
            if self.trace is None or (self.follows and stale and rested):
                self.ask(keep_order=self.trace is not None)
        now = time.monotonic()
        if status.step != self._now[0] and now - self._now[1] >= NOW_EVERY:
            self._now = (status.step, now)
            self._dirty = True
        if self.question is not None and now - self._asked_at > 0.3:
            self._dirty = True
        if self._dirty:
            self.draw()

    def _session_of(self, status: Status) -> tuple[str, str]:
        """Which network it is: a name may be given again."""
        return status.session, status.config.model.model_dump_json() if status.config else ""

    def ask(self, keep_order: bool = False) -> None:
        """Read the text with the newest weights."""
        if not self.has_network:
            return
        if self.question is not None:
            self.question.cancel()
        self.trouble = ""
        self._keep_order = keep_order
        self._asked_at = time.monotonic()
        self.question = self.lab.ask(TraceText(text=self.text, offset=self.passage, length=PASSAGE))
        self._dirty = True

    def _collect(self) -> None:
        asked = self.question
        if asked is None or not asked.done:
            return
        self.question = None
        self._dirty = True
        if asked.error:
            self.follows = False
            self.trouble = asked.error
            if self.trace is not None:
                self.host.say(asked.error, error=True)
                self.trouble = ""
            return
        trace = asked.newest
        if isinstance(trace, Trace) and trace.steps:
            self.reading.take(trace, self._keep_order)
            self._now = (self.lab.status.step, time.monotonic())
            if self.text is None:
                self.passage = trace.offset

    def _drop(self) -> None:
        if self.question is not None:
            self.question.cancel()
            self.question = None
        self.trouble = ""
        self.passage = 0
        self.reading.forget()
        self._dirty = True

    # How it is laid out.

    @property
    def page(self) -> int:
        return max(self._units.size.height - 1, 1)

    @property
    def compact(self) -> bool:
        """Too small for more than text, units and two lines."""
        return self.size.height < 14 or self.size.width < 60

    def _arrange(self) -> bool:
        """Give every widget its rows; True if that changes the layout."""
        width, height = self.size
        if not height:
            return False
        changed = False
        there = self.trace is not None
        typing = self._own.open
        tall = height >= 22 and not self.compact
        names = max(len(self.reading.names), 1)
        airy = height >= 30
        detail = 0 if self.compact else 8 if airy else 6
        few = (2 if height >= 8 else int(height >= 5)) if self.compact else 0
        cost = int(height >= 9)
        legend = int(not self.compact)
        gates = names + airy if tall and not self.reading.single else 0
        units = max(height - 3 - cost - legend - gates - detail - few, 0)
        for widget, rows, on in (
            (self._strip, 2, there and not typing),
            (self._own, 1, typing),
            (self._hint, 1, typing),
            (self._cost, cost, there),
            (self._units, units, there),
            (self._over_time, gates, there),
            (self._legend, legend, there),
            (self._detail, detail, there),
            (self._few, few, there),
            (self._message, max(height - 3, 1), not there),
        ):
            on = on and rows > 0
            if widget.display != on:
                widget.display = on
                changed = True
            widget.set_class(widget is self._over_time and airy, "gap")
            found = widget.styles.height
            if on and (found is None or found.value != rows):
                widget.styles.height = rows
                changed = True
        self._facts.display = width >= 110
        return changed

    # Drawing.

    @property
    def coloured(self) -> bool:
        """Whether there are colours; otherwise a glyph says what the colour would."""
        return not self.app.no_color and self.app.console.color_system not in (None, "standard", "windows")

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""
        super().draw()
        if not self.is_mounted or not self.size.height:
            return
        if self._arrange():
            # The widgets have their new sizes once the layout is done.
            self.call_after_refresh(self.draw)
        reading, width = self.reading, self.size.width
        waiting = self.question is not None and time.monotonic() - self._asked_at > 0.3
        doing = (self.question.doing or "reading") if self.question and waiting else ""
        self._header.paint([view.header(reading, self._now[0], self.follows, doing, width, self.compact)])
        self._hint.paint([view.typing_hint(len(self._own.value), self._own.cut, LONGEST)])
        if reading.trace is None:
            self._message.paint(view.message(self.lab.status, self.trouble, self.question is not None, width))
            return
        room = self._strip.room
        reading.start = reading.columns.window(reading.start, reading.cursor, room)
        end = reading.columns.end(reading.start, room)
        if not self._own.open:
            self._strip.show(
                reading.columns, reading.start, reading.cursor, view.text_styles(reading, reading.start, end)
            )
        ascii_only = self.host.ascii_only
        looks = {"coloured": self.coloured, "ascii_only": ascii_only}
        self._cost.show([view.cost_row(reading)], reading.columns, reading.start, **looks)
        self._units.show(reading.unit_rows(self._units.size.height), reading.columns, reading.start, **looks)
        if self._over_time.display:
            self._over_time.show(reading.gate_rows(), reading.columns, reading.start, **looks)
        if self._legend.display:
            self._legend.paint([view.legend_line(reading, width, **looks)])
        if self.compact:
            self._few.paint(view.few_lines(reading, width))
            return
        self._values.show(*view.value_bars(reading, self._values.size.width, self._values.size.height), ascii_only)
        self._next.show(*view.next_bars(reading, self._next.size.width, self._next.size.height), ascii_only)
        if self._facts.display:
            self._facts.paint(view.facts(reading, self._facts.size.width))

    # What a person does.

    def allows(self, action: str) -> bool:
        if not super().allows(action):
            return False
        if action in ("text", "earlier", "later", "reread", "follow"):
            return self.has_network
        return self.trace is not None

    def _changed(self) -> None:
        self._dirty = True
        self.draw()

    def do_text(self) -> None:
        self.open_field(self._own, self.text if self.text is not None else "")
        self._own.cut = 0
        self._changed()

    def accept(self) -> None:
        text = self._own.value
        self.close_field()
        self._read_own(text)

    def escape(self) -> bool:
        if super().escape():
            self._changed()
            return True
        if self.question is not None and time.monotonic() - self._asked_at > 0.3:
            self.question.cancel()
            self.question = None
            self.follows = False
            self._dirty = True
            return True
        return False

    def pasted(self, text: str) -> bool:
        if not self.has_network or not text:
            return False
        if len(text) > LONGEST:
            self.host.say(f"the pasted text has {len(text):,} symbols; the first {LONGEST:,} are read")
        self._read_own(text[:LONGEST])
        return True

    def _read_own(self, text: str) -> None:
        """A text of one's own, whole; an empty one gives the passage back."""
        self.text = text or None
        self.reading.go(0)
        self.reading.start = 0
        self.ask()
        self._changed()

    def do_earlier(self) -> None:
        self._passage(-PASSAGE)

    def do_later(self) -> None:
        self._passage(PASSAGE)

    def _passage(self, by: int) -> None:
        if self.text is not None:
            self.text = None
        else:
            self.passage = max(0, self.passage + by)
            data = self.lab.data
            length = next((part.length for part in data.parts if part.name == "validation"), 0) if data else 0
            if length:
                self.passage = min(self.passage, max(0, length - PASSAGE))
        self.reading.go(0)
        self.reading.start = 0
        self.ask()
        self.tick(self.lab.status)

    def do_reread(self) -> None:
        self.ask()
        self.tick(self.lab.status)

    def do_follow(self) -> None:
        self.follows = not self.follows
        self._dirty = True
        self.tick(self.lab.status)

    def do_write_on(self) -> None:
        """The symbols up to the cursor, read from h_0, lead to exactly this h_t: they are the prompt."""
        trace = self.trace
        pane = self.host.pane("generate")
        if trace is not None and isinstance(pane, GeneratePane):
            pane.take_prompt("".join(trace.symbols[: self.reading.cursor + 1]))
            self.host.go("generate")

    def copy_text(self) -> str:
        return view.as_text(self.reading)

    def help_values(self) -> dict[str, str]:
        reading, trace = self.reading, self.trace
        if trace is None:
            return {}
        values = {
            f"{name}_t": f"{reading.at(name):+.3f} (layer {reading.layer}, unit {reading.unit}, t {reading.cursor})"
            for name in reading.names
        }
        cost = float(trace.bits[reading.cursor])
        values["surprise"] = "nothing predicted the first symbol" if math.isnan(cost) else f"{cost:.2f} bits"
        if not math.isnan(trace.loss):
            values["perplexity"] = f"{perplexity(trace.loss):.2f} over this text"
        return values

    def state(self) -> dict[str, Any]:
        return {**self.reading.state(), "text": self.text, "offset": self.passage}

    def restore(self, state: dict[str, Any]) -> None:
        text, offset = state.get("text"), state.get("offset")
        self.text = text[:LONGEST] if isinstance(text, str) and text else None
        passage = offset if isinstance(offset, int) and not isinstance(offset, bool) and 0 <= offset < 2**40 else 0
        self._drop()
        self.passage = passage
        self.reading.restore(state)
        self._session = self._session_of(self.lab.status)

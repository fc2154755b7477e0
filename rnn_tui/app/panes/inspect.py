"""Inspect: every state and gate while the network reads a text, a timestep at a time."""

from __future__ import annotations

import math
import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from rnn_tui.app.actions import BY_ID, sign_of
from rnn_tui.app.panes import inspect_answers as answers
from rnn_tui.app.panes import inspect_layout as layout
from rnn_tui.app.panes import inspect_view as view
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.inquiry import FOLLOW_EVERY
from rnn_tui.app.panes.lens_parts import keys_of
from rnn_tui.app.panes.lenses import LENSES
from rnn_tui.app.panes.looking_pane import LookingPane
from rnn_tui.app.panes.words import INSPECT_HELP
from rnn_tui.app.reading import LANGUAGE
from rnn_tui.app.widgets.bars import Bars
from rnn_tui.app.widgets.field import LONGEST
from rnn_tui.app.widgets.heatmap import Heatmap
from rnn_tui.app.widgets.painted import Painted
from rnn_tui.app.widgets.text_strip import GUTTER, TextStrip
from rnn_tui.views import Phase, Status, perplexity

NOW_EVERY = 1.0
"""Seconds from one drawing of the step the training has reached to the next."""
FOLLOW_BYTES = 4000
"""Bytes a second that following the training may send, more or less."""
CELL_BYTES = 12
"""Bytes of one cell of a heatmap, more or less."""
MOVES = frozenset(
    ("left", "right", "left_ten", "right_ten", "first", "last", "up", "down", "page_up", "page_down", "layer_down",
     "layer_up", "value", "value_back", "sort")
)  # fmt: skip
"""What may be typed before there is a text to move in."""


class InspectPane(LookingPane):
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
        self._now = (0, -math.inf)
        self._followed = False
        self._header = Painted()
        self._strip = TextStrip()
        self._hint = Painted()
        self._cost = Heatmap()
        self._units = Heatmap()
        self._over_time = Heatmap()
        self._legend = Painted()
        self._values = Bars()
        self._next = Bars()
        self._facts = Painted()
        self._detail = Horizontal(self._values, self._next, self._facts)
        self._view = Painted()
        self._few = Painted()
        self._message = Painted()

    def compose(self) -> ComposeResult:
        yield from (self._header, self._strip, self._own, self._hint, self._cost, self._units, self._over_time)
        yield from (self._legend, self._view, self._line, self._detail, self._few, self._message)

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self.draw)

    # What is read.

    def shown(self) -> None:
        self._shown_at = time.monotonic()
        self.tick(self.lab.status)

    def tick(self, status: Status) -> None:
        another, was_there = self.inquiry.meet(status)
        if another:
            self.inquiry.forget()
            self.scrub.forget()
            self.close_lens()
            self._live = None
            self.reading.leave()
            self._dirty = True
            if was_there:
                self.forget_typed()
        self._collect(status)
        if not self.may_come:
            self.forget_typed()
        self._collect_frame()
        if not self.scrub.on:
            trace = self.trace
            other = trace is not None and trace.holds != status.held and not self.inquiry.trouble
            if self.inquiry.due(trace, status, self.host.plot_period) or (other and not self.inquiry.under_way):
                self._ask()
        if self.lens is not None and self.trace is not None and self.lens.tick(status):
            self._dirty = True
        now = time.monotonic()
        if status.step != self._now[0] and now - self._now[1] >= NOW_EVERY:
            self._now = (status.step, now)
            self._dirty = True
        late = self.inquiry.late or self.scrub.asking.late or (self.lens is not None and self.lens.asking.late)
        if self.stale or late:
            self.draw()
        elif self.editing:
            self._draw_hint()

    def _ask(self, another: bool = False) -> None:
        """Read the text with the newest weights."""
        if self.has_network:
            self.inquiry.ask(self.lab, another)
            self._dirty = True

    def _collect(self, status: Status) -> None:
        inquiry, before = self.inquiry, self.trace
        asked = inquiry.under_way
        trace = inquiry.answer()
        if not asked or inquiry.under_way:
            return
        self._dirty = True
        if trace is None:
            self._not_answered()
            return
        another = inquiry.another
        self._leave_recording()
        if another:
            self.reading.leave()
        self.reading.take(trace, keep_order=before is not None)
        if another and self._land >= 0:
            self.reading.go(self._land - trace.offset)
        self._land = -1
        if self.lens is not None:
            self.lens.took(trace, another)
        self._followed = inquiry.follows and before is not None
        self._now = (status.step, time.monotonic())
        self.make_typed()
        told = view.unknown_told(trace) or (answers.BOTH_WAYS if before is None and answers.sees_ahead(trace) else "")
        if told and (before is None or another):
            self.host.say(told)

    # How it is laid out.

    @property
    def page(self) -> int:
        return max(self._units.size.height - 1, 1)

    @property
    def compact(self) -> bool:
        """Too small for more than text, units and two lines."""
        return layout.compact(*self.size)

    def _rows(self) -> layout.Rows:
        width, height = self.size
        typing = self._own.open
        if self.lens is not None and self.trace is not None:
            room = max(height - 3, 1)
            cost = answers.top_count(self.trace, height) if self.lens.COST else 0
            return layout.with_lens(height, self.lens.rows(room, width), typing, self._line.open, cost)
        reading, trace = self.reading, self.trace
        return layout.without_lens(
            width, height, max(len(reading.direction), 1), reading.single, reading.units, typing, trace is not None,
            answers.top_count(trace, height),
        )  # fmt: skip

    def _arrange(self) -> bool:
        """Give every widget its rows; True if that changes the layout."""
        if not self.size.height:
            return False
        changed = False
        rows = self._rows()
        self._over_time.set_class(rows.airy, "gap")
        for widget, count in (
            (self._strip, rows.strip),
            (self._own, rows.own),
            (self._hint, rows.hint),
            (self._cost, rows.cost),
            (self._units, rows.units),
            (self._over_time, rows.over_time),
            (self._legend, rows.legend),
            (self._view, rows.lens),
            (self._line, rows.line),
            (self._detail, rows.detail),
            (self._few, rows.few),
            (self._message, rows.message),
        ):
            if widget.display != (count > 0):
                widget.display = count > 0
                changed = True
            found = widget.styles.height
            if count and (found is None or found.value != count):
                widget.styles.height = count
                changed = True
        self._facts.display = self.size.width >= view.FACTS_WIDTH
        return changed

    # Drawing.

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""
        super().draw()
        if not self.is_mounted or not self.size.height:
            return
        if self._arrange():
            # The widgets have their new sizes once the layout is done.
            self.call_after_refresh(self.draw)
        reading, inquiry, width = self.reading, self.inquiry, self.size.width
        weights = view.weights_told(reading.trace, self._now[0], self.lab.status, inquiry.follows)
        doing, lens = inquiry.doing or self.scrub.asking.doing, self.lens
        if lens is not None:
            doing = doing or lens.asking.doing
        title = lens.header() if lens is not None else ""
        told = self.scrub.told or weights
        held = len(reading.trace.holds) if reading.trace is not None else 0
        self._header.paint([view.header(reading, told, doing, width, self.compact, title, held)])
        self._draw_hint()
        if reading.trace is None:
            self._message.paint(view.message(self.lab.status, inquiry.trouble, inquiry.under_way, width))
            return
        before = self._cells_sent
        self._draw_reading(width)
        if self._followed:
            # How often it may read again is a matter of how much a reading sends.
            self._followed = False
            inquiry.rest = max(FOLLOW_EVERY, (self._cells_sent - before) * CELL_BYTES / FOLLOW_BYTES)

    def _draw_hint(self) -> None:
        own, told = self._own, self.typed_told
        self._hint.paint([view.typing_hint(len(own.value), own.cut, LONGEST, self.size.width, told)])

    def _draw_reading(self, width: int) -> None:
        reading = self.reading
        # Of the pane, not of the strip: that may be hidden, and a window of no width runs after the cursor.
        room = max(width - GUTTER, 1)
        reading.fit(room)
        end = reading.columns.end(reading.start, room)
        lens, trace = self.lens, reading.trace
        if not self._own.open:
            styles = lens.styles(reading.start, end) if lens is not None else None
            if styles is None:
                styles = view.text_styles(reading, reading.start, end)
            border = trace.border if trace is not None else -1
            self._strip.show(reading.columns, reading.start, reading.cursor, styles, border)
        ascii_only = self.host.ascii_only
        looks = {"coloured": self.coloured, "ascii_only": ascii_only}
        self._cost.show(answers.top_rows(reading, self._cost.size.height), reading.columns, reading.start, **looks)
        self._units.show(reading.unit_rows(self._units.size.height), reading.columns, reading.start, **looks)
        if self._over_time.display:
            rows = reading.rows_of(reading.unit, reading.direction)
            self._over_time.show(rows, reading.columns, reading.start, **looks)
        if self._legend.display:
            self._legend.paint([view.legend_line(reading, width, **looks)])
        if lens is not None:
            self._view.paint(lens.lines(width, max(self._view.size.height, 1)))
            return
        if self.compact:
            self._few.paint(view.few_lines(reading, width))
            return
        self._values.show(*view.value_bars(reading, self._values.size.width, self._values.size.height), ascii_only)
        self._next.show(*answers.next_bars(reading, self._next.size.width, self._next.size.height), ascii_only)
        if self._facts.display:
            self._facts.paint(view.facts(reading, self._facts.size.width))

    @property
    def _cells_sent(self) -> int:
        return sum(widget.cells_sent for widget in (self._cost, self._units, self._over_time)) + self._strip.cells_sent

    # What a person does.

    def allows(self, action: str) -> bool:
        if action in LENSES or (self.lens is not None and self.lens.allows(action) is not None):
            mine = self.lens.allows(action) if self.lens is not None else None
            if mine is not None:
                return mine
            if action in LENSES and not LENSES[action].applies(self):
                return False
            return not self.awaits and (not self.scrub.on or (action in LENSES and LENSES[action].RECORDINGS))
        if not super().allows(action):
            return False
        if action in ("scrub_back", "scrub_on"):
            return self.has_network and (self.writes or self.lab.status.recording_version > 0)
        if action in ("text", "earlier", "later", "reread", "follow"):
            return self.has_network
        if action == "write_on":
            return not self.awaits and self.writes
        if action in MOVES and not self.inquiry.trouble:
            return self.trace is not None or self.may_come
        return not self.awaits

    def key_hint(self) -> list[tuple[str, str]] | None:
        if self.lens is not None and not self.editing:
            mine = self.lens.key_hint()
            if mine is not None:
                return mine
        if self.scrub.on and not self.editing:
            return [
                (keys_of(self, "scrub_back", "scrub_on"), "training time"), (keys_of(self, "left", "right"), "time"),
                (keys_of(self, "up", "down"), "unit"), (keys_of(self, "value"), "value"), ("escape", "live text"),
            ]  # fmt: skip
        if self.trace is None and not self.editing and self.lab.status.phase is Phase.EMPTY:
            # Moves are possible for a moment; the key bar does not say so and take it back.
            return [(sign_of(BY_ID["run"].keys[0]), "train")]
        return super().key_hint()

    def accept(self) -> None:
        if self.field is self._line and self.lens is not None:
            wrong = self.lens.accept(self._line.value)
            if wrong:
                self.host.say(wrong, error=True)
            self._changed()
            return
        text = self._own.value
        self.close_field()
        self._read_own(text)

    def escape(self) -> bool:
        if super().escape():
            self._changed()
            return True
        if self.inquiry.late and self.inquiry.stop():
            self.forget_typed()
            if self.trace is not None:
                self.inquiry.go_back()
            self._dirty = True
            return True
        if self.lens is not None:
            if not self.lens.escape():
                self.close_lens()
            self._changed()
            return True
        if self.scrub.asking.cancel() or self._leave_recording():
            self._changed()
            return True
        return False

    def do_reread(self) -> None:
        self._ask()
        self.tick(self.lab.status)

    def do_follow(self) -> None:
        self.inquiry.follows = not self.inquiry.follows
        self._dirty = True
        self.tick(self.lab.status)

    def do_write_on(self) -> None:
        """Generate goes on from this very h_t; the symbols up to the cursor, which led to it, are the prompt."""
        trace = self.trace
        pane = self.host.pane("generate")
        if trace is not None and isinstance(pane, GeneratePane):
            t = self.reading.cursor
            pane.take_prompt(answers.prompt_of(trace, t), 0 if self.scrub.on else trace.number, t)
            self.host.go("generate")

    def copy_text(self) -> str:
        own = self.lens.copy_text() if self.lens is not None else ""
        if own:
            return own
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
        if trace.task == LANGUAGE:
            values["surprise"] = "nothing predicted the first symbol" if math.isnan(cost) else f"{cost:.2f} bits"
            if not math.isnan(trace.loss):
                values["perplexity"] = f"{perplexity(trace.loss):.2f} over this text"
        else:
            values["cost"] = answers.cost_told(trace, reading.cursor)[0]
            values["answers"] = answers.whole_told(trace) or "what is right is not known"
        held = sum(array.nbytes for layer in trace.layers for array in layer.values())
        values["memory"] = f"this reading holds {held / 1e6:,.1f} MB; a text that would need over 256 MiB is cut"
        return values

    def state(self) -> dict[str, Any]:
        return {**self.reading.state(), **self.inquiry.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.inquiry.restore(state, self.lab.status)
        self.scrub.forget()
        self.close_lens()
        self._live = None
        self.reading.leave()
        self.reading.restore(state)
        self._dirty = True

"""Gradients on the screen: header, text, marks, chart and lines, each drawn only where it changed."""

from __future__ import annotations

from textual.app import ComposeResult

from rnn_tui.app.panes import gradients_flow as flows
from rnn_tui.app.panes import gradients_steps as steps
from rnn_tui.app.panes import inspect_view as view
from rnn_tui.app.panes.gradients_reading import GradientsReading
from rnn_tui.app.panes.gradients_training import training_lines
from rnn_tui.app.panes.inquiry import FOLLOW_EVERY
from rnn_tui.app.panes.inspect_answers import is_real
from rnn_tui.app.widgets.field import LONGEST
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.app.widgets.ribbon import Ribbon, ribbon
from rnn_tui.app.widgets.text_strip import GUTTER, TextStrip
from rnn_tui.views import Trace

FOLLOW_BYTES, CELL_BYTES = 4000, 12
"""Bytes a second that following the training may send, and bytes of a cell, more or less."""


class GradientsPicture(GradientsReading):
    """The rows of the pane."""

    DEFAULT_CSS = """
    GradientsPane { layout: vertical; overflow: hidden hidden; }
    GradientsPane Painted { height: 1; }
    GradientsPane Field { margin: 0 1; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._header = Painted()
        self._strip = TextStrip()
        self._hint = Painted()
        self._marks = Painted()
        self._chart = Ribbon()
        self._lines = Painted()
        self._message = Painted()

    def compose(self) -> ComposeResult:
        yield from (self._header, self._strip, self._own, self._hint, self._marks, self._chart, self._lines)
        yield self._message

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self.draw)

    # How it is laid out.

    @property
    def compact(self) -> bool:
        """Too small for more than text, chart and two lines."""
        return self.size.height < 14 or self.size.width < 60

    def _details(self) -> int:
        """Rows below the chart."""
        height = self.size.height
        if self.compact:
            return 2 if height >= 8 else int(height >= 6)
        if self.view == "steps":
            return 7 if height >= 18 else 5
        trace = self.trace
        return 6 if trace is not None and trace.cell == "rnn" and self.compared == "off" else 3

    def _arrange(self) -> bool:
        """Give every widget its rows; True if that changes the layout."""
        height = self.size.height
        if not height:
            return False
        training, typing = self.view == "training", self._own.open
        there = self.trace is not None and not training
        marks = min(2 if self.view == "steps" and height >= 12 else 1, max(height - 3, 0))
        lines = min(self._details(), max(height - 3 - marks, 0))
        chart = max(height - 3 - marks - lines, 0)
        changed = False
        for widget, rows in (
            (self._strip, 0 if typing or not there else 2),
            (self._own, int(typing)),
            (self._hint, int(typing)),
            (self._marks, marks if there else 0),
            (self._chart, chart if there else 0),
            (self._lines, height - 1 if training else lines if there else 0),
            (self._message, 0 if there or training else max(height - 3, 1)),
        ):
            if widget.display != (rows > 0):
                widget.display = rows > 0
                changed = True
            found = widget.styles.height
            if rows and (found is None or found.value != rows):
                widget.styles.height = rows
                changed = True
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
        self._draw_header()
        self._draw_hint()
        status, width, trace = self.lab.status, self.size.width, self.trace
        if self.view == "training":
            flight = self.answers
            rows = max(self.size.height - 1, 0)
            self._lines.paint(
                training_lines(
                    status, self.lab.curves, flight.flight, flight.flight_trouble, width, rows, self.host.ascii_only
                )
            )
            return
        if trace is None:
            self._message.paint(view.message(status, self.inquiry.trouble, self.inquiry.under_way, width))
            return
        before = self._cells_sent
        self._draw_text(trace, width)
        if self._followed:
            # How often it may read again is a matter of how much a reading sends.
            self._followed = False
            self.inquiry.rest = max(FOLLOW_EVERY, (self._cells_sent - before) * CELL_BYTES / FOLLOW_BYTES)

    def _draw_header(self) -> None:
        trace, width = self.trace, self.size.width
        title, weights = "while it trains", ""
        if self.view != "training":
            title = "BPTT" if self.view == "steps" else "|dL/dh_t|"
            if self.view == "steps" and trace is not None and trace.backward:
                title = "BPTT forward"
            if trace is not None and self.places:
                title += flows.title_of(trace, self.place, self.flow, width)
            weights = view.weights_told(trace, self._now[0], self.lab.status, self.inquiry.follows)
            if self.compact and trace is not None:
                weights = f"step {trace.step:,}"
        doing = self.inquiry.doing or self.answers.doing
        self._header.paint([flows.header(title, self.reading, weights, doing, width, self.view != "training")])

    def _draw_hint(self) -> None:
        own, told = self._own, self.typed_told
        self._hint.paint([view.typing_hint(len(own.value), own.cut, LONGEST, self.size.width, told)])

    def _draw_text(self, trace: Trace, width: int) -> None:
        reading = self.reading
        room = max(width - GUTTER, 1)
        reading.fit(room)
        columns = reading.columns
        start, end = reading.start, columns.end(reading.start, room)
        if not self._own.open:
            styles = view.text_styles(reading, start, end)
            self._strip.show(columns, start, reading.cursor, styles, trace.border)
        self._marks.paint(self._mark_rows(start, end))
        self._chart.paint(self._chart_rows(start, end))
        self._lines.paint(self._detail_lines())

    def _mark_rows(self, start: int, end: int) -> list[Spans]:
        reading, ascii_only, flow = self.reading, self.host.ascii_only, self.flow
        if self.view == "steps":
            cut = flow.cut if flow is not None else 0
            rows = steps.ways(reading.columns, start, end, self.place, reading.cursor, cut, ascii_only)
            return rows[-self._marks_rows :]
        horizon = flow.layers[reading.layer].horizon if flow is not None else -1
        return [flows.loss_row(reading.columns, start, end, self.place, horizon, ascii_only)]

    @property
    def _marks_rows(self) -> int:
        found = self._marks.styles.height
        return int(found.value) if found is not None else 1

    def _chart_rows(self, start: int, end: int) -> list[Spans]:
        size, reading = self._chart.size, self.reading
        rows, ascii_only = size.height, self.host.ascii_only
        if not rows:
            return []
        if self.answers.trouble:
            return list(view.message(self.lab.status, self.answers.trouble, False, size.width))[:rows]
        if self.view == "reach" and self.compared != "off":
            found = self.comparison
            if found is not None:
                unit = "squared error" if self.trace is not None and is_real(self.trace) else "nats"
                return flows.comparison_rows(found, reading.columns, start, end, rows, ascii_only, size.width, unit)
        flow = self.flow
        if flow is None:
            waits: list[Spans] = [(), ((self._awaited, "quiet"),)]
            return waits[:rows]
        if self.view == "steps":
            band = flows.flow_band(flow, reading.layer, rows, start, end, reading.cursor)
            return ribbon(band, reading.columns, start, end, ascii_only)
        return flows.flow_rows(flow, reading.layer, reading.columns, start, end, rows, ascii_only)

    @property
    def _awaited(self) -> str:
        trace = self.trace
        if trace is not None and not self.places:
            return "  a text of one symbol has nothing to predict: i types another"
        if trace is not None and not trace.number:
            return "  this reading can't be asked about any more: r reads the text again"
        return "  the gradient was not followed: r tries again" if self.answers.stopped else ""

    def _detail_lines(self) -> list[Spans]:
        reading, width, rows = self.reading, self._lines.size.width or self.size.width, self._lines.size.height
        ascii_only, flow = self.host.ascii_only, self.flow
        if self.view == "reach" and self.compared != "off" and self.comparison is not None:
            told: Spans = ((f" compared: {self.compared} networks; c goes on", "quiet"),)
            return [*flows.place_of(self.comparison, reading.cursor, width), told][:rows]
        if flow is None:
            return []
        if self.view == "steps":
            return steps.step_lines(flow, reading, self.reach, self.trained_with, rows, width, ascii_only)
        layer = flow.layers[reading.layer]
        lines = flows.reach_lines(flow, reading, self._network, self._nonlinearity, width)
        if rows > 2:
            lines.insert(0, flows.legend(layer, flow.cut, ascii_only, width))
        return lines[:rows]

    @property
    def _network(self) -> str:
        config, trace = self.lab.status.config, self.trace
        name = trace.cell.upper() if trace is not None else ""
        return f"{name} {config.model.layers}x{config.model.hidden_size}" if config is not None else name

    @property
    def _nonlinearity(self) -> str:
        config = self.lab.status.config
        return str(config.model.nonlinearity) if config is not None else "tanh"

    @property
    def _cells_sent(self) -> int:
        return self._strip.cells_sent + self._chart.cells_sent + self._lines.cells_sent + self._marks.cells_sent

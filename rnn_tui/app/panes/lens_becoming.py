"""One unit at every recorded step of the training: timesteps from left to right, training from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, keys_of, line, looks, sentence
from rnn_tui.app.reading import round_up
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow, legend, spans_of
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.views import Recording

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane


class BecomingLens(Lens):
    """Rows are recorded steps, newest at the bottom; the one whose text is shown is marked."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("becoming",)
    TITLE: ClassVar[str] = "becoming"
    RECORDINGS: ClassVar[bool] = True

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        return pane.writes or pane.lab.status.recording_version > 0

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self._was_on = False

    def begin(self, action: str) -> None:
        self.pane.show_recording()

    @property
    def recording(self) -> Recording | None:
        """The one that is shown."""
        scrub = self.pane.scrub
        return scrub.recording if scrub.on else None

    def header(self) -> str:
        return f"{self._value} of unit {self.reading.unit} becoming" if self.recording is not None else "becoming"

    @property
    def _value(self) -> str:
        return self.reading.text_value if self.reading.single else self.reading.value

    def lines(self, width: int, height: int) -> list[Spans]:
        recording, scrub = self.recording, self.pane.scrub
        if recording is None:
            if scrub.asking.under_way or self.pane.awaits:
                return [(), line("reading the recording ...", width)]
            why = scrub.asking.trouble or "Nothing is recorded yet: the first frame comes with training."
            return [(), *sentence(why, width), *sentence(f"{keys_of(self.pane, 'becoming')} looks again.", width)]
        foot = int(height >= 8)
        head = int(height >= 4)
        room = max(height - head - foot, 1)
        frames = shown_frames(recording.frames, scrub.frame, room)
        values = unit_over_training(recording, self.reading.layer, self._value, self.reading.unit)
        largest = float(np.abs(values).max(initial=0.0))
        scale = 1.0 if self._value == "h" and largest <= 1 else round_up(largest, 2 if 0.01 <= largest < 1000 else 1)
        loss = recording.loss
        rows = [self._row(k, recording, values[k], scale, loss, width) for k in frames]
        lines = [self._told(recording, loss, width)] if head else []
        lines += rows
        if foot:
            name = f" {self._value} "
            spans: Spans = ((name, "quiet"), *legend("signed", scale, **looks(self.pane)),
                            ("   left of the rows: step, and loss as a bar", "quiet"))  # fmt: skip
            lines.append(spans if columns_of(spans) <= width else spans[:-1])
        return lines

    def _told(self, recording: Recording, loss: NDArray[np.float32], width: int) -> Spans:
        k = self.pane.scrub.frame
        keys = keys_of(self.pane, "scrub_back", "scrub_on")
        frame, nats = f"frame {k + 1} of {recording.frames}", f"{float(loss[k]):.3f} nats"
        told = f"step {int(recording.steps[k]):,}, {frame}: loss of this text {nats}"
        forms = [f"{told}; {keys} through training, newest below", told, f"{frame}: {nats}"]
        return line(first_that_fits(forms, width - 2), width, "mark")

    def _row(
        self, k: int, recording: Recording, values: NDArray[np.float32], scale: float, loss: NDArray[np.float32],
        width: int,
    ) -> Spans:  # fmt: skip
        here = k == self.pane.scrub.frame
        largest = float(np.nanmax(loss)) if not np.isnan(loss).all() else 1.0
        share = float(loss[k]) / largest if largest > 0 and np.isfinite(loss[k]) else 0.0
        bars = palette.ASCII_BARS if self.host.ascii_only else palette.BARS
        label = f"{'>' if here else ' '}{brief(int(recording.steps[k])):>4} {bars[round(share * (len(bars) - 1))]} "
        columns, start = self.reading.columns, self.reading.start
        end = columns.end(start, max(width - GUTTER, 0))
        row = HeatRow("", values, "signed", scale)
        drawn = spans_of(row, columns, start, end, **looks(self.pane))
        return ((label, "mark" if here else "quiet"), *drawn)

    def key_hint(self) -> list[tuple[str, str]] | None:
        if self.recording is None:
            return None
        return [
            (keys_of(self.pane, "scrub_back", "scrub_on"), "training time"),
            (keys_of(self.pane, "left", "right"), "time"), (keys_of(self.pane, "up", "down"), "unit"),
            (keys_of(self.pane, "value"), "value"), ("escape", "close"),
        ]  # fmt: skip


def shown_frames(frames: int, now: int, room: int) -> list[int]:
    """Which frames have a row, rising: all where they fit; else the first, the last, the present one, and evenly."""
    if frames <= room:
        return list(range(frames))
    if room < 2:
        return [now]
    even = np.unique(np.rint(np.linspace(0, frames - 1, room)).astype(int)).tolist()
    if now not in even:
        # The ends stay.
        inner = range(1, len(even) - 1) or range(len(even))
        even[min(inner, key=lambda place: abs(even[place] - now))] = now
    return sorted(even)


def unit_over_training(recording: Recording, layer: int, value: str, unit: int) -> NDArray[np.float32]:
    """(F, T) one value of a unit at every frame."""
    layer = min(layer, len(recording.states) - 1)
    states, scales = recording.states[layer], recording.scales[layer]
    name = value if value in states else "h"
    kept = states[name][:, :, unit].astype(np.float32)
    return np.asarray(kept * (scales[name][:, unit, None] / np.float32(127)), dtype=np.float32)


def brief(step: int) -> str:
    """A step in four columns: `0`, `999`, `1.2k`, `12k`, `1.2M`."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        # From what would be rounded up to it.
        if step >= size * 0.9995:
            short = step / size
            return f"{short:.1f}{unit}" if short < 9.95 else f"{short:.0f}{unit}"
    return str(step)

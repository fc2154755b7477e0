"""Where a person is in a traced text: timestep, layer, unit, what is shown. Array indexing, nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.app.widgets.heatmap import HeatRow, Ramp
from rnn_tui.app.widgets.text_strip import Columns
from rnn_tui.views import Trace

SORTS = ("index", "change", "size")
"""By number; by mean change from one timestep to the next, liveliest first; by size at the cursor, largest first."""
OPEN_CLOSED = frozenset("iforz")
"""Gates between 0 and 1; the rest have a sign."""


def ramp_of(name: str) -> Ramp:
    """Whether a value runs from 0 to 1 or has a sign."""
    return "unit" if name in OPEN_CLOSED else "signed"


def values_of(trace: Trace, layer: int) -> tuple[str, ...]:
    """What there is to see of a layer: h, for an LSTM c, and the gates in the order of the equations."""
    there = trace.layers[layer]
    return tuple(name for name in ("h", "c", *trace.gates) if name in there)


def round_up(value: float) -> float:
    """The next number of one digit (1, 2 .. 9, 10, 20 ..) that is not smaller: a scale that holds still."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return float(math.ceil(value / unit - 1e-9) * unit)


class Reading:
    """A trace and the place in it. Every change of place keeps it inside the trace."""

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.columns = Columns.of(())
        self.cursor = 0
        self.layer = 0
        self.unit = -1
        """-1 until one was chosen: the first of the order then."""
        self.value = "h"
        self.single = False
        """Whether the rows are all values of the chosen unit, and the text has the colour of its `value`."""
        self.sort = "change"
        self.sorted_at = 0
        """The timestep at which `size` was taken."""
        self.order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """(H) the units in the order they are shown."""
        self.start = 0
        """First timestep of the window."""
        self.top = 0
        """First place of the order that is in view."""
        self._scales: dict[tuple[int, str], float] = {}

    def take(self, trace: Trace, keep_order: bool = False) -> None:
        """Another trace, or the same text with newer weights; the place stays where it can."""
        before = self.trace
        self.trace = trace
        if before is None or before.symbols != trace.symbols:
            self.columns = Columns.of(trace.symbols)
            keep_order = False
        self._scales.clear()
        self.layer = min(max(self.layer, 0), len(trace.layers) - 1)
        self.cursor = min(max(self.cursor, 0), max(trace.steps - 1, 0))
        if self.value not in values_of(trace, self.layer):
            self.value = "h"
            keep_order = False
        self.unit = min(self.unit, self.units - 1)
        if not keep_order or len(self.order) != self.units:
            self.resort()
        if self.unit < 0:
            self.unit = int(self.order[0])

    def forget(self) -> None:
        """No trace any more; the place is kept for the next one."""
        self.trace = None
        self.columns = Columns.of(())

    @property
    def layers(self) -> int:
        return len(self.trace.layers) if self.trace else 0

    @property
    def units(self) -> int:
        """H of the layer."""
        return int(self.trace.layers[self.layer]["h"].shape[1]) if self.trace else 0

    @property
    def names(self) -> tuple[str, ...]:
        """What there is to see of the layer."""
        return values_of(self.trace, self.layer) if self.trace else ()

    @property
    def place(self) -> int:
        """Where the chosen unit stands in the order, from 0."""
        found = np.flatnonzero(self.order == self.unit)
        return int(found[0]) if len(found) else 0

    def array(self, name: str) -> NDArray[np.float32]:
        """(T, H) of the layer."""
        if self.trace is None:
            return np.zeros((0, 0), dtype=np.float32)
        return self.trace.layers[self.layer][name]

    def at(self, name: str) -> float:
        """The value of the chosen unit at the cursor."""
        return float(self.array(name)[self.cursor, self.unit])

    def scale(self, name: str) -> float:
        """What the strongest colour stands for: 1, or more where most of a layer's values go beyond (c, a ReLU's h)."""
        key = (self.layer, name)
        if key not in self._scales:
            array = self.array(name).ravel()
            # A few thousand values tell the same as all; the rare largest ones are cut, or the rest would be pale.
            array = np.abs(array[:: max(len(array) // 20_000, 1)])
            array = array[np.isfinite(array)]
            large = float(np.quantile(array, 0.98)) if len(array) else 1.0
            self._scales[key] = 1.0 if name not in ("h", "c") or large <= 1.0 else round_up(large)
        return self._scales[key]

    def resort(self) -> None:
        """Put the units in order by the value that is shown."""
        if self.sort == "index" or self.trace is None:
            self.order = np.arange(self.units)
            return
        array = self.array(self.value)
        if self.sort == "change":
            measure = np.abs(np.diff(array, axis=0)).mean(axis=0) if len(array) > 1 else np.zeros(self.units)
        else:
            self.sorted_at = self.cursor
            measure = np.abs(array[self.cursor])
        self.order = np.argsort(-np.nan_to_num(measure), kind="stable")

    def move(self, by: int) -> None:
        """Go `by` timesteps on, or back."""
        self.go(self.cursor + by)

    def go(self, t: int) -> None:
        """Go to a timestep, as near as there is one."""
        self.cursor = min(max(t, 0), max(len(self.columns) - 1, 0))

    def step_unit(self, by: int) -> None:
        """Go to a unit further down in the order, or up."""
        if self.units:
            self.unit = int(self.order[min(max(self.place + by, 0), self.units - 1)])

    def step_layer(self, by: int) -> None:
        """Go to another layer; the unit keeps its number where there is one."""
        layer = min(max(self.layer + by, 0), max(self.layers - 1, 0))
        if self.trace is not None and layer != self.layer:
            self.layer = layer
            self.take(self.trace)

    def step_value(self, by: int) -> None:
        """Show the next value. After the last come all values of the chosen unit, and from there the first."""
        names = self.names
        if not names:
            return
        now = len(names) if self.single else names.index(self.value)
        new = (now + by) % (len(names) + 1)
        self.single = new == len(names)
        if not self.single:
            self.value = names[new]
            self.resort()

    def step_sort(self) -> None:
        """Order the units another way; the chosen one is brought into view by drawing."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        self.resort()

    def scroll(self, rows: int) -> None:
        """Bring the chosen unit into view, in jumps of a third."""
        rows = max(rows, 1)
        place = self.place
        if not self.top <= place < self.top + rows:
            self.top = place - (rows // 3 if place < self.top else rows * 2 // 3)
        self.top = min(max(self.top, 0), max(self.units - rows, 0))

    def unit_rows(self, count: int) -> list[HeatRow]:
        """The rows of the grid: the shown value of the units in view, or all values of units from the chosen one on."""
        if self.trace is None or count <= 0:
            return []
        if self.single:
            names = self.names
            groups = -(-count // len(names))
            units = [int(unit) for unit in self.order[self.place : self.place + groups]]
            return [self.row(name, unit, f"u{unit} {name}") for unit in units for name in names][:count]
        self.scroll(count)
        return [
            self.row(self.value, int(unit), f"u {unit}", int(unit) == self.unit)
            for unit in self.order[self.top : self.top + count]
        ]

    def gate_rows(self) -> list[HeatRow]:
        """Every value of the chosen unit over time."""
        return [self.row(name, self.unit, f"u{self.unit} {name}") for name in self.names]

    def row(self, name: str, unit: int, label: str, chosen: bool = False) -> HeatRow:
        """One value of one unit over time."""
        return HeatRow(label, self.array(name)[:, unit], ramp_of(name), self.scale(name), chosen)

    def state(self) -> dict[str, Any]:
        """What is kept with the session."""
        return {
            "cursor": self.cursor, "layer": self.layer, "unit": self.unit, "value": self.value,
            "single": self.single, "sort": self.sort,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; what is missing or wrong is left as it is."""
        for key in ("cursor", "layer", "unit"):
            found = state.get(key)
            if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31:
                setattr(self, key, found)
        if state.get("value") in ("h", "c", "i", "f", "g", "o", "r", "z", "n"):
            self.value = str(state["value"])
        if state.get("sort") in SORTS:
            self.sort = str(state["sort"])
        self.single = state.get("single") is True
        if self.trace is not None:
            self.take(self.trace)

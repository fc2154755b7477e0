"""Where a person is in a traced text: timestep, layer, unit, what is shown. Array indexing, nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
BACKWARD = "backward."
"""In front of the names of a backward direction's states and gates."""
NAMES = frozenset(direction + name for direction in ("", BACKWARD) for name in "hcifgorzn")
LANGUAGE = "language"


def plain_name(name: str) -> str:
    """A state or gate without its direction."""
    return name.removeprefix(BACKWARD)


def short_name(name: str) -> str:
    """A state or gate in a row's label: `h`, of the backward direction `<h`."""
    return "<" + plain_name(name) if name.startswith(BACKWARD) else name


def name_told(name: str) -> str:
    """A state or gate in a sentence: `h`, `h backward`."""
    return plain_name(name) + " backward" if name.startswith(BACKWARD) else name


def ramp_of(name: str) -> Ramp:
    """Whether a value runs from 0 to 1 or has a sign."""
    return "unit" if plain_name(name) in OPEN_CLOSED else "signed"


def values_of(trace: Trace, layer: int) -> tuple[str, ...]:
    """What there is to see of a layer: h, for an LSTM c, and the gates in the order of the equations.

    Then the same of the backward direction, where there is one.
    """
    there = trace.layers[layer]
    names = ("h", "c", *trace.gates)
    return tuple(name for name in (*names, *(BACKWARD + each for each in names)) if name in there)


def round_up(value: float, digits: int = 1) -> float:
    """The next number of so many digits (1, 2 .. 9, 10, 20 ..) that is not smaller: a scale that holds still."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    exponent = math.floor(math.log10(value)) - digits + 1
    steps = math.ceil(value / 10.0**exponent - 1e-9)
    return float(steps * 10**exponent) if exponent >= 0 else steps / 10**-exponent


class Reading:
    """A trace and the place in it. Every change of place keeps it inside the trace."""

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.columns = Columns.of(())
        self.room = 80
        """Columns that a window has: they say how wide a word's cell is."""
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
        self._scales: dict[tuple[int, str, int], float] = {}
        """By layer, name and unit; unit -1: of the whole layer."""

    def take(self, trace: Trace, keep_order: bool = False) -> None:
        """Another trace, or the same text with newer weights; the place stays where it can."""
        before = self.trace
        self.trace = trace
        if before is None or before.symbols != trace.symbols:
            self.columns = Columns.of(trace.symbols, self.room)
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

    def leave(self) -> None:
        """Another text is to come: no trace any more, and its first timestep. Layer, unit and value are kept."""
        self.trace = None
        self.columns = Columns.of(())
        self.cursor = self.start = 0

    def fit(self, room: int) -> None:
        """A window of so many columns: words get the cells that it has room for, and the cursor is brought into it."""
        if room != self.room:
            self.room = room
            self.columns = Columns.of(self.trace.symbols if self.trace else (), room)
        self.start = self.columns.window(self.start, self.cursor, room)

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
        """What the strongest colour of a whole layer stands for.

        1 for what lies between -1 and 1 by its equation. For what does not (c, and h where a ReLU lets it grow)
        the size that 90 % of the layer's values stay below: a few units that grew would leave the others pale.
        """
        key = (self.layer, name, -1)
        if key not in self._scales:
            self._scales[key] = 1.0
            if not self.bounded(name):
                array = self.array(name).ravel()
                # A few thousand values tell the same as all.
                array = np.abs(array[:: max(len(array) // 20_000, 1)])
                array = array[np.isfinite(array)]
                self._scales[key] = round_up(float(np.quantile(array, 0.9))) if len(array) else 1.0
        return self._scales[key]

    def own_scale(self, name: str, unit: int) -> float:
        """The largest size that one unit reaches in this text, rounded up; 1 for what is bounded by its equation."""
        key = (self.layer, name, unit)
        if key not in self._scales:
            self._scales[key] = 1.0
            if not self.bounded(name):
                values = np.abs(self.array(name)[:, unit])
                values = values[np.isfinite(values)]
                large = float(values.max()) if len(values) else 0.0
                self._scales[key] = round_up(large, 2 if 0.01 <= large < 1000 else 1)
        return self._scales[key]

    def bounded(self, name: str) -> bool:
        """Whether it can't leave -1 .. 1: gates, candidates, and an h that went through tanh."""
        plain = plain_name(name)
        if plain == "c":
            return False
        if plain != "h":
            return True
        key = (self.layer, f"largest {name}", -1)
        if key not in self._scales:
            array = self.array(name)
            self._scales[key] = float(np.abs(array).max(initial=0.0))
        return self._scales[key] <= 1.0

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

    def choose(self, layer: int, unit: int, value: str) -> None:
        """Go to a unit of any layer and show one value of it, where there is one of that name."""
        if self.trace is None:
            return
        self.single = False
        if (layer, value) != (self.layer, self.value):
            self.layer, self.value, self.unit = layer, value, unit
            self.take(self.trace)
        else:
            self.unit = min(max(unit, 0), self.units - 1)

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

    def step_sort(self, by: int = 1) -> None:
        """Order the units another way, from the top; the chosen one is brought into view by drawing."""
        self.sort = SORTS[(SORTS.index(self.sort) + by) % len(SORTS)]
        self.top = 0
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
        if self.single and len(self.names) > 1:
            groups = -(-count // len(self.names))
            units = self.order[self.place : self.place + groups].tolist()
            return [row for unit in units for row in self.rows_of(unit)][:count]
        self.scroll(count)
        values, ramp, scale = self.array(self.value), ramp_of(self.value), self.scale(self.value)
        return [
            HeatRow(f"u {unit}", values[:, unit], ramp, scale, chosen=unit == self.unit)
            for unit in self.order[self.top : self.top + count].tolist()
        ]

    def rows_of(self, unit: int, names: Sequence[str] | None = None) -> list[HeatRow]:
        """Every value of one unit over time (or those of `names`), each on its own scale; the first names the unit."""
        names = self.names if names is None else names
        first = f"u{unit}" + (" " if unit < 1000 else "")
        return [
            HeatRow((first if k == 0 and len(names) > 1 else "") + short_name(name), self.array(name)[:, unit],
                    ramp_of(name), self.own_scale(name, unit), tells_scale=not self.bounded(name))
            for k, name in enumerate(names)
        ]  # fmt: skip

    @property
    def text_value(self) -> str:
        """What the text is coloured by where all values of one unit are shown: its memory."""
        return "c" if "c" in self.names else "h"

    @property
    def backward(self) -> bool:
        """Whether it is the backward direction that is shown."""
        return not self.single and self.value.startswith(BACKWARD)

    @property
    def direction(self) -> tuple[str, ...]:
        """What there is to see of the layer in the direction that is shown."""
        return tuple(name for name in self.names if name.startswith(BACKWARD) == self.backward)

    def do(self, move: str, by: int) -> None:
        """A move by its name, as it was typed: `move`, `go`, `step_unit`, `step_layer`, `step_value`, `step_sort`."""
        getattr(self, move)(by)

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
        if isinstance(state.get("value"), str) and state["value"] in NAMES:
            self.value = str(state["value"])
        if state.get("sort") in SORTS:
            self.sort = str(state["sort"])
        self.single = state.get("single") is True
        if self.trace is not None:
            self.take(self.trace)

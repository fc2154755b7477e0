"""Gate statistics: how often every gate is nearly closed and nearly open (Karpathy, Johnson and Fei-Fei 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, keys_of, line, sentence, share_told, source_told
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.row import fit, pad
from rnn_tui.app.widgets.scatter import scatter
from rnn_tui.lab.questions import CountGates
from rnn_tui.views import GateShares, GateStatistics, Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

NAMES = {"i": "input", "f": "forget", "o": "output", "r": "reset", "z": "update"}
GAP = 2
HIGHEST, WIDEST = 22, 50
"""Rows and columns of a box, at most."""
LEAST = 5
"""Rows of a box, at least; with less room the numbers stand alone."""


class GatesLens(Lens):
    """A box for each gate of the layer, each unit a dot in it; dead and always open or closed units by name."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("gates",)
    TITLE: ClassVar[str] = "gates"

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.counted: GateStatistics | None = None

    def begin(self, action: str) -> None:
        self.asking.ask(self.lab, CountGates())

    def took(self, trace: Trace, another: bool) -> None:
        if self.counted is not None and trace.step != self.counted.step and not self.pane.inquiry.follows:
            self.begin("gates")

    def tick(self, status: Status) -> bool:
        before = self.asking.under_way
        found = self.asking.answer()
        if isinstance(found, GateStatistics):
            self.counted = found
        return before != self.asking.under_way

    def header(self) -> str:
        return "gates" if self._shares() else "saturation of h"

    def _shares(self) -> dict[str, GateShares]:
        counted, layer = self.counted, self.reading.layer
        return dict(counted.layers[layer]) if counted is not None and layer < len(counted.layers) else {}

    def lines(self, width: int, height: int) -> list[Spans]:
        if self.counted is None:
            if self.asking.trouble:
                return [(), *sentence(self.asking.trouble, width, "bad")]
            doing = self.asking.doing
            if not self.asking.under_way:
                return [(), line(f"it was stopped; {keys_of(self.pane, 'gates')} counts again", width)]
            return [(), line(f"{doing or 'counting'}, escape stops it", width)]
        shares = self._shares()
        drawn = self._boxes(shares, width, height) if shares else self._bars(self.counted, width, height)
        return drawn[:height]

    # A cell with gates.

    def _boxes(self, shares: dict[str, GateShares], width: int, height: int) -> list[Spans]:
        assert self.counted is not None
        notes = self._notes(self.counted, shares, width)
        columns = min((width - 1) // len(shares) - GAP, WIDEST)
        # Heading, the gates' names, the axis below them.
        room = height - 3 - len(notes)
        if room < LEAST or columns < 12:
            return [*notes, *self._listed(shares, width, max(height - len(notes), 0))]
        rows = min(room, HIGHEST)
        right, up = ("->", "up") if self.host.ascii_only else ("→", "↑")
        heading = first_that_fits(
            [f"each dot a unit: {right} share of time its gate is nearly closed (< 0.1), {up} nearly open (> 0.9)",
             f"a dot a unit: {right} share of time < 0.1 (closed), {up} > 0.9 (open)",
             f"{right} share of time < 0.1, {up} > 0.9"], width - 2
        )  # fmt: skip
        boxes = [scatter(each.left, each.right, columns, rows, self.reading.unit, self.host.ascii_only)
                 for each in shares.values()]  # fmt: skip
        names: Spans = ()
        axes: Spans = ()
        for name in shares:
            names = (*names, (pad(f"   {name}  {NAMES.get(name, '')}  {up} > 0.9", columns + GAP), "mark"))
            inside = "share < 0.1"
            middle = inside.center(max(columns - 4, len(inside)))
            axes = (*axes, (pad(f"  0 {middle} 1", columns + GAP), "quiet"))
        lines: list[Spans] = [line(heading, width, "quiet"), names]
        for y in range(rows):
            row: Spans = ()
            for box in boxes:
                edge = "1" if y == 0 else "0" if y == rows - 1 else " "
                row = (*row, (f" {edge}", "quiet"), *box[y])
            lines.append(row)
        lines += [axes, *notes]
        return [*lines, *self._most(shares, columns + GAP, max(height - len(lines), 0))]

    def _notes(self, counted: GateStatistics, shares: dict[str, GateShares], width: int) -> list[Spans]:
        """The chosen unit in numbers, the units that can be named, and on what it was counted."""
        unit, layer = self.reading.unit, self.reading.layer
        own = [(f" u {unit} ", "mark")]
        if width < 100:
            own.append((" closed, open: ", "quiet"))
        for name, each in shares.items():
            if unit < len(each.left):
                closed, opened = share_told(float(each.left[unit])), share_told(float(each.right[unit]))
                told = f"{name} closed {closed:>6} open {opened:>6}" if width >= 100 else f"{name} {closed}, {opened}"
                own.append((f" {told} ", "value"))
        sides: dict[tuple[str, str], list[str]] = {}
        for k, u, gate, side in counted.always:
            if k == layer:
                sides.setdefault((gate, side), []).append(str(u))
        always = [f"{gate} {side}: u {' '.join(sides[gate, side])}" for gate, side in sorted(sides)]
        here = sum(map(len, sides.values()))
        return [
            _cut(tuple(own), width),
            line(self._always_told(always, here, len(counted.always) - here, width - 2), width),
            *self._common_notes(counted, width),
        ]

    def _common_notes(self, counted: GateStatistics, width: int) -> list[Spans]:
        layer = self.reading.layer
        dead = [f"u {u}" for k, u in counted.dead if k == layer]
        elsewhere = len(counted.dead) - len(dead)
        told = f"dead, h never moves by more than 0.01: {_listed(dead, elsewhere)}"
        source = f"{source_told(counted.source)}, weights of step {counted.step:,}"
        return [line(told, width), line(source, width, "quiet")]

    @staticmethod
    def _always_told(always: list[str], here: int, elsewhere: int, width: int) -> str:
        told = _listed(always, elsewhere)
        count = f", {here}" if here > 3 else ""
        return first_that_fits([f"always (99 % of the time{count}): {told}", f"always{count}: {told}"], width)

    def _listed(self, shares: dict[str, GateShares], width: int, room: int) -> list[Spans]:
        """Where there is no room for boxes: mean shares of the layer, gate by gate."""
        told = [line(f"{name} {NAMES.get(name, '')}: closed {share_told(float(each.left.mean()))} of the time, "
                     f"open {share_told(float(each.right.mean()))}", width, "quiet")
                for name, each in shares.items()]  # fmt: skip
        return told[:room]

    def _most(self, shares: dict[str, GateShares], columns: int, room: int) -> list[Spans]:
        """Below each box its most open and most closed units."""
        if room < 4:
            return []
        lines: list[Spans] = [()]
        titles: Spans = ()
        half = columns // 2
        for name in shares:
            titles = (*titles, (pad(f"   {name} open", half), "quiet"), (pad("closed", columns - half), "quiet"))
        lines.append(titles)
        orders = {name: (np.argsort(-each.right, kind="stable"), np.argsort(-each.left, kind="stable"))
                  for name, each in shares.items()}  # fmt: skip
        units = self.reading.units
        for k in range(min(room - 2, units)):
            row: Spans = ()
            for name, each in shares.items():
                for lead, order, share, wide in (("   ", orders[name][0], each.right, half),
                                                 ("", orders[name][1], each.left, columns - half)):  # fmt: skip
                    if k >= len(order):
                        continue
                    unit = int(order[k])
                    told = f"{lead}u {unit:<4} {share_told(float(share[unit]))}"
                    row = (*row, (pad(told, wide), "mark" if unit == self.reading.unit else "value"))
            lines.append(row)
        return lines

    # A cell without gates.

    def _bars(self, counted: GateStatistics, width: int, height: int) -> list[Spans]:
        """The share of time in which |h| is above 0.9, largest first, the chosen unit in view."""
        layer, unit = self.reading.layer, self.reading.unit
        share = counted.states[layer]["h"] if layer < len(counted.states) else np.zeros(0, np.float32)
        notes = self._common_notes(counted, width)
        order = np.argsort(-share, kind="stable").tolist()
        room = max(height - 1 - len(notes), 0)
        at = order.index(unit) if unit in order else 0
        top = min(at // max(room, 1) * max(room, 1), max(len(order) - room, 0))
        mean = share_told(float(share.mean())) if len(share) else "-"
        lines = [line(f"share of time with |h| > 0.9, saturated; {mean} on average over the layer", width, "mark")]
        long = max(min(width - 24, 60), 4)
        for u in order[top : top + room]:
            mark, tone = (">", "mark") if u == unit else (" ", "value")
            told = f"{mark}u {u:<5} {share_told(float(share[u])):>7} "
            bar = palette.bar(float(share[u]), long, self.host.ascii_only).rstrip()
            lines.append(((told, tone), (bar, palette.style(149))))
        return [*lines, *notes]

    def key_hint(self) -> list[tuple[str, str]] | None:
        return [
            (keys_of(self.pane, "up", "down"), "unit"), (keys_of(self.pane, "layer_down", "layer_up"), "layer"),
            (keys_of(self.pane, "gates"), "count again"), ("escape", "close"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        if self.counted is None:
            return ""
        rows = [f"{layer}\t{name}\t{u}\t{each.left[u]:.4f}\t{each.right[u]:.4f}"
                for layer, gates in enumerate(self.counted.layers) for name, each in gates.items()
                for u in range(len(each.left))]  # fmt: skip
        rows = rows or [f"{layer}\th\t{u}\t\t{share:.4f}" for layer, each in enumerate(self.counted.states)
                        for u, share in enumerate(each["h"].tolist())]  # fmt: skip
        return "\n".join(["layer\tgate\tunit\tbelow 0.1\tabove 0.9", *rows])


def _listed(names: list[str], elsewhere: int) -> str:
    more = f" ({elsewhere} in other layers)" if elsewhere else ""
    return (", ".join(names) if names else "none") + more


def _cut(spans: Spans, width: int) -> Spans:
    """The spans that fit whole."""
    kept: Spans = ()
    for text, style in spans:
        if columns_of(kept) + len(text) > width:
            return (*kept, (fit(text, width - columns_of(kept)), style))
        kept = (*kept, (text, style))
    return kept

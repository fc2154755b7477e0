"""Backpropagation through time, a timestep at a time: what a step adds, what has been gathered, where it is cut."""

from __future__ import annotations

import math

from rnn_tui.app.panes.gradients_flow import LOSS, left_of, plain, size
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.reading import Reading
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import quoted
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.ribbon import CLEAR
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.views import GradientFlow, LayerFlow

FACTOR = 1.25
"""What `{` and `}` change k by."""
NAMES = ("W_hh", "W_ih", "b_hh", "b_ih")


def turned(k: int, by: int, most: int) -> int:
    """The next k of the slider, at least one away, from 1 to `most`."""
    wanted = k * FACTOR**by
    new = max(math.ceil(wanted), k + 1) if by > 0 else min(math.floor(wanted), k - 1)
    return min(max(new, 1), max(most, 1))


def ways(columns: Columns, start: int, end: int, at: int, walk: int, cut_at: int, ascii_only: bool) -> list[Spans]:
    """Two rows: the state on its way on, over the whole text, and the gradient on its way back, as far as it came."""
    state: list[str] = []
    back: list[str] = []
    for t in range(start, end):
        wide = columns.width(t)
        state.append(("─" if t < at else "→" if t == at else " ") * wide)
        if t == at:
            back.append(LOSS + " " * (wide - 1))
        elif cut_at and t == cut_at - 1 and walk <= t:
            back.append(" " * (wide - 1) + "┃")
        elif max(walk, cut_at) <= t < at:
            back.append(("←" if t == walk else "─") * wide)
        else:
            back.append(" " * wide)
    return [
        plain(((f"{'state':<{GUTTER}}", "quiet"), ("".join(state), "value")), ascii_only),
        plain(((f"{'dL/dh':<{GUTTER}}", "quiet"), ("".join(back), "key")), ascii_only),
    ]


def step_lines(
    flow: GradientFlow, reading: Reading, k: int, trained_with: int, rows: int, width: int, ascii_only: bool
) -> list[Spans]:
    """Where the walk is, what this step adds to each gradient and what is gathered, and the slider of k."""
    layer, t, at = flow.layers[reading.layer], reading.cursor, flow.at
    lines: list[Spans] = []
    if t > at:
        lines.append(((f" the walk begins at t {at}, where the loss stands: go left", "value"),))
    else:
        lines.append(_here(flow, layer, reading, width))
        names = [name for name in NAMES if name in layer.accumulated]
        free = max(rows - 2 - int(bool(flow.cut)), 1)
        for name in names[:free]:
            lines.append(_gathered(name, layer, t, width, ascii_only))
    lines.append(_slider(k, at, trained_with, width, ascii_only))
    if flow.cut:
        lines.append(_crossing(flow, reading, t, width))
    return [cut(line, width) for line in lines][:rows]


def _here(flow: GradientFlow, layer: LayerFlow, reading: Reading, width: int) -> Spans:
    t, trace = reading.cursor, reading.trace
    assert trace is not None
    norm, left = float(layer.norms[t]), left_of(layer.norms, t, flow.at)
    place = f" step {flow.at - t} back: t {t}, after {quoted(trace.symbols[t])}"
    if width < 60:
        return ((f" t {t}, {flow.at - t} back: |dL/dh_t| {size(norm)}", "heading"),)
    told = f"   |dL/dh_t| {size(norm)}"
    if math.isfinite(left) and t < flow.at and norm and width >= 100:
        told += f", {size(left)} of the first"
    if layer.cell_norms is not None:
        told += f"   |dL/dc_t| {size(float(layer.cell_norms[t]))}"
    return ((place, "heading"), (told, "value"))


def _gathered(name: str, layer: LayerFlow, t: int, width: int, ascii_only: bool) -> Spans:
    """One gradient: what this timestep alone adds, and the sum from the loss back to here."""
    adds, sums = float(layer.step_norms[name][t]), float(layer.accumulated[name][t])
    whole = float(layer.accumulated[name][0])
    if width < 60:
        return ((f" {name:<4} +{size(adds):<10}sum {size(sums)}", "value"),)
    told = f" dL/d{name:<4}  this step {size(adds):<10}  gathered {size(sums):<10} "
    share = sums / whole if whole and math.isfinite(whole) and math.isfinite(sums) else math.nan
    room = max(min(width - len(told) - 1, 40), 4)
    # The sum is one of vectors: on the way it may be longer than at the end.
    bar: Span = (palette.bar(min(share, 1.0), room, ascii_only).rstrip(), palette.style(CLEAR))
    return ((told, "value"), bar)


def _slider(k: int, at: int, trained_with: int, width: int, ascii_only: bool) -> Spans:
    """Where k stands between 1 and all timesteps."""
    most = at + 1
    told = f" of {most}" + ("" if k < most else ": nothing is cut")
    rest = f"   training.sequence_length {trained_with}" if trained_with else "   training cuts nothing"
    rest = rest if width >= 76 else ""
    room = max(min(width - 34 - len(rest), 40), 8)
    knob = round((k - 1) / max(most - 1, 1) * (room - 1))
    line = "├" + "─" * knob + "●" + "─" * (room - 1 - knob) + "┤"
    return plain(((" k ", "quiet"), (line, "key"), (f" {k}{told}", "mark"), (f"{rest}   {{ }}", "quiet")), ascii_only)


def _crossing(flow: GradientFlow, reading: Reading, t: int, width: int) -> Spans:
    """What the line means."""
    long = f" cut before t {flow.cut}: the state crosses, the gradient does not; exactly 0 beyond"
    short = f" cut before t {flow.cut}: exactly 0 beyond"
    return ((long if len(long) <= width else short, "warn" if t < flow.cut else "value"),)

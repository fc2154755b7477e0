"""The gradients of the run: how long each group's is, how far an update moves the weights, the last updates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from rnn_tui.app.panes.gradients_flow import size
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.ribbon import CLEAR, OVERFLOWED, Scale, heights
from rnn_tui.app.widgets.row import fit, pad, wrap
from rnn_tui.app.widgets.status import number
from rnn_tui.symbols import clean_line
from rnn_tui.views import Curves, Flight, FlightRow, Status

NAMES = 14
"""Columns of a group's name."""
NUMBERS = 20
"""Columns of the two numbers right of the plot."""
RULE = 1e-3
"""Length of an update over the length of the weights: a rule of thumb for a good learning rate."""


def binned(step: NDArray[np.int64], values: NDArray[np.float32], right: float, columns: int) -> NDArray[np.float64]:
    """(columns) the largest value of each column of the step axis; NaN where there is none."""
    found = np.full(columns, np.nan)
    if not len(step) or columns < 1:
        return found
    at = np.clip((step / max(right, 1.0) * columns).astype(np.int64), 0, columns - 1)
    # The larger of the two, and a number rather than none.
    np.fmax.at(found, at, values.astype(np.float64))
    return found


def newest(values: NDArray[np.float32]) -> float:
    """The last that was measured; NaN where none was."""
    known = values[~np.isnan(values)]
    return float(known[-1]) if len(known) else math.nan


def bars_of(values: NDArray[np.float64], scale: Scale, ascii_only: bool) -> list[str]:
    """The values as bars on a log scale, row by row from the top; where there are none, blanks."""
    high = heights(np.nan_to_num(values, nan=0.0, posinf=np.inf), scale)
    bars = " " + (palette.ASCII_BARS if ascii_only else palette.BARS)
    rows = []
    for row in range(scale.rows):
        eighths = np.clip(high - 8 * (scale.rows - 1 - row), 0, 8).tolist()
        rows.append("".join(bars[k] for k in eighths))
    rows[0] = "".join(OVERFLOWED if math.isinf(value) else sign for sign, value in zip(rows[0], values, strict=True))
    return rows


def training_lines(
    status: Status, curves: Curves | None, flight: Flight | None, trouble: str, width: int, height: int,
    ascii_only: bool,
) -> list[Spans]:  # fmt: skip
    """The whole view, at most `height` lines."""
    lines: list[Spans] = []
    lines += _bad(status, flight, width)
    if curves is None or not len(curves.step):
        lines.append(((" no step yet: what the gradients do while it trains will stand here", "quiet"),))
    else:
        lines.append(_clipping(status, curves, width))
        groups = _groups(curves, width, _group_rows(curves, height - len(lines)), ascii_only)
        lines += groups[: max(height - len(lines) - (4 if height >= 12 else 0), 0)]
    if height - len(lines) >= 3 and (flight is not None or trouble):
        lines += flight_lines(flight, trouble, width, height - len(lines) - (height >= 30), spaced=height >= 30)
    return [cut(line, width) for line in lines][:height]


def _bad(status: Status, flight: Flight | None, width: int) -> list[Spans]:
    """What was the first that no number could hold, and the way back."""
    if flight is None or not flight.first_bad:
        return []
    update = f"update {flight.bad_step:,} was not made: " if flight.bad_step >= 0 else ""
    told = wrap(f"{update}the {clean_line(flight.first_bad)} was the first not finite", max(width - 2, 10))
    lines: list[Spans] = [((f" {line}", "bad"),) for line in told]
    if status.can_step_back:
        where = f" of step {flight.back_step:,}" if flight.back_step >= 0 else ""
        lines.append(((f" u goes back to the last finite weights{where}", "mark"),))
    return lines


def _clipping(status: Status, curves: Curves, width: int) -> Spans:
    norm = number(status.grad_norm) or "?"
    clip = curves.clip_norm
    told = f" gradient norm {norm}   "
    told += f"clip {clip:.3g}: {100 * curves.clipped_share:.1f} % of steps clipped" if clip > 0 else "not clipped"
    p90 = curves.norm_p90
    long = f"   90th percentile {size(p90)}: % clips there" if math.isfinite(p90) else ""
    if cell_len(told + long) > width:
        long = f"   p90 {size(p90)}" if math.isfinite(p90) else ""
        long = long if cell_len(told + long) <= width else ""
    return ((told, "value"), (long, "quiet"))


def _group_rows(curves: Curves, height: int) -> int:
    """Rows of each group's plot."""
    groups = max(len(curves.groups), 1)
    return min(max((height - 14) // groups, 1), 4)


def _groups(curves: Curves, width: int, each: int, ascii_only: bool) -> list[Spans]:
    """A plot for each group, all on one scale, with the newest numbers."""
    if not len(curves.groups) or not curves.group_norms.size:
        return [((" no group of parameters was measured yet", "quiet"),)]
    room = max(width - NAMES - NUMBERS - 1, 4)
    right = float(max(curves.planned, int(curves.step[-1]), 1))
    norms = [binned(curves.step, values, right, room) for values in curves.group_norms]
    scale = _scale(norms, each)
    axis = f"1e{scale.bottom:.0f} .. 1e{scale.top:.0f}, to step {right:,.0f}"
    told = f" {pad('length', NAMES - 1)}{pad(fit(axis, room), room)} {pad('newest', 8, right=True)} upd/weight"
    lines: list[Spans] = [((told, "quiet"),)]
    for k, name in enumerate(curves.groups):
        ratio = newest(curves.update_ratios[k]) if k < len(curves.update_ratios) else math.nan
        drawn = bars_of(norms[k], scale, ascii_only)
        for row, bars in enumerate(drawn):
            last = row == len(drawn) - 1
            label = clean_line(name) if row == (len(drawn) - 1) // 2 else ""
            numbers = f" {pad(_known(newest(curves.group_norms[k])), 8, right=True)}" if last else ""
            beside = f" {pad(_known(ratio), 10, right=True)}" if last else ""
            high = math.isfinite(ratio) and ratio > 10 * RULE
            lines.append(
                ((f" {pad(label, NAMES - 1)}", "label"), (bars, palette.style(CLEAR)), (numbers, "value"),
                 (beside, "warn" if high else "value"))
            )  # fmt: skip
    lines.append(((" an update of about 1e-3 of the weights' length is a good rule of thumb", "quiet"),))
    return lines


def _scale(norms: Sequence[NDArray[np.float64]], rows: int) -> Scale:
    """From the decade below the smallest to the one above the largest; at most 12 of them."""
    known = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in norms])
    if not len(known):
        return Scale(0.0, 1.0 / rows, rows)
    top = math.ceil(math.log10(float(known.max())))
    bottom = max(min(math.floor(math.log10(float(known.min()))), top - 1), top - 12)
    return Scale(float(top), (top - bottom) / rows, rows)


def _known(value: float) -> str:
    return "-" if math.isnan(value) else "inf" if math.isinf(value) else size(value)


def flight_lines(flight: Flight | None, trouble: str, width: int, rows: int, spaced: bool = False) -> list[Spans]:
    """The flight recorder: the last updates, the newest last."""
    if flight is None:
        return [((f" flight recorder: {clean_line(trouble)}", "quiet"),)]
    lines: list[Spans] = [()] if spaced else []
    if not flight.rows:
        return [*lines, ((" flight recorder: no update yet", "quiet"),)]
    extra = flight.groups if width >= 90 + 13 * len(flight.groups) else ()
    heading = f" {'update':>8} {'loss':>8} {'norm':>8} clipped {'rate':>8}  "
    heading += "".join(f"{fit(clean_line(name), 12):>13}" for name in extra) + ("  " if extra else "")
    lines.append(((heading + "what the first stream read", "quiet"),))
    for row in flight.rows[-max(rows - len(lines), 0) :] if rows > len(lines) else ():
        lines.append(_flight_row(row, len(extra)))
    return lines


def _flight_row(row: FlightRow, groups: int) -> Spans:
    fine = math.isfinite(row.loss) and math.isfinite(row.grad_norm)
    told = f" {row.step:>8,} {_known(row.loss):>8} {_known(row.grad_norm):>8}"
    clipped = " clipped" if row.clipped else "        "
    rest = f" {size(row.learning_rate):>8}  "
    rest += "".join(f"{_known(norm):>13}" for norm in row.group_norms[:groups]) + ("  " if groups else "")
    return ((told, "value" if fine else "bad"), (clipped, "warn"), (rest, "quiet"), (clean_line(row.text), "value"))

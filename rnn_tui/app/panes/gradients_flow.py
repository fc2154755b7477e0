"""How far back a gradient reaches: the chart's band, and what is said about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len

from rnn_tui.app.panes.inspect_answers import is_real, named, right_at
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.reading import LANGUAGE, Reading
from rnn_tui.app.widgets.bars import quoted
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.ribbon import ASCII_DOT, DOT, Band, Scale, ribbon, scale_of
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.symbols import clean_line
from rnn_tui.views import Comparison, GradientFlow, LayerFlow, Trace

_ASCII = str.maketrans("←→─├┤┃│┈•●", "<>-[]||-oo")
LOSS = "L"
KINDS = {"tagging": "tag ", "classification": "class "}
"""What an answer is called, by task."""
BOTH = 4
"""Rows of the chart from which the backward direction has its share of them."""
MOST_COMPARED = 12.0
"""Decades of a comparison: a network that forgets at once must not press the others flat."""


def plain(spans: Spans, ascii_only: bool) -> Spans:
    """The spans in signs that every terminal draws one column wide."""
    return tuple((text.translate(_ASCII), style) for text, style in spans) if ascii_only else spans


def size(value: float) -> str:
    """A size over many decades: `8.6e-6`, `0.31`, `12`; what no number can hold in words."""
    if math.isnan(value):
        return "no number"
    if math.isinf(value):
        return "overflowed"
    if value == 0:
        return "exactly 0"
    if 0.0995 <= abs(value) < 999.5:
        return f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def left_of(norms: np.ndarray[tuple[int, ...], np.dtype[np.float64]], t: int, at: int) -> float:
    """The share of what arrives at the loss's timestep that is left at t."""
    arrived = float(norms[at])
    if not arrived or not math.isfinite(arrived):
        return math.nan
    return float(norms[t]) / arrived


def header(title: str, reading: Reading, weights: str, doing: str, width: int, layered: bool) -> Spans:
    """What is drawn, of which layer, with which weights; nothing in it moves with the cursor."""
    told = f"   {clean_line(doing)}, escape stops it" if doing else f"   {weights}" if weights else ""
    layer = f"   layer {reading.layer} of 0..{reading.layers - 1}" if layered and reading.layers else ""
    brief = layer.partition(" of ")[0]
    name = title.partition(",")[0]
    # What is being done, and how to stop it, is never cut off.
    forms = [title + layer, title + brief, title.replace(" = cost", ""), name + brief, title, name]
    forms[2] += brief
    if not doing:
        forms[3:] = [title, title.replace(" = cost", "")]
    form = next((each for each in forms if cell_len(each) + cell_len(told) + 1 <= width), forms[-1])
    return cut(((f" {form}", "mark"), (told, "quiet")), width)


def title_of(trace: Trace, at: int, flow: GradientFlow | None, width: int) -> str:
    """What the gradient is of, behind the name of what is shown."""
    target = flow.target if flow is not None and flow.at == at else right_at(trace, at)
    if trace.task == LANGUAGE:
        target = trace.symbols[at + 1]
    told = target if is_real(trace) else named(trace, target) if target else "the likeliest"
    if width < 60:
        return f", L {told} t {at}"
    if trace.task == LANGUAGE:
        return f", L = cost of {told} after t {at}"
    kind = "squared error of " if is_real(trace) else f"cost of {KINDS.get(trace.task, '')}"
    likeliest = " (the likeliest)" if flow is not None and flow.likeliest and target else ""
    return f", L = {kind}{told}{likeliest} after {quoted(trace.symbols[at])} t {at}"


def flow_band(flow: GradientFlow, chosen: int, rows: int, start: int, end: int, first: int = 0) -> Band:
    """What the chart draws of a layer, from timestep `first` on, on the scale that the window has for it."""
    layer = flow.layers[chosen]
    return Band(layer.norms, _scale([layer], rows, start, end), layer.cell_norms, first, flow.cut)


def _scale(layers: Sequence[LayerFlow], rows: int, start: int, end: int, most: float = math.inf) -> Scale:
    both = [norms for layer in layers for norms in (layer.norms, layer.cell_norms) if norms is not None]
    return scale_of([norms[start:end] for norms in both], rows, most)


def flow_rows(
    flow: GradientFlow, chosen: int, columns: Columns, start: int, end: int, rows: int, ascii_only: bool
) -> list[Spans]:
    """The chart: the chosen layer, and the others below it, on the same scale, where there is room for them."""
    if flow.layers[chosen].backward is not None:
        return _both_ways(flow, chosen, columns, start, end, rows, ascii_only)
    each = len(flow.layers)
    if each < 2 or rows < 10 * each:
        return ribbon(flow_band(flow, chosen, rows, start, end), columns, start, end, ascii_only)
    scale = _scale(flow.layers, (rows - each) // each, start, end)
    lines: list[Spans] = []
    for k in [chosen, *(k for k in reversed(range(each)) if k != chosen)]:
        layer = flow.layers[k]
        style = "heading" if k == chosen else "quiet"
        lines.append(((f" layer {k}: horizon {layer.horizon} timesteps", style),))
        lines += ribbon(Band(layer.norms, scale, layer.cell_norms, 0, flow.cut), columns, start, end, ascii_only)
    return lines


def _both_ways(
    flow: GradientFlow, chosen: int, columns: Columns, start: int, end: int, rows: int, ascii_only: bool
) -> list[Spans]:
    """The forward direction of a layer, and below it the backward one, on one scale."""
    layer = flow.layers[chosen]
    assert layer.backward is not None
    if rows < BOTH:
        return ribbon(flow_band(flow, chosen, rows, start, end), columns, start, end, ascii_only)
    named_too = rows >= 2 * BOTH
    each = (rows - 2 * named_too) // 2
    known = [norms for norms in (layer.norms, layer.cell_norms, layer.backward, layer.backward_cell)
             if norms is not None]  # fmt: skip
    scale = scale_of([norms[start:end] for norms in known], each)
    lines: list[Spans] = []
    for told, norms, cells, cut_at in (
        (f" forward: the past, horizon {layer.horizon} back", layer.norms, layer.cell_norms, flow.cut),
        (f" backward: what comes later, horizon {layer.backward_horizon} on", layer.backward, layer.backward_cell, 0),
    ):
        if named_too:
            lines.append(((told, "heading"),))
        lines += ribbon(Band(norms, scale, cells, 0, cut_at), columns, start, end, ascii_only, guides=each > 2)
    return lines


def loss_row(
    columns: Columns, start: int, end: int, at: int, horizon: int, ascii_only: bool, label: str = "horizon"
) -> Spans:
    """Where the loss stands, and how far back its gradient is alive; -1: not known."""
    room = int(columns.edges[end] - columns.edges[start])
    signs = [" "] * room

    def place(t: int) -> int:
        return int(columns.edges[min(max(t, start), end)] - columns.edges[start])

    if horizon > 0 and at - horizon < end and at > start:
        left, right = place(at - horizon), place(at)
        signs[left:right] = "─" * (right - left)
        if at - horizon >= start:
            signs[left] = "├"
        told = f" {horizon} "
        if right - left >= len(told) + 4:
            middle = (left + right - len(told)) // 2
            signs[middle : middle + len(told)] = told
    if start <= at < end:
        signs[place(at)] = LOSS
    else:
        told = f"{LOSS} at t {at} →" if at >= end else f"← {LOSS} at t {at}"
        if len(told) <= room:
            signs[slice(room - len(told), room) if at >= end else slice(0, len(told))] = told
    name = label if horizon >= 0 else ""
    return plain(((f"{name:<{GUTTER}}", "quiet"), ("".join(signs), "key")), ascii_only)


def reach_lines(flow: GradientFlow, reading: Reading, title: str, nonlinearity: str, width: int) -> list[Spans]:
    """Horizon, what is left at the cursor, and for a plain RNN what the eigenvalues would say."""
    layer, t, at = flow.layers[reading.layer], reading.cursor, flow.at
    least = ", from where 1e-6 of it is left" if width >= 76 else ""
    unit = " timesteps" if width >= 60 else ""
    reach = f"{layer.horizon}{unit}"
    if layer.backward is not None:
        reach = f"{layer.horizon} back, {layer.backward_horizon} on"
    lines: list[Spans] = [
        ((f" {title}, layer {reading.layer}: horizon {reach}", "heading"), (least, "quiet")),
        place_line(layer, t, at, width),
    ]
    if layer.spectral_radius is not None and layer.singular_values is not None and t <= at:
        lines += _jacobian_lines(layer, t, at, nonlinearity, width)
    return [cut(line, width) for line in lines]


def place_line(layer: LayerFlow, t: int, at: int, width: int) -> Spans:
    """What is left of the gradient at the cursor."""
    if layer.backward is not None and t < min(len(layer.norms), len(layer.backward)):
        forward, backward = size(float(layer.norms[t])), size(float(layer.backward[t]))
        what = "|dL/dh_t| " if width >= 60 else ""
        return ((f" at t {t}: {what}forward {forward}, backward {backward}", "value"),)
    if t > at:
        return ((f" t {t} lies behind the loss: its state has no part in it", "value"),)
    left = left_of(layer.norms, t, at)
    norm = float(layer.norms[t])
    here = f" at t {t}: "
    if math.isnan(left) or math.isinf(norm):
        what = f"|dL/dh_t| {size(norm)}"
    elif width >= 76:
        what = f"{size(left)} of the gradient at t {at} is left"
    else:
        what = f"{size(left)} of it is left"
    cell = f"   |dL/dc_t| {size(float(layer.cell_norms[t]))}" if layer.cell_norms is not None else ""
    return ((here + what + (cell if width >= 60 else ""), "value"),)


def _jacobian_lines(layer: LayerFlow, t: int, at: int, nonlinearity: str, width: int) -> list[Spans]:
    radius, values = layer.spectral_radius, layer.singular_values
    assert radius is not None and values is not None
    ends = f"{size(float(values[0]))} .. {size(float(values[-1]))}"
    lines: list[Spans] = [((f" W_hh: spectral radius {size(radius)}, singular values {ends}", "value"),)]
    if layer.jacobian is None or layer.linear is None or t == at:
        return lines
    product, alone = float(layer.jacobian[t]), float(layer.linear[t])
    told = f"radius^{at - t} alone would leave {size(alone)}, the product of Jacobians leaves {size(product)}"
    if product < alone:
        told += f": {nonlinearity}' <= 1 shrinks it too"
    return [*lines, *(((f" {line}", "value"),) for line in wrap(told, max(width - 2, 10)))]


def legend(layer: LayerFlow, cut_at: int, ascii_only: bool, width: int) -> Spans:
    """What the signs of the chart stand for."""
    dot = ASCII_DOT if ascii_only else DOT
    parts = ["bars |dL/dh_t|"]
    if layer.cell_norms is not None:
        parts.append(f"{dot} |dL/dc_t| (none: in the bar's row)" if width >= 76 else f"{dot} |dL/dc_t|")
    norms = layer.norms
    if not np.isfinite(norms).all() or (layer.cell_norms is not None and not np.isfinite(layer.cell_norms).all()):
        parts.append("^ overflowed")
    if cut_at or (norms == 0).any():
        parts.append("0 exactly 0")
    parts.append("blank: below")
    return ((fit(" " + "   ".join(parts), width), "quiet"),)


def comparison_rows(
    found: Comparison, columns: Columns, start: int, end: int, rows: int, ascii_only: bool, width: int, unit: str
) -> list[Spans]:
    """Each network's ribbon on one scale, its horizon beside its name; below, what could not be compared.

    `unit` is that of the loss.
    """
    missing: list[Spans] = [((f" {fit(clean_line(told), width - 2)}", "warn"),) for told in found.missing]
    networks = found.networks
    if not networks:
        return [((" nothing to compare with", "quiet"),), *missing][:rows]
    room = rows - len(missing)
    each = max((room - len(networks)) // len(networks), 0)
    series = [norms for one in networks for norms in (one.norms, one.cell_norms) if norms is not None]
    scale = scale_of([norms[start:end] for norms in series], max(each, 1), most=MOST_COMPARED)
    lines: list[Spans] = []
    for one in networks:
        if not each:
            # A row for each: its cell, its horizon, and the bars.
            row = ribbon(Band(one.norms, scale), columns, start, end, ascii_only, guides=False)[0]
            label = fit(f"{one.cell.upper()} {one.horizon}", GUTTER - 1)
            lines.append(((f"{label:<{GUTTER}}", "heading"), *row[1:]))
            continue
        lines.append(cut(_named(clean_line(one.title), one.horizon, one.loss, width, unit), width))
        band = Band(one.norms, scale, one.cell_norms)
        lines += ribbon(band, columns, start, end, ascii_only, guides=each > 2)
    return [*lines, *missing][:rows]


def _named(title: str, horizon: int, loss: float, width: int, unit: str) -> tuple[Span, ...]:
    told = f"   horizon {horizon}" + (f"   L {loss:.2f} {unit}" if math.isfinite(loss) and width >= 60 else "")
    return ((f" {fit(title, max(width - len(told) - 1, 8))}", "heading"), (told, "value"))


def place_of(found: Comparison, t: int, width: int) -> list[Spans]:
    """What each network has left at the cursor, in one line."""
    parts = []
    for one in found.networks:
        if t <= found.at and t < len(one.norms):
            parts.append(f"{clean_line(one.title).split(',')[0]} {size(left_of(one.norms, t, found.at))}")
    line: Spans = ((f" left at t {t}:  " + "   ".join(parts), "value"),)
    return [cut(line, width)] if parts else []


def as_text(flow: GradientFlow, reading: Reading, title: str, symbols: Sequence[str]) -> str:
    """The layer's norms, to be copied: a heading, and a line for each timestep."""
    layer = flow.layers[reading.layer]
    more = (("dL/dc", layer.cell_norms), ("backward dL/dh", layer.backward), ("backward dL/dc", layer.backward_cell))
    kind = "squared error of" if flow.real else "cost of"
    lines = [
        f"{title}, weights of step {flow.step}, layer {reading.layer}: L = {kind} {quoted(flow.target)} after "
        f"t {flow.at}, {flow.loss:.6f}{'' if flow.real else ' nats'}, horizon {layer.horizon}",
        "t symbol dL/dh" + "".join(f" {name}" for name, values in more if values is not None),
    ]
    for t, norm in enumerate(layer.norms.tolist()):
        rest = "".join(f" {float(values[t]):.6e}" for _, values in more if values is not None)
        lines.append(f"{t} {quoted(symbols[t])} {norm:.6e}{rest}")
    return "\n".join(lines)

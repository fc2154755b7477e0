"""What Inspect says in words and bars about one place of a reading."""

from __future__ import annotations

import math

import numpy as np
from rich.style import Style

from rnn_tui.app.reading import Reading, ramp_of
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import Bar, quoted
from rnn_tui.app.widgets.heatmap import HeatRow, legend
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.symbols import clean_line
from rnn_tui.views import Phase, Status, perplexity

SORT_WORDS = {"index": "by number", "change": "by change", "size": "by size"}


def bits_of(value: float) -> str:
    """A cost: `1.9 bits`."""
    return "no cost" if math.isnan(value) else f"{value:.1f} bits"


def cut(spans: Spans, width: int) -> Spans:
    """The spans that fit; the one that does not is shortened."""
    kept = []
    left = width
    for text, style in spans:
        if left <= 0:
            break
        shown = fit(text, left)
        kept.append((shown, style))
        left -= columns_of(((shown, style),))
    return tuple(kept)


def header(reading: Reading, now: int, follows: bool, doing: str, width: int, compact: bool) -> Spans:
    """Layer, value, sort, timestep, and of which step the weights are."""
    trace = reading.trace
    if trace is None:
        return ((f" {fit(clean_line(doing), width - 1)}", "quiet"),) if doing else ()
    digits = len(str(trace.steps))
    what = f"u{reading.unit}" if reading.single else reading.value
    if compact:
        place = f" t {reading.cursor:<{digits}}  layer {reading.layer}  {what}  u {reading.unit}"
        step = f"  step {trace.step:,}"
        return cut(((place, "mark"), ((f"  {clean_line(doing)}" if doing else step), "quiet")), width)
    order = SORT_WORDS[reading.sort] + (f" at t {reading.sorted_at}" if reading.sort == "size" else "")
    units = f"all of unit {reading.unit}" if reading.single else f"{reading.value}, {reading.units} units {order}"
    short = f"unit {reading.unit}" if reading.single else f"{reading.value} {order}"
    # What moves with every key comes first, in a width of its own: little is sent.
    of = f" of {trace.steps}".ljust(len(f" of {trace.steps}") + digits - len(str(reading.cursor)))
    time: Spans = ((f" t {reading.cursor}", "mark"), (of, "mark"))
    weights = f"  {'best ' if trace.best else ''}weights of step {trace.step:,}"
    if trace.step == 0:
        weights += ", untrained"
    if now != trace.step and not trace.best:
        weights += f" (now {now:,})"
    if follows:
        weights += ", follows"
    if doing:
        weights = f"  {clean_line(doing)}, escape stops it"
    places = (f"  layer {reading.layer} of {reading.layers}  {units}", f"  layer {reading.layer}  {short}",
              f"  layer {reading.layer}")  # fmt: skip
    room = width - columns_of(time) - len(weights)
    place = next((each for each in places if len(each) <= room), places[1])
    return cut((*time, (place, "mark"), (weights, "quiet")), width)


def message(status: Status, trouble: str, asked: bool, width: int) -> list[Spans]:
    """What to press while there is nothing to see."""
    if trouble:
        return [(), *_sentence(trouble, width), (), *_sentence("r tries again, i opens a text of your own.", width)]
    if status.phase is Phase.LOADING:
        return [(), *_sentence(f"{status.doing or 'loading'} ...", width)]
    if status.phase is Phase.EMPTY or status.config is None:
        return [
            (),
            *_sentence("There is no network yet, so there are no states to see.", width),
            (),
            *_sentence("space trains the one that Build describes; come back with 3, also while it trains.", width),
        ]
    return [(), *_sentence("reading the text ..." if asked else "r reads the text.", width)]


def _sentence(text: str, width: int) -> list[Spans]:
    return [((f"  {line}", "value"),) for line in wrap(clean_line(text), max(width - 4, 10))]


def typing_hint(length: int, cut_off: int, longest: int) -> Spans:
    """Under the open field: what enter and escape do, and how full it is."""
    full = f"  {length:,} of {longest:,} symbols"
    if cut_off:
        full += f"; {cut_off:,} more did not fit"
    told = " enter reads it, escape keeps the old one; empty: the corpus"
    return ((told, "quiet"), (full, "warn" if cut_off else "dim"))


def text_styles(reading: Reading, start: int, end: int) -> list[Style]:
    """How each symbol of the window is coloured: by its own surprise, or by the chosen unit's value."""
    trace = reading.trace
    if trace is None:
        return []
    if not reading.single:
        return [palette.surprise(bits)[1] for bits in trace.bits[start:end].tolist()]
    values = reading.array(reading.value)[start:end, reading.unit].tolist()
    if ramp_of(reading.value) == "unit":
        return [palette.unit_background(value) for value in values]
    scale = reading.scale(reading.value)
    return [palette.signed_background(value, scale) for value in values]


def cost_row(reading: Reading) -> HeatRow:
    """Surprise under the symbol that surprised, in bits."""
    trace = reading.trace
    values = trace.bits if trace is not None else np.zeros(0, dtype=np.float32)
    return HeatRow("cost", values, "surprise")


def legend_line(reading: Reading, width: int, coloured: bool, ascii_only: bool) -> Spans:
    """The ramp of the grid, and that of the text."""
    scale = reading.scale(reading.value)
    grid = legend(ramp_of(reading.value), scale, coloured, ascii_only)
    head = f" {reading.value} " if not reading.single else f" {reading.value} in the text "
    surprise = legend("surprise", 1.0, coloured, ascii_only)
    text = "   cost " if reading.single else "   cost, text "
    spans: Spans = ((head, "quiet"), *grid, (text, "quiet"), *surprise)
    if reading.single:
        gates = legend("unit", 1.0, coloured, ascii_only)
        spans = (*spans, ("   gates ", "quiet"), *gates)
    return cut(spans, width)


def value_bars(reading: Reading, width: int, height: int) -> tuple[Spans, list[Bar], list[Spans]]:
    """Gates and states of the chosen unit at the cursor: heading, bars, and a line below."""
    trace = reading.trace
    if trace is None:
        return (), [], []
    t = reading.cursor
    gates = [name for name in trace.gates if name in reading.names]
    states = [name for name in ("c", "h") if name in reading.names]
    # Heading and the line below stand still or hold the states, where there is no room for them as bars.
    in_bars = [*gates, *states] if len(gates) + len(states) + 2 <= height else gates
    bars = [
        Bar(name, reading.at(name), reading.scale(name), signed=ramp_of(name) == "signed") for name in in_bars
    ]
    line = "".join(f" {name} {reading.at(name):+.2f}  " for name in states) if in_bars == gates and gates else ""
    line += f" {quoted(trace.symbols[t])} cost {bits_of(float(trace.bits[t]))}"
    if t == 0:
        line = line.replace("cost no cost", "stands first")
    heading = f" unit {reading.unit} of layer {reading.layer}"
    return ((fit(heading, width), "heading"),), bars, [((fit(line, width), "value"),)]


def next_bars(reading: Reading, width: int, height: int) -> tuple[Spans, list[Bar], list[Spans]]:
    """The likeliest next symbols after the cursor, the one that came marked."""
    trace = reading.trace
    if trace is None:
        return (), [], []
    t = reading.cursor
    count = min(max(height - 1, 1), trace.top_id.shape[1], 10)
    came = int(trace.tokens[t + 1]) if t + 1 < trace.steps else -1
    bars = []
    for symbol, p in zip(trace.top_id[t, :count].tolist(), trace.top_p[t, :count].tolist(), strict=True):
        note = "came" if symbol == came else ""
        bars.append(Bar(quoted(trace.vocabulary[symbol]), p, note=note, strong=bool(note)))
    heading = " expects next; the text ends here"
    if came >= 0:
        heading = f" expects next; {quoted(trace.symbols[t + 1])} came, {bits_of(float(trace.next_bits[t]))}"
    return ((fit(heading, width), "heading"),), bars, []


def facts(reading: Reading, width: int) -> list[Spans]:
    """The text as a whole, where there is room for it."""
    trace = reading.trace
    if trace is None:
        return []
    lines: list[Spans] = [((f" {fit(f'{clean_line(trace.source)}, {trace.steps:,} symbols', width - 2)}", "heading"),)]
    if not math.isnan(trace.loss):
        mean = float(np.nanmean(trace.bits))
        lines.append(((f" mean cost {mean:.2f} bits, perplexity {perplexity(trace.loss):.2f}", "value"),))
    if trace.unknown:
        lines.append(((f" {trace.unknown:,} symbols are not in its vocabulary", "warn"),))
    known = np.nan_to_num(trace.bits, nan=-1.0)
    lines.append(((" most surprising", "quiet"),))
    for t in np.argsort(-known, kind="stable")[:3].tolist():
        if known[t] >= 0:
            lines.append(((f"   {quoted(trace.symbols[t])} at t {t}, {known[t]:.1f} bits", "value"),))
    return lines


def few_lines(reading: Reading, width: int) -> list[Spans]:
    """The place in two lines: the values of the unit, and what is expected."""
    trace = reading.trace
    if trace is None:
        return []
    t = reading.cursor
    values = "".join(f" {name} {_short(reading.at(name), ramp_of(name) == 'signed')}" for name in
                     ("c", "h", *trace.gates) if name in reading.names)  # fmt: skip
    expected = "".join(
        f" {quoted(trace.vocabulary[symbol])} {_short(p, False)}"
        for symbol, p in zip(trace.top_id[t, :5].tolist(), trace.top_p[t, :5].tolist(), strict=True)
    )
    cost = f" {quoted(trace.symbols[t])} {bits_of(float(trace.bits[t]))}"
    room = width - columns_of(((cost, ""),)) - 1
    return [((fit(values, width), "value"),), ((fit(f" next{expected}", room), "value"), (f" {cost}", "quiet"))]


def _short(value: float, signed: bool) -> str:
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.startswith("1") else text


def as_text(reading: Reading) -> str:
    """The place in words, to be copied."""
    trace = reading.trace
    if trace is None:
        return ""
    t = reading.cursor
    lines = [
        f"{clean_line(trace.source)}, weights of step {trace.step}, t {t} of {trace.steps}, after "
        f"{quoted(trace.symbols[t])} ({bits_of(float(trace.bits[t]))})",
        f"layer {reading.layer}, unit {reading.unit}: "
        + ", ".join(f"{name} {reading.at(name):+.6f}" for name in reading.names),
        "expects next: "
        + ", ".join(
            f"{quoted(trace.vocabulary[symbol])} {p:.4f}"
            for symbol, p in zip(trace.top_id[t].tolist(), trace.top_p[t].tolist(), strict=True)
        ),
    ]
    return "\n".join(lines)

"""What Inspect says in words and bars about one place of a reading."""

from __future__ import annotations

import math

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from rnn_tui.app.panes import inspect_answers as answers
from rnn_tui.app.reading import LANGUAGE, Reading, name_told, plain_name, ramp_of, short_name
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import Bar, quoted
from rnn_tui.app.widgets.heatmap import legend, short
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.symbols import REPLACEMENT, clean_line
from rnn_tui.views import Phase, Status, Trace, perplexity

FACTS_WIDTH = 110
"""Columns from which the facts of the whole text have a place of their own."""
UNKNOWN = "<unk>"
"""What words are read as that a vocabulary lacks."""
SORT_WORDS = {"index": "by number", "change": "by change", "size": "by size"}


def cut(spans: Spans, width: int) -> Spans:
    """The spans that fit; the one that does not is shortened."""
    kept = []
    left = width
    for text, style in spans:
        if left <= 0:
            break
        shown = fit(text, left)
        kept.append((shown, style))
        if shown != text:
            break
        left -= columns_of(((shown, style),))
    return tuple(kept)


def weights_told(trace: Trace | None, now: int, status: Status, follows: bool) -> str:
    """Of which step the weights are that read the text, and where the training has got to since."""
    if trace is None:
        return ""
    told = f"{'best ' if trace.best else ''}weights of step {trace.step:,}"
    if trace.step == 0:
        told += ", untrained"
    if not trace.best:
        if now != trace.step:
            told += f" (now {now:,})"
        elif trace.weights_version != status.weights_version and status.step == trace.step:
            # Best weights were taken back, or it was started over: the same step, other weights.
            told += " (others now: r)"
    return told + (", follows" if follows else "")


def header(
    reading: Reading, weights: str, doing: str, width: int, compact: bool, title: str = "", held: int = 0
) -> Spans:
    """Timestep, layer, value, order, and of which step the weights are; `title` in the place of value and order.

    `held`: how many values were held while it was read.
    """
    trace = reading.trace
    if trace is None:
        return ((f" {fit(clean_line(doing), width - 1)}", "quiet"),) if doing else ()
    digits = len(str(trace.steps))
    kept = f"  {held} held" if held else ""
    what = f"u{reading.unit}" if reading.single else short_name(reading.value)
    side = "" if trace.border < 0 else "  encoder" if reading.cursor < trace.border else "  decoder"
    if compact:
        place = f" t {reading.cursor:<{digits}}{side[:5]}  layer {reading.layer}  {what}  u {reading.unit}"
        step = f"  step {trace.step:,}"
        if trace.weights_version < 0:
            # Of a recording.
            step = next((each for each in (f"  recorded at {trace.step:,}", f"  recorded {trace.step:,}")
                         if len(place) + len(each) <= width), f" rec {trace.step}")  # fmt: skip
        return cut(((place, "mark"), (kept, "warn"), ((f"  {clean_line(doing)}" if doing else step), "quiet")), width)
    order = SORT_WORDS[reading.sort] + (f" at t {reading.sorted_at}" if reading.sort == "size" else "")
    value = name_told(reading.value)
    units = f"all of unit {reading.unit}" if reading.single else f"{value}, {reading.units} units {order}"
    brief = f"unit {reading.unit}" if reading.single else f"{value} {order}"
    if title:
        units = brief = title
    # What moves with every key comes first, in a width of its own: little is sent.
    of = f" of {trace.steps}".ljust(len(f" of {trace.steps}") + digits - len(str(reading.cursor)))
    time: Spans = ((f" t {reading.cursor}", "mark"), (of, "mark"), (side, "mark"))
    told = f"  {clean_line(doing)}, escape stops it" if doing else f"  {weights}"
    places = (f"  layer {reading.layer} of {reading.layers}  {units}", f"  layer {reading.layer}  {brief}",
              f"  layer {reading.layer}")  # fmt: skip
    room = width - columns_of(time) - len(told) - len(kept)
    place = next((each for each in places if len(each) <= room), places[1])
    return cut((*time, (place, "mark"), (kept, "warn"), (told, "quiet")), width)


def unknown_told(trace: Trace) -> str:
    """What became of symbols that the vocabulary lacks; empty where it has them all."""
    if not trace.unknown:
        return ""
    what = "symbol is" if trace.unknown == 1 else "symbols are"
    if UNKNOWN in trace.vocabulary:
        return f"{trace.unknown:,} {what} not in the vocabulary: read as {UNKNOWN}"
    became = f"read as '{REPLACEMENT}'" if REPLACEMENT in trace.symbols else "left out"
    return f"{trace.unknown:,} {what} not in the vocabulary: {became}"


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


def typing_hint(length: int, cut_off: int, longest: int, width: int, what: str = "") -> Spans:
    """Under the open field: what may be typed, what enter and escape do, and how full it is."""
    full = f"  {length:,} of {longest:,} symbols"
    if cut_off:
        full = f"  {cut_off:,} of {length + cut_off:,} did not fit"
    forms = [" enter reads it, escape keeps the old one; empty: the data", " enter reads it, escape not", " enter"]
    if what:
        forms[:0] = [f" {what};{form}" for form in (*forms[:2], " enter reads it", " enter")]
    told = _first_that_fits(forms, max(width - len(full), 6))
    return cut(((told, "quiet"), (full, "warn" if cut_off else "dim")), width)


def text_styles(reading: Reading, start: int, end: int) -> list[Style]:
    """How each symbol of the window is coloured: by its own surprise or its answer's cost, or by the unit's value."""
    trace = reading.trace
    if trace is None:
        return []
    if not reading.single:
        return [palette.surprise(bits)[1] for bits in trace.bits[start:end].tolist()]
    name = reading.text_value
    scale = reading.own_scale(name, reading.unit)
    values = reading.array(name)[start:end, reading.unit].tolist()
    return [palette.signed_background(value, scale) for value in values]


def legend_line(reading: Reading, width: int, coloured: bool, ascii_only: bool) -> Spans:
    """The ramps that are drawn, and what their ends stand for; the last ones give way where there is no room."""
    looks = {"coloured": coloured, "ascii_only": ascii_only}
    trace = reading.trace
    read = trace is not None and trace.values is not None
    top: Spans = legend("surprise", 1.0, **looks)
    if trace is not None and read:
        top = legend("signed", answers.read_scale(trace), **looks)
    word = "read" if read else "cost"
    name = "h" if len(reading.names) == 1 else reading.value
    grid: Spans = legend(ramp_of(name), reading.scale(name), **looks, cut=not reading.bounded(name))
    if not reading.single:
        coloured_too = "" if read else ", text"
        groups: list[Spans] = [
            ((f" {name_told(name)} ", "quiet"), *grid),
            ((f"   {word}{coloured_too} ", "quiet"), *top),
        ]
    else:
        told = reading.text_value
        text = legend("signed", reading.own_scale(told, reading.unit), **looks)
        groups = [((f" {told} in text ", "quiet"), *text), ((f"   {word} ", "quiet"), *top)]
        if len(reading.names) > 1:
            groups.insert(1, (("   gates ", "quiet"), *legend("unit", 1.0, **looks)))
        elif not reading.bounded(name):
            # The rows of all units have one scale, the text has the chosen unit's own.
            groups.insert(1, ((f"   {name} ", "quiet"), *grid))
    score = answers.whole_told(trace) if trace is not None else ""
    if trace is not None and width < FACTS_WIDTH and score:
        # The score of a text of one's own is what it was read for: it comes first.
        own = not trace.part and trace.source.startswith("your ")
        groups.insert(0 if own else len(groups), ((f"{'' if own else '  '} {score}  ", "value"),))
    spans: Spans = groups[0]
    for group in groups[1:]:
        if columns_of((*spans, *group)) <= width:
            spans = (*spans, *group)
    return cut(spans, width)


def value_bars(reading: Reading, width: int, height: int) -> tuple[Spans, list[Bar], list[Spans]]:
    """Gates and states of the chosen unit at the cursor: heading, bars, and a line below with the symbol's cost."""
    trace = reading.trace
    if trace is None:
        return (), [], []
    direction = reading.direction
    gates = [name for name in direction if plain_name(name) in trace.gates]
    states = [name for name in reversed(direction) if name not in gates]
    # Heading and the line below stand still, and hold the states where there is no room for them as bars.
    in_bars = [*gates, *states] if len(gates) + len(states) + 2 <= height else gates
    bars = []
    for name in in_bars:
        scale = reading.own_scale(name, reading.unit)
        note = "" if reading.bounded(name) else f"±{short(scale)}"
        label = short_name(name)
        bars.append(Bar(label, reading.at(name), scale, signed=ramp_of(name) == "signed", note=note))
    rest = [f"{short_name(name)} {Bar(name, reading.at(name), signed=True).number.strip()}" for name in states]
    line = _joined(rest if in_bars == gates and gates else [], answers.cost_told(trace, reading.cursor), width)
    return ((_heading(reading, trace, width), "heading"),), bars, [((line, "value"),)]


def _heading(reading: Reading, trace: Trace, width: int) -> str:
    """The unit, and the symbol at the cursor where a cell may have cut it."""
    of, way = f" of layer {reading.layer}", ", backward" if reading.backward else ""
    after = f", after {quoted(trace.symbols[reading.cursor])}" if len(trace.symbols[reading.cursor]) > 1 else ""
    unit = f" unit {reading.unit}"
    return _first_that_fits([unit + of + way + after, unit + way + after, unit + after], width)


def _joined(parts: list[str], last: tuple[str, ...], width: int) -> str:
    """The parts on one line; `last`, in the longest form that fits, is never cut off."""
    for form in last:
        for gap in ("   ", "  ", " "):
            line = " " + gap.join([*parts, form])
            if cell_len(line) <= width:
                return line
    return fit(f" {last[-1]}", width)


def facts(reading: Reading, width: int) -> list[Spans]:
    """The text as a whole, where there is room for it."""
    trace = reading.trace
    if trace is None:
        return []
    lines: list[Spans] = [((f" {fit(f'{clean_line(trace.source)}, {trace.steps:,} symbols', width - 2)}", "heading"),)]
    if trace.task != LANGUAGE:
        return [*lines, *_answers_facts(trace, reading.cursor, width)]
    if answers.sees_ahead(trace):
        lines += [((f" {row}", "warn"),) for row in wrap(answers.BOTH_WAYS, max(width - 2, 10))]
    if not math.isnan(trace.loss):
        mean = float(np.nanmean(trace.bits))
        lines.append(((f" mean cost {mean:.2f} bits, perplexity {perplexity(trace.loss):.2f}", "value"),))
    if trace.unknown:
        lines.append(((f" {fit(unknown_told(trace), width - 2)}", "warn"),))
    known = np.nan_to_num(trace.bits, nan=-1.0)
    lines.append(((" most surprising", "quiet"),))
    for t in np.argsort(-known, kind="stable")[:3].tolist():
        if known[t] >= 0:
            lines.append(((f"   {quoted(trace.symbols[t])} at t {t}, {known[t]:.1f} bits", "value"),))
    return lines


def _answers_facts(trace: Trace, t: int, width: int) -> list[Spans]:
    """What all answers came to, and which were wrong."""
    lines: list[Spans] = []
    if answers.sees_ahead(trace):
        lines += [((f" {row}", "warn"),) for row in wrap(answers.BOTH_WAYS, max(width - 2, 10))]
    score = answers.whole_told(trace)
    lines.append(((f" {fit(score or 'what is right is not known', width - 2)}", "value" if score else "quiet"),))
    if trace.unknown:
        lines.append(((f" {fit(unknown_told(trace), width - 2)}", "warn"),))
    wrong = answers.wrong_at(trace)
    if wrong:
        lines.append(((" wrong, the dearest first", "quiet"),))
    names = answers.answers_of(trace)
    for k in sorted(wrong, key=lambda k: -float(trace.bits[k]))[:3]:
        said, right = answers.named(trace, names[int(trace.top_id[k, 0])]), answers.named(trace, trace.right[k])
        told = f"t {k} {quoted(trace.symbols[k])}: {said} for {right}, {answers.bits_of(float(trace.bits[k]))}"
        lines.append(((f"   {fit(told, width - 4)}", "value"),))
    return lines


def few_lines(reading: Reading, width: int) -> list[Spans]:
    """The place in two lines: values of the unit and the symbol's cost; what is expected, and what was true."""
    trace = reading.trace
    if trace is None:
        return []
    t = reading.cursor
    values = [f"{short_name(name)} {answers.short(reading.at(name), ramp_of(name) == 'signed')}"
              for name in _states_first(reading.direction)]  # fmt: skip
    cost = answers.cost_told(trace, t)[-1]
    return [
        ((_first_that_fits([" ".join(["", *values[:n], cost]) for n in range(len(values), -1, -1)], width), "value"),),
        ((_first_that_fits([answers.brief_answers(trace, t, n) for n in range(max(trace.top_id.shape[1], 3), -1, -1)],
                           width), "value"),),
    ]  # fmt: skip


def _states_first(names: tuple[str, ...]) -> list[str]:
    """c before h, and then the gates."""
    return sorted(names, key=lambda name: "chifgorzn".index(plain_name(name)))


def _first_that_fits(lines: list[str], width: int) -> str:
    return next((line for line in lines if cell_len(line) <= width), fit(lines[-1], width))


def as_text(reading: Reading) -> str:
    """The place in words, to be copied."""
    trace = reading.trace
    if trace is None:
        return ""
    t = reading.cursor
    cost = answers.bits_of(float(trace.bits[t])) if trace.squared is None else answers.cost_told(trace, t)[0]
    word = "expects next" if trace.task == LANGUAGE else "answers"
    lines = [
        f"{clean_line(trace.source)}, weights of step {trace.step}, t {t} of {trace.steps}, after "
        f"{quoted(trace.symbols[t])} ({cost})",
        f"layer {reading.layer}, unit {reading.unit}: "
        + ", ".join(f"{name} {reading.at(name):+.6f}" for name in reading.names),
    ]
    if trace.predictions is not None:
        lines.append(f"{word}: " + ", ".join(f"{value:.6g}" for value in trace.predictions[t].tolist()))
    elif answers.is_answered(trace, t):
        chances = zip(trace.top_id[t].tolist(), trace.top_p[t].tolist(), strict=True)
        names = answers.answers_of(trace)
        lines.append(f"{word}: " + ", ".join(f"{answers.named(trace, names[k])} {p:.4f}" for k, p in chances))
    if trace.task != LANGUAGE and answers.right_at(trace, t):
        lines.append(f"{answers.mark_of(trace)}: {answers.named(trace, answers.right_at(trace, t))}")
    return "\n".join(lines)

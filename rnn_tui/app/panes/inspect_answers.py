"""What a reading answers at one timestep, what is right there and what it cost, as its task has it."""

from __future__ import annotations

import math

import numpy as np
from rich.cells import cell_len

from rnn_tui.app.reading import LANGUAGE, Reading, round_up
from rnn_tui.app.widgets.bars import Bar, quoted
from rnn_tui.app.widgets.heatmap import HeatRow
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.row import fit
from rnn_tui.app.widgets.text_strip import are_words, stands_for_none
from rnn_tui.lab.task_words import words_of
from rnn_tui.symbols import clean_line
from rnn_tui.views import Trace, in_unit, perplexity

LABELLED = frozenset(("tagging", "classification"))
"""Tasks whose answers are names and no symbols."""
CAME = frozenset(("composing", "reber", "brackets"))
"""Tasks in which more than one answer may be right: only what really came next is known."""
MOST_COLUMNS = 3
"""Rows of numbers that are read, at most."""
TALL = 22
"""Rows of the pane from which more than one column of numbers is shown."""
BOTH_WAYS = "it reads both ways, so it has seen the symbol that it predicts: its cost says little"


def named(trace: Trace, answer: str) -> str:
    """An answer in a sentence: a symbol in quotes; a tag, a class or what stands for no text as it is called."""
    plain = trace.task in LABELLED or is_real(trace) or stands_for_none(answer)
    return clean_line(answer) if plain else quoted(answer)


def mark_of(trace: Trace) -> str:
    """What the right answer is called."""
    return "true" if trace.task == LANGUAGE else "came" if trace.task in CAME else "right"


def answers_of(trace: Trace) -> tuple[str, ...]:
    """What `top_id` counts in."""
    return trace.answers or trace.vocabulary


def right_at(trace: Trace, t: int) -> str:
    """The right answer at a timestep; empty where none is asked or known."""
    if trace.task == LANGUAGE:
        return trace.symbols[t + 1] if t + 1 < trace.steps else ""
    return trace.right[t] if t < len(trace.right) else ""


def asks(trace: Trace) -> bool:
    """Whether a right answer is known anywhere."""
    return trace.task == LANGUAGE or any(trace.right)


def is_real(trace: Trace) -> bool:
    """Whether answers are numbers."""
    return trace.predictions is not None


def sees_ahead(trace: Trace) -> bool:
    """Whether it predicts symbols that its backward direction has read."""
    return trace.backward and words_of(trace.task).writes


def bits_of(value: float) -> str:
    """A cost: `1.9 bits`."""
    return "no cost" if math.isnan(value) else f"{value:.1f} bits"


def figure(value: float) -> str:
    """A number of the data in few columns."""
    return "-" if not math.isfinite(value) else f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def prompt_of(trace: Trace, t: int) -> str:
    """What was read up to t, as one would type it: words apart, a label with a colon in front of what it begins."""
    read = [
        symbol for symbol in trace.symbols[: t + 1] if not (len(symbol) > 2 and symbol[0] == "<" and symbol[-1] == ">")
    ]
    if trace.task != LANGUAGE and read and len(read[0]) > 1:
        return f"{read[0]}: {''.join(read[1:])}"
    return (" " if are_words(trace.symbols) else "").join(read)


# The rows on top of the units.


def top_count(trace: Trace | None, height: int) -> int:
    """How many rows stand between text and units: cost or what is read, and attention."""
    if trace is None or height < 9:
        return int(height >= 9)
    rows = 1 if trace.values is None or height < TALL else min(trace.values.shape[1], MOST_COLUMNS)
    return rows + int(trace.attention is not None)


def top_rows(reading: Reading, count: int) -> list[HeatRow]:
    """Attention at the cursor; below it each answer's cost under its symbol, or the numbers that were read."""
    trace = reading.trace
    if trace is None or not count:
        return []
    rows = []
    if trace.attention is not None and count > 1:
        rows.append(attention_row(trace, reading.cursor))
    if trace.values is None:
        return [*rows, HeatRow("cost", trace.bits, "surprise")]
    for k in range(min(trace.values.shape[1], count - len(rows))):
        name = clean_line(trace.vocabulary[k]) if k < len(trace.vocabulary) else "read"
        rows.append(HeatRow(name, trace.values[:, k], "signed", read_scale(trace)))
    return rows


def read_scale(trace: Trace) -> float:
    """The largest number that was read, rounded up, as layer 0 reads it."""
    values = trace.values
    return round_up(float(np.abs(values).max(initial=0.0))) if values is not None else 1.0


def attention_row(trace: Trace, t: int) -> HeatRow:
    """Where the decoder looked when it answered at t; of a source's timestep: who looked at it."""
    weights = np.full(trace.steps, np.nan, np.float32)
    assert trace.attention is not None
    if t >= trace.border:
        row = trace.attention[min(t - trace.border, len(trace.attention) - 1)]
        weights[: len(row)] = row
        return HeatRow("attends", weights, "unit")
    column = trace.attention[:, t]
    weights[trace.border : trace.border + len(column)] = column
    return HeatRow("seen by", weights, "unit")


def attention_told(trace: Trace, t: int) -> str:
    """The source's symbols that it looked at most, in words; empty before the border."""
    if trace.attention is None or t < trace.border:
        return ""
    row = trace.attention[min(t - trace.border, len(trace.attention) - 1)]
    most = np.argsort(-row, kind="stable")[:3].tolist()
    return "attends to " + ", ".join(f"{quoted(trace.symbols[k])} {float(row[k]):.2f}" for k in most)


# In words.


def cost_told(trace: Trace, t: int) -> tuple[str, ...]:
    """What the symbol at t cost, or the right answer there; in words, and in fewer."""
    if trace.task == LANGUAGE:
        symbol = quoted(trace.symbols[t])
        if t == 0:
            return f"{symbol} is first: no cost", f"{symbol} no cost"
        bits = bits_of(float(trace.bits[t]))
        return f"cost of {symbol} {bits}", f"{symbol} {bits}"
    right = right_at(trace, t)
    if not right:
        return ("nothing is asked here" if asks(trace) else "what is right is not known"), "no cost"
    if trace.squared is not None:
        error = f"{float(trace.squared[t]):.3g}"
        return f"squared error {error}", f"error {error}"
    bits = bits_of(float(trace.bits[t]))
    return f"cost of {named(trace, right)} {bits}", f"{named(trace, right)} {bits}", bits


def score_told(loss: float) -> str:
    """The mean cost of a text in all units: `1.60 nats, 2.31 bits, perplexity 4.96`."""
    return f"{loss:.2f} nats, {in_unit(loss, 'bits'):.2f} bits, perplexity {perplexity(loss):.2f}"


def whole_told(trace: Trace) -> str:
    """What all answers of the reading came to; empty where nothing is known to be right."""
    if trace.task == LANGUAGE:
        return "" if math.isnan(trace.loss) else score_told(trace.loss)
    if trace.squared is not None:
        known = trace.squared[~np.isnan(trace.squared)]
        return f"mean squared error {float(known.mean()):.3g}" if len(known) else ""
    asked = [t for t, right in enumerate(trace.right) if right]
    if not asked:
        return ""
    if trace.task in CAME:
        return f"{trace.loss:.2f} nats, {in_unit(trace.loss, 'bits'):.2f} bits an answer"
    hits = len(asked) - len(wrong_at(trace))
    return f"{hits:,} of {len(asked):,} right, {trace.loss:.2f} nats an answer"


def wrong_at(trace: Trace) -> list[int]:
    """The timesteps at which another answer was likelier than the right one."""
    names = answers_of(trace)
    if trace.squared is not None or trace.task in CAME or not trace.top_id.shape[1]:
        return []
    return [t for t, right in enumerate(trace.right) if right and names[int(trace.top_id[t, 0])] != right]


def is_answered(trace: Trace, t: int) -> bool:
    """Whether there is an answer at t."""
    if trace.predictions is not None:
        return bool(np.isfinite(trace.predictions[t]).any())
    return bool(trace.top_p.shape[1]) and not math.isnan(float(trace.top_p[t, 0]))


def heading_of(trace: Trace, t: int) -> tuple[str, ...]:
    """What stands above the answers at t, in words and in fewer."""
    right = right_at(trace, t)
    if trace.task == LANGUAGE:
        name = "has read what comes next" if sees_ahead(trace) else "expects next"
        if not right:
            return (f"{name}; the text ends here",)
        told = f"true is {quoted(right)}, {bits_of(float(trace.next_bits[t]))}"
        return f"{name}; {told}", f"has read it; {told}" if sees_ahead(trace) else told, told
    if not is_answered(trace, t):
        return ("the source is read: no answer yet" if t < trace.border else "no answer is known here"), "no answer yet"
    last = words_of(trace.task).last
    name = "if it ended here" if last and t + 1 < trace.steps else "answers"
    if sees_ahead(trace):
        name = "has read what comes next"
    if not right:
        none = "" if last or not asks(trace) else "; nothing is asked here"
        return name + none, name
    cost = "" if trace.squared is not None else f", {bits_of(float(trace.bits[t]))}"
    told = "what came is" if trace.task in CAME else "right is"
    return f"{name}; {told} {named(trace, right)}{cost}", f"{mark_of(trace)}: {named(trace, right)}{cost}"


def likeliest(trace: Trace, t: int, count: int) -> list[tuple[str, float, bool]]:
    """The likeliest answers at t: name, probability, whether it is right. The right one is always among them."""
    names, right = answers_of(trace), right_at(trace, t)
    chances = zip(trace.top_id[t].tolist(), trace.top_p[t].tolist(), strict=True)
    found = [(names[k], p, bool(right) and names[k] == right) for k, p in chances][: max(count, 0)]
    if right and not any(true for _, _, true in found):
        found = [*found[: max(count - 1, 0)], (right, 2.0 ** -float(trace.next_bits[t]), True)]
    return found


def next_bars(reading: Reading, width: int, height: int) -> tuple[Spans, list[Bar], list[Spans]]:
    """The likeliest answers after the cursor, the right one marked; if it is not among them, it stands below."""
    trace = reading.trace
    if trace is None:
        return (), [], []
    t = reading.cursor
    forms = heading_of(trace, t)
    told = next((form for form in forms if cell_len(form) + 2 <= width), forms[-1])
    heading: Spans = ((fit(f" {told}", width), "heading"),)
    rest: list[Spans] = []
    attends = attention_told(trace, t)
    if attends and height > 3:
        rest.append(((fit(f" {attends}", width), "value"),))
    if trace.predictions is not None:
        return heading, [], [*_numbers(trace, t, width), *rest][: max(height - 1, 0)]
    if not is_answered(trace, t):
        return heading, [], rest
    mark = mark_of(trace)
    bars = [
        Bar(fit(named(trace, answer), max(width // 2, 6)), p, note=mark if true else "", strong=true, share=True)
        for answer, p, true in likeliest(trace, t, max(height - 1 - len(rest), 1))
    ]
    return heading, bars, rest


def _numbers(trace: Trace, t: int, width: int) -> list[Spans]:
    """Each number that is answered at t, in its own unit, and what is right."""
    assert trace.predictions is not None
    right = [each.strip() for each in right_at(trace, t).split(",")] if right_at(trace, t) else []
    names = answers_of(trace)
    found = trace.predictions[t].tolist()
    wide = max((cell_len(clean_line(name)) for name in names[: len(found)]), default=0)
    lines: list[Spans] = []
    for k, value in enumerate(found):
        name = clean_line(names[k]) if k < len(names) else ""
        told = f" {name:<{min(wide, max(width // 2, 6))}}  {figure(value):>8}"
        true = f"   right {right[k]}" if k < len(right) else ""
        lines.append(((fit(told, width), "value"), (fit(true, max(width - cell_len(told), 0)), "mark")))
    return lines


def brief_answers(trace: Trace, t: int, count: int) -> str:
    """What is answered at t, on one line."""
    end = " end" if trace.task == LANGUAGE and t + 1 >= trace.steps else ""
    word = " next" if trace.task == LANGUAGE else " answers"
    if not is_answered(trace, t):
        return " no answer yet" if t < trace.border else " no answer"
    if trace.predictions is not None:
        told = " ".join(figure(value) for value in trace.predictions[t].tolist()[: max(count, 1)])
        right = right_at(trace, t)
        return f"{word} {told}" + (f" right {right}" if right else "")
    mark = f" {mark_of(trace)}"
    kept = likeliest(trace, t, count)
    parts = [f"{named(trace, answer)} {short(p, False)}{mark if true else ''}" for answer, p, true in kept]
    return " ".join([word, *parts]) + end


def short(value: float, signed: bool) -> str:
    """A value in few columns: `.44`."""
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.startswith("1") else text

"""What Generate says about a text that is written: lines, option rows, bars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from rnn_tui.app.panes.generate_options import OPTIONS, WEIGHTS_HELP, Option
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.widgets.bars import Bar, quoted
from rnn_tui.app.widgets.heatmap import legend
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.app.widgets.written import SURPRISING
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import Phase, Status, Writing

_LABEL = re.compile(r"^<label (.*?)>")
HELP_ROWS = 3
"""Rows of an option's help where the options have a column of their own."""


def taken_told(held: int, t: int) -> str:
    """What it writes with beside the weights: values that are held, and the h_t it goes on from (t -1: the prompt)."""
    told = f"  with {held} {'value' if held == 1 else 'values'} held" if held else ""
    return told + (f"  from h at t {t} of Inspect's text" if t >= 0 else "")


def headline(
    status: Status, writing: Writing | None, busy: bool, trouble: str, there: bool, width: int, taken: str = ""
) -> Spans:
    """How far it is, with which weights and which seed; what went wrong. `taken`: what else it writes with."""
    if trouble:
        return ((f" {fit(clean_line(trouble), width - 2)}", "bad"),)
    if busy and writing is None:
        return ((fit(" reading the prompt, enter stops", width), "quiet"),)
    if writing is None:
        untrained = ", untrained" if status.step == 0 else ""
        weights = f" weights of step {status.step:,}{untrained}" if " from h" not in taken else " the reading's weights"
        return ((fit(weights, width), "quiet"), (fit(taken, max(width - len(weights), 0)), "warn")) if there else ()
    count = f" {len(writing.text):,} of {writing.length:,} symbols"
    if not busy and writing.done and len(writing.probability) < writing.length:
        count = f" {len(writing.text):,} symbols, then its end"
    if busy:
        count = f" writing{count}, enter stops"
    told = f"  weights of step {writing.step:,}{', untrained' if writing.step == 0 else ''}  seed {writing.seed}"
    if writing.dropped:
        told += f"  {writing.dropped} symbols of the prompt are not in its vocabulary"
    elif writing.seconds > 0:
        told += f"  {len(writing.text) / writing.seconds:,.0f}/s"
    if taken:
        # What is held is told before speed and seed.
        return cut(((count, "mark"), (taken, "warn"), (told, "quiet")), width)
    return ((fit(count, width), "mark"), (fit(told, max(width - len(count), 0)), "quiet"))


def prompt_line(prompt: str, width: int) -> Spans:
    """The end of the prompt on one line."""
    if not prompt:
        told = "none, it begins at h_0; i types one" if width > 35 else "none; i types one"
        return ((fit(told, max(width, 1)), "dim"),)
    line = "".join(" " if c == " " else sign(c) for c in prompt)
    return ((fit(line, max(width, 1), tail=True), "value"),)


def prompt_told(prompt: str) -> str:
    """What is written on from as a person reads it: a label's symbol as `Czech: `, what only begins not at all."""
    return _LABEL.sub(r"\1: ", prompt).removeprefix("<start>")


def shown(option: Option, value: float) -> tuple[str, str]:
    """A value as it is read, and what it means where that is not plain."""
    if option.names:
        return fit(clean_line(option.names[min(int(value), len(option.names) - 1)]), 18), ""
    if option.name == "temperature":
        return f"{value:.1f}", "always the likeliest" if value == 0 else ""
    if option.name == "top_k":
        return f"{int(value):,}", "all" if value == 0 else ""
    if option.name == "top_p":
        return f"{value:.2f}", "all" if value == 1 else ""
    return f"{int(value):,}" if option.name == "length" else f"{int(value)}", ""


def option_rows(
    values: Mapping[str, float], chosen: int, best: bool | None, width: int, height: int, ascii_only: bool,
    options: Sequence[Option] = OPTIONS,
) -> list[Spans]:  # fmt: skip
    """The options, the chosen one marked, and its help; `best` None: there are no best weights to choose.

    Where there is one row, it is the chosen option's.
    """
    rows = [_option_row(k == chosen, option.label, *shown(option, values[option.name]), ascii_only)
            for k, option in enumerate(options)]  # fmt: skip
    help_of = options[chosen].help if chosen < len(options) else WEIGHTS_HELP
    if best is not None:
        rows.append(_option_row(chosen == len(options), "Weights", "best" if best else "newest", "", ascii_only))
    if height == 1:
        return [rows[chosen]]
    left = max(height - len(rows), 0)
    return [*rows, *(((f" {line}", "dim"),) for line in wrap(help_of, max(width - 2, 10))[:left])]


def _option_row(chosen: bool, label: str, value: str, means: str, ascii_only: bool) -> Spans:
    left, right = ("<", ">") if ascii_only else ("\u2039", "\u203a")
    name = f"{'>' if chosen else ' '}{label:<12}"
    told = f"{left} {value} {right}" if chosen else f"  {value}  "
    return ((name, "mark" if chosen else "label"), (told, "key" if chosen else "value"), (f" {means}", "dim"))


def cannot_write(status: Status) -> str:
    """Why a network whose task is to write can't; empty where it can."""
    if status.config is None or not status.config.model.bidirectional:
        return ""
    return ("Generation is off: a bidirectional network sees the symbol that it must predict. Its perplexity falls "
            "to 1 and means nothing, and it can't write: what comes after is not there yet.")  # fmt: skip


def hints(status: Status, there: bool, busy: bool, width: int) -> list[Spans]:
    """What to press while nothing is written."""
    if status.phase is Phase.LOADING:
        return [(), ((fit(f" {clean_line(status.doing or 'loading')} ...", width), "quiet"),)]
    why_not = cannot_write(status)
    if why_not:
        text = why_not
    elif not there:
        text = "There is no network yet, so nothing can write. space trains the one that Build describes; " \
               "come back with 5, also while it trains."  # fmt: skip
    elif busy:
        return []
    elif status.step == 0:
        text = "enter lets it write. Untrained, it finds every symbol about equally likely; space trains it."
    else:
        text = "enter lets it write."
    return [(), *(((f" {line}", "value"),) for line in wrap(text, max(width - 2, 10)))]


def mean_bits(writing: Writing) -> float:
    """Mean of -log2 p of the written symbols."""
    p = writing.probability.astype(np.float64)
    return max(float(-np.log2(np.maximum(p, 1e-300)).mean()), 0.0)


def footing(writing: Writing, width: int, coloured: bool, ascii_only: bool) -> list[Spans]:
    """The ramp that colours the text, the mean of what the symbols cost, and what the last one was drawn from."""
    bits = mean_bits(writing)
    mean = f"mean {bits:.2f} bits, perplexity {2 ** min(bits, 1000):.2f}"
    ramp: Spans = ((f"underlined from {SURPRISING:.0f} bits on", "quiet"),)
    if coloured:
        ramp = legend("surprise", 1.0, coloured, ascii_only)
    first: Spans = ((" cost ", "quiet"), *ramp, (f"   {mean}", "value"))
    if columns_of(first) > width:
        first = ((fit(f" {mean}", width), "value"),)
    second = ""
    if writing.top and writing.text:
        last = len(writing.top) - 1
        second = f" last {quoted(writing.text[last])} {writing.probability[last]:.2f}, of" + "".join(
            f"  {quoted(symbol)} {chance:.2f}" for symbol, chance in writing.top[last][:6]
        )
    return [first, ((fit(second, width), "quiet"),)]


def candidates(writing: Writing | None) -> tuple[Spans, list[Bar]]:
    """What the last symbol was drawn from, the drawn one marked; below the likeliest, if it is not among them."""
    if writing is None or not writing.top or not writing.text:
        return (), []
    last = len(writing.top) - 1
    symbol, likely = writing.text[last], list(writing.top[last])
    if symbol not in [each for each, _ in likely]:
        likely.append((symbol, float(writing.probability[last])))
    bars = [
        Bar(quoted(each), chance, note="written" if each == symbol else "", strong=each == symbol, share=True)
        for each, chance in likely
    ]
    return ((f" symbol {last + 1:,} was drawn from", "heading"),), bars

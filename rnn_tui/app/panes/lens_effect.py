"""What holding a value does: to what is expected next, to the cost of the text, and to what is written from here."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.cells import cell_len

from rnn_tui.app.panes import inspect_answers as answers
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.panes.lens import Asking, Lens
from rnn_tui.app.reading import BACKWARD, LANGUAGE
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import GREY, NEGATIVE, POSITIVE, Bar, quoted
from rnn_tui.app.widgets.painted import Span, Spans, columns_of
from rnn_tui.app.widgets.row import fit, pad, wrap
from rnn_tui.lab import LabError
from rnn_tui.lab.questions import Write
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import Hold, Status, Trace, Unit, Writing, in_unit, perplexity

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

WRITTEN = 60
"""Symbols that are written from the cursor on, with and without."""
RESTS = 0.5
"""Seconds that the cursor rests before they are."""
MOST_LISTED = 3
NARROW = 60
SYNTAX = "0.5   all 0   here 0.5   f 1   i all 0   release"


def meant(answer: str, layer: int, unit: int, value: str, names: Sequence[str], t: int) -> Hold | str:
    """What was typed as a hold, or what is wrong with it.

    A number alone is for the shown value of the chosen unit; before it may stand `all` for the whole layer, `here`
    for this timestep only, and the name of another value.
    """
    words = answer.split()
    if not words:
        return f"type a number, as in: {SYNTAX}"
    everyone, here, name = False, False, value
    for word in words[:-1]:
        if word == "all":
            everyone = True
        elif word == "here":
            here = True
        elif word in names:
            name = word
        else:
            return f"{fit(clean_line(word), 20)} is no value of this layer; it has {', '.join(names)}"
    last = words[-1].replace(",", ".").lstrip("=")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", last):
        return f"{fit(clean_line(words[-1]), 20)} is no number; type one last, as in: {SYNTAX}"
    number = float(last)
    if abs(number) > 1e6:
        return "a value beyond a million says nothing more; type a smaller one"
    return Hold(layer, name, -1 if everyone else unit, number, t if here else 0, t if here else -1)


def cost_told(before: float, after: float, unit: Unit) -> tuple[str, str]:
    """How the mean cost (nats) changed: in the unit of the screen, and in few words."""
    ppl = f"perplexity {perplexity(before):.2f} -> {perplexity(after):.2f}"
    shown: Unit = "bits" if unit == "perplexity" else unit
    change = f"{in_unit(before, shown):.2f} -> {in_unit(after, shown):.2f} {shown}"
    return f"mean cost {change}, {ppl}", change


class EffectLens(Lens):
    """Values held at a number, and what comes of it beside what came without.

    `x` holds the shown value of the chosen unit at 0, or releases it; `X` asks what to hold. They stay held when it
    is closed.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ("hold", "edit")
    TITLE: ClassVar[str] = "effect"

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        # What is held is held in the forward direction.
        return not pane.reading.backward

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.without = Asking()
        """`asking` is for what is written with what is held, this for what is written without."""
        self._written: list[Writing | None] = [None, None]
        self._written_at: tuple[int, int] | None = None
        """Number and t of what is written, or asked for."""
        self._rests: tuple[tuple[int, int] | None, float] = (None, 0.0)

    def begin(self, action: str) -> None:
        if action == "hold":
            self._toggle()
        else:
            self.pane.type_line()

    def _toggle(self) -> None:
        reading, held = self.reading, self.lab.status.held
        mine = [hold for hold in held
                if (hold.layer, hold.name, hold.unit) == (reading.layer, self._name, reading.unit)]  # fmt: skip
        if mine:
            for hold in mine:
                self.lab.release(hold)
        else:
            self._hold(Hold(reading.layer, self._name, reading.unit, 0.0))

    @property
    def _name(self) -> str:
        """The value that is shown; where all of the unit's are, its h."""
        return "h" if self.reading.single or self.reading.backward else self.reading.value

    def _hold(self, hold: Hold) -> str:
        try:
            self.lab.hold(hold)
        except LabError as error:
            self.host.say(str(error), error=True)
            return str(error)
        return ""

    def accept(self, value: str) -> str:
        reading = self.reading
        if value.split() == ["release"]:
            self.lab.release(None)
        elif value.strip():
            names = [name for name in reading.names if not name.startswith(BACKWARD)]
            hold = meant(value, reading.layer, reading.unit, self._name, names, reading.cursor)
            if isinstance(hold, str):
                return hold
            if self._hold(hold):
                return ""
        self.pane.close_field()
        return ""

    # What is written from here.

    def took(self, trace: Trace, another: bool) -> None:
        self._stop()

    def _stop(self) -> None:
        self.asking.cancel()
        self.without.cancel()
        self._written_at = None

    def end(self) -> None:
        self._stop()

    def tick(self, status: Status) -> bool:
        changed = False
        for k, asking in enumerate((self.without, self.asking)):
            before = asking.under_way
            found = asking.answer()
            if isinstance(found, Writing):
                self._written[k] = found
            changed = changed or before != asking.under_way
        trace = self.trace
        if trace is None or trace.without is None or not trace.number or not trace.without.number:
            return changed
        place, now = (trace.number, self.reading.cursor), time.monotonic()
        if place != self._rests[0]:
            self._rests = place, now
        elif self.pane.writes and place != self._written_at and now - self._rests[1] >= RESTS and not self.pane.editing:
            self._written_at = place
            for asking, number, holds in (
                (self.without, trace.without.number, ()), (self.asking, trace.number, trace.holds),
            ):  # fmt: skip
                asking.ask(self.lab, Write(number=number, t=place[1], length=WRITTEN, seed=1, holds=holds))
        return changed

    # Drawing.

    def header(self) -> str:
        reading = self.reading
        return f"{self._name} of unit {reading.unit}"

    def lines(self, width: int, height: int) -> Sequence[Spans]:
        trace = self.trace
        if trace is None:
            return []
        held = self.lab.status.held
        foot = self._foot(width) if height >= 6 else []
        if trace.holds != held:
            rows = self._held_lines(held, width)
            doing: Spans = ((" reading the text with them ...", "quiet"),) if held else ()
            return [*rows, doing][:height]
        if not held or trace.without is None:
            name, unit = self._name, self.reading.unit
            told = [
                f"Nothing is held. x holds {name} of unit {unit} at 0, over the whole text; X asks for what to hold.",
                "What is held is held in what is read and written, never in the training; x and X release it.",
            ]
            plain = [((f" {row}", "value"),) for line in told for row in wrap(line, max(width - 2, 10))]
            rows = [*plain, ()]
            return [*rows, *foot][:height] if len(rows) + len(foot) <= height else plain[:height]
        rows = [*self._held_lines(held, width), self._cost_line(trace, trace.without, width)]
        if height - len(rows) < 3:
            return rows[:height]
        most = self._most_changed(trace, trace.without, width)
        written = self._writing_lines(width, height)
        room = height - len(rows) - 1 - len(written) - len(foot)
        rows.append(most)
        if room >= 4:
            rows += [(), *self._expected(trace, trace.without, width, min(room - 1, 12))]
        elif room >= 2:
            rows += self._expected(trace, trace.without, width, room)
        rows += written
        blank: list[Spans] = [()] * max(height - len(rows) - len(foot), 0)
        return [*rows, *blank, *foot][:height]

    def _foot(self, width: int) -> list[Spans]:
        if not self.pane.editing:
            return []
        return [((fit(f" hold at: {SYNTAX}", width), "quiet"),)]

    def _held_lines(self, held: Sequence[Hold], width: int) -> list[Spans]:
        rows: list[Spans] = []
        listed = held[:MOST_LISTED] if len(held) <= MOST_LISTED else held[: MOST_LISTED - 1]
        for hold in listed:
            rows.append(cut(((" held ", "warn"), (str(hold), "mark")), width))
        if len(held) > len(listed):
            rows.append(((fit(f" and {len(held) - len(listed)} more held; X and release lets them all go", width),
                          "warn"),))  # fmt: skip
        return rows

    def _cost_line(self, trace: Trace, before: Trace, width: int) -> Spans:
        old, new, long, short = self._costs(trace, before)
        if math.isnan(new) or math.isnan(old):
            why = "the text is too short to have a cost" if trace.task == LANGUAGE else "what is right is not known"
            return ((fit(f" {why}", width), "quiet"),)
        style = palette.style(_tone(new - old))
        for told in (f" over the text: {long}", f" {long}", f" cost {short}"):
            if len(told) <= width:
                return ((told, style),)
        return ((fit(f" {short}", width), style),)

    def _costs(self, trace: Trace, before: Trace) -> tuple[float, float, str, str]:
        """What all answers cost without and with, and how that is told."""
        if trace.squared is None or before.squared is None:
            long, short = cost_told(before.loss, trace.loss, self.host.unit)
            if trace.task != LANGUAGE:
                long = f"mean cost {short}"
            return before.loss, trace.loss, long, short
        old, new = (float(each[~np.isnan(each)].mean()) if (~np.isnan(each)).any() else math.nan
                    for each in (before.squared, trace.squared))  # fmt: skip
        short = f"{old:.3g} -> {new:.3g}"
        return old, new, f"mean squared error {short}", short

    def _most_changed(self, trace: Trace, before: Trace, width: int) -> Spans:
        """The symbols whose cost changed most."""
        if trace.squared is not None:
            return ()
        change = np.nan_to_num(trace.bits.astype(np.float64) - before.bits.astype(np.float64))
        spans: list[Span] = [(" most changed, bits:", "quiet")]
        for t in np.argsort(-np.abs(change), kind="stable")[:5].tolist():
            what = (
                quoted(trace.symbols[t]) if trace.task == LANGUAGE else answers.named(trace, answers.right_at(trace, t))
            )
            told = f"  {what} t {t} {change[t]:+.1f}"
            if abs(change[t]) < 0.05 or columns_of(spans) + len(told) > width:
                break
            spans.append((told, palette.style(_tone(float(change[t])))))
        if len(spans) == 1:
            what = "symbol" if trace.task == LANGUAGE else "answer"
            return ((fit(f" no {what}'s cost changed by 0.1 bits", width), "quiet"),)
        return tuple(spans)

    def _expected(self, trace: Trace, before: Trace, width: int, height: int) -> list[Spans]:
        """What is expected next, without and with, symbol by symbol; the true one marked."""
        t = self.reading.cursor
        word = "next" if trace.task == LANGUAGE else "answers"
        if not answers.is_answered(trace, t):
            return [((fit(" no answer yet", width), "quiet"),)]
        if trace.predictions is not None and before.predictions is not None:
            pairs = zip(before.predictions[t].tolist(), trace.predictions[t].tolist(), strict=True)
            told = ", ".join(f"{answers.figure(a)} -> {answers.figure(b)}" for a, b in pairs)
            return [((fit(f" {word} {told}", width), "value"),)]
        chances = [dict(zip(each.top_id[t].tolist(), each.top_p[t].tolist(), strict=True)) for each in (before, trace)]
        known_names, right = answers.answers_of(trace), answers.right_at(trace, t)
        true = known_names.index(right) if right in known_names else -1
        if true >= 0:
            for each, known in zip((before, trace), chances, strict=True):
                known[true] = 2.0 ** -float(each.next_bits[t])
        # Beyond the likeliest few the exact chance is not known: it is below the least of them.
        least = [min(each.top_p[t].tolist(), default=0.0) for each in (before, trace)]
        symbols = sorted(set(chances[0]) | set(chances[1]),
                         key=lambda k: -max(chances[0].get(k, 0.0), chances[1].get(k, 0.0)))  # fmt: skip
        shown = symbols[: max(height - 1, 0)]
        if true >= 0 and true not in shown and shown:
            shown[-1] = true
        mark = f" {answers.mark_of(trace)}"
        names = [answers.named(trace, known_names[k]) + (mark if k == true else "") for k in shown]
        wide = max(5, *(cell_len(name) for name in names))
        half = min(max((width - wide - 3) // 2, 8), 44)
        heading = pad(f" {word}", wide + 2) + pad("without", half) + "held"
        rows: list[Spans] = [((fit(heading, width), "heading"),)]
        for name, k in zip(names, shown, strict=True):
            spans: list[Span] = [(f" {pad(name, wide)} ", "mark" if k == true else "label")]
            for known, floor in zip(chances, least, strict=True):
                spans.append(self._chance(known.get(k), floor, half, k == true))
            rows.append(cut(tuple(spans), width))
        return rows

    def _chance(self, p: float | None, floor: float, width: int, strong: bool) -> Span:
        if p is None:
            told = Bar("", floor, share=True).number.strip()
            return pad(told if told.startswith("<") else f"<{told}".rjust(5), width), "dim"
        bar = Bar("", p, share=True, strong=strong)
        drawn = palette.bar(p, max(min(width - 8, 24), 1), self.host.ascii_only)
        return pad(f"{bar.number} {drawn}", width), bar.style

    def _writing_lines(self, width: int, height: int) -> list[Spans]:
        """What is written from the cursor on, without and with."""
        if height < 12 or not self.pane.writes:
            return []
        trouble = self.asking.trouble or self.without.trouble
        if trouble:
            return [(), ((fit(f" {clean_line(trouble)}", width), "warn"),)]
        at = "" if self._written_at is None else f" written from t {self._written_at[1]}"
        both = all(writing is not None for writing in self._written)
        if not both:
            return [(), ((fit(f"{at or ' the text from here is written when the cursor rests'}", width), "quiet"),)]
        rows: list[Spans] = [(), ((fit(at or " written before", width), "quiet"),)]
        for name, writing in zip(("without", "held"), self._written, strict=True):
            assert writing is not None
            text = "".join(" " if symbol == " " else sign(symbol) for symbol in writing.text)
            rows.append(((f" {name:<8}", "label"), (fit(text, max(width - 10, 1)), "value")))
        return rows

    def key_hint(self) -> list[tuple[str, str]] | None:
        arrows = ("left right", "up down") if self.host.ascii_only else ("←→", "↑↓")
        mine = (self.reading.layer, self._name, self.reading.unit)
        held = any((hold.layer, hold.name, hold.unit) == mine for hold in self.lab.status.held)
        return [
            ("x", "release" if held else "hold at 0"), ("X", "hold at"), (arrows[0], "time"), (arrows[1], "unit"),
            ("v", "value"), *([("g", "write on")] if self.pane.writes else []), ("escape", "back"),
        ]  # fmt: skip


def _tone(change: float) -> int:
    """Dearer is positive, as everywhere."""
    return GREY if abs(change) < 0.005 else POSITIVE if change > 0 else NEGATIVE

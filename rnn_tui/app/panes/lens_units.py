"""Find units: all units of all layers, ranked by how well they tell a pattern, or a built-in mark, from the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.style import Style

from rnn_tui.app.panes.lens import Asking, Lens
from rnn_tui.app.panes.lens_parts import (
    first_that_fits,
    heat_line,
    keys_of,
    line,
    looks,
    sentence,
    share_told,
    source_told,
)  # fmt: skip
from rnn_tui.app.reading import round_up
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow, legend
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.row import fit, pad
from rnn_tui.lab.questions import FindMarks, FindUnits
from rnn_tui.symbols import clean_line
from rnn_tui.views import Array, Marked, Status, Trace, UnitMatch, UnitRanking
from rnn_tui.views.units import GRADED, MARKS

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

EXAMPLES = (
    ('"[^"]*"', "from a quote to the next"),
    ("\\n", "line feeds"),
    ("[A-Z]", "capitals"),
    ("(?<=\\()[^)]*", "what stands in round brackets"),
    ("\\bthe\\b", "a word"),
)
TALL = 20
"""Rows from which several units are drawn over time."""
UNDERLINED = Style(underline=True)


class UnitsLens(Lens):
    """Asks for a pattern, ranks the units by it, and shows each one's values over the text."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("find",)
    TITLE: ClassVar[str] = "find units"

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        return pane.reads_symbols

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.what = ""
        self.ranking: UnitRanking | None = None
        self.at = 0
        """The place in the ranking that is looked at."""
        self.marks: Marked | None = None
        self._marking = Asking()

    @property
    def typing(self) -> bool:
        return self.pane.editing

    @property
    def chosen(self) -> UnitMatch | None:
        """The unit that is looked at, while the place is still there."""
        found = self.ranking
        return found.units[self.at] if found is not None and found.units else None

    def begin(self, action: str) -> None:
        self.pane.type_line(self.what)

    def accept(self, value: str) -> str:
        what = value.strip()
        if not what:
            return "type a regular expression, or the name of a mark"
        self.pane.close_field()
        # Blanks around a pattern are part of it.
        self.what = what if _mark_of(what) else value
        self.ranking = self.marks = None
        self.at = 0
        mark = _mark_of(self.what)
        self._marking.cancel()
        self.asking.ask(self.lab, FindUnits(mark=mark) if mark else FindUnits(pattern=self.what))
        return ""

    def took(self, trace: Trace, another: bool) -> None:
        self.marks = None if another else self.marks
        if self.ranking is not None:
            self._mark()
            if another:
                self._choose()

    def tick(self, status: Status) -> bool:
        before = self.asking.under_way, self._marking.under_way
        found = self.asking.answer()
        if isinstance(found, UnitRanking):
            self.ranking, self.at = found, 0
            self._choose()
            self._mark()
            self.host.keys_changed()
        marks = self._marking.answer()
        if isinstance(marks, Marked):
            self.marks = marks
        return before != (self.asking.under_way, self._marking.under_way)

    def end(self) -> None:
        super().end()
        self._marking.cancel()

    def escape(self) -> bool:
        # A search that has only just begun is taken back as well.
        return self.asking.cancel()

    def act(self, action: str) -> bool:
        return self.ranking is not None and super().act(action)

    def allows(self, action: str) -> bool | None:
        return super().allows(action) if self.ranking is not None else None

    def do_next_match(self) -> None:
        self._walk(1)

    def do_previous_match(self) -> None:
        self._walk(-1)

    def do_down(self) -> None:
        self._walk(1)

    def do_up(self) -> None:
        self._walk(-1)

    def do_page_down(self) -> None:
        self._walk(10)

    def do_page_up(self) -> None:
        self._walk(-10)

    def _walk(self, by: int) -> None:
        if self.ranking is not None:
            self.at = min(max(self.at + by, 0), max(len(self.ranking.units) - 1, 0))
            self._choose()

    def _choose(self) -> None:
        unit = self.chosen
        if unit is not None:
            self.reading.choose(unit.layer, unit.unit, unit.state)

    def _mark(self) -> None:
        if self.trace is not None:
            mark = _mark_of(self.what)
            number = self.trace.number
            question = FindMarks(number, mark=mark) if mark else FindMarks(number, pattern=self.what)
            self._marking.ask(self.lab, question)

    # Drawing.

    def header(self) -> str:
        return "" if self.ranking is None else f"units for {clean_line(self.what)}"

    def styles(self, start: int, end: int) -> list[Style] | None:
        if self.ranking is None or self.trace is None:
            return None
        reading = self.reading
        scale = reading.own_scale(reading.value, reading.unit)
        values = reading.array(reading.value)[start:end, reading.unit].tolist()
        styles = [palette.signed_background(value, scale) for value in values]
        grades = self._grades()[start:end].tolist()
        return [style + UNDERLINED if grade > 0 else style for style, grade in zip(styles, grades, strict=True)]

    def _grades(self) -> Array:
        """(T) the mark over the text on the screen; zeros while it is not known."""
        steps = self.trace.steps if self.trace is not None else 0
        if self.marks is None or len(self.marks.grade) != steps:
            return np.zeros(steps, np.float32)
        return self.marks.grade

    def lines(self, width: int, height: int) -> list[Spans]:
        if self.typing or (self.ranking is None and not self.asking.under_way and not self.asking.trouble):
            return self._what_there_is(width, height)
        if self.asking.under_way:
            return self._searching(width)
        if self.ranking is None:
            return [
                (),
                *sentence(self.asking.trouble, width, "bad"),
                (),
                *sentence(f"{keys_of(self.pane, 'find')} changes it: {self.what}", width),
            ]
        return self._found(width, height)

    def _what_there_is(self, width: int, height: int) -> list[Spans]:
        """The names and some patterns, above the line where one is typed."""
        ask = "A regular expression, or one of these names, and enter:"
        if not self.typing:
            ask = f"{keys_of(self.pane, 'find')} asks for a regular expression, or one of these names:"
        names = [((f"   {pad(name, 12)}", "key"), (fit(told, max(width - 16, 1)), "value"))
                 for name, told in MARKS.items()]  # fmt: skip
        patterns = [((f"   {pad(each, 16)}", "key"), (fit(told, max(width - 20, 1)), "quiet"))
                    for each, told in EXAMPLES]  # fmt: skip
        if height < len(names) + 1:
            return [*sentence(ask, width, "mark"), *sentence(", ".join(MARKS), width, "key")][:height]
        return [line(ask, width, "mark"), *names, line("patterns, for example:", width, "quiet"), *patterns][:height]

    def _searching(self, width: int) -> list[Spans]:
        doing = self.asking.doing or "searching"
        told = [(), line(f"{clean_line(self.what)}: {doing}, escape stops it", width)]
        share = self.asking.share
        if math.isfinite(share):
            told.append(((" " + palette.bar(share, max(min(width - 2, 60), 1), self.host.ascii_only), "key"),))
        return told

    def _found(self, width: int, height: int) -> list[Spans]:
        ranking, chosen = self.ranking, self.chosen
        if ranking is None or chosen is None:
            return [line("there are no units", width)]
        several = min(max(height // 3, 1), 12) if height >= TALL else int(height >= 3)
        head = [line(self._told(ranking, chosen, width - 2), width, "mark")] if height >= 2 else []
        over_text = [self._mark_row(width)] if height >= 4 else []
        first = _window(self.at, several, len(ranking.units))
        over_text += [self._unit_row(k, width, several > 1) for k in range(first, first + several)
                      if k < len(ranking.units)]  # fmt: skip
        airy = height >= TALL
        foot = [self._legend(width)] if height >= 10 else []
        room = max(height - len(head) - len(over_text) - len(foot) - 2 * airy, 0)
        top = _window(self.at, room, len(ranking.units))
        table = [self._row(k, width) for k in range(top, min(top + room, len(ranking.units)))]
        gap: list[Spans] = [()] if airy else []
        return [*head, *over_text, *foot, *gap, *table]

    def _told(self, ranking: UnitRanking, chosen: UnitMatch, width: int) -> str:
        """How good it is, on how much of what."""
        marked = f"{share_told(ranking.marked / max(ranking.characters, 1))} marked"
        auc, source = f"AUC {chosen.auc:.2f}", source_told(ranking.source)
        step = f"weights of step {ranking.step:,}"
        # What was sought stands in the header, and the mark is seen over the text.
        return first_that_fits(
            [f"{auc} on the {source}, {marked}; {step}", f"{auc} on the {source}, {marked}", f"{auc}, {marked}"], width
        )

    def _mark_row(self, width: int) -> Spans:
        grades = self._grades()
        most = float(grades.max(initial=0.0))
        shown = np.where(grades > 0, grades / (most or 1.0), np.float32(np.nan)).astype(np.float32)
        row = HeatRow("marked", shown, "unit")
        return heat_line(row, self.reading.columns, self.reading.start, width, **looks(self.pane))

    def _unit_row(self, k: int, width: int, several: bool) -> Spans:
        trace, ranking = self.trace, self.ranking
        assert trace is not None and ranking is not None
        found = ranking.units[k]
        layer = trace.layers[min(found.layer, len(trace.layers) - 1)]
        array = layer.get(found.state, layer["h"])
        values = array[:, min(found.unit, array.shape[1] - 1)]
        largest = float(np.abs(values).max(initial=0.0))
        scale = 1.0 if found.state == "h" and largest <= 1 else round_up(largest, 2 if 0.01 <= largest < 1000 else 1)
        row = HeatRow(f"{found.state} {found.unit}", values, "signed", scale, several and k == self.at)
        return heat_line(row, self.reading.columns, self.reading.start, width, **looks(self.pane))

    def _legend(self, width: int) -> Spans:
        reading = self.reading
        scale = reading.own_scale(reading.value, reading.unit)
        name = f" {reading.value} of unit {reading.unit}, text and row  "
        spans: Spans = ((name, "quiet"), *legend("signed", scale, **looks(self.pane)))
        return spans if sum(len(text) for text, _ in spans) <= width else ((fit(name, width), "quiet"),)

    def _row(self, k: int, width: int) -> Spans:
        """A unit of the ranking: rank, place, AUC as a number and from 0.5 to 1 as a bar, and which side is higher."""
        assert self.ranking is not None
        found = self.ranking.units[k]
        sign = "+" if found.sign > 0 else "-"
        if _mark_of(self.what) in GRADED:
            side = "rises with it" if found.sign > 0 else "falls with it"
        else:
            side = "higher in a match" if found.sign > 0 else "lower in a match"
        mark = ">" if k == self.at else " "
        room = min(max(width - 62, 0), 40)
        drawn = palette.bar(2 * found.auc - 1, room, self.host.ascii_only) if room >= 4 else ""
        if width >= 62:
            text = f"{mark}{k + 1:>5}  layer {found.layer}  unit {found.unit:>5}  {found.state}  AUC {found.auc:.3f}"
            tail = f"  {pad(side, 17)} "
        else:
            text = f"{mark}{k + 1:>4} layer {found.layer} u{found.unit:>5} {found.state} AUC {found.auc:.3f}"
            tail = f" {sign}"
        tone = "mark" if k == self.at else "value"
        return ((fit(text + tail, width), tone), (drawn.rstrip(), palette.style(214 if found.sign > 0 else 39)))

    def key_hint(self) -> list[tuple[str, str]] | None:
        if self.ranking is None:
            return [(keys_of(self.pane, "find"), "pattern"), ("escape", "close")]
        return [
            (keys_of(self.pane, "next_match", "previous_match"), "unit"), (keys_of(self.pane, "find"), "pattern"),
            (keys_of(self.pane, "left", "right"), "time"), (keys_of(self.pane, "earlier", "later"), "passage"),
            ("escape", "close"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        ranking = self.ranking
        if ranking is None:
            return ""
        found = [f"{k}\tlayer {each.layer}\tunit {each.unit}\t{each.state}\tAUC {each.auc:.4f}\t{each.sign:+d}"
                 for k, each in enumerate(ranking.units[:50], 1)]  # fmt: skip
        told = f"units for {clean_line(ranking.what)}, {clean_line(ranking.source)}, {ranking.marked:,} marked"
        return "\n".join([told, *found])


def _mark_of(what: str) -> str:
    """The built-in mark of that name, however it is written; empty where there is none."""
    name = "-".join(what.lower().replace("_", " ").replace("-", " ").split())
    return name if name in MARKS else ""


def _window(at: int, room: int, total: int) -> int:
    """Where a window of `room` starts that shows place `at`: it turns pages, so that a step mostly moves the mark."""
    return min(at // max(room, 1) * max(room, 1), max(total - room, 0))

"""Find a state: the units that stay on through a range of timesteps, and where in the corpus they are on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.style import Style

from rnn_tui.app.panes import inspect_view
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, keys_of, line, sentence
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.row import fit
from rnn_tui.lab.questions import FindState
from rnn_tui.lab.task_words import words_of
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import StateMatches, StatePlace, Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

BEFORE = 60
"""Symbols of the passage that stand before the place it is read for."""
STEP = 0.05
MARKED = palette.style(None, 237, bold=True) + Style(underline=True)


class StatesLens(Lens):
    """A range of timesteps is marked; the places of the corpus where its units are on are listed and walked."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("mark",)
    TITLE: ClassVar[str] = "find a state"

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        return pane.reads_symbols

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.start = -1
        """Where the range begins, while it is being marked."""
        self.threshold = 0.3
        self.matches: StateMatches | None = None
        self.at = -1
        """The place that was gone to last."""
        self._asked: FindState | None = None
        self._home = True
        """Whether the text on the screen is the one that the range was marked in."""

    def begin(self, action: str) -> None:
        trace, reading = self.trace, self.reading
        if trace is None:
            return
        if self.start < 0:
            self._drop()
            self.start = reading.cursor
            return
        first, last = self._range()
        state = reading.text_value if reading.single else reading.value
        state = state if state in ("h", "c") else "h"
        self.start = -1
        self._ask(FindState(trace.number, reading.layer, state, first, last, self.threshold))

    def _range(self) -> tuple[int, int]:
        return min(self.start, self.reading.cursor), max(self.start, self.reading.cursor)

    def _ask(self, question: FindState) -> None:
        self._asked = question
        self.matches, self.at, self._home = None, -1, True
        self.asking.ask(self.lab, question)
        self.host.keys_changed()

    def _drop(self) -> None:
        self.asking.cancel()
        self.start, self._asked, self.matches, self.at, self._home = -1, None, None, -1, True
        self.asking.trouble = ""

    def took(self, trace: Trace, another: bool) -> None:
        if another:
            self._home = False
            if self.start >= 0:
                self._drop()

    def tick(self, status: Status) -> bool:
        before = self.asking.under_way
        found = self.asking.answer()
        if isinstance(found, StateMatches):
            self.matches, self.at = found, -1
            self.host.keys_changed()
        return before != self.asking.under_way

    def escape(self) -> bool:
        if self.start < 0 and self._asked is None:
            return False
        self._drop()
        self.host.keys_changed()
        return True

    def act(self, action: str) -> bool:
        return self.allows(action) is True and super().act(action)

    def allows(self, action: str) -> bool | None:
        if action in ("more", "less"):
            return True
        return super().allows(action) if self.matches is not None and self.matches.places else None

    def do_more(self) -> None:
        self._change_threshold(1)

    def do_less(self) -> None:
        self._change_threshold(-1)

    def _change_threshold(self, by: int) -> None:
        # In whole steps: a sum of twentieths would drift.
        self.threshold = min(max(round(self.threshold / STEP) + by, 0) * STEP, 20.0)
        asked = self._asked
        if asked is not None:
            number = self.trace.number if self._home and self.trace is not None else asked.number
            home = self._home
            self._ask(FindState(number, asked.layer, asked.state, asked.first, asked.last, self.threshold))
            self._home = home

    def do_next_match(self) -> None:
        self._walk(1)

    def do_previous_match(self) -> None:
        self._walk(-1)

    def do_down(self) -> None:
        self._walk(1)

    def do_up(self) -> None:
        self._walk(-1)

    def _walk(self, by: int) -> None:
        matches = self.matches
        if matches is None or not matches.places:
            return
        at = min(max(self.at + by, 0), len(matches.places) - 1)
        if at == self.at:
            return
        self.at = at
        place = matches.places[at]
        # Of a stream it is a symbol's place, of examples the number of one.
        streamed = self.trace is not None and words_of(self.trace.task).streamed
        begin = max(place.offset - BEFORE, 0) if streamed else place.offset
        self.pane.read_passage(place.part, begin, place.offset - begin)

    # Drawing.

    def rows(self, room: int, width: int) -> int:
        # While a range is marked the units are of more use.
        return room if self._asked is not None else 4

    def header(self) -> str:
        if self.start >= 0:
            first, last = self._range()
            return f"marks t {first} to {last}"
        if self._asked is not None:
            return f"state of t {self._asked.first} to {self._asked.last}"
        return ""

    def styles(self, start: int, end: int) -> list[Style] | None:
        first, last = self._underlined()
        if last < first:
            return None
        styles = inspect_view.text_styles(self.reading, start, end)
        return [style + MARKED if first <= t <= last else style for t, style in enumerate(styles, start)]

    def _underlined(self) -> tuple[int, int]:
        """The range that is marked, or the place that was gone to; empty: (0, -1)."""
        trace, asked = self.trace, self._asked
        if self.start >= 0:
            return self._range()
        if asked is not None and self._home:
            return asked.first, asked.last
        if trace is not None and self.matches is not None and 0 <= self.at < len(self.matches.places):
            place = self.matches.places[self.at]
            if (trace.part or "validation") == place.part:
                first = place.offset - trace.offset
                return first, first + place.length - 1
        return 0, -1

    def lines(self, width: int, height: int) -> list[Spans]:
        m, more = keys_of(self.pane, "mark"), keys_of(self.pane, "more", "less")
        if self.start >= 0:
            first, last = self._range()
            steps = f"{last - first + 1} timestep{'s' if last > first else ''}"
            told = f"t {first} to {last}, {steps}: {self._quoted(first, last)}"
            return [line(told, width, "mark"), *sentence(f"Moving extends it; {m} finds where the units that stay on "
                    "through it are on again, escape drops it.", width)][:height]  # fmt: skip
        if self._asked is None:
            told = f"{m} marks where the range begins. The units with a value of {self.threshold:.2f} or more"
            return sentence(f"{told} all through it are sought in the corpus; {more} changes that.", width)[:height]
        if self.asking.under_way:
            doing = self.asking.doing or "searching"
            return [line(self._what(), width, "mark"), line(f"{doing}, escape stops it", width)][:height]
        if self.matches is None:
            return [line(self._what(), width, "mark"), *sentence(self.asking.trouble or "it was stopped", width, "bad"),
                    *sentence(f"{more} changes the threshold, {m} marks another range.", width)][:height]  # fmt: skip
        return self._found(self.matches, width, height)

    def _what(self) -> str:
        asked = self._asked
        assert asked is not None
        return f"layer {asked.layer}, {asked.state} at least {asked.threshold:.2f} from t {asked.first} to {asked.last}"

    def _quoted(self, first: int, last: int) -> str:
        return "".join(self.reading.columns.signs[first : last + 1])

    def _found(self, matches: StateMatches, width: int, height: int) -> list[Spans]:
        units, places = matches.units, matches.places
        head = [line(self._what(), width, "mark")]
        if not units:
            more = keys_of(self.pane, "less")
            return [*head, *sentence(f"No unit stays on through all of it; {more} lowers the threshold.", width)]
        who = " ".join(map(str, units))
        count = f"{len(units)} units stay on" if len(units) > 1 else "1 unit stays on"
        head.append(line(f"{count}: {who}", width))
        where = f"{len(places)} places in {matches.characters:,} symbols, best first"
        if not places:
            return [*head, line(f"in {matches.characters:,} symbols no place has them on", width)][:height]
        forms = [f"{where}; +n: of the layer's other units n are on too", f"{where}; +n: n other units on too", where]
        head.append(line(first_that_fits(forms, width - 2), width, "quiet"))
        if height < 6:
            head = head[:1]
        room = max(height - len(head), 1)
        now = max(self.at, 0)
        top = min(now // room * room, max(len(places) - room, 0))
        wide = max(cell_len(_where(place)) for place in places)
        rows = [self._place(k, places[k], len(units), wide, width) for k in range(top, min(top + room, len(places)))]
        return [*head, *rows]

    def _place(self, k: int, place: StatePlace, units: int, wide: int, width: int) -> Spans:
        """A place: how many units are on, where it is, and its text in context."""
        mark = ">" if k == self.at else " "
        on = f"{place.on} of {units}".rjust(2 * len(str(units)) + 4)
        lead = f"{mark}{k + 1:>3} {on} on"
        if width >= 70:
            lead += f" {f'+{place.others}':>5}  {_where(place):<{wide}}"
        lead += "  "
        room = max(width - cell_len(lead) - 1, 3)
        inside = fit(_signs(place.text), max(room * 2 // 3, 1))
        rest = room - cell_len(inside)
        before = fit(_signs(place.before), rest // 2, tail=True)
        # What is found stands in one column, one below the other.
        before = " " * (min(rest // 2, 20) - cell_len(before)) + before
        after = fit(_signs(place.after), max(rest - cell_len(before), 0))
        tone = "mark" if k == self.at else "value"
        return ((lead, tone), (before, "quiet"), (inside, palette.style(255) + MARKED), (after, "quiet"))

    def key_hint(self) -> list[tuple[str, str]] | None:
        mark = (keys_of(self.pane, "mark"), "range ends" if self.start >= 0 else "range begins")
        hints = [mark, (keys_of(self.pane, "left", "right"), "time")]
        if self.matches is not None and self.matches.places:
            hints.insert(0, (keys_of(self.pane, "next_match", "previous_match"), "place"))
        if self._asked is not None or self.start >= 0:
            hints += [(keys_of(self.pane, "more", "less"), "threshold"), ("escape", "drop")]
        else:
            hints.append(("escape", "close"))
        return hints

    def copy_text(self) -> str:
        matches = self.matches
        if matches is None:
            return ""
        total = len(matches.units)
        told = [
            f"{clean_line(place.part)} {place.offset}\t{place.on} of {total} on\t{place.others} others\t"
            f"{_signs(place.before)}|{_signs(place.text)}|{_signs(place.after)}"
            for place in matches.places
        ]
        return "\n".join([f"{self._what()}: units {' '.join(map(str, matches.units))}", *told])


def _where(place: StatePlace) -> str:
    return f"{clean_line(place.part)} {place.offset:,}"


def _signs(text: str) -> str:
    return "".join(map(sign, text))

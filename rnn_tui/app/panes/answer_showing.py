"""What Generate shows of a network that does not write: its newest answer, on the page of its kind."""

from __future__ import annotations

import math
import time
from typing import Any

from textual.app import ComposeResult
from textual.geometry import Size
from textual.widget import Widget

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import answer_words as words
from rnn_tui.app.panes.answer_added import AddedPage
from rnn_tui.app.panes.answer_apart import ApartPage, Parting, has_parts
from rnn_tui.app.panes.answer_asking import UPDATES, Asking, GapAsking
from rnn_tui.app.panes.answer_classified import ClassifiedPage
from rnn_tui.app.panes.answer_lines import ForecastPage, GapsPage
from rnn_tui.app.panes.answer_page import LOW, Page
from rnn_tui.app.panes.answer_tagged import TaggedPage
from rnn_tui.app.panes.answer_translated import TranslatedPage
from rnn_tui.app.panes.reading_pane import DRAW_EVERY
from rnn_tui.app.widgets.field import Field
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.views import Added, Answer, Breakdown, Classified, Forecast, GapCurves, Phase, Status, Tagged, Translated

PAGES: dict[type[Answer], type[Page]] = {
    Tagged: TaggedPage, Classified: ClassifiedPage, Translated: TranslatedPage, Forecast: ForecastPage,
    Added: AddedPage, GapCurves: GapsPage,
}  # fmt: skip


class AnswerShowing(Widget):
    """The newest answer, the question under way, and the page that shows it."""

    can_focus = False
    DEFAULT_CSS = """
    AnswerShowing { height: 1fr; layout: vertical; overflow: hidden hidden; }
    AnswerShowing > Painted { height: 1; }
    AnswerShowing > Field { display: none; margin-left: 1; }
    AnswerShowing > #typing { display: none; }
    AnswerShowing > #empty { height: 1fr; }
    """

    def __init__(self, pane: Pane) -> None:
        super().__init__(id="answering")
        self._pane = pane
        self.asking = Asking()
        self.gaps = GapAsking()
        self.at_gaps = False
        """Whether the gap curves are looked at."""
        self.parting = Parting()
        self.at_apart = False
        """Whether the figures of a whole part are looked at, taken apart."""
        self.apart: ApartPage | None = None
        self.answer: Answer | None = None
        self.pages: dict[type[Answer], Page] = {}
        self._kept = -1
        """The place to go to once there is an answer: where the session was left; -1: none."""
        self._typed: list[tuple[str, int]] = []
        """Moves that were typed while the answer was awaited."""
        self._now: tuple[Any, ...] = ()
        self._dirty = True
        self._drawn_at = -math.inf
        self._drawn_for: tuple[Size, ...] = ()
        self._header = Painted()
        self._field = Field(lines=True)
        self._hint = Painted(id="typing")
        self._empty = Painted(id="empty")

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._field
        yield self._hint
        yield self._empty

    # What there is.

    @property
    def status(self) -> Status:
        return self._pane.lab.status

    @property
    def task_name(self) -> str:
        config = self.status.config
        return config.data.task if config is not None else ""

    @property
    def has_apart(self) -> bool:
        """Whether there are figures to take apart."""
        return has_parts(self.status.config)

    @property
    def shown_answer(self) -> Answer | None:
        """What is looked at: the gap curves, or the answer."""
        return self.gaps.curves if self.at_gaps else self.answer

    @property
    def page(self) -> Page | None:
        """The page of what is looked at."""
        if self.at_apart:
            return self.apart if self.parting.tables else None
        shown = self.shown_answer
        return self.pages.get(type(shown)) if shown is not None else None

    @property
    def busy(self) -> bool:
        return self._at.under_way

    @property
    def _at(self) -> Asking | GapAsking | Parting:
        """The question that belongs to what is looked at."""
        return self.gaps if self.at_gaps else self.parting if self.at_apart else self.asking

    # The tick.

    def tick(self, status: Status) -> None:
        """Take what has come, ask what is due, draw what changed."""
        if status.phase is not Phase.LOADING and self.asking.meet(status):
            self.forget()
        waited = self.asking.under_way
        found = self.asking.answer()
        if found is not None:
            self.answer = found[0]
            self._turn_to(found[0], found[1])
            if self._kept >= 0:
                self.pages[type(found[0])].put_place(self._kept)
                self._kept = -1
            if not self.at_apart:
                self._make_typed()
        elif waited and self.asking.trouble:
            self._typed.clear()
            if self.answer is not None:
                self._pane.host.say(self.asking.trouble, error=True)
                self.asking.go_back()
                self.asking.trouble = ""
        if waited and not self.asking.under_way:
            self._dirty = True
            self._pane.host.keys_changed()
        if self.gaps.grown():
            if self.gaps.curves is not None:
                self._turn_to(self.gaps.curves, True)
            self._dirty = True
            self._pane.host.keys_changed()
        if self.parting.ended():
            self._take_apart()
        elsewhere = self.at_gaps or self.at_apart
        if not elsewhere and self.asking.due(self.answer is not None, status, self._pane.host.plot_period):
            self._ask()
        now = (status.phase, status.doing, status.step, status.weights_version, self.asking.doing, self.gaps.doing,
               self.parting.doing)  # fmt: skip
        if now != self._now:
            self._now = now
            self._dirty = True
        rested = time.monotonic() - self._drawn_at >= DRAW_EVERY
        if (self._dirty or self._drawn_for != self._sizes()) and (rested or not self.gaps.under_way):
            self.draw()

    def _turn_to(self, answer: Answer, same: bool) -> None:
        """Hand an answer to the page of its kind, which is made when it is first needed."""
        kind = type(answer)
        if kind not in self.pages:
            self.pages[kind] = PAGES[kind]()
            self.mount(self.pages[kind])
        self.pages[kind].take(answer, same)

    def _take_apart(self) -> None:
        """Show the tables that have come, on a page that is made when it is first needed; or why there are none."""
        if self.apart is None:
            self.apart = ApartPage()
            self.mount(self.apart)
        if self.parting.trouble:
            self._typed.clear()
            if self.parting.tables:
                self._pane.host.say(self.parting.trouble, error=True)
        else:
            self.apart.put(self.parting.tables)
            if self.at_apart:
                self._make_typed()
        self._dirty = True
        self._pane.host.keys_changed()

    def _make_typed(self) -> None:
        typed, self._typed = self._typed, []
        for move, by in typed:
            self._make(move, by)

    def _make(self, move: str, by: int) -> None:
        page = self.page
        if page is None:
            return
        if move == "row":
            page.step_row(by)
        else:
            page.put_place(by if move == "go" else page.place + by)

    def _ask(self) -> None:
        self.asking.ask(self._pane.lab)
        self._dirty = True

    def forget(self) -> None:
        """Another network answers: what the old one said is not its own."""
        self.asking.forget()
        self.gaps.forget()
        self.parting.forget()
        self.answer = None
        self.at_gaps = self.at_apart = False
        self._kept = -1
        self._typed.clear()
        self._dirty = True

    def _sizes(self) -> tuple[Size, ...]:
        return tuple(child.size for child in self.query("*"))

    # Drawing.

    def redraw(self) -> None:
        """Draw anew once the layout is done."""
        self._dirty = True
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Draw what changed; every widget sends only the columns that differ."""
        if not self.is_mounted or not self.size.height or not self.display:
            return
        self._dirty = False
        self._drawn_at = time.monotonic()
        self._drawn_for = self._sizes()
        page, width = self.page, self.size.width
        for each in (*self.pages.values(), *((self.apart,) if self.apart is not None else ())):
            each.display = each is page
        self._empty.display = page is None
        if page is None:
            self._header.paint([((f" {self._at.doing}", "quiet"),)])
            if self.at_apart:
                self._empty.paint(words.apart_message(self.parting.trouble, self.parting.under_way, width))
            else:
                self._empty.paint(words.message(self.status, self._at.trouble, self.busy, self.task_name, width))
        else:
            rows = 2 if self.size.height >= LOW else 1
            if isinstance(page, ApartPage):
                rows = page.fold(width, self.size.height)
            self._header.styles.height = rows
            self._header.paint(self._headlines(page, width, rows))
            if page.is_mounted and page.size.height:
                page.draw()
        if self._pane.field is self._field:
            self._hint.paint([words.typing_hint(self.task_name, width)])

    def _headlines(self, page: Page, width: int, rows: int) -> list[Spans]:
        best = self.parting.best if self.at_apart else self.asking.best and self.status.has_best
        others = self._at.version != self.status.weights_version
        shown = page.shown if isinstance(page, ApartPage) else self.shown_answer
        assert shown is not None
        follows = self.asking.follows and not self.at_apart
        weights = words.weights_told(shown.step, self.status.step, best, follows, others)
        if isinstance(page, ApartPage):
            verdict = page.verdict(0 if self._at.doing else width - len(weights) - 3)
            source = "" if page.folded else page.source()
            return words.headlines(verdict, source, weights, self._at.doing, width, rows, stop="escape")
        assert not isinstance(shown, Breakdown)
        source = words.source_told(shown)
        if self.at_gaps:
            updates = UPDATES[self.gaps.updates]
            source = self.gaps.trouble or (f"fresh ones get {updates:,} updates" if updates else "this network alone")
        elif len(page.VIEWS) > 1 and page.view:
            source = f"{page.VIEWS[page.view]}  {source}"
        return words.headlines(page.verdict(), source, weights, self._at.doing, width, rows)

    # What is kept and told.

    def copied(self) -> str:
        return self.page.copied() if self.page is not None else ""

    def told(self) -> dict[str, str]:
        """Live values for the help."""
        return self.page.told() if self.page is not None else {}

    def state(self) -> dict[str, Any]:
        """What is kept with the session."""
        page = self.pages.get(type(self.answer)) if self.answer is not None else None
        return {**self.asking.state(), "place": page.place if page is not None else self._kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; from a file, so anything may be in it."""
        self.forget()
        self.asking.restore(state)
        place = state.get("place")
        fine = isinstance(place, int) and not isinstance(place, bool) and 0 <= place < 2**31
        self._kept = place if fine and place is not None else -1

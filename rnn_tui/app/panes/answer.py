"""Where Generate asks a network that does not write: what its keys do."""

from __future__ import annotations

import re
import time

from rnn_tui.app.panes.answer_apart import ApartPage
from rnn_tui.app.panes.answer_asking import BEAMS, UPDATES, VALUES
from rnn_tui.app.panes.answer_lines import ForecastPage, GapsPage
from rnn_tui.app.panes.answer_showing import AnswerShowing
from rnn_tui.app.panes.answer_translated import TranslatedPage
from rnn_tui.app.panes.inquiry import has_network
from rnn_tui.app.panes.reading_pane import DRAW_EVERY, SLOW
from rnn_tui.app.widgets.field import LONGEST
from rnn_tui.lab.task_words import words_of

LABELS = {
    "prompt": "text", "again": "ask again", "probabilities": "view", "left": "time", "up": "row", "compare": "gaps",
}  # fmt: skip
"""What keys that mean something else while it writes are called here."""
MOVES = {
    "left": ("move", -1), "right": ("move", 1), "left_ten": ("move", -10), "right_ten": ("move", 10),
    "first": ("go", 0), "last": ("go", 2**40), "up": ("row", -1), "down": ("row", 1),
}  # fmt: skip
MOST_TYPED = 1000


class Answering(AnswerShowing):
    """What is asked, and the place in the answer; its pane hands it the keys."""

    def allows(self, action: str) -> bool:
        """Whether it means something now."""
        if not has_network(self.status) or (action not in MOVES and not hasattr(self, f"do_{action}")):
            return False
        page = self.page
        if action in ("prompt", "again", "write"):
            return action != "prompt" or not self.at_gaps
        if action == "follow":
            return not self.at_apart
        if action == "compare":
            return words_of(self.task_name).gapped
        if action in ("earlier", "later"):
            return not self.at_gaps and not self.at_apart
        if action == "best":
            return self.status.has_best
        if action in ("probabilities", "probabilities_back"):
            more = page is not None and len(page.VIEWS) > 1
            return not self.at_gaps and (self.at_apart or self.has_apart or more)
        if action == "go_to" and self.at_apart:
            return False
        if page is None:
            # Moves are kept until there is an answer to move in.
            return action in MOVES
        if action in ("up", "down"):
            return isinstance(page, TranslatedPage | ApartPage)
        if action in ("more", "less"):
            return bool(page.MORE)
        return True

    def label_of(self, action: str) -> str:
        """What an action is called here."""
        if action == "write":
            return "stop" if self.busy else "measure" if self.at_gaps else "score" if self.at_apart else "ask"
        if action == "again" and self.at_apart:
            return "score again"
        if action == "left" and self.at_apart:
            return "column"
        if action == "again" and self.at_gaps:
            return "measure again"
        if action == "left" and isinstance(self.page, GapsPage):
            return "gap"
        if action == "compare" and self.at_gaps:
            return "back"
        if action == "more" and self.page is not None:
            return self.page.MORE
        return LABELS.get(action, "")

    def act(self, action: str) -> None:
        """Perform an action of the pane."""
        if action in MOVES:
            self._move(*MOVES[action])
        else:
            getattr(self, f"do_{action}")()
            self._pane.host.keys_changed()

    def _move(self, move: str, by: int) -> None:
        elsewhere = self.at_gaps or self.at_apart
        if self.page is None or (self.asking.awaits_another and not elsewhere):
            if len(self._typed) < MOST_TYPED:
                self._typed.append((move, by))
            return
        self._make(move, by)
        # Drawn with the next tick where keys come faster than ten a second, or the line is slow.
        if time.monotonic() - self._drawn_at >= DRAW_EVERY and self._pane.host.plot_period < SLOW:
            self.draw()
        else:
            self._dirty = True

    def do_prompt(self) -> None:
        self._field.display = self._hint.display = True
        self._pane.open_field(self._field, self.asking.text or "")
        self.redraw()

    def accept(self) -> None:
        """Enter in the open field: ask about what was typed; nothing: an example of the data."""
        text = self._field.value
        self.close()
        self.take_text(text)

    def close(self) -> None:
        """Put the field away."""
        self._pane.close_field()
        self._field.display = self._hint.display = False
        self.redraw()

    def take_text(self, text: str) -> None:
        """Ask about a text of the person's own, whole; an empty one: an example of the data."""
        self.at_gaps = False
        self._leave_apart()
        self.asking.text = text[:LONGEST] if text.strip() else None
        self._ask()
        self.draw()

    def escape(self) -> bool:
        """One level up: what is under way, then the gap curves or the figures that are taken apart."""
        if self.at_apart:
            if not self.parting.stop() or not self.parting.tables:
                self._leave_apart()
        elif self.at_gaps:
            if not self.gaps.stop():
                self.at_gaps = False
        elif not (self.asking.late and self._stop()):
            return False
        self._pane.host.keys_changed()
        self.redraw()
        return True

    def _stop(self) -> bool:
        if not self.asking.stop():
            return False
        self._typed.clear()
        if self.answer is None:
            self.asking.trouble = "stopped"
        else:
            self.asking.go_back()
        return True

    def do_write(self) -> None:
        if self.busy:
            if self.at_apart:
                self._typed.clear()
                self.parting.stop()
            elif self.at_gaps:
                self.gaps.stop()
            else:
                self._stop()
            self.draw()
        else:
            self.do_again()

    def do_again(self) -> None:
        if self.at_gaps:
            self.gaps.ask(self._pane.lab, self.asking.best)
        elif self.at_apart:
            self.parting.ask(self._pane.lab, self.asking.best)
        else:
            self._ask()
        self.draw()

    def do_follow(self) -> None:
        self.asking.follows = not self.asking.follows
        self.draw()

    def do_best(self) -> None:
        self.asking.best = not self.asking.best
        self.do_again()

    def do_earlier(self) -> None:
        self.asking.turn(-1, self.answer)
        self._ask()

    def do_later(self) -> None:
        self.asking.turn(1, self.answer)
        self._ask()

    def do_probabilities(self) -> None:
        self._turn_view(1)

    def do_probabilities_back(self) -> None:
        self._turn_view(-1)

    def _turn_view(self, by: int) -> None:
        """The next view of the answer; after the last one, and before the first, the figures taken apart."""
        tables = max(len(self.parting.tables), 1) if self.has_apart else 0
        page = self.pages.get(type(self.answer)) if self.answer is not None else None
        views = len(page.VIEWS) if page is not None else 1
        now = views + (self.apart.view if self.apart is not None else 0) if self.at_apart else page.view if page else 0
        to = (now + by) % (views + tables)
        if to >= views:
            if self.apart is not None:
                self.apart.turn_to(to - views)
            self._enter_apart()
        else:
            self._leave_apart()
            if page is not None:
                page.view = to
        self.redraw()

    def _enter_apart(self) -> None:
        if not self.at_apart:
            self._typed.clear()
        self.at_apart = True
        if self.parting.wants(self.asking.best and self.status.has_best):
            self.parting.ask(self._pane.lab, self.asking.best)

    def _leave_apart(self) -> None:
        """Back to one example; what nobody looks at is not scored to its end."""
        if self.at_apart:
            self._typed.clear()
            self.parting.stop()
            self.at_apart = False
            self.parting.trouble = ""

    def do_more(self) -> None:
        self._change(1)

    def do_less(self) -> None:
        self._change(-1)

    def _change(self, by: int) -> None:
        """More or fewer beams, values of a series, updates of the fresh networks."""
        if self.at_gaps:
            self.gaps.updates = min(max(self.gaps.updates + by, 0), len(UPDATES) - 1)
            if self.gaps.under_way:
                self._pane.host.say("enter stops it and, once more, starts with that many updates")
        elif isinstance(self.page, TranslatedPage):
            self.asking.beams = min(max(self.asking.beams + by, 0), len(BEAMS) - 1)
            self._ask()
        elif isinstance(self.page, ForecastPage):
            self.asking.values = min(max(self.asking.values + by, 0), len(VALUES) - 1)
            self._ask()
        self.draw()

    def do_compare(self) -> None:
        self.at_gaps = not self.at_gaps
        if self.at_gaps and self.gaps.curves is None and not self.gaps.under_way:
            self.gaps.ask(self._pane.lab, self.asking.best)
        self.redraw()

    def do_go_to(self) -> None:
        page = self.page
        last = page.steps - 1 if page is not None else 0
        self._pane.host.ask_text("Go to", f"A timestep, t 0 to t {last}, or the number of an example.", "", self._go_to)

    def _go_to(self, answer: str) -> str:
        found = re.fullmatch(r"\s*([tT]?)\s*([0-9]{1,9})\s*", answer)
        page = self.page
        if not found or page is None:
            return "type a timestep (t 19) or an example (12)"
        number = int(found[2])
        if not found[1] and not self.at_gaps:
            self.asking.text, self.asking.offset = None, number
            self._ask()
            return ""
        if number >= page.steps:
            return f"t {number} is not there; the last is {page.steps - 1}"
        page.put_place(number)
        self.draw()
        return ""

    def leave(self) -> None:
        """The network that is shown now is not asked: put an end to what is under way."""
        self.gaps.stop()
        self.parting.stop()
        self.asking.stop()

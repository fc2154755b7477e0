"""What Gradients reads and asks: the text, the loss's place in it, and the question that they make."""

from __future__ import annotations

import math
import time

from rnn_tui.app.panes import inspect_view as view
from rnn_tui.app.panes.gradients_questions import Answers
from rnn_tui.app.panes.inquiry import Inquiry
from rnn_tui.app.panes.reading_pane import ReadingPane, TextPane
from rnn_tui.app.reading import LANGUAGE
from rnn_tui.lab.questions import Compare, FollowGradient, Question
from rnn_tui.lab.task_words import words_of
from rnn_tui.views import Comparison, GradientFlow, Status, Trace

VIEWS = ("reach", "steps", "training")
COMPARED = ("off", "fresh", "trained")
NOW_EVERY = 1.0
"""Seconds from one drawing of the step that the training has reached to the next."""


class GradientsReading(TextPane):
    """The text, where the loss stands in it, which view is shown; a subclass draws it."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.answers = Answers()
        self.view = "reach"
        self.compared = "off"
        self.at = -1
        """Timestep at whose output the loss stands; -1: the last that has a next symbol."""
        self.k = 0
        """How far back the gradient may go, step by step; 0: as far as the training lets it."""
        self._layer_chosen = False
        self._version = -1
        """Of the weights that were asked for last."""
        self._there: tuple[str, ...] = ()
        """The text that Inspect had when it was last looked at."""
        self._now = (0, -math.inf)
        self._followed = False

    # What is read.

    def shown(self) -> None:
        self._shown_at = time.monotonic()
        self._meet(self.lab.status)
        self._look_at_inspect()
        self.tick(self.lab.status)

    def _meet(self, status: Status) -> None:
        """Look whether it is another network than before: what was asked of that one is void."""
        another, was_there = self.inquiry.meet(status)
        if another:
            self.inquiry.forget()
            self.answers.forget()
            self.reading.leave()
            self.at, self._there = -1, ()
            self._dirty = True
            if was_there:
                self.forget_typed()

    def _look_at_inspect(self) -> None:
        """Where Inspect reads another text than when it was last looked at, it is the text here too, and its place."""
        try:
            other = self.host.pane("inspect")
        except KeyError:
            return
        there = other.trace if isinstance(other, ReadingPane) else None
        inquiry = getattr(other, "inquiry", None)
        if there is None or not there.number or there.symbols == self._there or not isinstance(inquiry, Inquiry):
            return
        if there.weights_version > self.lab.status.weights_version:
            return
        self._there = there.symbols
        self.inquiry.stop()
        self.inquiry.trouble = ""
        self.inquiry.text, self.inquiry.passage, self.inquiry.part = inquiry.text, there.offset, inquiry.part
        self.reading.leave()
        self._take(there, another=True)
        assert isinstance(other, ReadingPane)
        if other.reading.cursor:
            self.reading.go(other.reading.cursor)
        self._dirty = True

    def _take(self, trace: Trace, another: bool) -> None:
        """A reading came. The first of a text is shown where the loss stands."""
        first = self.trace is None
        if another:
            self.reading.leave()
            self.answers.forget_shown()
            self.at = -1 if not first else self.at
        if not self._layer_chosen:
            self.reading.layer = len(trace.layers) - 1
        place = self.reading.cursor
        self.reading.take(trace, keep_order=True)
        if (first or another) and not place:
            self.reading.go(self.place)
        self.answers.forget_others(trace.number)
        self._version = max(self._version, trace.weights_version)
        self._now = (self.lab.status.step, time.monotonic())

    @property
    def places(self) -> list[int]:
        """The timesteps at which a loss can stand: where something is asked, or answered if nothing is known."""
        trace = self.trace
        if trace is None:
            return []
        if trace.task == LANGUAGE:
            return list(range(trace.steps - 1))
        asked = [t for t, right in enumerate(trace.right) if right]
        if asked or words_of(trace.task).last:
            return asked or [trace.steps - 1]
        return list(range(max(trace.border, 0), trace.steps))

    @property
    def place(self) -> int:
        """Where the loss stands: the last that asks, or the one that was chosen, or what is nearest to it."""
        places = self.places
        if not places:
            return 0
        return places[-1] if self.at < 0 else min(places, key=lambda t: abs(t - self.at))

    @property
    def trained_with(self) -> int:
        """How many timesteps the training lets a gradient go back; 0: over the whole of an example."""
        config = self.lab.status.config
        streamed = config is not None and words_of(config.data.task).streamed
        return config.training.sequence_length if config is not None and streamed else 0

    @property
    def reach(self) -> int:
        """k of the slider: how many timesteps back the gradient may go, the loss's own included."""
        return min(self.k or self.trained_with or self.place + 1, self.place + 1)

    @property
    def question(self) -> Question | None:
        """What has to be known for what is shown; None where nothing is missing, or can't be had."""
        trace = self.trace
        if trace is None or not self.places or not trace.number or self.view == "training" or self.awaits:
            return None
        if self.view == "steps":
            return FollowGradient(trace.number, self.place, 0 if self.reach > self.place else self.reach)
        if self.compared != "off":
            return Compare(trace.number, self.place, trained=self.compared == "trained")
        return FollowGradient(trace.number, self.place)

    @property
    def flow(self) -> GradientFlow | None:
        """What the view shows, or did last while the next is awaited."""
        question = self.question
        found = self.answers.shown(self.view, question if isinstance(question, FollowGradient) else None)
        return found if isinstance(found, GradientFlow) and found.at == self.place else None

    @property
    def comparison(self) -> Comparison | None:
        """The networks side by side, once they are there."""
        question = self.question
        found = self.answers.shown(self.compared, question if isinstance(question, Compare) else None)
        return found if isinstance(found, Comparison) and found.at == self.place else None

    def tick(self, status: Status) -> None:
        self._meet(status)
        self._collect(status)
        if not self.may_come:
            self.forget_typed()
        if self.view != "training":
            trace = self.trace
            other = trace is not None and trace.holds != status.held and not self.inquiry.trouble
            # Scaled, taken back or started over: the same step, and other weights.
            other |= trace is not None and status.step == trace.step and status.weights_version != self._version
            if self.inquiry.due(trace, status, self.host.plot_period) or (other and not self.inquiry.under_way):
                self._ask()
        key = self.compared if self.view == "reach" and self.compared != "off" else self.view
        self._dirty |= self.answers.look(self.lab, self.question, key)
        if self.view == "training":
            self._dirty |= self.answers.look_at_flight(self.lab, status, self.host.plot_period)
        now = time.monotonic()
        if status.step != self._now[0] and now - self._now[1] >= NOW_EVERY:
            self._now = (status.step, now)
            self._dirty = True

    def _ask(self, another: bool = False) -> None:
        """Read the text with the newest weights."""
        if self.has_network:
            self._version = self.lab.status.weights_version
            self.inquiry.ask(self.lab, another)
            self._dirty = True

    def _collect(self, status: Status) -> None:
        inquiry, before = self.inquiry, self.trace
        asked = inquiry.under_way
        trace = inquiry.answer()
        if not asked or inquiry.under_way:
            return
        self._dirty = True
        if trace is None:
            self._not_answered()
            return
        self._take(trace, inquiry.another)
        self._followed = inquiry.follows and before is not None
        self.make_typed()
        told = view.unknown_told(trace)
        if told and (before is None or inquiry.another):
            self.host.say(told)

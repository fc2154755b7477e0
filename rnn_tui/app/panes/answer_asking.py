"""What is asked of a network that answers: which example or text, which weights, how; one question at a time."""

from __future__ import annotations

import math
import time
from typing import Any

from rnn_tui.app.panes.inquiry import FOLLOW_EVERY, LATE, has_network, network_of
from rnn_tui.app.widgets.field import LONGEST
from rnn_tui.lab import Asked, Lab
from rnn_tui.lab.questions import AnswerText, MeasureGaps
from rnn_tui.views import Added, Answer, Classified, Forecast, GapCurves, Status, Tagged, Translated

CELLS = ("rnn", "gru", "lstm")
"""What is trained here, one after the other, to be measured beside this network."""
BEAMS = (1, 2, 3, 5, 10)
VALUES = (25, 50, 0, 200, 400, 800)
"""Of a series, drawn together; 0: as many as are clear, about a hundred."""
UPDATES = (0, 100, 200, 500, 1000, 2000, 5000)
"""Of each fresh network; 0: this network alone is measured."""
ANSWERS = (Tagged, Classified, Translated, Forecast, Added)


class Asking:
    """The example or text that is answered, and the question about it that is under way."""

    def __init__(self) -> None:
        self.text: str | None = None
        """A text of the person's own; None: an example of the validation part."""
        self.offset = 0
        """The number of the example."""
        self.best = False
        self.beams = 0
        self.values = VALUES.index(0)
        """Places in `BEAMS` and `VALUES`."""
        self.follows = False
        self.trouble = ""
        self.version = -1
        """Of the weights, when the answer that is shown was asked for."""
        self._asked: Asked | None = None
        self._asked_version = -1
        self._since = -math.inf
        self._what: tuple[str | None, int] = (None, -1)
        self._shown: tuple[str | None, int] | None = None
        """Text and offset of the answer that is shown; None before the first."""
        self._network: tuple[str, str] | None = None

    @property
    def under_way(self) -> bool:
        return self._asked is not None

    @property
    def awaits_another(self) -> bool:
        """Whether what is asked is about another text or example than the one that is shown."""
        return self._asked is not None and self._what != self._shown

    @property
    def late(self) -> bool:
        """Whether the question takes longer than a moment."""
        return self._asked is not None and time.monotonic() - self._since > LATE

    @property
    def doing(self) -> str:
        """What is being done about the question, once it is late."""
        return (self._asked.doing or "reading it") if self._asked is not None and self.late else ""

    def meet(self, status: Status) -> bool:
        """Look at the status; whether it is of another network than before."""
        network, before = network_of(status), self._network
        self._network = network
        if before is None or network == before:
            return False
        # A name that is given at the first step is no other session.
        return before[1] != network[1] or bool(before[0])

    def ask(self, lab: Lab) -> None:
        """Ask with the newest weights, or the best."""
        if self._asked is not None:
            self._asked.cancel()
        self.trouble = ""
        self._since = time.monotonic()
        self._what = (self.text, self.offset)
        self._asked_version = lab.status.weights_version
        self._asked = lab.ask(
            AnswerText(
                text=self.text, offset=self.offset, best=self.best and lab.status.has_best, beams=BEAMS[self.beams],
                length=VALUES[self.values],
            )
        )  # fmt: skip

    def due(self, answered: bool, status: Status, plot_period: float) -> bool:
        """Whether it is time to ask of itself: nothing was asked yet, or it follows and the weights have changed."""
        if self.under_way or self.trouble or not has_network(status):
            return False
        if not answered:
            return True
        rested = time.monotonic() - self._since >= max(FOLLOW_EVERY, plot_period)
        return self.follows and rested and self.version != status.weights_version

    def answer(self) -> tuple[Answer, bool] | None:
        """The answer, once, and whether it is about the same text or example as the one before."""
        asked = self._asked
        if asked is None or not asked.done:
            return None
        self._asked = None
        if asked.error or not isinstance(asked.newest, ANSWERS):
            self.follows = False
            self.trouble = asked.error or "it has no answer of that kind"
            return None
        answer = asked.newest
        if self.text is None:
            self.offset = answer.offset
        same = self._shown in (self._what, (self.text, self.offset))
        self._shown = (self.text, self.offset)
        self.version = self._asked_version
        return answer, same

    def go_back(self) -> None:
        """Another example or text can't be had: it is the one before again."""
        self.text, self.offset = self._shown or (None, 0)

    def stop(self) -> bool:
        """Take the question back; False if there is none."""
        if self._asked is None:
            return False
        self._asked.cancel()
        self._asked = None
        self.follows = False
        return True

    def forget(self) -> None:
        """Another network: what was asked of the old one is void."""
        self.stop()
        self.trouble = ""
        self.text, self.offset, self.follows = None, 0, False
        self._shown = None

    def turn(self, by: int, answer: Answer | None) -> None:
        """Another example of the part, counted round; of a series a stretch further on."""
        if self.text is not None:
            self.text = None
            return
        if isinstance(answer, Forecast):
            by *= max(len(answer.times) * 3 // 4, 1)
        count = answer.count if isinstance(answer, ANSWERS) else 0
        self.offset = (self.offset + by) % count if count else max(self.offset + by, 0)

    def state(self) -> dict[str, Any]:
        """What is kept with the session."""
        return {"text": self.text, "offset": self.offset, "best": self.best, "beams": self.beams, "values": self.values}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave, for the next network that is met; from a file, so anything may be in it."""
        self.forget()
        text = state.get("text")
        self.text = text[:LONGEST] if isinstance(text, str) and text else None
        self.offset = _whole(state.get("offset"), 2**40)
        self.best = state.get("best") is True
        self.beams = _whole(state.get("beams"), len(BEAMS))
        self.values = _whole(state.get("values"), len(VALUES), VALUES.index(0))
        self._network = None


class GapAsking:
    """The measuring of what is remembered over which gap; it grows while it runs."""

    def __init__(self) -> None:
        self.updates = UPDATES.index(1000)
        self.curves: GapCurves | None = None
        self.trouble = ""
        self.version = -1
        self._asked: Asked | None = None

    @property
    def under_way(self) -> bool:
        return self._asked is not None

    @property
    def doing(self) -> str:
        return (self._asked.doing or "measuring") if self._asked is not None else ""

    def ask(self, lab: Lab, best: bool) -> None:
        """Measure this network, then fresh ones of each cell."""
        self.stop()
        self.trouble = ""
        self.curves = None
        steps = UPDATES[self.updates]
        self.version = lab.status.weights_version
        self._asked = lab.ask(
            MeasureGaps(cells=CELLS if steps else (), steps=max(steps, 1), best=best and lab.status.has_best)
        )

    def grown(self) -> bool:
        """Look at the question; whether there is more of the answer, or it has ended."""
        asked = self._asked
        if asked is None:
            return False
        done = asked.done
        newest = asked.newest
        more = isinstance(newest, GapCurves) and newest is not self.curves
        if isinstance(newest, GapCurves):
            self.curves = newest
        if done:
            self._asked = None
            self.trouble = asked.error
        return more or done

    def stop(self) -> bool:
        """Stop at once; what is measured so far stays. False if nothing is under way."""
        if self._asked is None:
            return False
        self._asked.cancel()
        self.grown()
        self._asked = None
        self.trouble = ""
        return True

    def forget(self) -> None:
        """Another network."""
        self.stop()
        self.curves = None
        self.trouble = ""


def _whole(value: Any, below: int, otherwise: int = 0) -> int:
    """A whole number of a file, from 0 on and below a bound, or what stands for one that is wrong."""
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below
    return int(value) if fine else otherwise

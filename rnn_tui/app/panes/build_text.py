"""The data that a draft names: asked for once the draft holds still, and what came of it."""

from __future__ import annotations

import math

from rnn_tui.config import DataConfig
from rnn_tui.lab import Asked, Lab, LookAtData
from rnn_tui.lab.questions import GuessTask
from rnn_tui.views import DataView, Guess

SETTLE = 3
"""Ticks that a draft's data holds still before its text is read: left and right pass through others."""
KEPT = 8
"""Texts that are remembered, so that going back to one shows it at once."""
STOPPED = "not read: you stopped it; enter on Data reads it"


class DraftText:
    """At most one question about one text under way; `data` and `trouble` are what is known of it."""

    def __init__(self) -> None:
        self.data: DataView | None = None
        """None while it is not known."""
        self.trouble = ""
        """Why it can't be read."""
        self._wanted: DataConfig | None = None
        self._asked: Asked | None = None
        self._settling = 0
        self._known: dict[DataConfig, DataView] = {}

    @property
    def reading(self) -> bool:
        """Whether the Lab is reading it."""
        return self._asked is not None

    def want(self, data: DataConfig) -> None:
        """The draft's text is this one now."""
        if data == self._wanted:
            return
        self._forget()
        self._wanted, self.trouble = data, ""
        self.data = self._known.get(data)
        self._settling = 0 if self.data else SETTLE

    def know(self, data: DataConfig, view: DataView) -> bool:
        """The open session's text need not be read again; True if it is the one that is wanted."""
        self._known[data] = view
        if data != self._wanted or self.data is not None:
            return False
        self._forget()
        self.data, self.trouble, self._settling = view, "", 0
        return True

    def ask(self, lab: Lab) -> None:
        """Have it read now."""
        if self._wanted is not None:
            self._forget()
            self.trouble, self._settling = "", 0
            self._asked = lab.ask(LookAtData(self._wanted))

    def stop(self) -> bool:
        """Stop reading; False if nothing is read."""
        if self._asked is None:
            return False
        self._forget()
        self.trouble = STOPPED
        return True

    def tick(self, lab: Lab) -> bool:
        """Ask once it holds still, take the answer when it is there; True if there is something new to draw."""
        if self._settling:
            self._settling -= 1
            if self._settling == 0:
                self.ask(lab)
                return True
        if self._asked is None or not self._asked.done:
            return False
        asked, self._asked = self._asked, None
        if isinstance(asked.newest, DataView) and not asked.error and self._wanted is not None:
            self.data = self._known[self._wanted] = asked.newest
            while len(self._known) > KEPT:
                self._known.pop(next(iter(self._known)))
        else:
            self.trouble = asked.error or STOPPED
        return True

    def line(self) -> str:
        """How far the reading is; empty where nothing is read."""
        if self._asked is None:
            return "reading the data ..." if self._settling else ""
        doing = self._asked.doing or "reading the data"
        share = f" {100 * self._asked.progress:.0f} %" if math.isfinite(self._asked.progress) else " ..."
        return f"{doing}{share}, escape stops"

    def _forget(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None


class FileGuess:
    """What a file that was taken may be learned as: asked once, and told while the draft still names it."""

    def __init__(self) -> None:
        self.path = ""
        self.guess: Guess | None = None
        self._asked: Asked | None = None

    @property
    def waiting(self) -> bool:
        """Whether the Lab is looking at it."""
        return self._asked is not None

    def ask(self, lab: Lab, path: str) -> None:
        """Look at a file."""
        self.stop()
        self.path, self.guess = path, None
        self._asked = lab.ask(GuessTask(path))

    def stop(self) -> bool:
        """Do without; False if nothing is looked at."""
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.cancel()
        return asked is not None

    def tick(self) -> bool:
        """Take the answer once it is there; True then. What can't be guessed, the reading of the file will tell."""
        if self._asked is None or not self._asked.done:
            return False
        asked, self._asked = self._asked, None
        self.guess = asked.newest if isinstance(asked.newest, Guess) and not asked.error else None
        return True

    def line(self, data: DataConfig) -> str:
        """Why the draft has the task that it has; empty where nothing was guessed of its file."""
        guess = self.guess
        if guess is None or data.path != self.path:
            return ""
        others = [task for task in guess.others if task != data.task]
        also = f"; also fit for {', '.join(others)}" if others else ""
        return f"taken for {guess.task}: {guess.why}{also}" if data.task == guess.task else ""

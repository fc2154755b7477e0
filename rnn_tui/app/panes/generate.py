"""Generate: let the model write; where its task is another, let it answer."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult

from rnn_tui.app.panes.answer import Answering
from rnn_tui.app.panes.answer_words import ANSWER_HELP
from rnn_tui.app.panes.generate_writing import WritingPane
from rnn_tui.app.panes.words import GENERATE_HELP
from rnn_tui.lab.task_words import words_of
from rnn_tui.views import Phase, Status


class GeneratePane(WritingPane):
    """A prompt and what is written after it; or an example and what the network answers, as its task shows it."""

    HELP: ClassVar[str] = GENERATE_HELP + ANSWER_HELP

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.answering = Answering(self)
        self.answers = False
        """Whether the network is asked, because its task is not to write."""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.answering

    def on_mount(self) -> None:
        self.answering.display = False

    def _redraw(self) -> None:
        if self.answers:
            self.answering.redraw()
        else:
            super()._redraw()

    def tick(self, status: Status) -> None:
        self._choose_side(status)
        if self.answers:
            self.answering.tick(status)
        else:
            super().tick(status)

    def draw(self) -> None:
        if not self.answers:
            super().draw()

    def _choose_side(self, status: Status) -> None:
        """Write or answer, as the task has it; while another session loads it stays as it is."""
        if status.config is None or status.phase is Phase.LOADING:
            return
        answers = not words_of(status.config.data.task).writes
        if answers == self.answers:
            return
        if self.editing:
            self.escape()
        self._stop()
        if not answers:
            self.answering.leave()
        self.answers = answers
        self.answering.display, self.writing_side.display = answers, not answers
        self.host.keys_changed()
        self._redraw()

    # What a person does.

    def act(self, action: str) -> None:
        if self.answers:
            self.answering.act(action)
        else:
            super().act(action)

    def allows(self, action: str) -> bool:
        return self.answering.allows(action) if self.answers else super().allows(action)

    def label_of(self, action: str) -> str:
        return self.answering.label_of(action) if self.answers else super().label_of(action)

    def accept(self) -> None:
        if self.answers:
            self.answering.accept()
        else:
            super().accept()

    def escape(self) -> bool:
        if not self.answers:
            return super().escape()
        if self.field is not None:
            self.field.restore()
            self.answering.close()
            return True
        return self.answering.escape()

    def take_prompt(self, text: str, number: int = 0, t: int = 0) -> None:
        """Go on from a text, as `WritingPane` does; a network that does not write is asked about it."""
        if self.answers:
            self.answering.take_text(text)
        else:
            super().take_prompt(text, number, t)

    # What is kept and told.

    def copy_text(self) -> str:
        return self.answering.copied() if self.answers else super().copy_text()

    def help_values(self) -> dict[str, str]:
        return self.answering.told() if self.answers else super().help_values()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "answer": self.answering.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        answer = state.get("answer")
        self.answering.restore(answer if isinstance(answer, dict) else {})

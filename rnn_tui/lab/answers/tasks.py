"""What the network answers, as its task shows it; what a file may be learned as; what is remembered how long."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rnn_tui.data.source import DataError
from rnn_tui.lab.answers.desk import Frozen, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import AnswerText, GuessTask, MeasureGaps, TakeApart
from rnn_tui.tasks import Passage
from rnn_tui.views import GapCurves

if TYPE_CHECKING:
    from rnn_tui.tasks import Task

VIEW_EVERY = 0.1


def guess_task(question: GuessTask, asked: Asked, sources: Sources) -> Answer:
    """What a file may be learned as, from its first lines."""
    from rnn_tui.data.guessing import guess

    yield None
    return guess(question.path)


def answer_text(question: AnswerText, asked: Asked, sources: Sources) -> Answer:
    """What the frozen network answers to a text of one's own, or to an example of the data."""
    asked.report(math.nan, "reading it")
    yield None
    settle_thread()
    found = sources.model(question.best)
    task = found.task
    passage = passage_of(found, task, question.text, question.part, question.offset)
    yield None
    import torch

    with torch.no_grad():
        try:
            return task.answer(
                found.network, found.coding, passage, step=found.step, beams=question.beams, data=found.data,
                length=question.length,
            )  # fmt: skip
        except ValueError as error:
            raise LabError(str(error)) from None


def passage_of(found: Frozen, task: Task, text: str | None, part: str, offset: int, length: int = 200) -> Passage:
    """A text of one's own, or example `offset` of a part, counted round. Raises LabError."""
    if text is not None:
        try:
            return task.encode(found.coding, text)
        except ValueError as error:
            raise LabError(str(error)) from None
    if found.data is None:
        raise LabError("the data it was trained on are not at hand; type something of your own (i)")
    part = part or found.part
    count = len(getattr(found.data, part))
    if count < task.fewest:
        raise LabError(f"the {part} part is empty; type something of your own (i)")
    return task.passage(found.data, part, offset if task.streamed else offset % count, length)


def take_apart(question: TakeApart, asked: Asked, sources: Sources) -> Answer:
    """The task's figures over a whole part, taken apart."""
    asked.report(math.nan, "scoring every example")
    yield None
    settle_thread()
    found = sources.model(question.best)
    if found.data is None:
        raise LabError("the data it was trained on are not at hand, so there is nothing to score")
    part = question.part or found.part
    if len(getattr(found.data, part)) < found.task.fewest:
        raise LabError(f"the {part} part is empty: there is nothing to score")
    tables = found.task.breakdown(
        found.network, found.data, part, found.config, lambda share: asked.report(share, "scoring every example")
    )
    if not tables:
        raise LabError("this task has no figure to take apart")
    return tuple(replace(table, step=found.step) for table in tables)


def measure_gaps(question: MeasureGaps, asked: Asked, sources: Sources) -> Answer:
    """Accuracy against gap of this network, then of fresh ones of other cells, trained for it here."""
    asked.report(0.0, "measuring")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.tasks.gaps import compare
    from rnn_tui.training.optimizer import make_optimizer

    views = compare(
        found.config, question.cells, question.steps, make_optimizer, network=found.network, step=found.step
    )
    last: GapCurves | None = None
    shown = 0.0
    while True:
        # Entered anew for each piece: it trains with gradients, and the thread does other work in between.
        try:
            last = next(views)
        except StopIteration:
            break
        except (DataError, ValueError) as error:
            raise LabError(str(error)) from None
        asked.report(math.nan, last.doing)
        now = time.monotonic()
        if now - shown >= VIEW_EVERY:
            shown = now
            yield last
        else:
            yield None
    if last is None:
        raise LabError("nothing was measured; name cells to compare")
    return last

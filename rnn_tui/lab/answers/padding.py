"""What filling sequences up does to them, and what dropout takes away."""

from __future__ import annotations

import math

from rnn_tui.lab.answers.desk import Sources, settle_thread
from rnn_tui.lab.answers.tasks import passage_of
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import ComparePadding, ShowMasks


def compare_padding(question: ComparePadding, asked: Asked, sources: Sources) -> Answer:
    """A few examples of unequal length in one batch, with and without a mask."""
    asked.report(math.nan, "reading them")
    yield None
    settle_thread()
    found = sources.model(question.best)
    task = found.task
    if task.streamed:
        raise LabError("a text is one stream without borders: nothing is filled up; choose a task of sequences (1)")
    # The first one is asked for by itself, so that what is not at hand is told as everywhere.
    part = question.part or found.part
    passage_of(found, task, None, part, question.offset)
    from rnn_tui.inspection import padding

    try:
        chosen = padding.unequal(getattr(found.data, part).lengths, question.offset)
        passages = [passage_of(found, task, None, part, k) for k in chosen]
        yield None
        return padding.compare_padding(
            found.network, task, found.coding, passages, before=question.before, step=found.step
        )  # fmt: skip
    except ValueError as error:
        raise LabError(str(error)) from None


def show_masks(question: ShowMasks, asked: Asked, sources: Sources) -> Answer:
    """The masks of one training batch, from a generator of their own."""
    asked.report(math.nan, "drawing masks")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.inspection.masks import draw_masks

    training = found.config.training
    passage = passage_of(found, found.task, None, "train", question.offset, training.sequence_length)
    try:
        return draw_masks(
            found.network, found.coding, passage, batch=training.batch_size, seed=question.seed, step=found.step
        )  # fmt: skip
    except ValueError as error:
        raise LabError(str(error)) from None

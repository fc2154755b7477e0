"""The equations of one unit of a text that was read, with their numbers."""

from __future__ import annotations

from rnn_tui.lab.answers.desk import Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import Explain


def explain(question: Explain, asked: Asked, sources: Sources) -> Answer:
    """Every term of the unit's equations at every timestep, and what adds most to each."""
    asked.report(0.0, "computing the equations")
    yield None
    settle_thread()
    from rnn_tui.inspection.equation import explaining

    held = sources.desk.get(question.number)
    pieces = explaining(
        held.frozen.network,
        held.traced,
        question.layer,
        question.unit,
        vocabulary=held.frozen.coding.inputs,
        answers=held.frozen.coding.answers,
        number=question.number,
        holds=held.holds,
    )
    while True:
        try:
            share = next(pieces)
        except StopIteration as finished:
            return finished.value
        except ValueError as error:
            raise LabError(str(error)) from None
        asked.report(share, "computing the equations")
        yield None

"""Which unit does what: rankings over the corpus, places where a state comes back, saturated gates."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rnn_tui.lab.answers.desk import Frozen, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import CountGates, FindMarks, FindState, FindUnits
from rnn_tui.views import Array, GateStatistics, Marked, StateMatches, StatePlace, UnitRanking, frozen

if TYPE_CHECKING:
    from rnn_tui.inspection.corpus import Stretch, Work

CONTEXT = 20
"""Symbols shown before and after a place."""
LONGEST_SHOWN = 200
"""Symbols shown of a place itself, which may go on for much longer."""
LOOK_EVERY = 0.02

Result = TypeVar("Result")


def find_units(question: FindUnits, asked: Asked, sources: Sources) -> Answer:
    """All units of all layers by how well they tell a pattern, or a built-in mark, from the rest of the corpus."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.inspection.corpus import text_of
    from rnn_tui.inspection.units import ranking

    what = _named(question)
    stretch = _stretch(found, question.characters)
    text = text_of(stretch.ids, found.vocabulary.symbols)
    grades = yield from _grades(question, text, asked)
    units = yield from _worked(ranking(found.network, stretch.ids, grades), asked)
    return UnitRanking(
        what=what,
        characters=len(stretch.ids),
        marked=int(np.count_nonzero(grades > 0)),
        units=units,
        source=stretch.source,
        step=found.step,
    )


def find_marks(question: FindMarks, asked: Asked, sources: Sources) -> Answer:
    """Where a pattern or built-in mark applies in a text that was read."""
    yield None
    held = sources.desk.get(question.number)
    what = _named(question)
    text = held.frozen.vocabulary.decode(held.traced.tokens)
    grades = yield from _grades(question, text, asked)
    return Marked(question.number, what, frozen(grades))


def find_state(question: FindState, asked: Asked, sources: Sources) -> Answer:
    """The units that are on through a range of timesteps, and where in the corpus they are on again."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    held = sources.desk.get(question.number)
    found, layers = held.frozen, held.traced.layers
    from rnn_tui.inspection.corpus import StateError, text_of
    from rnn_tui.inspection.states import finding, units_on

    if not 0 <= question.layer < len(layers) or question.state not in found.network.cell.states:
        raise LabError(f"there is no {question.state} in a layer {question.layer} of this network; choose another")
    first, last = sorted((question.first, question.last))
    try:
        units = units_on(layers[question.layer][question.state], first, last, question.threshold)
    except StateError as error:
        raise LabError(str(error)) from None
    stretch = _stretch(found, question.characters)
    work = finding(
        found.network, stretch.ids, question.layer, question.state, units, last - first + 1, question.threshold
    )
    places = yield from _worked(work, asked)
    text = text_of(stretch.ids, found.vocabulary.symbols)
    shown = []
    for place in places:
        part, offset = stretch.place(place.first)
        end = place.first + place.length
        shown.append(
            StatePlace(
                part=part,
                offset=offset,
                length=place.length,
                on=place.on,
                others=place.others,
                before=text[max(0, place.first - CONTEXT) : place.first],
                text=text[place.first : min(end, place.first + LONGEST_SHOWN)],
                after=text[end : end + CONTEXT],
            )
        )
    return StateMatches(
        number=question.number,
        layer=question.layer,
        state=question.state,
        first=first,
        last=last,
        threshold=question.threshold,
        units=units,
        places=tuple(shown),
        characters=len(stretch.ids),
        step=found.step,
    )


def count_gates(question: CountGates, asked: Asked, sources: Sources) -> Answer:
    """How often each gate is nearly closed and nearly open over a stretch of the corpus."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.inspection.gates import counting

    stretch = _stretch(found, question.characters)
    work = counting(found.network, stretch.ids, source=stretch.source, step=found.step)
    counted: GateStatistics = yield from _worked(work, asked)
    return counted


def _named(question: FindUnits | FindMarks) -> str:
    """The pattern, or the name of the built-in mark as it is written."""
    from rnn_tui.inspection.marks import MarkError, find_mark

    try:
        return find_mark(question.mark).name if question.mark else question.pattern
    except MarkError as error:
        raise LabError(str(error)) from None


def _stretch(found: Frozen, characters: int) -> Stretch:
    from rnn_tui.inspection.corpus import StateError, stretch

    if characters < 2:
        raise LabError(f"{characters} symbols are too few to search; choose 2 or more")
    try:
        return stretch(found.parts, characters)
    except StateError as error:
        raise LabError(str(error)) from None


def _worked(work: Work[Result], asked: Asked) -> Generator[None, None, Result]:
    """Does a work in turn with other questions."""
    from rnn_tui.inspection.corpus import StateError
    from rnn_tui.inspection.marks import MarkError

    try:
        while True:
            asked.report(*next(work))
            yield None
    except StopIteration as end:
        result: Result = end.value
        return result
    except (MarkError, StateError) as error:
        raise LabError(str(error)) from None


def _grades(question: FindUnits | FindMarks, text: str, asked: Asked) -> Generator[None, None, Array]:
    """A mark's grades (N) of a text. A pattern may take seconds: other questions get their turn meanwhile."""
    from rnn_tui.inspection.marks import marked

    outcome: list[Any] = []

    def search() -> None:
        try:
            outcome.append(marked(text, pattern=question.pattern, mark=question.mark))
        except Exception as error:
            outcome.append(error)

    # It ends by its own time limit, also where nobody waits for it any more.
    searching = threading.Thread(target=search, name="rnn-lab pattern", daemon=True)
    searching.start()
    while searching.is_alive():
        asked.report(math.nan, "marking the text")
        yield None
        searching.join(LOOK_EVERY)
    from rnn_tui.inspection.marks import MarkError

    if isinstance(outcome[0], MarkError):
        raise LabError(str(outcome[0])) from None
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    grades: Array = outcome[0]
    return grades

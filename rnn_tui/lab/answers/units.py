"""Which unit does what: rankings over the corpus, places where a state comes back, saturated gates."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rnn_tui.lab.answers.desk import Frozen, Held, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import CountGates, FindMarks, FindState, FindUnits
from rnn_tui.views import Array, GateStatistics, Marked, StateMatches, StatePlace, UnitRanking, frozen

if TYPE_CHECKING:
    from rnn_tui.inspection.corpus import Flat, Stretch, Work
    from rnn_tui.model.stack import Stack

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
    from rnn_tui.inspection.units import ranking

    what = _named(question)
    stretch = _stretch(found, question.characters)
    yield None
    text = _flat(found, stretch)
    grades = text.by_symbol((yield from _grades(question, text.text, asked)))
    units = yield from _worked(ranking(_reader(found), stretch.ids, grades, starts=stretch.starts), asked)
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
    text = _shown(held)
    grades = text.by_symbol((yield from _grades(question, text.text, asked)))
    border = held.traced.border
    if border >= 0:
        # Marks are of what the encoder read: the decoder's timesteps have none.
        grades = np.append(grades[:border], np.zeros(len(held.traced.tokens) - border, grades.dtype))
    return Marked(question.number, what, frozen(grades))


def find_state(question: FindState, asked: Asked, sources: Sources) -> Answer:
    """The units that are on through a range of timesteps, and where in the corpus they are on again."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    held = sources.desk.get(question.number)
    found, layers = held.frozen, held.traced.layers
    from rnn_tui.inspection.corpus import StateError
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
        _reader(found), stretch.ids, question.layer, question.state, units, last - first + 1, question.threshold,
        stretch.starts,
    )  # fmt: skip
    places = yield from _worked(work, asked)
    text = _flat(found, stretch)
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
                before=text.between(place.first - CONTEXT, place.first),
                text=text.between(place.first, min(end, place.first + LONGEST_SHOWN)),
                after=text.between(end, end + CONTEXT),
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
    work = counting(_reader(found), stretch.ids, source=stretch.source, step=found.step, starts=stretch.starts)
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
    """The end of a text; of a data set the first sequences of its training part. Raises LabError."""
    from rnn_tui.inspection.corpus import StateError, sequences, stretch

    if characters < 2:
        raise LabError(f"{characters} symbols are too few to search; choose 2 or more")
    try:
        if found.task.streamed:
            return stretch(found.parts, characters)
        if found.data is None:
            raise LabError("the data it was trained on are not at hand; put them back where they were")
        return sequences(found.data.train, "train", found.task.unit, characters)
    except StateError as error:
        raise LabError(str(error)) from None


def _reader(found: Frozen) -> Stack:
    """What reads the corpus: of an encoder and a decoder the encoder."""
    from rnn_tui.model.translation import EncoderDecoder

    network: Stack | EncoderDecoder = found.network
    return network.encoder if isinstance(network, EncoderDecoder) else network


def _flat(found: Frozen, stretch: Stretch) -> Flat:
    from rnn_tui.inspection.corpus import flat

    words = found.coding.symbol == "word"
    return flat(stretch.ids, found.coding.inputs, words=words, starts=stretch.starts)


def _shown(held: Held) -> Flat:
    """The text of a reading. Raises LabError where numbers were read."""
    from rnn_tui.inspection.corpus import flat

    coding, traced = held.frozen.coding, held.traced
    if coding.numeric:
        raise LabError("it reads numbers, and only symbols can be marked; choose a task that reads symbols")
    read = traced.tokens if traced.border < 0 else traced.tokens[: traced.border]
    return flat(read, coding.inputs, words=coding.symbol == "word")


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

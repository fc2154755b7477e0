"""Reading texts and writing them."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.lab.answers.desk import MOST_BYTES, Frozen, Held, Sources, settle_thread
from rnn_tui.lab.answers.tasks import passage_of
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import LookAtData, TraceText, Write
from rnn_tui.tasks import Passage
from rnn_tui.views import Hold, Trace, Writing, frozen

if TYPE_CHECKING:
    from collections.abc import Generator

    from rnn_tui.inspection.trace import Traced
    from rnn_tui.model.network import State

LONGEST_TRACE = 20_000
# Of each symbol that is written, what else might have come is kept.
LONGEST_WRITING = 1_000_000
# Symbols written between two looks at the clock, and seconds between two views of a text.
PIECE = 8
VIEW_EVERY = 0.08


def look_at_data(question: LookAtData, asked: Asked, sources: Sources) -> Answer:
    """Read (or find in the cache) the data that a configuration names."""
    from rnn_tui.tasks import task_of

    yield None
    task = task_of(question.data.task)
    return task.read(question.data, progress=asked.report, cancelled=lambda: asked.cancelled).view


def trace_text(question: TraceText, asked: Asked, sources: Sources) -> Answer:
    """Every state and gate while the frozen network reads a text."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.inspection.trace import trace_view

    passage = _passage(found, question)

    def view(traced: Traced, holds: tuple[Hold, ...] = (), without: Trace | None = None) -> Trace:
        language = found.task.streamed
        return trace_view(
            traced,
            found.coding.inputs,
            cell=found.network.cell.name,
            gates=found.network.cell.gates,
            unknown=passage.unknown,
            step=found.step,
            weights_version=found.weights_version,
            source=passage.source,
            offset=passage.offset,
            best=question.best,
            number=sources.desk.put(Held(found, traced, holds)),
            part=passage.part,
            holds=holds,
            without=without,
            task=found.task.name,
            coding=None if language else found.coding,
            symbols=() if language else passage.symbols,
        )

    if not question.holds:
        return view((yield from _traced(found, passage, (), asked)))
    held = yield from _traced(found, passage, question.holds, asked)
    free = yield from _traced(found, passage, (), asked)
    # The reading without goes first onto the desk, where the oldest is let go of.
    without = view(free)
    yield None
    return view(held, question.holds, without)


def _passage(found: Frozen, question: TraceText) -> Passage:
    """What is read: a text of one's own or an example, no longer than can be kept. Raises LabError."""
    task, most = found.task, longest(found)
    if not task.streamed:
        passage = passage_of(found, task, question.text, question.part, question.offset, most)
        read = len(passage.inputs)
        if not read:
            raise LabError("none of that is known to it; type something else (i)")
        if read > most:
            raise LabError(f"that is {read:,} timesteps long, at most {most:,} are read at once; choose a shorter one")
        return passage
    if question.text is None:
        part = question.part or found.part
        ids = found.parts.get(part)
        if ids is None or len(ids) < task.fewest:
            raise LabError("the text it was trained on is not at hand; type one of your own (i)")
        return task.passage(found.data, part, question.offset, min(question.length, most))
    text = question.text
    # No symbol is shorter than a character.
    passage = task.encode(found.coding, text[: most if found.coding.symbol == "character" else len(text)])
    if not len(passage.inputs):
        raise LabError("none of that text's symbols is in the vocabulary; type another text (i)")
    if found.coding.symbol == "character":
        cut = f", its first {most:,} of {len(text):,} symbols" if len(text) > most else ""
    else:
        cut = f", its first {most:,} of {len(passage.inputs):,} symbols" if len(passage.inputs) > most else ""
    return replace(
        passage, inputs=passage.inputs[:most], targets=passage.targets[:most], symbols=passage.symbols[:most],
        source=passage.source + cut,
    )  # fmt: skip


def longest(found: Frozen) -> int:
    """Timesteps of the longest sequence that is read whole: two readings of it fit onto the desk together."""
    from rnn_tui.inspection.trace import trace_bytes

    one = trace_bytes(found.network.model, found.network.sizes, 1)
    return max(2, min(LONGEST_TRACE, MOST_BYTES // 2 // one))


def _traced(found: Frozen, passage: Passage, holds: tuple[Hold, ...], asked: Asked) -> Generator[None, None, Traced]:
    """A reading, with a look at whether it is still wanted between its pieces."""
    from rnn_tui.inspection.trace import tracing

    task = found.task
    answers = None if task.streamed else task.answers
    pieces = tracing(found.network, passage.inputs, None, holds, targets=passage.targets, answers=answers)
    while True:
        try:
            share = next(pieces)
        except StopIteration as finished:
            traced: Traced = finished.value
            return traced
        except ValueError as error:
            raise LabError(str(error)) from None
        asked.report(share, "reading the text")
        yield None


def write(question: Write, asked: Asked, sources: Sources) -> Answer:
    """Write on from a prompt, or from the state of a reading at a timestep, a few symbols at a time."""
    yield None
    settle_thread()
    from rnn_tui.generation import Writer, start_symbol

    if not 0 <= question.length <= LONGEST_WRITING:
        raise LabError(f"length: {question.length:,} is not a whole number from 0 to {LONGEST_WRITING:,}")
    state: State | None = None
    first = dropped = 0
    tokens: Any = None
    stop: int | None = None
    never: list[int] = []
    if question.number:
        found, prompt, state = yield from _state_of(question, asked, sources)
        first = question.t + 1
    else:
        found = sources.model(question.best)
        _check_writes(found)
        try:
            passage = found.task.encode(found.coding, question.prompt)
        except ValueError as error:
            raise LabError(str(error)) from None
        tokens, dropped = passage.inputs, passage.unknown
        prompt = question.prompt if not dropped and found.task.streamed else _text(found, tokens)
    if not found.task.streamed:
        from rnn_tui.data.coding import END
        from rnn_tui.tasks.composing import unwritten

        # A sequence of its own ends, and nothing that stands for no text is written.
        stop, never = found.coding.inputs.index(END), unwritten(found.coding)
    try:
        writer = Writer(
            found.network,
            tokens,
            temperature=question.temperature,
            top_k=question.top_k,
            top_p=question.top_p,
            seed=question.seed,
            start=start_symbol(found.coding.inputs),
            state=state,
            holds=question.holds,
            first=first,
            stop=stop,
            never=never,
        )
    except ValueError as error:
        raise LabError(str(error)) from None
    text: list[str] = []
    probability: list[float] = []
    top: list[tuple[tuple[str, float], ...]] = []
    started = shown = time.monotonic()

    def view(done: bool) -> Writing:
        return Writing(
            prompt=prompt,
            text="".join(text),
            probability=frozen(np.array(probability, np.float32)),
            top=tuple(top),
            length=question.length,
            seed=question.seed,
            step=found.step,
            done=done,
            dropped=dropped,
            seconds=time.monotonic() - started,
            symbols=tuple(text),
            ended=ended,
        )

    symbols, ended = found.coding.inputs, False
    before = [] if tokens is None or not len(tokens) else [int(tokens[-1])]
    if question.number:
        before = [int(sources.desk.get(question.number).traced.tokens[question.t])]
    while len(text) < question.length and not ended:
        for _ in range(min(PIECE, question.length - len(text))):
            drawn = next(writer)
            if drawn.token == stop:
                ended = True
                break
            # Words stand apart, or not, by the one before.
            text.append(_text(found, [*before, drawn.token])[len(_text(found, before)) :])
            before = [drawn.token]
            probability.append(drawn.probability)
            top.append(tuple((symbols[k], p) for k, p in drawn.top))
        asked.progress = len(text) / question.length
        now = time.monotonic()
        if asked.cancelled:
            break
        if now - shown >= VIEW_EVERY:
            shown = now
            yield view(False)
        else:
            yield None
    return view(ended or len(text) == question.length)


def _text(found: Frozen, tokens: Any) -> str:
    """The text that numbers of symbols stand for."""
    return found.vocabulary.decode(tokens)


def _check_writes(found: Frozen) -> None:
    """Raises LabError where a network answers and does not write on."""
    if not found.task.writes:
        raise LabError(
            f"a network that learned {found.task.name} does not write on: it answers what it reads; "
            "open Generate (5) for its answer"
        )


def _state_of(question: Write, asked: Asked, sources: Sources) -> Generator[None, None, tuple[Frozen, str, State]]:
    """What a reading's text is gone on from: its weights, the symbols up to t, and the state after them.

    With nothing to hold it is the very state of the reading. Values that the reading did not
    hold have not shaped its state: the symbols up to t are then read again with them held.
    """
    from rnn_tui.inspection.asked import following
    from rnn_tui.inspection.trace import state_at

    held = sources.desk.get(question.number)
    found, traced, t = held.frozen, held.traced, question.t
    _check_writes(found)
    tokens = traced.tokens[: t + 1]
    if question.holds and question.holds != held.holds and t >= 0:
        whole = Passage(tokens, following(tokens), ())
        traced = yield from _traced(found, whole, question.holds, asked)
    try:
        state = state_at(traced, found.network, t)
    except ValueError as error:
        raise LabError(str(error)) from None
    return found, _text(found, tokens), state

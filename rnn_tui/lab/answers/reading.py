"""Reading texts and writing them."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_tui.lab.answers.desk import MOST_BYTES, Frozen, Held, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import LookAtData, TraceText, Write
from rnn_tui.views import Hold, Trace, Writing, frozen

if TYPE_CHECKING:
    from collections.abc import Generator

    from rnn_tui.inspection.trace import Traced
    from rnn_tui.model.network import State

LONGEST_TRACE = 20_000
# Symbols written between two looks at the clock, and seconds between two views of a text.
PIECE = 8
VIEW_EVERY = 0.08


def look_at_data(question: LookAtData, asked: Asked, sources: Sources) -> Answer:
    """Read (or find in the cache) the text that a configuration names."""
    from rnn_tui.data.text import read_corpus

    yield None
    corpus = read_corpus(question.data, asked.report, lambda: asked.cancelled)
    return corpus.view


def trace_text(question: TraceText, asked: Asked, sources: Sources) -> Answer:
    """Every state and gate while the frozen network reads a text."""
    asked.report(math.nan, "reading the text")
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.inspection.trace import trace_view

    most = longest(found)
    offset, unknown, part = 0, 0, ""
    if question.text is not None:
        text = question.text
        tokens, unknown = found.vocabulary.encode(text[:most])
        source = "your text"
        if len(text) > most:
            source += f", its first {most:,} of {len(text):,} symbols"
        if not len(tokens):
            raise LabError("none of that text's symbols is in the vocabulary; type another text (i)")
    else:
        part = question.part or found.part
        ids = found.parts.get(part)
        if ids is None or len(ids) < 2:
            raise LabError("the text it was trained on is not at hand; type one of your own (i)")
        length = max(2, min(question.length, most, len(ids)))
        offset = max(0, min(question.offset, len(ids) - length))
        tokens = np.asarray(ids[offset : offset + length], np.int64)
        source = f"{'training' if part == 'train' else part} at {offset:,}"

    def view(traced: Traced, holds: tuple[Hold, ...] = (), without: Trace | None = None) -> Trace:
        return trace_view(
            traced,
            found.vocabulary.symbols,
            cell=found.network.cell.name,
            gates=found.network.cell.gates,
            unknown=unknown,
            step=found.step,
            weights_version=found.weights_version,
            source=source,
            offset=offset,
            best=question.best,
            number=sources.desk.put(Held(found, traced, holds)),
            part=part,
            holds=holds,
            without=without,
        )

    if not question.holds:
        return view((yield from _traced(found, tokens, (), asked)))
    held = yield from _traced(found, tokens, question.holds, asked)
    free = yield from _traced(found, tokens, (), asked)
    # The reading without goes first onto the desk, where the oldest is let go of.
    without = view(free)
    yield None
    return view(held, question.holds, without)


def longest(found: Frozen) -> int:
    """Symbols of the longest text that is read whole: two readings of it fit onto the desk together."""
    from rnn_tui.inspection.trace import trace_bytes

    network = found.network
    return max(2, min(LONGEST_TRACE, MOST_BYTES // 2 // trace_bytes(network.model, network.vocabulary, 1)))


def _traced(found: Frozen, tokens: Any, holds: tuple[Hold, ...], asked: Asked) -> Generator[None, None, Traced]:
    """A reading, with a look at whether it is still wanted between its pieces."""
    from rnn_tui.inspection.trace import tracing

    pieces = tracing(found.network, tokens, None, holds)
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

    state: State | None = None
    first = dropped = 0
    tokens: Any = None
    if question.number:
        found, prompt, state = yield from _state_of(question, asked, sources)
        first = question.t + 1
    else:
        found = sources.model(question.best)
        tokens, dropped = found.vocabulary.encode(question.prompt)
        prompt = question.prompt if not dropped else found.vocabulary.decode(tokens)
    try:
        writer = Writer(
            found.network,
            tokens,
            temperature=question.temperature,
            top_k=question.top_k,
            top_p=question.top_p,
            seed=question.seed,
            start=start_symbol(found.vocabulary.symbols),
            state=state,
            holds=question.holds,
            first=first,
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
        )

    symbols = found.vocabulary.symbols
    while len(text) < question.length:
        for _ in range(min(PIECE, question.length - len(text))):
            drawn = next(writer)
            text.append(symbols[drawn.token])
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
    return view(len(text) == question.length)


def _state_of(question: Write, asked: Asked, sources: Sources) -> Generator[None, None, tuple[Frozen, str, State]]:
    """What a reading's text is gone on from: its weights, the symbols up to t, and the state after them.

    With nothing to hold it is the very state of the reading. Values that the reading did not
    hold have not shaped its state: the symbols up to t are then read again with them held.
    """
    from rnn_tui.inspection.trace import state_at

    held = sources.desk.get(question.number)
    found, traced, t = held.frozen, held.traced, question.t
    tokens = traced.tokens[: t + 1]
    if question.holds and question.holds != held.holds and t >= 0:
        traced = yield from _traced(found, tokens, question.holds, asked)
    try:
        state = state_at(traced, found.network, t)
    except ValueError as error:
        raise LabError(str(error)) from None
    return found, found.vocabulary.decode(tokens), state

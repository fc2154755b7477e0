"""Reading texts and writing them."""

from __future__ import annotations

import math
import time

import numpy as np

from rnn_tui.lab.answers.desk import Held, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import LookAtData, TraceText, Write
from rnn_tui.views import Writing, frozen

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
    from rnn_tui.inspection.trace import trace, trace_view

    offset, unknown, part = 0, 0, ""
    if question.text is not None:
        tokens, unknown = found.vocabulary.encode(question.text[:LONGEST_TRACE])
        source = "your text"
        if not len(tokens):
            raise LabError("none of that text's symbols is in the vocabulary; type another text (i)")
    else:
        part = question.part or found.part
        ids = found.parts.get(part)
        if ids is None or len(ids) < 2:
            raise LabError("the text it was trained on is not at hand; type one of your own (i)")
        length = max(2, min(question.length, LONGEST_TRACE, len(ids)))
        offset = max(0, min(question.offset, len(ids) - length))
        tokens = np.asarray(ids[offset : offset + length], np.int64)
        source = f"{'training' if part == 'train' else part} at {offset:,}"
    traced = trace(found.network, tokens)
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
        number=sources.desk.put(Held(found, traced, ())),
        part=part,
    )


def write(question: Write, asked: Asked, sources: Sources) -> Answer:
    """Write on from a prompt, a few symbols at a time."""
    yield None
    settle_thread()
    found = sources.model(question.best)
    from rnn_tui.generation import Writer, start_symbol

    tokens, dropped = found.vocabulary.encode(question.prompt)
    try:
        writer = Writer(
            found.network,
            tokens,
            temperature=question.temperature,
            top_k=question.top_k,
            top_p=question.top_p,
            seed=question.seed,
            start=start_symbol(found.vocabulary.symbols),
        )
    except ValueError as error:
        raise LabError(str(error)) from None
    prompt = question.prompt if not dropped else found.vocabulary.decode(tokens)
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

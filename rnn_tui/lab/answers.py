"""How each question is answered, on the answering thread."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.lab.asking import Answer, Asked, LabError, LookAtData, TraceText, Write
from rnn_tui.views import Writing, frozen

if TYPE_CHECKING:
    from rnn_tui.data.vocabulary import Vocabulary
    from rnn_tui.model.network import Network

LONGEST_TRACE = 20_000
# Symbols written between two looks at the clock, and seconds between two views of a text.
PIECE = 8
VIEW_EVERY = 0.08


@dataclass(frozen=True, slots=True)
class Frozen:
    """A copy of a model that nobody trains: float32, on the CPU, with what it reads and writes in."""

    network: Network
    vocabulary: Vocabulary
    passages: NDArray[Any] | None
    """The part that passages are taken from; None where the text is not at hand."""
    part: str
    step: int
    weights_version: int


@functools.cache
def _settle_thread() -> None:
    """One core for answers, and no 20-fold slowdown by denormals. Both settings count per thread."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def look_at_data(question: LookAtData, asked: Asked) -> Answer:
    """Read (or find in the cache) the text that a configuration names."""
    from rnn_tui.data.text import read_corpus

    yield None
    corpus = read_corpus(question.data, asked.report, lambda: asked.cancelled)
    return corpus.view


def trace_text(question: TraceText, asked: Asked, model: Callable[[bool], Frozen]) -> Answer:
    """Every state and gate while the frozen network reads a text."""
    asked.report(math.nan, "reading the text")
    yield None
    _settle_thread()
    found = model(question.best)
    from rnn_tui.inspection.trace import trace, trace_view

    offset, unknown = 0, 0
    if question.text is not None:
        tokens, unknown = found.vocabulary.encode(question.text[:LONGEST_TRACE])
        source = "your text"
        if not len(tokens):
            raise LabError("none of that text's symbols is in the vocabulary; type another text (i)")
    else:
        if found.passages is None or len(found.passages) < 2:
            raise LabError("the text it was trained on is not at hand; type one of your own (i)")
        length = max(2, min(question.length, LONGEST_TRACE, len(found.passages)))
        offset = max(0, min(question.offset, len(found.passages) - length))
        tokens = np.asarray(found.passages[offset : offset + length], np.int64)
        source = f"{found.part} at {offset:,}"
    return trace_view(
        trace(found.network, tokens),
        found.vocabulary.symbols,
        cell=found.network.cell.name,
        gates=found.network.cell.gates,
        unknown=unknown,
        step=found.step,
        weights_version=found.weights_version,
        source=source,
        offset=offset,
        best=question.best,
    )


def write(question: Write, asked: Asked, model: Callable[[bool], Frozen]) -> Answer:
    """Write on from a prompt, a few symbols at a time."""
    yield None
    _settle_thread()
    found = model(question.best)
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

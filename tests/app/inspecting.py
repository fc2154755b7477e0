"""Inspect alone on a stage, with traces made by numpy: of a text, and of the other kinds of sequence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import reading_pane
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.config import Config, put
from rnn_tui.lab import Asked, TraceText
from rnn_tui.views import DataView, Hold, Part, Trace, frozen
from tests.app.stage import FakeLab, Stage, make_trace, settle

SENTENCE = ("Ryan", "flew", "to", "Papua-Neuguinea", ",", "again", ".")
TAGS = ("O", "B-person", "I-person", "B-location")
RIGHT_TAGS = ("B-person", "O", "O", "B-location", "O", "O", "O")
CLASSES = ("Czech", "English", "Russian")
PAIR = ("How's", "work", "?", "<start>", "Comment", "va", "le", "travail", "?")
FRENCH = ("<eos>", "<start>", "Comment", "va", "le", "travail", "?", "!")


@asynccontextmanager
async def stage(
    lab: FakeLab | None = None, size: tuple[int, int] = (80, 21), others: Sequence[Pane] = ()
) -> AsyncIterator[tuple[Stage, InspectPane, Pilot[None]]]:
    """The app, the pane and its pilot, once the first text was read; every move is drawn at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_pane, "DRAW_EVERY", 0.0)
        pane = InspectPane()
        app = Stage(lab or FakeLab(), pane, others)
        async with app.run_test(size=size) as pilot:
            await settle(app, pilot)
            yield app, pane, pilot


def the_trace(pane: InspectPane) -> Trace:
    """What the pane shows."""
    assert pane.trace is not None
    return pane.trace


def made(symbols: Sequence[str], task: str, answers: Sequence[str], right: Sequence[str], **options: Any) -> Trace:
    """A reading of these symbols; at t the likeliest answers are drawn anew, and `bits` are those of the right one."""
    T, draw = len(symbols), np.random.default_rng(7)
    like = make_trace("x" * T, layers=1, units=8, **options)
    p = draw.dirichlet(np.full(len(answers), 0.4), size=T).astype(np.float32)
    order = np.argsort(-p, axis=1)[:, :5]
    bits = np.full(T, np.nan, np.float32)
    for t, each in enumerate(right):
        if each:
            bits[t] = -np.log2(p[t, tuple(answers).index(each)])
    vocabulary = tuple(dict.fromkeys((*symbols, "<unk>")))
    return replace(
        like, symbols=tuple(symbols), tokens=frozen(np.array([vocabulary.index(s) for s in symbols])),
        vocabulary=vocabulary, top_id=frozen(order), top_p=frozen(np.take_along_axis(p, order, axis=1)),
        bits=frozen(bits), next_bits=frozen(bits.copy()), answers=tuple(answers), right=tuple(right), task=task,
        source="example 3 of the validation part", offset=3, part="validation",
    )  # fmt: skip


def both_ways(trace: Trace) -> Trace:
    """The same of a bidirectional network."""
    layers = []
    for layer in trace.layers:
        other = {f"backward.{name}": frozen(-values[::-1].copy()) for name, values in layer.items()}
        layers.append({**layer, **other})
    return replace(trace, layers=tuple(layers), backward=True)


def tagged(symbols: Sequence[str] = SENTENCE, right: Sequence[str] = RIGHT_TAGS) -> Trace:
    """A sentence with its tags, read both ways."""
    return both_ways(made(symbols, "tagging", TAGS, right))


def classified() -> Trace:
    """A name with its language, which is asked for at its end."""
    return made("Hatuntsev", "classification", CLASSES, ("",) * 8 + ("Russian",), cell="gru")


def translated(attention: bool = True) -> Trace:
    """A pair on one axis."""
    trace = made(PAIR, "translation", FRENCH, ("", "", "", *PAIR[4:], "<eos>"))
    nothing = trace.top_p.copy()
    nothing[:3] = np.nan
    weights = np.random.default_rng(3).dirichlet(np.ones(3), size=6).astype(np.float32)
    return replace(trace, border=3, top_p=frozen(nothing), attention=frozen(weights) if attention else None)


def forecast(steps: int = 12, columns: int = 1, known: bool = True) -> Trace:
    """A window of a series and what comes after it."""
    draw = np.random.default_rng(5)
    values = draw.standard_normal((steps, columns)).astype(np.float32)
    symbols = [f"{100 + 40 * float(value):.1f}" for value in values[:, 0]]
    trace = made(symbols, "forecasting", ("x",), ("",) * steps)
    squared = np.full(steps, np.nan, np.float32)
    squared[-1] = 0.25 if known else np.nan
    return replace(
        trace, values=frozen(values), tokens=frozen(np.full(steps, -1)), top_id=frozen(np.zeros((steps, 0), np.int64)),
        top_p=frozen(np.zeros((steps, 0), np.float32)), answers=("Sunspots t+1",), squared=frozen(squared),
        right=("",) * (steps - 1) + ("121.7" if known else "",),
        vocabulary=tuple(f"column {k}" for k in range(columns)),
        predictions=frozen((100 + 10 * np.arange(steps, dtype=np.float32))[:, None]),
    )  # fmt: skip


class TaskLab(FakeLab):
    """A Lab with one reading of another task, whatever is asked; `config` fields by their keys."""

    def __init__(self, trace: Trace, examples: int = 20, **config: Any) -> None:
        super().__init__()
        self.reading = self.held_reading = trace
        """What is read with nothing held, and with something."""
        changed = put(Config(), "data.task", trace.task)
        for key, value in {"model.bidirectional": trace.backward, **config}.items():
            changed = put(changed, key, value)
        self.status = replace(self.status, config=changed)
        self.data: DataView | None = DataView(
            "pairs.tsv", "pairs", 900, 30, (Part("train", 0, 100), Part("validation", 100, examples)), (), (), "",
            "0" * 64, task=trace.task, unit="sentences",
        )  # fmt: skip

    def hold(self, hold: Hold) -> None:
        self.status = replace(self.status, held=(hold,))

    def release(self, hold: Hold | None) -> None:
        self.status = replace(self.status, held=())

    def answer(self, asked: Asked) -> None:
        if isinstance(asked.question, TraceText):
            status, own = self.status, asked.question.text is not None
            trace = replace(
                self.reading, number=len(self.asked), step=status.step, weights_version=status.weights_version,
                offset=0 if own else asked.question.offset, part="" if own else "validation",
                source="your text" if own else f"sentence {asked.question.offset} of the validation part",
            )  # fmt: skip
            if status.held:
                free = replace(trace, number=trace.number + 100)
                fields = {"bits": self.held_reading.bits, "squared": self.held_reading.squared}
                trace = replace(trace, holds=status.held, without=free, **fields)
            asked.finish(trace)
        else:
            super().answer(asked)

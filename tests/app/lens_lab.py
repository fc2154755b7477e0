"""A scripted Lab that answers the questions of the lenses, with views made by numpy."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from textual.pilot import Pilot

from rnn_tui.lab import Asked, TraceText
from rnn_tui.lab.questions import CountGates, FindMarks, FindState, FindUnits, ReadRecording
from rnn_tui.views import (
    GateShares,
    GateStatistics,
    Marked,
    Recording,
    StateMatches,
    StatePlace,
    Trace,
    UnitMatch,
    UnitRanking,
    frozen,
)
from tests.app.stage import PLAY, FakeLab, Stage, make_trace, press

SOURCE = "training part, last 100,000 symbols"


class LensLab(FakeLab):
    """As the stage's Lab; readings have numbers, by which they are found again."""

    def __init__(self, at_once: bool = True, frames: int = 0, **trace: Any) -> None:
        super().__init__(at_once, **trace)
        self.readings: dict[int, Trace] = {}
        self.units = int(trace.get("units", 12))
        self.cell = str(trace.get("cell", "lstm"))
        self.frames = frames
        self.error = ""
        self.places = 5

    def asked_for(self, kind: type[Any]) -> list[Any]:
        """The questions of one kind, as they were put."""
        return [asked.question for asked in self.asked if isinstance(asked.question, kind)]

    def answer(self, asked: Asked) -> None:
        question = asked.question
        if self.error and not isinstance(question, TraceText):
            asked.finish(error=self.error)
        elif isinstance(question, TraceText):
            super().answer(asked)
            number = len(self.readings) + 1
            part = "" if question.text is not None else question.part or "validation"
            asked.newest = self.readings[number] = replace(asked.newest, number=number, part=part)
        elif isinstance(question, FindUnits):
            asked.finish(ranking(question.pattern or question.mark, self.units, self.cell, self.status.step))
        elif isinstance(question, FindMarks):
            text = "".join(self.readings[question.number].symbols)
            asked.finish(Marked(question.number, question.pattern or question.mark, grades(question, text)))
        elif isinstance(question, FindState):
            asked.finish(matches(question, self.readings[question.number], self.places))
        elif isinstance(question, CountGates):
            asked.finish(statistics(self.units, self.cell, self.status.step))
        elif isinstance(question, ReadRecording):
            asked.finish(recording(self.frames, self.units, version=self.status.recording_version))
        else:
            super().answer(asked)


def ranking(what: str, units: int, cell: str, step: int) -> UnitRanking:
    """Unit 3 of layer 1 first, then all others; every other one is lower in a match."""
    states = ("h", "c") if cell == "lstm" else ("h",)
    all_of_them = [(layer, unit, state) for layer in (1, 0) for state in states[::-1] for unit in range(units)]
    all_of_them.sort(key=lambda each: each != (1, 3, states[-1]))
    found = [UnitMatch(layer, unit, state, 0.5 + 0.47 * 0.93**k, 1 if k % 2 == 0 else -1)
             for k, (layer, unit, state) in enumerate(all_of_them)]  # fmt: skip
    return UnitRanking(what, 100_000, 12_345, tuple(found), SOURCE, step)


def grades(question: FindMarks, text: str) -> Any:
    grade = np.zeros(len(text), np.float32)
    if question.mark == "column":
        for k in range(1, len(text)):
            grade[k] = 0 if text[k] == "\n" else grade[k - 1] + 1
    else:
        for found in re.finditer(question.pattern or "[A-Z]", text):
            grade[found.start() : found.end()] = 1
    return frozen(grade)


def matches(question: FindState, trace: Trace, places: int) -> StateMatches:
    values = trace.layers[question.layer][question.state][question.first : question.last + 1]
    units = tuple(np.flatnonzero((values >= question.threshold).all(axis=0)).tolist())
    length = question.last - question.first + 1
    found = []
    for k in range(places if units else 0):
        offset = 400 + 300 * k
        text = (PLAY * 20)[offset - 20 : offset + length + 20]
        found.append(StatePlace("train" if k % 2 else "validation", offset, length, max(len(units) - k, 1), k,
                                text[:20], text[20:-20], text[-20:]))  # fmt: skip
    return StateMatches(question.number, question.layer, question.state, question.first, question.last,
                        question.threshold, units, tuple(found), 100_000, trace.step)  # fmt: skip


def statistics(units: int, cell: str, step: int, layers: int = 2) -> GateStatistics:
    draw = np.random.default_rng(5)
    names = {"lstm": "ifo", "gru": "rz", "rnn": ""}[cell]
    gates, states = [], []
    for _ in range(layers):
        shares = {}
        for name in names:
            left, right, _ = draw.dirichlet((0.4, 0.4, 1.0), units).T.astype(np.float32)
            shares[name] = GateShares(frozen(left.copy()), frozen(right.copy()))
        gates.append(shares)
        states.append({"h": frozen(draw.uniform(0, 1, units).astype(np.float32))})
    always = ((0, 2, names[0], "open"), (0, 5, names[-1], "closed"), (1, 1, names[0], "open")) if names else ()
    return GateStatistics(tuple(gates), ((0, 7), (1, 4)), always, tuple(states), 20_000, SOURCE, step)


def recording(frames: int, units: int, layers: int = 2, text: str = PLAY, version: int = 0) -> Recording:
    """A probe text at steps 0, 10, 40, 90 ..; unit 0 grows from frame to frame."""
    draw = np.random.default_rng(9)
    last = make_trace(text, units=units, layers=layers, seed=3)
    T = len(text)
    states, scales = [], []
    for k in range(layers):
        kept, scale = {}, {}
        for name in ("h", "c"):
            growing = (np.arange(frames, dtype=np.float32) + 1) / max(frames, 1)
            values = last.layers[k][name] * growing[:, None, None]
            largest = np.maximum(np.abs(values).max(axis=1, initial=0.0), 1e-6).astype(np.float32)
            kept[name] = np.rint(values / largest[:, None] * 127).astype(np.int8)
            scale[name] = frozen(largest)
        states.append(kept)
        scales.append(scale)
    bits = (draw.uniform(0, 1, (frames, T)) + np.linspace(6, 2, frames)[:, None]).astype(np.float32)
    bits[:, 0] = np.nan
    return Recording(
        symbols=last.symbols, tokens=last.tokens, steps=np.array([10 * f * f for f in range(frames)], np.int64),
        states=tuple(states), scales=tuple(scales),
        top_id=np.tile(last.top_id[None, :, :5], (frames, 1, 1)).astype(np.int32),
        top_p=frozen(np.tile(last.top_p[None, :, :5], (frames, 1, 1))), bits=frozen(bits),
        vocabulary=last.vocabulary, cell="lstm", version=version,
    )  # fmt: skip


async def leave(app: Stage, pilot: Pilot[None]) -> str:
    """Escape, which the app hands to the pane; the screen after it."""
    app.here.escape()
    return await press(app, pilot)

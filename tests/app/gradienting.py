"""Gradients alone on a stage, with gradients made by numpy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from rnn_tui.app.pane import Answer, Pane
from rnn_tui.app.panes import gradients_questions, reading_pane
from rnn_tui.app.panes.gradients import GradientsPane
from rnn_tui.config import Config, put
from rnn_tui.lab import Asked, LabError
from rnn_tui.lab.questions import Compare, FollowGradient, ReadFlight
from rnn_tui.views import (
    Compared,
    Comparison,
    Curves,
    Flight,
    FlightRow,
    GradientFlow,
    LayerFlow,
    Trace,
    frozen,
)
from rnn_tui.views.gradients import Array64
from tests.app import fakes
from tests.app.stage import FakeLab, Stage, settle

GROUPS = (
    "embedding",
    "layer 0 W_ih",
    "layer 0 W_hh",
    "layer 0 b",
    "layer 1 W_ih",
    "layer 1 W_hh",
    "layer 1 b",
    "output",
)


def make_layer(T: int, cut: int, decades: float, cell: str, growth: bool = False) -> LayerFlow:
    """A gradient that loses so many decades a step, exactly 0 before `cut`."""
    back = np.arange(T)[::-1].astype(np.float64)
    with np.errstate(over="ignore"):
        norms = 10.0 ** ((1 if growth else -1) * decades * back) * 0.5
    norms[:cut] = 0.0
    cells = None
    if cell == "lstm":
        cells = np.where(norms > 0, norms * 10.0 ** (0.5 * decades * back), 0.0)
    alive = norms[np.isfinite(norms)] >= 1e-6 * norms[-1]
    names = ("W_ih", "W_hh", "b_ih", "b_hh")
    steps = {name: frozen(np.nan_to_num(norms, posinf=1e300) * (k + 1) / 10) for k, name in enumerate(names)}
    with np.errstate(over="ignore"):
        sums = {name: frozen(np.cumsum(values[::-1])[::-1].copy()) for name, values in steps.items()}
    plain = cell == "rnn"
    return LayerFlow(
        norms=frozen(norms), cell_norms=None if cells is None else frozen(cells), horizon=int(alive.sum()) - 1,
        accumulated=sums, step_norms=steps, spectral_radius=0.97 if plain else None,
        singular_values=frozen(np.linspace(1.9, 0.01, 8)) if plain else None,
        jacobian=frozen(10.0 ** (-decades * back)) if plain else None,
        linear=frozen(0.97**back) if plain else None,
    )  # fmt: skip


def make_flow(
    trace: Trace, at: int, truncate: int = 0, decades: float = 0.15, growth: bool = False
) -> GradientFlow:  # fmt: skip
    """The gradient of a network that never was."""
    language = trace.task == "language"
    at = trace.steps - 2 if at < 0 else at
    cut = max(at + 1 - truncate, 0) if truncate else 0
    layers = tuple(
        make_layer(at + 1, cut, decades * (1.5 if k == 0 else 1), trace.cell, growth)
        for k in range(len(trace.layers))
    )  # fmt: skip
    if trace.backward:
        layers = tuple(both_ways(layer, trace.steps, at) for layer in layers)
    right = "" if language else trace.right[at] if trace.right else ""
    return GradientFlow(
        number=trace.number, at=at, target=trace.symbols[at + 1] if language else right or trace.answers[0], loss=2.31,
        layers=layers, truncated=truncate, cut=cut, step=trace.step, cell=trace.cell,
        overflow=any(not np.isfinite(layer.norms).all() for layer in layers), border=trace.border,
        likeliest=not language and not right, real=trace.predictions is not None,
    )  # fmt: skip


def both_ways(layer: LayerFlow, T: int, at: int) -> LayerFlow:
    """The same over all T timesteps, and as far in the other direction."""

    def wide(values: Array64 | None, ahead: bool) -> Array64 | None:
        if values is None:
            return None
        whole = np.zeros(T)
        if ahead:
            whole[at:] = values[::-1][: T - at][: len(whole[at:])] if len(values) >= T - at else 0.0
        else:
            whole[: at + 1] = values
        return frozen(whole)

    norms = wide(layer.norms, False)
    assert norms is not None
    return replace(
        layer, norms=norms, cell_norms=wide(layer.cell_norms, False), backward=wide(layer.norms, True),
        backward_cell=wide(layer.cell_norms, True), backward_horizon=min(3, T - 1 - at),
    )  # fmt: skip


def make_comparison(trace: Trace, at: int, trained: bool) -> Comparison:
    """RNN, GRU and LSTM, of which the RNN forgets fastest."""
    found = []
    for cell, decades in (("lstm", 0.1), ("gru", 0.18), ("rnn", 0.5)):
        layer = make_layer(at + 1, 0, decades, cell)
        told = "this session, step 1,240" if trained else "fresh"
        norms = (layer.norms, layer.cell_norms)
        found.append(Compared(f"{cell.upper()} 2x128, {told}", cell, trained, *norms, layer.horizon, 2.5))
    missing = ("no trained GRU 2x128 here; Build makes one",) if trained else ()
    return Comparison(trace.number, at, tuple(found), missing)


def make_curves(upto: int = 1900) -> Curves:
    """A run with groups."""
    plain = fakes.curves(1, upto)
    draw = np.random.default_rng(1)
    shape = (len(GROUPS), len(plain.step))
    norms = plain.grad_norm * 10.0 ** draw.normal(-0.5, 0.4, (len(GROUPS), 1)) * 10.0 ** draw.normal(0, 0.05, shape)
    return replace(
        plain, groups=GROUPS, group_norms=frozen(norms.astype(np.float32)), norm_p90=1.234,
        update_ratios=frozen((norms / 900).astype(np.float32)),
    )  # fmt: skip


def make_flight(bad: str = "") -> Flight:
    """The last updates; with `bad` the last is one that was not made."""
    rows = [
        FlightRow(1850 + k, 1.8, 0.9 + 0.1 * (k % 5), 0.002, k % 5 == 4, (0.1,) * len(GROUPS), "And so\nit \x1b[1m")
        for k in range(50)
    ]  # fmt: skip
    if bad:
        rows.append(FlightRow(1900, float("nan"), float("inf"), 0.02, True, (float("inf"),) * len(GROUPS), "bad text"))
    return Flight(GROUPS, tuple(rows), bad, 1900 if bad else -1, 1890 if bad else -1)


class GradientLab(FakeLab):
    """A Lab that also answers what Gradients asks, and notes what it is told."""

    def __init__(self, at_once: bool = True, decades: float = 0.15, growth: bool = False, **trace: Any) -> None:
        super().__init__(at_once, **trace)
        self.decades, self.growth = decades, growth
        self.curves: Curves | None = make_curves()
        self.flight = make_flight()
        self.calls: list[tuple[Any, ...]] = []
        self.refuses = ""
        self._traces: dict[int, Trace] = {}
        self.reading: Trace | None = None
        """What is read, whatever text is asked for; None: a text as the stage has it."""

    def answer(self, asked: Asked) -> None:
        question: Any = asked.question
        if isinstance(question, FollowGradient):
            trace = self._traces[question.number]
            asked.finish(make_flow(trace, question.at, question.truncate, self.decades, self.growth))
        elif isinstance(question, Compare):
            asked.finish(make_comparison(self._traces[question.number], question.at, question.trained))
        elif isinstance(question, ReadFlight):
            asked.finish(self.flight)
        else:
            super().answer(asked)
            if self.reading is not None:
                asked.newest = replace(
                    self.reading, step=self.status.step, weights_version=self.status.weights_version,
                    offset=0 if question.text else question.offset,
                )  # fmt: skip
            number = len(self._traces) + 1
            self._traces[number] = asked.newest = replace(asked.newest, number=number)

    def reads(self, trace: Trace) -> GradientLab:
        """It has a network of this reading's task."""
        self.reading = trace
        changed = put(put(Config(), "data.task", trace.task), "model.bidirectional", trace.backward)
        self.status = replace(self.status, config=changed)
        return self

    def of(self, kind: type) -> list[Any]:
        """The questions of a kind that were put, in order."""
        return [asked.question for asked in self.asked if isinstance(asked.question, kind)]

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        if self.refuses:
            raise LabError(self.refuses)

    def clip_to_p90(self) -> None:
        self._call("clip_to_p90")

    def step_back(self) -> None:
        self._call("step_back")

    def scale_recurrent(self, radius: float) -> None:
        self._call("scale_recurrent", radius)

    def set(self, key: str, value: Any) -> None:
        self._call("set", key, value)


class AskingStage(Stage):
    """A stage whose questions can be answered."""

    answers: Sequence[Answer] = ()

    def ask(self, title: str, text: str, answers: Sequence[Answer]) -> None:
        super().ask(title, text, answers)
        self.answers = answers

    def choose(self, key: str) -> None:
        """Press a key of the dialog."""
        next(act for each, _, act in self.answers if each == key)()


@asynccontextmanager
async def stage(
    lab: GradientLab | None = None, size: tuple[int, int] = (80, 21), others: Sequence[Pane] = ()
) -> AsyncIterator[tuple[AskingStage, GradientsPane, Pilot[None]]]:
    """The app, the pane and its pilot, once the first gradient is there; every move is drawn at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_pane, "DRAW_EVERY", 0.0)
        patch.setattr(gradients_questions, "REST", 0.0)
        pane = GradientsPane()
        app = AskingStage(lab or GradientLab(), pane, others)
        async with app.run_test(size=size) as pilot:
            await settle(app, pilot)
            yield app, pane, pilot

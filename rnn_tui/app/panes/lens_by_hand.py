"""By hand: one works the equations out oneself, a number after another, and is told whether it is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnn_tui.app.panes.equation_view import CALLS, colour_of, figure, has_sign
from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.views import Equation, Line

DIGITS = 4
"""Decimals of what is given, so that three of a result can be had from them."""
TOLERANCE = 0.0005 + 0.0005
"""Half of the third decimal, and as much for what was rounded before."""
FORMULAS = {
    "sigmoid": "sigmoid(x) = 1 / (1 + e^-x)",
    "tanh": "tanh(x) = (e^x - e^-x) / (e^x + e^-x)",
    "relu": "max(0, x): x where it is above 0, else 0",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One number that is asked for: of a line its pre-activation (`pre`) or its `value`."""

    name: str
    part: str

    @property
    def question(self) -> str:
        return f"pre-activation of {self.name}?" if self.part == "pre" else f"{self.name}?"


def truth(equation: Equation, t: int, step: Step) -> float:
    """What the number is."""
    line = next(line for line in equation.lines if line.name == step.name)
    return float((line.pre_activation if step.part == "pre" else line.value)[t])


def steps_of(equation: Equation, t: int) -> list[Step]:
    """What is asked for, in the order of the equations; what is held is given."""
    steps = []
    for line in equation.lines:
        if line.held is not None and line.held[t]:
            continue
        if len(line.pre_activation):
            steps.append(Step(line.name, "pre"))
        steps.append(Step(line.name, "value"))
    return steps


class ByHand:
    """What was found out so far, at which places, and how much of it at the first try."""

    def __init__(self) -> None:
        self.asked = self.first_try = 0
        self.told = ""
        """What became of the last number."""
        self.good = True
        self._solved: set[tuple[int, int, int, int, Step]] = set()
        self._missed = False

    def step(self, equation: Equation, t: int) -> Step | None:
        """The next number that is asked for; None where all are there."""
        return next((step for step in steps_of(equation, t) if not self.is_solved(equation, t, step)), None)

    def is_solved(self, equation: Equation, t: int, step: Step) -> bool:
        return (equation.number, equation.layer, equation.unit, t, step) in self._solved

    def hides(self, equation: Equation, t: int, name: str, part: str) -> bool:
        """Whether a part of a line is still to be found out. Terms are, where they can be computed from what is given
        or from other lines."""
        line = next((line for line in equation.lines if line.name == name), None)
        if line is None or (line.held is not None and line.held[t]):
            return False
        if part == "terms":
            if line.activation and not equation.weights:
                return False
            part = "pre" if line.activation else "value"
        return not self.is_solved(equation, t, Step(name, part))

    def answer(self, equation: Equation, t: int, typed: str) -> None:
        """A number was typed for the next step; an empty one asks for it to be shown."""
        step = self.step(equation, t)
        if step is None:
            return
        true = truth(equation, t, step)
        shown = figure(true, 3, has_sign(step.name) or step.part == "pre").strip()
        self.good = False
        if not typed.strip():
            self._settle(equation, t, step, False)
            self.told = f"{self._of(step)} is {shown}"
            return
        try:
            value = float(typed.strip().replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.told = f"{fit(typed.strip(), 20)} is no number; type one as 0.512"
            return
        if abs(value - true) <= TOLERANCE:
            self.good = True
            self._settle(equation, t, step, not self._missed)
            self.told = f"{self._of(step)} = {shown}: right"
            return
        self._missed = True
        self.told = f"{value:g} is too {'low' if value < true else 'high'}"

    @staticmethod
    def _of(step: Step) -> str:
        return f"the pre-activation of {step.name}" if step.part == "pre" else step.name

    def _settle(self, equation: Equation, t: int, step: Step, first_try: bool) -> None:
        self._solved.add((equation.number, equation.layer, equation.unit, t, step))
        self.asked += 1
        self.first_try += first_try
        self._missed = False

    @property
    def score(self) -> str:
        return f"{self.first_try} of {self.asked} right at the first try"

    # What it is computed from.

    def given(self, equation: Equation, t: int, line: Line, symbol: str, width: int) -> list[Spans]:
        """Weights and inputs of a line, where the network is small enough; otherwise its terms stand there anyway.

        `symbol`: what was read at t, quoted.
        """
        rows: list[Spans] = []
        gate = next((k for k, name in enumerate(gates_of(equation)) if name == line.name), 0)
        if line.activation:
            for matrix, read, name in (("W_ih", "x", "x"), ("W_hh", "h", "h_{t-1}")):
                if matrix in equation.weights and read in equation.inputs:
                    weights = np.atleast_2d(equation.weights[matrix])[gate]
                    rows += _products(f"{matrix} {name}", weights, equation.inputs[read][t], width)
            biases = [(b, float(equation.weights[b][gate])) for b in ("b_ih", "b_hh") if b in equation.weights]
            told: list[Span] = []
            # What the network reads is a whole column of W_ih where it is one of many symbols.
            for term, array in line.terms:
                if equation.weights and "W_ih" not in equation.weights and term.startswith("W_i"):
                    one_hot = equation.sources[:1] and equation.sources[0].startswith("'")
                    name = f"{term}, column {symbol}," if one_hot else term
                    told += [(f" {name} ", "label"), _given(float(array[t])), (" ", "")]
            for name, value in biases:
                told += [(f" {name} ", "label"), _given(value), (" ", "")]
            if told:
                rows.append(cut(tuple(told), width))
        else:
            before = [(name, array) for name, array in equation.before.items()
                      if any(f"{name}_{{t-1}}" in term for term, _ in line.terms)]  # fmt: skip
            if before:
                rows.append(tuple(
                    span for name, array in before
                    for span in ((f" {name}_{{t-1}} ", "label"), _given(float(array[t])))
                ))  # fmt: skip
        formula = FORMULAS.get(line.activation, "")
        if any(term.startswith("tanh(") for term, _ in line.terms):
            formula = FORMULAS["tanh"]
        if formula:
            rows.append(((fit(f" {formula}", width), "dim"),))
        return rows

    def prompt(self, equation: Equation, t: int, after: str, width: int) -> list[Spans]:
        """What became of the last number, and what is asked for next; `after`: where it goes on when all are there."""
        step = self.step(equation, t)
        told: Spans = ((f" {self.told}  ", "good" if self.good else "warn"),) if self.told else ()
        score: Spans = ((f" {self.score}", "quiet"),) if self.asked else ()
        if step is None:
            asked = f" unit {equation.unit} at t {t} is done; {after}"
        else:
            asked = f" {step.question}  three decimals; enter alone shows it"
        return [cut((*told, *score), width), ((fit(asked, width), "mark"),)]


def gates_of(equation: Equation) -> list[str]:
    """The lines that have a row of the weights, in their order."""
    return [line.name for line in equation.lines if line.activation in CALLS]


def _given(value: float) -> Span:
    return figure(value, DIGITS), colour_of(value)


def _products(name: str, weights: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
              read: np.ndarray[tuple[int, ...], np.dtype[np.float32]], width: int) -> list[Spans]:  # fmt: skip
    """A sum of products on as many lines as it takes: ` W_hh h_{t-1} = +0.1234 * +0.5678 + ...`."""
    pieces = [f"{figure(float(w), DIGITS)}*{figure(float(x), DIGITS)}" for w, x in zip(weights, read, strict=True)]
    head = f" {name} = "
    lines = wrap(" ".join(pieces), max(width - len(head), 15))
    return [(((head if k == 0 else " " * len(head)), "label"), (line, "value")) for k, line in enumerate(lines)]

"""A scripted Lab that knows readings by number: equations whose terms add up, holds that change the text's cost."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_tui.lab import Asked, TraceText, Write
from rnn_tui.lab.questions import Explain
from rnn_tui.views import Contributions, Equation, Hold, Line, Trace, frozen
from tests.app.stage import FakeLab, make_writing


def _frozen(values: Any) -> Any:
    return frozen(np.array(values, np.float32))


def make_equation(trace: Trace, layer: int, unit: int, held: tuple[Hold, ...] = ()) -> Equation:
    """The equations of a unit of a trace that was made up: every sum and product is right to float32."""
    there = {name: values[:, unit].astype(np.float64) for name, values in trace.layers[layer].items()}
    T, H = trace.steps, trace.layers[layer]["h"].shape[1]
    draw = np.random.default_rng(1000 * layer + unit)
    before = {name: np.concatenate(([0.0], there[name][:-1])) for name in ("h", "c") if name in there}
    all_h = np.vstack((np.zeros((1, H)), trace.layers[layer]["h"][:-1].astype(np.float64)))
    sources = (*(f"'{symbol}'" for symbol in trace.vocabulary), *(f"h {k}" for k in range(H)))
    gates = trace.gates or ("h",)
    W_hh, bias = draw.uniform(-0.9, 0.9, (len(gates), H)), draw.uniform(-0.3, 0.3, (2, len(gates)))
    lines = []
    for k, name in enumerate(gates):
        tanh = name in "gnh"
        pre = np.arctanh(np.clip(there[name], -0.99999, 0.99999)) if tanh else np.log(there[name] / (1 - there[name]))
        value = np.tanh(pre) if tanh else 1 / (1 + np.exp(-pre))
        there[name] = value
        mark = "" if name == "h" else name
        past = all_h @ W_hh[k]
        drive = pre - past - bias[0, k] - bias[1, k]
        terms = ((f"W_i{mark or 'h'} x", drive), (f"b_i{mark or 'h'}", np.full(T, bias[0, k])),
                 (f"W_h{mark or 'h'} h_{{t-1}}", past), (f"b_h{mark or 'h'}", np.full(T, bias[1, k])))  # fmt: skip
        products = np.hstack((drive[:, None], W_hh[k] * all_h))
        order = np.argsort(-np.abs(products), axis=1)[:, : min(5, H + 1)]
        source = np.where(order == 0, trace.tokens[:, None], len(trace.vocabulary) + order - 1)
        weight = np.take_along_axis(np.hstack((drive[:, None], np.tile(W_hh[k], (T, 1)))), order, axis=1)
        read = np.take_along_axis(np.hstack((np.ones((T, 1)), all_h)), order, axis=1)
        added = Contributions(frozen(source), _frozen(weight), _frozen(read), _frozen(weight * read))
        activation = "tanh" if tanh else "sigmoid"
        text = f"{name} = {activation}({' + '.join(term for term, _ in terms)})"
        lines.append(Line(name, text, tuple((term, _frozen(v)) for term, v in terms), False, _frozen(pre), activation,
                          _frozen(value), added))  # fmt: skip
    none = _frozen([])
    if "c" in there:
        kept, new = there["f"] * before["c"], there["i"] * there["g"]
        c = kept + new
        lines.append(Line("c", "c = f * c_{t-1} + i * g", (("f * c_{t-1}", _frozen(kept)), ("i * g", _frozen(new))),
                          False, none, "", _frozen(c)))  # fmt: skip
        parts = (("o", _frozen(there["o"])), ("tanh(c)", _frozen(np.tanh(c))))
        lines.append(Line("h", "h = o * tanh(c)", parts, True, none, "", _frozen(there["o"] * np.tanh(c))))
    elif "z" in there:
        new, kept = (1 - there["z"]) * there["n"], there["z"] * before["h"]
        parts = (("(1 - z) * n", _frozen(new)), ("z * h_{t-1}", _frozen(kept)))
        lines.append(Line("h", "h = (1 - z) * n + z * h_{t-1}", parts, False, none, "",
                          _frozen(parts[0][1] + parts[1][1])))  # fmt: skip
    for hold in held:
        lines = [replace(line, value=_frozen(np.full(T, hold.value)), held=frozen(np.ones(T, bool)))
                 if (hold.layer, hold.name) == (layer, line.name) and hold.unit in (-1, unit) else line
                 for line in lines]  # fmt: skip
    small = H <= 8
    return Equation(
        number=trace.number, layer=layer, unit=unit, cell=trace.cell, lines=tuple(lines), sources=sources,
        before={name: _frozen(values) for name, values in before.items()},
        inputs={"h": _frozen(all_h)} if small else {},
        weights={"W_hh": _frozen(W_hh), "b_ih": _frozen(bias[0]), "b_hh": _frozen(bias[1])} if small else {},
        error=3e-7,
    )  # fmt: skip


class KnowingLab(FakeLab):
    """Numbers its readings, explains them, and holds values; with held ones the text costs more."""

    def __init__(self, at_once: bool = True, **trace: Any) -> None:
        super().__init__(at_once, **trace)
        self.traces: dict[int, Trace] = {}
        self._numbers = itertools.count(1)
        self.refuses = ""

    def number(self, trace: Trace) -> Trace:
        found = replace(trace, number=next(self._numbers))
        self.traces[found.number] = found
        return found

    def answer(self, asked: Asked) -> None:
        question = asked.question
        if isinstance(question, TraceText):
            plain = Asked(question)
            super().answer(plain)
            trace = self.number(plain.newest)
            if question.holds:
                draw = np.random.default_rng(5)
                p = draw.dirichlet(np.full(len(trace.vocabulary), 0.2), size=trace.steps)
                order = np.argsort(-p, axis=1)[:, : trace.top_id.shape[1]]
                cost = -np.log2(np.maximum(p[np.arange(trace.steps - 1), trace.tokens[1:]], 1e-7))
                dearer = np.append(np.nan, cost).astype(np.float32)
                trace = self.number(replace(
                    trace, holds=question.holds, without=trace, bits=frozen(dearer), top_id=frozen(order),
                    next_bits=frozen(np.append(dearer[1:], np.nan).astype(np.float32)),
                    top_p=frozen(np.take_along_axis(p, order, axis=1).astype(np.float32)),
                ))  # fmt: skip
            asked.finish(trace)
        elif isinstance(question, Explain):
            trace = self.traces[question.number]
            asked.finish(make_equation(trace, question.layer, question.unit, trace.holds))
        elif isinstance(question, Write):
            if question.number and question.number not in self.traces:
                asked.finish(error="this text was read a while ago and its weights are gone; read it again (r)")
            else:
                prompt = question.prompt
                asked.finish(
                    make_writing(prompt, question.length, question.seed + len(question.holds), question.length)
                )

    def hold(self, hold: Hold) -> None:
        if self.refuses:
            from rnn_tui.lab import LabError

            raise LabError(self.refuses)
        place = (hold.layer, hold.name, hold.unit, hold.first, hold.last)
        kept = tuple(h for h in self.status.held if (h.layer, h.name, h.unit, h.first, h.last) != place)
        self.status = replace(self.status, held=(*kept, hold))

    def release(self, hold: Hold | None = None) -> None:
        kept = tuple(h for h in self.status.held if hold is not None and h != hold)
        self.status = replace(self.status, held=kept)

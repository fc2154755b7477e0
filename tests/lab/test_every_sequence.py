"""Every question about a reading, of every task: answered, or refused with one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn_tui.config import TASKS, Config, put
from rnn_tui.data.composed import labels_of
from rnn_tui.lab import questions
from rnn_tui.lab.answers import ANSWERS
from rnn_tui.lab.answers.desk import Desk, Frozen, Sources
from rnn_tui.lab.asking import Asked, LabError
from rnn_tui.tasks import task_of
from rnn_tui.views import Comparison, Equation, GradientFlow, Hold, Trace, Writing
from tests.tasks.test_every_task import config_of, run_of

OWN = {
    "language": "the cat", "tagging": "Anna lives in Paris", "classification": "Bonner", "composing": ": An",
    "translation": "monday 3 june", "forecasting": "10 20 30 25 28 30 41 50", "adding": "0.3 0.7* 0.2 0.4*",
    "copying": "abcdabcdab", "recall": "abcd", "brackets": "([])", "reber": "BTXSE",
}  # fmt: skip
BOTH = ("tagging", "classification", "forecasting")
KINDS = [*((name, False) for name in TASKS), *((name, True) for name in BOTH)]

_MADE: dict[tuple[str, bool], Frozen] = {}


def frozen_of(name: str, both: bool = False) -> Frozen:
    if (name, both) not in _MADE:
        config: Config = config_of(name)
        config = put(put(config, "model.layers", 2), "model.bidirectional", both)
        if name == "translation":
            config = put(config, "model.attention", True)
        run = run_of(config)
        network: Any = run.network.eval().requires_grad_(False)
        _MADE[name, both] = Frozen(network, config, run.coding, run.data, "validation", 40, 7)
    return _MADE[name, both]


class Desked:
    def __init__(self, found: Frozen) -> None:
        def never(*_: Any) -> Any:
            raise AssertionError("nothing of the run is asked for")

        self.sources = Sources(Desk(), lambda best: found, never, Path("."))

    def ask(self, question: Any) -> Any:
        work = ANSWERS[type(question)](question, Asked(question), self.sources)
        while True:
            try:
                next(work)
            except StopIteration as finished:
                return finished.value


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(("name", "both"), KINDS)
def test_an_example_and_a_text_of_ones_own_are_traced(name: str, both: bool) -> None:
    found = frozen_of(name, both)
    desk, task = Desked(found), task_of(name)
    for question in (questions.TraceText(offset=3, length=40), questions.TraceText(OWN[name])):
        if question.text is not None and name == "composing":
            question = questions.TraceText(f"{labels_of(found.coding)[0]}{OWN[name]}")
        seen: Trace = desk.ask(question)
        T = len(seen.symbols)
        assert seen.task == name and len(seen.tokens) == len(seen.bits) == len(seen.top_p) == T
        assert seen.number > 0 and seen.cell == found.network.cell.name
        assert all(array.shape == (T, 8) for layer in seen.layers for array in layer.values())
        assert seen.backward == both == ("backward.h" in seen.layers[0])
        if name != "language":
            assert len(seen.right) == T and seen.answers == found.coding.answers
        if task.real:
            assert seen.predictions is not None and seen.predictions.shape == (T, found.coding.sizes.outputs)
            assert seen.values is not None and seen.top_p.shape == (T, 0) and np.isnan(seen.bits).all()
        if question.text is None and name != "language":
            assert any(seen.right)
            if not task.real:
                where = np.array([bool(right) for right in seen.right])
                assert np.isfinite(seen.bits[where]).all() and np.isnan(seen.bits[~where]).all()
        if name == "translation":
            assert 0 < seen.border < T and seen.attention is not None
            assert seen.attention.shape == (T - seen.border, seen.border) and seen.symbols[seen.border] == "<start>"
            assert np.isnan(seen.top_p[: seen.border]).all() and np.isfinite(seen.top_p[seen.border :]).all()


@pytest.mark.parametrize(("name", "both"), KINDS)
def test_what_follows_from_a_reading(name: str, both: bool) -> None:
    found = frozen_of(name, both)
    desk = Desked(found)
    seen = desk.ask(questions.TraceText(offset=2, length=30))
    flow: GradientFlow = desk.ask(questions.FollowGradient(seen.number))
    assert flow.number == seen.number and not flow.likeliest and flow.loss > 0 and not flow.overflow
    assert flow.border == seen.border and flow.layers[0].norms[0] > 0
    assert len(flow.layers[0].norms) == (seen.steps if both else flow.at + 1)
    if name not in ("language", "forecasting", "adding"):
        assert flow.target == seen.right[flow.at]
        assert flow.loss == pytest.approx(float(seen.bits[flow.at]) * np.log(2), rel=1e-4)
    cells: Comparison = desk.ask(questions.Compare(seen.number))
    assert [one.cell for one in cells.networks] == ["rnn", "gru", "lstm"] and cells.at == flow.at
    for layer in (0, 1):
        equation: Equation = desk.ask(questions.Explain(seen.number, layer, 3))
        assert equation.error < 1e-5 and len(equation.lines[0].value) == seen.steps
        h = next(line for line in equation.lines if line.name == "h")
        np.testing.assert_allclose(h.value, seen.layers[layer]["h"][:, 3], atol=1e-5)
        for line in equation.lines:
            if line.contributions is not None:
                assert line.contributions.source.max() < len(equation.sources)
    held: Trace = desk.ask(questions.TraceText(offset=2, length=30, holds=(Hold(0, "h", 2, 0.75, 1),)))
    assert held.without is not None and (held.layers[0]["h"][1:, 2] == np.float32(0.75)).all()
    assert (held.layers[0]["h"][0] == held.without.layers[0]["h"][0]).all()


@pytest.mark.parametrize(("name", "both"), KINDS)
def test_a_search_reads_sequences_one_by_one(name: str, both: bool) -> None:
    found = frozen_of(name, both)
    desk = Desked(found)
    if found.coding.numeric:
        for question in (questions.FindUnits(pattern="a"), questions.CountGates()):
            with pytest.raises(LabError, match="reads numbers"):
                desk.ask(question)
        return
    ranking = desk.ask(questions.FindUnits(pattern=r"[a-eBS(\[]", characters=600))
    assert 0 < ranking.marked < ranking.characters <= 600 or ranking.characters < 100
    assert len(ranking.units) == 2 * 8 * len(found.network.cell.states)
    gates = desk.ask(questions.CountGates(characters=600))
    assert gates.characters == ranking.characters and gates.source == ranking.source
    seen = desk.ask(questions.TraceText(offset=0, length=30))
    marked = desk.ask(questions.FindMarks(seen.number, pattern="."))
    assert len(marked.grade) == seen.steps
    last = min(2, seen.steps - 1)
    matches = desk.ask(questions.FindState(seen.number, 0, "h", 0, last, threshold=-1.0, characters=400))
    assert matches.places and matches.units == tuple(range(8))
    if name != "language":
        text = "".join(place.text for place in matches.places)
        assert "\n" not in text


def test_only_what_writes_writes() -> None:
    for name, both in KINDS:
        found = frozen_of(name, both)
        desk = Desked(found)
        seen = desk.ask(questions.TraceText(offset=1, length=20))
        for question in (questions.Write("a"), questions.Write(number=seen.number, t=0)):
            if task_of(name).writes:
                continue
            with pytest.raises(LabError, match=f"learned {name} does not write on"):
                desk.ask(question)


def test_a_name_is_written_for_a_label_until_its_end() -> None:
    found = frozen_of("composing")
    desk, name = Desked(found), labels_of(found.coding)[0]
    written: Writing = desk.ask(questions.Write(f"{name}: A", length=500, seed=3))
    assert written.ended and written.done and len(written.text) < 500 and "<" not in written.text
    assert len(written.probability) == len(written.symbols) and "".join(written.symbols) == written.text
    with pytest.raises(LabError, match="none of its"):
        desk.ask(questions.Write("nobody: A"))
    seen = desk.ask(questions.TraceText(offset=1))
    on: Writing = desk.ask(questions.Write(number=seen.number, t=1, length=500))
    assert on.ended


def test_padding_is_compared_and_masks_are_shown() -> None:
    desk = Desked(frozen_of("tagging", True))
    view = desk.ask(questions.ComparePadding(offset=4, before=True))
    assert view.before and view.offset == 4 and len(view.symbols) == len(view.right) > 1
    with pytest.raises(LabError, match="one stream"):
        Desked(frozen_of("language")).ask(questions.ComparePadding())
    with pytest.raises(LabError, match="equally long"):
        Desked(frozen_of("copying")).ask(questions.ComparePadding())
    with pytest.raises(LabError, match="nothing is dropped"):
        desk.ask(questions.ShowMasks())

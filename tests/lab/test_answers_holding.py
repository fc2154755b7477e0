"""Readings with something held, writing on from them, and the equations: as the answering thread gives them."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnn_tui.config import Config, ModelConfig
from rnn_tui.data.coding import Coding
from rnn_tui.inspection.trace import state_at, trace, trace_bytes
from rnn_tui.lab.answers import equation, reading
from rnn_tui.lab.answers.desk import MOST_BYTES, Desk, Frozen, Sources
from rnn_tui.lab.asking import Asked, Cancelled, LabError
from rnn_tui.lab.questions import Explain, TraceText, Write
from rnn_tui.views import Equation, Hold, Trace, Writing
from tests.networks import build

SYMBOLS = tuple("\n abcdefgh")
TEXT = "abc bad\ncab " * 4
HOLD = (Hold(1, "c", 3, 1.5),)


@pytest.fixture
def sources() -> Sources:
    network = build(10).eval().requires_grad_(False)
    ids = np.random.default_rng(1).integers(0, 10, 5000).astype(np.uint8)
    data = SimpleNamespace(train=ids, validation=ids, test=ids[:0], symbols=SYMBOLS)
    found = Frozen(network, Config(), Coding(SYMBOLS), data, "validation", 40, 7)

    def no_run(call: Any) -> Any:
        raise LabError("there is no run")

    return Sources(Desk(), lambda best: found, no_run, Path("sessions"))


def answer(question: Any, sources: Sources) -> Any:
    how: dict[type, Any] = {TraceText: reading.trace_text, Write: reading.write, Explain: equation.explain}
    pieces = how[type(question)](question, Asked(question), sources)
    while True:
        try:
            next(pieces)
        except StopIteration as finished:
            return finished.value


def read(sources: Sources, **more: Any) -> Trace:
    found: Trace = answer(TraceText(text=TEXT, **more), sources)
    return found


def written(sources: Sources, **more: Any) -> Writing:
    found: Writing = answer(Write(length=25, seed=3, **more), sources)
    return found


def test_a_held_reading_comes_with_the_one_without(sources: Sources) -> None:
    plain, held = read(sources), read(sources, holds=HOLD)
    assert plain.holds == () and plain.without is None
    assert held.holds == HOLD and held.without is not None and held.without.holds == ()
    assert len({plain.number, held.number, held.without.number}) == 3
    np.testing.assert_array_equal(held.without.bits, plain.bits)
    assert (held.layers[1]["c"][:, 3] == 1.5).all() and held.loss != held.without.loss
    assert sources.desk.get(held.number).holds == HOLD and sources.desk.get(held.without.number).holds == ()
    np.testing.assert_array_equal(sources.desk.get(held.number).traced.layers[1]["h"], held.layers[1]["h"])
    assert sources.desk.get(held.number).frozen is sources.desk.get(held.without.number).frozen
    passage = answer(TraceText(offset=9, length=30, part="train", holds=HOLD), sources)
    assert passage.source == "training at 9" and passage.without.offset == 9 and passage.steps == 30


def test_writing_on_from_a_reading_is_writing_on_from_its_text(sources: Sources) -> None:
    number, t = read(sources).number, 17
    found = written(sources, number=number, t=t, prompt="not looked at")
    expected = written(sources, prompt=TEXT[: t + 1])
    assert found.prompt == TEXT[: t + 1] and found.text == expected.text and found.step == 40
    np.testing.assert_allclose(found.probability, expected.probability, rtol=1e-5)


def test_writing_on_with_and_without_what_is_held(sources: Sources) -> None:
    held, t = read(sources, holds=HOLD), 17
    assert held.without is not None
    with_it = written(sources, number=held.number, t=t, holds=HOLD)
    expected = written(sources, prompt=TEXT[: t + 1], holds=HOLD)
    assert with_it.text == expected.text
    np.testing.assert_allclose(with_it.probability, expected.probability, rtol=1e-5)
    without = written(sources, number=held.without.number, t=t)
    assert without.text == written(sources, prompt=TEXT[: t + 1]).text
    assert not np.array_equal(without.probability, with_it.probability)
    # A reading that did not hold them is read again with them, up to t.
    again = written(sources, number=held.without.number, t=t, holds=HOLD)
    assert again.text == with_it.text
    # The very state of a held reading, with nothing held from there on.
    state = state_at(sources.desk.get(held.number).traced, sources.model(False).network, t)
    assert state[1][1][0, 3] == 1.5
    released = written(sources, number=held.number, t=t)
    assert released.probability[0] == pytest.approx(with_it.probability[0]) or released.text[0] != with_it.text[0]


def test_the_equations_of_a_reading(sources: Sources) -> None:
    held = read(sources, holds=HOLD)
    assert held.without is not None
    found: Equation = answer(Explain(held.number, 1, 3), sources)
    c = next(line for line in found.lines if line.name == "c")
    assert found.number == held.number and found.error < 1e-5 and c.held is not None and c.held.all()
    free: Equation = answer(Explain(held.without.number, 1, 3), sources)
    assert all(line.held is None for line in free.lines) and free.cell == "lstm"
    assert free.sources[0] == "layer 0 h 0"
    assert answer(Explain(held.number, 0, 0), sources).sources[:3] == ("symbol '⏎'", "symbol '·'", "symbol 'a'")


@pytest.mark.parametrize(("question", "said"), [
    (Explain(99, 0, 0), "read a while ago"), (Explain(1, 2, 0), "no layer 2"), (Explain(1, 0, 7), "no unit 7"),
    (Write(number=99), "read a while ago"), (Write(number=1, t=48), "no timestep 48"),
    (Write(number=1, t=-1), "no timestep -1"),
    (Write("a", holds=(Hold(5, "h", 0, 0.0),)), "no layer 5"), (Write(number=1, holds=(Hold(0, "z", 0, 0.0),)), "no z"),
    (TraceText("abc", holds=(Hold(0, "h", 0, math.nan),)), "finite"),
])  # fmt: skip
def test_what_is_not_there_is_refused(sources: Sources, question: Any, said: str) -> None:
    assert read(sources).number == 1
    with pytest.raises(LabError, match=said):
        answer(question, sources)


def test_a_long_text_is_cut_to_what_fits_and_says_so(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    network = sources.model(False).network
    monkeypatch.setattr(reading, "MOST_BYTES", 2 * trace_bytes(network.model, 10, 20) + 1)
    found = read(sources)
    assert found.steps == 20 and found.source == f"your text, its first 20 of {len(TEXT)} symbols"
    kept = sources.desk.get(found.number)
    assert kept.size <= trace_bytes(network.model, 10, 20)
    assert answer(TraceText(length=100), sources).steps == 20
    assert answer(TraceText(TEXT[:20]), sources).source == "your text"


def test_the_arrays_of_a_reading_are_bounded_for_every_network(sources: Sources) -> None:
    for model, vocabulary in ((ModelConfig(hidden_size=4096, layers=4, tied=False), 5000), (ModelConfig(), 65)):
        one = trace_bytes(model, vocabulary, 1)
        most = min(reading.LONGEST_TRACE, MOST_BYTES // 2 // one)
        assert most >= 100 and trace_bytes(model, vocabulary, most) <= MOST_BYTES // 2


def test_a_reading_that_is_taken_back_stops(sources: Sources) -> None:
    asked = Asked(TraceText(TEXT, holds=HOLD))
    pieces = reading.trace_text(asked.question, asked, sources)  # type: ignore[arg-type]
    next(pieces)
    next(pieces)
    asked.cancel()
    with pytest.raises(Cancelled):
        for _ in pieces:
            pass


def test_reading_leaves_the_weights_as_they_are(sources: Sources) -> None:
    network = sources.model(False).network
    before = {name: value.clone() for name, value in network.named_parameters()}
    number = read(sources, holds=HOLD).number
    written(sources, number=number, t=3, holds=HOLD)
    answer(Explain(number, 0, 1), sources)
    assert all(bool((value == before[name]).all()) for name, value in network.named_parameters())
    plain = trace(network, sources.desk.get(number).traced.tokens)
    np.testing.assert_allclose(plain.logits, sources.desk.get(number - 1).traced.logits)

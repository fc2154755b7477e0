"""Every question about a reading, through the Lab: answered with the reading's weights, and training knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_tui.config import Config, put
from rnn_tui.lab import Lab, LabError, TraceText, Write
from rnn_tui.lab.answers.desk import MOST_READINGS
from rnn_tui.lab.questions import (
    Compare,
    CountGates,
    Explain,
    FindMarks,
    FindState,
    FindUnits,
    FollowGradient,
    ReadFlight,
    ReadRecording,
)
from rnn_tui.views import (
    Comparison,
    Equation,
    Flight,
    GateStatistics,
    GradientFlow,
    Hold,
    Marked,
    Recording,
    StateMatches,
    Trace,
    UnitRanking,
    Writing,
)
from tests.faults.waiting import until
from tests.lab.test_lab import WAIT, losses_in, plain_losses

TEXT = "the cat sat on the mat and the cat was fat"


def answered(lab: Lab, question: Any) -> Any:
    return lab.ask(question).result(WAIT)


def test_all_of_them_while_it_trains_change_no_loss(lab: Lab, small: Config, folder: Path) -> None:
    config = put(small, "model.dropout", 0.2)
    lab.create(config, "one")
    # Slowly, so that it does not end before the questions do.
    lab.set_pace(20)
    lab.train()
    lab.hold(Hold(0, "h", 0, 0.0))
    for step in (1, 20):
        until(lambda step=step: lab.status.step >= step)  # type: ignore[misc]
        trace = answered(lab, TraceText(TEXT))
        assert isinstance(trace, Trace) and trace.number > 0
        expected: list[tuple[Any, type]] = [
            (Explain(trace.number, 1, 2), Equation),
            (FindUnits(pattern="cat", characters=500), UnitRanking),
            (FindUnits(mark="word-start", characters=500), UnitRanking),
            (FindMarks(trace.number, pattern="cat"), Marked),
            (FindState(trace.number, 0, "h", 3, 4, threshold=-1.0, characters=500), StateMatches),
            (CountGates(characters=500), GateStatistics),
            (FollowGradient(trace.number), GradientFlow),
            (Compare(trace.number), Comparison),
            (ReadFlight(), Flight),
            (ReadRecording(), Recording),
            (TraceText(TEXT, holds=lab.status.held), Trace),
            (Write(length=20, number=trace.number, t=5, holds=lab.status.held), Writing),
        ]
        for question, kind in expected:
            assert isinstance(answered(lab, question), kind), question
    lab.set_pace(0)
    assert not lab.wait(WAIT).fault
    lab.close()
    assert losses_in(folder) == plain_losses(config)


def test_questions_name_a_reading_and_keep_its_weights(lab: Lab, small: Config) -> None:
    lab.create(small, "one")
    lab.wait(WAIT)
    before = answered(lab, TraceText(TEXT))
    lab.train(steps=15)
    lab.wait(WAIT)
    now = answered(lab, TraceText(TEXT))
    assert now.step == 15 and before.step == 0
    assert not np.allclose(before.layers[0]["h"], now.layers[0]["h"])
    for trace in (before, now):
        equation = answered(lab, Explain(trace.number, 0, 1))
        shown = {line.name: line.value for line in equation.lines}
        assert np.abs(shown["h"] - trace.layers[0]["h"][:, 1]).max() < 1e-5
        flow = answered(lab, FollowGradient(trace.number))
        assert flow.step == trace.step
        assert flow.loss == pytest.approx(float(trace.bits[-1]) * np.log(2), rel=1e-4)
    for _ in range(MOST_READINGS):
        answered(lab, TraceText(TEXT))
    with pytest.raises(LabError, match="read it again"):
        answered(lab, Explain(before.number, 0, 0))


def test_writing_goes_on_from_the_very_state(lab: Lab, small: Config) -> None:
    lab.create(small, "one")
    lab.train(steps=10)
    lab.wait(WAIT)
    trace = answered(lab, TraceText(TEXT))
    t = 11
    by_prompt = answered(lab, Write(TEXT[: t + 1], length=30, seed=5))
    from_state = answered(lab, Write(length=30, seed=5, number=trace.number, t=t))
    assert from_state.text == by_prompt.text and from_state.prompt == TEXT[: t + 1]


def test_what_is_held_changes_readings_until_it_is_released(lab: Lab, small: Config) -> None:
    lab.create(small, "one")
    lab.train(steps=10)
    lab.wait(WAIT)
    lab.hold(Hold(0, "h", -1, 0.0))
    lab.wait(WAIT)
    assert lab.status.held == (Hold(0, "h", -1, 0.0),)
    trace = answered(lab, TraceText(TEXT, holds=lab.status.held))
    assert not trace.layers[0]["h"].any() and trace.without is not None and trace.without.layers[0]["h"].any()
    assert trace.holds == lab.status.held and trace.without.holds == ()
    plain = answered(lab, TraceText(TEXT))
    assert np.abs(plain.layers[1]["h"] - trace.without.layers[1]["h"]).max() <= 1e-6
    lab.release()
    lab.wait(WAIT)
    assert lab.status.held == ()


@pytest.mark.parametrize(
    "hold", [Hold(9, "h", 0, 0.0), Hold(0, "q", 0, 0.0), Hold(0, "h", 99, 0.0), Hold(0, "h", 0, float("nan"))]
)
def test_a_hold_that_can_not_be_is_refused(lab: Lab, small: Config, hold: Hold) -> None:
    lab.create(small, "one")
    lab.wait(WAIT)
    with pytest.raises(LabError):
        lab.hold(hold)
    assert lab.status.held == ()

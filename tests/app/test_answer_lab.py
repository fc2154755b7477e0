"""Generate over the real Lab: every kind of answer, of small networks that have hardly learned anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.config import Config, put
from rnn_tui.lab import Lab
from rnn_tui.views import Added, Classified, Forecast, GapCurves, Phase, Tagged, Translated
from tests.app.stage import Stage, lines_of, press, settle

WAIT = 60.0
SMALL: dict[str, Any] = {
    "data.path": "builtin:example", "data.length": 6, "data.window": 12, "model.layers": 1, "model.hidden_size": 8,
    "model.embedding_size": 8, "training.precision": "float32", "training.batch_size": 8, "training.threads": 1,
    "training.validation_tokens": 200,
}  # fmt: skip


def small(task: str, **model: Any) -> Config:
    config = put(Config(), "data.task", task)
    for key, value in {**SMALL, **{f"model.{name}": value for name, value in model.items()}}.items():
        config = put(config, key, value)
    return config


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "cache"))
    with Lab(tmp_path / "sessions") as made:
        yield made


@asynccontextmanager
async def asked(lab: Lab, config: Config) -> AsyncIterator[tuple[Stage, GeneratePane, Pilot[None]]]:
    """The pane over a network that was made, but not trained; once it has answered."""
    lab.create(config, "small")
    status = lab.wait(WAIT)
    assert status.phase is Phase.PAUSED and not status.fault, status.fault
    pane = GeneratePane()
    app = Stage(lab, pane)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        await answered(app, pane, pilot)
        yield app, pane, pilot


async def answered(app: Stage, pane: GeneratePane, pilot: Pilot[None]) -> str:
    """Let it run until nothing is under way; the screen then."""
    question = pane.answering.asking._asked
    if question is not None:
        question.result(WAIT)
    await settle(app, pilot)
    assert not pane.answering.asking.under_way and not pane.answering.asking.trouble, pane.answering.asking.trouble
    await settle(app, pilot)
    return "\n".join(lines_of(app))


@pytest.mark.parametrize(
    ("task", "model", "kind"),
    [
        ("tagging", {"bidirectional": True}, Tagged),
        ("classification", {}, Classified),
        ("translation", {"attention": True}, Translated),
        ("translation", {}, Translated),
        ("forecasting", {}, Forecast),
        ("adding", {}, Added),
        ("reber", {}, Tagged),
    ],
)
async def test_every_task_answers_an_example(lab: Lab, task: str, model: dict[str, Any], kind: Any) -> None:
    async with asked(lab, small(task, **model)) as (app, pane, pilot):
        screen = "\n".join(lines_of(app))
        first: Any = pane.answering.answer
        assert isinstance(first, kind) and "weights of step 0, untrained" in screen
        assert first.source in screen
        await press(app, pilot, "right_parenthesis")
        await answered(app, pane, pilot)
        second: Any = pane.answering.answer
        assert second.offset > first.offset and second.source in "\n".join(lines_of(app))
        if isinstance(first, Tagged | Classified):
            assert np.allclose(first.p.sum(axis=1), 1, atol=1e-5) and len(first.p) == len(first.symbols)
        if isinstance(first, Translated):
            assert first.attention.size == 0 or first.attention.shape[1] == len(first.symbols)
            assert ("told of the source is the context vector" in " ".join(screen.split())) != bool(model)


@pytest.mark.parametrize(
    ("task", "typed", "told"),
    [
        ("classification", "Moana", "M"),
        ("adding", "0.3 0.7* 0.2 0.4*", "the sum is 1.100"),
        ("reber", "BTBTX", "legal"),
    ],
)
async def test_a_text_of_ones_own_is_answered(lab: Lab, task: str, typed: str, told: str) -> None:
    async with asked(lab, small(task)) as (app, pane, pilot):
        pane.pasted(typed)
        screen = await answered(app, pane, pilot)
        assert told in screen and "your" in screen


@pytest.mark.parametrize("task", ["tagging", "classification", "translation", "forecasting"])
async def test_the_figures_are_taken_apart(lab: Lab, task: str) -> None:
    config = small(task)
    if task == "forecasting":
        config = put(config, "data.horizon", 3)
    async with asked(lab, config) as (app, pane, pilot):
        await press(app, pilot, "V")
        question = pane.answering.parting._asked
        if question is not None:
            question.result(WAIT)
        await settle(app, pilot)
        await settle(app, pilot)
        table = pane.answering.parting.tables[0]
        lines = lines_of(app)
        assert any("weights of step 0, untrained" in line for line in lines)
        if table.counts:
            total, count = int(table.values[0].sum()), int(table.values[0, 0])
            name = table.rows[0][0]
            told = f"{count or 'none'} of {total:,} {name} " if total else f"part has no {name}"
            assert any(told in line for line in lines) and table.values.sum() > 0
        else:
            first = table.head[0]
            assert any(line.strip().startswith(f"{first} {table.rows[0][0]}: ") for line in lines)
            assert sum(line.lstrip(" >").startswith(table.rows[-1][0]) for line in lines) == 1


async def test_what_is_remembered_over_each_gap(lab: Lab) -> None:
    async with asked(lab, small("recall")) as (app, pane, pilot):
        await press(app, pilot, "c")
        question = pane.answering.gaps._asked
        assert question is not None
        pane.answering.gaps.updates = 0
        await press(app, pilot, "enter", "enter")
        question = pane.answering.gaps._asked
        assert question is not None
        curves = question.result(WAIT)
        await settle(app, pilot)
        await settle(app, pilot)
        screen = "\n".join(lines_of(app))
        assert isinstance(curves, GapCurves) and curves.done and len(curves.names) == 1
        assert curves.gaps[-1] == 6 and "remembers nothing" in screen and f"gap {curves.gaps[-1]}" in screen


async def test_composing_writes_for_the_label_that_was_chosen(lab: Lab) -> None:
    async with asked(lab, small("composing")) as (app, pane, pilot):
        data = lab.data
        assert not pane.answers and data is not None and len(data.labels) > 1
        await press(app, pilot, "right", "enter")
        question = pane.question
        assert question is not None
        writing = question.result(WAIT)
        await settle(app, pilot)
        screen = "\n".join(lines_of(app))
        assert data.labels[1] in writing.prompt and f"{data.labels[1]}: " in screen
        assert "<eos>" not in writing.text and "<label" not in screen

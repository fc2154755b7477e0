"""What every task owes the rest of the lab, whatever it is: one test for each promise, over all tasks there are."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn_tui.config import CHOICES, GENERATED, TASKS, Config, parse, put, visible
from rnn_tui.tasks import task_of
from rnn_tui.training.run import Run
from rnn_tui.views import Scores

SMALL: dict[str, dict[str, Any]] = {
    "model": {"hidden_size": 8, "embedding_size": 6, "layers": 1},
    "training": {"batch_size": 4, "sequence_length": 6, "precision": "float32", "steps": 20, "learning_rate": 0.01},
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def config_of(name: str, **training: Any) -> Config:
    path = {} if name in GENERATED else {"path": task_of(name).example}
    values = {"data": {"task": name, "length": 6, "window": 8, **path}, **SMALL}
    values["training"] = {**SMALL["training"], **training}
    return parse(values)


_READ: dict[str, Any] = {}


def data_of(config: Config) -> Any:
    """Read once: no task may change what it has read."""
    name = config.data.task
    if name not in _READ:
        _READ[name] = task_of(name).read(config.data, seed=config.training.seed)
    return _READ[name]


def run_of(config: Config) -> Run:
    data = data_of(config)
    return Run(config, data.coding, data)


@pytest.mark.parametrize("name", TASKS)
def test_its_example_is_read_and_described(name: str) -> None:
    config, task = config_of(name), task_of(name)
    data = data_of(config)
    view = data.view
    assert (task.name, view.task) == (name, name)
    assert view.sizes == data.coding.sizes
    lengths = [part.length for part in view.parts]
    assert lengths == [len(part) for part in (data.train, data.validation, data.test)]
    assert len(data.sha256) == 64 and view.title == data.title
    assert view.baselines and all(line.loss > 0 or math.isnan(line.loss) for line in view.baselines)
    assert {key for line in view.baselines for key in line.metrics} <= set(task.metrics)
    again = task.read(config.data, seed=config.training.seed)
    assert (again.sha256, again.coding) == (data.sha256, data.coding)


@pytest.mark.parametrize("name", TASKS)
def test_it_learns_something(name: str) -> None:
    """A few updates on one and the same batch make its loss smaller."""
    config = config_of(name)
    run = run_of(config)
    batch = run.task.batches(run.data, config, torch.Generator().manual_seed(3)).next()
    optimizer = torch.optim.Adam(run.network.parameters(), 0.01)
    losses = []
    for _ in range(12):
        loss, _ = run.task.loss(run.network, batch, run.network.initial(batch.inputs.shape[1]), None, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    if not run.task.real and name != "classification":
        assert losses[0] == pytest.approx(math.log(run.coding.sizes.outputs), abs=0.6)


@pytest.mark.parametrize("name", TASKS)
def test_a_run_that_is_kept_goes_on_as_if_it_never_stopped(name: str) -> None:
    config = config_of(name)
    whole, first = run_of(config), run_of(config)
    for _ in range(7):
        whole.step()
    for _ in range(3):
        first.step()
    first.settle()
    kept = {key: value.copy() for key, value in first.arrays().items()}
    second = run_of(config)
    assert second.restore(kept, first.progress_record(), first.resolved(), [])
    for _ in range(4):
        second.step()
    np.testing.assert_array_equal(second.history.column("train_loss"), whole.history.column("train_loss"))
    ours, theirs = second.arrays(), whole.arrays()
    assert ours.keys() == theirs.keys()
    for key in theirs:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
    assert second.progress.tokens == whole.progress.tokens


@pytest.mark.parametrize("name", TASKS)
def test_a_validation_touches_nothing_and_is_always_the_same(name: str) -> None:
    config = config_of(name)
    run = run_of(config)
    run.step()
    before = {key: value.copy() for key, value in run.arrays().items()}
    first = run.task.evaluate(run.network, run.data, "validation", config, limit=400)
    second = run.task.evaluate(run.network, run.data, "validation", config, limit=400)
    assert isinstance(first, Scores) and first == second
    assert math.isfinite(first.loss) and first.count > 0
    assert set(first.metrics) <= set(run.task.metrics)
    after = run.arrays()
    for key in before:
        np.testing.assert_array_equal(before[key], after[key], err_msg=key)


@pytest.mark.parametrize("name", [name for name in TASKS if not task_of(name).streamed])
def test_a_validation_does_not_know_of_masking_padding_or_reset(name: str) -> None:
    """These are about how it is trained: what is measured stays comparable."""
    config = config_of(name)
    run = run_of(config)
    scores = [
        run.task.evaluate(run.network, run.data, "validation", config_of(name, **choice), limit=300)
        for choice in ({}, {"masking": False}, {"masking": False, "padding": "pre"}, {"forgot_reset": True})
    ]
    assert all(found == scores[0] for found in scores)


@pytest.mark.parametrize("name", [name for name in TASKS if not task_of(name).streamed])
def test_forgetting_to_reset_carries_h_into_the_next_batch(name: str) -> None:
    config = config_of(name)
    losses = {}
    for forgot in (False, True):
        run = run_of(put(config, "training.forgot_reset", forgot))
        for _ in range(3):
            run.step()
        losses[forgot] = run.history.column("train_loss").tolist()
    assert losses[False][0] == losses[True][0]
    assert losses[False][1:] != losses[True][1:]


@pytest.mark.parametrize("name", TASKS)
def test_what_is_shown_of_an_example_fits_together(name: str) -> None:
    config = config_of(name)
    run = run_of(config)
    passage = run.task.passage(run.data, "validation", 1, 30)
    assert len(passage.inputs) == len(passage.symbols) > 0 and passage.source
    sizes = run.coding.sizes
    if sizes.numeric:
        assert passage.inputs.shape[1:] == (sizes.inputs,) and passage.inputs.dtype == np.float32
    else:
        assert passage.inputs.min() >= 0 and passage.inputs.max() < sizes.inputs
    if not run.task.writes:
        with torch.no_grad():
            found = run.task.answer(run.network.eval(), run.coding, passage, step=5, data=run.data)
        assert found.step == 5 and found.source == passage.source


@pytest.mark.parametrize("name", TASKS)
def test_only_fields_that_do_something_are_shown(name: str) -> None:
    config = config_of(name)
    shown = {key for key, c in CHOICES.items() if visible(c, config)}
    assert ("data.path" in shown) == (name not in GENERATED)
    assert ("training.sequence_length" in shown) == (name == "language")
    assert ("training.teacher_forcing" in shown) == (name == "translation")
    assert ("data.window" in shown) == (name == "forecasting")
    assert ("training.forgot_reset" in shown) == (not task_of(name).streamed)


def test_no_task_needs_torch_to_be_described() -> None:
    code = (
        "import sys; from rnn_tui.config import TASKS; from rnn_tui.tasks import task_of\n"
        "print([task_of(name).title for name in TASKS]); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["classification", "tagging", "translation", "forecasting"])
def test_the_figures_taken_apart_add_up_to_the_whole(name: str) -> None:
    config = put(config_of(name), "data.horizon", 3) if name == "forecasting" else config_of(name)
    task = task_of(name)
    data = task.read(config.data)
    run = Run(config, data.coding, data)
    run.step()
    whole = task.evaluate(run.network, data, "validation", config)
    (apart,) = task.breakdown(run.network, data, "validation", config)
    assert [len(row) for row in apart.rows] == [len(apart.head)] * len(apart.values)
    values = apart.values.astype(np.float64)
    if apart.counts:
        assert values.sum() == whole.count
        assert np.trace(values) / values.sum() == pytest.approx(whole.metrics["accuracy"])
    elif name == "translation":
        pairs = values[:, -1]
        assert pairs.sum() == len(data.validation)
        assert (values[:, 0] * pairs).sum() / pairs.sum() == pytest.approx(whole.metrics["exact"])
    else:
        rmse = values[:, list(apart.head[1:]).index("rmse")]
        assert math.sqrt((rmse**2).mean()) == pytest.approx(whole.metrics["rmse"], rel=1e-5)

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from rnn_tui.config import Config, parse, put
from rnn_tui.data.text import read_corpus
from rnn_tui.model.network import weights
from rnn_tui.training import run as run_module
from rnn_tui.training.run import FIRST_SAMPLES, Run, describe_change
from rnn_tui.views import Sample
from tests.training.conftest import make_run, small_of

STEPS = 36


def go(run: Run, steps: int) -> list[float]:
    """The losses of so many updates, with the validations that fall due between them."""
    made = []
    for _ in range(steps):
        run.step()
        made.append(float(run.history.column("train_loss")[-1]))
        if run.validation_due():
            run.validate()
    return made


def hard(small: Config, cell: str) -> Config:
    """Everything at once that a resume could forget."""
    values = small.model_dump()
    values["model"] |= {"cell": cell, "dropout": 0.2, "recurrent_dropout": 0.1 if cell != "feedforward" else 0.0}
    values["training"] |= {"schedule": "plateau", "schedule_points": "1", "patience": 50, "validate_every": 7}
    return parse(values)


def saved(run: Run) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[Sample]]:
    from rnn_tui.session.contents import pack_json, strict_json

    record = strict_json(pack_json(run.progress_record()), "progress")
    return run.arrays(), record, run.resolved(), list(run.samples)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "feedforward"])
def test_resume_is_bit_for_bit(small: Config, cell: str) -> None:
    config = hard(small, cell)
    whole = make_run(config)
    losses = go(whole, STEPS)
    for cut in (1, 23):
        first = make_run(config)
        go(first, cut)
        first.validate_whole()
        second = make_run(config)
        assert second.restore(*saved(first))
        assert go(second, STEPS - cut) == losses[cut:]
        a, b = whole.arrays(), second.arrays()
        assert set(a) == set(b)
        for name in a:
            if name != "history.val_loss":
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def drop(prefix: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def forget(arrays: dict[str, Any], record: dict[str, Any]) -> None:
        for name in [n for n in arrays if n.startswith(prefix)]:
            del arrays[name]

    return forget


def fresh_generator(name: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def forget(arrays: dict[str, Any], record: dict[str, Any]) -> None:
        arrays[f"rng.{name}"] = torch.Generator().manual_seed(0).get_state().numpy()

    return forget


def forget_record(key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def forget(arrays: dict[str, Any], record: dict[str, Any]) -> None:
        record[key] = value

    return forget


Cut = tuple[Config, Any, list[float]]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """What is saved of a run at step 40, and its losses from there on.

    A rate so high that validation worsens, so that the schedule has acted before the cut.
    """
    config = small_of(tmp_path_factory.mktemp("cut") / "cats.txt")
    config = put(put(hard(config, "lstm"), "training.learning_rate", 2.0), "training.validate_every", 2)
    # An epoch ends between the cut and the end, where the data generator draws.
    config = put(config, "training.batch_size", 8)
    run = make_run(config)
    go(run, 40)
    assert run.trainer is not None and run.trainer.schedule.plateau_factor < 1
    parts = deepcopy(saved(run))
    losses = go(run, 80)
    whole = make_run(config)
    assert whole.restore(*deepcopy(parts)) and go(whole, 80) == losses
    return config, parts, losses


@pytest.mark.parametrize(
    "forget",
    [
        pytest.param(drop("optimizer."), id="optimizer"),
        pytest.param(drop("carry."), id="carried state"),
        pytest.param(fresh_generator("dropout"), id="dropout generator"),
        pytest.param(fresh_generator("data"), id="data generator"),
        pytest.param(forget_record("cursor", [0, 0, -1]), id="place in the data"),
        pytest.param(forget_record("schedule", [1.0, None, 0]), id="schedule"),
        pytest.param(forget_record("step", 0), id="step"),
    ],
)
def test_each_part_of_the_saved_state_matters(
    cut: Cut, forget: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    config, parts, losses = cut
    arrays, record, resolved, samples = deepcopy(parts)
    forget(arrays, record)
    second = make_run(config)
    second.restore(arrays, record, resolved, samples)
    assert any(go(second, 1) != [loss] for loss in losses)


def test_another_machine_or_text_is_not_promised_to_be_exact(small: Config) -> None:
    first = make_run(small)
    go(first, 2)
    arrays, record, resolved, samples = saved(first)
    for key in ("torch", "processor", "corpus_sha256"):
        assert not make_run(small).restore(arrays, record, {**resolved, key: "another"}, samples), key


def test_the_best_weights_are_those_of_the_best_validation(small: Config) -> None:
    run = make_run(put(small, "training.validate_every", 5))
    seen: list[tuple[float, torch.Tensor]] = []
    for _ in range(40):
        run.step()
        if run.validation_due():
            run.validate()
            seen.append((run.progress.val_loss, weights(run.network)["output.bias"].clone()))
    loss, bias = min(seen, key=lambda s: s[0])
    assert run.progress.best_loss == loss and run.best is not None
    assert torch.equal(run.best["output.bias"], bias)
    run.step()
    run.use_best()
    assert torch.equal(weights(run.network)["output.bias"], bias)
    assert run.progress.events[-1]["field"] == "weights"


def test_patience_counts_validations_without_improvement(small: Config) -> None:
    run = make_run(put(small, "training.patience", 2))
    run.progress.best_loss = 0.0
    go(run, 20)
    assert not run.out_of_patience
    go(run, 20)
    assert run.out_of_patience


def test_changes_on_the_way_are_recorded_and_act(small: Config) -> None:
    run = make_run(small)
    go(run, 3)
    run.change("training.learning_rate", 0.005)
    run.change("model.dropout", 0.5)
    run.change("training.batch_size", 2)
    run.change("training.optimizer", "sgd")
    go(run, 2)
    assert run.history.column("learning_rate")[-1] == np.float32(0.005)
    assert run.network.dropout == 0.5
    assert run.trainer is not None and run.trainer.batches.B == 2
    assert isinstance(run.trainer.optimizer, torch.optim.SGD)
    assert [describe_change(e) for e in run.progress.events[:2]] == [
        "step 3: training.learning_rate from 0.01 to 0.005",
        "step 3: model.dropout from 0 to 0.5",
    ]
    with pytest.raises(ValueError, match=r"model\.hidden_size"):
        run.change("model.hidden_size", 99)


def test_a_run_without_its_text_can_be_looked_at(small: Config) -> None:
    first = make_run(small)
    go(first, 5)
    corpus = read_corpus(small.data)
    second = Run(small, corpus.coding, None)
    second.restore(*saved(first))
    second.sample()
    assert second.trainer is None and not second.has_validation
    for name, tensor in weights(first.network).items():
        assert torch.equal(tensor, weights(second.network)[name])


SAMPLES = 16


def test_samples_depend_on_seed_and_step_alone_and_stay_bounded(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SAMPLES", SAMPLES)
    config = put(small, "model.layers", 1)
    run, twin = make_run(config), make_run(config)
    for step in range(SAMPLES + 10):
        run.progress.step = step
        run.sample()
    twin.progress.step = SAMPLES + 9
    twin.sample()
    assert twin.samples[-1].text == run.samples[-1].text
    assert len(run.samples) == SAMPLES
    assert run.samples[-1].step == SAMPLES + 9
    steps = [s.step for s in run.samples]
    assert set(range(1, 8)) <= set(steps), "the early ones are dense"
    assert 1 in FIRST_SAMPLES


def test_first_loss_is_ln_V(small: Config) -> None:
    run = make_run(small)
    run.step()
    assert abs(run.progress.train_loss - math.log(len(run.vocabulary))) < 0.05

# ruff: noqa: F811  (fixtures are imported, and asked for by their names)
"""A run that is cut anywhere, written to its file and read again is the run that was not: bit for bit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rnn_tui import session
from rnn_tui.config import Config, parse
from rnn_tui.lab.opening import again, copy_of
from rnn_tui.session.contents import pack_json
from rnn_tui.training.run import Run
from tests.training.conftest import make_run, small, text_file  # noqa: F401
from tests.training.test_run import go

STEPS = 24
CELLS = ("rnn", "gru", "lstm")
SCHEDULES = ("constant", "step", "cosine", "plateau")


def varied(small: Config, cell: str, schedule: str, **choices: Any) -> Config:
    values = small.model_dump()
    values["model"] |= {"cell": cell} | {k: v for k, v in choices.items() if k in values["model"]}
    values["training"] |= {"schedule": schedule, "schedule_points": "1" if schedule == "plateau" else "0.3,0.6"}
    values["training"] |= {"steps": STEPS, "validate_every": 5, "patience": 50}
    values["training"] |= {k: v for k, v in choices.items() if k in values["training"]}
    return parse(values)


def through_a_file(run: Run, path: Path) -> Run:
    """What the file has of it, in a run of its own."""
    session.save(path, copy_of(run, {}, "", "").file)
    found = again(run, session.load(path))
    assert found.exact
    return found.run


def weights_of(run: Run) -> str:
    found = hashlib.sha256()
    for name, array in sorted(run.arrays().items()):
        if name.startswith(("model.", "best.", "optimizer.", "carry.", "rng.")):
            found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schedule=st.sampled_from(SCHEDULES),
    dropout=st.sampled_from((0.0, 0.3)),
    recurrent_dropout=st.sampled_from((0.0, 0.2)),
    optimizer=st.sampled_from(("adamw", "rmsprop", "sgd")),
    stateful=st.booleans(),
    cuts=st.lists(st.integers(0, STEPS), min_size=1, max_size=3, unique=True).map(sorted),
)
def test_cut_anywhere_it_is_the_same_run(
    small: Config, tmp_path: Path, cell: str, schedule: str, cuts: list[int], **choices: Any
) -> None:
    config = varied(small, cell, schedule, **choices)
    whole = make_run(config)
    losses = go(whole, STEPS)
    run, made = make_run(config), []
    for cut in cuts:
        made += go(run, cut - len(made))
        run = through_a_file(run, tmp_path / "one.safetensors")
    made += go(run, STEPS - len(made))
    assert made == losses
    assert weights_of(run) == weights_of(whole)
    # As JSON: a number that is not there yet is equal to itself.
    assert pack_json(run.progress_record()) == pack_json(whole.progress_record())


AFTER = 12


@pytest.mark.parametrize(
    ("part", "cell"),
    [("model.", "gru"), ("optimizer.", "rnn"), ("carry.", "gru"), ("rng.dropout", "rnn"), ("rng.data", "gru")],
)
def test_without_any_one_part_of_the_file_it_is_another_run(
    small: Config, tmp_path: Path, cell: str, part: str
) -> None:
    """What was kept of the first step in the place of what was kept at the cut."""
    # Passages are drawn at random where none follows on the one before.
    config = varied(small, cell, "constant", dropout=0.3, batch_size=32, stateful=part != "rng.data")
    run = make_run(config)
    go(run, 1)
    early = {name: array.copy() for name, array in run.arrays().items()}
    go(run, 16)
    path = tmp_path / "one.safetensors"
    session.save(path, copy_of(run, {}, "", "").file)
    kept, spoiled = session.load(path), session.load(path)
    changed = [name for name in kept.tensors if name.startswith(part)]
    assert changed
    for name in changed:
        spoiled.tensors[name] = early[name]
    right, wrong = again(run, kept).run, again(run, spoiled).run
    # An epoch ends on the way, where the generator of the data draws.
    assert 17 < run.steps_per_epoch < 17 + AFTER
    losses = go(run, AFTER)
    assert go(right, AFTER) == losses
    assert any(go(wrong, 1) != [loss] for loss in losses)

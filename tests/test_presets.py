"""Presets: each one is a valid configuration, and leaves alone what is the person's own."""

from __future__ import annotations

import tomllib

import pytest

from rnn_tui import presets
from rnn_tui.config import CHOICES, TASKS, Config, get, parse, put, to_toml
from rnn_tui.data.text import read_corpus
from rnn_tui.presets import EXAMPLE, MACHINE, PRESETS, first_of, nearest, preset, start
from rnn_tui.tasks import task_of

names = [p.name for p in PRESETS]
BY_HAND = "three units by hand"


@pytest.mark.parametrize("name", names)
def test_it_is_valid_and_survives_toml(name: str) -> None:
    config = preset(name).config()
    assert parse(config.model_dump()) == config
    assert parse(tomllib.loads(to_toml(config))) == config


@pytest.mark.parametrize("name", names)
def test_it_changes_the_fields_it_names_and_no_others(name: str) -> None:
    found = preset(name)
    config = found.config()
    for key, value in found.changes.items():
        assert get(config, key) == value
    unnamed = set(CHOICES) - set(found.changes)
    assert all(get(config, key) == CHOICES[key].default for key in unnamed)


@pytest.mark.parametrize("name", names)
def test_it_leaves_a_file_of_its_task_and_the_machine_alone(name: str) -> None:
    found = preset(name)
    own = parse(
        {
            "data": {"task": found.task, "path": "my.txt", "split": "80/10/10", "vocabulary_size": 100},
            "training": {"threads": 2, "device": "cpu", "precision": "bfloat16", "autosave_seconds": 60},
        }
    )
    config = found.config(own)
    for key in CHOICES:
        if key == "data.path":
            named = found.changes.get(key, EXAMPLE)
            assert config.data.path == ("my.txt" if named == EXAMPLE else named)
        elif key in found.changes:
            assert get(config, key) == found.changes[key]
        elif key.startswith("data.") or key in MACHINE:
            assert get(config, key) == get(own, key)


@pytest.mark.parametrize("name", names)
def test_it_does_not_learn_its_task_from_the_file_of_another(name: str) -> None:
    found = preset(name)
    other = next(task for task in TASKS if task != found.task)
    own = parse({"data": {"task": other, "path": "my.txt", "split": "80/10/10"}, "training": {"threads": 2}})
    config = found.config(own)
    assert config.data == found.config().data and config.data.path.startswith("builtin:")
    assert config.training.threads == 2


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_preset_that_needs_no_file_and_reads_its_own_data(task: str) -> None:
    found = first_of(task)
    assert found.task == task and found in PRESETS
    config = found.config()
    data = task_of(task).read(config.data)
    assert task_of(task).check(data, config) is None


def test_a_task_without_presets_starts_with_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = tuple(p for p in PRESETS if p.task != TASKS[-1])
    monkeypatch.setattr(presets, "PRESETS", rest)
    found = first_of(TASKS[-1])
    config = found.config()
    assert (config.data.task, config.data.path) == (TASKS[-1], EXAMPLE) and config.model == Config().model
    assert nearest(config) == (found, 0) and nearest(put(config, "model.layers", 1)) == (found, 1)


def test_by_hand_is_small_enough_for_paper() -> None:
    config = preset(BY_HAND).config()
    model, training = config.model, config.training
    # What a step of h takes: a column of W_ih (x is one-hot, whatever the vocabulary), W_hh, and two biases.
    assert (model.cell, model.layers, model.embedding_size, model.hidden_size) == ("rnn", 1, 0, 3)
    units = model.hidden_size
    assert units + units * units + 2 * units < 20
    assert 4 <= training.sequence_length <= 8
    assert training.batch_size == 1
    assert training.optimizer == "sgd"
    assert training.momentum == training.weight_decay == training.clip_norm == 0.0


def test_by_hand_reads_its_text_whole() -> None:
    """No symbol becomes U+FFFD: a preset must show the text as it is."""
    corpus = read_corpus(preset(BY_HAND).config().data)
    assert "\ufffd" not in corpus.symbols and corpus.view.vocabulary == len(corpus.symbols) < 60


def test_names_are_unique_short_and_the_first_is_the_default() -> None:
    assert len(set(names)) == len(names)
    assert all(len(name) <= 22 for name in names)
    assert PRESETS[0].config() == Config()
    assert all(p.shows and not p.shows.endswith(".") for p in PRESETS)


@pytest.mark.parametrize("name", names)
def test_nearest_finds_it_again_also_when_changed_and_on_another_text(name: str) -> None:
    config = preset(name).config(put(start(preset(name).task), "data.split", "80/10/10"))
    assert nearest(config) == (preset(name), 0)
    assert nearest(put(config, "training.seed", 7)) == (preset(name), 1)


def test_no_preset_of_that_name() -> None:
    with pytest.raises(KeyError):
        preset("transformer")


def test_vanish_and_explode_are_plain_rnns_that_differ_in_what_breaks_them() -> None:
    vanish, explode = preset("vanish").config(), preset("explode").config()
    assert vanish.model.cell == explode.model.cell == "rnn"
    assert vanish.model.spectral_radius < 1 < explode.model.spectral_radius
    assert vanish.model.nonlinearity == "tanh" and vanish.training.clip_norm > 0
    assert explode.model.nonlinearity == "relu" and explode.training.clip_norm == 0
    assert explode.training.learning_rate > Config().training.learning_rate

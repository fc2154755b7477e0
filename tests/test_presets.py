"""Presets: each one is a valid configuration, and leaves alone what is the person's own."""

from __future__ import annotations

import tomllib

import pytest

from rnn_tui.config import CHOICES, Config, get, parse, put, to_toml
from rnn_tui.data.text import read_corpus
from rnn_tui.presets import PRESETS, nearest, preset

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
def test_it_leaves_the_text_and_the_machine_alone(name: str) -> None:
    own = parse(
        {
            "data": {"path": "my.txt", "split": "80/10/10", "vocabulary_size": 100},
            "training": {"threads": 2, "device": "cpu", "precision": "bfloat16", "autosave_seconds": 60},
        }
    )
    config = preset(name).config(own)
    if name == BY_HAND:
        assert config.data.path == "builtin:sentences"
        assert config.data.vocabulary_size == 0
    else:
        assert config.data == own.data
        assert config.training.precision == "bfloat16"
    assert (config.training.threads, config.training.device, config.training.autosave_seconds) == (2, "cpu", 60)


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
    config = preset(name).config(put(Config(), "data.split", "80/10/10"))
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

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import (
    CHOICES,
    Config,
    ConfigError,
    choice,
    differences,
    get,
    load_toml,
    parse,
    put,
    show,
    split_percent,
    to_toml,
    turn,
    visible,
)

keys = st.sampled_from(sorted(CHOICES))


def test_every_field_has_a_label_a_help_and_a_default_in_its_range() -> None:
    for c in CHOICES.values():
        assert c.label and c.help and c.applies in ("now", "next run", "new net")
        assert get(put(Config(), c.key, show(c.default) if c.kind != "text" else c.default), c.key) == c.default


@given(keys, st.lists(st.sampled_from([-1, 1]), max_size=40))
def test_left_and_right_never_leave_the_range(key: str, moves: list[int]) -> None:
    c, value = choice(key), choice(key).default
    for by in moves:
        value = turn(c, value, by)
        if key != "model.tied":
            assert get(put(Config(), key, value), key) == value


@given(keys)
def test_right_then_left_comes_back(key: str) -> None:
    c = choice(key)
    if c.kind in ("whole", "number") and c.ladder:
        inner = c.ladder[len(c.ladder) // 2]
        start = int(inner) if c.kind == "whole" else float(inner)
        assert turn(c, turn(c, start, 1), -1) == start


BAD: list[tuple[str, Any]] = [
    *[("model.hidden_size", v) for v in (0, -1, 10**6, "2.5", "many", "", True, None, 1e30, [3])],
    *[("model.layers", v) for v in (0, 9, "9", 2.5)],
    *[("training.learning_rate", v) for v in (0, -1, "nan", "inf", float("nan"), float("inf"), "1e400", 1e7)],
    *[("model.dropout", v) for v in (-0.1, 0.96, 1.5, "half")],
    *[("model.spectral_radius", v) for v in (-0.1, 10.1, "large", float("nan"))],
    *[("training.sequence_length", v) for v in (0, 10**9)],
    *[("training.seed", v) for v in (-1, 2**31, 2**70)],
    *[("training.batch_size", v) for v in (0, -5, 65_537)],
    *[("training.stateful", v) for v in ("maybe", 2, "")],
    *[("training.clip_norm", v) for v in (-1, "-1e-9", 1e12)],
    *[("training.steps", v) for v in (0, 10**10)],
    *[("model.cell", v) for v in ("lstmm", "", 3)],
    *[("training.optimizer", v) for v in ("sdg", "adam w")],
    *[("data.split", v) for v in ("90/20", "a/b/c", "100", "-10/110", "0/50/50", "nan/0/100", "1/1/1/97", "")],
    *[("training.schedule_points", v) for v in ("x", "", "0.5,", "-1", "nan")],
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_what_cannot_be_is_refused_by_name_value_and_range(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        put(Config(), key, value)
    sentence = str(refused.value)
    assert sentence.startswith(f"{key}: ") and "\n" not in sentence and len(sentence) < 250
    c = choice(key)
    if c.kind in ("whole", "number", "choice", "switch"):
        assert sentence.endswith(c.range)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("model.hiden_size", "model.hidden_size"),
        ("learning_rate", "training.learning_rate"),
        ("training.learning-rate", "training.learning_rate"),
        ("model.layer", "model.layers"),
        ("Batch_size", "training.batch_size"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(nearest)):
        choice(wrong)
    section, _, name = wrong.rpartition(".")
    if section:
        with pytest.raises(ConfigError, match=re.escape(nearest)):
            parse({section: {name: 1}})


def test_numbers_are_read_as_people_write_them() -> None:
    assert get(put(Config(), "training.steps", "10,000"), "training.steps") == 10_000
    assert get(put(Config(), "training.steps", "10_000"), "training.steps") == 10_000
    assert get(put(Config(), "training.learning_rate", "2e-3"), "training.learning_rate") == 0.002
    assert get(put(Config(), "training.stateful", "off"), "training.stateful") is False
    assert get(put(Config(), "model.cell", "GRU"), "model.cell") == "gru"
    assert get(put(Config(), "model.layers", 3.0), "model.layers") == 3


def test_tied_weights_need_equal_sizes() -> None:
    with pytest.raises(ConfigError, match="embedding_size = hidden_size"):
        parse({"model": {"tied": True, "embedding_size": 64}})
    assert parse({"model": {"tied": True}}).model.tied


@given(st.dictionaries(keys, st.integers(-3, 3), max_size=6))
def test_toml_is_read_back_as_it_was_written(moves: dict[str, int]) -> None:
    config = Config()
    for key, by in moves.items():
        value = get(config, key)
        for _ in range(abs(by)):
            value = turn(choice(key), value, 1 if by > 0 else -1)
        try:
            config = put(config, key, value)
        except ConfigError:
            assert key in ("model.tied", "model.hidden_size", "model.embedding_size")
    again = parse(__import__("tomllib").loads(to_toml(config)))
    assert again == config and not list(differences(again, config))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[model\n", "not TOML"),
        ("[modle]\nlayers = 2\n", r"\[modle\] is no section; the nearest is \[model\]"),
        ("[model]\nlayer = 2\n", r"model\.layers"),
        ("layers = 2\n", r"model\.layers"),
        ("[model]\nlayers = 20\n", "from 1 to 8"),
        ("model = 3\n", "table"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "net.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told) as refused:
        load_toml(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    for absent in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(absent))):
            load_toml(absent)


def test_splits() -> None:
    assert split_percent("90/5/5") == (90, 5, 5)
    assert split_percent("95/5") == (95, 5, 0)
    assert split_percent("33.4/33.3/33.3") == (33.4, 33.3, 33.3)


def test_a_control_that_does_nothing_is_not_shown() -> None:
    plain = Config()
    assert visible(choice("data.task"), plain) and visible(choice("data.symbol"), plain)
    assert not visible(choice("data.least_count"), plain)
    assert visible(choice("data.least_count"), put(plain, "data.symbol", "word"))
    unmasked = put(put(plain, "data.task", "tagging"), "training.masking", "off")
    assert visible(choice("training.padding"), unmasked)
    assert not visible(choice("training.padding"), put(unmasked, "training.masking", "on"))
    assert not visible(choice("model.nonlinearity"), plain)
    assert visible(choice("model.nonlinearity"), put(plain, "model.cell", "rnn"))
    assert visible(choice("model.forget_bias"), plain)
    assert visible(choice("model.spectral_radius"), plain)
    assert not visible(choice("model.spectral_radius"), put(plain, "model.cell", "feedforward"))
    assert not visible(choice("training.momentum"), plain)
    assert visible(choice("training.momentum"), put(plain, "training.optimizer", "sgd"))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=8))  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(values: Any) -> None:
    try:
        config = parse(values)
    except ConfigError as refused:
        assert "\n" not in str(refused)
    else:
        assert isinstance(config, Config)

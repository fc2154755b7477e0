"""What is known before a network is built, against the network that is built."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import Config, ModelConfig, TrainingConfig
from rnn_tui.model.network import Network, weights
from rnn_tui.model.shapes import diagram, memory_bytes, parameter_count, parameter_shapes, size
from rnn_tui.views import DataView, NetworkView, Part
from tests.networks import CELL_NAMES

GB = 10**9


@st.composite
def models(draw: st.DrawFn) -> ModelConfig:
    hidden = draw(st.integers(1, 24))
    tied = draw(st.booleans())
    return ModelConfig(
        cell=draw(st.sampled_from(CELL_NAMES)),
        layers=draw(st.integers(1, 8)),
        hidden_size=hidden,
        embedding_size=hidden if tied else draw(st.integers(0, 20)),
        nonlinearity=draw(st.sampled_from(("tanh", "relu"))),
        dropout=draw(st.sampled_from((0.0, 0.3))),
        tied=tied,
        initial_state=draw(st.sampled_from(("zero", "learned"))),
    )


def text(train: int = 1_000_000, validation: int = 50_000, vocabulary: int = 65) -> DataView:
    parts = (Part("train", 0, train), Part("validation", train, validation), Part("test", train + validation, 0))
    return DataView("text.txt", "text", train + validation, vocabulary, parts, (), (), "", "")


def view(data: DataView | None = None, free: int = 8 * GB, **choices: Any) -> NetworkView:
    training = {k: choices.pop(k) for k in list(choices) if k in TrainingConfig.model_fields}
    config = Config(model=ModelConfig(**choices), training=TrainingConfig(**training))
    return diagram(config, data or text(), free)


@settings(max_examples=120, deadline=None)
@given(model=models(), vocabulary=st.integers(1, 80))
def test_shapes_are_those_of_the_built_network(model: ModelConfig, vocabulary: int) -> None:
    built = {name: tuple(value.shape) for name, value in weights(Network(model, vocabulary, "meta")).items()}
    assert parameter_shapes(model, vocabulary) == built
    stages = diagram(Config(model=model), text(vocabulary=vocabulary), 8 * GB).stages
    assert sum(stage.parameters for stage in stages) == parameter_count(model, vocabulary)


@pytest.mark.parametrize(
    ("cell", "layers", "hidden", "count"),
    [("lstm", 2, 128, 240_321), ("gru", 2, 128, 182_337), ("rnn", 2, 128, 66_369), ("lstm", 3, 512, 5_421_633)],
)
def test_known_parameter_counts_with_one_hot_input_of_65(cell: Any, layers: int, hidden: int, count: int) -> None:
    model = ModelConfig(cell=cell, layers=layers, hidden_size=hidden, embedding_size=0)
    assert parameter_count(model, 65) == count


def test_memory_covers_weights_optimizer_and_activations() -> None:
    model, batch = ModelConfig(cell="lstm", layers=1, hidden_size=10, embedding_size=4), 6
    training = TrainingConfig(batch_size=batch, sequence_length=5, optimizer="adamw")
    parameters = 7 * 4 + 4 * 10 * (4 + 10 + 2) + 11 * 7
    activations = 30 * (2 * 4 + 2 * 10 * 6 + 5 * 7)
    assert memory_bytes(Config(model=model, training=training), 7) == 4 * (13 * parameters + activations) + 16 * 30


def test_memory_follows_the_optimizer() -> None:
    def of(**choices: Any) -> int:
        return memory_bytes(Config(training=TrainingConfig(**choices)), 65)

    # Each copy that the optimizer keeps stands in both snapshots too.
    one = 3 * 4 * parameter_count(ModelConfig(), 65)
    bare = of(optimizer="sgd", momentum=0.0)
    assert of(optimizer="sgd", momentum=0.9) - bare == one
    assert of(optimizer="rmsprop", momentum=0.0) - bare == one
    # Momentum is of sgd alone: RMSprop is built without it.
    assert of(optimizer="rmsprop", momentum=0.9) - bare == one
    assert of(optimizer="adam") - bare == of(optimizer="adamw") - bare == 2 * one


def test_the_diagram_of_the_default_network() -> None:
    seen = view(layers=2, dropout=0.2)
    assert [(s.name, s.shape, s.parameters, s.recurrent) for s in seen.stages] == [
        ("tokens", "(50, 50)", 0, False),
        ("embedding", "(50, 50, 128)", 65 * 128, False),
        ("LSTM", "(50, 50, 128)", 132_096, True),
        ("dropout", "(50, 50, 128)", 0, False),
        ("LSTM", "(50, 50, 128)", 132_096, True),
        ("linear, softmax", "(50, 50, 65)", 8_385, False),
    ]
    assert seen.first_loss == pytest.approx(math.log(65))
    assert not seen.refusal and not seen.warnings


def test_before_the_text_is_read_the_vocabulary_is_v() -> None:
    seen = diagram(Config(), None, 8 * GB)
    assert seen.stages[-1].shape == "(50, 50, V)"
    assert math.isnan(seen.first_loss) and not seen.refusal
    assert seen.parameters == 2 * 132_096


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"dropout": 0.2, "layers": 1}, "with one layer it does nothing"),
        ({"dropout": 0.9}, "drops most"),
        ({"hidden_size": 1024}, "learn the text by heart"),
        ({"cell": "gru", "sequence_length": 1}, "no gradient goes back through time"),
        ({"cell": "feedforward"}, "no memory"),
        ({"cell": "feedforward", "initial_state": "learned"}, "learned h_0 do nothing"),
        ({"cell": "rnn", "nonlinearity": "relu", "clip_norm": 0.0}, "without bound"),
        ({"nonlinearity": "relu"}, "of the plain RNN only"),
        ({"cell": "gru", "forget_bias": 1.0}, "of the LSTM only"),
        ({"initial_state": "learned"}, "once an epoch"),
        ({"learning_rate": 0.05}, "0.05 is high for adamw"),
        ({"optimizer": "sgd", "learning_rate": 5.0}, "5 is high for sgd"),
        ({"optimizer": "sgd", "learning_rate": 0.002}, "is low for sgd"),
        ({"embedding_size": 256}, "more than 65 symbols can fill"),
        ({"batch_size": 50_000}, "more than the training part"),
        ({"steps": 100}, "only at the end"),
    ],
)
def test_warnings(choices: dict[str, Any], said: str) -> None:
    assert any(said in warning for warning in view(free=1000 * GB, **choices).warnings)
    assert not any(said in warning for warning in view().warnings)


def test_warnings_of_a_text() -> None:
    assert any("rough guess" in w for w in view(text(validation=200)).warnings)
    without = view(text(validation=0), patience=3).warnings
    assert any("no best weights" in w for w in without) and any("will not stop early" in w for w in without)
    assert any("nothing to learn" in w for w in view(text(vocabulary=1)).warnings)


def test_refusals() -> None:
    assert view(hidden_size=8192, free=4 * GB).refusal.endswith("4.0 GB are free; lower hidden_size or batch_size")
    assert view(free=4 * GB).refusal == ""
    assert "it needs 2 at least" in view(text(train=1)).refusal
    assert view(text(train=1)).refusal.startswith("the training part has 1 symbol:")
    assert "lower sequence_length" in view(text(train=50)).refusal
    assert view(text(train=51)).refusal == ""


@pytest.mark.parametrize(
    ("count", "said"), [(512, "512 bytes"), (3_400_000, "3.4 MB"), (12_300_000_000, "12.3 GB"), (1e13, "10000.0 GB")]
)
def test_sizes_in_words(count: float, said: str) -> None:
    assert size(count) == said

"""What is known before a network is built, against the network that is built."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import TASKS, Config, DataConfig, ModelConfig, TrainingConfig
from rnn_tui.model.building import build
from rnn_tui.model.network import Network, weights
from rnn_tui.model.shapes import diagram, memory_bytes, parameter_count, parameter_shapes, size
from rnn_tui.tasks import task_of
from rnn_tui.views import DataView, NetworkView, Part, Sizes
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
        bidirectional=draw(st.booleans()),
        attention=draw(st.booleans()),
    )


def text(train: int = 1_000_000, validation: int = 50_000, vocabulary: int = 65) -> DataView:
    parts = (Part("train", 0, train), Part("validation", train, validation), Part("test", train + validation, 0))
    return DataView("text.txt", "text", train + validation, vocabulary, parts, (), (), "", "")


def view(data: DataView | None = None, free: int = 8 * GB, **choices: Any) -> NetworkView:
    return diagram(config_of(**choices), data or text(), free)


def config_of(**choices: Any) -> Config:
    """Each choice in the section that knows it."""
    training = {k: choices.pop(k) for k in list(choices) if k in TrainingConfig.model_fields}
    data = {k: choices.pop(k) for k in list(choices) if k in DataConfig.model_fields}
    return Config(data=DataConfig(**data), model=ModelConfig(**choices), training=TrainingConfig(**training))


def examples(
    task: str, sizes: Sizes, unit: str = "sentences", train: int = 100_000, longest: int = 38, typical: int = 12
) -> DataView:
    parts = (Part("training", 0, train), Part("validation", train, train // 10), Part("test", 0, 0))
    return DataView(
        "file", "file", 0, sizes.inputs, parts, (), (), "", "", task=task, unit=unit, outputs=sizes.outputs,
        numeric=sizes.numeric, decoder=sizes.decoder, longest=longest, typical=typical,
        last=task_of(task).answers == "last", real=task_of(task).real,
    )  # fmt: skip


def drawn(seen: NetworkView) -> list[tuple[str, str, str]]:
    return [(stage.name, stage.detail, stage.shape) for stage in seen.stages]


@settings(max_examples=120, deadline=None)
@given(model=models(), vocabulary=st.integers(1, 80))
def test_shapes_are_those_of_the_built_network(model: ModelConfig, vocabulary: int) -> None:
    built = {name: tuple(value.shape) for name, value in weights(Network(model, vocabulary, "meta")).items()}
    assert parameter_shapes(model, vocabulary) == built
    stages = diagram(Config(model=model), text(vocabulary=vocabulary), 8 * GB).stages
    assert sum(stage.parameters for stage in stages) == parameter_count(model, vocabulary)


@settings(max_examples=120, deadline=None)
@given(model=models(), inputs=st.integers(1, 30), outputs=st.integers(1, 30), kind=st.sampled_from(TASKS))
def test_shapes_of_every_task_are_those_of_what_is_built(
    model: ModelConfig, inputs: int, outputs: int, kind: str
) -> None:
    sizes = Sizes(inputs, outputs, kind in ("adding", "forecasting"), kind == "translation")
    built = {name: tuple(value.shape) for name, value in weights(build(model, sizes, "meta")).items()}
    assert parameter_shapes(model, sizes) == built
    seen = diagram(Config(data=DataConfig(task=kind), model=model), examples(kind, sizes), 8 * GB)
    assert sum(stage.parameters for stage in seen.stages) == seen.parameters == parameter_count(model, sizes)
    assert sum(map(math.prod, built.values())) == seen.parameters
    assert math.isnan(seen.first_loss) if sizes.numeric else seen.first_loss == math.log(outputs)
    diagram(Config(data=DataConfig(task=kind), model=model), None, 8 * GB)


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


def test_the_diagram_of_a_tagger_with_two_directions() -> None:
    data = examples("tagging", Sizes(900, 7))
    seen = view(data, task="tagging", bidirectional=True, dropout=0.3, batch_size=32)
    assert drawn(seen) == [
        ("tokens", "38 at most", "(32, 12)"),
        ("embedding", "128", "(32, 12, 128)"),
        ("LSTM", "128→ 128←", "(32, 12, 256)"),
        ("dropout", "0.3", "(32, 12, 256)"),
        ("LSTM", "128→ 128←", "(32, 12, 256)"),
        ("linear, softmax", "", "(32, 12, 7)"),
    ]
    assert seen.stages[4].parameters == 2 * 512 * (256 + 128 + 2)
    assert seen.first_loss == pytest.approx(math.log(7)) and not seen.warnings


def test_the_diagram_of_many_to_one() -> None:
    data = examples("classification", Sizes(60, 18), "texts", longest=12)
    seen = view(data, task="classification", layers=1, cell="gru")
    assert drawn(seen)[2:] == [
        ("GRU", "128", "(50, 12, 128)"),
        ("last h", "after the sequence", "(50, 128)"),
        ("linear, softmax", "", "(50, 18)"),
    ]
    both = view(data, task="classification", layers=1, bidirectional=True)
    assert drawn(both)[3:] == [
        ("last h", "after the sequence of both directions", "(50, 256)"),
        ("linear, softmax", "", "(50, 18)"),
    ]


def test_the_diagram_of_a_forecast_reads_numbers_and_answers_numbers() -> None:
    data = examples("forecasting", Sizes(2, 6, numeric=True), "windows", longest=36, typical=36)
    seen = view(data, task="forecasting", layers=1, window=36, horizon=3)
    assert drawn(seen) == [
        ("numbers", "", "(50, 36, 2)"),
        ("LSTM", "128", "(50, 36, 128)"),
        ("last h", "after the sequence", "(50, 128)"),
        ("linear", "", "(50, 6)"),
    ]
    assert math.isnan(seen.first_loss) and not seen.warnings


@pytest.mark.parametrize("attention", [False, True])
def test_the_diagram_of_an_encoder_and_a_decoder(attention: bool) -> None:
    data = examples("translation", Sizes(40, 30, decoder=True), "pairs", longest=12)
    seen = view(data, task="translation", layers=1, attention=attention, hidden_size=64, embedding_size=16)
    looked = [("attention", "over 12 states", "(50, U, 64)")] if attention else []
    assert drawn(seen) == [
        ("source", "", "(50, 12)"),
        ("embedding", "16", "(50, 12, 16)"),
        ("LSTM", "64", "(50, 12, 64)"),
        ("context", "last h and c, to the decoder", "(50, 64)"),
        ("target, one step late", "", "(50, U)"),
        ("embedding", "16", "(50, U, 16)"),
        ("LSTM", "64", "(50, U, 64)"),
        *looked,
        ("linear, softmax", "", "(50, U, 30)"),
    ]
    assert seen.parameters == 70 * 16 + 2 * 256 * (16 + 64 + 2) + 30 * 65 + attention * 64 * 129


def test_before_the_data_are_read_what_they_decide_has_a_letter() -> None:
    def shapes(task: str) -> list[str]:
        return [stage.shape for stage in diagram(config_of(task=task, layers=1), None, GB).stages]

    assert shapes("tagging") == ["(50, T)", "(50, T, 128)", "(50, T, 128)", "(50, T, C)"]
    assert shapes("forecasting") == ["(50, 36, F)", "(50, 36, 128)", "(50, 128)", "(50, C)"]
    assert shapes("translation")[-2:] == ["(50, U, 128)", "(50, U, C)"]
    assert math.isnan(diagram(config_of(task="tagging"), None, GB).first_loss)


def test_memory_follows_directions_answers_and_the_longest_sequence() -> None:
    def of(timesteps: int = 0, sizes: Sizes = Sizes(50, 10), **choices: Any) -> int:  # noqa: B008
        own = {
            "layers": 1,
            "hidden_size": 10,
            "embedding_size": 4,
            "batch_size": 6,
            "optimizer": "sgd",
            "momentum": 0.0,
        }
        config = config_of(**(own | choices))
        # Without what the parameters take: 5 of each, and two snapshots.
        return memory_bytes(config, sizes, timesteps) - 4 * 7 * parameter_count(config.model, sizes)

    def one(steps: int, answers: int, directions: int = 1) -> int:
        return 4 * 6 * (steps * (2 * 4 + directions * 2 * 10 * 6) + answers * 5 * 10) + 16 * 6 * steps

    assert of(20, task="tagging") == one(20, 20)
    assert of(20, task="tagging", bidirectional=True) == one(20, 20, 2)
    assert of(20, Sizes(50, 10, last=True), task="classification") == one(20, 1)
    assert of(task="recall", length=30) == one(30, 30)
    read = 6 * 20 * (2 * 4 + 2 * 10 * 6)
    pair = Sizes(50, 10, decoder=True)
    whole = 4 * (2 * read + 6 * 20 * 5 * 10) + 16 * 6 * 20
    assert of(20, pair, task="translation") == of(20, pair, task="translation", bidirectional=True) == whole
    assert of(20, pair, task="translation", attention=True) == whole + 4 * 6 * 20 * (4 * 20 + 6 * 10)


def test_33_000_words_are_never_a_batch_of_logits() -> None:
    def words(**choices: Any) -> int:
        config = config_of(hidden_size=200, embedding_size=200, layers=2, batch_size=20, sequence_length=35, **choices)
        return memory_bytes(config, 33_000)

    parameters = parameter_count(ModelConfig(hidden_size=200, embedding_size=200), 33_000)
    rest = words() - 4 * 13 * parameters
    # 23 million logits and what follows from them would be 460 MB.
    assert 160e6 < rest < 300e6
    assert words() - words(tied=True) == 4 * 13 * 33_000 * 200


@pytest.mark.parametrize(
    ("task", "choices", "said"),
    [
        ("language", {"bidirectional": True}, "its perplexity falls to 1 and means nothing; it can't write"),
        ("reber", {"bidirectional": True}, "it reads the answer from the other side"),
        ("translation", {"bidirectional": True}, "bidirectional does nothing in translation"),
        ("tagging", {"attention": True}, "in this task it does nothing"),
        ("forecasting", {"tied": True}, "nothing to tie the readout to"),
        ("tagging", {"tied": True}, "900 symbols are read and 7 kinds of answers given"),
        ("tagging", {"init": "identity"}, "here it stands in every gate"),
        ("tagging", {"init": "identity", "cell": "rnn"}, "with tanh, h shrinks"),
        ("tagging", {"init": "identity", "cell": "rnn", "nonlinearity": "relu", "spectral_radius": 0.5}, "no IRNN any"),
        ("tagging", {"cell": "feedforward"}, "it answers from one timestep alone"),
        ("translation", {"cell": "feedforward"}, "its decoder knows nothing of the source"),
        ("tagging", {"hidden_size": 1024}, "for 100,000 training sentences of about 12 timesteps"),
    ],
)
def test_warnings_of_other_tasks(task: str, choices: dict[str, Any], said: str) -> None:
    if task == "language":
        data = text()
    else:
        sizes = Sizes(900, 900 if task == "translation" else 7, task == "forecasting", task == "translation")
        data = examples(task, sizes)
    assert any(said in warning for warning in view(data, 1000 * GB, task=task, **choices).warnings)
    assert not any(said in warning for warning in view(data, 1000 * GB, task=task).warnings)


def test_an_irnn_is_what_identity_is_made_for() -> None:
    data = examples("adding", Sizes(2, 1, numeric=True))
    assert not view(data, task="adding", cell="rnn", nonlinearity="relu", init="identity", clip_norm=1.0).warnings


def test_two_directions_in_tagging_and_classification_need_no_warning() -> None:
    for task in ("tagging", "classification"):
        assert not view(examples(task, Sizes(900, 7)), task=task, bidirectional=True).warnings


def test_refusals_of_sequences() -> None:
    nothing = examples("tagging", Sizes(9, 3), train=0)
    assert view(nothing, task="tagging").refusal.startswith("the training part has no sentences")
    few = examples("tagging", Sizes(9, 3), train=30)
    assert view(few, task="tagging").refusal == ""
    assert any("more than the training part (30 sentences)" in w for w in view(few, task="tagging").warnings)
    assert any("has 3 sentences: its loss is a rough guess" in w for w in view(few, task="tagging").warnings)
    # What is made as it is needed has no training part to be short of.
    assert view(examples("recall", Sizes(9, 9), "sequences", train=0), task="recall").refusal == ""
    long = examples("tagging", Sizes(9, 3), longest=100_000)
    assert view(long, 8 * GB, task="tagging").refusal.startswith("needs ")


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

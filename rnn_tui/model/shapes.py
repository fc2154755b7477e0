"""What a network will be, before anything is allocated: shapes, parameters, memory, warnings.

Closed forms, without torch. The tests hold them to the built module.
"""

from __future__ import annotations

import math

from rnn_tui.config import Config, ModelConfig, show
from rnn_tui.model.cells import Cell, cell_of
from rnn_tui.views import DataView, NetworkView, Stage

FLOAT32 = 4
INT64 = 8
# A network may take this share of what is free: the data, the interface and a copy of the
# weights for inspection need the rest.
SHARE_OF_FREE = 0.5


def parameter_shapes(model: ModelConfig, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, named as in a session file without the prefix `model.`.

    One-hot input has no embedding; tied weights stand once, as `embedding.weight`.
    """
    cell, hidden = cell_of(model), model.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    if model.embedding_size:
        shapes["embedding.weight"] = (vocabulary, model.embedding_size)
    for k in range(model.layers):
        prefix = f"layers.{k}."
        inputs = hidden if k else model.embedding_size or vocabulary
        rows = cell.rows * hidden
        shapes[prefix + "weight_ih_l0"] = (rows, inputs)
        if cell.recurrent:
            shapes[prefix + "weight_hh_l0"] = (rows, hidden)
        shapes[prefix + "bias_ih_l0"] = (rows,)
        if cell.recurrent:
            shapes[prefix + "bias_hh_l0"] = (rows,)
            if model.initial_state == "learned":
                shapes |= {f"{prefix}{state}_0": (hidden,) for state in cell.states}
    if not model.tied:
        shapes["output.weight"] = (vocabulary, hidden)
    shapes["output.bias"] = (vocabulary,)
    return shapes


def parameter_count(model: ModelConfig, vocabulary: int) -> int:
    """How many numbers are learned."""
    return sum(map(math.prod, parameter_shapes(model, vocabulary).values()))


def optimizer_copies(config: Config) -> int:
    """How many numbers the optimizer keeps for each parameter."""
    training = config.training
    if training.optimizer in ("adam", "adamw"):
        return 2
    return 1 if training.optimizer == "rmsprop" else int(training.momentum > 0)


def memory_bytes(config: Config, vocabulary: int) -> int:
    """Bytes that training takes beyond the program itself, in float32: an estimate.

    With P parameters, N = B T positions in a batch, G gates, H units, L layers, V symbols
    and D the width of the input (embedding_size, or V with one-hot):

        weights, gradient, best copy, optimizer's k copies,
        and two that the kernel arranges for itself          4 P (5 + k)
        two snapshots of weights and optimizer               4 P 2 (1 + k)
        input and its gradient                               4 N 2 D
        each layer: gates, states, output, and their
        gradients while it is walked back                    4 N 2 H (G + 2)
        logits, log-probabilities, their gradients, loss     4 N 5 V
        tokens and targets                                   8 N 2
    """
    model, training = config.model, config.training
    positions = training.batch_size * training.sequence_length
    k = optimizer_copies(config)
    numbers = parameter_count(model, vocabulary) * (5 + k + 2 * (1 + k))
    numbers += positions * 2 * (model.embedding_size or vocabulary)
    numbers += positions * 2 * model.hidden_size * (cell_of(model).rows + 2) * model.layers
    numbers += positions * 5 * vocabulary
    return FLOAT32 * numbers + INT64 * 2 * positions


def diagram(config: Config, data: DataView | None, free_bytes: int) -> NetworkView:
    """The network stage by stage, with shapes (B, T, F), parameters, memory and warnings.

    Where the text has not been read yet (`data` is None), the vocabulary's size is written
    V, and what depends on it is not counted.
    """
    vocabulary = data.vocabulary if data else 0
    memory = memory_bytes(config, vocabulary)
    return NetworkView(
        stages=tuple(_stages(config, vocabulary, known=data is not None)),
        parameters=parameter_count(config.model, vocabulary),
        memory_bytes=memory,
        free_bytes=free_bytes,
        first_loss=math.log(vocabulary) if vocabulary else math.nan,
        warnings=tuple(_warnings(config, data)),
        refusal=_refusal(config, data, memory, free_bytes),
    )


def _stages(config: Config, vocabulary: int, *, known: bool) -> list[Stage]:
    model, training, cell = config.model, config.training, cell_of(config.model)
    counts = {name: math.prod(shape) for name, shape in parameter_shapes(model, vocabulary).items()}

    def under(prefix: str) -> int:
        return sum(count for name, count in counts.items() if name.startswith(prefix))

    def shape(features: object) -> str:
        return f"({training.batch_size}, {training.sequence_length}, {features})"

    symbols = vocabulary if known else "V"
    stages = [Stage("tokens", "", f"({training.batch_size}, {training.sequence_length})", 0)]
    if model.embedding_size:
        width = model.embedding_size
        stages.append(Stage("embedding", str(width), shape(width), under("embedding.")))
    else:
        stages.append(Stage("one-hot", str(symbols), shape(symbols), 0))
    for k in range(model.layers):
        if k and model.dropout:
            locked = ", one mask for all timesteps" if model.locked_dropout else ""
            stages.append(Stage("dropout", f"{show(model.dropout)}{locked}", shape(model.hidden_size), 0))
        stages.append(
            Stage(cell.title, _layer_detail(model, cell), shape(model.hidden_size), under(f"layers.{k}."),
                  recurrent=cell.recurrent)
        )  # fmt: skip
    tied = "tied to the embedding" if model.tied else ""
    stages.append(Stage("linear, softmax", tied, shape(symbols), under("output.")))
    return stages


def _layer_detail(model: ModelConfig, cell: Cell) -> str:
    detail = str(model.hidden_size)
    if model.cell == "rnn" and model.nonlinearity == "relu":
        detail += ", ReLU"
    if cell.recurrent and model.recurrent_dropout:
        detail += f", W_hh drop {show(model.recurrent_dropout)}"
    return detail


def size(count: float) -> str:
    """Bytes as a person reads them: 12.3 GB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _refusal(config: Config, data: DataView | None, memory: int, free_bytes: int) -> str:
    if memory > SHARE_OF_FREE * free_bytes:
        return f"needs {size(memory)}, {size(free_bytes)} are free; lower hidden_size or batch_size"
    if data is None:
        return ""
    length, timesteps = _length(data, "train"), config.training.sequence_length
    if length < 2:
        return f"the training part has {_symbols(length)}: it needs 2 at least; choose a longer text"
    if length <= timesteps:
        return (
            f"the training part has {_symbols(length)}, one more than sequence_length ({timesteps:,}) are needed; "
            f"choose a longer text or lower sequence_length"
        )
    return ""


def _length(data: DataView, part: str) -> int:
    return sum(p.length for p in data.parts if p.name.startswith(part))


def _symbols(count: int) -> str:
    return f"{count:,} symbol{'s' * (count != 1)}"


def _warnings(config: Config, data: DataView | None) -> list[str]:
    found = _model_warnings(config) + _training_warnings(config)
    return found + (_data_warnings(config, data) if data else [])


def _model_warnings(config: Config) -> list[str]:
    model, training, cell = config.model, config.training, cell_of(config.model)
    found = []
    if model.dropout and model.layers == 1:
        found.append("dropout acts between layers: with one layer it does nothing")
    elif model.dropout > 0.7:
        found.append(f"dropout {show(model.dropout)} drops most of what a layer says")
    if not cell.recurrent:
        found.append("feedforward has no memory: it sees one symbol, so the bigram line is the best it can reach")
        if model.recurrent_dropout or model.initial_state == "learned":
            found.append("feedforward has no W_hh and no h_0: recurrent dropout and a learned h_0 do nothing")
    elif training.sequence_length == 1:
        found.append("with 1 timestep no gradient goes back through time: it hardly learns to remember")
    if model.cell == "rnn" and model.nonlinearity == "relu" and not training.clip_norm:
        found.append("a ReLU RNN can grow without bound: set clip_norm, 1 for example")
    if model.nonlinearity == "relu" and model.cell != "rnn":
        found.append("the nonlinearity is of the plain RNN only: here it does nothing")
    if model.forget_bias and model.cell != "lstm":
        found.append("the forget bias is of the LSTM only: here it does nothing")
    if cell.recurrent and model.initial_state == "learned" and training.stateful:
        found.append("a learned h_0 learns only where a stream starts: with carried state that is once an epoch")
    return found


def _training_warnings(config: Config) -> list[str]:
    training = config.training
    found = []
    rate, sgd = training.learning_rate, training.optimizer == "sgd"
    if rate > (2.0 if sgd else 0.02):
        usual = "0.1 to 1" if sgd else "0.001 to 0.003"
        found.append(
            f"learning rate {show(rate)} is high for {training.optimizer}: the loss may jump; {usual} is usual"
        )
    elif sgd and rate < 0.02:
        found.append(f"learning rate {show(rate)} is low for sgd: it will learn slowly; 0.1 to 1 is usual")
    if training.validate_every > training.steps:
        found.append("validate_every is more than steps: it validates only at the end")
    return found


def _data_warnings(config: Config, data: DataView) -> list[str]:
    model, training = config.model, config.training
    parameters, learned = parameter_count(model, data.vocabulary), _length(data, "train")
    validated = _length(data, "val")
    found = []
    if data.vocabulary == 1:
        found.append("one kind of symbol only: there is nothing to learn")
    if parameters > learned:
        found.append(
            f"{parameters:,} parameters for {learned:,} training symbols: it can learn the text by heart; "
            f"watch the validation loss"
        )
    if not model.tied and model.embedding_size > 2 * data.vocabulary:
        found.append(f"an embedding of {model.embedding_size:,} is more than {data.vocabulary:,} symbols can fill")
    batch = training.batch_size * training.sequence_length
    if batch > learned:
        found.append(
            f"a batch of {training.batch_size:,} x {training.sequence_length:,} symbols is more than the training "
            f"part ({learned:,})"
        )
    if not validated:
        found.append("no validation part: no validation loss and no best weights")
        if training.patience:
            found.append("patience needs a validation part: it will not stop early")
    elif validated < 1000:
        found.append(f"the validation part has {_symbols(validated)}: its loss is a rough guess")
    return found

"""What a person should know of a network before it is built, and why it can't be."""

from __future__ import annotations

from rnn_tui.config import CHOICES, GENERATED, Config, show, visible
from rnn_tui.model.cells import cell_of
from rnn_tui.model.memory import size
from rnn_tui.model.parameters import parameter_count, tied
from rnn_tui.views import DataView

# A network may take this share of what is free: the data, the interface and a copy of the
# weights for inspection need the rest.
SHARE_OF_FREE = 0.5
# Below so many, a validation part tells little: symbols of a stream, sequences else.
FEW_SYMBOLS, FEW_SEQUENCES = 1000, 50


def refusal(config: Config, data: DataView | None, memory: int, free_bytes: int) -> str:
    """Why it can't be built here; empty where it can."""
    if memory > SHARE_OF_FREE * free_bytes:
        return f"needs {size(memory)}, {size(free_bytes)} are free; lower hidden_size or batch_size"
    if data is None or config.data.task in GENERATED:
        return ""
    length, timesteps = _length(data, "train"), config.training.sequence_length
    if config.data.task != "language":
        return "" if length else f"the training part has no {data.unit}: choose other data or another split"
    if length < 2:
        return f"the training part has {_counted(length, data)}: it needs 2 at least; choose a longer text"
    if length <= timesteps:
        return (
            f"the training part has {_counted(length, data)}, one more than sequence_length ({timesteps:,}) "
            f"are needed; choose a longer text or lower sequence_length"
        )
    return ""


def warnings(config: Config, data: DataView | None) -> list[str]:
    """One sentence each, the gravest first."""
    found = _direction_warnings(config) + _model_warnings(config) + _start_warnings(config)
    found += _training_warnings(config)
    return found + (_data_warnings(config, data) if data else [])


def _length(data: DataView, part: str) -> int:
    return sum(p.length for p in data.parts if p.name.startswith(part))


def _counted(count: int, data: DataView) -> str:
    return f"{count:,} {data.unit.removesuffix('s') if count == 1 else data.unit}"


def _direction_warnings(config: Config) -> list[str]:
    model, task = config.model, config.data.task
    if not model.bidirectional:
        return []
    if task == "translation":
        return ["encoder and decoder read from left to right: bidirectional does nothing in translation"]
    if task == "language":
        return [
            "bidirectional: it sees the symbol that it must predict: its perplexity falls to 1 and means nothing; "
            "it can't write"
        ]
    if task not in CHOICES["model.bidirectional"].tasks:
        return ["bidirectional: where the next symbol is asked for, it reads the answer from the other side"]
    return []


def _model_warnings(config: Config) -> list[str]:
    model, training, cell = config.model, config.training, cell_of(config.model)
    task = config.data.task
    found = []
    if model.dropout and model.layers == 1:
        found.append("dropout acts between layers: with one layer it does nothing")
    elif model.dropout > 0.7:
        found.append(f"dropout {show(model.dropout)} drops most of what a layer says")
    if not cell.recurrent:
        found.append(_no_memory(task))
        if model.recurrent_dropout or model.initial_state == "learned":
            found.append("feedforward has no W_hh and no h_0: recurrent dropout and a learned h_0 do nothing")
    elif task == "language" and training.sequence_length == 1:
        found.append("with 1 timestep no gradient goes back through time: it hardly learns to remember")
    if model.cell == "rnn" and model.nonlinearity == "relu" and not training.clip_norm:
        found.append("a ReLU RNN can grow without bound: set clip_norm, 1 for example")
    if model.nonlinearity == "relu" and model.cell != "rnn":
        found.append("the nonlinearity is of the plain RNN only: here it does nothing")
    if model.attention and task != "translation":
        found.append("attention is of an encoder and a decoder: in this task it does nothing")
    if model.tied and not visible(CHOICES["model.tied"], config):
        found.append("numbers are read without an embedding: there is nothing to tie the readout to")
    if task == "language" and cell.recurrent and model.initial_state == "learned" and training.stateful:
        found.append("a learned h_0 learns only where a stream starts: with carried state that is once an epoch")
    return found


def _no_memory(task: str) -> str:
    if task == "language":
        return "feedforward has no memory: it sees one symbol, so the bigram line is the best it can reach"
    if task == "translation":
        return "feedforward has no memory: its decoder knows nothing of the source but what attention shows it"
    return "feedforward has no memory: it answers from one timestep alone"


def _start_warnings(config: Config) -> list[str]:
    """Of the weights it starts with."""
    model = config.model
    found = []
    if model.forget_bias and model.cell != "lstm":
        found.append("the forget bias is of the LSTM only: here it does nothing")
    if model.init == "identity" and model.cell in ("gru", "lstm"):
        found.append("identity is made for the plain RNN with ReLU (IRNN): here it stands in every gate")
    elif model.init == "identity" and model.cell == "rnn":
        if model.nonlinearity != "relu":
            found.append("identity is made for ReLU (IRNN): with tanh, h shrinks at every timestep")
        if model.spectral_radius not in (0.0, 1.0):
            found.append(f"spectral radius {show(model.spectral_radius)} scales the identity: no IRNN any more")
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
    model, training, sizes = config.model, config.training, data.sizes
    stream = config.data.task == "language"
    found = []
    if not sizes.numeric and sizes.inputs == 1 and stream:
        found.append("one kind of symbol only: there is nothing to learn")
    if model.tied and not sizes.numeric and not tied(model, sizes):
        why = (
            "with two directions the readout is twice as wide as the embedding"
            if model.bidirectional and sizes.inputs == sizes.outputs
            else f"{sizes.inputs:,} symbols are read and {sizes.outputs:,} kinds of answers given"
        )
        found.append(f"weights can't be tied here: {why}; the readout has its own")
    if config.data.task not in GENERATED:
        found += _amount_warnings(config, data)
    widest = max(sizes.inputs, sizes.outputs) if sizes.decoder else sizes.inputs
    if not model.tied and not sizes.numeric and model.embedding_size > 2 * widest:
        found.append(f"an embedding of {model.embedding_size:,} is more than {widest:,} symbols can fill")
    validated = _length(data, "val")
    if not validated:
        found.append("no validation part: no validation loss and no best weights")
        if training.patience:
            found.append("patience needs a validation part: it will not stop early")
    elif validated < (FEW_SYMBOLS if stream else FEW_SEQUENCES):
        found.append(f"the validation part has {_counted(validated, data)}: its loss is a rough guess")
    return found


def _amount_warnings(config: Config, data: DataView) -> list[str]:
    """How much there is to learn from, beside what learns."""
    training, learned = config.training, _length(data, "train")
    parameters = parameter_count(config.model, data.sizes)
    if config.data.task != "language":
        found = []
        symbols = learned * max(data.typical, 1)
        if config.data.task != "forecasting" and parameters > symbols:
            found.append(
                f"{parameters:,} parameters for {learned:,} training {data.unit} of about {data.typical:,} timesteps: "
                f"it can learn them by heart; watch the validation loss"
            )
        if training.batch_size > learned:
            found.append(f"a batch of {training.batch_size:,} is more than the training part ({learned:,} {data.unit})")
        return found
    found = []
    if parameters > learned:
        found.append(
            f"{parameters:,} parameters for {learned:,} training symbols: it can learn the text by heart; "
            f"watch the validation loss"
        )
    if training.batch_size * training.sequence_length > learned:
        found.append(
            f"a batch of {training.batch_size:,} x {training.sequence_length:,} symbols is more than the training "
            f"part ({learned:,})"
        )
    return found

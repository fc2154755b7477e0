"""What training takes, before anything is allocated. Closed forms, without torch."""

from __future__ import annotations

from rnn_tui.config import GENERATED, Config
from rnn_tui.model.cells import cell_of
from rnn_tui.model.parameters import as_sizes, directions, parameter_count
from rnn_tui.views import Sizes

FLOAT32 = 4
INT64 = 8
# A language model's logits beyond these are never held at once.
MOST_LOGITS = 8_000_000


def optimizer_copies(config: Config) -> int:
    """How many numbers the optimizer keeps for each parameter."""
    training = config.training
    if training.optimizer in ("adam", "adamw"):
        return 2
    return 1 if training.optimizer == "rmsprop" else int(training.momentum > 0)


def longest(config: Config) -> int:
    """Timesteps of a batch, as far as the configuration alone can tell."""
    if config.data.task == "forecasting":
        return config.data.window
    return config.data.length if config.data.task in GENERATED else config.training.sequence_length


def memory_bytes(config: Config, sizes: Sizes | int, timesteps: int = 0) -> int:
    """Bytes that training takes beyond the program itself, in float32: an estimate.

    With P parameters, N = B T positions in a batch (T the longest sequence's `timesteps`,
    where they are known), G gates, H units, L layers, d directions, V kinds of answers and D
    the width of the input (embedding_size, or that of one-hot or of numbers):

        weights, gradient, best copy, optimizer's k copies,
        and two that the kernel arranges for itself          4 P (5 + k)
        two snapshots of weights and optimizer               4 P 2 (1 + k)
        input and its gradient                               4 N 2 D
        each layer: gates, states, output, and their
        gradients while it is walked back                    4 N 2 H d (G + 2)
        logits, log-probabilities, their gradients, loss     4 N 5 V
        tokens and targets                                   8 N 2

    Where only the end of a sequence answers, there are B V logits. A language model's are
    computed in pieces where they are more than eight million. A decoder is counted as being
    as long as the source, and attention with its weights, context and readout.
    """
    sizes, model, cell = as_sizes(sizes), config.model, cell_of(config.model)
    task, batch, hidden = config.data.task, config.training.batch_size, model.hidden_size
    timesteps = timesteps or longest(config)
    positions = batch * timesteps
    k = optimizer_copies(config)
    numbers = parameter_count(model, sizes) * (5 + k + 2 * (1 + k))
    width = 0 if sizes.numeric else model.embedding_size
    both = 1 if sizes.decoder else len(directions(model))
    stacked = 2 * hidden * both * (cell.rows + 2) * model.layers
    numbers += positions * (2 * (width or sizes.inputs) + stacked)
    if sizes.decoder:
        numbers += positions * (2 * (width or sizes.outputs) + stacked)
        if model.attention:
            numbers += positions * (4 * timesteps + 6 * hidden)
    logits = (batch if sizes.last else positions) * sizes.outputs
    if task == "language" and logits > MOST_LOGITS:
        # The gradient of the readout is gathered beside it.
        logits, numbers = MOST_LOGITS, numbers + 2 * sizes.outputs * hidden
    numbers += 5 * logits
    return FLOAT32 * numbers + INT64 * 2 * positions


def size(count: float) -> str:
    """Bytes as a person reads them: 12.3 GB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

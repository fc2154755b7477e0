"""What training takes, before anything is allocated, and what there is. Closed forms, without torch."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from rnn_tui.config import GENERATED, Config
from rnn_tui.model.cells import cell_of
from rnn_tui.model.parameters import as_sizes, directions, parameter_count
from rnn_tui.views import Sizes

FLOAT32 = 4
INT64 = 8
# Where control groups tell of memory: the limit, what is used, and what of that is only kept while there is room.
_VERSION_1 = (
    Path("/sys/fs/cgroup/memory"), ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)  # fmt: skip
_MEMBERSHIP = Path("/proc/self/cgroup")
_VERSION_2 = Path("/sys/fs/cgroup"), ("memory.max", "memory.current", "inactive_file")
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


def free_bytes() -> int:
    """Bytes that this process may still take: what the machine has, and what it is held to (`ulimit -v`, a container,
    a batch job).
    """
    free = int(psutil.virtual_memory().available)
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free = min(free, max(0, limit - psutil.Process().memory_info().vms))
    return min(free, *_groups())


def _groups() -> Iterator[int]:
    """What is left in each control group that this process is in, of either version."""
    yield 1 << 62
    places: list[tuple[Path, tuple[str, str, str]]] = []
    with suppress(OSError):
        for line in _MEMBERSHIP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "memory" in controllers.split(","):
                own = Path(path.lstrip("/"))
                root, files = _VERSION_1 if controllers else _VERSION_2
                places += [(root / part, files) for part in (own, *own.parents)]
    for place, (limit, used, idle) in places:
        # A group without a limit says `max`, or has no such file.
        with suppress(OSError, ValueError):
            most, taken = int((place / limit).read_text()), int((place / used).read_text())
            counted = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
            # Read files are kept as long as nobody needs the room.
            yield max(0, most - taken + int(counted.get(idle, 0)))

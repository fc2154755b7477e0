"""Several cells on the same probe: each a fresh network of one size, trained and measured on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rnn_tui.config import Config, TrainingConfig
from rnn_tui.data.source import DataError
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks.gaps.measuring import measured, probe_of, remembers
from rnn_tui.tasks.probing.probe import Probe
from rnn_tui.views import GapCurves, frozen

MakeOptimizer = Callable[[Iterable[nn.Parameter], TrainingConfig], torch.optim.Optimizer]

# How often each curve is measured while its network is trained.
LOOKS = 8


def compare(
    config: Config, cells: Sequence[str], steps: int, make_optimizer: MakeOptimizer, *,
    network: Network | None = None, step: int = 0,
) -> Iterator[GapCurves]:  # fmt: skip
    """Yields the curves after every update and every gap measured, the last time with `done`.

    `network`, the one of the configuration at `step`, comes first, where its task is the one
    that is measured. Then for each of `cells` a fresh network, else as the configuration has
    it, is trained for `steps` updates with batch size, optimizer, learning rate (held
    constant) and clipping of the configuration, in float32 on the CPU. All of them start from
    one seed and read the same batches; nothing draws from a generator of anybody else's.

    Stop asking, and no more is computed. Raises DataError where `data.length` is too short.
    """
    task = probe_of(config)
    length = config.data.length
    if length < task.shortest:
        raise DataError(f"a gap of {length} can't be measured; data.length; set it to {task.shortest} or more")
    curves = _Curves(task, length, step)
    if network is not None and config.data.task == task.name:
        row = curves.add(f"this {titled(network)}")
        for k, value in enumerate(measured(network, task, config, curves.gaps)):
            curves.values[row][k] = value
            yield curves.view(f"{curves.names[row]}: gap {curves.gaps[k]:,}")
    for cell in cells:
        yield from _one(task, config, cell, steps, make_optimizer, curves)
    yield curves.view("", done=True)


class _Curves:
    """What is measured so far."""

    def __init__(self, task: Probe, length: int, step: int) -> None:
        self.task, self.length, self.step = task, length, step
        self.gaps = task.gaps(length)
        self.names: list[str] = []
        self.values: list[NDArray[np.float32]] = []

    def add(self, name: str) -> int:
        self.names.append(name)
        self.values.append(np.full(len(self.gaps), np.nan, np.float32))
        return len(self.names) - 1

    def view(self, doing: str, done: bool = False) -> GapCurves:
        values = np.array(self.values, np.float32).reshape(-1, len(self.gaps))
        return GapCurves(
            gaps=frozen(self.gaps.copy()),
            names=tuple(self.names),
            values=frozen(values),
            measure=self.task.metrics[0],
            nothing=frozen(np.array([self.task.nothing(int(gap)) for gap in self.gaps], np.float32)),
            lower_is_better=self.task.lower_is_better,
            remembers=tuple(remembers(self.task, self.gaps, row) for row in values),
            trained_at=self.length,
            step=self.step,
            done=done,
            doing=doing,
        )


def _one(
    task: Probe, config: Config, cell: str, steps: int, make_optimizer: MakeOptimizer, curves: _Curves
) -> Iterator[GapCurves]:
    """One fresh network: trained, measured LOOKS times on the way and at the end."""
    model = config.model.model_copy(update={"cell": cell, "bidirectional": False})
    seed, training = config.training.seed, config.training
    network = Network(model, task.coding.sizes)
    fill(network, model, torch.Generator().manual_seed(seed))
    dropout = torch.Generator().manual_seed(seed)
    batches = task.fresh(config, torch.Generator().manual_seed(seed))
    parameters = list(network.parameters())
    optimizer = make_optimizer(parameters, training)
    row = curves.add(titled(network))
    looks = {round(steps * (k + 1) / LOOKS) for k in range(LOOKS)}
    for made in range(1, steps + 1):
        network.train()
        with torch.enable_grad():
            loss, _ = task.loss(network, batches.next(), None, dropout, config)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
        norm = float(nn.utils.clip_grad_norm_(parameters, training.clip_norm or math.inf))
        if not (math.isfinite(norm) and math.isfinite(float(loss.detach()))):
            # It has diverged: what was measured of it stands.
            return
        optimizer.step()
        doing = f"{curves.names[row]}: {made:,} of {steps:,} updates"
        if made in looks:
            for k, value in enumerate(measured(network, task, config, curves.gaps)):
                curves.values[row][k] = value
                yield curves.view(doing)
        yield curves.view(doing)


def titled(network: Network) -> str:
    """`GRU 1x64`."""
    return f"{network.cell.title} {network.model.layers}x{network.model.hidden_size}"

"""One update of truncated backpropagation through time, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import Config, TrainingConfig
from rnn_tui.model.building import Built
from rnn_tui.model.network import State, detach
from rnn_tui.tasks import Task
from rnn_tui.tasks.learning.batches import Batch, Batches
from rnn_tui.training.flight import LONGEST_TEXT, FlightRecorder, Flown, first_non_finite, group_of, groups_of
from rnn_tui.training.optimizer import STATES, Schedule, make_optimizer
from rnn_tui.training.precision import autocast
from rnn_tui.training.randomness import Generators

# The update's length is measured at every 25th update, the first included.
RATIO_EVERY = 25


class NonFinite(ArithmeticError):
    """A loss or gradient that is no number. The update was not made."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one update was: the task's loss (nats per symbol, for most), gradient norm before clipping."""

    loss: float
    grad_norm: float
    learning_rate: float
    clipped: bool
    tokens: int
    """Timesteps of data that it read."""
    group_norms: tuple[float, ...]
    """Length of each group's gradient before clipping, in the order of `Trainer.groups`."""
    ratios: tuple[float, ...]
    """|dW| / |W| of each group, NaN where |W| is 0; empty at updates where it is not measured."""


class Trainer:
    """Truncated BPTT (Williams and Peng 1990): T timesteps forward, the gradient back through
    them, the state carried on without its gradient.
    """

    def __init__(
        self,
        task: Task,
        network: Built,
        batches: Batches,
        training: TrainingConfig,
        precision: str,
        device: torch.device,
        generators: Generators,
        flight: FlightRecorder,
    ) -> None:
        self.task = task
        self.network = network
        named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.parameters = [p for _, p in named]
        self.groups = groups_of(self.names)
        self._group = [self.groups.index(group_of(name)) for name in self.names]
        self.batches = batches
        self.precision = precision
        self.device = device
        self.generators = generators
        self.optimizer = make_optimizer(self.parameters, training)
        self.schedule = Schedule()
        self.flight = flight
        self.carry: State | None = None
        self.torn = False
        """Whether an error cut the newest update in two: weights and optimizer are then of no step."""

    def step(self, config: Config, made: int) -> Update:
        """The update after `made` updates.

        Raises NonFinite, and whatever torch raises where it gets no memory, with weights, optimizer,
        data order and state as they were before, unless `torn` says that they could not be.
        """
        cursor = self.batches.cursor()
        before = [(self.generators[name], self.generators[name].get_state()) for name in ("data", "dropout")]
        try:
            return self._update(config, made, before[1][1])
        except BaseException:
            self.optimizer.zero_grad(set_to_none=True)
            self.batches.seek(cursor)
            for generator, state in before:
                generator.set_state(state)
            raise

    def _update(self, config: Config, made: int, drawn: Tensor) -> Update:
        """`drawn`: the state of the generator of dropout before it."""
        training, dropout = config.training, self.generators["dropout"]
        fresh = self.batches.fresh or self.carry is None
        batch = self.batches.next().to(self.device)
        started = self._start(batch, fresh)
        self.network.train()
        with autocast(self.precision, self.device):
            loss, state = self.task.loss(self.network, batch, started, dropout, config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        present = [(k, p.grad) for k, p in enumerate(self.parameters) if p.grad is not None]
        norms = torch.stack(torch._foreach_norm([gradient for _, gradient in present]))
        total = torch.linalg.vector_norm(norms)
        # One look at the device for all that is told of this update.
        value, length, *each = torch.cat((loss.detach().reshape(1), total.reshape(1), norms)).tolist()
        clipped = 0 < training.clip_norm < length
        rate = training.learning_rate * self.schedule.factor(training, made)
        flown = Flown(
            made + 1, value, length, rate, clipped, self._by_group((k for k, _ in present), each),
            _first(batch),
        )  # fmt: skip
        if not (math.isfinite(value) and math.isfinite(length)):
            dropout.set_state(drawn)
            self.flight.failed(flown, self._first_bad(batch, fresh, config))
            what = "loss" if not math.isfinite(value) else "gradient"
            raise NonFinite(f"the {what} of update {made + 1:,} is not a finite number")
        if self.flight.snapshot_due(made):
            self.flight.keep(made, self.network, optimizer_state(self.optimizer, self.names))
        if clipped:
            self._scale_gradients(training.clip_norm / length)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        old = [p.detach().clone() for p in self.parameters] if made % RATIO_EVERY == 0 else []
        self.torn = True
        self.optimizer.step()
        self.carry = detach(state)
        self.flight.flown(flown)
        ratios = self._ratios(old) if old else ()
        self.torn = False
        return Update(value, length, rate, clipped, batch.tokens, flown.group_norms, ratios)

    def _start(self, batch: Batch, fresh: bool) -> State:
        """What the batch is read from."""
        return self.network.initial(batch.inputs.shape[1]) if fresh or self.carry is None else self.carry

    def _by_group(self, places: Iterable[int], norms: Iterable[float]) -> tuple[float, ...]:
        """The length of each group, from those of the parameters at `places`."""
        squares = [0.0] * len(self.groups)
        for place, norm in zip(places, norms, strict=True):
            squares[self._group[place]] += norm * norm
        return tuple(map(math.sqrt, squares))

    def _ratios(self, old: list[Tensor]) -> tuple[float, ...]:
        """How far each group has moved from its `old` weights, as a share of their length."""
        with torch.no_grad():
            new = [p.detach() for p in self.parameters]
            moved = torch._foreach_norm(torch._foreach_add(new, old, alpha=-1))
            lengths = torch.stack((*moved, *torch._foreach_norm(old))).tolist()
        count = len(old)
        steps = self._by_group(range(count), lengths[:count])
        whole = self._by_group(range(count), lengths[count:])
        return tuple(s / w if w > 0 else math.nan for s, w in zip(steps, whole, strict=True))

    def _first_bad(self, batch: Batch, fresh: bool, config: Config) -> str:
        """What was not finite in the update whose gradients are there."""
        state = self._start(batch, fresh)
        gradients = [(name, p.grad) for name, p in zip(self.names, self.parameters, strict=True)]

        def again() -> Tensor:
            with autocast(self.precision, self.device):
                return self.task.loss(self.network, batch, state, self.generators["dropout"], config)[0]

        return first_non_finite(self.network, again, state, gradients)

    def _scale_gradients(self, by: float) -> None:
        """Pascanu, Mikolov and Bengio 2013: keep the direction, shorten the step."""
        torch._foreach_mul_([p.grad for p in self.parameters if p.grad is not None], by)


def _first(batch: Batch) -> NDArray[np.int32]:
    """The symbols of the batch's first sequence, as far as they are kept; none where it reads numbers."""
    if batch.inputs.is_floating_point():
        return np.zeros(0, np.int32)
    whole = batch.inputs[:, 0].cpu()
    if batch.lengths is not None:
        real = int(batch.lengths[0])
        whole = whole[-real:] if batch.before else whole[:real]
    return whole[:LONGEST_TEXT].numpy().astype(np.int32)


def optimizer_state(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The optimizer's tensors as `PARAMETER.STATE`, in the order of `names`."""
    kept: dict[str, Tensor] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                kept[f"{name}.{key}"] = torch.as_tensor(value, dtype=torch.float32)
    return kept


def restore_optimizer(optimizer: torch.optim.Optimizer, names: list[str], kept: dict[str, Tensor]) -> bool:
    """Give an optimizer back what `optimizer_state` took.

    False where what was kept of a parameter is not what this optimizer keeps: that one begins anew.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in kept.items():
        name, _, entry = key.rpartition(".")
        state.setdefault(names.index(name), {})[entry] = value.clone()
    needed = STATES[type(optimizer).__name__]
    usable = {k: entries for k, entries in state.items() if entries.keys() == needed}
    optimizer.load_state_dict({"state": usable, "param_groups": optimizer.state_dict()["param_groups"]})
    return len(usable) == len(state)

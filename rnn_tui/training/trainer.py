"""One update of truncated backpropagation through time, and what it leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rnn_tui.config import TrainingConfig
from rnn_tui.model.network import Network, State, detach
from rnn_tui.tasks import language
from rnn_tui.training.optimizer import Schedule, make_optimizer
from rnn_tui.training.precision import autocast
from rnn_tui.training.randomness import Generators


class NonFinite(ArithmeticError):
    """A loss or gradient that is no number. The update was not made."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one update was: loss in nats per symbol, gradient norm before clipping."""

    loss: float
    grad_norm: float
    learning_rate: float
    clipped: bool


class Trainer:
    """Truncated BPTT (Williams and Peng 1990): T timesteps forward, the gradient back through
    them, the state carried on without its gradient.
    """

    def __init__(
        self,
        network: Network,
        streams: language.Streams,
        training: TrainingConfig,
        precision: str,
        device: torch.device,
        generators: Generators,
    ) -> None:
        self.network = network
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.streams = streams
        self.precision = precision
        self.device = device
        self.generators = generators
        self.optimizer = make_optimizer(self.parameters, training)
        self.schedule = Schedule()
        self.carry: State | None = None

    def step(self, config: TrainingConfig, made: int) -> Update:
        """The update after `made` updates.

        Raises NonFinite, with weights, optimizer, data order and state as they were before.
        """
        cursor = self.streams.cursor()
        data, dropout = self.generators["data"], self.generators["dropout"]
        before = data.get_state(), dropout.get_state()
        fresh = self.streams.fresh or self.carry is None
        inputs, targets = self.streams.next()
        B = inputs.shape[1]
        state = self.network.initial(B) if fresh else self.carry
        self.network.train()
        with autocast(self.precision, self.device):
            loss, state = language.loss(
                self.network, inputs.to(self.device), targets.to(self.device), state or [], dropout
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = self._gradient_norm()
        value, length = float(loss.detach()), float(norm)
        if not (math.isfinite(value) and math.isfinite(length)):
            self.optimizer.zero_grad(set_to_none=True)
            self.streams.seek(cursor)
            data.set_state(before[0])
            dropout.set_state(before[1])
            what = "loss" if not math.isfinite(value) else "gradient"
            raise NonFinite(f"the {what} of update {made + 1:,} is not a finite number")
        clipped = 0 < config.clip_norm < length
        if clipped:
            self._scale_gradients(config.clip_norm / length)
        rate = config.learning_rate * self.schedule.factor(config, made)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.carry = detach(state)
        return Update(value, length, rate, clipped)

    def _gradient_norm(self) -> Tensor:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def _scale_gradients(self, by: float) -> None:
        """Pascanu, Mikolov and Bengio 2013: keep the direction, shorten the step."""
        torch._foreach_mul_([p.grad for p in self.parameters if p.grad is not None], by)


def optimizer_state(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The optimizer's tensors as `PARAMETER.STATE`, in the order of `names`."""
    kept: dict[str, Tensor] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                kept[f"{name}.{key}"] = torch.as_tensor(value, dtype=torch.float32)
    return kept


def restore_optimizer(optimizer: torch.optim.Optimizer, names: list[str], kept: dict[str, Tensor]) -> None:
    """Give an optimizer back what `optimizer_state` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in kept.items():
        name, _, entry = key.rpartition(".")
        state.setdefault(names.index(name), {})[entry] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

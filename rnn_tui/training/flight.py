"""What the last updates were, what first was not finite, and the weights from before that."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_tui.model.building import Built
from rnn_tui.model.network import State, weights

KEPT_UPDATES = 64
LONGEST_TEXT = 1000
"""Symbols of a batch's first stream that are kept for each update."""
SNAPSHOT_EVERY = 50
# Weights this few updates before the end may have diverged already.
TROUBLE = 10


def group_of(parameter: str) -> str:
    """The group that a parameter's gradient is counted in, by the parameter's name in a session file:
    `embedding`, `layer 0 W_ih`, `layer 0 W_hh`, `layer 0 b` (both biases, and a learned h_0), `output`;
    both directions of a layer together. Of an encoder and a decoder: `encoder layer 0 W_ih`.
    """
    whose, _, rest = parameter.partition(".")
    if whose in ("encoder", "decoder"):
        return f"{whose} {group_of(rest)}"
    head, _, tail = parameter.partition(".")
    if head != "layers":
        return head
    k, _, name = tail.partition(".")
    kind = {"weight_ih_l0": "W_ih", "weight_hh_l0": "W_hh"}.get(name.removesuffix("_reverse"), "b")
    return f"layer {k} {kind}"


def groups_of(parameters: Sequence[str]) -> tuple[str, ...]:
    """The groups of these parameters, in their order."""
    return tuple(dict.fromkeys(group_of(name) for name in parameters))


@dataclass(frozen=True, slots=True)
class Flown:
    """One update as it is kept. Loss in nats, norms before clipping."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    clipped: bool
    group_norms: tuple[float, ...]
    tokens: NDArray[np.int32]
    """What the batch's first stream read, its first 1,000 symbols."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Weights that gave a finite loss and gradient, and the optimizer's state beside them."""

    step: int
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    before_change: bool = False
    """Whether a person changed the weights right after."""


class FlightRecorder:
    """The last 64 updates, and two snapshots of the weights, 50 updates apart.

    It only looks: training with it is, bit for bit, training without it. None of it is kept
    in the session file.
    """

    def __init__(self) -> None:
        self.rows: deque[Flown] = deque(maxlen=KEPT_UPDATES)
        self.snapshots: deque[Snapshot] = deque(maxlen=2)
        self.first_bad = ""
        self.bad_step = -1
        """Number of the update that was not made; -1 where the newest one was."""

    def flown(self, row: Flown) -> None:
        """An update was made."""
        self._append(row)
        self.first_bad, self.bad_step = "", -1

    def failed(self, row: Flown, first_bad: str) -> None:
        """An update was not made, because of what `first_bad` names."""
        self._append(row)
        self.first_bad, self.bad_step = first_bad, row.step

    def _append(self, row: Flown) -> None:
        # An update that failed is tried again under its own number.
        if self.rows and self.rows[-1].step >= row.step:
            self.rows.pop()
        self.rows.append(row)

    def snapshot_due(self, made: int) -> bool:
        """Whether the weights after `made` updates are to be kept."""
        newest = self.snapshots[-1].step if self.snapshots else None
        return newest is None or (made % SNAPSHOT_EVERY == 0 and newest != made)

    def keep(self, made: int, network: Built, optimizer: Mapping[str, Tensor], *, before_change: bool = False) -> None:
        """Copy the weights after `made` updates and the optimizer's state, where they are.

        `before_change`: a person is about to change the weights themselves.
        """
        self.snapshots.append(
            Snapshot(
                made,
                {name: value.clone() for name, value in weights(network).items()},
                {name: value.clone() for name, value in optimizer.items()},
                before_change,
            )
        )

    def forget_optimizer(self) -> None:
        """Another optimizer took over: what the old one kept means nothing to it."""
        kept = [replace(snapshot, optimizer={}) for snapshot in self.snapshots]
        self.snapshots = deque(kept, maxlen=2)

    @property
    def back(self) -> Snapshot | None:
        """The weights to go back to after an update that failed: the newest from before the trouble
        began. None where no update failed, or nothing older is kept.
        """
        if self.bad_step < 0:
            return None
        chosen = [snapshot for snapshot in self.snapshots if snapshot.before_change]
        if chosen:
            # The change is what made it fail, more likely than not.
            return chosen[-1]
        made = self.bad_step - 1
        older = [snapshot for snapshot in self.snapshots if snapshot.step < made]
        if not older:
            return None
        calm = [snapshot for snapshot in older if made - snapshot.step >= TROUBLE]
        return calm[-1] if calm else older[0]

    def went_back(self, snapshot: Snapshot) -> None:
        """Those weights are in use again: what came after them is let go of."""
        self.snapshots = deque([kept for kept in self.snapshots if kept.step <= snapshot.step], maxlen=2)
        self.first_bad, self.bad_step = "", -1


@torch.no_grad()
def first_non_finite(
    network: Built,
    again: Callable[[], Tensor],
    state: State,
    gradients: Sequence[tuple[str, Tensor | None]],
) -> str:
    """The first tensor of an update that is not finite, by name; empty where all are.

    `again` computes the update's loss once more, from `state` and with the same masks. The order
    is that of the computation: weights, the state read from, h of each layer (the earliest
    timestep of the first layer that has one), logits, loss; then the gradients that the update
    had, `gradients` by their parameters' names, last layer first. Sums of squares that overflow
    count too: `length of the gradient of layers.0.weight_hh_l0`.
    """
    for name, value in weights(network).items():
        if not _finite(value):
            return name
    for k, layer in enumerate(state):
        for name, value in zip(network.cell.states, layer, strict=True):
            if not _finite(value):
                return f"{name} of layer {k}, carried from the batch before"
    found: list[tuple[str, Tensor]] = []

    def told(what: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, given, output: found.append((what, output if what == "logits" else output[0]))

    handles = []
    for name, module in network.named_modules():
        before, _, k = name.rpartition("layers.")
        if k.isdigit():
            who = f"h of {before.replace('.', ' ')}layer {k}"
        elif name.rpartition(".")[2] == "output":
            who = "logits"
        else:
            continue
        handles.append(module.register_forward_hook(told(who)))
    try:
        loss = again()
    finally:
        for handle in handles:
            handle.remove()
    for who, output in found:
        if not _finite(output):
            return f"{who} at t {_first_t(output)}" if output.dim() > 2 else who
    if not _finite(loss):
        return "loss"
    present = [(name, gradient) for name, gradient in reversed(gradients) if gradient is not None]
    for name, gradient in present:
        if not _finite(gradient):
            return f"gradient of {name}"
    for name, gradient in present:
        if not _finite(torch.linalg.vector_norm(gradient)):
            return f"length of the gradient of {name}"
    return "length of the gradient" if present and not math.isfinite(_length([g for _, g in present])) else ""


def _finite(value: Tensor) -> bool:
    return bool(value.isfinite().all())


def _first_t(values: Tensor) -> int:
    """The earliest timestep of (T, B, ...) at which a value is not finite."""
    bad = ~values.isfinite().flatten(1).all(dim=1)
    return int(bad.nonzero()[0])


def _length(gradients: list[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))

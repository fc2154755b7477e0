"""The network: a sequence in, at every timestep the logits of an answer out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.parameters import as_sizes, parameter_shapes, tied
from rnn_tui.model.stack import Stack, State, detach
from rnn_tui.views import Sizes

if TYPE_CHECKING:
    from rnn_tui.model.translation import EncoderDecoder

__all__ = ["Network", "State", "detach", "load_weights", "weights"]


class Network(Stack):
    """A stack of recurrent layers under a linear readout.

    `sizes` says what is read and answered; a number V stands for V symbols that are both.
    Its parameters hold no values until `initial.fill` or `load_weights` gives them some: a
    module is built on `meta`, which draws no random number, and then moved to `device` empty.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes | int, device: str = "cpu", *, starts: bool = True) -> None:
        sizes = as_sizes(sizes)
        super().__init__(model, sizes, starts=starts)
        self.output = nn.Linear(model.hidden_size * len(self.directions), sizes.outputs, device="meta")
        self.settle(device)

    def settle(self, device: str) -> None:
        """Move from `meta` to a device, still without values; tied weights become one matrix."""
        super().settle(device)
        if self.embedding is not None and tied(self.model, self.sizes):
            self.output.weight = self.embedding.weight

    def forward(
        self, inputs: Tensor, state: State | None = None, dropout: torch.Generator | None = None,
        lengths: Tensor | None = None, before: bool = False,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """Logits of an answer at each timestep (in language, of the symbol after it), and the state after the last.

        `inputs` (T, B) int64 or (T, B, F) numbers; `state` from h_0 where it is None;
        `dropout` the generator that masks are drawn from, None for none (validation,
        inspection, writing); `lengths` and `before` as in `hidden`. Returns logits
        (T, B, outputs), in bfloat16 under autocast, and a float32 state that is still part
        of the graph: `detach` it before the next call.
        """
        x, after = self.hidden(inputs, state, dropout, lengths, before)
        return self.output(x), after


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Every parameter by its name in a session file, not copied; tied weights stand once."""
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def load_weights(network: Network | EncoderDecoder, values: Mapping[str, Tensor]) -> None:
    """Copies values into the network's parameters, in place.

    Raises ValueError if a name is missing, left over, or has another shape.
    """
    own = weights(network)
    for name, shape in parameter_shapes(network.model, network.sizes).items():
        if name not in values:
            raise ValueError(f"{name} is missing from the weights")
        if tuple(values[name].shape) != shape:
            raise ValueError(f"{name} has the shape {tuple(values[name].shape)}, {shape} is needed")
    left_over = sorted(set(values) - set(own))
    if left_over:
        raise ValueError(f"{left_over[0]} is no weight of this network")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(values[name])

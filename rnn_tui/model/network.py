"""The network: symbols in, logits of the next symbol out, over stacked one-layer fused modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import Weights, cell_of
from rnn_tui.model.shapes import parameter_shapes

State = list[tuple[Tensor, ...]]
"""What is carried from one timestep to the next: per layer (h,) or (h, c), each (B, H)."""


class Network(nn.Module):
    """A stack of recurrent layers between an embedding (or one-hot) and a linear readout.

    Parameters are named as in a session file. They hold no values until `initial.fill` or
    `load_weights` gives them some: a module is built on `meta`, which draws no random
    number, and then moved to `device` empty. Where dropout acts it draws from the generator
    that `forward` is given; without one there is none, whatever the mode. Its rates are
    plain attributes and may change between two calls.
    """

    def __init__(self, model: ModelConfig, vocabulary: int, device: str = "cpu") -> None:
        super().__init__()
        self.model = model
        self.cell = cell_of(model)
        self.vocabulary = vocabulary
        self.dropout = model.dropout
        self.locked_dropout = model.locked_dropout
        self.recurrent_dropout = model.recurrent_dropout
        hidden, width = model.hidden_size, model.embedding_size
        self.embedding = nn.Embedding(vocabulary, width, device="meta") if width else None
        self.layers = nn.ModuleList(
            self.cell.fused(hidden if k else width or vocabulary, hidden, "meta") for k in range(model.layers)
        )
        if self.cell.recurrent and model.initial_state == "learned":
            for layer in self.layers:
                for state in self.cell.states:
                    layer.register_parameter(f"{state}_0", nn.Parameter(torch.empty(hidden, device="meta")))
        self.output = nn.Linear(hidden, vocabulary, device="meta")
        if device != "meta":
            self.to_empty(device=device)
        if self.embedding is not None and model.tied:
            self.output.weight = self.embedding.weight

    def initial(self, batch: int) -> State:
        """h_0 (and c_0) of each layer for a batch: zeros, or the learned vectors, (B, H) each."""
        like = self.output.bias
        state: State = []
        for layer in self.layers:
            learned = dict(layer.named_parameters())
            state.append(
                tuple(
                    learned[f"{name}_0"].expand(batch, -1)
                    if f"{name}_0" in learned
                    else like.new_zeros(batch, self.model.hidden_size)
                    for name in self.cell.states
                )
            )
        return state

    def embed(self, tokens: Tensor) -> Tensor:
        """What layer 0 reads: (...) whole numbers to (..., E), or (..., V) with one-hot."""
        if self.embedding is not None:
            return functional.embedding(tokens, self.embedding.weight)
        one_hot = self.output.weight.new_zeros(*tokens.shape, self.vocabulary)
        return one_hot.scatter_(-1, tokens.unsqueeze(-1), 1.0)

    def run_layer(
        self, k: int, x: Tensor, state: tuple[Tensor, ...], dropout: torch.Generator | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Layer k over a whole sequence: x (T, B, in) to its h at every timestep (T, B, H) and its last state."""
        layer, kind = self.layers[k], self.output.bias.dtype
        carried = tuple(part.unsqueeze(0).contiguous() for part in state)
        start = carried if len(carried) > 1 else carried[0]
        if dropout is not None and self.recurrent_dropout > 0 and self.cell.recurrent:
            whole: Tensor = layer.weight_hh_l0  # type: ignore[assignment]
            dropped = {"weight_hh_l0": whole * _mask(whole.shape, self.recurrent_dropout, whole, dropout)}
            output, last = torch.func.functional_call(layer, dropped, (x, start))
        else:
            output, last = layer(x, start)
        # Under autocast the last state comes back rounded; between calls it is carried as float32.
        ends = last if isinstance(last, tuple) else (last,)
        return output, tuple(part.squeeze(0).to(kind) for part in ends)

    def hidden(
        self, tokens: Tensor, state: State | None = None, dropout: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        """The last layer's h at every timestep, (T, B, H), and the state after the last one."""
        state = self.initial(tokens.shape[1]) if state is None else state
        x = self.embed(tokens)
        after: State = []
        for k in range(len(self.layers)):
            if k and dropout is not None and self.dropout > 0:
                shape = (1, *x.shape[1:]) if self.locked_dropout else x.shape
                x = x * _mask(shape, self.dropout, x, dropout)
            x, last = self.run_layer(k, x, state[k], dropout)
            after.append(last)
        return x, after

    def forward(
        self, tokens: Tensor, state: State | None = None, dropout: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        """Logits of the symbol after each timestep, and the state after the last.

        `tokens` (T, B) int64; `state` from h_0 where it is None; `dropout` the generator
        that masks are drawn from, None for none (validation, inspection, writing).
        Returns logits (T, B, V), in bfloat16 under autocast, and a float32 state that is
        still part of the graph: `detach` it before the next call.
        """
        x, after = self.hidden(tokens, state, dropout)
        return self.output(x), after

    def layer_weights(self, k: int) -> Weights:
        """Layer k's weights by the names that the equations use."""
        found = dict(self.layers[k].named_parameters())
        return Weights(
            W_ih=found["weight_ih_l0"],
            b_ih=found["bias_ih_l0"],
            W_hh=found.get("weight_hh_l0"),
            b_hh=found.get("bias_hh_l0"),
        )


def _mask(shape: tuple[int, ...], rate: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Inverted dropout: 0 with probability `rate`, else 1 / (1 - rate)."""
    kept = 1.0 - rate
    # Drawn where the generator is, so that a run's masks are the same on every device.
    mask = torch.empty(shape, dtype=like.dtype, device=generator.device)
    return mask.bernoulli_(kept, generator=generator).div_(kept).to(like.device)


def detach(state: State) -> State:
    """The same state, cut off from the graph: gradients end here."""
    return [tuple(part.detach() for part in layer) for layer in state]


def weights(network: Network) -> dict[str, Tensor]:
    """Every parameter by its name in a session file, not copied; tied weights stand once."""
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def load_weights(network: Network, values: Mapping[str, Tensor]) -> None:
    """Copies values into the network's parameters, in place.

    Raises ValueError if a name is missing, left over, or has another shape.
    """
    own = weights(network)
    for name, shape in parameter_shapes(network.model, network.vocabulary).items():
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

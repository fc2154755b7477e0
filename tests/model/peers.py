"""What a padded or bidirectional network is held against: torch.nn with packed sequences, and one sequence alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnn_tui.config import ModelConfig
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.model.stack import Stack
from rnn_tui.views import Sizes
from tests.networks import seeded

# Cell and nonlinearity: every recurrence there is.
KINDS = (("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh"))


def network_of(sizes: Sizes, *, double: bool = True, seed: int = 1, **choices: Any) -> Network:
    """Filled, with h_0 (where it is learned) drawn too, so that it matters."""
    model = ModelConfig(**({"layers": 2, "hidden_size": 6, "embedding_size": 5} | choices))
    network = Network(model, sizes)
    fill(network, model, seeded(seed))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.removesuffix("_reverse").endswith("_0"):
                parameter.normal_(generator=seeded(seed + 1))
    return network.double() if double else network


def torch_stack(stack: Stack) -> nn.RNN | nn.GRU | nn.LSTM:
    """One stacked torch.nn module of as many directions, with the stack's recurrent weights."""
    model = stack.model
    kind: Any = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[model.cell]
    extra = {"nonlinearity": model.nonlinearity} if model.cell == "rnn" else {}
    width = stack.sizes.inputs if stack.sizes.numeric else model.embedding_size or stack.vocabulary
    dtype = next(stack.parameters()).dtype
    module = kind(width, model.hidden_size, model.layers, bidirectional=model.bidirectional, dtype=dtype, **extra)
    own = {}
    for k, layer in enumerate(stack.layers):
        for name, value in layer.named_parameters():
            if "_l0" in name:
                own[name.replace("_l0", f"_l{k}")] = value.detach()
    module.load_state_dict(own)
    return module  # type: ignore[no-any-return]


def torch_start(stack: Stack, batch: int) -> Any:
    """h_0 (and c_0) as torch.nn takes them: layer by layer, in each the forward direction first."""
    starts = [stack.start(k, batch, d) for k in range(len(stack.layers)) for d in stack.directions]
    parts = tuple(torch.stack(part) for part in zip(*starts, strict=True))
    return parts if len(parts) > 1 else parts[0]


def torch_packed(stack: Stack, x: Tensor, lengths: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]], nn.Module]:
    """torch.nn over x (T, B, in), post-padded and packed: output (T, B, H or 2H), each layer's forward state."""
    module = torch_stack(stack)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    output, last = module(packed, torch_start(stack, x.shape[1]))
    whole, _ = pad_packed_sequence(output, total_length=len(x))
    parts = last if isinstance(last, tuple) else (last,)
    step = len(stack.directions)
    return whole, [tuple(part[k * step] for part in parts) for k in range(len(stack.layers))], module


def filled_up(sequences: list[Tensor], before: bool, value: float = 0) -> tuple[Tensor, Tensor]:
    """Side by side, (T, B, ...), filled up with `value`; and their lengths."""
    steps = max(map(len, sequences))
    whole = sequences[0].new_full((steps, len(sequences), *sequences[0].shape[1:]), value)
    for b, sequence in enumerate(sequences):
        place = slice(steps - len(sequence), None) if before else slice(len(sequence))
        whole[place, b] = sequence
    return whole, torch.tensor([len(sequence) for sequence in sequences])


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """Copies of what lies in every parameter's grad, which is cleared."""
    found = {}
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        found[name] = parameter.grad.clone()
        parameter.grad = None
    return found

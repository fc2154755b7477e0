"""Where weights start. Every draw comes from the generator that is passed in."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.network import Network
from rnn_tui.model.parameters import tied
from rnn_tui.model.stack import Stack
from rnn_tui.model.translation import EncoderDecoder


def fill(network: Network | EncoderDecoder, model: ModelConfig, generator: torch.Generator) -> None:
    """Gives every parameter its first value, in place.

    `default`     PyTorch's own distributions: a layer's weights and biases
                  U(-1/sqrt(H), 1/sqrt(H)), the embedding N(0, 1), the readout
                  U(-1/sqrt(H), 1/sqrt(H)). Tied weights are drawn as a readout: drawn as an
                  embedding, they would start the loss far above ln V.
    `xavier`      W_ih and W_hh uniform after Glorot and Bengio 2010, gate by gate; biases 0.
    `orthogonal`  W_hh orthogonal gate by gate (Saxe et al. 2014), W_ih as xavier; biases 0.
    `identity`    W_hh the identity (Le, Jaitly and Hinton 2015), in every gate of a cell that
                  has gates, W_ih as xavier; biases 0.

    A spectral radius other than 0 is what each gate's H x H block of W_hh is scaled to after that.
    A forget bias other than 0 is what b_ih + b_hh of the forget gate's rows come to; the
    rows of b_hh are 0 then. A learned h_0 (and c_0) starts at 0. The second direction of a
    layer is drawn after the first, by the same rule; an encoder before its decoder. A readout
    and attention's W_c are U(-1/sqrt(in), 1/sqrt(in)), in being what they read.
    """
    with torch.no_grad():
        if isinstance(network, EncoderDecoder):
            _fill_stack(network.encoder, model, generator)
            if network.decoder.attention is not None:
                _fill_linear(network.decoder.attention, generator)
        reading = network.decoder if isinstance(network, EncoderDecoder) else network
        _fill_stack(reading, model, generator, drawn=not tied(model, network.sizes))
        _fill_linear(reading.output, generator)


def _fill_stack(stack: Stack, model: ModelConfig, generator: torch.Generator, *, drawn: bool = True) -> None:
    if stack.embedding is not None and drawn:
        stack.embedding.weight.normal_(generator=generator)
    for layer in stack.layers:
        _fill_layer(layer, stack, model, generator)


def _fill_linear(linear: nn.Linear, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(linear.in_features)
    linear.weight.uniform_(-bound, bound, generator=generator)
    linear.bias.uniform_(-bound, bound, generator=generator)


def _fill_layer(layer: nn.Module, stack: Stack, model: ModelConfig, generator: torch.Generator) -> None:
    cell, hidden, bound = stack.cell, model.hidden_size, 1 / math.sqrt(model.hidden_size)
    found = dict(layer.named_parameters())
    for name, parameter in found.items():
        if name.removesuffix("_reverse").endswith("_0"):
            parameter.zero_()
        elif model.init == "default":
            parameter.uniform_(-bound, bound, generator=generator)
        elif name.startswith("bias"):
            parameter.zero_()
        else:
            for gate in parameter.chunk(cell.rows):
                _fill_gate(gate, model.init if name.startswith("weight_hh") else "xavier", generator)
    for direction in stack.directions:
        if model.spectral_radius and cell.recurrent:
            for block in found[f"weight_hh_l0{direction}"].chunk(cell.rows):
                block.copy_(scale_to_radius(block, model.spectral_radius))
        if "f" in cell.gates and model.forget_bias:
            first = cell.gates.index("f") * hidden
            found[f"bias_ih_l0{direction}"][first : first + hidden] = model.forget_bias
            found[f"bias_hh_l0{direction}"][first : first + hidden] = 0.0


class RadiusError(ValueError):
    """A matrix that can't be scaled to a spectral radius: one sentence."""


def spectral_radius(matrix: Tensor) -> float:
    """The largest |eigenvalue| of a square matrix, found in float64. Raises RadiusError for one that is not finite."""
    exact = matrix.detach().cpu().double()
    if not bool(exact.isfinite().all()):
        raise RadiusError("W_hh holds a value that is not finite, so it has no spectral radius")
    return float(torch.linalg.eigvals(exact).abs().max())


def scale_to_radius(matrix: Tensor, radius: float) -> Tensor:
    """The matrix times the number that makes `radius` its largest |eigenvalue| (H, H).

    Raises RadiusError for a matrix whose eigenvalues are all 0: no number does.
    """
    present = spectral_radius(matrix)
    scaled = matrix.detach() * (radius / present) if present > 0 else matrix
    if not (present > 0 and bool(scaled.isfinite().all())):
        raise RadiusError("a block of W_hh has no eigenvalue but 0, so no scaling gives it a spectral radius")
    return scaled


def _fill_gate(gate: Tensor, init: str, generator: torch.Generator) -> None:
    """One gate's block of W, (H, in) or (H, H), in place."""
    if init == "identity":
        nn.init.eye_(gate)
    elif init == "orthogonal":
        nn.init.orthogonal_(gate, generator=generator)
    else:
        nn.init.xavier_uniform_(gate, generator=generator)

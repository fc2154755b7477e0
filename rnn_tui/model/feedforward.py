"""The baseline without memory, as a module that is called like `torch.nn.RNN`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Feedforward(nn.Module):
    """h_t = tanh(W_ih x_t + b_ih): what can be known from the present symbol alone."""

    def __init__(self, inputs: int, hidden: int, device: str = "cpu") -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden, inputs, device=device))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden, device=device))

    def forward(self, x: Tensor, h_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (T, B, in) to output (T, B, H) and h_n (1, B, H); `h_0` changes nothing."""
        output = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0).tanh()
        return output, output[-1:]

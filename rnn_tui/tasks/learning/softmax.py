"""The cost of choosing among very many symbols, without ever holding all of their logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnn_tui.data.examples import NOT_ASKED

PIECE = 4_000_000
"""Logits held at a time: 16 MB."""


def cross_entropy(h: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean cost in nats of `targets` (N) under softmax(weight h + bias), those of NOT_ASKED left out.

    h (N, H), weight (V, H), bias (V). What `F.cross_entropy` of the logits would be, but of the
    N x V logits only PIECE exist at once: each piece's cost and gradients are computed together, so
    that nothing of it need be kept for the backward pass. Products are made in autocast's type where
    it is on, costs in float32 at least. It can be differentiated once.
    """
    kind = h.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    wanted = torch.is_grad_enabled() and any(part.requires_grad for part in (h, weight, bias))
    cost: Tensor = _CrossEntropy.apply(h, weight, bias, targets, low, wanted)  # type: ignore[no-untyped-call]
    return cost


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, low: torch.dtype | None, wanted: bool
    ) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            cost, gradients = _in_pieces(h, weight, bias, targets, low or weight.dtype, wanted)
        if wanted:
            ctx.save_for_backward(*gradients)
        return cost

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, bias = ctx.saved_tensors
        return h * upstream.to(h.dtype), weight * upstream, bias * upstream, None, None, None


def _in_pieces(
    h: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, low: torch.dtype, wanted: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The mean cost, and its gradients to h, weight and bias where they are wanted."""
    precise = torch.promote_types(weight.dtype, torch.float32)
    h_low, weight_low = h.to(low), weight.to(low)
    asked = targets != NOT_ASKED
    count = asked.sum().to(precise)
    total = torch.zeros((), dtype=precise, device=h.device)
    gradients = [torch.empty_like(h), torch.zeros_like(weight), torch.zeros_like(bias)] if wanted else []
    rows = max(1, PIECE // len(weight))
    for first in range(0, len(h), rows):
        here = slice(first, first + rows)
        p = torch.nn.functional.linear(h_low[here], weight_low, bias.to(low)).to(precise)
        chosen = targets[here].clamp(min=0).unsqueeze(1)
        own = asked[here].to(precise).unsqueeze(1)
        # In place throughout: a second piece beside this one would double what is held.
        p.sub_(p.amax(1, keepdim=True))
        likely = p.gather(1, chosen)
        sums = p.exp_().sum(1, keepdim=True)
        total += ((sums.log() - likely) * own).sum()
        if wanted:
            p.mul_(own / (sums * count)).scatter_add_(1, chosen, -own / count)
            d_h, d_weight, d_bias = gradients
            d_bias += p.sum(0).to(bias.dtype)
            p_low = p.to(low)
            d_h[here] = (p_low @ weight_low).to(h.dtype)
            if low == weight.dtype:
                d_weight.addmm_(p_low.T, h_low[here])
            else:
                d_weight += p_low.T @ h_low[here]
    return total / count, tuple(gradients)

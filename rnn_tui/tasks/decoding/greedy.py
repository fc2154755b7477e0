"""Greedy search: at each timestep the likeliest symbol, many sources side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks.decoding import BEGIN, STOP, Look, Written, log_probabilities, most_symbols


def greedy(
    network: EncoderDecoder, source: Tensor, lengths: Tensor | None = None, *, before: bool = False,
    most: int = 0, look: Look | None = None,
) -> list[Written]:  # fmt: skip
    """What is written for each of the sources (T, B), until <eos> or `most` symbols of each.

    `lengths` (B) int64 on the CPU where they are unequal, `before` where they are filled up
    before their beginning; `most` 0: `most_symbols` of each source's own length. A
    source's answer does not depend on those beside it. In eval mode and under `torch.no_grad`.
    """
    T, B = source.shape
    device = source.device
    own = torch.full((B,), T) if lengths is None else lengths
    allowed = torch.tensor([most or most_symbols(n) for n in own.tolist()], device=device)
    encoded = network.encode(source, lengths, before)
    state, last = encoded.state, torch.full((B,), BEGIN, device=device)
    symbols, costs, looked = [], [], []
    done = torch.zeros(B, dtype=torch.bool, device=device)
    for u in range(int(allowed.max())):
        if look is not None:
            look()
        logits, state, weights = network.step(encoded, last, state)
        cost, last = log_probabilities(logits).max(dim=-1)
        symbols.append(last)
        costs.append(cost)
        if weights is not None:
            looked.append(weights)
        done = done | (last == STOP) | (u + 1 >= allowed)
        if bool(done.all()):
            break
    written, paid = torch.stack(symbols).T.tolist(), torch.stack(costs).T.tolist()
    attention = torch.stack(looked).float().cpu() if looked else None
    return [
        _ended(written[b], paid[b], int(allowed[b]), None if attention is None else attention[:, b]) for b in range(B)
    ]


def _ended(symbols: list[int], costs: list[float], most: int, attention: Tensor | None) -> Written:
    """One source's answer, cut off where it ended."""
    symbols = symbols[:most]
    U = symbols.index(STOP) if STOP in symbols else len(symbols)
    found = tuple(symbols[:U]), tuple(costs[: min(U + 1, len(symbols))])
    return Written(*found) if attention is None else Written(*found, attention[:U])

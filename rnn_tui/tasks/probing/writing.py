"""Words of a language that a network writes by itself."""

from __future__ import annotations

import numpy as np
import torch

from rnn_tui.data.probes import Draws
from rnn_tui.model.network import Network


def write(network: Network, draws: Draws, first: int, end: int, longest: int) -> list[int]:
    """One word: symbols drawn one after another from what the network expects, from `first` until `end`.

    Ends with `end`, or after `longest` symbols without it. Raises ValueError where the logits are not finite.
    """
    word, state = [first], network.initial(1)
    device = network.output.weight.device
    with torch.no_grad():
        while word[-1] != end and len(word) < longest:
            logits, state = network(torch.tensor([[word[-1]]], device=device), state)
            p = torch.softmax(logits[0, 0].double(), 0).cpu().numpy()
            if not np.isfinite(p).all():
                raise ValueError("the weights are no longer finite")
            word.append(int(np.searchsorted(np.cumsum(p), draws.random() * p.sum()).clip(0, len(p) - 1)))
    return word

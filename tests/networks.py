"""Small networks for the tests, and the peer from torch.nn that they are held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network, detach, weights

CELL_NAMES = ("rnn", "gru", "lstm", "feedforward")
RECURRENT = ("rnn", "gru", "lstm")


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens(*shape: int, vocabulary: int = 11, seed: int = 2) -> Tensor:
    return torch.randint(vocabulary, shape, generator=seeded(seed))


def build(vocabulary: int = 11, seed: int = 1, double: bool = False, **choices: Any) -> Network:
    model = ModelConfig(**({"layers": 2, "hidden_size": 7, "embedding_size": 5} | choices))
    network = Network(model, vocabulary)
    fill(network, model, seeded(seed))
    return network.double() if double else network


def train(network: Network, updates: int = 80, seed: int = 4) -> Network:
    """Learns a text in which each symbol depends on the two before it."""
    text, vocabulary = [0, 1], network.vocabulary
    for noise in tokens(4000, vocabulary=3, seed=seed).tolist():
        text.append((text[-1] + 2 * text[-2] + noise) % vocabulary)
    streams = torch.tensor(text).reshape(-1, 23).T[:, :8]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    state = None
    for _ in range(updates):
        logits, state = network(streams[:-1], state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), streams[1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        state = detach(state)
    return network


def peer(network: Network) -> nn.RNN | nn.GRU | nn.LSTM:
    """One stacked torch.nn module with the same recurrent weights."""
    model = network.model
    kind: Any = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[model.cell]
    extra = {"nonlinearity": model.nonlinearity} if model.cell == "rnn" else {}
    width = model.embedding_size or network.vocabulary
    module = kind(width, model.hidden_size, model.layers, dtype=network.output.bias.dtype, **extra)
    module.load_state_dict(
        {
            name.split(".")[2].replace("_l0", f"_l{name.split('.')[1]}"): value
            for name, value in weights(network).items()
            if name.startswith("layers.") and not name.endswith("_0")
        }
    )
    return module  # type: ignore[no-any-return]


def peer_state(state: list[tuple[Tensor, ...]]) -> Any:
    """A state as torch.nn's stacked modules take it."""
    parts = tuple(torch.stack(part) for part in zip(*state, strict=True))
    return parts if len(parts) > 1 else parts[0]

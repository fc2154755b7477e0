"""Networks with weights as large as training makes them, without the training."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from rnn_tui.model.network import Network
from tests.networks import seeded


def loud(network: Network, by: float = 3.0) -> Network:
    """The same network, louder and a little shaken: gates open and close, biases are not zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter * by + 0.1 * torch.randn(parameter.shape, generator=seeded()))
    return network


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Vectors of a few numbers: a second thread would only be waited for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

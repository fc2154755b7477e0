"""What the tests of the memory probes share: small configurations, and scores by the plainest loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from rnn_tui.config import Config, parse
from rnn_tui.data.examples import NOT_ASKED, Dataset, Examples
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks import task_of
from rnn_tui.tasks.learning.batches import Batch
from rnn_tui.tasks.probing.probe import Probe

PROBES = ("adding", "copying", "recall", "brackets", "reber")


def probe(name: str) -> Probe:
    task = task_of(name)
    assert isinstance(task, Probe)
    return task


def small(name: str, length: int = 6, **sections: dict[str, Any]) -> Config:
    return parse(
        {
            "data": {"task": name, "length": length},
            "model": {"layers": 1, "hidden_size": 8, "embedding_size": 0} | sections.get("model", {}),
            "training": {"batch_size": 9, "precision": "float32"} | sections.get("training", {}),
        }
    )


def network_for(name: str, seed: int = 1, **model: Any) -> Network:
    config = small(name, model=model)
    network = Network(config.model, probe(name).coding.sizes)
    fill(network, config.model, torch.Generator().manual_seed(seed))
    return network.eval()


def read(name: str, length: int = 6, seed: int = 1) -> Dataset:
    found = probe(name).read(small(name, length).data, seed=seed)
    assert isinstance(found, Dataset)
    return found


def plainly(network: Network, examples: Examples, last: bool) -> tuple[float, int]:
    """Sum of the costs and their number: one sequence after the other, from h_0, in float64."""
    exact = Network(network.model, network.sizes)
    exact.load_state_dict(network.state_dict())
    exact = exact.double().eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for k in range(len(examples)):
            inputs, targets = torch.from_numpy(examples.read(k)), torch.from_numpy(examples.asked(k))
            answered = exact(inputs.unsqueeze(1))[0][:, 0]
            if last:
                total, count = total + float((answered[-1:] - targets).square().sum()), count + 1
                continue
            asked = targets != NOT_ASKED
            total += float(F.cross_entropy(answered[asked], targets[asked], reduction="sum"))
            count += int(asked.sum())
    return total, count


def exact_logits(batch: Batch, p: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """(T, B, C): what a predictor that knows these probabilities, (T, C) for each sequence, would answer."""
    T, B = batch.targets.shape[:2]
    logits = np.zeros((T, B, p[0].shape[1]), np.float32)
    for b, rows in enumerate(p):
        logits[: len(rows), b] = np.log(np.maximum(rows, 1e-12))
    return logits

"""Forecasts of a network: their loss, their score over a part, and a network fed with its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.windows import Windows
from rnn_tui.model.network import Network, State
from rnn_tui.tasks.learning.batches import Batch
from rnn_tui.tasks.measures.errors import Errors

# Windows scored side by side, and numbers held at a time: what bounds the memory of a validation.
BESIDE = 512
HELD = 8_000_000


def loss(network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None) -> tuple[Tensor, State]:
    """Mean squared error, in scaled units, of the forecast after the last timestep; and the state there."""
    out, after = network.hidden(batch.inputs, state, dropout, batch.lengths, batch.before)
    forecast = network.output(network.summary(out, batch.lengths, batch.before))
    return F.mse_loss(forecast.float(), batch.targets[0].float()), after


def predict(network: Network, inputs: NDArray[Any]) -> NDArray[np.float64]:
    """What follows each of n windows (T, n, F), scaled: (n, K). float32, from h_0."""
    device, B = network.output.weight.device, beside(network, len(inputs))
    found = np.empty((inputs.shape[1], network.output.out_features))
    with torch.no_grad():
        for low in range(0, len(found), B):
            # A copy: the windows are views of one read-only series.
            block = np.array(inputs[:, low : low + B], np.float32, order="C")
            out, _ = network.hidden(torch.from_numpy(block).to(device))
            found[low : low + B] = network.output(network.summary(out)).cpu().numpy()
    return found


def beside(network: Network, window: int) -> int:
    """How many windows are read at a time."""
    return max(1, min(BESIDE, HELD // (window * network.model.hidden_size * 4)))


def score(
    network: Network, windows: Windows, mean: NDArray[np.float64], std: NDArray[np.float64], *,
    limit: int | None = None, working: Callable[[float], None] | None = None,
) -> tuple[float, Errors]:  # fmt: skip
    """Mean squared error in scaled units over the first `limit` windows (None: all), and the errors in the data's own.

    Eval mode. Raises ValueError where there is no window.
    """
    total = len(windows) if limit is None else min(limit, len(windows))
    if total < 1:
        raise ValueError("a part without a whole window forecasts nothing")
    columns, B = windows.values.shape[1], beside(network, windows.window)
    errors = Errors(windows.horizon, columns)
    was_training = network.training
    network.eval()
    try:
        for low in range(0, total, B):
            high = min(low + B, total)
            scaled = predict(network, windows.inputs(low, high)).reshape(high - low, windows.horizon, columns)
            errors.add(windows.truth(low, high), scaled * std + mean)
            if working is not None:
                working(high / total)
    finally:
        network.train(was_training)
    return float((errors.squared() / std**2).mean()), errors


def run_on(network: Network, window: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """`count` timesteps that follow a window (T, F), all scaled, from its own forecasts alone: (count, F).

    Each forecast takes the place of the oldest timestep that is read; of a horizon, all steps do.
    """
    T, columns = window.shape
    series = window.astype(np.float64)
    while len(series) < T + count:
        series = np.concatenate([series, predict(network, series[-T:, None]).reshape(-1, columns)])
    return series[T : T + count]

"""Errors of forecasts in the data's own units, as scikit-learn defines them.

MAPE is a share, not a percentage: mean |truth - forecast| / max(|truth|, eps), with eps the
distance from 1 to the next float64. It divides by the value, so one value at or near zero
outweighs all others: 1 / eps is 4.5e15.

Several columns: each is measured by itself, over all windows and steps, and the mean over
columns is told (scikit-learn's `uniform_average`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EPS = float(np.finfo(np.float64).eps)
NAMES = ("rmse", "mae", "mape")

Values = NDArray[np.float64]


class Errors:
    """Sums of errors, gathered block by block so that no forecast need be kept.

    `horizon` steps of `columns` numbers each make a forecast.
    """

    def __init__(self, horizon: int, columns: int) -> None:
        self.count = 0
        """Forecasts so far."""
        self._squared, self._absolute, self._relative = (np.zeros((horizon, columns)) for _ in range(3))

    def add(self, truth: NDArray[Any], forecast: NDArray[Any]) -> None:
        """Both (n, horizon, columns). Raises ValueError where their shapes differ."""
        truth, forecast = np.asarray(truth, np.float64), np.asarray(forecast, np.float64)
        if truth.shape != forecast.shape or truth.shape[1:] != self._squared.shape:
            raise ValueError(f"a truth of {truth.shape} can't be held against a forecast of {forecast.shape}")
        # Weights that have diverged forecast infinity: the errors are then infinite or NaN, and say so.
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(truth - forecast)
            self._squared += (error**2).sum(axis=0)
            self._absolute += error.sum(axis=0)
            self._relative += (error / np.maximum(np.abs(truth), EPS)).sum(axis=0)
        self.count += len(truth)

    def metrics(self) -> dict[str, float]:
        """rmse, mae and mape over all steps, each the mean over columns."""
        return {name: float(by_column.mean()) for name, by_column in self.by_column().items()}

    def by_column(self) -> dict[str, Values]:
        """rmse, mae and mape of each column, (columns), over all steps."""
        return self._told(axis=0)

    def by_step(self) -> dict[str, Values]:
        """rmse, mae and mape of each step of the horizon, (horizon), each the mean over columns."""
        return {name: found.mean(axis=1) for name, found in self._told(axis=None).items()}

    def squared(self) -> Values:
        """Mean squared error of each column, (columns), over all steps."""
        return np.asarray(self._mean(self._squared, axis=0))

    def _mean(self, sums: Values, axis: int | None) -> Values:
        if not self.count:
            raise ValueError("nothing was forecast, so there is no error")
        return sums / self.count if axis is None else sums.mean(axis=axis) / self.count

    def _told(self, axis: int | None) -> dict[str, Values]:
        squared, absolute, relative = (self._mean(s, axis) for s in (self._squared, self._absolute, self._relative))
        return dict(zip(NAMES, (np.sqrt(squared), absolute, relative), strict=True))


def mae(truth: NDArray[Any], forecast: NDArray[Any]) -> float:
    """Mean absolute error of (N,) or (N, columns)."""
    return _errors(truth, forecast).metrics()["mae"]


def mse(truth: NDArray[Any], forecast: NDArray[Any]) -> float:
    """Mean squared error of (N,) or (N, columns)."""
    return float(_errors(truth, forecast).squared().mean())


def rmse(truth: NDArray[Any], forecast: NDArray[Any]) -> float:
    """Root of the mean squared error of (N,) or (N, columns): with columns, the mean of their roots."""
    return _errors(truth, forecast).metrics()["rmse"]


def mape(truth: NDArray[Any], forecast: NDArray[Any]) -> float:
    """Mean absolute error as a share of the truth, of (N,) or (N, columns). Near a truth of zero it is enormous."""
    return _errors(truth, forecast).metrics()["mape"]


def near_zero(truth: NDArray[Any]) -> int:
    """How many values are less than a hundredth of the mean size: each makes MAPE mean little."""
    size = np.abs(np.asarray(truth, np.float64))
    return int((size <= size.mean() / 100).sum()) if size.size else 0


def _errors(truth: NDArray[Any], forecast: NDArray[Any]) -> Errors:
    truth, forecast = np.asarray(truth), np.asarray(forecast)
    if truth.ndim not in (1, 2) or truth.shape != forecast.shape:
        raise ValueError(f"a truth of {truth.shape} can't be held against a forecast of {forecast.shape}")
    found = Errors(1, truth.shape[1] if truth.ndim == 2 else 1)
    found.add(truth.reshape(len(truth), 1, -1), forecast.reshape(len(truth), 1, -1))
    return found

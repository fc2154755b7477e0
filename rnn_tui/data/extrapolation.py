"""Forecasts that need no network: the last value, the value one season ago, a straight rule of the past."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.data.windows import Windows, windows_before

Values = NDArray[np.float64]

# What bounds the fit of an autoregression: numbers in its table, and multiplications.
CELLS = 4_000_000
PRODUCTS = 300_000_000
# A season shows as a correlation of at least this with itself one season later.
SEASONAL = 0.2


def persistence(values: Values, starts: NDArray[np.int64], horizon: int) -> Values:
    """The last value, repeated: (n, horizon, F) for forecasts of the rows from `starts` (n) on."""
    return np.repeat(values[starts - 1][:, None], horizon, axis=1)


def seasonal(values: Values, starts: NDArray[np.int64], horizon: int, season: int) -> Values:
    """The value one season ago (the last known one of that season's place): (n, horizon, F).

    Where the series is not that old yet, the last value.
    """
    ahead = np.arange(horizon)
    rows = starts[:, None] + ahead - season * (ahead // season + 1)
    return values[np.where(rows < 0, starts[:, None] - 1, rows)]


@dataclass(frozen=True, slots=True)
class Autoregression:
    """The linear rule of least squares from a window to what follows it, one for each step of the horizon."""

    weights: Values
    """(W x F + 1, K): the last row is the constant."""

    @classmethod
    def fit(cls, windows: Windows) -> Autoregression | None:
        """From the newest windows of a training part, as many as bounded memory and time allow.

        None where there are no more windows than unknowns: such a rule fits anything.
        """
        F = windows.values.shape[1]
        unknowns = windows.window * F + 1
        most = min(CELLS // (unknowns + windows.horizon * F), PRODUCTS // unknowns**2)
        low = max(0, len(windows) - most)
        if len(windows) - low <= unknowns:
            return None
        read = _table(windows.scaled, windows.starts[low:], windows.window)
        asked = windows.scaled.astype(np.float64)
        wanted = np.stack([asked[windows.starts[low:] + step] for step in range(windows.horizon)], axis=1)
        return cls(np.asarray(np.linalg.lstsq(read, wanted.reshape(len(read), -1), rcond=None)[0], np.float64))

    def forecast(self, scaled: NDArray[np.float32], starts: NDArray[np.int64], window: int) -> Values:
        """(n, horizon, F) in scaled units, of consecutive rows `starts` (n)."""
        found: Values = _table(scaled, starts, window) @ self.weights
        return found.reshape(len(starts), -1, scaled.shape[1])


def _table(scaled: NDArray[np.float32], starts: NDArray[np.int64], window: int) -> Values:
    """(n, W x F + 1): each window as one row, and a 1."""
    read = windows_before(scaled, int(starts[0]), int(starts[-1]) + 1, window).transpose(1, 0, 2)
    return np.concatenate([read.reshape(len(starts), -1), np.ones((len(starts), 1))], axis=1, dtype=np.float64)


def find_season(values: Values) -> int:
    """Timesteps after which the series (N, F) looks most like itself again; 0 where it never does.

    A line is taken off each column. Of the mean autocorrelation over the columns, up to half the
    length, the peaks are looked at that rise highest over the valley before them, within a tenth:
    the first of them is the season, the others are two or three of it.
    """
    N = len(values)
    if N < 8:
        return 0
    time = np.arange(N) - (N - 1) / 2
    level = values - values.mean(axis=0)
    level = level - np.outer(time, time @ level / (time @ time))
    # Twice the length with zeros, so that the end does not meet the beginning.
    power = np.abs(np.fft.rfft(level, 2 * N, axis=0)) ** 2
    products = np.fft.irfft(power, 2 * N, axis=0)[: N // 2 + 1]
    varying = products[0] > 1e-12 * N * np.maximum(np.abs(values).max(axis=0), 1e-300) ** 2
    if not varying.any():
        return 0
    r = (products[:, varying] / products[0, varying]).mean(axis=1)
    peaks = np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] >= r[2:])) + 1
    peaks = peaks[r[peaks] >= max(SEASONAL, 3.5 / math.sqrt(N))]
    if not len(peaks):
        return 0
    rise = r[peaks] - np.minimum.accumulate(r)[peaks]
    return int(peaks[np.argmax(rise >= 0.9 * rise.max())])

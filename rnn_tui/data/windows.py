"""Windows over a series: W timesteps that are read, and the next ones that are forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows whose forecast values all lie in the rows from `first` to before `last`.

    Window k reads (window, F) scaled values and is asked for the next (horizon, F), laid out
    as one row of K = horizon x F numbers: all columns of the first step, then all of the
    second. What is read may reach back into the rows before `first`, so that every row of a
    part is forecast. The rows are stored once: reading a window copies nothing.
    """

    values: NDArray[np.float64]
    """(N, F): the whole series, in the data's own units."""
    scaled: NDArray[np.float32]
    """(N, F): (value - mean) / std, with the training part's mean and std."""
    times: tuple[str, ...]
    """(N): what a screen calls each row."""
    first: int
    last: int
    window: int
    horizon: int

    @property
    def begin(self) -> int:
        """The row that window 0 forecasts first."""
        return max(self.first, self.window)

    def __len__(self) -> int:
        return max(0, self.last - self.horizon + 1 - self.begin)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.full(len(self), self.window, np.int64)

    @property
    def starts(self) -> NDArray[np.int64]:
        """(n): of each window, the row that it forecasts first."""
        return self.begin + np.arange(len(self))

    def read(self, k: int) -> NDArray[np.float32]:
        """(window, F)"""
        start = self._start(k)
        return self.scaled[start - self.window : start]

    def asked(self, k: int) -> NDArray[np.float32]:
        """(1, K)"""
        start = self._start(k)
        return self.scaled[start : start + self.horizon].reshape(1, -1)

    def _start(self, k: int) -> int:
        if not 0 <= k < len(self):
            raise IndexError(f"there is no window {k} of {len(self)}")
        return self.begin + k

    def inputs(self, low: int, high: int) -> NDArray[np.float32]:
        """What windows `low` to before `high` read, side by side: (window, n, F), a view."""
        return windows_before(self.scaled, self.begin + low, self.begin + high, self.window)

    def truth(self, low: int, high: int) -> NDArray[np.float64]:
        """What they are asked for in the data's own units: (n, horizon, F), a view."""
        return followed(self.values, self.begin + low, self.begin + high, self.horizon)


def windows_before(series: NDArray[Any], low: int, high: int, window: int) -> NDArray[Any]:
    """The `window` rows before each of the rows `low` to before `high`: (window, n, F), a view."""
    if high <= low:
        return series[:0].reshape(0, 0, series.shape[1])
    return sliding_window_view(series[low - window : high - 1], window, axis=0).transpose(2, 0, 1)


def followed(series: NDArray[Any], low: int, high: int, horizon: int) -> NDArray[Any]:
    """The `horizon` rows from each of the rows `low` to before `high` on: (n, horizon, F), a view."""
    if high <= low:
        return series[:0].reshape(0, horizon, series.shape[1])
    return sliding_window_view(series[low : high + horizon - 1], horizon, axis=0).transpose(0, 2, 1)

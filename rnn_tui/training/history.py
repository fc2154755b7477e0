"""The run so far as columns that never grow past 20,000 rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPACITY = 20_000
COLUMNS = ("train_loss", "grad_norm", "learning_rate", "clipped", "val_loss")
PERCENTILE_STEPS = 1000


MOST_METRICS = 12


class History:
    """Loss, gradient norm, learning rate and clipping of every step, validation where it was made.

    A row stands for `steps[k]` updates, the last of which is `step[k]`: one each at first.
    When the rows are full, neighbours are joined two by two (means weighted by their
    updates), so that a run of any length keeps between 10,000 and 20,000 rows.

    `groups` names groups of parameters. Each has a column of gradient norms (means, as the
    whole norm's) and one of update-to-weight ratios: the newest of the row's updates for
    which it was measured, NaN where it never was. `metrics` names what a validation measures
    beside the loss; each has a column.
    """

    def __init__(self, capacity: int = CAPACITY, groups: Sequence[str] = (), metrics: Sequence[str] = ()) -> None:
        if capacity < 2 or capacity % 2:
            raise ValueError("capacity must be even")
        self.capacity = capacity
        self.groups = tuple(groups)
        self.rows = 0
        self.stride = 1
        """Updates that a finished row stands for."""
        self._open = False
        self._step = np.zeros(capacity, np.int64)
        self._steps = np.zeros(capacity, np.int64)
        self.metrics = tuple(metrics)
        names = (*COLUMNS, *(f"val_{name}" for name in self.metrics))
        self._columns = {name: np.full(capacity, np.nan, np.float32) for name in names}
        # (groups, rows): one assignment an update, however many groups there are.
        self._norms = np.full((len(self.groups), capacity), np.nan, np.float32)
        self._ratios = self._norms.copy()

    def record(
        self, step: int, train_loss: float, grad_norm: float, learning_rate: float, clipped: bool,
        group_norms: Sequence[float] = (), ratios: Sequence[float] = (),
    ) -> None:  # fmt: skip
        """One update: losses in nats, norms before clipping. `ratios` empty: not measured."""
        if not self._open:
            self._new_row()
        k = self.rows - 1
        n = self._steps[k]
        for name, value in (("train_loss", train_loss), ("grad_norm", grad_norm), ("clipped", float(clipped))):
            column = self._columns[name]
            column[k] = value if n == 0 else column[k] + (value - column[k]) / (n + 1)
        self._columns["learning_rate"][k] = learning_rate
        if group_norms:
            new, old = np.asarray(group_norms, np.float32), self._norms[:, k]
            self._norms[:, k] = new if n == 0 else np.where(np.isnan(old), new, old + (new - old) / np.float32(n + 1))
        if ratios:
            measured = np.asarray(ratios, np.float32)
            self._ratios[:, k] = np.where(np.isnan(measured), self._ratios[:, k], measured)
        self._step[k] = step
        self._steps[k] = n + 1
        self._open = bool(n + 1 < self.stride)

    def validated(self, step: int, val_loss: float, metrics: Mapping[str, float] | None = None) -> None:
        """A validation after update `step`; it closes the row, so that its step stays exact."""
        if self.rows == 0 or self._step[self.rows - 1] != step:
            self._new_row()
            self._step[self.rows - 1] = step
        self._columns["val_loss"][self.rows - 1] = val_loss
        for name, value in (metrics or {}).items():
            if name in self.metrics:
                self._columns[f"val_{name}"][self.rows - 1] = value
        self._open = False

    def _new_row(self) -> None:
        if self.rows == self.capacity:
            self._join()
        self.rows += 1
        self._open = True

    def _join(self) -> None:
        half = self.capacity // 2
        first, second = slice(0, None, 2), slice(1, None, 2)
        n1, n2 = self._steps[first].astype(np.float64), self._steps[second].astype(np.float64)
        for name, column in self._columns.items():
            a, b = column[first].copy(), column[second].copy()
            if name == "learning_rate" or name.startswith("val_"):
                joined = np.where(np.isnan(b), a, b)
            else:
                # A row that only validates has no updates and no losses to weigh.
                total = np.where(n1 + n2 == 0, 1, n1 + n2)
                joined = np.where(n1 == 0, b, np.where(n2 == 0, a, (a * n1 + b * n2) / total))
            column[:] = np.nan
            column[:half] = joined
        a, b = self._norms[:, first].copy(), self._norms[:, second].copy()
        total = np.where(n1 + n2 == 0, 1, n1 + n2)
        joined = np.where(np.isnan(a), b, np.where(np.isnan(b), a, (a * n1 + b * n2) / total))
        self._norms[:] = np.nan
        self._norms[:, :half] = joined
        a, b = self._ratios[:, first].copy(), self._ratios[:, second].copy()
        self._ratios[:] = np.nan
        self._ratios[:, :half] = np.where(np.isnan(b), a, b)
        self._step[:half] = self._step[second]
        self._steps[:half] = self._steps[first] + self._steps[second]
        self._steps[half:] = 0
        self.rows = half
        self.stride *= 2
        self._open = False

    def column(self, name: str) -> NDArray[Any]:
        """A copy of one column, or of `step` or `steps`."""
        whole: dict[str, NDArray[Any]] = {"step": self._step, "steps": self._steps, **self._columns}
        return whole[name][: self.rows].copy()

    def percentile(self, share: float, steps: int = PERCENTILE_STEPS) -> float:
        """That percentile (0 to 100) of the gradient norm before clipping over the last `steps` updates;
        NaN before the first.

        Where rows stand for several updates it is that of their means.
        """
        rows = np.flatnonzero(self._steps[: self.rows] > 0)
        if not len(rows):
            return math.nan
        ages = np.cumsum(self._steps[rows][::-1])
        kept = rows[len(rows) - 1 - int(np.searchsorted(ages, min(steps, ages[-1]))) :]
        return float(np.percentile(self._columns["grad_norm"][kept].astype(np.float64), share))

    def thinned(self, points: int) -> dict[str, NDArray[Any]]:
        """`step`, `train_loss`, `grad_norm`, `learning_rate`, and (G, points) `group_norms` and
        `update_ratios`, in at most `points` spans, and `val_step`, `val_loss` in at most as
        many, the newest of each span.

        A loss or norm is the mean over the updates of its span, a ratio the newest that was measured.
        """
        rows = np.flatnonzero(self._steps[: self.rows] > 0)
        view: dict[str, NDArray[Any]] = {}
        if len(rows):
            starts = _starts(len(rows), points)
            n = self._steps[rows]
            total = np.add.reduceat(n, starts)
            for name in ("train_loss", "grad_norm"):
                view[name] = (np.add.reduceat(self._columns[name][rows] * n, starts) / total).astype(np.float32)
            last = np.append(starts[1:], len(rows)) - 1
            view["step"] = self._step[rows][last]
            view["learning_rate"] = self._columns["learning_rate"][rows][last].astype(np.float32)
            view["group_norms"] = _means(self._norms[:, rows], n, starts)
            view["update_ratios"] = _newest(self._ratios[:, rows], starts)
        else:
            view = {name: np.zeros(0, np.float32) for name in ("train_loss", "grad_norm", "learning_rate")}
            view["step"] = np.zeros(0, np.int64)
            view["group_norms"] = np.zeros((len(self.groups), 0), np.float32)
            view["update_ratios"] = view["group_norms"].copy()
        val = np.flatnonzero(~np.isnan(self._columns["val_loss"][: self.rows]))
        if len(val) > points:
            val = val[np.append(_starts(len(val), points)[1:], len(val)) - 1]
        view["val_step"] = self._step[val]
        view["val_loss"] = self._columns["val_loss"][val].astype(np.float32)
        for name in self.metrics:
            view[f"val_{name}"] = self._columns[f"val_{name}"][val].astype(np.float32)
        return view

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns as a session file keeps them: integers as int64, the rest as float32."""
        kept: dict[str, NDArray[Any]] = {
            f"history.{name}": column[: self.rows].copy() for name, column in self._columns.items()
        }
        kept["history.step"] = self._step[: self.rows].copy()
        kept["history.steps"] = self._steps[: self.rows].copy()
        for g, group in enumerate(self.groups):
            kept[f"history.norm_{_column(group)}"] = self._norms[g, : self.rows].copy()
            kept[f"history.ratio_{_column(group)}"] = self._ratios[g, : self.rows].copy()
        return kept

    @classmethod
    def restored(
        cls, arrays: Mapping[str, NDArray[Any]], capacity: int = CAPACITY, groups: Sequence[str] = (),
        metrics: Sequence[str] = (),
    ) -> History:  # fmt: skip
        """The history that `arrays` came from (losses rounded to float32); columns of groups
        and metrics may be missing.

        Without any it is empty.
        """
        history = cls(capacity, groups, metrics)
        if not {f"history.{name}" for name in ("step", "steps", *COLUMNS)} <= arrays.keys():
            return history
        rows = len(arrays["history.step"])
        history.rows = rows
        history._step[:rows] = arrays["history.step"]
        history._steps[:rows] = arrays["history.steps"]
        for name, column in history._columns.items():
            if name in COLUMNS or f"history.{name}" in arrays:
                column[:rows] = arrays[f"history.{name}"]
        for g, group in enumerate(history.groups):
            for kind, columns in (("norm", history._norms), ("ratio", history._ratios)):
                found = arrays.get(f"history.{kind}_{_column(group)}")
                if found is not None:
                    columns[g, :rows] = found
        most = int(history._steps.max(initial=1))
        history.stride = 2 ** max(0, math.ceil(math.log2(most)))
        if rows:
            unfinished = history._steps[rows - 1] < history.stride
            history._open = bool(unfinished and np.isnan(history._columns["val_loss"][rows - 1]))
        return history


def _column(group: str) -> str:
    """`layer 0 W_hh` as it stands in a column's name: `layer_0_w_hh`."""
    return group.lower().replace(" ", "_")


def _means(values: NDArray[Any], weights: NDArray[Any], starts: NDArray[Any]) -> NDArray[np.float32]:
    """Weighted means of (G, rows) over the spans that begin at `starts`, past NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    total = np.add.reduceat(known * weights, starts, axis=1)
    sums = np.add.reduceat(np.where(known, values, 0.0) * weights, starts, axis=1)
    return np.where(total > 0, sums / np.maximum(total, 1), np.nan).astype(np.float32)


def _newest(values: NDArray[Any], starts: NDArray[Any]) -> NDArray[np.float32]:
    """The last value of each span that is not NaN, or NaN."""
    rows = values.shape[1]
    last = np.maximum.reduceat(np.where(np.isnan(values), -1, np.arange(rows)), starts, axis=1)
    found = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, found, np.nan).astype(np.float32)


def _starts(length: int, groups: int) -> NDArray[np.int64]:
    """First indices of at most `groups` runs of nearly equal length."""
    if length <= groups:
        return np.arange(length)
    return np.unique(np.arange(groups) * length // groups)

"""Forecasting: after a window of a series, its next values (many to one; with a horizon, many to many)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import Dataset
from rnn_tui.data.extrapolation import Autoregression, find_season, persistence, seasonal
from rnn_tui.data.series import Stretch, borders, read_stretch, scaler
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.windows import Windows, windows_before
from rnn_tui.tasks import Passage, Progress, Task, Working, never, silent
from rnn_tui.tasks.measures.errors import Errors, mae, mape, near_zero, rmse
from rnn_tui.views import Baseline, Breakdown, DataView, Forecast, Part, Sample, Scores, frozen

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from rnn_tui.model.network import Network, State
    from rnn_tui.tasks.learning.batches import Batch, Batches

Values = NDArray[np.float64]

DRAWN = 120
"""Values that a forecast draws where nobody says how many."""
AHEAD = 24
"""Values forecast after numbers that were typed."""
# Windows whose baselines are computed at a time.
BESIDE = 4096


@dataclass(frozen=True, slots=True)
class Season:
    """What a forecasting data set keeps beside its windows."""

    season: int
    """Timesteps; 0: none was named and none found."""
    window: int
    horizon: int


class Forecasting(Task):
    """Mean squared error in units of the training part's standard deviation; RMSE, MAE and MAPE in the data's own.

    The scaler sees the training part alone. With several columns all are read and all are
    forecast, and each metric is the mean over columns. An answer is K = horizon x columns
    numbers: every column of the first step, then of the second.
    """

    name = "forecasting"
    title = "forecasting: the next values of a series (many to one)"
    answers = "last"
    real = True
    unit = "windows"
    metrics = ("rmse", "mae", "mape")

    def read(
        self, data: DataConfig, *, seed: int = 1, progress: Progress = silent, cancelled: Callable[[], bool] = never
    ) -> Dataset:
        watch = Watch(progress, cancelled)
        main = read_stretch(data, "path", watch.part(0.0, 0.6))
        own = {
            part: read_stretch(data, f"{part}_path", watch.part(low, low + 0.1), like=main)
            for part, low in (("validation", 0.6), ("test", 0.7))
            if getattr(data, f"{part}_path")
        }
        N, window, horizon = len(main.values), data.window, data.horizon
        first, second = borders(N, data, own_validation="validation" in own, own_test="test" in own)
        if first < window + horizon:
            raise DataError(
                f"the training part is too short: {first:,} of {N:,} value{'s' * (N != 1)}, data.window {window:,} and "
                f"data.horizon {horizon:,} need {window + horizon:,}; data.path {main.title}; "
                "choose a shorter window, or a longer series"
            )
        if data.season > first:
            raise DataError(
                f"a season of {data.season:,} timesteps is longer than the training part ({first:,}); data.season, "
                f"data.path {main.title}; name a shorter one, or 0 to have it found"
            )
        mean, std, constant = scaler(main.values[:first])
        if not np.isfinite(std).all():
            name = main.columns[int(np.argmin(np.isfinite(std)))]
            raise DataError(
                f"the numbers of column {name} are too large to be scaled; data.path {main.title}; "
                "write them in a larger unit"
            )

        def cut(stretch: Stretch, low: int, high: int) -> Windows:
            scaled = ((stretch.values - mean) / std).astype(np.float32)
            scaled.flags.writeable = False
            return Windows(stretch.values, scaled, stretch.times, low, high, window, horizon)

        train = cut(main, 0, first)
        parts = {"training": train, "validation": cut(main, first, second), "test": cut(main, second, N)}
        parts |= {part: cut(stretch, 0, len(stretch.values)) for part, stretch in own.items()}
        watch.at(0.8, "measuring", main.title)
        season = data.season or find_season(main.values[:first])
        scored = parts["validation"] if len(parts["validation"]) else train
        coding = Coding(
            main.columns, _answers(main.columns, horizon), numeric=True,
            mean=tuple(mean.tolist()), std=tuple(std.tolist()),
        )  # fmt: skip
        starts = np.cumsum([0, *(len(part) for part in parts.values())]).tolist()
        view = DataView(
            source=main.where, title=main.title, characters=N + sum(len(stretch.values) for stretch in own.values()),
            vocabulary=len(main.columns),
            parts=tuple(Part(name, at, len(part)) for at, (name, part) in zip(starts, parts.items(), strict=False)),
            baselines=_baselines(train, scored, season, mean, std),
            notices=(*main.notices, *(notice for stretch in own.values() for notice in stretch.notices),
                     *_notices(main, data, parts, scored, season, constant)),
            preview=main.preview, sha256=main.sha256, task=self.name, unit=self.unit,
            outputs=len(main.columns) * horizon, numeric=True, last=True, real=True, longest=window, typical=window,
        )  # fmt: skip
        watch.at(1.0, "read", main.title)
        return Dataset(
            main.title, main.where, main.sha256, coding, train, parts["validation"], parts["test"], view,
            extra=Season(season, window, horizon), notes=tuple(stretch.sha256 for stretch in own.values()),
        )  # fmt: skip

    def batches(self, data: Dataset, config: Config, generator: torch.Generator) -> Batches:
        from rnn_tui.tasks.learning.batches import Buckets

        training = config.training
        return Buckets(
            data.train, training.batch_size, generator, reset=not training.forgot_reset,
            before=training.padding == "pre", masked=training.masking,
        )  # fmt: skip

    def loss(
        self, network: Network, batch: Batch, state: State | None, dropout: torch.Generator | None, config: Config
    ) -> tuple[Tensor, State]:
        from rnn_tui.tasks.learning import forecasts

        return forecasts.loss(network, batch, state, dropout)

    def evaluate(
        self, network: Network, data: Dataset, part: str, config: Config, *, limit: int | None = None,
        working: Working | None = None,
    ) -> Scores:  # fmt: skip
        """Over all windows of a part, or the first that read `limit` timesteps together (one at least)."""
        loss, errors = self._score(network, data, part, limit, working)
        return Scores(loss, errors.count, errors.metrics())

    def breakdown(
        self, network: Network, data: Dataset, part: str, config: Config, working: Working | None = None
    ) -> tuple[Breakdown, ...]:
        if config.data.horizon == 1 or not len(getattr(data, part)):
            return ()
        found = self.errors_by_step(network, data, part, working)
        values = np.stack([found[name] for name in found], axis=1).astype(np.float32)
        return (
            Breakdown(
                "error against how far ahead it forecasts",
                ("steps ahead", *found),
                tuple((str(k + 1), *(f"{value:.5g}" for value in row)) for k, row in enumerate(values)),
                values,
                part=part,
            ),
        )

    def errors_by_step(
        self, network: Network, data: Dataset, part: str, working: Working | None = None
    ) -> dict[str, Values]:
        """rmse, mae and mape of each step of the horizon, (horizon), over all windows of a part."""
        return self._score(network, data, part, None, working)[1].by_step()

    def _score(
        self, network: Network, data: Dataset, part: str, limit: int | None, working: Working | None
    ) -> tuple[float, Errors]:
        from rnn_tui.tasks.learning import forecasts

        windows = _windows(data, part)
        most = None if limit is None else max(1, limit // windows.window)
        return forecasts.score(network, windows, *_scale(data.coding), limit=most, working=working)

    def sample(self, network: Network, data: Dataset | None, coding: Coding, seed: int) -> Sample | None:
        """One window of the validation part, drawn by the seed: forecast, truth and the last value read."""
        if data is None:
            return None
        windows = _windows(data, "validation" if len(data.validation) else "train")
        k = int(np.random.default_rng(seed).integers(len(windows)))
        from rnn_tui.tasks.learning import forecasts

        mean, std = _scale(coding)
        F, start = len(mean), windows.begin + k
        forecast = forecasts.predict(network, windows.inputs(k, k + 1)).reshape(-1, F) * std + mean
        if not np.isfinite(forecast).all():
            # Weights that have diverged forecast nothing; the run itself will say so.
            return None
        truth, last = windows.truth(k, k + 1)[0], windows.values[start - 1]
        told = [
            f"{name} {_several(forecast[:, j])}, truth {_several(truth[:, j])}, last value {number(last[j])}"
            for j, name in enumerate(coding.inputs[:3])
        ]
        return Sample(0, "", f"after {windows.times[start - 1]}: {'; '.join(told)}")

    def passage(self, data: Dataset, part: str, offset: int, length: int) -> Passage:
        """Window number `offset` of a part; it is always data.window timesteps long."""
        windows = _windows(data, part)
        if not len(windows):
            raise ValueError(f"the {_part(part)} part has no whole window")
        k = max(0, min(offset, len(windows) - 1))
        start = windows.begin + k
        rows = windows.values[start - windows.window : start]
        where = f"window {k:,} of the {_part(part)} part, before {windows.times[start]}"
        return Passage(windows.read(k), windows.asked(k), _symbols(rows), source=where, offset=k, part=part)

    def encode(self, coding: Coding, text: str) -> Passage:
        """Numbers in the data's own units, apart by spaces, commas or semicolons; of several columns, row by row."""
        fields = [field for field in re.split(r"[\s,;]+", text.strip()) if field]
        if not fields:
            raise ValueError("no number is typed; type some, with spaces between them")
        found = np.empty(len(fields))
        for k, field in enumerate(fields):
            try:
                found[k] = float(field)
            except ValueError:
                found[k] = np.nan
            if not np.isfinite(found[k]):
                raise ValueError(f"{field[:20]!r} is no number; type numbers with a decimal point, as 58.0 62.6 70.0")
        mean, std = _scale(coding)
        F = len(mean)
        if len(found) % F:
            names = ", ".join(coding.inputs[:5])
            raise ValueError(f"{len(found)} numbers are no whole rows of {F}; type them row by row: {names}")
        rows = found.reshape(-1, F)
        unknown = np.full((1, len(coding.answers)), np.nan, np.float32)
        with np.errstate(over="ignore"):
            scaled = ((rows - mean) / std).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise ValueError("a number is too large for this series; type numbers nearer to it")
        return Passage(scaled, unknown, _symbols(rows), source="your numbers")

    def answer(
        self, network: Network, coding: Coding, passage: Passage, *, step: int, beams: int = 1,
        data: Dataset | None = None, length: int = 0,
    ) -> Forecast:  # fmt: skip
        """`length` values of the passage's part, forecast one step ahead, and free-running from the passage's
        window on; after numbers that were typed, `length` more. Of several columns the first is shown.
        """
        mean, std = _scale(coding)
        F = len(mean)
        horizon = len(coding.answers) // F
        kept: Season | None = data.extra if data is not None else None
        if data is not None and passage.part:
            windows = _windows(data, passage.part)
            values, scaled, times, window = windows.values, windows.scaled, windows.times, windows.window
            start, count, known = windows.begin + passage.offset, len(windows), len(values)
            shown = min(length or DRAWN, windows.last - windows.begin)
            # A little of the past is drawn too, and near the part's end as much as fills the picture.
            low = max(windows.begin, min(start - shown // 4, windows.last - shown))
            high = min(low + shown, windows.last)
        else:
            T, ahead, count = len(passage.inputs), length or AHEAD, 0
            window = min(kept.window if kept else T, T)
            scaled = np.concatenate([passage.inputs, np.full((ahead, F), np.nan, np.float32)])
            values = scaled * std + mean
            times, start, low, high, known = tuple(str(k) for k in range(T + ahead)), T, 0, T + ahead, T
        return self._drawn(
            network, coding, values, scaled, times[low:high], range(low, high), start, known, window, horizon,
            season=kept.season if kept else 0, source=passage.source, step=step, offset=passage.offset, count=count,
        )  # fmt: skip

    def _drawn(
        self, network: Network, coding: Coding, values: Values, scaled: NDArray[np.float32], times: tuple[str, ...],
        rows: range, start: int, known: int, window: int, horizon: int, *, season: int, **told: Any,
    ) -> Forecast:  # fmt: skip
        """The `rows` drawn, of which those before `known` have values."""
        from rnn_tui.tasks.learning import forecasts

        (mean, std), F, N = _scale(coding), values.shape[1], len(rows)
        truth = values[rows.start : rows.stop, 0]
        one, free, last, ago = (np.full(N, np.nan) for _ in range(4))
        # Row t is the last step of the forecast whose first is row t - horizon + 1.
        begun = np.arange(rows.start, rows.stop) - horizon + 1
        full = (begun >= window) & (begun <= known)
        if full.any():
            low, high = int(begun[full][0]), int(begun[full][-1]) + 1
            found = forecasts.predict(network, windows_before(scaled, low, high, window))
            one[full] = found.reshape(high - low, horizon, F)[:, -1, 0] * std[0] + mean[0]
        read = scaled[start - window : start]
        free[start - rows.start :] = (forecasts.run_on(network, read, rows.stop - start) * std + mean)[:, 0]
        old = begun >= 1
        last[old] = persistence(values, begun[old], horizon)[:, -1, 0]
        if season:
            ago[old] = seasonal(values, begun[old], horizon, season)[:, -1, 0]
        lines = {"network": one, "persistence": last, "seasonal": ago}
        clear = np.isfinite(truth) & np.isfinite(one) & np.isfinite(last)
        return Forecast(
            column=coding.inputs[0], times=times, truth=_array(truth), forecast=_array(one), free=_array(free),
            persistence=_array(last), seasonal=_array(ago), start=start - rows.start, season=season,
            metrics={name: _metrics(truth[clear], line[clear]) for name, line in lines.items()
                     if clear.any() and np.isfinite(line[clear]).all()},
            columns=coding.inputs, **told,
        )  # fmt: skip


def number(value: float) -> str:
    """A value in few signs: 58, 62.6, 1234, 1.2e+06."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}" if abs(value) < 1e6 else f"{value:.2g}"


def _several(values: Values) -> str:
    return " ".join(number(value) for value in values[:6]) + (" ..." if len(values) > 6 else "")


def _symbols(rows: Values) -> tuple[str, ...]:
    """One short text a timestep: its number, or the first three of its row."""
    more = "/..." if rows.shape[1] > 3 else ""
    return tuple("/".join(number(value) for value in row[:3]) + more for row in rows)


def _answers(columns: tuple[str, ...], horizon: int) -> tuple[str, ...]:
    return tuple(f"{column} t+{step}" for step in range(1, horizon + 1) for column in columns)


def _scale(coding: Coding) -> tuple[Values, Values]:
    return np.asarray(coding.mean), np.asarray(coding.std)


def _windows(data: Dataset, part: str) -> Windows:
    found: Windows = getattr(data, part)
    return found


def _part(part: str) -> str:
    return "training" if part == "train" else part


def _array(values: Values) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return frozen(values.astype(np.float32))


def _metrics(truth: Values, forecast: Values) -> dict[str, float]:
    return {"rmse": rmse(truth, forecast), "mae": mae(truth, forecast), "mape": mape(truth, forecast)}


def _baselines(train: Windows, scored: Windows, season: int, mean: Values, std: Values) -> tuple[Baseline, ...]:
    """Lines that need no network, over the very points that a validation scores."""
    linear = Autoregression.fit(train)

    def level(starts: NDArray[np.int64]) -> Values:
        return np.broadcast_to(mean, (len(starts), scored.horizon, len(mean)))

    lines: dict[str, Callable[[NDArray[np.int64]], Values]] = {
        "persistence": lambda starts: persistence(scored.values, starts, scored.horizon)
    }
    if season:
        lines["seasonal"] = lambda starts: seasonal(scored.values, starts, scored.horizon, season)
    lines["mean"] = level
    if linear is not None:
        rule = linear
        lines[f"AR({scored.window})"] = lambda starts: rule.forecast(scored.scaled, starts, scored.window) * std + mean
    return tuple(_baseline(name, line, scored, std) for name, line in lines.items())


def _baseline(name: str, line: Callable[[NDArray[np.int64]], Values], scored: Windows, std: Values) -> Baseline:
    errors = Errors(scored.horizon, len(std))
    for low, high in _blocks(len(scored)):
        errors.add(scored.truth(low, high), line(scored.starts[low:high]))
    return Baseline(name, float((errors.squared() / std**2).mean()), errors.metrics())


def _blocks(total: int) -> Iterator[tuple[int, int]]:
    for low in range(0, total, BESIDE):
        yield low, min(low + BESIDE, total)


def _notices(
    main: Stretch, data: DataConfig, parts: dict[str, Windows], scored: Windows, season: int,
    constant: NDArray[np.bool_],
) -> Iterator[str]:  # fmt: skip
    for column, still in zip(main.columns, constant, strict=True):
        if still:
            yield f"column {column} is constant in the training part: there is nothing to learn from it"
    if not data.season:
        yield (
            f"a season of {season:,} timesteps was found in the training part"
            if season
            else "no season was found in the training part: there is no seasonal line; data.season can name one"
        )
    if not len(parts["validation"]):
        yield "validation holds no whole window: the baselines are scored on the training part"
    if len(main.columns) > 1:
        yield f"{len(main.columns)} columns are read and forecast: rmse, mae and mape are means over columns"
    asked = scored.values[scored.begin : scored.last]
    near = sum(near_zero(column) for column in asked.T)
    if near:
        yield (
            f"MAPE tells little here: it divides by the value, and {near:,} of {asked.size:,} "
            "to be forecast are zero or nearly"
        )


TASK = Forecasting()

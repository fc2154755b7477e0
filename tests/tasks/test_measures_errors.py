from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.tasks.measures.errors import EPS, Errors, mae, mape, mse, near_zero, rmse


@pytest.fixture(scope="module")
def sklearn() -> Any:
    """Imported by who needs it: it takes longer than all of these tests."""
    from sklearn import metrics

    return metrics


def pair(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    return draws.normal(10, 30, shape), draws.normal(10, 30, shape)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 4))
def test_errors_are_those_of_scikit_learn(sklearn: Any, seed: int, N: int, columns: int) -> None:
    truth, forecast = pair(seed, (N, columns) if columns else (N,))
    assert mae(truth, forecast) == pytest.approx(sklearn.mean_absolute_error(truth, forecast), rel=1e-12)
    assert mse(truth, forecast) == pytest.approx(sklearn.mean_squared_error(truth, forecast), rel=1e-12)
    assert rmse(truth, forecast) == pytest.approx(sklearn.root_mean_squared_error(truth, forecast), rel=1e-12)
    assert mape(truth, forecast) == pytest.approx(sklearn.mean_absolute_percentage_error(truth, forecast), rel=1e-12)


def test_mape_at_zero_is_enormous_as_in_scikit_learn(sklearn: Any) -> None:
    truth, forecast = np.array([0.0, 4.0]), np.array([1.0, 5.0])
    assert mape(truth, forecast) == sklearn.mean_absolute_percentage_error(truth, forecast) == (1 / EPS + 0.25) / 2
    assert mape(truth, np.array([0.0, 5.0])) == 0.125


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 4), st.integers(1, 3), st.integers(1, 7))
def test_block_by_block_is_the_same_as_at_once(seed: int, n: int, horizon: int, columns: int, block: int) -> None:
    truth, forecast = pair(seed, (n, horizon, columns))
    gathered = Errors(horizon, columns)
    for low in range(0, n, block):
        gathered.add(truth[low : low + block], forecast[low : low + block])
    assert gathered.count == n
    for j in range(columns):
        flat = truth[:, :, j].ravel(), forecast[:, :, j].ravel()
        assert gathered.by_column()["rmse"][j] == pytest.approx(rmse(*flat))
        assert gathered.by_column()["mape"][j] == pytest.approx(mape(*flat))
    for step in range(horizon):
        assert gathered.by_step()["rmse"][step] == pytest.approx(rmse(truth[:, step], forecast[:, step]))
        assert gathered.by_step()["mae"][step] == pytest.approx(mae(truth[:, step], forecast[:, step]))
    whole = truth.reshape(-1, columns), forecast.reshape(-1, columns)
    assert list(gathered.metrics()) == ["rmse", "mae", "mape"]
    assert gathered.metrics() == pytest.approx({"rmse": rmse(*whole), "mae": mae(*whole), "mape": mape(*whole)})


def test_what_is_not_comparable_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        rmse(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="held against"):
        Errors(2, 1).add(np.zeros((3, 1, 1)), np.zeros((3, 1, 1)))
    with pytest.raises(ValueError, match="nothing was forecast"):
        Errors(1, 1).metrics()


def test_forecasts_that_are_not_finite_are_told_and_warn_of_nothing() -> None:
    truth = np.array([1.0, 2.0])
    assert rmse(truth, np.array([np.inf, 2.0])) == np.inf
    assert np.isnan(mae(truth, np.array([np.nan, 2.0])))
    assert rmse(truth, np.array([1e300, 2.0])) == np.inf


def test_values_near_zero_are_counted() -> None:
    assert near_zero(np.array([0.0, 0.3, -0.3, 100.0, -100.0])) == 3
    assert near_zero(np.array([5.0, 6.0])) == near_zero(np.array([])) == 0

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import Config, DataConfig, ModelConfig, TrainingConfig
from rnn_tui.data.examples import Dataset
from rnn_tui.data.source import DataError
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks import task_of
from rnn_tui.tasks.forecasting import TASK, number
from rnn_tui.tasks.learning import forecasts
from rnn_tui.tasks.measures.errors import mae, mape, rmse
from rnn_tui.training.randomness import generator


def table(values: np.ndarray, path: Path) -> str:
    names = ",".join(f"x{j}" for j in range(values.shape[1]))
    rows = [f"day {k}," + ",".join(repr(float(v)) for v in row) for k, row in enumerate(values)]
    path.write_text(f"when,{names}\n" + "\n".join(rows) + "\n")
    return str(path)


def waves(N: int, F: int, seed: int = 1) -> np.ndarray:
    draws = np.random.default_rng(seed)
    time = np.arange(N)[:, None]
    return 50 + 10 * np.arange(1, F + 1) * (np.sin(2 * np.pi * time / 9) + 0.3 * draws.normal(size=(N, F)))


def read(path: str, **fields: Any) -> Dataset:
    found = TASK.read(DataConfig(task="forecasting", path=path, **fields))
    assert isinstance(found, Dataset)
    return found


def network(data: Dataset, **fields: Any) -> Network:
    model = ModelConfig(**{"hidden_size": 7, "layers": 1, "embedding_size": 0, **fields})
    built = Network(model, data.coding.sizes)
    fill(built, model, generator(3, "init"))
    return built.eval()


@pytest.fixture
def two(tmp_path: Path) -> Dataset:
    """Two columns, a horizon of 3."""
    path = table(waves(120, 2), tmp_path / "two.csv")
    return read(path, window=8, horizon=3, split="70/20/10")


def test_what_is_read(two: Dataset) -> None:
    view = two.view
    assert task_of("forecasting") is TASK and TASK.real and TASK.answers == "last"
    assert two.coding.inputs == ("x0", "x1")
    assert two.coding.outputs == ("x0 t+1", "x1 t+1", "x0 t+2", "x1 t+2", "x0 t+3", "x1 t+3")
    assert view.sizes == two.coding.sizes and (view.vocabulary, view.outputs, view.numeric) == (2, 6, True)
    # 84 rows train, 24 validate, 12 test; a window of validation and test may read the rows before its part.
    assert [(part.name, part.start, part.length) for part in view.parts] == [
        ("training", 0, 74), ("validation", 74, 22), ("test", 96, 10),
    ]  # fmt: skip
    assert (view.unit, view.longest, view.typical, view.characters) == ("windows", 8, 8, 120)
    values = waves(120, 2)
    mean, std = values[:84].mean(axis=0), values[:84].std(axis=0)
    assert two.coding.mean == pytest.approx(mean) and two.coding.std == pytest.approx(std)
    assert two.validation.read(0) == pytest.approx((values[76:84] - mean) / std, abs=1e-5)
    assert two.validation.asked(0) == pytest.approx(((values[84:87] - mean) / std).reshape(1, 6), abs=1e-5)
    assert two.test.asked(9) == pytest.approx(((values[117:] - mean) / std).reshape(1, 6), abs=1e-5)
    assert "a season of 9 timesteps was found in the training part" in view.notices


@given(st.integers(0, 10**6), st.integers(1, 2))
@settings(max_examples=15)
def test_training_sees_nothing_of_what_comes_after(tmp_path_factory: pytest.TempPathFactory, seed: int, F: int) -> None:
    folder = tmp_path_factory.mktemp("leak")
    values = waves(60, F)
    other = values.copy()
    other[42:] = np.random.default_rng(seed).normal(1e4, 1e5, (18, F))
    fields = {"window": 6, "horizon": 2, "split": "70/20/10"}
    one, two = read(table(values, folder / "a.csv"), **fields), read(table(other, folder / "b.csv"), **fields)
    assert one.coding == two.coding and one.extra == two.extra
    assert len(one.train) == len(two.train) == 42 - 7
    for k in range(len(one.train)):
        assert np.array_equal(one.train.read(k), two.train.read(k))
        assert np.array_equal(one.train.asked(k), two.train.asked(k))
    assert np.array_equal(one.validation.read(0), two.validation.read(0))
    assert not np.array_equal(one.validation.asked(0), two.validation.asked(0))


@pytest.mark.parametrize(("F", "horizon", "season"), [(1, 1, 0), (1, 4, 5), (2, 3, 9)])
def test_baselines_are_those_of_a_loop_over_the_same_points(tmp_path: Path, F: int, horizon: int, season: int) -> None:
    values = waves(100, F)
    data = read(table(values, tmp_path / "a.csv"), window=4, horizon=horizon, season=season, split="60/40/0")
    season = season or 9
    mean, std = values[:60].mean(axis=0), values[:60].std(axis=0)
    lines: dict[str, list[np.ndarray]] = {"persistence": [], "seasonal": [], "mean": []}
    truths = []
    for t in range(60, 100 - horizon + 1):
        truths.append(values[t : t + horizon])
        lines["persistence"].append(np.array([values[t - 1]] * horizon))
        lines["seasonal"].append(np.array([values[t + j - season * (j // season + 1)] for j in range(horizon)]))
        lines["mean"].append(np.array([mean] * horizon))
    found = {line.name: line for line in data.view.baselines}
    assert list(found) == ["persistence", "seasonal", "mean", "AR(4)"]
    truth = np.concatenate(truths)
    for name, forecast in lines.items():
        made = np.concatenate(forecast)
        wanted = {"rmse": rmse(truth, made), "mae": mae(truth, made), "mape": mape(truth, made)}
        assert found[name].metrics == pytest.approx(wanted), name
        assert found[name].loss == pytest.approx((((truth - made) / std) ** 2).mean()), name
    assert found["AR(4)"].loss < found["mean"].loss


def test_loss_is_the_mean_squared_error_of_the_last_timestep(two: Dataset) -> None:
    config = Config(data=DataConfig(task="forecasting"), training=TrainingConfig(batch_size=5))
    built = network(two, cell="gru")
    batches = TASK.batches(two, config, generator(1, "data"))
    batch = batches.next()
    assert batch.inputs.shape == (8, 5, 2) and batch.targets.shape == (1, 5, 6) and batch.lengths is None
    assert batches.fresh and batches.steady and batches.chunks == 74 // 5
    loss, state = TASK.loss(built, batch, None, None, config)
    plain = torch.nn.GRU(2, 7)
    plain.load_state_dict(built.layers[0].state_dict())
    out, h = plain(batch.inputs)
    forecast = out[-1] @ built.output.weight.T + built.output.bias
    assert loss.item() == pytest.approx(((forecast - batch.targets[0]) ** 2).mean().item(), rel=1e-5)
    assert torch.allclose(state[0][0], h[0], atol=1e-6)
    again, _ = TASK.loss(built, batch, state, None, config)
    assert again.item() != loss.item()
    forgetful = config.model_copy(update={"training": TrainingConfig(batch_size=5, forgot_reset=True)})
    assert not TASK.batches(two, forgetful, generator(1, "data")).fresh


def naive(built: Network, data: Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and forecast in the data's own units, (n, horizon, F), window by window in float64."""
    plain = torch.nn.LSTM(2, 7).double()
    plain.load_state_dict({name: value.double() for name, value in built.layers[0].state_dict().items()})
    windows = getattr(data, part)
    mean, std = np.array(data.coding.mean), np.array(data.coding.std)
    truths, made = [], []
    for k in range(len(windows)):
        out, _ = plain(torch.from_numpy(windows.read(k).astype(np.float64))[:, None])
        answer = out[-1, 0] @ built.output.weight.double().T + built.output.bias.double()
        made.append(answer.detach().numpy().reshape(3, 2) * std + mean)
        truths.append(windows.asked(k).astype(np.float64).reshape(3, 2) * std + mean)
    return np.array(truths), np.array(made)


def test_evaluation_is_exact(two: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    built, config = network(two).train(), Config(data=DataConfig(task="forecasting"))
    monkeypatch.setattr(forecasts, "BESIDE", 7)
    shares: list[float] = []
    scores = TASK.evaluate(built, two, "validation", config, working=shares.append)
    truth, made = naive(built, two, "validation")
    std = np.array(two.coding.std)
    assert built.training and scores.count == 22 and shares == [7 / 22, 14 / 22, 21 / 22, 1.0]
    assert scores.loss == pytest.approx((((truth - made) / std) ** 2).mean(), rel=1e-5)
    flat = truth.reshape(-1, 2), made.reshape(-1, 2)
    assert list(scores.metrics) == list(TASK.metrics)
    assert scores.metrics == pytest.approx({"rmse": rmse(*flat), "mae": mae(*flat), "mape": mape(*flat)}, rel=1e-5)
    by_step = TASK.errors_by_step(built, two, "validation")
    assert by_step["rmse"] == pytest.approx([rmse(truth[:, j], made[:, j]) for j in range(3)], rel=1e-5)
    first = TASK.evaluate(built, two, "validation", config, limit=8 * 4 + 3)
    assert first.count == 4
    assert first.loss == pytest.approx((((truth - made) / std)[:4] ** 2).mean(), rel=1e-5)
    assert TASK.evaluate(built, two, "validation", config, limit=1).count == 1


def test_an_answer_draws_the_part_and_runs_on_by_itself(two: Dataset) -> None:
    built, values = network(two), waves(120, 2)
    mean, std = np.array(two.coding.mean), np.array(two.coding.std)
    passage = TASK.passage(two, "validation", 10, 0)
    assert passage.inputs.shape == (8, 2) and passage.targets.shape == (1, 6) and passage.offset == 10
    assert passage.source == "window 10 of the validation part, before day 94"
    assert passage.symbols[0] == f"{number(values[86, 0])}/{number(values[86, 1])}"
    shown = TASK.answer(built, two.coding, passage, step=5, data=two, length=12)
    # From a quarter of what is drawn before row 94 on.
    rows = slice(91, 103)
    assert shown.start == 3 and shown.times[3] == "day 94" and len(shown.times) == 12
    assert (shown.count, shown.offset, shown.season, shown.step, shown.column) == (22, 10, 9, 5, "x0")
    assert shown.truth == pytest.approx(values[rows, 0], rel=1e-5)
    # A forecast's last step: row t is forecast from the eight rows before row t - 2.
    for n, t in enumerate(range(91, 103)):
        read_rows = torch.from_numpy(((values[t - 10 : t - 2] - mean) / std).astype(np.float32))[:, None]
        wanted = built(read_rows)[0][-1, 0].detach().numpy().reshape(3, 2)[-1, 0] * std[0] + mean[0]
        assert shown.forecast[n] == pytest.approx(wanted, rel=1e-4)
        assert shown.persistence[n] == pytest.approx(values[t - 3, 0], rel=1e-5)
        assert shown.seasonal[n] == pytest.approx(values[t - 9, 0], rel=1e-5)
    fed = list((values[86:94] - mean) / std)
    while len(fed) < 8 + 9:
        read_rows = torch.from_numpy(np.array(fed[-8:], np.float32))[:, None]
        fed.extend(built(read_rows)[0][-1, 0].detach().numpy().reshape(3, 2))
    free = np.array(fed)[8:17, 0] * std[0] + mean[0]
    assert np.isnan(shown.free[:3]).all() and shown.free[3:] == pytest.approx(free, rel=1e-4)
    assert shown.metrics["network"]["rmse"] == pytest.approx(rmse(shown.truth, shown.forecast), rel=1e-5)
    assert shown.metrics["persistence"]["mae"] == pytest.approx(mae(shown.truth, shown.persistence), rel=1e-5)
    assert shown.metrics["seasonal"]["mape"] == pytest.approx(mape(shown.truth, shown.seasonal), rel=1e-5)
    whole = TASK.answer(built, two.coding, TASK.passage(two, "validation", 99, 0), step=0, data=two)
    assert len(whole.truth) == 24 and whole.offset == 21 and whole.start == 21 and whole.times[0] == "day 84"
    assert not shown.truth.flags.writeable and not shown.free.flags.writeable


def test_numbers_that_are_typed_run_on(tmp_path: Path) -> None:
    data = read("builtin:doubling", window=3, split="80/20/0")
    built = network(data)
    passage = TASK.encode(data.coding, " 2, 4\n8;16 32 ")
    mean, std = data.coding.mean[0], data.coding.std[0]
    assert passage.symbols == ("2", "4", "8", "16", "32") and passage.inputs.shape == (5, 1)
    assert passage.inputs[:, 0] * std + mean == pytest.approx([2, 4, 8, 16, 32], rel=1e-3)
    assert passage.targets.shape == (1, 1) and np.isnan(passage.targets).all()
    shown = TASK.answer(built, data.coding, passage, step=1, data=data, length=4)
    assert shown.start == 5 and len(shown.free) == 9 and np.isnan(shown.truth[5:]).all()
    assert np.isfinite(shown.forecast[3:6]).all() and np.isnan(shown.forecast[[0, 1, 2, 6, 7, 8]]).all()
    assert shown.free[5] == shown.forecast[5] and np.isfinite(shown.free[5:]).all()
    assert shown.persistence[1:6] == pytest.approx([2, 4, 8, 16, 32], rel=1e-3)
    alone = TASK.answer(built, data.coding, passage, step=1, length=4)
    scaled = passage.inputs[:, None].copy()
    assert alone.free[5] == pytest.approx(built(torch.from_numpy(scaled))[0][-1, 0].item() * std + mean, rel=1e-4)
    assert alone.season == 0 and np.isnan(alone.seasonal).all() and set(alone.metrics) == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no number is typed"),
        ("2 four 8", "'four' is no number"),
        ("2 nan", "'nan' is no number"),
        ("5 1e200", "too large"),
        ("1 2 3", "3 numbers are no whole rows of 2; type them row by row: x0, x1"),
    ],
)
def test_what_can_not_be_read_is_told(two: Dataset, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TASK.encode(two.coding, text)


def test_a_sample_is_a_line_of_forecast_and_truth(two: Dataset) -> None:
    built = network(two)
    sample = TASK.sample(built, two, two.coding, 4)
    assert sample is not None and sample == TASK.sample(built, two, two.coding, 4)
    k = int(np.random.default_rng(4).integers(22))
    values = waves(120, 2)
    assert sample.text.startswith(f"after day {83 + k}: x0 ")
    assert " ".join(number(v) for v in values[84 + k : 87 + k, 0]) in sample.text
    assert f"last value {number(values[83 + k, 1])}" in sample.text
    with torch.no_grad():
        built.output.bias.fill_(torch.inf)
    assert TASK.sample(built, two, two.coding, 4) is None
    assert TASK.sample(built, None, two.coding, 4) is None


def test_files_of_their_own(tmp_path: Path) -> None:
    values = waves(60, 1)
    path, own = table(values[:40], tmp_path / "a.csv"), table(values[40:], tmp_path / "b.csv")
    data = read(path, validation_path=own, window=5, split="80/20/0")
    # Nothing says that one file goes on where the other ends: its first windows lie inside it.
    assert len(data.train) == 35 and len(data.validation) == 15
    mean, std = values[:40].mean(), values[:40].std()
    assert data.coding.mean == pytest.approx([mean])
    assert data.validation.read(0) == pytest.approx((values[40:45] - mean) / std, abs=1e-5)


@pytest.mark.parametrize(
    ("values", "fields", "words"),
    [
        (
            [[5.0]],
            {},
            "the training part is too short: 0 of 1 value, data.window 36 and data.horizon 1 need 37; data.path",
        ),
        (
            [[float(k % 7)] for k in range(50)],
            {"window": 44, "horizon": 2},
            "45 of 50 values, data.window 44 and .* need 46",
        ),
        ([[float(k % 7)] for k in range(50)], {"window": 4, "season": 46}, "a season of 46 timesteps is longer"),
    ],
)
def test_a_series_that_does_not_do_is_refused(
    tmp_path: Path, values: list[list[float]], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        read(table(np.array(values), tmp_path / "a.csv"), **fields)


def test_what_is_worth_knowing_is_told(tmp_path: Path) -> None:
    values = np.stack([np.full(50, 3.0), np.arange(50.0) % 5], axis=1)
    data = read(table(values, tmp_path / "a.csv"), window=4, split="80/20/0")
    assert data.coding.std[0] == 1.0
    told = "\n".join(data.view.notices)
    assert "column x0 is constant in the training part" in told
    assert "2 columns are read and forecast: rmse, mae and mape are means over columns" in told
    assert "MAPE tells little here: it divides by the value, and 2 of 20 to be forecast" in told
    short = read(table(values[:, 1:], tmp_path / "b.csv"), window=4, horizon=3, split="97/3/0")
    assert "validation holds no whole window: the baselines are scored on the training part" in short.view.notices
    assert short.view.baselines[0].name == "persistence" and np.isfinite(short.view.baselines[0].loss)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_short_training_beats_every_line_without_a_network() -> None:
    data = read("builtin:doubling", window=3, split="80/20/0")
    config = Config(
        data=DataConfig(task="forecasting", path="builtin:doubling"), training=TrainingConfig(batch_size=50)
    )
    built = network(data, hidden_size=16).train()
    batches = TASK.batches(data, config, generator(1, "data"))
    optimizer = torch.optim.Adam(built.parameters(), 0.01)
    for _ in range(250):
        loss, _ = TASK.loss(built, batches.next(), None, None, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    reached = TASK.evaluate(built, data, "validation", config)
    assert reached.metrics["rmse"] < 0.4 * min(line.metrics["rmse"] for line in data.view.baselines)


def test_the_task_is_known_without_torch() -> None:
    code = "import sys; from rnn_tui.tasks import task_of; task_of('forecasting'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

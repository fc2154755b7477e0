from __future__ import annotations

import gzip
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.config import DataConfig
from rnn_tui.data.extrapolation import Autoregression, find_season, persistence, seasonal
from rnn_tui.data.sequences import DOUBLING, TOP, doubling, example
from rnn_tui.data.series import Stretch, borders, read_stretch, scaler
from rnn_tui.data.source import DataError, Watch
from rnn_tui.data.windows import Windows

WATCH = Watch(lambda share, doing: None, lambda: False)


def written(tmp_path: Path, text: str, name: str = "series.csv") -> str:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def read(path: str, **fields: object) -> Stretch:
    return read_stretch(DataConfig(task="forecasting", path=path, **fields), "path", WATCH)  # type: ignore[arg-type]


def windows(values: np.ndarray, first: int, last: int, window: int, horizon: int) -> Windows:
    times = tuple(str(k) for k in range(len(values)))
    return Windows(values, values.astype(np.float32), times, first, last, window, horizon)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 8), st.integers(1, 4), st.integers(1, 3))
def test_windows_are_slices_and_every_row_of_a_part_is_forecast(
    before: int, rows: int, window: int, horizon: int, F: int
) -> None:
    after = 5
    values = np.random.default_rng(before).normal(size=(before + rows + after, F))
    cut = windows(values, before, before + rows, window, horizon)
    wanted = [
        (values[t - window : t].astype(np.float32), values[t : t + horizon])
        for t in range(len(values))
        if t >= window and before <= t and t + horizon <= before + rows
    ]
    assert len(cut) == len(cut.lengths) == len(cut.starts) == len(wanted)
    for k, (inputs, targets) in enumerate(wanted):
        assert np.array_equal(cut.read(k), inputs)
        assert np.array_equal(cut.asked(k), targets.astype(np.float32).reshape(1, -1))
        assert np.shares_memory(cut.read(k), cut.scaled) and np.shares_memory(cut.asked(k), cut.scaled)
        assert np.array_equal(cut.inputs(k, k + 1)[:, 0], inputs)
        assert np.array_equal(cut.truth(k, k + 1)[0], targets)
    assert cut.inputs(0, len(cut)).shape[1] == cut.truth(0, len(cut)).shape[0] == len(wanted)
    if before >= window and horizon == 1:
        assert len(cut) == rows
    with pytest.raises(IndexError):
        cut.read(len(wanted))
    with pytest.raises(IndexError):
        cut.asked(-1)


@given(st.integers(2, 50), st.integers(1, 4), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_scaling_and_back(N: int, F: int, level: float, spread: float) -> None:
    values = np.random.default_rng(N).normal(level, spread, (N, F))
    mean, std, constant = scaler(values)
    scaled = (values - mean) / std
    assert not constant.any()
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-6) and scaled.std(axis=0) == pytest.approx(1)
    assert scaled * std + mean == pytest.approx(values, rel=1e-9, abs=1e-9 * spread)


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1, 1e9 + 0.1])
def test_a_constant_column_has_a_std_of_1(value: float) -> None:
    mean, std, constant = scaler(np.full((7, 1), value))
    assert mean == pytest.approx(value) and std == 1.0 and constant.all()


@pytest.mark.parametrize(
    ("split", "own", "expected"),
    [
        ("90/5/5", (False, False), (90, 95)), ("67/33/0", (False, False), (67, 101)), ("100/0/0", (0, 0), (101, 101)),
        ("90/5/5", (True, False), (95, 95)), ("90/5/5", (False, True), (95, 101)), ("90/5/5", (True, True), (101, 101)),
        ("90/0/10", (False, False), (90, 90)),
    ],
)  # fmt: skip
def test_parts_are_contiguous(split: str, own: tuple[bool, bool], expected: tuple[int, int]) -> None:
    data = DataConfig(split=split)
    assert borders(101, data, own_validation=own[0], own_test=own[1]) == expected


SERIES = "Month,Sold,Kept,Note\n2020-01,1.5,7,a\n2020-02,-2e1,8,b\n2020-03,.25,9,c\n"


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["series.csv", "series.csv.gz"])
def test_a_table_becomes_a_series(tmp_path: Path, separator: str, name: str) -> None:
    found = read(written(tmp_path, SERIES.replace(",", separator), name))
    assert found.columns == ("Sold", "Kept") and found.title == name
    assert found.values.tolist() == [[1.5, 7], [-20, 8], [0.25, 9]]
    assert found.times == ("2020-01", "2020-02", "2020-03")
    assert found.notices == ("not read, since its fields are no numbers: Note",)
    assert found.preview.splitlines()[:2] == ["Month    Sold  Kept  Note", "2020-01  1.5   7     a"]


@pytest.mark.parametrize(("asked", "columns"), [("Kept", ("Kept",)), ("2,1", ("Kept", "Sold")), ("-3", ("Sold",))])
def test_columns_are_chosen_by_name_or_number(tmp_path: Path, asked: str, columns: tuple[str, ...]) -> None:
    found = read(written(tmp_path, SERIES), columns=asked)
    assert found.columns == columns
    assert found.values.shape == (3, len(columns)) and found.times[0] == "2020-01"


def test_no_header_no_times(tmp_path: Path) -> None:
    found = read(written(tmp_path, "4\n5\n\n7\n"))
    assert found.columns == ("0",) and found.values.tolist() == [[4], [5], [7]] and found.times == ("0", "1", "2")
    assert found.notices == ("line 3 of series.csv is empty and passed over, as if no time had gone by",)


def test_a_first_column_that_counts_is_the_time_unless_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "Year,Flow\n1871,11.2\n1872,11.6\n1873,9.63\n")
    found = read(path)
    assert found.columns == ("Flow",) and found.times == ("1871", "1872", "1873")
    assert found.notices[0].startswith("column Year counts up evenly")
    assert read(path, columns="Year,Flow").values.shape == (3, 2)
    assert read(path, columns="Flow").times == ("1871", "1872", "1873")
    assert read(written(tmp_path, "Year\n1871\n1872\n1873\n")).values.tolist() == [[1871], [1872], [1873]]


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    assert read(written(tmp_path, "t,x,x\na,1,2\nb,3,5\n")).columns == ("x 1", "x 2")


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("t,x\na,1\nb,2\nc,\n", {}, "column x is empty; line 4 of data.path"),
        ("t,x\na,\nb,2\nc,3\n", {}, "column x is empty; line 2 of data.path"),
        ("a,?\nb,2\nc,3\n", {}, "column 1 holds '?', which is no finite number; line 1 "),
        ("t,x\na,1\nb,NaN\nc,3\n", {}, "column x holds 'NaN', which is no finite number; line 3 "),
        ("t,x\na,1\nb,2\nc,-inf\n", {}, "'-inf', which is no finite number; line 4 "),
        ("t,x\na,1\nb,2\nc,1e999\n", {}, "'1e999', which is no finite number; line 4 "),
        ("t,x\na,1\nb,2\n\nc,many\n", {}, "column x holds 'many', which is no number; line 5 "),
        ("t,x\na,1\nb,1_000\nc,3\n", {}, "'1_000', which is no number; line 3 "),
        ("t;x\na;1,5\nb;2,5\nc;3\n", {}, "'1,5', a number with a comma; line 2 "),
        ('t,x\na,"1,234"\nb,"2,000"\n', {}, "'1,234', a number with a comma; line 2 "),
        ("a;1,5\nb;2,5\nc;3,5\n", {}, "'1,5', a number with a comma; line 1 "),
        ("t,x\na,1\nb,2,3\n", {}, "it has 3 fields, the first line has 2; line 3 "),
        ("t,x\na,b\nc,d\n", {}, "no column is numbers, this row holds 't'; line 1 "),
        ("t,x\n", {}, "it has a header and no row of numbers; data.path"),
        ("t,x\na,1\nb,2\n", {"columns": "y"}, "there is no column 'y'; data.columns, data.path"),
        ("t,x\na,1\nb,2\n", {"columns": "t"}, "column t holds 'a', which is no number; line 2 "),
        ("t,x\na,1\nb,2\n", {"columns": "x,1"}, "a column is named twice: 'x,1'; data.columns"),
        ("t,x\na,1\nb,\x1b[31m\nc,4\n", {}, "holds '␛[31m', which is no number; line 3 "),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence_with_its_line(tmp_path: Path, text: str, fields: dict[str, str], words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, text), **fields)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message and "\x1b" not in message and message.count(";") >= 2


def test_a_file_of_its_own_has_the_columns_of_the_main_one(tmp_path: Path) -> None:
    main = read(written(tmp_path, SERIES))

    def validation(text: str) -> Stretch:
        data = DataConfig(task="forecasting", validation_path=written(tmp_path, text, "own.csv"))
        return read_stretch(data, "validation_path", WATCH, like=main)

    swapped = validation("Month,Kept,Sold\n2020-04,10,1\n2020-05,11,2\n")
    assert swapped.columns == ("Sold", "Kept") and swapped.values.tolist() == [[1, 10], [2, 11]]
    assert validation("2020-04,10,1\n2020-05,11,2\n").values.tolist() == [[10, 1], [11, 2]]
    with pytest.raises(DataError, match=r"no column 'Kept'; .*data\.validation_path"):
        validation("Month,Sold\n2020-04,10\n")
    with pytest.raises(DataError, match=r"1 column of numbers, series\.csv has 2; data\.validation_path"):
        validation("2020-04,10\n2020-05,11\n")


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    data = DataConfig(task="forecasting", path=written(tmp_path, SERIES))
    asked: list[float] = []
    with pytest.raises(DataError, match="cancelled"):
        read_stretch(data, "path", Watch(lambda share, doing: asked.append(share), lambda: bool(asked)))
    told: list[float] = []
    read_stretch(data, "path", Watch(lambda share, doing: told.append(share), lambda: False))
    assert told == sorted(told) and told[0] >= 0 and told[-1] <= 1


def test_the_series_that_are_always_there() -> None:
    made = read("builtin:example")
    assert made.columns == ("Visitors",) and made.times[:13:12] == ("1941-01", "1942-01") and len(made.values) == 1000
    assert made.values[:500].mean() < made.values[500:].mean() and find_season(made.values) == 12
    assert example() == example() and made.where == "builtin:example"
    doubled = read(DOUBLING)
    numbers = doubled.values[:, 0].astype(int).tolist()
    assert numbers[:11] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2006] and doubled.where == DOUBLING
    assert sorted(numbers) == list(range(2, TOP, 2))
    assert all(b == min(2 * a, 2 * (TOP - a)) for a, b in pairwise(numbers))
    assert find_season(doubled.values) == 0 and doubling() == doubling()


@given(st.integers(4, 40), st.floats(0, 0.2), st.floats(-0.05, 0.05), st.integers(1, 3))
@settings(max_examples=40)
def test_a_season_is_found(season: int, noise: float, trend: float, F: int) -> None:
    draws = np.random.default_rng(season)
    time = np.arange(12 * season)[:, None]
    values = (
        np.sin(2 * math.pi * time / season + np.arange(F)) + trend * time + noise * draws.normal(size=(len(time), F))
    )
    # Noise may move the top of a broad peak.
    assert abs(find_season(1000 + 50 * values) - season) <= season // 15


def test_where_nothing_comes_back_no_season_is_found() -> None:
    assert find_season(np.random.default_rng(1).normal(size=(500, 1))) == 0
    assert find_season(np.full((50, 2), 3.3)) == find_season(np.arange(60.0)[:, None]) == 0
    assert find_season(np.arange(5.0)[:, None]) == 0


@given(st.integers(3, 30), st.integers(1, 6), st.integers(1, 9), st.integers(1, 2))
def test_persistence_and_seasonal_against_loops(start: int, horizon: int, season: int, F: int) -> None:
    values = np.random.default_rng(start).normal(size=(60, F))
    starts = np.array([start, start + 1])
    last, ago = persistence(values, starts, horizon), seasonal(values, starts, horizon, season)
    for n, first in enumerate(starts):
        for step in range(horizon):
            assert np.array_equal(last[n, step], values[first - 1])
            row = first + step
            while row >= first:
                row -= season
            assert np.array_equal(ago[n, step], values[row] if row >= 0 else values[first - 1])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=20)
def test_an_autoregression_finds_the_rule_that_made_the_series(order: int, horizon: int, F: int) -> None:
    draws = np.random.default_rng(order * 10 + horizon)
    rule = draws.normal(size=(order * F, F))
    rule /= 1.1 * np.abs(rule).sum()
    values = list(draws.normal(size=(order, F)))
    for _ in range(120):
        values.append(np.concatenate(values[-order:]) @ rule + 0.5 + 0.1 * draws.normal(size=F))
    series = np.array(values)
    cut = windows(series, 0, len(series), order, horizon)
    fitted = Autoregression.fit(cut)
    assert fitted is not None
    read = np.stack([np.append(series[t - order : t].astype(np.float32).ravel(), 1.0) for t in cut.starts])
    asked = np.stack([series[t : t + horizon].astype(np.float32).ravel() for t in cut.starts]).astype(np.float64)
    expected = np.linalg.solve(read.T @ read, read.T @ asked)
    assert fitted.weights == pytest.approx(expected, rel=1e-6, abs=1e-8)
    found = fitted.forecast(cut.scaled, cut.starts[3:7], order)
    assert found.reshape(4, -1) == pytest.approx(read[3:7] @ expected, rel=1e-6, abs=1e-8)


def test_an_autoregression_of_more_unknowns_than_windows_is_none() -> None:
    values = np.random.default_rng(1).normal(size=(20, 1))
    assert Autoregression.fit(windows(values, 0, 20, 10, 1)) is None
    assert Autoregression.fit(windows(values, 0, 20, 9, 1)) is not None

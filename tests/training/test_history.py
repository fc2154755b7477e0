from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.training.history import History

losses = st.floats(0.125, 10, width=32)


def test_one_row_an_update_until_the_rows_are_full() -> None:
    history = History(capacity=8)
    for k in range(1, 9):
        history.record(k, k / 2, k, 0.1, clipped=k > 6)
    assert history.column("step").tolist() == list(range(1, 9))
    assert history.column("train_loss").tolist() == [k / 2 for k in range(1, 9)]
    assert history.column("clipped").tolist() == [0] * 6 + [1, 1]


@given(st.lists(losses, min_size=1, max_size=300), st.sampled_from([4, 8, 16]), st.integers(1, 40))
@settings(max_examples=60)
def test_joined_rows_keep_the_means_the_steps_and_the_bound(values: list[float], capacity: int, every: int) -> None:
    history = History(capacity)
    for k, value in enumerate(values, 1):
        history.record(k, value, 2 * value, 0.01, clipped=False)
        if k % every == 0:
            history.validated(k, value + 1)
    assert history.rows <= capacity
    n, step, loss = history.column("steps"), history.column("step"), history.column("train_loss")
    assert n.sum() == len(values)
    assert step[-1] == len(values)
    assert (np.diff(step) > 0).all()
    np.testing.assert_allclose((loss * n).sum(), sum(values), rtol=1e-4)
    ends = np.cumsum(n)
    for k in range(history.rows):
        first = ends[k] - n[k]
        np.testing.assert_allclose(loss[k], np.mean(values[first : ends[k]]), rtol=1e-4)
    last = len(values) // every * every
    if last:
        kept = history.column("val_loss")
        np.testing.assert_allclose(kept[~np.isnan(kept)][-1], values[last - 1] + 1, rtol=1e-6)


@given(st.lists(losses, min_size=1, max_size=120), st.integers(0, 120), st.integers(1, 30))
@settings(max_examples=60)
def test_restored_history_goes_on_as_if_never_saved(values: list[float], cut: int, every: int) -> None:
    whole, first = History(8), History(8)

    def feed(history: History, numbers: range) -> None:
        for k in numbers:
            history.record(k + 1, values[k], 1.0, 0.1, clipped=k % 3 == 0)
            if (k + 1) % every == 0:
                history.validated(k + 1, values[k])

    cut = min(cut, len(values))
    feed(whole, range(len(values)))
    feed(first, range(cut))
    second = History.restored(first.arrays(), 8)
    feed(second, range(cut, len(values)))
    for name, expected in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], expected, err_msg=name)


@given(st.lists(losses, min_size=0, max_size=200), st.integers(1, 50))
@settings(max_examples=60)
def test_thinned_points_are_means_of_all_updates(values: list[float], points: int) -> None:
    history = History(64)
    for k, value in enumerate(values, 1):
        history.record(k, value, value, 0.1, clipped=False)
    view = history.thinned(points)
    assert len(view["step"]) == len(view["train_loss"]) <= points
    if values:
        assert view["step"][-1] == len(values)
        if len(values) <= 64:
            n = np.diff(np.concatenate(([0], view["step"])))
            np.testing.assert_allclose((view["train_loss"] * n).sum(), sum(values), rtol=1e-4)


def test_validation_before_any_update_has_a_row_of_its_own() -> None:
    history = History(8)
    history.validated(0, 4.0)
    history.record(1, 3.0, 1.0, 0.1, clipped=False)
    assert history.column("step").tolist() == [0, 1]
    assert math.isnan(history.column("train_loss")[0])
    assert history.thinned(10)["step"].tolist() == [1]
    assert history.thinned(10)["val_loss"].tolist() == [4.0]


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=200), st.integers(0, 200), st.integers(1, 30))
@settings(max_examples=60)
def test_groups_are_joined_thinned_and_restored_like_the_rest(
    norms: list[tuple[float, float]], cut: int, points: int
) -> None:
    groups = ("embedding", "layer 0 W_hh")

    def feed(history: History, first: int, last: int) -> None:
        for k in range(first, last):
            ratios = (k / 7, math.nan) if k % 25 == 0 else ()
            history.record(k + 1, 1.0, 1.0, 0.1, False, norms[k], ratios)

    cut = min(cut, len(norms))
    whole, begun = History(8, groups), History(8, groups)
    feed(whole, 0, len(norms))
    feed(begun, 0, cut)
    again = History.restored(begun.arrays(), 8, groups)
    feed(again, cut, len(norms))
    for name, expected in whole.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], expected, err_msg=name)
    view = whole.thinned(points)
    assert view["group_norms"].shape == view["update_ratios"].shape == (2, len(view["step"]))
    n = np.diff(np.concatenate(([0], view["step"])))
    np.testing.assert_allclose((view["group_norms"] * n).sum(axis=1), np.sum(norms, axis=0), rtol=1e-3)
    known = view["update_ratios"][0][~np.isnan(view["update_ratios"][0])]
    assert known[-1] == np.float32((len(norms) - 1) // 25 * 25 / 7) and np.isnan(view["update_ratios"][1]).all()


def test_the_percentile_is_of_the_last_thousand_updates() -> None:
    history = History()
    assert math.isnan(history.percentile(90))
    norms = np.random.default_rng(1).random(1500).astype(np.float32)
    for k, norm in enumerate(norms.tolist()):
        history.record(k + 1, 1.0, norm, 0.1, clipped=False)
        if k % 100 == 99:
            history.validated(k + 1, 1.0)
    np.testing.assert_allclose(history.percentile(90), np.percentile(norms[-1000:], 90), rtol=1e-6)

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import Config, put
from rnn_tui.training import threads
from rnn_tui.training.threads import Settled, ThreadChoice, candidates
from tests.training.conftest import make_run


def run(choice: ThreadChoice, cost: Callable[[int], float], steps: int) -> list[int]:
    used = []
    for _ in range(steps):
        n = choice.current
        used.append(n)
        choice.spent(n, cost(n))
    return used


@given(st.integers(1, 300))
def test_candidates_are_one_powers_of_two_and_all(available: int) -> None:
    found = candidates(available)
    assert found[0] == 1 and found[-1] == available and found == sorted(set(found))
    assert all(n == available or n & (n - 1) == 0 for n in found)


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(0.001, 0.1), min_size=4))
def test_the_fastest_number_is_chosen_and_kept(cost: dict[int, float]) -> None:
    choice = ThreadChoice(available=8)
    used = run(choice, cost.__getitem__, 60)
    assert cost[used[-1]] == min(cost.values())
    assert len(set(used[25:])) == 1


def test_a_collapse_is_noticed_within_seconds_and_recovery_within_a_minute() -> None:
    choice = ThreadChoice(available=2)
    assert run(choice, lambda n: 0.02 / n, 40)[-1] == 2
    seconds = 0.0
    while choice.current == 2 or choice.measuring:
        n = choice.current
        cost = 0.5 if n == 2 else 0.02
        choice.spent(n, cost)
        seconds += cost
    assert choice.current == 1 and seconds < 5
    while choice.current == 1 and seconds < 100:
        n = choice.current
        choice.spent(n, 0.02 / n)
        seconds += 0.02 / n
    assert run(choice, lambda n: 0.02 / n, 20)[-1] == 2 and seconds < 70


def test_a_number_that_is_asked_or_settled_is_not_measured() -> None:
    assert set(run(ThreadChoice(3, available=8), lambda n: 1.0, 50)) == {3}
    assert ThreadChoice(99, available=8).current == 8
    choice = ThreadChoice(0, available=8)
    choice.settled = Settled(2, free=False)
    assert set(run(choice, lambda n: 1.0 / n, 50)) == {2} and not choice.measuring


def test_where_bits_depend_on_the_number_it_is_settled(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding itself differs between machines: what is claimed free must be free."""
    monkeypatch.setattr(threads, "cores", lambda: 2)
    for cell, batch in (("lstm", 4), ("gru", 7), ("rnn", 7)):
        config = put(put(put(small, "model.cell", cell), "training.batch_size", batch), "model.hidden_size", 64)
        built = make_run(config)
        before = {name: array.copy() for name, array in built.arrays().items()}
        built.settle()
        settled = built.threads.settled
        assert settled is not None and settled.threads in (1, 2)
        assert all((array == before[name]).all() for name, array in built.arrays().items())
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            twin = make_run(config)
            for _ in range(3):
                twin.step()
            results.append(twin.network.output.weight.detach().clone())
        assert torch.equal(*results) or not settled.free
    torch.set_num_threads(1)

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import nn

from rnn_tui.config import TrainingConfig, put
from rnn_tui.data.probes import gap_draws
from rnn_tui.data.source import DataError
from rnn_tui.model.network import Network, weights
from rnn_tui.tasks.gaps import compare, measure, probe_of, remembers
from rnn_tui.tasks.probing.probe import Probe
from rnn_tui.training.optimizer import make_optimizer
from tests.tasks.probing import network_for, probe, small

WITH_GAPS = ("adding", "copying", "recall", "brackets")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", WITH_GAPS)
@pytest.mark.parametrize("longest", [2, 3, 20, 47, 1000])
def test_gaps_grow_up_to_the_longest_and_each_can_be_drawn(name: str, longest: int) -> None:
    task = probe(name)
    gaps = task.gaps(longest)
    assert gaps.dtype == np.int64 and (np.diff(gaps) > 0).all()
    assert gaps[0] == (2 if name == "adding" else 1)
    assert gaps[-1] == ((longest - 1) // 2 * 2 + 1 if name == "brackets" else longest)
    for gap in gaps[:4].tolist():
        assert len(task.at_gap(gap_draws(1, gap), 3, gap)) == 3


def test_a_task_without_gaps_is_measured_by_recall() -> None:
    assert [probe_of(small(name)).name for name in (*WITH_GAPS, "reber", "language")] == [
        *WITH_GAPS,
        "recall",
        "recall",
    ]


@pytest.mark.parametrize("name", WITH_GAPS)
def test_a_measure_is_the_tasks_metric_on_the_sequences_of_that_gap(name: str) -> None:
    task, network, config = probe(name), network_for(name), small(name)
    gaps = task.gaps(6)
    values = measure(network, task, config, gaps)
    for gap, value in zip(gaps.tolist(), values, strict=True):
        drawn = task.at_gap(gap_draws(1, gap), 200, gap)
        rights = 0.0
        for k in range(200):
            with torch.no_grad():
                answered = network(torch.from_numpy(drawn.read(k)).unsqueeze(1))[0][:, 0].numpy()
            rights += one(name, answered, drawn.asked(k)) / 200
        assert value == pytest.approx(rights, rel=1e-4)
    assert np.array_equal(values, measure(network, task, config, gaps))


def one(name: str, answered: np.ndarray, asked: np.ndarray) -> float:
    """How right one sequence is, by hand."""
    if name == "adding":
        return float((answered[-1, 0] - asked[0, 0]) ** 2)
    if name == "copying":
        return float((answered[-10:].argmax(1) == asked[-10:]).mean())
    if name == "brackets":
        return float(answered[-1, 2:4].argmax() == asked[-1] - 2)
    return float(answered[-1].argmax() == asked[-1])


class LastSymbol(Network):
    """Answers what the mark follows: right where the gap is 1, a guess elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            small("recall", model={"hidden_size": 8, "cell": "feedforward"}).model, probe("recall").coding.sizes
        )
        with torch.no_grad():
            self.output.weight.copy_(torch.eye(8))
            self.output.bias.zero_()

    def hidden(self, inputs, state=None, dropout=None, lengths=None, before=False):  # type: ignore[no-untyped-def]
        earlier = torch.cat((inputs[:1], inputs[:-1])).clamp(max=7)
        return torch.nn.functional.one_hot(earlier, 8).float(), self.initial(inputs.shape[1])


def test_a_memory_of_one_timestep_is_measured_as_one() -> None:
    task, gaps = probe("recall"), np.array([1, 2, 5, 9])
    values = measure(LastSymbol().eval(), task, small("recall"), gaps)
    assert values[0] == 1.0
    assert all(abs(value - 1 / 8) < 4 * math.sqrt(7 / 64 / 200) for value in values[1:])
    assert remembers(task, gaps, values) == 1


@pytest.mark.parametrize(("name", "values", "expected"), [
    ("recall", [1.0, 0.8, 0.57, 0.55], 5), ("recall", [0.1, 0.2, 0.1, 0.1], 0), ("recall", [1, 1, 1, math.nan], 5),
    ("copying", [0.2, 0.2, 0.2, 1.0], 9), ("brackets", [1.0, 0.76, 0.74, 0.5], 2),
    ("adding", [0.001, 0.01, 0.083, 0.09], 5), ("adding", [0.3, 0.2, 0.2, 0.2], 0),
])  # fmt: skip
def test_it_remembers_as_long_as_more_than_half_of_the_way_is_reached(
    name: str, values: list[float], expected: int
) -> None:
    assert remembers(probe(name), np.array([1, 2, 5, 9]), np.array(values, np.float32)) == expected


CONFIG = small(
    "recall", 3, model={"hidden_size": 24},
    training={"batch_size": 64, "learning_rate": 0.02, "optimizer": "adam", "clip_norm": 1.0},
)  # fmt: skip


def test_curves_grow_cell_by_cell_and_tell_a_memory_from_none() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    own = network_for("recall", hidden_size=24)
    kept = {name: tensor.clone() for name, tensor in weights(own).items()}
    seen = list(compare(CONFIG, ("gru", "feedforward"), 120, make_optimizer, network=own, step=7))
    last = seen[-1]
    assert last.done and not any(view.done for view in seen[:-1])
    assert last.names == ("this LSTM 1x24", "GRU 1x24", "feedforward 1x24")
    assert last.gaps.tolist() == [1, 2, 3] and last.trained_at == 3 and last.step == 7
    assert (last.measure, last.lower_is_better) == ("accuracy", False)
    assert last.nothing == pytest.approx([1 / 8] * 3)
    assert np.isfinite(last.values).all() and last.values.shape == (3, 3)
    assert (last.values[1] > 0.9).all() and (last.values[2] < 0.3).all()
    assert last.remembers[1] == 3 and last.remembers[2] == 0
    # First this network, gap by gap; then each cell once for every update and every gap at each of eight looks.
    assert [view.doing.partition(":")[0] for view in seen[:4]] == ["this LSTM 1x24"] * 3 + ["GRU 1x24"]
    assert len(seen) == 3 + 2 * (120 + 8 * 3) + 1
    assert np.isnan(seen[0].values[0, 1:]).all() and np.isfinite(seen[2].values[0]).all()
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights(own).items())
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError, match="read-only"):
        last.values[0, 0] = 0


def test_a_fresh_network_is_trained_as_plain_torch_would() -> None:
    """The same first weights, batches, clipping and optimizer in a loop of its own."""
    seen: list[list[nn.Parameter]] = []

    def kept(parameters: Iterable[nn.Parameter], training: TrainingConfig) -> torch.optim.Optimizer:
        seen.append(list(parameters))
        return make_optimizer(seen[-1], training)

    # Plain steps along the gradient: with them, unlike with Adam, its length counts.
    config = put(put(CONFIG, "training.optimizer", "sgd"), "training.clip_norm", 0.05)
    curves = list(compare(config, ("rnn",), 12, kept))[-1]
    network, task = network_for("recall", cell="rnn", hidden_size=24), probe("recall")
    batches = task.fresh(config, torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    for _ in range(12):
        loss, _ = task.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 0.05)
        optimizer.step()
    for mine, theirs in zip(network.parameters(), seen[0], strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)
    assert np.allclose(curves.values[0], measure(network, task, config, curves.gaps))


@pytest.mark.parametrize("name", WITH_GAPS)
def test_every_probe_with_gaps_can_be_compared(name: str) -> None:
    config = put(CONFIG, "data.task", name)
    curves = list(compare(config, ("rnn",), 2, make_optimizer))[-1]
    task = probe(name)
    assert isinstance(task, Probe) and curves.gaps.tolist() == task.gaps(3).tolist()
    assert np.isfinite(curves.values).all() and curves.measure == task.metrics[0]
    assert curves.lower_is_better == (name == "adding")


def test_it_stops_where_it_is_left_and_a_diverged_network_keeps_what_was_measured() -> None:
    work = compare(CONFIG, ("rnn", "gru"), 1_000_000, make_optimizer)
    first = next(work)
    assert first.doing == f"{first.names[0]}: 1 of 1,000,000 updates" and np.isnan(first.values).all()
    assert next(work).doing.endswith(": 2 of 1,000,000 updates")
    config = put(put(CONFIG, "training.learning_rate", 1e6), "model.nonlinearity", "relu")
    config = put(put(config, "training.optimizer", "sgd"), "training.clip_norm", 0.0)
    last = list(compare(config, ("rnn",), 60, make_optimizer))[-1]
    assert last.done and last.names and np.isnan(last.values[0]).any()


def test_what_is_too_short_for_any_gap_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.length"):
        next(compare(put(put(CONFIG, "data.task", "adding"), "data.length", 1), ("rnn",), 1, make_optimizer))

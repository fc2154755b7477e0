from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rnn_tui.config import Config, put
from rnn_tui.model.network import weights
from rnn_tui.tasks.language import TASK
from rnn_tui.training.optimizer import Schedule, make_optimizer
from rnn_tui.training.randomness import generator
from rnn_tui.training.trainer import NonFinite
from tests.training.conftest import make_run


class Peer(nn.Module):
    """The same network in plain PyTorch."""

    def __init__(self, V: int, E: int, H: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.lstm = nn.LSTM(E, H, layers)
        self.output = nn.Linear(H, V)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("clip", [0.0, 0.2])
def test_updates_are_those_of_a_plain_loop(small: Config, optimizer: str, clip: float) -> None:
    config = put(put(small, "training.optimizer", optimizer), "training.clip_norm", clip)
    run = make_run(config)
    assert run.data is not None
    peer = Peer(len(run.vocabulary), 6, 12, 2)
    own = weights(run.network)
    with torch.no_grad():
        for name, p in peer.named_parameters():
            layer = name[-1] if name.startswith("lstm") else ""
            source = f"layers.{layer}.{name[5:-1]}0" if layer else name
            p.copy_(own[source])
    peer_optimizer = {
        "adamw": lambda: torch.optim.AdamW(peer.parameters(), 0.01, weight_decay=0.0),
        "adam": lambda: torch.optim.Adam(peer.parameters(), 0.01),
        "rmsprop": lambda: torch.optim.RMSprop(peer.parameters(), 0.01),
        "sgd": lambda: torch.optim.SGD(peer.parameters(), 0.01, momentum=0.9),
    }[optimizer]()
    streams = TASK.batches(run.data, config, generator(config.training.seed, "data"))
    state = None
    for _ in range(25):
        fresh = streams.fresh
        batch = streams.next()
        inputs, targets = batch.inputs, batch.targets
        output, state = peer.lstm(peer.embedding(inputs), None if fresh else state)
        loss = F.cross_entropy(peer.output(output).flatten(0, 1), targets.flatten())
        state = tuple(s.detach() for s in state)
        peer_optimizer.zero_grad()
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(peer.parameters(), clip or math.inf))
        peer_optimizer.step()
        run.step()
        rows = run.history.rows - 1
        np.testing.assert_allclose(run.history.column("train_loss")[rows], loss.item(), rtol=2e-4)
        np.testing.assert_allclose(run.history.column("grad_norm")[rows], norm, rtol=2e-3)
        assert run.history.column("clipped")[rows] == (0 < clip < norm)
    np.testing.assert_allclose(peer.output.weight.detach(), run.network.output.weight.detach(), atol=2e-4)


@pytest.mark.parametrize("where", ["weight", "gradient"])
def test_a_bad_step_leaves_everything_as_it_was(small: Config, where: str) -> None:
    run = make_run(put(small, "training.optimizer", "adamw"))
    for _ in range(3):
        run.step()
    assert run.trainer is not None
    if where == "weight":
        with torch.no_grad():
            run.network.output.bias[0] = math.inf
    else:
        run.network.output.bias.register_hook(lambda gradient: gradient * math.inf)
    before = {name: array.copy() for name, array in run.arrays().items()}
    record = run.progress_record()
    with pytest.raises(NonFinite, match=r"update 4 .* finite"):
        run.step()
    assert run.progress_record() == record
    for name, array in run.arrays().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_training_draws_nothing_from_the_global_generator(small: Config) -> None:
    run = make_run(put(put(small, "model.dropout", 0.3), "training.stateful", False))
    before = torch.get_rng_state()
    for _ in range(3):
        run.step()
    run.validate()
    run.sample()
    assert torch.equal(before, torch.get_rng_state())


def test_schedules_follow_their_formulas(small: Config) -> None:
    def factors(schedule: str, points: str = "0.5,0.75") -> list[float]:
        training = put(put(small, "training.schedule", schedule), "training.schedule_points", points).training
        return [Schedule().factor(training, step) for step in (0, 29, 30, 44, 45, 60, 100)]

    assert factors("constant") == [1] * 7
    assert factors("step") == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
    expected = [(1 + math.cos(math.pi * min(1, s / 60))) / 2 for s in (0, 29, 30, 44, 45, 60, 100)]
    assert factors("cosine") == pytest.approx(expected)


def test_plateau_waits_then_shortens_the_steps(small: Config) -> None:
    training = put(put(small, "training.schedule", "plateau"), "training.schedule_points", "2").training
    schedule, seen = Schedule(), []
    peer = nn.Linear(1, 1)
    peer_optimizer = torch.optim.SGD(peer.parameters(), lr=1.0)
    peer_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(peer_optimizer, factor=0.5, patience=2, threshold=0.0)
    for loss in [3, 2, 2.5, 2.5, 2.5, 1.9, 2, 2, 2, 2, 2, 2]:
        schedule.validated(training, loss)
        peer_schedule.step(loss)
        seen.append((schedule.factor(training, 5), peer_optimizer.param_groups[0]["lr"]))
    assert [a for a, _ in seen] == [b for _, b in seen]
    assert seen[-1][0] == 0.125


def test_weight_decay_and_momentum_reach_the_optimizer(small: Config) -> None:
    parameters = [nn.Parameter(torch.ones(2))]
    config = put(put(put(small, "training.optimizer", "sgd"), "training.momentum", 0.5), "training.weight_decay", 0.1)
    group = make_optimizer(parameters, config.training).param_groups[0]
    assert (group["momentum"], group["weight_decay"], group["lr"]) == (0.5, 0.1, 0.01)

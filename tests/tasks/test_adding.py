from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn_tui.data.examples import Ragged
from rnn_tui.views import Added
from tests.tasks.probing import network_for, probe, read, small

TASK = probe("adding")


def test_always_1_scores_its_line() -> None:
    network = network_for("adding")
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.fill_(1.0)
    data = read("adding", 20)
    (line,) = data.view.baselines
    scores = TASK.evaluate(network, data, "validation", small("adding", 20))
    assert line.loss == line.metrics["mse"] == 1 / 6 == TASK.nothing(20)
    assert scores.metrics["mse"] == pytest.approx(scores.loss, rel=1e-6)
    # Of 1,000 sums: four times the standard error.
    assert scores.loss == pytest.approx(1 / 6, abs=4 * 0.197 / 1000**0.5)


def test_mse_is_the_mean_of_the_squares() -> None:
    network, data = network_for("adding"), read("adding", 9)
    errors = []
    for k in range(40):
        with torch.no_grad():
            answer = network(torch.from_numpy(data.validation.read(k)).unsqueeze(1))[0][-1, 0, 0]
        errors.append(float(answer) - float(data.validation.asked(k)[0, 0]))
    some = Ragged.of(
        [data.validation.read(k) for k in range(40)], [data.validation.asked(k) for k in range(40)]
    )  # fmt: skip
    assert TASK.score(network, some).metrics["mse"] == pytest.approx(float(np.square(errors).mean()), rel=1e-5)


def test_an_answer_is_the_sum_so_far_after_every_timestep() -> None:
    network, data = network_for("adding"), read("adding", 9)
    passage = TASK.passage(data, "validation", 5, 0)
    answer = TASK.answer(network, data.coding, passage, step=3, data=data)
    assert isinstance(answer, Added)
    for t in range(9):
        with torch.no_grad():
            alone = network(torch.from_numpy(passage.inputs[: t + 1]).unsqueeze(1))[0][-1, 0, 0]
        assert answer.prediction[t] == pytest.approx(float(alone), abs=1e-6)
    assert answer.right == pytest.approx(float((answer.values * answer.marked).sum()), abs=1e-6)
    assert (answer.offset, answer.count, answer.step) == (5, 1000, 3) and answer.marked.sum() == 2


def test_numbers_are_typed_with_stars() -> None:
    passage = TASK.encode(TASK.coding, "0.3 0.7*, 0.25  .5*")
    assert passage.inputs.dtype == np.float32
    assert passage.inputs.tolist() == np.array([[0.3, 0], [0.7, 1], [0.25, 0], [0.5, 1]], np.float32).tolist()
    assert passage.targets.shape == (1, 1) and passage.targets[0, 0] == pytest.approx(1.2)
    assert passage.symbols == ("0.30", "0.70*", "0.25", "0.50*")


@pytest.mark.parametrize(("text", "told"), [
    ("", "nothing to read"), ("0.3 x*", "'x\\*' is no number"), ("0.3 1.5*", "not from 0 to 1"),
    ("nan", "not from 0 to 1"), ("inf*", "not from 0 to 1"), ("0.1 **", "is no number"),
])  # fmt: skip
def test_what_is_no_number_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TASK.encode(TASK.coding, text)


def test_it_learns_to_add_what_is_near() -> None:
    torch.set_num_threads(1)
    config = small("adding", 2, model={"hidden_size": 16}, training={"batch_size": 64})
    network = network_for("adding", hidden_size=16)
    batches = TASK.fresh(config, torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        loss, _ = TASK.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert TASK.evaluate(network, read("adding", 2), "validation", config).loss < 0.01

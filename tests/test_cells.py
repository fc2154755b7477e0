"""The equations of every cell against torch.nn, forward and backward."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import CELLS, Cell, Weights, cell_of
from tests.networks import CELL_NAMES, RECURRENT, seeded


def choices(cell: str) -> ModelConfig:
    return ModelConfig(cell="rnn", nonlinearity="relu") if cell == "relu" else ModelConfig(cell=cell)  # type: ignore[arg-type]


def module_and_weights(cell: Cell, inputs: int, hidden: int) -> tuple[nn.Module, Weights]:
    module = cell.fused(inputs, hidden, "cpu").double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.6, 0.6, generator=seeded(parameter.numel()))
    own = dict(module.named_parameters())
    return module, Weights(own["weight_ih_l0"], own["bias_ih_l0"], own.get("weight_hh_l0"), own.get("bias_hh_l0"))


def unroll(cell: Cell, x: Tensor, previous: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, tuple[Tensor, ...]]:
    outputs = []
    for x_t in x:
        values = cell.step(x_t, previous, weights)
        previous = tuple(values[name] for name in cell.states)
        outputs.append(values["h"])
    return torch.stack(outputs), previous


def test_every_cell_of_the_configuration_has_one_entry() -> None:
    assert set(get_args(ModelConfig.model_fields["cell"].annotation)) == set(CELLS)
    assert all(name == cell.name for name, cell in CELLS.items())


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("name", [*CELL_NAMES, "relu"])
def test_an_unroll_of_the_step_equals_the_fused_module_and_its_gradients(name: str, batch: int) -> None:
    cell = cell_of(choices(name))
    module, weights = module_and_weights(cell, 4, 6)
    x = torch.randn(9, batch, 4, generator=seeded(), dtype=torch.float64, requires_grad=True)
    start = tuple(
        torch.randn(batch, 6, generator=seeded(k), dtype=torch.float64).mul_(0.5).requires_grad_()
        for k in range(len(cell.states))
    )
    leaves = [x, *start, *module.parameters()] if cell.recurrent else [x, *module.parameters()]
    toward = torch.randn(9, batch, 6, generator=seeded(5), dtype=torch.float64)

    ours, ends = unroll(cell, x, start, weights)
    found = torch.autograd.grad((ours * toward).sum() + sum(end.sum() for end in ends), leaves)
    given = tuple(part.unsqueeze(0) for part in start)
    theirs, last = module(x, given if len(given) > 1 else given[0])
    finals = last if isinstance(last, tuple) else (last,)
    expected = torch.autograd.grad((theirs * toward).sum() + sum(end.sum() for end in finals), leaves)

    assert (ours - theirs).abs().max() < 1e-12
    for end, final in zip(ends, finals, strict=True):
        assert (end - final[0]).abs().max() < 1e-12
    for a, b in zip(found, expected, strict=True):
        assert (a - b).abs().max() < 1e-10


@pytest.mark.parametrize("name", CELL_NAMES)
def test_gates_rebuilt_for_all_timesteps_at_once_are_those_of_single_steps(name: str) -> None:
    cell = CELLS[name]
    _, weights = module_and_weights(cell, 3, 5)
    x = torch.randn(7, 2, 3, generator=seeded(), dtype=torch.float64)
    h = torch.randn(7, 2, 5, generator=seeded(3), dtype=torch.float64)
    c = torch.randn(7, 2, 5, generator=seeded(4), dtype=torch.float64)
    whole = cell.rebuild(x, h, weights)
    for t in range(7):
        single = cell.step(x[t], (h[t], c[t])[: len(cell.states)], weights)
        for gate in cell.gates:
            assert (whole[gate][t] - single[gate]).abs().max() < 1e-14


def test_an_lstm_of_one_unit_can_be_computed_by_hand() -> None:
    one = torch.ones(1, dtype=torch.float64)
    weights = Weights(
        W_ih=torch.tensor([[1.0], [2.0], [3.0], [4.0]], dtype=torch.float64),
        b_ih=torch.zeros(4, dtype=torch.float64),
        W_hh=torch.tensor([[0.1], [0.2], [0.3], [0.4]], dtype=torch.float64),
        b_hh=torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64),
    )
    values = {k: v.item() for k, v in CELLS["lstm"].step(one, (0.5 * one, 2 * one), weights).items()}
    # sigmoid(1.05), sigmoid(3.1), tanh(3.15), sigmoid(4.2)
    assert values["i"] == pytest.approx(0.740774899182154)
    assert values["f"] == pytest.approx(0.956892745059789)
    assert values["g"] == pytest.approx(0.996334198044225)
    assert values["o"] == pytest.approx(0.985225968306727)
    assert values["c"] == pytest.approx(0.956892745059789 * 2 + 0.740774899182154 * 0.996334198044225)


@pytest.mark.parametrize("name", RECURRENT)
def test_the_written_equations_name_every_gate_and_state(name: str) -> None:
    cell = CELLS[name]
    left = [equation.split(" = ")[0] for equation in cell.equations]
    assert left == [f"{value}_t" for value in (*cell.gates, *reversed(cell.states))]


def test_cells_and_shapes_are_known_without_torch() -> None:
    code = "import sys, rnn_tui.model.cells, rnn_tui.model.shapes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Eigenvalues, singular values and products of Jacobians, against numpy's dense algebra and autograd."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_tui.inspection.gradients import flow
from rnn_tui.inspection.pieces import finish
from rnn_tui.inspection.spectrum import (
    jacobian_steps,
    linear_story,
    scaled_to_radius,
    singular_values,
    spectral_radius,
)
from tests.networks import build, seeded, tokens


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices on many threads spend their time waiting for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(size: int, seed: int = 1, radius: float = 1.0) -> np.ndarray:
    return torch.randn(size, size, generator=seeded(seed), dtype=torch.float64).numpy() * radius / math.sqrt(size)


def whole(work: Generator[float, None, Any]) -> np.ndarray:
    return np.asarray(finish(work))


def products(W: np.ndarray, slopes: np.ndarray) -> list[float]:
    matrix, product, found = torch.from_numpy(W), torch.eye(len(W), dtype=torch.float64), [1.0]
    for slope in torch.from_numpy(slopes).flip(0)[:-1]:
        product = product @ (slope.diag() @ matrix)
        found.append(float(torch.linalg.matrix_norm(product, 2)))
    return found[::-1]


def test_radius_and_singular_values_are_numpys() -> None:
    W = drawn(40)
    assert spectral_radius(W) == pytest.approx(np.abs(np.linalg.eigvals(W)).max(), rel=1e-12)
    np.testing.assert_allclose(singular_values(W), np.linalg.svd(W)[1], rtol=1e-10)
    turn = 1.25 * torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert spectral_radius(turn) == pytest.approx(1.25)
    np.testing.assert_allclose(singular_values(turn), [1.25, 1.25], rtol=1e-6)
    assert spectral_radius(torch.tensor([[0.0, 9.0], [0.0, 0.0]])) == 0.0


def test_a_matrix_that_is_not_finite_or_not_square() -> None:
    W = torch.eye(3)
    W[0, 1] = math.nan
    assert spectral_radius(W) == math.inf and np.isinf(singular_values(W)).all()
    with pytest.raises(ValueError, match="square"):
        spectral_radius(torch.zeros(8, 2))


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.5, 3.0])
def test_scaling_gives_the_radius(radius: float) -> None:
    W = torch.from_numpy(drawn(30)).float().requires_grad_()
    found = scaled_to_radius(W, radius)
    assert found.dtype == torch.float32 and spectral_radius(found) == pytest.approx(radius, rel=1e-5)


@pytest.mark.parametrize(("W", "radius"), [
    (torch.zeros(3, 3), 1.0), (torch.full((2, 2), math.nan), 1.0), (torch.eye(2), -1.0), (torch.eye(2), math.nan),
])  # fmt: skip
def test_scaling_refuses_what_no_number_does(W: Tensor, radius: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        scaled_to_radius(W, radius)


@pytest.mark.parametrize(("size", "steps"), [(5, 140), (48, 20), (90, 30), (140, 80)])
def test_products_of_jacobians_are_the_dense_ones(size: int, steps: int) -> None:
    W = drawn(size)
    slopes = torch.rand(steps, size, generator=seeded(3), dtype=torch.float64).numpy()
    np.testing.assert_allclose(whole(jacobian_steps(W, slopes)), products(W, slopes), rtol=1e-8)


def test_a_ribbon_of_jacobians_is_autograds() -> None:
    network = build(cell="rnn", layers=1, hidden_size=9, embedding_size=0).requires_grad_(False).double()
    ids, layer = tokens(31), network.layers[0]
    (found,) = flow(network, ids, "abcdefghijk").layers
    assert found.jacobian is not None and found.linear is not None and found.spectral_radius is not None
    with torch.no_grad():
        x = network.embed(ids)
        states = layer(x.unsqueeze(1))[0][:, 0]
    for t in (0, 7, 28):

        def on(h: Tensor, t: int = t) -> Tensor:
            for s in range(t + 1, 30):
                h = torch.tanh(layer.weight_ih_l0 @ x[s] + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0)
            return h

        true = torch.linalg.matrix_norm(torch.autograd.functional.jacobian(on, states[t]), 2)
        assert found.jacobian[t] == pytest.approx(float(true), rel=1e-9)
    assert found.jacobian[-1] == found.linear[-1] == 1.0
    assert (found.norms <= found.jacobian * found.norms[-1] * (1 + 1e-9)).all(), "a norm of matrices bounds a vector's"


def test_only_what_is_beyond_float64_is_lost() -> None:
    back = np.arange(699, -1, -1.0)
    with np.errstate(over="ignore", under="ignore"):
        for factor in (0.2, 3.0):
            found = whole(jacobian_steps(np.eye(3) * factor, np.ones((700, 3))))
            np.testing.assert_allclose(found, factor**back, rtol=1e-9, atol=1e-310)
            np.testing.assert_allclose(linear_story(factor, 700), factor**back)
    # It shrinks below the smallest float64, and comes back.
    slopes = np.concatenate((np.full((400, 2), 8.0), np.full((400, 2), 0.125)))
    found = whole(jacobian_steps(np.eye(2), slopes))
    assert found[399] == 0.0 and found[0] == pytest.approx(0.125)


def test_where_no_slope_is_left_it_ends() -> None:
    slopes = np.ones((10, 4))
    slopes[5] = 0.0
    np.testing.assert_array_equal(whole(jacobian_steps(np.eye(4), slopes)), [0.0] * 5 + [1.0] * 5)
    slopes[5] = math.nan
    assert np.isinf(whole(jacobian_steps(np.eye(4), slopes))[:5]).all()


def test_a_tanh_shrinks_it_even_at_radius_1() -> None:
    network = build(cell="rnn", layers=1, hidden_size=64, embedding_size=0).requires_grad_(False)
    layer: Any = network.layers[0]
    layer.weight_hh_l0.copy_(torch.linalg.qr(torch.randn(64, 64, generator=seeded()))[0])
    (found,) = flow(network, tokens(60), "abcdefghijk").layers
    assert found.linear is not None and found.jacobian is not None and found.singular_values is not None
    np.testing.assert_allclose(found.singular_values, 1.0, atol=1e-5)
    np.testing.assert_allclose(found.linear, 1.0, atol=1e-4)
    assert (np.diff(found.jacobian) > 0).all() and found.jacobian[0] < 0.7

"""What W_hh alone would do to a gradient, and what the Jacobians of a text really do.

For a plain RNN dh_t/dh_{t-1} = diag(act'(a_t)) W_hh. The textbook argues with the largest
eigenvalue of W_hh; the product of the Jacobians along a text has in it also the slopes,
which shrink it, and the directions, which eigenvalues leave out (Pascanu, Mikolov and
Bengio 2013).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array64 = NDArray[np.float64]

# Up to this size all singular values cost no more than a search for the largest.
SMALL = 48
# Products of matrices above a size are kept in the directions that still count, looked at every so many steps.
LARGE = 128
NARROW_EVERY = 64
NEGLIGIBLE = 1e-13
SEARCH = 100
SEARCHED = 1e-12
LARGEST_LOG = math.log(sys.float_info.max)


def _matrix(W_hh: Tensor | NDArray[Any]) -> Tensor:
    found = W_hh.detach() if isinstance(W_hh, Tensor) else torch.as_tensor(np.asarray(W_hh))
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise ValueError(f"a square matrix is needed, this is {tuple(found.shape)}: take one gate's rows at a time")
    return found.to("cpu", torch.float64)


def spectral_radius(W_hh: Tensor | NDArray[Any]) -> float:
    """The largest |eigenvalue| of W_hh (H, H), in float64; inf where a weight is not finite."""
    matrix = _matrix(W_hh)
    return float(torch.linalg.eigvals(matrix).abs().max()) if bool(matrix.isfinite().all()) else math.inf


def singular_values(W_hh: Tensor | NDArray[Any]) -> Array64:
    """All of them, (H) float64, largest first; inf where a weight is not finite."""
    matrix = _matrix(W_hh)
    if not bool(matrix.isfinite().all()):
        return np.full(len(matrix), np.inf)
    return np.asarray(torch.linalg.svdvals(matrix).numpy())


def scaled_to_radius(W_hh: Tensor, radius: float) -> Tensor:
    """W_hh times the number that gives it this spectral radius, in its own type.

    Raises ValueError for a radius below 0, and where no number does it: all eigenvalues are 0,
    or a weight is not finite.
    """
    now = spectral_radius(W_hh)
    if not (math.isfinite(radius) and radius >= 0):
        raise ValueError(f"a spectral radius is a number of 0 or more, not {radius:g}")
    if not 0 < now < math.inf:
        raise ValueError(f"W_hh has the spectral radius {now:g}: no number scales it to {radius:g}")
    return W_hh * (radius / now)


def linear_story(radius: float, steps: int) -> Array64:
    """radius ** (steps - 1 - t) for t = 0 .. steps - 1: what the largest eigenvalue alone would say."""
    with np.errstate(all="ignore"):
        return np.power(np.float64(radius), np.arange(steps - 1, -1, -1))


def jacobian_steps(W_hh: Tensor | NDArray[Any], slopes: Tensor | NDArray[Any]) -> Generator[float, None, Array64]:
    """(T): the largest singular value of dh_{T-1}/dh_t within a layer, from its slopes act'(a_t) (T, H).

    The product of the matrices diag(act'(a_s)) W_hh, s = t + 1 .. T - 1, is built from the
    end, and its size kept apart as a logarithm: only what is really beyond float64 becomes
    inf or 0. Yields the share that is done after each timestep. Above
    128 units directions that have shrunk to 1e-13 of the largest are let go.
    """
    matrix = _matrix(W_hh)
    act = slopes.detach().double() if isinstance(slopes, Tensor) else torch.as_tensor(np.asarray(slopes, np.float64))
    steps, size = act.shape
    found = np.zeros(steps)
    found[-1] = 1.0
    product, log_size = torch.eye(size, dtype=torch.float64), 0.0
    search = _Search(size)
    for t in range(steps - 2, -1, -1):
        product = (product * act[t + 1]) @ matrix
        largest = search.largest(product)
        if not largest < math.inf:
            found[: t + 1] = np.inf
            return found
        if largest == 0:
            return found
        product /= largest
        log_size += math.log(largest)
        found[t] = math.exp(log_size) if log_size <= LARGEST_LOG else math.inf
        if size > LARGE and (steps - 1 - t) % NARROW_EVERY == 0 and len(product) > 1:
            yield (steps - 1 - t) / steps
            _, values, directions = torch.linalg.svd(product, full_matrices=False)
            count = int((values > NEGLIGIBLE * values[0]).sum())
            product = values[:count, None] * directions[:count]
            search = _Search(count)
        yield (steps - 1 - t) / steps
    return found


class _Search:
    """The largest singular value of one matrix after another of (R, C), each the one before times something."""

    def __init__(self, rows: int) -> None:
        # A fixed direction that no structured matrix is blind to; nothing is drawn.
        self._fixed = torch.arange(1, rows + 1, dtype=torch.float64).mul(math.sqrt(2)).sin_()
        self._start = self._fixed / self._fixed.norm()

    def largest(self, matrix: Tensor) -> float:
        """inf where a number is not finite."""
        scale = float(matrix.abs().max())
        if not 0 < scale < math.inf:
            return 0.0 if scale == 0 else math.inf
        matrix = matrix / scale
        if len(matrix) <= SMALL:
            return float(torch.linalg.svdvals(matrix)[0]) * scale
        return math.sqrt(self._lanczos(matrix)) * scale

    def _lanczos(self, matrix: Tensor) -> float:
        """The largest eigenvalue of M M^T, from the Krylov space of the last one's vector (Lanczos 1950)."""
        basis = [self._start]
        diagonal: list[float] = []
        beside: list[float] = []
        before = 0.0
        while True:
            v = matrix @ (matrix.T @ basis[-1])
            diagonal.append(float(v @ basis[-1]))
            known = torch.stack(basis)
            for _ in range(2):
                v = v - known.T @ (known @ v)
            rest = float(v.norm())
            small = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
            if beside:
                off = torch.tensor(beside, dtype=torch.float64)
                small += torch.diag(off, 1) + torch.diag(off, -1)
            done = rest <= SEARCHED * max(diagonal) or len(basis) == min(SEARCH, len(matrix))
            if done or len(basis) % 5 == 0:
                values, vectors = torch.linalg.eigh(small)
                now = float(values[-1])
                # What the value still lacks is below the square of the vector's residual over the gap.
                if done or (now - before <= SEARCHED * now and rest * abs(float(vectors[-1, -1])) < 1e-5 * now):
                    vector = known.T @ vectors[:, -1] + 1e-3 * self._fixed / self._fixed.norm()
                    self._start = vector / vector.norm()
                    return max(now, 0.0)
                before = now
            beside.append(rest)
            basis.append(v / rest)

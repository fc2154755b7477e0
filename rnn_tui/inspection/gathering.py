"""What BPTT adds to the gradients of a layer's weights, timestep by timestep, and how large the sum has become.

The sum of the outer products d_t x_t^T is kept; its norm at every timestep of a segment follows from it
and from the products of the segment's own vectors with one another, without a matrix for each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rnn_tui.model.cells import Weights


def row_norms(rows: Tensor) -> Tensor:
    """Euclidean norm of each row, (T, n) to (T), scaled so that squares neither overflow nor vanish.

    inf where a number of the row is not finite.
    """
    largest = rows.abs().amax(dim=-1, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, torch.ones_like(largest))
    found = torch.linalg.vector_norm(rows / scale, dim=-1) * scale.squeeze(-1)
    return torch.where(found.isfinite(), found, torch.full_like(found, torch.inf))


def _finite(values: Tensor) -> Tensor:
    return torch.where(values.isfinite(), values, torch.full_like(values, torch.inf))


class Gathered:
    """The four gradients of one layer. Segments are added from the loss's backwards."""

    def __init__(self, weights: Weights, steps: int) -> None:
        """Room for so many timesteps; a cell without memory has neither W_hh nor b_hh."""
        names = ["W_ih", "b_ih", *(["W_hh", "b_hh"] if weights.W_hh is not None else [])]
        self.added = {name: torch.zeros(steps, dtype=torch.float64) for name in names}
        """(T): what a timestep adds."""
        self.sums = {name: torch.full((steps,), torch.nan, dtype=torch.float64) for name in names}
        """(T): the norm of all that was added from the end to it."""
        self._input = _Sum(torch.zeros_like(weights.W_ih))
        self._past = _Sum(torch.zeros_like(weights.W_hh)) if weights.W_hh is not None else None
        self._bias = {name: torch.zeros_like(weights.b_ih) for name in names if name.startswith("b")}

    def add(self, first: int, da: Tensor, du: Tensor, x: Tensor, h: Tensor) -> None:
        """The timesteps first .. first + S - 1: gradients of the drives (S, G H), x (S, in) or tokens (S), h_{t-1}."""
        here = slice(first, first + len(da))
        sizes = {"ih": row_norms(da), "hh": row_norms(du)}
        self.added["W_ih"][here] = _finite(sizes["ih"] * (row_norms(x) if x.is_floating_point() else 1.0))
        self.sums["W_ih"][here] = self._input.add(da, x)
        if self._past is not None:
            self.added["W_hh"][here] = _finite(sizes["hh"] * row_norms(h))
            self.sums["W_hh"][here] = self._past.add(du, h)
        for name, total in self._bias.items():
            d = da if name == "b_ih" else du
            self.added[name][here] = sizes[name[2:]]
            running = d.flip(0).cumsum(0).flip(0) + total
            self.sums[name][here] = row_norms(running)
            total.copy_(running[0])

    def close(self) -> None:
        """Where the walk ended early nothing more was added: the sums stay as they were."""
        for values in self.sums.values():
            empty = int(values.isnan().sum())
            values[:empty] = values[empty]


class _Sum:
    """The sum of outer products d_t x_t^T, (R, C)."""

    def __init__(self, total: Tensor) -> None:
        self._total = total
        self._lost = False

    def add(self, d: Tensor, x: Tensor) -> Tensor:
        """Adds a segment (S, R) x (S, C), or x as tokens (S); the norm from each of its timesteps on, (S)."""
        found = torch.full((len(d),), torch.inf, dtype=torch.float64)
        if self._lost:
            return found
        one_hot = not x.is_floating_point()
        bad = ~d.isfinite().all(dim=1) | (False if one_hot else ~x.isfinite().all(dim=1))
        start = int(bad.nonzero().max()) + 1 if bool(bad.any()) else 0
        self._lost = start > 0
        if start == len(d):
            return found
        d, x = d[start:], x[start:]
        most = float(d.abs().max())
        scale = max(float(self._total.abs().max()), most * (1.0 if one_hot else float(x.abs().max())))
        if not 0 < scale < torch.inf:
            found[start:] = scale
            return found
        unit = d / (most or 1.0)
        if one_hot:
            own = self._total[:, x].T
            cross = (unit * own).sum(1) / scale * (most / scale)
            products = (unit @ unit.T) * (x.unsqueeze(1) == x) * (most / scale) ** 2
        else:
            small = x * (most / scale)
            cross = ((unit @ self._total) * small).sum(1) / scale
            products = (unit @ unit.T) * (small @ small.T)
        before = float(torch.linalg.vector_norm(self._total / scale)) ** 2
        within = products.flip(0, 1).cumsum(0).cumsum(1).diagonal().flip(0)
        squares = before + 2 * cross.flip(0).cumsum(0).flip(0) + within
        found[start:] = _finite(squares.clamp_min(0).sqrt() * scale)
        if one_hot:
            self._total.index_add_(1, x, d.T)
        else:
            self._total.addmm_(d.T, x)
        self._lost = self._lost or not bool(self._total.isfinite().all())
        return found

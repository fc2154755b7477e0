"""Beam search: the K likeliest beginnings are kept at each timestep."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnn_tui.model.translation import EncoderDecoder, pick
from rnn_tui.tasks.decoding import BEGIN, STOP, Look, Written, log_probabilities, most_symbols


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A candidate that is still written on."""

    symbols: tuple[int, ...] = ()
    costs: tuple[float, ...] = ()
    total: float = 0.0
    looked: tuple[Tensor, ...] = ()

    def then(self, symbol: int, cost: float, weights: Tensor | None) -> _Beginning:
        looked = self.looked if weights is None else (*self.looked, weights)
        return _Beginning((*self.symbols, symbol), (*self.costs, cost), self.total + cost, looked)

    def written(self) -> Written:
        U = len(self.symbols) - (bool(self.symbols) and self.symbols[-1] == STOP)
        if not self.looked:
            return Written(self.symbols[:U], self.costs)
        attention = torch.stack(self.looked[:U]).float().cpu() if U else torch.zeros(0, len(self.looked[0]))
        return Written(self.symbols[:U], self.costs, attention)


def beam_search(
    network: EncoderDecoder, source: Tensor, beams: int, *, most: int = 0, look: Look | None = None
) -> list[Written]:  # fmt: skip
    """Up to `beams` candidates for one source (T,), the best mean log-probability of a symbol first.

    A candidate that writes <eos> leaves the beam, which becomes narrower by one (Sutskever,
    Vinyals and Le 2014); the search ends when none is left, when no beginning can overtake
    the best candidate found, or after `most` symbols (0: `most_symbols`). One beam is greedy
    search. Beginnings that were cut off at `most` count only where nothing was finished.
    In eval mode and under `torch.no_grad`. Raises ValueError for fewer than one beam, and where
    the weights give no finite probabilities.
    """
    if beams < 1:
        raise ValueError(f"a search needs one beam or more, not {beams}")
    most = most or most_symbols(len(source))
    alone = network.encode(source.unsqueeze(1))
    open_: list[_Beginning] = [_Beginning()]
    finished: list[Written] = []
    state, last = alone.state, torch.tensor([BEGIN], device=source.device)
    encoded = alone
    for _ in range(most):
        if look is not None:
            look()
        logits, after, weights = network.step(encoded, last, state)
        costs = log_probabilities(logits)
        totals = torch.tensor([one.total for one in open_], dtype=torch.float64, device=costs.device)
        sums = (totals.unsqueeze(1) + costs.double()).flatten()
        # Stable: of equally likely ones the first, as in greedy search.
        ranked = sums.sort(descending=True, stable=True).indices[
            : min(beams - len(finished), int(sums.isfinite().sum()))
        ]
        grown, parents = [], []
        for place in ranked.tolist():
            parent, symbol = divmod(place, costs.shape[1])
            looked = None if weights is None else weights[parent]
            one = open_[parent].then(symbol, float(costs[parent, symbol]), looked)
            if symbol == STOP:
                finished.append(one.written())
            else:
                grown.append(one)
                parents.append(parent)
        open_ = grown
        if not open_ or len(finished) >= beams or _decided(open_, finished, most):
            break
        chosen = torch.tensor(parents, device=source.device)
        state = pick(after, chosen)
        last = torch.tensor([one.symbols[-1] for one in open_], device=source.device)
        encoded = alone.rows(torch.zeros_like(chosen))
    if not open_ and not finished:
        raise ValueError("the network's weights give no finite probabilities")
    found = finished or [one.written() for one in open_]
    return sorted(found, key=lambda one: -one.score)


def _decided(open_: list[_Beginning], finished: list[Written], most: int) -> bool:
    """Whether nothing that is still written can become better than the best that is finished.

    At best every further symbol is certain, up to the last that is allowed.
    """
    if not finished:
        return False
    best = max(one.score for one in finished)
    return max(one.total for one in open_) / most < best

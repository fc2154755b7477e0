"""Writing: one symbol at a time, each drawn from what the network expects next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_tui.data.coding import END, START
from rnn_tui.model.holding import Holding
from rnn_tui.model.network import Network, State
from rnn_tui.views import Hold

# A prompt is read in pieces of this many symbols, so that memory does not grow with it.
PIECE = 1024
# Below this temperature nothing but the likeliest symbol is left.
COLDEST = 1e-30


@dataclass(frozen=True, slots=True)
class Drawn:
    """A written symbol, its probability when it was drawn, and the likeliest candidates then.

    Both are of the distribution that was sampled: after temperature, top-k and top-p.
    """

    token: int
    probability: float
    top: tuple[tuple[int, float], ...]


def start_symbol(vocabulary: Sequence[str]) -> int:
    """What is read, unseen, where there is no prompt: `<start>`, the line feed or `<eos>`, else symbol 0."""
    return next((vocabulary.index(symbol) for symbol in (START, "\n", END) if symbol in vocabulary), 0)


class Writer(Iterator[Drawn]):
    """Writes on and on: `next(writer)` draws a symbol, which the network then reads.

    The prompt is read from h_0, or from `state` (of batch 1); where it is empty, `start` is
    read in its place; where it is None nothing is, and the first symbol is drawn from what
    `state` itself expects. The network's weights must not change while it writes. Draws come
    from a generator of its own: the same seed gives the same text. Memory does not grow
    with what is written.

    temperature  divides the logits; 0 takes the likeliest symbol, always
    top_k        only the k likeliest symbols are drawn from (0: all)
    top_p        only the likeliest symbols that together reach this probability, after top_k
    holds        values held while it reads, its own symbols included
    first        the timestep of the first symbol that it reads, by which the holds count
    stop         the symbol after which nothing more is written; None: it writes without end
    never        symbols that are not drawn, whatever the network expects

    Raises ValueError if an option is out of its range, the network hasn't what is to be held,
    there is neither prompt nor state, nothing may be drawn, the network's output is not finite,
    or the network is bidirectional: what it expects depends on what is not written yet.
    """

    def __init__(
        self,
        network: Network,
        prompt: Sequence[int] | NDArray[Any] | None = (),
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 1,
        start: int = 0,
        state: State | None = None,
        candidates: int = 5,
        holds: Sequence[Hold] = (),
        first: int = 0,
        stop: int | None = None,
        never: Sequence[int] = (),
    ) -> None:
        check(temperature, top_k, top_p)
        if network.model.bidirectional:
            raise ValueError("a bidirectional network can't write: it reads from the end too, and there is no end yet")
        self._stop, self._never = stop, np.asarray(never, dtype=np.int64)
        self._stopped = False
        self._temperature, self._top_k, self._top_p = temperature, top_k, top_p
        self._candidates = candidates
        self._generator = torch.Generator().manual_seed(seed)
        self._network, self._cell = network, network.cell
        self._weights = [network.layer_weights(k) for k in range(len(network.layers))]
        self._device = network.output.bias.device.type
        self._holding, self._t = Holding(network.model, holds), first
        self._unread: int | None = None
        if prompt is None:
            if state is None:
                raise ValueError("there is nothing to write on from: neither a prompt nor a state")
            self._state = _vectors(state)
        else:
            self._read_prompt(np.asarray(prompt if len(prompt) else [start], dtype=np.int64), state)

    def __iter__(self) -> Self:
        return self

    @torch.no_grad()
    def __next__(self) -> Drawn:
        if self._stopped:
            raise StopIteration
        # Drawing must not depend on who asks: under the caller's autocast it would be rounded.
        with torch.autocast(self._device, enabled=False):
            if self._unread is not None:
                self._step(self._unread)
            logits = self._logits()
        drawn = self._draw(logits)
        # It is read when the next one is asked for: the last symbol of a text costs no step.
        self._unread = drawn.token
        self._stopped = drawn.token == self._stop
        return drawn

    @torch.no_grad()
    def _read_prompt(self, prompt: NDArray[np.int64], state: State | None) -> None:
        network = self._network
        if self._holding:
            self._state = _vectors(network.initial(1) if state is None else state)
            with torch.autocast(self._device, enabled=False):
                for token in prompt.tolist():
                    self._step(token)
            return
        tokens = torch.from_numpy(prompt).to(network.output.bias.device).unsqueeze(1)
        with torch.autocast(self._device, enabled=False):
            for first in range(0, len(tokens), PIECE):
                _, state = network.hidden(tokens[first : first + PIECE], state)
        assert state is not None
        self._state = _vectors(state)
        self._t += len(prompt)

    def _step(self, token: int) -> None:
        """The equations themselves, on vectors: a fused module's call costs more than one step of it."""
        network, cell = self._network, self._cell
        first = self._weights[0]
        if network.embedding is None:
            a = first.W_ih[:, token] + first.b_ih
        else:
            a = cell.drive(network.embedding.weight[token], first)
        for k, weights in enumerate(self._weights):
            if k:
                a = cell.drive(self._state[k - 1][0], weights)
            _, states = self._holding.step(k, self._t, a, self._state[k], weights)
            self._state[k] = tuple(states[name] for name in cell.states)
        self._t += 1

    def _logits(self) -> NDArray[np.float64]:
        output = self._network.output
        logits = (output.weight @ self._state[-1][0] + output.bias).cpu().numpy().astype(np.float64)
        logits[self._never] = -np.inf
        return logits

    def _draw(self, logits: NDArray[np.float64]) -> Drawn:
        ids, p = distribution(logits, self._temperature, self._top_k, self._top_p)
        if len(ids) == 1:
            at = 0
        else:
            u = torch.rand((), generator=self._generator, dtype=torch.float64).item()
            sums = p.cumsum()
            at = min(int(sums.searchsorted(u * sums[-1], side="right")), len(ids) - 1)
        return Drawn(int(ids[at]), float(p[at]), _likeliest(ids, p, self._candidates))


def _vectors(state: State) -> State:
    return [tuple(part.squeeze(0) for part in layer) for layer in state]


def check(temperature: float, top_k: int, top_p: float) -> None:
    """Raises ValueError, in one sentence, if an option is out of its range."""
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature: {temperature} is not a number of 0 or more; 1 draws as the network expects")
    if top_k < 0:
        raise ValueError(f"top_k: {top_k} is not a whole number of 0 or more; 0 keeps every symbol")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p: {top_p} is not a number above 0, at most 1; 1 keeps every symbol")


def distribution(
    logits: NDArray[np.float64], temperature: float, top_k: int, top_p: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What is drawn from: the symbols that are kept, and their probabilities, which add up to 1.

    `logits` (V). Of equally likely symbols the one with the lower number is kept first.
    Raises ValueError if the logits are not finite.
    """
    highest = logits.max()
    if not math.isfinite(highest):
        raise ValueError("the network's output is not finite: its weights have diverged; use the best ones")
    if temperature < COLDEST:
        return np.array([logits.argmax()]), np.ones(1)
    with np.errstate(under="ignore"):
        p = np.exp((logits - highest) / temperature)
    p /= p.sum()
    ids = np.arange(len(p))
    if 0 < top_k < len(p) or top_p < 1:
        ids = (-p).argsort(kind="stable")[: top_k or None]
        p = p[ids] / p[ids].sum()
        if top_p < 1:
            # Kept is what is needed to reach top_p, the symbol that reaches it included.
            kept = int(p.cumsum().searchsorted(top_p)) + 1
            ids, p = ids[:kept], p[:kept] / p[:kept].sum()
    return ids, p


def _likeliest(ids: NDArray[np.int64], p: NDArray[np.float64], count: int) -> tuple[tuple[int, float], ...]:
    best = p.argpartition(-count)[-count:] if 0 < count < len(p) else np.arange(len(p))
    pairs = [(int(ids[at]), float(p[at])) for at in best if p[at] > 0]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))

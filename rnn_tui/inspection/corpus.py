"""A long text read as one stream, piece by piece: what a search through a corpus stands on.

The fused modules read a piece and hand their state on to the next. Gates are rebuilt for all
timesteps of a piece at once; the LSTM's c is walked on numpy arrays, c_t = f c_{t-1} + i g,
from the c that the fused module itself carried into the piece, so no error adds up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.model.network import Network, State
from rnn_tui.views import Array

# Multiplications in a piece: about 10 to 40 ms of one core, whatever the network's size.
WORK = 1 << 27
LONGEST_PIECE = 2_000

Result = TypeVar("Result")
Share = tuple[float, str]
"""How far a work is, 0 to 1, and what it is doing."""
Work = Generator[Share, None, Result]
"""A long computation that tells how far it is between pieces of at most about 50 ms, and returns its result."""

PARTS = {"train": "training", "validation": "validation", "test": "test"}


class StateError(ValueError):
    """The states can't be searched; the text is one sentence that says why."""


def finish(work: Work[Result], working: Callable[[float, str], None] | None = None) -> Result:
    """Does a work to its end, and tells `working` how far it is."""
    while True:
        try:
            share, doing = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        if working is not None:
            working(share, doing)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A passage of a corpus that is read as one stream."""

    ids: NDArray[Any]
    """(N)."""
    pieces: tuple[tuple[str, int, int], ...]
    """What it is put together from: part, place of its first symbol in the part, symbols."""

    def place(self, at: int) -> tuple[str, int]:
        """The part that symbol `at` is of, and its place in it."""
        for part, first, length in self.pieces:
            if at < length:
                return part, first + at
            at -= length
        raise IndexError("beyond the stretch")

    @property
    def source(self) -> str:
        """`training part, last 100,000 symbols`."""
        names = [PARTS.get(part, part) for part, _, _ in self.pieces]
        if len(names) > 1:
            return f"{' and '.join(names)} parts, {len(self.ids):,} symbols"
        return f"{names[0]} part, {'last' if self.pieces[0][1] else 'all'} {len(self.ids):,} symbols"


def stretch(parts: Mapping[str, NDArray[Any]], characters: int) -> Stretch:
    """The last `characters` symbols of the training part; where it is shorter, validation follows it.

    Raises StateError where there are no two symbols to read.
    """
    pieces, ids = [], []
    train = parts.get("train")
    if train is not None and len(train):
        length = min(len(train), characters)
        pieces.append(("train", len(train) - length, length))
        ids.append(train[len(train) - length :])
    validation, left = parts.get("validation"), characters - sum(map(len, ids))
    if validation is not None and len(validation) and left > 0:
        pieces.append(("validation", 0, min(len(validation), left)))
        ids.append(validation[:left])
    if sum(map(len, ids)) < 2:
        raise StateError("the text it was trained on is not at hand; put it back where it was")
    return Stretch(np.concatenate(ids), tuple(pieces))


def text_of(ids: NDArray[Any], symbols: Sequence[str]) -> str:
    """The text that ids (N) stand for, one code point each."""
    points = np.array([ord(symbol) for symbol in symbols], "<u4")
    return points[np.asarray(ids, np.int64)].tobytes().decode("utf-32-le", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some timesteps of a long reading."""

    first: int
    """The timestep of its first row."""
    values: Mapping[tuple[int, str], Array]
    """(layer, name) to (t, H) float32."""

    @property
    def end(self) -> int:
        """The timestep after its last row."""
        return self.first + len(next(iter(self.values.values())))


def piece_length(network: Network) -> int:
    """Timesteps that are read between two looks at anything else; it depends on the network's size alone."""
    size = sum(parameter.numel() for parameter in network.layers.parameters())
    return max(8, min(LONGEST_PIECE, WORK // max(1, size)))


def read_states(network: Network, ids: NDArray[Any], wanted: Collection[tuple[int, str]]) -> Iterator[Piece]:
    """Reads ids (N) from h_0 as one stream, without dropout, in float32; the wanted states and gates, in pieces.

    `wanted` holds (layer, name), the name a state (`h`, `c`) or a gate (`i f g o`, `r z n`) of
    the cell. Layers above the last wanted one are not computed. Memory does not grow with N.
    Raises StateError at the first piece with a number that is not finite.
    """
    length, top = piece_length(network), 1 + max(layer for layer, _ in wanted)
    state = network.initial(1)[:top]
    for first in range(0, len(ids), length):
        part = np.asarray(ids[first : first + length], np.int64)
        values, state = _read(network, part, state, wanted)
        for array in values.values():
            # A sum is not finite where one of its numbers is not; an overflow of it is looked at closely.
            if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
                raise StateError(
                    f"the states are not finite after {first + len(part):,} symbols: its weights have diverged; "
                    "use the best ones"
                )
        yield Piece(first, values)


@torch.no_grad()
def _read(
    network: Network, ids: NDArray[np.int64], state: State, wanted: Collection[tuple[int, str]]
) -> tuple[dict[tuple[int, str], Array], State]:
    tokens = torch.from_numpy(ids).to(network.output.bias.device).unsqueeze(1)
    values: dict[tuple[int, str], Array] = {}
    after: State = []
    with torch.autocast(tokens.device.type, enabled=False):
        x = network.embed(tokens)
        for k, before in enumerate(state):
            output, last = network.run_layer(k, x, before)
            names = {name for layer, name in wanted if layer == k}
            if names - {"h"}:
                gates = _gates(network, k, x, output, before)
                if "c" in names:
                    values[k, "c"] = _cells(gates, _rows(before[1])[0])
                values |= {(k, name): gates[name] for name in names - {"h", "c"}}
            if "h" in names:
                values[k, "h"] = _rows(output.squeeze(1))
            after.append(last)
            x = output
    return values, after


def _rows(values: Tensor) -> Array:
    return values.float().contiguous().cpu().numpy()


def _gates(network: Network, k: int, x: Tensor, output: Tensor, before: tuple[Tensor, ...]) -> dict[str, Array]:
    h_before = torch.cat((before[0].unsqueeze(0), output[:-1])).squeeze(1)
    found = network.cell.rebuild(x.squeeze(1), h_before, network.layer_weights(k))
    return {name: _rows(found[name]) for name in network.cell.gates}


def _cells(gates: Mapping[str, Array], c: Array) -> Array:
    """c (t, H) from the gates and the c (H) before them; `out=` spares an array at each timestep."""
    cells = gates["i"] * gates["g"]
    kept = np.empty_like(c)
    for f, now in zip(gates["f"], cells, strict=True):
        np.multiply(f, c, out=kept)
        np.add(now, kept, out=now)
        c = now
    return cells

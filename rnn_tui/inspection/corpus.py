"""A corpus read piece by piece: what a search through it stands on.

A long text is one stream. Sequences of a data set stand end to end, and each is read from
h_0; those of a piece are read side by side.

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

from rnn_tui.data.coding import END
from rnn_tui.data.examples import Examples
from rnn_tui.model.padding import Padding
from rnn_tui.model.stack import Stack, State
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
    """A passage of a corpus: one stream, or sequences end to end."""

    ids: NDArray[Any]
    """(N)."""
    pieces: tuple[tuple[str, int, int], ...]
    """What it is put together from: part, place of its first symbol in the part, symbols."""
    starts: NDArray[np.int64] | None = None
    """(S): where each sequence begins; None: it is one stream."""
    numbers: NDArray[np.int64] | None = None
    """(S): the number of each sequence in its part."""
    counted: str = ""
    """What it is made of in words, where these are sequences: `training part, 1,200 names, 9,800 symbols`."""

    def place(self, at: int) -> tuple[str, int]:
        """The part that symbol `at` is of, and its place in it; of sequences the number of its own."""
        if self.starts is not None and self.numbers is not None:
            return self.pieces[0][0], int(self.numbers[np.searchsorted(self.starts, at, side="right") - 1])
        for part, first, length in self.pieces:
            if at < length:
                return part, first + at
            at -= length
        raise IndexError("beyond the stretch")

    @property
    def source(self) -> str:
        """`training part, last 100,000 symbols`."""
        if self.counted:
            return self.counted
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


def sequences(examples: Examples, part: str, unit: str, characters: int) -> Stretch:
    """The first sequences of a part that have at most `characters` symbols together, one at least.

    Raises StateError where there is none, or where what is read is numbers.
    """
    count = len(examples)
    if not count:
        raise StateError(f"the {PARTS[part]} part is empty; choose another part")
    if examples.read(0).dtype.kind == "f":
        raise StateError("it reads numbers, and only symbols can be marked; choose a task that reads symbols")
    lengths = examples.lengths
    whole = max(1, int(np.searchsorted(np.cumsum(lengths), characters, side="right")))
    ids = np.concatenate([examples.read(k) for k in range(whole)])
    starts = np.concatenate(([0], np.cumsum(lengths[:whole])[:-1])).astype(np.int64)
    said = f"{PARTS[part]} part, {'all' if whole == count else 'first'} {whole:,} {unit}, {len(ids):,} symbols"
    return Stretch(ids, ((part, 0, len(ids)),), starts, np.arange(whole), said)


@dataclass(frozen=True, slots=True)
class Flat:
    """The text of a stretch, in which a pattern is looked for, and where each symbol stands in it."""

    text: str
    first: NDArray[np.int64] | None = None
    """(N): the place of each symbol's first character; None: every symbol is one character."""
    size: NDArray[np.int64] | None = None
    """(N): characters of each symbol."""

    def by_symbol(self, grades: Array) -> Array:
        """A mark's grades by character as grades by symbol, (N): of a word the highest of its letters."""
        if self.first is None or self.size is None:
            return grades
        # From each symbol's first character to before its end, and what parts it from the next: that is left out.
        edges = np.stack((self.first, self.first + self.size), axis=1).flatten()
        found: Array = np.maximum.reduceat(np.append(grades, grades.dtype.type(0)), edges)[::2]
        return found

    def between(self, first: int, last: int) -> str:
        """The text of the symbols first .. last - 1."""
        if self.first is None or self.size is None:
            return self.text[max(0, first) : max(0, last)]
        first, last = max(0, first), min(last, len(self.first))
        return self.text[self.first[first] : self.first[last - 1] + self.size[last - 1]] if first < last else ""


def flat(ids: NDArray[Any], symbols: Sequence[str], *, words: bool, starts: NDArray[np.int64] | None = None) -> Flat:
    """The symbols of ids (N) joined: characters as they are, words with a space; `<eos>` is a line feed, and
    another parts sequences.
    """
    symbols = ["\n" if symbol == END else symbol for symbol in symbols]
    plain = all(len(symbol) == 1 for symbol in symbols)
    if plain and starts is None and not words:
        return Flat(text_of(ids, symbols))
    lengths = np.array([len(symbol) for symbol in symbols], np.int64)
    size = lengths[np.asarray(ids, np.int64)]
    apart = np.full(len(ids), int(words), np.int64)
    marks = [" " if words else ""] * len(ids)
    if starts is not None:
        for start in starts[1:].tolist():
            marks[start - 1], apart[start - 1] = "\n", 1
    first = np.concatenate(([0], np.cumsum(size + apart)[:-1]))
    text = "".join(symbols[int(k)] + mark for k, mark in zip(ids, marks, strict=True))
    return Flat(text, first, size)


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


def piece_length(network: Stack) -> int:
    """Timesteps that are read between two looks at anything else; it depends on the network's size alone."""
    size = sum(parameter.numel() for parameter in network.layers.parameters())
    return max(8, min(LONGEST_PIECE, WORK // max(1, size)))


def read_states(
    network: Stack, ids: NDArray[Any], wanted: Collection[tuple[int, str]], starts: NDArray[np.int64] | None = None
) -> Iterator[Piece]:
    """Reads ids (N) without dropout, in float32; the wanted states and gates, in pieces.

    From h_0 as one stream, or with `starts` (S) each sequence that begins there from h_0.
    `wanted` holds (layer, name), the name a state (`h`, `c`) or a gate (`i f g o`, `r z n`) of
    the cell (of a bidirectional network of its forward direction). Layers above the last
    wanted one are not computed. Memory does not grow with N. Raises StateError at the first
    piece with a number that is not finite, and for one stream through a bidirectional network.
    """
    top = 1 + max(layer for layer, _ in wanted)
    if starts is None and network.model.bidirectional:
        raise StateError("a bidirectional network reads whole sequences, not one stream; give sequences")
    pieces = _stream(network, ids, wanted, top) if starts is None else _apart(network, ids, wanted, top, starts)
    for first, values in pieces:
        for array in values.values():
            # A sum is not finite where one of its numbers is not; an overflow of it is looked at closely.
            if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
                raise StateError(
                    f"the states are not finite after {first + len(array):,} symbols: its weights have diverged; "
                    "use the best ones"
                )
        yield Piece(first, values)


Values = dict[tuple[int, str], Array]


def _stream(
    network: Stack, ids: NDArray[Any], wanted: Collection[tuple[int, str]], top: int
) -> Iterator[tuple[int, Values]]:
    length, state = piece_length(network), network.initial(1)[:top]
    for first in range(0, len(ids), length):
        part = np.asarray(ids[first : first + length], np.int64)
        values, state = _read(network, part[:, None], state, wanted, None)
        yield first, {key: array[:, 0] for key, array in values.items()}


def _apart(
    network: Stack, ids: NDArray[Any], wanted: Collection[tuple[int, str]], top: int, starts: NDArray[np.int64]
) -> Iterator[tuple[int, Values]]:
    """Sequences side by side, a few more in each piece until the longest of them makes it too wide."""
    most = piece_length(network)
    ends = np.append(starts[1:], len(ids))
    lengths = ends - starts
    k = 0
    while k < len(starts):
        count, longest = 1, int(lengths[k])
        while k + count < len(starts) and (count + 1) * max(longest, int(lengths[k + count])) <= most:
            longest = max(longest, int(lengths[k + count]))
            count += 1
        own = lengths[k : k + count]
        batch = np.zeros((longest, count), np.int64)
        for b in range(count):
            batch[: own[b], b] = ids[starts[k + b] : ends[k + b]]
        padding = Padding.of(torch.from_numpy(own), longest, False, torch.device("cpu"))
        values, _ = _read(network, batch, network.initial(count)[:top], wanted, padding)
        real = (np.arange(longest)[:, None] < own).T
        yield int(starts[k]), {key: np.swapaxes(array, 0, 1)[real] for key, array in values.items()}
        k += count


@torch.no_grad()
def _read(
    network: Stack, ids: NDArray[np.int64], state: State, wanted: Collection[tuple[int, str]], padding: Padding | None
) -> tuple[Values, State]:
    """ids (T, B) through the layers that `state` is of: (T, B, H) each, and the states after them."""
    tokens = torch.from_numpy(ids).to(next(network.layers.parameters()).device)
    values: Values = {}
    after: State = []
    with torch.autocast(tokens.device.type, enabled=False):
        x = network.embed(tokens)
        for k, before in enumerate(state):
            output, last = network.run_layer(k, x, before, None, padding)
            forward = output[..., : network.model.hidden_size]
            names = {name for layer, name in wanted if layer == k}
            if names - {"h"}:
                gates = _gates(network, k, x, forward, before)
                if "c" in names:
                    values[k, "c"] = _cells(gates, _rows(before[1]))
                values |= {(k, name): gates[name] for name in names - {"h", "c"}}
            if "h" in names:
                values[k, "h"] = _rows(forward)
            after.append(last)
            x = output
    return values, after


def _rows(values: Tensor) -> Array:
    return values.float().contiguous().cpu().numpy()


def _gates(network: Stack, k: int, x: Tensor, output: Tensor, before: tuple[Tensor, ...]) -> dict[str, Array]:
    h_before = torch.cat((before[0].unsqueeze(0), output[:-1]))
    found = network.cell.rebuild(x, h_before, network.layer_weights(k))
    return {name: _rows(found[name]) for name in network.cell.gates}


def _cells(gates: Mapping[str, Array], c: Array) -> Array:
    """c (t, B, H) from the gates and the c (B, H) before them; `out=` spares an array at each timestep."""
    cells = gates["i"] * gates["g"]
    kept = np.empty_like(c)
    for f, now in zip(gates["f"], cells, strict=True):
        np.multiply(f, c, out=kept)
        np.add(now, kept, out=now)
        c = now
    return cells

"""The equations of one unit with their numbers, at every timestep of a text that was read.

The textbook's text itself (`Cell.equations`) is taken apart into terms and computed, in
float64 from the weights, the layer's input and its h_{t-1}: what a screen shows is what is
written, and `Equation.error` says how far it is from what the network computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_tui.inspection.crossing import joined, moved, parted
from rnn_tui.inspection.pieces import within
from rnn_tui.inspection.statements import Statement, statements
from rnn_tui.inspection.trace import Traced
from rnn_tui.model.cells import Cell
from rnn_tui.model.holding import held_steps
from rnn_tui.model.network import Network, State
from rnn_tui.model.stack import Stack
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import Contributions, Equation, Hold, Line, frozen

CONTRIBUTIONS = 5
BY_HAND = 8
"""The widest input or state whose numbers one unit's equations come with."""
# Numbers in one piece of a sum over time.
PIECE = 1 << 18

Numbers = NDArray[np.float64]


def explain(
    network: Network | EncoderDecoder,
    traced: Traced,
    layer: int,
    unit: int,
    *,
    vocabulary: Sequence[str],
    answers: Sequence[str] = (),
    number: int = 0,
    state: State | None = None,
    holds: Sequence[Hold] = (),
    working: Callable[[float], None] | None = None,
) -> Equation:
    """Every term of the equations of `unit` of `layer` for all T timesteps of a reading.

    `vocabulary` are the symbols or the columns that are read; `state` and `holds` are those that
    it was read with; `number` is handed on. Of a bidirectional network these are the forward
    direction's. Of an encoder and a decoder the source's timesteps have the encoder's weights,
    the others the decoder's, which reads symbols of `answers`. `working` is called with the
    share that is done. Raises ValueError if there is no such layer or unit.
    """
    pieces = explaining(
        network, traced, layer, unit, vocabulary=vocabulary, answers=answers, number=number, state=state, holds=holds
    )  # fmt: skip
    while True:
        try:
            share = next(pieces)
        except StopIteration as finished:
            found: Equation = finished.value
            return found
        if working is not None:
            working(share)


def explaining(
    network: Network | EncoderDecoder,
    traced: Traced,
    layer: int,
    unit: int,
    *,
    vocabulary: Sequence[str],
    answers: Sequence[str] = (),
    number: int = 0,
    state: State | None = None,
    holds: Sequence[Hold] = (),
) -> Generator[float, None, Equation]:
    """`explain` in pieces of a few milliseconds: yields the share that is done, returns the equation."""
    model = network.model
    if not 0 <= layer < model.layers:
        raise ValueError(f"there is no layer {layer}: the network has {model.layers}, counted from 0")
    if not 0 <= unit < model.hidden_size:
        raise ValueError(f"there is no unit {unit}: layer {layer} has {model.hidden_size}, counted from 0")
    if not isinstance(network, EncoderDecoder):
        return (yield from _explaining(network, traced, layer, unit, vocabulary, number, state, holds))
    left, right = parted(traced)
    first = yield from within(
        _explaining(network.encoder, left, layer, unit, vocabulary, number, state, holds), 0.0, 0.5
    )  # fmt: skip
    crossing = [
        tuple(torch.tensor(rows[name][-1:]) for name in network.cell.states) for rows in left.layers
    ]  # fmt: skip
    later = tuple(moved(hold, traced.border) for hold in holds if hold.last < 0 or hold.last >= traced.border)
    second = yield from within(
        _explaining(network.decoder, right, layer, unit, answers, number, crossing, later), 0.5, 0.5
    )  # fmt: skip
    return joined(first, second)


def _explaining(
    network: Stack, traced: Traced, layer: int, unit: int, vocabulary: Sequence[str], number: int,
    state: State | None, holds: Sequence[Hold],
) -> Generator[float, None, Equation]:  # fmt: skip
    cell = network.cell
    rows = _Rows(network, traced, layer, unit, state, vocabulary)
    parts = statements(cell)
    # One walk for the sums, one for what is in them, gate by gate.
    walks = 1 + sum(bool(part.activation) for part in parts)
    for share in rows.sum_up():
        yield share / walks
    known = {f"{name}_{{t-1}}": rows.before(name) for name in cell.states}
    lines, error = [], 0.0
    for part in parts:
        line, values = _line(part, cell, rows, known, traced.layers[layer][part.name][:, unit], holds)
        known[part.name] = values
        error = max(error, _furthest(line.value, traced.layers[layer][part.name][:, unit]))
        lines.append((part, line))
    finished: list[Line] = []
    done = 1
    for part, line in lines:
        contributions = None
        if part.activation:
            contributions = yield from rows.contributions(_gate(part, cell), _scale(part, known), done, walks)
            done += 1
        finished.append(_with(line, contributions))
    inputs, weights = rows.by_hand()
    return Equation(
        number=number,
        layer=layer,
        unit=unit,
        cell=cell.name,
        lines=tuple(finished),
        sources=rows.sources,
        before={name: _shown(known[f"{name}_{{t-1}}"]) for name in cell.states},
        inputs=inputs,
        weights=weights,
        error=error,
    )


def _line(
    part: Statement, cell: Cell, rows: _Rows, known: dict[str, Numbers], traced: NDArray[Any], holds: Sequence[Hold]
) -> tuple[Line, Numbers]:
    """One equation at all timesteps, and its values in full precision."""
    gate = _gate(part, cell)
    computed = [[_factor(factor, gate, rows, known) for factor in term] for term in part.terms]
    product = len(computed) == 1 and not part.activation
    terms = tuple(zip(part.terms[0], computed[0], strict=True)) if product else tuple(
        (" * ".join(written), np.prod(factors, axis=0))
        for written, factors in zip(part.terms, computed, strict=True)
    )  # fmt: skip
    numbers = np.stack([values for _, values in terms])
    total: Numbers = numbers.prod(axis=0) if product else numbers.sum(axis=0)
    values = _activated(part.activation, total)
    held = held_steps(holds, rows.layer, part.name, rows.unit, len(total))
    if held.any():
        values = np.where(held, traced, values)
    line = Line(
        name=part.name,
        equation=part.text,
        terms=tuple((name, _shown(term)) for name, term in terms),
        product=product,
        pre_activation=_shown(total if part.activation else total[:0]),
        activation=part.activation,
        value=_shown(values),
        held=frozen(held) if held.any() else None,
    )
    return line, values


def _with(line: Line, contributions: Contributions | None) -> Line:
    return Line(
        line.name, line.equation, line.terms, line.product, line.pre_activation, line.activation, line.value,
        contributions, line.held,
    )  # fmt: skip


def _gate(part: Statement, cell: Cell) -> int:
    """Which of the G rows an equation's weights stand in; a cell without gates has one."""
    return cell.gates.index(part.name) if part.name in cell.gates else 0


def _factor(written: str, gate: int, rows: _Rows, known: dict[str, Numbers]) -> Numbers:
    """The values (T) of a factor: `W_ii x`, `b_ii`, `h_{t-1}`, `r`, `(1 - z)`, `tanh(c)`."""
    if written.startswith("W_"):
        sums: Numbers = (rows.drive if written[2] == "i" else rows.past)[gate]
        return sums
    if written.startswith("b_"):
        bias: Numbers = rows.b_ih if written[2] == "i" else rows.b_hh
        return np.full(rows.steps, bias[gate])
    if written.startswith("(1 - "):
        return 1.0 - known[written[5:-1]]
    if written.startswith("tanh("):
        return np.tanh(known[written[5:-1]])
    return known[written]


def _scale(part: Statement, known: dict[str, Numbers]) -> Numbers | None:
    """What multiplies W_h. h_{t-1} in an equation, (T); None where nothing does."""
    for term in part.terms:
        if term[-1].startswith("W_h") and len(term) > 1:
            scale: Numbers = np.prod([known[factor] for factor in term[:-1]], axis=0)
            return scale
    return None


def _activated(activation: str, total: Numbers) -> Numbers:
    if activation == "sigmoid":
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-total))
    if activation == "tanh":
        return np.tanh(total)
    return np.maximum(total, 0.0) if activation == "relu" else total


def _furthest(shown: NDArray[Any], computed: NDArray[Any]) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.abs(shown.astype(np.float64) - computed).max())


def _shown(values: NDArray[Any]) -> NDArray[np.float32]:
    return frozen(np.array(values, np.float32))


def _inputs(
    stack: Stack, traced: Traced, layer: int, vocabulary: Sequence[str]
) -> tuple[NDArray[Any] | None, list[str]]:
    """What the layer reads where that is numbers, (T, in), and the names of what it can read."""
    if layer:
        below, hidden = traced.layers[layer - 1], stack.model.hidden_size
        names = [f"layer {layer - 1} h {k}" for k in range(hidden)]
        if not stack.model.bidirectional:
            return below["h"], names
        both = np.concatenate((below["h"], below["backward.h"]), axis=1)
        return both, [*names, *(f"layer {layer - 1} backward h {k}" for k in range(hidden))]
    if stack.sizes.numeric:
        return traced.tokens, [clean_line(column) for column in vocabulary]
    form = "'{}'" if stack.embedding is None else "symbol '{}'"
    return None, [form.format(sign(one) if len(one) == 1 else clean_line(one)) for one in vocabulary]


class _Rows:
    """The rows of one unit's weights, and their sums with what the layer reads and carries."""

    def __init__(
        self, network: Stack, traced: Traced, layer: int, unit: int, state: State | None, vocabulary: Sequence[str]
    ) -> None:
        self.layer, self.unit, self.steps = layer, unit, len(traced.tokens)
        weights, cell, hidden = network.layer_weights(layer), network.cell, network.model.hidden_size
        own = [unit + hidden * gate for gate in range(cell.rows)]
        self.W_ih, self.b_ih = _array(weights.W_ih[own]), _array(weights.b_ih[own]).astype(np.float64)
        self.W_hh = None if weights.W_hh is None else _array(weights.W_hh[own])
        self.b_hh = np.zeros(0) if weights.b_hh is None else _array(weights.b_hh[own]).astype(np.float64)
        self._tokens = traced.tokens
        self._embedding = None if network.embedding is None else _array(network.embedding.weight)
        self._below, read = _inputs(network, traced, layer, vocabulary)
        self._own = traced.layers[layer]
        initial = (network.initial(1) if state is None else state)[layer]
        self._initial = {name: _array(part)[0] for name, part in zip(cell.states, initial, strict=True)}
        self.drive = np.zeros((cell.rows, self.steps))
        self.past = np.zeros((cell.rows, self.steps))
        kept = [] if self.W_hh is None else [f"h {k}" for k in range(hidden)]
        self.sources = (*read, *kept)
        self._read = len(read)

    def before(self, name: str) -> Numbers:
        """(T) the unit's own state before each timestep."""
        start = np.float64(self._initial[name][self.unit])
        return np.concatenate(([start], self._own[name][:-1, self.unit].astype(np.float64)))

    def _carried(self, first: int, last: int) -> NDArray[Any]:
        """h_{t-1}, (n, H), for t from first to before last."""
        if first:
            return self._own["h"][first - 1 : last - 1]
        return np.concatenate((self._initial["h"][None], self._own["h"][: last - 1]))

    def _spans(self) -> list[tuple[int, int]]:
        width = max(1, PIECE // max(1 if self._below is None else self.W_ih.shape[1], self._own["h"].shape[1]))
        return [(first, min(first + width, self.steps)) for first in range(0, self.steps, width)]

    def sum_up(self) -> Generator[float, None, None]:
        """Fill `drive` (G, T), W_ih x, and `past` (G, T), W_hh h_{t-1}; yields the share that is done."""
        if self._below is None:
            table = self.W_ih if self._embedding is None else _product(self.W_ih, self._embedding)
            self.drive[:] = table[:, self._tokens]
        for first, last in self._spans():
            if self._below is not None:
                self.drive[:, first:last] = _product(self.W_ih, self._below[first:last])
            if self.W_hh is not None:
                self.past[:, first:last] = _product(self.W_hh, self._carried(first, last))
            yield last / self.steps

    def contributions(
        self, gate: int, scale: Numbers | None, done: int, walks: int
    ) -> Generator[float, None, Contributions]:
        """The largest products in W_ih x and in W_hh h_{t-1} (times `scale`, where something scales it)."""
        found: list[tuple[NDArray[Any], ...]] = []
        for first, last in self._spans():
            found.append(self._largest(gate, scale, first, last))
            yield (done + last / self.steps) / walks
        source, weight, value_in, value = (np.concatenate(column) for column in zip(*found, strict=True))
        return Contributions(
            source=frozen(source.astype(np.int64)), weight=_shown(weight), input=_shown(value_in), value=_shown(value)
        )

    def _largest(self, gate: int, scale: Numbers | None, first: int, last: int) -> tuple[NDArray[Any], ...]:
        length, weights, inputs, factors, columns = last - first, [], [], [], []
        if self._below is None:
            drive = self.drive[gate, first:last, None]
            weights.append(drive)
            inputs.append(np.ones_like(drive))
            columns.append(self._tokens[first:last, None])
        else:
            weights.append(np.broadcast_to(self.W_ih[gate], (length, self._read)))
            inputs.append(self._below[first:last])
            columns.append(np.broadcast_to(np.arange(self._read), (length, self._read)))
        factors.append(weights[0] * inputs[0])
        if self.W_hh is not None:
            carried = self._carried(first, last)
            weights.append(np.broadcast_to(self.W_hh[gate], carried.shape))
            inputs.append(carried)
            columns.append(np.broadcast_to(self._read + np.arange(carried.shape[1]), carried.shape))
            products = weights[1] * carried
            factors.append(products if scale is None else products * scale[first:last, None].astype(products.dtype))
        sizes = np.concatenate([np.abs(part) for part in factors], axis=1)
        count = min(CONTRIBUTIONS, sizes.shape[1])
        best = torch.from_numpy(sizes).topk(count, dim=1).indices.numpy()
        return tuple(_pick(part, best) for part in (columns, weights, inputs, factors))

    def by_hand(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        """The numbers that the unit's equations are computed from on paper, where they are few.

        Where the input is one-hot or wide, W_ih x is a term that is given, and not taken apart.
        """
        hidden = self._own["h"].shape[1]
        if hidden > BY_HAND:
            return {}, {}
        inputs, weights = {"h": _shown(self._carried(0, self.steps))}, {"b_ih": _shown(self.b_ih)}
        if self.W_hh is not None:
            weights |= {"W_hh": _shown(self.W_hh), "b_hh": _shown(self.b_hh)}
        x = self._below
        if self._embedding is not None and x is None:
            x = self._embedding[self._tokens]
        if x is not None and x.shape[1] <= BY_HAND:
            inputs["x"], weights["W_ih"] = _shown(x), _shown(self.W_ih)
        return inputs, weights


def _pick(parts: list[NDArray[Any]], best: NDArray[np.int64]) -> NDArray[Any]:
    """From parts that stand side by side the columns `best` (n, k), without joining them."""
    wide = parts[0].shape[1]
    found = np.take_along_axis(parts[0], np.minimum(best, wide - 1), axis=1)
    if len(parts) > 1:
        found = np.where(best < wide, found, np.take_along_axis(parts[1], np.maximum(best - wide, 0), axis=1))
    return found


def _product(rows: NDArray[Any], columns: NDArray[Any]) -> Numbers:
    """rows (G, n) times columns (m, n) transposed, in float64; by torch, which keeps to the thread's own cores."""
    a, b = (torch.tensor(part, dtype=torch.float64) for part in (rows, columns))
    found: Numbers = (a @ b.T).numpy()
    return found


def _array(values: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = values.detach().cpu().numpy()
    return array

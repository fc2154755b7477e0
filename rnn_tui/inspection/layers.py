"""Every gate and state of one layer while it reads a sequence, in either direction.

The fused forward runs once. Gates are then rebuilt for all timesteps at once from x_t and
h_{t-1}, both known by then, with the equations of `model.cells`; only what depends on its
own past beyond h (the LSTM's c) is walked step by step, without any matrix product. Where
something is held the layer can't be fused: it goes through the equations step by step.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import torch
from torch import Tensor

from rnn_tui.model.holding import Holding
from rnn_tui.model.stack import Stack

# Seconds of steps between two pieces, and timesteps whose drive is computed at once.
PIECE_SECONDS = 0.03
DRIVEN = 256

Rows = dict[str, Tensor]
"""Gates and states by name, (T, H) each."""


def forward(
    stack: Stack, k: int, x: Tensor, before: tuple[Tensor, ...], holding: Holding, first: int = 0
) -> Generator[float, None, tuple[Rows, tuple[Tensor, ...]]]:
    """Layer k from left to right over its input x (T, 1, in), of which row 0 is timestep `first` to the holds.

    `before` is its state before that, (1, H) each. Yields the share that is done; returns
    gates and states, and the last state.
    """
    device, total, pieces = x.device.type, len(x), []
    low, high = (min(max(t - first, 0), total) for t in holding.span(k, first + total))
    # What lies before and after what is held runs as if nothing was: the same numbers, and fast.
    for start, end, held in ((0, low, False), (low, high, True), (high, total, False)):
        if start == end:
            continue
        if held:
            piece, before = yield from _held(stack, k, x, before, holding, start, end, first)
        else:
            with torch.autocast(device, enabled=False):
                piece, before = _fused(stack, k, x[start:end], before, "")
        pieces.append(piece)
    found = pieces[0] if len(pieces) == 1 else {name: torch.cat([p[name] for p in pieces]) for name in pieces[0]}
    return found, before


def backward(stack: Stack, k: int, x: Tensor) -> Rows:
    """Layer k from right to left over x (T, 1, in): what it knows at t of x_t and all that comes after it."""
    with torch.autocast(x.device.type, enabled=False):
        return _fused(stack, k, x, stack.start(k, 1, "_reverse"), "_reverse")[0]


def _held(
    stack: Stack, k: int, x: Tensor, before: tuple[Tensor, ...], holding: Holding, start: int, end: int, first: int
) -> Generator[float, None, tuple[Rows, tuple[Tensor, ...]]]:
    """From row `start` to before `end`, step by step."""
    cell, weights = stack.cell, stack.layer_weights(k)
    names = (*cell.gates, *cell.states)
    carried = tuple(part.squeeze(0) for part in before)
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    t, drive = start, x[:0, 0]
    while t < end:
        with torch.autocast(x.device.type, enabled=False):
            until = time.monotonic() + PIECE_SECONDS
            while t < end and time.monotonic() < until:
                place = (t - start) % DRIVEN
                if place == 0:
                    drive = cell.drive(x[t : min(t + DRIVEN, end), 0], weights)
                gates, states = holding.step(k, first + t, drive[place], carried, weights)
                carried = tuple(states[name] for name in cell.states)
                for name in names:
                    rows[name].append(states[name] if name in states else gates[name])
                t += 1
        yield t / len(x)
    return {name: torch.stack(column) for name, column in rows.items()}, tuple(part.unsqueeze(0) for part in carried)


def _fused(
    stack: Stack, k: int, x: Tensor, before: tuple[Tensor, ...], direction: str
) -> tuple[Rows, tuple[Tensor, ...]]:
    """One direction of layer k over its input x (T, 1, in): gates and states, (T, H) each, and the last state."""
    cell, weights = stack.cell, stack.layer_weights(k, direction)
    output, after = stack.run_direction(k, x, before, direction)
    if direction:
        # From here on in the order in which it reads.
        x, output = x.flip(0), output.flip(0)
    h_before = torch.cat((before[0].unsqueeze(0), output[:-1]))
    gates = cell.rebuild(x, h_before, weights)
    found = {name: gates[name] for name in cell.gates} | {"h": output}
    if len(cell.states) > 1:
        carried, steps = before, []
        for t in range(len(output)):
            new = cell.gates_to_states({name: gate[t] for name, gate in gates.items()}, carried)
            carried = tuple(new[name] for name in cell.states)
            steps.append(carried[1:])
        for name, column in zip(cell.states[1:], zip(*steps, strict=True), strict=True):
            found[name] = torch.stack(column)
    if direction:
        found = {name: value.flip(0) for name, value in found.items()}
    return {name: value.squeeze(1) for name, value in found.items()}, after

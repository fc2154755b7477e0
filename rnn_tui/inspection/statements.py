"""A cell's equations taken apart into terms: what an explanation computes and shows."""

from __future__ import annotations

from dataclasses import dataclass

from rnn_tui.model.cells import Cell


@dataclass(frozen=True, slots=True)
class Statement:
    """One equation taken apart: `terms` are products, each a tuple of factors as they are written."""

    name: str
    text: str
    activation: str
    terms: tuple[tuple[str, ...], ...]


def statements(cell: Cell) -> tuple[Statement, ...]:
    """The cell's equations in their order, for one unit at t: `x` for x_t, `h_{t-1}` for the state before.

    A product with a sum is spread over its parts: each adds a term of its own.
    """
    return tuple(_statement(text.replace("_t", "")) for text in cell.equations)


def _statement(text: str) -> Statement:
    name, _, right = text.partition(" = ")
    activation = ""
    if len(_split(right, " * ")) == len(_split(right, " + ")) == 1:
        for spelled, function in (("sigmoid(", "sigmoid"), ("tanh(", "tanh"), ("max(0, ", "relu")):
            if right.startswith(spelled):
                activation, right = function, right[len(spelled) : -1]
    terms: list[tuple[str, ...]] = []
    for term in _split(right, " + "):
        *front, last = _split(term, " * ")
        parts = _split(last[1:-1], " + ") if last.startswith("(") else []
        terms += [(*front, part) for part in parts] if len(parts) > 1 else [(*front, last)]
    return Statement(name, text, activation, tuple(terms))


def _split(text: str, mark: str) -> list[str]:
    """The text between the marks that stand in no parentheses."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and text.startswith(mark, at):
            parts.append(text[start:at])
            start = at + len(mark)
    return [*parts, text[start:]]

"""The name and shape of every parameter, before anything is allocated. Closed forms, without torch."""

from __future__ import annotations

import math

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import cell_of
from rnn_tui.views import Sizes


def as_sizes(sizes: Sizes | int) -> Sizes:
    """A number V stands for V symbols, read and answered."""
    return Sizes(sizes, sizes) if isinstance(sizes, int) else sizes


def directions(model: ModelConfig) -> tuple[str, ...]:
    """What is added to the names of each direction's weights: nothing, and `_reverse`."""
    return ("", "_reverse") if model.bidirectional else ("",)


def one_way(model: ModelConfig) -> ModelConfig:
    """The same, reading from left to right alone: what encoder and decoder are built of."""
    return model.model_copy(update={"bidirectional": False})


def tied(model: ModelConfig, sizes: Sizes) -> bool:
    """Whether the readout can share the embedding's matrix: one row a symbol, one column a unit, on both sides."""
    symbols = sizes.outputs if sizes.decoder else sizes.inputs
    fits = model.embedding_size == model.hidden_size and symbols == sizes.outputs
    return model.tied and fits and not sizes.numeric and (sizes.decoder or not model.bidirectional)


def parameter_shapes(model: ModelConfig, sizes: Sizes | int) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, named as in a session file without the prefix `model.`.

    One-hot input and numbers have no embedding; tied weights stand once, as `embedding.weight`.
    An encoder and a decoder have one direction each, and only the encoder an h_0 to learn.
    """
    sizes = as_sizes(sizes)
    if not sizes.decoder:
        return _stack_shapes("", model, sizes) | _readout_shapes("", model, sizes)
    model, hidden = one_way(model), model.hidden_size
    shapes = _stack_shapes("encoder.", model, sizes)
    shapes |= _stack_shapes("decoder.", model, Sizes(sizes.outputs, sizes.outputs), starts=False)
    if model.attention:
        shapes |= {"decoder.attention.weight": (hidden, 2 * hidden), "decoder.attention.bias": (hidden,)}
    return shapes | _readout_shapes("decoder.", model, sizes)


def _stack_shapes(stack: str, model: ModelConfig, sizes: Sizes, *, starts: bool = True) -> dict[str, tuple[int, ...]]:
    cell, hidden, both = cell_of(model), model.hidden_size, directions(model)
    width = 0 if sizes.numeric else model.embedding_size
    rows = cell.rows * hidden
    shapes: dict[str, tuple[int, ...]] = {}
    if width:
        shapes[stack + "embedding.weight"] = (sizes.inputs, width)
    for k in range(model.layers):
        prefix = f"{stack}layers.{k}."
        inputs = hidden * len(both) if k else width or sizes.inputs
        for direction in both:
            shapes[f"{prefix}weight_ih_l0{direction}"] = (rows, inputs)
            if cell.recurrent:
                shapes[f"{prefix}weight_hh_l0{direction}"] = (rows, hidden)
            shapes[f"{prefix}bias_ih_l0{direction}"] = (rows,)
            if cell.recurrent:
                shapes[f"{prefix}bias_hh_l0{direction}"] = (rows,)
        if starts and cell.recurrent and model.initial_state == "learned":
            shapes |= {f"{prefix}{state}_0{direction}": (hidden,) for direction in both for state in cell.states}
    return shapes


def _readout_shapes(stack: str, model: ModelConfig, sizes: Sizes) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    if not tied(model, sizes):
        shapes[stack + "output.weight"] = (sizes.outputs, model.hidden_size * len(directions(model)))
    shapes[stack + "output.bias"] = (sizes.outputs,)
    return shapes


def parameter_count(model: ModelConfig, sizes: Sizes | int) -> int:
    """How many numbers are learned."""
    return sum(map(math.prod, parameter_shapes(model, sizes).values()))

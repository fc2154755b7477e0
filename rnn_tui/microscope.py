"""The lab's looks inside as plain functions, for a notebook or a script: in goes a model, out come numpy arrays.

A model is a session (its name, its file, or a `SessionFile`), a safetensors state dict from
elsewhere, a `Network` of the lab, or a plain `nn.RNN`, `nn.GRU` or `nn.LSTM`. A session reads
text, or the numbers of its symbols; a plain module reads what its layer 0 reads, x (T, in).

Nothing here changes the model: what runs is a copy, in eval mode, from h_0. Layers, units and
timesteps count from 0. A name, an array or a text that can't be raises ValueError, a file that
can't be read SessionError; each is one sentence.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from rnn_tui import session
from rnn_tui.config import ConfigError, parse
from rnn_tui.data.vocabulary import Vocabulary, Words
from rnn_tui.inspection import equation as equations
from rnn_tui.inspection import gradients as flows
from rnn_tui.inspection import interventions
from rnn_tui.inspection.corpus import flat
from rnn_tui.inspection.marks import marked
from rnn_tui.inspection.replay import horizon, norms_of, replay
from rnn_tui.inspection.spectrum import spectral_radius
from rnn_tui.inspection.trace import Traced, state_at
from rnn_tui.inspection.trace import trace as trace_network
from rnn_tui.inspection.units import rank
from rnn_tui.model.network import Network, load_weights, weights
from rnn_tui.session.foreign import open_state_dict, read_foreign
from rnn_tui.symbols import clean_line, sign
from rnn_tui.views import Hold

__all__ = ["Hold", "Opened", "equation", "gradients", "intervene", "opened", "trace", "units"]

Model: TypeAlias = "str | Path | session.SessionFile | Network | nn.RNNBase | Opened"
Read: TypeAlias = "str | ArrayLike | Tensor"
Arrays = dict[str, NDArray[Any]]

# Timesteps of a plain module that are traced at once, and the most that can be where they can't be parted.
PIECE = 512
LONGEST = 4096
_MODES = {"RNN_TANH": ("rnn", "tanh"), "RNN_RELU": ("rnn", "relu"), "GRU": ("gru", "tanh"), "LSTM": ("lstm", "tanh")}


@dataclass(frozen=True, slots=True)
class Opened:
    """A model ready to be looked at: its network, and its symbols where it has any.

    `inputs` is 0 for a network that reads symbols; for a plain module how many numbers it
    reads at a timestep (its `network` then stands for the layers alone).
    """

    network: Network
    symbols: tuple[str, ...] | None = None
    inputs: int = 0
    words: bool = False
    """Whether its symbols are words."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A network and the tokens (T) it reads; a plain module's x is the embedding of the tokens 0 .. T - 1."""

    network: Network
    tokens: NDArray[np.int64]
    symbols: tuple[str, ...]
    plain: bool


def opened(model: Model, *, best: bool = False, symbols: Sequence[str] | None = None) -> Opened:
    """The model, opened once for several looks; every function here takes the result, too.

    A word is the name of a session in the folder of sessions (or the gallery), a path a file.
    `best` takes the weights of the best validation. `symbols` names those of a state dict from
    elsewhere, or of a `Network`.
    """
    if isinstance(model, Opened):
        return model
    if isinstance(model, nn.RNNBase):
        return Opened(_of_module(model), None, model.input_size)
    if isinstance(model, Network):
        copy = Network(model.model, model.vocabulary)
        copy.to(model.output.bias.dtype)
        load_weights(copy, weights(model))
        if symbols is not None and len(symbols) != model.vocabulary:
            raise ValueError(f"{len(symbols):,} symbols were named, the network has {model.vocabulary:,}")
        return Opened(_still(copy), None if symbols is None else tuple(symbols))
    if isinstance(model, (str, Path)):
        model = _file(model, symbols)
    if not isinstance(model, session.SessionFile):
        raise ValueError(
            f"a {type(model).__name__} can't be looked into; give a session, a Network, or an nn.RNN, nn.GRU, nn.LSTM"
        )
    prefix = "best." if best else "model."
    values = {n.removeprefix(prefix): torch.from_numpy(a) for n, a in model.tensors.items() if n.startswith(prefix)}
    if not values:
        raise ValueError("there are no best weights yet; train it to its first validation, or leave best out")
    task = model.config.data.task
    if task != "language":
        raise ValueError(f"a session of {task} can't be looked into here; use `rnn-lab trace` with --out FILE.npz")
    network = Network(model.config.model, len(model.symbols))
    load_weights(network, values)
    return Opened(_still(network), model.symbols, words=model.coding.symbol == "word")


def _still(network: Network) -> Network:
    return network.eval().requires_grad_(False)


def _file(model: str | Path, symbols: Sequence[str] | None) -> session.SessionFile:
    """A session by its name or file, or a state dict from elsewhere. Raises SessionError."""
    place = Path(model).expanduser()
    if isinstance(model, str) and os.sep not in model and not model.endswith(".safetensors"):
        place = session.existing(session.sessions_folder(), model, session.gallery_folder())
    with open_state_dict(place) as found:
        ours = found.metadata.get("format", "").startswith("rnn-lab/")
    return session.load(place.resolve()) if ours else read_foreign(place, symbols).session


def _of_module(module: nn.RNNBase) -> Network:
    """The layers of a torch module, copied; embedding and readout are stand-ins for one symbol.

    Raises ValueError for what the lab does not have.
    """
    if module.bidirectional:
        raise ValueError("a module of two directions can't be looked into; give one with bidirectional=False")
    if module.proj_size:
        raise ValueError("a module with proj_size can't be looked into; give one without")
    cell, nonlinearity = _MODES[module.mode]
    kind = module.weight_ih_l0.dtype
    kind = kind if kind in (torch.float32, torch.float64) else torch.float32
    try:
        model = parse({"model": {
            "cell": cell, "nonlinearity": nonlinearity, "layers": module.num_layers,
            "hidden_size": module.hidden_size, "embedding_size": module.input_size,
        }}).model  # fmt: skip
    except ConfigError as error:
        raise ValueError(f"such a module is not among those the lab has: {error}") from None
    network = Network(model, 1).to(kind)
    own = dict(module.named_parameters())
    values = {name: torch.zeros_like(value) for name, value in weights(network).items()}
    for name in values:
        if name.startswith("layers."):
            _, k, part = name.split(".")
            found = own.get(part.removesuffix("0") + k)
            if found is not None:
                values[name] = found.detach().cpu()
    load_weights(network, values)
    return _still(network)


def _reading(model: Opened, read: Read) -> _Reading:
    """What is read as tokens of a network. Raises ValueError."""
    if isinstance(read, str):
        return _text(model, read)
    array = read.detach().cpu().numpy() if isinstance(read, Tensor) else np.asarray(read)
    if not len(array) if array.ndim else True:
        raise ValueError("there is nothing to read: give at least one timestep")
    if model.inputs:
        if array.ndim != 2 or array.shape[1] != model.inputs or array.dtype.kind not in "fiub":
            raise ValueError(
                f"this module reads numbers (T, {model.inputs}); an array of shape {array.shape} was given"
            )
        return _Reading(_with_inputs(model.network, array), np.arange(len(array)), (), True)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"it reads a text, or whole numbers (T); an array {array.dtype} {array.shape} was given")
    size = model.network.vocabulary
    if array.min() < 0 or array.max() >= size:
        raise ValueError(f"its symbols are numbered from 0 to {size - 1:,}; other numbers were given")
    return _Reading(model.network, array.astype(np.int64), model.symbols or (), False)


def _text(model: Opened, text: str) -> _Reading:
    if model.symbols is None:
        raise ValueError("no symbols are known, so it can't read a text; give arrays, or name symbols= in opened")
    vocabulary = (Words if model.words else Vocabulary)(model.symbols)
    tokens, unknown = vocabulary.encode(text)
    if unknown and vocabulary.unknown is None:
        read = text.split() if model.words else text
        odd = next((symbol for symbol in read if symbol not in vocabulary and symbol != "\r"), "?")
        shown = clean_line(odd) if len(odd) > 1 else sign(odd)
        raise ValueError(f"{shown!r} is not among its {len(model.symbols):,} symbols; give a text without it")
    if not len(tokens):
        raise ValueError("there is nothing to read: the text is empty")
    return _Reading(model.network, tokens, model.symbols, False)


def _with_inputs(layers: Network, x: NDArray[Any]) -> Network:
    """The same layers over x (T, in): token t is embedded as x_t. The readout is zeros."""
    like = layers.output.bias
    network = Network(layers.model, len(x)).to(like.dtype)
    values = {name: torch.zeros_like(value) for name, value in weights(network).items()}
    values |= {name: value for name, value in weights(layers).items() if name.startswith("layers.")}
    values["embedding.weight"] = torch.as_tensor(np.ascontiguousarray(x), dtype=like.dtype)
    load_weights(network, values)
    return _still(network)


def trace(model: Model, read: Read, *, best: bool = False) -> Arrays:
    """Every state and gate while the model reads, as `rnn-lab trace` names them.

    `tokens` (T), `logits` (T, V; after reading t), `loss` (T; loss[t] = -ln p(token t + 1), the
    last NaN), `layer0.h` (T, H), `layer0.c` and `layer0.i f g o` (LSTM) or `layer0.r z n` (GRU).
    Of a plain module, which has no symbols, only those of the layers.
    """
    found = opened(model, best=best)
    if found.inputs:
        return _layers(_trace_plain(found, read))
    reading = _reading(found, read)
    traced = trace_network(reading.network, reading.tokens)
    return {"tokens": traced.tokens, "logits": traced.logits, "loss": traced.loss} | _layers(traced)


def _layers(traced: Traced) -> Arrays:
    return {f"layer{k}.{name}": values for k, layer in enumerate(traced.layers) for name, values in layer.items()}


def _trace_plain(model: Opened, read: Read) -> Traced:
    """A plain module's states, in pieces: the readout that it lacks would be as wide as the reading is long."""
    whole = _reading(model, read)
    assert whole.network.embedding is not None
    x, state, pieces = whole.network.embedding.weight.numpy(), None, []
    for first in range(0, len(x), PIECE):
        network = _with_inputs(model.network, x[first : first + PIECE])
        traced = trace_network(network, np.arange(len(x[first : first + PIECE])), state)
        state = state_at(traced, network, len(traced.tokens) - 1)
        pieces.append(traced.layers)
    layers = tuple(
        {name: np.concatenate([piece[k][name] for piece in pieces]) for name in pieces[0][k]}
        for k in range(len(pieces[0]))
    )
    none = np.zeros((len(x), 0), x.dtype)
    return Traced(whole.tokens, layers, none, np.full(len(x), np.nan, x.dtype))


def gradients(
    model: Model, read: Read, at: int = -1, truncate: int = 0, *, direction: ArrayLike | None = None,
    best: bool = False,
) -> Arrays:  # fmt: skip
    """The gradient of a loss at timestep `at`, back through time and layers, in float64.

    L is -ln p(symbol at + 1), nats; `at` -1 is the last timestep that has a next symbol. With
    `direction` v (H), and always for a plain module, L = v . h_at of the last layer instead, and
    -1 is the last timestep. The gradient goes back over `truncate` timesteps, the loss's own
    included (0: all). With T = at + 1:

    `loss`, `at`; of each layer `layer0.dh` (T, H), `layer0.norms` (T) |dL/dh_t|,
    `layer0.horizon` (timesteps back to which the norm is at least 1e-6 of that at the loss's
    own), for an LSTM `layer0.dc` and `layer0.cell_norms`, for a plain RNN
    `layer0.spectral_radius` of W_hh.
    """
    found = opened(model, best=best)
    reading = _reading(found, read)
    network = reading.network
    if direction is None:
        if reading.plain:
            raise ValueError("a plain module has no loss of its own; give direction=, (H) numbers v, for L = v . h_t")
        at = flows.place(reading.tokens, at)
        loss = flows.cross_entropy(network, int(reading.tokens[at + 1]))
    else:
        v = torch.as_tensor(np.asarray(direction, np.float64))
        if v.shape != (network.model.hidden_size,):
            raise ValueError(f"direction= has the shape {tuple(v.shape)}, ({network.model.hidden_size},) is needed")

        def loss(h: Tensor) -> Tensor:
            return v @ h

    replayed = replay(network, reading.tokens, loss, at=at, truncate=truncate, gather=False)
    arrays: Arrays = {"loss": np.array(replayed.loss), "at": np.array(replayed.at)}
    for k, layer in enumerate(replayed.layers):
        for state, name in (("h", "norms"), ("c", "cell_norms")):
            if state in layer.gradients:
                reached = layer.gradients[state]
                # Nothing comes to what lies before a cut.
                cut = np.zeros((replayed.at + 1 - len(reached), reached.shape[1]))
                arrays[f"layer{k}.d{state}"] = np.concatenate((cut, reached))
                arrays[f"layer{k}.{name}"] = norms_of(arrays[f"layer{k}.d{state}"])
        arrays[f"layer{k}.horizon"] = np.array(horizon(arrays[f"layer{k}.norms"]))
        W_hh = network.layer_weights(k).W_hh
        if W_hh is not None and not network.cell.gates:
            arrays[f"layer{k}.spectral_radius"] = np.array(spectral_radius(W_hh))
    return arrays


def units(
    model: Model, read: Read, *, match: str = "", mark: str = "", grades: ArrayLike | None = None, best: bool = False
) -> Arrays:
    """All units of all layers, h and c, by how well they tell marked timesteps from the rest, best first.

    What is marked: the symbols in a match of the regular expression `match`, a built-in mark
    (`quotes`, `depth`, ...), or `grades` (T) of one's own, 0 where nothing is. Returns columns of
    equal length: `layer`, `unit`, `state` (`h` or `c`), `auc` (0.5 to 1), `sign` (-1: the lower
    value is that of marked ones).
    """
    found = opened(model, best=best)
    reading = _reading(found, read)
    if (bool(match) + bool(mark) + (grades is not None)) != 1:
        raise ValueError("give one of match=, mark= and grades=")
    if grades is None:
        if found.symbols is None:
            raise ValueError("no symbols are known, so nothing matches; give grades=, (T) numbers")
        whole = flat(reading.tokens, reading.symbols, words=found.words)
        held = whole.by_symbol(marked(whole.text, pattern=match, mark=mark))
    else:
        held = np.ascontiguousarray(grades, np.float32)
        if held.shape != reading.tokens.shape:
            raise ValueError(f"grades= has the shape {held.shape}, {reading.tokens.shape} is needed")
    ranked = rank(reading.network, reading.tokens, held)
    return {
        "layer": np.array([one.layer for one in ranked]),
        "unit": np.array([one.unit for one in ranked]),
        "state": np.array([one.state for one in ranked]),
        "auc": np.array([one.auc for one in ranked]),
        "sign": np.array([one.sign for one in ranked]),
    }


def intervene(model: Model, read: Read, holds: Sequence[Hold], at: int = -1, *, best: bool = False) -> Arrays:
    """The same reading with nothing held and with `holds` in force: `Hold(layer, name, unit, value, first, last)`.

    The arrays of `trace`, as `before.layer0.h` and `after.layer0.h`; and for a model with symbols
    `p_before`, `p_after` (V), what it expects after timestep `at` (-1: the last), and
    `loss_before`, `loss_after`, the mean cost of the symbols read, nats.
    """
    found = opened(model, best=best)
    reading = _reading(found, read)
    if reading.plain and len(reading.tokens) > LONGEST:
        raise ValueError(f"at most {LONGEST:,} timesteps can be read so; {len(reading.tokens):,} were given")
    done = interventions.intervene(reading.network, reading.tokens, holds, at=at)
    arrays: Arrays = {}
    for when, traced in (("before", done.before), ("after", done.after)):
        whole = {} if reading.plain else {"logits": traced.logits, "loss": traced.loss}
        arrays |= {f"{when}.{name}": values for name, values in (whole | _layers(traced)).items()}
    if reading.plain:
        return arrays
    return {
        "tokens": done.before.tokens, "p_before": done.p_before, "p_after": done.p_after,
        "loss_before": np.array(done.loss_before), "loss_after": np.array(done.loss_after),
    } | arrays  # fmt: skip


def equation(model: Model, read: Read, layer: int, unit: int, t: int | None = None, *, best: bool = False) -> Arrays:
    """Every term of one unit's equations with its value: at timestep `t`, or at all of them (T).

    Of each line, by the name of its gate or state: `i`, its value; `i.pre_activation`; each term
    as `i.W_ii x`; and what adds most to it, largest first, `i.sources` (names) and
    `i.contributions`. Terms of a gate add up to its pre-activation. `error` is the largest
    difference from what the network computed.
    """
    found = opened(model, best=best)
    reading = _reading(found, read)
    traced = _trace_plain(found, read) if reading.plain else trace_network(reading.network, reading.tokens)
    if t is not None and not 0 <= t < len(reading.tokens):
        raise ValueError(f"there is no timestep {t}: {len(reading.tokens):,} were read, counted from 0")
    network = reading.network
    names = reading.symbols or ("x",) * network.vocabulary
    shown = equations.explain(network, traced, layer, unit, vocabulary=names)
    said = list(shown.sources)
    if not reading.symbols and not layer:
        said[: len(names)] = ["x" if reading.plain else f"symbol {k}" for k in range(len(names))]
    sources = np.array(said)
    arrays: Arrays = {"error": np.array(shown.error)}
    for line in shown.lines:
        columns: Arrays = {line.name: line.value}
        if len(line.pre_activation):
            columns[f"{line.name}.pre_activation"] = line.pre_activation
        columns |= {f"{line.name}.{term}": values for term, values in line.terms}
        if line.contributions is not None:
            columns[f"{line.name}.sources"] = sources[line.contributions.source]
            columns[f"{line.name}.contributions"] = line.contributions.value
        arrays |= columns if t is None else {name: np.asarray(values[t]) for name, values in columns.items()}
    return arrays

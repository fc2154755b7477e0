"""Weights from elsewhere: the state dict of an `nn.RNN`, `nn.GRU` or `nn.LSTM` as a session at step 0.

A state dict names tensors and nothing else. What follows from names and shapes is found: the
stack, its cell, the embedding and the readout. What does not (the symbols, tanh or ReLU, which
one of several) is asked for, in one sentence.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rnn_tui.config import Config, ConfigError, ModelConfig, parse
from rnn_tui.model.shapes import parameter_shapes
from rnn_tui.session import layout
from rnn_tui.session.coded import pack_vocabulary
from rnn_tui.session.contents import unpack_table
from rnn_tui.session.files import FILES, DamagedError, SessionError, open_regular, reason
from rnn_tui.session.layout import Array, Entry
from rnn_tui.session.session_file import SessionFile, load
from rnn_tui.session.stacks import Layer, Shape, Stack, find_stack, quoted, readout_and_embedding
from rnn_tui.symbols import clean_line

# The bytes of a number of every type that the format has: tensors of other types may stand beside the weights.
SIZES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
    "U32": 4, "F32": 4, "C64": 8, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
_FLOATS: Mapping[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
LARGEST_VOCABULARY = 0x110000
_FRESH: Mapping[str, Any] = {"cursor": [0, 0, -1], "schedule": [1.0, None, 0]}
"""Where training of it would begin."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A session made of weights from elsewhere, and in plain words what was taken for what."""

    session: SessionFile
    told: tuple[str, ...]


class StateDict:
    """A safetensors file whose header was read: names and shapes of its tensors, each read when asked for."""

    def __init__(self, fd: int, header: layout.Header) -> None:
        self._fd, self._header = fd, header
        self.metadata = header.metadata
        self.entries: dict[str, Entry] = dict(header.tensors)
        # `safetensors.torch.save_model` keeps shared weights once, and names the others in the metadata.
        for name, kept in header.metadata.items():
            if kept in header.tensors and name not in header.tensors:
                self.entries[name] = header.tensors[kept]
        self.converted: dict[str, int] = {}
        """How many tensors of each type but F32 were read."""

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of every tensor of real numbers."""
        return {name: entry.shape for name, entry in self.entries.items() if entry.code in _FLOATS}

    def same(self, one: str, other: str) -> bool:
        """Whether two names stand for the same bytes."""
        return self.entries[one] == self.entries[other]

    def read(self, name: str) -> Array:
        """The tensor as float32, C-contiguous. Raises SessionError where a value is not finite."""
        entry = self.entries[name]
        FILES.seek(self._fd, self._header.start + entry.begin)
        raw: Array = np.empty(entry.shape, _FLOATS[entry.code])
        layout.read_tensor(self._fd, entry, raw)
        if entry.code != "F32":
            self.converted[entry.code] = self.converted.get(entry.code, 0) + 1
        if entry.code == "BF16":
            # The upper half of a float32.
            values: Array = (raw.astype("<u4") << 16).view("<f4")
        else:
            with np.errstate(over="ignore"):
                values = raw.astype("<f4", copy=False)
        if not np.isfinite(values).all():
            what = "larger than a float32 can be" if np.isfinite(raw).all() else "not finite"
            raise SessionError(f"{quoted(name)} holds numbers that are {what}; such weights can't be used")
        return values


@contextmanager
def open_state_dict(path: Path) -> Iterator[StateDict]:
    """The file, open while the context lasts. Raises SessionError, naming it, for any fault of it."""
    start = f"{clean_line(path.name)} can't be imported:"
    try:
        # Caches of downloaded models are made of links; what they lead to must be a plain file.
        fd, status = open_regular(_followed(path))
        try:
            yield StateDict(fd, layout.read_header(fd, status.st_size, sizes=SIZES, wanted="a safetensors file"))
        finally:
            FILES.close(fd)
    except DamagedError as error:
        raise DamagedError(f"{start} {clean_line(str(error))}; save it again with safetensors") from error
    except SessionError as error:
        raise SessionError(f"{start} {clean_line(str(error))}") from error
    except MemoryError:
        raise SessionError(f"{start} there is not enough free memory; close other programs") from None
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise SessionError(f"there is no file {clean_line(str(path))}; check the path") from None
        if error.errno in (errno.EINVAL, errno.EISDIR, errno.ENXIO, errno.ELOOP):
            raise SessionError(f"{start} it is no plain file; name a .safetensors file") from None
        what, remedy = reason(error, path.parent)
        raise SessionError(f"{start} {what}; {remedy}") from error


def read_foreign(
    path: Path,
    symbols: Sequence[str] | None = None,
    *,
    prefix: str | None = None,
    cell: str = "",
    nonlinearity: str = "",
    embedding: str = "",
    output: str = "",
) -> Imported:
    """Reads a state dict that was saved with safetensors as a session at step 0; nothing is written.

    `symbols` is the vocabulary, one code point each, in the order of the embedding's rows.
    `prefix` chooses one of several stacks (`lstm.`), `embedding` and `output` the tensors of
    that name, or with `none` that there is none: one-hot symbols, or a readout of zeros. `cell`
    and `nonlinearity` say what shapes don't. A session of the lab, and what `sessions export`
    wrote, bring all of it with them. Raises SessionError with one sentence.
    """
    if symbols is not None:
        check_symbols(symbols)
    with open_state_dict(path) as found:
        if prefix is not None or not found.metadata.get("format", "").startswith("rnn-lab/"):
            if prefix is None and _is_export(found):
                return _export(path, found, symbols)
            stack = find_stack(found.shapes, prefix)
            return _assemble(path, found, stack, symbols, cell, nonlinearity, embedding, output)
    return _own_session(path, symbols)


def _followed(path: Path) -> Path:
    """The file that links lead to. Unlike Path.resolve it never fails: a circle of links is found at opening."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def check_symbols(symbols: Sequence[str]) -> None:
    """Raises SessionError where these can't be a vocabulary: one code point each, all different."""
    seen: set[str] = set()
    for k, symbol in enumerate(symbols):
        shown = quoted(symbol)
        if len(symbol) != 1:
            raise SessionError(
                f"symbol {k:,} of the vocabulary, {shown}, has {len(symbol)} characters; a session keeps one "
                f"character for each symbol; write a sign of its own in its place (U+FFFD for what is unknown)"
            )
        if 0xD800 <= ord(symbol) <= 0xDFFF:
            raise SessionError(f"symbol {k:,} of the vocabulary is half a character; write a whole one in its place")
        if symbol in seen:
            raise SessionError(f"symbol {k:,} of the vocabulary, {shown}, stands there twice; every one must differ")
        seen.add(symbol)


def in_order_of(session: SessionFile, symbols: Sequence[str]) -> SessionFile:
    """The same model with its symbols numbered in another order: rows of embedding and readout move along.

    Raises SessionError where they are not the same symbols.
    """
    own = session.symbols
    if tuple(symbols) == own:
        return session
    if set(symbols) != set(own) or len(symbols) != len(own):
        odd = sorted(set(symbols) ^ set(own))
        raise SessionError(
            f"the text has {len(symbols):,} symbols and the vocabulary {len(own):,}; they must be the same, "
            f"{quoted(odd[0])} is in one of them only; name the text it was trained on"
        )
    places = {symbol: k for k, symbol in enumerate(own)}
    order = np.array([places[symbol] for symbol in symbols])
    tensors = dict(session.tensors)
    one_hot = not session.config.model.embedding_size
    for name, array in session.tensors.items():
        if name in ("model.embedding.weight", "model.output.weight", "model.output.bias"):
            tensors[name] = array[order]
        elif one_hot and name == "model.layers.0.weight_ih_l0":
            tensors[name] = np.ascontiguousarray(array[:, order])
    tensors["vocabulary"] = pack_vocabulary(symbols)
    return SessionFile(
        session.config, tensors, dict(session.progress), dict(session.resolved), notes=session.notes
    )  # fmt: skip


def _session(
    path: Path, config: Config, weights: Mapping[str, Array], symbols: Sequence[str], told: Sequence[str]
) -> Imported:
    tensors = {f"model.{name}": array for name, array in weights.items()}
    tensors["vocabulary"] = pack_vocabulary(symbols)
    shown = clean_line(path.name)
    notes = "\n".join((f"Imported from {shown}.", *told))
    return Imported(SessionFile(config, tensors, {**_FRESH, "title": f"imported: {shown}"}, notes=notes), tuple(told))


def _configured(model: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> Config:
    """The configuration of an imported model; without a text of its own none is named."""
    try:
        return parse({"model": dict(model), "data": {"path": "", **(data or {})}})
    except ConfigError as error:
        raise SessionError(f"such a network is not among those the lab has: {error}") from None


def _own_session(path: Path, symbols: Sequence[str] | None) -> Imported:
    """The newest weights of a session of the lab; its text and training stay behind."""
    found = load(_followed(path))
    weights = {n.removeprefix("model."): a for n, a in found.tensors.items() if n.startswith("model.")}
    _same_symbols(symbols, found.symbols)
    told = (f"newest weights of a session of the lab, step {found.progress['step']:,}",)
    made = _session(path, found.config, weights, found.symbols, told)
    made.session.resolved = {k: v for k, v in found.resolved.items() if k in ("corpus_sha256", "title")}
    return made


def _is_export(found: StateDict) -> bool:
    return {"config", "vocabulary"} <= set(found.metadata) and "output.bias" in found.entries


def _export(path: Path, found: StateDict, symbols: Sequence[str] | None) -> Imported:
    """What `sessions export --as weights` wrote: the configuration and the vocabulary are in its metadata."""
    try:
        model = parse(unpack_table(found.metadata["config"], "its configuration")).model
    except ConfigError as error:
        raise DamagedError(f"its configuration can't be: {error}") from None
    try:
        own = json.loads(found.metadata["vocabulary"])
    except (ValueError, RecursionError):
        own = None
    if not isinstance(own, list) or not own or not all(isinstance(symbol, str) for symbol in own):
        raise DamagedError("its vocabulary is no list of symbols")
    check_symbols(own)
    _same_symbols(symbols, own)
    expected = parameter_shapes(model, len(own))
    for name, shape in expected.items():
        if found.shapes.get(name) != shape:
            has = found.shapes.get(name)
            fault = "is missing" if has is None else f"has the shape {has}, its configuration needs {shape}"
            raise DamagedError(f"{quoted(name)} {fault}")
    _check_memory(expected)
    weights = {name: found.read(name) for name in expected}
    return _session(path, _configured(model.model_dump()), weights, own, ("weights that rnn-lab exported",))


def _same_symbols(given: Sequence[str] | None, own: Sequence[str]) -> None:
    if given is not None and set(given) != set(own):
        raise SessionError(
            f"it has a vocabulary of its own, {len(own):,} symbols, and it is not the one given; leave "
            "--vocabulary out, or name the text it was trained on"
        )


def _check_memory(shapes: Mapping[str, Shape]) -> None:
    """Raises SessionError before anything is allocated that would not fit."""
    needed = 4 * sum(map(math.prod, shapes.values()))
    free = int(psutil.virtual_memory().available)
    if 2 * needed > free:
        raise SessionError(f"it needs {2 * needed >> 20:,} MB of memory, {free >> 20:,} MB are free")


def _assemble(
    path: Path,
    found: StateDict,
    stack: Stack,
    symbols: Sequence[str] | None,
    cell: str,
    nonlinearity: str,
    embedding: str,
    output: str,
) -> Imported:
    """The session of a stack with what stands around it. Every shape is checked before a tensor is read."""
    kind = stack.kind
    if cell and cell != kind:
        raise SessionError(
            f"{quoted(stack.layers[0].names['weight_hh'])} has {stack.rows} x {stack.hidden} rows: its cell is {kind}, "
            f"not {cell}; leave --cell out"
        )
    if nonlinearity and kind != "rnn":
        raise SessionError(f"--nonlinearity is of the plain RNN and this is {kind.upper()}; leave it out")
    ends = readout_and_embedding(
        {n: s for n, s in found.shapes.items() if n not in stack.names}, stack, symbols, embedding, output
    )
    size = ends.vocabulary
    if size > LARGEST_VOCABULARY:
        raise SessionError(f"{size:,} symbols are more than there are characters; a session has one for each")
    tied = bool(ends.output and ends.embedding and found.same(ends.output, ends.embedding))
    model = {
        "cell": kind, "layers": len(stack.layers), "hidden_size": stack.hidden, "tied": tied,
        "embedding_size": stack.inputs if ends.embedding else 0, "nonlinearity": nonlinearity or "tanh",
    }  # fmt: skip
    config = _configured(model)
    if symbols is None:
        raise SessionError(
            f"its vocabulary has {size:,} symbols and the file does not say which; give them in their order with "
            "--vocabulary FILE, or with --data PATH the text it was trained on"
        )
    shapes = parameter_shapes(config.model, size)
    _check_memory(shapes)
    weights = dict(_layers(found, stack.layers, shapes))
    if ends.embedding:
        weights["embedding.weight"] = found.read(ends.embedding)
    if not tied:
        weights["output.weight"] = found.read(ends.output) if ends.output else np.zeros((size, stack.hidden), "<f4")
    weights["output.bias"] = found.read(ends.bias) if ends.bias else np.zeros(size, "<f4")
    used = {*stack.names, ends.embedding, ends.output, ends.bias}
    told = [
        _about_stack(stack, config.model, bool(nonlinearity)),
        f"embedding: {clean_line(ends.embedding)} ({size:,}, {stack.inputs})" if ends.embedding
        else f"no embedding: one-hot symbols, {size:,} of them",
        _about_readout(ends.output, ends.bias, tied),
        *(f"{count} tensors were {code} and are float32 now" for code, count in sorted(found.converted.items())),
    ]  # fmt: skip
    left = [name for name in found.entries if name not in used]
    if left:
        more = f" and {len(left) - 3:,} more" if len(left) > 3 else ""
        told.append(f"not read: {', '.join(clean_line(name[:60]) for name in left[:3])}{more}")
    return _session(path, config, weights, symbols, told)


def _layers(found: StateDict, layers: Sequence[Layer], shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Array]]:
    for k, layer in enumerate(layers):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            target = f"layers.{k}.{part}_l0"
            name = layer.names.get(part)
            yield target, found.read(name) if name else np.zeros(shapes[target], "<f4")


def _about_stack(stack: Stack, model: ModelConfig, said: bool) -> str:
    line = f"{model.cell.upper()} {model.layers}x{model.hidden_size}"
    first = clean_line(stack.layers[0].names["weight_ih"])
    line += f" from {first}" + (" and the layers above it" if model.layers > 1 else "")
    if any("bias_ih" not in layer.names for layer in stack.layers):
        line += ", no biases: zeros"
    if model.cell == "rnn":
        line += f", {model.nonlinearity}" if said else ", taken to be tanh: --nonlinearity relu for the other"
    return line


def _about_readout(output: str, bias: str, tied: bool) -> str:
    if not output:
        return "no readout in the file: zeros stand for it, so all symbols are equally likely next; states are exact"
    return (
        f"readout: {clean_line(output)}{', tied to the embedding' if tied else ''}{'' if bias else ', no bias: zeros'}"
    )

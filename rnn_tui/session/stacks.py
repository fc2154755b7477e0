"""What is what in a state dict: recurrent layers, embedding and readout, by the names and shapes of tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rnn_tui.session.files import SessionError
from rnn_tui.symbols import clean_line

Shape = tuple[int, ...]
NONE = "none"
"""What a person writes for an embedding or a readout that there is not."""

_PART = re.compile(r"(?P<prefix>.*?)(?P<part>(?:weight|bias)_(?:ih|hh|hr))(?:_l(?P<layer>\d{1,3}))?(?P<back>_reverse)?")
_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<layer>\d{1,3})\.")
_KINDS = {1: "rnn", 3: "gru", 4: "lstm"}
_WORDS = {
    "embedding": re.compile(r"embed|emb$|encoder$|^enc$|^wte$|lookup"),
    "output": re.compile(r"output|^out|decoder$|^dec$|^fc|linear|head$|readout|logit|proj|classifier|dense"),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """One recurrent layer: `weight_ih`, `weight_hh` and the biases it has, by their names in the file."""

    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """Recurrent layers on one another; `rows` G times `hidden` H rows in each matrix, layer 0 reads `inputs`."""

    prefix: str
    layers: tuple[Layer, ...]
    rows: int
    hidden: int
    inputs: int

    @property
    def kind(self) -> str:
        """`rnn`, `gru` or `lstm`."""
        return _KINDS[self.rows]

    @property
    def names(self) -> frozenset[str]:
        """All its tensors."""
        return frozenset(name for layer in self.layers for name in layer.names.values())


@dataclass(frozen=True, slots=True)
class Ends:
    """What stands before and behind a stack, empty where there is none."""

    embedding: str
    output: str
    bias: str
    vocabulary: int
    """How many symbols."""


def quoted(name: str) -> str:
    """A name from outside as a message shows it."""
    shown = clean_line(name[:81])
    return repr(shown if len(shown) <= 80 else shown[:77] + "...")


def find_stack(shapes: Mapping[str, Shape], prefix: str | None = None) -> Stack:
    """The recurrent layers of a state dict: `P.weight_ih_l0`, `P.weight_ih_l1`, or `P.0.weight_ih_l0`, `P.1. ...`.

    Raises SessionError: none or several, a layer missing, a shape that does not fit, or what the
    lab does not have (two directions, projections, layers of different sizes).
    """
    groups = _groups(shapes)
    if not groups:
        raise SessionError(
            "it holds no recurrent layer: no tensor of real numbers is named like weight_ih_l0; save the state dict "
            "of an nn.RNN, nn.GRU or nn.LSTM"
        )
    stacks = _joined(groups)
    if prefix is not None:
        stacks |= groups
        wanted = next((p for p in (prefix, f"{prefix}.") if p in stacks), None)
        if wanted is None:
            raise SessionError(f"no recurrent layer stands under {quoted(prefix)}; --prefix; {_choose(stacks)}")
    elif len(stacks) > 1:
        raise SessionError(f"it holds {len(stacks)} recurrent stacks; {_choose(stacks)} with --prefix")
    else:
        wanted = next(iter(stacks))
    return _checked(wanted, stacks[wanted], shapes)


def _choose(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return f"choose one of {', '.join(quoted(name) for name in found[:8])}{more}"


def _groups(shapes: Mapping[str, Shape]) -> dict[str, dict[int, dict[str, str]]]:
    """By prefix and layer the tensors of each part; what the lab has no place for is refused by name."""
    groups: dict[str, dict[int, dict[str, str]]] = {}
    for name in shapes:
        found = _PART.fullmatch(name)
        if found is None:
            continue
        part = found["part"] + (found["back"] or "")
        layer = groups.setdefault(found["prefix"], {}).setdefault(int(found["layer"] or 0), {})
        if part in layer:
            raise SessionError(f"{quoted(name)} and {quoted(layer[part])} are both that tensor of layer 0; keep one")
        layer[part] = name
    # Biases alone are of something else.
    return {p: g for p, g in groups.items() if any(k.startswith("weight") for layer in g.values() for k in layer)}


def _joined(groups: Mapping[str, dict[int, dict[str, str]]]) -> dict[str, dict[int, dict[str, str]]]:
    """Modules of one layer each, numbered one after another, as one stack."""
    stems: dict[str, dict[int, dict[str, str]]] = {}
    members: dict[str, set[str]] = {}
    for prefix, layers in groups.items():
        found = _NUMBERED.fullmatch(prefix)
        if found is not None and set(layers) == {0}:
            stems.setdefault(found["stem"], {})[int(found["layer"])] = layers[0]
            members.setdefault(found["stem"], set()).add(prefix)
    joined = {stem: layers for stem, layers in stems.items() if (len(layers) > 1 or 0 in layers) and stem not in groups}
    taken = {prefix for stem in joined for prefix in members[stem]}
    return {**{p: g for p, g in groups.items() if p not in taken}, **joined}


def _checked(prefix: str, layers: Mapping[int, Mapping[str, str]], shapes: Mapping[str, Shape]) -> Stack:
    for parts in layers.values():
        for part, name in parts.items():
            if part.endswith("_reverse"):
                raise SessionError(f"{quoted(name)} reads backward; layers of two directions can't be imported")
            if part == "weight_hr":
                raise SessionError(f"{quoted(name)} projects h (proj_size); such an LSTM can't be imported")
    first = next(iter(layers.values()))
    like = first.get("weight_ih") or first.get("weight_hh") or prefix
    for k in range(len(layers)):
        if k not in layers:
            raise SessionError(f"layer {k} is missing beside {quoted(like)}, though layer {max(layers)} is there")
    rows = hidden = inputs = 0
    for k in range(len(layers)):
        parts = layers[k]
        for part, other in (("weight_ih", "weight_hh"), ("weight_hh", "weight_ih")):
            if part not in parts:
                raise SessionError(f"{part} of layer {k} is missing beside {quoted(parts.get(other, like))}")
        for part, other in (("bias_ih", "bias_hh"), ("bias_hh", "bias_ih")):
            if part not in parts and other in parts:
                raise SessionError(f"{part} of layer {k} is missing beside {quoted(parts[other])}")
        name, shape = parts["weight_hh"], shapes[parts["weight_hh"]]
        if k == 0:
            rows, hidden = _size(name, shape)
        elif shape != (rows * hidden, hidden):
            raise SessionError(
                f"{quoted(name)} has the shape {shape}, layer 0 has {hidden} units and {(rows * hidden, hidden)}; "
                "layers of different sizes can't be imported"
            )
        below = shapes[parts["weight_ih"]]
        inputs = below[1] if k == 0 and len(below) == 2 else inputs
        expected: dict[str, Shape] = {"weight_ih": (rows * hidden, hidden if k else inputs)}
        expected |= {part: (rows * hidden,) for part in ("bias_ih", "bias_hh") if part in parts}
        for part, needed in expected.items():
            if shapes[parts[part]] != needed or not all(needed):
                wanted = f"({rows * hidden}, any)" if part == "weight_ih" and not k else needed
                raise SessionError(f"{quoted(parts[part])} has the shape {shapes[parts[part]]}, {wanted} is needed")
    return Stack(prefix, tuple(Layer(layers[k]) for k in range(len(layers))), rows, hidden, inputs)


def _size(name: str, shape: Shape) -> tuple[int, int]:
    """G and H of a weight_hh (G H, H)."""
    if len(shape) == 2 and shape[1] and shape[0] in (g * shape[1] for g in _KINDS):
        return shape[0] // shape[1], shape[1]
    raise SessionError(
        f"{quoted(name)} has the shape {shape}; with H units it is (H, H) for an RNN, (3 H, H) for a GRU, "
        "(4 H, H) for an LSTM"
    )


def readout_and_embedding(
    shapes: Mapping[str, Shape], stack: Stack, symbols: Sequence[str] | None, embedding: str, output: str
) -> Ends:
    """Finds the embedding (V, inputs) and the readout (V, H) with its bias (V) among the tensors of no layer.

    `embedding` and `output` name them, or say `none`; else names decide, and where they say nothing shapes.
    Raises SessionError: several, none that fits, or numbers of symbols that differ.
    """
    V = None if symbols is None else len(symbols)
    tables = {name: shape for name, shape in shapes.items() if len(shape) == 2}
    first = _named(tables, embedding, "--embedding")
    last = _named(tables, output, "--output")
    if not embedding:
        # A readout that is called an embedding is both: they are tied.
        others = {n: s for n, s in tables.items() if n != last or _kind(n) == "embedding"}
        first = _pick("embedding", others, shapes, stack.inputs, V)
    if first:
        _fits("--embedding", first, shapes[first], (V, stack.inputs), "what layer 0 reads at a timestep")
    known = V if V is not None else shapes[first][0] if first else None
    if not output:
        others = {n: s for n, s in tables.items() if n != first}
        # Without an embedding symbols are one-hot: what layer 0 reads tells how many there are.
        last = _pick("output", others, shapes, stack.hidden, stack.inputs if known is None else known)
    if last:
        _fits("--output", last, shapes[last], (known, stack.hidden), "the last layer's h")
        known = shapes[last][0] if known is None else known
    if not first and known is not None and known != stack.inputs:
        raise SessionError(
            f"layer 0 reads {stack.inputs} numbers at a timestep and there are {known:,} symbols, so they are not "
            f"one-hot, and no embedding ({known:,}, {stack.inputs}) was found; name it with --embedding"
        )
    known = stack.inputs if known is None else known
    return Ends(first, last, _bias(shapes, first, last, known, output), known)


def _named(tables: Mapping[str, Shape], name: str, option: str) -> str:
    """The matrix that a person named; empty for none."""
    if not name or name == NONE:
        return ""
    found = next((n for n in (name, f"{name}.weight", f"{name}weight") if n in tables), None)
    if found is None:
        others = _choose(tables) if tables else "there is no matrix beside the layers"
        raise SessionError(f"there is no matrix {quoted(name)}; {option}; {others}, or {NONE}")
    return found


def _pick(kind: str, tables: Mapping[str, Shape], shapes: Mapping[str, Shape], columns: int, rows: int | None) -> str:
    option = f"--{kind}"
    said = [name for name in tables if _kind(name) == kind]
    fit = [n for n in said if tables[n][1] == columns and rows in (None, tables[n][0])]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise SessionError(f"several matrices can be its {kind}; {_choose(fit)} with {option}")
    silent = [n for n in tables if not _kind(n) and rows is not None and tables[n] == (rows, columns)]
    if kind == "embedding":
        silent = [n for n in silent if _sibling(n) not in shapes]
    if len(silent) == 1:
        return silent[0]
    if silent:
        raise SessionError(f"several matrices can be its {kind}; {_choose(silent)} with {option}")
    if said:
        size = f"({'V' if rows is None else format(rows, ',')}, {columns})"
        raise SessionError(
            f"{quoted(said[0])} has the shape {tables[said[0]]}, as its {kind} {size} is needed; {option} names "
            f"another, {option} {NONE} leaves it out"
        )
    return ""


def _kind(name: str) -> str:
    """What a name says of a tensor: `embedding`, `output` or nothing. The last part that says something decides."""
    for part in reversed(name.lower().removesuffix("weight").strip("._").split(".")):
        for kind, words in _WORDS.items():
            if any(words.search(word) for word in (part, *part.split("_"))):
                return kind
    return ""


def _fits(option: str, name: str, shape: Shape, needed: tuple[int | None, int], columns: str) -> None:
    rows, width = needed
    if shape[1] != width:
        raise SessionError(f"{quoted(name)} has the shape {shape}; {option}; {width} columns are needed: {columns}")
    if rows is not None and shape[0] != rows:
        raise SessionError(f"{quoted(name)} has {shape[0]:,} rows; {option}; there are {rows:,} symbols")
    if not shape[0]:
        raise SessionError(f"{quoted(name)} has no rows; {option}; there must be one for each symbol")


def _sibling(name: str) -> str:
    return name.removesuffix("weight") + "bias" if name.endswith("weight") else ""


def _bias(shapes: Mapping[str, Shape], first: str, last: str, V: int, asked: str) -> str:
    """The readout's bias, empty where it has none; with tied weights it may stand alone."""
    name = _sibling(last)
    if name in shapes:
        if shapes[name] != (V,):
            raise SessionError(f"{quoted(name)} has the shape {shapes[name]}, ({V},) is needed")
        return name
    alone = [
        n for n, s in shapes.items() if s == (V,) and n.endswith("bias") and _kind(n.removesuffix("bias")) == "output"
    ]
    alone = [n for n in alone if n.removesuffix("bias") + "weight" not in shapes]
    if last == first and len(alone) == 1 and last:
        return alone[0]
    if alone and not last and not asked:
        hint = f"--output {first} if it shares the embedding's" if first else "name it with --output"
        raise SessionError(f"{quoted(alone[0])} has no weight beside it; {hint}, or --output {NONE} for zeros")
    return ""

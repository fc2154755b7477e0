"""What a network will be, before anything is allocated: shapes, parameters, memory, warnings.

Closed forms, without torch. The tests hold them to the built module.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rnn_tui.config import CHOICES, Config, ModelConfig, show, visible
from rnn_tui.model import cautions
from rnn_tui.model.cells import Cell, cell_of
from rnn_tui.model.memory import free_bytes, longest, memory_bytes, optimizer_copies, size
from rnn_tui.model.parameters import as_sizes, directions, one_way, parameter_count, parameter_shapes, tied
from rnn_tui.views import DataView, NetworkView, Sizes, Stage

__all__ = [
    "as_sizes",
    "diagram",
    "directions",
    "free_bytes",
    "memory_bytes",
    "one_way",
    "optimizer_copies",
    "parameter_count",
    "parameter_shapes",
    "size",
    "tied",
]


def diagram(config: Config, data: DataView | None, free_bytes: int) -> NetworkView:
    """The network stage by stage, with shapes (B, T, F), parameters, memory and warnings.

    T is the truncation of BPTT where one stream is read, and a typical sequence's length
    where there are sequences; memory is that of the longest. Where the data have not been
    read yet (`data` is None), what they decide is written V (symbols), C (answers), F
    (features) or T, and is not counted.
    """
    sizes = data.sizes if data else _unread(config)
    memory = memory_bytes(config, sizes, data.longest if data else 0)
    choice = not sizes.real and sizes.outputs > 0
    return NetworkView(
        stages=tuple(_Drawing(config, sizes, data).stages()),
        parameters=parameter_count(config.model, sizes),
        memory_bytes=memory,
        free_bytes=free_bytes,
        first_loss=math.log(sizes.outputs) if choice else math.nan,
        warnings=tuple(cautions.warnings(config, data)),
        refusal=cautions.refusal(config, data, memory, free_bytes),
    )


def _unread(config: Config) -> Sizes:
    """What the configuration alone tells of data that are not read yet: numbers have no embedding."""
    numbers = not visible(CHOICES["model.embedding_size"], config)
    return Sizes(0, 0, numbers, config.data.task == "translation", last=numbers, real=numbers)


class _Drawing:
    """The stages of a network, from what it reads to what it answers."""

    def __init__(self, config: Config, sizes: Sizes, data: DataView | None) -> None:
        self.config, self.sizes, self.data = config, sizes, data
        self.model = one_way(config.model) if sizes.decoder else config.model
        self.cell = cell_of(self.model)
        self.width = self.model.hidden_size * len(directions(self.model))
        shapes = parameter_shapes(config.model, sizes)
        self.counts = {name: math.prod(shape) for name, shape in shapes.items()}
        self.steps, self.at_most = self._steps()

    def _steps(self) -> tuple[str, str]:
        """T as it stands in a shape, and what is said of longer sequences."""
        config, data = self.config, self.data
        if config.data.task in ("language", "forecasting"):
            return str(longest(config)), ""
        if data is None or not data.longest:
            return "T", ""
        typical = data.typical or data.longest
        return str(typical), f"{data.longest:,} at most" if data.longest > typical else ""

    def stages(self) -> Iterator[Stage]:
        if self.sizes.decoder:
            yield from self._translating()
            return
        yield from self._reading("", self.steps, self._named(self.sizes.inputs, "F" if self.sizes.numeric else "V"))
        if self.sizes.last:
            both = " of both directions" if self.model.bidirectional else ""
            yield Stage("last h", f"after the sequence{both}", self._shape("", self.width), 0)
            yield self._readout("", "")
        else:
            yield self._readout("", self.steps)

    def _translating(self) -> Iterator[Stage]:
        hidden = self.model.hidden_size
        yield from self._reading("encoder.", self.steps, self._named(self.sizes.inputs, "V"))
        carried = " and ".join(self.cell.states)
        yield Stage("context", f"last {carried}, to the decoder", self._shape("", hidden), 0)
        yield from self._reading("decoder.", "U", self._named(self.sizes.outputs, "C"))
        if self.model.attention:
            detail = f"over {self.steps} states"
            yield Stage("attention", detail, self._shape("U", hidden), self._under("decoder.attention."))
        yield self._readout("decoder.", "U")

    def _reading(self, stack: str, steps: str, symbols: str) -> Iterator[Stage]:
        """What is read, and the layers over it."""
        model, decoder = self.model, stack == "decoder."
        detail = "" if decoder else self.at_most
        if self.sizes.numeric:
            yield Stage("numbers", detail, self._shape(steps, symbols), 0)
        else:
            name = {"encoder.": "source", "decoder.": "target, one step late"}.get(stack, "tokens")
            yield Stage(name, detail, self._shape(steps), 0)
            if model.embedding_size:
                width = model.embedding_size
                yield Stage("embedding", str(width), self._shape(steps, width), self._under(f"{stack}embedding."))
            else:
                yield Stage("one-hot", symbols, self._shape(steps, symbols), 0)
        for k in range(model.layers):
            if k and model.dropout:
                locked = ", one mask for all timesteps" if model.locked_dropout else ""
                yield Stage("dropout", f"{show(model.dropout)}{locked}", self._shape(steps, self.width), 0)
            yield Stage(
                self.cell.title, _layer_detail(model, self.cell), self._shape(steps, self.width),
                self._under(f"{stack}layers.{k}."), recurrent=self.cell.recurrent,
            )  # fmt: skip

    def _readout(self, stack: str, steps: str) -> Stage:
        sizes = self.sizes
        name = "linear" if self.sizes.real else "linear, softmax"
        unknown = "V" if self.config.data.task == "language" else "C"
        shared = self.model.tied if self.data is None else tied(self.config.model, sizes)
        detail = "tied to the embedding" if shared and not sizes.numeric else ""
        return Stage(
            name, detail, self._shape(steps, self._named(sizes.outputs, unknown)), self._under(f"{stack}output.")
        )

    def _named(self, count: int, letter: str) -> str:
        return str(count) if self.data is not None else letter

    def _shape(self, steps: str, features: object = "") -> str:
        parts = (str(self.config.training.batch_size), steps, str(features))
        return f"({', '.join(part for part in parts if part)})"

    def _under(self, prefix: str) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith(prefix))


def _layer_detail(model: ModelConfig, cell: Cell) -> str:
    hidden = model.hidden_size
    detail = f"{hidden}→ {hidden}←" if model.bidirectional else str(hidden)
    if model.cell == "rnn" and model.nonlinearity == "relu":
        detail += ", ReLU"
    if cell.recurrent and model.recurrent_dropout:
        detail += f", W_hh drop {show(model.recurrent_dropout)}"
    return detail

"""What reads: an embedding (or one-hot, or numbers as they are) under stacked one-layer fused modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnn_tui.config import ModelConfig
from rnn_tui.model.cells import Weights, cell_of
from rnn_tui.model.padding import Padding
from rnn_tui.model.parameters import directions
from rnn_tui.views import Sizes

State = list[tuple[Tensor, ...]]
"""What is carried from one timestep to the next: per layer (h,) or (h, c), each (B, H)."""

# What the drive of a gate is moved by to open or shut it wholly: its sigmoid is 1 or 0, its gradient 0.
WHOLLY = 1e6


class Stack(nn.Module):
    """Recurrent layers on one another, over an embedding, one-hot rows, or numbers as they are.

    Parameters are named as in a session file. They hold no values until `initial.fill` or
    `load_weights` gives them some: it is built on `meta`, which draws no random number, and
    `settle` moves it from there. Where dropout acts it draws from the generator that
    is passed; without one there is none, whatever the mode. Its rates are plain attributes
    and may change between two calls.

    Bidirectional (Schuster and Paliwal 1997): beside each layer a second one, with weights
    of its own (`_reverse`), reads from the end to the beginning; what a layer says is both,
    (T, B, 2H), the forward direction first. The state that is carried is the forward
    direction's: the other one always starts from its own h_0 at the end.

    `starts` False: it has no h_0 to learn, since it goes on from another stack's state.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes, *, starts: bool = True) -> None:
        super().__init__()
        self.model = model
        self.sizes = sizes
        self.cell = cell_of(model)
        self.vocabulary = sizes.inputs
        self.set_dropout(model)
        hidden, width = model.hidden_size, 0 if sizes.numeric else model.embedding_size
        self.directions = directions(model)
        self.embedding = nn.Embedding(sizes.inputs, width, device="meta") if width else None
        below = [width or sizes.inputs] + [hidden * len(self.directions)] * (model.layers - 1)
        self.layers = nn.ModuleList(self.cell.fused(inputs, hidden, "meta") for inputs in below)
        for layer in self.layers:
            if model.bidirectional:
                for name, parameter in list(layer.named_parameters()):
                    layer.register_parameter(f"{name}_reverse", nn.Parameter(torch.empty_like(parameter)))
            if starts and self.cell.recurrent and model.initial_state == "learned":
                for suffix in self.directions:
                    for state in self.cell.states:
                        own = nn.Parameter(torch.empty(hidden, device="meta"))
                        layer.register_parameter(f"{state}_0{suffix}", own)
        # Modules of one more input than the layers have, run with the layers' own weights:
        # in a tuple, because they have no weights of their own.
        memory = self.cell.memory is not None
        self._keeping = tuple(self.cell.fused(inputs + 1, hidden, "meta") for inputs in below) if memory else ()

    def settle(self, device: str) -> None:
        """Move from `meta` to a device, still without values."""
        if device != "meta":
            self.to_empty(device=device)

    def set_dropout(self, model: ModelConfig) -> None:
        """Drop at that configuration's rates from now on."""
        self.dropout = model.dropout
        self.locked_dropout = model.locked_dropout
        self.recurrent_dropout = model.recurrent_dropout

    def initial(self, batch: int) -> State:
        """h_0 (and c_0) of each layer for a batch: zeros, or the learned vectors, (B, H) each."""
        return [self.start(k, batch) for k in range(len(self.layers))]

    def start(self, k: int, batch: int, direction: str = "") -> tuple[Tensor, ...]:
        """Layer k's h_0 (and c_0) in one of its `directions`, (B, H) each."""
        learned = dict(self.layers[k].named_parameters())
        return tuple(
            learned[f"{name}_0{direction}"].expand(batch, -1)
            if f"{name}_0{direction}" in learned
            else self._like.new_zeros(batch, self.model.hidden_size)
            for name in self.cell.states
        )

    @property
    def _like(self) -> Tensor:
        """A weight: where it lies, and of what type, all that is computed lies and is."""
        return next(self.layers.parameters())

    def embed(self, inputs: Tensor) -> Tensor:
        """What layer 0 reads: (...) int64 to (..., E), or with one-hot to (..., V); numbers (..., F) as they are."""
        if self.embedding is not None:
            return functional.embedding(inputs, self.embedding.weight)
        if self.sizes.numeric:
            return inputs.to(self._like.dtype)
        one_hot = self._like.new_zeros(*inputs.shape, self.vocabulary)
        return one_hot.scatter_(-1, inputs.unsqueeze(-1), 1.0)

    def run_layer(
        self, k: int, x: Tensor, state: tuple[Tensor, ...], dropout: torch.Generator | None = None,
        padding: Padding | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
        """Layer k over a whole sequence: x (T, B, in) to what it says at every timestep, (T, B, H) or
        bidirectional (T, B, 2H), and the forward direction's last state. With `padding`, x is aligned.
        """
        output, after = self.run_direction(k, x, state, "", dropout, padding)
        if self.model.bidirectional:
            start = self.start(k, x.shape[1], "_reverse")
            other, _ = self.run_direction(k, x, start, "_reverse", dropout, padding)
            output = torch.cat((output, other), dim=-1)
        return output, after

    def run_direction(
        self, k: int, x: Tensor, state: tuple[Tensor, ...], direction: str = "",
        dropout: torch.Generator | None = None, padding: Padding | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
        """One direction of layer k: x (T, B, in) to its h at every timestep, (T, B, H), and its last state.

        The backward direction (`_reverse`) reads each sequence from its end: what it says of
        timestep t stands at t all the same, and its last state is that at the first timestep
        (of padded sequences only its h is known). At timesteps that are no data, h is of no meaning.
        """
        if not direction:
            return self._run(k, x, state, direction, dropout, padding)
        turned = x.flip(0) if padding is None else padding.reversed(x)
        output, last = self._run(k, turned, state, direction, dropout, padding)
        return output.flip(0) if padding is None else padding.reversed(output), last

    def _run(
        self, k: int, x: Tensor, state: tuple[Tensor, ...], direction: str,
        dropout: torch.Generator | None, padding: Padding | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:  # fmt: skip
        """`run_direction` with x in the order in which it is read."""
        carried = tuple(part.unsqueeze(0).contiguous() for part in state)
        start = carried if len(carried) > 1 else carried[0]
        module, kind = self.layers[k], self._like.dtype
        drops = dropout is not None and self._drops_recurrent
        if padding is not None and self._keeping and not direction:
            module, own = self._keeping[k], self._kernel_weights(k, direction, dropout)
            own["weight_ih_l0"] = torch.cat((own["weight_ih_l0"], self._shutter()), dim=-1)
            filled = padding.filled.expand(*x.shape[:2], 1).to(x.dtype)
            output, last = torch.func.functional_call(module, own, (torch.cat((x, filled), dim=-1), start))
        elif drops or direction:
            own = self._kernel_weights(k, direction, dropout)
            output, last = torch.func.functional_call(module, own, (x, start))
        else:
            output, last = module(x, start)
        # Under autocast the last state comes back rounded; between calls it is carried as float32.
        ends = tuple(part.squeeze(0).to(kind) for part in (last if isinstance(last, tuple) else (last,)))
        if padding is None:
            return output, ends
        h = padding.last(output).to(kind)
        return output, (h,) if direction else (h, *ends[1:])

    def _kernel_weights(self, k: int, direction: str, dropout: torch.Generator | None) -> dict[str, Tensor]:
        """One direction's weights by the names that a module of one direction knows them by, W_hh dropped."""
        ending = "_l0" + direction
        found: dict[str, Tensor] = {
            name.removesuffix(direction): value
            for name, value in self.layers[k].named_parameters()
            if name.endswith(ending)
        }
        if dropout is not None and self._drops_recurrent:
            found["weight_hh_l0"] = found["weight_hh_l0"] * self._recurrent_mask(found["weight_hh_l0"], dropout)
        return found

    def _shutter(self) -> Tensor:
        """(G H, 1): what a timestep that is no data adds to the gates' drives, so that c stays as it is.

        The gate that keeps c is wholly open there and the one that lets in wholly shut: of a
        padded sequence the kernel's last c is then that of its last real timestep.
        """
        assert self.cell.memory is not None, "only a cell with c needs it"
        keep, let_in, _ = self.cell.memory
        column = self._like.new_zeros(self.cell.rows, self.model.hidden_size)
        column[self.cell.gates.index(keep)] = WHOLLY
        column[self.cell.gates.index(let_in)] = -WHOLLY
        return column.reshape(-1, 1)

    @property
    def _drops_recurrent(self) -> bool:
        return self.recurrent_dropout > 0 and self.cell.recurrent

    def _recurrent_mask(self, whole: Tensor, generator: torch.Generator) -> Tensor:
        return _mask(whole.shape, self.recurrent_dropout, whole, generator)

    def _mask_between(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
        return _mask((1, *shape[1:]) if self.locked_dropout else shape, self.dropout, like, generator)

    def masks(self, timesteps: int, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The masks that the next call will draw with this generator, which is left as it is.

        `layers.K.x` (T, B, H or 2H), or (1, B, ...) where they are locked: what layer K reads
        is multiplied with it. `layers.K.weight_hh_l0` (G H, H), and `_reverse`: W_hh is.
        Timesteps count from each sequence's first, on whatever side it is filled up.
        """
        return self.draw_masks(timesteps, batch, copied(generator))

    def draw_masks(self, timesteps: int, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`masks`, drawn from the generator itself, which is moved on as the call would move it."""
        width = self.model.hidden_size * len(self.directions)
        found: dict[str, Tensor] = {}
        for k, layer in enumerate(self.layers):
            if k and self.dropout > 0:
                found[f"layers.{k}.x"] = self._mask_between((timesteps, batch, width), self._like, generator)
            if self._drops_recurrent:
                own = dict(layer.named_parameters())
                for direction in self.directions:
                    name = f"weight_hh_l0{direction}"
                    found[f"layers.{k}.{name}"] = self._recurrent_mask(own[name], generator).detach()
        return found

    def hidden(
        self, inputs: Tensor, state: State | None = None, dropout: torch.Generator | None = None,
        lengths: Tensor | None = None, before: bool = False,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """What the last layer says at every timestep, (T, B, H) or bidirectional (T, B, 2H), and the state after.

        `inputs` (T, B) int64 or (T, B, F) numbers. `lengths` (B) int64 on the CPU: how many
        timesteps of each sequence are data, the first of them or, with `before`, the last; the
        others enter nothing, are 0 in what is returned, and the state is that after each
        sequence's own last timestep. Raises ValueError for lengths that are not from 1 to T.
        """
        timesteps, batch = inputs.shape[:2]
        padding = Padding.of(lengths, timesteps, before, inputs.device)
        state = self.initial(batch) if state is None else state
        x = self.embed(inputs if padding is None else padding.aligned(inputs))
        after: State = []
        for k in range(len(self.layers)):
            if k and dropout is not None and self.dropout > 0:
                x = x * self._mask_between(tuple(x.shape), x, dropout)
            x, last = self.run_layer(k, x, state[k], dropout, padding)
            after.append(last)
        return x if padding is None else padding.restored(x.masked_fill(padding.filled, 0.0)), after

    def summary(self, out: Tensor, lengths: Tensor | None = None, before: bool = False) -> Tensor:
        """What is known after the whole sequence, from `hidden`'s out (T, B, H): its last timestep, (B, H).

        Bidirectional, (T, B, 2H) to (B, 2H): beside the forward direction's h at the last
        timestep, the backward direction's at the first, the last one that it read.
        """
        timesteps, hidden = len(out), self.model.hidden_size
        batch = torch.arange(out.shape[1], device=out.device)
        lengths = torch.full_like(batch, timesteps) if lengths is None else lengths.to(out.device)
        first = timesteps - lengths if before else torch.zeros_like(batch)
        forward = out[first + lengths - 1, batch]
        if not self.model.bidirectional:
            return forward
        backward = out[first, batch]
        return torch.cat((forward[:, :hidden], backward[:, hidden:]), dim=-1)

    def layer_weights(self, k: int, direction: str = "") -> Weights:
        """Layer k's weights in one of its `directions`, by the names that the equations use."""
        found = dict(self.layers[k].named_parameters())
        return Weights(
            W_ih=found[f"weight_ih_l0{direction}"],
            b_ih=found[f"bias_ih_l0{direction}"],
            W_hh=found.get(f"weight_hh_l0{direction}"),
            b_hh=found.get(f"bias_hh_l0{direction}"),
        )


def _mask(shape: tuple[int, ...], rate: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Inverted dropout: 0 with probability `rate`, else 1 / (1 - rate)."""
    kept = 1.0 - rate
    # Drawn where the generator is, so that a run's masks are the same on every device.
    mask = torch.empty(shape, dtype=like.dtype, device=generator.device)
    return mask.bernoulli_(kept, generator=generator).div_(kept).to(like.device)


def copied(generator: torch.Generator) -> torch.Generator:
    """Another generator that will draw the same."""
    copy = torch.Generator(generator.device)
    copy.set_state(generator.get_state())
    return copy


def detach(state: State) -> State:
    """The same state, cut off from the graph: gradients end here."""
    return [tuple(part.detach() for part in layer) for layer in state]

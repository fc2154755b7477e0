"""An encoder reads one sequence, a decoder writes another (Sutskever, Vinyals and Le 2014; Cho et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnn_tui.config import ModelConfig
from rnn_tui.model.network import Network
from rnn_tui.model.parameters import one_way
from rnn_tui.model.stack import Stack, State, copied
from rnn_tui.views import Sizes


@dataclass(frozen=True, eq=False)
class Encoded:
    """What an encoder made of B sequences."""

    outputs: Tensor
    """(T, B, H): the last layer's h at every timestep, 0 where there are no data."""
    state: State
    """After each sequence's last timestep: all that a decoder without attention is told."""
    real: Tensor | None = None
    """(T, B): where there are data; None: everywhere."""

    def rows(self, which: Tensor) -> Encoded:
        """The sequences of those numbers (int64), in that order, as often as they are named."""
        real = None if self.real is None else self.real[:, which]
        return Encoded(self.outputs[:, which], pick(self.state, which), real)


def pick(state: State, which: Tensor) -> State:
    """A state (B, H) of the sequences of those numbers (int64), in that order: what a beam goes on from."""
    return [tuple(part[which] for part in layer) for layer in state]


class Decoder(Network):
    """A network over target symbols that starts from an encoder's state, with attention or without.

    Attention is Luong, Pham and Manning 2015, global with the dot product: h_t is compared
    with every output of the encoder, a_t = softmax(h_t . outputs), c_t = sum of a_t outputs,
    and what is read out is tanh(W_c [c_t; h_t] + b_c).
    """

    def __init__(self, model: ModelConfig, symbols: int, device: str = "cpu") -> None:
        super().__init__(model, Sizes(symbols, symbols), "meta", starts=False)
        hidden = model.hidden_size
        self.attention = nn.Linear(2 * hidden, hidden, device="meta") if model.attention else None
        self.settle(device)

    def attend(self, h: Tensor, encoded: Encoded) -> tuple[Tensor, Tensor | None]:
        """h (U, B, H) to what is read out (U, B, H), and the weights of the source's timesteps, (U, B, T).

        Without attention h itself, and None.
        """
        if self.attention is None:
            return h, None
        asked, outputs = h.transpose(0, 1), encoded.outputs.transpose(0, 1)
        scores = asked @ outputs.transpose(1, 2)
        if encoded.real is not None:
            scores = scores.masked_fill(~encoded.real.T.unsqueeze(1), float("-inf"))
        weights = scores.softmax(dim=-1)
        both = torch.cat((weights @ outputs, asked), dim=-1)
        return self.attention(both).tanh().transpose(0, 1), weights.transpose(0, 1)


class EncoderDecoder(nn.Module):
    """A stack that reads the source and a decoder, of the same cell and size, that goes on from its last state.

    Both read from left to right, whatever `model.bidirectional` says. Parameters are
    `encoder.*` and `decoder.*`, each named as in `Network`; like there, they hold no values
    until they are filled.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes, device: str = "cpu") -> None:
        super().__init__()
        self.model = model
        self.sizes = sizes
        self.vocabulary = sizes.inputs
        self.encoder = Stack(one_way(model), sizes)
        self.encoder.settle(device)
        self.decoder = Decoder(one_way(model), sizes.outputs, device)
        self.cell = self.encoder.cell

    def set_dropout(self, model: ModelConfig) -> None:
        """Drop at that configuration's rates from now on."""
        self.encoder.set_dropout(model)
        self.decoder.set_dropout(model)

    def initial(self, batch: int) -> State:
        """The encoder's h_0 (and c_0) for a batch, (B, H) each."""
        return self.encoder.initial(batch)

    def masks(self, timesteps: int, written: int, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The masks that the next `encode` of (T, B) and `decode` of (U, B) will draw, as in `Stack.masks`."""
        generator = copied(generator)
        found = {f"encoder.{name}": mask for name, mask in self.encoder.draw_masks(timesteps, batch, generator).items()}
        later = self.decoder.draw_masks(written, batch, generator)
        return found | {f"decoder.{name}": mask for name, mask in later.items()}

    def encode(
        self, source: Tensor, lengths: Tensor | None = None, before: bool = False,
        dropout: torch.Generator | None = None, state: State | None = None,
    ) -> Encoded:  # fmt: skip
        """Reads `source` (T, B) int64, from h_0 where `state` is None; the rest as in `Stack.hidden`."""
        outputs, after = self.encoder.hidden(source, state, dropout, lengths, before)
        if lengths is None:
            return Encoded(outputs, after)
        t = torch.arange(len(source)).unsqueeze(1)
        real = t >= len(source) - lengths if before else t < lengths
        return Encoded(outputs, after, real.to(source.device))

    def decode(
        self, encoded: Encoded, inputs: Tensor, state: State | None = None, dropout: torch.Generator | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """Logits of the symbol after each of `inputs` (U, B), the state after them, and attention's weights.

        `inputs` are the symbols before those that are asked for, the start's first; `state`
        from the encoder's last where it is None. Returns (U, B, V), a state that is still
        part of the graph, and (U, B, T), or None without attention.
        """
        h, after = self.decoder.hidden(inputs, encoded.state if state is None else state, dropout)
        read, weights = self.decoder.attend(h, encoded)
        return self.decoder.output(read), after, weights

    def step(
        self, encoded: Encoded, symbols: Tensor, state: State | None = None
    ) -> tuple[Tensor, State, Tensor | None]:
        """One timestep of `decode`: the symbols before, (B), to logits (B, V), the state after, and weights (B, T)."""
        logits, after, weights = self.decode(encoded, symbols.unsqueeze(0), state)
        return logits[0], after, None if weights is None else weights[0]

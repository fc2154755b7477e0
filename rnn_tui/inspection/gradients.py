"""How far back a loss reaches: dL/dh_t and dL/dc_t at every earlier timestep, and what they do to the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.data.coding import Coding
from rnn_tui.inspection.asked import Answers, is_asked, spread
from rnn_tui.inspection.pieces import Pace, Working, finish, in_pieces, within
from rnn_tui.inspection.reader import Array64
from rnn_tui.inspection.replay import Loss, Replay, horizon, norms_of, replay_steps
from rnn_tui.inspection.spectrum import jacobian_steps, linear_story, singular_values, spectral_radius
from rnn_tui.inspection.trace import decoder_inputs, trace
from rnn_tui.inspection.trace_view import own_units
from rnn_tui.model.network import Network, State
from rnn_tui.model.translation import Decoder, EncoderDecoder
from rnn_tui.tasks.decoding import BARRED
from rnn_tui.views import GradientFlow, LayerFlow, frozen

# Of the work on a plain RNN, the share that the replay itself has.
REPLAY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Stood:
    """A loss, where it stands, and what is read for it."""

    at: int
    target: str
    """The right answer in words."""
    loss: Loss
    whole: bool = False
    """Whether each direction speaks at the end of its own reading."""
    written: NDArray[np.int64] | None = None
    """(U): what a decoder reads."""
    likeliest: bool = False
    """Whether no right answer is known: the likeliest takes its place."""


def flow(
    network: Network | EncoderDecoder,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    vocabulary: Sequence[str],
    *,
    at: int = -1,
    truncate: int = 0,
    number: int = 0,
    step: int = 0,
    state: State | None = None,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
    coding: Coding | None = None,
    working: Working | None = None,
) -> GradientFlow:
    """The gradient of one answer's cost, back through time and layers.

    In language (`answers` None) L = -ln p(symbol at + 1 | the symbols up to at), in nats, and
    `at` -1 is the last timestep that has a next symbol. `tokens` (T) are numbers of the
    symbols in `vocabulary`, or (T, F) numbers. Of any other task `answers`, `targets` and
    `vocabulary` (what is answered) say what is asked, as in `trace`, and -1 is the last
    timestep that asks: L is the cost of the right answer there, for numbers the mean
    squared error; where no right answer is known, that of the likeliest. `coding` tells
    right numbers in the data's own units. The gradient goes back over `truncate` timesteps,
    the loss's own included (0: all). `state` is what the text is read from (batch 1), h_0 by
    default. `working` is told the share that is done, and may raise to end the work. Float64,
    without dropout; numbers that are not finite are told as inf.

    Raises ValueError, in one sentence, where there is no loss at `at`.
    """
    steps = flow_steps(
        network, tokens, vocabulary, at=at, truncate=truncate, number=number, step=step, state=state,
        targets=targets, answers=answers, coding=coding,
    )  # fmt: skip
    return finish(steps, working)


def flow_steps(
    network: Network | EncoderDecoder,
    tokens: Tensor | NDArray[Any] | Sequence[int],
    vocabulary: Sequence[str],
    *,
    at: int = -1,
    truncate: int = 0,
    number: int = 0,
    step: int = 0,
    state: State | None = None,
    targets: NDArray[Any] | None = None,
    answers: Answers | None = None,
    coding: Coding | None = None,
) -> Generator[float, None, GradientFlow]:
    """`flow` as a generator that yields the share that is done, some 0.05 s of work apart. Raises ValueError."""
    read = np.asarray(tokens)
    read = read if network.sizes.numeric else read.astype(np.int64)
    stood = stand(network, read, vocabulary, at, targets, answers, coding)
    steps = replay_steps(
        network, read, stood.loss, at=stood.at, truncate=truncate, state=state, whole=stood.whole,
        written=stood.written,
    )  # fmt: skip

    def work() -> Generator[float, None, GradientFlow]:
        one_matrix = isinstance(network, Network) and network.cell.recurrent and not network.cell.gates
        share = REPLAY_SHARE if one_matrix else 1.0
        replayed = yield from within(steps, 0.0, share)
        layers = []
        for k in range(network.model.layers):
            part = (1.0 - share) / network.model.layers
            one = _layer(network, replayed, k, stood.whole)
            layers.append((yield from within(in_pieces(one), share + k * part, part)))
        return GradientFlow(
            number=number, at=stood.at, target=stood.target, loss=replayed.loss, layers=tuple(layers),
            truncated=truncate, cut=replayed.cut, step=step, cell=network.cell.name,
            overflow=not math.isfinite(replayed.loss) or any(map(_overflowed, layers)),
            border=replayed.border, likeliest=stood.likeliest, real=targets is not None and targets.dtype.kind == "f",
        )  # fmt: skip

    return work()


def stand(
    network: Network | EncoderDecoder, read: NDArray[Any], vocabulary: Sequence[str], at: int = -1,
    targets: NDArray[Any] | None = None, answers: Answers | None = None, coding: Coding | None = None,
) -> Stood:  # fmt: skip
    """The loss that `flow` follows, from its own arguments. Raises ValueError."""
    if answers is None:
        assert isinstance(network, Network), "a decoder answers"
        at = place(read, at)
        following = int(read[at + 1])
        return Stood(at, vocabulary[following], cross_entropy(network, following))
    written, border = None, 0
    if isinstance(network, EncoderDecoder):
        written, border = decoder_inputs(network, read, targets), len(read)
    steps = len(read) if written is None else len(written)
    wanted = spread(targets, steps, network.sizes.outputs, answers)
    asked, last = is_asked(wanted), steps - 1 if at < 0 else at - border
    known = bool(asked.any())
    if known and at < 0:
        last = int(np.flatnonzero(asked)[-1])
    if not 0 <= last < steps:
        raise ValueError(
            f"nothing is answered at timestep {at:,}, so there is no loss; choose one from {border:,} to "
            f"{border + steps - 1:,}"
        )
    if known and not asked[last]:
        nearest = border + int(min(np.flatnonzero(asked), key=lambda t: abs(int(t) - last)))
        raise ValueError(f"nothing is asked at timestep {border + last:,}, so there is no loss; {nearest:,} asks")
    if not known and answers == "last":
        last = steps - 1
    whole = answers == "last"
    if known:
        right = wanted[last]
    else:
        if targets is not None and targets.dtype.kind == "f":
            raise ValueError("the right number is not known, so there is no loss; take an example of the data")
        logits = trace(network, read, targets=targets, answers=answers).logits[border + last]
        if written is not None:
            logits[list(BARRED)] = -np.inf
        right = np.nanargmax(logits)
    if right.ndim:
        told = own_units(right[None], coding)[0]
        target = ", ".join(f"{value:.4g}" for value in told)
        return Stood(border + last, target, _squared_error(network, right), whole, written)
    loss = cross_entropy(network, int(right))
    return Stood(border + last, vocabulary[int(right)], loss, whole, written, likeliest=not known)


def place(tokens: NDArray[Any], at: int) -> int:
    """The timestep of a loss; -1 is the last that has a next symbol. Raises ValueError where none comes after it."""
    if len(tokens) < 2:
        raise ValueError("a text of one symbol has no next one whose cost could be followed; give at least two")
    at = len(tokens) - 2 if at == -1 else at
    if not 0 <= at <= len(tokens) - 2:
        raise ValueError(
            f"no symbol comes after timestep {at:,}, so there is no loss; choose one from 0 to {len(tokens) - 2:,}"
        )
    return at


def cross_entropy(network: Network | EncoderDecoder, target: int) -> Loss:
    """The cost of an answer, nats and float64: a function of what the last layer says (H), and of a decoder
    also of what the encoder's said (T, H), which attention looks at.
    """
    answer = _readout(network)

    def loss(h: Tensor, heard: Tensor | None = None) -> Tensor:
        return -torch.log_softmax(answer(h, heard), dim=0)[target]

    return loss


def _squared_error(network: Network | EncoderDecoder, right: NDArray[Any]) -> Loss:
    """The mean squared error of the numbers answered, (K)."""
    answer, wanted = _readout(network), torch.from_numpy(right.astype(np.float64))

    def loss(h: Tensor, heard: Tensor | None = None) -> Tensor:
        return (answer(h, heard) - wanted).square().mean()

    return loss


def _readout(network: Network | EncoderDecoder) -> Callable[[Tensor, Tensor | None], Tensor]:
    """From what the last layer says to the logits (V), in float64."""
    decoder = network.decoder if isinstance(network, EncoderDecoder) else network
    weight, bias = _double(decoder.output.weight), _double(decoder.output.bias)
    attention = decoder.attention if isinstance(decoder, Decoder) else None
    both = None if attention is None else (_double(attention.weight), _double(attention.bias))

    def answer(h: Tensor, heard: Tensor | None) -> Tensor:
        if both is not None and heard is not None:
            # Luong, Pham and Manning 2015, as in `model.translation`.
            context = (heard @ h).softmax(dim=0) @ heard
            h = (both[0] @ torch.cat((context, h)) + both[1]).tanh()
        return weight @ h + bias

    return answer


def _double(value: Tensor) -> Tensor:
    return value.detach().to("cpu", torch.float64)


def _layer(
    network: Network | EncoderDecoder, replayed: Replay, k: int, whole: bool
) -> Generator[float, None, LayerFlow]:
    layer, steps = replayed.layers[k], replayed.at + 1
    cut = replayed.cut
    norms = _from_start(norms_of(layer.gradients["h"]), cut)
    radius: float | None = None
    values: Array64 | None = None
    jacobian: Array64 | None = None
    linear: Array64 | None = None
    W_hh = network.layer_weights(k).W_hh if isinstance(network, Network) else None
    if layer.slopes is not None and W_hh is not None:
        # Of a bidirectional network there are timesteps after the loss's own: they have no way there.
        after = len(norms) - steps
        yield 0.0
        radius = spectral_radius(W_hh)
        yield 0.0
        values = frozen(singular_values(W_hh))
        linear = frozen(np.pad(linear_story(radius, steps), (0, after)))
        pace, work = Pace(), jacobian_steps(W_hh, layer.slopes[: steps - cut])
        while jacobian is None:
            try:
                share = next(work)
            except StopIteration as finished:
                jacobian = _from_start(np.pad(finished.value, (0, after)), cut)
                break
            if pace.due:
                yield share
                pace.restart()
    other = None if layer.backward is None else {n: norms_of(g) for n, g in layer.backward.gradients.items()}
    # The backward direction goes on from the loss to the end of the sequence.
    first = 0 if whole else replayed.at
    return LayerFlow(
        norms=norms,
        cell_norms=_from_start(norms_of(layer.gradients["c"]), cut) if "c" in layer.gradients else None,
        horizon=horizon(norms[:steps]),
        # What lies before the cut adds nothing: what was gathered stays.
        accumulated={name: _from_start(sums, cut, sums[0]) for name, sums in layer.accumulated.items()},
        step_norms={name: _from_start(added, cut) for name, added in layer.step_norms.items()},
        spectral_radius=radius,
        singular_values=values,
        jacobian=jacobian,
        linear=linear,
        backward=None if other is None else frozen(other["h"]),
        backward_cell=frozen(other["c"]) if other is not None and "c" in other else None,
        backward_horizon=0 if other is None else horizon(other["h"][first:][::-1]),
    )


def _from_start(values: Array64, cut: int, before: float = 0.0) -> Array64:
    """An array from the cut on as one from timestep 0 on, read-only."""
    return frozen(np.concatenate((np.full(cut, before), values)) if cut else values)


def _overflowed(layer: LayerFlow) -> bool:
    others = (layer.cell_norms, layer.backward, layer.backward_cell)
    arrays = (
        layer.norms,
        *(one for one in others if one is not None),
        *layer.accumulated.values(),
        *layer.step_norms.values(),
    )
    return not all(bool(np.isfinite(values).all()) for values in arrays)

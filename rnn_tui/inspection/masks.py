"""What dropout takes away in one update: the masks themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rnn_tui.data.coding import Coding
from rnn_tui.inspection.trace import decoder_inputs
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks import Passage
from rnn_tui.views import Mask, Masks, frozen

if TYPE_CHECKING:
    from rnn_tui.inspection.trace import Model


def draw_masks(network: Model, coding: Coding, passage: Passage, *, batch: int, seed: int = 1, step: int = 0) -> Masks:
    """The masks that an update would draw for `batch` sequences of which `passage` is the first.

    They come from a generator of their own, seeded with `seed`: training's is not touched.
    Raises ValueError where nothing is dropped.
    """
    generator, model = torch.Generator().manual_seed(seed), network.model
    if not model.dropout and not model.recurrent_dropout:
        raise ValueError(
            "nothing is dropped: model.dropout and model.recurrent_dropout are 0; set one of them (1, Build)"
        )
    read = np.zeros(0, np.int64)
    if isinstance(network, EncoderDecoder):
        read = decoder_inputs(network, passage.inputs, passage.targets)
        drawn = network.masks(len(passage.inputs), len(read), batch, generator)
    else:
        drawn = network.masks(len(passage.inputs), batch, generator)
    if not drawn:
        raise ValueError(
            "nothing is dropped: dropout acts between layers, and this network has one; add a layer (1, Build)"
        )
    return Masks(
        masks=tuple(_mask(network, name, mask, len(passage.inputs), len(read)) for name, mask in drawn.items()),
        gates=network.cell.gates,
        symbols=passage.symbols,
        written=tuple(coding.answers[k] for k in read),
        batch=batch,
        source=passage.source,
        seed=seed,
        step=step,
    )


def _mask(network: Model, name: str, mask: Tensor, timesteps: int, written: int) -> Mask:
    side, _, rest = name.rpartition("layers.")
    k, _, what = rest.partition(".")
    recurrent = what != "x"
    title = f"{side.removesuffix('.')} layer {k} ".lstrip() + ("W_hh" if recurrent else "reads")
    if what.endswith("_reverse"):
        title += ", backward"
    locked = recurrent or len(mask) == 1
    values = mask if recurrent else mask[:, 0]
    if not recurrent and locked:
        values = values.expand(written if side == "decoder." else timesteps, -1)
    shown = values.float().contiguous().cpu().numpy()
    rate = network.model.recurrent_dropout if recurrent else network.model.dropout
    return Mask(title, recurrent, locked, rate, frozen(shown.copy()), float((shown == 0).mean()))

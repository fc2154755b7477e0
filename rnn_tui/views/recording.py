"""A probe text at many steps of the training: the second time axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnn_tui.views.numbers import LN2, Array, frozen
from rnn_tui.views.reading import Trace


@dataclass(frozen=True, slots=True)
class Recording:
    """F frames of a probe text of T symbols, h and c in 8 bits.

    `states[k]` maps `h` (and `c`) to (F, T, H) int8, `scales[k]` the same names to (F, H)
    float32: a value is state * scale / 127.
    """

    symbols: tuple[str, ...]
    tokens: NDArray[np.int64]
    steps: NDArray[np.int64]
    """(F) the step of each frame, rising."""
    states: tuple[Mapping[str, NDArray[np.int8]], ...]
    scales: tuple[Mapping[str, Array], ...]
    top_id: NDArray[np.int32]
    """(F, T, n) the likeliest next symbols, n at most 5."""
    top_p: Array
    bits: Array
    """(F, T) as `Trace.bits`; NaN at t = 0."""
    vocabulary: tuple[str, ...]
    cell: str
    version: int = 0

    @property
    def frames(self) -> int:
        return len(self.steps)

    def frame(self, k: int) -> Trace:
        """Frame k as a reading: h and c only, each to within half a 127th of the unit's largest size."""
        layers = tuple(
            {name: frozen(kept[k].astype(np.float32) * (scale[name][k] / np.float32(127)))
             for name, kept in state.items()}
            for state, scale in zip(self.states, self.scales, strict=True)
        )  # fmt: skip
        bits = self.bits[k]
        return Trace(
            symbols=self.symbols, tokens=self.tokens, layers=layers, gates=(), top_id=self.top_id[k].astype(np.int64),
            top_p=self.top_p[k], vocabulary=self.vocabulary, bits=bits,
            next_bits=frozen(np.append(bits[1:], np.float32(np.nan))), unknown=0, step=int(self.steps[k]),
            weights_version=-1, source=f"recording of step {int(self.steps[k]):,}", offset=0, cell=self.cell,
        )  # fmt: skip

    @property
    def loss(self) -> Array:
        """(F) mean cost of the probe's predicted symbols, nats."""
        if self.bits.shape[1] < 2:
            return np.full(self.frames, np.nan, np.float32)
        mean: Array = self.bits[:, 1:].mean(axis=1) * np.float32(LN2)
        return mean

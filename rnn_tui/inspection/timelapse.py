"""A probe text at many steps of the training: what every unit did then, in 8 bits, and kept small."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_tui.config import ModelConfig
from rnn_tui.inspection.trace import SHOWN_CANDIDATES, trace, trace_view
from rnn_tui.model.cells import cell_of
from rnn_tui.model.network import Network
from rnn_tui.views import Recording, frozen

PROBE = 120
FRAMES = 40
SHORTEST_PROBE = 20
FEWEST_FRAMES = 4
LARGEST = 6_000_000
"""Bytes of a whole recording at most."""
SPACING = 1.25
_PREFIX = "timelapse."
_versions = itertools.count(1)


def recording_bytes(model: ModelConfig, vocabulary: int, timesteps: int, frames: int) -> int:
    """Bytes of all arrays of a recording of so many timesteps and frames."""
    units = model.layers * model.hidden_size * len(cell_of(model).states)
    shown = min(SHOWN_CANDIDATES, vocabulary)
    return frames * (units * (timesteps + 4) + timesteps * (8 * shown + 4) + 8) + 4 * timesteps


def recording_size(model: ModelConfig, vocabulary: int) -> tuple[int, int]:
    """Timesteps and frames that stay within `LARGEST`: 120 and 40, fewer of both for a large network.

    (0, 0) where not even 20 timesteps and 4 frames do.
    """

    def fits(timesteps: int, frames: int) -> bool:
        return recording_bytes(model, vocabulary, timesteps, frames) <= LARGEST

    shrink = min(1.0, math.sqrt(LARGEST / recording_bytes(model, vocabulary, PROBE, FRAMES)))
    timesteps, frames = max(SHORTEST_PROBE, int(PROBE * shrink)), max(FEWEST_FRAMES, int(FRAMES * shrink))
    while not fits(timesteps, frames) and frames > FEWEST_FRAMES:
        frames -= 1
    while not fits(timesteps, frames) and timesteps > SHORTEST_PROBE:
        timesteps -= 1
    return (timesteps, frames) if fits(timesteps, frames) else (0, 0)


def most_crowded(steps: Sequence[int]) -> int:
    """The index, neither first nor last, whose neighbours are closest in the logarithm of the step: dropping
    it, again and again, leaves steps spaced logarithmically.
    """
    logs = [math.log(step + 1) for step in steps]
    return min(range(1, len(steps) - 1), key=lambda k: logs[k + 1] - logs[k - 1])


def quantized(values: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(T, H) as int8 and a scale (H), the unit's largest size: a value is q * scale / 127 to within scale / 254."""
    scale = np.abs(values).max(axis=0).astype(np.float32)
    # A unit that is 0 throughout has the scale 0, and 0 / 1.
    whole = np.rint(values.astype(np.float64) / np.where(scale > 0, scale, 1) * 127)
    return whole.astype(np.int8), scale


@dataclass(frozen=True, slots=True)
class Frame:
    """The probe with the weights of one step; never changed."""

    step: int
    states: tuple[Mapping[str, NDArray[np.int8]], ...]
    """Of each layer h (and c), (T, H)."""
    scales: tuple[Mapping[str, NDArray[np.float32]], ...]
    """The same names, (H)."""
    top_id: NDArray[np.int32]
    """(T, n) the likeliest next symbols, n at most 5."""
    top_p: NDArray[np.float32]
    bits: NDArray[np.float32]
    """(T): -log2 p of each symbol; NaN at t = 0."""


class Timelapse:
    """The recording of one probe text, at most `most` frames.

    A frame is due at the first step seen and at each that is 1.25 times the last recorded
    one, or more. Reading the probe neither draws a random number nor changes the network.
    """

    def __init__(self, model: ModelConfig, vocabulary: Sequence[str], tokens: NDArray[Any], most: int) -> None:
        self.model, self.vocabulary = model, tuple(vocabulary)
        self.cell = cell_of(model)
        self.tokens = np.asarray(tokens, np.int64)
        self.most = most
        self.frames: list[Frame] = []
        self.version = next(_versions)
        """Another one after each frame, and of each recording."""
        self._seen = -1

    @classmethod
    def of(cls, model: ModelConfig, vocabulary: Sequence[str], text: NDArray[Any]) -> Timelapse | None:
        """An empty recording of the first symbols of `text` (ids); None where it could not be kept small."""
        timesteps, frames = recording_size(model, len(vocabulary))
        return cls(model, vocabulary, np.array(text[:timesteps]), frames) if timesteps and len(text) else None

    def due(self, step: int) -> bool:
        """Whether the weights of this step are to be recorded."""
        last = max(self._seen, self.frames[-1].step if self.frames else -1)
        return step > last and (last < 0 or step >= SPACING * last)

    def record(self, network: Network, step: int) -> bool:
        """Read the probe with the network's weights. False, and no frame, where a number is not finite."""
        self._seen = step
        frame = self._read(network, step)
        if frame is None:
            return False
        self.frames.append(frame)
        if len(self.frames) > self.most:
            del self.frames[most_crowded([kept.step for kept in self.frames])]
        self.version = next(_versions)
        return True

    def _read(self, network: Network, step: int) -> Frame | None:
        threads = torch.get_num_threads()
        # Rounded alike whatever number of threads training has been measured to like.
        torch.set_num_threads(1)
        try:
            traced = trace(network, self.tokens)
        finally:
            torch.set_num_threads(threads)
        # Weights that diverge overflow on the way; what comes of it is looked at below.
        with np.errstate(over="ignore", invalid="ignore"):
            view = trace_view(traced, self.vocabulary, cell=self.cell.name, gates=self.cell.gates, source="")
        values = [layer[name] for layer in view.layers for name in self.cell.states]
        if not all(np.isfinite(array).all() for array in (*values, view.top_p, view.bits[1:])):
            return None
        states, scales = [], []
        for layer in view.layers:
            kept = {name: quantized(layer[name]) for name in self.cell.states}
            states.append({name: q for name, (q, _) in kept.items()})
            scales.append({name: scale for name, (_, scale) in kept.items()})
        return Frame(step, tuple(states), tuple(scales), view.top_id.astype(np.int32), view.top_p, view.bits)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of the recording by the names in a session file; empty before the first frame."""
        if not self.frames:
            return {}
        found: dict[str, NDArray[Any]] = {
            "tokens": self.tokens.astype(np.int32),
            "steps": np.array([frame.step for frame in self.frames], np.int64),
            "top_id": np.stack([frame.top_id for frame in self.frames]),
            "top_p": np.stack([frame.top_p for frame in self.frames]),
            "bits": np.stack([frame.bits for frame in self.frames]),
        }
        for k in range(self.model.layers):
            for name in self.cell.states:
                found[f"layers.{k}.{name}"] = np.stack([frame.states[k][name] for frame in self.frames])
                found[f"layers.{k}.{name}_scale"] = np.stack([frame.scales[k][name] for frame in self.frames])
        return {_PREFIX + name: array for name, array in found.items()}

    @classmethod
    def restored(
        cls, model: ModelConfig, vocabulary: Sequence[str], arrays: Mapping[str, NDArray[Any]]
    ) -> Timelapse | None:
        """The recording that `arrays` came from; None where they hold none."""
        if _PREFIX + "tokens" not in arrays:
            return None
        found = {name.removeprefix(_PREFIX): a for name, a in arrays.items() if name.startswith(_PREFIX)}
        _, most = recording_size(model, len(vocabulary))
        lapse = cls(model, vocabulary, found["tokens"], max(most, FEWEST_FRAMES))
        names = lapse.cell.states
        for f, step in enumerate(found["steps"].tolist()):
            lapse.frames.append(
                Frame(
                    step=step,
                    states=tuple({n: found[f"layers.{k}.{n}"][f] for n in names} for k in range(model.layers)),
                    scales=tuple({n: found[f"layers.{k}.{n}_scale"][f] for n in names} for k in range(model.layers)),
                    top_id=found["top_id"][f],
                    top_p=found["top_p"][f],
                    bits=found["bits"][f],
                )
            )
        return lapse

    def view(self) -> Recording:
        """The recording as a screen shows it. Raises ValueError before the first frame."""
        if not self.frames:
            raise ValueError("nothing is recorded yet: train a step first")
        kept = {name.removeprefix(_PREFIX): frozen(array) for name, array in self.arrays().items()}
        names, layers = self.cell.states, range(self.model.layers)
        return Recording(
            symbols=tuple(self.vocabulary[token] for token in self.tokens),
            tokens=frozen(self.tokens.copy()),
            steps=kept["steps"],
            states=tuple({name: kept[f"layers.{k}.{name}"] for name in names} for k in layers),
            scales=tuple({name: kept[f"layers.{k}.{name}_scale"] for name in names} for k in layers),
            top_id=kept["top_id"],
            top_p=kept["top_p"],
            bits=kept["bits"],
            vocabulary=self.vocabulary,
            cell=self.cell.name,
            version=self.version,
        )

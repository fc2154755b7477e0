"""Named random generators: every draw in the lab comes from one of them, none from torch's global one."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

NAMES = ("init", "data", "dropout", "sampling")


def generator(seed: int, name: str) -> torch.Generator:
    """A generator on the CPU whose stream depends on the seed and on its name."""
    digest = hashlib.sha256(f"{name}:{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class Generators:
    """One generator for each purpose, so that a sample drawn never moves the order of the data."""

    def __init__(self, seed: int) -> None:
        self._by_name = {name: generator(seed, name) for name in NAMES}

    def __getitem__(self, name: str) -> torch.Generator:
        return self._by_name[name]

    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """The state of each as bytes, for a session file."""
        return {f"rng.{name}": g.get_state().numpy().copy() for name, g in self._by_name.items()}

    def restore(self, arrays: dict[str, NDArray[np.uint8]]) -> None:
        """Go on where `arrays` was taken. Raises RuntimeError for bytes that are no state."""
        for name, g in self._by_name.items():
            g.set_state(torch.from_numpy(np.array(arrays[f"rng.{name}"], np.uint8)))

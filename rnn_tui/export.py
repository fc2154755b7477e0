"""A session in forms that other programs read: weights, history, configuration, TensorBoard."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from rnn_tui.config import to_toml
from rnn_tui.session import SessionError, SessionFile, layout, name_of
from rnn_tui.session.contents import pack_json
from rnn_tui.session.files import write_atomic

Kind = Literal["weights", "csv", "toml", "tensorboard"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_ENDINGS = {"weights": ".weights.safetensors", "csv": ".csv", "toml": ".toml", "tensorboard": ""}


def export(session: SessionFile, target: Path, kind: Kind, *, name: str = "", best: bool = False) -> Path:
    """Writes a session in another form; returns the file (for TensorBoard the folder) that was written.

    weights       a safetensors file with PyTorch's names: `layers.0.weight_ih_l0` ..., the
                  configuration and the vocabulary in its metadata (`best`: at the best validation)
    csv           the history, a row for each recorded step; what was not measured stays empty
    toml          the configuration, as `rnn-lab train --config` reads it
    tensorboard   the history as TensorBoard's event file, in a folder of the session's name

    `target` is a folder, where the session's name is used, or the file to be written; what is
    there already is not overwritten. Raises SessionError.
    """
    if kind not in KINDS:
        raise SessionError(f"there is no export {kind!r}; choose one of {', '.join(KINDS)}")
    name = name or (name_of(session.path) if session.path else "session")
    path = target / (name + _ENDINGS[kind]) if target.is_dir() else target
    if os.path.lexists(path):
        raise SessionError(f"{path} exists already; choose another name or folder")
    match kind:
        case "weights":
            _write(path, _weights(session, best))
        case "csv":
            _write(path, [memoryview("".join(_csv(session)).encode())])
        case "toml":
            _write(path, [memoryview(to_toml(session.config).encode())])
        case "tensorboard":
            _tensorboard(session, path)
    return path


def _write(path: Path, pieces: Iterable[memoryview]) -> None:
    write_atomic(path, pieces, new=True)


def _weights(session: SessionFile, best: bool) -> Iterable[memoryview]:
    prefix = "best." if best else "model."
    found = {n.removeprefix(prefix): array for n, array in session.tensors.items() if n.startswith(prefix)}
    if not found:
        raise SessionError("there are no best weights yet; export the newest ones, or train to a validation")
    metadata = {
        "format": "pt",
        "config": pack_json(session.config.model_dump()),
        "vocabulary": json.dumps(session.symbols),
    }
    ready = {n: np.asarray(array, dtype="<f4", order="C") for n, array in found.items()}
    try:
        return layout.pieces(layout.in_order(ready), metadata)
    except ValueError as error:
        raise SessionError(f"the weights were not exported: {error}") from error


def _columns(session: SessionFile) -> dict[str, layout.Array]:
    """The history, `step` first."""
    found = {n.removeprefix("history."): array for n, array in session.tensors.items() if n.startswith("history.")}
    if "step" not in found:
        raise SessionError("there is no history yet; train first")
    return {"step": found.pop("step"), **dict(sorted(found.items()))}


def _csv(session: SessionFile) -> Iterable[str]:
    columns = _columns(session)
    yield ",".join(columns) + "\n"
    for values in zip(*columns.values(), strict=True):
        # str of a numpy float32 is the shortest text that reads back as the same float32.
        yield ",".join("" if math.isnan(value) else str(value) for value in values) + "\n"


def _tensorboard(session: SessionFile, folder: Path) -> None:
    columns = _columns(session)
    if importlib.util.find_spec("tensorboard") is None:
        raise SessionError("TensorBoard is not installed; run pip install tensorboard, or export as csv")
    from torch.utils.tensorboard import SummaryWriter

    steps = columns.pop("step")
    try:
        with SummaryWriter(os.fspath(folder)) as writer:
            for name, column in columns.items():
                for step, value in zip(steps, column, strict=True):
                    if math.isfinite(value):
                        writer.add_scalar(name, float(value), int(step))
    except OSError as error:
        raise SessionError(f"{folder} could not be written: {error.strerror or error}; choose another place") from error

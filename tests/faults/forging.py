"""Session files of a stranger: whatever they hold, their checksums are right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnn_tui.session import layout


def parts_of(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors of a whole session file, and its texts without their checksums."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = layout.parse_header(raw[8 : 8 + length])
    tensors = {
        name: np.frombuffer(raw[header.start + e.begin : header.start + e.end], layout.TYPES[e.code])
        .reshape(e.shape)
        .copy()
        for name, e in header.tensors.items()
    }
    return tensors, {key: text for key, text in header.metadata.items() if key != "checksums"}


def forge(path: Path, tensors: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> Path:
    """Write the file with checksums that are right, without asking whether such a session can be."""
    kept = layout.in_order({name: np.asarray(array, order="C") for name, array in tensors.items()})
    described = {name: (layout.code_of(array), array.shape) for name, array in kept.items()}
    sums = {
        "tensors": {name: hashlib.sha256(layout.octets(array)).hexdigest() for name, array in kept.items()},
        "metadata": {key: _sum(text) for key, text in texts.items()},
        "layout": _sum(layout.layout_text(described)),
    }
    whole = {**texts, "checksums": json.dumps(sums, separators=(",", ":"))}
    path.write_bytes(b"".join(layout.pieces(kept, whole)))
    return path


def with_json(texts: Mapping[str, str], key: str, changes: Mapping[str, Any]) -> dict[str, str]:
    """The texts with fields of one of them replaced; a dotted name reaches into a table, `...` deletes."""
    values = json.loads(texts[key])
    for name, value in changes.items():
        table = values
        *way, last = name.split(".")
        for step in way:
            table = table[step]
        if value is ...:
            table.pop(last, None)
        else:
            table[last] = value
    return {**texts, key: json.dumps(values, separators=(",", ":"))}


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

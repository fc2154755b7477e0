"""How a session keeps what its data are coded with: symbols, answers, and the scale of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tui.config import Config
from rnn_tui.data.coding import END, PAD, START, UNKNOWN, Coding
from rnn_tui.session.files import DamagedError
from rnn_tui.session.layout import Array

LARGEST_TEXT = 1 << 26
"""Bytes of all symbols together."""
MOST_SYMBOLS = 1 << 22
_DECODER = "model.decoder.output.bias"
_NUMBERS = ("adding", "forecasting")
_LABELLED = ("tagging", "classification", "brackets", "copying", "recall")
_PADDED = ("tagging", "classification", "composing", "translation")
NAMES = ("vocabulary", "vocabulary.ends", "labels", "labels.ends", "scale.mean", "scale.std")


def pack_vocabulary(symbols: Sequence[str]) -> Array:
    """The symbols one after another, in the order of their numbers, as UTF-8."""
    return np.frombuffer("".join(symbols).encode("utf-8"), dtype=np.uint8)


def pack_coding(coding: Coding) -> dict[str, Array]:
    """The tensors `vocabulary` (what is read), `labels` (what is answered, where that is something
    else), and `scale.mean`, `scale.std` (F) of numbers, as float64: beside a mean far from 0 float32 would lose
    what the series moves by. Where a symbol has more than one character, `vocabulary.ends` (V) says
    after how many characters each ends.
    """
    tensors: dict[str, Array] = {}
    for name, symbols in (("vocabulary", coding.inputs), ("labels", coding.outputs)):
        if not symbols:
            continue
        tensors[name] = pack_vocabulary(symbols)
        if any(len(symbol) != 1 for symbol in symbols):
            tensors[f"{name}.ends"] = np.cumsum([len(symbol) for symbol in symbols], dtype=np.int64)
    if coding.numeric:
        tensors["scale.mean"] = np.array(coding.mean, np.float64)
        tensors["scale.std"] = np.array(coding.std, np.float64)
    return tensors


def unpack_symbols(tensors: Mapping[str, Array], name: str) -> tuple[str, ...]:
    """The symbols of a tensor and its `.ends`; none where there is no such tensor. Raises DamagedError."""
    if name not in tensors:
        return ()
    try:
        text = tensors[name].tobytes().decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedError(f"its {name} is not UTF-8") from None
    ends = tensors.get(f"{name}.ends")
    if ends is None:
        symbols = tuple(text)
    else:
        places = ends.tolist()
        if not places or places[-1] != len(text) or any(a >= b for a, b in zip([0, *places], places, strict=False)):
            raise DamagedError(f"its {name} is not cut where its symbols end")
        symbols = tuple(text[a:b] for a, b in zip([0, *places], places, strict=False))
    if not symbols or len(set(symbols)) != len(symbols):
        raise DamagedError(f"its {name} is empty or holds a symbol twice")
    return symbols


def unpack_coding(
    config: Config, tensors: Mapping[str, Array], names: Mapping[str, Any], resolved: Mapping[str, Any]
) -> Coding:
    """The coding that `pack_coding` packed; `names` are those of all tensors of the file. Raises DamagedError."""
    inputs, outputs = unpack_symbols(tensors, "vocabulary"), unpack_symbols(tensors, "labels")
    if not inputs:
        raise DamagedError("its vocabulary is missing")
    mean, std = tensors.get("scale.mean"), tensors.get("scale.std")
    if mean is not None or std is not None:
        fits = mean is not None and std is not None and mean.shape == std.shape == (len(inputs),)
        if not (fits and mean is not None and std is not None and np.isfinite(mean).all() and (std > 0).all()):
            raise DamagedError("the scale of its numbers can't be")
    symbol = "word" if resolved.get("symbol", config.data.symbol) == "word" else "character"
    return Coding(
        inputs=inputs,
        outputs=outputs,
        symbol="word" if symbol == "word" else "character",
        numeric=mean is not None,
        decoder=_DECODER in names,
        reversed=config.data.reverse_source,
        mean=() if mean is None else tuple(float(value) for value in mean),
        std=() if std is None else tuple(float(value) for value in std),
    )


def check_task(config: Config, coding: Coding) -> None:
    """Refuses symbols that the task of the configuration can't have. Raises DamagedError."""
    task, read, answers = config.data.task, set(coding.inputs), set(coding.outputs)
    wrong = (
        coding.numeric != (task in _NUMBERS)
        or (task in _LABELLED and not answers)
        or (task in _PADDED and not {PAD, UNKNOWN} <= read)
        or (task == "composing" and END not in read)
        or (task == "translation" and not {PAD, UNKNOWN, END, START} <= answers)
    )
    if wrong:
        raise DamagedError(f"its symbols are none that a session of {task} has")


def fits(name: str, code: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor of that name may be of that type and shape."""
    if name not in NAMES or len(shape) != 1 or not shape[0]:
        return False
    if name.endswith(".ends"):
        return code == "I64" and shape[0] <= MOST_SYMBOLS
    if name.startswith("scale."):
        return code in ("F32", "F64") and shape[0] <= MOST_SYMBOLS
    return code == "U8" and shape[0] <= LARGEST_TEXT

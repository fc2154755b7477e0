"""What may stand in a session: names, shapes and types of tensors, and the texts beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_tui.config import Config
from rnn_tui.session import coded
from rnn_tui.session.files import DamagedError
from rnn_tui.session.layout import Array, strict_json
from rnn_tui.views import Sample, Sizes

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Of each tensor the type's code (`F32`) and the shape."""

MOST_ROWS = 20_000
MOST_SAMPLES = 200
LONGEST_SAMPLE = 400
# Every symbol at most 12 bytes of JSON, prompt and text, and room for the keys.
LARGEST_SAMPLES = MOST_SAMPLES * (2 * LONGEST_SAMPLE * 12 + 200)
LARGEST_RANDOM = 1 << 20
_OPTIMIZER = re.compile(r"optimizer\.(.+)\.([a-z][a-z0-9_]{0,40})")
_RANDOM = re.compile(r"rng\.[a-z0-9][a-z0-9_.]{0,60}")
_HISTORY = re.compile(r"history\.[a-z][a-z0-9_]{0,40}")
LONGEST_PROBE = 120
MOST_METRICS = 12
MOST_FRAMES = 40
MOST_CANDIDATES = 5

MOST_EVENTS = 1000
LONGEST_TITLE = LONGEST_STOPPED = 400
MOST_THREADS = 256

_COUNTS = ("step", "tokens", "planned", "clipped", "bad_validations", "checked_step")
# -1: there was none yet.
_STEPS = ("val_step", "best_step")
_NUMBERS = ("epoch", "train_loss", "val_loss", "best_loss", "updated", "grad_norm", "learning_rate")
NO_PROGRESS: Mapping[str, Any] = {
    "step": 0, "tokens": 0, "planned": 0, "val_step": -1, "best_step": -1, "clipped": 0, "epoch": 0.0,
    "train_loss": math.nan, "val_loss": math.nan, "best_loss": math.nan, "updated": 0.0, "title": "", "events": [],
    "bad_validations": 0, "checked_step": 0, "grad_norm": math.nan, "learning_rate": math.nan, "cursor": [0, 0, -1],
    "schedule": [1.0, None, 0], "stopped": "",
}  # fmt: skip
"""What `progress` holds at least, and its value where nothing has happened yet.

`cursor`: epoch, position and offset in the data; `schedule`: the factor on the learning rate, the best validation
that it goes by, and how many since were no better; `stopped`: why training ended by itself, in words.
"""
_TEXTS = ("precision", "device", "torch", "processor", "system", "symbol", "corpus_sha256", "title")


def check_tensors(config: Config, shapes: Shapes, sizes: Sizes | int, newer: bool = False) -> None:
    """Holds every tensor's name, shape and type against the configuration, before any is read.

    `newer`: a file of a later minor format may hold more; what we don't know is passed over.
    Raises DamagedError naming the first that doesn't fit.
    """
    from rnn_tui.model.cells import cell_of
    from rnn_tui.model.shapes import parameter_shapes

    sizes = Sizes(sizes, sizes) if isinstance(sizes, int) else sizes
    expected = parameter_shapes(config.model, sizes)
    groups: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {}
    for name, described in shapes.items():
        head, _, tail = name.partition(".")
        groups.setdefault(head, {})[tail] = described
    _exactly("model", groups.pop("model", {}), expected)
    if "best" in groups:
        _exactly("best", groups.pop("best"), expected)
    if "carry" in groups:
        states = [s for s in cell_of(config.model).states if s in ("h", "c")]
        _carried(config, groups.pop("carry"), states)
    if "timelapse" in groups:
        _recorded(config, groups.pop("timelapse"), cell_of(config.model).states, sizes.outputs)
    rows = {described[1] for name, described in shapes.items() if name.startswith("history.")}
    if rows and (len(rows) > 1 or "history.step" not in shapes):
        raise DamagedError("the columns of its history are not equally long")
    for name, (code, shape) in shapes.items():
        if not name.startswith(("model.", "best.", "carry.", "timelapse.")) and not _fits(name, code, shape, expected):
            if newer and _unknown(name):
                continue
            raise DamagedError(f"the tensor {name[:80]!r} ({code}, {list(shape)}) has no place in it")


def _exactly(group: str, found: Shapes, expected: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise DamagedError(f"the tensor {group}.{name} is missing")
        if found[name] != ("F32", shape):
            raise DamagedError(f"{group}.{name} is {found[name][0]} {list(found[name][1])}, not F32 {list(shape)}")
    for name in found:
        if name not in expected:
            raise DamagedError(f"the tensor {f'{group}.{name}'[:80]!r} does not belong to its network")


def _carried(config: Config, found: Shapes, states: Sequence[str]) -> None:
    hidden = config.model.hidden_size
    names = {f"layers.{k}.{state}" for k in range(config.model.layers) for state in states}
    batches = {shape[:1] for code, shape in found.values() if code == "F32" and shape[1:] == (hidden,)}
    fits = all(code == "F32" and len(shape) == 2 and shape[1] == hidden for code, shape in found.values())
    if set(found) != names or not fits or len(batches) != 1:
        raise DamagedError("the carried state does not belong to its network")


def _recorded(config: Config, found: Shapes, states: Sequence[str], vocabulary: int) -> None:
    """The recording of a probe text: F frames of T symbols, every name there and of one size."""
    hidden = config.model.hidden_size
    (T,), (F,) = (found.get(name, ("", (0,)))[1][:1] or (0,) for name in ("tokens", "steps"))
    n = min(MOST_CANDIDATES, vocabulary)
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "tokens": ("I32", (T,)), "steps": ("I64", (F,)), "top_id": ("I32", (F, T, n)), "top_p": ("F32", (F, T, n)),
        "bits": ("F32", (F, T)),
    }  # fmt: skip
    for k in range(config.model.layers):
        for state in states:
            expected[f"layers.{k}.{state}"] = ("I8", (F, T, hidden))
            expected[f"layers.{k}.{state}_scale"] = ("F32", (F, hidden))
    if dict(found) != expected or not (0 < T <= LONGEST_PROBE and 0 < F <= MOST_FRAMES):
        raise DamagedError("the tensors of its recording (timelapse) do not belong to its network")


def check_recording(tensors: Mapping[str, Array], vocabulary: int) -> None:
    """Holds the values of a recording, if there is one, against what they may be.

    `check_tensors` was passed. Raises DamagedError.
    """
    if "timelapse.tokens" not in tensors:
        return
    steps = tensors["timelapse.steps"]
    fits = bool(steps[0] >= 0 and (np.diff(steps) > 0).all())
    for name in ("timelapse.tokens", "timelapse.top_id"):
        fits = fits and bool((tensors[name] >= 0).all() and (tensors[name] < vocabulary).all())
    for name, array in tensors.items():
        if name.startswith("timelapse.") and name.endswith("_scale"):
            fits = fits and bool(np.isfinite(array).all() and (array >= 0).all())
    p, bits = tensors["timelapse.top_p"], tensors["timelapse.bits"]
    fits = fits and bool(((p >= 0) & (p <= 1.001)).all() and np.isfinite(bits[:, 1:]).all())
    if not fits:
        raise DamagedError("its recording (the tensors timelapse) holds values that can't be")


def check_history(tensors: Mapping[str, Array], last: int | None = None) -> None:
    """Refuses a history whose steps go back, or beyond the `last` of the run, or that counts more updates than any
    run has. Raises DamagedError.
    """
    step, steps = tensors.get("history.step"), tensors.get("history.steps")
    fits = step is None or bool((step >= 0).all() and (step < 1 << 62).all() and (np.diff(step) >= 0).all())
    fits = fits and (steps is None or bool((steps >= 0).all() and (steps < 1 << 40).all()))
    if not fits or (last is not None and step is not None and step.size and step[-1] > last):
        raise DamagedError("its history has steps that can't be")


def _fits(name: str, code: str, shape: tuple[int, ...], expected: Mapping[str, tuple[int, ...]]) -> bool:
    match name.partition(".")[0]:
        case "vocabulary" | "labels" | "scale":
            return coded.fits(name, code, shape)
        case "samples":
            return name == "samples" and code == "U8" and len(shape) == 1 and shape[0] <= LARGEST_SAMPLES
        case "optimizer":
            found = _OPTIMIZER.fullmatch(name)
            if found is None or found[1] not in expected or code not in ("F32", "F64", "I64"):
                return False
            # A kernel of torch reads a moment as far as its parameter goes, however short it is.
            return shape == () if found[2] == "step" else code == "F32" and shape == expected[found[1]]
        case "rng":
            known = _RANDOM.fullmatch(name) is not None
            return known and code == "U8" and len(shape) == 1 and shape[0] <= LARGEST_RANDOM
        case "history":
            if name in ("history.step", "history.steps") and code != "I64":
                return False
            return _HISTORY.fullmatch(name) is not None and len(shape) == 1 and shape[0] <= MOST_ROWS
        case _:
            return False


def _unknown(name: str) -> bool:
    known = ("vocabulary", "labels", "scale", "samples", "optimizer", "rng", "history", "timelapse")
    return name.partition(".")[0] not in known


def pack_text(text: str) -> Array:
    """A text as UTF-8 in an array of bytes."""
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def thin_samples(samples: Sequence[Sample], most: int = MOST_SAMPLES) -> tuple[Sample, ...]:
    """At most so many samples: the first, the last, and between them dense early and sparse late."""
    if len(samples) <= most:
        return tuple(samples)
    places = np.unique(np.geomspace(1, len(samples), most).round().astype(int)) - 1
    return tuple(samples[place] for place in places)


def pack_samples(samples: Sequence[Sample]) -> Array:
    """The samples as a `samples` tensor: at most 200, each cut to 400 symbols."""
    values = [
        {
            "step": s.step,
            "prompt": s.prompt[:LONGEST_SAMPLE],
            "text": s.text[:LONGEST_SAMPLE],
            "val_loss": s.val_loss if math.isfinite(s.val_loss) else None,
        }
        for s in thin_samples(samples)
    ]
    return pack_text(json.dumps(values, allow_nan=False, separators=(",", ":")))


def unpack_samples(array: Array) -> tuple[Sample, ...]:
    """The samples of a `samples` tensor, oldest first. Raises DamagedError."""
    fault = DamagedError("its samples can't be read")
    try:
        values = strict_json(array.tobytes().decode("utf-8"), "the list of its samples")
    except UnicodeDecodeError:
        raise fault from None
    if not isinstance(values, list) or len(values) > MOST_SAMPLES:
        raise fault
    found = []
    for value in values:
        if not isinstance(value, dict) or set(value) != {"step", "prompt", "text", "val_loss"}:
            raise fault
        step, prompt, text, loss = value["step"], value["prompt"], value["text"], value["val_loss"]
        if not (_whole(step) and _text(prompt) and _text(text) and (loss is None or _number(loss))):
            raise fault
        found.append(Sample(step, prompt, text, math.nan if loss is None else float(loss)))
    return tuple(found)


def _whole(value: Any) -> bool:
    return type(value) is int and -1 <= value < 1 << 62


def _number(value: Any) -> bool:
    return (type(value) is int and abs(value) < 1 << 62) or (type(value) is float and math.isfinite(value))


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_SAMPLE


def pack_json(values: Mapping[str, Any]) -> str:
    """JSON of a table; numbers that are not finite become null. Raises ValueError for what JSON lacks."""
    return json.dumps(_plain(values), allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"a {type(value).__name__} can't be kept in a session")


def unpack_table(text: str, what: str) -> dict[str, Any]:
    """A table from strict JSON. Raises DamagedError."""
    values = strict_json(text, what)
    if not isinstance(values, dict):
        raise DamagedError(f"{what} is no table")
    return values


def unpack_progress(text: str) -> dict[str, Any]:
    """The table `progress`, complete: what is absent is as before the first step, null is NaN.

    Raises DamagedError for a value that can't be.
    """
    values = {**NO_PROGRESS, **unpack_table(text, "its progress")}
    for key in _NUMBERS:
        values[key] = math.nan if values[key] is None else values[key]
    # What is only told, and decides on nothing, is shortened or left out where it can't be.
    title, events, measured = values["title"], values["events"], values.get("val_metrics")
    if (
        not all(_whole(values[key]) for key in (*_COUNTS, *_STEPS))
        or min(values[key] for key in _COUNTS) < 0
        or not all(_number(v) or (isinstance(v, float) and math.isnan(v)) for v in (values[key] for key in _NUMBERS))
        or not isinstance(title, str)
        or not isinstance(events, list)
        or not _is_cursor(values["cursor"])
        or not _is_schedule(values["schedule"])
    ):
        raise DamagedError("its progress can't be read")
    numbers = measured.items() if isinstance(measured, dict) and len(measured) <= MOST_METRICS else ()
    return {
        **values,
        **{key: float(values[key]) for key in _NUMBERS},
        "title": title[:LONGEST_TITLE],
        "stopped": values["stopped"][:LONGEST_STOPPED] if isinstance(values["stopped"], str) else "",
        "events": [event for event in events if isinstance(event, dict)][-MOST_EVENTS:],
        "val_metrics": {name: float(value) for name, value in numbers if _number(value)},
    }


def _is_cursor(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_whole, value))


def _is_schedule(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    factor, best, bad = value
    return _number(factor) and 0 <= factor <= 1e6 and (best is None or _number(best)) and _whole(bad)


def unpack_resolved(text: str) -> dict[str, Any]:
    """The table `resolved`; of what the lab knows itself, what can't be is left out. Raises DamagedError."""
    values = unpack_table(text, "what was resolved")
    for name in _TEXTS:
        if not isinstance(values.get(name, ""), str):
            del values[name]
    threads, free = values.get("threads"), values.get("threads_free")
    if type(threads) is not int or not 1 <= threads <= MOST_THREADS or not isinstance(free, bool):
        values.pop("threads", None)
        values.pop("threads_free", None)
    return values

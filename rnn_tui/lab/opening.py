"""From a configuration, or from a session's file, to a run; and back to a file. On the training thread."""

from __future__ import annotations

import gc
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnn_tui import session
from rnn_tui.config import Config, put
from rnn_tui.data.coding import Coding
from rnn_tui.data.source import DataError
from rnn_tui.lab.answers.desk import Frozen
from rnn_tui.lab.asking import LabError
from rnn_tui.lab.keeping import Kept
from rnn_tui.model.shapes import diagram, free_bytes, size
from rnn_tui.tasks import task_of
from rnn_tui.views import DataView

if TYPE_CHECKING:
    from rnn_tui.training.run import Run

Working = Callable[[float, str], None]


def load_engine() -> None:
    """Import torch, which takes a second or more, and settle the calling thread's arithmetic."""
    if not gc.get_freeze_count():
        # Torch's hundreds of thousands of objects stay. Walked again and again while they come they cost a fifth of
        # the time, and each collection that walks them later stalls the screen.
        enabled = gc.isenabled()
        gc.disable()
        try:
            import torch._dynamo  # What torch.optim would import with the first optimizer.

            import rnn_tui.training.run

            assert rnn_tui.training.run
            gc.freeze()
        finally:
            if enabled:
                gc.enable()
    import torch

    # Values that fade to denormals slow a fused LSTM twentyfold; the setting counts per thread.
    torch.set_flush_denormal(True)


def build(config: Config, working: Working, interrupted: Callable[[], bool]) -> Run:
    """A new run, at step 0. Raises DataError, LabError, or DeviceError."""
    task = task_of(config.data.task)
    data = task.read(config.data, seed=config.training.seed, progress=working, cancelled=interrupted)
    task.check(data, config)
    check_memory(config, data.view)
    load_engine()
    from rnn_tui.training.run import Run

    with enough_memory(config, data.view):
        return Run(config, data.coding, data)


@dataclass(frozen=True, slots=True)
class Reopened:
    """A run where its file left it; `fault` says why it can't be trained on, if it can't."""

    run: Run
    fault: str
    exact: bool


def reopen(found: session.SessionFile, working: Working, interrupted: Callable[[], bool]) -> Reopened:
    """The run that a file was written of. Raises LabError or DeviceError."""
    data, fault = _data_of(found, working, interrupted)
    check_memory(found.config, data.view if data else None)
    # Older files keep scales as float32; the data know them better.
    coding = found.coding if data is None else data.coding
    load_engine()
    with enough_memory(found.config, data.view if data else None):
        return _restored(found, coding, data, fault)


def again(run: Run, found: session.SessionFile) -> Reopened:
    """The run as a later save of the same session has it, on the data that were read before."""
    later = _restored(found, run.coding, run.data, "")
    later.run.weights_version += run.weights_version
    if run.timelapse is not None and later.run.timelapse is not None:
        later.run.timelapse.version += run.timelapse.version
    return later


def _restored(found: session.SessionFile, coding: Coding, data: Any, fault: str) -> Reopened:
    from rnn_tui.training.precision import DeviceError
    from rnn_tui.training.run import Run

    try:
        run = Run(found.config, coding, data)
    except DeviceError as error:
        # A session of another machine opens here too; it says so, and is not promised to be exact.
        fault = fault or f"{error}: it is set to auto here"
        config = put(put(found.config, "training.device", "auto"), "training.precision", "auto")
        run = Run(config, coding, data)
    exact = run.restore(found.tensors, found.progress, found.resolved, list(found.samples))
    return Reopened(run, fault, exact)


def _data_of(found: session.SessionFile, working: Working, interrupted: Callable[[], bool]) -> tuple[Any, str]:
    """The data a session was trained on, or why it can't be trained on now."""
    config = found.config
    if not config.data.path:
        return None, "these weights came without a text: they can be looked at and write, but not train"
    task = task_of(config.data.task)
    try:
        data = task.read(config.data, seed=config.training.seed, progress=working, cancelled=interrupted)
        task.check(data, config)
    except DataError as error:
        return None, f"{error} (it can be looked at and write, but not train)"
    if not same_data(found, data):
        return None, (
            f"{found.config.data.path} is not the text this was trained on any more: it can be looked at and "
            f"write, but not train; put the old text back, or train a new session on the new one"
        )
    return data, ""


def same_data(found: session.SessionFile, data: Any) -> bool:
    """Whether these are the data that a session was trained on."""
    coding, kept = data.coding, found.coding
    # Scales may have been kept as float32, and follow from the bytes, which have a checksum.
    same = (coding.inputs, coding.answers) == (kept.inputs, kept.answers)
    return same and data.sha256 == found.resolved.get("corpus_sha256")


def check_memory(config: Config, data: DataView | None) -> None:
    """Raises LabError, with the estimate and what is free, for a network that can't be built here."""
    refusal = diagram(config, data, free_bytes()).refusal
    if refusal:
        raise LabError(f"this network can't be built here: {refusal}")


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory could not be had; torch has a RuntimeError for that on a CPU."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in words for sign in ("out of memory", "can't allocate memory"))


def no_memory(config: Config, data: DataView | None) -> str:
    """What training this network needs, what is free, and what to do, once memory could not be had."""
    gc.collect()
    free = free_bytes()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        with suppress(RuntimeError):
            torch.cuda.empty_cache()
            free = torch.cuda.mem_get_info()[0]
    needed = diagram(config, data, free).memory_bytes
    return (
        f"there is not enough memory: training this network needs about {size(needed)}, {size(free)} are free; "
        "lower hidden_size, layers, batch_size or sequence_length, or end other programs"
    )


@contextmanager
def enough_memory(config: Config, data: DataView | None) -> Iterator[None]:
    """Raises LabError where memory for it can't be had."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
    else:
        return
    # After the exception is gone: it holds what was computed so far.
    raise LabError(no_memory(config, data))


def freeze(run: Run, best: bool) -> Frozen:
    """A copy of the newest or best weights in a network of its own. Raises LabError where there are none."""
    from rnn_tui.model.building import build as build_network
    from rnn_tui.model.network import load_weights

    try:
        values, step = run.frozen_weights(best)
    except ValueError as error:
        raise LabError(str(error)) from None
    network = build_network(run.config.model, run.coding.sizes)
    load_weights(network, values)
    network.eval().requires_grad_(False)
    part = "validation" if run.has_validation else "train"
    return Frozen(network, run.config, run.coding, run.data, part, step, run.weights_version)


_numbers = itertools.count(1)


def mark(run: Run, view: dict[str, Any], notes: str) -> tuple[Any, ...]:
    """Stands for all that a save keeps: equal marks, equal files."""
    p = run.progress
    return run.weights_version, p.val_step, run.config, len(p.events), len(run.samples), repr(view), notes


def copy_of(run: Run, view: dict[str, Any], notes: str, stopped: str) -> Kept:
    """What is to be written, as it is now; later steps don't change it. `stopped`: why it does not train, in words."""
    file = session.SessionFile(
        config=run.config,
        tensors={
            **run.arrays(),
            **session.pack_coding(run.coding),
            "samples": session.pack_samples(run.samples),
        },
        progress={**run.progress_record(), "updated": time.time(), "stopped": stopped},
        resolved=run.resolved(),
        view=dict(view),
        notes=notes,
    )
    return Kept(file, mark(run, view, notes), run.progress.step, next(_numbers))

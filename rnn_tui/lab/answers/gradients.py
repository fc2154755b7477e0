"""Following a gradient back through time, and the same through other cells."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.lab.answers.desk import Held, Sources, settle_thread
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import Compare, FollowGradient
from rnn_tui.model.shapes import free_bytes, size
from rnn_tui.views import Comparison

if TYPE_CHECKING:
    from rnn_tui.model.network import Network
    from rnn_tui.model.translation import EncoderDecoder
    from rnn_tui.session import SessionFile

# A replay may take this share of the memory that is free.
SHARE_OF_FREE = 0.5
CELL_WORDS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


def follow_gradient(question: FollowGradient, asked: Asked, sources: Sources) -> Answer:
    """dL/dh_t and dL/dc_t of a reading's own weights and text, for the loss after one timestep."""
    yield None
    settle_thread()
    from rnn_tui.inspection.gradients import flow_steps

    held = _free(sources.desk.get(question.number))
    found, read = held.frozen, _read(held)
    at = _place(held, question.at)
    _check_memory(found.network, read.timesteps(at), question.truncate)
    try:
        steps = flow_steps(
            found.network, read.inputs, found.coding.answers, at=at, truncate=question.truncate,
            number=question.number, step=found.step, targets=read.targets, answers=read.answers,
            coding=found.coding,
        )  # fmt: skip
        return (yield from _reported(steps, asked, "following the gradient back"))
    except ValueError as error:
        raise LabError(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Read:
    """A reading as it was asked for, with what was right."""

    inputs: NDArray[Any]
    targets: NDArray[Any] | None
    answers: Any
    border: int
    both: bool

    def timesteps(self, at: int) -> int:
        """How many a replay keeps whose loss stands at `at`."""
        return len(self.inputs) if self.both else at + 1 if at >= 0 else len(self.inputs) + max(0, self.border)


def _read(held: Held) -> _Read:
    traced, task, network = held.traced, held.frozen.task, held.frozen.network
    both = network.model.bidirectional and not network.sizes.decoder
    if task.streamed:
        return _Read(traced.tokens, None, None, -1, both)
    border, targets = traced.border, traced.targets
    assert targets is not None, "a task says what is right"
    if border >= 0:
        own = targets[border:]
        known = own[own != NOT_ASKED] if (own != NOT_ASKED).all() else own[:0]
        return _Read(traced.tokens[:border], known, task.answers, border, both)
    return _Read(traced.tokens, targets[-1:] if task.answers == "last" else targets, task.answers, -1, both)


def _place(held: Held, at: int) -> int:
    """Where the loss stands that was asked for at a timestep that may not answer; -1: wherever `flow` puts it."""
    total, task = len(held.traced.tokens), held.frozen.task
    if task.streamed:
        return min(at, total - 2) if at >= 0 else total - 2
    if at < 0 or task.answers == "last":
        return -1
    return max(min(at, total - 1), held.traced.border)


def compare(question: Compare, asked: Asked, sources: Sources) -> Answer:
    """The last layer's gradient in RNN, GRU and LSTM of the size of a reading's network, on its text."""
    yield None
    settle_thread()
    from rnn_tui.inspection.comparison import compare_fresh_steps
    from rnn_tui.inspection.gradients import stand

    held = _free(sources.desk.get(question.number))
    found, read = held.frozen, _read(held)
    at = _place(held, question.at) if not found.task.streamed or question.at < 0 else question.at
    _check_memory(found.network, read.timesteps(at), 0)
    missing: tuple[str, ...] = ()
    try:
        own = stand(found.network, read.inputs, found.coding.answers, at, read.targets, read.answers)
        # Without a right answer each network would follow its own: all follow this one's.
        if own.likeliest:
            raise LabError("no right answer is known here to compare cells by; take an example of the data")
        if question.trained:
            networks, missing = yield from _trained(held, read, own.at, asked, sources)
        else:
            steps = compare_fresh_steps(
                found.network.model, found.coding.sizes, read.inputs, at=own.at, targets=read.targets,
                answers=read.answers,
            )  # fmt: skip
            networks = yield from _reported(steps, asked, "following it through fresh networks")
    except ValueError as error:
        raise LabError(str(error)) from None
    return Comparison(number=question.number, at=own.at, networks=networks, missing=missing)


def _free(held: Held) -> Held:
    if held.holds:
        raise LabError("values are held; release them (x) to follow the gradient")
    return held


def _check_memory(network: Network | EncoderDecoder, timesteps: int, truncate: int) -> None:
    from rnn_tui.inspection.replay import bytes_needed

    needed, free = bytes_needed(network, timesteps, truncate), free_bytes()
    if needed > SHARE_OF_FREE * free:
        raise LabError(
            f"following the gradient over {timesteps:,} timesteps needs {size(needed)}, {size(free)} are free; "
            "put the loss on an earlier symbol"
        )


def _reported(
    work: Generator[float, None, Any], asked: Asked, doing: str, first: float = 0.0, part: float = 1.0
) -> Answer:
    """Work in pieces: between two of them other questions get their turn, and this one can be taken back."""
    asked.report(first, doing)
    while True:
        try:
            share = next(work)
        except StopIteration as finished:
            return finished.value
        asked.report(first + part * share, doing)
        yield None


def _trained(held: Held, read: _Read, at: int, asked: Asked, sources: Sources) -> Answer:
    """This reading's network, and for each other cell the newest session of equal size and symbols."""
    from rnn_tui.inspection.comparison import CELLS, compared_steps

    found = held.frozen
    others = [cell for cell in CELLS if cell != found.network.cell.name]
    networks, missing = [], []
    doing = "following it through trained networks"
    own = compared_steps(
        found.network, read.inputs, at=at, trained=True, targets=read.targets, answers=read.answers,
        title=f"{found.title}, this session, step {found.step:,}",
    )  # fmt: skip
    part = 1 / (1 + len(others))
    networks.append((yield from _reported(own, asked, doing, 0.0, part)))
    model = found.network.model
    for k, cell in enumerate(others, start=1):
        asked.report(k * part, "looking for sessions of equal size")
        yield None
        peer = yield from _newest(cell, held, sources)
        named = f"{CELL_WORDS[cell]} {model.layers}x{model.hidden_size}"
        if peer is None:
            missing.append(f"no trained {named} with these symbols here; Build makes one")
            continue
        name, file = peer
        step = file.progress["step"]
        steps = compared_steps(
            _network(file), read.inputs, at=at, trained=True, title=f"{named}, {name}, step {step:,}",
            targets=read.targets, answers=read.answers,
        )  # fmt: skip
        networks.append((yield from _reported(steps, asked, doing, k * part, part)))
    return tuple(networks), tuple(missing)


def _newest(cell: str, held: Held, sources: Sources) -> Answer:
    """Name and contents of the newest session that has learned with this cell, or None."""
    from rnn_tui import session

    own, coding = held.frozen.config, held.frozen.coding
    model = own.model
    for row in session.list_sessions(sources.folder):
        if row.fault or row.config is None or row.step < 1:
            continue
        other = row.config.model
        if (other.cell, other.layers, other.hidden_size) != (cell, model.layers, model.hidden_size):
            continue
        if (other.bidirectional, row.config.data.task) != (model.bidirectional, own.data.task):
            continue
        yield None
        try:
            file = session.load_or_previous(session.path_of(sources.folder, row.name))
        except session.SessionError:
            continue
        theirs = file.coding
        if (theirs.inputs, theirs.answers, theirs.symbol) == (coding.inputs, coding.answers, coding.symbol):
            return row.name, file
    return None


def _network(file: SessionFile) -> Network | EncoderDecoder:
    import torch

    from rnn_tui.model.building import build
    from rnn_tui.model.network import load_weights

    network = build(file.config.model, file.coding.sizes)
    values = {name.removeprefix("model."): array for name, array in file.tensors.items() if name.startswith("model.")}
    load_weights(network, {name: torch.from_numpy(array) for name, array in values.items()})
    return network.eval().requires_grad_(False)

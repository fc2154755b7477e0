"""A run: a network, what trains it, and all that must be kept for it to go on exactly."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import CHOICES, Config, get, put, show
from rnn_tui.data.text import Corpus, check_length
from rnn_tui.data.vocabulary import Vocabulary
from rnn_tui.generation import Writer, start_symbol
from rnn_tui.inspection.timelapse import Timelapse, most_crowded
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network, load_weights, weights
from rnn_tui.tasks import language
from rnn_tui.training.flight import FlightRecorder, groups_of
from rnn_tui.training.history import History
from rnn_tui.training.precision import fingerprint, resolve_device, resolve_precision
from rnn_tui.training.randomness import Generators, generator
from rnn_tui.training.threads import Settled, ThreadChoice, cores, settle
from rnn_tui.training.trainer import NonFinite, Trainer, optimizer_state, restore_optimizer
from rnn_tui.views import Sample

log = logging.getLogger(__name__)

SAMPLE_LENGTH = 200
SAMPLES = 200
FIRST_SAMPLES = (1, 10, 50, 100)
SMOOTHING = 0.01
# Up to here the validation at the end of a run reads the part as one stream, as eval does.
ONE_STREAM = 300_000


class RunError(ValueError):
    """What can't be done with this run: one sentence."""


@dataclass
class Progress:
    """How far a run has come; all of it is kept in the session file. Losses in nats."""

    step: int = 0
    tokens: int = 0
    train_loss: float = math.nan
    val_loss: float = math.nan
    val_step: int = -1
    best_loss: float = math.inf
    best_step: int = -1
    bad_validations: int = 0
    checked_step: int = 0
    """Step of the newest validation that best weights and patience went by."""
    clipped: int = 0
    grad_norm: float = math.nan
    learning_rate: float = math.nan
    events: list[dict[str, Any]] = field(default_factory=list)
    """What was changed on the way, and when: at most 1,000."""


class Run:
    """The model of one session and its training, one step at a time, in the calling thread.

    `corpus` is None where the text can't be read any more: the run can then be looked at
    and written with, not trained. Raises DeviceError where the device asked for is missing.
    """

    def __init__(self, config: Config, vocabulary: Vocabulary, corpus: Corpus | None) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.corpus = corpus
        self.progress = Progress()
        self.flight = FlightRecorder()
        self.generators = Generators(config.training.seed)
        self.samples: list[Sample] = []
        self.best: dict[str, Tensor] | None = None
        self.device = resolve_device(config.training.device)
        self.precision = resolve_precision(config, self.device)
        self.weights_version = 0
        self.threads = ThreadChoice(config.training.threads)
        self.network = Network(config.model, len(vocabulary), self.device.type)
        fill(self.network, config.model, self.generators["init"])
        self.groups = groups_of(list(weights(self.network)))
        self.history = History(groups=self.groups)
        self.timelapse = self._new_timelapse()
        self.trainer = self._make_trainer()

    def _make_trainer(self) -> Trainer | None:
        if self.corpus is None:
            return None
        streams = language.make_streams(self.corpus.train, self.config, self.generators["data"])
        return Trainer(
            self.network, streams, self.config.training, self.precision, self.device, self.generators, self.flight
        )

    def _new_timelapse(self) -> Timelapse | None:
        """A recording of the first symbols of the validation part, or of the training part without one."""
        if self.corpus is None:
            return None
        part = self.corpus.validation if self.has_validation else self.corpus.train
        return Timelapse.of(self.config.model, self.vocabulary.symbols, part)

    @property
    def epoch(self) -> float:
        if self.trainer is None:
            return 0.0
        streams = self.trainer.streams
        return streams.epoch + streams.position / streams.chunks

    @property
    def steps_per_epoch(self) -> int:
        return self.trainer.streams.chunks if self.trainer else 1

    @property
    def has_validation(self) -> bool:
        return self.corpus is not None and len(self.corpus.validation) >= 2

    def settle(self) -> None:
        """Find out, once for this network and batch, what the number of threads may be."""
        if self.threads.settled is None:
            validation = 0
            if self.has_validation and self.corpus is not None:
                validation = min(len(self.corpus.validation), self.config.training.validation_tokens)
            self.threads.settled = settle(self.network, self.config, self.precision, self.device, validation)

    # -- training ---------------------------------------------------------------------

    def step(self) -> None:
        """One update. Raises NonFinite with everything as it was before."""
        assert self.trainer is not None, "a run without its text does not train"
        p, training = self.progress, self.config.training
        if p.step == 0:
            self.record_frame()
        update = self.trainer.step(training, p.step)
        p.step += 1
        p.tokens += training.batch_size * training.sequence_length
        p.clipped += update.clipped
        p.grad_norm, p.learning_rate = update.grad_norm, update.learning_rate
        smooth = max(SMOOTHING, 1 / p.step)
        p.train_loss = update.loss if p.step == 1 else p.train_loss + smooth * (update.loss - p.train_loss)
        self.history.record(
            p.step, update.loss, update.grad_norm, update.learning_rate, update.clipped, update.group_norms,
            update.ratios,
        )  # fmt: skip
        self.weights_version += 1
        self.record_frame()

    def record_frame(self) -> None:
        """Read the probe text with the weights as they are now, if that is due; training does not notice."""
        if self.timelapse is not None and self.timelapse.due(self.progress.step):
            self.timelapse.record(self.network, self.progress.step)

    def validation_due(self) -> bool:
        step, every = self.progress.step, self.config.training.validate_every
        return self.has_validation and step > self.progress.checked_step and step % every == 0

    def validate(self, working: Callable[[float], None] | None = None) -> None:
        """The validation that schedule, patience and best weights go by: the part's first
        `validation_tokens` symbols.
        """
        assert self.corpus is not None
        p, training = self.progress, self.config.training
        part = self.corpus.validation[: training.validation_tokens]
        p.val_loss, _ = language.score(self.network, part, streams=language.STREAMS, working=working)
        p.val_step = p.checked_step = p.step
        self.history.validated(p.step, p.val_loss)
        if self.trainer is not None:
            self.trainer.schedule.validated(training, p.val_loss)
        if p.val_loss < p.best_loss:
            p.best_loss, p.best_step, p.bad_validations = p.val_loss, p.step, 0
            self.best = {name: tensor.clone() for name, tensor in weights(self.network).items()}
        else:
            p.bad_validations += 1

    def validate_whole(self, working: Callable[[float], None] | None = None) -> None:
        """The validation at the end of a run: the whole part. It is recorded, and moves
        neither schedule, patience nor best weights, so that a run that is stopped and
        resumed is the run that was not.
        """
        assert self.corpus is not None
        p, part = self.progress, self.corpus.validation
        streams = 1 if len(part) <= ONE_STREAM else language.STREAMS
        p.val_loss, _ = language.score(self.network, part, streams=streams, working=working)
        p.val_step = p.step
        if p.checked_step != p.step:
            self.history.validated(p.step, p.val_loss)

    @property
    def out_of_patience(self) -> bool:
        patience = self.config.training.patience
        return 0 < patience <= self.progress.bad_validations

    def sample_due(self) -> bool:
        return self.progress.step in FIRST_SAMPLES

    def sample(self) -> None:
        """Let it write; the text depends on the seed and the step alone."""
        p = self.progress
        draws = generator(self.config.training.seed, f"sampling at {p.step}")
        seed = int(torch.randint(2**31 - 1, (), generator=draws))
        try:
            writer = Writer(self.network, seed=seed, start=start_symbol(self.vocabulary.symbols))
            ids = [next(writer).token for _ in range(SAMPLE_LENGTH)]
        except ValueError as error:
            # Weights that have diverged write nothing; the run itself will say so.
            log.info("no sample at step %d: %s", p.step, error)
            return
        known = p.val_loss if p.val_step == p.step else math.nan
        self.samples = [s for s in self.samples if s.step != p.step]
        self.samples.append(Sample(p.step, "", self.vocabulary.decode(ids), known))
        if len(self.samples) > SAMPLES:
            del self.samples[most_crowded([s.step for s in self.samples])]

    # -- changes on the way -----------------------------------------------------------

    def change(self, key: str, value: Any) -> None:
        """Set a field that may change within a session; the change is kept in the history.

        Raises ConfigError, DataError where the text is too short for it, RunError for a field
        of a new net.
        """
        old, config = get(self.config, key), put(self.config, key, value)
        new = get(config, key)
        if new == old:
            return
        if CHOICES[key].applies == "new net":
            raise RunError(f"{key} can't change in a session: its weights would no longer fit")
        if self.corpus is not None:
            check_length(self.corpus, config.training.batch_size, config.training.sequence_length)
        self.note_event(key, old, new)
        before, self.config = self.config, config
        if key.startswith("model."):
            network, model = self.network, config.model
            network.dropout, network.locked_dropout = model.dropout, model.locked_dropout
            network.recurrent_dropout = model.recurrent_dropout
        self.threads.ask(config.training.threads)
        if self.trainer is None:
            return
        t, b = config.training, before.training
        if (t.device, t.precision) != (b.device, b.precision):
            self.device = resolve_device(t.device)
            self.precision = resolve_precision(config, self.device)
            self.network.to(self.device)
            self._rebuild(keep_optimizer=True)
        elif (t.batch_size, t.sequence_length, t.stateful) != (b.batch_size, b.sequence_length, b.stateful):
            self._rebuild(keep_optimizer=True)
        elif (t.optimizer, t.momentum, t.weight_decay) != (b.optimizer, b.momentum, b.weight_decay):
            self._rebuild(keep_optimizer=t.optimizer == b.optimizer)
            self.flight.forget_optimizer()

    def note_event(self, field: str, old: Any, new: Any) -> None:
        """Keep what was changed at this step: at most the newest 1,000."""
        events = self.progress.events
        events.append({"step": self.progress.step, "field": field, "from": old, "to": new})
        del events[:-1000]

    def _rebuild(self, *, keep_optimizer: bool) -> None:
        """Another trainer for the same weights; h starts anew where the streams no longer fit."""
        old = self.trainer
        assert old is not None
        new = self._make_trainer()
        assert new is not None
        new.schedule = old.schedule
        new.streams.seek(old.streams.cursor())
        same = (new.streams.B, new.streams.T) == (old.streams.B, old.streams.T)
        if same and old.carry is not None:
            new.carry = [tuple(s.to(self.device) for s in states) for states in old.carry]
        else:
            new.streams.position = 0
        if keep_optimizer:
            kept = optimizer_state(old.optimizer, list(weights(self.network)))
            restore_optimizer(new.optimizer, list(weights(self.network)), kept)
        self.trainer = new
        self.threads.settled = None

    def use_best(self) -> None:
        """Put the best weights in the place of the newest; the optimizer starts anew."""
        if self.best is None:
            raise RunError("there are no best weights yet")
        load_weights(self.network, self.best)
        self.note_event("weights", self.progress.step, self.progress.best_step)
        self.weights_version += 1
        if self.trainer is not None:
            self._rebuild(keep_optimizer=False)

    # -- what is kept -----------------------------------------------------------------

    def frozen_weights(self, best: bool = False) -> tuple[dict[str, Tensor], int]:
        """A copy of the weights on the CPU in float32, and the step they are of."""
        if best:
            if self.best is None:
                raise RunError("there are no best weights yet")
            return {n: t.detach().cpu().float().clone() for n, t in self.best.items()}, self.progress.best_step
        return {n: t.detach().cpu().float().clone() for n, t in weights(self.network).items()}, self.progress.step

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of every tensor of the session, by its name in the file."""
        kept: dict[str, NDArray[Any]] = {}
        for name, tensor in weights(self.network).items():
            kept[f"model.{name}"] = _copied(tensor)
        for name, tensor in (self.best or {}).items():
            kept[f"best.{name}"] = _copied(tensor)
        if self.trainer is not None:
            for name, tensor in optimizer_state(self.trainer.optimizer, list(weights(self.network))).items():
                kept[f"optimizer.{name}"] = _copied(tensor)
            for k, states in enumerate(self.trainer.carry or []):
                for state, tensor in zip(("h", "c"), states, strict=False):
                    kept[f"carry.layers.{k}.{state}"] = _copied(tensor)
        kept |= self.generators.arrays()
        kept |= self.history.arrays()
        if self.timelapse is not None:
            kept |= self.timelapse.arrays()
        return kept

    def progress_record(self) -> dict[str, Any]:
        """Progress, place in the data and schedule, as JSON keeps them."""
        p = self.progress
        record: dict[str, Any] = dict(vars(p))
        record |= {"planned": self.config.training.steps, "epoch": self.epoch, "events": list(p.events)}
        if self.corpus is not None:
            record["title"] = self.corpus.title
        if self.trainer is not None:
            s = self.trainer.schedule
            record["cursor"] = list(self.trainer.streams.cursor())
            record["schedule"] = [s.plateau_factor, s.plateau_best, s.plateau_bad]
        return record

    def resolved(self) -> dict[str, Any]:
        """What was decided at the first step, and what exactness depends on."""
        found: dict[str, Any] = {"precision": self.precision, "device": self.device.type, **fingerprint()}
        if self.corpus is not None:
            found |= {"corpus_sha256": self.corpus.sha256, "title": self.corpus.title}
        settled = self.threads.settled
        if settled is not None:
            found |= {"threads": settled.threads, "threads_free": settled.free}
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any], resolved: Mapping[str, Any],
                samples: list[Sample]) -> bool:  # fmt: skip
        """Go on where a session file was written. True where the next loss will be, bit for bit,
        the one it would have been; False where that can't be promised.
        """
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}

        def under(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t.to(self.device) for n, t in tensors.items() if n.startswith(prefix)}

        load_weights(self.network, under("model."))
        self.best = under("best.") or None
        self.history = History.restored(arrays, groups=self.groups)
        restored = Timelapse.restored(self.config.model, self.vocabulary.symbols, arrays)
        self.timelapse = restored or self.timelapse
        self.samples = samples
        p = self.progress
        for name, unknown in vars(Progress()).items():
            value = record.get(name)
            # What is not finite is kept as null: it is then what it was before the first step.
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            setattr(p, name, unknown if missing else value)
        if resolved.get("device") == self.device.type and resolved.get("precision") in ("float32", "bfloat16"):
            self.precision = str(resolved["precision"])
        # Weights that were brought here have no run behind them that the next loss could differ from.
        brought = "rng.data" not in arrays
        exact = brought or all(resolved.get(name) == value for name, value in self.resolved().items())
        if "threads" in resolved:
            settled = Settled(int(resolved["threads"]), bool(resolved["threads_free"]))
            self.threads.settled = settled
            # A number of threads that this machine does not have, where the number matters.
            exact = exact and (settled.free or settled.threads <= cores())
        if "rng.data" in arrays:
            self.generators.restore({n: a for n, a in arrays.items() if n.startswith("rng.")})
        if self.trainer is not None:
            self.trainer = self._make_trainer()
            assert self.trainer is not None
            restore_optimizer(self.trainer.optimizer, list(weights(self.network)), under("optimizer."))
            carry = under("carry.")
            self.trainer.carry = [
                tuple(carry[f"layers.{k}.{s}"] for s in ("h", "c") if f"layers.{k}.{s}" in carry)
                for k in range(self.config.model.layers)
            ] if carry else None  # fmt: skip
            epoch, position, offset = record["cursor"]
            self.trainer.streams.seek((int(epoch), int(position), int(offset)))
            factor, best, bad = record["schedule"]
            self.trainer.schedule.plateau_factor = factor
            self.trainer.schedule.plateau_best = math.inf if best is None else best
            self.trainer.schedule.plateau_bad = bad
        self.weights_version += 1
        return exact


def _copied(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()


def describe_change(change: Mapping[str, Any]) -> str:
    """`step 1,200: training.learning_rate from 0.002 to 0.001`."""
    return f"step {change['step']:,}: {change['field']} from {show(change['from'])} to {show(change['to'])}"


__all__ = ["NonFinite", "Progress", "Run", "RunError", "describe_change"]

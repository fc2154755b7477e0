"""A run: a network, what trains it, and all that must be kept for it to go on exactly."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_tui.config import CHOICES, Config, get, put
from rnn_tui.data.coding import Coding
from rnn_tui.data.vocabulary import Vocabulary, vocabulary_of
from rnn_tui.inspection.timelapse import Timelapse, most_crowded
from rnn_tui.model.building import build
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network, load_weights, weights
from rnn_tui.tasks import task_of
from rnn_tui.training.flight import FlightRecorder, groups_of
from rnn_tui.training.history import History
from rnn_tui.training.precision import fingerprint, resolve_device, resolve_precision
from rnn_tui.training.progress import Progress, describe_change
from rnn_tui.training.randomness import Generators, generator
from rnn_tui.training.threads import Settled, ThreadChoice, cores, settle
from rnn_tui.training.trainer import NonFinite, Trainer, optimizer_state, restore_optimizer
from rnn_tui.views import Sample, Scores

log = logging.getLogger(__name__)

SAMPLES = 200
# Fields that arrange the data in other batches.
ARRANGING = tuple(
    f"training.{name}" for name in ("batch_size", "sequence_length", "stateful", "forgot_reset", "masking", "padding")
)
LONGEST_PROBE = 120
FIRST_SAMPLES = (1, 10, 50, 100)
SMOOTHING = 0.01
NEW_SEED = "its random numbers can't be gone on with here: they begin anew, with another seed"


class RunError(ValueError):
    """What can't be done with this run: one sentence."""


class Run:
    """The model of one session and its training, one step at a time, in the calling thread.

    `data` is what the task has read: None where it can't be read any more; the run can then
    be looked at and asked, not trained. Raises DeviceError where the device asked for is missing.
    """

    def __init__(self, config: Config, coding: Coding, data: Any) -> None:
        self.config = config
        self.task = task_of(config.data.task)
        self.coding = coding
        self.vocabulary: Vocabulary | None = None if coding.numeric else vocabulary_of(coding)
        self.data = data
        self.progress = Progress()
        self.flight = FlightRecorder()
        self.generators = Generators(config.training.seed)
        self.samples: list[Sample] = []
        self.best: dict[str, Tensor] | None = None
        self.device = resolve_device(config.training.device)
        self.precision = resolve_precision(config, self.device)
        self.weights_version = 0
        self.notice = ""
        """What is to be told of how it was restored; empty where there is nothing."""
        self.threads = ThreadChoice(config.training.threads)
        self.network = build(config.model, coding.sizes, self.device.type)
        fill(self.network, config.model, self.generators["init"])
        self.groups = groups_of(list(weights(self.network)))
        self.history = History(groups=self.groups, metrics=self.task.metrics)
        self.timelapse = self._new_timelapse()
        self.trainer = self._make_trainer()

    def _make_trainer(self) -> Trainer | None:
        if self.data is None:
            return None
        batches = self.task.batches(self.data, self.config, self.generators["data"])
        return Trainer(
            self.task, self.network, batches, self.config.training, self.precision, self.device, self.generators,
            self.flight,
        )  # fmt: skip

    @property
    def records(self) -> bool:
        """Whether a probe text is read along the way: of networks that read what they answer, forwards."""
        return self.task.writes and not self.config.model.bidirectional

    def _new_timelapse(self) -> Timelapse | None:
        """A recording of the first symbols of the validation part, or of the training part without one."""
        if self.data is None or not self.records:
            return None
        passage = self.task.passage(self.data, "validation" if self.has_validation else "train", 0, LONGEST_PROBE)
        return Timelapse.of(self.config.model, self.coding.inputs, passage.inputs)

    @property
    def epoch(self) -> float:
        if self.trainer is None:
            return 0.0
        batches = self.trainer.batches
        return batches.epoch + batches.position / batches.chunks

    @property
    def steps_per_epoch(self) -> int:
        return self.trainer.batches.chunks if self.trainer else 1

    @property
    def has_validation(self) -> bool:
        return self.data is not None and len(self.data.validation) >= self.task.fewest

    def settle(self) -> None:
        """Find out, once for this network and batch, what the number of threads may be."""
        if self.threads.settled is not None or self.data is None:
            return
        batches = self.task.batches(self.data, self.config, generator(0, "scratch"))
        batch = batches.next().to(self.device)
        validation: int | None = None
        if self.task.streamed:
            part = len(self.data.validation) if self.has_validation else 0
            validation = min(part, self.config.training.validation_tokens)

        def compute() -> Tensor:
            state = self.network.initial(batch.inputs.shape[1])
            return self.task.loss(self.network, batch, state, None, self.config)[0]

        asked = self.config.training.threads
        self.threads.settled = settle(self.network, compute, self.precision, self.device, asked, validation)

    # -- training ---------------------------------------------------------------------

    def step(self) -> None:
        """One update. Raises NonFinite with everything as it was before."""
        assert self.trainer is not None, "a run without its text does not train"
        p = self.progress
        if p.step == 0:
            self.record_frame()
        update = self.trainer.step(self.config, p.step)
        p.step += 1
        p.tokens += update.tokens
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
        due = self.timelapse is not None and self.timelapse.due(self.progress.step)
        if due and self.timelapse is not None and isinstance(self.network, Network):
            self.timelapse.record(self.network, self.progress.step)

    def validation_due(self) -> bool:
        step, every = self.progress.step, self.config.training.validate_every
        return self.has_validation and step > self.progress.checked_step and step % every == 0

    def validate(self, working: Callable[[float], None] | None = None) -> None:
        """The validation that schedule, patience and best weights go by: the part's first
        `validation_tokens` timesteps.
        """
        p, training = self.progress, self.config.training
        found = self._scores(training.validation_tokens, working)
        p.val_step = p.checked_step = p.step
        self.history.validated(p.step, found.loss, found.metrics)
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
        p = self.progress
        found = self._scores(None, working)
        p.val_step = p.step
        if p.checked_step != p.step:
            self.history.validated(p.step, found.loss, found.metrics)

    def _scores(self, limit: int | None, working: Callable[[float], None] | None) -> Scores:
        """What the network reaches on the validation part; the newest of it stands in `progress`."""
        found = self.task.evaluate(self.network, self.data, "validation", self.config, limit=limit, working=working)
        self.progress.val_loss, self.progress.val_metrics = found.loss, dict(found.metrics)
        return found

    @property
    def torn(self) -> bool:
        """Whether an error cut the newest update in two: what is there is of no step, and not to be saved."""
        return self.trainer is not None and self.trainer.torn

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers: an update can overflow although its gradient did not."""
        return all(bool(torch.isfinite(weight).all()) for weight in weights(self.network).values())

    @property
    def out_of_patience(self) -> bool:
        patience = self.config.training.patience
        return 0 < patience <= self.progress.bad_validations

    def sample_due(self) -> bool:
        return self.progress.step in FIRST_SAMPLES

    def sample(self) -> None:
        """Let it write, or answer; the text depends on the seed and the step alone."""
        p = self.progress
        draws = generator(self.config.training.seed, f"sampling at {p.step}")
        seed = int(torch.randint(2**31 - 1, (), generator=draws))
        was_training = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                found = self.task.sample(self.network, self.data, self.coding, seed)
        finally:
            self.network.train(was_training)
        if found is None:
            return
        known = p.val_loss if p.val_step == p.step else math.nan
        self.samples = [s for s in self.samples if s.step != p.step]
        self.samples.append(replace(found, step=p.step, val_loss=known))
        if len(self.samples) > SAMPLES:
            del self.samples[most_crowded([s.step for s in self.samples])]

    # -- changes on the way -----------------------------------------------------------

    def change(self, key: str, value: Any) -> None:
        """Set a field that may change within a session; the change is kept in the history.

        Raises ConfigError, DataError where the data are too short for it, RunError for a field
        of a new net.
        """
        old, config = get(self.config, key), put(self.config, key, value)
        new = get(config, key)
        if new == old:
            return
        if CHOICES[key].applies == "new net":
            raise RunError(f"{key} can't change in a session: its weights would no longer fit")
        if self.data is not None:
            self.task.check(self.data, config)
        self.note_event(key, old, new)
        before, self.config = self.config, config
        if key.startswith("model."):
            self.network.set_dropout(config.model)
        self.threads.ask(config.training.threads)
        if self.trainer is None:
            return
        t, b = config.training, before.training
        if (t.device, t.precision) != (b.device, b.precision):
            self.device = resolve_device(t.device)
            self.precision = resolve_precision(config, self.device)
            self.network.to(self.device)
            self._rebuild(keep_optimizer=True)
        elif key in ARRANGING:
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
        new.batches.seek(old.batches.cursor())
        same = new.batches.shape == old.batches.shape
        if same and old.carry is not None:
            new.carry = [tuple(s.to(self.device) for s in states) for states in old.carry]
        else:
            new.batches.position = 0
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
        if self.data is not None:
            record["title"] = self.data.title
        if self.trainer is not None:
            s = self.trainer.schedule
            record["cursor"] = list(self.trainer.batches.cursor())
            record["schedule"] = [s.plateau_factor, s.plateau_best, s.plateau_bad]
        return record

    def resolved(self) -> dict[str, Any]:
        """What was decided at the first step, and what exactness depends on."""
        found: dict[str, Any] = {"precision": self.precision, "device": self.device.type, **fingerprint()}
        found["symbol"] = self.coding.symbol
        if self.data is not None:
            found |= {"corpus_sha256": self.data.sha256, "title": self.data.title}
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
        self.history = History.restored(arrays, groups=self.groups, metrics=self.task.metrics)
        if self.records:
            restored = Timelapse.restored(self.config.model, self.coding.inputs, arrays)
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
        # Sessions of before there were words are of characters.
        known = {"symbol": "character", **resolved}
        exact = brought or all(known.get(name) == value for name, value in self.resolved().items())
        if "threads" in resolved:
            settled = Settled(int(resolved["threads"]), bool(resolved["threads_free"]))
            self.threads.settled = settled
            # A number of threads that this machine does not have, where the number matters.
            exact = exact and (settled.free or settled.threads <= cores())
        if "rng.data" in arrays:
            try:
                self.generators.restore({n: a for n, a in arrays.items() if n.startswith("rng.")})
            except (KeyError, RuntimeError):
                # Of another version of torch, or of none. Not the seed again: it would draw what was drawn before.
                self.generators = Generators(self.config.training.seed + p.step + 1)
                exact, self.notice = False, NEW_SEED
        if self.trainer is not None:
            self.trainer = self._make_trainer()
            assert self.trainer is not None
            exact &= restore_optimizer(self.trainer.optimizer, list(weights(self.network)), under("optimizer."))
            carry = under("carry.")
            self.trainer.carry = [
                tuple(carry[f"layers.{k}.{s}"] for s in ("h", "c") if f"layers.{k}.{s}" in carry)
                for k in range(self.config.model.layers)
            ] if self._carries(carry) else None  # fmt: skip
            epoch, position, offset = record["cursor"]
            self.trainer.batches.seek((int(epoch), int(position), int(offset)))
            factor, best, bad = record["schedule"]
            self.trainer.schedule.plateau_factor = factor
            self.trainer.schedule.plateau_best = math.inf if best is None else best
            self.trainer.schedule.plateau_bad = bad
        self.weights_version += 1
        return exact

    def _carries(self, carry: Mapping[str, Tensor]) -> bool:
        """Whether there is a state for each of the streams that are trained on."""
        assert self.trainer is not None
        streams = self.trainer.batches.shape[0]
        return bool(carry) and all(len(state) == streams for state in carry.values())


def _copied(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()


__all__ = ["NonFinite", "Progress", "Run", "RunError", "describe_change"]

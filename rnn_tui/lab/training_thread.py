"""The thread that owns the run: it trains, validates, samples, autosaves and leaves views."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rnn_tui import session
from rnn_tui.config import CHOICES, Config, ConfigError
from rnn_tui.data.text import Corpus, DataError, check_length, read_corpus
from rnn_tui.data.vocabulary import Vocabulary
from rnn_tui.lab.answers import Frozen
from rnn_tui.lab.asking import AnsweringThread, LabError
from rnn_tui.lab.keeping import Keeper
from rnn_tui.views import Curves, DataView, Phase, Sample, Status, frozen

if TYPE_CHECKING:
    from rnn_tui.training.run import Run

log = logging.getLogger(__name__)
T = TypeVar("T")

STATUS_EVERY = 0.05
CURVES_EVERY = 0.25
POINTS = 1000
RATE_WINDOW = 3.0
NO_MEMORY = "there is not enough memory for this network; make it or its batch smaller"


class Interrupted(Exception):
    """A reading or a validation was broken off by a command."""


@dataclass
class Goal:
    """When the training under way is to stop, and what to call that."""

    last_step: int
    reason: str
    deadline: float = math.inf


class TrainingThread:
    """Commands and requests go in, views come out; everything of torch stays inside.

    Public attributes are replaced, never changed, so that any thread may read them. The
    methods named as commands run on the thread, in the order in which they were given.
    """

    def __init__(self, folder: Path, answers: AnsweringThread) -> None:
        self.status = Status()
        self.curves: Curves | None = None
        self.samples: tuple[Sample, ...] = ()
        self.data: DataView | None = None
        self.view_state: dict[str, Any] = {}
        self.notes = ""
        self.idle = threading.Event()
        self.idle.set()
        self._folder = folder
        self._answers = answers
        self._keeper: Keeper | None = None
        self._run: Run | None = None
        self._goal: Goal | None = None
        self._later: dict[str, Any] = {}
        self._commands: deque[Callable[[], None]] = deque()
        self._given = self._carried_out = 0
        self._requests: deque[tuple[int, Callable[[], None]]] = deque()
        """Each with the number of commands given before it, which it waits for."""
        self._wake = threading.Event()
        self._interrupt = threading.Event()
        self._closing = False
        self._save_at_close = True
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._giving = threading.Lock()
        self._shown = self._drawn = 0.0
        self._pace = self._next_step = 0.0
        self._rate: deque[tuple[float, int]] = deque()
        self._set_threads = 0
        self._frozen: dict[bool, Frozen] = {}

    # -- from other threads -----------------------------------------------------------

    def command(self, command: Callable[[], None]) -> None:
        """Do this after the commands given before it."""
        with self._giving:
            self.idle.clear()
            self._given += 1
            self._commands.append(command)
        self._start()

    def interrupt(self) -> None:
        """Break off what is long: a reading, a validation, the training."""
        self._interrupt.set()

    def request(self, wanted: Callable[[], T]) -> T:
        """Have the thread do something at the next border between two steps, and wait for it."""
        future: Future[T] = Future()

        def serve() -> None:
            try:
                future.set_result(wanted())
            except Exception as error:
                future.set_exception(error)

        self._requests.append((self._given, serve))
        self._start()
        while True:
            with suppress(TimeoutError):
                return future.result(0.1)
            if self._closing and not future.done():
                raise LabError("the lab is closing")

    def frozen_model(self, best: bool) -> Frozen:
        """A copy of the newest (or best) weights as they are at the border of a step. Raises LabError."""
        return self.request(lambda: self._freeze(best))

    def close(self, save: bool, timeout: float) -> bool:
        """Finish the step under way, save what is not saved, join. False if it did not end in time."""
        with self._starting:
            if not self._closing:
                self._closing, self._save_at_close = True, save
        self._interrupt.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        if self._keeper is not None:
            self._keeper.release()
        return True

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._loop, name="rnn-lab trains", daemon=True)
                self._thread.start()
        self._wake.set()

    # -- the loop ---------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._closing:
            self._serve()
            if self._commands:
                self._interrupt.clear()
                self._guarded(self._commands.popleft())
                self._carried_out += 1
            elif self._goal is not None:
                if not self._guarded(self._advance):
                    self._goal = None
                    self._publish(Phase.PAUSED if self._run else Phase.EMPTY)
            else:
                with self._giving:
                    if not self._commands:
                        self.idle.set()
                self._wake.wait()
                self._wake.clear()
        if self._save_at_close and self._run is not None:
            self._guarded(lambda: self._write(self._file()))
        self.idle.set()

    def _serve(self) -> None:
        while self._requests and self._requests[0][0] <= self._carried_out:
            self._requests.popleft()[1]()

    def _guarded(self, call: Callable[[], None]) -> bool:
        """Nothing that goes wrong ends the thread: it is told in one sentence, and logged."""
        try:
            call()
            return True
        except Interrupted:
            self._publish(self._resting(), doing="", progress=math.nan)
            return True
        except (LabError, ConfigError, DataError, session.SessionError) as error:
            self._fail(str(error))
        except MemoryError:
            self._fail(NO_MEMORY)
        except Exception as error:
            if type(error).__module__.startswith("rnn_tui."):
                # A sentence of ours, of a module that imports torch and so can't be named here.
                self._fail(str(error))
                return False
            log.exception("the training thread failed")
            lines = str(error).splitlines() or [""]
            out = any(words in str(error).lower() for words in ("out of memory", "can't allocate"))
            self._fail(NO_MEMORY if out else f"that failed: {type(error).__name__}: {lines[0][:200]}")
        return False

    def _fail(self, sentence: str) -> None:
        self._publish(self._resting(), fault=sentence, doing="", progress=math.nan)

    def _resting(self) -> Phase:
        return Phase.EMPTY if self._run is None else Phase.TRAINING if self._goal else Phase.PAUSED

    def _working(self, progress: float, doing: str) -> None:
        """Called from within long work: tell how far it is, answer requests, notice an interruption."""
        self._serve()
        if self._interrupt.is_set() or self._closing:
            raise Interrupted
        now = time.monotonic()
        if now - self._shown >= STATUS_EVERY:
            self._shown = now
            self.status = replace(self.status, progress=progress, doing=doing)

    @contextmanager
    def _doing(self, phase: Phase, doing: str) -> Iterator[None]:
        self._publish(phase, doing=doing, progress=math.nan)
        try:
            yield
        finally:
            self._publish(self._resting(), doing="", progress=math.nan)

    # -- commands ---------------------------------------------------------------------

    def load_engine(self) -> None:
        """Import torch, which takes a second or more."""
        import torch

        import rnn_tui.training.run  # noqa: F401

        torch.set_flush_denormal(True)

    def create(self, config: Config, name: str) -> None:
        with self._doing(Phase.LOADING, "loading"):
            corpus = self._read(config)
            check_length(corpus, config.training.batch_size, config.training.sequence_length)
            self._check_memory(config, corpus.view)
            self.load_engine()
            from rnn_tui.training.run import Run

            run = Run(config, corpus.vocabulary, corpus)
            self._retire()
            keeper = Keeper(self._folder)
            wish = session.derive_name(corpus.title, session.cell_line(config))
            keeper.claim(name or session.free_name(self._folder, wish))
            self.view_state, self.notes = {}, ""
            self._adopt(run, keeper, corpus.view)
            run.sample()
        self._publish(Phase.PAUSED, notice=f"{keeper.name}: {session.cell_line(config)}, not trained yet", exact=True)
        self._show_all()

    def open(self, name: str) -> None:
        with self._doing(Phase.LOADING, f"opening {name}"):
            keeper = Keeper(self._folder)
            if self._keeper is not None and self._keeper.name.lower() == name.lower():
                self._retire()
            found = keeper.find(name)
            try:
                vocabulary = Vocabulary(found.symbols)
                corpus, fault = self._text_of(found)
                self._check_memory(found.config, corpus.view if corpus else None)
                self.load_engine()
                from rnn_tui.training.run import Run

                run = Run(found.config, vocabulary, corpus)
                exact = run.restore(found.tensors, found.progress, found.resolved, list(found.samples))
            except BaseException:
                keeper.release()
                raise
            self._retire()
            self.view_state, self.notes = found.view, found.notes
            self._adopt(run, keeper, corpus.view if corpus else None)
            keeper.known_as_saved(self._mark())
        notice = found.notice or keeper.readonly or f"{keeper.name} opened at step {run.progress.step:,}"
        self._publish(Phase.PAUSED, notice=notice, fault=fault, exact=exact)
        self._show_all()

    def _adopt(self, run: Run, keeper: Keeper, data: DataView | None) -> None:
        from rnn_tui.training.threads import ThreadChoice

        self._run, self._keeper, self.data = run, keeper, data
        session.remember(self._folder, keeper.name)
        self._choice = ThreadChoice(run.config.training.threads)
        self._later.clear()
        self._frozen.clear()
        self._rate.clear()
        self._goal = None
        keeper.start_clock(run.config.training.autosave_seconds)
        self.status = Status(curves_version=self.status.curves_version, samples_version=self.status.samples_version)

    def _retire(self) -> None:
        """Save and let go of the session that is open."""
        self._goal = None
        if self._run is not None and self._keeper is not None:
            if not self._write(self._file()):
                raise LabError(f"{self._keeper.name} is still open: {self._keeper.fault}")
            self._keeper.release()
        self._run = self._keeper = None
        self._frozen.clear()

    def _read(self, config: Config) -> Corpus:
        return read_corpus(config.data, self._working, lambda: self._interrupt.is_set() or self._closing)

    def _text_of(self, found: session.SessionFile) -> tuple[Corpus | None, str]:
        """The text a session was trained on, or why it can't be trained on now."""
        try:
            corpus = self._read(found.config)
            check_length(corpus, found.config.training.batch_size, found.config.training.sequence_length)
        except DataError as error:
            return None, f"{error} (it can be looked at and write, but not train)"
        if corpus.vocabulary.symbols != found.symbols or corpus.sha256 != found.resolved.get("corpus_sha256"):
            return None, (
                f"{found.config.data.path} is not the text this was trained on any more: it can be looked at and "
                f"write, but not train; put the old text back, or train a new session on the new one"
            )
        return corpus, ""

    def _check_memory(self, config: Config, data: DataView | None) -> None:
        import psutil

        from rnn_tui.model.shapes import diagram

        refusal = diagram(config, data, psutil.virtual_memory().available).refusal
        if refusal:
            raise LabError(f"this network can't be built here: {refusal}")

    def begin(self, steps: int | None, epochs: float | None, minutes: float | None) -> None:
        run, keeper = self._needed()
        if run.trainer is None:
            raise LabError("its text is not at hand, so it can't be trained; see the message at the top")
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}")
        for key, value in self._later.items():
            run.change(key, value)
        self._later.clear()
        self._choice.settled = run.settle()
        made, planned = run.progress.step, run.config.training.steps
        goal = Goal(planned, "planned")
        if steps is not None:
            goal = Goal(made + steps, "steps")
        elif epochs is not None:
            goal = Goal(made + math.ceil(epochs * run.steps_per_epoch), "epochs")
        elif minutes is not None:
            goal = Goal(2**62, "minutes", time.monotonic() + 60 * minutes)
        elif made >= planned:
            self._publish(
                Phase.PAUSED,
                notice=f"the planned {planned:,} steps are done; raise Steps in Build to go on",
                stopped_because="planned",
            )
            return
        self._goal = goal
        self._rate.clear()
        self._publish(Phase.TRAINING, fault="", notice="", stopped_because="")

    def pause(self) -> None:
        if self._run is None or self._goal is None:
            return
        self._goal = None
        self._publish(Phase.PAUSED, stopped_because="interrupted")
        self._show_all()
        self._save_in_background()

    def single_step(self) -> None:
        run, _ = self._needed()
        self._goal = None
        self.begin(1, None, None)
        self._goal = None
        self._validate_if_due(run)
        self._make_step(run)
        self._publish(Phase.PAUSED, notice=f"one step: {run.progress.step:,}")
        self._show_all()

    def change(self, key: str, value: Any) -> None:
        run, _ = self._needed()
        if CHOICES[key].applies == "next run" and self._goal is not None:
            self._later[key] = value
            self._publish(notice=f"{CHOICES[key].label} takes effect when training is next started")
            return
        run.change(key, value)
        self._choice.ask(run.config.training.threads)
        self._publish()
        self._show_all()

    def set_pace(self, steps_per_second: float) -> None:
        self._pace = max(0.0, steps_per_second)
        self._publish()

    def restart(self) -> None:
        from rnn_tui.training.run import Run

        run, keeper = self._needed()
        if run.corpus is None or keeper.readonly:
            raise LabError("it can't be trained here, so it can't be started over")
        self._goal = None
        self._run = Run(run.config, run.vocabulary, run.corpus)
        self._run.sample()
        self._frozen.clear()
        self._publish(Phase.PAUSED, notice="started over: fresh weights", fault="", stopped_because="", exact=True)
        self._show_all()

    def use_best(self) -> None:
        run, _ = self._needed()
        run.use_best()
        self._publish(notice=f"the weights of step {run.progress.best_step:,} are back", fault="")

    def save(self) -> None:
        _, keeper = self._needed()
        if keeper.readonly:
            raise LabError(f"it is opened to look at only: {keeper.readonly}; save it under another name (6, a)")
        if self._write(self._file(), force=True):
            self._publish(notice=f"saved {keeper.name} at step {keeper.saved_step:,}")

    def save_as(self, name: str) -> None:
        run, old = self._needed()
        keeper = Keeper(self._folder)
        keeper.claim(name)
        self._write(self._file())
        old.release()
        self._keeper = keeper
        keeper.start_clock(run.config.training.autosave_seconds)
        if self._write(self._file(), force=True):
            self._publish(notice=f"saved as {name}")

    def _needed(self) -> tuple[Run, Keeper]:
        if self._run is None or self._keeper is None:
            raise LabError("there is no session yet; build one first (1, then space)")
        return self._run, self._keeper

    # -- training ---------------------------------------------------------------------

    def _advance(self) -> None:
        """One piece of work on the way to the goal: a validation, a step, or the end."""
        run, goal = self._run, self._goal
        assert run is not None and goal is not None
        if self._validate_if_due(run):
            if run.out_of_patience:
                goal.reason, goal.last_step = "early_stopping", run.progress.step
        elif run.progress.step >= goal.last_step or time.monotonic() >= goal.deadline:
            self._finish(run, goal)
        elif self._pace and time.monotonic() < self._next_step:
            self._wake.wait(min(0.05, self._next_step - time.monotonic()))
            self._wake.clear()
        else:
            self._next_step = time.monotonic() + 1 / self._pace if self._pace else 0.0
            self._make_step(run)
            self._leave_views(run)

    def _make_step(self, run: Run) -> None:
        from rnn_tui.training.trainer import NonFinite

        threads = self._use_threads()
        started = time.perf_counter()
        try:
            run.step()
        except NonFinite as error:
            self._goal = None
            best = f"; b brings back the best weights (step {run.progress.best_step:,})" if run.best else ""
            self._publish(
                Phase.PAUSED,
                stopped_because="non_finite",
                fault=f"stopped: {error}; the weights are those of step {run.progress.step:,}; "
                f"lower the learning rate or set clip_norm{best}",
            )
            self._show_all()
            self._save_in_background()
            return
        self._choice.spent(threads, time.perf_counter() - started)
        if run.sample_due():
            self._sample(run)
        if run.progress.step == 1:
            self._save_in_background()

    def _use_threads(self) -> int:
        """The chosen number of threads, one fewer while the answering thread works beside."""
        import torch

        threads = self._choice.current
        crowded = self._choice.free and self._answers.busy and threads >= self._choice.available
        used = max(1, threads - 1) if crowded else threads
        if used != self._set_threads:
            torch.set_num_threads(used)
            self._set_threads = used
        return used

    def _validate_if_due(self, run: Run) -> bool:
        if not run.validation_due():
            return False
        self._use_threads()
        with self._doing(Phase.VALIDATING, "validating"):
            run.validate(lambda share: self._serve_while(share, "validating"))
        self._sample(run)
        self._rate.clear()
        self._show_all()
        return True

    def _serve_while(self, share: float, doing: str) -> None:
        """A periodic validation is part of the run: it is short, and is not broken off but by leaving."""
        self._serve()
        if self._closing:
            raise Interrupted

    def _finish(self, run: Run, goal: Goal) -> None:
        reason = goal.reason
        self._goal = None
        p = run.progress
        if run.has_validation:
            with self._doing(Phase.VALIDATING, "validating on the whole part"):
                run.validate_whole(lambda share: self._working(share, "validating on the whole part"))
        self._publish(Phase.PAUSED, stopped_because=reason, notice=f"stopped at step {p.step:,}: {REASONS[reason]}")
        self._show_all()
        self._save_in_background()

    def _sample(self, run: Run) -> None:
        run.sample()
        self.samples = tuple(run.samples)
        self.status = replace(self.status, samples_version=self.status.samples_version + 1)

    # -- views ------------------------------------------------------------------------

    def _leave_views(self, run: Run) -> None:
        now = time.monotonic()
        if now - self._shown >= STATUS_EVERY:
            self._rate.append((now, run.progress.tokens))
            while len(self._rate) > 2 and now - self._rate[0][0] > RATE_WINDOW:
                self._rate.popleft()
            self._publish()
        if now - self._drawn >= CURVES_EVERY:
            self._draw_curves(run)
        if self._keeper is not None and self._keeper.due:
            self._save_in_background()

    def _show_all(self) -> None:
        if self._run is not None:
            self.samples = tuple(self._run.samples)
            self.status = replace(self.status, samples_version=self.status.samples_version + 1)
            self._draw_curves(self._run)

    def _draw_curves(self, run: Run) -> None:
        self._drawn = time.monotonic()
        p, version = run.progress, self.status.curves_version + 1
        points = {name: frozen(array) for name, array in run.history.thinned(POINTS).items()}
        self.curves = Curves(
            version=version,
            clip_norm=run.config.training.clip_norm,
            clipped_share=p.clipped / max(1, p.step),
            planned=run.config.training.steps,
            best_step=p.best_step,
            baselines=self.data.baselines if self.data else (),
            **points,
        )
        self.status = replace(self.status, curves_version=version)

    def _publish(self, phase: Phase | None = None, **changes: Any) -> None:
        """Leave the newest state in the one slot."""
        self._shown = time.monotonic()
        phase = phase or self.status.phase
        run, keeper = self._run, self._keeper
        if run is None or keeper is None:
            self.status = replace(self.status, phase=phase, **changes)
            return
        p = run.progress
        rate, eta = self._speed(run) if phase is Phase.TRAINING else (self.status.tokens_per_second, math.nan)
        changes.setdefault("fault", self.status.fault or keeper.fault)
        self.status = replace(
            self.status,
            phase=phase,
            session=keeper.name,
            config=run.config,
            step=p.step,
            planned=run.config.training.steps,
            tokens=p.tokens,
            epoch=run.epoch,
            train_loss=p.train_loss,
            val_loss=p.val_loss,
            val_step=p.val_step,
            best_loss=p.best_loss if run.best else math.nan,
            best_step=p.best_step,
            learning_rate=run.config.training.learning_rate if math.isnan(p.learning_rate) else p.learning_rate,
            grad_norm=p.grad_norm,
            clipped_share=p.clipped / max(1, p.step),
            tokens_per_second=rate,
            eta_seconds=eta,
            pace=self._pace,
            device=run.device.type,
            precision=run.precision,
            threads=self._choice.current,
            saved_step=keeper.saved_step,
            weights_version=run.weights_version,
            has_best=run.best is not None,
            **changes,
        )

    def _speed(self, run: Run) -> tuple[float, float]:
        """Symbols a second over the last seconds, and seconds to the end at that rate."""
        if len(self._rate) < 2:
            return self.status.tokens_per_second, self.status.eta_seconds
        (t0, n0), (t1, n1) = self._rate[0], self._rate[-1]
        rate = (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        training, goal = run.config.training, self._goal
        last = min(goal.last_step, max(training.steps, run.progress.step)) if goal else run.progress.step
        if goal is not None and goal.deadline < math.inf:
            return rate, max(0.0, goal.deadline - time.monotonic())
        if goal is not None and goal.reason != "planned":
            last = goal.last_step
        left = (last - run.progress.step) * training.batch_size * training.sequence_length
        return rate, left / rate if rate > 0 else math.nan

    # -- what others take away --------------------------------------------------------

    def _freeze(self, best: bool) -> Frozen:
        if self._run is None:
            raise LabError("there is no network yet; build one and start it first (1, then space)")
        run = self._run
        kept = self._frozen.get(best)
        if kept is not None and kept.weights_version == run.weights_version:
            return kept
        from rnn_tui.model.network import Network, load_weights

        try:
            values, step = run.frozen_weights(best)
        except ValueError as error:
            raise LabError(str(error)) from None
        network = Network(run.config.model, len(run.vocabulary))
        load_weights(network, values)
        network.eval().requires_grad_(False)
        part, passages = "validation", run.corpus.validation if run.corpus else None
        if run.corpus is not None and not run.has_validation:
            part, passages = "training", run.corpus.train
        found = Frozen(network, run.vocabulary, passages, part, step, run.weights_version)
        self._frozen[best] = found
        return found

    def _mark(self) -> tuple[Any, ...]:
        """Stands for all that a save keeps: equal marks, equal files."""
        run = self._run
        assert run is not None
        return (
            run.weights_version, run.progress.val_step, run.config, len(run.progress.events),
            repr(self.view_state), self.notes, len(run.samples),
        )  # fmt: skip

    def _file(self) -> tuple[session.SessionFile, tuple[Any, ...], int] | None:
        """A copy of all that is kept, taken at the border of a step; None if nothing is to be kept."""
        run, keeper = self._run, self._keeper
        if run is None or keeper is None or keeper.readonly or run.progress.step == 0:
            return None
        file = session.SessionFile(
            config=run.config,
            tensors={
                **run.arrays(),
                "vocabulary": session.pack_vocabulary(run.vocabulary.symbols),
                "samples": session.pack_samples(run.samples),
            },
            progress={**run.progress_record(), "updated": time.time()},
            resolved=run.resolved(),
            view=dict(self.view_state),
            notes=self.notes,
        )
        return file, self._mark(), run.progress.step

    def _write(self, kept: tuple[session.SessionFile, tuple[Any, ...], int] | None, force: bool = False) -> bool:
        """Write what `_file` gave, in this thread. True if nothing is left unsaved."""
        keeper = self._keeper
        if kept is None or keeper is None:
            return True
        file, mark, step = kept
        if not force and not keeper.unsaved(mark):
            return True
        saved = keeper.write(file, mark, step)
        self._publish(fault=keeper.fault or self.status.fault)
        return saved

    def _save_in_background(self) -> None:
        """Copy at this border of a step; the answering thread writes it."""
        keeper, run = self._keeper, self._run
        if keeper is None or run is None or keeper.readonly or not keeper.unsaved(self._mark()):
            return
        keeper.start_clock(run.config.training.autosave_seconds)
        kept = self._file()
        if kept is None:
            return
        file, mark, step = kept

        def write() -> None:
            if not keeper.write(file, mark, step):
                log.error("saving failed: %s", keeper.fault)
            self.command(self._publish)

        self._answers.do(write)


REASONS = {
    "planned": "the planned steps are done",
    "steps": "the steps asked for are done",
    "epochs": "the epochs asked for are done",
    "minutes": "the time is up",
    "early_stopping": "validation stopped improving",
}

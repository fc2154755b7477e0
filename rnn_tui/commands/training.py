"""`rnn-lab train`: trains without a screen."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from rnn_tui.commands.arguments import Json, complete_session, complete_setting, folder_of
from rnn_tui.commands.errors import DONE, FAILED, Failed, WrongArguments, arguments, tell
from rnn_tui.commands.output import Progress, bar, duration, number, print_json, put

if TYPE_CHECKING:
    from rnn_tui.config import Config
    from rnn_tui.lab import Lab
    from rnn_tui.views import Status
    from rnn_tui.watchdog import Watchdog

PATHS = ("data.path", "data.validation_path", "data.test_path")
LOOK_EVERY = 0.1


class TrainCommand(TyperCommand):
    """`train`, whose help lists every field of the configuration."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from rnn_tui.config import CHOICES, show

        for section in ("model", "training", "data"):
            with formatter.section(f"Fields of [{section}], for --set {section}.FIELD=VALUE and for FILE.toml"):
                formatter.write_dl([
                    (c.name, f"{c.help}; {c.range}; default {show(c.default) or 'none'}")
                    for c in CHOICES.values() if c.section == section
                ])  # fmt: skip


def train(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="SESSION", help="A session to go on with.", autocompletion=complete_session),
    ] = None,
    new: Annotated[str | None, typer.Option("--new", metavar="NAME", help="Train a new session of this name.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE.toml", help="Take the configuration from a TOML file.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="The text to learn; the same as --set data.path=PATH.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Set a field; may be repeated.",
                     autocompletion=complete_setting),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Train so many more steps.")] = None,
    epochs: Annotated[
        float | None, typer.Option("--epochs", metavar="N", help="Train so many more passes over the text.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="M", help="Train so many minutes more.")
    ] = None,
    take: Annotated[
        bool, typer.Option("--take", help="Take the session over from the process that has it, if one has.")
    ] = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """Train a session without a screen; to its planned length, if not told how much more.

    A session also opens in the app while it is trained here, which can take it over; this command then
    ends. Ctrl+C saves and stops. Where the line drops it goes on, unless training.hang_up is stop.
    """
    if (name is None) == (new is None):
        raise WrongArguments("it takes a session or --new; rnn-lab train; name one session to go on with, or a new one")
    length = Length.of(steps, epochs, minutes)
    given = [*([] if data is None else [("data.path", data)]), *map(_setting, settings or [])]
    folder = folder_of(ctx)
    if new is not None:
        return _train_new(folder, new, config, given, length, as_json)
    assert name is not None
    return _train_existing(folder, name, config, given, length, take, as_json)


@dataclass(frozen=True, slots=True)
class Length:
    """How much more a call trains; all None: to the planned length."""

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None

    @classmethod
    def of(cls, steps: int | None, epochs: float | None, minutes: float | None) -> Length:
        """Raises WrongArguments."""
        asked = [f"--{n}" for n, v in (("steps", steps), ("epochs", epochs), ("minutes", minutes)) if v is not None]
        if len(asked) > 1:
            raise WrongArguments(f"only one of them can say how much more to train; {' '.join(asked)}; leave one")
        for option, value in (("epochs", epochs), ("minutes", minutes)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise WrongArguments(f"{value} is not a number above 0; --{option}; give how many more to train")
        return cls(steps, epochs, minutes)


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise WrongArguments(f"{text[:60]!r} sets nothing; --set; write FIELD=VALUE, as training.learning_rate=0.002")
    return key.strip(), value


def _with(config: Config, given: list[tuple[str, Any]]) -> Config:
    """The configuration with fields changed, checked once all are there. Raises ConfigError."""
    from rnn_tui.config import choice, parse, read

    values = config.model_dump()
    for key, value in given:
        c = choice(key)
        values[c.section][c.name] = read(c, value)
    return parse(values)


def _with_whole_paths(config: Config) -> Config:
    """The session is opened from other folders too."""
    from rnn_tui.config import get
    from rnn_tui.data.catalog import named

    found = {key: get(config, key) for key in PATHS}
    return _with(config, [
        (key, os.path.abspath(os.path.expanduser(path)))
        for key, path in found.items() if path.strip() and not named(path)
    ])  # fmt: skip


def _train_new(
    folder: Path, name: str, file: Path | None, given: list[tuple[str, Any]], length: Length, as_json: bool
) -> int:
    from rnn_tui.config import Config, load_toml
    from rnn_tui.session import check_name, prepare_folder
    from rnn_tui.session.names import refuse_taken

    with arguments():
        refuse_taken(folder, check_name(name))
        config = _with_whole_paths(_with(load_toml(file) if file else Config(), given))
    prepare_folder(folder)
    with arguments():
        _check_text(config)
    _check_device(config)
    return _run(folder, length, as_json, config=config, name=name)


def _train_existing(
    folder: Path, name: str, file: Path | None, given: list[tuple[str, Any]], length: Length, take: bool, as_json: bool
) -> int:
    from rnn_tui.config import get
    from rnn_tui.session import existing, load_or_previous, name_of, row

    with arguments():
        path = existing(folder, name)
    changes: dict[str, Any] = {}
    if file or given:
        old = row(path).config or load_or_previous(path).config
        with arguments():
            asked = [*(_named_in(file) if file else []), *given]
            new = _with(old, asked)
            changes = {key: get(new, key) for key, _ in asked if get(new, key) != get(old, key)}
            _refuse_fixed({key for key, _ in given} | changes.keys(), name_of(path))
            if changes.keys() & {"training.batch_size", "training.sequence_length"}:
                _check_text(new)
        _check_device(new)
    return _run(folder, length, as_json, name=name_of(path), changes=changes, take=take)


def _named_in(file: Path) -> list[tuple[str, Any]]:
    """The fields that a TOML file names, whether they are the default or not. Raises ConfigError."""
    from rnn_tui.config import load_toml, read_toml

    load_toml(file)
    sections = read_toml(file)
    return [(f"{section}.{name}", value) for section, fields in sections.items() for name, value in fields.items()]


def _refuse_fixed(keys: set[str], name: str) -> None:
    fixed = sorted(key for key in keys if not key.startswith("training.") or key == "training.seed")
    if fixed:
        raise WrongArguments(
            f"{', '.join(fixed)} can't be set on a session that is trained already; {name}; "
            "train a new one with --new, or set fields of [training] only"
        )


def _check_text(config: Config) -> None:
    """Read the data, which the Lab then finds in the cache. Raises DataError."""
    from rnn_tui.tasks import task_of

    task = task_of(config.data.task)
    with Progress() as progress:
        data = task.read(config.data, seed=config.training.seed, progress=progress.share)
        for notice in data.view.notices:
            progress.say(notice)
    task.check(data, config)


def _check_device(config: Config) -> None:
    """Raises DeviceError. Torch is asked only where its answer could be no."""
    if config.training.device in ("cuda", "mps"):
        from rnn_tui.training.precision import resolve_device, resolve_precision

        resolve_precision(config, resolve_device(config.training.device))


def _run(
    folder: Path, length: Length, as_json: bool, *, name: str, config: Config | None = None,
    changes: dict[str, Any] | None = None, take: bool = False,
) -> int:  # fmt: skip
    from rnn_tui.lab import Lab
    from rnn_tui.watchdog import Watchdog

    with Lab(folder) as lab, Watchdog(lab) as watchdog:
        with Progress() as progress:
            call = _Call(lab, watchdog, progress, length)
            if config is not None:
                lab.create(config, name)
            else:
                call.open(name, changes or {}, take)
            if not watchdog.signal:
                call.train()
        # However long the disk takes; a signal meanwhile ends it sooner.
        lab.close(timeout=3600.0)
        if lab.left_at is not None:
            Progress().say(lab.status.notice)
        return _report(lab.left_at or lab.status, call, folder, as_json)


class _Call:
    """One call's training: follows the Lab's status from the beginning to the end."""

    def __init__(self, lab: Lab, watchdog: Watchdog, progress: Progress, length: Length) -> None:
        self.lab, self.watchdog, self.progress, self.length = lab, watchdog, progress, length
        self.seconds = 0.0
        """Spent in training; validations, reading and saving are not."""
        self.start: tuple[int, int] | None = None
        """Step and tokens before this call."""

    def open(self, name: str, changes: dict[str, Any], take: bool = False) -> None:
        from rnn_tui.views import Phase

        self.lab.open(name)
        status = self._rest()
        if status.phase is Phase.FOLLOWING and take and not self.watchdog.signal:
            self.progress.say(f"asking {status.writer} for {name}")
            self.lab.take_over(train=False)
            status = self._rest()
        if self.watchdog.signal:
            return
        if status.phase is Phase.FOLLOWING and not status.fault:
            raise Failed(f"{name} is in use by {status.writer}; --take takes it over, rnn-lab {name} follows it")
        if status.fault or not status.session:
            raise Failed(status.fault or f"{name} was not opened; try again")
        if not status.exact:
            self.progress.say("this machine or version differs from the last one: it goes on, but not bit for bit")
        for key, value in changes.items():
            with arguments():
                self.lab.set(key, value)
            self.progress.say(f"{key} is {value} from here on")
        status = self._rest()
        if status.fault and not self.watchdog.signal:
            raise WrongArguments(status.fault)

    def _rest(self) -> Status:
        """Until nothing is left to be done, or a signal came."""
        while not self.watchdog.signal:
            try:
                return self.lab.wait(LOOK_EVERY)
            except TimeoutError:
                self._look()
        return self.lab.status

    def train(self) -> None:
        """Train to the end of the call, or until a signal comes."""
        from rnn_tui.views import Phase

        if self.lab.status.session:
            self.start = (self.lab.status.step, self.lab.status.tokens)
        self.lab.train(steps=self.length.steps, epochs=self.length.epochs, minutes=self.length.minutes)
        before, training = time.monotonic(), False
        while not self.watchdog.signal:
            try:
                status = self.lab.wait(LOOK_EVERY)
                if status.stopped_because or status.fault or status.phase is Phase.FOLLOWING:
                    break
                time.sleep(LOOK_EVERY)
            except TimeoutError:
                status = self.lab.status
            now = time.monotonic()
            if training and status.phase is Phase.TRAINING:
                self.seconds += now - before
            before, training = now, status.phase is Phase.TRAINING
            self._look()

    def _look(self) -> None:
        from rnn_tui.lab.measures import marks, measures
        from rnn_tui.views import Phase

        status = self.lab.status
        if status.phase not in (Phase.TRAINING, Phase.VALIDATING):
            if status.doing:
                self.progress.share(status.progress, status.doing)
            return
        first = self.start[0] if self.start else 0
        last = first + self.length.steps if self.length.steps else status.planned
        step = f"step {status.step:,}/{last:,}" if self._by_step else f"step {status.step:,}"
        told = measures(status.config)
        form = ".3g" if told.squared else ".3f"
        validated = math.isfinite(status.val_loss)
        loss = status.val_loss if validated or not told.perplexity else status.train_loss
        # A metric that is the loss already need not be told twice.
        headline = told.headline(loss, status.val_metrics) if validated or told.writes else ""
        parts = [
            step,
            f"loss {number(status.train_loss, form)}",
            f"val {number(status.val_loss, form)}",
            *([headline] if headline and (told.own_curves or not told.squared) else []),
            f"{status.tokens_per_second:,.0f} {told.counted}/s",
            "validating" if status.phase is Phase.VALIDATING else f"ETA {duration(status.eta_seconds)}",
            *(f"! {mark.badge}" for mark in marks(status.config)),
            *(["! not saved"] if status.save_failed else []),
        ]
        self.progress.show(f"{bar(self._share(status, first, last))} {'  '.join(parts)}")

    @property
    def _by_step(self) -> bool:
        return self.length.epochs is None and self.length.minutes is None

    def _share(self, status: Status, first: int, last: int) -> float:
        if self._by_step:
            return (status.step - first) / max(1, last - first) if self.length.steps else status.step / max(1, last)
        left = status.eta_seconds
        return self.seconds / (self.seconds + left) if math.isfinite(left) and self.seconds + left > 0 else 0.0

    def speed(self, status: Status) -> float:
        """Tokens a second over the whole call; NaN where it made none."""
        tokens = status.tokens - (self.start[1] if self.start else 0)
        if tokens <= 0:
            return math.nan
        return tokens / self.seconds if self.seconds > 0 else status.tokens_per_second or math.nan


def _report(status: Status, call: _Call, folder: Path, as_json: bool) -> int:
    from rnn_tui.session import path_of, row
    from rnn_tui.tasks import task_of
    from rnn_tui.views import perplexity

    signalled = call.watchdog.code
    reason = status.stopped_because or ("interrupted" if signalled else "")
    if not reason or not status.session:
        if signalled:
            tell("stopped by a signal before anything was trained; nothing is lost; start it again when you like")
            return signalled
        raise Failed(status.fault or "the training did not begin; try again")
    assert status.config is not None
    fresh = status.val_step == status.step
    val_loss, metrics = (status.val_loss, status.val_metrics) if fresh else (math.nan, {})
    values = {
        "session": status.session,
        "steps": status.step,
        "tokens": status.tokens,
        "train_loss": status.train_loss,
        "val_loss": val_loss,
        **({"val_perplexity": perplexity(val_loss)} if task_of(status.config.data.task).writes else {}),
        **{f"val_{name}": value for name, value in metrics.items()},
        "tokens_per_second": call.speed(status),
        "stopped_because": reason,
    }
    # Whoever has taken it over may have saved it since, and did so from what was saved here.
    saved = status.step == 0 or call.lab.left_at is not None
    if not saved:
        # What stands in the file is the proof, not what we believe we wrote there.
        found = row(path_of(folder, status.session))
        saved = not found.fault and found.step == status.step and not status.save_failed
    fault = ""
    if not saved:
        fault = status.fault or f"{status.session} was not saved; {folder}; see that it can be written, and train again"
    elif reason == "non_finite":
        fault = status.fault or "the loss is no longer finite; lower training.learning_rate or set training.clip_norm"
    if as_json:
        print_json(values)
    else:
        _print_plain(values, status.config)
        if reason == "planned" and call.start and status.step == call.start[0]:
            call.progress.say(
                f"the planned {status.planned:,} steps were done before; --steps N trains on, "
                "--set training.steps=N plans more"
            )
    if fault:
        tell(fault)
    return signalled or (FAILED if fault else DONE)


def _print_plain(values: dict[str, Any], config: Config) -> None:
    from rnn_tui.lab.measures import SHARES, marks, measures

    told = measures(config)
    form = ".4g" if told.squared else ".4f"
    for key, value in values.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        if isinstance(value, float):
            shown = number(value, ",.0f" if key == "tokens_per_second" else form)
            if key.removeprefix("val_") in SHARES and math.isfinite(value):
                shown = f"{100 * value:.1f} %"
        if key in ("tokens", "tokens_per_second"):
            shown = f"{shown} {told.counted}"
        put(f"{key:22} {shown}")
    for mark in marks(config):
        put(f"{'beware':22} {mark.sentence}")

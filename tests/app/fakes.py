"""A Lab without torch or threads: it records what it is told and shows the views it is given."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnn_tui.config import Config, put
from rnn_tui.lab.questions import GuessTask
from rnn_tui.views import Baseline, Curves, DataView, Guess, Part, Phase, Sample, Status

BASELINES = (Baseline("uniform", 4.17), Baseline("unigram", 3.35), Baseline("bigram", 2.48))


def curves(version: int, upto: int, planned: int = 5000) -> Curves:
    """A run that falls from 4.17 towards 1.7, as far as a step."""
    step = np.arange(0, upto + 1, 5)
    loss = (1.7 + 2.47 * np.exp(-step / 300) + 0.02 * np.sin(step * 1.7)).astype(np.float32)
    val_step = np.arange(0, upto + 1, 250)
    return Curves(
        version=version, step=step, train_loss=loss, grad_norm=(0.8 + 5 * np.exp(-step / 60)).astype(np.float32),
        learning_rate=np.full(len(step), 0.002, np.float32), val_step=val_step,
        val_loss=(1.75 + 2.4 * np.exp(-val_step / 280)).astype(np.float32), clip_norm=5.0, clipped_share=0.004,
        planned=planned, best_step=int(val_step[-1]), baselines=BASELINES,
    )  # fmt: skip


class FakeAsked:
    """A question that is never answered, unless with a guess."""

    done = False
    progress = math.nan
    doing = "waiting"
    newest: Any = None
    error = ""

    def __init__(self, newest: Any = None) -> None:
        self.newest, self.done = newest, newest is not None

    def cancel(self) -> None:
        self.done = True


class FakeLab:
    """What the app needs of a Lab. `calls` holds what it was told, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stalled = False
        self.status = Status()
        self.curves: Curves | None = None
        self.samples: tuple[Sample, ...] = ()
        self.data: DataView | None = None
        self.view_state: dict[str, Any] = {}
        self.notes = ""
        self.calls: list[tuple[Any, ...]] = []
        self.view_of: dict[str, Any] = {}
        self.close_error: Exception | None = None
        self.hand_on_error: Exception | None = None
        self.guesses: dict[str, Guess] = {}
        """What files look like, by their paths."""

    def change(self, **values: Any) -> None:
        """A new status, as the real Lab publishes one: never the same object twice."""
        self.status = replace(self.status, **values)

    def run_to(self, step: int, phase: Phase = Phase.TRAINING) -> None:
        """As if it had trained up to a step."""
        version = self.status.curves_version + 1
        self.curves = curves(version, step)
        self.samples = tuple(
            Sample(k, "ROMEO:", f" I would the like of step {k}\nAnd so the stands be", 1.9)
            for k in range(0, step + 1, 250)
        )
        last = step // 250 * 250
        self.change(
            phase=phase, step=step, planned=5000, train_loss=float(self.curves.train_loss[-1]), val_loss=1.74,
            val_step=last, best_loss=1.74, best_step=last, learning_rate=0.002, grad_norm=0.83, clipped_share=0.004,
            tokens_per_second=309_000.0, eta_seconds=25.0, precision="bfloat16", curves_version=version, epoch=4.4,
            samples_version=version, has_best=True,
        )  # fmt: skip

    def give_session(self, name: str = "shakespeare", view: dict[str, Any] | None = None) -> None:
        """As if a session was open."""
        self.view_state = view or {}
        self.data = DataView(
            "builtin:python-docs", "Python's documentation", 465_000, 100,
            (Part("train", 0, 400_000), Part("validation", 400_000, 65_000)), BASELINES, (), "The preview.", "0" * 64,
        )  # fmt: skip
        self.change(session=name, config=Config(), planned=5000, phase=Phase.PAUSED)

    # Commands

    def open(self, name: str) -> None:
        self.calls.append(("open", name))
        self.give_session(name, self.view_of)

    def create(self, config: Config, name: str = "", *, train: bool = False) -> None:
        self.calls.append(("create", config, name, train))
        self.give_session(name or "python-docs-lstm")
        self.change(config=config, phase=Phase.TRAINING if train else Phase.PAUSED)

    def train(self, **limits: Any) -> None:
        self.calls.append(("train",))
        self.change(phase=Phase.TRAINING)

    def pause(self) -> None:
        self.calls.append(("pause",))
        self.change(phase=Phase.PAUSED)

    def follow(self, writer: str = "process 4242 on gpu1", phase: str = "training", step: int = 1900) -> None:
        """As if another program had the open session, and had saved it a little earlier."""
        self.run_to(step, Phase.FOLLOWING)
        self.change(writer=writer, writer_phase=phase, saved_step=step - 100)

    def take_over(self) -> None:
        self.calls.append(("take_over",))
        trained = self.status.writer_phase == "training"
        self.change(phase=Phase.TRAINING if trained else Phase.PAUSED, writer="", writer_phase="")

    def hand_on(self) -> str:
        self.calls.append(("hand_on",))
        if self.hand_on_error is not None:
            raise self.hand_on_error
        self.change(phase=Phase.FOLLOWING, writer="process 4243 on gpu1", writer_phase="training")
        name = self.status.session
        return f"{name} goes on training without a screen: process 4243; rnn-lab {name} follows it"

    def single_step(self) -> None:
        self.calls.append(("single_step",))
        self.change(step=self.status.step + 1)

    def set(self, key: str, value: Any) -> None:
        assert self.status.config is not None
        config = put(self.status.config, key, value)
        self.calls.append(("set", key, value))
        self.change(config=config)

    def set_pace(self, pace: float) -> None:
        self.calls.append(("set_pace", pace))
        self.change(pace=pace)

    def restart(self) -> None:
        self.calls.append(("restart",))

    def use_best(self) -> None:
        self.calls.append(("use_best",))

    def save(self) -> None:
        self.calls.append(("save",))
        self.change(notice="saved", saved_step=self.status.step)

    def save_as(self, name: str) -> None:
        self.calls.append(("save_as", name))

    def rename(self, name: str) -> None:
        self.calls.append(("rename", name))
        self.change(session=name, notice=f"its name is {name} now")

    def set_notes(self, text: str) -> None:
        self.notes = text

    def remember(self, state: dict[str, Any]) -> None:
        self.calls.append(("remember", state))
        self.view_state = state

    def prepare(self) -> None:
        pass

    def forget_fault(self) -> None:
        self.calls.append(("forget_fault",))
        self.change(fault="")

    def close(self, save: bool = True, timeout: float = 10.0) -> bool:
        self.calls.append(("close", save))
        if self.close_error is not None:
            raise self.close_error
        return True

    def ask(self, question: Any) -> FakeAsked:
        return FakeAsked(self.guesses.get(question.path) if isinstance(question, GuessTask) else None)

    @property
    def told(self) -> list[str]:
        """Names of the commands so far, without those that change nothing of the model."""
        return [call[0] for call in self.calls if call[0] not in ("remember", "forget_fault")]

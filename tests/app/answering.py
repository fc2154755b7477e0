"""Answers of networks that never were, and a scripted Lab that gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnn_tui.config import Config, put
from rnn_tui.lab import Asked
from rnn_tui.lab.questions import AnswerText, MeasureGaps, TakeApart
from rnn_tui.views import Added, Breakdown, Classified, Forecast, GapCurves, Phase, Status, Tagged, Translated, frozen
from tests.app.stage import FakeLab

WORDS = ("The", "electroencephalographer", "flew", "to", "New", "York")
TAGS = ("O", "B-PER", "B-LOC", "I-LOC")
RIGHT = ("O", "O", "O", "O", "B-LOC", "I-LOC")


def sure(chosen: Sequence[int], count: int, of: float = 0.7) -> np.ndarray:
    """(T, C) probabilities whose likeliest class is the chosen one."""
    p = np.full((len(chosen), count), (1 - of) / (count - 1), np.float32)
    p[np.arange(len(chosen)), list(chosen)] = of
    return frozen(p)


def tagged(chosen: Sequence[int] = (0, 1, 0, 0, 2, 3), **values: Any) -> Tagged:
    """Six words, of which the second is tagged wrong."""
    made = Tagged(WORDS, TAGS, sure(chosen, len(TAGS)), RIGHT, np.ones(6, bool), "validation sentence 0", 7, count=50)
    return replace(made, **values)


def grammar() -> Tagged:
    """Three symbols, after each of which a grammar allows one or two."""
    return Tagged(
        tuple("BTX"), tuple("BTPSXVE"), sure((2, 3, 0), 7), ("T", "X", "X"), np.ones(3, bool), "sequence 0", 7,
        allowed=(("T", "P"), ("S", "X"), ("X", "S")), count=9,
    )  # fmt: skip


def recalled(T: int = 2000) -> Tagged:
    """A long sequence with one question, at its end."""
    asked = np.zeros(T, bool)
    asked[-1] = True
    letters = tuple("abcdefgh")
    right = ("",) * (T - 1) + ("d",)
    return Tagged(("d", *("abcdefgh"[k % 8] for k in range(T - 2)), "?"), letters, sure([3] * T, 8), right, asked,
                  "sequence 0", 7, count=9)  # fmt: skip


LABELS = ("Czech", "English", "Irish", "Polish")


def classified(text: str = "Novak", right: str = "Czech") -> Classified:
    """A name that is taken for English first and for Czech from its third letter on."""
    chosen = [1, 1] + [0] * (len(text) - 2)
    return Classified(tuple(text), LABELS, sure(chosen, 4), right, "validation text 3", 7, offset=3, count=20)


def translated(attends: bool = True, beams: int = 1) -> Translated:
    """`chat noir` written for `black cat`; word 0 looked at word 1, and the other way round."""
    attention = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32) if attends else np.zeros((0, 0), np.float32)
    found = (("chat noir", -0.25), ("chien noir", -1.5), ("chat", -2.0))[:beams]
    return Translated(
        ("black", "cat"), ("chat", "noir"), frozen(np.array([0.75, 0.5], np.float32)), "chat noir", "un chat noir",
        found, frozen(np.linspace(-1, 1, 12, dtype=np.float32)[None]), frozen(attention), False, "pair 0", 7, count=5,
    )  # fmt: skip


def forecast(N: int = 40, **values: Any) -> Forecast:
    """A sine with what was forecast of it a little too low; free-running from value 10 on."""
    truth = 100 + 10 * np.sin(np.arange(N) / 3)
    free = np.where(np.arange(N) < 10, np.nan, truth - 4)
    lines: dict[str, Any] = {name: frozen(line.astype(np.float32)) for name, line in
             (("truth", truth), ("forecast", truth - 1), ("free", free), ("persistence", truth - 2),
              ("seasonal", truth - 3))}  # fmt: skip
    metrics = {name: {"rmse": k + 1.0, "mae": k + 1.0, "mape": 0.01 * (k + 1)}
               for k, name in enumerate(("network", "persistence", "seasonal"))}  # fmt: skip
    made = Forecast(
        column="visitors", times=tuple(str(1950 + k) for k in range(N)), start=10, season=11, metrics=metrics,
        columns=("visitors",), source="window 0", step=7, count=100, **lines,
    )  # fmt: skip
    return replace(made, **values)


def added(T: int = 12) -> Added:
    """0.5 at t 2 and 0.25 at t 7; what is answered grows to 0.80."""
    values, marked = np.full(T, 0.9, np.float32), np.zeros(T, bool)
    values[[2, 7]], marked[[2, 7]] = (0.5, 0.25), True
    return Added(frozen(values), marked, frozen(np.linspace(0, 0.8, T, dtype=np.float32)), 0.75, "sequence 0", 7,
                 count=9)  # fmt: skip


def gap_curves(names: int = 1, done: bool = False, doing: str = "") -> GapCurves:
    """Gaps of 1 to 40; network k remembers a fourth of what network k - 1 does."""
    gaps = np.array([1, 2, 5, 10, 20, 40])
    told = ("this LSTM 1x8", "RNN 1x8", "GRU 1x8", "LSTM 1x8")[:names]
    remembers = tuple((10, 2, 0, 40)[:names])
    values = np.array([np.where(gaps <= limit, 0.95, 0.125) for limit in remembers], np.float32)
    return GapCurves(
        gaps, told, frozen(values.reshape(names, 6)), "accuracy", frozen(np.full(6, 0.125, np.float32)), False,
        remembers, 40, 7, done, doing,
    )  # fmt: skip


LANGUAGES = (
    "Arabic", "Chinese", "Czech", "Dutch", "English", "French", "German", "Greek", "Irish", "Italian", "Japanese",
    "Korean", "Polish", "Portuguese", "Russian", "Scottish", "Spanish", "Vietnamese",
)  # fmt: skip


def confused(names: Sequence[str] = LANGUAGES, **values: Any) -> Breakdown:
    """Of each class 100 texts are right and one is taken for the class after it; of 1,103 English texts 28 are Irish.

    There is no Greek text.
    """
    C = len(names)
    counts = np.diag(np.full(C, 100)) + np.roll(np.diag(np.full(C, 1)), 1, axis=1)
    if "Irish" in names:
        english = names.index("English")
        counts[english], counts[names.index("Greek")] = 0, 0
        counts[english, english], counts[english, names.index("Irish")] = 1075, 28
    rows = tuple((name, *(f"{count:,}" for count in row)) for name, row in zip(names, counts, strict=True))
    made = Breakdown("texts of class (row) taken for class (column)", ("", *names), rows,
                     frozen(counts.astype(np.float32)), counts=True, part="validation", step=7)  # fmt: skip
    return replace(made, **values)


def by_length(rows: int = 3) -> Breakdown:
    """The longer the source, the fewer translations are right: 1, 1/2, 1/3 ..."""
    values = np.array([[1 / (k + 1), 0.9, 10.0 * (k + 1)] for k in range(rows)], np.float32)
    names = tuple((f"{4 * k + 1} to {4 * k + 4}", f"{a:.1%}", f"{b:.1%}", f"{c:,.0f}")
                  for k, (a, b, c) in enumerate(values.tolist()))  # fmt: skip
    return Breakdown("accuracy against the length of the source", ("source symbols", "exact", "char_accuracy", "pairs"),
                     names, frozen(values), part="validation", step=7)  # fmt: skip


def by_step() -> Breakdown:
    """The further ahead, the worse: RMSE 1, 2, 4; a MAPE that is none."""
    values = np.array([[1, 0.5, 0.1], [2, 1, 0.2], [4, 3, np.nan]], np.float32)
    rows = tuple((str(k + 1), *(f"{value:.5g}" for value in row)) for k, row in enumerate(values.tolist()))
    return Breakdown("error against how far ahead it forecasts", ("steps ahead", "rmse", "mae", "mape"), rows,
                     frozen(values), part="validation", step=7)  # fmt: skip


def status_of(task: str, **values: Any) -> Status:
    """A paused session of a task."""
    config = put(Config(), "data.task", task)
    return Status(phase=Phase.PAUSED, session="asked", config=config, step=7, weights_version=1, **values)


class AnswerLab(FakeLab):
    """Answers each question with `reply`, counted through by the offset that was asked for."""

    def __init__(self, task: str, reply: Any, at_once: bool = True) -> None:
        super().__init__(at_once)
        self.status = status_of(task)
        self.reply = reply
        self.error = ""
        self.tables: tuple[Breakdown, ...] = ()
        """Answers `TakeApart`; empty: it stays open."""

    @property
    def questions(self) -> list[Any]:
        return [asked.question for asked in self.asked]

    def answer(self, asked: Asked) -> None:
        question = asked.question
        if self.error:
            asked.finish(error=self.error)
        elif isinstance(question, AnswerText):
            own = question.text is not None
            source = "your text" if own else self.reply.source
            asked.finish(replace(self.reply, offset=0 if own else question.offset, count=0 if own else self.reply.count,
                                 source=source, step=self.status.step))  # fmt: skip
        elif isinstance(question, TakeApart):
            if self.tables:
                asked.finish(tuple(replace(table, step=self.status.step) for table in self.tables))
        elif isinstance(question, MeasureGaps):
            asked.newest = gap_curves(1, doing="this LSTM 1x8: gap 40")

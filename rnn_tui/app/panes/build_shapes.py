"""The five shapes of a sequence problem, each as a small picture; time runs left to right, data flow down."""

from __future__ import annotations

from rnn_tui.app.widgets.row import Line
from rnn_tui.config import Config
from rnn_tui.lab.task_words import words_of

STEPS = 4
"""Timesteps of a picture."""


def shape(config: Config) -> str:
    """`many to one`, `encoder and decoder` ...: how much is read for how much that is answered."""
    training = config.training
    if config.data.task == "language" and training.sequence_length == 1 and not training.stateful:
        return "one to one"
    if config.data.task == "forecasting" and config.data.window == 1 and config.data.horizon == 1:
        return "one to one"
    return words_of(config.data.task).shape


def picture(config: Config) -> list[Line]:
    """x is read, [h] is the state, y is answered; the shape's name stands below."""
    named = shape(config)
    both = config.model.bidirectional and config.data.task in ("language", "tagging", "classification")
    joined = "─▸" if config.model.cell != "feedforward" else "  "
    if named.startswith("encoder"):
        reads, writes = [True, True, True, False, False], [False, False, True, True, True]
    elif named == "one to one":
        reads = writes = [True]
    elif named == "one to many":
        reads, writes = [True] + [False] * (STEPS - 1), [True] * STEPS
    elif named == "many to one":
        reads, writes = [True] * STEPS, [False] * (STEPS - 1) + [True]
    else:
        reads = writes = [True] * STEPS
    rows = [_signs(reads, "x", "label"), _signs(reads, "▾", "dim")]
    rows.append(Line(((" " + joined.join(["[h]"] * len(reads)), "key"),)))
    if both:
        rows.append(Line(((" " + "◂─".join(["[h]"] * len(reads)), "key"),)))
    rows += [_signs(writes, "▾", "dim"), _signs(writes, "y", "mark")]
    return [*rows, Line(((f" {named}", "quiet"),))]


def _signs(there: list[bool], sign: str, tone: str) -> Line:
    return Line((("  " + "    ".join(sign if each else " " for each in there), tone),))

"""What the Train pane shows, as plots and words: views in, lines out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.curve import Float, Level, Plot, Series, finite_series
from rnn_tui.app.widgets.row import Run
from rnn_tui.app.widgets.status import number
from rnn_tui.symbols import clean, sign
from rnn_tui.symbols import width as sign_width
from rnn_tui.views import LARGEST_EXPONENT, LN2, Curves, Status, Unit, in_unit


def convert(nats: Any, unit: Unit) -> Float:
    """Costs in nats, an array, in another unit; what perplexity can't hold is infinite."""
    values = np.asarray(nats, dtype=np.float64)
    if unit == "bits":
        return values / LN2
    if unit == "perplexity":
        with np.errstate(over="ignore"):
            return np.where(values > LARGEST_EXPONENT, np.inf, np.exp(values))
    return values


def prose(text: str, columns: int) -> list[str]:
    """A written text on lines of at most `columns`: its own line feeds kept, its control characters visible."""
    lines = []
    for paragraph in clean(text).split("\n"):
        line, used = "", 0
        for symbol in paragraph.replace("\t", "    "):
            wide = sign_width(symbol)
            if used + wide > columns and line:
                lines.append(line)
                line, used = "", 0
            line += " " if symbol == " " else sign(symbol)
            used += wide
        lines.append(line)
    return lines


def spark(
    step: Any, norm: Any, planned: int, columns: int, clip: float, ascii_only: bool = False
) -> tuple[Run, ...]:  # fmt: skip
    """The gradient's length over the run in one row, under the curve's own steps; above the clip line it is marked."""
    xs, ys = finite_series(step, norm)
    if not len(xs) or columns < 1:
        return ((" " * max(0, columns), ""),)
    typical = 1.2 * float(np.percentile(ys, 99)) or 1.0
    top = min(clip * 1.25, typical) if clip > 0 else typical
    glyphs = palette.ASCII_BARS if ascii_only else palette.BARS
    column = np.clip((xs / max(planned, 1, float(xs[-1])) * columns).astype(np.int64), 0, columns - 1)
    highest = np.full(columns, -1.0)
    np.maximum.at(highest, column, ys)
    runs: list[Run] = []
    for value in highest:
        style = "warn" if clip > 0 and value > clip else "value"
        share = min(1.0, max(0.0, value / top))
        glyph = " " if value < 0 else glyphs[min(len(glyphs) - 1, int(share * len(glyphs)))]
        if runs and (runs[-1][1] == style or glyph == " "):
            runs[-1] = (runs[-1][0] + glyph, runs[-1][1])
        else:
            runs.append((glyph, style))
    return tuple(runs)


def validation_words(status: Status, unit: Unit) -> str:
    """The newest validation, the best one, and when the next comes."""
    every = status.config.training.validate_every if status.config else 0
    coming = (status.step // every + 1) * every if every else 0
    after = f"; next at {coming:,}" if every and coming <= status.planned else ""
    if status.val_step < 0 or math.isnan(status.val_loss):
        return f"not validated yet{after}"
    text = f"validation {number(in_unit(status.val_loss, unit))} at step {status.val_step:,}"
    if status.best_step == status.val_step:
        return f"{text}, best{after}"
    if status.best_step >= 0 and not math.isnan(status.best_loss):
        text += f", best {number(in_unit(status.best_loss, unit))} at {status.best_step:,}"
    return text + after


def stopped_words(status: Status) -> str:
    """Why it does not train, for the end of the bar."""
    why = clean(status.stopped_because).replace("_", "-")
    if why == "planned":
        return "all planned steps are done"
    if why in ("", "interrupted"):
        return "paused" if status.step else "not trained yet"
    return f"stopped: {why}"


def _end(curves: Curves) -> float:
    """Where the axis of steps ends: the planned length holds it still."""
    last = int(curves.step[-1]) if len(curves.step) else 0
    return float(max(curves.planned, last, 1))


def loss_plot(curves: Curves | None, unit: Unit, log: bool) -> Plot:
    """Train and validation loss over the steps, with the lines that need no network."""
    if curves is None:
        return Plot(empty="the loss will stand here, step by step, beside what it costs to guess")
    levels = tuple(
        Level(f"{line.name} {number(in_unit(line.nats, unit))}", in_unit(line.nats, unit))
        for line in curves.baselines
        if math.isfinite(line.nats)
    )
    return Plot(
        series=(
            Series(curves.step, convert(curves.train_loss, unit), "train"),
            Series(curves.val_step, convert(curves.val_loss, unit), "validation", dots=True),
        ),
        levels=levels,
        right=_end(curves),
        log=log,
        ceiling=max((level.y for level in levels), default=math.inf) * 1.3,
    )


def gradient_plot(curves: Curves | None) -> Plot:
    """The gradient's length over the steps, with the clip line where the gradient comes near it."""
    waits = "the gradient's length will stand here"
    if curves is None:
        return Plot(empty=waits)
    _, norms = finite_series(curves.step, curves.grad_norm)
    typical = float(np.percentile(norms, 98)) if len(norms) else 1.0
    near = 0 < curves.clip_norm <= 4 * typical
    return Plot(
        series=(Series(curves.step, curves.grad_norm, "gradient"),),
        levels=(Level(f"clip {curves.clip_norm:g}", curves.clip_norm),) if near and len(norms) else (),
        right=_end(curves),
        empty=waits,
        ceiling=max(2 * typical, curves.clip_norm * 1.25 if near else 0.0),
        show=lambda value: f"{value:.3g}",
    )

"""What the Train pane shows, as plots and words: views in, lines out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.cells import cell_len

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.curve import Float, Level, Plot, Series, finite_series
from rnn_tui.app.widgets.row import Run, fit, wrap
from rnn_tui.app.widgets.status import duration, follows, trains
from rnn_tui.lab.measures import (
    BOUNDED,
    SHARES,
    Measures,
    measures,
    metric_name,
    metric_value,
    metric_words,
)
from rnn_tui.symbols import clean, clean_line, sign
from rnn_tui.symbols import width as sign_width
from rnn_tui.views import LARGEST_EXPONENT, LN2, Curves, Sample, Status, Unit, in_unit

LONGEST_LINE = 10_000


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
    for value in highest.tolist():
        style = "warn" if clip > 0 and value > clip else "value"
        share = min(1.0, max(0.0, value / top))
        glyph = " " if value < 0 else glyphs[min(len(glyphs) - 1, int(share * len(glyphs)))]
        if runs and (runs[-1][1] == style or glyph == " "):
            runs[-1] = (runs[-1][0] + glyph, runs[-1][1])
        else:
            runs.append((glyph, style))
    return tuple(runs)


def validation_words(status: Status, unit: Unit, room: int = 200) -> str:
    """The newest validation, the best one, and when the next comes, as far as there is room."""
    every = status.config.training.validate_every if status.config else 0
    coming = (status.step // every + 1) * every if every else 0
    after = f"; next at {coming:,}" if every and coming <= status.planned else ""
    if status.val_step < 0 or math.isnan(status.val_loss):
        return f"not validated yet{after}"
    told = measures(status.config)
    found = [metric_words(name, status.val_metrics[name]) for name in told.own_curves if name in status.val_metrics]
    at = f" at step {status.val_step:,}"
    # What is best goes by the loss, whatever the metrics say.
    by = " loss" if found else ""
    if status.best_step == status.val_step:
        best = f", best{by}"
    elif status.best_step >= 0 and not math.isnan(status.best_loss):
        best = f", best{by} {told.loss(status.best_loss, unit)} at {status.best_step:,}"
    else:
        best = ""
    value = f"validation {told.loss(status.val_loss, unit)}"
    forms = [value + "".join(f", {each}" for each in found[:most]) + at + best + after for most in (len(found), 1)]
    if found:
        forms += [f"{found[0]}{at}{best}{after}", f"{found[0]}{at}{best}"]
    return next((form for form in forms if cell_len(form) <= room), forms[-1])


def stopped_words(status: Status) -> str:
    """Why it does not train, for the end of the bar."""
    why = clean(status.stopped_because).replace("_", "-")
    if why == "planned":
        return "all planned steps are done"
    if why == "early-stopping":
        return "stopped early: the validation loss fell no more"
    if why in ("", "interrupted"):
        return "paused" if status.step else "not trained yet"
    return f"stopped: {why}"


def progress_bar(status: Status, width: int, ascii_only: bool) -> tuple[Run, ...]:
    """How much of the planned length is done, and how long the rest takes or why it stands still."""
    if status.planned <= 0:
        return ()
    share = min(1.0, status.step / status.planned)
    left = duration(status.eta_seconds)
    words = f" {100 * share:.0f} %  "
    if trains(status):
        words += f"{left} left" if left else ""
    elif follows(status):
        words += clean_line(status.writer_phase)
    else:
        words += stopped_words(status)
    columns = max(4, width - 2 - cell_len(words))
    full, blank = ("#", "-") if ascii_only else ("█", "░")
    done = int(share * columns)
    return ((" ", ""), (full * done, "key"), (blank * (columns - done), "dim"), (words, "value"))


def answered(sample: Sample, told: Measures, columns: int, height: int) -> list[str]:
    """A sample on at most so many lines: a text that goes on, or what was read and what was answered to it."""
    if told.writes:
        return prose(sample.prompt + sample.text, columns)[:height]
    if not sample.prompt or sample.prompt.endswith("→ "):
        return _whole_words(sample.prompt + sample.text, columns)[:height]
    answer = _whole_words(sample.text, columns)
    if told.repeats:
        return answer[:height]
    joined = _whole_words(f"{sample.prompt}   {sample.text}", columns)
    if len(joined) == 1 or height < 2:
        return joined[:height]
    # A long text gives way to what was answered to it.
    answer = answer[: height - 1]
    read = _whole_words(sample.prompt, columns)
    room = height - len(answer)
    if len(read) > room:
        read = [*read[: room - 1], fit(read[room - 1] + "…", columns) if room else ""]
    return [*read, *answer]


def _whole_words(text: str, columns: int) -> list[str]:
    """The lines of an answer, broken between words where they are too long."""
    lines = prose(text, LONGEST_LINE)
    return [row for line in lines for row in ([line] if cell_len(line) <= columns else wrap(line, columns))]


def _end(curves: Curves) -> float:
    """Where the axis of steps ends: the planned length holds it still."""
    last = int(curves.step[-1]) if len(curves.step) else 0
    return float(max(curves.planned, last, 1))


def loss_plot(curves: Curves | None, unit: Unit, log: bool, told: Measures) -> Plot:
    """Train and validation loss over the steps, with the lines that need no network."""
    if curves is None:
        return Plot(empty="the loss will stand here, step by step, beside what it costs to guess")
    unit = "nats" if told.squared else told.unit(unit)
    levels = tuple(
        Level(f"{clean_line(line.name)} {told.loss(line.loss, unit)}", in_unit(line.loss, unit))
        for line in curves.baselines
        if math.isfinite(line.loss)
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


def metric_plot(curves: Curves | None, name: str, log: bool) -> Plot:
    """A metric at every validation, with what it is for those who need no network; a share between 0 and 100 %."""
    waits = f"{metric_name(name)} will stand here, from the first validation on"
    if curves is None:
        return Plot(empty=waits)
    found = convert(curves.val_metrics.get(name, ()), "nats")
    at = np.asarray(curves.val_step, dtype=np.float64)[: len(found)]
    levels = tuple(
        Level(f"{clean_line(line.name)} {metric_value(name, line.metrics[name])}", line.metrics[name])
        for line in curves.baselines
        if math.isfinite(line.metrics.get(name, math.nan))
    )
    bounded = name in BOUNDED
    return Plot(
        series=(Series(at, found, "validation"), Series(at, found, "validation", dots=True)),
        levels=levels,
        right=_end(curves),
        log=log and not bounded,
        span=(0.0, 1.0) if bounded else None,
        ceiling=max((level.y for level in levels), default=math.inf) * 1.3,
        empty=waits,
        show=(lambda value: f"{100 * value:.4g} %") if name in SHARES else (lambda value: f"{value:.4g}"),
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

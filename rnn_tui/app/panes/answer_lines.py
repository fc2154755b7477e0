"""Pages whose answer is a plot: a series with what was forecast of it, and what is remembered over which gap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from textual.app import ComposeResult

from rnn_tui.app.panes.answer_page import LOW, Page, line
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.curve import STYLES, WIDEST, Curve, Level, Plot, Series
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.row import fit, pad, wrap
from rnn_tui.app.widgets.text_strip import GUTTER, MARK
from rnn_tui.symbols import clean_line
from rnn_tui.views import Answer, Array, Forecast, GapCurves

LINES = ("first", "second", "third", "fourth", "train", "validation")
LABEL = 16


def figure(value: float) -> str:
    """A value of the data in few columns; `-` where there is none."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def key_of(style: str, ascii_only: bool) -> Span:
    """A short stretch of a line in its colour."""
    return ("--" if ascii_only else "──", palette.style(STYLES[style]) if style else "value")


class LinesPage(Page):
    """A plot, a mark under it, and a table of what the lines are at the mark."""

    DEFAULT_CSS = """
    LinesPage #table { height: 7; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.curve = Curve()
        self.mark = Painted()
        self.table = Painted(id="table")
        self._drawn: tuple[Answer | None, tuple[int, bool]] | None = None

    def compose(self) -> ComposeResult:
        yield self.curve
        yield self.mark
        yield self.table

    def _put(self, plot: Plot) -> None:
        """Draw the plot where it is another one: that takes longer than all else, and a move changes nothing of it."""
        what = (self.view, self.host.ascii_only)
        if self._drawn is not None and self._drawn[0] is self.shown and self._drawn[1] == what:
            return
        self._drawn = (self.shown, what)
        self.curve.ascii_only = self.host.ascii_only
        self.curve.put(plot)

    @property
    def shown(self) -> Answer | None:
        """The answer that is drawn."""
        return None

    def draw_plot(self, plot: Plot, at: float, rows: Sequence[Spans], note: str = "", note_at: float = 0.0) -> None:
        """The plot, a mark under `at` of its x axis, and the table; `note` stands from `note_at` on."""
        height = min(len(rows), max(self.size.height - 7, 1))
        self.set_height(self.table, height)
        self._put(plot)
        width = self.size.width
        columns = max(min(width - GUTTER, WIDEST), 1)

        def column(x: float) -> int:
            return GUTTER + min(columns - 1, max(int(x / max(plot.right, 1e-9) * columns), 0))

        cells = [" "] * width
        if note and column(note_at) + len(note) <= width:
            cells[column(note_at) : column(note_at) + len(note)] = note
        if column(at) < width:
            cells[column(at)] = MARK
        self.mark.paint([(("".join(cells).rstrip(), "mark"),)])
        self.table.paint(rows)


class ForecastPage(LinesPage):
    """The truth, what was forecast of it, free-running, and the two lines that need no network."""

    VIEWS: ClassVar[tuple[str, ...]] = ("all", "one step", "free-running", "without network")
    MORE: ClassVar[str] = "values"

    def __init__(self) -> None:
        super().__init__()
        self.answer: Forecast | None = None

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, Forecast)
        before, self.answer = self.answer, answer
        if not same or before is None:
            self.place = answer.start
        self.put_place(self.place)

    @property
    def shown(self) -> Answer | None:
        return self.answer

    @property
    def steps(self) -> int:
        return len(self.answer.times) if self.answer is not None else 0

    def lines_of(self, answer: Forecast) -> list[tuple[str, str, Array, str, tuple[str, ...]]]:
        """Name, style, values, key of its metrics, and the views that draw it, of each line."""
        season = f"seasonal {answer.season}" if answer.season else "seasonal"
        return [
            ("truth", "", answer.truth, "", self.VIEWS),
            ("network", "first", answer.forecast, "network", ("all", "one step")),
            ("free-running", "second", answer.free, "", ("all", "free-running")),
            ("persistence", "beside", answer.persistence, "persistence", ("without network",)),
            (season, "third", answer.seasonal, "seasonal", ("all", "without network")),
        ]

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None or "network" not in answer.metrics:
            return ()
        mine = answer.metrics["network"]["rmse"]
        others = {name: each["rmse"] for name, each in answer.metrics.items() if name != "network"}
        told: Span = (f"RMSE {figure(mine)}", "value")
        best = min(others, key=lambda name: others[name], default="")
        if not best or not math.isfinite(others[best]):
            return (told,)
        better = mine < others[best]
        return (told, (f", {best} {figure(others[best])}", "good" if better else "bad"))

    def draw(self) -> None:
        answer, width = self.answer, self.size.width
        if answer is None or not self.size.height or not self.steps:
            return
        view = self.VIEWS[self.view]
        at = np.arange(self.steps)
        series = [Series(at, values, style) for _, style, values, _, views in self.lines_of(answer) if view in views]
        times = [clean_line(time) for time in answer.times]

        def tick(value: float) -> str:
            return times[min(max(round(value), 0), len(times) - 1)]

        plot = Plot(series=tuple(reversed(series)), right=float(max(self.steps - 1, 1)), across="", tick=tick)
        low = self.size.height < LOW - 4
        rows = self._values(answer, times[self.place], width) if low else self._table(answer, times[self.place], width)
        note = "| free-running" if view in ("all", "free-running") and 0 < answer.start < self.steps else ""
        self.draw_plot(plot, self.place, rows, note, answer.start)

    def _values(self, answer: Forecast, time: str, width: int) -> list[Spans]:
        """What the drawn lines are at the mark, where there is no room for a table."""
        spans: list[Span] = [(f" {time}", "quiet")]
        for _name, style, values, _, views in self.lines_of(answer):
            if self.VIEWS[self.view] in views and math.isfinite(values[self.place]):
                spans += [
                    (" ", ""),
                    key_of(style, self.host.ascii_only),
                    (f"{figure(float(values[self.place]))}", "value"),
                ]
        return [line(width, *spans)]

    def _table(self, answer: Forecast, time: str, width: int) -> list[Spans]:
        column = f", {clean_line(answer.column)}" if answer.column else ""
        head = f" {pad(f'at {time}{column}', LABEL + 4)}{'value':>10}{'RMSE':>10}{'MAE':>10}{'MAPE':>9}"
        rows: list[Spans] = [line(width, (head, "quiet"))]
        doubtful = False
        for name, style, values, metrics, views in self.lines_of(answer):
            found = answer.metrics.get(metrics, {})
            told = ""
            if found:
                share = found.get("mape", math.nan)
                doubtful = doubtful or not share < 10
                shown = f"{100 * share:.1f} %" if share < 10 else "-"
                told = f"{figure(found['rmse']):>10}{figure(found['mae']):>10}{shown:>9}"
            drawn = self.VIEWS[self.view] in views
            key: Span = key_of(style, self.host.ascii_only) if drawn else ("  ", "")
            rows.append(
                line(width, (" ", ""), key, (f" {pad(name, LABEL + 1)}", "value" if drawn else "quiet"),
                     (f"{figure(float(values[self.place])):>10}{told}", "value" if drawn else "quiet"))
            )  # fmt: skip
        if doubtful:
            rows.append(line(width, (" MAPE divides by the truth: near a truth of 0 it means nothing", "quiet")))
        return rows

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        lines = self.lines_of(answer)
        rows = ["\t".join(("time", *(name for name, *_ in lines)))]
        for t, time in enumerate(answer.times):
            rows.append("\t".join((clean_line(time), *(f"{float(values[t]):.6g}" for _, _, values, _, _ in lines))))
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        answer = self.answer
        found = answer.metrics.get("network", {}) if answer is not None else {}
        return {name.upper(): figure(value) for name, value in found.items() if name != "mape"}


class GapsPage(LinesPage):
    """Accuracy against gap: this network and others, and the line of one that remembers nothing."""

    MORE: ClassVar[str] = "updates"

    def __init__(self) -> None:
        super().__init__()
        self.answer: GapCurves | None = None

    def take(self, answer: Answer, same: bool) -> None:
        assert isinstance(answer, GapCurves)
        before, self.answer = self.answer, answer
        if before is None:
            self.place = self.steps - 1
        self.put_place(self.place)

    @property
    def shown(self) -> Answer | None:
        return self.answer

    @property
    def steps(self) -> int:
        return len(self.answer.gaps) if self.answer is not None else 0

    def verdict(self) -> Spans:
        answer = self.answer
        if answer is None:
            return ()
        measure = answer.measure.upper() if answer.lower_is_better else answer.measure
        return ((f"{measure} against gap", "value"),)

    def remembered(self, k: int) -> str:
        """How far network k remembers, in words."""
        answer = self.answer
        if answer is None or not np.isfinite(answer.values[k]).any():
            return "not measured yet"
        longest = answer.remembers[k]
        if not longest:
            return "nothing"
        least = "at least " if longest >= int(answer.gaps[-1]) else ""
        return f"{least}{longest:,} timestep{'' if longest == 1 else 's'}"

    def draw(self) -> None:
        answer, width = self.answer, self.size.width
        if answer is None or not self.size.height or not self.steps:
            return
        styles = [LINES[k % len(LINES)] for k in range(len(answer.names))]
        few = len(answer.gaps) < 4
        series = [Series(answer.gaps, answer.nothing, "beside")]
        series += [Series(answer.gaps, answer.values[k], styles[k], dots=few) for k in range(len(answer.names))]
        perfect = Level("perfect", 0.0 if answer.lower_is_better else 1.0)
        right = float(answer.gaps[-1])
        # What is far worse than remembering nothing must not flatten the rest.
        ceiling = 2 * float(answer.nothing.max()) if answer.lower_is_better else math.inf
        gap = int(answer.gaps[self.place])
        measure = answer.measure.upper() if answer.lower_is_better else answer.measure
        rows = [line(width, (f" {pad(f'gap {gap:,}', LABEL + 6)}{measure:>10}   remembers", "quiet"))]
        for k, name in enumerate(answer.names):
            value = float(answer.values[k, self.place])
            key = key_of(styles[k], self.host.ascii_only)
            rows.append(line(width, (" ", ""), key, (f" {pad(name, LABEL + 3)}", "value"),
                             (f"{figure(value):>10}   {self.remembered(k)}", "value")))  # fmt: skip
        low = self.size.height < LOW - 4
        nothing = f"{figure(float(answer.nothing[self.place])):>10}"
        rows.append(line(width, (" ", ""), key_of("beside", self.host.ascii_only),
                         (f" {pad('remembers nothing', LABEL + 3)}{nothing}", "quiet")))  # fmt: skip
        told = (f"It remembers as far as more than half of the way from nothing to perfect is reached; this network "
                f"was trained with gaps of up to {answer.trained_at:,}.")  # fmt: skip
        if low:
            rows = rows[1:]
        elif self.size.height >= LOW:
            rows += [((f" {text}", "quiet"),) for text in wrap(told, max(width - 2, 10))]
        self.draw_plot(
            Plot(series=tuple(series[:6]), levels=(perfect,), right=right, across="gap", ceiling=ceiling),
            float(gap),
            rows,
        )

    def copied(self) -> str:
        answer = self.answer
        if answer is None:
            return ""
        rows = ["\t".join(("gap", *answer.names, "nothing"))]
        for g, gap in enumerate(answer.gaps.tolist()):
            values = (*answer.values[:, g].tolist(), float(answer.nothing[g]))
            rows.append("\t".join((str(gap), *(figure(value) for value in values))))
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        answer = self.answer
        return {answer.names[k]: fit(self.remembered(k), 40) for k in range(len(answer.names))} if answer else {}

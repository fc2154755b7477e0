"""The list of sessions: a session a line, in columns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from rnn_tui.app.widgets.row import RIGHT, Line, Rows, Run, fit, pad, wrap
from rnn_tui.lab.measures import Measures, marks, measures, measures_of, metric_words
from rnn_tui.model.shapes import size as bytes_words
from rnn_tui.symbols import clean, clean_line
from rnn_tui.views import SessionRow, perplexity


@dataclass(frozen=True, slots=True)
class Entry:
    """A session in the list, or a heading (no key)."""

    key: str
    row: SessionRow | None = None
    open: bool = False
    heading: str = ""
    doing: str = ""
    """What another program does with it, in words; empty where none has it."""


def date_words(seconds: float, now: float) -> str:
    """When, in at most six columns: `09:14` today, `21 Nov` this year, else the year."""
    if not math.isfinite(seconds) or seconds <= 0:
        return "-"
    then, today = time.localtime(seconds), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    if then.tm_year == today.tm_year:
        return f"{then.tm_mday} {time.strftime('%b', then)}"
    return str(then.tm_year)


def perplexity_words(nats: float) -> str:
    """The perplexity of a loss in four signs; `-` where there is none."""
    value = perplexity(nats)
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def validation_words(row: SessionRow) -> str:
    """What tells most of the newest validation: `ppl 5.70`, `accuracy 83.6 %`, `RMSE 18.02`; `-` before the first."""
    if not row.task or (math.isnan(row.val_loss) and not row.val_metrics):
        return "-"
    told = measures(row.config) if row.config else measures_of(row.task)
    if told.perplexity and not told.metrics:
        return f"ppl {perplexity_words(row.val_loss)}"
    return told.headline(row.val_loss, row.val_metrics) or "-"


Words = Callable[[SessionRow, str, float], str]
"""Of a session, what another program does with it, and the time."""
COLUMNS: tuple[tuple[str, bool, Words], ...] = (
    ("now", False, lambda row, doing, now: doing),
    ("task", False, lambda row, doing, now: row.task),
    ("model", False, lambda row, doing, now: row.model),
    ("steps", True, lambda row, doing, now: f"{row.step:,}"),
    ("validation", False, lambda row, doing, now: validation_words(row)),
    ("saved", True, lambda row, doing, now: date_words(row.updated, now)),
    ("size", True, lambda row, doing, now: bytes_words(row.size) if row.size else "-"),
)
"""Title, whether it stands at the right, and what stands in it. `now` is there while another program has one."""
GIVEN_UP = ("size", "saved", "task", "model", "now", "validation")
"""What drops first where there is no room."""
LONG_MODEL = 19
LONG_NAME = 40
"""A longer name gives way to the columns."""


class SessionRows(Rows[Entry]):
    """The list: a session a line, in columns as wide as what they hold."""

    now = 0.0
    columns: tuple[tuple[str, int, bool, Words], ...] = ()

    def choose_columns(self, entries: Sequence[Entry]) -> None:
        """Choose the columns that fit beside the names, and how wide they are."""
        rows = [entry.row for entry in entries if entry.row is not None]
        sound = [(entry.row, entry.doing) for entry in entries if entry.row is not None and not entry.row.fault]
        kept = [
            (title, max([len(title), *(cell_len(words(row, doing, self.now)) for row, doing in sound)]), right, words)
            for title, right, words in COLUMNS
            if title != "now" or any(doing for _, doing in sound)
        ]
        name = min(max((cell_len(row.name) for row in rows), default=4), LONG_NAME)
        for gone in ("", *GIVEN_UP):
            if gone:
                kept = [column for column in kept if column[0] != gone]
            if sum(column[1] + 2 for column in kept) + name + 5 <= self.size.width:
                break
            # A long network is cut before more columns are lost.
            kept = [(t, min(w, LONG_MODEL) if t == "model" else w, right, words) for t, w, right, words in kept]
        self.columns = tuple(kept)

    def _name_room(self, width: int) -> int:
        room = max(width - 3 - sum(column[1] + 2 for column in self.columns), 1)
        # On a wide screen a line is read more easily when its columns stand close.
        return min(room, LONG_NAME + 8)

    def heading(self) -> Line:
        """Names of the columns."""
        width = self.size.width - 1
        runs: list[Run] = [("   " + pad("name", self._name_room(width)), "quiet")]
        runs += [("  " + pad(title, wide, right=right), "quiet") for title, wide, right, _ in self.columns]
        return Line(tuple(runs))

    def draw_row(self, row: Entry, width: int, selected: bool) -> Line:
        if row.row is None:
            return Line(((fit(f" {row.heading} ", width), "heading"),))
        room = self._name_room(width)
        under = "cursor" if selected else ""
        # Without colours the cursor is a sign, and the open session another.
        mark = ((RIGHT if selected else " ") + ("▸ " if row.open else "  "), "good")
        called = pad(clean_line(row.row.name), room)
        if row.row.fault:
            told = "  " + clean_line(row.row.fault.removeprefix(f"{row.row.name} "))
            return Line((mark, (called, "quiet"), (fit(told, max(width - 3 - room, 1)), "bad")), under)
        cells = [
            ("  " + pad(clean_line(words(row.row, row.doing, self.now)), wide, right=right), "value")
            for _, wide, right, words in self.columns
        ]
        return Line((mark, (called, "mark" if row.open else "value"), *cells), under)


def facts(row: SessionRow, notes: str) -> list[tuple[str, str]]:
    """What is known of a session, as label and text, the most wanted first."""
    if row.fault:
        return [("Fault", row.fault)]
    told = measures(row.config) if row.config else measures_of(row.task or "language")
    best = f"best {_precise(told, row.best_loss)}" if math.isfinite(row.best_loss) else "not validated yet"
    busy = [("In use", row.busy)] if row.busy else []
    measured = [metric_words(name, value) for name, value in row.val_metrics.items()]
    known = [("Measured", ", ".join(measured) + " on the validation part")] if measured else []
    return [
        *busy,
        ("Network", f"{row.model}, {row.parameters:,} parameters" if row.parameters else row.model),
        ("Notes", notes or "none: e writes some"),
        ("Data", ": ".join(part for part in (row.task, row.source) if part)),
        ("Trained", f"step {row.step:,} of {row.planned:,}, {row.tokens:,} {told.counted}; {best}"),
        *known,
        *(("Beware", mark.sentence) for mark in marks(row.config)),
        ("Saved", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.updated)) if row.updated else "not yet"),
    ]


def _precise(told: Measures, loss: float) -> str:
    """The lowest loss to three places: sessions are told apart by it."""
    return f"squared error {loss:.4g}" if told.squared else f"{loss:.3f} nats"


def detail_lines(row: SessionRow, notes: str, is_open: bool, width: int, height: int) -> list[Line]:
    """The facts on at most `height` lines of `width` columns, under the session's name."""
    name = clean_line(row.name)
    opened = "  open" if is_open else ""
    rule = "─" * max(width - cell_len(name) - cell_len(opened) - 3, 0)
    lines = [Line(((f" {name}", "heading"), (f"{opened} ", "good"), (rule, "dim")))]
    told = facts(row, notes)
    for number, (label, text) in enumerate(told):
        tone = "bad" if label == "Fault" else "value"
        # Every fact gets a line; what notes take beyond theirs is what the others leave.
        most = max(height - len(lines) - (len(told) - number - 1), 1)
        parts = wrap(clean(text), max(width - 11, 8)) or [""]
        if len(parts) > most:
            parts = [*parts[: most - 1], fit(" ".join(parts[most - 1 :]), max(width - 11, 8))]
        for place, part in enumerate(parts):
            lines.append(Line(((pad(f" {label}" if not place else "", 10), "quiet"), (part, tone))))
    return lines[:height]

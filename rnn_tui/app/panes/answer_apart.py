"""The task's figures over a whole part, taken apart: which class is taken for which, how good at which length."""

from __future__ import annotations

import math
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult

from rnn_tui.app.panes.answer_matrix import Matrix, in_view, legend, told_at
from rnn_tui.app.panes.answer_page import LOW, Page, line
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.bars import UNSIGNED
from rnn_tui.app.widgets.cells import shown
from rnn_tui.app.widgets.painted import Painted, Span, Spans
from rnn_tui.app.widgets.row import fit, pad, wrap
from rnn_tui.config import Config
from rnn_tui.lab import Asked, Lab
from rnn_tui.lab.measures import BOUNDED, NAMES, SHARES, metric_name, metric_value
from rnn_tui.lab.questions import TakeApart
from rnn_tui.symbols import clean_line
from rnn_tui.views import Breakdown

TAKEN_APART = ("tagging", "classification", "translation")
"""Tasks whose figures can be taken apart; forecasting as well, where it forecasts more than one step."""
NARROW = 64
"""Columns below which the words at the cursor need two lines."""
WIDEST_BAR = 24


def has_parts(config: Config | None) -> bool:
    """Whether the task of a network has figures to take apart."""
    if config is None:
        return False
    return config.data.task in TAKEN_APART or (config.data.task == "forecasting" and config.data.horizon > 1)


class Parting:
    """The question about the figures, which is asked only once they are looked at, and its newest answer."""

    def __init__(self) -> None:
        self.tables: tuple[Breakdown, ...] = ()
        self.trouble = ""
        self.best = False
        """Whether the tables are of the best weights."""
        self.version = -1
        """Of the weights, when the tables were asked for."""
        self._asked: Asked | None = None
        self._asked_for = (False, -1)

    @property
    def under_way(self) -> bool:
        return self._asked is not None

    @property
    def doing(self) -> str:
        """What is being done, and how far it is."""
        asked = self._asked
        if asked is None:
            return ""
        far = f", {100 * asked.progress:.0f} %" if math.isfinite(asked.progress) else ""
        return f"{asked.doing or 'scoring every example'}{far}"

    def wants(self, best: bool) -> bool:
        """Whether there is nothing yet of these weights, nor on its way."""
        if self._asked is not None:
            return self._asked_for[0] != best
        return not self.trouble and (not self.tables or self.best != best)

    def ask(self, lab: Lab, best: bool) -> None:
        """Score the part with the newest weights, or the best."""
        self.stop()
        self.trouble = ""
        best = best and lab.status.has_best
        self._asked_for = best, lab.status.weights_version
        self._asked = lab.ask(TakeApart(best=best))

    def ended(self) -> bool:
        """Look at the question; whether it has ended, with new tables or with trouble."""
        asked = self._asked
        if asked is None or not asked.done:
            return False
        self._asked = None
        if asked.error or not asked.newest:
            self.trouble = asked.error or "this task has no figure to take apart"
        else:
            self.tables = tuple(asked.newest)
            self.best, self.version = self._asked_for
        return True

    def stop(self) -> bool:
        """Take the question back; what was there before stays. False if there is none."""
        if self._asked is None:
            return False
        self._asked.cancel()
        self._asked = None
        self.trouble = "" if self.tables else "stopped"
        return True

    def forget(self) -> None:
        """Another network."""
        self.stop()
        self.tables, self.trouble = (), ""


class ApartPage(Page):
    """One table at a time: a confusion matrix, or numbers with a bar each. The cursor is in a row and a column."""

    DEFAULT_CSS = """
    ApartPage #matrix, ApartPage #table { height: 1fr; }
    """
    BARS: ClassVar[int] = 3
    """Columns of a bar at least; where there is no room for all, only the chosen column has some."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: tuple[Breakdown, ...] = ()
        self.row = 0
        self.top = 0
        """First row of a table in view."""
        self.matrix = Matrix(id="matrix")
        self.table = Painted(id="table")
        self.detail = Painted(id="detail")
        self.key = Painted(id="key")
        self.folded = False
        """Whether the words at the cursor stand above, because every row is needed for a class."""
        self._names: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.matrix
        yield self.table
        yield self.detail
        yield self.key

    @property
    def shown(self) -> Breakdown | None:
        """The table that is looked at."""
        return self.tables[min(self.view, len(self.tables) - 1)] if self.tables else None

    @property
    def is_matrix(self) -> bool:
        """Whether the table counts what was taken for what."""
        table = self.shown
        return table is not None and table.counts and table.values.shape == (len(table.rows), len(table.rows))

    @property
    def steps(self) -> int:
        return len(self.shown.head) - 1 if self.shown is not None else 0

    def put(self, tables: tuple[Breakdown, ...]) -> None:
        """Show other tables; the cursor stays where there is still a place."""
        self.tables = tables
        self.turn_to(min(self.view, max(len(tables) - 1, 0)))

    def turn_to(self, view: int) -> None:
        """Look at one of the tables."""
        self.view = view
        table = self.shown
        self._names = tuple(shown(row[0]) for row in table.rows) if table is not None else ()
        self.put_place(self.place)
        self.row = min(self.row, max(len(self._names) - 1, 0))

    def step_row(self, by: int) -> bool:
        if not self._names:
            return False
        self.row = min(max(self.row + by, 0), len(self._names) - 1)
        return True

    def fold(self, width: int, height: int) -> int:
        """Rows of the header, of all the rows that there are: as many as leave room for every class."""
        need = len(self._names) + 1
        rows = 2 if height >= LOW else 1
        self.folded = False
        if self.is_matrix and height - rows < need + words_rows(width):
            self.folded = width >= NARROW and need + 1 <= height < need + 1 + words_rows(width)
            if self.folded or height - 1 >= need + words_rows(width):
                return 1
        return rows

    def verdict(self, room: int = 0) -> Spans:
        """What is shown; where it stands above, the words at the cursor in so many columns."""
        table = self.shown
        if table is None:
            return ()
        if self.folded and room > 0:
            return ((told_at(table, self._names, self.row, self.place, room), "heading"),)
        return (("confusion matrix" if self.is_matrix else clean_line(table.title), "value"),)

    def source(self) -> str:
        """What was scored."""
        table = self.shown
        if table is None:
            return ""
        of = f"the {table.part} part" if table.part else "every example"
        return f"{clean_line(table.title)}, {of}" if self.is_matrix else of

    def draw(self) -> None:
        table, width, height = self.shown, self.size.width, self.size.height
        if table is None or not height or not self._names:
            return
        matrix = self.is_matrix
        self.matrix.display, self.table.display = matrix, not matrix
        lines = 0 if self.folded else words_rows(width)
        self.detail.display = lines > 0
        self.set_height(self.detail, max(lines, 1))
        # The legend has a row that the others leave, and gives way where all of them fit just so.
        spare = height - 1 - len(self._names) - lines
        self.key.display = spare > 0 or (spare < 0 and height >= LOW)
        # The words stand right below the last row, however much room there is.
        below = lines + (1 if self.key.display else 0)
        self.set_height(self.matrix if matrix else self.table, max(min(len(self._names) + 1, height - below), 1))
        if matrix:
            self.matrix.show(
                self._names, table.values, self.row, self.place, self.coloured, self.host.ascii_only
            )  # fmt: skip
            told = told_at(table, self._names, self.row, self.place, lines * (width - 2))
            self.key.paint([legend(self.coloured, self.host.ascii_only, width)])
        else:
            self._draw_table(table, width)
            told = self._row_told(table)
            self.key.paint([line(width, (" a full bar: 100 % of a share, else the largest of its column", "quiet"))])
        self.detail.paint([((f" {text}", "heading"),) for text in wrap(told, max(width - 2, 10))[:lines]])

    def _draw_table(self, table: Breakdown, width: int) -> None:
        """The numbers, each with its bar, as far as there is room."""
        heads = heads_of(table)
        label = min(max(map(cell_len, (heads[0], *self._names))) + 2, max(width // 4, 8))
        columns = len(heads) - 1
        texts = [texts_of(table, r) for r in range(len(table.rows))]
        numbers = [max(cell_len(row[k]) for row in texts) for k in range(columns)]
        bar = min((width - label - sum(numbers) - 3 * columns) // max(columns, 1), WIDEST_BAR)
        chosen_only = bar < self.BARS
        if chosen_only:
            bar = max(min(width - label - sum(numbers) - 3 * columns, WIDEST_BAR), 0)
        bars = [0 if chosen_only and k != self.place else bar for k in range(columns)]
        wide = [number + (each + 1 if each else 0) for number, each in zip(numbers, bars, strict=True)]
        head: list[Span] = [(f" {pad(heads[0], label - 1)}", "quiet")]
        for k in range(columns):
            head.append((f"  {pad(fit(heads[k + 1], wide[k]), wide[k])}", "mark" if k == self.place else "quiet"))
        room = max(self.table.size.height - 1, 1)
        self.top = in_view(self.top, self.row, room, len(texts))
        rows: list[Spans] = [line(width, *head)]
        for r in range(self.top, min(self.top + room, len(texts))):
            chosen = r == self.row
            tone = "mark" if chosen else "value"
            spans: list[Span] = [(f"{'>' if chosen else ' '}{pad(self._names[r], label - 1)}", tone)]
            for k in range(columns):
                spans.append((f"  {texts[r][k]:>{numbers[k]}}", tone))
                if bars[k]:
                    share = float(table.values[r, k]) / full_bar(table, k)
                    drawn = palette.bar(share, bars[k], self.host.ascii_only)
                    spans += [(" ", ""), (drawn, palette.style(UNSIGNED, bold=chosen and k == self.place))]
            rows.append(line(width, *spans))
        self.table.paint(rows)

    def _row_told(self, table: Breakdown) -> str:
        """The row at the cursor, in words."""
        heads = heads_of(table)
        told = ", ".join(f"{head} {text}" for head, text in zip(heads[1:], texts_of(table, self.row), strict=True))
        return f"{heads[0]} {self._names[self.row]}: {told}"

    def copied(self) -> str:
        table = self.shown
        if table is None:
            return ""
        rows = ["\t".join(map(clean_line, table.head))]
        for name, values in zip(self._names, table.values.tolist(), strict=True):
            rows.append("\t".join((name, *(f"{value:.6g}" for value in values))))
        return "\n".join(rows) + "\n"

    def told(self) -> dict[str, str]:
        table = self.shown
        if table is None or not self._names:
            return {}
        if self.is_matrix:
            return {"confusion matrix": told_at(table, self._names, self.row, self.place, 120)}
        return {clean_line(table.title): self._row_told(table)}


def words_rows(width: int) -> int:
    """Rows that the words at the cursor need."""
    return 2 if width < NARROW else 1


def heads_of(table: Breakdown) -> list[str]:
    """Names of the columns as people write them."""
    return [metric_name(name) for name in table.head]


def texts_of(table: Breakdown, row: int) -> list[str]:
    """The numbers of a row: a metric as it is told everywhere, others as they came."""
    return [
        metric_value(name, float(value)) if name in NAMES or name in SHARES else clean_line(text)
        for name, text, value in zip(table.head[1:], table.rows[row][1:], table.values[row], strict=True)
    ]


def full_bar(table: Breakdown, column: int) -> float:
    """The number that a whole bar stands for: 1 of a share, else the largest of the column."""
    if table.head[column + 1] in BOUNDED:
        return 1.0
    finite = [value for value in table.values[:, column].tolist() if math.isfinite(value)]
    return max(finite, default=1.0) or 1.0

"""What lenses draw with: rows of values under the text, sentences, and the names of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from rnn_tui.app.actions import BY_ID, sign_of
from rnn_tui.app.widgets.heatmap import HeatRow, label_of, spans_of
from rnn_tui.app.widgets.painted import Spans
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.symbols import clean_line

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane


def looks(pane: LookingPane) -> Mapping[str, bool]:
    """How cells are drawn here: `coloured` and `ascii_only`."""
    return {"coloured": pane.coloured, "ascii_only": pane.host.ascii_only}


def heat_line(row: HeatRow, columns: Columns, start: int, width: int, *, coloured: bool, ascii_only: bool) -> Spans:
    """A row of values with its label, on the axis of the text strip."""
    room = GUTTER - 1
    text = f"{'>' if row.chosen else ' '}{label_of(row, room - 1, ascii_only)}"
    text = text + " " * (room - cell_len(text)) if cell_len(text) <= room else set_cell_size(text, room)
    end = columns.end(start, max(width - GUTTER, 0))
    return ((text + " ", "mark" if row.chosen else "quiet"), *spans_of(row, columns, start, end, coloured, ascii_only))


def sentence(text: str, width: int, tone: str = "value") -> list[Spans]:
    """A sentence on as many lines as it takes; control characters in it become signs."""
    return [((f" {line}", tone),) for line in wrap(clean_line(text), max(width - 2, 10))]


def line(text: str, width: int, tone: str = "value") -> Spans:
    """One line, shortened where it is too long; what it holds is clean."""
    return ((fit(f" {text}", max(width - 1, 1)), tone),)


def first_that_fits(forms: list[str], width: int) -> str:
    """The first form that fits; the last where none does."""
    return next((form for form in forms if cell_len(form) <= width), forms[-1])


def keys_of(pane: LookingPane, *names: str) -> str:
    """The keys of some actions of Inspect, as they are printed: `n N`, `←→`."""
    signs = [sign_of(BY_ID[f"inspect.{name}"].keys[0], pane.host.ascii_only) for name in names]
    return "".join(signs) if all(len(each) == 1 and not each.isalnum() for each in signs) else " ".join(signs)


def source_told(source: str) -> str:
    """`training part, last 100,000 symbols` as a phrase: `last 100,000 symbols of the training part`."""
    part, _, symbols = clean_line(source).rpartition(", ")
    return f"{symbols} of the {part}" if part else symbols


def share_told(share: float) -> str:
    """A share in per cent: `12 %`, `0.4 %`, `<0.1 %`."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 9.95 and round(percent, 1) != round(percent) else f"{percent:.0f} %"

"""Values at one timestep as bars: gates, states, the likeliest next symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Painted, Spans
from rnn_tui.app.widgets.row import fit
from rnn_tui.symbols import sign

LONGEST_BAR = 17
UNSIGNED, NEGATIVE, GREY, POSITIVE = 149, 39, 250, 214
"""Of the 256 colours, those of the ramps that read well on a dark and on a light ground."""


def quoted(symbol: str) -> str:
    """A symbol as it is named in a sentence: `'a'`."""
    return "'" + "".join(sign(each) for each in symbol) + "'"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: label, the number itself, and how far it reaches."""

    label: str
    value: float
    scale: float = 1.0
    """The length of a whole bar."""
    signed: bool = False
    """Drawn from a zero in the middle, to the left where it is negative."""
    note: str = ""
    """After the bar: `came`."""
    strong: bool = False
    share: bool = False
    """A probability: small ones are told as well."""

    @property
    def number(self) -> str:
        """The value in five columns."""
        size = abs(self.value)
        if not math.isfinite(self.value):
            return "    -"
        if self.share and self.value < 0.005:
            return "<1e-9" if self.value < 1e-9 else f"{self.value:.0e}".replace("e-0", "e-").rjust(5)
        sign = "+" if self.signed else ""
        digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
        if size < 9999.5:
            return f"{self.value:{sign}.{digits}f}".rjust(5)
        return f"{self.value:{sign}.0e}".replace("e+0", "e").replace("e+", "e").rjust(5)

    @property
    def style(self) -> Style:
        """Blue, orange or grey by its sign; what has none in the colour of an open gate. Its length says the rest."""
        if not math.isfinite(self.value):
            return Style()
        if not self.signed:
            return palette.style(UNSIGNED, bold=self.strong)
        share = self.value / self.scale if self.scale > 0 else 0.0
        return palette.style(GREY if abs(share) < 0.02 else POSITIVE if share > 0 else NEGATIVE, bold=self.strong)


def signed_bar(share: float, columns: int, ascii_only: bool = False) -> str:
    """A bar of -1 to 1 around a zero line in the middle of that many columns (an odd number)."""
    half = max(columns // 2, 1)
    share = max(-1.0, min(1.0, share)) if math.isfinite(share) else 0.0
    zero = "|" if ascii_only else "│"
    if share >= 0:
        return " " * half + zero + palette.bar(share, half, ascii_only)
    halves = round(-share * half * 2)
    if ascii_only:
        return ("#" * ((halves + 1) // 2)).rjust(half) + zero + " " * half
    return ("▐" * (halves % 2) + "█" * (halves // 2)).rjust(half) + zero + " " * half


class Bars(Painted):
    """A heading and bars below it, each in the colour of its value."""

    def show(self, heading: Spans, bars: Sequence[Bar], below: Sequence[Spans] = (), ascii_only: bool = False) -> None:
        """Draw them; a row is sent only as far as it changed."""
        width = self.size.width
        labels = max((cell_len(bar.label) for bar in bars), default=0)
        notes = max((cell_len(bar.note) + 1 for bar in bars if bar.note), default=0)
        room = max(min(width - labels - 8 - notes, LONGEST_BAR), 3)
        room -= 1 - room % 2
        rows = [heading, *(self._row(bar, labels, room, ascii_only) for bar in bars), *below]
        self.paint(rows)

    def _row(self, bar: Bar, labels: int, room: int, ascii_only: bool) -> Spans:
        share = bar.value / bar.scale if bar.scale > 0 else 0.0
        drawn = signed_bar(share, room, ascii_only) if bar.signed else palette.bar(share, room, ascii_only)
        label = bar.label + " " * (labels - cell_len(bar.label))
        text = f" {label} {bar.number} {drawn.rstrip()}"
        note = f" {bar.note.replace('±', '+-') if ascii_only else bar.note}" if bar.note else ""
        return ((fit(text + note, self.size.width), bar.style),)

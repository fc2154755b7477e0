"""Points between 0 and 1 in a box of signs: where many fall on one cell, the sign is heavier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.painted import Span, Spans

SIGNS, ASCII = "·∘●", ".o@"
FEW, SOME = 1, 3
"""Points in a cell up to which it has the first and the second sign."""
COLOURS = (250, 149, 192)
CHOSEN = palette.style(16, 214, bold=True)


def cells_of(
    x: NDArray[np.float32], y: NDArray[np.float32], columns: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N) column, and row from the top, of each point; what is beyond 0 or 1 lies on the edge."""
    across = np.rint(np.clip(np.nan_to_num(x), 0.0, 1.0) * (columns - 1)).astype(np.int64)
    up = np.rint(np.clip(np.nan_to_num(y), 0.0, 1.0) * (rows - 1)).astype(np.int64)
    return across, rows - 1 - up


def scatter(
    x: NDArray[np.float32], y: NDArray[np.float32], columns: int, rows: int, chosen: int = -1, ascii_only: bool = False
) -> list[Spans]:
    """Rows of `columns` columns, border included: 0 at the lower left, 1 at the upper right; `chosen` stands out."""
    inner, high = max(columns - 2, 1), max(rows - 2, 1)
    count = np.zeros((high, inner), np.int64)
    across, down = cells_of(x, y, inner, high)
    np.add.at(count, (down, across), 1)
    at = (int(down[chosen]), int(across[chosen])) if 0 <= chosen < len(across) else (-1, -1)
    side, line, corners = ("|", "-", "++++") if ascii_only else ("│", "─", "┌┐└┘")
    lines: list[Spans] = [((corners[0] + line * inner + corners[1], "dim"),)]
    for r in range(high):
        spans: list[Span] = [(side, "dim")]
        for c in range(inner):
            span = _cell(int(count[r, c]), (r, c) == at, ascii_only)
            if spans[-1][1] == span[1] and len(spans) > 1:
                spans[-1] = (spans[-1][0] + span[0], span[1])
            else:
                spans.append(span)
        lines.append((*spans, (side, "dim")))
    lines.append(((corners[2] + line * inner + corners[3], "dim"),))
    return lines


def _cell(count: int, chosen: bool, ascii_only: bool) -> Span:
    if chosen:
        return "X", CHOSEN
    if not count:
        return " ", ""
    weight = 0 if count <= FEW else 1 if count <= SOME else 2
    return (ASCII if ascii_only else SIGNS)[weight], palette.style(COLOURS[weight])

"""What dropout takes away: the masks of one training batch, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_parts import first_that_fits, heat_line, keys_of, line, looks, sentence, share_told
from rnn_tui.app.widgets import palette
from rnn_tui.app.widgets.heatmap import HeatRow
from rnn_tui.app.widgets.painted import Span, Spans
from rnn_tui.app.widgets.row import pad
from rnn_tui.app.widgets.text_strip import GUTTER, Columns
from rnn_tui.lab.questions import ShowMasks
from rnn_tui.symbols import clean_line
from rnn_tui.views import Mask, Masks, Status, Trace

if TYPE_CHECKING:
    from rnn_tui.app.panes.looking_pane import LookingPane

MOST_SEED = 10_000
MOST_TYPED = 1_000


def shares(kept: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.float64]:
    """(at most rows, at most columns) the share that is kept in each block of a mask (R, C), evenly cut."""
    high, wide = min(rows, kept.shape[0]), min(columns, kept.shape[1])
    tops = np.linspace(0, kept.shape[0], high + 1).astype(int)[:-1]
    lefts = np.linspace(0, kept.shape[1], wide + 1).astype(int)[:-1]
    counts = np.add.reduceat(np.add.reduceat(kept.astype(np.float64), tops, axis=0), lefts, axis=1)
    ones = np.add.reduceat(np.add.reduceat(np.ones(kept.shape), tops, axis=0), lefts, axis=1)
    found: NDArray[np.float64] = counts / ones
    return found


class MasksLens(Lens):
    """A list of the masks that one update draws, and a picture of the chosen one: what it lets through, and where."""

    ACTIONS: ClassVar[tuple[str, ...]] = ("masks",)
    TITLE: ClassVar[str] = "masks"
    COST: ClassVar[bool] = False

    @classmethod
    def applies(cls, pane: LookingPane) -> bool:
        config = pane.lab.status.config
        return config is not None and (config.model.dropout > 0 or config.model.recurrent_dropout > 0)

    def __init__(self, pane: LookingPane) -> None:
        super().__init__(pane)
        self.seed = 1
        self.chosen = 0
        self.masks: Masks | None = None
        self._axis: tuple[Mask | None, int, Columns] = (None, 0, Columns.of(()))

    def begin(self, action: str) -> None:
        self._ask()

    def _ask(self) -> None:
        self.asking.ask(self.lab, ShowMasks(seed=self.seed))

    def took(self, trace: Trace, another: bool) -> None:
        """They are those of a training batch, whatever is read."""

    def tick(self, status: Status) -> bool:
        was = self.asking.under_way
        found = self.asking.answer()
        if isinstance(found, Masks):
            self.masks = found
            self.chosen = min(self.chosen, max(len(found.masks) - 1, 0))
        return was != self.asking.under_way

    def do_up(self) -> None:
        self.chosen = max(self.chosen - 1, 0)

    def do_down(self) -> None:
        # What is typed before they are there counts as well.
        last = len(self.masks.masks) - 1 if self.masks is not None else MOST_TYPED
        self.chosen = min(self.chosen + 1, max(last, 0))

    def do_more(self) -> None:
        self.seed = min(self.seed + 1, MOST_SEED)
        self._ask()

    def do_less(self) -> None:
        self.seed = max(self.seed - 1, 1)
        self._ask()

    # Drawing.

    def header(self) -> str:
        return "dropout masks"

    def lines(self, width: int, height: int) -> Sequence[Spans]:
        masks = self.masks
        if self.asking.trouble:
            return [(), *sentence(self.asking.trouble, width, "bad")][:height]
        if masks is None or not masks.masks:
            doing = self.asking.doing
            told = f"{doing or 'drawing masks'}, escape stops it" if self.asking.under_way else "it was stopped"
            return [(), line(told, width)][:height]
        head = [self._told(masks, width)] if height >= 6 else []
        room = max(min(len(masks.masks), (height - len(head)) // 2), 1)
        top = min(max(self.chosen - room // 2, 0), max(len(masks.masks) - room, 0))
        listed = [self._listed(each, k == self.chosen, width)
                  for k, each in list(enumerate(masks.masks))[top : top + room]]  # fmt: skip
        mask = masks.masks[self.chosen]
        free = height - len(head) - len(listed)
        picture = self._matrix(masks, mask, width, free) if mask.recurrent else self._in_time(masks, mask, width, free)
        return [*head, *listed, *picture][:height]

    def _told(self, masks: Masks, width: int) -> Spans:
        keys = keys_of(self.pane, "more", "less")
        batch = f"a batch of {masks.batch}, {clean_line(masks.source)}"
        forms = [
            f"what one update drops: {batch}; seed {masks.seed} ({keys}); reading and validation drop nothing",
            f"what one update drops: {batch}; seed {masks.seed} ({keys})",
            f"what one update drops; seed {masks.seed} ({keys})",
        ]
        return line(first_that_fits(forms, width - 2), width, "mark")

    def _listed(self, mask: Mask, chosen: bool, width: int) -> Spans:
        kind = "the same for all timesteps" if mask.recurrent or mask.locked else "another at each timestep"
        told = f"drops {share_told(mask.dropped)} (rate {mask.rate:.2g}), {kind}"
        name = clean_line(mask.name)
        mark = ">" if chosen else " "
        return cut(((f"{mark}{pad(name, min(max(width // 3, 14), 36))} ", "mark" if chosen else "label"),
                    (told, "value" if chosen else "quiet")), width)  # fmt: skip

    def _in_time(self, masks: Masks, mask: Mask, width: int, height: int) -> list[Spans]:
        """Units over the timesteps of the batch's first sequence."""
        if height < 2:
            return []
        steps, room = len(mask.values), max(width - GUTTER, 1)
        symbols = masks.written if "decoder" in mask.name and len(masks.written) == steps else masks.symbols
        if self._axis[0] is not mask or self._axis[1] != room:
            self._axis = mask, room, Columns.of(tuple(symbols[:steps]) or ("",) * steps, room)
        columns = self._axis[2]
        cursor = min(self.reading.cursor, len(columns) - 1)
        start = columns.window(0, cursor, room)
        text: Spans = ((" " * GUTTER, ""), ("".join(columns.signs[start : columns.end(start, room)]), "value"))
        rows = [text]
        kept = (mask.values > 0).astype(np.float32)
        for unit in range(min(mask.values.shape[1], height - 1 - (height >= 6))):
            row = HeatRow(f"u {unit}", kept[: len(columns), unit], "unit")
            rows.append(heat_line(row, columns, start, width, **looks(self.pane)))
        if height >= 6:
            rows.append(self._legend(mask, width))
        return rows

    def _matrix(self, masks: Masks, mask: Mask, width: int, height: int) -> list[Spans]:
        """W_hh: from unit (across) to unit (down), the blocks of the gates below one another."""
        blocks = masks.gates or ("",)
        foot = int(height >= 6)
        each = (height - foot) // len(blocks)
        if each < 1:
            return []
        rows: list[Spans] = []
        size = mask.values.shape[0] // len(blocks)
        for k, gate in enumerate(blocks):
            found = shares(mask.values[k * size : (k + 1) * size] > 0, each, max(width - GUTTER, 1))
            for y, values in enumerate(found.tolist()):
                label = (f"W_h{gate}" if gate else "W_hh") if y == 0 else ""
                cells = [palette.unit(value, self.host.ascii_only) for value in values]
                joined: list[Span] = [("".join(text for text, _ in group), style)
                                      for style, group in groupby(cells, lambda cell: cell[1])]  # fmt: skip
                rows.append(((f" {label:<{GUTTER - 1}}", "quiet"), *joined))
        if foot:
            rows.append(self._legend(mask, width))
        return rows

    def _legend(self, mask: Mask, width: int) -> Spans:
        none, whole = palette.unit(0.0, self.host.ascii_only), palette.unit(1.0, self.host.ascii_only)
        scaled = f" kept, times {1 / (1 - mask.rate):.3g}" if mask.rate < 1 else " kept"
        return cut(((" ", ""), none, (" dropped   ", "quiet"), whole, (scaled, "quiet")), width)

    def key_hint(self) -> list[tuple[str, str]] | None:
        return [
            (keys_of(self.pane, "up", "down"), "mask"), (keys_of(self.pane, "more", "less"), "seed"),
            (keys_of(self.pane, "left", "right"), "time"), ("escape", "close"),
        ]  # fmt: skip

    def copy_text(self) -> str:
        if self.masks is None:
            return ""
        rows = [f"{mask.name}\t{mask.rate:g}\t{mask.dropped:.4f}" for mask in self.masks.masks]
        return "\n".join(["mask\trate\tdropped", *rows])

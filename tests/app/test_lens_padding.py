"""The padding lens: every sequence of the batch on one axis, masked and read as data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from rnn_tui.app.panes.lens_padding import FILL, PaddingLens, axis_of
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab import Asked
from rnn_tui.lab.questions import ComparePadding
from rnn_tui.views import PaddingView, frozen
from tests.app.inspecting import TaskLab, classified, stage, tagged
from tests.app.lens_lab import leave
from tests.app.stage import press

NAMES = ("Pooke", "Li", "Antonopoulos")
WORDS = ("we know .", "wait", "this is a good day")


def padded(texts: tuple[str, ...], before: bool, words: bool = False, offset: int = 0) -> PaddingView:
    """A batch of these; what fills up differs by 0.5 where it follows a sequence."""
    rows = [tuple(text.split()) if words else tuple(text) for text in texts]
    total = max(map(len, rows))
    symbols, real = [], np.zeros((len(rows), total), np.bool_)
    for k, row in enumerate(rows):
        fill = ("<pad>",) * (total - len(row))
        symbols.append((*fill, *row) if before else (*row, *fill))
        real[k] = [symbol != "<pad>" for symbol in symbols[-1]]
    masked = np.where(real, np.float32(0.25), np.float32(0))
    data = np.where(real, np.float32(0.25), np.float32(0.75))
    lost = np.array([0.5, 1.5, math.nan], np.float32)
    return PaddingView(
        symbols=tuple(symbols), real=frozen(real), before=before, masked=frozen(masked), as_data=frozen(data),
        difference=frozen(np.abs(masked - data)), answers_masked=("English",) * 3,
        answers_as_data=("Russian", "English", "English"), right=("English", "Chinese", ""), loss_masked=frozen(lost),
        loss_as_data=frozen(lost * 2), offset=offset, part="validation", source="texts 0, 1, 2 of the validation part",
    )  # fmt: skip


class PaddingLab(TaskLab):
    """A Lab that answers with such a batch."""

    texts, words, error = NAMES, False, ""

    def answer(self, asked: Asked) -> None:
        question = asked.question
        if not isinstance(question, ComparePadding):
            super().answer(asked)
        elif self.error:
            asked.finish(error=self.error)
        else:
            asked.finish(padded(self.texts, question.before, self.words, question.offset))

    def of_padding(self) -> list[Any]:
        return [asked.question for asked in self.asked if isinstance(asked.question, ComparePadding)]


@pytest.mark.parametrize("before", [False, True])
async def test_each_sequence_with_its_filling_its_cost_and_where_it_differs(before: bool) -> None:
    lab = PaddingLab(classified(), **{"training.padding": "pre" if before else "post"})
    async with stage(lab, size=(100, 30)) as (app, pane, pilot):
        lines = (await press(app, pilot, "B")).splitlines()
        assert isinstance(pane.lens, PaddingLens) and lab.of_padding() == [ComparePadding(before=before)]
        assert f"filled up {'before' if before else 'behind'}" in lines[0]
        for name in NAMES:
            filled = FILL * (12 - len(name))
            text = filled + name if before else name + filled
            at = next(k for k, line in enumerate(lines[3:], 3) if line.rstrip() == " " * GUTTER + text)
            assert lines[at - 1].startswith(f" {len(name)} of 12 real")
            masked, data, differ = (line[GUTTER : GUTTER + 12] for line in lines[at + 1 : at + 4])
            for t in range(12):
                real = text[t] != FILL
                # 0.25 and 0.75 of a scale of 0.8; masked filling has no state.
                assert masked[t] == ("▃" if real else " ")
                assert data[t] == ("▃" if real else "█") and differ[t] == ("▁" if real else "█")
        screen = "\n".join(lines)
        assert "loss 0.500 masked, 1.000 as data  answers English; as data Russian  right English" in screen
        assert "it costs +1 on average" in screen


async def test_again_it_fills_up_at_the_other_end_and_another_example_is_another_batch() -> None:
    lab = PaddingLab(classified())
    async with stage(lab, size=(100, 30)) as (app, pane, pilot):
        await press(app, pilot, "B", "B")
        assert [question.before for question in lab.of_padding()] == [False, True]
        await press(app, pilot, "right_parenthesis")
        assert lab.of_padding()[-1] == ComparePadding(offset=1, before=True)
        await leave(app, pilot)
        assert pane.lens is None


async def test_one_row_at_a_time_where_there_is_little_room() -> None:
    lab = PaddingLab(classified())
    async with stage(lab, size=(80, 13)) as (app, pane, pilot):
        lens: Any = pane.lens
        screen = await press(app, pilot, "B")
        lens = pane.lens
        assert ">differ" in screen and "masked " not in screen.replace("masked,", "")
        seen = []
        for _ in range(3):
            await press(app, pilot, "v")
            seen.append(lens.shown)
        assert seen == ["masked", "as data", "difference"]
        assert "Pooke" in screen and "Antonopoulos" not in screen
        await press(app, pilot, "down", "down")
        assert "Antonopoulos" in await press(app, pilot)
        await press(app, pilot, "up", "up")
        assert "Pooke" in await press(app, pilot)


@pytest.mark.parametrize("size", [(80, 21), (160, 44), (40, 9), (60, 14)])
async def test_words_have_one_cell_in_all_sequences(size: tuple[int, int]) -> None:
    lab = PaddingLab(tagged())
    lab.texts, lab.words = WORDS, True
    view = padded(WORDS, False, words=True)
    assert set(np.diff(axis_of(view, 70).edges).tolist()) == {5}
    async with stage(lab, size=size) as (app, _, pilot):
        for key in ("B", "v", "v", "end", "down"):
            lines = (await press(app, pilot, key)).splitlines()
            assert len(lines) == size[1] and all(cell_len(line) <= size[0] for line in lines)


async def test_why_there_is_nothing_to_fill_up_stands_in_a_sentence() -> None:
    lab = PaddingLab(classified())
    lab.error = "its sequences are all equally long, so nothing is filled up; choose another task or data"
    async with stage(lab, size=(120, 24)) as (app, _, pilot):
        assert lab.error in await press(app, pilot, "B")

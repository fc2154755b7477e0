"""The dropout lens: the list of masks, and a picture of the chosen one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rnn_tui.app.panes.lens_masks import MasksLens, shares
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.lab import Asked
from rnn_tui.lab.questions import ShowMasks
from rnn_tui.views import Mask, Masks, frozen
from tests.app.inspecting import TaskLab, tagged
from tests.app.inspecting import stage as inspecting
from tests.app.lens_lab import leave
from tests.app.stage import press

T, H = 9, 6


def drawn(seed: int, gates: tuple[str, ...] = ("i", "f", "g", "o")) -> Masks:
    """Three masks: another at each timestep, one for all of them, and one of W_hh."""
    draw = np.random.default_rng(seed)
    free = (draw.random((T, H)) >= 0.5).astype(np.float32) * 2
    locked = np.tile((draw.random((1, H)) >= 0.5).astype(np.float32) * 2, (T, 1))
    weights = (draw.random((len(gates) * H, H)) >= 0.25).astype(np.float32) / 0.75

    def mask(name: str, values: Any, rate: float, recurrent: bool = False, locked: bool = False) -> Mask:
        return Mask(name, recurrent, locked, rate, frozen(values), float((values == 0).mean()))

    return Masks(
        masks=(mask("layer 1 reads", free, 0.5), mask("layer 2 reads", locked, 0.5, locked=True),
               mask("layer 0 W_hh", weights, 0.25, recurrent=True, locked=True)),
        gates=gates, symbols=tuple("Hatuntsev"), written=(), batch=32, source="train text 0", seed=seed, step=1240,
    )  # fmt: skip


class MasksLab(TaskLab):
    """A Lab that draws them."""

    error = ""

    def answer(self, asked: Asked) -> None:
        if isinstance(asked.question, ShowMasks):
            asked.finish(None if self.error else drawn(asked.question.seed), error=self.error)
        else:
            super().answer(asked)


def lab() -> MasksLab:
    return MasksLab(tagged(), **{"model.dropout": 0.5})


async def test_the_chosen_mask_is_drawn_timestep_by_timestep() -> None:
    async with inspecting(lab(), size=(100, 26)) as (app, pane, pilot):
        lines = (await press(app, pilot, "D")).splitlines()
        assert isinstance(pane.lens, MasksLens)
        masks = drawn(1).masks
        listed = next(k for k, line in enumerate(lines) if line.startswith(">layer 1 reads"))
        assert "rate 0.5), another at each timestep" in lines[listed]
        assert "the same for all timesteps" in lines[listed + 1] and "the same for all timesteps" in lines[listed + 2]
        text = next(k for k, line in enumerate(lines) if line.strip() == "Hatuntsev")
        for unit in range(H):
            row = lines[text + 1 + unit]
            assert row.startswith(f" u {unit}")
            wanted = "".join("█" if masks[0].values[t, unit] > 0 else "▁" for t in range(T))
            assert row[GUTTER : GUTTER + T] == wanted
        assert "kept, times 2" in "\n".join(lines)


async def test_w_hh_is_drawn_gate_by_gate() -> None:
    async with inspecting(lab(), size=(100, 40)) as (app, _, pilot):
        lines = (await press(app, pilot, "D", "down", "down")).splitlines()
        weights = drawn(1).masks[2].values
        for k, gate in enumerate("ifgo"):
            at = next(y for y, line in enumerate(lines) if line.startswith(f" W_h{gate}"))
            for y in range(H):
                wanted = "".join("█" if value > 0 else "▁" for value in weights[k * H + y])
                assert lines[at + y][GUTTER : GUTTER + H] == wanted
        assert "kept, times 1.33" in "\n".join(lines)


async def test_another_seed_draws_others() -> None:
    async with inspecting(lab()) as (app, pane, pilot):
        fake: Any = app.lab
        await press(app, pilot, "D", "minus", "plus", "plus")
        seeds = [asked.question.seed for asked in fake.asked if isinstance(asked.question, ShowMasks)]
        assert seeds == [1, 1, 2, 3]
        assert "seed 3" in await press(app, pilot)
        await leave(app, pilot)
        assert pane.lens is None


@pytest.mark.parametrize("size", [(80, 21), (40, 9), (30, 6), (160, 44)])
async def test_it_stays_within_its_rows(size: tuple[int, int]) -> None:
    async with inspecting(lab(), size=size) as (app, _, pilot):
        for key in ("D", "down", "end", "down"):
            lines = (await press(app, pilot, key)).splitlines()
            assert len(lines) == size[1] and all(cell_len(line) <= size[0] for line in lines)


async def test_why_there_are_none_stands_in_a_sentence() -> None:
    fake = lab()
    fake.error = "nothing is dropped; choose a rate above 0 (1, Build)"
    async with inspecting(fake) as (app, _, pilot):
        assert fake.error in await press(app, pilot, "D")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_blocks_hold_the_share_that_is_kept(R: int, C: int, rows: int, columns: int, seed: int) -> None:
    kept = np.random.default_rng(seed).random((R, C)) < 0.5
    found = shares(kept, rows, columns)
    assert found.shape == (min(rows, R), min(columns, C))
    tops = np.linspace(0, R, found.shape[0] + 1).astype(int)
    lefts = np.linspace(0, C, found.shape[1] + 1).astype(int)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            block = kept[tops[y] : tops[y + 1], lefts[x] : lefts[x + 1]]
            assert found[y, x] == pytest.approx(block.mean())

"""What a stranger's session says of where one was: every pane takes it back, or leaves it, and still draws."""

from __future__ import annotations

import random
from typing import Any

from .conftest import Open
from .fakes import FakeLab

JUNK: list[Any] = [
    None, True, -1, 0, 7, 2**31, 2**62, 10**300, 1e308, -1e308, float("nan"), float("inf"), "", "x", "h", "\x1b[2J",
    "[/foo]", "[@click=app.quit]",
    "\udcff", "a\0b", "x" * 100_000, [], [1, 2], [[]] * 9, {}, {"text": []}, {"a": {"b": 1}},
]  # fmt: skip
KEYS = (
    "text", "offset", "part", "place", "best", "beams", "values", "row", "view", "loss", "k", "cursor", "layer", "unit",
    "value", "sort", "single", "prompt", "label", "probabilities", "answer", "log", "metric", "temperature", "top_k",
    "top_p", "length", "seed",
)  # fmt: skip


async def test_every_pane_takes_back_whatever_a_file_says(lab: FakeLab, shown: Open) -> None:
    draw = random.Random(1)
    async with shown(session="shakespeare", size=(100, 30)) as pilot:
        panes: dict[str, Any] = pilot.app.panes  # type: ignore[attr-defined]
        keys = {name: {*KEYS, *pane.state()} for name, pane in panes.items()}
        for value in JUNK:
            for name, pane in panes.items():
                pane.restore(dict.fromkeys(keys[name], value))
        for _ in range(60):
            for name, pane in panes.items():
                pane.restore({key: draw.choice(JUNK) for key in keys[name]})
        for number, (name, pane) in enumerate(panes.items(), 1):
            pane.restore({key: draw.choice(JUNK) for key in keys[name]})
            await pilot.press(str(number))
            await pilot.pause()
            assert pilot.app.is_running and pilot.app._exception is None, name


async def test_a_place_of_a_stranger(lab: FakeLab, shown: Open) -> None:
    async with shown(session="shakespeare", size=(80, 24)) as pilot:
        app: Any = pilot.app
        for value in JUNK:
            for view in (value, {"pane": value, "panes": value}, {"panes": {"train": value, "x\x1b": {"a": 1}}}):
                lab.view_state = view
                app.place.restore("shakespeare")
                await pilot.pause()
        assert app.is_running and app._exception is None

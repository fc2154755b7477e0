"""Inspect alone on a stage, with traces made by numpy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from rnn_tui.app.pane import Pane
from rnn_tui.app.panes import reading_pane
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.views import Trace
from tests.app.stage import FakeLab, Stage, settle


@asynccontextmanager
async def stage(
    lab: FakeLab | None = None, size: tuple[int, int] = (80, 21), others: Sequence[Pane] = ()
) -> AsyncIterator[tuple[Stage, InspectPane, Pilot[None]]]:
    """The app, the pane and its pilot, once the first text was read; every move is drawn at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_pane, "DRAW_EVERY", 0.0)
        pane = InspectPane()
        app = Stage(lab or FakeLab(), pane, others)
        async with app.run_test(size=size) as pilot:
            await settle(app, pilot)
            yield app, pane, pilot


def the_trace(pane: InspectPane) -> Trace:
    """What the pane shows."""
    assert pane.trace is not None
    return pane.trace

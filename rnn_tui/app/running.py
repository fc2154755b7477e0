"""Starting the app: on a terminal, or without one for a picture of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_tui.app import settings
from rnn_tui.app.app import LabApp
from rnn_tui.config import Config

if TYPE_CHECKING:
    from rnn_tui.lab import Lab


def run_app(
    lab: Lab, session: str | None = None, draft: Config | None = None,
    started: Callable[[LabApp], None] | None = None,
) -> int:  # fmt: skip
    """Show the lab until it is left; the exit status. The Lab is closed, and saved, when it returns.

    The first frame is painted before the Lab imports its engine. Mouse events are not asked for: the
    terminal's own selection works, and nothing needs them. `started` is given the app before it runs: who
    handles signals calls its `request_exit`.
    """
    app = LabApp(lab, session, draft)
    if started is not None:
        started(app)
    try:
        app.run(mouse=False)
    finally:
        lab.close()
    return app.return_code or 0


async def screenshot(
    lab: Lab, size: tuple[int, int], path: Path, keys: Sequence[str] = (), session: str | None = None
) -> None:
    """The app's screen as an SVG, after some keys, without a terminal. Columns x rows."""
    app = LabApp(lab, session, chosen=settings.Settings())
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(1.0)
        path.write_text(app.export_screenshot(title="rnn-lab", simplify=True), encoding="utf-8")
        app.exit()

"""The app on a screen of a given size, over a Lab without torch."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from rnn_tui.app.actions import key_of
from rnn_tui.app.app import LabApp
from rnn_tui.config import Config

from .fakes import FakeLab

Open = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture(autouse=True)
def plain_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings in a folder of the test's own, colours and UTF-8 whatever the machine has."""
    folder = tmp_path / "settings"
    monkeypatch.setenv("RNN_LAB_CONFIG", str(folder))
    monkeypatch.setenv("RNN_LAB_ASCII", "0")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> FakeLab:
    return FakeLab(tmp_path / "sessions")


@pytest.fixture
def trained(lab: FakeLab) -> FakeLab:
    """A Lab whose session has run to step 1,900 once it is opened."""
    before = lab.open

    def open_and_run(name: str) -> None:
        before(name)
        from rnn_tui.views import Phase

        lab.run_to(1900, Phase.PAUSED)

    lab.open = open_and_run  # type: ignore[method-assign]
    return lab


@pytest.fixture
def shown(lab: FakeLab) -> Open:
    """`async with shown(session="x", size=(80, 24)) as pilot`; the app is `pilot.app`."""

    @asynccontextmanager
    async def show(
        session: str | None = None, size: tuple[int, int] = (80, 24), draft: Config | None = None, lab: Any = lab
    ) -> AsyncIterator[Pilot[None]]:
        app = LabApp(lab, session, draft)
        async with app.run_test(size=size):
            pilot = Keyboard(app)
            app.begin()
            await settle(pilot)
            yield pilot

    return show


class Keyboard(Pilot[None]):
    """A pilot that waits until a key is dealt with, and not until the processor seems idle: twenty times faster."""

    async def press(self, *keys: str) -> None:
        for key in keys:
            name = key_of(key) if len(key) == 1 and not key.isalnum() else key
            try:
                sign: str | None = unicodedata.lookup(name.upper().replace("_", " ").replace("MINUS", "HYPHEN-MINUS"))
            except KeyError:
                sign = {"plus": "+", "underscore": "_", "slash": "/"}.get(name, name if len(name) == 1 else None)
            self.app.post_message(events.Key(name, sign))
            await self.quiet()
        await self.drawn()

    async def quiet(self) -> None:
        """Until no widget has a message left. A message to each of them, as Textual waits, takes ten times longer."""
        empty = 0
        while empty < 4:
            await asyncio.sleep(0)
            busy = any(pump.message_queue_size for pump in (self.app, *self.app.screen.walk_children(with_self=True)))
            empty = 0 if busy else empty + 1

    async def drawn(self) -> None:
        """Until nothing is left to lay out or to draw: what is laid out anew may ask for more."""
        for _ in range(3):
            if not self.app.is_running:
                return
            await self.quiet()
            self.app.screen._on_timer_update()
        await self.quiet()


async def settle(pilot: Pilot[Any]) -> None:
    """Until everything that was asked for is drawn."""
    assert isinstance(pilot, Keyboard)
    await pilot.drawn()
    app = pilot.app
    assert isinstance(app, LabApp)
    if app.is_running:
        app.look()
        await pilot.drawn()


async def until(pilot: Pilot[Any], reached: Callable[[], bool]) -> None:
    """Let the app run until something is so; fails after some seconds."""
    for _ in range(200):
        if reached():
            return
        await pilot.pause(0.05)
    raise AssertionError("it never came to that")


def screen_text(app: Any) -> list[str]:
    """The rows of the screen as a person sees them, without colours."""
    width, height = app.size
    rows = app.screen._compositor.render_strips()
    assert len(rows) == height
    return ["".join(segment.text for segment in row)[:width].rstrip() for row in rows]

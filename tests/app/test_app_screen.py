"""What stands on the screen: status, names, messages, keys; narrow, wide, low, too small."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rnn_tui.app.app import LabApp
from rnn_tui.app.running import screenshot
from rnn_tui.app.widgets.key_bar import MOST
from rnn_tui.app.widgets.status import duration, number, phase_words, rate
from rnn_tui.config import Config, put
from rnn_tui.views import Phase, Status

from .conftest import Open, screen_text, settle
from .fakes import FakeLab


async def rows_of(pilot: Pilot[Any]) -> list[str]:
    await settle(pilot)
    app: Any = pilot.app
    app.frame._words = ()
    await settle(pilot)
    return screen_text(app)


async def test_status_line_says_what_goes_on(shown: Open, trained: FakeLab) -> None:
    async with shown("shakespeare", size=(100, 24)) as pilot:
        trained.run_to(1900)
        assert (await rows_of(pilot))[0] == (
            " shakespeare  training 1,900 of 5,000  val 1.74  ppl 5.70  309k symbols/s  cpu bf16"
        )


async def test_status_drops_from_the_right_but_never_a_badge(shown: Open, trained: FakeLab) -> None:
    for width in (80, 50, 30):
        async with shown("shakespeare", size=(width, 24)) as pilot:
            trained.run_to(1900)
            trained.change(exact=False, fault="disk full; nothing saved")
            line = (await rows_of(pilot))[0]
            assert "approximate" in line or width < 40
            assert "! disk full" in line, width
            if width < 60:
                assert "309k/s" not in line


async def test_a_fault_is_told_whole_until_it_is_put_away(shown: Open, trained: FakeLab) -> None:
    fault = "could not save to /very/long/path/of/a/session.safetensors: No space left on device; make room and press w"
    async with shown("s") as pilot:
        trained.change(fault=fault)
        text = " ".join(" ".join(await rows_of(pilot)).split())
        assert fault in text
        await pilot.press("escape")
        assert ("forget_fault",) in trained.calls
        assert "No space left" not in " ".join(await rows_of(pilot))


async def test_a_notice_is_shown_once(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.change(notice="stopped: planned steps reached")
        assert "planned steps reached" in (await rows_of(pilot))[-2]
        await pilot.press("w")
        assert "saved" in (await rows_of(pilot))[-2]


async def test_a_notice_goes_when_it_is_out_of_date(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.change(notice="x: LSTM 2x128, not trained yet")
        assert "not trained yet" in (await rows_of(pilot))[-2]
        lab.change(phase=Phase.TRAINING)
        assert "not trained yet" not in (await rows_of(pilot))[-2]
        lab.change(notice="saved x at step 3")
        assert "saved x" in (await rows_of(pilot))[-2]
        lab.change(notice="")
        assert "saved x" not in (await rows_of(pilot))[-2]


async def test_until_it_trains_it_says_that_it_starts(shown: Open, lab: FakeLab, monkeypatch: Any) -> None:
    monkeypatch.setattr(lab, "create", lambda *_, **__: None)
    async with shown() as pilot:
        await pilot.press("space")
        rows = await rows_of(pilot)
        assert "starting ..." in rows[0] and "being made ready" in rows[2]
        lab.change(phase=Phase.LOADING, doing="reading x.txt", progress=0.4)
        assert "reading x.txt 40 %" in (await rows_of(pilot))[0]


async def test_nothing_is_drawn_under_the_help(shown: Open, trained: FakeLab, monkeypatch: Any) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("question_mark")
        drawn: list[int] = []
        monkeypatch.setattr(app.panes["train"], "tick", lambda status: drawn.append(1))
        app.look()
        assert not drawn
        await pilot.press("escape")
        app.look()
        assert drawn


async def test_names_and_messages_cannot_drive_the_screen(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.change(session="\x1b[2Jx[/foo]", notice="\x9b31m[@click=app.quit]", fault="\x07[/b]")
        text = "".join(await rows_of(pilot))
        assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in text)
        assert "[@click=app.quit]" in text


async def test_key_bar_is_short_and_ends_with_the_way_out(shown: Open, trained: FakeLab) -> None:
    async with shown("s", size=(200, 30)) as pilot:
        for key in "12356":
            await pilot.press(key)
            bar = (await rows_of(pilot))[-1]
            assert bar.endswith("? help  : all  q leave")
            assert len([part for part in bar.split("  ") if part.strip()]) <= MOST + 3
        await pilot.press("space")
        assert "space pause" in (await rows_of(pilot))[-1]


@pytest.mark.parametrize("size", [(40, 12), (20, 5)])
async def test_small_screens_do_not_break(shown: Open, trained: FakeLab, size: tuple[int, int]) -> None:
    async with shown("s", size=size) as pilot:
        for key in "12356":
            await pilot.press(key, "question_mark", "escape")
            rows = await rows_of(pilot)
            assert "terminal too small" not in "".join(rows)
            assert all(len(row) <= size[0] for row in rows)
        assert "q" in (await rows_of(pilot))[-1] or size[0] < 40
        await pilot.press("ctrl+c")
        assert "q leaves" in (await rows_of(pilot))[-1]


async def test_too_small_says_so_and_recovers(shown: Open, trained: FakeLab) -> None:
    async with shown("s", size=(80, 24)) as pilot:
        await pilot.resize_terminal(19, 4)
        await pilot.pause()
        assert (await rows_of(pilot))[0] == "terminal too small"
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "[2 Train]" in (await rows_of(pilot))[1]


async def test_wide_shows_train_and_inspect_together(shown: Open, trained: FakeLab) -> None:
    async with shown("s", size=(160, 48)) as pilot:
        app: Any = pilot.app
        text = "\n".join(await rows_of(pilot))
        assert "─2 Train─" in text and "─3 Inspect─" in text
        assert app.current == "train" and app.pane("train").has_class("-current")
        await pilot.press("tab")
        assert app.current == "inspect" and not app.pane("train").has_class("-current")
        await pilot.press("tab")
        assert app.current == "train"
        await pilot.press("z")
        text = "\n".join(await rows_of(pilot))
        assert "Inspect" not in text and text.split("\n")[0].startswith(" s  ") and "space train" in text
        await pilot.press("escape")
        assert "─3 Inspect─" in "\n".join(await rows_of(pilot))
        for key, other in (("1", "─2 Train─"), ("5", "─3 Inspect─"), ("6", "─2 Train─")):
            await pilot.press(key, "tab")
            assert other not in "\n".join(await rows_of(pilot)) and app.current in ("build", "generate", "sessions")


async def test_narrow_shows_one_pane_and_tab_does_nothing(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("tab")
        assert app.current == "train"
        assert [pane.PANE for pane in app.panes.values() if pane.display] == ["train"]


async def test_only_panes_on_the_screen_are_drawn(shown: Open, trained: FakeLab, monkeypatch: Any) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        drawn: list[str] = []
        for name, pane in app.panes.items():
            monkeypatch.setattr(pane, "tick", lambda status, name=name: drawn.append(name))
        app.look()
        assert set(drawn) == {"train"}


async def test_nothing_is_drawn_while_output_waits(shown: Open, trained: FakeLab, monkeypatch: Any) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        drawn: list[int] = []
        monkeypatch.setattr(app.pane("train"), "tick", lambda status: drawn.append(1))
        monkeypatch.setattr(app, "_output_waits", lambda: True)
        for _ in range(5):
            app.look()
        assert not drawn and app.plot_period == 2.0
        monkeypatch.setattr(app, "_output_waits", lambda: False)
        app.look()
        assert drawn == [1]


async def test_the_place_is_remembered_and_found_again(shown: Open, trained: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("2", "l", "5", "q")
        await pilot.app.workers.wait_for_complete()
    kept = trained.view_state
    assert kept["pane"] == "generate" and kept["panes"]["train"] == {"log": True}
    trained.view_of = kept
    trained.change(session="")
    async with shown("s") as pilot:
        app: Any = pilot.app
        assert app.current == "generate" and app.pane("train").log_axis


@pytest.mark.parametrize("view", [{"pane": 3}, {"pane": "nowhere", "panes": {"train": 3, "x": {}}}, {"panes": []}, {}])
async def test_a_place_that_makes_no_sense_is_left(shown: Open, trained: FakeLab, view: Any) -> None:
    trained.view_of = view
    async with shown("s") as pilot:
        assert pilot.app.current == "train"  # type: ignore[attr-defined]


async def test_a_theme_is_kept(shown: Open, lab: FakeLab, plain_settings: Path) -> None:
    async with shown("s") as pilot:
        pilot.app.theme = "nord"
        await pilot.pause()
    assert 'theme = "nord"' in (plain_settings / "settings.toml").read_text()
    async with shown("s") as pilot:
        assert pilot.app.theme == "nord"


async def test_a_draft_given_at_the_start_is_the_one_trained(shown: Open, lab: FakeLab) -> None:
    draft = put(Config(), "model.hidden_size", 64)
    async with shown(draft=draft) as pilot:
        await pilot.press("space")
    assert [call[1] for call in lab.calls if call[0] == "create"] == [draft]


async def test_request_exit_from_another_thread(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        thread = threading.Thread(target=app.request_exit, args=(143,))
        thread.start()
        thread.join()
        for _ in range(100):
            if app.return_code is not None:
                break
            await pilot.pause()
        assert app.return_code == 143


async def test_screenshot_is_an_svg_of_the_screen(trained: FakeLab, tmp_path: Path) -> None:
    path = tmp_path / "shot.svg"
    await screenshot(trained, (80, 24), path, ["2"], session="shakespeare")  # type: ignore[arg-type]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<svg") and "shakespeare" in text and "gradient" in text


async def test_ascii_screens_hold_ascii_only(shown: Open, trained: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_ASCII", "1")
    async with shown("s") as pilot:
        assert isinstance(pilot.app, LabApp)
        rows = await rows_of(pilot)
        assert all(ord(sign) < 128 for row in rows for sign in row), rows


def test_words_for_numbers() -> None:
    speeds = [rate(v) for v in (0, 950, 309_000, 999_999, 1_234_567, math.nan)]
    assert speeds == ["", "950/s", "309k/s", "1M/s", "1.23M/s", ""]
    times = [duration(v) for v in (25, 723, 12_000, 400_000, math.nan, -1)]
    assert times == ["0:25", "12:03", "3:20:00", "5 days", "", ""]
    assert [number(v) for v in (1.737, 12345.6, math.inf, math.nan)] == ["1.74", "1.235e+04", ">1e304", ""]
    assert phase_words(Status(phase=Phase.LOADING, doing="reading x.txt", progress=0.4)) == "reading x.txt 40 %"
    assert phase_words(Status(phase=Phase.PAUSED, step=0, planned=5)) == "new, not trained"

"""Who gets a key: the pane that is shown, an open field, a dialog. Nothing ever depends on the focus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from rnn_tui.app.actions import ACTIONS, PANES, key_of
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.views import Phase

from .conftest import Open, screen_text, settle, until
from .fakes import FakeLab


def burst(pilot: Pilot[Any], signs: list[str]) -> None:
    """Keys that arrive in one piece, with nothing processed between them."""
    for sign in signs:
        key = key_of(sign)
        pilot.app.post_message(events.Key(key, sign if len(sign) == 1 else None))


@pytest.mark.parametrize("prefix", ["", "alt+"])
async def test_each_pane_by_its_number(shown: Open, lab: FakeLab, prefix: str) -> None:
    async with shown("s") as pilot:
        for pane, (key, name) in PANES.items():
            await pilot.press(prefix + key)
            assert pilot.app.current == pane  # type: ignore[attr-defined]
            await settle(pilot)
            assert f"[{key} {name}]" in screen_text(pilot.app)[1]
            assert pilot.app.focused is None


async def test_numbers_of_panes_to_come_do_nothing(shown: Open) -> None:
    async with shown("s") as pilot:
        await pilot.press("7", "alt+7", "0")
        assert pilot.app.current == "train"  # type: ignore[attr-defined]
        names = screen_text(pilot.app)[1]
        assert "7" not in names


async def test_keys_typed_ahead_reach_the_panes_meant(
    shown: Open, lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`2s3→→a5` in one write: a step in Train, two timesteps in Inspect, then Generate."""
    moved: list[str] = []
    monkeypatch.setattr(InspectPane, "allows", lambda self, action: True)
    monkeypatch.setattr(InspectPane, "do_right", lambda self: moved.append("right"))
    async with shown("s") as pilot:
        await pilot.press("1")
        burst(pilot, ["2", "s", "3", "→", "→", "a", "5"])
        await settle(pilot)
        assert lab.told == ["open", "single_step"]
        assert moved == ["right", "right"]
        assert pilot.app.current == "generate"  # type: ignore[attr-defined]


async def test_a_text_typed_ahead_is_whole(shown: Open, lab: FakeLab) -> None:
    """The field is open for the key right after the one that opens it, and closed right after enter."""
    async with shown("s") as pilot:
        burst(pilot, ["5", "i", *"q 3 zebras", "enter", "2", "s"])
        await settle(pilot)
        app: Any = pilot.app
        assert "q 3 zebras" in str(app.pane("generate").state())
        assert app.current == "train"
        assert lab.told == ["open", "single_step"]


async def test_in_a_field_letters_digits_and_space_are_text(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("5", "i", "2", "space", "q", "z", "tab", "question_mark")
        assert app.current == "generate" and app.here.editing
        assert app.here.field.value.endswith("2 qz?")
        await settle(pilot)
        assert "escape" in screen_text(app)[-1] and "enter" in screen_text(app)[-1]
        await pilot.press("escape")
        assert not app.here.editing
        assert lab.told == ["open"]
        await pilot.press("i", "a", "ctrl+s")
        assert lab.told == ["open", "save"]


async def test_escape_and_a_digit_in_one_piece_leave_a_field(shown: Open) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("5", "i", "a", "b", "alt+3")
        assert app.current == "inspect" and not app.pane("generate").editing
        assert "ab" not in app.pane("generate").state().values()
        await pilot.press("question_mark", "alt+2")
        assert app.current == "train" and app.dialog is None


@pytest.mark.parametrize("digit", "1234567")
def test_no_escape_and_digit_is_a_mac_glyph(digit: str) -> None:
    """The parser gives alt+digit, whether or not another key follows in the same piece."""
    for rest in ("", "s"):
        parser = XTermParser()
        found = [*parser.feed("\x1b" + digit + rest), *parser.feed("")]
        keys = [event.key for event in found if isinstance(event, events.Key)]
        assert keys == [f"alt+{digit}", *rest]


async def test_space_trains_and_pauses_everywhere(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        for _, (key, _) in PANES.items():
            lab.calls.clear()
            await pilot.press(key, "space")
            assert lab.status.phase is Phase.TRAINING, key
            await pilot.press("space")
            assert lab.told == ["train", "pause"], key


async def test_space_twice_ahead_of_the_status_pauses(
    shown: Open, lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While torch loads, the status still says so; the second space takes the first one back."""
    monkeypatch.setattr(lab, "train", lambda **_: lab.calls.append(("train",)))
    monkeypatch.setattr(lab, "pause", lambda: lab.calls.append(("pause",)))
    async with shown("s") as pilot:
        burst(pilot, ["space", "space", "space"])
        await settle(pilot)
        assert lab.told == ["open", "train", "pause", "train"]


async def test_first_launch_space_trains_the_default(shown: Open, lab: FakeLab) -> None:
    async with shown() as pilot:
        app: Any = pilot.app
        assert app.current == "build"
        await pilot.press("space")
        await until(pilot, lambda: lab.told == ["create"])
        assert [call[3] for call in lab.calls if call[0] == "create"] == [True]
        assert app.current == "train"
        await pilot.press("space")
        assert lab.status.phase is Phase.PAUSED


async def test_space_on_another_pane_without_a_session_trains_the_draft(shown: Open, lab: FakeLab) -> None:
    async with shown() as pilot:
        await pilot.press("2", "space")
        await until(pilot, lambda: lab.told == ["create"])
        assert [call[3] for call in lab.calls if call[0] == "create"] == [True]


async def test_leaving_asks_while_it_trains(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("space", "q")
        assert app.dialog is not None
        await settle(pilot)
        assert "save and stop" in screen_text(app)[-1] and "stay" in screen_text(app)[-1]
        await pilot.press("2", "j", "q", "space")
        assert app.dialog is not None and lab.told == ["open", "train"]
        await pilot.press("escape")
        assert app.dialog is None and lab.told == ["open", "train"]
        await pilot.press("ctrl+q", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
    assert lab.told == ["open", "train", "close"]
    assert app.return_code == 0


async def test_leaving_at_rest_saves_without_asking(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("q")
        await pilot.app.workers.wait_for_complete()
    assert lab.calls[-1] == ("close", True)
    assert pilot.app.return_code == 0


async def test_a_failed_save_on_leaving_is_loud(shown: Open, lab: FakeLab) -> None:
    lab.close_error = OSError("disk full")
    async with shown("s") as pilot:
        await pilot.press("q")
        await pilot.app.workers.wait_for_complete()
    assert pilot.app.return_code == 1


async def test_ctrl_c_only_says_so(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("ctrl+c")
        await settle(pilot)
        assert "q leaves" in "\n".join(screen_text(pilot.app))
        assert lab.told == ["open"] and pilot.app.is_running


async def test_help_explains_the_pane_and_closes(shown: Open, trained: FakeLab) -> None:
    async with shown("s", size=(80, 60)) as pilot:
        app: Any = pilot.app
        for pane, (key, _) in PANES.items():
            await pilot.press(key, "question_mark")
            await settle(pilot)
            await settle(pilot)
            assert app.dialog is not None, pane
            await pilot.press("down", "pagedown", "end", "up", "home", "2", "space")
            assert app.current == pane
            await pilot.press("escape")
            assert app.dialog is None and app.current == pane
        assert trained.told == ["open"]


async def test_help_of_every_pane_has_words_and_its_keys(shown: Open, trained: FakeLab) -> None:
    async with shown("s", size=(100, 220)) as pilot:
        app: Any = pilot.app
        for pane, (key, _) in PANES.items():
            await pilot.press(key, "question_mark")
            await settle(pilot)
            await settle(pilot)
            text = " ".join(" ".join(screen_text(app)).split())
            assert "Keys everywhere" in text
            for action in ACTIONS:
                if action.pane == pane:
                    assert action.help in text, action.id
            assert len(app.here.HELP) > 200
            await pilot.press("escape")


async def test_palette_lists_what_is_possible_and_does_it(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("colon")
        await pilot.pause()
        assert len(app.screen_stack) == 2
        # Keys belong to the palette now: none of these is an action.
        await pilot.press(*"save")
        await app.workers.wait_for_complete()
        await pilot.pause(0.2)
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1 and "save" in lab.told)
        assert "single_step" not in lab.told


async def test_palette_quit_is_the_same_quit(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("space", "ctrl+p")
        await pilot.pause()
        await pilot.press(*"leave")
        await app.workers.wait_for_complete()
        await pilot.pause(0.2)
        await pilot.press("enter")
        await until(pilot, lambda: app.dialog is not None)
        assert app.is_running


async def test_a_pasted_text_goes_to_the_open_field_whole(shown: Open) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("3", "i") if app.pane("inspect").allows("text") else await pilot.press("5", "i")
        field = app.here.field
        assert field is not None
        field.begin("")
        app.post_message(events.Paste("one\r\ntwo\nthree"))
        await settle(pilot)
        assert field.value == ("one\ntwo\nthree" if field.lines else "one two three")


async def test_own_keys_replace_the_old_ones(shown: Open, lab: FakeLab, plain_settings: Path) -> None:
    plain_settings.mkdir(parents=True)
    (plain_settings / "settings.toml").write_text('[keymap]\n"train.step" = "n"\n"nothing" = "n"\n')
    async with shown("s") as pilot:
        await settle(pilot)
        assert "'nothing' is no action" in "\n".join(screen_text(pilot.app))
        await pilot.press("2", "s")
        assert lab.told == ["open"]
        await pilot.press("n")
        assert lab.told == ["open", "single_step"]
        # The other panes' own use of the letter is untouched.
        await pilot.press("6", "s")
        assert lab.told == ["open", "single_step"]


async def test_copy_goes_to_a_file_as_well(shown: Open, trained: FakeLab, plain_settings: Path) -> None:
    async with shown("s") as pilot:
        await pilot.press("2", "y")
        text = trained.samples[-1].prompt + trained.samples[-1].text
        assert (plain_settings / "copied.txt").read_text() == text
        assert pilot.app.clipboard == text
        await settle(pilot)
        assert "copied" in "\n".join(screen_text(pilot.app))


def test_importing_the_app_leaves_torch_out() -> None:
    code = "import rnn_tui.app.app, sys; assert not {'torch', 'plotext'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

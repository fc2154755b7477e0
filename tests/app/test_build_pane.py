"""Build, driven by its keys: the form, the diagram, the text, and what the Lab is told."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.build_text import DraftText
from rnn_tui.config import CHOICES, Config, get, put, visible
from rnn_tui.lab import Asked, Lab, LookAtData
from rnn_tui.presets import PRESETS, preset
from rnn_tui.views import Baseline, DataView, Part

from .conftest import Open, screen_text, settle
from .fakes import FakeLab

pytestmark = pytest.mark.asyncio

TEXT = DataView(
    "x.txt", "x.txt", 40_000, 65,
    (Part("train", 0, 36_000), Part("validation", 36_000, 2000), Part("test", 38_000, 2000)),
    (Baseline("uniform", math.log(65)), Baseline("unigram", 3.35), Baseline("bigram", 2.48)),
    ("3 bytes were not UTF-8 and became U+FFFD",), "But soft", "",
)  # fmt: skip


@pytest.fixture
def asked(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """The questions so far; they are answered by the test."""
    questions: list[Asked] = []

    def ask(question: Any) -> Asked:
        made = Asked(question)
        if isinstance(question, LookAtData):
            questions.append(made)
        return made

    monkeypatch.setattr(lab, "ask", ask)
    return questions


def pane(pilot: Any) -> BuildPane:
    found = pilot.app.pane("build")
    assert isinstance(found, BuildPane)
    return found


async def press(pilot: Any, *keys: str) -> str:
    await pilot.press(*keys)
    return await text_of(pilot)


async def text_of(pilot: Any) -> str:
    await settle(pilot)
    return "\n".join(screen_text(pilot.app))


async def until_asked(pilot: Any, asked: list[Asked], count: int = 0) -> Asked:
    for _ in range(10):
        pilot.app.look()
    assert len(asked) == count if count else asked
    return asked[-1]


def lines_with(text: str, words: str) -> list[str]:
    return [line for line in text.splitlines() if words in line]


async def test_the_form_has_every_field_that_does_something(shown: Open) -> None:
    async with shown(size=(160, 60)) as pilot:
        text = await text_of(pilot)
        for c in CHOICES.values():
            assert (f" {c.label} " in text) == visible(c, Config()), c.key
        assert "Preset" in text and "default" in text and "Data" in text and "Training" in text
        pane(pilot).draft.put("model.cell", "rnn")
        pane(pilot)._changed()
        assert "Nonlinearity" in await text_of(pilot) and "Forget bias" not in await text_of(pilot)


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (40, 12), (20, 5)])
async def test_it_is_drawn_at_any_size(shown: Open, asked: list[Asked], size: tuple[int, int]) -> None:
    async with shown(size=size) as pilot:
        (await until_asked(pilot, asked)).finish(TEXT)
        text = await text_of(pilot)
        assert "Preset" in text
        if size[0] >= 40:
            assert "parameters" in text
        if size[0] >= 80:
            assert "(50, 50, 128)" in text and "ln 65 = 4.17" in text and "bigram 2.48" in text


async def test_at_first_it_says_that_nothing_need_be_filled_in(shown: Open, lab: FakeLab, asked: list[Asked]) -> None:
    for size, words in (((80, 24), "space trains this network"), ((40, 12), "space trains"), ((20, 5), "press space")):
        async with shown(size=size) as pilot:
            text = await text_of(pilot)
            assert words in text or size == (20, 5)
            assert "no session yet" in text.splitlines()[0]
            assert "space trains" not in await press(pilot, "down", "down")
    async with shown("s") as pilot:
        assert "space trains this network" not in await press(pilot, "1")


async def test_moving_shows_what_the_field_is(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        pane(pilot)._form.move_to("model.layers")
        text = await press(pilot, "up")
        row = pane(pilot)._form.selected
        assert row is not None
        c = CHOICES[row.key]
        assert c.label == "Cell" and "the recurrent cell" in text and "one of rnn, gru, lstm, feedforward" in text
        assert "makes a new network" in " ".join(text.split())
        assert pane(pilot).copy_text() == "--set model.cell=lstm"
        assert len(lines_with(text, "\u203alstm")) <= 1 and lines_with(text, "\u2039lstm\u203a")


async def test_a_now_field_acts_at_once_and_is_taken_back(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        build = pane(pilot)
        build._form.move_to("training.learning_rate")
        text = await press(pilot, "right")
        assert ("set", "training.learning_rate", 0.0025) in lab.calls
        assert "*now" in lines_with(text, "Learning rate")[0]
        text = await press(pilot, "u")
        assert [call[2] for call in lab.calls if call[0] == "set"] == [0.0025, 0.002]
        assert "*now" not in text


async def test_a_new_net_field_asks_before_it_is_trained(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        build = pane(pilot)
        build._form.move_to("model.layers")
        text = await press(pilot, "right")
        assert "*new net" in lines_with(text, "Layers")[0]
        assert lab.told == ["open"]
        text = await press(pilot, "space")
        assert "Train it as a new session?" in text and lab.told == ["open"]
        await press(pilot, "escape")
        assert lab.told == ["open"]
        await press(pilot, "space", "enter")
        assert lab.told == ["open", "create"]
        assert lab.calls[[c[0] for c in lab.calls].index("create")][1].model.layers == 3
        assert pilot.app.current == "train"  # type: ignore[attr-defined]
        await press(pilot, "1")
        assert not build.draft.needs_new and not build.draft.edited


async def test_an_unchanged_draft_just_trains(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        await press(pilot, "space")
        assert lab.told == ["open", "train"]


async def test_a_field_opens_in_the_row(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        build = pane(pilot)
        build._form.move_to("training.clip_norm")
        text = await press(pilot, "enter")
        assert build.editing and "accept" in text and "restore" in text
        # Letters that are keys elsewhere are typed.
        text = await press(pilot, "ctrl+u", "p", "q", "2", "enter")
        assert lab.told == ["open"] and not build.editing
        assert "is not a number from 0 to" in text and "pq2" in text
        await press(pilot, "enter", "ctrl+u", "1", "full_stop", "5", "enter")
        assert ("set", "training.clip_norm", 1.5) in lab.calls
        text = await press(pilot, "enter", "ctrl+u", "9", "escape")
        assert not build.editing and get(build.draft.config, "training.clip_norm") == 1.5
        assert "is not" not in text


async def test_the_opened_field_stands_over_its_row(shown: Open) -> None:
    async with shown() as pilot:
        build = pane(pilot)
        for key in ("training.seed", "data.split", "model.layers"):
            build._form.move_to(key)
            await press(pilot, "enter")
            at = build._form.region.y + build._form.cursor - build._form.top
            assert build._editor.region.y == at and build._editor.region.height == 1
            assert build._editor.region.right <= build._form.region.right
            await press(pilot, "escape")


async def test_a_switch_is_turned_by_enter(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        pane(pilot)._form.move_to("training.stateful")
        await press(pilot, "enter")
        assert ("set", "training.stateful", False) in lab.calls and not pane(pilot).editing


async def test_what_does_not_fit_together_is_told_below_the_field(shown: Open) -> None:
    async with shown() as pilot:
        build = pane(pilot)
        build._form.move_to("model.embedding_size")
        await press(pilot, "right")
        build._form.move_to("model.tied")
        before = build.draft.config
        text = await press(pilot, "right")
        assert "tied weights need" in text and build.draft.config == before
        assert "tied weights need" not in await press(pilot, "down")


async def test_presets_go_round_and_say_what_they_show(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        for wanted in [*PRESETS[1:], PRESETS[0]]:
            text = await press(pilot, "p")
            assert wanted.name in lines_with(text, "Preset")[0] and "u goes back to s" in " ".join(text.split())
            assert " ".join(wanted.shows.split()[:4]) in text
        assert PRESETS[-1].name in await press(pilot, "P")
        assert lab.told == ["open"]
        await press(pilot, "u")
        assert pane(pilot).draft.config == Config()


async def test_the_text_is_read_once_it_holds_still(shown: Open, asked: list[Asked]) -> None:
    async with shown() as pilot:
        first = await until_asked(pilot, asked, 1)
        assert first.question == LookAtData(Config().data)
        first.progress, first.doing = 0.43, "reading it"
        text = await text_of(pilot)
        assert "reading it 43 %" in text and "(50, 50, V)" in text
        first.finish(TEXT)
        text = await text_of(pilot)
        assert "40,000 characters, 65 symbols" in text and "3 bytes were not UTF-8" in text
        assert "parameters for" in text or "warning" in text
        pane(pilot)._form.move_to("data.path")
        await press(pilot, "right", "right", "right", "right")
        second = await until_asked(pilot, asked, 2)
        assert isinstance(second.question, LookAtData)
        assert second.question.data.path == "builtin:python-source"
        await press(pilot, "left")
        assert second.cancelled and "40,000 characters" in await text_of(pilot)


async def test_a_text_that_can_not_be_read_is_not_trained(shown: Open, lab: FakeLab, asked: list[Asked]) -> None:
    async with shown() as pilot:
        (await until_asked(pilot, asked)).finish(error="x.txt: there is no such file; check the path")
        text = await text_of(pilot)
        assert "there is no such file" in text
        text = await press(pilot, "space")
        assert lab.told == [] and text.count("no such file") == 2
        pane(pilot)._form.move_to("data.path")
        await press(pilot, "enter", "enter")
        assert len(asked) == 2


async def test_escape_stops_reading(shown: Open, asked: list[Asked]) -> None:
    async with shown() as pilot:
        question = await until_asked(pilot, asked)
        text = await press(pilot, "escape")
        assert question.cancelled and "you stopped it" in text
        assert len(asked) == 1


async def test_the_open_sessions_text_is_not_read_again(shown: Open, lab: FakeLab, asked: list[Asked]) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        for _ in range(10):
            pilot.app.look()  # type: ignore[attr-defined]
        assert asked == []
        assert "465,000 characters" in await text_of(pilot)


async def test_a_network_that_has_no_room_is_refused(shown: Open, lab: FakeLab, asked: list[Asked]) -> None:
    config = put(put(put(Config(), "model.hidden_size", 8192), "model.layers", 8), "training.batch_size", 65_536)
    async with shown(draft=config, size=(80, 40)) as pilot:
        (await until_asked(pilot, asked)).finish(TEXT)
        await settle(pilot)
        assert "are free; lower" in " ".join(pane(pilot)._diagram.text.split())
        await press(pilot, "space")
        assert lab.told == []


async def test_a_session_that_could_not_be_built_is_a_draft_again(shown: Open, lab: FakeLab) -> None:
    lab.create = lambda config, name="", **_: lab.calls.append(("create", config))  # type: ignore[method-assign]
    async with shown() as pilot:
        build = pane(pilot)
        await press(pilot, "space")
        assert build.draft.awaiting
        lab.change(fault="the disk is full; make room")
        await text_of(pilot)
        build._follow(lab.status)
        assert not build.draft.awaiting and build.draft.fresh
        # One that is taken back before it was built, too.
        lab.change(fault="")
        lab.pause = lambda: None  # type: ignore[method-assign]
        await press(pilot, "1", "space")
        assert build.draft.awaiting
        await press(pilot, "space")
        assert not build.draft.awaiting and build.draft.fresh
        await press(pilot, "1", "space")
        assert lab.told == ["create"] * 3


async def test_another_session_takes_the_drafts_place_and_its_row(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await pilot.press("1")
        build = pane(pilot)
        await press(pilot, "p")
        lab.change(session="other", config=preset("GRU 2x128").config())
        assert "GRU 2x128" in await text_of(pilot) and not build.draft.needs_new
        build.restore({"row": "model.layers"})
        assert build.state() == {"row": "model.layers"}
        build.restore({"row": 7})
        build.restore({"row": "nothing"})
        assert build.state() == {"row": "model.layers"}


async def test_help_tells_the_values_of_now(shown: Open, asked: list[Asked]) -> None:
    async with shown(draft=preset("three units by hand").config()) as pilot:
        (await until_asked(pilot, asked)).finish(TEXT)
        await settle(pilot)
        values = pane(pilot).help_values()
        V, H = 65, 3
        assert values["Parameters"] == f"{H * V + H * H + 2 * H + V * H + V:,}"
        assert values["First loss"] == f"ln 65 = {math.log(65):.4f} nats"
        assert "--set model.cell=rnn" in pane(pilot).copy_text()


async def test_hostile_text_reaches_the_screen_as_signs(shown: Open, asked: list[Asked]) -> None:
    async with shown() as pilot:
        build = pane(pilot)
        build.draft.put("data.path", "a\x1b[2Jb\u202e[red].txt")
        build._changed()
        (await until_asked(pilot, asked)).finish(error="a\x1b[2Jb[/red]: there is no such file")
        text = await text_of(pilot)
        assert "\x1b" not in text and "\u202e" not in text
        assert "a\u241b[2Jb" in text and "[/red]: there" in text


async def test_the_real_lab_answers(tmp_path: Path) -> None:
    """A file that is missing, and a text that is there, asked of a Lab as the pane does it."""
    lab = Lab(tmp_path / "sessions")
    try:
        text = DraftText()
        (tmp_path / "fine.txt").write_text("to be or not to be\n" * 500)
        for name, told in (("missing.txt", "missing.txt"), ("fine.txt", "")):
            data = put(Config(), "data.path", str(tmp_path / name)).data
            text.want(data)
            text.ask(lab)
            assert text._asked is not None
            text._asked._finished.wait(30)
            assert text.tick(lab)
            assert told in text.trouble and bool(text.trouble) == bool(told)
        assert text.data is not None and text.data.characters == 19 * 500
    finally:
        lab.close()

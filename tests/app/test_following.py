"""A session that another program has: what is seen of it, what asks before it is changed, and taking it over."""

from __future__ import annotations

import math
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from rnn_tui import session
from rnn_tui.app.actions import ACTIONS, PANES
from rnn_tui.app.panes.session_files import Watch
from rnn_tui.app.panes.train_words import progress_bar
from rnn_tui.app.widgets.status import trains, writer_forms
from rnn_tui.lab import LabError
from rnn_tui.session import live
from rnn_tui.views import Phase, Status

from .conftest import Open, screen_text, settle, until
from .fakes import FakeLab
from .test_sessions_pane import done, listed, press, write

HERE = f"process 1234567 on {socket.gethostname()}"


async def look(pilot: Any) -> list[str]:
    """The screen, with the numbers of now."""
    pilot.app.frame._words = ()
    await settle(pilot)
    return screen_text(pilot.app)


async def followed(pilot: Any, lab: FakeLab, **values: Any) -> None:
    """Another program has the open session, and the app has seen that."""
    lab.follow(**values)
    await settle(pilot)


# What is seen


FOLLOWED = {
    160: (
        ("training", "process 4242 on gpu1", "following 1,900 of 5,000  val 1.74  ppl 5.70  309k symbols/s  cpu bf16  "
         "read-only, process 4242 on gpu1"),
    ),
    80: (
        ("training", "process 4242 on gpu1", "following 1,900  val 1.74  ppl 5.70  309k/s  read-only, gpu1"),
        ("training", HERE, "following 1,900  val 1.74  ppl 5.70  read-only, process 1234567"),
        ("paused", "process 4242 on gpu1", "following, paused 1,900  val 1.74  ppl 5.70  read-only, gpu1"),
        ("no answer", "process 4242 on gpu1", "following 1,900  val 1.74  ppl 5.70  no answer  read-only, gpu1"),
    ),
    40: (
        ("training", "process 4242 on gpu1", "following 1,900  read-only"),
        ("paused", "process 4242 on gpu1", "paused 1,900  read-only"),
        ("no answer", "process 4242 on gpu1", "following 1,900  no answer"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("width", FOLLOWED)
async def test_the_status_line_says_that_it_is_followed(shown: Open, lab: FakeLab, width: int) -> None:
    async with shown("shakespeare", size=(width, 12 if width == 40 else 24)) as pilot:
        for phase, who, words in FOLLOWED[width]:
            lab.follow(who, phase)
            line, names = (await look(pilot))[:2]
            assert line == f" shakespeare  {words}"
            if width == 40:
                assert names.endswith("pid 4242 on gpu1"), names


def test_who_it_is_in_few_columns() -> None:
    assert writer_forms(Status(writer=HERE)) == ["process 1234567", "pid 1234567"]
    assert writer_forms(Status(writer="process 7 on gpu1"))[-1] == "gpu1"
    assert writer_forms(Status(writer="a\x1b[2Jb")) == ["a␛[2Jb"]
    assert writer_forms(Status()) == ["another program"]


def test_it_trains_where_its_writer_does() -> None:
    for phase, does in (("training", True), ("validating", True), ("paused", False), ("no answer", False), ("", False)):
        assert trains(Status(phase=Phase.FOLLOWING, writer_phase=phase)) is does
    assert trains(Status(phase=Phase.TRAINING)) and not trains(Status(phase=Phase.PAUSED, writer_phase="training"))


def test_the_bar_has_the_writers_time_left_or_what_it_does() -> None:
    followed = {"phase": Phase.FOLLOWING, "step": 50, "planned": 100, "eta_seconds": 83.0, "stopped_because": "planned"}
    for phase, words in (("training", " 50 %  1:23 left"), ("paused", " 50 %  paused"), ("no answer", "no answer")):
        bar = progress_bar(Status(writer_phase=phase, **followed), 60, True)  # type: ignore[arg-type]
        assert bar[-1][0].endswith(words)


async def test_where_it_is_at_now_stands_beside_the_weights_that_are_read(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.follow(step=1900)
        assert "1,900" in (await look(pilot))[0]
        lab.follow(step=2400)
        text = await look(pilot)
        assert "following 2,400" in text[0] and "48 %" in "\n".join(text)


@pytest.mark.parametrize("width", [80, 40])
async def test_a_failed_save_is_a_badge_that_never_drops(shown: Open, lab: FakeLab, width: int) -> None:
    async with shown("a-session-with-a-rather-long-name", size=(width, 24)) as pilot:
        lab.run_to(1900)
        lab.change(save_failed=True, fault="it was not saved: the disk is full; /data; make room")
        line = (await look(pilot))[0]
        assert re.search(r"  (! )?not saved$", line) and "!" in line, line
        lab.change(save_failed=False, fault="")
        assert "not saved" not in (await look(pilot))[0]


# Who has it now


async def test_a_session_that_is_followed_says_who_has_it_and_the_key(shown: Open, lab: FakeLab) -> None:
    async with shown() as pilot:
        lab.give_session()
        lab.follow()
        lab.change(notice="process 4242 on gpu1, training: it is followed")
        text = "\n".join(await look(pilot))
        assert "read-only: process 4242 on gpu1 trains it; space takes it over" in text
        # Build knows a moment later that its draft is the session's own.
        await until(pilot, lambda: "space take over" in screen_text(pilot.app)[-1])


async def test_a_session_that_somebody_took_says_so(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.run_to(1900)
        await look(pilot)
        lab.follow("process 77 on gpu1")
        text = "\n".join(await look(pilot))
        assert "read-only: process 77 on gpu1 has taken it over; space takes it back" in text


async def test_the_key_bar_leaves_out_what_would_change_it(shown: Open, lab: FakeLab) -> None:
    async with shown("s", size=(160, 24)) as pilot:
        await followed(pilot, lab)
        assert screen_text(pilot.app)[-1].split("  ?")[0] == " space take over  v unit  l log"
        lab.take_over()
        await settle(pilot)
        assert "space pause  s step" in screen_text(pilot.app)[-1]


# What asks


CHANGING = [(action.pane, key) for action in ACTIONS if action.changes for key in action.keys]


def test_every_key_that_changes_the_run_is_known_as_one() -> None:
    keys = {pane: {key for found, key in CHANGING if found == pane} for pane in PANES}
    assert keys["train"] == {
        "s", "b", "R", "u", "plus", "minus", "percent_sign", "less_than_sign", "greater_than_sign",
    }  # fmt: skip
    assert keys["gradients"] == {"percent_sign", "X", "u"}
    assert not keys["inspect"] | keys["generate"] | keys["sessions"] | keys["build"]


async def test_keys_that_would_change_it_ask_to_take_it_over(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await followed(pilot, lab)
        for pane, key in CHANGING:
            await pilot.press(PANES[pane][0], key)
            assert app.dialog is not None, (pane, key)
            assert "Take it over?" in "\n".join(screen_text(app)) and "keep following" in screen_text(app)[-1]
            await pilot.press("escape")
            assert app.dialog is None
        assert lab.told == ["open"]
        await pilot.press("plus") if app.current == "train" else await pilot.press("2", "plus")
        await pilot.press("enter")
        assert lab.told == ["open", "take_over"] and lab.status.phase is Phase.TRAINING


async def test_space_takes_over_what_trains_and_it_trains_on_to_its_own_end(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        for key, _ in PANES.values():
            if key == "1":
                continue
            lab.calls.clear()
            await followed(pilot, lab)
            await pilot.press(key, "space")
            assert "process 4242 on gpu1 trains it" in "\n".join(screen_text(pilot.app)), key
            await pilot.press("enter")
            await settle(pilot)
            assert lab.told == ["take_over"] and lab.status.phase is Phase.TRAINING


async def test_space_takes_over_what_is_paused_and_trains_it(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await followed(pilot, lab, phase="paused")
        await pilot.press("space")
        assert "take over, train" in screen_text(pilot.app)[-1]
        await pilot.press("enter")
        await settle(pilot)
        assert lab.told == ["open", "take_over", "train"]
        await followed(pilot, lab, phase="paused")
        await pilot.press("2", "s", "enter")
        await settle(pilot)
        assert lab.told[3:] == ["take_over"] and lab.status.phase is Phase.PAUSED


async def test_a_writer_that_does_not_answer_is_told_of(
    shown: Open, lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = "process 4242 on gpu1 has s and does not answer; end it there"
    monkeypatch.setattr(lab, "take_over", lambda: lab.change(doing="asking process 4242 on gpu1 for s"))
    async with shown("s") as pilot:
        await followed(pilot, lab, phase="no answer")
        await pilot.press("space")
        assert "has told nothing for a while" in "\n".join(screen_text(pilot.app))
        await pilot.press("enter")
        await settle(pilot)
        lab.change(doing="", fault=fault)
        pilot.app.frame._said = None  # type: ignore[attr-defined]
        assert fault in "\n".join(await look(pilot))
        # It was never ours, so nothing is to be trained when it comes to be.
        lab.change(phase=Phase.PAUSED, fault="")
        await settle(pilot)
        assert "train" not in lab.told


async def test_while_it_is_asked_for_no_second_question_comes(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await followed(pilot, lab)
        lab.change(doing="asking process 4242 on gpu1 for s")
        await pilot.press("space")
        assert app.dialog is None and "asking process 4242" in (await look(pilot))[0]


async def test_saving_is_its_writers_affair(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await followed(pilot, lab)
        await pilot.press("w")
        await settle(pilot)
        assert "process 4242 on gpu1 saves it" in "\n".join(screen_text(pilot.app)) and lab.told == ["open"]


async def test_edits_on_build_wait_until_it_is_taken_over(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        app: Any = pilot.app
        await followed(pilot, lab)
        await pilot.press("1")
        app.here._form.move_to("model.dropout")
        await pilot.press("right")
        await settle(pilot)
        assert "waits here until it is taken over" in "\n".join(screen_text(app)) and lab.told == ["open"]
        await pilot.press("space", "enter")
        await settle(pilot)
        assert lab.told == ["open", "take_over", "set"]
        assert lab.status.config is not None and lab.status.config.model.dropout > 0


async def test_another_network_is_trained_beside_the_one_that_is_followed(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await followed(pilot, lab)
        await pilot.press("1", "p", "space")
        assert "space train" in "\n".join(screen_text(pilot.app)) or pilot.app.dialog is not None  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: "create" in lab.told)
        assert "take_over" not in lab.told


# Leaving


async def test_q_then_k_leaves_it_training(shown: Open, lab: FakeLab, capsys: pytest.CaptureFixture[str]) -> None:
    async with shown("shakespeare") as pilot:
        app: Any = pilot.app
        await pilot.press("space", "q")
        assert "k keep training" in screen_text(app)[-1]
        await pilot.press("k")
        await app.workers.wait_for_complete()
        await pilot.pause()
    assert lab.told == ["open", "train", "hand_on"] and app.return_code == 0
    assert "shakespeare goes on training without a screen: process 4243" in capsys.readouterr().err


async def test_where_it_can_not_be_handed_over_one_stays_or_leaves_with_1(shown: Open, lab: FakeLab) -> None:
    lab.hand_on_error = LabError("no process could be started to go on with it: no memory")
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press("space", "q", "k")
        await app.workers.wait_for_complete()
        await settle(pilot)
        assert app.dialog is not None and "no process could be started" in "\n".join(screen_text(app))
        await pilot.press("escape")
        assert app.is_running and not app.leaving
        await pilot.press("q", "k")
        await app.workers.wait_for_complete()
        await pilot.press("enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
    assert lab.told == ["open", "train", "hand_on", "hand_on", "close"] and app.return_code == 1


async def test_what_does_not_train_yet_can_not_be_left_training(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        lab.train = lambda **_: None  # type: ignore[method-assign]
        await pilot.press("space", "q")
        assert "keep training" not in screen_text(pilot.app)[-1]
        assert "save and stop" in screen_text(pilot.app)[-1]


async def test_who_follows_leaves_at_once(shown: Open, lab: FakeLab) -> None:
    async with shown("s") as pilot:
        await followed(pilot, lab)
        lab.change(fault="s is not the text this was trained on any more")
        await pilot.press("q")
        await pilot.app.workers.wait_for_complete()
    assert lab.told == ["open", "close"] and pilot.app.return_code == 0


async def test_who_leaves_with_a_failed_save_ends_with_1(
    shown: Open, lab: FakeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    async with shown("s") as pilot:
        lab.change(save_failed=True, step=9, saved_step=4)
        await pilot.press("q")
        await pilot.app.workers.wait_for_complete()
    assert pilot.app.return_code == 1 and "s is not saved: step 4 is in its file" in capsys.readouterr().err


# In the list of sessions


def tell(folder: Path, name: str, **values: Any) -> None:
    """As its writer tells it."""
    told = {"pid": 4242, "host": "gpu1", "phase": "training", "time": time.time(), **values}
    live.write_live(session.path_of(folder, name), live.Live(**told))


@pytest.fixture
def elsewhere(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    """`gamma` is trained by another program, which is at step 50; `beta` is not."""
    write(lab.folder, "beta", 3)
    write(lab.folder, "gamma", 7)
    tell(lab.folder, "gamma", step=50, planned=5000, beat=1, train_loss=2.0, val_loss=1.5, tokens_per_second=9000.0)
    held = session.Holder(4242, "gpu1", time.time(), "training")
    monkeypatch.setattr(
        "rnn_tui.session.elsewhere.holder", lambda path: held if session.name_of(path) == "gamma" else None
    )
    monkeypatch.setattr("rnn_tui.session.folder.busy", lambda path: str(held) if "gamma" in path.name else "")
    return lab


async def test_a_session_of_another_program_is_seen_live(shown: Open, elsewhere: FakeLab) -> None:
    async with listed(shown) as pilot:
        pane: Any = pilot.app.here
        pane._list.move_to("gamma")
        text = await press(pilot, "right")
        row = next(line for line in text.splitlines() if " gamma " in line)
        assert "training" in row and " 50 " in row and "ppl 4.48" in row, text
        assert "In use   training, process 4242 on gpu1, 9k symbols/s" in text
        assert " enter follow  t take over" in text.splitlines()[-1]
        read: list[Any] = []
        pane._look = lambda **_: read.append(1)
        tell(elsewhere.folder, "gamma", step=60, planned=5000, beat=2, val_loss=math.nan)
        for _ in range(40):
            pane.tick(elsewhere.status)
        text = await done(pilot)
        assert " 60 " in next(line for line in text.splitlines() if " gamma " in line)


async def test_t_opens_it_and_then_takes_it(shown: Open, elsewhere: FakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listed(shown, "beta") as pilot:
        elsewhere.run_to(3, Phase.PAUSED)
        pane: Any = pilot.app.here

        def opening(name: str) -> None:
            elsewhere.calls.append(("open", name))
            elsewhere.change(phase=Phase.LOADING, doing=f"opening {name}")

        monkeypatch.setattr(elsewhere, "open", opening)
        pane._list.move_to("beta")
        await press(pilot, "t")
        assert elsewhere.told == ["open"], "it is not another program's"
        pane._list.move_to("gamma")
        await press(pilot, "t")
        assert elsewhere.told == ["open", "open"]
        elsewhere.change(session="gamma", doing="")
        elsewhere.follow()
        await settle(pilot)
        assert elsewhere.told == ["open", "open", "take_over"]
        text = "\n".join(await look(pilot))
        assert "read-only" not in text and "to take it over" not in text


async def test_what_could_not_be_opened_is_not_taken_later(
    shown: Open, elsewhere: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed(shown, "beta") as pilot:
        pane: Any = pilot.app.here
        monkeypatch.setattr(elsewhere, "open", lambda name: elsewhere.change(phase=Phase.LOADING))
        pane._list.move_to("gamma")
        await press(pilot, "t")
        elsewhere.change(phase=Phase.PAUSED, fault="that failed")
        await settle(pilot)
        elsewhere.change(session="gamma")
        elsewhere.follow()
        await settle(pilot)
        assert "take_over" not in elsewhere.told


async def test_what_is_followed_is_copied_and_not_named_or_deleted(shown: Open, elsewhere: FakeLab) -> None:
    async with listed(shown, "gamma") as pilot:
        await followed(pilot, elsewhere)
        text = await press(pilot, "e")
        assert "gamma is in use by process 4242 on gpu1; t takes it over" in text
        assert "gamma is open and trains" in await press(pilot, "d")
        await press(pilot, "a", "ctrl+u", *"mine", "enter")
        assert (elsewhere.folder / "mine.safetensors").exists() and "save_as" not in elsewhere.told
        pilot.app.here._list.move_to("gamma")
        await press(pilot, "t")
        assert elsewhere.told[-1] == "take_over"


def test_a_writer_that_stops_telling_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "one")
    with session.Lock(session.path_of(tmp_path, "one"), "training"):
        watch, me = Watch(), session.holder(session.path_of(tmp_path, "one"))
        assert me is not None
        seen = watch.look(tmp_path, ["one"])["one"]
        assert (seen.doing, seen.live) == ("training", None)
        tell(tmp_path, "one", pid=me.pid, host=me.host, beat=1)
        assert watch.look(tmp_path, ["one"])["one"].doing == "training"
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 2 * live.SILENT_AFTER)
        assert watch.look(tmp_path, ["one"])["one"].doing == "no answer"
        tell(tmp_path, "one", pid=me.pid, host=me.host, beat=2)
        assert watch.look(tmp_path, ["one"])["one"].doing == "training"
        tell(tmp_path, "one", pid=me.pid + 1, host=me.host, beat=9)
        assert watch.look(tmp_path, ["one"])["one"].live is None, "told by a program that had it before"
    assert watch.look(tmp_path, ["one"]) == {}

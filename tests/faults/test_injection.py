# ruff: noqa: F811, TID251  (fixtures are imported, and asked for by their names; widgets are tested)
"""Nothing that comes from outside drives the terminal or is read as markup: corpus, model, file names, errors."""

from __future__ import annotations

import ast
import json
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyte
import pytest
import wcwidth
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Input

import rnn_tui
from rnn_tui import session, symbols
from rnn_tui.app.app import LabApp
from rnn_tui.app.dialogs import Help
from rnn_tui.app.settings import Settings
from rnn_tui.app.terminal import Terminal as Cells
from rnn_tui.app.terminal import cells_of
from rnn_tui.app.widgets.canvas import Canvas
from rnn_tui.app.widgets.row import Lines
from rnn_tui.commands import output
from rnn_tui.views import Baseline, DataView, Part, Phase, Sample
from tests.app.conftest import Keyboard, screen_text, settle, until
from tests.app.fakes import FakeLab
from tests.command import REPOSITORY, Command, command  # noqa: F401
from tests.faults.hostile import (
    EVERYTHING,
    NAME,
    PAYLOADS,
    hostile_copy,
    hostile_home,
    leaks,
    walk,
)
from tests.session_builder import small_session
from tests.terminal.terminal import Terminal, Tmux
from tests.terminal.test_app_process import Open, open_terminal  # noqa: F401

PACKAGE = Path(rnn_tui.__file__).parent
ANY = st.text(st.characters(), max_size=30) | st.sampled_from(list(PAYLOADS.values()))
JOINED = st.text("aé日e\u0301👨\u200d👩☺️❤👍🏽🇩🇪कि\u0939\u093f한\u1161☰\x1b\u202e\xad", max_size=14)


@pytest.mark.parametrize("name", [name for name in PAYLOADS if name != "markup"])
def test_the_measure_of_these_tests_sees_every_payload(name: str) -> None:
    assert leaks(b"\x1b[1;1H" + PAYLOADS[name].encode(), copied=True)


def test_the_measure_lets_the_apps_own_sequences_pass() -> None:
    own = b"\x1b[?1049h\x1b[?25l\x1b[12;3H\x1b[0;1;38;5;39ma\x1b[0m\r\n\x1b]52;c;YWJj\x07\x1b[?25h"
    assert leaks(own, copied=True) == [] and leaks(own) != []


@given(ANY)
def test_what_was_cleaned_holds_no_control_and_turns_no_direction(text: str) -> None:
    kept = set(symbols.clean(text))
    assert not kept & set(map(chr, (*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0xFEFF, 0x2028, 0x2029)))
    assert not kept & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert len(symbols.clean(text)) == len(text) and not set(symbols.clean_line(text)) & set("\n\t")


# The last door: what a widget drew raw does not leave the app


@given(st.lists(ANY, min_size=1, max_size=3))
@example(list(PAYLOADS.values()))
def test_no_cell_drives_the_terminal_whatever_a_widget_drew(texts: list[str]) -> None:
    strip = Strip([Segment(text) for text in texts])
    sent = Cells().difference([(0, 0, cells_of(strip))], ColorSystem.TRUECOLOR)
    assert leaks(sent.encode("utf-8"), lines="") == []
    assert len(cells_of(strip)) == strip.cell_length


@given(JOINED)
@example("\u200da\ufe0f☺\ufe0f\u200d👩\u0301")
def test_what_follows_any_text_stands_in_its_column(text: str) -> None:
    """Whatever joins, combines or varies: as wide on a terminal as the layout takes it to be."""
    columns = cell_len(text)
    sent = Cells().difference([(0, 0, cells_of(Strip([Segment(text), Segment("|")])))], ColorSystem.TRUECOLOR)
    screen = pyte.Screen(60, 1)
    pyte.Stream(screen).feed(sent)
    assert [x for x in range(60) if screen.buffer[0][x].data == "|"] == [columns]


def test_every_symbols_sign_is_as_wide_as_terminals_draw_it() -> None:
    wrong = [hex(c) for c in range(0x3400) if wcwidth.wcwidth(symbols.sign(chr(c))) != symbols.width(chr(c))]
    emoji = range(0x1F000, 0x1FB00)
    wrong += [hex(c) for c in emoji if wcwidth.wcwidth(symbols.sign(chr(c))) != symbols.width(chr(c))]
    assert wrong == []


@given(st.lists(st.tuples(st.integers(-4, 24), JOINED), max_size=6))
def test_a_plots_rows_stay_as_wide_as_the_plot(written: list[tuple[int, str]]) -> None:
    canvas = Canvas(20, 1)
    for x, text in written:
        canvas.write(x, 0, text, "label")
    canvas.mend()
    assert cell_len("".join(sign for sign, _ in canvas.rows[0])) == 20


@given(st.text("aé日e\u0301한\u200b", max_size=12))
def test_columns_of_a_commands_table_are_those_of_the_terminal(text: str) -> None:
    assert output.columns(text) == sum(max(wcwidth.wcwidth(sign), 0) for sign in text)


# One door: what the code may use


def modules(below: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PACKAGE / below).rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_the_app_uses_nothing_that_reads_markup() -> None:
    """Markdown shows the help's own words alone; every other widget draws what it is given letter for letter."""
    for name, module in modules("app"):
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets":
                assert name == "app/dialogs.py" and [each.name for each in node.names] == ["Markdown"], name
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("notify", "from_markup", "border_subtitle", "tooltip"), name


def test_commands_write_through_their_doors_alone() -> None:
    allowed = {"commands/output.py", "commands/errors.py", "commands/written.py"}
    for name, module in modules("commands"):
        calls = [node.func for node in ast.walk(module) if isinstance(node, ast.Call)]
        prints = [f for f in calls if isinstance(f, ast.Name) and f.id == "print"]
        assert not prints or name in allowed, name


# Markup


PLACES = 12


async def show_everywhere(texts: list[str], folder: Path) -> None:
    """`PLACES` texts at a time where panes, messages, questions and help show what came from outside."""
    lab: Any = FakeLab(folder)
    app = LabApp(lab, "s")
    async with app.run_test(size=(100, 40)):
        pilot = Keyboard(app)
        app.begin()
        await settle(pilot)
        for k in range(0, len(texts), PLACES):
            (name, fault, notice, title, preview, told, level, prompt, sample, said, asked, about) = texts[
                k : k + PLACES
            ]
            lab.run_to(10 + k, Phase.PAUSED)
            lab.samples = (Sample(k, prompt, sample, 1.9),)
            baselines = (Baseline(level, 4.0),)
            parts = (Part("train", 0, 900), Part("validation", 900, 100))
            lab.data = DataView(title, title, 1000, 10, parts, baselines, (told,), preview, "0" * 64)
            assert lab.curves is not None
            lab.curves = replace(lab.curves, baselines=baselines)
            lab.change(session=name, notice=notice, fault=fault)
            seen = []
            for key in ("1", "2"):
                await pilot.press(key)
                await settle(pilot)
                seen += screen_text(app)
            app.say(said, error=True)
            await settle(pilot)
            seen += screen_text(app)
            app.ask(asked, about, [("enter", asked, lambda: None)])
            await settle(pilot)
            seen += screen_text(app)
            await pilot.press("escape", "question_mark")
            seen += screen_text(app)
            await pilot.press("escape")
            # What is long may be cut; the preview of the data has no room here.
            for text in (name, fault, notice, level, prompt, sample, said, asked, about):
                assert symbols.clean_line(text)[:8] in "\n".join(seen), (text, seen)


def some_brackets(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("[]/@=\\abz019()'\"$:,{}", k=draw.randint(3, 24))) for _ in range(count)]


async def test_brackets_are_shown_letter_for_letter_in_every_pane(tmp_path: Path) -> None:
    known = ["[/foo]", "[@click=app.quit]x[/]", "[link=https://x]y[/link]", "[0-9]+[a-z]*", "[[bold", "[/]", "\\[a\\]"]
    texts = [
        *known,
        *some_brackets(1, 2 * PLACES - len(known) - len(PAYLOADS)),
        *(p.strip() for p in PAYLOADS.values()),
    ]
    await show_everywhere(texts, tmp_path)


def drawn(app: LabApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def test_a_keymap_of_brackets_and_controls_is_listed_as_it_is(tmp_path: Path) -> None:
    chosen = Settings(keymap={"train.step": "[/foo]", "train.log": "\x1b]2;PWNED\x07", "run": "[@click=app.quit]x"})
    lab: Any = FakeLab(tmp_path)
    app = LabApp(lab, "s", chosen=chosen)
    async with app.run_test(size=(100, 40)):
        pilot = Keyboard(app)
        app.begin()
        await settle(pilot)
        await pilot.press("2", "question_mark")
        await settle(pilot)
        assert "[/foo]" in "\n".join(line for line in app.query_one(Help).query_one(Lines).text.splitlines())
        await pilot.press("escape")
        app.action_command_palette()
        await until(pilot, lambda: "Lab: train  ([@click=app.quit]x)" in drawn(app))
        search = app.screen.query_one(Input)
        search.value = "step [/foo]"
        await until(pilot, lambda: "Train: step  ([/foo])" in drawn(app))
        search.value = "log [@click=app.quit]\x1b]2;PWNED"
        await pilot.pause()
        assert app.is_running


async def test_a_path_that_is_no_text_can_be_copied(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\x1b[31m")
    (folder / "sessions").mkdir(parents=True)
    session.save(session.path_of(folder / "sessions", "one"), small_session(), new=True)
    lab: Any = FakeLab(folder / "sessions")
    app = LabApp(lab)
    async with app.run_test(size=(100, 40)):
        pilot = Keyboard(app)
        app.begin()
        await pilot.press("6")
        await until(pilot, lambda: "one" in drawn(app))
        await pilot.press("y")
        assert app.clipboard.endswith("/?\x1b[31m/sessions/one.safetensors")
        assert app.is_running


# Through a real terminal


def test_what_a_session_and_its_folder_hold_does_not_reach_the_terminal(open_terminal: Open, tmp_path: Path) -> None:
    """A model that writes what drives terminals, its notes, its folder, the files around it: in every pane and lens."""
    _, variables = hostile_copy(tmp_path)
    terminal = open_terminal("evil", folder=tmp_path, **variables)
    walk(terminal)
    assert terminal.ended() == 0
    assert leaks(terminal.bytes, copied=True) == []
    # Once at its end, and not because a text said so.
    assert terminal.bytes.count(b"\x1b[?1049l") <= 2 and terminal.bytes.count(b"\x1b[?1049h") == 1


def test_tmux_keeps_its_title_and_its_buffer(tmp_path: Path) -> None:
    _, variables = hostile_copy(tmp_path)
    python = [sys.executable, "-m", "rnn_tui", "evil"]
    tmux = Tmux(python, {**variables, "PYTHONPATH": str(REPOSITORY)})
    try:
        tmux.tell("set-option", "-g", "set-clipboard", "on")
        title = tmux.tell("display-message", "-p", "#{pane_title}")
        tmux.until("opened at step")
        for key, words in (("2", "wrote"), ("6", "Notes"), ("5", "enter lets it write")):
            tmux.send(key)
            tmux.until(words)
        tmux.send("Enter")
        tmux.until("300 of 300 symbols")
        assert tmux.tell("display-message", "-p", "#{pane_title}") == title != "PWNED\n"
        assert "PWNED" not in tmux.tell("list-buffers", "-F", "#{buffer_sample}")
    finally:
        tmux.close()


def test_commands_clean_what_they_write_to_a_terminal(tmp_path: Path) -> None:
    """One process, one terminal, every verb that shows what came from outside."""
    sessions, variables = hostile_copy(tmp_path)
    data = str(next(hostile_home().glob("data*.txt")))
    away = str(tmp_path / f"away{NAME.replace('/', '')}")
    Path(away).mkdir()
    calls = [
        ["generate", "evil", "--length", "1500", "--prompt", EVERYTHING.replace("\x00", "")],
        ["sessions", "list"], ["sessions", "show", "evil"], ["sessions", "show", NAME],
        ["sessions", "export", "evil", "--as", "toml", "--out", away],
        ["sessions", "delete", "evil", "--yes", NAME], ["data", "list"], ["doctor"], ["keys"],
        ["eval", "evil", "--data", away], ["eval", "evil", "--data", data], ["train", "evil", "--steps", "3"],
        ["train", "--new", NAME], ["train", "--new", "n", "--data", f"{away}/missing"],
        ["train", "--new", "n", "--set", f"model.cell={NAME}"], ["train", "--new", "n", "--set", f"{NAME}=1"],
        ["trace", "evil", "--text", EVERYTHING.replace("\x00", "")],
        ["units", "evil", "--match", f"[{NAME}"],
        [NAME], ["generate", "evil", f"--{NAME}"],
    ]  # fmt: skip
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text(
        '[keymap]\n"train.step" = "\\u001b]2;PWNED\\u0007"\n"\\u009b" = "x"\n'
    )
    program = "import json, sys; from rnn_tui.cli import main; print([main(a) for a in json.loads(sys.argv[1])])"
    terminal = Terminal(
        [json.dumps(calls)], {**variables, "PYTHONPATH": str(REPOSITORY)}, program=[sys.executable, "-c", program]
    )
    try:
        assert terminal.ended() == 0
    finally:
        terminal.close()
    codes = json.loads(terminal.bytes.decode().splitlines()[-1])
    assert leaks(terminal.bytes, lines="\r\n\t" + PAYLOADS["nothing"].replace("\ufeff", "")) == []
    assert [code for code in codes if code not in (0, 1, 2)] == [] and codes.count(0) >= 10, codes
    assert "␛]2;PWNED␇" in terminal.bytes.decode() and sessions.is_dir()


def test_a_pipe_is_given_what_was_written_letter_for_letter(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(hostile_home() / "sessions"))
    prompt = "the title \x1b]0;PWNED\x07"
    found = command("generate", "evil", "--prompt", prompt, "--length", "5")
    assert found.code == 0 and found.out.startswith(prompt) and leaks(found.err.encode()) == []

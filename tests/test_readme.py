"""The README keeps its word: its Python runs, its keys and verbs are the program's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_tui.app.actions import ACTIONS, PANES
from tests.command import own_process_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SIGNS = {
    "slash": "/", "comma": ",", "full_stop": ".",
    "up": "↑", "down": "↓", "left": "←", "right": "→", "question_mark": "?", "colon": ":", "less_than_sign": "<",
    "greater_than_sign": ">", "plus": "+", "minus": "-", "left_square_bracket": "[", "right_square_bracket": "]",
    "left_parenthesis": "(", "right_parenthesis": ")", "number_sign": "#",
    "percent_sign": "%", "left_curly_bracket": "{", "right_curly_bracket": "}",
}  # fmt: skip


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = README.split("<!-- python -->\n```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) <= 11
    monkeypatch.chdir(tmp_path)
    with own_process_settings():
        exec(code.replace('"steps": 300', '"steps": 20'), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert 1.0 < float(lines[0]) < 4.0 and lines[1] == "(12, 128)"
    assert (tmp_path / "sessions" / "first.safetensors").is_file()


def test_every_key_of_the_table_is_a_key_of_the_program() -> None:
    table = README.split("## Keys\n")[1].split("\n\n`rnn-lab keys`")[0]
    for name, row in re.findall(r"^\| (\w+) \| (.+) \|$", table, re.MULTILINE)[1:]:
        pane = "" if name == "everywhere" else name.lower()
        assert not pane or pane in PANES
        keys = {SIGNS.get(key, key) for action in ACTIONS if action.pane in (pane, "") for key in action.keys}
        for written in re.findall(r"`([^`]+)`", row):
            for key in written.split():
                assert key in keys, f"{name}: {key}"


def test_the_verbs_of_the_readme_are_the_programs() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rnn_tui", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for verb in set(re.findall(r"^rnn-lab ([a-z]+)", README, re.MULTILINE)):
        assert re.search(rf"^\s+{verb}\b", shown, re.MULTILINE), verb

# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`rnn-lab` as a whole: help, errors, sessions, data, keys, doctor, completion."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_tui import cli, process, session
from rnn_tui.app.actions import ACTIONS
from rnn_tui.session import live
from tests.command import REPOSITORY, Command, command, environment, run, trained  # noqa: F401
from tests.session_builder import small_config, small_session

VERBS = (
    "train", "eval", "generate", "trace", "gradients", "units", "intervene", "sessions", "import", "data", "keys",
    "doctor",
)  # fmt: skip


@pytest.fixture
def shelf(command: Command) -> Command:
    """A folder of two sessions that were not trained here."""
    command.sessions.mkdir()
    for name, step in (("alpha", 3), ("beta", 5)):
        session.save(command.sessions / f"{name}.safetensors", small_session(step, small_config()))
    return command


def test_help_and_version_import_neither_torch_nor_textual(tmp_path: Path) -> None:
    code = (
        "import sys; from rnn_tui.cli import main\n"
        "for args in (['--help'], ['train', '--help'], ['--version'], ['keys']): assert main(args) == 0\n"
        "print([m for m in ('torch', 'textual', 'plotext') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY,
                           env={**os.environ, **environment(tmp_path)})  # fmt: skip
    assert found.stdout.splitlines()[-1] == "[]", found.stderr


def test_help_names_the_verbs_and_the_fields(command: Command) -> None:
    found = command("--help")
    assert found.code == 0 and all(f"  {verb} " in found.out for verb in VERBS) and "--sessions" in found.out
    assert not any(f"  {verb} " in found.out for verb in ("open", "bench", "fetch"))
    assert "sequence_length" in command("train", "--help").out
    assert command("--version").out.startswith("rnn-lab ")


@pytest.mark.parametrize(("args", "words"), [
    (["trian"], ("train",)), (["alpa"], ("no command and no session", "alpha")), (["--nothing"], ("--nothing",)),
    (["a/b"], ("no command",)), (["eval"], ("SESSION", "rnn-lab eval --help")), (["eval", "alpa"], ("alpha",)),
    (["eval", "alpha", "more"], ("more",)), (["sessions", "shwo"], ("show",)), (["sessions", "show", "x y"], ("x y",)),
    (["generate", "\x1b]0;title\x07"], ()), (["sessions", "copy", "alpha", "beta"], ("beta already",)),
    (["sessions", "rename", "alpha", "a b"], ("a b",)), (["sessions", "delete", "alpha"], ("--yes",)),
    (["sessions", "export", "alpha", "--as", "onnx"], ("weights, csv, toml, tensorboard",)),
])  # fmt: skip
def test_wrong_uses_are_one_line_and_exit_2(shelf: Command, args: list[str], words: tuple[str, ...]) -> None:
    found = shelf(*args)
    assert found.code == 2 and found.out == ""
    assert found.err == found.error + "\n" and "\x1b" not in found.err
    assert all(word in found.error for word in words), found.error
    assert sorted(path.name for path in shelf.sessions.glob("[a-z]*")) == ["alpha.safetensors", "beta.safetensors"]


def test_without_a_terminal_the_app_is_refused(shelf: Command) -> None:
    for args in ([], ["alpha"]):
        found = run(args, shelf.folder)
        assert found.code == 2 and "needs a terminal" in found.error


def test_the_folder_may_be_named_anywhere(shelf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNN_LAB_SESSIONS")
    for args in (["--sessions", "sessions", "sessions", "list"], ["sessions", "list", "--sessions=sessions"],
                 ["sessions", "--sessions", "sessions"]):  # fmt: skip
        assert "alpha" in shelf(*args).out
    (shelf.folder / "elsewhere").mkdir()
    assert "alpha" not in shelf("sessions", "--sessions", "elsewhere").out
    assert cli.folder_first(["eval", "--", "--sessions", "x"]) == ["eval", "--", "--sessions", "x"]


def test_list_and_show(shelf: Command) -> None:
    (shelf.sessions / "broken.safetensors").write_bytes(b"no session")
    listed = shelf("sessions", "--json").json
    assert shelf("sessions", "list", "--json").json == listed
    rows = {row["name"]: row for row in listed["sessions"]}
    assert set(rows) == {"alpha", "beta", "broken"} and rows["broken"]["fault"] and not rows["alpha"]["fault"]
    assert all(name in shelf("sessions").out for name in rows)
    shown = shelf("sessions", "show", "BETA", "--json").json
    kept = session.load(shelf.sessions / "beta.safetensors")
    weights = sum(array.size for key, array in kept.tensors.items() if key.startswith("model."))
    expected = {"name": "beta", "task": "language", "cell": "lstm", "parameters": weights, "step": 5, "tokens": 1000,
                "train_loss": 1.25, "val_loss": None, "updated": 1005.0, "notes": kept.notes}  # fmt: skip
    assert {key: shown[key] for key in expected} == expected
    assert shown["config"] == kept.config.model_dump()
    plain = shelf("sessions", "show", "beta").out
    assert "日本" in plain and "hidden_size = 3" in plain
    failed = shelf("sessions", "show", "broken")
    assert failed.code == 1 and "broken" in failed.error


def test_copy_rename_delete(shelf: Command) -> None:
    contents = (shelf.sessions / "alpha.safetensors").read_bytes()
    assert shelf("sessions", "copy", "alpha", "gamma").code == 0
    assert shelf("sessions", "rename", "gamma", "Delta").code == 0
    assert shelf("sessions", "rename", "delta", "delta").code == 0
    assert (shelf.sessions / "delta.safetensors").read_bytes() == contents
    assert shelf("sessions", "delete", "DELTA", "--yes").code == 0
    assert {row["name"] for row in shelf("sessions", "--json").json["sessions"]} == {"alpha", "beta"}
    with session.Lock(shelf.sessions / "alpha.safetensors", "training"):
        found = shelf("sessions", "delete", "alpha", "--yes")
    assert found.code == 1 and "in use" in found.error


def test_a_session_that_is_trained_elsewhere_is_listed_as_it_is_now(shelf: Command) -> None:
    path = shelf.sessions / "alpha.safetensors"
    with session.Lock(path, "training"):
        live.write_live(path, live.now_live(phase="validating", step=77, planned=900, val_loss=1.5))
        line = next(line for line in shelf("sessions", "list").out.splitlines() if line.startswith("alpha"))
        assert "77/900" in line and line.rstrip().endswith(
            f"validating, process {os.getpid()} on {socket.gethostname()}"
        )
        assert shelf("sessions", "show", "alpha", "--json").json["val_loss"] == 1.5
    # What it told last is of no worth once it has let go.
    assert shelf("sessions", "show", "alpha", "--json").json["step"] == 3


def test_export(shelf: Command) -> None:
    kept = session.load(shelf.sessions / "beta.safetensors")
    found = shelf("sessions", "export", "beta", "--as", "csv")
    assert found.code == 0 and found.out == "beta.csv\n"
    lines = (shelf.folder / "beta.csv").read_text().splitlines()
    assert lines[0].startswith("step,") and len(lines) == 1 + 5
    assert shelf("sessions", "export", "beta", "--as", "toml", "--out", "net.toml").code == 0
    from rnn_tui.config import load_toml

    assert load_toml(shelf.folder / "net.toml") == kept.config
    assert shelf("sessions", "export", "beta", "--as", "weights", "--out", ".", "--best").code == 0
    from safetensors.numpy import load_file

    weights = load_file(shelf.folder / "beta.weights.safetensors")
    for name, array in weights.items():
        np.testing.assert_array_equal(array, kept.tensors[f"best.{name}"])
    again = shelf("sessions", "export", "beta", "--as", "csv")
    assert again.code == 1 and "exists" in again.error


def test_data(trained: Command) -> None:
    listed = trained("data", "--json").json
    assert {text["name"] for text in listed["texts"]} >= {"builtin:python-docs", "builtin:sentences"}
    assert all(text["licence"] and text["size"] > 0 and len(text["sha256"]) == 64 for text in listed["texts"])
    assert "builtin:python-docs" in trained("data", "list").out


def test_clearing_the_cache(command: Command) -> None:
    assert command.train("demo", "--steps", "1").code == 0
    assert command("data", "--json").json["cache"]["size"] > 0
    assert command("data", "clear", "--json").json["freed"] > 0
    assert command("data", "--json").json["cache"]["size"] == 0


def test_keys_lists_every_action_and_the_persons_own(command: Command) -> None:
    found = command("keys")
    assert found.code == 0 and all(action.id in found.out for action in ACTIONS)
    (command.folder / "config").mkdir()
    (command.folder / "config" / "settings.toml").write_text('[keymap]\n"train.step" = "n"\n"no.action" = "x"\n')
    found = command("keys", "--json")
    mine = {action["id"]: action["keys"] for action in found.json["actions"]}
    assert mine["train.step"] == ["n"] and "no.action" in found.err


def test_doctor(command: Command) -> None:
    import torch

    found = command("doctor", "--json")
    checks = {check["name"]: check for check in found.json["checks"]}
    assert found.code == 0 and found.json["ok"]
    assert torch.__version__ in checks["torch"]["found"] and checks["torch"]["ok"]
    assert str(command.sessions) in checks["sessions"]["found"]
    assert not checks["terminal"]["ok"] and checks["terminal"]["do"]
    command.text("file", "in the way")
    found = command("doctor", "--sessions", "file/below", "--json")
    assert found.code == 1
    assert "--sessions" in next(check["do"] for check in found.json["checks"] if check["name"] == "sessions")
    assert "\n!  sessions" in command("doctor", "--sessions", "file/below").out


def test_what_nobody_reckoned_with_is_one_line_and_in_the_log(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("the \x1b[31munforeseen\nhappened")

    monkeypatch.setattr("rnn_tui.session.list_sessions", fail)
    found = command("sessions")
    assert found.code == 1 and "unforeseen" in found.error and "\x1b" not in found.err
    assert found.err.count("\n") == 1 and str(command.folder / "state" / "rnn-lab.log") in found.error
    logged = process.log_path().read_text()
    assert "Traceback" in logged and "unforeseen" in logged


def test_the_log_never_fails(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_STATE", str(command.text("file", "in the way") / "below"))
    monkeypatch.setattr("rnn_tui.session.list_sessions", lambda folder: 1 / 0)
    found = command("sessions")
    assert found.code == 1 and "no log could be written" in found.error


def test_the_log_stays_small(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_BYTES", 2000)
    root = logging.getLogger()
    handlers = list(root.handlers)
    try:
        process.start_log()
        for k in range(200):
            logging.getLogger("rnn_tui").warning("line %d", k)
    finally:
        for handler in [h for h in root.handlers if h not in handlers]:
            root.removeHandler(handler)
            handler.close()
        logging.captureWarnings(False)
    files = list((command.folder / "state").iterdir())
    assert len(files) == 2 and all(path.stat().st_size <= 2000 for path in files)


def test_the_shell_completes_verbs_sessions_and_fields(shelf: Command) -> None:
    def complete(*words: str) -> list[str]:
        found = run([], shelf.folder, _RNN_LAB_COMPLETE="complete_bash", COMP_WORDS=" ".join(["rnn-lab", *words]),
                    COMP_CWORD=str(len(words)))  # fmt: skip
        return found.out.split()

    assert complete("al") == ["alpha"]
    assert {"train", "trace"} <= set(complete("tra"))
    assert complete("eval", "b") == ["beta"]
    assert complete("train", "--set", "training.learn") == ["training.learning_rate="]


def test_json_survives_odd_text(shelf: Command) -> None:
    assert json.loads(shelf("sessions", "show", "alpha", "--json").out)["notes"] == "first\nsecond 日本"

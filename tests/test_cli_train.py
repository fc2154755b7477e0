# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`rnn-lab train`: what it trains, what it says, what it refuses."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rnn_tui import session
from tests.command import TEXT, TINY, Command, command, start  # noqa: F401

FIELDS = [
    "session", "steps", "tokens", "train_loss", "val_loss", "val_perplexity", "tokens_per_second", "stopped_because",
]  # fmt: skip


def history(command: Command, name: str) -> dict[str, np.ndarray]:
    found = session.load(command.sessions / f"{name}.safetensors")
    return {key: array for key, array in found.tensors.items() if key.startswith(("history.", "model."))}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def test_a_new_session_is_trained_saved_and_told(command: Command) -> None:
    found = command.train("demo", "--steps", "12", "--json")
    assert found.code == 0, found.err
    told = found.json
    assert list(told) == FIELDS
    assert (told["session"], told["steps"], told["tokens"]) == ("demo", 12, 12 * 4 * 10)
    assert told["stopped_because"] == "steps"
    assert told["val_perplexity"] == pytest.approx(np.exp(told["val_loss"]))
    assert told["tokens_per_second"] > 0
    kept = session.load(command.sessions / "demo.safetensors")
    assert kept.progress["step"] == 12 and kept.progress["train_loss"] == told["train_loss"]
    assert kept.progress["val_loss"] == told["val_loss"] and kept.progress["val_step"] == 12
    assert kept.config.data.path == str(command.folder / "cats.txt")
    # The validation at the end is what eval says of the same file.
    scored = command("eval", "demo", "--json").json
    assert scored["loss"] == pytest.approx(told["val_loss"], abs=1e-6)


def test_the_same_seed_gives_the_same_losses_also_in_two_pieces(command: Command) -> None:
    assert command.train("one", "--steps", "24").code == 0
    assert command.train("two", "--steps", "24").code == 0
    assert same(history(command, "one"), history(command, "two"))
    assert command.train("three", "--steps", "15").code == 0
    assert command("train", "three", "--steps", "9").code == 0
    one, three = history(command, "one"), history(command, "three")
    # Where the call ended in between it was validated once more.
    one, three = ({k: v for k, v in kept.items() if k != "history.val_loss"} for kept in (one, three))
    assert same(one, three)
    assert command.train("other", "--steps", "24", "--set", "training.seed=2").code == 0
    assert not same(history(command, "one"), history(command, "other"))


def test_how_much_more_and_the_planned_length(command: Command) -> None:
    planned = command.train("demo", "--set", "training.steps=6", "--json").json
    assert (planned["steps"], planned["stopped_because"]) == (6, "planned")
    again = command("train", "demo", "--json")
    assert again.code == 0 and again.json["steps"] == 6 and again.json["stopped_because"] == "planned"
    assert again.json["tokens_per_second"] is None
    raised = command("train", "demo", "--set", "training.steps=9", "--json").json
    assert (raised["steps"], raised["stopped_because"]) == (9, "planned")
    epoch = command("train", "demo", "--epochs", "1", "--json").json
    assert epoch["stopped_because"] == "epochs"
    assert epoch["steps"] == 9 + (int(len(TEXT) * 0.9) - 1) // 40
    timed = command("train", "demo", "--minutes", "0.01", "--json").json
    assert timed["stopped_because"] == "minutes" and timed["steps"] > epoch["steps"]


def test_a_change_on_the_way_is_recorded(command: Command) -> None:
    assert command.train("demo", "--steps", "4").code == 0
    toml = command.text("more.toml", "[training]\nclip_norm = 1.5\nbatch_size = 4\n")
    found = command("train", "demo", "--set", "training.learning_rate=0.01", "--config", toml, "--steps", "2")
    assert found.code == 0, found.err
    kept = session.load(command.sessions / "demo.safetensors")
    assert kept.config.training.learning_rate == 0.01 and kept.config.training.clip_norm == 1.5
    changes = {(e["step"], e["field"], e["to"]) for e in kept.progress["events"]}
    assert changes == {(4, "training.learning_rate", 0.01), (4, "training.clip_norm", 1.5)}


def test_toml_then_data_then_set(command: Command) -> None:
    (command.folder / "cats.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    toml = command.text("net.toml", '[model]\ncell = "gru"\nhidden_size = 7\nlayers = 1\nembedding_size = 0\n'
                        '[training]\nbatch_size = 4\nsequence_length = 8\n[data]\npath = "nowhere.txt"\n')  # fmt: skip
    args = ("--config", toml, "--data", "cats.txt.gz", "--set", "model.hidden_size=6", "--steps", "2")
    found = command("train", "--new", "Net.2", *args)
    assert found.code == 0, found.err
    kept = session.load(command.sessions / "Net.2.safetensors")
    assert (kept.config.model.cell, kept.config.model.hidden_size, kept.config.model.layers) == ("gru", 6, 1)
    assert kept.config.data.path == str(command.folder / "cats.txt.gz")


def test_tied_weights_may_be_set_in_any_order(command: Command) -> None:
    found = command.train("demo", "--set", "model.tied=true", "--set", "model.embedding_size=8", "--steps", "1")
    assert found.code == 0, found.err


def test_a_loss_that_is_not_finite_exits_1_with_null(command: Command) -> None:
    found = command.train("wild", "--set", "training.optimizer=sgd", "--set", "training.learning_rate=1e6",
                          "--set", "training.clip_norm=0", "--set", "training.momentum=0.99", "--set",
                          "model.cell=rnn", "--set", "model.nonlinearity=relu", "--steps", "300", "--json")  # fmt: skip
    assert found.code == 1
    assert found.json["stopped_because"] == "non_finite" and found.json["steps"] < 300
    assert "learning rate" in found.error
    kept = session.load(command.sessions / "wild.safetensors")
    assert all(np.isfinite(array).all() for key, array in kept.tensors.items() if key.startswith("model."))


WRONG = {
    "missing": (["--data", "nothere.txt"], ("no such file", "nothere.txt")),
    "empty": (["--data", "empty.txt"], ("empty", "empty.txt")),
    "binary": (["--data", "binary.txt"], ("binary", "binary.txt")),
    "one character": (["--data", "one.txt"], ("one character", "one.txt")),
    "too short": (["--data", "short.txt"], ("training.sequence_length", "short.txt")),
    "a folder": (["--data", "folder"], ("folder", "name a file")),
    "out of range": (["--set", "model.layers=99"], ("model.layers", "99", "from 1 to 8")),
    "no number": (["--set", "training.learning_rate=fast"], ("training.learning_rate", "fast", "a number")),
    "unknown key": (["--set", "training.learnig_rate=1"], ("learnig_rate", "training.learning_rate")),
    "no value": (["--set", "model.layers"], ("--set", "FIELD=VALUE")),
    "a bad split": (["--set", "data.split=90/90"], ("data.split", "90/90")),
    "no config": (["--config", "nothere.toml"], ("nothere.toml",)),
    "bad toml": (["--config", "bad.toml"], ("bad.toml",)),
    "unknown section": (["--config", "section.toml"], ("section.toml", "[model]")),
    "two lengths": (["--steps", "1", "--epochs", "1"], ("--steps --epochs",)),
    "no steps": (["--steps", "0"], ("--steps",)),
    "no epochs": (["--epochs", "nan"], ("--epochs",)),
    "no device": (["--set", f"training.device={'cuda' if torch.backends.mps.is_available() else 'mps'}"],
                  ("training.device", "set it to auto")),
}  # fmt: skip


@pytest.mark.parametrize(("args", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_can_not_be_is_refused_in_one_line(command: Command, args: list[str], words: tuple[str, ...]) -> None:
    (command.folder / "folder").mkdir()
    for name, text in (("empty.txt", ""), ("one.txt", "a"), ("short.txt", "abc"), ("bad.toml", "= ="),
                       ("section.toml", "[modle]\nlayers = 1\n")):  # fmt: skip
        command.text(name, text)
    (command.folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    default = [] if "--data" in args else ["--data", str(command.text())]
    found = command("train", "--new", "demo", *default, *TINY, *args)
    assert found.code == 2, found.err
    assert all(word in found.error for word in words), found.error
    assert not list(command.sessions.glob("*.safetensors"))


@pytest.mark.parametrize("name", ["train", "a/b", "../x", "", ".hidden", "x.previous", "x" * 65, "-x", "ü"])
def test_bad_names_of_new_sessions(command: Command, name: str) -> None:
    found = command("train", f"--new={name}", "--data", command.text(), *TINY)
    assert found.code == 2 and "name" in found.error


def test_names_that_are_taken_and_names_that_are_not_there(command: Command) -> None:
    assert command.train("demo", "--steps", "1").code == 0
    before = (command.sessions / "demo.safetensors").read_bytes()
    taken = command.train("DEMO", "--steps", "1")
    assert taken.code == 2 and "demo already" in taken.error
    for args in (["--set", "model.hidden_size=9"], ["--set", "training.seed=5"], ["--data", "cats.txt"],
                 ["--set", "training.batch_size=60000"], ["--set", "nonsense=1"]):  # fmt: skip
        refused = command("train", "demo", *args)
        assert refused.code == 2, refused.err
        assert args[1].partition("=")[0] in refused.error or "data.path" in refused.error
    assert (command.sessions / "demo.safetensors").read_bytes() == before
    assert command("train", "dmeo").code == 2
    assert "demo" in command("train", "dmeo").error
    assert command("train").code == 2 and command("train", "demo", "--new", "b").code == 2


def test_a_session_that_another_trains_is_not_trained(command: Command) -> None:
    assert command.train("demo", "--steps", "1").code == 0
    with session.Lock(command.sessions / "demo.safetensors", "training"):
        found = command("train", "demo", "--steps", "1")
    assert found.code == 1 and "in use" in found.error


def test_a_text_that_changed_is_told(command: Command) -> None:
    assert command.train("demo", "--steps", "1").code == 0
    command.text(text=TEXT[::-1])
    found = command("train", "demo", "--steps", "1")
    assert found.code == 1 and "is not the text" in found.error


def test_a_folder_that_can_not_be_made(command: Command) -> None:
    command.text("file", "in the way")
    found = command("train", "--sessions", "file", "--new", "demo", "--data", command.text(), *TINY)
    assert found.code == 1 and "--sessions" in found.error


def test_a_signal_saves_and_exits_with_128_and_its_number(command: Command) -> None:
    text = str(command.text())
    started = {
        number: start(["train", "--new", number.name, "--data", text, *TINY, "--set", "training.threads=1",
                       "--steps", "10000000", "--json"], command.folder)
        for number in (signal.SIGINT,)
    }  # fmt: skip
    for number, process in started.items():
        path = command.sessions / f"{number.name}.safetensors"
        while not path.exists():
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 128 + number, err
        told = json.loads(out.splitlines()[-1])
        assert told["stopped_because"] == "interrupted" and told["steps"] >= 1
        assert session.row(path).step == told["steps"] and "error" not in err
        assert session.holder(path) is None
        found = command("train", number.name, "--steps", "3", "--json")
        assert found.json["steps"] == told["steps"] + 3


def test_progress_is_told_on_stderr_and_nothing_else_on_stdout(command: Command) -> None:
    found = command.train("demo", "--steps", "3", "--json")
    assert len(found.out.splitlines()) == 1


def test_the_file_is_what_any_reader_of_safetensors_opens(command: Command, tmp_path: Path) -> None:
    assert command.train("demo", "--steps", "2").code == 0
    with safe_open(command.sessions / "demo.safetensors", "np") as file:
        assert "model.layers.0.weight_ih_l0" in file.keys()  # noqa: SIM118
        assert file.metadata()["format"] == "rnn-lab/1.0"

# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`eval`, `generate`, `trace`: held against PyTorch's own modules, loaded from the same file."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rnn_tui import session
from tests.command import REPOSITORY, TEXT, Command, command, environment, trained  # noqa: F401


class Plain:
    """The session in plain PyTorch: an embedding, two nn.LSTM, a readout."""

    def __init__(self, path: Path, group: str = "model") -> None:
        tensors = load_file(path)
        self.symbols = bytes(tensors["vocabulary"].tolist()).decode()
        mine = {k.removeprefix(f"{group}."): v for k, v in tensors.items() if k.startswith(f"{group}.")}
        self.embedding = mine["embedding.weight"]
        self.layers = []
        for k in range(2):
            own = {n.removeprefix(f"layers.{k}."): v for n, v in mine.items() if n.startswith(f"layers.{k}.")}
            layer = torch.nn.LSTM(own["weight_ih_l0"].shape[1], own["weight_hh_l0"].shape[1])
            layer.load_state_dict(own)
            self.layers.append(layer)
        self.weight, self.bias = mine["output.weight"], mine["output.bias"]

    @torch.no_grad()
    def read(self, text: str) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
        """Tokens, logits, h of each layer, and the last c of each layer."""
        tokens = torch.tensor([self.symbols.index(symbol) for symbol in text])
        x, outputs, cells = self.embedding[tokens], [], []
        for layer in self.layers:
            x, (_, c) = layer(x)
            outputs.append(x)
            cells.append(c[0])
        return tokens, x @ self.weight.T + self.bias, outputs, cells

    def loss(self, text: str) -> float:
        tokens, logits, _, _ = self.read(text)
        return float(torch.nn.functional.cross_entropy(logits[:-1].double(), tokens[1:]))


def arrays_of(path: Path) -> dict[str, Any]:
    """What a .npz holds, read as the archive of plain arrays that it is."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
        }


@pytest.fixture
def path(trained: Command) -> Path:
    return trained.sessions / "demo.safetensors"


@pytest.mark.parametrize("group", ["model", "best"])
def test_trace_is_what_plain_pytorch_computes(trained: Command, path: Path, tmp_path: Path, group: str) -> None:
    text = "the dog sat on the mat."
    best = ["--best"] if group == "best" else []
    found = trained("trace", "demo", "--text", text, "--out", tmp_path / "t.npz", "--json", *best)
    assert found.code == 0, found.err
    tokens, logits, outputs, cells = Plain(path, group).read(text)
    arrays = arrays_of(tmp_path / "t.npz")
    gates = [f"layer{k}.{name}" for k in range(2) for name in ("h", "c", "i", "f", "g", "o")]
    assert set(arrays) == {"tokens", "logits", "loss", *gates}
    assert arrays["tokens"].tolist() == tokens.tolist()
    np.testing.assert_allclose(arrays["logits"], logits, atol=1e-5)
    for k in range(2):
        np.testing.assert_allclose(arrays[f"layer{k}.h"], outputs[k], atol=1e-5)
        np.testing.assert_allclose(arrays[f"layer{k}.c"][-1], cells[k], atol=1e-5)
        i, f, g = (arrays[f"layer{k}.{name}"] for name in "ifg")
        before = np.vstack([np.zeros((1, 8), np.float32), arrays[f"layer{k}.c"][:-1]])
        np.testing.assert_allclose(f * before + i * g, arrays[f"layer{k}.c"], atol=1e-6)
    costs = torch.nn.functional.cross_entropy(logits[:-1], tokens[1:], reduction="none")
    np.testing.assert_allclose(arrays["loss"][:-1], costs, atol=1e-5)
    assert math.isnan(arrays["loss"][-1])
    told = found.json
    assert set(told) == set(arrays) and told["loss"][-1] is None
    np.testing.assert_array_equal(np.array(told["layer1.o"], np.float32), arrays["layer1.o"])
    assert not list(tmp_path.glob(".*"))


def test_trace_as_a_table_tells_unknown_symbols(trained: Command) -> None:
    found = trained("trace", "demo", "--text", "the cat\x1b[2J")
    assert found.code == 0
    rows = found.out.splitlines()
    assert rows[0].split() == ["t", "symbol", "bits", "next", "p"]
    assert len(rows) == 1 + len("the cat") and "\x1b" not in found.out
    assert "4 of the text's symbols" in found.err


@pytest.mark.parametrize(("args", "word"), [
    (["--text", ""], "--text"), (["--text", "ÄÖÜ"], "vocabulary"), ([], "--text"),
    (["--text", "a", "--out", "no/where.npz"], "--out"), (["--text", "a", "--out", "."], "folder"),
])  # fmt: skip
def test_trace_refuses(trained: Command, args: list[str], word: str) -> None:
    found = trained("trace", "demo", *args)
    assert found.code == 2 and word in found.error


def test_eval_is_what_plain_pytorch_computes(trained: Command, path: Path) -> None:
    first = int(len(TEXT) * 0.9)
    second = first + int(len(TEXT) * 0.05)
    parts = {"train": TEXT[:first], "validation": TEXT[first:second], "test": TEXT[second:]}
    for split, text in parts.items():
        found = trained("eval", "demo", "--split", split, "--json").json
        assert list(found) == ["loss", "bits", "perplexity", "tokens", "unknown"]
        assert found["tokens"] == len(text) - 1 and found["unknown"] == 0
        assert found["loss"] == pytest.approx(Plain(path).loss(text), abs=1e-5)
        assert found["bits"] == pytest.approx(found["loss"] / math.log(2))
        assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert trained("eval", "demo", "--json").json == trained("eval", "demo", "--split", "validation", "--json").json
    best = trained("eval", "demo", "--best", "--json").json["loss"]
    assert best == pytest.approx(Plain(path, "best").loss(parts["validation"]), abs=1e-5)


def test_eval_of_another_text_leaves_out_what_it_does_not_know(trained: Command, path: Path) -> None:
    other = trained.folder / "other.txt"
    other.write_bytes(b"\xef\xbb\xbfthe ZEBRA sat\r\non the mat\xff; the dog saw the cat.")
    read = "".join(s for s in "the  sat\non the mat; the dog saw the cat." if s in Plain(path).symbols)
    found = trained("eval", "demo", "--data", other, "--json").json
    assert found["unknown"] == len("ZEBRA\n\ufffd") and found["tokens"] == len(read) - 1
    assert found["loss"] == pytest.approx(Plain(path).loss(read), abs=1e-5)
    again = trained("eval", "demo", "--data", other, "--json").json
    assert again == found


def test_eval_reads_unknown_symbols_as_the_replacement_that_it_learned(command: Command) -> None:
    text = command.text("odd.txt", TEXT + "\ufffd" * 40)
    assert command("train", "--new", "odd", "--data", text, "--set", "model.hidden_size=8", "--set",
                   "model.embedding_size=5", "--set", "training.batch_size=4", "--steps", "1").code == 0  # fmt: skip
    other = command.text("other.txt", "the ZEBRA\ufffd")
    found = command("eval", "odd", "--data", other, "--json").json
    assert (found["unknown"], found["tokens"]) == (6, 9)
    plain = Plain(command.sessions / "odd.safetensors")
    assert found["loss"] == pytest.approx(plain.loss("the " + "\ufffd" * 6), abs=1e-5)


@pytest.mark.parametrize(("args", "word"), [
    (["--data", "nothere.txt"], "nothere.txt"), (["--split", "middle"], "train, validation, test"),
    (["--data", "x", "--split", "test"], "--split"), (["--data", "."], "folder"),
])  # fmt: skip
def test_eval_refuses(trained: Command, args: list[str], word: str) -> None:
    found = trained("eval", "demo", *args)
    assert found.code == 2 and word in found.error


def test_a_session_can_be_read_while_another_trains_it(trained: Command, path: Path) -> None:
    with session.Lock(path, "training"):
        assert trained("eval", "demo").code == 0
        assert trained("generate", "demo", "--length", "5").code == 0
        assert trained("trace", "demo", "--text", "the").code == 0


def test_generate_writes_the_prompt_and_so_many_symbols(trained: Command) -> None:
    found = trained("generate", "demo", "--prompt", "the cat", "--length", "50", "--seed", "3")
    assert found.code == 0, found.err
    assert found.out.startswith("the cat") and found.out.endswith("\n")
    assert len(found.out) == len("the cat") + 50 + 1
    again = trained("generate", "demo", "--prompt", "the cat", "--length", "50", "--seed", "3")
    other = trained("generate", "demo", "--prompt", "the cat", "--length", "50", "--seed", "4")
    assert again.out == found.out != other.out
    assert trained("generate", "demo", "--prompt", "a\nb", "--length", "0").out == "a\nb\n"


def test_generate_coldly_takes_the_likeliest_symbol(trained: Command, path: Path) -> None:
    plain, text = Plain(path), "the "
    for _ in range(20):
        text += plain.symbols[int(plain.read(text)[1][-1].argmax())]
    found = trained("generate", "demo", "--prompt", "the ", "--length", "20", "--temperature", "0")
    assert found.out == text + "\n"
    assert trained("generate", "demo", "--prompt", "the ", "--length", "20", "--top-k", "1").out == text + "\n"


@pytest.mark.parametrize("args", [
    ["--temperature", "-1"], ["--temperature", "nan"], ["--top-p", "0"], ["--top-p", "2"], ["--top-k", "-1"],
    ["--length", "-1"], ["--seed", "-1"], ["--length", "many"],
])  # fmt: skip
def test_generate_refuses(trained: Command, args: list[str]) -> None:
    found = trained("generate", "demo", *args)
    assert found.code == 2 and found.out == "" and found.error


def test_a_reader_that_leaves_ends_it_quietly(trained: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        found = trained("generate", "demo", "--length", "100000000")
    assert found.code == 141 and found.err == ""


def test_on_a_terminal_what_it_writes_is_cleaned(trained: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert trained("generate", "demo", "--prompt", "the \x1b]0;cat\x07", "--length", "3").code == 0
        shown = os.read(master, 1000).decode()
    os.close(master)
    assert shown.startswith("the ␛]0;cat␇") and "\x1b" not in shown


def test_a_session_without_best_weights_says_so(command: Command) -> None:
    assert command.train("young", "--steps", "2").code == 0
    for args in (["eval"], ["generate"], ["trace", "--text", "a"]):
        found = command(args[0], "young", *args[1:], "--best")
        assert found.code == 1 and "--best" in found.error


def test_the_text_that_is_no_longer_there(command: Command) -> None:
    assert command.train("demo", "--steps", "1").code == 0
    (command.folder / "cats.txt").unlink()
    found = command("eval", "demo")
    assert found.code == 1 and "--data" in found.error
    assert command("generate", "demo", "--length", "3").code == 0
    command.text(text=TEXT.replace("cat", "cow"))
    found = command("eval", "demo")
    assert found.code == 1 and "not the text" in found.error


def test_json_is_strict(trained: Command) -> None:
    found = trained("trace", "demo", "--text", "t", "--json")
    assert json.loads(found.out)["loss"] == [None]

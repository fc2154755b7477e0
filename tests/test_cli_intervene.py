# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`intervene`: held against PyTorch's own cells, loaded from the same file, with a number overwritten."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
import typer

from rnn_tui.commands.errors import WrongArguments, explain, tell
from rnn_tui.commands.intervene import intervene, read_hold
from rnn_tui.views import Hold
from tests.command import Command, Outcome, trained  # noqa: F401
from tests.test_cli_reading import Plain

TEXT = "the dog sat on the mat"
KEYS = [
    "holds", "loss_before", "loss_after", "change", "at", "before", "after", "kl", "text_before", "text_after",
]  # fmt: skip


class Verb:
    """The verb called as the command does, in a program of its own."""

    def __init__(self, command: Command, capture: pytest.CaptureFixture[str]) -> None:
        self.sessions, self._capture = command.sessions, capture
        self._program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        self._program.command()(intervene)

    def __call__(self, *args: str) -> Outcome:
        self._capture.readouterr()
        try:
            code = self._program(["demo", *args], standalone_mode=False) or 0
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            tell(known[0])
            code = known[1]
        found = self._capture.readouterr()
        return Outcome(code, found.out, found.err)


@pytest.fixture
def verb(trained: Command, capsys: pytest.CaptureFixture[str]) -> Verb:
    return Verb(trained, capsys)


@torch.no_grad()
def held_by_torch(plain: Plain, text: str, layer: int, unit: int, value: float, first: int) -> torch.Tensor:
    """Logits (T, V) with one h overwritten from a timestep on, by nn.LSTMCell."""
    x = plain.embedding[[plain.symbols.index(symbol) for symbol in text]]
    for k, module in enumerate(plain.layers):
        cell = torch.nn.LSTMCell(module.input_size, module.hidden_size)
        cell.load_state_dict({name[:-3]: value for name, value in module.state_dict().items()})
        state, rows = None, []
        for t, x_t in enumerate(x):
            h, c = cell(x_t.unsqueeze(0), state)
            if k == layer and t >= first:
                h[0, unit] = value
            state = (h, c)
            rows.append(h[0])
        x = torch.stack(rows)
    return x @ plain.weight.T + plain.bias


@pytest.mark.parametrize("group", ["model", "best"])
def test_what_changes_is_what_plain_pytorch_computes(verb: Verb, group: str) -> None:
    path = verb.sessions / "demo.safetensors"
    kept = hashlib.sha256(path.read_bytes()).digest()
    best = ["--best"] if group == "best" else []
    found = verb("--text", TEXT, "--hold", "layer0.h.3=0.9@5-", "--at", "12", "--length", "30", "--json", *best)
    assert found.code == 0, found.err
    told = found.json
    assert list(told) == KEYS
    assert told["holds"] == [{"layer": 0, "name": "h", "unit": 3, "value": 0.9, "first": 5, "last": -1}]
    plain = Plain(path, group)
    tokens, free, _, _ = plain.read(TEXT)
    held = held_by_torch(plain, TEXT, 0, 3, 0.9, 5)
    for key, logits in (("before", free), ("after", held)):
        cost = torch.nn.functional.cross_entropy(logits[:-1].double(), tokens[1:])
        assert told[f"loss_{key}"] == pytest.approx(float(cost), abs=1e-5)
        p = logits[12].double().softmax(0)
        assert [row["p"] for row in told[key]] == pytest.approx(p.topk(5).values.tolist(), abs=1e-6)
        assert [row["symbol"] for row in told[key]] == [plain.symbols[k] for k in p.topk(5).indices]
        assert len(told[f"text_{key}"]) == 30
    assert told["change"] == pytest.approx(told["loss_after"] - told["loss_before"]) and abs(told["change"]) > 1e-5
    p, q = (logits[12].double().softmax(0).numpy() for logits in (free, held))
    assert told["kl"] == pytest.approx(float((p * np.log(p / q)).sum()), rel=1e-3) and told["at"] == 12
    assert hashlib.sha256(path.read_bytes()).digest() == kept


def test_the_text_without_is_what_the_session_writes(trained: Command, verb: Verb) -> None:
    found = verb("--text", TEXT, "--hold", "layer1.f=1", "--length", "40", "--seed", "3", "--json").json
    written = trained("generate", "demo", "--prompt", TEXT, "--length", "40", "--seed", "3").out
    assert written == TEXT + found["text_before"] + "\n"
    assert found["at"] == len(TEXT) - 1
    again = verb("--text", TEXT, "--hold", "layer1.f=1", "--length", "40", "--seed", "3", "--json").json
    assert again == found


def test_a_hold_that_never_comes_changes_nothing(verb: Verb) -> None:
    found = verb("--text", TEXT, "--hold", "layer1.h.3=0@5000", "--json").json
    assert found["change"] == 0 and found["kl"] == 0
    assert found["before"] == found["after"] and found["text_before"] == found["text_after"]
    one = verb("--text", "t", "--hold", "layer1.h=0", "--length", "0", "--json").json
    assert one["change"] is None and one["text_after"] == ""


def test_a_table_for_people(verb: Verb) -> None:
    found = verb("--text", TEXT + "\x1b", "--hold", "layer0.c.2=1", "--hold", "layer1.o=0@3", "--length", "20")
    assert found.code == 0 and "\x1b" not in found.out
    lines = found.out.splitlines()
    assert lines[0] == "held  layer 0 c 2 = +1" and lines[1] == "held  layer 1 o all = +0 at t 3"
    assert any(line.split() == ["without", "p", "with", "p"] for line in lines)
    assert "writes, without:" in lines and "writes, with:" in lines
    assert "1 of the text's symbols" in found.err
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[-1])


@pytest.mark.parametrize(("spec", "hold"), [
    ("layer0.c.17=0.5", Hold(0, "c", 17, 0.5)), ("layer1.f=1", Hold(1, "f", -1, 1.0)),
    ("layer0.h.3=0@12", Hold(0, "h", 3, 0.0, 12, 12)), ("layer0.h.3=-1e-3@12-20", Hold(0, "h", 3, -0.001, 12, 20)),
    ("layer10.n.0=-0.5@7-", Hold(10, "n", 0, -0.5, 7)), ("layer0.h.3=0@0-0", Hold(0, "h", 3, 0.0, 0, 0)),
])  # fmt: skip
def test_what_is_held_is_read(spec: str, hold: Hold) -> None:
    assert read_hold(spec) == hold


@pytest.mark.parametrize(("spec", "word"), [
    ("layer0.c.17", "no ="), ("layer0=1", "does not name"), ("layer0.c.1.2=1", "does not name"),
    ("0.c.1=1", "'0' is no layer"),
    ("layerx.c.1=1", "'layerx' is no layer"), ("layer-1.c.1=1", "'layer-1'"), ("layer0.c.x=1", "'x' is no unit"),
    ("layer0.c.-1=1", "'-1' is no unit"), ("layer0.c.1=", "'' is no number"), ("layer0.c.1=a", "'a' is no number"),
    ("layer0.c.1=0@", "'' is no timestep"), ("layer0.c.1=0@x", "'x' is no timestep"), ("layer0.c.1=0@-3", "'-3' is no"),
    ("layer0.c.1=0@3-x", "'3-x' is no timestep"), ("layer0.c.²=1", "'²' is no unit"), ("=1", "does not name"),
])  # fmt: skip
def test_what_can_not_be_read_names_the_part(spec: str, word: str) -> None:
    with pytest.raises(WrongArguments, match="--hold") as error:
        read_hold(spec)
    assert word in str(error.value)


@pytest.mark.parametrize(("args", "words"), [
    (["--hold", "layer2.h.0=0"], ("no layer 2", "--hold")), (["--hold", "layer0.r.0=0"], ("no r", "--hold")),
    (["--hold", "layer0.h.8=0"], ("no unit 8", "--hold")), (["--hold", "layer0.h.1=nan"], ("nan", "--hold")),
    (["--hold", "layer0.h.1=0@9-3"], ("9 to 3", "--hold")), (["--hold", "layer0.h.1=0", "--at", "22"], ("22", "--at")),
])  # fmt: skip
def test_what_the_session_has_not_is_refused(verb: Verb, args: list[str], words: tuple[str, ...]) -> None:
    found = verb("--text", TEXT, *args)
    assert found.code == 2 and all(word in found.error for word in words)


@pytest.mark.parametrize("text", ["", "ÄÖÜ"])
def test_a_text_of_nothing_is_refused(verb: Verb, text: str) -> None:
    found = verb("--text", text, "--hold", "layer0.h.1=0")
    assert found.code == 2 and "--text" in found.error

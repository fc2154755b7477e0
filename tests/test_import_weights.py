# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`import`: state dicts of plain torch modules, held against what those modules compute themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from rnn_tui import session
from rnn_tui.commands.importing import read_vocabulary
from rnn_tui.lab import Lab
from rnn_tui.session import SessionError
from rnn_tui.session.foreign import in_order_of, read_foreign
from tests.command import Command, command, trained  # noqa: F401

# In the order of a model from elsewhere: not the order of the code points.
SYMBOLS = "tea \nzé"
TEXT = "tea at ze\ntea éé"
KINDS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Model(nn.Module):
    """A language model as people write it."""

    def __init__(
        self, kind: str = "lstm", layers: int = 2, embedding: int = 5, hidden: int = 6, tied: bool = False, **more: Any
    ) -> None:
        super().__init__()
        size = len(SYMBOLS)
        self.encoder = nn.Embedding(size, embedding) if embedding else None
        self.rnn = KINDS[kind](embedding or size, hidden, layers, **more)
        self.decoder = nn.Linear(hidden, size)
        if tied:
            assert self.encoder is not None
            self.decoder.weight = self.encoder.weight
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)

    @torch.no_grad()
    def read(self, text: str) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Logits (T, V), h of each layer (T, H), and for an LSTM c (L, T, H), a timestep at a time."""
        ids = torch.tensor([SYMBOLS.index(symbol) for symbol in text])
        x = self.encoder(ids) if self.encoder else nn.functional.one_hot(ids, len(SYMBOLS)).float()
        state, tops, ends, cells = None, [], [], []
        for row in x:
            top, state = self.rnn(row[None], state)
            h, c = state if isinstance(state, tuple) else (state, None)
            tops.append(top[0])
            ends.append(h)
            cells.append(c)
        hidden = torch.stack(ends, 1)
        return self.decoder(torch.stack(tops)), list(hidden), None if cells[0] is None else torch.stack(cells, 1)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "symbols.json"
    path.write_text(json.dumps(list(SYMBOLS)), encoding="utf-8")
    return path


def check(command: Command, name: str, model: Model, tolerance: float = 1e-5) -> None:
    """`trace` of the session is what the module computes."""
    done = command("trace", name, "--text", TEXT, "--json")
    assert done.code == 0, done.err
    found = {key: np.array(values, float) for key, values in done.json.items()}
    logits, hidden, cells = model.read(TEXT)
    assert found["tokens"].tolist() == [SYMBOLS.index(symbol) for symbol in TEXT]
    np.testing.assert_allclose(found["logits"], logits, atol=tolerance)
    for k, h in enumerate(hidden):
        np.testing.assert_allclose(found[f"layer{k}.h"], h, atol=tolerance)
        if cells is not None:
            np.testing.assert_allclose(found[f"layer{k}.c"], cells[k], atol=tolerance)
    assert f"layer{len(hidden)}.h" not in found


@pytest.mark.parametrize("embedding", [5, 6, 0])
@pytest.mark.parametrize(
    "kind, more", [("lstm", {}), ("gru", {}), ("rnn", {}), ("rnn", {"nonlinearity": "relu"}), ("lstm", {"bias": False})]
)
def test_a_module_from_elsewhere_computes_what_it_did(
    command: Command, words: Path, tmp_path: Path, kind: str, embedding: int, more: dict[str, Any]
) -> None:
    model = Model(kind, embedding=embedding, **more)
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    extra = ("--nonlinearity", "relu") if more.get("nonlinearity") else ()
    done = command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words, *extra, "--json")
    assert done.code == 0, done.err
    assert done.json == {
        "session": "it", "cell": kind, "layers": 2, "hidden_size": 6, "embedding_size": embedding,
        "vocabulary": len(SYMBOLS), "path": str(command.sessions / "it.safetensors"),
        "parameters": sum(p.numel() for p in model.parameters()) + (48 * 2 if "bias" in more else 0),
    }  # fmt: skip
    assert ("taken to be tanh" in done.err) == (kind == "rnn" and not extra)
    assert ("no biases: zeros" in done.err) == ("bias" in more)
    check(command, "it", model)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(command: Command, words: Path, tmp_path: Path, kind: torch.dtype) -> None:
    model = Model().to(kind)
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    done = command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words)
    assert done.code == 0 and "11 tensors were" in done.err and "float32 now" in done.err
    check(command, "it", model.float())


@pytest.mark.parametrize("name", ["lstm.", "model.rnn.", "", "rnns.", "layers."])
def test_stacks_are_found_under_any_name(command: Command, words: Path, tmp_path: Path, name: str) -> None:
    model = Model()
    tensors = {}
    for key, value in model.state_dict().items():
        if key.startswith("rnn."):
            part, _, k = key.removeprefix("rnn.").rpartition("_l")
            # Modules of one layer each, in a list.
            key = f"{name}{k}.{part}_l0" if name in ("rnns.", "layers.") else f"{name}{part}_l{k}"
        tensors[key] = value
    save_file(tensors, tmp_path / "m.safetensors")
    assert command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words).code == 0
    check(command, "it", model)


def test_a_single_cell_is_a_layer(command: Command, words: Path, tmp_path: Path) -> None:
    model = Model(layers=1)
    tensors = {name.replace("_l0", "").replace("rnn.", "cell."): v for name, v in model.state_dict().items()}
    assert set(nn.LSTMCell(5, 6).state_dict()) == {n.removeprefix("cell.") for n in tensors if n.startswith("cell.")}
    save_file(tensors, tmp_path / "m.safetensors")
    assert command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words).code == 0
    check(command, "it", model)


def test_tied_weights(command: Command, words: Path, tmp_path: Path) -> None:
    model = Model(embedding=6, tied=True)
    save_model(model, str(tmp_path / "m.safetensors"))
    done = command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words, "--json")
    assert done.code == 0 and "tied to the embedding" in done.err
    assert done.json["parameters"] == sum(p.numel() for p in model.parameters())
    check(command, "it", model)
    # Without a note in the file that they are shared, it has to be said.
    state = model.state_dict()
    save_file({n: v for n, v in state.items() if n != "decoder.weight"}, tmp_path / "n.safetensors")
    args = ("import", tmp_path / "n.safetensors", "--name", "other", "--vocabulary", words)
    assert "'decoder.bias' has no weight beside it; --output encoder.weight" in command(*args).error
    assert command(*args, "--output", "encoder").code == 0
    check(command, "other", model)


def test_a_bare_module_has_a_readout_of_zeros(command: Command, words: Path, tmp_path: Path) -> None:
    module = nn.GRU(len(SYMBOLS), 4)
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    done = command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words)
    assert done.code == 0 and "no readout in the file: zeros" in done.err
    assert "all symbols are equally likely" in session.load(command.sessions / "it.safetensors").notes
    found = command("trace", "it", "--text", TEXT, "--json").json
    one_hot = nn.functional.one_hot(torch.tensor([SYMBOLS.index(s) for s in TEXT]), len(SYMBOLS)).float()
    with torch.no_grad():
        np.testing.assert_allclose(np.array(found["layer0.h"]), module(one_hot)[0], atol=1e-6)
    assert not np.array(found["logits"]).any()


def test_with_its_text_it_is_scored_and_trains(command: Command, words: Path, tmp_path: Path) -> None:
    model = Model()
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    text = (TEXT * 200)[:3001]
    path = command.text("own.txt", text)
    # The numbers of its symbols are its own, so that both are needed; the rows then move to the text's order.
    args = ("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words, "--data", path, "--json")
    assert command(*args).code == 0
    found = session.load(command.sessions / "it.safetensors")
    assert found.symbols == tuple(sorted(SYMBOLS)) and found.config.data.path == str(path)
    logits, _, _ = model.read(text[2700:2850])
    targets = torch.tensor([SYMBOLS.index(s) for s in text[2701:2850]])
    expected = float(nn.functional.cross_entropy(logits[:-1], targets))
    scored = command("eval", "it", "--json")
    assert scored.json["loss"] == pytest.approx(expected, abs=1e-5) and scored.json["tokens"] == 149
    trained = command("train", "it", "--steps", "2", "--json")
    assert trained.code == 0 and trained.json["steps"] == 2
    assert "not bit for bit" not in trained.err


def test_a_text_alone_gives_the_symbols(command: Command, tmp_path: Path) -> None:
    model = Model()
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    args = ("import", tmp_path / "m.safetensors", "--name", "it", "--data")
    assert command(*args, command.text("own.txt", TEXT)).code == 0
    assert session.load(command.sessions / "it.safetensors").symbols == tuple(sorted(set(TEXT)))
    error = command("import", tmp_path / "m.safetensors", "--name", "x", "--data", command.text("few.txt", "tea")).error
    assert "'encoder.weight' has the shape (7, 5), as its embedding (3, 5) is needed" in error


def test_eval_of_another_text_keeps_the_order_of_the_symbols(command: Command, words: Path, tmp_path: Path) -> None:
    model = Model()
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    assert command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words).code == 0
    own = "No text came with it: name one."
    assert "--data" in command("eval", "it").error, own
    # What is not among its symbols is left out.
    scored = command("eval", "it", "--data", command.text("t.txt", f"X{TEXT}Q"), "--json")
    logits, _, _ = model.read(TEXT)
    targets = torch.tensor([SYMBOLS.index(s) for s in TEXT[1:]])
    assert scored.json["loss"] == pytest.approx(float(nn.functional.cross_entropy(logits[:-1], targets)), abs=1e-5)
    assert scored.json["unknown"] == 2


def test_it_opens_in_the_lab(command: Command, words: Path, tmp_path: Path) -> None:
    save_file(Model().state_dict(), tmp_path / "m.safetensors")
    assert command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words).code == 0
    shown = command("sessions", "show", "it", "--json").json
    assert (shown["step"], shown["cell"], shown["layers"]) == (0, "lstm", 2) and "m.safetensors" in shown["source"]
    with Lab(command.sessions) as lab:
        lab.open("it")
        assert lab.trace("tea").steps == 3
        assert len(lab.write("tea", 7)) in (7, 10)
        assert "came without a text" in lab.status.fault and lab.status.exact
    assert len(command("generate", "it", "--length", "9").out) >= 10


def test_sessions_and_exports_of_the_lab(trained: Command, tmp_path: Path) -> None:
    own = trained.sessions / "demo.safetensors"
    wanted = trained("trace", "demo", "--text", "the cat", "--json").json
    exported = trained("sessions", "export", "demo", "--as", "weights", "--out", tmp_path / "w.safetensors")
    assert exported.code == 0
    for name, file in (("from-own", own), ("from-export", tmp_path / "w.safetensors")):
        done = trained("import", file, "--name", name, "--json")
        assert done.code == 0, done.err
        assert trained("trace", name, "--text", "the cat", "--json").json == wanted
        assert session.load(trained.sessions / f"{name}.safetensors").progress["step"] == 0
    assert trained("eval", "from-own", "--json").json == trained("eval", "demo", "--json").json
    again = trained("import", tmp_path / "w.safetensors", "--name", "with-text", "--data", trained.folder / "cats.txt")
    assert again.code == 0
    assert trained("eval", "with-text", "--json").json == trained("eval", "demo", "--json").json


def changed(**changes: Tensor | None) -> dict[str, Tensor]:
    """A state dict with tensors put in or taken out; `__` stands for a dot."""
    tensors = dict(Model().state_dict())
    for name, value in changes.items():
        name = name.replace("__", ".")
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    return tensors


REFUSED = {
    "backward": (changed(rnn__weight_ih_l0_reverse=torch.zeros(24, 5)), (), "rnn.weight_ih_l0_reverse' reads backward"),
    "projection": (changed(rnn__weight_hr_l0=torch.zeros(3, 6)), (), "'rnn.weight_hr_l0' projects h (proj_size)"),
    "sizes": (changed(rnn__weight_hh_l1=torch.zeros(16, 4)), (), "layers of different sizes"),
    "shape": (changed(rnn__weight_ih_l1=torch.zeros(24, 7)), (), "'rnn.weight_ih_l1' has the shape (24, 7), (24, 6)"),
    "bias": (changed(rnn__bias_hh_l1=torch.zeros(23)), (), "'rnn.bias_hh_l1' has the shape (23,), (24,) is needed"),
    "one bias": (changed(rnn__bias_hh_l1=None), (), "bias_hh of layer 1 is missing beside 'rnn.bias_ih_l1'"),
    "half a layer": (changed(rnn__weight_hh_l1=None), (), "weight_hh of layer 1 is missing"),
    "odd rows": (changed(rnn__weight_hh_l0=torch.zeros(12, 6)), (), "(H, H) for an RNN"),
    "nan": (changed(decoder__bias=torch.full((7,), torch.nan)), (), "'decoder.bias' holds numbers that are not finite"),
    "too large": (changed(decoder__bias=torch.full((7,), 1e300, dtype=torch.float64)), (), "larger than a float32"),
    "layer missing": (
        {n.replace("_l1", "_l2"): v for n, v in changed().items()}, (), "layer 1 is missing beside 'rnn.weight_",
    ),
    "no layer": ({"decoder.weight": torch.zeros(7, 6)}, (), "it holds no recurrent layer"),
    "two stacks": (changed(other__weight_ih_l0=torch.zeros(4, 4)), (), "choose one of 'other.', 'rnn.' with --prefix"),
    "two embeddings": (
        changed(emb__weight=torch.zeros(7, 5)), (), "choose one of 'emb.weight', 'encoder.weight' with --embedding",
    ),
    "two readouts": (changed(fc__weight=torch.zeros(7, 6)), (), "choose one of 'decoder.weight', 'fc.weight' with"),
    "no embedding": (changed(encoder__weight=None), (), "no embedding (7, 5) was found; name it with --embedding"),
    "other readout": (changed(decoder__weight=torch.zeros(9, 6)), (), "'decoder.weight' has the shape (9, 6)"),
    "other bias": (changed(decoder__bias=torch.zeros(8)), (), "'decoder.bias' has the shape (8,), (7,) is needed"),
    "cell": (changed(), ("--cell", "gru"), "its cell is lstm, not gru; leave --cell out"),
    "no such cell": (changed(), ("--cell", "elman"), "choose one of rnn, gru, lstm"),
    "nonlinearity": (changed(), ("--nonlinearity", "relu"), "--nonlinearity is of the plain RNN"),
    "prefix": (changed(), ("--prefix", "gru."), "no recurrent layer stands under 'gru.'"),
    "named": (changed(), ("--output", "head"), "there is no matrix 'head'; --output; choose one of 'decoder.weight'"),
    "name": (changed(), ("--name", "train"), "train is a command"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(command: Command, words: Path, tmp_path: Path, case: str) -> None:
    tensors, args, sentence = REFUSED[case]
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "m.safetensors")
    done = command("import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words, *args)
    assert done.code == 2 and sentence in done.error, done.error
    assert not list(command.sessions.glob("*")) if command.sessions.exists() else True


def test_several_are_chosen_from(command: Command, words: Path, tmp_path: Path) -> None:
    model = Model()
    other = nn.GRU(3, 2)
    more = {f"other.{name}": value for name, value in other.state_dict().items()}
    extra = {"emb.weight": torch.zeros(7, 5), "fc.weight": torch.zeros(7, 6)}
    save_file({**model.state_dict(), **more, **extra}, tmp_path / "m.safetensors")
    done = command(
        "import", tmp_path / "m.safetensors", "--name", "it", "--vocabulary", words, "--prefix", "rnn",
        "--embedding", "encoder", "--output", "decoder.weight",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "not read: " in done.err and "and 3 more" in done.err
    check(command, "it", model)


def test_a_taken_name_a_missing_vocabulary_and_other_files(command: Command, words: Path, tmp_path: Path) -> None:
    save_file(Model().state_dict(), tmp_path / "m.safetensors")
    args = ("import", tmp_path / "m.safetensors", "--name", "it")
    assert "its vocabulary has 7 symbols" in command(*args).error
    assert command(*args, "--vocabulary", words).code == 0
    kept = (command.sessions / "it.safetensors").read_bytes()
    again = command("import", tmp_path / "m.safetensors", "--name", "IT", "--vocabulary", words)
    assert again.code == 2 and "there is a session it already" in again.error
    assert (command.sessions / "it.safetensors").read_bytes() == kept
    torch.save(Model().state_dict(), tmp_path / "m.pt")
    for path, sentence in (
        (tmp_path / "m.pt", "it is not a safetensors file but a zip or torch file"),
        (tmp_path / "none.safetensors", "there is no file"),
        (tmp_path, "it is no plain file"),
        (words, "it is not a safetensors file"),
    ):
        assert sentence in command("import", path, "--name", "new", "--vocabulary", words).error


def test_a_link_leads_to_a_file(command: Command, words: Path, tmp_path: Path) -> None:
    save_file(Model().state_dict(), tmp_path / "m.safetensors")
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "m.safetensors")
    assert command("import", tmp_path / "link.safetensors", "--name", "it", "--vocabulary", words).code == 0


@pytest.mark.parametrize(
    "text, symbols",
    [
        ('["a", "\\n", "b"]', "a\nb"), ('{"a": 2, "b": 0, "c": 1}', "bca"), ('{"1": "a", "0": "b"}', "ba"),
        ("a\n\\n\n \n\\t\n\\\\\n", "a\n \t\\"), ("\\\n[\n]", "\\[]"), ("{\n}\n", "{}"), ("[\n", "["),
        ("a\r\nb\r\n", "ab"), ("\ufeffa\nb", "ab"), ("\\r\n\u2028\n\x85\n", "\r\u2028\x85"),
    ],
)  # fmt: skip
def test_vocabularies(tmp_path: Path, text: str, symbols: str) -> None:
    path = tmp_path / "v"
    path.write_bytes(text.encode("utf-8"))
    assert read_vocabulary(path) == tuple(symbols)


@given(st.lists(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30, unique=True))
def test_any_vocabulary_comes_back(tmp_path_factory: pytest.TempPathFactory, symbols: list[str]) -> None:
    folder = tmp_path_factory.mktemp("v")
    (folder / "v.json").write_text(json.dumps(symbols), encoding="utf-8")
    assert read_vocabulary(folder / "v.json") == tuple(symbols)
    escapes = {"\n": "\\n", "\t": "\\t", "\\": "\\\\", "\r": "\\r"}
    lines = "".join(escapes.get(symbol, symbol) + "\n" for symbol in symbols)
    (folder / "v.txt").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    if len(symbols) > 1 or symbols[0] != "\ufeff":
        assert read_vocabulary(folder / "v.txt") == tuple(symbols)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('["a", "ab"]', "symbol 1 of the vocabulary, 'ab', has 2 characters"), ('["a", "a"]', "stands there twice"),
        ('["a", ""]', "has 0 characters"), ('["\\ud800"]', "half a character"), ('{"a": 1}', "numbers are not 0, 1, 2"),
        ('{"a": 0, "b": 0}', "numbers are not 0, 1, 2"), ("a\n\nb", "line 2 of the vocabulary is empty"), ("", "empty"),
    ],
)  # fmt: skip
def test_vocabularies_that_cant_be(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "v"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SessionError, match=sentence):
        read_vocabulary(path)


def test_another_order_is_the_same_model(tmp_path: Path) -> None:
    for embedding in (5, 0):
        save_file(Model(embedding=embedding).state_dict(), tmp_path / "m.safetensors")
        first = read_foreign(tmp_path / "m.safetensors", SYMBOLS).session
        back = in_order_of(in_order_of(first, sorted(SYMBOLS)), SYMBOLS)
        assert in_order_of(first, sorted(SYMBOLS)).symbols == tuple(sorted(SYMBOLS))
        assert all(np.array_equal(back.tensors[name], first.tensors[name]) for name in first.tensors)
    with pytest.raises(SessionError, match="must be the same"):
        in_order_of(first, "tea \nzx")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    save_file(Model().state_dict(), path)
    return path.read_bytes()


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_breaks(
    tmp_path_factory: Any, whole: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    raw = bytearray(whole)
    length = int.from_bytes(raw[:8], "little") + 8
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw) - 1, length, 9]))]))
    try:
        read_foreign(path, SYMBOLS)
    except SessionError as error:
        assert str(error) and "\n" not in str(error)

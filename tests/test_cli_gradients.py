# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""`gradients`: held against autograd on an unrolled nn.LSTMCell, loaded from the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rnn_tui import session
from tests.command import Command, command, trained  # noqa: F401
from tests.session_builder import small_config, small_session

TEXT = "the dog sat on the mat."


def by_autograd(path: Path, text: str, group: str) -> tuple[float, list[list[float]], list[list[float]]]:
    """Loss, |dL/dh_t| and |dL/dc_t| per layer, of the last symbol of a text."""
    tensors = {name: value.double() for name, value in load_file(path).items() if name.startswith(f"{group}.")}
    symbols = bytes(load_file(path)["vocabulary"].tolist()).decode()
    ids = [symbols.index(symbol) for symbol in text]
    cells = []
    for k in range(2):
        own = {
            name.removeprefix(f"{group}.layers.{k}.").removesuffix("_l0"): value
            for name, value in tensors.items() if name.startswith(f"{group}.layers.{k}.")
        }  # fmt: skip
        cell = torch.nn.LSTMCell(own["weight_ih"].shape[1], 8, dtype=torch.float64)
        cell.load_state_dict(own)
        cells.append(cell)
    states: list[Any] = [None, None]
    kept: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[], []]
    for token in ids[:-1]:
        x = tensors[f"{group}.embedding.weight"][[token]]
        for k, cell in enumerate(cells):
            states[k] = cell(x, states[k])
            for part in states[k]:
                part.retain_grad()
            kept[k].append(states[k])
            x = states[k][0]
    logits = tensors[f"{group}.output.weight"] @ x[0] + tensors[f"{group}.output.bias"]
    loss = -torch.log_softmax(logits, 0)[ids[-1]]
    torch.autograd.backward(loss)

    def norm(state: torch.Tensor) -> float:
        assert state.grad is not None
        return float(state.grad.norm())

    norms, cell_norms = ([[norm(pair[which]) for pair in layer] for layer in kept] for which in (0, 1))
    return float(loss.detach()), norms, cell_norms


@pytest.mark.parametrize("group", ["model", "best"])
def test_it_is_what_autograd_computes(trained: Command, group: str) -> None:
    best = ["--best"] if group == "best" else []
    found = trained("gradients", "demo", "--text", TEXT, "--json", *best)
    assert found.code == 0, found.err
    told = found.json
    loss, norms, cell_norms = by_autograd(trained.sessions / "demo.safetensors", TEXT, group)
    assert told["loss"] == pytest.approx(loss, rel=1e-9)
    assert (told["at"], told["target"], told["cut"], told["overflow"]) == (len(TEXT) - 2, ".", 0, False)
    assert len(told["layers"]) == 2
    for k, layer in enumerate(told["layers"]):
        assert {"norms", "cell_norms", "horizon", "spectral_radius"} <= set(layer)
        assert len(layer["norms"]) == len(TEXT) - 1 and layer["spectral_radius"] is None
        np.testing.assert_allclose(layer["norms"], norms[k], rtol=1e-8)
        np.testing.assert_allclose(layer["cell_norms"], cell_norms[k], rtol=1e-8)
        enough = [norm >= 1e-6 * norms[k][-1] for norm in norms[k][::-1]]
        assert layer["horizon"] == ([*enough, False].index(False) - 1)


def test_the_place_and_the_truncation(trained: Command) -> None:
    shorter = trained("gradients", "demo", "--text", TEXT[:12], "--json").json
    placed = trained("gradients", "demo", "--text", TEXT, "--at", "10", "--json").json
    assert placed == shorter
    cut = trained("gradients", "demo", "--text", TEXT, "--at", "10", "--truncate", "4", "--json").json
    assert (cut["cut"], cut["truncated"]) == (7, 4)
    assert cut["loss"] == pytest.approx(placed["loss"])
    for layer, whole in zip(cut["layers"], placed["layers"], strict=True):
        assert layer["norms"][:7] == [0.0] * 7 == layer["cell_norms"][:7]
        np.testing.assert_allclose(layer["norms"][7:], whole["norms"][7:])
        assert layer["horizon"] <= 3


def test_as_a_table(trained: Command) -> None:
    found = trained("gradients", "demo", "--text", "the cat\x1b[2J", "--truncate", "3")
    assert found.code == 0 and "\x1b" not in found.out and "4 of the text's symbols" in found.err
    lines = found.out.splitlines()
    columns = [word for k in "01" for state in "hc" for word in (f"layer{k}", f"dL/d{state}")]
    assert lines[0].split() == ["t", "symbol", *columns]
    assert lines[1].split() == ["0", "t", "0", "0", "0", "0"]
    assert len(lines[6].split()) == 6 and "e-" in lines[6]
    rest = "\n".join(lines[7:])
    assert "loss " in rest and "exactly 0 before timestep 3" in rest
    assert "layer0 horizon 2 timesteps" in rest and "layer1 horizon" in rest


def plain(folder: Path, name: str, scale: float = 1.0, **model: Any) -> dict[str, np.ndarray]:
    """A session of a cell that was never trained, W_hh scaled."""
    made = small_session(config=small_config(**{"cell": "rnn", "layers": 1, "hidden_size": 24, **model}))
    if "model.layers.0.weight_hh_l0" in made.tensors:
        made.tensors["model.layers.0.weight_hh_l0"] *= np.float32(scale)
    folder.mkdir(parents=True, exist_ok=True)
    path = session.path_of(folder, name)
    with session.Lock(path, "a test"):
        session.save(path, made)
    return made.tensors


def test_a_plain_rnn_tells_the_spectral_radius(command: Command) -> None:
    tensors = plain(command.sessions, "plain", 0.1)
    radius = float(np.abs(np.linalg.eigvals(tensors["model.layers.0.weight_hh_l0"].astype(np.float64))).max())
    (layer,) = command("gradients", "plain", "--text", "aé日😀" * 5, "--json").json["layers"]
    assert layer["cell_norms"] is None and len(layer["norms"]) == 19
    assert layer["spectral_radius"] == pytest.approx(radius, rel=1e-6)
    assert f"spectral radius of W_hh {radius:.3f}" in command("gradients", "plain", "--text", "aé日").out


def test_a_cell_without_memory(command: Command) -> None:
    plain(command.sessions, "none", cell="feedforward")
    (layer,) = command("gradients", "none", "--text", "aé日😀", "--json").json["layers"]
    assert layer["norms"][:2] == [0.0, 0.0] and layer["horizon"] == 0 and layer["spectral_radius"] is None


def test_numbers_beyond_float64_are_null(command: Command) -> None:
    plain(command.sessions, "wild", 1e4, nonlinearity="relu")
    found = command("gradients", "wild", "--text", "aé日😀" * 40, "--json")
    assert found.code == 0 and found.json["overflow"] is True and None in found.json["layers"][0]["norms"]
    shown = command("gradients", "wild", "--text", "aé日😀" * 40)
    assert "inf" in shown.out and "not finite" in shown.out


@pytest.mark.parametrize(("args", "word"), [
    ([], "--text"), (["--text", ""], "two symbols"), (["--text", "t"], "two symbols"),
    (["--text", "ÄÖÜ"], "two symbols"),
    (["--text", "the", "--at", "2"], "0 to 1"), (["--text", "the", "--at", "-2"], "--at"),
    (["--text", "the", "--truncate", "-1"], "--truncate"),
])  # fmt: skip
def test_it_refuses(trained: Command, args: list[str], word: str) -> None:
    found = trained("gradients", "demo", *args)
    assert found.code == 2 and found.out == "" and word in found.error

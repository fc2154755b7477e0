"""The plain functions, held against torch's own modules, autograd and the equations of the books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rnn_tui import microscope, session
from rnn_tui.microscope import Hold
from tests.networks import build, peer
from tests.session_builder import SYMBOLS, small_config, small_session

TEXT = "a é\n日a"
MODULES = [
    lambda: nn.LSTM(3, 4, 2), lambda: nn.LSTM(3, 4, bias=False, batch_first=True), lambda: nn.GRU(3, 4, 2),
    lambda: nn.RNN(3, 4, 2), lambda: nn.RNN(3, 4, nonlinearity="relu"), lambda: nn.LSTM(3, 4, 2, dtype=torch.float64),
]  # fmt: skip


def numbers(T: int = 9, columns: int = 3) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(T, columns)).astype(np.float32)


def walk(module: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """h and c (L, T, H) of a torch module and its outputs (T, H), one timestep at a time."""
    state, tops, ends = None, [], []
    for row in x:
        top, state = module(row[None], state)
        tops.append(top[0])
        ends.append(state if isinstance(state, tuple) else (state, None))
    cells = None if ends[0][1] is None else torch.stack([c for _, c in ends], 1)
    return torch.stack(tops), torch.stack([h for h, _ in ends], 1), cells


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("T", [1, 9])
def test_a_module_is_traced_as_it_computes(make: Any, T: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A long reading is traced in pieces.
    monkeypatch.setattr(microscope, "PIECE", 4)
    module, x = make(), numbers(T)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = microscope.trace(module, x)
    kind = module.weight_ih_l0.dtype
    with torch.no_grad():
        read = torch.as_tensor(x, dtype=kind)
        _, h, c = walk(module, read)
        whole = module(read[None] if module.batch_first else read)[0]
    np.testing.assert_allclose(found[f"layer{module.num_layers - 1}.h"], whole.reshape(T, -1), atol=1e-5)
    for k in range(module.num_layers):
        np.testing.assert_allclose(found[f"layer{k}.h"], h[k], atol=1e-5)
        assert found[f"layer{k}.h"].dtype == (np.float64 if kind == torch.float64 else np.float32)
        if c is not None:
            np.testing.assert_allclose(found[f"layer{k}.c"], c[k], atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "logits" not in found and "loss" not in found


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_gates_are_what_the_equations_say() -> None:
    x = numbers()
    module: Any = nn.LSTM(3, 4)
    p = {name: value.detach().double().numpy() for name, value in module.named_parameters()}
    found = microscope.trace(module, x)
    h = c = np.zeros(4)
    for t in range(len(x)):
        a = p["weight_ih_l0"] @ x[t] + p["bias_ih_l0"] + p["weight_hh_l0"] @ h + p["bias_hh_l0"]
        i, f, g, o = sigmoid(a[:4]), sigmoid(a[4:8]), np.tanh(a[8:12]), sigmoid(a[12:])
        c = f * c + i * g
        h = o * np.tanh(c)
        for name, value in (("i", i), ("f", f), ("g", g), ("o", o), ("c", c), ("h", h)):
            np.testing.assert_allclose(found[f"layer0.{name}"][t], value, atol=1e-5)
    module = nn.GRU(3, 4)
    p = {name: value.detach().double().numpy() for name, value in module.named_parameters()}
    found = microscope.trace(module, x)
    h = np.zeros(4)
    for t in range(len(x)):
        a = p["weight_ih_l0"] @ x[t] + p["bias_ih_l0"]
        u = p["weight_hh_l0"] @ h + p["bias_hh_l0"]
        r, z = sigmoid(a[:4] + u[:4]), sigmoid(a[4:8] + u[4:8])
        n = np.tanh(a[8:] + r * u[8:])
        h = (1 - z) * n + z * h
        for name, value in (("r", r), ("z", z), ("n", n), ("h", h)):
            np.testing.assert_allclose(found[f"layer0.{name}"][t], value, atol=1e-5)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> session.SessionFile:
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(tmp_path))
    made = small_session(config=small_config())
    session.save(tmp_path / "demo.safetensors", made)
    return made


def test_a_session_by_name_by_file_and_as_it_is(saved: session.SessionFile, tmp_path: Path) -> None:
    wanted = microscope.trace(saved, TEXT)
    tokens = [SYMBOLS.index(symbol) for symbol in TEXT]
    assert wanted["tokens"].tolist() == tokens and wanted["logits"].shape == (len(TEXT), len(SYMBOLS))
    network = microscope.opened(saved).network
    opened = microscope.opened(network, symbols=SYMBOLS)
    assert opened.network is not network
    for model in ("demo", tmp_path / "demo.safetensors", str(tmp_path / "demo.safetensors"), opened):
        for key, value in microscope.trace(model, TEXT).items():
            np.testing.assert_array_equal(value, wanted[key])
    np.testing.assert_array_equal(microscope.trace(network, tokens)["logits"], wanted["logits"])
    best = microscope.trace("demo", TEXT, best=True)
    assert not np.allclose(best["logits"], wanted["logits"])
    loss = nn.functional.cross_entropy(torch.as_tensor(wanted["logits"][:-1]), torch.tensor(tokens[1:]))
    assert np.isnan(wanted["loss"][-1]) and wanted["loss"][:-1].mean() == pytest.approx(float(loss), abs=1e-5)


def test_a_state_dict_from_elsewhere(tmp_path: Path) -> None:
    module = nn.LSTM(len(SYMBOLS), 4)
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    model = microscope.opened(tmp_path / "m.safetensors", symbols=SYMBOLS)
    one_hot = np.eye(len(SYMBOLS), dtype=np.float32)[[SYMBOLS.index(symbol) for symbol in TEXT]]
    np.testing.assert_allclose(
        microscope.trace(model, TEXT)["layer0.c"], microscope.trace(module, one_hot)["layer0.c"], atol=1e-6
    )


def unrolled(module: Any, x: Tensor, loss: Any) -> list[Tensor]:
    """dL/dh_t (T, H) of each layer of a stacked module, by autograd over one-layer calls."""
    layers, kind = module.num_layers, type(module)
    state: list[Any] = [None] * layers
    kept: list[list[Tensor]] = [[] for _ in range(layers)]
    for row in x:
        below = row[None]
        for k in range(layers):
            own = {n.replace(f"_l{k}", "_l0"): v for n, v in module.named_parameters() if n.endswith(f"_l{k}")}
            one = kind(below.shape[-1], module.hidden_size, dtype=x.dtype)
            after = torch.func.functional_call(one, own, (below, state[k]))[1]
            h = (after[0] if isinstance(after, tuple) else after).clone()
            h.retain_grad()
            state[k] = (h, after[1]) if isinstance(after, tuple) else h
            kept[k].append(h)
            below = h
    loss(kept[-1][-1][0]).backward()
    return [torch.stack([h.grad[0] for h in column]) for column in kept]


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_gradients_of_a_module_are_autograds(kind: Any) -> None:
    module, x = kind(3, 4, 2, dtype=torch.float64), numbers(12)
    v = np.array([1.0, -2.0, 0.5, 0.0])
    found = microscope.gradients(module, x, direction=v)
    expected = unrolled(module, torch.as_tensor(x, dtype=torch.float64), lambda h: torch.as_tensor(v) @ h)
    for k in range(2):
        np.testing.assert_allclose(found[f"layer{k}.dh"], expected[k], rtol=1e-4, atol=1e-15)
        np.testing.assert_allclose(found[f"layer{k}.norms"], expected[k].norm(dim=1), rtol=1e-4)
    assert found["loss"] == pytest.approx(float(v @ microscope.trace(module, x)["layer1.h"][-1]))
    cut = microscope.gradients(module, x, direction=v, at=7, truncate=3)
    assert len(cut["layer0.norms"]) == 8 and not cut["layer0.norms"][:5].any() and cut["layer0.norms"][5:].all()


def test_gradients_of_a_text() -> None:
    network = build(len(SYMBOLS), double=True)
    model = microscope.opened(network, symbols=SYMBOLS)
    tokens = torch.tensor([SYMBOLS.index(symbol) for symbol in TEXT])
    assert network.embedding is not None

    def loss(h: Tensor) -> Tensor:
        return nn.functional.cross_entropy(network.output(h), tokens[-1])

    found = microscope.gradients(model, TEXT)
    expected = unrolled(peer(network), network.embedding(tokens[:-1]).detach(), loss)
    for k in range(2):
        np.testing.assert_allclose(found[f"layer{k}.dh"], expected[k], rtol=1e-4, atol=1e-15)
    assert found["at"] == len(TEXT) - 2 and found["loss"] == pytest.approx(microscope.trace(model, TEXT)["loss"][-2])
    assert found["layer0.dc"].shape == found["layer0.dh"].shape


def test_the_spectral_radius_is_the_largest_eigenvalue() -> None:
    module = nn.RNN(3, 4)
    found = microscope.gradients(module, numbers(), direction=np.ones(4))
    values = np.linalg.eigvals(module.weight_hh_l0.detach().double().numpy())
    assert found["layer0.spectral_radius"] == pytest.approx(np.abs(values).max(), rel=1e-6)


def test_a_planted_unit_is_found() -> None:
    module = nn.RNN(3, 4)
    x = numbers(400)
    marks = x[:, 1] > 0.3
    with torch.no_grad():
        # Unit 2 sees column 1 and nothing else.
        module.weight_ih_l0[2], module.weight_hh_l0[2] = torch.tensor([0.0, -2.0, 0.0]), 0.0
    found = microscope.units(module, x, grades=marks)
    assert (found["layer"][0], found["unit"][0], found["state"][0], found["sign"][0]) == (0, 2, "h", -1)
    assert found["auc"][0] == pytest.approx(1.0) and len(found["auc"]) == 4 and (np.diff(found["auc"]) <= 0).all()


def test_units_of_a_text(saved: session.SessionFile) -> None:
    text = TEXT * 20
    found = microscope.units(saved, text, match="a")
    h = microscope.trace(saved, text)[f"layer{found['layer'][0]}.{found['state'][0]}"][:, found["unit"][0]]
    marked = np.array([symbol == "a" for symbol in text])
    more, less = h[marked][:, None], h[~marked][None]
    share = (more > less).mean() + (more == less).mean() / 2
    assert found["auc"][0] == pytest.approx(max(share, 1 - share)) and found["sign"][0] == (1 if share >= 0.5 else -1)
    assert len(found["auc"]) == 2 * 2 * 3


def test_holding_at_its_own_value_changes_nothing_and_zeroing_does(saved: session.SessionFile) -> None:
    before = microscope.trace(saved, TEXT)
    own = [Hold(0, "h", 1, float(before["layer0.h"][t, 1]), t, t) for t in range(len(TEXT))]
    found = microscope.intervene(saved, TEXT, own)
    np.testing.assert_allclose(found["p_after"], found["p_before"], atol=1e-6)
    found = microscope.intervene(saved, TEXT, [Hold(1, "h", 0, 0.0)])
    assert not found["after.layer1.h"][:, 0].any() and np.abs(found["p_after"] - found["p_before"]).max() > 1e-3
    assert found["p_after"].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found["before.logits"], before["logits"], atol=1e-6)
    assert found["loss_before"] == pytest.approx(before["loss"][:-1].mean(), abs=1e-5)


def test_holding_in_a_module() -> None:
    module, x = nn.LSTM(3, 4, 2), numbers()
    found = microscope.intervene(module, x, [Hold(0, "f", -1, 1.0)])
    assert (found["after.layer0.f"] == 1).all() and "p_before" not in found
    c = np.cumsum(found["after.layer0.i"] * found["after.layer0.g"], axis=0)
    np.testing.assert_allclose(found["after.layer0.c"], c, atol=1e-5)


@pytest.mark.parametrize("make", MODULES)
def test_the_terms_of_an_equation_add_up(make: Any) -> None:
    module, x = make(), numbers(6)
    traced, layer = microscope.trace(module, x), module.num_layers - 1
    found = microscope.equation(module, x, layer, 2)
    assert found["error"] < 1e-5
    np.testing.assert_allclose(found["h"], traced[f"layer{layer}.h"][:, 2], atol=1e-5)
    gates = [name.partition(".")[0] for name in found if name.endswith(".pre_activation")]
    assert gates
    for gate in gates:
        ends = (".pre_activation", ".sources", ".contributions")
        terms = [value for name, value in found.items() if name.startswith(f"{gate}.") and not name.endswith(ends)]
        np.testing.assert_allclose(sum(terms), found[f"{gate}.pre_activation"], atol=1e-5)
    at = microscope.equation(module, x, layer, 2, t=3)
    assert at["h"].shape == () and at["h"] == found["h"][3]


def test_sources_are_named() -> None:
    network, tokens = build(12, embedding_size=0), [10, 3, 11]
    found = microscope.equation(network, tokens, 0, 1, t=0)
    assert "symbol 10" in found["i.sources"] and found["error"] < 1e-5
    lettered = microscope.opened(network, symbols="abcdefghijkl")
    assert "'k'" in microscope.equation(lettered, "kdl", 0, 1, t=0)["i.sources"]
    assert "x" in microscope.equation(nn.GRU(3, 4), numbers(), 0, 1, t=0)["r.sources"]
    above = microscope.equation(network, tokens, 1, 1, t=1)["f.sources"]
    assert all(name.startswith(("layer 0 h ", "h ")) for name in above)


def test_the_functions_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    code = readme.split("<!-- microscope -->\n```python\n")[1].split("```")[0]
    exec(code, {})  # noqa: S102
    assert capsys.readouterr().out.startswith("(50, 8)\n[")


def test_what_cant_be_is_said(saved: session.SessionFile) -> None:
    network = build(6)
    for call, sentence in (
        (lambda: microscope.trace(nn.LSTM(3, 4, bidirectional=True), numbers()), "two directions"),
        (lambda: microscope.trace(nn.LSTM(3, 4, proj_size=2), numbers()), "proj_size"),
        (lambda: microscope.trace(nn.LSTM(3, 4), numbers(4, 5)), r"reads numbers \(T, 3\)"),
        (lambda: microscope.trace(nn.LSTM(3, 4), numbers(0)), "nothing to read"),
        (lambda: microscope.trace(nn.LSTM(3, 4), "text"), "no symbols are known"),
        (lambda: microscope.trace(network, "text"), "no symbols are known"),
        (lambda: microscope.trace(network, [0, 6]), "numbered from 0 to 5"),
        (lambda: microscope.trace(network, numbers()), "whole numbers"),
        (lambda: microscope.opened(network, symbols="ab"), "2 symbols were named, the network has 6"),
        (lambda: microscope.trace(saved, "ax"), "'x' is not among its 6 symbols"),
        (lambda: microscope.trace(saved, ""), "nothing to read"),
        (lambda: microscope.trace(nn.Linear(2, 2), numbers()), "a Linear can't be looked into"),  # type: ignore[arg-type]
        (lambda: microscope.gradients(nn.GRU(3, 4), numbers()), "give direction="),
        (lambda: microscope.gradients(nn.GRU(3, 4), numbers(), direction=[1.0]), "is needed"),
        (lambda: microscope.units(saved, TEXT), "give one of match="),
        (lambda: microscope.units(nn.GRU(3, 4), numbers(), match="a"), "give grades="),
        (lambda: microscope.equation(saved, TEXT, 0, 0, t=99), "there is no timestep 99"),
        (lambda: microscope.equation(saved, TEXT, 7, 0), "there is no layer 7"),
        (lambda: microscope.intervene(saved, TEXT, [Hold(5, "h", 0, 0.0)]), "layer 5"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    with pytest.raises(session.SessionError, match="there is no session nobody"):
        microscope.trace("nobody", "a")

"""Gradients asked of frozen weights, as the answering thread works them off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnn_tui import session
from rnn_tui.data.coding import Coding
from rnn_tui.data.vocabulary import Vocabulary
from rnn_tui.inspection.gradients import flow
from rnn_tui.inspection.trace import trace
from rnn_tui.lab.answers.desk import Desk, Frozen, Held, Sources
from rnn_tui.lab.answers.gradients import compare, follow_gradient
from rnn_tui.lab.asking import Asked, Cancelled, LabError
from rnn_tui.lab.questions import Compare, FollowGradient
from rnn_tui.model.network import Network, load_weights
from rnn_tui.session import SessionFile
from rnn_tui.views import Comparison, GradientFlow, Hold
from tests.session_builder import SYMBOLS, small_config, small_session

TEXT = "aé日😀 a\n" * 6


def network_of(file: SessionFile) -> Network:
    network = Network(file.config.model, len(file.symbols))
    own = {name.removeprefix("model."): array for name, array in file.tensors.items() if name.startswith("model.")}
    load_weights(network, {name: torch.from_numpy(array) for name, array in own.items()})
    return network.eval().requires_grad_(False)


def asking(folder: Path, text: str = TEXT, holds: tuple[Hold, ...] = (), **model: Any) -> tuple[Sources, int, Frozen]:
    """What an answer draws on, with one reading on the desk, and its number."""
    network, vocabulary = network_of(small_session(config=small_config(**model))), Vocabulary(SYMBOLS)
    frozen, desk = Frozen(network, small_config(**model), Coding(SYMBOLS), None, "train", 1240, 9), Desk()
    number = desk.put(Held(frozen, trace(network, vocabulary.encode(text)[0]), holds))

    def never(*_: Any) -> Any:
        raise AssertionError("the reading's own weights are at hand")

    return Sources(desk, never, never, folder), number, frozen


def whole(answer: Any, asked: Asked) -> Any:
    pieces = 0
    while True:
        try:
            next(answer)
            pieces += 1
        except StopIteration as finished:
            assert pieces
            return finished.value


def put(folder: Path, name: str, step: int, symbols: tuple[str, ...] = SYMBOLS, **model: Any) -> SessionFile:
    folder.mkdir(exist_ok=True)
    made = small_session(step, small_config(**model), symbols)
    made.progress["updated"] = float(step)
    path = session.path_of(folder, name)
    with session.Lock(path, "a test"):
        session.save(path, made)
    return made


def test_the_gradient_of_a_reading(tmp_path: Path) -> None:
    sources, number, frozen = asking(tmp_path)
    question = FollowGradient(number, at=20, truncate=9)
    found = whole(follow_gradient(question, Asked(question), sources), Asked(question))
    assert isinstance(found, GradientFlow) and (found.number, found.step, found.at, found.cut) == (number, 1240, 20, 12)
    true = flow(frozen.network, sources.desk.get(number).traced.tokens, SYMBOLS, at=20, truncate=9)
    np.testing.assert_array_equal(found.layers[0].norms, true.layers[0].norms)


def test_what_is_refused(tmp_path: Path) -> None:
    kinds: list[tuple[Any, Any]] = [(FollowGradient, follow_gradient), (Compare, compare)]
    for kind, answer in kinds:
        sources, number, _ = asking(tmp_path, holds=(Hold(0, "h", 1, 0.0),))
        with pytest.raises(LabError, match="release them"):
            whole(answer(kind(number), Asked(None), sources), Asked(None))
        sources, number, _ = asking(tmp_path, text="a")
        with pytest.raises(LabError, match="one symbol"):
            whole(answer(kind(number), Asked(None), sources), Asked(None))
        with pytest.raises(LabError, match="read it again"):
            whole(answer(kind(77), Asked(None), sources), Asked(None))


def test_it_can_be_taken_back(tmp_path: Path) -> None:
    sources, number, _ = asking(tmp_path)
    asked = Asked(None)
    answer = follow_gradient(FollowGradient(number), asked, sources)
    next(answer)
    asked.cancel()
    with pytest.raises(Cancelled):
        next(answer)


def test_fresh_networks_of_the_readings_size(tmp_path: Path) -> None:
    sources, number, _ = asking(tmp_path, cell="feedforward")
    found = whole(compare(Compare(number, at=12), Asked(None), sources), Asked(None))
    assert isinstance(found, Comparison) and (found.number, found.at, found.missing) == (number, 12, ())
    assert [one.title for one in found.networks] == ["RNN 2x3, fresh", "GRU 2x3, fresh", "LSTM 2x3, fresh"]
    assert all(len(one.norms) == 13 for one in found.networks)


def test_trained_networks_are_the_newest_of_equal_size_and_symbols(tmp_path: Path) -> None:
    sources, number, frozen = asking(tmp_path)
    put(tmp_path, "old-gru", 5, cell="gru")
    newest = put(tmp_path, "gru", 1600, cell="gru", embedding_size=0)
    put(tmp_path, "wide-gru", 1700, cell="gru", hidden_size=4)
    put(tmp_path, "other-gru", 1800, symbols=tuple("abcdef"), cell="gru")
    put(tmp_path, "other-rnn", 1900, symbols=tuple("abcdef"), cell="rnn")
    put(tmp_path, "another-lstm", 2000)
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    found = whole(compare(Compare(number, trained=True), Asked(None), sources), Asked(None))
    assert [one.title for one in found.networks] == ["LSTM 2x3, this session, step 1,240", "GRU 2x3, gru, step 1,600"]
    assert found.missing == ("no trained RNN 2x3 with these symbols here; Build makes one",)
    assert all(one.trained for one in found.networks)
    tokens = sources.desk.get(number).traced.tokens
    for one, network in zip(found.networks, (frozen.network, network_of(newest)), strict=True):
        true = flow(network, tokens, SYMBOLS)
        np.testing.assert_array_equal(one.norms, true.layers[-1].norms)
        assert one.loss == true.loss and one.horizon == true.layers[-1].horizon

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.inspection import corpus
from rnn_tui.inspection.corpus import StateError, finish, read_states, stretch, text_of
from rnn_tui.inspection.marks import MarkError, marked
from rnn_tui.inspection.units import auc, rank, ranking
from rnn_tui.model.network import Network
from tests import networks


def concordance_of_pairs(values: np.ndarray, grades: np.ndarray) -> float:
    """The definition, over all pairs of places with different grades: lower 0, equal a half, higher 1."""
    higher = grades[:, None] > grades[None]
    difference = np.sign(values[:, None].astype(np.float64) - values[None].astype(np.float64))
    return float(((difference[higher] + 1) / 2).mean())


@st.composite
def columns(draw: st.DrawFn, grades: int) -> tuple[np.ndarray, np.ndarray]:
    length = draw(st.integers(2, 40))
    one_value = st.one_of(st.sampled_from([0.0, -0.0, 0.5, -0.5]), st.floats(-3, 3, width=32))
    values = draw(st.lists(one_value, min_size=length, max_size=length))
    grade = st.integers(0, grades - 1)
    marks = draw(st.lists(grade, min_size=length, max_size=length).filter(lambda found: len(set(found)) > 1))
    return np.array(values, np.float32), np.array(marks, np.float32)


@given(columns(2))
def test_auc_counts_pairs(column: tuple[np.ndarray, np.ndarray]) -> None:
    share, sign = auc(*column)
    expected = concordance_of_pairs(*column)
    assert share == pytest.approx(max(expected, 1 - expected), abs=1e-12)
    assert sign == (1 if expected >= 0.5 else -1)


@given(columns(5))
def test_grades_count_pairs_of_different_grades(column: tuple[np.ndarray, np.ndarray]) -> None:
    expected = concordance_of_pairs(*column)
    assert auc(*column)[0] == pytest.approx(max(expected, 1 - expected), abs=1e-12)


def test_many_grades_become_twelve_levels_of_neighbours() -> None:
    draw = np.random.default_rng(3)
    grades = draw.integers(0, 80, 400).astype(np.float32)
    values = (grades + draw.normal(size=400) * 30).astype(np.float32)
    cuts = np.unique([np.sort(grades)[int(k / 12 * 399)] for k in range(1, 12)])
    expected = concordance_of_pairs(values, np.searchsorted(cuts, grades, side="right"))
    assert auc(values, grades)[0] == pytest.approx(expected, abs=1e-12)
    assert auc(grades * 2, grades) == (1.0, 1)
    mostly_none = np.where(np.arange(400) < 390, 0, np.arange(400)).astype(np.float32)
    assert auc(-mostly_none, mostly_none) == (1.0, -1)


@pytest.mark.parametrize(("grade", "word"), [(0.0, "no symbol"), (1.0, "every symbol")])
def test_nothing_to_tell_apart(grade: float, word: str) -> None:
    with pytest.raises(MarkError, match=word):
        auc(np.zeros(3, np.float32), np.full(3, grade, np.float32))


def plain_states(network: Network, ids: np.ndarray) -> dict[tuple[int, str], np.ndarray]:
    """Every state by torch.nn alone: layers one by one over the whole text; c by one call a timestep."""
    found: dict[tuple[int, str], np.ndarray] = {}
    x = network.embed(torch.as_tensor(ids, dtype=torch.int64)[:, None])
    for k, layer in enumerate(network.layers):
        h, cells, state = [], [], None
        with torch.no_grad():
            for x_t in x:
                out, state = layer(x_t[None], state)
                h.append(out[0])
                if isinstance(state, tuple):
                    cells.append(state[1][0, 0].numpy())
            found[k, "h"] = layer(x)[0][:, 0].numpy()
        assert np.abs(torch.cat(h).numpy() - found[k, "h"]).max() < 1e-6
        if cells:
            found[k, "c"] = np.stack(cells)
        x = torch.as_tensor(found[k, "h"])[:, None]
    return found


@pytest.mark.parametrize("cell", networks.RECURRENT)
def test_states_read_in_pieces_are_those_of_torch(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.build(cell=cell, hidden_size=9).eval().requires_grad_(False)
    ids = networks.tokens(300).numpy().astype(np.uint8)
    expected = plain_states(network, ids)
    monkeypatch.setattr(corpus, "LONGEST_PIECE", 64)
    pieces = list(read_states(network, ids, list(expected)))
    assert [p.first for p in pieces] == list(range(0, 300, 64)) and pieces[-1].end == 300
    for key, values in expected.items():
        read = np.concatenate([p.values[key] for p in pieces])
        assert read.dtype == np.float32 and np.abs(read - values).max() < 1e-6, key


def test_layers_that_nobody_wants_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.build(layers=3).eval()
    monkeypatch.setattr(network.layers[1], "forward", None)
    (piece,) = read_states(network, networks.tokens(20).numpy(), [(0, "c")])
    assert list(piece.values) == [(0, "c")]


def test_states_that_are_no_numbers_are_told() -> None:
    network = networks.build(cell="rnn", nonlinearity="relu").requires_grad_(False)
    network.layers[1].weight_hh_l0.fill_(1e30)
    with pytest.raises(StateError, match="not finite after 200 symbols"):
        rank(network, networks.tokens(200).numpy(), np.arange(200, dtype=np.float32))


@pytest.mark.parametrize("cell", networks.CELL_NAMES)
def test_every_unit_of_every_layer_is_ranked_however_little_is_held(cell: str) -> None:
    network = networks.build(cell=cell).eval().requires_grad_(False)
    ids = networks.tokens(300).numpy()
    grades = (ids < 4).astype(np.float32)
    ranked = rank(network, ids, grades)
    states = ("h", "c") if cell == "lstm" else ("h",)
    assert sorted((u.layer, u.state, u.unit) for u in ranked) == sorted(
        (k, s, u) for k in range(2) for s in states for u in range(7)
    )
    assert [u.auc for u in ranked] == sorted((u.auc for u in ranked), reverse=True)
    for little in (1, 4 * 300 * 3, 4 * 300 * 10):
        assert finish(ranking(network, ids, grades, held=little)) == ranked
    if cell != "feedforward":
        expected = plain_states(network, ids)
        for unit in ranked:
            share = concordance_of_pairs(expected[unit.layer, unit.state][:, unit.unit], grades)
            # Values that lie closer than the two computations agree may change places.
            assert (share if unit.sign > 0 else 1 - share) == pytest.approx(unit.auc, abs=1e-4)


SYMBOLS = "\nabcdefgh ()"


def text_with_brackets(length: int) -> str:
    draw = np.random.default_rng(5)
    words: list[str] = []
    while sum(len(word) for word in words) < length:
        word = "".join(draw.choice(list("abcdefgh "), draw.integers(1, 9)))
        words.append(f"({word})" if draw.random() < 0.4 else word + "\n")
    return "".join(words)[:length]


def plant(network: Network, layer: int, unit: int) -> None:
    """Makes one unit of an LSTM's layer 0 remember whether a bracket is open: '(' sets its c, ')' clears it."""
    hidden = network.model.hidden_size
    i, f, g, o = (gate * hidden + unit for gate in range(4))
    weights: Any = network.layers[layer]
    opens, closes = SYMBOLS.index("("), SYMBOLS.index(")")
    for row in (i, f, g, o):
        weights.weight_hh_l0[row] = 0.0
        weights.weight_ih_l0[row] = 0.0
        weights.bias_ih_l0[row] = 20.0
        weights.bias_hh_l0[row] = 0.0
    # i is closed but at '('; f is open but at the brackets; g is always 1.
    weights.bias_ih_l0[i] = -20.0
    weights.weight_ih_l0[i, opens] = 40.0
    weights.weight_ih_l0[f, opens] = -40.0
    weights.weight_ih_l0[f, closes] = -40.0


def test_a_planted_unit_is_found_first() -> None:
    network = networks.build(len(SYMBOLS), embedding_size=0, hidden_size=20).eval().requires_grad_(False)
    plant(network, 0, 13)
    text = text_with_brackets(3000)
    ids = np.array([SYMBOLS.index(s) for s in text], np.uint8)
    by_mark = rank(network, ids, marked(text, mark="brackets"))
    assert (by_mark[0].layer, by_mark[0].unit) == (0, 13) and by_mark[0].auc > 0.999
    by_pattern = rank(network, ids, marked(text, pattern=r"\([^)]*"))
    assert (by_pattern[0].layer, by_pattern[0].unit) == (0, 13) and by_pattern[0].auc > 0.999
    # Layer 1 reads the planted unit and may know it too; its own layer does not.
    assert max(u.auc for u in by_mark if u.layer == 0 and u.unit != 13) < 0.95


def test_what_is_searched_is_the_end_of_the_training_part() -> None:
    parts = {"train": np.arange(100, dtype=np.uint8), "validation": np.arange(100, 150, dtype=np.uint8)}
    end = stretch(parts, 30)
    assert end.ids.tolist() == list(range(70, 100)) and end.source == "training part, last 30 symbols"
    assert end.place(0) == ("train", 70) and end.place(29) == ("train", 99)
    both = stretch(parts, 130)
    assert both.ids.tolist() == list(range(130)) and both.source == "training and validation parts, 130 symbols"
    assert both.place(99) == ("train", 99) and both.place(100) == ("validation", 0)
    assert stretch(parts, 100).source == "training part, all 100 symbols"
    assert len(stretch(parts, 10**6).ids) == 150
    with pytest.raises(StateError, match="not at hand"):
        stretch({}, 10)


def test_ids_become_a_text_of_one_symbol_each() -> None:
    symbols = ("\n", "a", "é", "日", "😀", "\ud800")
    assert text_of(np.array([4, 1, 0, 3, 5], np.uint16), symbols) == "😀a\n日\ud800"

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.inspection import corpus
from rnn_tui.inspection.corpus import StateError, finish
from rnn_tui.inspection.states import MOST_PLACES, Place, find, finding, units_on
from rnn_tui.model.network import Network
from tests import networks


def mirror(hidden: int) -> Network:
    """An RNN without memory whose unit k is on where bit k of the symbol is set: its text draws the states."""
    network = networks.build(2**hidden, cell="rnn", layers=1, hidden_size=hidden, embedding_size=0)
    network.requires_grad_(False)
    layer = network.layers[0]
    for parameter in layer.parameters():
        parameter.zero_()
    bits = torch.tensor([[symbol >> unit & 1 for symbol in range(2**hidden)] for unit in range(hidden)])
    layer.weight_ih_l0.copy_(bits * 4.0)
    return network.eval()


def search(network: Network, ids: np.ndarray, units: tuple[int, ...], length: int) -> tuple[Place, ...]:
    return find(network, ids, 0, "h", units, length, 0.3)


def test_units_that_stay_on() -> None:
    values = np.array([[0.3, 0.9, 0.2], [0.4, 0.1, 0.9], [0.5, 0.9, 0.9]], np.float32)
    assert units_on(values, 0, 2, 0.25) == (0,)
    assert units_on(values, 1, 2, 0.4) == (0, 2)
    with pytest.raises(StateError, match=r"no unit stays above 0\.6 there; lower the threshold"):
        units_on(values, 0, 2, 0.6)
    for first, last in ((-1, 1), (0, 3), (2, 1)):
        with pytest.raises(StateError, match="not in this text of 3"):
            units_on(values, first, last, 0.3)


def test_a_planted_repetition_is_found_and_told_once() -> None:
    draw = np.random.default_rng(1)
    # Units 0 and 1 are never on together, but where 0b0011 is planted.
    ids = draw.choice([0b0000, 0b0001, 0b0010, 0b0100, 0b1000], 3000)
    ids[500:508] = 0b0011
    ids[2000:2005] = 0b0111
    ids[1200:1204] = 0b0011
    places = search(mirror(4), ids, (0, 1), 5)
    assert places[:2] == (Place(500, 8, 2, 0), Place(2000, 5, 2, 1))
    assert all(place.on == 1 for place in places[2:])


def test_more_than_fifty_places_are_not_told() -> None:
    ids = np.tile([0b11, 0b11, 0b00], 400)
    places = search(mirror(2), ids, (0, 1), 2)
    assert len(places) == MOST_PLACES and {(p.on, p.length) for p in places} == {(2, 2)}
    assert [p.first for p in places] == list(range(0, 150, 3))


def test_a_unit_that_is_always_on_is_one_place() -> None:
    assert search(mirror(2), np.full(300, 0b01), (0,), 3) == (Place(0, 300, 1, 0),)


def test_nowhere_and_too_short() -> None:
    assert search(mirror(2), np.zeros(50, int), (0, 1), 3) == ()
    with pytest.raises(StateError, match="only 4 are searched"):
        search(mirror(2), np.zeros(4, int), (0,), 5)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 7), min_size=4, max_size=60), st.integers(1, 4), st.sets(st.integers(0, 2), min_size=1))
def test_places_are_what_they_say(symbols: list[int], length: int, chosen: set[int]) -> None:
    network, ids, units = mirror(3), np.array(symbols), tuple(sorted(chosen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "LONGEST_PIECE", 8)
        places = finish(finding(network, ids, 0, "h", units, length, 0.3))
    on = np.array([[symbol >> unit & 1 for unit in range(3)] for symbol in symbols], bool)
    taken = np.zeros(len(ids), int)
    for place in places:
        through = on[place.first : place.first + place.length].all(axis=0)
        assert place.length >= length and place.first + place.length <= len(ids)
        assert place.on == through[list(units)].sum() >= len(units) / 2
        assert place.others == through.sum() - place.on
        taken[place.first : place.first + place.length] += 1
    assert taken.max(initial=0) <= 1
    assert list(places) == sorted(places, key=lambda place: (-place.on, place.others, place.length, place.first))
    # Every window in which they all are on lies in a place that says so.
    for first in range(len(ids) - length + 1):
        if on[first : first + length, list(units)].all():
            assert any(p.on == len(units) and p.first <= first and first + length <= p.first + p.length for p in places)

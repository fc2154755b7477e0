"""Writing: what is drawn from, that it is drawn so, and that the same seed writes the same."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.generation import Drawn, Writer, distribution, start_symbol
from rnn_tui.inspection.trace import state_at, trace
from rnn_tui.model.network import Network, load_weights, weights
from rnn_tui.views import Hold
from tests.networks import CELL_NAMES, build, tokens


def write(network: Network, prompt: Any = (1, 2), length: int = 40, **options: Any) -> list[Drawn]:
    return list(itertools.islice(Writer(network, prompt, **options), length))


def ids(drawn: list[Drawn]) -> list[int]:
    return [d.token for d in drawn]


def filtered(logits: list[float], temperature: float, top_k: int, top_p: float) -> dict[int, float]:
    """The textbook's distribution in plain Python."""
    top = max(logits)
    p = {i: math.exp((x - top) / temperature) for i, x in enumerate(logits)}
    order = sorted(p, key=lambda i: (-p[i], i))
    if top_k:
        order = order[:top_k]
    total, kept, reached = sum(p[i] for i in order), [], 0.0
    for i in order:
        kept.append(i)
        reached += p[i] / total
        if reached >= top_p:
            break
    total = sum(p[i] for i in kept)
    return {i: p[i] / total for i in kept}


@settings(max_examples=200, deadline=None)
@given(
    logits=st.lists(st.integers(-400, 400).map(lambda x: x / 40), min_size=1, max_size=30),
    temperature=st.sampled_from((0.1, 0.5, 1.0, 1.7, 20.0)),
    top_k=st.integers(0, 40),
    top_p=st.sampled_from((0.013, 0.317, 0.731, 0.947, 1.0)),
)
def test_temperature_top_k_and_top_p(logits: list[float], temperature: float, top_k: int, top_p: float) -> None:
    kept, p = distribution(np.array(logits), temperature, top_k, top_p)
    found = dict(zip(kept.tolist(), p.tolist(), strict=True))
    expected = filtered(logits, temperature, top_k, top_p)
    # Where several symbols sum to top_p but for rounding, either cut is right.
    if top_p == 1.0 or abs(len(found) - len(expected)) != 1:
        assert set(expected) - set(found) == set() or top_p == 1.0
        for i, value in found.items():
            assert value == pytest.approx(expected.get(i, 0.0), abs=1e-12)
    assert sum(p) == pytest.approx(1)


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("width", [0, 5])
def test_every_probability_is_the_networks_own(cell: str, width: int) -> None:
    network = build(cell=cell, layers=3, embedding_size=width, initial_state="learned")
    prompt = [3, 1, 4]
    drawn = write(network, prompt, temperature=0.7, top_k=6, candidates=3)
    with torch.no_grad():
        logits, _ = network(torch.tensor(prompt + ids(drawn)).unsqueeze(1))
    for t, d in enumerate(drawn):
        expected = filtered(logits[2 + t, 0].tolist(), 0.7, 6, 1.0)
        assert d.probability == pytest.approx(expected[d.token], rel=1e-4)
        likeliest = sorted(expected.items(), key=lambda pair: -pair[1])[:3]
        assert [i for i, _ in d.top] == [i for i, _ in likeliest]
        assert [p for _, p in d.top] == pytest.approx([p for _, p in likeliest], rel=1e-4)


def test_symbols_come_as_often_as_they_should() -> None:
    network = build(cell="feedforward", layers=1)
    blank = {name: torch.zeros_like(value) for name, value in weights(network).items()}
    bias = torch.linspace(-1.5, 1.5, 11)
    load_weights(network, blank | {"output.bias": bias})
    drawn = write(network, length=20_000, seed=5)
    share = np.bincount(ids(drawn), minlength=11) / 20_000
    p = bias.double().softmax(0).numpy()
    # Five standard errors of a share.
    assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / 20_000)).all()


def test_same_seed_same_text() -> None:
    network = build()
    untouched = torch.get_rng_state()
    assert ids(write(network, seed=3)) == ids(write(network, seed=3))
    assert ids(write(network, seed=3)) != ids(write(network, seed=4))
    assert ids(write(network, length=10, seed=3)) == ids(write(network, seed=3))[:10]
    assert torch.equal(torch.get_rng_state(), untouched)


def test_temperature_zero_takes_the_likeliest_whatever_the_seed() -> None:
    network = build(cell="gru")
    drawn = write(network, temperature=0, seed=1)
    assert ids(drawn) == ids(write(network, temperature=0, seed=2)) == ids(write(network, top_k=1))
    assert ids(drawn) == ids(write(network, temperature=1e-9))
    assert all(d.probability == 1.0 and d.top == ((d.token, 1.0),) for d in drawn)
    with torch.no_grad():
        logits, _ = network(torch.tensor([1, 2, *ids(drawn)]).unsqueeze(1))
    assert logits[1:-1, 0].argmax(-1).tolist() == ids(drawn)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -0.5}, "temperature: -0.5 is not"),
        ({"temperature": math.nan}, "temperature: nan is not"),
        ({"temperature": math.inf}, "temperature: inf is not"),
        ({"top_k": -1}, "top_k: -1 is not"),
        ({"top_p": 0.0}, "top_p: 0.0 is not"),
        ({"top_p": 1.5}, "top_p: 1.5 is not"),
        ({"top_p": math.nan}, "top_p: nan is not"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Writer(build(), [1], **options)  # type: ignore[arg-type]


def test_weights_that_have_diverged_are_told() -> None:
    network = build()
    with torch.no_grad():
        network.output.bias[3] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        write(network)


def test_extreme_options_still_draw() -> None:
    network = build()
    for options in ({"temperature": 1e-300}, {"temperature": 1e300}, {"top_k": 10**9}, {"top_p": 1e-12}):
        for d in write(network, length=5, **options):
            assert 0 < d.probability <= 1 and 0 <= d.token < 11


def test_an_empty_prompt_reads_the_start_symbol() -> None:
    assert start_symbol(("a", "\n", "b")) == 1
    assert start_symbol(("a", "b")) == 0
    network = build()
    assert ids(write(network, (), start=4)) == ids(write(network, (4,)))


def test_a_prompt_longer_than_a_piece_and_a_given_state() -> None:
    network = build(double=True)
    prompt = tokens(2500)
    drawn = write(network, prompt.numpy(), length=5)
    with torch.no_grad():
        logits, _ = network(prompt.unsqueeze(1))
        _, state = network(prompt[:2400].unsqueeze(1))
    p = logits[-1, 0].softmax(0)
    assert drawn[0].probability == pytest.approx(p[drawn[0].token].item(), rel=1e-9)
    again = write(network, prompt[2400:].numpy(), length=5, state=state)
    assert ids(again) == ids(drawn)


def test_dropout_and_autocast_do_not_reach_the_writer() -> None:
    plain, dropping = build(), build(dropout=0.5, recurrent_dropout=0.5)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = write(dropping)
    assert drawn == write(plain)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_writing_on_from_a_state_is_writing_on_from_its_prompt(cell: str) -> None:
    network = build(cell=cell, double=True, initial_state="learned")
    prompt = tokens(25)
    expected = write(network, prompt.numpy(), seed=6)
    state = state_at(trace(network, prompt), network, 24)
    kept = [tuple(part.clone() for part in layer) for layer in state]
    drawn = write(network, None, state=state, seed=6)
    assert ids(drawn) == ids(expected)
    assert [d.probability for d in drawn] == pytest.approx([d.probability for d in expected], rel=1e-9)
    assert all(torch.equal(a, b) for x, y in zip(state, kept, strict=True) for a, b in zip(x, y, strict=True))
    # An empty prompt still reads the start symbol.
    assert write(network, (), state=state, seed=6)[0].top != drawn[0].top
    with pytest.raises(ValueError, match="neither a prompt nor a state"):
        Writer(network, None)


def test_timesteps_of_what_is_held_count_on_from_the_first() -> None:
    network, prompt = build(double=True), tokens(10)
    hold = Hold(1, "h", -1, 0.0, 14, 14)
    drawn = write(network, prompt.numpy(), holds=(hold,), seed=2)
    free = write(network, prompt.numpy(), seed=2)
    # The symbol at timestep 14 is the fifth that it writes: what comes after it is drawn from the readout's bias.
    assert ids(drawn[:5]) == ids(free[:5])
    assert [d.probability for d in drawn[:5]] == pytest.approx([d.probability for d in free[:5]], rel=1e-9)
    bias = network.output.bias.detach().softmax(0)
    assert drawn[5].probability == pytest.approx(float(bias[drawn[5].token]), rel=1e-9)
    with torch.no_grad():
        _, state = network(prompt[:6].unsqueeze(1))
    again = write(network, prompt[6:].numpy(), state=state, holds=(hold,), first=6, seed=2)
    assert ids(again) == ids(drawn)

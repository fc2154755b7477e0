"""Greedy and beam search against each other and against trying every sequence there is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from rnn_tui.config import ModelConfig
from rnn_tui.model import initial
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks.decoding import BEGIN, STOP, Written, most_symbols
from rnn_tui.tasks.decoding.beam import beam_search
from rnn_tui.tasks.decoding.greedy import greedy
from rnn_tui.views import Sizes

READ, WRITE = 7, 6
"""Kinds of symbols; of the written ones 0 and 3 are barred, 1, 4 and 5 are symbols and 2 is the end."""
CELLS = ["rnn", "gru", "lstm"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(seed: int, cell: str = "gru", attention: bool = False, sharp: float = 3.0) -> EncoderDecoder:
    """Untrained, with a readout so sharp that its choices differ."""
    model = ModelConfig.model_validate(
        {"cell": cell, "layers": 2, "hidden_size": 6, "embedding_size": 5, "attention": attention}
    )
    made = EncoderDecoder(model, Sizes(READ, WRITE, decoder=True))
    initial.fill(made, model, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(sharp)
    return made.eval()


def sources(seed: int, lengths: list[int]) -> tuple[Tensor, Tensor]:
    draws = np.random.default_rng(seed)
    filled = torch.zeros(max(lengths), len(lengths), dtype=torch.int64)
    for b, length in enumerate(lengths):
        filled[:length, b] = torch.from_numpy(draws.integers(2, READ, length))
    return filled, torch.tensor(lengths)


def costs_of(net: EncoderDecoder, source: Tensor, symbols: tuple[int, ...]) -> list[float]:
    """Log-probability of each of `symbols`, all read at once; `source` (T,)."""
    encoded = net.encode(source.unsqueeze(1))
    inputs = torch.tensor([BEGIN, *symbols[:-1]]).unsqueeze(1)
    logits = net.decode(encoded, inputs)[0][:, 0]
    found = logits.double().log_softmax(-1)
    return [float(found[u, symbol]) for u, symbol in enumerate(symbols)]


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_greedy_takes_the_likeliest_each_time(cell: str, attention: bool) -> None:
    net = network(3, cell, attention)
    source, _ = sources(0, [4])
    found = greedy(net, source, most=12)[0]
    so_far: list[int] = []
    for _ in range(12):
        encoded = net.encode(source)
        logits = net.decode(encoded, torch.tensor([BEGIN, *so_far]).unsqueeze(1))[0][-1, 0]
        so_far.append(max((k for k in range(WRITE) if k not in (0, BEGIN)), key=lambda k: float(logits[k])))
        if so_far[-1] == STOP:
            break
    assert found.symbols == tuple(s for s in so_far if s != STOP)
    assert found.finished == (so_far[-1] == STOP)
    assert found.costs == pytest.approx(costs_of(net, source[:, 0], tuple(so_far)), abs=1e-5)
    assert found.score == pytest.approx(np.mean(found.costs))
    if attention:
        assert found.attention.shape == (len(found.symbols), 4)
        torch.testing.assert_close(found.attention.sum(-1), torch.ones(len(found.symbols)))
    else:
        assert found.attention.numel() == 0


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("attention", [False, True])
@torch.no_grad()
def test_sources_side_by_side_do_not_touch_each_other(attention: bool, before: bool) -> None:
    net = network(5, "lstm", attention)
    lengths = [5, 2, 9, 1, 7]
    source, own = sources(1, lengths)
    if before:
        for b, length in enumerate(lengths):
            source[:, b] = source[:, b].roll(9 - length)
    together = greedy(net, source, own, before=before)
    for b, length in enumerate(lengths):
        first = 9 - length if before else 0
        alone = greedy(net, source[first : first + length, b : b + 1])[0]
        assert alone.symbols == together[b].symbols
        assert alone.costs == pytest.approx(together[b].costs, abs=1e-4)
        assert len(alone.costs) <= most_symbols(length)
        if attention:
            looked = together[b].attention
            torch.testing.assert_close(looked[:, first : first + length], alone.attention, atol=1e-5, rtol=1e-4)
            assert float(looked.sum() - looked[:, first : first + length].sum()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("seed", range(6))
@torch.no_grad()
def test_one_beam_is_greedy_search(seed: int, attention: bool) -> None:
    net = network(seed, CELLS[seed % 3], attention)
    source, _ = sources(seed, [3 + seed])
    expected = greedy(net, source, most=15)[0]
    (found,) = beam_search(net, source[:, 0], 1, most=15)
    assert (found.symbols, found.costs) == (expected.symbols, expected.costs)
    torch.testing.assert_close(found.attention, expected.attention)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("seed", range(5))
@torch.no_grad()
def test_wide_beams_find_what_trying_everything_finds(seed: int, attention: bool) -> None:
    most = 4
    net = network(seed, CELLS[seed % 3], attention, sharp=2.0)
    source, _ = sources(seed, [4])
    every = {
        (*symbols, STOP): costs_of(net, source[:, 0], (*symbols, STOP))
        for U in range(most)
        for symbols in product((1, 4, 5), repeat=U)
    }
    best = max(every, key=lambda symbols: np.mean(every[symbols]))
    found = beam_search(net, source[:, 0], 1000, most=most)
    assert (*found[0].symbols, STOP) == best
    assert found[0].score == pytest.approx(np.mean(every[best]), abs=1e-5)
    for one in found:
        assert one.score == pytest.approx(np.mean(every[(*one.symbols, STOP)]), abs=1e-5)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.symbols for one in found}) == len(found)


@torch.no_grad()
def test_more_beams_can_find_what_greedy_search_misses() -> None:
    """Where the likeliest first symbol leads nowhere, a second beam is better."""
    better = 0
    for seed in range(20):
        net = network(seed)
        source, _ = sources(seed, [4])
        first, best = greedy(net, source, most=8)[0], beam_search(net, source[:, 0], 4, most=8)[0]
        if first.finished and best.finished:
            assert best.score > first.score - 1e-6 or best.symbols != first.symbols
            better += best.score > first.score + 1e-6
    assert better


@torch.no_grad()
def test_what_is_never_finished_is_cut_off() -> None:
    net = network(2)
    net.decoder.output.bias[STOP] = -1e9
    source, lengths = sources(2, [3, 1])
    both = greedy(net, source, lengths)
    assert [len(one.symbols) for one in both] == [most_symbols(3), most_symbols(1)]
    assert not any(one.finished for one in both)
    candidates = beam_search(net, source[:, 0], 3, most=5)
    assert [len(one.symbols) for one in candidates] == [5, 5, 5]
    assert len(candidates) == 3
    assert not any(one.finished for one in candidates)


@torch.no_grad()
def test_barred_symbols_are_never_written() -> None:
    net = network(4)
    net.decoder.output.bias[[0, BEGIN]] = 1e3
    source, _ = sources(4, [6])
    written = greedy(net, source, most=20) + beam_search(net, source[:, 0], 3, most=20)
    assert not {0, BEGIN} & {symbol for one in written for symbol in one.symbols}


@torch.no_grad()
def test_a_look_can_stop_the_search() -> None:
    class Enough(Exception):
        pass

    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise Enough

    net = network(2)
    net.decoder.output.bias[STOP] = -1e9
    source, _ = sources(2, [3])
    with pytest.raises(Enough):
        greedy(net, source, look=look)
    looks.clear()
    with pytest.raises(Enough):
        beam_search(net, source[:, 0], 2, look=look)


@torch.no_grad()
def test_what_beam_search_refuses() -> None:
    net = network(1)
    source, _ = sources(1, [3])
    with pytest.raises(ValueError, match="one beam"):
        beam_search(net, source[:, 0], 0)
    net.decoder.output.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="no finite"):
        beam_search(net, source[:, 0], 2)


def test_the_score_counts_the_end() -> None:
    assert Written((4, 5), (-1.0, -2.0, -0.3)).score == pytest.approx(-1.1)
    assert Written((4, 5), (-1.0, -2.0, -0.3)).finished
    assert not Written((4, 5), (-1.0, -2.0)).finished

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import END, UNKNOWN
from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.data.text import Corpus
from rnn_tui.generation import Writer, start_symbol
from rnn_tui.tasks import task_of
from rnn_tui.tasks.learning import softmax, streams
from rnn_tui.tasks.learning.batches import Batch
from rnn_tui.tasks.learning.softmax import cross_entropy
from tests.networks import build, seeded, tokens

LANGUAGE = task_of("language")
TEXT = "the cat sat on the mat .\nthe dog sat .\na cat ran to the dog and the mat .\n" * 40


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("RNN_LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text(TEXT)
    found = LANGUAGE.read(DataConfig(path=str(tmp_path / "text.txt"), symbol="word", split="80/10/10"))
    assert isinstance(found, Corpus)
    return found


def parts(seed: int, N: int, H: int, V: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    h, weight, bias = (
        torch.randn(*shape, generator=draws, dtype=dtype).requires_grad_() for shape in ((N, H), (V, H), (V,))
    )
    targets = torch.randint(-1, V, (N,), generator=draws)
    targets[0] = V - 1
    return h, weight, bias, targets


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), st.integers(1, 17), st.integers(1, 6), st.integers(1, 40), st.integers(1, 200),
       st.floats(-3, 3))  # fmt: skip
def test_the_cost_in_pieces_against_torch(seed: int, N: int, H: int, V: int, piece: int, upstream: float) -> None:
    h, weight, bias, targets = parts(seed, N, H, V, torch.float64)
    expected = F.cross_entropy(F.linear(h, weight, bias), targets, ignore_index=NOT_ASKED)
    gradients = torch.autograd.grad(expected * upstream, (h, weight, bias))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax, "PIECE", piece)
        cost = cross_entropy(h, weight, bias, targets)
        found = torch.autograd.grad(cost * upstream, (h, weight, bias))
    assert cost.item() == pytest.approx(expected.item(), abs=1e-12)
    for ours, theirs in zip(found, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    h, weight, bias, targets = parts(1, 9, 3, 20, torch.float32)
    with torch.no_grad():
        weight *= 1e4
    cost = cross_entropy(h, weight, bias, targets)
    assert cost.item() == pytest.approx(
        F.cross_entropy(F.linear(h, weight, bias), targets, ignore_index=NOT_ASKED).item(), rel=1e-5
    )
    assert torch.isfinite(torch.autograd.grad(cost, h)[0]).all()


def test_without_gradients_none_are_made() -> None:
    h, weight, bias, targets = parts(2, 9, 3, 20, torch.float32)
    expected = F.cross_entropy(F.linear(h, weight, bias), targets, ignore_index=NOT_ASKED)
    with torch.no_grad():
        cost = cross_entropy(h, weight, bias, targets)
    assert cost.item() == pytest.approx(expected.item(), rel=1e-6)
    assert not cost.requires_grad
    # A frozen readout: only h is asked for.
    cost = cross_entropy(h, weight.detach(), bias.detach(), targets)
    torch.testing.assert_close(torch.autograd.grad(cost, h)[0], torch.autograd.grad(expected, h)[0])


@pytest.mark.parametrize("choices", [{}, {"tied": True, "embedding_size": 7}, {"bidirectional": True}])
@pytest.mark.parametrize("low", [False, True])
def test_the_loss_of_a_batch_in_pieces(choices: dict[str, Any], low: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(vocabulary=50, hidden_size=7, **choices)
    both = tokens(7, 5, vocabulary=50)
    batch = Batch(both[:-1], both[1:])

    def measured() -> tuple[float, list[Tensor], list[Tensor]]:
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            cost, state = LANGUAGE.loss(network, batch, network.initial(5), None, Config())
        cost.backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        return cost.item(), gradients, [part for layer in state for part in layer]

    whole = measured()
    monkeypatch.setattr(streams, "SPLIT", 100)
    monkeypatch.setattr(softmax, "PIECE", 130)
    # Half precision has 8 bits: sums in another order differ in the last of them.
    close = {"rtol": 2e-2, "atol": 2e-3} if low else {"rtol": 1e-5, "atol": 1e-7}
    pieces = measured()
    assert pieces[0] == pytest.approx(whole[0], rel=2e-3 if low else 1e-6)
    assert len(pieces[1]) == len(whole[1]) == len(list(network.parameters()))
    for ours, theirs in zip(pieces[1], whole[1], strict=True):
        torch.testing.assert_close(ours, theirs, **close)  # type: ignore[arg-type]
    for ours, theirs in zip(pieces[2], whole[2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_no_more_logits_than_a_piece_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    h, weight, bias, targets = parts(3, 64, 4, 1000, torch.float32)
    monkeypatch.setattr(softmax, "PIECE", 5000)
    largest = 0

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor) and out.shape[-1:] == (1000,):
                largest = max(largest, out.numel())
            return out

    with Watched():  # type: ignore[no-untyped-call]
        cross_entropy(h, weight, bias, targets).backward()
    assert largest == 5000


def test_words_are_learned(corpus: Corpus) -> None:
    """A few updates bring the cost from ln V to below what one word of context tells."""
    config = Config(data={"symbol": "word"}, training={"batch_size": 8, "sequence_length": 12})  # type: ignore[arg-type]
    network = build(vocabulary=len(corpus.symbols), hidden_size=24, embedding_size=16, layers=1)
    batches = LANGUAGE.batches(corpus, config, seeded(3))
    assert batches.steady
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    state = network.initial(8)
    first = LANGUAGE.evaluate(network, corpus, "validation", config)
    assert first.loss == pytest.approx(math.log(len(corpus.symbols)), abs=0.15)
    assert first.count == len(corpus.validation) - 1
    for _ in range(60):
        cost, state = LANGUAGE.loss(network, batches.next(), state, None, config)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        state = [tuple(part.detach() for part in layer) for layer in state]
    found = LANGUAGE.evaluate(network, corpus, "validation", config)
    bigram = next(line for line in corpus.view.baselines if line.name == "bigram")
    assert found.loss < bigram.loss
    sample = LANGUAGE.sample(network, corpus, corpus.coding, 1)
    assert sample is not None
    assert "the" in sample.text.split()


def test_passages_and_typed_text_are_words(corpus: Corpus) -> None:
    passage = LANGUAGE.passage(corpus, "validation", 3, 5)
    assert passage.symbols == tuple(corpus.symbols[k] for k in corpus.validation[3:8])
    assert passage.source == "validation at 3"
    typed = LANGUAGE.encode(corpus.coding, "the zebra sat.\n")
    assert typed.symbols == ("the", UNKNOWN, "sat", ".", END)
    assert typed.targets.tolist() == [*typed.inputs[1:].tolist(), -1]
    assert typed.unknown == 1


def test_33_000_words_are_scored_in_bounded_pieces() -> None:
    network = build(vocabulary=33_000, hidden_size=4, embedding_size=4, layers=1)
    ids = np.random.default_rng(1).integers(33_000, size=4200)
    seen = 0

    def watched(_module: object, _inputs: object, out: Tensor) -> None:
        nonlocal seen
        seen = max(seen, out.numel())

    handle = network.output.register_forward_hook(watched)
    wide, count = streams.score(network, ids, streams=64)
    handle.remove()
    assert streams.passage_shape(33_000, 4199, 64)[1] == 16
    assert count == 4199
    assert seen <= streams.LOGITS
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(ids[:301]).unsqueeze(1))
    own = F.cross_entropy(logits[:-1, 0].double(), torch.from_numpy(ids[1:301])).item()
    assert streams.score(network, ids[:301])[0] == pytest.approx(own, rel=1e-6)
    # Nothing can be known of random words.
    assert wide == pytest.approx(math.log(33_000), abs=0.1)


def test_a_network_that_reads_from_both_ends_is_scored_but_does_not_write(corpus: Corpus) -> None:
    network = build(vocabulary=len(corpus.symbols), hidden_size=6, bidirectional=True)
    assert LANGUAGE.evaluate(network, corpus, "validation", Config()).count == len(corpus.validation) - 1
    assert LANGUAGE.sample(network, corpus, corpus.coding, 1) is None
    with pytest.raises(ValueError, match="bidirectional"):
        Writer(network)


def test_where_writing_begins() -> None:
    assert start_symbol(("a", "\n")) == 1
    assert start_symbol((UNKNOWN, END, "a")) == 1
    assert start_symbol(("<pad>", END, "<start>", "\n")) == 2
    assert start_symbol(("a", "b")) == 0


@given(st.lists(st.integers(0, 10), max_size=9), st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_what_is_never_drawn_and_where_it_stops(never: list[int], seed: int) -> None:
    network = build(seed=seed)
    allowed = set(range(11)) - set(never)
    stop = min(allowed)
    writer = Writer(network, [1, 2], seed=seed, never=never, stop=stop)
    drawn = [one for one, _ in zip(writer, range(200), strict=False)]
    assert {one.token for one in drawn} <= allowed
    assert [one.token == stop for one in drawn[:-1]] == [False] * (len(drawn) - 1)
    assert drawn[-1].token == stop
    free = next(Writer(network, [1, 2], seed=seed, candidates=11))
    kept = dict(free.top)
    total = sum(kept[k] for k in allowed)
    assert drawn[0].probability == pytest.approx(kept[drawn[0].token] / total, rel=1e-9)

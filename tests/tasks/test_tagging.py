from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from rnn_tui.config import Config, DataConfig, ModelConfig, TrainingConfig
from rnn_tui.data.examples import NOT_ASKED, Dataset
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks import task_of
from rnn_tui.tasks.learning import losses
from rnn_tui.tasks.measures.labels import span_scores

TAGGING: Any = task_of("tagging")
CELLS = ("rnn", "gru", "lstm", "feedforward")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks of this size are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unequal(data: Dataset, config: Config) -> Any:
    """The first batch in which something is filled up."""
    batches = TAGGING.batches(data, config, torch.Generator().manual_seed(3))
    return next(batch for batch in iter(batches.next, None) if batch.lengths is not None)


def config_of(**training: Any) -> Config:
    return Config(
        data=DataConfig(task="tagging", path="builtin:example", split="95/3/2"),
        training=TrainingConfig(**{"batch_size": 16, **training}),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    found: Dataset = TAGGING.read(config_of().data)
    return found


def build(data: Dataset, seed: int = 1, **choices: Any) -> Network:
    model = ModelConfig(**({"cell": "lstm", "layers": 1, "hidden_size": 12, "embedding_size": 8} | choices))
    network = Network(model, data.coding.sizes)
    fill(network, model, torch.Generator().manual_seed(seed))
    return network.eval()


def alone(network: Network, data: Dataset, part: str) -> list[torch.Tensor]:
    """Logits (T, C) of every sentence read by itself: no batch, nothing filled up."""
    examples = getattr(data, part)
    with torch.no_grad():
        return [network(torch.from_numpy(examples.read(k)).unsqueeze(1))[0][:, 0] for k in range(len(examples))]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_part_scores_what_its_sentences_score_alone(
    data: Dataset, cell: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(data, cell=cell, bidirectional=bidirectional)
    logits = alone(network, data, "validation")
    right = [torch.from_numpy(data.validation.asked(k)) for k in range(len(logits))]
    expected = float(functional.cross_entropy(torch.cat(logits).double(), torch.cat(right)))
    tags = data.coding.outputs
    named = [[tags[int(k)] for k in row] for row in right]
    chosen = [[tags[int(k)] for k in row.argmax(-1)] for row in logits]
    words = sum(map(len, named))
    for widest in (1, 7, 256):
        monkeypatch.setattr(losses, "WIDEST", widest)
        found = TAGGING.evaluate(network, data, "validation", config_of())
        assert found.count == words and found.loss == pytest.approx(expected, abs=1e-6)
        assert found.metrics["span_f1"] == span_scores(named, chosen)[2]
        hits = sum(a == b for x, y in zip(named, chosen, strict=True) for a, b in zip(x, y, strict=True))
        assert found.metrics["accuracy"] == hits / words
        assert found.metrics["sentence_accuracy"] == np.mean([a == b for a, b in zip(named, chosen, strict=True)])
    assert list(found.metrics) == list(TAGGING.metrics)


def test_so_many_timesteps_are_scored_as_are_asked_for(data: Dataset) -> None:
    network, lengths = build(data), np.cumsum(data.validation.lengths)
    shares: list[float] = []
    for limit, expected in ((lengths[4], 5), (lengths[4] - 1, 4), (1, 1), (10**9, len(lengths))):
        found = TAGGING.evaluate(network, data, "validation", config_of(), limit=int(limit), working=shares.append)
        assert found.count == lengths[expected - 1]
    assert shares[-1] == 1.0
    network.train()
    TAGGING.evaluate(network, data, "test", config_of(), limit=1)
    assert network.training


def test_a_part_without_sentences_is_refused(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a\tX\nb\tY\n")
    small = TAGGING.read(DataConfig(task="tagging", path=str(tmp_path / "a.conll"), split="100/0/0"))
    assert "no validation part: the baselines are scored on the training part" in small.view.notices
    assert [line.metrics["accuracy"] for line in small.view.baselines] == [0.5, 1.0]
    assert TAGGING.sample(build(small), small, small.coding, 1) is None
    with pytest.raises(ValueError, match="a part without sequences"):
        TAGGING.evaluate(build(small), small, "validation", config_of())


@pytest.mark.parametrize("padding", ["post", "pre"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_batch_costs_and_teaches_what_its_sentences_do_alone(
    data: Dataset, padding: str, bidirectional: bool
) -> None:
    network, config = build(data, bidirectional=bidirectional).double(), config_of(padding=padding)
    batch = unequal(data, config)
    assert batch.lengths is not None and batch.before == (padding == "pre") and batch.masked
    cost, _ = TAGGING.loss(network, batch, None, None, config)
    cost.backward()
    together = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    parts = []
    for b, length in enumerate(batch.lengths.tolist()):
        rows = slice(-length, None) if batch.before else slice(0, length)
        assert (batch.targets[rows, b] != NOT_ASKED).all()
        logits = network(batch.inputs[rows, b : b + 1])[0][:, 0]
        parts.append(functional.cross_entropy(logits, batch.targets[rows, b], reduction="sum"))
    whole = torch.stack(parts).sum() / batch.tokens
    whole.backward()
    # Costs are summed in float32, whatever the weights are.
    assert cost.item() == pytest.approx(whole.item(), abs=1e-6)
    for ours, theirs in zip(together, [p.grad for p in network.parameters() if p.grad is not None], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@torch.no_grad()
def test_without_a_mask_what_fills_up_is_read(data: Dataset) -> None:
    network, config = build(data), config_of(masking=False, padding="pre")
    batch = unequal(data, config)
    assert not batch.masked and int(batch.lengths.min()) < len(batch.inputs)
    cost, _ = TAGGING.loss(network, batch, None, None, config)
    plain = functional.cross_entropy(network(batch.inputs)[0].flatten(0, 1), batch.targets.flatten(), ignore_index=-1)
    assert float(cost) == pytest.approx(float(plain), abs=1e-6)
    masked = unequal(data, config_of(padding="pre"))
    assert torch.equal(masked.inputs, batch.inputs)
    assert abs(float(cost) - float(TAGGING.loss(network, masked, None, None, config_of())[0])) > 1e-5


def test_what_is_carried_is_what_the_network_ended_with(data: Dataset) -> None:
    network, config = build(data), config_of(forgot_reset=True)
    batches = TAGGING.batches(data, config, torch.Generator().manual_seed(3))
    assert not batches.fresh and TAGGING.batches(data, config_of(), torch.Generator()).fresh
    first, second = batches.next(), batches.next()
    with torch.no_grad():
        _, state = TAGGING.loss(network, first, None, None, config)
        carried, _ = TAGGING.loss(network, second, state, None, config)
        assert abs(float(carried) - float(TAGGING.loss(network, second, None, None, config)[0])) > 1e-6


def rare(folder: Path) -> Dataset:
    text = "\n".join(f"often\tA\nLone{k}\tB\nlone{'abcdefghij'[k % 10] * (k // 10 + 1)}\tB\n" for k in range(200))
    (folder / "rare.conll").write_text(text)
    found: Dataset = TAGGING.read(DataConfig(task="tagging", path=str(folder / "rare.conll"), split="100/0/0"))
    return found


def test_words_seen_once_are_read_as_unknown_half_of_the_time(tmp_path: Path) -> None:
    data = rare(tmp_path)
    numbers = {word: k for k, word in enumerate(data.coding.inputs)}
    batches = TAGGING.batches(data, config_of(batch_size=10), torch.Generator().manual_seed(5))
    seen: list[list[tuple[str, ...]]] = []
    for _ in range(3):
        reads = [batches.next().inputs for _ in range(batches.chunks)]
        seen.append([tuple(data.coding.inputs[int(k)] for k in column) for read in reads for column in read.T])
    rows = [row for epoch in seen for row in epoch]
    assert all(first == "often" for first, _, _ in rows)
    for at, unknown in ((1, "<unk1>"), (2, "<unk>")):
        share = sum(row[at] == unknown for row in rows) / len(rows)
        assert 0.42 < share < 0.58
        assert {row[at] for row in rows} - {unknown} <= set(numbers)
    # Another choice in every epoch, and never the same for all of a batch.
    assert sorted(seen[0]) != sorted(seen[1])


def test_batches_go_on_from_a_cursor_as_they_would_have(tmp_path: Path) -> None:
    data, config = rare(tmp_path), config_of(batch_size=10)
    generator = torch.Generator().manual_seed(5)
    batches = TAGGING.batches(data, config, generator)
    for _ in range(7):
        batches.next()
    cursor, state = batches.cursor(), generator.get_state()
    expected = [batches.next() for _ in range(30)]
    again = torch.Generator()
    again.set_state(state)
    resumed = TAGGING.batches(data, config, again)
    resumed.seek(cursor)
    for want in expected:
        have = resumed.next()
        assert torch.equal(want.inputs, have.inputs) and torch.equal(want.targets, have.targets)


def test_an_example_and_what_is_answered(data: Dataset) -> None:
    network = build(data, bidirectional=True)
    passage = TAGGING.passage(data, "validation", 3, 50)
    words = tuple(data.coding.inputs[k] for k in data.validation.read(3))
    assert passage.symbols == words and passage.part == "validation" and passage.offset == 3
    assert passage.source.startswith("validation sentence 3, line ")
    assert TAGGING.passage(data, "test", 10**9, 1).offset == len(data.test) - 1
    found = TAGGING.answer(network, data.coding, passage, step=7, data=data)
    expected = alone(network, data, "validation")[3].softmax(-1).numpy()
    assert found.p.shape == (len(words), 5) and np.abs(found.p - expected).max() < 1e-6
    assert found.right == tuple(data.coding.outputs[k] for k in data.validation.asked(3)) and found.asked.all()
    assert (found.step, found.count, found.offset, found.classes) == (7, len(data.validation), 3, data.coding.outputs)


def test_a_typed_sentence_is_cut_into_words(data: Dataset) -> None:
    passage = TAGGING.encode(data.coding, "  Mr Marlow, don't\nXYZ 7 .")
    assert passage.symbols == ("Mr", "Marlow", ",", "don't", "XYZ", "7", ".")
    read_as = [data.coding.inputs[k] for k in passage.inputs]
    assert read_as == ["Mr", "Marlow", "<unk1>", "<unk1>", "<UNK>", "<unk1>", "."]
    assert passage.unknown == 4 and set(passage.targets) == {NOT_ASKED}
    found = TAGGING.answer(build(data), data.coding, passage, step=0)
    assert found.right == ("",) * 7 and found.asked.all() and found.count == 0 and found.unknown == 4
    with pytest.raises(ValueError, match="there is no word in it"):
        TAGGING.encode(data.coding, " \n")


def test_a_sample_marks_what_is_wrong(data: Dataset) -> None:
    network = build(data)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.copy_(torch.eye(5)[data.coding.outputs.index("O")])
    sample = TAGGING.sample(network, data, data.coding, 2)
    k = int(np.random.default_rng(2).integers(len(data.validation)))
    words, right = data.extra.shown["validation"][k], [data.coding.outputs[t] for t in data.validation.asked(k)]
    assert sample.prompt == " ".join(words)
    told = [word if tag == "O" else f"{word}/O (right: {tag})" for word, tag in zip(words, right, strict=True)]
    assert sample.text == " ".join(told)
    assert TAGGING.sample(network, None, data.coding, 2) is None
    with torch.no_grad():
        network.output.bias.fill_(float("nan"))
    assert TAGGING.sample(network, data, data.coding, 2) is None


def test_both_directions_learn_what_one_can_not(data: Dataset) -> None:
    reached = []
    for bidirectional in (False, True):
        network = build(data, bidirectional=bidirectional, hidden_size=24, embedding_size=24).train()
        config = config_of(batch_size=50)
        batches = TAGGING.batches(data, config, torch.Generator().manual_seed(1))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
        for _ in range(80):
            cost, _ = TAGGING.loss(network, batches.next(), None, None, config)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        reached.append(TAGGING.evaluate(network, data, "validation", config).metrics["span_f1"])
    lines = {line.name: line.metrics["span_f1"] for line in data.view.baselines}
    assert lines["majority"] == 0 and lines["tag of the word"] < reached[0] < 0.85 and reached[1] > 0.95

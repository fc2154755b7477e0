from __future__ import annotations

import subprocess
import sys
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
from rnn_tui.tasks import classification, task_of
from rnn_tui.tasks.learning import losses
from rnn_tui.tasks.measures.labels import macro_f1

CLASSIFICATION: Any = task_of("classification")
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
    batches = CLASSIFICATION.batches(data, config, torch.Generator().manual_seed(3))
    return next(batch for batch in iter(batches.next, None) if batch.lengths is not None)


def config_of(**training: Any) -> Config:
    return Config(
        data=DataConfig(task="classification", path="builtin:example", split="95/3/2"),
        training=TrainingConfig(**{"batch_size": 16, **training}),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    found: Dataset = CLASSIFICATION.read(config_of().data)
    return found


def build(data: Dataset, seed: int = 1, **choices: Any) -> Network:
    model = ModelConfig(**({"cell": "gru", "layers": 1, "hidden_size": 12, "embedding_size": 8} | choices))
    network = Network(model, data.coding.sizes)
    fill(network, model, torch.Generator().manual_seed(seed))
    return network.eval()


def after(network: Network, inputs: Any) -> torch.Tensor:
    """(C): logits after one text, read by itself."""
    out, _ = network.hidden(torch.as_tensor(inputs).unsqueeze(1))
    found: torch.Tensor = network.output(network.summary(out))[0]
    return found


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_part_scores_what_its_texts_score_alone(
    data: Dataset, cell: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(data, cell=cell, bidirectional=bidirectional, layers=2)
    with torch.no_grad():
        logits = torch.stack([after(network, data.validation.read(k)) for k in range(len(data.validation))])
    right = torch.tensor([int(data.validation.asked(k)[0]) for k in range(len(data.validation))])
    expected = torch.zeros(6, 6, dtype=torch.int64)
    for row, column in zip(right.tolist(), logits.argmax(-1).tolist(), strict=True):
        expected[row, column] += 1
    for widest in (1, 9, 256):
        monkeypatch.setattr(losses, "WIDEST", widest)
        found = CLASSIFICATION.evaluate(network, data, "validation", config_of())
        assert found.loss == pytest.approx(float(functional.cross_entropy(logits.double(), right)), abs=1e-6)
        assert found.count == len(right)
        assert found.metrics == {
            "accuracy": float((logits.argmax(-1) == right).double().mean()),
            "f1": macro_f1(expected.numpy()),
        }
        assert (classification.confusion(network, data, "validation", config_of()) == expected.numpy()).all()


def test_so_many_timesteps_are_scored_as_are_asked_for(data: Dataset) -> None:
    lengths = np.cumsum(data.validation.lengths)
    assert CLASSIFICATION.evaluate(build(data), data, "validation", config_of(), limit=int(lengths[9])).count == 10


@pytest.mark.parametrize("padding", ["post", "pre"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_batch_costs_and_teaches_what_its_texts_do_alone(data: Dataset, padding: str, bidirectional: bool) -> None:
    network, config = build(data, bidirectional=bidirectional).double(), config_of(padding=padding, batch_size=40)
    batch = unequal(data, config)
    assert batch.lengths is not None and batch.before == (padding == "pre") and batch.targets.shape == (1, 40)
    cost, _ = CLASSIFICATION.loss(network, batch, None, None, config)
    cost.backward()
    together = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    texts = [batch.inputs[-n:, b] if batch.before else batch.inputs[:n, b] for b, n in enumerate(batch.lengths)]
    whole = functional.cross_entropy(torch.stack([after(network, text) for text in texts]), batch.targets[0])
    whole.backward()
    assert cost.item() == pytest.approx(whole.item(), abs=1e-6)
    for ours, theirs in zip(together, [p.grad for p in network.parameters() if p.grad is not None], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@torch.no_grad()
def test_without_a_mask_the_last_row_answers(data: Dataset) -> None:
    network, config = build(data), config_of(masking=False)
    batch = unequal(data, config)
    assert not batch.masked and int(batch.lengths.min()) < len(batch.inputs)
    cost, _ = CLASSIFICATION.loss(network, batch, None, None, config)
    out, _ = network.hidden(batch.inputs)
    plain = functional.cross_entropy(network.output(out[-1]), batch.targets[0])
    assert float(cost) == pytest.approx(float(plain), abs=1e-6)
    masked = unequal(data, config_of())
    assert abs(float(cost) - float(CLASSIFICATION.loss(network, masked, None, None, config_of())[0])) > 1e-5


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_answer_at_a_timestep_is_that_to_the_beginning_alone(
    data: Dataset, cell: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(data, cell=cell, bidirectional=bidirectional, layers=2)
    passage = CLASSIFICATION.passage(data, "validation", 2, 0)
    T = len(passage.inputs)
    with torch.no_grad():
        expected = torch.stack([after(network, passage.inputs[: t + 1]) for t in range(T)]).softmax(-1).numpy()
    for held in (1, T * 8 * 12 * 3, losses.HELD):
        monkeypatch.setattr(losses, "HELD", held)
        found = CLASSIFICATION.answer(network, data.coding, passage, step=5, data=data)
        assert found.p.shape == (T, 6) and np.abs(found.p - expected).max() < 1e-6
    assert found.right == data.coding.outputs[int(data.validation.asked(2)[0])]
    assert (found.step, found.count, found.offset) == (5, len(data.validation), 2)
    assert found.classes == data.coding.outputs and len(found.symbols) == T


def test_an_example_shows_the_text_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("abc,x\nabd,y\nbcd,x\naab,y\n" * 3)
    (tmp_path / "v.csv").write_text("aZb,x\n")
    config = DataConfig(
        task="classification", path=str(tmp_path / "a.csv"), validation_path=str(tmp_path / "v.csv"), split="100/0/0"
    )
    data = CLASSIFICATION.read(config)
    passage = CLASSIFICATION.passage(data, "validation", 0, 0)
    assert passage.symbols == ("a", "Z", "b") and passage.unknown == 1
    assert [data.coding.inputs[k] for k in passage.inputs] == ["a", "<unk>", "b"]
    assert passage.source == "validation text 0, line 1"


def test_what_is_typed_is_read_by_characters_or_words(data: Dataset, tmp_path: Path) -> None:
    passage = CLASSIFICATION.encode(data.coding, " Orven! ")
    assert passage.symbols == tuple("Orven!") and passage.unknown == 1 and passage.targets.tolist() == [NOT_ASKED]
    assert CLASSIFICATION.answer(build(data), data.coding, passage, step=0).right == ""
    (tmp_path / "a.csv").write_text('"so good, so fine",x\nbad bad,y\nso bad,y\ngood,x\n')
    words = CLASSIFICATION.read(DataConfig(task="classification", path=str(tmp_path / "a.csv"), symbol="word"))
    passage = CLASSIFICATION.encode(words.coding, "so, so what")
    assert passage.symbols == ("so", ",", "so", "what") and 1 <= passage.unknown <= 2
    with pytest.raises(ValueError, match="there is nothing in it"):
        CLASSIFICATION.encode(data.coding, " \n")


def test_a_sample_tells_the_answer_and_whether_it_is_right(data: Dataset) -> None:
    network = build(data)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.copy_(torch.tensor([0.9, 0.02, 0.02, 0.02, 0.02, 0.02]).log())
    told = {CLASSIFICATION.sample(network, data, data.coding, seed).text for seed in range(40)}
    first = data.coding.outputs[0]
    assert f"{first} 90 %, right" in told and f"{first} 90 %, right is {data.coding.outputs[1]}" in told
    assert CLASSIFICATION.sample(network, None, data.coding, 1) is None


def test_it_learns_the_example(data: Dataset) -> None:
    network = build(data, hidden_size=32, embedding_size=16).train()
    config = config_of(batch_size=50)
    batches = CLASSIFICATION.batches(data, config, torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        cost, _ = CLASSIFICATION.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    found = CLASSIFICATION.evaluate(network, data, "validation", config)
    majority, bayes = data.view.baselines
    assert (majority.name, bayes.name) == ("majority", "naive Bayes")
    assert found.loss < majority.loss / 2 and found.metrics["accuracy"] > majority.metrics["accuracy"] + 0.3


def test_reading_and_guessing_need_no_torch() -> None:
    program = (
        "import sys\n"
        "from rnn_tui.config import DataConfig\n"
        "from rnn_tui.tasks import task_of\n"
        "import rnn_tui.data.guessing\n"
        "for name in ('tagging', 'classification'):\n"
        "    task_of(name).read(DataConfig(task=name, path='builtin:example'))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])

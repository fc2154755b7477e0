"""The task of translation: loss, teacher forcing, scores, lines without a network, and what an answer holds."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import torch
from torch import Tensor

from rnn_tui.config import Config, put
from rnn_tui.data.coding import END, START
from rnn_tui.data.examples import NOT_ASKED, Dataset
from rnn_tui.model import initial
from rnn_tui.model.translation import EncoderDecoder
from rnn_tui.tasks import task_of
from rnn_tui.tasks.decoding import BEGIN, STOP
from rnn_tui.tasks.decoding.greedy import greedy
from rnn_tui.tasks.decoding.teaching import written
from rnn_tui.tasks.learning.batches import Batch, collate
from rnn_tui.tasks.translation import TASK, Translation
from rnn_tui.views import Translated

CELLS = ["rnn", "gru", "lstm"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def words(tmp_path: Path) -> str:
    """Numbers and their words, of many lengths."""
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    lines = [f"{k}\t{' '.join(names[int(digit)] for digit in str(k))}\n" for k in range(0, 1200, 7)]
    path = tmp_path / "numbers.tsv"
    path.write_text("".join(lines))
    return str(path)


def made(
    path: str, cell: str = "gru", attention: bool = False, seed: int = 1, **training: object
) -> tuple[Config, Dataset, EncoderDecoder]:
    config = Config.model_validate(
        {
            "data": {"task": "translation", "path": path, "split": "80/10/10"},
            "model": {"cell": cell, "layers": 2, "hidden_size": 12, "embedding_size": 6, "attention": attention},
            "training": {"batch_size": 8} | training,
        }
    )
    data = TASK.read(config.data)
    network = EncoderDecoder(config.model, data.coding.sizes)
    initial.fill(network, config.model, torch.Generator().manual_seed(seed))
    return config, data, network


def costs_by_hand(network: EncoderDecoder, data: Dataset, which: list[int], part: str = "train") -> list[float]:
    """Each target symbol's cost, pair by pair and step by step, in float64."""
    found = []
    network = network.double()
    with torch.no_grad():
        for k in which:
            examples = getattr(data, part)
            encoded = network.encode(torch.from_numpy(examples.read(k).astype(np.int64)).unsqueeze(1))
            state, last = None, BEGIN
            for symbol in examples.asked(k).tolist():
                logits, state, _ = network.step(encoded, torch.tensor([last]), state)
                found.append(-float(logits[0].log_softmax(-1)[symbol]))
                last = symbol
    network.float()
    return found


def test_it_is_found_by_its_name() -> None:
    assert isinstance(task_of("translation"), Translation)


def test_it_needs_no_torch_to_be_imported() -> None:
    code = "import sys, rnn_tui.tasks.translation; sys.exit(any(m in sys.modules for m in ('torch', 'sacrebleu')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("padding", ["post", "pre"])
def test_the_loss_of_a_padded_batch(words: str, cell: str, attention: bool, padding: str) -> None:
    config, data, network = made(words, cell, attention, padding=padding)
    batches = TASK.batches(data, config, torch.Generator().manual_seed(1))
    batch = batches.next()
    which = [3, 40, 77, 120]
    batch = collate(data.train, which, before=padding == "pre")
    assert batch.lengths is not None or len({len(data.train.read(k)) for k in which}) == 1
    loss, state = TASK.loss(network, batch, None, torch.Generator(), config)
    expected = costs_by_hand(network, data, which)
    assert loss.item() == pytest.approx(np.mean(expected), abs=2e-6)
    assert [part.shape for part in state[0]] == [(4, 12)] * len(state[0])


def test_gradients_of_a_padded_batch_are_those_of_its_pairs(words: str) -> None:
    config, data, network = made(words, "lstm", True)
    which = [0, 1, 50, 100, 130]
    network.double()
    TASK.loss(network, collate(data.train, which), None, None, config)[0].backward()
    together = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    count = sum(len(data.train.asked(k)) for k in which)
    for k in which:
        loss, _ = TASK.loss(network, collate(data.train, [k]), None, None, config)
        (loss * len(data.train.asked(k)) / count).backward()
    alone = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(together) == len(list(network.parameters()))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


def test_unmasked_the_filling_is_read_and_counted(words: str) -> None:
    config, data, network = made(words)
    lengths = data.train.lengths
    which = [int(lengths.argmin()), int(lengths.argmax())]
    masked, open_ = collate(data.train, which), collate(data.train, which, masked=False)
    right, wrong = (TASK.loss(network, batch, None, None, config)[0].item() for batch in (masked, open_))
    filled = Batch(open_.inputs, open_.targets.masked_fill(open_.targets == NOT_ASKED, 0))
    assert wrong == pytest.approx(TASK.loss(network, filled, None, None, config)[0].item(), abs=1e-6)
    assert abs(right - wrong) > 1e-5


@pytest.mark.parametrize("attention", [False, True])
def test_without_teacher_forcing_it_reads_what_it_wrote(words: str, attention: bool) -> None:
    config, data, network = made(words, "lstm", attention, seed=4, teacher_forcing=0.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
        network.decoder.output.bias[STOP] = -50.0
    batch = collate(data.train, [0, 1, 2, 100])
    with torch.no_grad():
        encoded = network.encode(batch.inputs, batch.lengths)
        logits = written(network, encoded, batch.targets, torch.Generator().manual_seed(1), 0.0)
        own = logits.clone()
        own[..., [0, BEGIN]] = -math.inf
        answers = greedy(network, batch.inputs, batch.lengths, most=len(batch.targets))
    assert own.argmax(-1).T.tolist() == [list(answer.symbols) for answer in answers]
    free = TASK.loss(network, batch, None, torch.Generator().manual_seed(1), config)[0].item()
    forced = TASK.loss(network, batch, None, None, config)[0].item()
    assert abs(free - forced) > 1e-3


def test_teacher_forcing_draws_once_a_step(words: str) -> None:
    """Step by step with the same draws: what is read is the right symbol or the choice before."""
    _, data, network = made(words, "gru", True, seed=2)
    batch = collate(data.train, [5, 60, 100])
    U = len(batch.targets)
    draws = torch.rand(U, generator=torch.Generator().manual_seed(9)) < 0.5
    assert 0 < int(draws[1:].sum()) < U - 1
    with torch.no_grad():
        encoded = network.encode(batch.inputs, batch.lengths)
        found = written(network, encoded, batch.targets, torch.Generator().manual_seed(9), 0.5)
        state, last, steps = None, torch.full((3,), BEGIN), list[Tensor]()
        for u in range(U):
            logits, state, _ = network.step(encoded, last, state)
            steps.append(logits.clone())
            logits[:, [0, BEGIN]] = -math.inf
            right = batch.targets[u].clamp(min=0)
            last = right if u + 1 < U and draws[u + 1] else logits.argmax(-1)
    torch.testing.assert_close(found, torch.stack(steps), atol=1e-5, rtol=1e-5)


def test_all_told_is_the_fast_path_and_draws_nothing(words: str) -> None:
    config, data, network = made(words)
    batch = collate(data.train, [5, 60])
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    told = TASK.loss(network, batch, None, generator, config)[0]
    assert torch.equal(generator.get_state(), before)
    assert told.item() == TASK.loss(network, batch, None, None, config)[0].item()


def test_batches_hold_sources_of_nearly_one_length(words: str) -> None:
    config, data, _ = made(words)
    batches = TASK.batches(data, config, torch.Generator().manual_seed(1))
    seen: Counter[tuple[int, ...]] = Counter()
    for _ in range(batches.chunks):
        batch = batches.next()
        lengths = [len(batch.inputs)] * 8 if batch.lengths is None else batch.lengths.tolist()
        assert max(lengths) - min(lengths) <= 2
        seen.update(tuple(batch.inputs[:n, b].tolist()) for b, n in enumerate(lengths))
    assert set(seen.values()) == {1}
    assert len(seen) == 8 * (len(data.train) // 8)


def test_evaluation_is_what_pairs_give_one_by_one(words: str) -> None:
    config, data, network = made(words, "lstm", seed=3)
    shares: list[float] = []
    scores = TASK.evaluate(network, data, "validation", config, working=shares.append)
    which = list(range(len(data.validation)))
    expected = costs_by_hand(network, data, which, "validation")
    assert (scores.loss, scores.count) == (pytest.approx(np.mean(expected), abs=2e-6), len(expected))
    texts = []
    network.eval()
    with torch.no_grad():
        for k in which:
            one = greedy(network, torch.from_numpy(data.validation.read(k).astype(np.int64)).unsqueeze(1))[0]
            texts.append(
                "".join(data.coding.outputs[s].replace("<unk>", "\N{REPLACEMENT CHARACTER}") for s in one.symbols)
            )
    right = [target for _, target in data.extra.validation]
    assert list(scores.metrics) == list(TASK.metrics)
    assert scores.metrics["bleu"] == sacrebleu.corpus_bleu(texts, [right], tokenize="char").score
    assert scores.metrics["exact"] == np.mean([a == b for a, b in zip(texts, right, strict=True)])
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0 + 1e-9
    network.train()
    TASK.evaluate(network, data, "validation", config, limit=30)
    assert network.training


def test_a_limit_counts_both_sides(words: str) -> None:
    config, data, network = made(words)
    sizes = [len(data.train.read(k)) + len(data.train.asked(k)) for k in range(4)]
    targets = [len(data.train.asked(k)) for k in range(4)]
    assert TASK.evaluate(network, data, "train", config, limit=sum(sizes[:3])).count == sum(targets[:3])
    assert TASK.evaluate(network, data, "train", config, limit=sum(sizes[:3]) - 1).count == sum(targets[:2])
    assert TASK.evaluate(network, data, "train", config, limit=1).count == targets[0]


def test_lines_without_a_network(words: str) -> None:
    _, data, _ = made(words)
    uniform, unigram, copied = data.view.baselines
    symbols = data.coding.outputs
    assert uniform.loss == pytest.approx(math.log(len(symbols)))
    counts = Counter(symbol for _, target in data.extra.train for symbol in [*target, END])
    total, kinds = counts.total(), len(counts)
    assert START not in counts
    costs = [
        -math.log((counts[symbol] + kinds / (len(symbols) - 2)) / (total + kinds))
        for _, target in data.extra.validation
        for symbol in [*target, END]
    ]
    assert unigram.loss == pytest.approx(np.mean(costs))
    assert unigram.loss < uniform.loss
    assert math.isnan(copied.loss)
    sources, targets = zip(*data.extra.validation, strict=True)
    expected = sacrebleu.corpus_bleu(list(sources), [list(targets)], tokenize="char").score
    assert copied.metrics == {"exact": 0.0, "bleu": expected, "char_accuracy": pytest.approx(0.0, abs=0.1)}


def test_accuracy_against_length_covers_the_part(words: str) -> None:
    config, data, network = made(words, seed=3)
    curve = TASK.accuracy_by_length(network, data, "train", config)
    assert [one.lengths for one in curve] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert sum(one.count for one in curve) == len(data.train)
    scores = TASK.evaluate(network, data, "train", config).metrics
    share = sum(one.exact * one.count for one in curve) / len(data.train)
    assert share == pytest.approx(scores["exact"])
    long = "".join(f"{'a' * n}\tb\n" for n in (1, 5, 17, 33, 40))
    path = Path(words).with_name("long.tsv")
    path.write_text(long)
    config, data, network = made(str(path))
    whole = data.train.lengths
    for one in TASK.accuracy_by_length(network, data, "train", config):
        assert one.lengths[1] - one.lengths[0] <= 4
        assert one.count == int(((whole >= one.lengths[0]) & (whole <= one.lengths[1])).sum()) > 0


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("attention", [False, True])
def test_an_answer(words: str, beams: int, attention: bool) -> None:
    _, data, network = made(words, "lstm", attention, seed=3)
    passage = TASK.passage(data, "validation", 2, 0)
    answer = TASK.answer(network.eval(), data.coding, passage, step=7, beams=beams, data=data)
    assert isinstance(answer, Translated)
    source, right = data.extra.validation[2]
    assert ("".join(answer.symbols), answer.right) == (source, right)
    assert (answer.step, answer.offset, answer.count) == (7, 2, len(data.validation))
    assert answer.text == "".join(answer.written)
    assert answer.beams[0][0] == answer.text
    assert len(answer.beams) <= beams
    assert answer.p.shape == (len(answer.written),)
    assert ((answer.p >= 0) & (answer.p <= 1)).all()
    assert answer.exact == (answer.text == right)
    with torch.no_grad():
        state = network.encode(torch.from_numpy(passage.inputs).unsqueeze(1)).state
    np.testing.assert_array_equal(answer.context, np.stack([layer[0][0] for layer in state]))
    assert answer.attention.shape == ((len(answer.written), len(answer.symbols)) if attention else (0, 0))
    assert not answer.context.flags.writeable


def test_what_is_typed(words: str) -> None:
    _, data, network = made(words)
    passage = TASK.encode(data.coding, "4?2\tfour two")
    assert passage.symbols == ("4", "?", "2")
    assert passage.unknown == 1
    answer = TASK.answer(network.eval(), data.coding, passage, step=0)
    assert (answer.right, answer.source, answer.unknown, answer.count) == ("four two", "your text", 1, 0)
    assert TASK.encode(data.coding, "42").targets.tolist() == []
    with pytest.raises(ValueError, match="nothing to translate"):
        TASK.encode(data.coding, "  \tfour")


def test_a_reversed_source_is_shown_as_it_is_read(words: str) -> None:
    config, plain, network = made(words, "lstm", True)
    data = TASK.read(put(config, "data.reverse_source", True).data)
    assert data.coding.inputs == plain.coding.inputs
    k = int(plain.validation.lengths.argmax())
    passage, usual = TASK.passage(data, "validation", k, 0), TASK.passage(plain, "validation", k, 0)
    assert len(passage.symbols) > 2
    assert passage.symbols == usual.symbols[::-1]
    assert passage.inputs.tolist() == usual.inputs.tolist()[::-1]
    assert passage.targets.tolist() == usual.targets.tolist()
    typed = TASK.encode(data.coding, data.extra.validation[k][0])
    assert (typed.symbols, typed.inputs.tolist()) == (passage.symbols, passage.inputs.tolist())
    answer = TASK.answer(network.eval(), data.coding, passage, step=0, data=data)
    assert answer.symbols == passage.symbols
    assert data.view.baselines[2].metrics == plain.view.baselines[2].metrics


def test_words_are_typed_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("the cat.\tle chat.\nthe dog.\tle chien.\n" * 20)
    config = Config.model_validate({"data": {"path": str(path), "symbol": "word"}})
    data = TASK.read(config.data)
    passage = TASK.encode(data.coding, "the  cat, please.\tle chat.")
    assert passage.symbols == ("the", "cat", ",", "please", ".")
    assert passage.unknown == 2
    k = data.extra.train.index(("the cat .", "le chat ."))
    assert [n for n in passage.inputs.tolist() if n != 1] == data.train.read(k).tolist()
    assert passage.targets.tolist() == data.train.asked(k).tolist()


def test_a_sample_is_a_pair_and_what_is_written(words: str) -> None:
    _, data, network = made(words)
    sample = TASK.sample(network, data, data.coding, 5)
    source, right = data.extra.validation[5 % len(data.validation)]
    assert sample is not None
    assert sample.prompt == f"{source} → "
    assert sample.text.endswith(f"(right: {right})")
    assert TASK.sample(network, None, data.coding, 5) is None
    with torch.no_grad():
        network.decoder.output.bias.fill_(math.nan)
    assert TASK.sample(network, data, data.coding, 5) is None


def test_an_empty_part(words: str) -> None:
    config, _, network = made(words)
    config = config.model_copy(update={"data": config.data.model_copy(update={"split": "100/0/0"})})
    whole = TASK.read(config.data)
    with pytest.raises(ValueError, match="the validation part has no pair"):
        TASK.evaluate(network, whole, "validation", config)
    with pytest.raises(ValueError, match="the test part has no pair"):
        TASK.passage(whole, "test", 0, 0)
    assert TASK.accuracy_by_length(network, whole, "test", config) == []
    assert TASK.sample(network, whole, whole.coding, 1) is not None


def test_it_learns_to_copy(tmp_path: Path) -> None:
    draws = np.random.default_rng(1)
    lines = ["".join(draws.choice(list("abcd"), size=int(draws.integers(1, 4)))) for _ in range(400)]
    path = tmp_path / "copy.tsv"
    path.write_text("".join(f"{line}\t{line}\n" for line in lines))
    config, data, network = made(str(path), "gru", True, batch_size=32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    batches = TASK.batches(data, config, torch.Generator().manual_seed(1))
    before = TASK.evaluate(network, data, "validation", config)
    for _ in range(150):
        loss, _ = TASK.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = TASK.evaluate(network, data, "validation", config)
    assert before.metrics["exact"] < 0.2
    assert after.metrics["exact"] > 0.9
    assert after.loss < before.loss / 4
    assert data.view.baselines[2].metrics["exact"] == 1.0

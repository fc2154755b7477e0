from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.data.source import DataError
from rnn_tui.tasks.learning.batches import collate
from tests.tasks.probing import PROBES, network_for, plainly, probe, read, small


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_probe_is_known_before_torch_is() -> None:
    code = (
        "import sys; from rnn_tui.tasks import task_of; from rnn_tui.config import DataConfig\n"
        f"for name in {PROBES!r}: task_of(name).read(DataConfig(task=name))\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("name", PROBES)
def test_what_is_read_depends_on_seed_and_length_alone(name: str) -> None:
    data, again, other = read(name), read(name), read(name, seed=2)
    assert data.sha256 == again.sha256 == data.view.sha256 != other.sha256
    assert name == "reber" or data.sha256 != read(name, 7).sha256
    for part in ("train", "validation", "test"):
        one, same, another = getattr(data, part), getattr(again, part), getattr(other, part)
        assert np.array_equal(one.inputs, same.inputs) and np.array_equal(one.targets, same.targets)
        assert not np.array_equal(one.inputs, another.inputs)
    assert not np.array_equal(data.validation.inputs, data.test.inputs)
    assert not np.array_equal(data.validation.inputs, data.train.inputs)


@pytest.mark.parametrize("name", PROBES)
def test_the_view_tells_what_was_made(name: str) -> None:
    data, task = read(name), probe(name)
    view = data.view
    assert (view.task, view.unit, view.numeric) == (name, "sequences", name == "adding")
    assert view.sizes == data.coding.sizes == task.coding.sizes
    assert [part.length for part in view.parts] == [len(data.train), len(data.validation), len(data.test)]
    assert view.characters == sum(len(p.inputs) for p in (data.train, data.validation, data.test))  # type: ignore[attr-defined]
    assert view.longest == max(int(p.lengths.max()) for p in (data.train, data.validation, data.test))
    assert len(view.preview.splitlines()) == 8 and len(view.notices) == 2
    assert view.baselines and all(math.isfinite(line.loss) for line in view.baselines)
    assert all(name in task.metrics for line in view.baselines for name in line.metrics)


def test_very_long_sequences_are_fewer() -> None:
    assert 20 <= len(read("adding", 10_000).validation) < 1000 == len(read("adding", 100).validation)


@pytest.mark.parametrize("name", ["adding", "brackets"])
def test_what_is_too_short_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"data\.length, 1; set it to 2"):
        read(name, 1)


@pytest.mark.parametrize("name", PROBES)
def test_making_can_be_broken_off_and_both_directions_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="cancelled"):
        probe(name).read(small(name).data, cancelled=lambda: True)
    probe(name).check(read(name), small(name))
    with pytest.raises(DataError, match=r"model\.bidirectional"):
        probe(name).check(read(name), small(name, model={"bidirectional": True}))


@pytest.mark.parametrize("name", PROBES)
def test_batches_depend_on_the_generator_alone_and_never_come_twice(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    draws = torch.Generator().manual_seed(5)
    batches = probe(name).batches(read(name), small(name), draws)
    first = batches.next()
    state, cursor = draws.get_state(), batches.cursor()
    later = [batches.next() for _ in range(3)]
    draws.set_state(state)
    batches.seek(cursor)
    for batch in later:
        again = batches.next()
        assert torch.equal(batch.inputs, again.inputs)
        assert torch.equal(batch.targets.nan_to_num(9), again.targets.nan_to_num(9))
    assert first.inputs.shape[1] == 9 and batches.fresh
    assert first.inputs.shape != later[0].inputs.shape or not torch.equal(first.inputs, later[0].inputs)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]


@pytest.mark.parametrize("name", PROBES)
def test_no_fixed_sequence_is_a_training_draw(name: str) -> None:
    """Where there are so many sequences that none comes twice by chance."""
    length = 40
    fixed = probe(name).read(small(name, length).data, seed=1)
    batches = probe(name).fresh(small(name, length, training={"batch_size": 300}), torch.Generator().manual_seed(1))
    batch = batches.next()
    drawn = {batch.inputs[:, b].numpy().tobytes() for b in range(300)}
    kept = collate(fixed.validation, range(300)).inputs.numpy()
    if name in ("adding", "copying"):
        assert len(drawn) == 300 and not drawn & {kept[:, b].tobytes() for b in range(300)}
    else:
        assert not np.array_equal(batch.inputs.numpy(), kept)


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("padding", ["post", "pre"])
def test_forgetting_to_reset_and_to_mask_reaches_the_batches(name: str, padding: str) -> None:
    config = small(name, training={"padding": padding, "masking": False, "forgot_reset": True})
    batches = probe(name).fresh(config, torch.Generator().manual_seed(5))
    batch = batches.next()
    assert not batches.fresh and not batch.masked
    uneven = name in ("recall", "brackets", "reber")
    assert batch.before == (padding == "pre" and uneven) and (batch.lengths is not None) == uneven
    assert batches.steady == (not uneven)


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "feedforward"])
def test_loss_and_scores_are_those_of_one_sequence_after_the_other(name: str, cell: str) -> None:
    network, task = network_for(name, cell=cell), probe(name)
    examples = task.draw(np.random.default_rng(3), 12, 6)
    total, count = plainly(network, examples, task.answers == "last")
    for before in (False, True):
        loss, state = task.loss(network, collate(examples, range(12), before=before), None, None, small(name))
        assert float(loss.detach()) == pytest.approx(total / count, rel=1e-5)
        assert state[0][0].shape == (12, 8)
    scores = task.score(network.train(), examples)
    assert network.training
    assert scores.loss == pytest.approx(total / count, rel=1e-5) and scores.count == count


@pytest.mark.parametrize("name", ["recall", "brackets", "reber"])
def test_unmasked_padding_before_the_data_changes_the_loss(name: str) -> None:
    network, task = network_for(name), probe(name)
    examples = task.draw(np.random.default_rng(3), 12, 6)
    batch = collate(examples, range(12), before=True)
    masked, _ = task.loss(network, batch, None, None, small(name))
    wrong, _ = task.loss(network, replace(batch, masked=False), None, None, small(name))
    assert abs(float((masked - wrong).detach())) > 1e-4


@pytest.mark.parametrize("name", PROBES)
def test_a_part_is_scored_whole_or_up_to_a_limit_and_can_be_broken_off(name: str) -> None:
    network, task, data = network_for(name), probe(name), read(name)
    told: list[float] = []
    whole = task.evaluate(network, data, "validation", small(name), working=told.append)
    assert told == sorted(told) and told[-1] == 1.0 and list(whole.metrics) == list(task.metrics)
    some = task.evaluate(network, data, "validation", small(name), limit=100)
    lengths = data.validation.lengths
    read_so_far = int((np.cumsum(lengths) <= 100).sum())
    first = [(data.validation.read(k), data.validation.asked(k)) for k in range(read_so_far)]
    asked = sum(1 if task.answers == "last" else int((targets != NOT_ASKED).sum()) for _, targets in first)
    assert some.count == asked < whole.count
    assert task.evaluate(network, data, "test", small(name)).loss != whole.loss

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task.evaluate(network, data, "validation", small(name), working=stop)


@pytest.mark.parametrize("name", PROBES)
def test_a_passage_is_an_example_by_its_number(name: str) -> None:
    task, data = probe(name), read(name)
    passage = task.passage(data, "test", len(data.test) + 3, 0)
    assert passage.offset == 3 and passage.part == "test" and passage.source == "sequence 3 of the test part"
    assert np.array_equal(passage.inputs, data.test.read(3)) and np.array_equal(passage.targets, data.test.asked(3))
    assert len(passage.symbols) == len(passage.inputs)
    assert "training part" in task.passage(data, "train", 0, 0).source


@pytest.mark.parametrize("name", [name for name in PROBES if name != "adding"])
def test_what_is_typed_is_read_and_what_is_strange_is_told(name: str) -> None:
    task = probe(name)
    coding = task.coding
    passage = task.encode(coding, f" {coding.inputs[0]} {coding.inputs[2]}\n")
    assert passage.symbols[:2] == (coding.inputs[0], coding.inputs[2]) and passage.source == "your text"
    assert len(passage.targets) == len(passage.inputs) == len(passage.symbols)
    for text in ("", " \n"):
        with pytest.raises(ValueError, match="nothing to read"):
            task.encode(coding, text)
    with pytest.raises(ValueError, match="'ö' is no symbol") as told:
        task.encode(coding, coding.inputs[0] + "ö")
    assert "\n" not in str(told.value)
    with pytest.raises(ValueError) as told:
        task.encode(coding, "\x1b[2J")
    assert "\x1b" not in str(told.value)


@pytest.mark.parametrize("name", [name for name in PROBES if name != "adding"])
def test_an_answer_is_the_choice_at_every_timestep(name: str) -> None:
    task, data, network = probe(name), read(name), network_for(name)
    passage = task.passage(data, "validation", 4, 0)
    answer = task.answer(network, data.coding, passage, step=70, data=data)
    with torch.no_grad():
        logits = network(torch.from_numpy(passage.inputs).unsqueeze(1))[0][:, 0]
    assert np.allclose(answer.p, torch.softmax(logits, 1).numpy(), atol=1e-6)
    assert answer.classes == data.coding.answers and answer.symbols == passage.symbols
    assert (answer.offset, answer.count, answer.step) == (4, len(data.validation), 70)
    asked = passage.targets != NOT_ASKED
    assert np.array_equal(answer.asked, asked)
    assert all((right == "") != one for right, one in zip(answer.right, asked, strict=True))
    typed = task.answer(network, data.coding, task.encode(data.coding, data.coding.inputs[0] * 2), step=1)
    assert typed.count == 0 and typed.source == "your text"


@pytest.mark.parametrize("name", PROBES)
def test_a_sample_depends_on_its_seed_and_is_left_out_where_weights_have_diverged(name: str) -> None:
    task, data, network = probe(name), read(name), network_for(name)
    sample, again = (task.sample(network, data, data.coding, 3) for _ in range(2))
    assert sample is not None and sample == again and len(sample.text.splitlines()) == 5
    other = task.sample(network, None, data.coding, 4)
    assert other is not None and other.text != sample.text
    if name in ("brackets", "reber"):
        with torch.no_grad():
            network.output.bias.fill_(math.nan)
        assert task.sample(network, data, data.coding, 3) is None

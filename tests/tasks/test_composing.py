from __future__ import annotations

import gzip
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import Config, DataConfig
from rnn_tui.data.coding import END, PAD, START, UNKNOWN
from rnn_tui.data.composed import composing_lines, labels_of
from rnn_tui.data.examples import Dataset, Ragged
from rnn_tui.data.invented import invented_names
from rnn_tui.data.source import DataError
from rnn_tui.model.initial import fill
from rnn_tui.model.network import Network
from rnn_tui.tasks import task_of
from rnn_tui.tasks.composing import compose, opening, unwritten
from rnn_tui.tasks.learning.batches import collate
from tests.networks import seeded

COMPOSING = task_of("composing")
ROWS = ["Novak,Czech", "Svoboda,Czech", "Rossi,Italian", "Bianchi,Italian", "Ng,Chinese", "Li,Chinese"]


def read(folder: Path, text: str | bytes, name: str = "names.csv", **fields: Any) -> Dataset:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = COMPOSING.read(DataConfig(**{"task": "composing", "path": str(path), "split": "100/0/0", **fields}))
    assert isinstance(found, Dataset)
    return found


def network_for(data: Dataset, **choices: Any) -> Network:
    config = Config(model={"layers": 1, "hidden_size": 12, "embedding_size": 6, **choices})  # type: ignore[arg-type]
    network = Network(config.model, data.coding.sizes)
    fill(network, config.model, seeded(1))
    return network


def spelled(data: Dataset, part: str = "train") -> set[tuple[str, ...]]:
    examples = getattr(data, part)
    return {tuple(data.coding.inputs[n] for n in examples.read(k)) for k in range(len(examples))}


@pytest.fixture(scope="module")
def example() -> Dataset:
    found = COMPOSING.read(DataConfig(task="composing", path="builtin:example"))
    assert isinstance(found, Dataset)
    return found


def test_the_label_is_read_first_and_the_end_is_asked_last(tmp_path: Path) -> None:
    data = read(tmp_path, "name,language\n" + "\n".join(ROWS))
    symbols = data.coding.inputs
    labels = ("<label Chinese>", "<label Czech>", "<label Italian>")
    assert symbols == (PAD, UNKNOWN, END, *labels, *sorted(set("NovakSvobodaRossiBianchiNgLi")))
    assert data.coding.sizes.outputs == len(symbols)
    assert labels_of(data.coding) == ("Chinese", "Czech", "Italian")
    assert ("<label Czech>", *"Novak") in spelled(data)
    for k in range(6):
        inputs, targets = data.train.read(k), data.train.asked(k)
        assert targets.tolist() == [*inputs[1:].tolist(), symbols.index(END)]
    assert data.view.parts[0].length == 6
    assert (data.view.unit, data.view.longest, data.view.characters) == ("names", 8, 28 + 6)
    assert data.view.task == "composing"


def test_one_name_a_line_needs_no_label(tmp_path: Path) -> None:
    data = read(tmp_path, "emma\n\n  anna \r\nVan Dyck\nO'Neil, Sr.\n", "names.txt")
    assert spelled(data) == {(START, *name) for name in ("emma", "anna", "Van Dyck", "O'Neil, Sr.")}
    assert data.coding.inputs[:4] == (PAD, UNKNOWN, END, START)
    assert f"no column of labels: every name begins with {START}" in data.view.notices
    # The line of each is kept: empty ones are passed over, and counted.
    assert sorted(data.extra["train"]) == [1, 3, 4, 5]
    header = read(tmp_path, "name\nemma\nanna\n", "one.csv")
    assert spelled(header) == {(START, *"emma"), (START, *"anna")}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("language;id;name\nCzech;1;Novak\nCzech;2;Svoboda\nItalian;3;Rossi\nItalian;4;Bianchi\n", {}),
        ("Novak\tCzech\nSvoboda\tCzech\nRossi\tItalian\nBianchi\tItalian\n", {}),
        ("x,y\nNovak,Czech\nSvoboda,Czech\nRossi,Italian\nBianchi,Italian\n", {"columns": "x", "label_column": "y"}),
        ("Novak,Czech\nSvoboda,Czech\nRossi,Italian\nBianchi,Italian\n", {"columns": "0", "label_column": "-1"}),
    ],
)
def test_columns_are_named_or_found(tmp_path: Path, text: str, fields: dict[str, str]) -> None:
    names = {("<label Czech>", *"Novak"), ("<label Czech>", *"Svoboda"), ("<label Italian>", *"Rossi")}
    for name, packed in (("names.csv", False), ("names.csv.gz", True)):
        data = read(tmp_path, gzip.compress(text.encode()) if packed else text, name, **fields)
        assert spelled(data) == names | {("<label Italian>", *"Bianchi")}


def test_names_are_shuffled_alike_and_cut(tmp_path: Path) -> None:
    text = "\n".join(f"{a}{b},{a}" for a in "abcd" for b in "efghijklmn")
    data = read(tmp_path, text, split="80/10/10")
    again = read(tmp_path, text, split="80/10/10")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [32, 4, 4]
    assert spelled(data) | spelled(data, "validation") | spelled(data, "test") == {
        (f"<label {a}>", a, b) for a in "abcd" for b in "efghijklmn"
    }
    for part in ("train", "validation", "test"):
        assert getattr(data, part).inputs.tolist() == getattr(again, part).inputs.tolist()
    # A file sorted by its labels still has every label in training.
    assert {symbols[0] for symbols in spelled(data)} == {f"<label {a}>" for a in "abcd"}
    assert any("shuffled" in notice for notice in data.view.notices)


def test_files_of_their_own_and_what_training_lacks(tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("name,language\nXo,Czech\nLi,Welsh\n")
    data = read(tmp_path, "name,language\n" + "\n".join(ROWS), validation_path=str(tmp_path / "valid.csv"),
                split="90/10/0")  # fmt: skip
    assert len(data.train) == 6
    assert spelled(data, "validation") == {("<label Czech>", UNKNOWN, "o"), (UNKNOWN, "L", "i")}
    told = " | ".join(data.view.notices)
    assert "1 character of the validation part are not in the training part" in told
    assert "1 names of the validation part have a label" in told


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("name,language\nNovak,Czech\nSvoboda\nRossi,Italian\n", {}, r"1 field, the first line has 2; line 3"),
        ("name,language\nA,x\n\n  ,x\nB,y\n", {}, r"the name is empty; line 4"),
        ("name,language\nA,x\nB,\nC,x\nD,y\n", {}, r"the label of 'B' is empty; line 3"),
        ("name,language\nA,x\nB,x\n", {"label_column": "nation"}, r"no column 'nation'.*name, language"),
        ("name\nA\nB\n", {"label_column": "name"}, r"one column only.*leave data.label_column empty"),
        ("a,b\n1,2\n3,4\n5,6\n7,8\n", {}, r"no column looks like labels"),
        ("\n\n", {}, r"no line with anything on it"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, fields: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, **fields)


def test_labels_in_one_file_only(tmp_path: Path) -> None:
    (tmp_path / "valid.txt").write_text("Novak\nRossi\n")
    with pytest.raises(DataError, match=r"names.csv has labels and valid.txt has none; .*valid.txt"):
        read(tmp_path, "\n".join(ROWS), validation_path=str(tmp_path / "valid.txt"))


def test_the_example_is_always_the_same(example: Dataset) -> None:
    assert invented_names() == invented_names()
    assert invented_names(20) == "\n".join(invented_names().splitlines()[:21]) + "\n"
    assert len(labels_of(example.coding)) == 6
    assert sum(part.length for part in example.view.parts) == 3000
    uniform, unigram, bigram = (line.loss for line in example.view.baselines)
    assert bigram < unigram - 0.5 < uniform - 1


def slow_lines(train: list[list[int]], scored: list[list[int]], vocabulary: int) -> tuple[float, float]:
    """Witten-Bell over sequences, with dictionaries: (read, asked) pairs, each sequence by itself."""
    seen: Counter[int] = Counter()
    after: dict[int, Counter[int]] = defaultdict(Counter)
    for name in train:
        for before, w in zip([0, *name], [*name, 1], strict=True):
            seen[w] += 1
            after[before][w] += 1

    def unigram(w: int) -> float:
        return (seen[w] + len(seen) / vocabulary) / (sum(seen.values()) + len(seen))

    def bigram(v: int, w: int) -> float:
        n, kinds = sum(after[v].values()), len(after[v])
        return (after[v][w] + kinds * unigram(w)) / (n + kinds) if n else unigram(w)

    pairs = [pair for name in scored for pair in zip([0, *name], [*name, 1], strict=True)]
    return (
        -sum(math.log(unigram(w)) for _, w in pairs) / len(pairs),
        -sum(math.log(bigram(v, w)) for v, w in pairs) / len(pairs),
    )


_NAME = st.lists(st.integers(2, 6), max_size=6)


@given(st.lists(_NAME, min_size=1, max_size=8), st.lists(_NAME, max_size=5))
def test_the_lines_against_slow_ones(train: list[list[int]], validation: list[list[int]]) -> None:
    def examples(names: list[list[int]]) -> Ragged:
        return Ragged.of([np.array([0, *name]) for name in names], [np.array([*name, 1]) for name in names])

    uniform, unigram, bigram = composing_lines(examples(train), examples(validation), 7)
    assert uniform.loss == pytest.approx(math.log(7))
    assert (unigram.loss, bigram.loss) == pytest.approx(slow_lines(train, validation or train, 7), abs=1e-12)


@pytest.mark.parametrize("before", [False, True])
def test_the_loss_is_the_mean_over_every_symbol_asked(example: Dataset, before: bool) -> None:
    network = network_for(example)
    which = [0, 5, 9, 3]
    batch = collate(example.train, which, before=before)
    cost, _ = COMPOSING.loss(network, batch, network.initial(4), None, Config())
    total, count = 0.0, 0
    for k in which:
        logits, _ = network(torch.from_numpy(example.train.read(k)).unsqueeze(1))
        asked = torch.from_numpy(example.train.asked(k))
        total += F.cross_entropy(logits[:, 0], asked, reduction="sum").item()
        count += len(asked)
    assert batch.lengths is not None
    assert cost.item() == pytest.approx(total / count, rel=1e-6)


def test_a_part_is_scored_name_by_name(example: Dataset) -> None:
    network = network_for(example)
    total, count = 0.0, 0
    with torch.no_grad():
        for k in range(len(example.validation)):
            logits, _ = network(torch.from_numpy(example.validation.read(k)).unsqueeze(1))
            asked = torch.from_numpy(example.validation.asked(k))
            total += F.cross_entropy(logits[:, 0].double(), asked, reduction="sum").item()
            count += len(asked)
    scores = COMPOSING.evaluate(network, example, "validation", Config())
    assert scores.count == count
    assert scores.loss == pytest.approx(total / count, rel=1e-6)
    few = COMPOSING.evaluate(network, example, "validation", Config(), limit=40)
    assert 0 < few.count <= 40


def test_a_few_updates_beat_the_unigram(example: Dataset) -> None:
    network = network_for(example, hidden_size=24, embedding_size=12)
    config = Config(training={"batch_size": 32})  # type: ignore[arg-type]
    batches = COMPOSING.batches(example, config, seeded(3))
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    assert COMPOSING.evaluate(network, example, "validation", config).loss == pytest.approx(
        math.log(len(example.coding.inputs)), abs=0.1
    )
    for _ in range(60):
        assert batches.fresh
        cost, _ = COMPOSING.loss(network, batches.next(), None, None, config)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    assert COMPOSING.evaluate(network, example, "validation", config).loss < example.view.baselines[1].loss - 0.4
    # The label matters: the same beginning goes on in another way.
    names = {label: compose(network, example.coding, label, "B", temperature=0).text for label in ("Brakh", "Aruvi")}
    assert len(set(names.values())) == 2


def test_what_is_written_is_drawn_from_the_network(example: Dataset) -> None:
    network = network_for(example)
    name = compose(network, example.coding, "brakh", "Go", seed=4, longest=30)
    assert (name.label, name.beginning) == ("Brakh", "Go")
    assert name.text == "Go" + name.written
    symbols = example.coding.inputs
    end = symbols.index(END)
    ids = [symbols.index("<label Brakh>"), *(symbols.index(c) for c in name.text)] + [end] * name.ended
    with torch.no_grad():
        logits, _ = network(torch.tensor(ids).unsqueeze(1))
    logits[..., unwritten(example.coding)] = -torch.inf
    p = logits[:, 0].double().softmax(1)
    expected = [p[t - 1, ids[t]].item() for t in range(3, len(ids))]
    assert name.p == pytest.approx(expected, rel=1e-5)
    assert compose(network, example.coding, "Brakh", "Go", seed=4, longest=30) == name
    assert compose(network, example.coding, "Brakh", "Go", seed=5, longest=30) != name


def test_writing_ends_at_the_end_or_at_the_longest(example: Dataset) -> None:
    network = network_for(example)
    end = example.coding.inputs.index(END)
    with torch.no_grad():
        network.output.bias[end] = -50
    cut = compose(network, example.coding, "Aruvi", longest=12)
    assert (len(cut.written), len(cut.p), cut.ended) == (12, 12, False)
    with torch.no_grad():
        network.output.bias[end] = 50
    done = compose(network, example.coding, "Aruvi", "Li", longest=12)
    assert (done.text, len(done.p), done.ended) == ("Li", 1, True)
    with torch.no_grad():
        # Symbols that stand for no text aren't written, however sure the network is of them.
        network.output.bias[0] = 90
    assert compose(network, example.coding, "Aruvi", "Li", longest=12).text == "Li"


def test_samples_have_their_labels(example: Dataset, tmp_path: Path) -> None:
    sample = COMPOSING.sample(network_for(example), example, example.coding, 1)
    assert sample is not None
    assert [line.split(":")[0] for line in sample.text.splitlines()] == list(labels_of(example.coding))
    bare = read(tmp_path, "emma\nanna\notto\n", "names.txt")
    sample = COMPOSING.sample(network_for(bare), bare, bare.coding, 1)
    assert sample is not None
    assert sample.text.count("\n") == 7
    broken = network_for(bare)
    with torch.no_grad():
        broken.output.bias.fill_(torch.nan)
    assert COMPOSING.sample(broken, bare, bare.coding, 1) is None


def test_passages_and_typed_text(example: Dataset, tmp_path: Path) -> None:
    passage = COMPOSING.passage(example, "validation", 2, 0)
    assert passage.inputs.tolist() == example.validation.read(2).tolist()
    assert passage.targets.tolist() == example.validation.asked(2).tolist()
    assert passage.symbols[0].startswith("<label ")
    line = invented_names().splitlines()[example.extra["validation"][2] - 1]
    assert line == f"{''.join(passage.symbols[1:])},{passage.symbols[0][7:-1]}"
    assert passage.source == f"validation name 2, line {example.extra['validation'][2]:,}"
    assert COMPOSING.passage(example, "test", 10**6, 0).offset == len(example.test) - 1
    typed = COMPOSING.encode(example.coding, "delune: Ca9")
    assert typed.symbols == ("<label Delune>", "C", "a", UNKNOWN)
    assert (typed.unknown, typed.targets.tolist()) == (1, [*typed.inputs[1:].tolist(), -1])
    with pytest.raises(ValueError, match=r"'Klingon' is none of its 6 labels.*Aruvi"):
        COMPOSING.encode(example.coding, "Klingon: K")
    bare = read(tmp_path, "emma\nanna\n", "names.txt")
    assert COMPOSING.encode(bare.coding, "em").symbols == (START, "e", "m")
    assert opening(bare.coding, "", "")[0].tolist() == [3]
    with pytest.raises(ValueError, match="knows no labels"):
        compose(network_for(bare), bare.coding, "Czech")

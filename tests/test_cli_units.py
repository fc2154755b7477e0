"""`rnn-lab units`, and the same questions put to the answering thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer

import rnn_tui.cli
from rnn_tui import session
from rnn_tui.commands.units import units as units_verb
from rnn_tui.config import Config
from rnn_tui.data.coding import Coding
from rnn_tui.inspection.trace import trace
from rnn_tui.lab.answers import units as answers
from rnn_tui.lab.answers.desk import Desk, Frozen, Held, Sources
from rnn_tui.lab.asking import AnsweringThread, Asked, LabError
from rnn_tui.lab.questions import CountGates, FindMarks, FindState, FindUnits
from rnn_tui.views import GateStatistics, Marked, StateMatches, UnitRanking
from tests import networks
from tests.command import TEXT, Command, command, trained  # noqa: F401

WAIT = 60.0


@pytest.fixture(autouse=True)
def verb(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb as the command line has it, also where it is called from elsewhere."""
    if not any(known.name == "units" for known in rnn_tui.cli.app.registered_commands):
        added = typer.Typer()
        added.command("units")(units_verb)
        everything = [*rnn_tui.cli.app.registered_commands, *added.registered_commands]
        monkeypatch.setattr(rnn_tui.cli.app, "registered_commands", everything)


def independent(path: Path, text: str, pattern: str) -> dict[tuple[int, str, int], float]:
    """Every unit's chance of a higher value in a match, by torch.nn from the file's tensors, and by pairs."""
    found = session.load(path)
    ids = torch.tensor([found.symbols.index(symbol) for symbol in text])
    marks = np.zeros(len(text), bool)
    for match in re.finditer(pattern, text):
        marks[match.start() : match.end()] = True
    tensors = {name: torch.as_tensor(array) for name, array in found.tensors.items() if name.startswith("model.")}
    x = tensors["model.embedding.weight"][ids]
    chances = {}
    for k in range(2):
        own = f"model.layers.{k}."
        weights = {n.removeprefix(own): v for n, v in tensors.items() if n.startswith(own)}
        layer = torch.nn.LSTM(x.shape[1], 8)
        layer.load_state_dict(weights)
        states: dict[str, list[np.ndarray]] = {"h": [], "c": []}
        carried = None
        with torch.no_grad():
            for x_t in x:
                _, carried = layer(x_t[None], carried)
                for name, value in zip("hc", carried, strict=True):
                    states[name].append(value[0].numpy().copy())
        for name, values in states.items():
            column = np.stack(values)
            for unit in range(8):
                difference = np.sign(column[marks, unit][:, None] - column[~marks, unit][None])
                chances[k, name, unit] = float(((difference + 1) / 2).mean())
        x = torch.as_tensor(np.stack(states["h"]))
    return chances


def test_json_is_what_torch_says(trained: Command) -> None:  # noqa: F811
    train_part = TEXT[: len(TEXT) * 90 // 100]
    found = trained("units", "demo", "--match", "[a-z]+t", "--characters", "600", "--json")
    assert found.code == 0, found.err
    answer = found.json
    expected = independent(trained.sessions / "demo.safetensors", train_part[-600:], "[a-z]+t")
    assert answer["characters"] == 600 and answer["match"] == "[a-z]+t"
    assert answer["marked"] == sum(len(m) for m in re.findall("[a-z]+t", train_part[-600:]))
    assert answer["source"] == "training part, last 600 symbols"
    assert {(u["layer"], u["state"], u["unit"]) for u in answer["units"]} == set(expected)
    assert len(answer["units"]) == len(expected)
    for unit in answer["units"]:
        chance = expected[unit["layer"], unit["state"], unit["unit"]]
        assert unit["auc"] == pytest.approx(chance if unit["sign"] > 0 else 1 - chance, abs=1e-3)
    shares = [unit["auc"] for unit in answer["units"]]
    assert shares == sorted(shares, reverse=True) and 0.5 <= shares[-1] <= shares[0] <= 1


def test_a_person_sees_the_best_ten_and_the_first_on_text(trained: Command) -> None:  # noqa: F811
    found = trained("units", "demo", "--mark", "word start")
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    assert re.fullmatch(
        r"[\d,]+ of [\d,]+ symbols are marked \(training and validation parts, [\d,]+ symbols\)", lines[0]
    )
    assert lines[2].split() == ["layer", "state", "unit", "AUC", "sign"] and len(lines[3:13]) == 10
    layer, state, unit, *_ = lines[3].split()
    text, marks, digits = lines[14:17]
    assert text.startswith("at ") and "·" in text and "^" in marks
    assert digits.startswith(f"{layer} {state} {unit}  ") and {"0", "9"} <= set(digits[10:])
    assert re.fullmatch(r"0 is [+-][\d.]+, 9 is [+-][\d.]+", lines[17])


def test_another_text_is_read_from_its_start(trained: Command) -> None:  # noqa: F811
    path = trained.text("other.txt", "the cat saw THE dog. " * 10)
    whole = trained("units", "demo", "--match", "cat", "--data", path, "--json")
    assert whole.json["marked"] == 30
    assert "symbols are not in the vocabulary" in whole.err
    cut = trained("units", "demo", "--match", "cat", "--data", path, "--json", "--characters", "50", "--best")
    assert cut.json["characters"] == 50 and "the first 50 of its" in cut.err


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ((), 2, "either a pattern or a built-in mark"),
        (("--match", "a", "--mark", "digit"), 2, "not both"),
        (("--match", "(a"), 2, "--match: the pattern is no regular expression: missing ) at its symbol 3"),
        (("--mark", "digits"), 2, "did you mean digit?"),
        (("--match", "XYZ"), 2, "marks no symbol"),
        (("--match", "(?s)."), 2, "marks every symbol"),
        (("--match", "a", "--data", "nowhere.txt"), 2, "nowhere.txt"),
    ],
)
def test_what_can_not_be_is_one_sentence(trained: Command, args: tuple[str, ...], code: int, sentence: str) -> None:  # noqa: F811
    found = trained("units", "demo", *args)
    assert (found.code, found.out) == (code, "")
    assert sentence in found.error


def refuse(*_: Any) -> Any:
    raise AssertionError("nobody asks the run")


SYMBOLS = tuple("\n abcdefgh(")


@pytest.fixture
def sources() -> Sources:
    network = networks.build(len(SYMBOLS)).eval().requires_grad_(False)
    ids = networks.tokens(2000).numpy().astype(np.uint8)
    parts = SimpleNamespace(train=ids[:1500], validation=ids[1500:], test=ids[:0])
    frozen = Frozen(network, Config(), Coding(SYMBOLS), parts, "validation", 12, 3)
    return Sources(Desk(), lambda best: frozen, refuse, Path())


@pytest.fixture
def thread() -> Iterator[AnsweringThread]:
    answering = AnsweringThread()
    yield answering
    answering.close(WAIT)


def ask(thread: AnsweringThread, answer: Callable[..., Any], question: Any, sources: Sources) -> Asked:
    asked = Asked(question)
    thread.take(asked, answer(question, asked, sources))
    return asked


def read(sources: Sources, tokens: np.ndarray) -> int:
    frozen = sources.model(False)
    return sources.desk.put(Held(frozen, trace(frozen.network, tokens), ()))


def test_a_ranking_from_the_thread(thread: AnsweringThread, sources: Sources) -> None:
    found = ask(thread, answers.find_units, FindUnits(pattern="[a-d]", characters=1000), sources).result(WAIT)
    assert isinstance(found, UnitRanking)
    ids = sources.model(False).parts["train"][-1000:]
    assert (found.what, found.characters, found.step) == ("[a-d]", 1000, 12)
    assert found.marked == int(np.isin(ids, [2, 3, 4, 5]).sum())
    assert found.source == "training part, last 1,000 symbols"
    traced = trace(sources.model(False).network, ids)
    best = found.units[0]
    values = traced.layers[best.layer][best.state][:, best.unit]
    marks = np.isin(ids, [2, 3, 4, 5])
    chance = float((values[marks][:, None] > values[~marks][None]).mean())
    assert best.auc == pytest.approx(max(chance, 1 - chance), abs=1e-4)


def test_marks_of_a_text_that_was_read(thread: AnsweringThread, sources: Sources) -> None:
    number = read(sources, np.array([2, 3, 0, 4, 1, 5]))
    found = ask(thread, answers.find_marks, FindMarks(number, mark="column"), sources).result(WAIT)
    assert isinstance(found, Marked)
    assert (found.number, found.what, found.grade.tolist()) == (number, "column", [1, 2, 0, 1, 2, 3])
    with pytest.raises(LabError, match="no regular expression"):
        ask(thread, answers.find_marks, FindMarks(number, pattern="("), sources).result(WAIT)
    nothing = ask(thread, answers.find_marks, FindMarks(number, pattern="z"), sources).result(WAIT)
    assert not nothing.grade.any()
    with pytest.raises(LabError, match="read it again"):
        ask(thread, answers.find_marks, FindMarks(99, pattern="z"), sources).result(WAIT)


def test_a_state_is_found_where_it_is_from(thread: AnsweringThread, sources: Sources) -> None:
    train = sources.model(False).parts["train"]
    number = read(sources, train[:60].astype(np.int64))
    # What is searched begins where the reading began, so its own place is among those found.
    question = FindState(number, 0, "h", 33, 31, threshold=0.05, characters=2000)
    found = ask(thread, answers.find_state, question, sources).result(WAIT)
    assert isinstance(found, StateMatches)
    assert (found.first, found.last, found.characters, found.step) == (31, 33, 2000, 12)
    text = "".join(SYMBOLS[k] for part in ("train", "validation") for k in sources.model(False).parts[part])
    own = [p for p in found.places if p.part == "train" and p.offset <= 31 and p.offset + p.length >= 34]
    assert len(own) == 1 and own[0].on == len(found.units)
    for place in found.places:
        at = place.offset + (1500 if place.part == "validation" else 0)
        assert place.text == text[at : at + place.length]
        assert place.before == text[max(0, at - 20) : at]
        assert place.after == text[at + place.length : at + place.length + 20]
    with pytest.raises(LabError, match="lower the threshold"):
        ask(thread, answers.find_state, FindState(number, 0, "h", 1, 3, 5.0), sources).result(WAIT)
    for layer, state in ((2, "h"), (0, "i"), (-1, "h")):
        with pytest.raises(LabError, match="choose another"):
            ask(thread, answers.find_state, FindState(number, layer, state, 1, 3), sources).result(WAIT)


def test_gates_from_the_thread(thread: AnsweringThread, sources: Sources) -> None:
    found = ask(thread, answers.count_gates, CountGates(characters=300), sources).result(WAIT)
    assert isinstance(found, GateStatistics)
    assert (found.characters, found.source, found.step) == (300, "training part, last 300 symbols", 12)


def test_a_search_is_told_taken_back_and_lets_others_through(thread: AnsweringThread, sources: Sources) -> None:
    slow = FindUnits(pattern="(?:a|b|c|d|[^z])+$(?<=z)|(.+)+\\1z", characters=1500)
    asked = Asked(slow)
    answer = answers.find_units(slow, asked, sources)
    for _ in range(3):
        next(answer)
    assert asked.doing
    asked.cancel()
    thread.take(asked, answer)
    quick = ask(thread, answers.count_gates, CountGates(characters=100), sources)
    assert quick.result(WAIT).characters == 100
    with pytest.raises(LabError, match="cancelled"):
        asked.result(WAIT)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (FindUnits(pattern="(a", characters=100), "no regular expression"),
        (FindUnits(mark="quote", characters=100), "did you mean quotes"),
        (FindUnits(pattern="z", characters=100), "marks no symbol"),
        (FindUnits(pattern="a", characters=1), "too few"),
    ],
)
def test_why_there_is_no_ranking(thread: AnsweringThread, sources: Sources, question: FindUnits, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        ask(thread, answers.find_units, question, sources).result(WAIT)


def test_without_the_text_it_says_so(thread: AnsweringThread, sources: Sources) -> None:
    frozen = sources.model(False)
    bare = Frozen(frozen.network, frozen.config, frozen.coding, None, "train", 1, 1)
    bare_sources = Sources(Desk(), lambda best: bare, refuse, Path())
    for answer, question in ((answers.find_units, FindUnits(pattern="a")), (answers.count_gates, CountGates())):
        with pytest.raises(LabError, match="not at hand"):
            ask(thread, answer, question, bare_sources).result(WAIT)

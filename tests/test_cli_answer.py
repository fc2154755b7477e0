# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""Every task without a screen: `train`, `eval` and `answer` on small files and generated data."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rnn_tui.config import GENERATED, TASKS
from rnn_tui.tasks import task_of
from tests.command import Command, command  # noqa: F401

SMALL = (
    "--set", "model.layers=1", "--set", "model.hidden_size=6", "--set", "model.embedding_size=5",
    "--set", "training.batch_size=4", "--set", "training.threads=1", "--set", "data.length=8",
    "--set", "training.sequence_length=10", "--steps", "3",
)  # fmt: skip
NAMES = "name,language\n" + "Novak,Czech\nSmith,English\nDvorak,Czech\nJones,English\nMasek,Czech\nBrown,English\n" * 6


def of(task: str, name: str = "one") -> tuple[str, ...]:
    example = "builtin:sentences" if task == "language" else task_of(task).example
    data = () if task in GENERATED else ("--data", example)
    return ("train", "--new", name, "--set", f"data.task={task}", *data, *SMALL, "--json")


_MADE: dict[str, bytes] = {}


def session_of(command: Command, task: str) -> None:
    """The session `one` of a task, for tests that ask about it: trained once, and the same for each of them."""
    path = command.sessions / "one.safetensors"
    if task not in _MADE:
        assert command(*of(task)).code == 0
        _MADE[task] = path.read_bytes()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_MADE[task])


@pytest.mark.parametrize("task", TASKS)
def test_what_train_tells_is_what_eval_finds(command: Command, task: str) -> None:
    trained = command(*of(task))
    assert trained.code == 0, trained.err
    _MADE[task] = (command.sessions / "one.safetensors").read_bytes()
    told = trained.json
    assert told["steps"] == 3 and told["stopped_because"] == "steps" and told["tokens"] > 0
    found = command("eval", "one", "--json").json
    assert found["loss"] == pytest.approx(told["val_loss"], rel=1e-6)
    assert ("val_perplexity" in told) == task_of(task).writes
    if task_of(task).writes:
        assert told["val_perplexity"] == pytest.approx(math.exp(told["val_loss"]), rel=1e-6)
    for name in task_of(task).metrics:
        if name in found:
            assert found[name] == pytest.approx(told[f"val_{name}"], rel=1e-6)


def test_a_class_after_every_letter(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(NAMES)
    made = command("train", "--new", "names", "--set", "data.task=classification", "--data", str(path), *SMALL)
    assert made.code == 0, made.err
    found = command("answer", "names", "--text", "Kolar", "--json").json
    assert found["symbols"] == list("Kolar") and sorted(found["classes"]) == ["Czech", "English"]
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in found["p"])
    shown = command("answer", "names", "--text", "Kolar").out
    assert len(shown.splitlines()) == 1 + 5 + 1 and "Czech" in shown
    other = tmp_path / "other.csv"
    other.write_text("name,language\nKolar,Czech\nGreen,English\n")
    outcome = command("eval", "names", "--data", str(other), "--breakdown", "--json")
    assert outcome.code == 0, outcome.err
    scored = outcome.json
    assert scored["count"] == 2
    (matrix,) = scored["breakdown"]
    assert sum(map(sum, matrix["values"])) == 2 and sorted(matrix["rows"]) == ["Czech", "English"]


def test_what_is_remembered_over_which_gap(command: Command) -> None:
    session_of(command, "recall")
    found = command("answer", "one", "--gaps", "--cell", "rnn", "--steps", "2", "--json").json
    assert len(found["names"]) == 2 and found["measure"] == "accuracy" and found["gaps"][-1] == 8
    assert all(0 <= value <= 1 for row in found["values"] for value in row)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("answer", "one", "--cell", "lsmt", "--gaps"), "no cell"),
        (("answer", "one", "--example", "5000000"), "counted from 0"),
        (("answer", "one", "--split", "half"), "no part"),
        (("eval", "one", "--data", "x.csv"), "makes its data itself"),
    ],
)
def test_a_wrong_question_is_one_sentence(command: Command, arguments: tuple[str, ...], told: str) -> None:
    session_of(command, "recall")
    outcome = command(*arguments)
    assert outcome.code == 2, outcome.err
    assert told in outcome.error


def test_a_language_writes_and_does_not_answer(command: Command) -> None:
    session_of(command, "language")
    told = command("answer", "one", "--text", "the").error
    assert told.endswith("a session of language does not answer, it writes; one; use rnn-lab generate one")


def test_a_typed_sentence_gets_its_tags(command: Command) -> None:
    session_of(command, "tagging")
    found = command("answer", "one", "--text", "Ada sits", "--json").json
    tags = [found["classes"][row.index(max(row))] for row in found["p"]]
    shown = command("answer", "one", "--text", "Ada sits").out.splitlines()
    assert [line.split()[2] for line in shown[1:]] == tags
    assert command("answer", "one", "--text", " ").error.endswith("there is no word in it; write a sentence; --text")


def test_the_numbers_to_be_added_are_marked(command: Command) -> None:
    session_of(command, "adding")
    found = command("answer", "one", "--text", "0.1 0.2* 0.3 0.5*", "--json").json
    shown = command("answer", "one", "--text", "0.1 0.2* 0.3 0.5*").out.splitlines()
    assert [line.split()[1] for line in shown[1:-1]] == ["0.1", "0.2", "0.3", "0.5"]
    assert ["*" in line for line in shown[1:-1]] == [False, True, False, True]
    assert shown[-1] == f"{found['prediction'][-1]:.4f}   right: 0.7000"


@pytest.mark.parametrize(
    ("task", "text", "line"),
    [
        ("classification", "name,language\nNovak,Czech\nSmith\n", 3),
        ("tagging", "John B-PER\nlives\nhere O\n", 2),
        ("translation", "go\tva\nstop\n", 2),
        ("forecasting", "month,value\n1,3.5\n2,nan\n3,4\n", 3),
        ("composing", "name,language\nNovak,Czech\n,Czech\n", 3),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_line(
    command: Command, tmp_path: Path, task: str, text: str, line: int
) -> None:
    path = tmp_path / "data.txt"
    path.write_text(text)
    outcome = command("train", "--new", "one", "--set", f"data.task={task}", "--data", str(path), *SMALL)
    assert outcome.code == 2
    assert f"line {line} of" in outcome.error and "data.txt" in outcome.error
    assert outcome.error.count(";") >= 2


@pytest.mark.parametrize("task", ["classification", "composing", "tagging"])
def test_all_of_the_same_file_as_other_data_scores_as_its_parts_do(command: Command, task: str) -> None:
    """Every example of the file was in one of the parts: their mean, weighted by what they ask, is that of all."""
    session_of(command, task)
    parts = [command("eval", "one", "--split", part, "--json").json for part in ("train", "validation", "test")]
    whole = command("eval", "one", "--data", task_of(task).example, "--json").json
    assert whole["count"] == sum(part["count"] for part in parts)
    mean = sum(part["loss"] * part["count"] for part in parts) / whole["count"]
    assert whole["loss"] == pytest.approx(mean, rel=2e-5)


def test_another_series_is_scaled_as_the_network_was_trained(command: Command, tmp_path: Path) -> None:
    """The same series ten times as large: what is forecast is off by far more than before."""
    path, larger = tmp_path / "one.csv", tmp_path / "ten.csv"
    values = [100 + 10 * math.sin(k / 3) for k in range(200)]
    path.write_text("value\n" + "".join(f"{v:.6f}\n" for v in values))
    larger.write_text("value\n" + "".join(f"{10 * v:.5f}\n" for v in values))
    made = command(
        "train",
        "--new",
        "wave",
        "--set",
        "data.task=forecasting",
        "--data",
        str(path),
        "--set",
        "data.window=12",
        *SMALL,
    )
    assert made.code == 0, made.err
    same = command("eval", "wave", "--data", str(path), "--json").json
    other = command("eval", "wave", "--data", str(larger), "--json").json
    assert same["count"] == other["count"] == 200 - 12
    assert other["rmse"] > 50 * same["rmse"]


def test_a_series_far_from_zero_is_read_as_it_was_learned(command: Command, tmp_path: Path) -> None:
    """With a mean of 1e9 float32 has steps of 64, and the series moves by 2."""
    path = tmp_path / "far.csv"
    path.write_text("value\n" + "".join(f"{1e9 + 2 * math.sin(k / 3):.6f}\n" for k in range(80)))
    settings = ("--set", "data.task=forecasting", "--set", "data.window=5", "--set", "data.split=100/0/0")
    assert command("train", "--new", "far", *settings, "--data", str(path), *SMALL).code == 0
    own = command("eval", "far", "--split", "train", "--json").json
    assert command("eval", "far", "--data", str(path), "--json").json == own


def test_numbers_that_no_scale_fits_are_refused(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("value\n" + "".join(f"{k % 5}e300\n" for k in range(80)))
    outcome = command("train", "--new", "one", "--set", "data.task=forecasting", "--data", str(path), *SMALL)
    assert outcome.code == 2
    assert "the numbers of column value are too large to be scaled; data.path large.csv; " in outcome.error


def test_columns_of_another_series_are_found_by_their_names(command: Command, tmp_path: Path) -> None:
    rows = [(100 + 10 * math.sin(k / 3), math.cos(k / 5), k % 7) for k in range(80)]
    orders = {"one": ("a", "b"), "turned": ("b", "a"), "more": ("c", "b", "a"), "less": ("a",)}
    for name, columns in orders.items():
        lines = [",".join(columns)] + [",".join(f"{row['abc'.index(c)]:.6f}" for c in columns) for row in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    settings = ("--set", "data.task=forecasting", "--set", "data.window=5", "--data", str(tmp_path / "one.csv"))
    assert command("train", "--new", "one", *settings, *SMALL).code == 0
    whole = command("eval", "one", "--data", str(tmp_path / "one.csv"), "--json").json
    for name in ("turned", "more"):
        assert command("eval", "one", "--data", str(tmp_path / f"{name}.csv"), "--json").json == whole
    outcome = command("eval", "one", "--data", str(tmp_path / "less.csv"))
    assert outcome.code == 2 and "it has 1 column of numbers, the network reads 2 (a, b); less.csv; " in outcome.error


def test_what_reads_from_the_end_does_not_write(command: Command) -> None:
    assert command(*of("language"), "--set", "model.bidirectional=true").code == 0
    outcome = command("generate", "one", "--length", "3")
    assert outcome.code == 2
    assert outcome.error.endswith("reads from the end too; one; train one without model.bidirectional")


@pytest.mark.parametrize(
    ("task", "text", "other"),
    [
        ("tagging", "Ada\tB-PER\nsits\tO\n\n" * 9, "".join(f"w{k}\tT{k}\nsits\tO\n\n" for k in range(20))),
        ("forecasting", "a\n" + "1\n2\n4\n" * 30, "a,b\n" + "1,2\n2,5\n4,3\n" * 30),
    ],
)
def test_data_that_are_others_now_are_not_answered_about(
    command: Command, tmp_path: Path, task: str, text: str, other: str
) -> None:
    path = tmp_path / "data.txt"
    path.write_text(text)
    settings = ("--set", f"data.task={task}", "--set", "data.window=5", "--data", str(path))
    assert command("train", "--new", "one", *settings, *SMALL).code == 0
    assert command("answer", "one").code == 0
    path.write_text(other)
    outcome = command("answer", "one")
    assert outcome.code == 1
    assert "these are not the data any more that the session was trained on; " in outcome.error
    assert outcome.error.endswith("put the old ones back, or give a --text")


def test_an_empty_part_has_no_example(command: Command) -> None:
    assert command(*of("tagging"), "--set", "data.split=100/0/0").code == 0
    told = command("answer", "one").error
    assert told.endswith("the validation part is empty; --split validation; choose another part, or give a --text")


def test_a_text_by_words_is_scored_by_words(command: Command, tmp_path: Path) -> None:
    """The whole file as other data is the training part of a session that keeps nothing back."""
    path = tmp_path / "words.txt"
    path.write_text("the cat sat on the mat .\nthe dog saw the cat .\n" * 40)
    made = command(
        "train",
        "--new",
        "words",
        "--data",
        str(path),
        "--set",
        "data.symbol=word",
        "--set",
        "data.split=100/0/0",
        *SMALL,
    )
    assert made.code == 0, made.err
    own = command("eval", "words", "--split", "train", "--json").json
    other = command("eval", "words", "--data", str(path), "--json").json
    assert own == other and own["unknown"] == 0
    assert own["tokens"] == 40 * 15 - 1
    path.write_text("the bird sat on the mat .\n" * 40)
    assert command("eval", "words", "--data", str(path), "--json").json["unknown"] == 40

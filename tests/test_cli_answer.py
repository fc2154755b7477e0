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
    data = () if task in GENERATED else ("--data", task_of(task).example)
    return ("train", "--new", name, "--set", f"data.task={task}", *data, *SMALL, "--json")


@pytest.mark.parametrize("task", TASKS)
def test_what_train_tells_is_what_eval_finds(command: Command, task: str) -> None:
    trained = command(*of(task))
    assert trained.code == 0, trained.err
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
    assert command(*of("recall")).code == 0
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
    assert command(*of("recall")).code == 0
    outcome = command(*arguments)
    assert outcome.code == 2, outcome.err
    assert told in outcome.error


def test_a_language_writes_and_does_not_answer(command: Command) -> None:
    assert command(*of("language")).code == 0
    assert "it writes" in command("answer", "one", "--text", "the").error


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


@pytest.mark.parametrize("task", ["classification", "composing", "tagging", "translation"])
def test_all_of_the_same_file_as_other_data_scores_as_its_parts_do(command: Command, task: str) -> None:
    """Every example of the file was in one of the parts: their mean, weighted by what they ask, is that of all."""
    assert command(*of(task)).code == 0
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

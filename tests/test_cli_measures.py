# ruff: noqa: F811  (a fixture is imported, and asked for by its name)
"""What `rnn-lab train` and `rnn-lab sessions` tell of every kind of sequence."""

from __future__ import annotations

import json

import pytest

from tests.command import Command, command  # noqa: F401

SMALL = ("--set", "model.layers=1", "--set", "model.hidden_size=4", "--set", "training.batch_size=4",
         "--set", "training.validation_tokens=200", "--steps", "2")  # fmt: skip


@pytest.mark.parametrize(
    ("task", "model", "keys", "plain"),
    [
        ("recall", "LSTM 1x4", {"val_accuracy"}, ("symbols", "val_accuracy", " %")),
        ("adding", "LSTM 1x4", {"val_mse"}, ("timesteps", "val_mse")),
        ("tagging", "BiLSTM 1x4", {"val_span_f1", "val_accuracy", "val_sentence_accuracy"}, ("words", " %")),
        ("composing", "LSTM 1x4", {"val_perplexity"}, ("symbols", "forgot to reset")),
    ],
)
def test_every_kind_is_told_in_its_own_measures(
    command: Command, task: str, model: str, keys: set[str], plain: tuple[str, ...]
) -> None:  # fmt: skip
    sentences = command.folder / "tagged.txt"
    sentences.write_text("by O\nAda B-PER\n\nin O\nRome B-LOC\nnow O\n\n" * 30)
    extra = {
        "tagging": ("--data", str(sentences), "--set", "model.bidirectional=true"),
        "composing": ("--set", "training.forgot_reset=true"),
    }
    made = command("train", "--new", task, "--set", f"data.task={task}", *extra.get(task, ()), *SMALL)
    assert made.code == 0, made.err
    assert all(word in made.out for word in plain), made.out
    shown = command("sessions", "show", task, "--json").json
    assert {key for key in shown if key.startswith("val_")} == {"val_loss", *keys}
    assert shown["task"] == task and shown["model"] == model and shown["headline"] in keys
    told = command("sessions", "show", task).out
    assert "headline" in told and model in told
    listed = command("sessions").out
    assert model in listed and task in listed
    rows = json.loads(command("sessions", "--json").out)["sessions"]
    assert rows[0]["headline"] == shown["headline"] and rows[0][shown["headline"]] == shown[shown["headline"]]
    # Trained on, the report has the same keys as the list.
    again = command("train", task, "--steps", "1", "--json").json
    assert {key for key in again if key.startswith("val_")} == {"val_loss", *keys}

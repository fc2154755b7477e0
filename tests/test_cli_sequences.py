"""`trace`, `gradients`, `units`, `intervene` and `generate` on sessions of other tasks than language."""

# ruff: noqa: F811

from __future__ import annotations

import pytest

from rnn_tui.config import GENERATED
from tests.command import Command, command  # noqa: F401

SMALL = ("model.hidden_size=6", "model.layers=2", "model.embedding_size=5", "training.batch_size=4")


def make(command: Command, task: str, *choices: str) -> None:
    sets = [arg for choice in (f"data.task={task}", *SMALL, *choices) for arg in ("--set", choice)]
    data = [] if task in GENERATED else ["--data", "builtin:example"]
    found = command("train", "--new", "demo", *data, *sets, "--steps", "1")
    assert found.code == 0, found.err


def test_a_bidirectional_tagger(command: Command) -> None:
    make(command, "tagging", "model.bidirectional=true")
    text = ("--text", "Anna lives in Paris")
    traced = command("trace", "demo", *text, "--json").json
    assert len(traced["layer1.backward.c"]) == 4 == len(traced["logits"]) and traced["loss"] == [None] * 4
    assert "answer" in command("trace", "demo", *text).out
    flow = command("gradients", "demo", *text, "--at", "1", "--json").json
    assert flow["at"] == 1 and flow["likeliest"] and flow["border"] == -1
    assert len(flow["layers"][0]["backward_norms"]) == 4 == len(flow["layers"][0]["norms"])
    assert "backward" in command("gradients", "demo", *text).out
    seen = command("intervene", "demo", *text, "--hold", "layer0.h=0", "--json").json
    assert seen["text_after"] == "" and seen["kl"] > 0 and seen["at"] == 3
    ranked = command("units", "demo", "--match", "[A-Z]", "--characters", "200", "--json").json
    assert len(ranked["units"]) == 24 and "sentences" in ranked["source"]
    assert "marked" in command("units", "demo", "--match", "[A-Z]", "--characters", "200").out
    refused = command("generate", "demo")
    assert refused.code == 2 and "rnn-lab answer demo" in refused.error
    assert command("units", "demo", "--match", "a", "--data", "x.txt").code == 2


@pytest.mark.parametrize("attention", ["true", "false"])
def test_a_translation_on_one_axis(command: Command, attention: str) -> None:
    make(command, "translation", f"model.attention={attention}")
    text = ("--text", "monday\t1990")
    traced = command("trace", "demo", *text, "--json").json
    assert len(traced["tokens"]) == 6 == len(traced["encoder.layer0.h"]) and traced["written"][0] == 3
    assert (
        len(traced["written"]) == 5 == len(traced["logits"]) == len(traced["loss"]) == len(traced["decoder.layer1.c"])
    )
    assert ("attention" in traced) == (attention == "true") and None not in traced["loss"]
    flow = command("gradients", "demo", *text, "--json").json
    assert (flow["at"], flow["border"], flow["target"], flow["likeliest"]) == (10, 6, "<eos>", False)
    assert all(norm > 0 for norm in flow["layers"][0]["norms"])
    assert command("gradients", "demo", *text, "--at", "2").code in (0, 2)
    assert command("intervene", "demo", *text, "--hold", "layer1.c.3=0.5@4-7").code == 0
    assert command("units", "demo", "--match", "[0-9]", "--characters", "300").code == 0


def test_a_name_for_a_label(command: Command) -> None:
    make(command, "composing")
    found = command("generate", "demo", "--label", "Aruvi", "--prompt", "An", "--length", "400")
    assert found.code == 0 and found.out.startswith("An") and 3 <= len(found.out) < 400 and "<" not in found.out
    assert command("generate", "demo", "--label", "nobody").code == 2
    assert command("intervene", "demo", "--text", "Aruvi: A", "--hold", "layer0.h=0", "--length", "5").code == 0


def test_numbers(command: Command) -> None:
    make(command, "adding", "data.length=6")
    text = ("--text", "0.3 0.7* 0.2 0.4*")
    traced = command("trace", "demo", *text, "--json").json
    assert len(traced["values"]) == 4 == len(traced["predictions"]) and traced["values"][1][1] == 1.0
    error = (traced["predictions"][-1][0] - 1.1) ** 2
    assert traced["loss"][:-1] == [None] * 3 and traced["loss"][-1] == pytest.approx(error, rel=1e-4)
    assert command("gradients", "demo", *text, "--json").json["loss"] == pytest.approx(error, rel=1e-4)
    seen = command("intervene", "demo", *text, "--hold", "layer0.h=0", "--json").json
    assert seen["kl"] is None and seen["before"][0]["symbol"] == "sum"
    assert "reads numbers" in command("units", "demo", "--match", "a").error


def test_words_are_written_apart(command: Command) -> None:
    text = command.text("words.txt", "the cat sat on the mat .\nthe dog ran .\n" * 60)
    sets = [a for c in (*SMALL, "data.symbol=word", "training.sequence_length=5") for a in ("--set", c)]
    assert command("train", "--new", "demo", "--data", text, *sets, "--steps", "1").code == 0
    found = command("generate", "demo", "--prompt", "the cat", "--length", "12", "--seed", "2")
    assert found.code == 0 and found.out.startswith("the cat")
    written = found.out.removeprefix("the cat").replace(".", " .").replace("\n", " \n ").split(" ")
    assert sum(bool(word) for word in written) == 13
    assert command("trace", "demo", "--text", "the cat sat", "--json").json["loss"][2] is None
    ranked = command("units", "demo", "--match", "cat", "--characters", "300", "--json").json
    assert ranked["marked"] > 0

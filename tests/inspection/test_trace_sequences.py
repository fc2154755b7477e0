"""The trace of every kind of sequence, against torch.nn's own modules and against reading it piece by piece."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnn_tui.data.coding import Coding
from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.inspection.corpus import flat, read_states, sequences
from rnn_tui.inspection.padding import PaddingError, compare_padding, unequal
from rnn_tui.inspection.trace import decoder_inputs, trace, trace_bytes, trace_view
from rnn_tui.model.network import weights
from rnn_tui.tasks import Passage, task_of
from rnn_tui.views import Hold, Sizes
from tests.inspection.test_gradients_sequences import NUMBERS, SYMBOLS, made
from tests.networks import CELL_NAMES, RECURRENT, seeded, tokens

KINDS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def peer(network: Any) -> Any:
    """One stacked bidirectional module of torch.nn with the same weights."""
    model, values = network.model, weights(network)
    width = network.sizes.inputs if network.sizes.numeric else model.embedding_size
    module = KINDS[model.cell](width, model.hidden_size, model.layers, bidirectional=True)
    own = {}
    for name, value in values.items():
        if name.startswith("layers."):
            _, k, part = name.split(".")
            own[part.replace("_l0", f"_l{k}")] = value
    module.load_state_dict(own)
    return module


@pytest.mark.parametrize("sizes", [SYMBOLS, NUMBERS])
@pytest.mark.parametrize("cell", RECURRENT)
@torch.no_grad()
def test_both_directions_are_torchs(cell: str, sizes: Sizes) -> None:
    network = made(sizes, cell=cell, bidirectional=True)
    read = torch.randn(15, 3, generator=seeded(5)).numpy() if sizes.numeric else tokens(15).numpy()
    found = trace(network, read, answers="every", targets=np.full(15, 1))
    x = network.embed(torch.as_tensor(read).unsqueeze(1))
    out, last = peer(network)(x)
    top = found.layers[-1]
    np.testing.assert_allclose(np.concatenate((top["h"], top["backward.h"]), 1), out[:, 0].numpy(), atol=1e-6)
    if cell == "lstm":
        for k, layer in enumerate(found.layers):
            np.testing.assert_allclose(layer["c"][-1], last[1][2 * k, 0].numpy(), atol=1e-6)
            np.testing.assert_allclose(layer["backward.c"][0], last[1][2 * k + 1, 0].numpy(), atol=1e-6)
    names = {*network.cell.gates, *network.cell.states}
    assert set(top) == names | {f"backward.{name}" for name in names}
    logits = out[:, 0] @ network.output.weight.T + network.output.bias
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-5)
    costs = nn.functional.cross_entropy(logits, torch.ones(15).long(), reduction="none")
    np.testing.assert_allclose(found.loss, costs.numpy(), atol=1e-5)


@pytest.mark.parametrize("cell", RECURRENT)
def test_the_backward_gates_follow_from_the_state_at_the_next_timestep(cell: str) -> None:
    network = made(SYMBOLS, cell=cell, bidirectional=True, layers=1, initial_state="learned")
    ids = tokens(9)
    layer = trace(network, ids, answers="every").layers[0]
    x, w = network.embed(ids), network.layer_weights(0, "_reverse")
    start = [part[0] for part in network.start(0, 1, "_reverse")]
    for t in range(9):
        later = [torch.tensor(layer[f"backward.{name}"][t + 1]) for name in network.cell.states] if t < 8 else start
        for name, value in network.cell.step(x[t], tuple(later), w).items():
            if name != "a":
                np.testing.assert_allclose(layer[f"backward.{name}"][t], value.numpy(), atol=1e-6)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("sizes", [SYMBOLS, NUMBERS])
def test_an_answer_as_if_the_sequence_ended_there(sizes: Sizes, both: bool) -> None:
    network = made(sizes, bidirectional=both)
    read = torch.randn(11, 3, generator=seeded(5)).numpy() if sizes.numeric else tokens(11).numpy()
    right = np.array([[0.5, 2.0]], np.float32) if sizes.numeric else np.array([3])
    found = trace(network, read, targets=right, answers="last")
    for t in range(11):
        out, _ = network.hidden(torch.as_tensor(read[: t + 1]).unsqueeze(1))
        np.testing.assert_allclose(found.logits[t], network.output(network.summary(out))[0].numpy(), atol=1e-5)
    assert np.isnan(found.loss[:-1]).all()
    expected = (
        float(np.square(found.logits[-1] - right[0]).mean())
        if sizes.numeric
        else float(nn.functional.cross_entropy(torch.tensor(found.logits[-1:]), torch.tensor([3])))
    )
    assert found.loss[-1] == pytest.approx(expected, rel=1e-5)
    held = trace(network, read, holds=(Hold(0, "h", -1, 0.5),), targets=right, answers="last")
    assert np.isnan(held.logits[:-1]).all() == both and np.isfinite(held.logits[-1]).all()


def test_beginnings_that_would_take_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    network, ids = made(SYMBOLS, bidirectional=True), tokens(20)
    whole = trace(network, ids, answers="last")
    monkeypatch.setattr("rnn_tui.inspection.trace.PREFIXES", 1000)
    found = trace(network, ids, answers="last")
    assert np.isnan(found.logits[:-1]).all()
    np.testing.assert_array_equal(found.logits[-1], whole.logits[-1])


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("cell", RECURRENT)
def test_source_and_target_stand_on_one_axis(cell: str, attention: bool) -> None:
    network = made(Sizes(11, 6, decoder=True), cell=cell, attention=attention)
    source, targets = tokens(8), np.array([4, 5, 2])
    found = trace(network, source, targets=targets, answers="decoder")
    encoded = network.encode(source.unsqueeze(1))
    logits, _, looked = network.decode(encoded, torch.tensor([[3], [4], [5]]))
    assert found.border == 8 and found.tokens.tolist() == [*source.tolist(), 3, 4, 5]
    np.testing.assert_allclose(found.layers[-1]["h"][:8], encoded.outputs[:, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(found.logits[8:], logits[:, 0].numpy(), atol=1e-5)
    assert np.isnan(found.logits[:8]).all() and np.isnan(found.loss[:8]).all()
    costs = nn.functional.cross_entropy(logits[:, 0], torch.tensor(targets), reduction="none")
    np.testing.assert_allclose(found.loss[8:], costs.numpy(), atol=1e-5)
    assert (found.attention is not None) == attention
    if found.attention is not None:
        np.testing.assert_allclose(found.attention, looked[:, 0].numpy(), atol=1e-6)
    h_8 = network.decoder.cell.step(
        network.decoder.embed(torch.tensor(3)), tuple(part[0] for part in encoded.state[0]),
        network.decoder.layer_weights(0),
    )["h"]  # fmt: skip
    np.testing.assert_allclose(found.layers[0]["h"][8], h_8.numpy(), atol=1e-6)
    alone = trace(network, source, answers="decoder")
    written = decoder_inputs(network, source.numpy(), None)
    assert alone.tokens[8:].tolist() == written.tolist() and np.isnan(alone.loss).all()
    assert len(written) == 1 or (alone.logits[8].argmax() == written[1] or alone.logits[8].argmax() in (0, 3))


def test_a_hold_goes_on_from_the_encoder_into_the_decoder() -> None:
    network, source, targets = made(Sizes(11, 6, decoder=True)), tokens(6), np.array([4, 5, 2])
    hold = Hold(1, "c", 3, 0.5, 4, 7)
    found = trace(network, source, holds=(hold,), targets=targets, answers="decoder").layers[1]["c"][:, 3]
    assert (found[4:8] == np.float32(0.5)).all() and not (found[:4] == 0.5).any() and found[8] != np.float32(0.5)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_bytes_are_known_of_every_kind(cell: str) -> None:
    kinds = (SYMBOLS, True, 9), (NUMBERS, False, 9), (Sizes(11, 6, decoder=True), False, 12)
    for sizes, both, total in kinds:
        network = made(sizes, cell=cell, bidirectional=both)
        read = np.zeros((9, 3), np.float32) if sizes.numeric else tokens(9).numpy()
        found = trace(network, read, answers="decoder" if sizes.decoder else "every", targets=np.array([1, 0, 1]))
        arrays = [found.tokens, found.logits, found.loss, *(a for layer in found.layers for a in layer.values())]
        assert trace_bytes(network.model, sizes, total) == sum(array.nbytes for array in arrays)


def test_the_view_of_numbers_is_in_the_datas_own_units() -> None:
    network = made(Sizes(2, 4, numeric=True))
    coding = Coding(("a", "b"), ("a t+1", "b t+1", "a t+2", "b t+2"), numeric=True, mean=(10.0, -5.0), std=(2.0, 4.0))
    x = torch.randn(5, 2, generator=seeded(3)).numpy()
    right = np.array([[1.0, 1.0, 0.0, 0.5]], np.float32)
    seen = trace_view(trace(network, x, targets=right, answers="last"), coding.inputs, cell="lstm", gates=(),
                      source="", task="forecasting", coding=coding, symbols=tuple("12345"))  # fmt: skip
    assert seen.right == ("", "", "", "", "12, -1, 10, -3") and seen.predictions is not None
    raw = trace(network, x, answers="last").logits
    np.testing.assert_allclose(seen.predictions, raw * [2, 4, 2, 4] + [10, -5, 10, -5], rtol=1e-5)
    assert seen.values is not None and (seen.tokens == -1).all() and np.isnan(seen.bits).all()


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_sequences_of_a_corpus_are_each_read_from_the_start(cell: str, both: bool) -> None:
    network = made(SYMBOLS, cell=cell, bidirectional=both)
    draw = np.random.default_rng(2)
    lengths = draw.integers(1, 12, 25)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    ids = draw.integers(0, 11, lengths.sum())
    wanted = [(k, name) for k in (0, 1) for name in {*network.cell.gates, *network.cell.states}]
    pieces = list(read_states(network, ids, wanted, starts))
    for key in wanted:
        values = np.concatenate([piece.values[key] for piece in pieces])
        expected = [
            trace(network, ids[a : a + n], answers="every").layers[key[0]][key[1]]
            for a, n in zip(starts, lengths, strict=True)
        ]
        np.testing.assert_allclose(values, np.concatenate(expected), atol=2e-6)


def test_a_text_of_words_and_its_marks_by_symbol() -> None:
    symbols = ("the", "cat", "<eos>", "sat")
    found = flat(np.array([0, 1, 2, 3, 0]), symbols, words=True, starts=np.array([0, 3]))
    assert found.text == "the cat \n\nsat the "
    grades = np.array([float(letter in "cs") for letter in found.text], np.float32)
    assert found.by_symbol(grades).tolist() == [0, 1, 0, 1, 0]
    assert found.between(-3, 2) == "the cat" and found.between(3, 9) == "sat the" and found.between(5, 9) == ""
    plain = flat(np.array([1, 0]), ("a", "b"), words=False)
    assert plain.text == "ba" and plain.by_symbol(grades[:2]).tolist() == [0, 0]


class Lines:
    """Examples of unequal length."""

    def __init__(self, *lines: list[int]) -> None:
        self.lines = [np.array(line) for line in lines]
        self.lengths = np.array([len(line) for line in lines])

    def __len__(self) -> int:
        return len(self.lines)

    def read(self, k: int) -> np.ndarray:
        return self.lines[k]

    def asked(self, k: int) -> np.ndarray:
        return self.lines[k] % 6


def test_a_stretch_of_sequences_knows_each() -> None:
    found = sequences(Lines([1, 2], [3], [4, 5, 6]), "train", "names", 3)
    assert found.ids.tolist() == [1, 2, 3] and found.source == "training part, first 2 names, 3 symbols"
    assert [found.place(k) for k in range(3)] == [("train", 0), ("train", 0), ("train", 1)]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("both", [False, True])
@torch.no_grad()
def test_padding_read_as_data_is_what_a_plain_reading_of_it_gives(both: bool, before: bool) -> None:
    network = made(SYMBOLS, bidirectional=both)
    coding = Coding(tuple("abcdefghijk"), tuple("ABCDEF"))
    passages = [Passage(np.array(ids), np.array(ids) % 6, tuple("abcdefghijk"[k] for k in ids), "x")
                for ids in ([1, 2, 3, 4, 5], [6, 7], [8, 9, 10])]  # fmt: skip
    seen = compare_padding(network, task_of("tagging"), coding, passages, before=before, step=9)
    for b, passage in enumerate(passages):
        n = len(passage.inputs)
        own = slice(5 - n, 5) if before else slice(0, n)
        alone, _ = network.hidden(torch.tensor(passage.inputs).unsqueeze(1))
        np.testing.assert_allclose(seen.masked[b, own], alone.abs().mean(-1)[:, 0].numpy(), atol=1e-6)
        filled = [0] * (5 - n) + passage.inputs.tolist() if before else passage.inputs.tolist() + [0] * (5 - n)
        whole, _ = network.hidden(torch.tensor(filled).unsqueeze(1))
        np.testing.assert_allclose(seen.as_data[b], whole.abs().mean(-1)[:, 0].numpy(), atol=1e-6)
        logits = network.output(whole)[own, 0]
        loss = float(nn.functional.cross_entropy(logits, torch.tensor(passage.targets)))
        assert seen.loss_as_data[b] == pytest.approx(loss, rel=1e-5)
        assert seen.answers_as_data[b] == "".join("ABCDEF"[k] for k in logits.argmax(-1))
        assert seen.right[b] == "".join("ABCDEF"[k] for k in passage.targets)
        assert seen.real[b].sum() == n and seen.real[b, own].all()
        assert seen.symbols[b][own] == passage.symbols and seen.symbols[b].count("<pad>") == 5 - n
    changed = seen.difference[:, :][seen.real]
    # What comes after the data changes nothing that one direction says of them.
    assert (changed[5:] > 1e-4).any() if both or before else (changed < 1e-6).all()
    assert seen.difference[0].max() < 1e-6 and (seen.masked[~seen.real] == 0).all()


def test_sequences_of_one_length_have_nothing_to_fill_up() -> None:
    assert unequal(np.array([3, 3, 5, 3, 7]), 3) == [3, 4, 2]
    with pytest.raises(PaddingError, match="equally long"):
        unequal(np.array([4, 4]), 0)


def test_language_costs_the_same_however_it_is_asked() -> None:
    network, ids = made(Sizes(11, 11)), tokens(20).numpy()
    plain = trace(network, ids)
    told = trace(network, ids, targets=np.append(ids[1:], NOT_ASKED), answers="every")
    np.testing.assert_array_equal(plain.loss, told.loss)
    assert math.isnan(plain.loss[-1])

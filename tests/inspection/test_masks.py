"""The masks that are shown are those that an update draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnn_tui.data.coding import Coding
from rnn_tui.inspection.masks import draw_masks
from rnn_tui.tasks import Passage
from rnn_tui.views import Sizes
from tests.inspection.test_gradients_sequences import SYMBOLS, made
from tests.networks import seeded, tokens

CODING = Coding(tuple("abcdefghijk"), tuple("ABCDEF"))
PASSAGE = Passage(tokens(9).numpy(), np.array([4, 5, 2]), tuple("abcdefghi"), "a text")


@pytest.mark.parametrize("locked", [False, True])
def test_each_mask_by_its_name(locked: bool) -> None:
    network = made(SYMBOLS, bidirectional=True, dropout=0.4, recurrent_dropout=0.25, locked_dropout=locked)
    seen = draw_masks(network, CODING, PASSAGE, batch=3, seed=5, step=8)
    drawn = network.masks(9, 3, seeded(5))
    assert [mask.name for mask in seen.masks] == [
        "layer 0 W_hh", "layer 0 W_hh, backward", "layer 1 reads", "layer 1 W_hh", "layer 1 W_hh, backward"
    ]  # fmt: skip
    assert (seen.gates, seen.batch, seen.step, seen.symbols) == (("i", "f", "g", "o"), 3, 8, PASSAGE.symbols)
    reads = seen.masks[2]
    assert reads.values.shape == (9, 14) and reads.locked == locked and reads.rate == 0.4
    for t in range(9):
        np.testing.assert_array_equal(reads.values[t], drawn["layers.1.x"][0 if locked else t, 0].numpy())
    assert set(np.unique(seen.masks[0].values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert seen.masks[0].values.shape == (28, 7) and seen.masks[0].recurrent and seen.masks[0].locked
    assert seen.masks[0].dropped == pytest.approx(float((drawn["layers.0.weight_hh_l0"] == 0).float().mean()))


def test_the_masks_are_those_that_are_multiplied_with() -> None:
    network = made(SYMBOLS, dropout=0.5, cell="rnn")
    mask = draw_masks(network, CODING, PASSAGE, batch=1, seed=3).masks[0]
    x = network.embed(tokens(9, 1))
    h, _ = network.run_layer(0, x, network.initial(1)[0])
    h, _ = network.run_layer(1, h * torch.tensor(mask.values).unsqueeze(1), network.initial(1)[1])
    out, _ = network.hidden(tokens(9, 1), None, seeded(3))
    torch.testing.assert_close(out, h)


def test_an_encoder_and_a_decoder_have_masks_of_their_own() -> None:
    network = made(Sizes(11, 6, decoder=True), dropout=0.5, locked_dropout=True)
    seen = draw_masks(network, CODING, PASSAGE, batch=2)
    assert [mask.name for mask in seen.masks] == ["encoder layer 1 reads", "decoder layer 1 reads"]
    assert [len(mask.values) for mask in seen.masks] == [9, 3] and seen.written == ("D", "E", "F")


def test_where_nothing_is_dropped_it_is_said() -> None:
    with pytest.raises(ValueError, match="are 0"):
        draw_masks(made(SYMBOLS), CODING, PASSAGE, batch=2)
    with pytest.raises(ValueError, match="between layers"):
        draw_masks(made(SYMBOLS, layers=1, dropout=0.5), CODING, PASSAGE, batch=2)

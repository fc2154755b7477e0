"""The table of actions, and a person's own keys."""

from __future__ import annotations

import pytest

from rnn_tui.app.actions import ACTIONS, BY_ID, PANES, key_of, sign_of, with_keymap
from rnn_tui.app.panes.answer import MOVES, Answering
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.generate import GeneratePane
from rnn_tui.app.panes.gradients import GradientsPane
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.app.panes.lenses import LENSES
from rnn_tui.app.panes.sessions import SessionsPane
from rnn_tui.app.panes.train import TrainPane

# What the keys are, written down a second time: a key is a promise.
EVERYWHERE = (
    "1 2 3 4 5 6 alt+1 alt+2 alt+3 alt+4 alt+5 alt+6 space tab z y : ctrl+p ? w ctrl+s ctrl+o q ctrl+q ctrl+c escape"
)
OF_PANE = {
    "build": "up down left right enter p P u",
    "train": "s < > + - v V l b R % u up down",
    "inspect": (
        "left right h l H L home end up down j k pageup pagedown [ ] v V i ( ) # S g r F , . enter x X "
        "/ | m n N + - G f T B D"
    ),
    "gradients": "left right h l H L home end v V enter c { } [ ] i ( ) # r F % X u",
    "generate": "i up down left right h l H L home end enter v V r ( ) c + - b F #",
    "sessions": "up down enter t n a e d",
}


def keys_of(pane: str) -> list[str]:
    return sorted(key for action in ACTIONS if action.pane == pane for key in action.keys)


def test_keys_are_the_promised_ones() -> None:
    assert keys_of("") == sorted(key_of(sign) for sign in EVERYWHERE.split())
    for pane, signs in OF_PANE.items():
        assert keys_of(pane) == sorted(key_of(sign) for sign in signs.split()), pane


def test_a_key_means_one_thing_in_a_pane() -> None:
    for pane in PANES:
        keys = keys_of("") + keys_of(pane)
        assert len(keys) == len(set(keys)), pane


def test_ids_are_unique_and_pairs_exist() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert all(action.pair in BY_ID for action in ACTIONS if action.pair)
    assert all(action.pane in ("", *PANES) for action in ACTIONS)


@pytest.mark.parametrize("pane", [BuildPane, TrainPane, InspectPane, GradientsPane, GeneratePane, SessionsPane])
def test_every_action_of_a_pane_is_performed(pane: type) -> None:
    """No key is dead, and no pane performs what has no key."""
    name = pane.PANE  # type: ignore[attr-defined]
    wanted = {action.name for action in ACTIONS if action.pane == name}
    kinds = [pane]
    performed = set()
    if pane is InspectPane:
        # A lens that is open performs actions too, and is opened by its own.
        kinds += LENSES.values()
        performed |= set(LENSES)
    if pane is GeneratePane:
        # So does what answers, where the network does not write.
        kinds.append(Answering)
        performed |= set(MOVES)
    performed |= {method.removeprefix("do_") for kind in kinds for method in dir(kind) if method.startswith("do_")}
    assert performed == wanted


def test_a_key_is_shown_as_on_the_keyboard_and_read_back() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert key_of(sign_of(key)) == key
    assert sign_of("left", ascii_only=True) == "left"


def test_keymap_replaces_all_keys_of_an_action() -> None:
    actions, complaints = with_keymap({"train.step": "n, .", "zoom": "Z"})
    by_id = {action.id: action for action in actions}
    assert by_id["train.step"].keys == ("n", "full_stop")
    assert by_id["zoom"].keys == ("Z",)
    assert by_id["train.log"] == BY_ID["train.log"]
    assert not complaints


@pytest.mark.parametrize(
    ("keymap", "told"),
    [
        ({"train.stap": "n"}, "no action"),
        ({"train.step": " , "}, "no key"),
        ({"train.step": "l"}, "train.log"),
        ({"train.step": "z"}, "zoom"),
        ({"zoom": "s"}, "train.step"),
    ],
)
def test_keymap_that_cannot_be_is_told_and_left_out(keymap: dict[str, str], told: str) -> None:
    actions, complaints = with_keymap(keymap)
    assert actions == ACTIONS
    assert len(complaints) == 1 and told in complaints[0]


def test_keys_may_be_swapped_between_actions() -> None:
    actions, complaints = with_keymap({"train.step": "l", "train.log": "s"})
    by_id = {action.id: action for action in actions}
    assert (by_id["train.step"].keys, by_id["train.log"].keys) == (("l",), ("s",))
    assert not complaints

"""The draft: edits beside a session, told to the Lab once, and taken back whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.app.draft import TASK, Draft
from rnn_tui.config import BUILTIN_TEXTS, CHOICES, TASKS, Config, ConfigError, get, put
from rnn_tui.presets import PRESETS, first_of, preset
from rnn_tui.views import Guess

RATE, STEPS, LAYERS = "training.learning_rate", "training.steps", "model.layers"
keys = st.sampled_from(sorted(CHOICES))


def opened(config: Config | None = None) -> Draft:
    draft = Draft()
    draft.follow("play", config or Config())
    return draft


def test_a_new_draft_is_the_plan_of_a_new_session_without_marks() -> None:
    draft = Draft()
    assert draft.fresh and draft.needs_new and not draft.edited
    draft.put(LAYERS, 4)
    assert all(draft.mark(c) == "" and not draft.changed(c) for c in CHOICES.values())
    assert draft.take_pending() == []
    assert draft.undo() and draft.config == Config() and not draft.edited


@pytest.mark.parametrize("key", sorted(CHOICES))
def test_marks_say_when_a_change_takes_effect(key: str) -> None:
    c = CHOICES[key]
    draft = opened()
    assert draft.mark(c) == c.applies and not draft.changed(c)
    before = draft.config
    draft.turn(key, 1)
    if draft.config == before:
        return
    assert draft.changed(c) and draft.mark(c) == c.applies
    assert draft.needs_new == (c.applies == "new net")
    told = draft.take_pending()
    assert told == ([] if c.applies == "new net" else [(key, get(draft.config, key))])
    assert draft.take_pending() == []


def test_beside_a_new_net_nothing_is_told() -> None:
    draft = opened()
    draft.put(LAYERS, 3)
    draft.put(RATE, 0.01)
    assert draft.take_pending() == [] and draft.mark(CHOICES[RATE]) == "new net"
    draft.put(LAYERS, 2)
    assert draft.take_pending() == [(RATE, 0.01)] and draft.mark(CHOICES[RATE]) == "now"


def test_a_change_from_elsewhere_is_no_edit() -> None:
    draft = opened()
    draft.put(STEPS, 100)
    assert draft.take_pending() == [(STEPS, 100)]
    faster = put(Config(), RATE, 0.01)
    assert draft.follow("play", faster)
    assert get(draft.config, RATE) == 0.01 and get(draft.config, STEPS) == 100
    assert not draft.changed(CHOICES[RATE]) and draft.changed(CHOICES[STEPS])
    assert draft.take_pending() == []
    draft.undo()
    assert draft.config == faster and draft.take_pending() == [(STEPS, 5000)]


def test_an_edit_that_came_back_from_the_lab_can_be_taken_back() -> None:
    draft = opened()
    for rate in (0.004, 0.01):
        draft.put(RATE, rate)
        assert draft.take_pending() == [(RATE, rate)]
    # The status may show the first before the second.
    draft.follow("play", put(Config(), RATE, 0.004))
    draft.follow("play", put(Config(), RATE, 0.01))
    assert draft.changed(CHOICES[RATE]) and draft.take_pending() == []
    draft.undo()
    assert get(draft.config, RATE) == 0.002 and draft.take_pending() == [(RATE, 0.002)]


def test_a_run_makes_the_edits_part_of_the_session() -> None:
    draft = opened()
    draft.put(STEPS, 100)
    draft.take_pending()
    draft.trained()
    assert not draft.edited and not draft.changed(CHOICES[STEPS])


def test_another_session_replaces_the_draft() -> None:
    draft = opened()
    draft.put(LAYERS, 5)
    other = preset("GRU 2x128").config()
    assert draft.follow("other", other)
    assert draft.config == other and not draft.edited and not draft.needs_new


def test_a_created_session_keeps_what_was_edited_meanwhile() -> None:
    draft = opened()
    draft.preset(1)
    draft.created()
    made = draft.config
    assert draft.awaiting and not draft.needs_new
    draft.put(STEPS, 123)
    assert draft.take_pending() == []
    # The session that was open before still shows until the new one is there.
    assert not draft.follow("play", Config()) and draft.config != Config()
    draft.follow("new", made)
    assert not draft.awaiting and get(draft.config, STEPS) == 123
    assert draft.take_pending() == [(STEPS, 123)]


def test_a_session_that_could_not_be_built_is_a_plan_again() -> None:
    draft = opened()
    draft.preset(1)
    plan = draft.config
    draft.created()
    draft.refused()
    assert draft.fresh and draft.needs_new and draft.config == plan
    draft.undo()
    assert draft.config == Config() and not draft.needs_new


def test_presets_go_round_on_the_text_of_ones_own() -> None:
    draft = Draft()
    draft.put("data.path", "my.txt")
    draft.put("training.threads", 2)
    seen = []
    for _ in PRESETS:
        seen.append(draft.preset(1).name)
        found = preset(seen[-1])
        own = found.task == "language" and "data.path" not in found.changes
        assert draft.config.data.path == ("my.txt" if own else found.changes.get("data.path"))
        assert draft.config.data.vocabulary_size == found.changes.get("data.vocabulary_size", 0)
        assert draft.config.training.threads == 2
    assert seen == [*(p.name for p in PRESETS[1:]), PRESETS[0].name]
    assert draft.preset(-1).name == PRESETS[-1].name


@pytest.mark.parametrize("task", TASKS)
def test_a_task_brings_its_example_and_its_network_and_keeps_the_session(task: str) -> None:
    draft = opened(put(Config(), "data.path", "my.txt"))
    before = draft.config
    while draft.config.data.task != task:
        draft.turn(TASK, 1)
    if task != "language":
        assert draft.config == preset(first_of(task).name).config() and draft.config.data.path == "builtin:example"
        assert draft.needs_new and draft.changed(CHOICES[TASK]) and draft.take_pending() == []
    draft.put(TASK, "language")
    assert draft.config == before and not draft.edited and not draft.needs_new


def test_going_through_tasks_loses_no_edits() -> None:
    draft = Draft()
    draft.put(LAYERS, 5)
    draft.turn(TASK, 1)
    draft.put("model.hidden_size", 7)
    edited = draft.config
    draft.turn(TASK, -1)
    assert get(draft.config, LAYERS) == 5
    draft.turn(TASK, 1)
    assert draft.config == edited


def test_a_rate_that_was_raised_meanwhile_is_not_taken_back_by_a_draft_that_waited() -> None:
    draft = opened()
    draft.turn(TASK, 1)
    faster = put(Config(), RATE, 0.01)
    draft.follow("play", faster)
    draft.put(TASK, "language")
    assert draft.config == faster and draft.take_pending() == []


@pytest.mark.skipif("classification" not in TASKS, reason="needs a task that reads columns")
def test_a_guess_brings_its_task_and_the_file_waits_for_the_others() -> None:
    draft = opened()
    draft.put("data.path", "names.csv")
    draft.guessed("names.csv", Guess("classification", {"data.columns": "0", "data.label_column": "1"}, "why",
                                     ("composing", "language")))  # fmt: skip
    data = draft.config.data
    assert (data.task, data.path, data.columns, data.label_column) == ("classification", "names.csv", "0", "1")
    assert draft.config.model == first_of("classification").config().model and draft.needs_new
    draft.put(TASK, "composing")
    assert draft.config.data.path == "names.csv" and draft.config.data.label_column == ""
    draft.turn("data.path", 1)
    assert draft.config.data.path == "builtin:example"
    draft.turn("data.path", 1)
    assert draft.config.data.path == "names.csv"
    draft.put(TASK, "language")
    assert draft.config.data.path == "names.csv"
    draft.put(TASK, "recall")
    assert draft.config.data.path == "builtin:example"
    draft.undo()
    assert draft.config == Config()


def test_a_guess_of_the_same_task_leaves_the_network_alone() -> None:
    draft = Draft()
    draft.put(LAYERS, 5)
    draft.put("data.columns", "3")
    draft.guessed("b.txt", Guess("language", {"data.symbol": "word", "model.hidden_size": 64, "no.such": 1}, "why"))
    assert get(draft.config, LAYERS) == 5 and draft.config.model.hidden_size == 64
    assert draft.config.data.columns == "" and draft.config.data.symbol == "word"
    before = draft.config
    with pytest.raises(ConfigError):
        draft.guessed("c.txt", Guess("language", {"data.split": "1/1"}, "why"))
    with pytest.raises(ConfigError):
        draft.guessed("c.txt", Guess("juggling", {}, "why"))
    assert draft.config == before


def test_a_presets_own_text_does_not_stick() -> None:
    draft = opened(preset("three units by hand").config())
    draft.preset(1)
    assert draft.config.data == Config().data
    draft = Draft()
    draft.preset(1)
    draft.put("data.vocabulary_size", 16)
    draft.preset(1)
    assert draft.config.data.vocabulary_size == 0


def test_left_and_right_lead_back_to_ones_own_text() -> None:
    draft = Draft()
    draft.put("data.path", "my.txt")
    seen = []
    for _ in range(5):
        draft.turn("data.path", 1)
        seen.append(draft.config.data.path)
    assert seen == [*BUILTIN_TEXTS, "my.txt", BUILTIN_TEXTS[0]]


def test_what_can_not_be_changes_nothing() -> None:
    draft = opened()
    before = draft.config
    for key, value in (("model.layers", 9), ("training.learning_rate", "fast"), ("model.tied", "maybe")):
        with pytest.raises(ConfigError):
            draft.put(key, value)
    draft.put("model.embedding_size", 64)
    with pytest.raises(ConfigError, match="embedding_size"):
        draft.put("model.tied", True)
    draft.undo()
    assert draft.config == before


@given(st.lists(st.tuples(keys, st.sampled_from([-1, 1])), max_size=30))
def test_any_edits_are_taken_back_whole(edits: list[tuple[str, int]]) -> None:
    draft = opened()
    lab: dict[str, Any] = {}
    for key, by in edits:
        try:
            draft.turn(key, by)
        except ConfigError:
            continue
        lab |= dict(draft.take_pending())
    assert not any(CHOICES[key].applies == "new net" for key in lab)
    draft.undo()
    lab |= dict(draft.take_pending())
    assert draft.config == Config() and not draft.edited
    # The Lab has what the session had.
    assert all(value == get(Config(), key) for key, value in lab.items())

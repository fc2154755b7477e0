"""What is known of the data beside the form, the picture of a task, and the form of every task."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rnn_tui.app.draft import Draft
from rnn_tui.app.panes.build import BuildPane
from rnn_tui.app.panes.build_data import counted, draw_data
from rnn_tui.app.panes.build_shapes import picture
from rnn_tui.app.widgets.diagram import draw_network, told_baseline
from rnn_tui.app.widgets.row import Line
from rnn_tui.config import CHOICES, READ, TASKS, Config, put, visible
from rnn_tui.lab.task_words import words_of
from rnn_tui.model.shapes import diagram
from rnn_tui.presets import first_of, preset, start
from rnn_tui.tasks import task_of
from rnn_tui.views import Baseline, DataView, Part

from .conftest import Open, screen_text, settle
from .fakes import FakeAsked, FakeLab

NAMES = DataView(
    "names.csv", "names.csv", 100_000, 57, (Part("training", 0, 12_036), Part("validation", 12_036, 669)),
    (Baseline("majority", 1.862, {"accuracy": 0.468, "f1": 0.04}), Baseline("Bayes", math.nan, {"accuracy": 0.8})),
    ("2 lines were empty",), "surname  language\nAbe      Japanese\nB\x1b[2Jd  [red]Arabic", "", "classification",
    "texts", 18, longest=19, typical=7,
)  # fmt: skip
SERIES = DataView(
    "s.csv", "s.csv", 9, 1, (Part("training", 0, 90), Part("validation", 90, 10)),
    (Baseline("persistence", 0.4115, {"rmse": 18.02, "mape": 0.093, "mae": math.inf}),), (), "1\n2", "", "forecasting",
    "windows", 1, numeric=True, longest=36, typical=36,
)  # fmt: skip
CLASSIFIED, FORECAST = start("classification"), start("forecasting")


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(run for run, _ in line.runs).rstrip() for line in lines)


def test_it_tells_counts_kinds_lines_without_a_network_and_the_first_lines() -> None:
    text = text_of(draw_data(CLASSIFIED, NAMES, "", "", False, 48, 30))
    for part in (
        "names.csv", "12,036 train, 669 valid.", "7, 19 at most", "57 symbols, 18 answers", "1.86  accuracy 46.8 %",
        "accuracy 80.0 %", "Abe      Japanese", "! 2 lines were empty",
    ):  # fmt: skip
        assert part in text, part
    assert "nan" not in text and "\x1b" not in text and "[red]Arabic" in text


def test_errors_are_in_the_datas_own_units_and_losses_in_nats() -> None:
    text = text_of(draw_data(FORECAST, SERIES, "", "", False, 48, 30))
    assert "RMSE 18.02  MAPE 9.3 %" in text and "0.41" not in text and "inf" not in text
    assert "squared error" in text and "1 number, answers 1" in text
    assert told_baseline(Baseline("x", 2.0794, {"accuracy": 0.125}), False) == ["2.08", "accuracy 12.5 %"]
    assert told_baseline(Baseline("x", math.nan), False) == []
    assert told_baseline(Baseline("always 1", 1 / 6), True) == ["0.167"]


def test_why_it_can_not_be_read_stands_first_and_whole() -> None:
    sentence = "names.csv has 1 column where 2 are needed; line 3; " + "give each line a text and its label, " * 3
    lines = draw_data(CLASSIFIED, None, sentence, "", False, 38, 17)
    text = " ".join(text_of(lines[1:]).split())
    assert text == sentence.strip() and all(tone == "bad" for line in lines[1:] for _, tone in line.runs)


@given(st.integers(1, 80), st.integers(0, 40), st.booleans(), st.sampled_from(["", "it is broken; " * 9]),
       st.sampled_from([None, NAMES, SERIES]))  # fmt: skip
def test_every_card_fits(width: int, height: int, whole: bool, trouble: str, data: DataView | None) -> None:
    config = FORECAST if data is SERIES else CLASSIFIED
    lines = draw_data(config, data, trouble, "reading ...", whole, width, height)
    assert len(lines) <= height
    if width >= 24:
        assert all(cell_len("".join(run for run, _ in line.runs).rstrip()) <= width for line in lines)


def reads_and_answers(config: Config) -> tuple[int, int, int]:
    text = text_of(picture(config))
    return text.count("x"), text.count("[h]"), text.splitlines()[-2].count("y")


@pytest.mark.parametrize(
    ("name", "signs"),
    [("default", (4, 4, 4)), ("surnames", (4, 4, 1)), ("tags", (4, 8, 4)), ("encoder, decoder", (3, 5, 3)),
     ("names by label", (1, 4, 4)), ("one to one", (1, 1, 1)), ("series, window 36", (4, 4, 1))],
)  # fmt: skip
def test_the_picture_shows_how_much_is_read_for_how_much_that_is_answered(name: str, signs: tuple[int, ...]) -> None:
    config = preset(name).config()
    assert reads_and_answers(config) == signs
    assert ("─▸" in text_of(picture(config))) == (signs[1] > 1)
    assert ("◂─" in text_of(picture(config))) == config.model.bidirectional


def test_a_network_without_memory_has_no_arrows_through_time() -> None:
    assert "▸" not in text_of(picture(put(preset("tags").config(), "model.cell", "feedforward")).copy()[:4])


@pytest.mark.parametrize("task", TASKS)
def test_every_tasks_network_is_drawn_with_what_it_answers(task: str) -> None:
    config = first_of(task).config()
    view = task_of(task).read(config.data).view
    words = words_of(task)
    assert words.answer and words.shape and f"{task}: {words.answer} ({words.shape})" == words.title
    network = diagram(config, view, 8_000_000_000)
    for width, height in ((38, 17), (52, 42), (38, 8)):
        lines = draw_network(network, view, width, height, answer=words.answer, picture=picture(config))
        text = text_of(lines)
        assert len(lines) <= height and all(cell_len(line) <= width for line in text.splitlines())
        if height >= 17:
            assert f"{network.parameters:,} parameters" in text and "linear" in text
    roomy = text_of(draw_network(network, view, 52, 60, answer=words.answer, picture=picture(config)))
    assert words.answer in roomy and words.shape in roomy and "[h]" in roomy
    if math.isfinite(network.first_loss):
        assert f"ln {view.sizes.outputs:,} = {math.log(view.sizes.outputs):.2f}" in roomy
    else:
        assert "first loss" not in roomy
    assert str(view.vocabulary) in counted(config, view).replace(",", "")


def drafted(pilot: Any, config: Config) -> BuildPane:
    """Build with this draft, as if the app had been begun with it."""
    build = pilot.app.pane("build")
    assert isinstance(build, BuildPane)
    build.draft = Draft(config)
    build._changed()
    return build


async def test_the_form_of_a_task_has_its_fields_and_no_others(shown: Open) -> None:
    async with shown(size=(160, 60)) as pilot:
        for task in TASKS:
            config = first_of(task).config()
            build = drafted(pilot, config)
            await settle(pilot)
            keys = {row.key for row in build._form.rows if row.key}
            assert keys == {"preset", *(c.key for c in CHOICES.values() if visible(c, config))}, task
            assert ("data.path" in keys) == ("data.split" in keys) == (task in READ)
            assert "data.task" in keys and first_of(task).name in build.help_values()["Preset"]


async def test_each_task_is_one_key_away_from_training(shown: Open, lab: FakeLab, monkeypatch: Any) -> None:
    read: list[str] = []

    def ask(question: Any) -> FakeAsked:
        task = question.data.task
        read.append(task)
        return FakeAsked(task_of(task).read(question.data).view)

    monkeypatch.setattr(lab, "ask", ask)
    async with shown(size=(80, 24)) as pilot:
        build = pilot.app.pane("build")  # type: ignore[attr-defined]
        build._form.move_to("data.task")
        for task in (*TASKS[1:], TASKS[0]):
            await pilot.press("right")
            for _ in range(6):
                pilot.app.look()  # type: ignore[attr-defined]
            await settle(pilot)
            text = "\n".join(screen_text(pilot.app))
            assert f"\u2039{task}\u203a" in text and "can't be read" not in text and read[-1] == task
            assert words_of(task).answer.split()[0] in text and not build._network_now().refusal
        await pilot.press("right")
        for _ in range(6):
            pilot.app.look()  # type: ignore[attr-defined]
        await pilot.press("space")
        assert lab.told == ["create"]
        created = next(call for call in lab.calls if call[0] == "create")[1]
        assert created == first_of(TASKS[1]).config()


async def test_what_can_not_be_read_stands_beside_the_form_or_in_it(shown: Open, lab: FakeLab) -> None:
    sentence = "bad.csv: line 3 has 1 column and the others 2; data.path; mend the line"
    for size in ((80, 24), (160, 48), (40, 14)):
        asked = FakeAsked()
        asked.done, asked.error = True, sentence
        lab.ask = lambda question, asked=asked: asked  # type: ignore[method-assign, misc]
        async with shown(size=size, draft=put(CLASSIFIED, "data.path", "bad.csv")) as pilot:
            build = pilot.app.pane("build")  # type: ignore[attr-defined]
            for _ in range(6):
                pilot.app.look()  # type: ignore[attr-defined]
            await settle(pilot)
            whole = build._card.text if size[0] >= 72 else " ".join(row.note for row in build._form.rows if row.note)
            assert sentence in " ".join(whole.split())
            assert ("beside" in build._form.text) == (size[0] >= 72)


async def test_the_card_gives_way_to_the_network_away_from_the_data(shown: Open, lab: FakeLab) -> None:
    lab.ask = lambda question: FakeAsked(NAMES)  # type: ignore[method-assign]
    for size, both in (((80, 24), False), (((160, 48)), True)):
        async with shown(size=size, draft=CLASSIFIED) as pilot:
            build = pilot.app.pane("build")  # type: ignore[attr-defined]
            for _ in range(6):
                pilot.app.look()  # type: ignore[attr-defined]
            for key, card in (("data.split", True), ("model.cell", False), ("preset", False)):
                build._form.move_to(key)
                build._draw()
                await settle(pilot)
                text = "\n".join(screen_text(pilot.app))
                assert ("First lines" in text) == (card or both), (size, key)
                assert ("parameters" in text) == (not card or both)


LABELS = {
    "tags": {"Batch": "sentences", "Vocabulary": "words", "Validate on": "timesteps"},
    "default": {"Batch": "streams"}, "one to one": {"Batch": "passages"}, "words 1x200, tied": {"Vocabulary": "words"},
    "adding T 100": {"Timesteps": "timesteps"}, "brackets": {"Longest": "timesteps"},
    "recall, gap 20": {"Gap": "timesteps"},
}  # fmt: skip


async def test_units_and_labels_are_those_of_the_task(shown: Open, lab: FakeLab) -> None:
    lab.ask = lambda question: FakeAsked(task_of(question.data.task).read(question.data).view)  # type: ignore[method-assign]
    async with shown(size=(160, 60)) as pilot:
        for name, labels in LABELS.items():
            build = drafted(pilot, preset(name).config())
            for _ in range(6):
                pilot.app.look()  # type: ignore[attr-defined]
            for label, told in labels.items():
                (row,) = [row for row in build._form.rows if row.label == label]
                assert row.gloss == told or (row.value == "0" and told == "words"), (name, label)

"""Every task through the Lab: built, trained, asked, closed, and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnn_tui import views
from rnn_tui.config import TASKS, ConfigError, parse
from rnn_tui.lab import Lab, LabError
from rnn_tui.lab.questions import AnswerText, GuessTask, LookAtData, MeasureGaps, TakeApart
from rnn_tui.session import load, path_of
from rnn_tui.tasks import task_of
from tests.tasks.test_every_task import config_of

WAIT = 120.0
SHOWS = {
    "tagging": views.Tagged, "classification": views.Classified, "translation": views.Translated,
    "forecasting": views.Forecast, "adding": views.Added, "copying": views.Tagged, "recall": views.Tagged,
    "brackets": views.Tagged, "reber": views.Tagged,
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_a_session_of_it_is_trained_asked_and_found_again(name: str, tmp_path: Path) -> None:
    config = config_of(name, validate_every=3, validation_tokens=300)
    with Lab(tmp_path) as lab:
        lab.create(config, "one")
        lab.train(steps=4)
        status = lab.wait(WAIT)
        assert (status.step, status.stopped_because, status.fault) == (4, "steps", "")
        assert set(status.val_metrics) <= set(task_of(name).metrics)
        assert lab.curves is not None and set(lab.curves.val_metrics) == set(task_of(name).metrics)
        assert all(len(values) == len(lab.curves.val_step) for values in lab.curves.val_metrics.values())
        if name in SHOWS:
            first = lab.ask(AnswerText(offset=2)).result(WAIT)
            assert isinstance(first, SHOWS[name]) and first.step == 4 and first.source
        else:
            with pytest.raises(LabError, match="it writes"):
                lab.ask(AnswerText(offset=2)).result(WAIT)
    kept = load(path_of(tmp_path, "one"))
    assert kept.coding.sizes == task_of(name).read(config.data).coding.sizes
    with Lab(tmp_path) as lab:
        lab.open("one")
        status = lab.wait(WAIT)
        assert (status.step, status.exact, status.fault) == (4, True, "")
        assert lab.curves is not None and len(lab.curves.step) == 4
        if name in SHOWS:
            again = lab.ask(AnswerText(offset=2)).result(WAIT)
            for field in ("p", "forecast", "prediction"):
                if hasattr(first, field):
                    np.testing.assert_array_equal(getattr(first, field), getattr(again, field))


def test_a_file_is_guessed_and_a_fault_names_its_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "words.csv", tmp_path / "bad.csv"
    good.write_text("name,language\n" + "Novak,Czech\nSmith,English\nDvorak,Czech\nJones,English\n" * 4)
    bad.write_text("name,language\nNovak,Czech\nSmith\n")
    with Lab(tmp_path) as lab:
        found = lab.ask(GuessTask(str(good))).result(WAIT)
        assert found.task == "classification" and found.why
        data = parse({"data": {"task": "classification", "path": str(bad)}}).data
        with pytest.raises(LabError, match=r"line 3 of .*bad\.csv"):
            lab.ask(LookAtData(data)).result(WAIT)


def test_figures_are_taken_apart_and_gaps_measured(tmp_path: Path) -> None:
    with Lab(tmp_path) as lab:
        lab.create(config_of("classification"), "texts")
        (table,) = lab.ask(TakeApart()).result(WAIT)
        assert table.counts and table.part == "validation" and table.values.sum() > 0
        lab.create(config_of("recall"), "gaps")
        with pytest.raises(LabError, match="no figure"):
            lab.ask(TakeApart()).result(WAIT)
        asked = lab.ask(MeasureGaps(cells=("rnn",), steps=2))
        curves = asked.result(WAIT)
        assert curves.done and len(curves.names) == 2 and not np.isnan(curves.values).any()
        assert np.allclose(curves.nothing, 1 / 8)
        lab.wait(WAIT)


def test_an_unknown_task_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="tagging"):
        parse({"data": {"task": "tagings"}})

# ruff: noqa: F811  (fixtures are imported, and asked for by their names)
"""Numbers that break things: refused with their range, or shown; none of them ends the app or spoils a session."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tomli_w
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui import session
from rnn_tui.app.app import LabApp
from rnn_tui.app.draft import Draft
from rnn_tui.app.panes.train_help import live_values
from rnn_tui.app.panes.train_words import gradient_plot, loss_plot, progress_bar, spark, validation_words
from rnn_tui.app.widgets import bars, heatmap, palette, ribbon, scatter, status
from rnn_tui.app.widgets.curve import draw
from rnn_tui.config import CHOICES, Choice, Config, ConfigError, get, load_toml, parse, put
from rnn_tui.lab import Lab, LabError
from rnn_tui.lab.measures import measured, measures, metric_value
from rnn_tui.training.trainer import Trainer
from rnn_tui.views import UNITS, Baseline, Curves, Phase, Status, Unit, perplexity
from tests.app.fakes import FakeLab
from tests.command import Command, command, trained  # noqa: F401
from tests.lab.conftest import folder, lab, small, text_file  # noqa: F401

WAIT = 60.0
ODD = (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0, -0.0, 1e-300, 1.0, 1e4, 710.0, -1.0, 1e30)
RAMPS: tuple[heatmap.Ramp, ...] = ("signed", "unit", "surprise")
NUMERIC = [c for c in CHOICES.values() if c.kind in ("whole", "number")]


# Configurations


def beyond(c: Choice) -> list[Any]:
    """Values that a field can't have, as a form, the command or a file may give them."""
    low = c.above if c.above is not None else c.low
    assert low is not None and c.high is not None
    step = 1 if c.kind == "whole" else max(1e-3, abs(c.high) * 1e-6)
    out = [low - step, c.high + step, 2**70, -(2**70), math.nan, math.inf, -math.inf, 1e308, "many", "", "1e400", "NaN"]
    return out + (["2.5", 2.5] if c.kind == "whole" else []) + ([low] if c.above is not None else [])


@pytest.mark.parametrize("c", NUMERIC, ids=lambda c: c.key)
def test_a_value_out_of_range_is_refused_by_every_door_with_the_range(c: Choice, tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    before = "torch" in sys.modules
    for value in beyond(c):
        typed = str(value)
        written = tomli_w.dumps({c.section: {c.name: value if abs(as_number(value)) < 2**63 else typed}})
        file.write_text(written)
        draft = Draft(Config())
        for door in (
            lambda value=value: put(Config(), c.key, value),
            lambda typed=typed: put(Config(), c.key, typed),
            lambda value=value: parse({c.section: {c.name: value}}),
            lambda: load_toml(file),
            lambda draft=draft, typed=typed: draft.put(c.key, typed),
        ):
            with pytest.raises(ConfigError) as refused:
                door()
            said = str(refused.value)
            assert c.key in said and said.endswith(c.range) and "\n" not in said and len(said) < 300
        assert draft.config == Config()
    assert before == ("torch" in sys.modules)
    for value in (c.high, c.low if c.above is None else None):
        if value is not None:
            given = int(value) if c.kind == "whole" else value
            assert get(put(Config(), c.key, given), c.key) == given == get(put(Config(), c.key, str(given)), c.key)


def as_number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


@given(st.sampled_from(NUMERIC), st.one_of(st.integers(), st.floats(), st.text(max_size=12)))
@settings(max_examples=300)
def test_any_value_is_in_its_range_or_refused(c: Choice, value: Any) -> None:
    try:
        kept = get(put(Config(), c.key, value), c.key)
    except ConfigError as error:
        assert str(error).startswith(c.key) or "tied" in str(error)
        return
    assert c.high is not None and math.isfinite(kept) and kept <= c.high
    assert kept > c.above if c.above is not None else c.low is not None and kept >= c.low
    assert isinstance(kept, int if c.kind == "whole" else float)


def test_the_command_refuses_before_anything_is_read(command: Command) -> None:
    for setting in ("training.learning_rate=nan", "model.hidden_size=1e6", "training.seed=1180591620717411303424"):
        found = command.train("demo", "--set", setting)
        assert found.code == 2 and setting.partition("=")[0] in found.error and " is not a" in found.error
    for option, value in (("--epochs", "nan"), ("--minutes", "-1"), ("--steps", "0"), ("--epochs", "1e400")):
        assert command.train("demo", option, value).code == 2
    assert not command.sessions.exists() or not list(command.sessions.glob("*.safetensors"))


# How it writes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 2.0}, "top_p"),
        ({"top_p": math.nan}, "top_p"),
        ({"length": -5}, "length"),
        ({"length": 10**9}, "length"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(trained: Command, options: dict[str, Any], said: str) -> None:
    with opened(trained) as lab:
        with pytest.raises(LabError, match=f"^{said}: .* is not a"):
            lab.write("the ", **options)
        assert lab.status.fault == ""


def opened(trained: Command) -> Lab:
    lab = Lab(trained.sessions)
    lab.open("demo")
    lab.wait(WAIT)
    return lab


def test_what_can_be_written_is(trained: Command) -> None:
    with opened(trained) as lab:
        assert lab.write("the ", 0) == ""
        coldest = lab.write("the ", 20, temperature=0.0)
        assert coldest == lab.write("the ", 20, top_k=1, seed=9) == lab.write("the ", 20, temperature=5e-324, seed=4)
        for options in ({"temperature": 1e308}, {"top_k": 10**9}, {"top_p": 5e-324}, {"top_p": 1.0}):
            assert len(lab.write("the ", 20, **options)) == 20
        # No prompt, one that is all unknown, and one as long as a book.
        assert len(lab.write("", 5)) == len(lab.write("\x00\u202e神", 5)) == 5
        assert len(lab.write("the cat sat on the mat. " * 20_000, 5)) == 5
    for bad in (["--temperature", "inf"], ["--length", "-5"], ["--top-p", "1.01"], ["--seed", "-1"]):
        assert trained("generate", "demo", *bad).code == 2
    assert len(trained("generate", "demo", "--prompt", "a", "--length", "0", "--top-k", "1000000").out) == 2


# What is shown


def test_a_cost_without_bounds_has_words() -> None:
    for cost in (1e4, 710.0, math.inf, 1e308):
        assert measured(perplexity(cost)) == ">1e304"
        assert measures(None).loss(cost, "perplexity") == ">1e304"
    assert measured(perplexity(700.0)).endswith("e+304")
    assert measured(math.nan) == "" and metric_value("mse", math.inf) == "-"
    assert status.duration(1e300) == "over 100 years" and status.duration(math.nan) == ""


def single(values: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(values).astype(np.float32)


def curves_of(a: float, b: float, points: int = 3) -> Curves:
    steps, values = np.arange(1, points + 1), single((a, b, 1.0)[:points])
    return Curves(
        version=1, step=steps, train_loss=values, grad_norm=values, learning_rate=values, val_step=steps,
        val_loss=values, clip_norm=abs(a) if a == a else 0.0, clipped_share=0.5, planned=10, best_step=1,
        baselines=(Baseline("uniform", a), Baseline("unigram", b)),
    )  # fmt: skip


def odd_status(a: float, b: float) -> Status:
    return Status(
        phase=Phase.TRAINING, session="one", config=Config(), step=5, planned=10, train_loss=a, val_loss=b, val_step=5,
        best_loss=a, best_step=3, learning_rate=a, grad_norm=b, tokens_per_second=abs(a), eta_seconds=b, epoch=abs(b),
        has_best=True, weights_version=5,
    )  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_every_drawing_takes_every_number() -> None:
    for a, b in itertools.product(ODD, ODD):
        now, both = odd_status(a, b), single((a, b))
        for unit in UNITS:
            assert all(isinstance(part, str) for part in status.numbers(now, unit))
            validation_words(now, unit)
        for unit, log, points in (
            ("nats", False, 3),
            ("perplexity", True, 3),
            ("perplexity", False, 1),
            ("bits", True, 0),
        ):
            drawn = draw(loss_plot(curves_of(a, b, points), cast(Unit, unit), log, measures(None)), 40, 8)
            assert {len(row) for row in drawn.rows} == {40}
        draw(gradient_plot(curves_of(a, b)), 40, 8)
        progress_bar(now, 40, False)
        assert all(isinstance(told, str) for told in live_values(now, curves_of(a, b)).values())
        assert sum(len(text) for text, _ in spark([0, 1], [a, b], 10, 8, a)) == 8
        assert len(palette.bar(a, 8)) == 8 and len(bars.signed_bar(a, 9)) == 9
        for signed in (False, True):
            bar = bars.Bar("h", a, b, signed, share=not signed)
            assert len(bar.number) >= 5 and bar.style is not None
        palette.signed(a, b), palette.signed_background(a, b), palette.unit(a), palette.surprise(a)
        for ramp in RAMPS:
            for step in heatmap.steps(both, ramp, b).tolist():
                heatmap.cell(step, ramp, True, False)
            heatmap.legend(ramp, b, True, False)
        assert len(scatter.scatter(both, both[::-1], 10, 5)) == 5
        scale = ribbon.scale_of([np.array([a, b])], 6)
        high = ribbon.heights(np.array([a, b]), scale)
        assert ((high >= 0) & (high <= 8 * 6)).all() and ribbon.tone_of(a) is not None


async def test_the_app_stands_whatever_the_numbers_are(tmp_path: Path) -> None:
    fake = FakeLab(tmp_path)
    fake.give_session()
    fake.run_to(500)
    async with LabApp(cast(Lab, fake)).run_test(size=(160, 48)) as pilot:
        app = cast(LabApp, pilot.app)
        app.go("train")
        for version, (a, b) in enumerate([(math.nan, math.inf), (1e308, -1e308), (0.0, 5e-324), (1e4, 710.0)], 100):
            fake.curves = curves_of(a, b)
            fake.change(
                train_loss=a, val_loss=b, best_loss=a, learning_rate=b, grad_norm=a, eta_seconds=b, epoch=a,
                tokens_per_second=abs(b), clipped_share=a, curves_version=version, step=version,
            )  # fmt: skip
            for key in ("v", "v", "v", "l"):
                await pilot.press(key)
            await pilot.pause(0.3)
            assert app.is_running and f"{version:,} of" in app.frame.status.text
            if a == 1e4:
                assert ">1e304" in app.frame.status.text


# Training


def test_a_learning_rate_of_a_million_is_survived(lab: Lab, small: Config, folder: Path) -> None:
    config = small
    for key, value in (("learning_rate", 1e6), ("steps", 100), ("validate_every", 25), ("clip_norm", 5.0)):
        config = put(config, f"training.{key}", value)
    lab.create(config, "one")
    lab.train()
    ended = lab.wait(WAIT)
    assert ended.step == 100 or ended.stopped_because == "non_finite", ended
    assert lab.curves is not None and len(lab.curves.step) == ended.step
    for unit in UNITS:
        assert all(status.numbers(ended, unit))
        draw(loss_plot(lab.curves, unit, False, measures(config)), 60, 12)
    assert len(lab.write("the ", 5)) == 5
    lab.close()
    kept = session.load(folder / "one.safetensors")
    assert all(np.isfinite(array).all() for name, array in kept.tensors.items() if name.startswith("model."))


def test_weights_that_overflowed_are_never_saved_over_those_that_had_not(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update can overflow although loss and gradient were finite."""
    real = Trainer.step

    def overflows(trainer: Trainer, config: Config, made: int) -> Any:
        update = real(trainer, config, made)
        if made == 59:
            with torch.no_grad():
                trainer.parameters[-1].fill_(math.inf)
        return update

    monkeypatch.setattr(Trainer, "step", overflows)
    lab.create(put(small, "training.steps", 200), "one")
    lab.train(steps=55)
    lab.wait(WAIT)
    lab.save()
    lab.wait(WAIT)
    before = (folder / "one.safetensors").read_bytes()
    lab.train()
    status = lab.wait(WAIT)
    assert status.stopped_because == "non_finite" and status.step == 60
    lab.save()
    status = lab.wait(WAIT)
    assert status.save_failed and "saved" not in status.notice
    assert (folder / "one.safetensors").read_bytes() == before
    with pytest.raises(LabError, match="not finite"):
        lab.write("the ", 5)
    lab.step_back()
    lab.save()
    status = lab.wait(WAIT)
    assert not status.save_failed and status.fault == "" and "saved one" in status.notice
    monkeypatch.undo()
    lab.train(steps=5)
    assert lab.wait(WAIT).fault == ""
    lab.close()
    kept = session.load(folder / "one.safetensors")
    assert np.isfinite(kept.tensors["model.output.bias"]).all()

"""Gradients, driven by its keys: what is drawn belongs to the place, and moving asks nothing of the model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual import events
from textual.widget import Widget

from rnn_tui.app.panes.gradients_flow import size
from rnn_tui.app.panes.gradients_steps import turned
from rnn_tui.app.panes.inquiry import PASSAGE
from rnn_tui.app.panes.inspect import InspectPane
from rnn_tui.app.panes.train import TrainPane
from rnn_tui.app.widgets.text_strip import GUTTER
from rnn_tui.config import put
from rnn_tui.lab import TraceText
from rnn_tui.lab.questions import Compare, FollowGradient, ReadFlight
from rnn_tui.symbols import sign
from rnn_tui.views import Phase, Status
from tests.app.gradienting import AskingStage, GradientLab, make_flight, stage
from tests.app.stage import lines_of, press, settle

AT = PASSAGE - 2


def lab_of(app: AskingStage) -> GradientLab:
    lab: Any = app.lab
    assert isinstance(lab, GradientLab)
    return lab


async def test_the_loss_stands_at_the_end_and_one_gradient_is_followed() -> None:
    async with stage() as (app, pane, pilot):
        screen = lines_of(app)
        trace = pane.trace
        assert trace is not None
        assert lab_of(app).of(FollowGradient) == [FollowGradient(1, AT, 0)]
        assert f"L = cost of '{sign(trace.symbols[AT + 1])}' after t {AT}" in screen[0]
        assert "weights of step 1,240" in screen[0]
        assert screen[2].index("^") == screen[3].index("L") == GUTTER + AT - pane.reading.start
        flow = pane.flow
        assert flow is not None and pane.reading.layer == 1
        horizon = flow.layers[1].horizon
        assert screen[3].index("├") == GUTTER + AT - horizon - pane.reading.start and f" {horizon} " in screen[3]
        screen_text = await press(app, pilot, *["H"] * 3)
        left = flow.layers[1].norms[AT - 30] / flow.layers[1].norms[AT]
        assert f"at t {AT - 30}: {size(left)} of the gradient at t {AT} is left" in screen_text
        assert f"LSTM 2x128, layer 1: horizon {horizon} timesteps" in screen_text
        await press(app, pilot, "end", "left_square_bracket", "home", "right", "l", "h")
        assert len(lab_of(app).asked) == 2


async def test_moving_redraws_no_row_of_the_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(GradientLab(units=128)) as (app, pane, pilot):
        await press(app, pilot, "left")
        sent: list[Any] = []
        refresh = Widget.refresh

        def watch(self: Widget, *regions: Any, **options: Any) -> Widget:
            sent.append((self, regions))
            return refresh(self, *regions, **options)

        monkeypatch.setattr(Widget, "refresh", watch)
        pane.do_left()
        assert not {widget for widget, _ in sent} & {pane._chart, pane._marks, pane._header}
        assert all(regions for _, regions in sent)
        assert sum(region.area for _, regions in sent for region in regions) < 120
        await press(app, pilot, "v", "left", "left")
        sent.clear()
        pane.do_left()
        assert all(regions for _, regions in sent)
        # A step of the walk draws a column of the chart, and the numbers.
        assert sum(region.area for _, regions in sent for region in regions) < 500


async def test_enter_moves_the_loss_and_asks_once() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, *["H"] * 2, "enter")
        assert pane.place == AT - 20
        assert lab_of(app).of(FollowGradient)[1:] == [FollowGradient(1, AT - 20, 0)]
        screen = await press(app, pilot, "right")
        assert screen.splitlines()[3].index("L") == GUTTER + AT - 20 - pane.reading.start
        assert f"t {AT - 19} lies behind the loss" in screen
        await press(app, pilot, "end", "enter")
        assert pane.place == AT and "stands before it" in app.said[-1]
        assert len(lab_of(app).of(FollowGradient)) == 2, "it was followed before"


async def test_keys_in_a_burst_put_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as (app, pane, pilot):
        monkeypatch.setattr("rnn_tui.app.panes.gradients_questions.REST", 1000.0)
        await press(app, pilot, "v", *["left_curly_bracket"] * 5)
        assert [question.truncate for question in lab_of(app).of(FollowGradient)] == [0, 50]
        monkeypatch.setattr("rnn_tui.app.panes.gradients_questions.REST", 0.0)
        await settle(app, pilot)
        assert [question.truncate for question in lab_of(app).of(FollowGradient)] == [0, 50, pane.reach]


async def test_a_newer_question_takes_the_older_back() -> None:
    lab = GradientLab()
    async with stage(lab) as (app, pane, pilot):
        lab.at_once = False
        await press(app, pilot, "H", "enter")
        older = lab.asked[-1]
        await press(app, pilot, "H", "enter")
        assert older.cancelled and lab.asked[-1].question == FollowGradient(1, AT - 20, 0)
        older.finish(error="it was cancelled")
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert pane.flow is not None and pane.flow.at == AT - 20 and not pane.answers.trouble


async def test_what_takes_long_is_told_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = GradientLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        lab.answer(lab.asked[0])
        monkeypatch.setattr("rnn_tui.app.panes.lens.LATE", -1.0)
        await settle(app, pilot)
        lab.asked[-1].report(0.4, "following the gradient")
        await settle(app, pilot)
        assert "following the gradient 40 %, escape stops it" in lines_of(app)[0]
        assert pane.escape() and lab.asked[-1].cancelled
        await settle(app, pilot)
        assert len(lab.of(FollowGradient)) == 1 and "r tries again" in "\n".join(lines_of(app))
        monkeypatch.undo()
        await press(app, pilot, "r")
        lab.answer(lab.asked[-1])
        await settle(app, pilot)
        assert len(lab.of(FollowGradient)) == 2


async def test_no_answer_says_why() -> None:
    lab = GradientLab(at_once=False)
    async with stage(lab) as (app, pane, pilot):
        lab.answer(lab.asked[0])
        await settle(app, pilot)
        lab.asked[-1].finish(error="this text was read a while ago and its weights are gone; read it again (r)")
        await settle(app, pilot)
        assert "its weights are gone" in "\n".join(lines_of(app))
        await settle(app, pilot)
        assert len(lab.asked) == 2
        lab.at_once = True
        screen = await press(app, pilot, "r")
        await settle(app, pilot)
        assert "gone" not in "\n".join(lines_of(app)) or "gone" not in screen
        assert pane.flow is not None


async def test_views_turn_round_both_ways() -> None:
    async with stage() as (app, pane, pilot):
        seen = [pane.view]
        for _ in range(3):
            await press(app, pilot, "v")
            seen.append(pane.view)
        assert seen == ["reach", "steps", "training", "reach"]
        await press(app, pilot, "V", "V")
        assert pane.view == "steps"
        assert pane.allows("cut_less") and not pane.allows("compare") and pane.label_of("left") == "walk"
        await press(app, pilot, "v")
        assert not pane.allows("left") and not pane.allows("text") and pane.allows("clip")


async def test_compare_fresh_then_trained_then_off() -> None:
    async with stage() as (app, pane, pilot):
        screen = await press(app, pilot, "c")
        assert lab_of(app).of(Compare) == [Compare(1, AT, trained=False)]
        found = pane.comparison
        assert found is not None
        for one in found.networks:
            assert f" {one.title}   horizon {one.horizon}" in screen
        screen = await press(app, pilot, "c")
        assert lab_of(app).of(Compare)[1] == Compare(1, AT, trained=True)
        assert "no trained GRU 2x128 here; Build makes one" in screen and "this session, step 1,240" in screen
        screen = await press(app, pilot, "c")
        assert "bars |dL/dh_t|" in screen and "fresh" not in screen
        await press(app, pilot, "c")
        assert pane.escape() and pane.compared == "off"
        assert len(lab_of(app).of(Compare)) == 2 and len(lab_of(app).of(FollowGradient)) == 1


async def test_the_walk_shows_what_it_has_reached_and_where_it_is_cut() -> None:
    lab = GradientLab()
    assert lab.status.config is not None
    lab.status = replace(lab.status, config=put(lab.status.config, "training.sequence_length", 20))
    async with stage(lab) as (app, pane, pilot):
        await press(app, pilot, "v")
        assert lab.of(FollowGradient)[-1] == FollowGradient(1, AT, 20)
        start = pane.reading.start
        at, cut = GUTTER + AT - start, GUTTER + AT - 20 - start
        for walked in range(1, 25):
            screen = (await press(app, pilot, "left")).splitlines()
            assert pane.reading.start == start
            chart = screen[5 : 5 + pane._chart.size.height]
            left = at - walked
            assert all(set(line[GUTTER:left]) <= set(" ┈vanished") for line in chart)
            assert chart[-1][max(left, cut + 1) : at + 1] == "█" * (at + 1 - max(left, cut + 1))
            assert all((line[cut] == "┃") == (left <= cut) for line in chart)
            assert screen[3][at] == "→" and screen[4][at] == "L"
            assert (screen[4][cut] == "┃") == (left <= cut)
            if left < cut:
                assert chart[-1][left:cut] == "0" * (cut - left)
        assert f"step 24 back: t {AT - 24}" in "\n".join(screen) and "|dL/dh_t| exactly 0" in "\n".join(screen)
        assert "the state crosses, the gradient does not; exactly 0 beyond" in "\n".join(screen)
        flow = pane.flow
        assert flow is not None
        sums = flow.layers[1].accumulated["W_hh"]
        assert f"gathered {size(float(sums[AT - 24]))}" in "\n".join(screen)


async def test_the_slider_asks_with_its_k() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "v")
        assert lab_of(app).of(FollowGradient)[-1].truncate == pane.reach == 50
        await press(app, pilot, "right_curly_bracket")
        assert lab_of(app).of(FollowGradient)[-1].truncate == 63
        await press(app, pilot, "left_curly_bracket", "left_curly_bracket")
        assert lab_of(app).of(FollowGradient)[-1].truncate == pane.k == 40
        screen = await press(app, pilot, *["right_curly_bracket"] * 20)
        assert pane.flow is not None and pane.flow.truncated == 0
        assert f"{AT + 1} of {AT + 1}: nothing is cut" in screen
        await press(app, pilot, *["left_curly_bracket"] * 40)
        assert lab_of(app).of(FollowGradient)[-1].truncate == 1
    assert [turned(1, -1, 9), turned(2, -1, 9), turned(1, 1, 9), turned(8, 1, 9), turned(9, 1, 9)] == [1, 1, 2, 9, 9]


async def test_a_plain_rnn_tells_the_eigenvalues_and_what_they_miss() -> None:
    async with stage(GradientLab(cell="rnn")) as (app, pane, pilot):
        screen = " ".join((await press(app, pilot, "H")).split())
        assert "spectral radius 0.97, singular values 1.90 .. 1.0e-2" in screen
        assert f"radius^10 alone would leave {size(0.97**10)}" in screen
        assert f"the product of Jacobians leaves {size(10**-1.5)}: tanh' <= 1 shrinks it too" in screen
        assert "dL/dc_t" not in screen
        assert pane.help_values()["spectral radius"] == "0.97"


async def test_overflow_and_zero_are_told() -> None:
    async with stage(GradientLab(cell="rnn", growth=True, decades=9.0)) as (app, _, pilot):
        screen = await press(app, pilot, "H")
        chart = screen.splitlines()[4:]
        assert "^" in chart[0] and "^ overflowed" in screen
        assert "at t 188:" in screen
        screen = await press(app, pilot, "H", "H", "H", "H")
        assert "|dL/dh_t| overflowed" in screen


async def test_wide_symbols_keep_text_loss_and_chart_in_line() -> None:
    text = "神の光abc東x"
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste(text))
        await settle(app, pilot)
        await settle(app, pilot)
        trace = pane.trace
        assert trace is not None and "".join(trace.symbols) == text
        assert pane.place == pane.reading.cursor == 6
        for t, column in zip(range(6, -1, -1), [9, 8, 7, 6, 4, 2, 0], strict=True):
            screen = lines_of(app)
            assert screen[2].index("^") == GUTTER + column
            assert screen[3].index("L") == GUTTER + 9
            flow = pane.flow
            assert flow is not None
            wide = pane.reading.columns.width(t)
            for line in screen[4 : 4 + pane._chart.size.height]:
                assert len(set(line[GUTTER + column : GUTTER + column + wide])) == 1
            await press(app, pilot, "left")


async def test_it_reads_what_inspect_reads() -> None:
    lab = GradientLab()
    inspect = InspectPane()
    async with stage(lab, others=[inspect]) as (app, pane, pilot):
        app.go("inspect")
        app.post_message(events.Paste("a text that was typed in Inspect"))
        await settle(app, pilot)
        await press(app, pilot, "L", "right")
        app.go("gradients")
        await settle(app, pilot)
        trace = pane.trace
        assert trace is inspect.trace and pane.inquiry.text == "a text that was typed in Inspect"
        assert trace is not None and pane.reading.cursor == 11
        assert lab.of(FollowGradient)[-1] == FollowGradient(trace.number, trace.steps - 2, 0)
        traced = len(lab.of(TraceText))
        app.post_message(events.Paste("one of its own"))
        await settle(app, pilot)
        app.go("inspect")
        app.go("gradients")
        await settle(app, pilot)
        assert pane.inquiry.text == "one of its own" and len(lab.of(TraceText)) == traced + 1


async def test_passages_texts_and_places() -> None:
    async with stage() as (app, pane, pilot):
        await press(app, pilot, "H", "enter", "right_parenthesis")
        await settle(app, pilot)
        assert lab_of(app).of(TraceText)[-1].offset == PASSAGE and pane.place == AT
        await press(app, pilot, "i", *"abc", "enter")
        await settle(app, pilot)
        assert pane.place == 1 and lab_of(app).of(FollowGradient)[-1].at == 1
        await press(app, pilot, "i", *["backspace"] * 3, "x", "enter")
        await settle(app, pilot)
        assert "nothing to predict" in "\n".join(lines_of(app))
        await press(app, pilot, "i", "y", "escape")
        assert pane.inquiry.text == "x"
        await press(app, pilot, "left_parenthesis")
        await settle(app, pilot)
        await press(app, pilot, "number_sign")
        assert app.dialog is not None
        assert app.dialog[1]("t 17") == "" and pane.reading.cursor == 17
        for wrong in ("", "u 3", "999"):
            assert app.dialog[1](wrong)


async def test_newer_weights_are_named_read_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as (app, pane, pilot):
        lab = lab_of(app)
        monkeypatch.setattr("rnn_tui.app.panes.gradients_reading.NOW_EVERY", 0.0)
        await press(app, pilot, "H", "enter", "H")
        lab.status = replace(lab.status, step=1900, weights_version=2, phase=Phase.TRAINING)
        await settle(app, pilot)
        assert "weights of step 1,240 (now 1,900)" in lines_of(app)[0]
        await press(app, pilot, "r")
        await settle(app, pilot)
        assert "weights of step 1,900" in lines_of(app)[0]
        assert (pane.place, pane.reading.cursor) == (AT - 10, AT - 20)
        assert lab.of(FollowGradient)[-1] == FollowGradient(2, AT - 10, 0)
        await press(app, pilot, "F")
        lab.status = replace(lab.status, step=2000, weights_version=3)
        pane.inquiry.rest = 0.0
        await settle(app, pilot)
        await settle(app, pilot)
        assert "weights of step 2,000, follows" in lines_of(app)[0]
        assert lab.of(FollowGradient)[-1].number == 3


async def test_weights_that_were_changed_without_a_step_are_read_at_once() -> None:
    async with stage() as (app, pane, pilot):
        lab = lab_of(app)
        lab.status = replace(lab.status, weights_version=2)
        for _ in range(3):
            await settle(app, pilot)
        assert len(lab.of(TraceText)) == 2 and lab.of(FollowGradient)[-1].number == 2
        assert pane.trace is not None and pane.trace.weights_version == 2


async def test_while_it_trains() -> None:
    async with stage() as (app, pane, pilot):
        lab = lab_of(app)
        screen = await press(app, pilot, "V")
        assert "clip 5: 0.4 % of steps clipped" in screen and "1.23" in screen
        curves = lab.curves
        assert curves is not None
        for k, name in enumerate(curves.groups):
            line = next(line for line in screen.splitlines() if line.startswith(f" {name} "))
            assert line.split()[-2:] == [
                size(float(curves.group_norms[k, -1])),
                size(float(curves.update_ratios[k, -1])),
            ]
        assert len(lab.of(ReadFlight)) == 1
        assert "1,899" in screen and "And so⏎it ␛[1m" in screen and "\x1b" not in screen
        await settle(app, pilot)
        assert len(lab.of(ReadFlight)) == 1 and len(lab.of(FollowGradient)) == 1
        lab.flight = make_flight("gradient of layers.0.weight_hh_l0")
        lab.status = replace(lab.status, fault="the loss is no number", can_step_back=True)
        await settle(app, pilot)
        await settle(app, pilot)
        screen = "\n".join(lines_of(app))
        told = "update 1,900 was not made: the gradient of layers.0.weight_hh_l0 was the first not finite"
        assert told in " ".join(screen.split())
        assert "u goes back to the last finite weights of step 1,890" in screen and "inf" in screen
        assert "And so" in pane.copy_text()
        lab.curves = None
        pane.refresh()
        await press(app, pilot, "v", "V")
        assert "no step yet" in "\n".join(lines_of(app))


async def test_keys_that_mend_and_break() -> None:
    async with stage() as (app, pane, pilot):
        lab = lab_of(app)
        await press(app, pilot, "u", "percent_sign")
        assert lab.calls == [("clip_to_p90",)] and "1.23" in app.said[-1]
        lab.status = replace(lab.status, can_step_back=True)
        await press(app, pilot, "u")
        assert lab.calls == [("clip_to_p90",)], "it asks first"
        app.choose("enter")
        assert lab.calls[-1] == ("step_back",)
        assert lab.status.config is not None
        rate = pytest.approx(10 * lab.status.config.training.learning_rate)
        for key, call in (
            ("1", ("scale_recurrent", 0.5)), ("2", ("scale_recurrent", 1.5)), ("3", ("scale_recurrent", 3.0)),
            ("4", ("set", "training.clip_norm", 0.0)), ("5", ("set", "training.learning_rate", rate)),
        ):  # fmt: skip
            await press(app, pilot, "X")
            said = len(app.said)
            app.choose(key)
            assert lab.calls[-1] == call and len(app.said) == said + 1
        lab.refuses = "there is no session"
        app.choose("2")
        assert app.said[-1] == "there is no session"
        lab.curves = replace(lab.curves, norm_p90=math.nan) if lab.curves else None
        assert not pane.allows("clip")


async def test_train_has_the_same_two_keys() -> None:
    lab = GradientLab()
    train = TrainPane()
    lab.curves, kept = None, lab.curves
    lab.samples = ()  # type: ignore[attr-defined]
    async with stage(lab, others=[train]) as (app, _, pilot):
        app.here = train
        assert not train.allows("clip") and not train.allows("back")
        lab.curves = kept
        assert train.allows("clip")
        train.do_clip()
        lab.status = replace(lab.status, can_step_back=True)
        assert train.allows("back")
        train.do_back()
        app.choose("enter")
        assert lab.calls == [("clip_to_p90",), ("step_back",)]
        app.here = app.panes["gradients"]
        await settle(app, pilot)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
async def test_every_size_is_filled_and_nothing_overflows(cell: str) -> None:
    async with stage(GradientLab(cell=cell, units=32)) as (app, pane, pilot):
        await press(app, pilot, *["H"] * 3)
        for keys in ([], ["c"], ["c", "c", "v", "H", "H"], ["v"]):
            await press(app, pilot, *keys)
            for width, height in ((160, 45), (20, 3), (40, 9), (40, 12), (79, 20), (80, 21), (120, 24), (300, 80)):
                await pilot.resize_terminal(width, height)
                await settle(app, pilot)
                assert all(child.region.bottom <= height for child in pane.children if child.display)
                screen = lines_of(app)
                assert all(len(line) <= width for line in screen) and screen[0].strip()
                if pane.view == "training":
                    assert "gradient norm" in screen[1]
                    continue
                assert "^" in screen[2] and screen[1][GUTTER:].strip()
                if height >= 9:
                    assert pane._chart.size.height >= 3
                    assert any(set(line) & set("▁▂▃▄▅▆▇█") for line in screen[3:])


async def test_without_colours_and_with_ascii_alone_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage() as (app, _, pilot):
        app.ascii_only = True
        for keys in (["left"], ["c"], ["c", "c", "v", *["H"] * 6], ["v"]):
            screen = await press(app, pilot, *keys)
            text = [line for line in screen.splitlines() if "⏎" not in line and "·" not in line]
            assert "".join(text).isascii(), [line for line in text if not line.isascii()]


async def test_hostile_text_never_reaches_the_screen_raw() -> None:
    hostile = "\x1b]0;x\x07[bold]b[/bold]‮evil\x9b2J\x00é́"
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste(hostile))
        await settle(app, pilot)
        for keys in (["home"], *[["enter", "right"]] * 5, ["v", *["left"] * 4]):
            screen = await press(app, pilot, *keys)
            assert not {c for c in screen if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "‮́"}
        copied = pane.copy_text()
        assert not {c for c in copied if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0}


async def test_state_goes_out_and_comes_back_and_nonsense_is_ignored() -> None:
    async with stage() as (app, pane, pilot):
        app.post_message(events.Paste("some text of mine"))
        await settle(app, pilot)
        await press(app, pilot, "left", "left", "enter", "v", "left_curly_bracket", "left", "left_square_bracket")
        kept = pane.state()
        assert kept["view"] == "steps" and kept["loss"] == 13 and kept["layer"] == 0 and kept["k"]
    async with stage() as (app, pane, pilot):
        pane.restore(kept)
        await settle(app, pilot)
        await settle(app, pilot)
        assert pane.state() == kept and lab_of(app).of(FollowGradient)[-1].at == 13
        pane.restore({"view": 7, "loss": "x", "k": -3, "cursor": True, "layer": [], "text": 4})
        await settle(app, pilot)
        assert (pane.view, pane.at, pane.k) == ("reach", -1, 0)


async def test_without_a_network_it_says_what_to_press() -> None:
    lab = GradientLab()
    lab.status = Status()
    lab.curves = None
    async with stage(lab) as (app, pane, pilot):
        assert "space trains" in "\n".join(lines_of(app)) and not lab.asked
        assert not pane.allows("text") and not pane.allows("break_it") and not pane.allows("clip")
        await press(app, pilot, "V")
        assert "no step yet" in "\n".join(lines_of(app)) and not lab.asked


async def test_another_network_is_asked_anew() -> None:
    async with stage() as (app, pane, pilot):
        lab = lab_of(app)
        await press(app, pilot, "H", "enter")
        lab.status = replace(lab.status, session="other", step=7)
        await settle(app, pilot)
        await settle(app, pilot)
        assert pane.place == AT and lab.of(FollowGradient)[-1] == FollowGradient(2, AT, 0)


def test_sizes_in_words() -> None:
    told = [size(v) for v in (8.6e-6, 0.31, 12.0, 123.4, 1e10, 0.0, math.inf, math.nan, float(np.float64(1e-300)))]
    assert told == ["8.6e-6", "0.31", "12.0", "123", "1.0e10", "exactly 0", "overflowed", "no number", "1.0e-300"]

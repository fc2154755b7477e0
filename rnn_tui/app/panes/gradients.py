"""Gradients: how far back a cost reaches, the way it goes step by step, and what gradients do while it trains."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from rnn_tui.app.actions import BY_ID, sign_of
from rnn_tui.app.panes import gradients_flow as flows
from rnn_tui.app.panes import gradients_steps as steps
from rnn_tui.app.panes import mending
from rnn_tui.app.panes.gradients_picture import GradientsPicture
from rnn_tui.app.panes.gradients_reading import COMPARED, VIEWS
from rnn_tui.app.panes.words import GRADIENTS_HELP
from rnn_tui.app.reading import LANGUAGE
from rnn_tui.views import Phase, Status, in_unit

MOVES = frozenset(("left", "right", "left_ten", "right_ten", "first", "last", "layer_down", "layer_up"))
OF_TEXT = frozenset(("text", "earlier", "later", "follow"))


class GradientsPane(GradientsPicture):
    """The gradient of one symbol's cost over a text. It draws what the Lab answers; moving in it asks nothing."""

    PANE: ClassVar[str] = "gradients"
    TITLE: ClassVar[str] = "Gradients"
    HELP: ClassVar[str] = GRADIENTS_HELP

    # What a person does.

    def tick(self, status: Status) -> None:
        super().tick(status)
        if self.stale or self.inquiry.late or self.answers.late:
            self.draw()
        elif self.editing:
            self._draw_hint()

    def allows(self, action: str) -> bool:
        if not super().allows(action):
            return False
        training = self.view == "training"
        if action in ("value", "value_back"):
            return True
        if action == "clip":
            return math.isfinite(mending.percentile(self.host))
        if action == "back":
            return self.lab.status.can_step_back
        if action in ("break_it", "reread"):
            return self.has_network
        if training:
            return False
        if action in OF_TEXT:
            return self.has_network
        if action in MOVES and not self.inquiry.trouble:
            return self.trace is not None or self.may_come
        if action == "compare":
            return self.view == "reach" and not self.awaits
        if action in ("cut_less", "cut_more"):
            return self.view == "steps" and not self.awaits
        return not self.awaits

    def key_hint(self) -> list[tuple[str, str]] | None:
        if self.trace is None and not self.editing and self.lab.status.phase is Phase.EMPTY:
            # Moves are possible for a moment; the key bar does not say so and take it back.
            return [(sign_of(BY_ID["run"].keys[0]), "train")]
        return super().key_hint()

    def label_of(self, action: str) -> str:
        return "walk" if action == "left" and self.view == "steps" else ""

    def _changed(self) -> None:
        self._dirty = True
        self.tick(self.lab.status)

    def do_layer_down(self) -> None:
        self._layer_chosen = True
        super().do_layer_down()

    def do_layer_up(self) -> None:
        self._layer_chosen = True
        super().do_layer_up()

    def do_value(self) -> None:
        self._turn_view(1)

    def do_value_back(self) -> None:
        self._turn_view(-1)

    def _turn_view(self, by: int) -> None:
        self.view = VIEWS[(VIEWS.index(self.view) + by) % len(VIEWS)]
        if self.view == "steps" and self.trace is not None:
            # The walk begins where the loss stands.
            self.reading.go(self.place)
        self.host.keys_changed()
        self._changed()

    def do_loss(self) -> None:
        trace = self.trace
        if trace is None:
            return
        cursor, places = self.reading.cursor, self.places
        if cursor in places:
            self.at = cursor
        elif trace.task == LANGUAGE:
            self.at = -1
            self.host.say("nothing comes after the last symbol: the loss stands before it")
        elif places:
            near = min(places, key=lambda t: abs(t - cursor))
            self.host.say(f"nothing is asked at t {cursor}, so no loss can stand there; t {near} asks")
            return
        self.answers.hurry_not()
        self._changed()

    def do_compare(self) -> None:
        self.compared = COMPARED[(COMPARED.index(self.compared) + 1) % len(COMPARED)]
        self.answers.hurry_not()
        self._changed()

    def do_cut_less(self) -> None:
        self._cut(-1)

    def do_cut_more(self) -> None:
        self._cut(1)

    def _cut(self, by: int) -> None:
        self.k = steps.turned(self.reach, by, self.place + 1)
        self.answers.hurry_not()
        self._changed()

    def do_clip(self) -> None:
        mending.clip_there(self.host)

    def do_back(self) -> None:
        mending.step_back(self.host)

    def do_break_it(self) -> None:
        mending.break_it(self.host)

    def accept(self) -> None:
        text = self._own.value
        self.close_field()
        self._read_own(text)

    def escape(self) -> bool:
        if super().escape():
            self._dirty = True
            self.draw()
            return True
        if self.inquiry.late and self.inquiry.stop():
            self.forget_typed()
            if self.trace is not None:
                self.inquiry.go_back()
        elif self.answers.late and self.answers.stop():
            self.host.say("stopped; r follows the gradient")
        elif self.compared != "off" and self.view == "reach":
            self.compared = "off"
        else:
            return False
        self._dirty = True
        return True

    @property
    def takes_text(self) -> bool:
        return self.has_network and self.view != "training"

    def do_reread(self) -> None:
        self.answers.again()
        if self.view != "training":
            self._ask()
        self._changed()

    def do_follow(self) -> None:
        self.inquiry.follows = not self.inquiry.follows
        self._changed()

    def do_go_to(self) -> None:
        last = len(self.reading.columns) - 1
        self.host.ask_text("Go to", f"A timestep, 0 to {last}.", "", self._go_to)

    def _go_to(self, answer: str) -> str:
        found = re.fullmatch(r"\s*[tT]?\s*([0-9]{1,9})\s*", answer)
        if not found:
            return "type a timestep (19 or t 19)"
        if int(found[1]) >= len(self.reading.columns):
            return f"t {int(found[1])} is not there; the last timestep is {len(self.reading.columns) - 1}"
        self.reading.go(int(found[1]))
        self._changed()
        return ""

    # What is kept and told.

    def copy_text(self) -> str:
        if self.view == "training":
            return self._lines.text
        flow, trace = self.flow, self.trace
        if flow is None or trace is None:
            return ""
        return flows.as_text(flow, self.reading, self._network, trace.symbols)

    def help_values(self) -> dict[str, str]:
        flow, reading = self.flow, self.reading
        values: dict[str, str] = {}
        if flow is not None:
            layer = flow.layers[reading.layer]
            nats = f"{flow.loss:.3f} nats = {in_unit(flow.loss, 'bits'):.2f} bits"
            values["L"] = f"{flow.loss:.4g}, a squared error" if flow.real else nats
            values["horizon"] = f"{layer.horizon} timesteps (layer {reading.layer})"
            if reading.cursor < len(layer.norms):
                values["dL/dh_t"] = f"{flows.size(float(layer.norms[reading.cursor]))} at t {reading.cursor}"
            if layer.spectral_radius is not None:
                values["spectral radius"] = flows.size(layer.spectral_radius)
        if self.trained_with:
            values["k"] = f"{self.trained_with} in training (training.sequence_length)"
        curves = self.lab.curves
        if curves is not None and math.isfinite(curves.norm_p90):
            values["90th percentile"] = flows.size(curves.norm_p90)
        return values

    def state(self) -> dict[str, Any]:
        place = {"cursor": self.reading.cursor, "layer": self.reading.layer if self._layer_chosen else None}
        return {**place, "view": self.view, "loss": self.at, "k": self.k, **self.inquiry.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.inquiry.restore(state, self.lab.status)
        self.answers.forget()
        self.reading.leave()
        self.view = str(state["view"]) if state.get("view") in VIEWS else "reach"
        self.at, self.k, self.compared = _whole(state, "loss", -1), _whole(state, "k", 0), "off"
        self.reading.cursor, self.reading.layer = _whole(state, "cursor", 0), _whole(state, "layer", 0)
        self._layer_chosen = _whole(state, "layer", -1) >= 0
        self._dirty = True


def _whole(state: dict[str, Any], key: str, otherwise: int) -> int:
    """A number of a file, from 0 on, or what stands for one that is missing or wrong."""
    found = state.get(key)
    fine = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31
    return int(found) if fine and found is not None else otherwise

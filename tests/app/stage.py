"""One pane on a stage: a small app that hands it its keys, and a scripted Lab with traces made by numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingsMap
from textual.pilot import Pilot

from rnn_tui.app.actions import ACTIONS, BY_ID
from rnn_tui.app.pane import Answer, Pane
from rnn_tui.config import Config
from rnn_tui.lab import Asked, Lab, TraceText, Write
from rnn_tui.views import DataView, Phase, Status, Trace, Unit, Writing, frozen

PLAY = "ROMEO:\nBut soft, what light through yonder window breaks?\nIt is the east, and Juliet is the sun.\n"


def make_trace(
    text: str = PLAY, *, units: int = 12, layers: int = 2, cell: str = "lstm", step: int = 1240, version: int = 1,
    offset: int = 0, source: str = "validation at 0", seed: int = 0, relu: bool = False, unknown: int = 0,
) -> Trace:  # fmt: skip
    """A trace of a network that never was: every array is of the shape and range that a real one has."""
    draw = np.random.default_rng(seed)
    vocabulary = tuple(sorted(set(text)))
    tokens = np.array([vocabulary.index(c) for c in text], dtype=np.int64)
    T, V = len(text), len(vocabulary)
    gates = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn": ()}[cell]
    made = []
    for _ in range(layers):
        layer = {}
        for name in gates:
            x = draw.standard_normal((T, units)).cumsum(axis=0) / 3
            layer[name] = np.tanh(x) if name in "gn" else 1 / (1 + np.exp(-x))
        if cell == "lstm":
            layer["c"] = draw.standard_normal((T, units)).cumsum(axis=0) / 2
        x = draw.standard_normal((T, units)).cumsum(axis=0) / 2
        layer["h"] = np.maximum(x, 0) if relu else np.tanh(x)
        made.append({name: frozen(array.astype(np.float32)) for name, array in layer.items()})
    p = draw.dirichlet(np.full(V, 0.2), size=T)
    order = np.argsort(-p, axis=1)[:, : min(8, V)]
    cost = np.array([-math.log2(max(p[t, tokens[t + 1]], 1e-6)) for t in range(T - 1)] + [math.nan], dtype=np.float32)
    return Trace(
        symbols=tuple(text), tokens=frozen(tokens), layers=tuple(made), gates=gates, top_id=frozen(order),
        top_p=frozen(np.take_along_axis(p, order, axis=1).astype(np.float32)), vocabulary=vocabulary,
        bits=frozen(np.concatenate((cost[-1:], cost[:-1]))), next_bits=frozen(cost), unknown=unknown, step=step,
        weights_version=version, source=source, offset=offset, cell=cell,
    )  # fmt: skip


def make_writing(prompt: str, length: int, seed: int, count: int, step: int = 1240) -> Writing:
    """The first `count` symbols of the text that this seed gives."""
    draw = np.random.default_rng(seed)
    letters = "etaoin shrdlu\n"
    text = "".join(letters[k] for k in draw.integers(0, len(letters), length))
    p = draw.uniform(0.05, 1.0, length).astype(np.float32)
    return Writing(
        prompt=prompt, text=text[:count], probability=frozen(p[:count].copy()),
        top=tuple(((c, float(p[k])), ("e", 0.04), ("[", 0.01)) for k, c in enumerate(text[:count])),
        length=length, seed=seed, step=step, done=count == length, seconds=count / 500,
    )  # fmt: skip


class FakeLab:
    """What the panes use of a Lab. A question stays open until `answer` is called, unless `at_once`."""

    def __init__(self, at_once: bool = True, **trace: Any) -> None:
        self.status = Status(phase=Phase.PAUSED, session="play", config=Config(), step=1240, weights_version=1)
        self.data: DataView | None = None
        self.view_state: dict[str, Any] = {}
        self.at_once = at_once
        self.asked: list[Asked] = []
        self.trace_options = trace

    def ask(self, question: Any) -> Asked:
        asked = Asked(question)
        self.asked.append(asked)
        if self.at_once:
            self.answer(asked)
        return asked

    def answer(self, asked: Asked) -> None:
        question = asked.question
        if isinstance(question, TraceText):
            text = question.text
            if text is None:
                text = (PLAY * 4)[question.offset % len(PLAY) :][: question.length]
            options = {"step": self.status.step, "version": self.status.weights_version, **self.trace_options}
            source = "your text" if question.text is not None else f"validation at {question.offset:,}"
            asked.finish(make_trace(text, source=source, offset=0 if question.text else question.offset, **options))
        elif isinstance(question, Write):
            asked.finish(make_writing(question.prompt, question.length, question.seed, question.length))


class Stage(App[None], inherit_bindings=False):
    """A pane alone on the screen, with its keys."""

    CSS = "Pane { display: block; height: 1fr; width: 1fr; }"

    def __init__(self, lab: Any, pane: Pane, others: Sequence[Pane] = ()) -> None:
        super().__init__()
        self.lab = cast("Lab", lab)
        self.unit: Unit = "nats"
        self.ascii_only = False
        self.wide = False
        self.plot_period = 0.0
        self.here = pane
        self.panes = {each.PANE: each for each in (pane, *others)}
        self.said: list[str] = []
        self.went = pane.PANE
        self.dialog: tuple[str, Callable[[str], str]] | None = None
        self._bindings = BindingsMap(
            Binding(key, f"act({action.id!r})", priority=True, id=f"{action.id}:{key}")
            for action in ACTIONS if action.pane for key in action.keys
        )  # fmt: skip

    def compose(self) -> ComposeResult:
        yield from self.panes.values()

    def on_mount(self) -> None:
        self.go(self.here.PANE)

    def look(self) -> None:
        self.here.tick(self.lab.status)

    def go(self, pane: str) -> None:
        self.went, self.here = pane, self.panes[pane]
        for name, each in self.panes.items():
            each.display = name == pane
        self.here.shown()
        self.call_after_refresh(self.look)

    def pane(self, name: str) -> Pane:
        return self.panes[name]

    def say(self, message: str, *, error: bool = False) -> None:
        self.said.append(message)

    def ask(self, title: str, text: str, answers: Sequence[Answer]) -> None:
        self.said.append(text)

    def ask_text(self, title: str, text: str, value: str, accept: Callable[[str], str]) -> None:
        self.dialog = (text, accept)

    def keys_changed(self) -> None:
        """The stage has no key bar."""

    async def on_event(self, event: events.Event) -> None:
        field = self.here.field
        if isinstance(event, events.Paste):
            text = event.text.replace("\r\n", "\n").replace("\r", "\n")
            if field is not None:
                field.paste(text)
            else:
                self.here.pasted(text)
            return
        if isinstance(event, events.Key) and not event.is_forwarded and field is not None:
            if event.key == "escape":
                self.here.escape()
            elif event.key == "enter":
                self.here.accept()
            else:
                field.feed(event.key, event.character)
            return
        await super().on_event(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "act":
            return True
        found = BY_ID[str(parameters[0])]
        return found.pane == self.here.PANE and self.here.allows(found.name)

    def action_act(self, action_id: str) -> None:
        self.here.act(BY_ID[action_id].name)


async def settle(app: Stage, pilot: Pilot[None]) -> None:
    """Until everything that was typed has been done and is drawn."""
    await pilot.pause(0)
    for _ in range(2):
        app.look()
        await pilot.pause(0)


async def press(app: Stage, pilot: Pilot[None], *keys: str) -> str:
    """Keys in one burst, as they come when they were typed ahead; the screen once they are done."""
    for key in keys:
        character = key if len(key) == 1 else SIGNS.get(key)
        app.post_message(events.Key(key, character))
    await settle(app, pilot)
    return "\n".join(lines_of(app))


SIGNS = {
    "space": " ", "right_square_bracket": "]", "left_square_bracket": "[", "right_parenthesis": ")",
    "left_parenthesis": "(", "number_sign": "#",
}  # fmt: skip


def lines_of(app: App[Any]) -> list[str]:
    """What stands on the screen, row by row."""
    return [strip.text for strip in app.screen._compositor.render_strips()]

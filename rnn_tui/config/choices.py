"""Each field as a form, a help page or a message needs it, drawn from its definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rnn_tui.config.field import Applies
from rnn_tui.config.fields import Config

Kind = Literal["whole", "number", "switch", "choice", "text"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One field as a form, a help page or a message needs it.

    `ladder` holds the values that left and right step through; `applies` says when a
    change takes effect; `low`, `high` are inclusive bounds, `above` an exclusive one.
    """

    key: str
    section: str
    name: str
    label: str
    kind: Kind
    default: Any
    help: str
    unit: str
    applies: Applies
    low: float | None
    high: float | None
    above: float | None
    ladder: tuple[float, ...]
    choices: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    """Where it is of use; empty: in all."""

    @property
    def range(self) -> str:
        """The allowed values in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "switch":
            return "true or false"
        if self.kind == "text":
            return "a text"
        noun = "a whole number" if self.kind == "whole" else "a number"
        if self.above is not None:
            return f"{noun} above {show(self.above)}, at most {show(self.high)}"
        return f"{noun} from {show(self.low)} to {show(self.high)}"


def _kind(annotation: Any) -> Kind:
    if annotation is bool:
        return "switch"
    if annotation is int:
        return "whole"
    if annotation is float:
        return "number"
    return "choice" if get_args(annotation) else "text"


def _describe() -> dict[str, Choice]:
    found = {}
    for section, part in Config.model_fields.items():
        fields: Mapping[str, Any] = part.annotation.model_fields  # type: ignore[union-attr]
        for name, field in fields.items():
            extra: dict[str, Any] = field.json_schema_extra
            kind: Kind = "choice" if extra["closed"] else _kind(field.annotation)
            found[f"{section}.{name}"] = Choice(
                key=f"{section}.{name}",
                section=section,
                name=name,
                label=extra["label"],
                kind=kind,
                default=field.default,
                help=field.description or "",
                unit=extra["unit"],
                applies=extra["applies"],
                low=extra["low"],
                high=extra["high"],
                above=extra["above"],
                ladder=tuple(extra["ladder"]),
                choices=tuple(get_args(field.annotation)) or tuple(extra["choices"]),
                tasks=tuple(extra["tasks"]),
            )
    return found


CHOICES: Mapping[str, Choice] = _describe()


def turn(c: Choice, value: Any, by: int) -> Any:
    """The neighbour of a value: what left (`by` = -1) and right (+1) in the form choose."""
    if c.kind == "switch":
        return not value
    if c.choices and c.kind in ("choice", "text"):
        if value not in c.choices:
            return c.choices[0 if by > 0 else -1]
        return c.choices[(c.choices.index(value) + by) % len(c.choices)]
    if not c.ladder:
        return value
    if by > 0:
        above = [step for step in c.ladder if step > value * (1 + 1e-9) + 1e-12]
        chosen = above[0] if above else value
    else:
        below = [step for step in c.ladder if step < value * (1 - 1e-9) - 1e-12]
        chosen = below[-1] if below else value
    return int(chosen) if c.kind == "whole" else float(chosen)


def visible(c: Choice, config: Config) -> bool:
    """Whether a control does anything in this configuration: what does nothing is not shown."""
    if c.kind == "choice" and len(c.choices) < 2:
        return False
    if c.tasks and config.data.task not in c.tasks:
        return False
    model, training, data = config.model, config.training, config.data
    match c.key:
        case "model.nonlinearity":
            return model.cell == "rnn"
        case "model.forget_bias":
            return model.cell == "lstm"
        case "model.locked_dropout":
            return model.dropout > 0
        case "model.recurrent_dropout" | "model.initial_state" | "model.spectral_radius":
            return model.cell != "feedforward"
        case "data.least_count":
            return data.symbol == "word" or data.task == "tagging"
        case "model.embedding_size" | "model.tied":
            # These read numbers as they are.
            return data.task not in ("adding", "forecasting")
        case "training.padding":
            # Where it is masked, the results are the same on either side.
            return not training.masking
        case "training.momentum":
            return training.optimizer == "sgd"
        case "training.schedule_points":
            return training.schedule in ("step", "plateau")
        case "training.schedule_factor":
            return training.schedule in ("step", "plateau")
    return True


def show(value: Any) -> str:
    """A value as a person reads it: 5,000, 0.002, on, off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer() and 1 < abs(value) < 1e15):
        return f"{int(value):,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)

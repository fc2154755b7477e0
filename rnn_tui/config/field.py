"""How a field is defined: its bounds, default, unit and help, and when a change of it takes effect.

now        at the next step, also while training runs
next run   when training is next started
new net    only in a new session: trained weights would no longer fit
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rnn_tui.symbols import clean_line

Applies = Literal["now", "next run", "new net"]

SIZES = (1, 2, 3, 4, 8, 16, 32, 64, 100, 128, 200, 256, 400, 512, 768, 1024, 1536, 2048, 4096, 8192)
TENTHS = tuple(round(0.05 * k, 2) for k in range(20))
# A tenth of a decade a key: 1, 1.26, 1.58, 2 ... as + and - do while training.
DECADES = tuple(float(f"{10 ** (k / 10):.2g}") for k in range(-80, 61))


class Section(BaseModel):
    """A part of the configuration; it never changes, and knows no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


def field(
    default: Any,
    help: str,
    *,
    label: str,
    applies: Applies,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    unit: str = "",
    ladder: tuple[float, ...] = (),
    choices: tuple[str, ...] = (),
    closed: bool = False,
    tasks: tuple[str, ...] = (),
) -> Any:
    """`closed`: nothing but the `choices`; `tasks` where it is of use, all without any."""
    return Field(
        default=default,
        description=help,
        ge=low,
        le=high,
        gt=above,
        json_schema_extra={
            "label": label,
            "applies": applies,
            "low": low,
            "high": high,
            "above": above,
            "unit": unit,
            "ladder": list(ladder),
            "choices": list(choices),
            "closed": closed,
            "tasks": list(tasks),
        },
    )


def shorten(text: str) -> str:
    """At most 60 characters of what a person wrote, on one line and safe for a terminal."""
    text = clean_line(text[:61])
    return text if len(text) <= 60 else text[:57] + "..."

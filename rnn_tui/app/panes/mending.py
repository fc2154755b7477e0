"""What Train and Gradients do to the run: clip where the gradients are, break it on purpose, and mend it."""

from __future__ import annotations

import math
from collections.abc import Callable

from rnn_tui.app.pane import Host
from rnn_tui.config import ConfigError
from rnn_tui.lab import LabError

RADII = (0.5, 1.5, 3.0)
"""Spectral radii that W_hh can be scaled to: one at which gradients vanish, two at which they explode."""


def percentile(host: Host) -> float:
    """The 90th percentile of the last gradients' lengths; NaN where it is not known."""
    curves = host.lab.curves
    return curves.norm_p90 if curves is not None else math.nan


def clip_there(host: Host) -> None:
    """Clip at the 90th percentile of the last gradients."""
    value = percentile(host)
    _do(host, host.lab.clip_to_p90, f"clip {value:.3g}: the 90th percentile of the last gradients' lengths")


def step_back(host: Host) -> None:
    """Go back to the last finite weights; asks."""
    host.ask(
        "Go back to the last finite weights?",
        "The weights of now are replaced by the last that were kept while all numbers were finite; "
        "training goes on from there.",
        [("enter", "go back", lambda: _do(host, host.lab.step_back, "going back to the last finite weights"))],
    )


def break_it(host: Host) -> None:
    """Choose how to make gradients vanish or explode."""
    config = host.lab.status.config
    if config is None:
        return
    rate = float(f"{config.training.learning_rate * 10:.12g}")
    radii = [
        (str(k), f"radius {radius:g}", lambda radius=radius: _scale(host, radius))
        for k, radius in enumerate(RADII, start=1)
    ]
    host.ask(
        "Break it on purpose",
        "Scale every W_hh to a spectral radius: at 0.5 gradients vanish, at 1.5 and 3 they explode. Or stop clipping, "
        f"or raise the learning rate to {rate:.4g}. The weights of now are lost where they are not saved under another "
        "name; restarting (R in Train) and, after a fault, u mend it.",
        [
            *radii,
            ("4", "no clip", lambda: _set(host, "training.clip_norm", 0.0, "gradients are clipped no more")),
            ("5", "rate x 10", lambda: _set(host, "training.learning_rate", rate, f"learning rate {rate:.4g}")),
        ],
    )


def _scale(host: Host, radius: float) -> None:
    _do(host, lambda: host.lab.scale_recurrent(radius), f"every W_hh has a spectral radius of {radius:g} now")


def _set(host: Host, key: str, value: float, told: str) -> None:
    _do(host, lambda: host.lab.set(key, value), told)


def _do(host: Host, act: Callable[[], object], told: str) -> None:
    """Do it and say so, or say why it can't be."""
    try:
        act()
    except (ConfigError, LabError) as error:
        host.say(str(error), error=True)
    else:
        host.say(told)

"""Networks worth having at hand: each a name, what it shows, and the fields it changes.

A preset is a point of departure, not a mode: it becomes an ordinary configuration, and
everything about it can be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rnn_tui.config import CHOICES, Config, get, parse

# What belongs to the machine a person sits at, not to the network: no preset changes it.
MACHINE = (
    "training.precision",
    "training.threads",
    "training.device",
    "training.autosave_seconds",
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A named configuration: the fields in which it differs from the defaults, by dotted key."""

    name: str
    shows: str
    """One sentence: what one learns from it."""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def config(self, base: Config | None = None) -> Config:
        """The preset's configuration on the text and the machine of `base`.

        The model and training fields are the defaults with the preset's changes. The data
        fields and those in `MACHINE` are taken from `base`, unless the preset names them.
        Raises ConfigError if the two don't fit together.
        """
        base = base or Config()
        values: dict[str, dict[str, Any]] = {"data": base.data.model_dump(), "model": {}, "training": {}}
        for key in MACHINE:
            values["training"][CHOICES[key].name] = get(base, key)
        for key, value in self.changes.items():
            values[CHOICES[key].section][CHOICES[key].name] = value
        return parse(values)


PRESETS: tuple[Preset, ...] = (
    Preset(
        "default",
        "a good start on any text: two LSTM layers of 128 units over an embedding, with AdamW",
    ),
    Preset(
        "three units by hand",
        "a plain RNN for pencil and paper: x_t is one-hot, so W_ih x_t is a column of W_ih, and h_t three numbers",
        {
            "data.path": "builtin:sentences",
            "data.validation_path": "",
            "data.test_path": "",
            "data.vocabulary_size": 0,
            "model.cell": "rnn",
            "model.layers": 1,
            "model.hidden_size": 3,
            "model.embedding_size": 0,
            "training.steps": 2000,
            "training.batch_size": 1,
            "training.sequence_length": 4,
            # W <- W - 0.05 dL/dW and nothing else: no averages, no decay, no clipping.
            "training.optimizer": "sgd",
            "training.learning_rate": 0.05,
            "training.momentum": 0.0,
            "training.weight_decay": 0.0,
            "training.clip_norm": 0.0,
            "training.validate_every": 100,
            "training.validation_tokens": 1000,
            "training.precision": "float32",
        },
    ),
    Preset(
        "char-rnn 2x128",
        "the network of Karpathy's char-rnn (2015): one-hot symbols, two LSTM layers, RMSprop, a falling rate",
        {
            "model.embedding_size": 0,
            "training.steps": 20_000,
            "training.optimizer": "rmsprop",
            "training.momentum": 0.0,
            "training.weight_decay": 0.0,
            # char-rnn multiplies by 0.97 an epoch after the tenth of fifty: 0.74 every ten.
            "training.schedule": "step",
            "training.schedule_points": "0.3,0.5,0.7,0.9",
            "training.schedule_factor": 0.74,
            "training.validate_every": 1000,
        },
    ),
    Preset(
        "wide 2x256, dropout",
        "more units learn more of the text, and dropout keeps them from learning it by heart",
        {
            "model.hidden_size": 256,
            "model.dropout": 0.25,
            "training.steps": 10_000,
            "training.sequence_length": 100,
            "training.schedule": "cosine",
            "training.validate_every": 500,
        },
    ),
    Preset(
        "GRU 2x128",
        "two gates and one state in place of the LSTM's three and two: a quarter fewer weights a layer",
        {"model.cell": "gru"},
    ),
    Preset(
        "plain RNN 1x128",
        "h_t = tanh(W_ih x_t + W_hh h_(t-1) + b): no gate protects h, so it forgets within a few symbols",
        {"model.cell": "rnn", "model.layers": 1},
    ),
    Preset(
        "feedforward baseline",
        "no memory at all: it sees one symbol, so at best it reaches the bigram line",
        {"model.cell": "feedforward", "model.layers": 1, "training.steps": 2000},
    ),
    Preset(
        "deep 4x128",
        "four layers on one another: slower to start, and each layer works on a longer span than the one below",
        {
            "model.layers": 4,
            "model.dropout": 0.1,
            "model.forget_bias": 1.0,
            "training.steps": 10_000,
            "training.schedule": "cosine",
        },
    ),
    Preset(
        "IRNN 1x128",
        "a ReLU RNN whose W_hh starts as the identity, so h is at first carried unchanged (Le et al. 2015)",
        {
            "model.cell": "rnn",
            "model.layers": 1,
            "model.nonlinearity": "relu",
            "model.init": "identity",
            # A ReLU state can grow without bound: a short step and a short gradient hold it.
            "training.learning_rate": 0.0005,
            "training.clip_norm": 1.0,
        },
    ),
    Preset(
        "tied and dropped 2x256",
        "four ways to regularise, after AWD-LSTM (Merity et al. 2018): tied weights, locked dropout, "
        "weight drop, weight decay",
        {
            "model.hidden_size": 256,
            "model.embedding_size": 256,
            "model.tied": True,
            "model.dropout": 0.3,
            "model.locked_dropout": True,
            "model.recurrent_dropout": 0.3,
            "training.steps": 20_000,
            "training.sequence_length": 70,
            "training.weight_decay": 0.05,
            "training.clip_norm": 0.25,
            "training.schedule": "cosine",
            "training.validate_every": 500,
        },
    ),
    Preset(
        "vanish",
        "a plain RNN whose W_hh starts with spectral radius 0.1: the gradient is a tenth at each step back, "
        "and gone after six",
        {"model.cell": "rnn", "model.layers": 1, "model.spectral_radius": 0.1},
    ),
    Preset(
        "explode",
        "a ReLU RNN with spectral radius 1.2, a high rate and no clipping: within ten updates the loss is no number",
        {
            "model.cell": "rnn",
            "model.layers": 1,
            "model.nonlinearity": "relu",
            "model.spectral_radius": 1.2,
            "training.optimizer": "sgd",
            "training.learning_rate": 0.15,
            "training.clip_norm": 0.0,
        },
    ),
)


def preset(name: str) -> Preset:
    """The preset of that name. Raises KeyError where there is none."""
    for found in PRESETS:
        if found.name == name:
            return found
    raise KeyError(name)


def nearest(config: Config) -> tuple[Preset, int]:
    """The preset that a configuration comes closest to, and in how many fields it differs.

    Data fields and those in `MACHINE` count only where the preset itself names them. Of two
    that are equally close, the first in `PRESETS`.
    """
    scored = []
    for order, found in enumerate(PRESETS):
        wanted = found.config(config)
        changed = sum(get(wanted, key) != get(config, key) for key in CHOICES)
        scored.append((changed, order))
    changed, order = min(scored)
    return PRESETS[order], changed

"""Networks for sequences that have an end: one for each task at least, each trained within a minute or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnn_tui.presets.preset import EXAMPLE, Preset

# One-hot symbols and one short rate for the generated probes: there is little to learn but what to keep.
_PROBE: Mapping[str, Any] = {
    "model.embedding_size": 0,
    "training.batch_size": 64,
    "training.learning_rate": 0.005,
    "training.clip_norm": 1.0,
    "training.validate_every": 100,
}
_ADDING: Mapping[str, Any] = {
    "data.length": 100,
    "model.hidden_size": 32,
    "training.batch_size": 64,
    "training.optimizer": "adam",
    "training.clip_norm": 1.0,
}


def _learns(task: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"data.task": task, "data.path": EXAMPLE, "model.layers": 1, **changes}


SEQUENCES = (
    Preset(
        "tags",
        "a tag for every word; a second layer reads from the end, so each word is seen with both its sides",
        _learns(
            "tagging",
            {
                "model.hidden_size": 64,
                "model.embedding_size": 64,
                "model.bidirectional": True,
                "training.steps": 600,
                "training.batch_size": 32,
                "training.learning_rate": 0.004,
                "training.validate_every": 50,
                "training.patience": 5,
            },
        ),
    ),
    Preset(
        "surnames",
        "a class for a whole sequence, from the last h alone: a GRU reads a name by its letters (Robertson 2017)",
        _learns(
            "classification",
            {
                "model.cell": "gru",
                "model.hidden_size": 100,
                "model.embedding_size": 100,
                "training.steps": 1500,
                "training.batch_size": 64,
                "training.learning_rate": 0.003,
                "training.schedule": "cosine",
                "training.validate_every": 100,
            },
        ),
    ),
    Preset(
        "names by label",
        "a sequence from a label: the network is told the label first, and writes letter by letter",
        _learns(
            "composing",
            {
                "model.embedding_size": 32,
                "training.steps": 2000,
                "training.batch_size": 64,
                "training.learning_rate": 0.004,
                "training.schedule": "cosine",
                "training.validate_every": 100,
            },
        ),
    ),
    Preset(
        "encoder, decoder",
        "one network reads, another writes, and all that passes between them is the last h (Sutskever et al. 2014)",
        _learns(
            "translation",
            {
                "model.embedding_size": 64,
                "training.steps": 3000,
                "training.batch_size": 64,
                "training.learning_rate": 0.004,
                "training.schedule": "cosine",
                "training.validate_every": 200,
            },
        ),
    ),
    Preset(
        "with attention",
        "the same with a look back: at each step the decoder weighs every state of the encoder (Luong et al. 2015)",
        _learns(
            "translation",
            {
                "model.embedding_size": 64,
                "model.attention": True,
                "training.steps": 3000,
                "training.batch_size": 64,
                "training.learning_rate": 0.004,
                "training.schedule": "cosine",
                "training.validate_every": 200,
            },
        ),
    ),
    Preset(
        "series, window 36",
        "the next value of a series from the 36 before it: is it better than saying the same as last time?",
        _learns(
            "forecasting",
            {
                "data.window": 36,
                "data.horizon": 1,
                "model.hidden_size": 32,
                "training.steps": 1500,
                "training.batch_size": 32,
                "training.learning_rate": 0.004,
                "training.schedule": "cosine",
                "training.clip_norm": 1.0,
                "training.validate_every": 100,
            },
        ),
    ),
    Preset(
        "doubling 2 4 8 16",
        "each number twice the one before, starting over past 1,019: a rule that no straight line follows",
        _learns(
            "forecasting",
            {
                "data.path": "builtin:doubling",
                "data.columns": "",
                "data.window": 3,
                "data.horizon": 1,
                "data.season": 0,
                "model.hidden_size": 16,
                "training.steps": 1000,
                "training.batch_size": 16,
                "training.learning_rate": 0.01,
                "training.clip_norm": 1.0,
                "training.validate_every": 100,
            },
        ),
    ),
    Preset(
        "adding T 100",
        "two of 100 numbers are marked, their sum is asked at the end: the LSTM carries it that far "
        "(Hochreiter and Schmidhuber 1997)",
        _learns("adding", {**_ADDING, "training.steps": 3000, "training.learning_rate": 0.01}),
    ),
    Preset(
        "adding T 100, tanh",
        "the same sum with a plain RNN: the gradient fades long before the first number, and it only learns the mean",
        _learns("adding", {**_ADDING, "model.cell": "rnn", "training.steps": 6000, "training.learning_rate": 0.001}),
    ),
    Preset(
        "copying",
        "ten symbols are read, then blanks, then they are asked for: each of them must lie in h meanwhile",
        _learns("copying", {**_PROBE, "data.length": 10, "model.hidden_size": 128, "training.steps": 3000}),
    ),
    Preset(
        "recall, gap 20",
        "one symbol is asked for 20 timesteps later, with others in between: what is kept, and what is let go",
        _learns("recall", {**_PROBE, "data.length": 20, "model.hidden_size": 64, "training.steps": 2000}),
    ),
    Preset(
        "brackets",
        "which bracket closes is known by a stack: h learns to be one, as deep as it goes",
        _learns("brackets", {**_PROBE, "data.length": 20, "model.hidden_size": 32, "training.steps": 2000}),
    ),
    Preset(
        "Reber",
        "strings of a small grammar; the last symbol but one was told by the second (Hochreiter and Schmidhuber 1997)",
        _learns("reber", {**_PROBE, "model.hidden_size": 32, "training.steps": 2000}),
    ),
)

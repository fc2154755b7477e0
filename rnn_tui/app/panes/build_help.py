"""What is known of a draft, for the help: live values beside the words."""

from __future__ import annotations

import math

from rnn_tui.app.panes.build_data import counted
from rnn_tui.app.panes.build_rows import preset_line
from rnn_tui.app.widgets.diagram import told_baseline
from rnn_tui.config import Choice, Config, get, show
from rnn_tui.lab.task_words import words_of
from rnn_tui.model.shapes import size
from rnn_tui.views import DataView, NetworkView


def draft_values(config: Config, c: Choice | None, data: DataView | None, network: NetworkView) -> dict[str, str]:
    """Each word and its value now. `c`: the field under the cursor; `data`: None while they are not read."""
    task = words_of(config.data.task)
    values = {"Preset": preset_line(config), "Task": task.title}
    if c is not None:
        values[c.label] = f"{show(get(config, c.key))}: {c.help}; {c.range}"
    if data is not None:
        values["Data"] = f"{data.title}: {counted(config, data)}"
        values["Parameters"] = f"{network.parameters:,}"
        values["Memory"] = f"{size(network.memory_bytes)}, {size(network.free_bytes)} are free"
        if math.isfinite(network.first_loss):
            values["First loss"] = f"ln {data.sizes.outputs:,} = {network.first_loss:.4f} nats"
        for line in data.baselines:
            values[f"Without a network: {line.name}"] = ", ".join(told_baseline(line, task.real))
        for number, notice in enumerate(data.notices, start=1):
            values[f"About the data {number}"] = notice
    if network.refusal:
        values["Can't be built"] = network.refusal
    for number, warning in enumerate(network.warnings, start=1):
        values[f"Warning {number}"] = warning
    return values

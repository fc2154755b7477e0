"""The lenses of Inspect, by the actions that open them."""

from __future__ import annotations

from collections.abc import Mapping

from rnn_tui.app.panes.lens import Lens

_ALL: tuple[type[Lens], ...] = ()

LENSES: Mapping[str, type[Lens]] = {action: lens for lens in _ALL for action in lens.ACTIONS}

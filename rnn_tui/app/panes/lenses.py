"""The lenses of Inspect, by the actions that open them."""

from __future__ import annotations

from collections.abc import Mapping

from rnn_tui.app.panes.lens import Lens
from rnn_tui.app.panes.lens_becoming import BecomingLens
from rnn_tui.app.panes.lens_effect import EffectLens
from rnn_tui.app.panes.lens_equation import EquationLens
from rnn_tui.app.panes.lens_gates import GatesLens
from rnn_tui.app.panes.lens_masks import MasksLens
from rnn_tui.app.panes.lens_padding import PaddingLens
from rnn_tui.app.panes.lens_page import PageLens
from rnn_tui.app.panes.lens_states import StatesLens
from rnn_tui.app.panes.lens_units import UnitsLens

_ALL: tuple[type[Lens], ...] = (
    EquationLens, EffectLens, UnitsLens, StatesLens, GatesLens, PageLens, BecomingLens, PaddingLens, MasksLens,
)  # fmt: skip

LENSES: Mapping[str, type[Lens]] = {action: lens for lens in _ALL for action in lens.ACTIONS}

"""What crosses from the Lab to a screen: frozen dataclasses and numpy arrays, no torch.

Arrays in a view are read-only and never change after the view was handed out. Losses are
in nats per symbol unless a name says otherwise. T is timesteps, H units, V symbols.
"""

from __future__ import annotations

from rnn_tui.views.answers import Added, Answer, Breakdown, Classified, Forecast, GapCurves, Tagged, Translated
from rnn_tui.views.equation import Contributions, Equation, Line
from rnn_tui.views.gradients import Compared, Comparison, Flight, FlightRow, GradientFlow, LayerFlow
from rnn_tui.views.numbers import LARGEST_EXPONENT, LN2, UNITS, Array, Unit, frozen, in_unit, perplexity
from rnn_tui.views.padding import Mask, Masks, PaddingView
from rnn_tui.views.reading import Hold, Trace, Writing
from rnn_tui.views.recording import Recording
from rnn_tui.views.run import (
    NO_ANSWER,
    RUNNING,
    Baseline,
    Curves,
    DataView,
    Guess,
    NetworkView,
    Part,
    Phase,
    Sample,
    Scores,
    SessionRow,
    Sizes,
    Stage,
    Status,
)
from rnn_tui.views.units import GateShares, GateStatistics, Marked, StateMatches, StatePlace, UnitMatch, UnitRanking

__all__ = [
    "LARGEST_EXPONENT",
    "LN2",
    "NO_ANSWER",
    "RUNNING",
    "UNITS",
    "Added",
    "Answer",
    "Array",
    "Baseline",
    "Breakdown",
    "Classified",
    "Compared",
    "Comparison",
    "Contributions",
    "Curves",
    "DataView",
    "Equation",
    "Flight",
    "FlightRow",
    "Forecast",
    "GapCurves",
    "GateShares",
    "GateStatistics",
    "GradientFlow",
    "Guess",
    "Hold",
    "LayerFlow",
    "Line",
    "Marked",
    "Mask",
    "Masks",
    "NetworkView",
    "PaddingView",
    "Part",
    "Phase",
    "Recording",
    "Sample",
    "Scores",
    "SessionRow",
    "Sizes",
    "Stage",
    "StateMatches",
    "StatePlace",
    "Status",
    "Tagged",
    "Trace",
    "Translated",
    "Unit",
    "UnitMatch",
    "UnitRanking",
    "Writing",
    "frozen",
    "in_unit",
    "perplexity",
]

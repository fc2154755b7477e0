"""What happened while it trained: the last updates, and the probe text at every step it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_tui.lab.answers.desk import Sources
from rnn_tui.lab.asking import Answer, Asked, LabError
from rnn_tui.lab.questions import ReadFlight, ReadRecording
from rnn_tui.views import Flight, Recording

if TYPE_CHECKING:
    from rnn_tui.training.run import Run


def read_flight(question: ReadFlight, asked: Asked, sources: Sources) -> Answer:
    """The last updates, and what first was not finite."""
    yield None
    from rnn_tui.training.intervening import flight_view

    flight: Flight = sources.ask_run(flight_view)
    return flight


def read_recording(question: ReadRecording, asked: Asked, sources: Sources) -> Answer:
    """The probe text at all steps that it was read. Raises LabError where nothing is recorded."""
    yield None
    recording: Recording = sources.ask_run(_recorded)
    return recording


def _recorded(run: Run) -> Recording:
    lapse = run.timelapse
    if lapse is None and run.trainer is None:
        raise LabError("this session has no recording, and its text is not at hand to begin one")
    if lapse is None:
        raise LabError("no recording is kept of a network this large: it would take more than 6 MB")
    if not lapse.frames:
        raise LabError("nothing is recorded yet: train a step first (space)")
    return lapse.view()

"""How each question is answered, on the answering thread: one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rnn_tui.lab import questions
from rnn_tui.lab.answers import equation, gradients, padding, reading, tasks, training, units
from rnn_tui.lab.answers.desk import Sources
from rnn_tui.lab.asking import Answer, Asked

ANSWERS: Mapping[type[Any], Callable[[Any, Asked, Sources], Answer]] = {
    questions.LookAtData: reading.look_at_data,
    questions.GuessTask: tasks.guess_task,
    questions.AnswerText: tasks.answer_text,
    questions.TakeApart: tasks.take_apart,
    questions.MeasureGaps: tasks.measure_gaps,
    questions.TraceText: reading.trace_text,
    questions.Write: reading.write,
    questions.Explain: equation.explain,
    questions.FindUnits: units.find_units,
    questions.FindMarks: units.find_marks,
    questions.FindState: units.find_state,
    questions.CountGates: units.count_gates,
    questions.FollowGradient: gradients.follow_gradient,
    questions.Compare: gradients.compare,
    questions.ReadFlight: training.read_flight,
    questions.ReadRecording: training.read_recording,
    questions.ComparePadding: padding.compare_padding,
    questions.ShowMasks: padding.show_masks,
}

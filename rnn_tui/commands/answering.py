"""`answer`: what a network answers to something it reads, as its task shows it."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, WrongArguments
from rnn_tui.commands.output import Progress, number, print_json, put, say, table
from rnn_tui.commands.reading import own_data
from rnn_tui.commands.typed import typed
from rnn_tui.symbols import clean_line

if TYPE_CHECKING:
    from rnn_tui.session import SessionFile
    from rnn_tui.views import Added, Answer, Classified, Forecast, GapCurves, Tagged, Translated

MOST_BEAMS = 100


def answer(
    ctx: typer.Context,
    name: SessionName,
    text: Annotated[
        str | None, typer.Option("--text", metavar="T", help="What it reads: a sentence, a text, numbers.")
    ] = None,
    example: Annotated[
        int, typer.Option("--example", metavar="N", min=0, help="Without --text: which example of the part it reads.")
    ] = 0,
    split: Annotated[
        str, typer.Option("--split", metavar="PART", help="The part that --example counts in: train, validation, test.")
    ] = "validation",
    beams: Annotated[
        int,
        typer.Option("--beams", metavar="K", min=1, max=MOST_BEAMS,
                     help="Of a translation: how many candidates are kept; 1 is greedy search."),
    ] = 1,
    length: Annotated[
        int, typer.Option("--length", metavar="N", min=0, help="Of a forecast: how many values are shown.")
    ] = 0,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="Of a memory probe: accuracy against the gap that is to be remembered over.")
    ] = False,
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", metavar="CELL", help="With --gaps: train a fresh rnn, gru, lstm beside it. Repeatable."),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="With --cell: updates of each fresh network.")
    ] = 1000,
    best: Best = False,
    as_json: Json = False,
) -> int:  # fmt: skip
    """What a session answers: tags, a class after every timestep, a translation, a forecast.

    A session of a language writes instead: rnn-lab generate.
    """
    found = read_session(folder_of(ctx), name)
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    if task.writes and not gaps:
        raise WrongArguments(
            f"a session of {task.name} does not answer, it writes; {name}; use rnn-lab generate {name}"
        )
    if gaps:
        view: Answer = _gaps(found, tuple(cell or ()), steps, best)
    else:
        view = _answer(found, text, example, split, beams, length, best)
    if as_json:
        print_json({key: _plain(value) for key, value in _values(view).items()})
    else:
        put(_readable(view))
    return DONE


def _answer(
    found: SessionFile, text: str | None, example: int, part: str, beams: int, length: int, best: bool
) -> Answer:
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    if part not in ("train", "validation", "test"):
        raise WrongArguments(f"{part[:60]!r} is no part of the data; --split; choose train, validation or test")
    data = None
    if text is None:
        with Progress() as progress:
            data = own_data(found, progress, "give a --text")
        count = len(getattr(data, part))
        if not count:
            raise WrongArguments(f"the {part} part is empty; --split {part}; choose another part, or give a --text")
        if example >= count:
            raise WrongArguments(f"the {part} part has {count:,}, counted from 0; --example {example}; choose one")
    network = frozen_network(found, best, threads=1)
    import torch

    try:
        passage = typed(found, text) if text is not None else task.passage(data, part, example, 200)
        if passage.unknown and text is None:
            say(f"not in the vocabulary, so read as unknown: {passage.unknown:,} of its symbols")
        with torch.no_grad():
            return task.answer(
                network, found.coding, passage, step=int(found.progress["step"]), beams=beams, data=data, length=length
            )
    except ValueError as error:
        raise WrongArguments(str(error)) from None


def _gaps(found: SessionFile, cells: tuple[str, ...], steps: int, best: bool) -> GapCurves:
    from rnn_tui.config import choice
    from rnn_tui.data.source import DataError

    known = choice("model.cell").choices
    for cell in cells:
        if cell not in known:
            raise WrongArguments(f"{cell[:60]!r} is no cell; --cell; choose of {', '.join(known)}")
    network = frozen_network(found, best, threads=1)
    from rnn_tui.tasks.gaps import compare
    from rnn_tui.training.optimizer import make_optimizer

    view: GapCurves | None = None
    try:
        with Progress() as progress:
            for view in compare(
                found.config, cells, steps, make_optimizer, network=network, step=int(found.progress["step"])
            ):
                progress.show(view.doing)
    except (DataError, ValueError) as error:
        raise WrongArguments(str(error)) from None
    if view is None or not view.names:
        raise WrongArguments("this task has no gap to remember over; --gaps; name cells to train with --cell")
    return view


def _values(view: Answer) -> dict[str, Any]:
    return {field.name: getattr(view, field.name) for field in fields(view)}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _readable(view: Answer) -> str:
    from rnn_tui import views

    match view:
        case views.Tagged():
            return _tagged(view)
        case views.Classified():
            return _classified(view)
        case views.Translated():
            return _translated(view)
        case views.Forecast():
            return _forecast(view)
        case views.GapCurves():
            return _curves(view)
        case views.Added():
            return _added(view)
    lines = [f"{key:12} {_plain(value)}" for key, value in _values(view).items()]
    return "\n".join(lines)


def _tagged(view: Tagged) -> str:
    rows = []
    for t, symbol in enumerate(view.symbols):
        k = int(view.p[t].argmax())
        told = (clean_line(view.classes[k]), f"{view.p[t, k]:.0%}") if view.asked[t] else ("", "")
        rows.append((str(t), clean_line(symbol), *told, clean_line(view.right[t])))
    return table(("t", "read", "answer", "p", "right"), rows, right=(0, 3))


def _classified(view: Classified) -> str:
    last = view.p[-1]
    order = np.argsort(-last, kind="stable")[:5]
    likeliest = "  ".join(f"{clean_line(view.classes[k])} {last[k]:.0%}" for k in order)
    rows = [
        (str(t), clean_line(symbol), clean_line(view.classes[int(view.p[t].argmax())]), f"{view.p[t].max():.0%}")
        for t, symbol in enumerate(view.symbols)
    ]
    right = f"   right: {clean_line(view.right)}" if view.right else ""
    return f"{table(('t', 'read', 'so far', 'p'), rows, right=(0, 3))}\n{likeliest}{right}"


def _translated(view: Translated) -> str:
    lines = [clean_line(view.text)]
    if view.right:
        lines.append(f"right: {clean_line(view.right)}{'  (exact)' if view.exact else ''}")
    if len(view.beams) > 1:
        lines += [f"{score:+.3f} nats a symbol  {clean_line(text)}" for text, score in view.beams]
    return "\n".join(lines)


def _forecast(view: Forecast) -> str:
    def shown(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.5g}"

    rows = [
        (clean_line(view.times[k]), *(shown(float(a[k])) for a in columns))
        for columns in [(view.truth, view.forecast, view.free, view.persistence, view.seasonal)]
        for k in range(len(view.times))
    ]
    head = ("time", "truth", "forecast", "free", "persistence", "seasonal")
    measured = [
        f"{who}: " + "  ".join(f"{name} {number(value, '.4g')}" for name, value in found.items())
        for who, found in view.metrics.items()
    ]
    return "\n".join([table(head, rows, right=(1, 2, 3, 4, 5)), *measured])


def _added(view: Added) -> str:
    rows = [
        (str(t), f"{value:.4g}", "*" if marked else "", number(float(view.prediction[t]), ".4f"))
        for t, (value, marked) in enumerate(zip(view.values, view.marked, strict=True))
    ]
    right = f"   right: {view.right:.4f}" if math.isfinite(view.right) else ""
    return (
        f"{table(('t', 'read', 'add', 'so far'), rows, right=(0, 1, 3))}\n"
        f"{number(float(view.prediction[-1]), '.4f')}{right}"
    )


def _curves(view: GapCurves) -> str:
    rows = [
        (str(gap), *(number(float(row[k]), ".3f") for row in view.values), number(float(view.nothing[k]), ".3f"))
        for k, gap in enumerate(view.gaps)
    ]
    head = ("gap", *view.names, "nothing")
    told = [f"{name}: remembers {steps:,} timesteps" for name, steps in zip(view.names, view.remembers, strict=True)]
    return "\n".join([table(head, rows, right=tuple(range(len(head)))), f"{view.measure} against gap", *told])

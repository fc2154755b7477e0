"""`gradients`: how far back the cost of one symbol reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, WrongArguments
from rnn_tui.commands.output import Progress, print_json, put, table
from rnn_tui.commands.typed import named, typed

if TYPE_CHECKING:
    from rnn_tui.views import GradientFlow, LayerFlow


def gradients(
    ctx: typer.Context,
    name: SessionName,
    text: Annotated[
        str, typer.Option("--text", metavar="T", help="What it reads; of a text its last symbol is predicted.")
    ],
    at: Annotated[
        int,
        typer.Option(
            "--at", metavar="N", min=-1, help="Timestep of the loss; default the last that asks for an answer."
        ),
    ] = -1,
    truncate: Annotated[
        int,
        typer.Option("--truncate", metavar="K", min=0, help="Timesteps it may go back, the loss's own too; 0: all."),
    ] = 0,
    best: Best = False,
    as_json: Json = False,
) -> int:
    """How far back a loss reaches: |dL/dh_t| of every layer, at every timestep before it.

    L = -ln p(symbol after timestep N | the symbols up to it), in nats; without --at that of
    the last symbol. Of other tasks L is the cost of the right answer at N, or, where none is
    known, of the likeliest; of a translation the text may be source, tab, target, and N counts
    on from the source. A layer's horizon: how many timesteps back the norm stays at least 1e-6
    of that at the loss's own step. spectral_radius: of W_hh, for a plain RNN.
    """
    found = read_session(folder_of(ctx), name)
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    passage = typed(found, text, fewest=2 if task.streamed else 1)
    total = len(passage.inputs)
    if task.streamed and at > total - 2:
        raise WrongArguments(
            f"no symbol comes after timestep {at}; --at; choose one from 0 to {total - 2}, or leave --at out"
        )
    network = frozen_network(found, best, threads=1)
    from rnn_tui.inspection.gradients import flow

    told: dict[str, Any] = {}
    if not task.streamed:
        told = {"targets": passage.targets, "answers": task.answers, "coding": found.coding}
    try:
        with Progress() as progress:
            flowed = flow(
                network, passage.inputs, found.coding.answers, at=at, truncate=truncate,
                step=int(found.progress["step"]),
                working=lambda share: progress.share(share, "following the gradient back"), **told,
            )  # fmt: skip
    except ValueError as error:
        raise WrongArguments(f"{error}; --text, --at and --truncate") from None
    if as_json:
        print_json(_values(flowed, task.streamed))
    else:
        read = list(passage.symbols)
        if flowed.border >= 0:
            from rnn_tui.inspection.trace import decoder_inputs

            read += [found.coding.answers[k] for k in decoder_inputs(network, passage.inputs, passage.targets)]
        put(_readable(flowed, read))
    return DONE


def _values(flowed: GradientFlow, language: bool) -> dict[str, Any]:
    more = {} if language else {"border": flowed.border, "likeliest": flowed.likeliest}
    return more | {
        "loss": flowed.loss,
        "at": flowed.at,
        "target": flowed.target,
        "truncated": flowed.truncated,
        "cut": flowed.cut,
        "overflow": flowed.overflow,
        "layers": [
            {
                "norms": layer.norms.tolist(),
                "cell_norms": None if layer.cell_norms is None else layer.cell_norms.tolist(),
                "horizon": layer.horizon,
                "spectral_radius": layer.spectral_radius,
                **_backward(layer),
            }
            for layer in flowed.layers
        ],
    }


def _backward(layer: LayerFlow) -> dict[str, Any]:
    """What is told of the backward direction, where there is one."""
    if layer.backward is None:
        return {}
    cells = None if layer.backward_cell is None else layer.backward_cell.tolist()
    return {
        "backward_norms": layer.backward.tolist(), "backward_cell_norms": cells,
        "backward_horizon": layer.backward_horizon,
    }  # fmt: skip


def _columns(k: int, layer: LayerFlow) -> dict[str, Any]:
    found = {f"layer{k} dL/dh": layer.norms}
    if layer.cell_norms is not None:
        found[f"layer{k} dL/dc"] = layer.cell_norms
    return found if layer.backward is None else {**found, f"layer{k} backward": layer.backward}


def _readable(flowed: GradientFlow, text: Sequence[str]) -> str:
    columns: dict[str, Any] = {}
    for k, layer in enumerate(flowed.layers):
        columns |= _columns(k, layer)
    rows = [
        (str(t), named(text[t]), *(f"{float(values[t]):.1e}" if values[t] else "0" for values in columns.values()))
        for t in range(len(flowed.layers[0].norms))
    ]
    lines = [
        table(("t", "symbol", *columns), rows, right=(0, *range(2, 2 + len(columns)))),
        f"loss {flowed.loss:.4f}{'' if flowed.real else ' nats'}: {named(flowed.target)} after timestep {flowed.at}",
    ]
    if flowed.likeliest:
        lines.append("no right answer is known: this is the likeliest")
    if flowed.border >= 0:
        lines.append(f"the decoder begins at timestep {flowed.border}")
    if flowed.cut:
        lines.append(f"truncated to {flowed.truncated} timesteps: exactly 0 before timestep {flowed.cut}")
    for k, layer in enumerate(flowed.layers):
        line = f"layer{k} horizon {layer.horizon} timestep{'s' * (layer.horizon != 1)}"
        if layer.spectral_radius is not None:
            line += f", spectral radius of W_hh {layer.spectral_radius:.3f}"
        lines.append(line)
    if flowed.overflow:
        lines.append("a number on the way was not finite: it is shown as inf")
    return "\n".join(lines)

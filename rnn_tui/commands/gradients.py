"""`gradients`: how far back the cost of one symbol reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, WrongArguments
from rnn_tui.commands.output import Progress, print_json, say, table

if TYPE_CHECKING:
    from rnn_tui.views import GradientFlow, LayerFlow


def gradients(
    ctx: typer.Context,
    name: SessionName,
    text: Annotated[str, typer.Option("--text", metavar="T", help="What it reads; its last symbol is predicted.")],
    at: Annotated[
        int,
        typer.Option("--at", metavar="N", min=-1, help="Timestep of the loss; default the last but one of the text."),
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
    the last symbol. A layer's horizon: how many timesteps back the norm stays at least 1e-6 of
    that at the loss's own step. spectral_radius: of W_hh, for a plain RNN.
    """
    found = read_session(folder_of(ctx), name)
    from rnn_tui.data.vocabulary import Vocabulary
    from rnn_tui.symbols import REPLACEMENT

    vocabulary = Vocabulary(found.symbols)
    tokens, unknown = vocabulary.encode(text)
    if len(tokens) < 2:
        raise WrongArguments(
            f"a loss needs two symbols of the vocabulary, this text has {len(tokens)}; --text; give a longer one"
        )
    if at > len(tokens) - 2:
        raise WrongArguments(
            f"no symbol comes after timestep {at}; --at; choose one from 0 to {len(tokens) - 2}, or leave --at out"
        )
    if unknown:
        read = "read as U+FFFD" if REPLACEMENT in vocabulary else "left out"
        say(f"not in the vocabulary, so {read}: {unknown:,} of the text's symbols")
    network = frozen_network(found, best, threads=1)
    from rnn_tui.inspection.gradients import flow

    with Progress() as progress:
        flowed = flow(
            network, tokens, found.symbols, at=at, truncate=truncate, step=int(found.progress["step"]),
            working=lambda share: progress.share(share, "following the gradient back"),
        )  # fmt: skip
    if as_json:
        print_json(_values(flowed))
    else:
        print(_readable(flowed, [found.symbols[token] for token in tokens]))
    return DONE


def _values(flowed: GradientFlow) -> dict[str, Any]:
    return {
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
            }
            for layer in flowed.layers
        ],
    }


def _columns(k: int, layer: LayerFlow) -> dict[str, Any]:
    found = {f"layer{k} dL/dh": layer.norms}
    return found if layer.cell_norms is None else {**found, f"layer{k} dL/dc": layer.cell_norms}


def _readable(flowed: GradientFlow, text: Sequence[str]) -> str:
    from rnn_tui.symbols import sign

    columns: dict[str, Any] = {}
    for k, layer in enumerate(flowed.layers):
        columns |= _columns(k, layer)
    rows = [
        (str(t), sign(text[t]), *(f"{float(values[t]):.1e}" if values[t] else "0" for values in columns.values()))
        for t in range(flowed.at + 1)
    ]
    lines = [
        table(("t", "symbol", *columns), rows, right=(0, *range(2, 2 + len(columns)))),
        f"loss {flowed.loss:.4f} nats: {sign(flowed.target)} after timestep {flowed.at}",
    ]
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

"""Arguments that several verbs share, and how the shell completes them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rnn_tui.session import SessionFile


def folder_of(ctx: typer.Context) -> Path:
    """The folder of sessions of this call: --sessions, RNN_LAB_SESSIONS, or ./sessions."""
    from rnn_tui.session import sessions_folder

    return sessions_folder(ctx.find_root().params.get("folder"))


def complete_session(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of sessions that begin so, for the shell."""
    with contextlib.suppress(Exception):
        from rnn_tui.session.names import session_names

        return [name for name in session_names(folder_of(ctx)) if name.lower().startswith(incomplete.lower())]
    return []


def complete_setting(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Fields of the configuration, and their values where there are few."""
    from rnn_tui.config import CHOICES

    key, sign, _ = incomplete.partition("=")
    if sign and key in CHOICES:
        return [(f"{key}={value}", "") for value in CHOICES[key].choices]
    return [(f"{c.key}=", c.help) for c in CHOICES.values() if c.key.startswith(incomplete)]


SessionName = Annotated[
    str, typer.Argument(metavar="SESSION", help="Name of a session.", autocompletion=complete_session)
]
Json = Annotated[bool, typer.Option("--json", help="The last line on stdout is one JSON object.")]
Best = Annotated[bool, typer.Option("--best", help="The weights of the best validation, not the newest.")]


def session_path(folder: Path, name: str) -> Path:
    """The file of a session, of the gallery too. Raises WrongArguments, naming the nearest."""
    from rnn_tui.commands.errors import arguments
    from rnn_tui.session import existing, gallery_folder

    with arguments():
        return existing(folder, name, gallery_folder())


def read_session(folder: Path, name: str) -> SessionFile:
    """A session as it was last saved, also while another program trains it. Raises SessionError."""
    from rnn_tui.commands.output import say
    from rnn_tui.session import load_or_previous

    found = load_or_previous(session_path(folder, name))
    if found.notice:
        say(found.notice)
    return found


def frozen_network(found: SessionFile, best: bool, threads: int = 0) -> Any:
    """The network of a session in eval mode and float32, on the CPU, with the newest or the best weights.

    `threads` 0 leaves torch's own number. Raises Failed where there are no best weights yet.
    """
    from rnn_tui.commands.errors import Failed

    prefix = "best." if best else "model."
    values = {name.removeprefix(prefix): array for name, array in found.tensors.items() if name.startswith(prefix)}
    if not values:
        raise Failed("there are no best weights yet; --best; train it to its first validation, or leave --best out")
    import torch

    from rnn_tui.model.building import build
    from rnn_tui.model.network import load_weights

    torch.set_flush_denormal(True)
    if threads:
        torch.set_num_threads(threads)
    network = build(found.config.model, found.coding.sizes)
    load_weights(network, {name: torch.from_numpy(array) for name, array in values.items()})
    return network.eval().requires_grad_(False)

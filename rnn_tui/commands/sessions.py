"""`rnn-lab sessions`: list, show, copy, rename, delete, export."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, complete_session, folder_of, read_session, session_path
from rnn_tui.commands.errors import DONE, FAILED, Failed, WrongArguments, arguments
from rnn_tui.commands.output import number, print_json, put, say, table
from rnn_tui.model.shapes import size

if TYPE_CHECKING:
    from rnn_tui.views import SessionRow

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, add_completion=False)
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]


@app.callback()
def sessions(ctx: typer.Context, as_json: Json = False) -> int | None:
    """The sessions of the folder: list, show, copy, rename, delete, export. Without a word: list."""
    return _list(folder_of(ctx), as_json) if ctx.invoked_subcommand is None else None


@app.command("list")
def list_command(ctx: typer.Context, as_json: Json = False) -> int:
    """List the sessions, newest first; those that ship with the lab apart."""
    return _list(folder_of(ctx), as_json)


def _list(folder: Path, as_json: bool) -> int:
    from rnn_tui.session import list_gallery, list_sessions

    rows = [_now(row, folder) for row in list_sessions(folder)]
    own, shipped = [r for r in rows if not r.gallery], [r for r in rows if r.gallery]
    names = {r.name for r in shipped}
    shipped += [r for r in list_gallery() if r.name not in names]
    if as_json:
        print_json({
            "folder": os.fspath(folder),
            "sessions": [_values(row, folder) for row in own],
            "gallery": [_values(row, folder) for row in shipped],
        })  # fmt: skip
        return DONE
    if own:
        put(_table(own))
    else:
        say(f"there are no sessions in {folder}; rnn-lab opens the app, rnn-lab train --new NAME trains one")
    if shipped:
        put("\nGallery (opened as copies):\n" + _table(shipped))
    return DONE


def _now(row: SessionRow, folder: Path) -> SessionRow:
    """A session that another program has, as that one tells of it."""
    from rnn_tui.session import path_of
    from rnn_tui.session.elsewhere import elsewhere

    there = elsewhere(path_of(folder, row.name)) if row.busy and not row.fault else None
    return there.row(row) if there else row


def _headline(row: SessionRow) -> str:
    """What tells most of the newest validation: `ppl 5.70`, `accuracy 83.6 %`; `-` before the first."""
    from rnn_tui.lab.measures import measures

    return (measures(row.config).headline(row.val_loss, row.val_metrics) if row.config else "") or "-"


def _table(rows: list[SessionRow]) -> str:
    shown = [
        (
            r.name,
            r.task or "-",
            r.model or "-",
            f"{r.step:,}/{r.planned:,}" if r.planned else "-",
            _headline(r),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(r.updated)) if r.updated > 0 else "-",
            size(r.size),
            r.fault or r.busy or r.source,
        )
        for r in rows
    ]
    return table(("name", "task", "model", "steps", "validation", "saved", "size", ""), shown, right=(3, 6))


def _values(row: SessionRow, folder: Path) -> dict[str, Any]:
    from rnn_tui.lab.measures import measures
    from rnn_tui.session import gallery_folder
    from rnn_tui.views import perplexity

    told = measures(row.config) if row.config else None
    place = folder if (folder / f"{row.name}.safetensors").exists() else gallery_folder()
    model = row.config.model if row.config else None
    return {
        "name": row.name,
        "task": row.task,
        "model": row.model,
        "cell": model.cell if model else "",
        "layers": model.layers if model else None,
        "hidden_size": model.hidden_size if model else None,
        "bidirectional": bool(model and model.bidirectional),
        "parameters": row.parameters,
        "step": row.step,
        "planned": row.planned,
        "tokens": row.tokens,
        "train_loss": row.train_loss,
        "val_loss": row.val_loss,
        **({"val_perplexity": perplexity(row.val_loss)} if told is None or told.writes else {}),
        **{f"val_{name}": value for name, value in row.val_metrics.items()},
        # The key above that tells most of this kind of sequence.
        "headline": told.headline_name if told else "",
        "best_loss": row.best_loss,
        "updated": row.updated,
        "size": row.size,
        "source": row.source,
        "notes": row.notes,
        "busy": row.busy,
        "fault": row.fault,
        "gallery": row.gallery,
        "path": os.fspath(place / f"{row.name}.safetensors"),
    }


@app.command()
def show(ctx: typer.Context, name: SessionName, as_json: Json = False) -> int:
    """Show one session: its network, how far it is, its configuration and notes."""
    from rnn_tui.config import to_toml
    from rnn_tui.lab.measures import marks
    from rnn_tui.session import row

    folder = folder_of(ctx)
    found = _now(row(session_path(folder, name)), folder)
    if found.fault or found.config is None:
        raise Failed(found.fault)
    values = _values(found, folder)
    if as_json:
        print_json({**values, "config": found.config.model_dump()})
        return DONE
    values["updated"] = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.updated))
    # One measure in words says what the bare numbers below it are worth.
    values["headline"] = "" if _headline(found) == "-" else _headline(found)
    for key, value in values.items():
        if isinstance(value, float):
            value = number(value, ".4g" if "loss" in key and abs(value) < 0.1 else ".4f")
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        if value not in ("", False, None) and key not in ("notes", "gallery"):
            put(f"{key:14} {value}")
    for mark in marks(found.config):
        put(f"{'beware':14} {mark.sentence}")
    put("\n" + to_toml(found.config).rstrip())
    if found.notes:
        put("\n" + found.notes)
    return DONE


@app.command()
def copy(ctx: typer.Context, name: SessionName, new: NewName) -> int:
    """Copy a session, also one that is in use or ships with the lab."""
    from rnn_tui.session import check_name, name_of, prepare_folder
    from rnn_tui.session import copy as copy_session
    from rnn_tui.session.names import refuse_taken

    folder = folder_of(ctx)
    source = session_path(folder, name)
    with arguments():
        refuse_taken(folder, check_name(new))
    prepare_folder(folder)
    copy_session(folder, name_of(source), new)
    say(f"{name_of(source)} copied to {new}")
    return DONE


@app.command()
def rename(ctx: typer.Context, name: SessionName, new: NewName) -> int:
    """Give a session another name."""
    from rnn_tui.session import check_name, existing, name_of
    from rnn_tui.session import rename as rename_session
    from rnn_tui.session.names import refuse_taken

    folder = folder_of(ctx)
    with arguments():
        source = existing(folder, name)
        check_name(new)
        if name_of(source).casefold() != new.casefold():
            refuse_taken(folder, new)
    rename_session(folder, name_of(source), new)
    say(f"{name_of(source)} is now {new}")
    return DONE


@app.command()
def delete(
    ctx: typer.Context,
    name: SessionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> int:
    """Delete a session, for good; asks once."""
    from rnn_tui.session import delete as delete_session
    from rnn_tui.session import existing, name_of, row
    from rnn_tui.symbols import clean_line

    folder = folder_of(ctx)
    with arguments():
        path = existing(folder, name)
    name = name_of(path)
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise WrongArguments(f"deleting can't be undone, and nobody can be asked here; {name}; add --yes")
        found = row(path)
        about = f", {found.model}, step {found.step:,}" if found.model else ""
        sys.stderr.write(f"Delete {clean_line(name + about)}? This can't be undone. [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            say("nothing was deleted")
            return FAILED
    delete_session(folder, name)
    say(f"{name} deleted")
    return DONE


def _complete_kind(incomplete: str) -> list[str]:
    from rnn_tui.export import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


@app.command()
def export(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="SESSION", help="Name of a session.", autocompletion=complete_session)
    ],
    kind: Annotated[
        str,
        typer.Option("--as", metavar="KIND", autocompletion=_complete_kind,
                     help="weights (safetensors with PyTorch's names), csv (the history), toml (the configuration) or "
                          "tensorboard."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="PATH", help="A file, or a folder that is there; default this folder.")
    ] = Path(),
    best: Best = False,
) -> int:  # fmt: skip
    """Write a session in a form that other programs read; prints the file's name."""
    from rnn_tui.export import KINDS
    from rnn_tui.export import export as export_session
    from rnn_tui.session import name_of

    chosen = next((known for known in KINDS if known == kind), None)
    if chosen is None:
        raise WrongArguments(f"there is no export {kind[:60]!r}; --as; choose one of {', '.join(KINDS)}")
    found = read_session(folder_of(ctx), name)
    path = export_session(found, out, chosen, name=name_of(session_path(folder_of(ctx), name)), best=best)
    put(os.fspath(path), exact=True)
    return DONE

"""`rnn-lab data`: what can be learned from without a file of one's own, and the folders it is kept in."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from rnn_tui.commands.arguments import Json
from rnn_tui.commands.errors import DONE, Failed
from rnn_tui.commands.output import Progress, bar, duration, print_json, put, say, table
from rnn_tui.model.shapes import size
from rnn_tui.watchdog import Signalled

data_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, add_completion=False)


def complete_set(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of the catalog that begin so, for the shell."""
    from rnn_tui.data.catalog import SETS

    return [(known.name, known.what) for known in SETS if known.name.startswith(incomplete)]


@data_app.callback()
def data(ctx: typer.Context, as_json: Json = False) -> int | None:
    """What needs no file of yours: list it, fetch it, clear what is kept of it. Without a word: list."""
    return _list(as_json) if ctx.invoked_subcommand is None else None


@data_app.command("list")
def list_command(as_json: Json = False) -> int:
    """List what is built in, and the catalog of well-known sets: licence, size, checksum, source."""
    return _list(as_json)


def _list(as_json: bool) -> int:
    from rnn_tui.data.catalog import PREFIX, SETS, cache_folder, catalog, downloads_folder
    from rnn_tui.data.fetching import downloaded_size

    texts, examples = catalog(), _examples()
    encoded, downloaded = _folder_size(os.fspath(cache_folder())), downloaded_size()
    if as_json:
        print_json({
            "texts": [
                {"name": r.name, "what": r.what, "licence": r.licence, "size": r.size, "sha256": r.sha256}
                for r in texts
            ],
            "examples": examples,
            "sets": [
                {
                    "name": k.name, "path": PREFIX + k.name, "task": k.task, "what": k.what, "url": k.url,
                    "licence": k.licence, "size": k.size, "sha256": k.sha256,
                    "file": os.fspath(k.path), "fetched": k.fetched,
                }
                for k in SETS
            ],
            "cache": {"folder": os.fspath(cache_folder()), "size": encoded},
            "downloads": {"folder": os.fspath(downloads_folder()), "size": downloaded},
        })  # fmt: skip
        return DONE
    put("Texts that are built in (data.path, --data)")
    rows = [(r.name, size(r.size), r.licence, r.sha256[:12], r.what) for r in texts]
    put(table(("name", "size", "licence", "sha256", "what it is"), rows, right=(1,)))
    put("\nExamples that are made here (data.task)")
    made = [(e["task"], e["path"] or "-", e["licence"], e["what"]) for e in examples]
    put(table(("task", "data.path", "licence", "what it is"), made))
    put("\nWell-known sets (rnn-lab data fetch NAME, then data.path catalog:NAME)")
    known = [(k.name, k.task, size(k.size), k.sha256[:12], "yes" if k.fetched else "-") for k in SETS]
    lines = table(("name", "task", "size", "sha256", "here"), known, right=(2,)).splitlines()
    put(lines[0])
    for line, one in zip(lines[1:], SETS, strict=True):
        put(f"{line}\n    {one.what}\n    {one.file}, licence: {one.licence}\n    {one.url}")
    say(f"encoded texts take {size(encoded)} in {cache_folder()}, fetched sets {size(downloaded)} in "
        f"{downloads_folder()}; rnn-lab data clear deletes them")  # fmt: skip
    return DONE


def _examples() -> list[dict[str, Any]]:
    """What every task has without a file, in the order of the tasks."""
    from rnn_tui.config import GENERATED, TASKS
    from rnn_tui.tasks import task_of

    licence = "none needed: made on this machine"
    found = []
    for name in TASKS:
        task = task_of(name)
        if name in GENERATED:
            found.append({"task": name, "path": None, "what": task.title, "licence": licence})
        elif task.example == "builtin:example":
            found.append({"task": name, "path": task.example, "what": task.title, "licence": licence})
    return found


def _folder_size(folder: str) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


@data_app.command("fetch")
def fetch_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A set of rnn-lab data list.", autocompletion=complete_set)
    ],
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.01, help="How long a server may be silent.")
    ] = 30.0,
    as_json: Json = False,
) -> int:
    """Fetch a well-known set, check its bytes, and print the path of its file.

    What is cut off is gone on with by the same command. RNN_LAB_MIRROR names a URL to fetch
    from instead: the files lie there by the names that they have here.
    """
    from rnn_tui.data.catalog import PREFIX, known_set
    from rnn_tui.data.fetching import FetchError, Transfer, fetch

    known = known_set(name)
    with Progress() as progress:

        def show(transfer: Transfer) -> None:
            left = f", {duration(transfer.seconds_left)} left" if transfer.rate else ""
            progress.show(
                f"{bar(transfer.done / transfer.total)} {known.name} {size(transfer.done)} of {size(transfer.total)}, "
                f"{size(transfer.rate)}/s{left}"
            )

        try:
            found = fetch(known, show, timeout=timeout)
        except FetchError as error:
            raise Failed(str(error)) from error
        except (KeyboardInterrupt, Signalled):
            progress.say(f"what has come of {known.name} is kept; the same command goes on from there")
            raise
    if found.there:
        say(f"{known.name} is here already, its SHA-256 is right")
    else:
        before = f", {size(found.resumed)} of them from before" if found.resumed else ""
        say(f"{size(found.size)} fetched{before}, the SHA-256 is right; use it as data.path {PREFIX}{known.name}")
    if as_json:
        print_json({
            "name": known.name, "path": PREFIX + known.name, "file": os.fspath(found.path), "url": found.url,
            "size": found.size, "sha256": found.sha256, "there": found.there, "resumed": found.resumed,
        })  # fmt: skip
    else:
        put(os.fspath(found.path), exact=True)
    return DONE


@data_app.command("clear")
def clear_command(as_json: Json = False) -> int:
    """Delete the encoded texts, which are made again when they are needed, and the fetched sets."""
    from rnn_tui.data.catalog import cache_folder, clear_cache, downloads_folder
    from rnn_tui.data.fetching import clear_downloads

    encoded, downloaded = clear_cache(), clear_downloads()
    say(f"{size(encoded)} of encoded texts freed in {cache_folder()}, {size(downloaded)} of fetched sets in "
        f"{downloads_folder()}")  # fmt: skip
    if as_json:
        print_json({
            "folder": os.fspath(cache_folder()), "downloads": os.fspath(downloads_folder()),
            "freed": encoded + downloaded, "encoded": encoded, "downloaded": downloaded,
        })  # fmt: skip
    return DONE

"""`rnn-lab data`, `keys` and `doctor`: what there is, and what works here."""

from __future__ import annotations

import os
from typing import Any

import typer

from rnn_tui.commands.arguments import Json, folder_of
from rnn_tui.commands.errors import DONE, FAILED
from rnn_tui.commands.output import print_json, say, table
from rnn_tui.model.shapes import size

data_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None, add_completion=False)


@data_app.callback()
def data(ctx: typer.Context, as_json: Json = False) -> int | None:
    """The texts that are built in, and the cache of encoded texts: list, clear. Without a word: list."""
    return _list(as_json) if ctx.invoked_subcommand is None else None


@data_app.command("list")
def list_command(as_json: Json = False) -> int:
    """List the texts that need no file: licence, size, checksum; and the cache."""
    return _list(as_json)


def _list(as_json: bool) -> int:
    from rnn_tui.data.catalog import cache_folder, catalog

    rows = catalog()
    cache = cache_folder()
    kept = _folder_size(os.fspath(cache))
    if as_json:
        print_json({
            "texts": [
                {"name": r.name, "what": r.what, "licence": r.licence, "size": r.size, "sha256": r.sha256} for r in rows
            ],
            "cache": {"folder": os.fspath(cache), "size": kept},
        })  # fmt: skip
        return DONE
    shown = [(r.name, size(r.size), r.licence, r.sha256[:12], r.what) for r in rows]
    print(table(("name", "size", "licence", "sha256", "what it is"), shown, right=(1,)))
    say(f"encoded texts take {size(kept)} in {cache}; rnn-lab data clear deletes them")
    return DONE


def _folder_size(folder: str) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


@data_app.command("clear")
def clear_command(as_json: Json = False) -> int:
    """Delete the encoded texts; they are made again when they are needed."""
    from rnn_tui.data.catalog import cache_folder, clear_cache

    freed = clear_cache()
    say(f"{size(freed)} freed in {cache_folder()}")
    if as_json:
        print_json({"folder": os.fspath(cache_folder()), "freed": freed})
    return DONE


def keys(as_json: Json = False) -> int:
    """Every action of the app with its keys, your own included."""
    from rnn_tui.app import settings
    from rnn_tui.app.actions import PANES, of_pane, sign_of, with_keymap

    chosen = settings.load()
    actions, complaints = with_keymap(chosen.keymap)
    for complaint in (*chosen.complaints, *complaints):
        say(complaint)
    if as_json:
        print_json({
            "actions": [{"id": a.id, "keys": list(a.keys), "pane": a.pane, "help": a.help} for a in actions],
            "settings": os.fspath(settings.folder() / "settings.toml"),
        })  # fmt: skip
        return DONE
    ids = max(len(a.id) for a in actions)
    shown = {a.id: "  ".join(sign_of(key) for key in a.keys) for a in actions}
    wide = max(map(len, shown.values()))
    for pane, title in (("", "Everywhere"), *((name, title) for name, (_, title) in PANES.items())):
        print(title)
        for a in of_pane(pane, actions):
            print(f"  {shown[a.id]:{wide}}  {a.id:{ids}}  {a.help}")
        print()
    print(f'Other keys: in {settings.folder() / "settings.toml"}, under [keymap], a line like "train.step" = "n"')
    return DONE


def doctor(ctx: typer.Context, as_json: Json = False) -> int:
    """What works on this machine, and what to do about what doesn't."""
    from rnn_tui.doctor import examine

    checks = examine(folder_of(ctx))
    fine = not any(check.hinders for check in checks)
    if as_json:
        found: list[dict[str, Any]] = [
            {"name": c.name, "ok": c.ok, "found": c.found, "do": c.remedy} for c in checks
        ]  # fmt: skip
        print_json({"ok": fine, "checks": found})
    else:
        from rnn_tui.symbols import clean_line

        for check in checks:
            remedy = f"; {check.remedy}" if check.remedy else ""
            print(f"{'ok' if check.ok else '! '} {check.name:18} {clean_line(check.found + remedy)}")
    return DONE if fine else FAILED

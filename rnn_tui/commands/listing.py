"""`rnn-lab keys` and `doctor`: what there is, and what works here."""

from __future__ import annotations

import os
from typing import Any

import typer

from rnn_tui.commands.arguments import Json, folder_of
from rnn_tui.commands.errors import DONE, FAILED
from rnn_tui.commands.output import print_json, put, say


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
        put(title)
        for a in of_pane(pane, actions):
            put(f"  {shown[a.id]:{wide}}  {a.id:{ids}}  {a.help}")
        put()
    put(f'Other keys: in {settings.folder() / "settings.toml"}, under [keymap], a line like "train.step" = "n"')
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
        for check in checks:
            remedy = f"; {check.remedy}" if check.remedy else ""
            put(f"{'ok' if check.ok else '! '} {check.name:18} {check.found}{remedy}")
    return DONE if fine else FAILED

"""`rnn-lab`: opens the app, or runs one verb without it.

Torch and Textual are imported by the verbs that need them, never by importing this or by --help.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from rnn_tui import process, watchdog
from rnn_tui.commands import (
    answering,
    data,
    gradients,
    importing,
    intervene,
    listing,
    reading,
    sessions,
    training,
    units,
)
from rnn_tui.commands.arguments import complete_session, folder_of
from rnn_tui.commands.errors import CLOSED_PIPE, FAILED, explain, tell

PROGRAM = "rnn-lab"
SESSIONS = "--sessions"
ORDER = (
    "train", "eval", "generate", "answer", "trace", "gradients", "units", "intervene", "sessions", "import", "data",
    "keys", "doctor",
)  # fmt: skip


class Verbs(TyperGroup):
    """The verbs; a first word that is none of them is a session to be opened."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, folder_first(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            return "open", self.get_command(ctx, "open"), args
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda verb: ORDER.index(verb) if verb in ORDER else len(ORDER))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", "[SESSION]  |  " + PROGRAM, "VERB ..."]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        from typer._click.shell_completion import CompletionItem

        found = super().shell_complete(ctx, incomplete)
        return [*found, *(CompletionItem(name, help="session") for name in complete_session(ctx, incomplete))]


def folder_first(args: Sequence[str]) -> list[str]:
    """The arguments with --sessions DIR in front, wherever it stood: it belongs to every verb."""
    front, rest = [], list(args)
    end = rest.index("--") if "--" in rest else len(rest)
    place = 0
    while place < end:
        if rest[place] == SESSIONS and place + 1 < end:
            front += rest[place : place + 2]
            del rest[place : place + 2]
            end -= 2
        elif rest[place].startswith(SESSIONS + "="):
            front.append(rest.pop(place))
            end -= 1
        else:
            place += 1
    return [*front, *rest]


app = typer.Typer(
    cls=Verbs,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train", cls=training.TrainCommand, short_help="Train a session without a screen.")(training.train)
app.command("eval", short_help="Score a session on its data.")(reading.evaluate)
app.command("generate", short_help="Let a session write.")(reading.generate)
app.command("answer", short_help="What a session answers: tags, a class, a forecast.")(answering.answer)
app.command("trace", short_help="Every state and gate while a session reads a text.")(reading.trace)
app.command("gradients", short_help="How far a symbol's cost reaches back through time.")(gradients.gradients)
app.command("units", short_help="Which units tell marked text from the rest.")(units.units)
app.command("intervene", short_help="Hold units or gates, and see what it changes.")(intervene.intervene)
app.command("import", short_help="Open weights of torch from elsewhere as a session.")(importing.import_weights)
app.add_typer(sessions.app, name="sessions", short_help="List, show, copy, rename, delete, export.")
app.add_typer(data.data_app, name="data", short_help="What needs no file of yours: list, fetch, clear.")
app.command("keys", short_help="Every action of the app with its keys.")(listing.keys)
app.command("doctor", short_help="What works here, and what to do about what doesn't.")(listing.doctor)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version(PROGRAM)
        except PackageNotFoundError:
            found = "(not installed: run from its source)"
        print(f"{PROGRAM} {found}")
        raise typer.Exit


@app.callback()
def start(
    ctx: typer.Context,
    folder: Annotated[
        str | None,
        typer.Option(SESSIONS, metavar="DIR", help="Folder of sessions; else RNN_LAB_SESSIONS, else ./sessions."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> int | None:
    """Build, train and look into recurrent neural networks in a terminal.

    Without a verb it opens the app: with SESSION that session, else the last one of the folder,
    paused, where it was left.
    """
    if ctx.invoked_subcommand is not None:
        return None
    from rnn_tui.commands.opening import open_app

    return open_app(folder_of(ctx))


@app.command("open", hidden=True)
def open_command(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="SESSION")]) -> int:
    """Open a session in the app."""
    from rnn_tui.commands.opening import named, open_app

    folder = folder_of(ctx)
    root = ctx.find_root().command
    verbs = [verb for verb, command in root.commands.items() if not command.hidden]  # type: ignore[attr-defined]
    return open_app(folder, lambda: named(folder, name, verbs))


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line (default: this process's own); the exit status. Nothing is raised but SystemExit."""
    process.start_log()
    _settle_output()
    try:
        with watchdog.leaving_on_signals():
            return _run(sys.argv[1:] if args is None else args)
    except watchdog.Signalled as signalled:
        return 128 + signalled.number
    except KeyboardInterrupt:
        return 130


def _settle_output() -> None:
    """Text that the terminal's encoding lacks must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _run(args: Sequence[str]) -> int:
    try:
        found = _quiet_on_closed_pipe(list(args))
        sys.stdout.flush()
        return found
    except BrokenPipeError:
        # What is still buffered would be complained about at the interpreter's end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except TyperException as error:
        tell(_usage(error))
        return error.exit_code
    except typer.Abort:
        tell("nothing was done; it was broken off")
        return FAILED
    except Exception as error:
        reckoned = explain(error)
        if reckoned is None:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            reckoned = f"{reason}; this is a fault of {PROGRAM} itself; {process.note_failure(error)}", FAILED
        tell(reckoned[0])
        return reckoned[1]


class _PipeClosed(BaseException):
    """Carries a closed pipe past typer, which would end the process with a status of its own."""


def _quiet_on_closed_pipe(args: list[str]) -> int:
    command: Any = get_command(app)
    run = command.invoke

    def invoke(ctx: Any) -> Any:
        try:
            return run(ctx)
        except BrokenPipeError as error:
            raise _PipeClosed from error

    command.invoke = invoke
    try:
        found = command.main(args, prog_name=PROGRAM, standalone_mode=False)
    except _PipeClosed:
        raise BrokenPipeError from None
    return found if isinstance(found, int) else 0


def _usage(error: TyperException) -> str:
    """A wrong use of the command line as one sentence."""
    message = " ".join(error.format_message().split()).rstrip(".")
    ctx = getattr(error, "ctx", None)
    where = ctx.command_path if ctx is not None else PROGRAM
    return f"{message[:1].lower()}{message[1:]}; {where}; see {where} --help"

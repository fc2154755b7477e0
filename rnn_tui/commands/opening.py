"""`rnn-lab [SESSION]`: opens the app."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable
from pathlib import Path

from rnn_tui.commands.errors import FAILED, WrongArguments, arguments, tell
from rnn_tui.commands.output import say


def named(folder: Path, word: str, verbs: list[str]) -> str:
    """The session that the first word names; one that ships with the lab becomes a copy.

    Raises WrongArguments, naming the nearest verb and session, where there is none.
    """
    from rnn_tui import session
    from rnn_tui.session.names import session_names

    with arguments():
        try:
            path = session.existing(folder, word, session.gallery_folder())
        except session.SessionError:
            known = [*session_names(folder), *session_names(session.gallery_folder())]
            hints = [
                *(f"the nearest command is {near}" for near in difflib.get_close_matches(word.lower(), verbs, 1, 0.5)),
                *(f"the nearest session is {near}" for near in difflib.get_close_matches(word, known, 1, 0.4)),
            ]
            raise WrongArguments(
                f"{word[:64]!r} is no command and no session; {folder}; {', '.join(hints) or 'see rnn-lab --help'}"
            ) from None
    if not session.is_gallery(path):
        return session.name_of(path)
    session.prepare_folder(folder)
    name = session.free_name(folder, session.name_of(path))
    session.copy(folder, session.name_of(path), name)
    return name


def open_app(folder: Path, choose: Callable[[], str] = str) -> int:
    """Show the app until it is left; the exit status. Raises WrongArguments where there is no terminal.

    `choose` is called for the session's name, in the process of the app; an empty one is the last session.
    """
    from rnn_tui import launcher, process

    fault = process.terminal_fault()
    if fault:
        choose()
        raise WrongArguments(fault)
    status = launcher.run_below(folder)
    if status is not None:
        return status
    name = choose()
    process.settle_terminal()
    from rnn_tui.lab import Lab
    from rnn_tui.session import last_session
    from rnn_tui.watchdog import Watchdog

    name = name or last_session(folder)
    with process.native_output_to_log(), Lab(folder) as lab, Watchdog(lab, screen=True) as watchdog:
        from rnn_tui.app.app import LabApp

        app = LabApp(lab, name or None)
        watchdog.ask = app.request_exit
        last_words = io.StringIO()
        # What Textual says at the end: a sentence is for the person, a traceback for the log.
        app.error_console.file, app.error_console.width = last_words, 1000
        app.run(mouse=False)
        lab.close()
    crash = getattr(app, "_exception", None)
    if crash is not None:
        tell(f"the app failed: {type(crash).__name__}: {crash}; {process.note_failure(crash)}; start it again")
        return watchdog.code or FAILED
    for line in last_words.getvalue().splitlines():
        if line.strip():
            say(line.strip())
    if watchdog.signal and lab.status.fault and lab.status.session:
        tell(lab.status.fault)
    return watchdog.code or app.return_code or 0

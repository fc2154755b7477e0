"""Texts that drive terminals, a session made of them, and what the app itself may send to a terminal."""

from __future__ import annotations

import base64
import functools
import os
import re
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest

from rnn_tui import session
from rnn_tui.cli import main
from tests.command import environment, own_process_settings
from tests.terminal.terminal import Terminal

PAYLOADS = {
    "screen": "\x1b[2J\x1b[31m\x1b[?1049l\x1b[5;5H",
    "title": "\x1b]0;PWNED\x07\x1b]2;PWNED\x1b\\\x1bkPWNED\x1b\\",
    "clipboard": "\x1b]52;c;UFdORUQ=\x07",
    "device": "\x1bP$qm\x1b\\\x1b_Ga=q\x1b\\\x1b^x\x1b\\",
    "c1": "\x9b2J\x9d2;PWNED\x9c\x90q\x9c\x8d",
    "asking": "\x1b[c\x1b[>c\x1b[5n\x1b[6n\x05",
    "controls": "\x00\x01\x07\x08\x0b\x0c\x0e\x0f\x11\x13\x1a\x7f",
    "direction": "\u202ePWNED\u202c\u2066x\u2069\u200e\u200f\u061c",
    "nothing": "\u200b\u200c\u200d\u2060\ufeff\u00ad\U000e0041",
    "lines": "a\x85b\u2028c\u2029d\re",
    "markup": "[/foo][@click=app.quit]x[/][link=https://x]y[/link][0-9]+\\[[bold",
}
EVERYTHING = "".join(PAYLOADS.values())
NAME = "\x1b]2;PWNED\x07\x9b31m\u202e[@click=app.quit][/foo]"
"""A payload that a file may be called by."""
TEXT = "\n".join(f"the {name} {payload}" for name, payload in PAYLOADS.items()) + "\n"
SETS = (
    "--set", "model.cell=gru", "--set", "model.layers=1", "--set", "model.hidden_size=48",
    "--set", "model.embedding_size=16", "--set", "model.dropout=0", "--set", "training.batch_size=8",
    "--set", "training.sequence_length=48", "--set", "training.learning_rate=0.02",
    "--set", "training.validate_every=20", "--set", "training.threads=1",
)  # fmt: skip

# What the app sends on purpose: colours, places, modes of the screen, questions about modes, and the clipboard.
OWN = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[\d+;\d+H|\x1b\[H|\x1b\[K"
    r"|\x1b\[\?(?:7|25|1000|1002|1003|1004|1006|1015|1016|1049|2004|2026|2048)[hl]"
    r"|\x1b\[\?(?:2026|2048)\$p|\x1b\[>\d*u|\x1b\[<u|\x1b\]22;default\x07|\x1b\\"
)
COPIED = re.compile(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07")


def leaks(sent: bytes, *, copied: bool = False, lines: str = "\r\n") -> list[str]:
    """What reached a terminal beside drawn signs and the app's own sequences, each with what stands around it."""
    text = OWN.sub("", sent.decode("utf-8", "surrogateescape"))
    if copied:
        text = COPIED.sub(lambda found: found[0] if base64.b64decode(found[1]) == b"PWNED" else "", text)
    return [
        repr(text[max(at - 20, 0) : at + 20])
        for at, sign in enumerate(text)
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in lines
    ]


@functools.cache
def hostile_home() -> Path:
    """A folder of the lab's own folders; its `sessions` holds `evil`, trained until it writes what drives terminals.

    Made once and for reading: what opens the session copies it first.
    """
    home = Path(tempfile.mkdtemp(prefix="rnn-lab-hostile-"))
    data = home / f"data{NAME.replace('/', '')}.txt"
    data.write_bytes((TEXT * 40).encode() + b"\xff\xfe\n" * 40)
    with pytest.MonkeyPatch.context() as patch, own_process_settings():
        for name, value in environment(home).items():
            patch.setenv(name, value)
        assert main(["train", "--new", "evil", "--data", str(data), *SETS, "--steps", "120"]) == 0
    path = session.path_of(home / "sessions", "evil")
    found = session.load(path)
    found.notes = EVERYTHING
    for place in found.view.values():
        if isinstance(place, dict):
            place["text"] = EVERYTHING
    session.save(path, found)
    return home


PASTE = "\x1b[200~{}\x1b[201~"
SHOWN = "␛"
HELP = (("?", ("pgup pgdn",)), ("?", ("? help",)))
BACK = ("\x1b", ("? help",))
Steps = tuple[tuple[str, tuple[str, ...]], ...]
"""Keys, and the words that the screen shows then."""
WALK: Steps = (
    ("1", ("1 Build]", "Hidden size")), ("2", ("2 Train]", "wrote")), ("\x1b[A", ()), *HELP,
    ("3", ("3 Inspect]", "cost", SHOWN)), ("v", ()), ("f", ("full text", SHOWN)), BACK, ("G", ()), BACK,
    ("\r", ()), BACK, ("i", ("accept",)),
    (PASTE.format("the markup [/foo]\u202e\x9b31m"), ()), ("\r", ("[/foo]", "? help")),
    ("4", ("4 Gradients]",)), ("v", ()),
    ("5", ("5 Generate]", "Prompt")), ("\r", ("300 of 300", SHOWN)), ("v", ("mean",)), ("y", ("copied",)),
    ("6", ("6 Sessions]", "Notes", "␛[2J")), ("d", ()), BACK, ("y", ("copied",)),
)  # fmt: skip
LENSES: Steps = (
    ("3", ("3 Inspect]", "cost", SHOWN)), *(("v", ()),) * 7, ("\x1b[C", ()), ("S", ()), ("x", ("held",)), ("x", ()),
    ("B", ()), BACK, ("D", ()), BACK, ("T", ()), BACK, ("\r", ()), ("\r", ()), BACK, BACK,
    ("y", ("copied",)), (",", ()), BACK, ("/", ()),
    ("\\[foo\x9b\u202e\r", ()), BACK, BACK, ("#", ()), ("[/foo]\r", ()), BACK, *HELP,
    ("4", ("4 Gradients]",)), *(("v", ()),) * 3, ("\x1b[C", ()), ("\r", ()), ("y", ("copied",)), *HELP,
    ("5", ("5 Generate]", "Prompt")), *HELP, ("6", ("6 Sessions]", "Notes")), *HELP, ("e", ()), ("\r", ()), BACK, BACK,
    ("1", ("1 Build]", "Hidden size")), *HELP, *(("\x1b[B", ()),) * 3, ("\r", ()), *(("\x1b[B", ()),) * 9, BACK,
    (":", ("Search",)), ("[/foo]", ()), BACK, ("2", ("2 Train]",)), (" ", ("pause",)), ("3", ("cost",)),
    (" ", ("train",)),
)  # fmt: skip


def walk(terminal: Terminal, steps: Steps = WALK) -> None:
    """Type keys, each once what the one before had drawn is drawn, and leave."""
    terminal.until("opened at step")
    for keys, words in (*steps, ("q", ())):
        before = len(terminal.bytes)
        terminal.type(keys)
        terminal.until(*words)
        # Escape, soon followed by another key, is another key.
        last = time.monotonic() + (2.0 if keys == "\x1b" else 0.3)
        while len(terminal.bytes) == before and time.monotonic() < last:
            terminal.read()
        before = -1
        while len(terminal.bytes) != before:
            before = len(terminal.bytes)
            terminal.read(0.1)


def hostile_copy(folder: Path) -> tuple[Path, dict[str, str]]:
    """The home of a run: `evil` in a session folder whose name is hostile, beside files that are; its variables."""
    sessions = folder / os.fsdecode(os.fsencode("sessions" + NAME.replace("/", "")) + b"\xff")
    sessions.mkdir()
    source = hostile_home() / "sessions" / "evil.safetensors"
    (sessions / source.name).write_bytes(source.read_bytes())
    for payload in PAYLOADS.values():
        name = payload.replace("/", "").replace("\x00", "")
        (folder / f"{name}.csv").write_text("value\n1\n2\n")
    (folder / os.fsdecode(b"\xff\x1b[31m.txt")).write_text(TEXT)
    return sessions, {**environment(folder), "RNN_LAB_SESSIONS": str(sessions), "HOME": str(folder)}

"""Whether this terminal can show the signs beyond ASCII, one column wide each."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import time
import tty

PATIENCE = 0.3
"""Seconds to wait for the terminal's answer."""
_PLACE = re.compile(rb"\x1b\[(\d+);(\d+)R")


def draws_ascii_only() -> bool:
    """True where the output is no UTF-8, where RNN_LAB_ASCII asks for it, or where bars are two columns wide.

    RNN_LAB_ASCII=0 asks for the contrary.
    """
    asked = os.environ.get("RNN_LAB_ASCII", "")
    if asked:
        return asked not in ("0", "no", "false")
    encoding = (getattr(sys.__stderr__, "encoding", None) or "").lower().replace("-", "")
    return encoding not in ("utf8", "utf8sig") or (_may_be_wide() and measured_columns("█─▶") > 3)


def _may_be_wide() -> bool:
    """Only terminals set for Chinese, Japanese or Korean draw such signs wide: the others need not be asked."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    return locale[:2] in ("zh", "ja", "ko")


def measured_columns(text: str) -> int:
    """How many columns the terminal moves its cursor for a text; 0 where it can't be asked or does not answer.

    To be called before Textual owns the terminal. What was typed meanwhile is lost.
    """
    with contextlib.suppress(OSError, ValueError, termios.error):
        keys, screen = sys.__stdin__, sys.__stderr__
        if keys is None or screen is None or not keys.isatty() or not screen.isatty():
            return 0
        before = termios.tcgetattr(keys)
        try:
            tty.setraw(keys)
            screen.write(f"\r{text}\x1b[6n")
            screen.flush()
            place = _PLACE.search(_answer(keys.fileno()))
        finally:
            screen.write("\r\x1b[K")
            screen.flush()
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
        return int(place[2]) - 1 if place else 0
    return 0


def _answer(descriptor: int) -> bytes:
    found = b""
    until = time.monotonic() + PATIENCE
    while not _PLACE.search(found) and (left := until - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            piece = os.read(descriptor, 64)
            if not piece:
                break
            found += piece
    return found

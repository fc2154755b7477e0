"""Handing a session on to a process without a screen, which goes on at the same step."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rnn_tui import session
from rnn_tui.session.live import read_live

log = logging.getLogger(__name__)

INHERITED = "RNN_LAB_LOCK"
"""The descriptor of the lock that is handed on, in the environment of the process that inherits it."""
LOOK_EVERY = 0.05
_PACKAGE = Path(__file__).absolute().parents[1]


@dataclass(frozen=True, slots=True)
class Handed:
    """A session that another process has now."""

    name: str
    path: Path
    process: subprocess.Popen[bytes]

    @property
    def sentence(self) -> str:
        """What there is to say of it."""
        return (
            f"{self.name} goes on training without a screen: process {self.process.pid}; "
            f"rnn-lab {self.name} follows it and can take it over"
        )

    def begun(self, within: float) -> bool:
        """Wait until the other process has taken the session up; False where it ended, or took too long."""
        last = time.monotonic() + within
        while time.monotonic() < last and self.process.poll() is None:
            told = read_live(self.path)
            if told is not None and told.pid == self.process.pid:
                return True
            time.sleep(LOOK_EVERY)
        return False


def start(path: Path, lock: session.Lock, length: tuple[str, ...]) -> Handed:
    """Start `rnn-lab train NAME` in a session of its own, without a terminal, and hand the lock on to it.

    `length` are the options that say how much more it trains. Raises OSError where no process
    can be started; the lock is then still held.
    """
    command = [
        # -P: a folder that one happens to be in must not bring a package of our name along.
        sys.executable, "-P", "-m", "rnn_tui", "--sessions", os.fspath(path.parent.absolute()), "train",
        session.name_of(path), *length,
    ]  # fmt: skip
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [os.fspath(_PACKAGE.parent), *filter(None, [environment.get("PYTHONPATH", "")])]
    )
    descriptor = lock.descriptor
    if descriptor is None:
        lock.release()
    else:
        environment[INHERITED] = str(descriptor)
    try:
        process = subprocess.Popen(
            command, env=environment, start_new_session=True, close_fds=True,
            pass_fds=() if descriptor is None else (descriptor,),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        lock.acquire()
        raise
    lock.handed_on(process.pid)
    log.info("handed %s on to process %d", session.name_of(path), process.pid)
    return Handed(session.name_of(path), path, process)


def inherited(path: Path, what: str) -> session.Lock | None:
    """The lock of this session, if this process was started to go on with it."""
    with suppress(KeyError, ValueError):
        return session.Lock.inherited(path, int(os.environ[INHERITED]), what)
    return None

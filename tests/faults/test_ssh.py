"""Over a real SSH: log in, train, lose the connection, log in again, take over, and end with the same numbers."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rnn_tui import session
from tests.command import REPOSITORY, environment
from tests.faults import line
from tests.faults.waiting import until
from tests.terminal.terminal import Terminal

SBIN = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")])
SEPARATION = Path("/run/sshd")
"""sshd wants this folder, where root runs it."""
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
PrintMotd no
"""


class Server:
    """sshd on a port of this machine, with keys of its own that are thrown away."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("sshd", path=SBIN)
        assert program and shutil.which("ssh"), "sshd is needed: apt-get install openssh-server openssh-client"
        self._folder = folder
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        if os.getuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = folder / "config"
        config.write_text(CONFIG.format(port=self.port, folder=folder))
        self._log = folder / "log"
        self.process = subprocess.Popen([program, "-D", "-f", config, "-E", self._log])
        until(self._listens)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) == 0

    def log_in(self) -> Terminal:
        """A shell over SSH, in a terminal of 80x24."""
        user = pwd.getpwuid(os.getuid()).pw_name
        return Terminal(
            ["-tt", "-F", "/dev/null", "-p", str(self.port), "-i", str(self._folder / "user"), "-l", user,
             "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "127.0.0.1", "env PS1='ready$ ' bash --norc --noprofile -i"],
            {}, program=["ssh"],
        )  # fmt: skip

    def cut(self) -> None:
        """Kill what serves the connections, as a crash of the line does: nobody says goodbye."""
        for connection in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                for process in (*connection.children(), connection):
                    if process.name() == "sshd":
                        process.kill()

    def close(self) -> None:
        self.cut()
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "ssh").mkdir()
    with line.adopting(tmp_path):
        started = Server(tmp_path / "ssh")
        yield started
        started.close()


def typed(folder: Path) -> str:
    """What is typed in the shell."""
    variables = {**environment(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "COLORTERM": "truecolor"}
    words = ["env", *(f"{name}={value}" for name, value in variables.items()), sys.executable, "-m", "rnn_tui", "demo"]
    return f"clear; {shlex.join(words)}; echo status $?\r"


def test_a_connection_that_is_cut_loses_nothing(server: Server, tmp_path: Path) -> None:
    path = line.copied(tmp_path)
    terminals = [server.log_in()]
    try:
        (first,) = terminals
        first.until("ready$")
        first.type(typed(tmp_path))
        first.until("opened at step")
        first.type(" <<")
        first.until_step(line.BEGUN)
        server_side = session.holder(path)
        assert server_side is not None
        server.cut()
        assert first.ended() == 255
        headless = line.writer(path, but=server_side.pid)
        # However slow this machine is, it is to be taken over in the middle.
        os.kill(headless.pid, signal.SIGSTOP)
        until(lambda: [process.pid for process in line.processes(tmp_path)] == [headless.pid])
        second = server.log_in()
        terminals.append(second)
        second.until("ready$")
        second.type(typed(tmp_path))
        second.until("following", "read-only", str(headless.pid))
        os.kill(headless.pid, signal.SIGCONT)
        second.type(" ")
        second.until("Take it over?", str(headless.pid))
        second.type("\r")
        until(lambda: (found := session.holder(path)) is not None and found.pid != headless.pid)
        assert line.status_of(headless.pid) == 0
        second.until(f"{line.STEPS:,}", "planned steps are done")
        second.type("q")
        second.until("status 0", "ready$")
        second.type("exit\r")
        assert second.ended() == 0
    finally:
        for terminal in terminals:
            terminal.close()
    assert line.result(path) == line.whole()
    assert session.holder(path) is None and not line.processes(tmp_path)

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_tui.config import TASKS
from rnn_tui.data import catalog, fetching
from rnn_tui.data.catalog import KnownSet
from tests.command import REPOSITORY, Command, command, environment  # noqa: F401
from tests.data.server import Exchange, serving

WHOLE = b"It is a tale told by an idiot.\n" * 5000


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> KnownSet:
    """A catalog of one set; where it lies is for a mirror to say."""
    known = KnownSet(
        "toy", "language", "a tale", "public domain", "http://127.0.0.1:9/toy", "toy.txt", len(WHOLE),
        hashlib.sha256(WHOLE).hexdigest(),
    )  # fmt: skip
    for module in (catalog, fetching):
        monkeypatch.setattr(module, "SETS", (known,))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return known


def test_the_list(command: Command) -> None:  # noqa: F811
    listed = command("data", "list", "--json").json
    assert [one["name"] for one in listed["sets"]] == [known.name for known in catalog.SETS]
    for one, known in zip(listed["sets"], catalog.SETS, strict=True):
        assert one["path"] == f"catalog:{known.name}" and one["fetched"] is False
        assert one["file"] == str(known.path)
        assert (one["url"], one["licence"], one["size"], one["sha256"], one["task"]) == (
            known.url, known.licence, known.size, known.sha256, known.task,
        )  # fmt: skip
    assert {one["task"] for one in listed["examples"]} == set(TASKS) - {"language"}
    assert all(one["what"] and one["licence"] for one in listed["examples"])
    assert listed["cache"]["size"] == listed["downloads"]["size"] == 0
    shown = command("data", "list").out
    for known in catalog.SETS:
        assert known.name in shown and known.url in shown and known.what in shown and known.sha256[:12] in shown
        assert f"{known.file}, licence: {known.licence}" in shown


def test_fetching_and_clearing(command: Command, toy: KnownSet, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    with serving(lambda x: x.part(WHOLE)) as server:
        monkeypatch.setenv(fetching.MIRROR, server.url)
        first = command("data", "fetch", "toy")
        assert (first.code, first.out) == (0, f"{toy.path}\n")
        assert "the SHA-256 is right; use it as data.path catalog:toy" in first.err
        again = command("data", "fetch", "catalog:toy", "--json")
        assert again.code == 0 and "is here already" in again.err
        assert again.json == {
            "name": "toy", "path": "catalog:toy", "file": str(toy.path), "url": f"{server.url}/toy.txt",
            "size": len(WHOLE), "sha256": toy.sha256, "there": True, "resumed": 0,
        }  # fmt: skip
        assert len(server.requests) == 1
    listed = command("data", "--json").json
    assert listed["sets"][0]["fetched"] is True
    assert listed["downloads"] == {"folder": str(toy.path.parent), "size": len(WHOLE)}
    cleared = command("data", "clear", "--json").json
    assert (cleared["freed"], cleared["encoded"], cleared["downloaded"]) == (len(WHOLE), 0, len(WHOLE))
    assert not toy.path.exists()


def test_a_set_that_can_not_be_had(command: Command, toy: KnownSet, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    wrong = command("data", "fetch", "tey")
    assert (wrong.code, wrong.out) == (2, "") and "the nearest is toy" in wrong.error
    assert command("data", "fetch").code == 2
    with serving(lambda x: x.say(404)) as server:
        monkeypatch.setenv(fetching.MIRROR, server.url)
        gone = command("data", "fetch", "toy", "--json")
        assert (gone.code, gone.out) == (1, "") and "has no such file (HTTP 404)" in gone.error
    refused = command("data", "fetch", "toy", "--timeout", "5")
    assert refused.code == 1 and "refuses the connection" in refused.error


CHILD = """
import sys
from rnn_tui.data import catalog, fetching
toy = catalog.KnownSet("toy", "language", "a tale", "-", "http://127.0.0.1:9", "toy.txt", int(sys.argv[1]), sys.argv[2])
catalog.SETS = fetching.SETS = (toy,)
from rnn_tui.cli import main
raise SystemExit(main(["data", "fetch", "toy"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_has_come(tmp_path: Path, toy: KnownSet, number: signal.Signals) -> None:
    part = tmp_path / "cache" / "data" / "toy.txt.part"
    half = len(WHOLE) // 2
    child: list[subprocess.Popen[str]] = []

    def answer(x: Exchange) -> None:
        if x.first:
            x.part(WHOLE)
            return
        x.part(WHOLE, until=half)
        while not (part.exists() and part.stat().st_size == half) and not x.server.released.wait(0.01):
            pass
        child[0].send_signal(number)
        x.server.released.wait()

    with serving(answer) as server:
        settings = {**os.environ, **environment(tmp_path), fetching.MIRROR: server.url}
        code = [sys.executable, "-c", CHILD, str(len(WHOLE)), toy.sha256]
        for run in range(2):
            process = subprocess.Popen(
                code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=settings
            )
            child[:] = [process]
            out, err = process.communicate(timeout=60)
            if run == 0:
                assert process.returncode == 128 + number
                assert "the same command goes on from there" in err and "Traceback" not in err
                assert part.read_bytes() == WHOLE[:half]
        assert process.returncode == 0, err
        assert Path(out.strip()).read_bytes() == WHOLE and "of them from before" in err
        assert server.ranges() == ["", f"bytes={half}-"]

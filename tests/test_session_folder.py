"""A folder of sessions: names, the list, copies, the lock, and what is remembered."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.config import parse
from rnn_tui.session import (
    Lock,
    SessionError,
    break_dead,
    cell_line,
    check_name,
    companion,
    copy,
    delete,
    derive_name,
    existing,
    find,
    free_name,
    gallery_folder,
    holder,
    is_gallery,
    last_session,
    list_gallery,
    list_sessions,
    load,
    lock,
    places,
    prepare_folder,
    recent_folders,
    remember,
    rename,
    row,
    save,
    sessions_folder,
)
from tests.session_builder import small_config, small_session


def put(folder: Path, name: str, step: int = 1) -> Path:
    path = folder / f"{name}.safetensors"
    save(path, small_session(step))
    return path


@pytest.mark.parametrize("name", ["a", "A1", "0", "shakespeare-lstm-2x128", "a.b_c-d", "training", "x" * 64, "copy"])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "-a", "_a", "a b", "a/b", "../a", "/etc/passwd", "a\\b", "a\n", "\na", "a\0", "é", "日本",
     "a\x1b[2J", "~a", "a:b", "a*", "x" * 65, "train", "Train", "eval", "generate", "trace", "gradients", "units",
     "sessions", "data", "bench", "doctor", "keys", "open", "import", "help", "a.previous", "a.PREVIOUS",
     "a.safetensors", "a.SafeTensors"],
)  # fmt: skip
def test_bad_names(tmp_path: Path, name: str) -> None:
    put(tmp_path, "demo")
    for attempt in (
        lambda: check_name(name),
        lambda: find(tmp_path, name),
        lambda: rename(tmp_path, "demo", name),
        lambda: copy(tmp_path, "demo", name),
    ):
        with pytest.raises(SessionError, match=r"can't be a session's name") as caught:
            attempt()
        assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == ["demo.safetensors"]


def test_names_are_compared_without_case(tmp_path: Path) -> None:
    path = put(tmp_path, "Demo")
    assert find(tmp_path, "demo") == find(tmp_path, "DEMO") == path
    assert find(tmp_path, "other") is None and find(tmp_path / "none", "demo") is None
    with pytest.raises(SessionError, match="there is a session Demo already"):
        copy(tmp_path, "Demo", "dEMO")
    assert rename(tmp_path, "demo", "dEMO").name == "dEMO.safetensors"
    assert [r.name for r in list_sessions(tmp_path)] == ["dEMO"]


def test_the_nearest_is_named(tmp_path: Path) -> None:
    put(tmp_path, "shakespeare")
    with pytest.raises(SessionError, match=r"^there is no session shakspere in .*; the nearest is shakespeare$"):
        existing(tmp_path, "shakspere")
    with pytest.raises(SessionError, match="see rnn-lab sessions list"):
        existing(tmp_path, "zzz")


def test_free_names(tmp_path: Path) -> None:
    assert free_name(tmp_path, "demo") == "demo"
    put(tmp_path, "DEMO")
    put(tmp_path, "demo-2")
    assert free_name(tmp_path, "demo") == "demo-3"
    put(tmp_path, "x" * 64)
    assert free_name(tmp_path, "x" * 64) == "x" * 62 + "-2"


def test_derived_names() -> None:
    assert derive_name("/data/Tiny Shakespeare.txt.gz", "LSTM 2x128") == "tiny-shakespeare-lstm-2x128"
    assert derive_name("builtin:python-docs", "GRU 1x8") == "python-docs-gru-1x8"
    assert derive_name("日本", "") == "session" and derive_name("train", "") == "session-train"


@given(st.text(max_size=200), st.text(max_size=200))
def test_derived_names_can_be_used(title: str, line: str) -> None:
    assert check_name(derive_name(title, line))


def test_the_list_reads_headers(tmp_path: Path) -> None:
    for step, name in enumerate(["old", "middle", "new"], start=1):
        put(tmp_path, name, step)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "new.safetensors").read_bytes()[:-1])
    (tmp_path / "bad name\x1b.safetensors").write_bytes(b"")
    rows = list_sessions(tmp_path)
    assert [r.name for r in rows if not r.fault] == ["new", "middle", "old"]
    faults = {r.name: r.fault for r in rows if r.fault}
    assert set(faults) == {"torn", "bad name␛"} and "speaks of" in faults["torn"] and "name" in faults["bad name␛"]
    first = next(r for r in rows if r.name == "new")
    network = [a for n, a in load(tmp_path / "new.safetensors").tensors.items() if n.startswith("model.")]
    assert first.parameters == sum(a.size for a in network)
    assert (first.task, first.model, first.step, first.planned, first.tokens) == ("language", "LSTM 2x3", 3, 5000, 600)
    assert first.train_loss == 1.25 and math.isnan(first.val_loss)
    assert first.updated == 1003.0 and first.source == "a text"
    assert first.size == (tmp_path / "new.safetensors").stat().st_size and first.config == small_config()
    assert not first.busy and not first.gallery and first.notes == "first\nsecond 日本"
    assert list_sessions(tmp_path / "none") == []
    assert "no session" in row(tmp_path / "none.safetensors").fault


def test_copy_rename_delete(tmp_path: Path) -> None:
    path = put(tmp_path, "a", 1)
    put(tmp_path, "a", 2)
    contents, before = path.read_bytes(), companion(path, "previous").read_bytes()
    companion(path, "live").write_text("{}")
    (tmp_path / ".a.damaged-20250101T000000Z.safetensors").write_text("")
    put(tmp_path, "a.b")
    copy(tmp_path, "a", "c")
    assert (tmp_path / "c.safetensors").read_bytes() == contents
    rename(tmp_path, "a", "d")
    assert (tmp_path / "d.safetensors").read_bytes() == contents and not path.exists()
    assert (tmp_path / ".d.previous.safetensors").read_bytes() == before
    assert (tmp_path / ".d.live").exists() and (tmp_path / ".d.damaged-20250101T000000Z.safetensors").exists()
    for taken in ("c", "A.B"):
        with pytest.raises(SessionError, match="already"):
            rename(tmp_path, "d", taken)
    delete(tmp_path, "d")
    with pytest.raises(SessionError, match="no session d"):
        delete(tmp_path, "d")
    assert sorted(n for n in os.listdir(tmp_path) if not n.endswith(".lock")) == ["a.b.safetensors", "c.safetensors"]
    assert not (tmp_path / ".d.lock").exists() and not (tmp_path / ".a.lock").exists()


HOLD = """
import pathlib, sys
from rnn_tui.session import Lock
with Lock(pathlib.Path(sys.argv[1]), 'training'):
    print('held', flush=True)
    sys.stdin.read()
"""


def test_two_processes_and_a_kill(tmp_path: Path) -> None:
    path = put(tmp_path, "demo")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert other.stdin and other.stdout and other.stdout.readline() == "held\n"
    host = os.uname().nodename
    words = f"^demo is in use by process {other.pid} on {host}, training; close it there, or work on a copy$"
    with pytest.raises(SessionError, match=words):
        Lock(path).acquire(timeout=0)
    for attempt in (lambda: delete(tmp_path, "demo"), lambda: rename(tmp_path, "demo", "other")):
        with pytest.raises(SessionError, match=words):
            attempt()
    held = json.loads(companion(path, "lock").read_text())
    assert (held["pid"], held["host"], held["what"]) == (other.pid, host, "training") and held["started"] > 0
    assert f"process {other.pid} on {host}, training" in list_sessions(tmp_path)[0].busy
    copy(tmp_path, "demo", "copied")
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(path) is None and list_sessions(tmp_path)[0].busy == ""
    with Lock(path, "again") as lock:
        assert lock.held and row(path).busy == "open here"
    other.stdin.close()
    other.stdout.close()


@pytest.mark.parametrize("changed", [{"machine": "another one"}, {"host": "elsewhere"}])
def test_a_lock_is_not_broken_for_a_process_of_another_machine(tmp_path: Path, changed: dict[str, str]) -> None:
    """Of another one that has the same name, too: its numbers of processes mean something else."""
    path = put(tmp_path, "demo")
    gone = subprocess.Popen(["true"])
    gone.wait()
    with Lock(path, "training"):
        file = companion(path, "lock")
        written = json.loads(file.read_text()) | {"pid": gone.pid}
        file.write_text(json.dumps(written | changed))
        assert not break_dead(path)
        file.write_text(json.dumps(written))
        assert break_dead(path) and not file.exists()


@pytest.mark.parametrize(
    "changed", [{"started": 1e300}, {"started": math.nan}, {"pid": 2**70}, {"after_boot": -math.inf}]
)
def test_a_lock_that_tells_nonsense_hides_no_session(tmp_path: Path, changed: dict[str, float]) -> None:
    path = put(tmp_path, "demo")
    put(tmp_path, "other")
    with Lock(path, "training"):
        file = companion(path, "lock")
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))
        assert [found.name for found in list_sessions(tmp_path)] == ["demo", "other"]
        assert holder(path) is None and not break_dead(path)


def test_a_rename_by_case_replaces_no_other_session(tmp_path: Path) -> None:
    """Both may be there, where files were copied in from outside."""
    put(tmp_path, "demo")
    other = tmp_path / "Demo.safetensors"
    other.write_bytes((tmp_path / "demo.safetensors").read_bytes())
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(SessionError, match="there is a session demo already"):
        rename(tmp_path, "Demo", "demo")
    assert sorted(name for name in os.listdir(tmp_path) if not name.endswith(".lock")) == before


def test_where_a_file_system_has_no_locks_a_marker_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(lock, "lock_descriptor", none)
    monkeypatch.setattr(fcntl, "flock", none)
    path = put(tmp_path, "demo")
    with Lock(path, "training") as held:
        assert held.held and held.descriptor is None
        found = holder(path)
        assert found is not None and found.pid == os.getpid()
        with pytest.raises(SessionError, match="in use by process"):
            Lock(path).acquire(timeout=0)
        assert not break_dead(path)
        held.acquire()
    assert holder(path) is None and not companion(path, "holder").exists()
    Lock(path).acquire(timeout=0).release()


def test_a_lock_is_released_and_follows(tmp_path: Path) -> None:
    path = put(tmp_path, "a")
    lock = Lock(path, "open").acquire()
    with pytest.raises(SessionError, match="in use by process"):
        Lock(path).acquire(timeout=0)
    rename(tmp_path, "a", "b", held=lock)
    assert lock.held and lock.path == tmp_path / "b.safetensors" and not (tmp_path / ".a.lock").exists()
    with pytest.raises(SessionError, match="b is in use"):
        Lock(lock.path).acquire(timeout=0)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not lock.held
    with Lock(tmp_path / "b.safetensors") as again:
        delete(tmp_path, "b", held=again)
        assert not again.held
    assert os.listdir(tmp_path) == []


def test_a_waiter_never_holds_a_removed_lock(tmp_path: Path) -> None:
    path = put(tmp_path, "a")
    first, taken = Lock(path).acquire(), threading.Event()

    def wait() -> None:
        with Lock(path).acquire(timeout=10):
            taken.set()
            with pytest.raises(SessionError):
                Lock(path).acquire(timeout=0)

    thread = threading.Thread(target=wait)
    thread.start()
    first.discard()
    thread.join()
    assert taken.is_set()


def test_a_lock_that_is_a_link_or_nonsense(tmp_path: Path) -> None:
    path = put(tmp_path, "a")
    companion(path, "lock").write_bytes(b"\xff" * 100)
    assert holder(path) is None
    with Lock(path):
        pass
    companion(path, "lock").unlink()
    (tmp_path / "victim").write_text("precious")
    companion(path, "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(SessionError, match="could not be locked"):
        Lock(path).acquire()
    assert (tmp_path / "victim").read_text() == "precious"


def test_the_folder_of_this_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNN_LAB_SESSIONS", raising=False)
    assert sessions_folder() == tmp_path / "sessions"
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(tmp_path / "env"))
    assert sessions_folder() == tmp_path / "env" and sessions_folder("option") == tmp_path / "option"
    assert prepare_folder(sessions_folder()).is_dir()


def test_what_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_STATE", str(tmp_path / "state"))
    assert recent_folders() == () and last_session(tmp_path) == ""
    folders = [tmp_path / f"f{k}" for k in range(60)]
    for folder in folders:
        folder.mkdir()
        put(folder, "demo")
        remember(folder, "demo")
    assert recent_folders() == tuple(folders[:9:-1])
    assert last_session(folders[-1]) == "demo" and last_session(folders[0]) == ""
    delete(folders[-1], "demo")
    assert last_session(folders[-1]) == ""
    nul = '[{"folder": "\\u0000", "session": "a\\u0000"}]'
    for nonsense in ("", "{", "[1]", '[{"folder": 1}]', nul, "[" * 100_000):
        (tmp_path / "state" / "recent.json").write_text(nonsense)
        assert recent_folders() == () and last_session(tmp_path) == ""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RNN_LAB_STATE", str(tmp_path / "file"))
    remember(tmp_path, "demo")
    assert recent_folders() == ()


def test_the_gallery_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = put(tmp_path, "shipped", 2)
    mine = put(tmp_path, "mine", 1)
    (tmp_path / "gallery.json").write_text('{"shipped": "a trained net"}')
    monkeypatch.setattr(places, "gallery_folder", lambda: tmp_path)
    assert is_gallery(shipped) and not is_gallery(mine)
    assert {r.name: r.gallery for r in list_sessions(tmp_path)} == {"shipped": True, "mine": False}
    before = shipped.read_bytes()
    for attempt in (
        lambda: save(shipped, small_session(3)),
        lambda: delete(tmp_path, "shipped"),
        lambda: rename(tmp_path, "shipped", "other"),
    ):
        with pytest.raises(SessionError, match="belongs to the gallery"):
            attempt()
    assert shipped.read_bytes() == before and not companion(shipped, "lock").exists()
    assert load(copy(tmp_path, "shipped", "other")).progress["step"] == 2


def test_the_gallery_of_this_installation() -> None:
    assert gallery_folder().name == "sessions"
    assert all(r.gallery and not r.fault for r in list_gallery())


@pytest.mark.parametrize(
    ("task", "model", "line"),
    [
        ("language", {"layers": 2, "hidden_size": 128}, "LSTM 2x128"),
        ("tagging", {"layers": 1, "hidden_size": 64, "bidirectional": True}, "BiLSTM 1x64"),
        ("classification", {"cell": "gru", "layers": 1, "hidden_size": 8, "bidirectional": True}, "BiGRU 1x8"),
        ("language", {"cell": "feedforward", "layers": 1, "hidden_size": 8}, "feedforward 1x8"),
        ("translation", {"layers": 1, "hidden_size": 128, "attention": True}, "LSTM 1x128 enc-dec, attention"),
        ("translation", {"cell": "gru", "layers": 2, "hidden_size": 8}, "GRU 2x8 enc-dec"),
        # Its encoder reads from left to right, whatever the field says.
        ("translation", {"layers": 1, "hidden_size": 8, "bidirectional": True}, "LSTM 1x8 enc-dec"),
    ],
)
def test_a_network_in_a_word_or_two(task: str, model: dict[str, Any], line: str) -> None:
    assert cell_line(parse({"data": {"task": task}, "model": model})) == line


def test_a_row_has_the_metrics_of_the_newest_validation(tmp_path: Path) -> None:
    session = small_session(3)
    session.progress["val_metrics"] = {"span_f1": 0.5, "accuracy": 0.75}
    path = tmp_path / "a.safetensors"
    save(path, session)
    assert list(row(path).val_metrics.items()) == [("span_f1", 0.5), ("accuracy", 0.75)]


@pytest.mark.parametrize("kept", ["x", [1], {"a": "b", "c": None, "d": True}, {f"m{k}": 1.0 for k in range(1000)}])
def test_metrics_that_are_none_are_left_out_of_a_row(tmp_path: Path, kept: Any) -> None:
    session = small_session(3)
    session.progress["val_metrics"] = kept
    path = tmp_path / "a.safetensors"
    save(path, session)
    found = row(path)
    assert not found.fault and len(found.val_metrics) <= 12
    assert all(isinstance(value, float) for value in found.val_metrics.values())
    session.progress["val_metrics"] = {"\x1b[2J": 0.5}
    save(path, session)
    assert all(name.isprintable() for name in row(path).val_metrics)

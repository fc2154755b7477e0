"""Whatever fails while a session is saved, and whatever happens to its file: the last whole save is read, or a
sentence says why not."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rnn_tui.session import (
    DamagedError,
    Files,
    SessionError,
    companion,
    list_sessions,
    load,
    load_or_previous,
    prepare_folder,
    save,
    set_aside,
    sweep,
)
from rnn_tui.session import stamp as stamp_of
from rnn_tui.session.folder import copy, delete, rename
from tests.session_builder import small_config, small_session

ROOT = Path(__file__).parents[1]
CALLS = ("open", "close", "fstat", "lstat", "read", "seek", "write", "chmod", "fsync", "link", "replace", "unlink",
         "names", "fsync_folder")  # fmt: skip


class Died(BaseException):
    """The process is gone: nothing after it is done."""


class Faulty(Files):
    """The seam, counting its calls; from the k-th on it fails as told."""

    def __init__(self, at: int = -1, fault: str = "", times: int = 1) -> None:
        self.at, self.fault, self.times = at, fault, times
        self.calls: list[str] = []
        self.dead = False

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name not in CALLS:
            return call

        def counted(*args: Any) -> Any:
            if self.dead:
                raise Died
            self.calls.append(name)
            hit = 0 <= self.at < len(self.calls) <= self.at + self.times
            if hit and self.fault == "die":
                self.dead = True
                raise Died
            if hit and self.fault == "short":
                return call(args[0], args[1][: max(1, len(args[1]) // 3)]) if name == "write" else call(*args)
            if hit:
                raise OSError(getattr(errno, self.fault), self.fault)
            return call(*args)

        return counted


def steps_kept(path: Path) -> int:
    step = load_or_previous(path).progress["step"]
    assert isinstance(step, int)
    return step


def temporary(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EPERM", "short", "die"])
@pytest.mark.parametrize("times", [1, 1000])
def test_each_call_of_a_save_fails_in_turn(tmp_path: Path, fault: str, times: int) -> None:
    counter = Faulty()
    start = tmp_path / "start"
    start.mkdir()
    config = small_config(layers=1, embedding_size=0)
    first, second, third, fourth = (small_session(step, config) for step in (1, 2, 3, 4))
    save(start / "demo.safetensors", first)
    save(start / "demo.safetensors", second)
    before = (start / "demo.safetensors").read_bytes()
    save(shutil.copytree(start, tmp_path / "count") / "demo.safetensors", third, counter)
    assert {"write", "fsync", "link", "replace", "fsync_folder"} <= set(counter.calls)
    for at, call in enumerate(counter.calls):
        if fault == "short" and call != "write":
            continue
        folder = shutil.copytree(start, tmp_path / str(at))
        path = folder / "demo.safetensors"
        stamp = stamp_of(path)
        files = Faulty(at, fault, times)
        try:
            stamp = save(path, third, files, expect=stamp)
        except Died:
            found = load(path)
            assert fault == "die"
        except SessionError as error:
            found = load(path)
            assert fault not in ("die", "short") and str(error).startswith("demo ") and "\n" not in str(error)
            if error.stamp is None:
                assert path.read_bytes() == before
            else:
                assert found.progress["step"] == 3 and found.stamp == error.stamp
            assert times > 1 or not temporary(folder)
        else:
            found = load(path)
            assert found.progress["step"] == 3 and found.stamp == stamp
            assert times > 1 or not temporary(folder) or files.calls[at] == "unlink"
        assert found.progress["step"] in (2, 3)
        if companion(path, "previous").exists():
            assert load(companion(path, "previous")).progress["step"] in (1, 2)
        # And life goes on.
        save(path, fourth)
        assert load(path).progress["step"] == 4
        assert load(companion(path, "previous")).progress["step"] in (2, 3)


@pytest.mark.parametrize("fault", ["ENOSPC", "EPERM", "EIO", "die"])
def test_each_call_of_a_first_save_fails_in_turn(tmp_path: Path, fault: str) -> None:
    counter = Faulty()
    save(tmp_path / "count.safetensors", small_session(1), counter, new=True)
    for at in range(len(counter.calls)):
        path = tmp_path / f"demo{at}.safetensors"
        try:
            save(path, small_session(1), Faulty(at, fault), new=True)
        except (Died, SessionError):
            pass
        else:
            assert path.exists()
        if path.exists():
            assert load(path).progress["step"] == 1
        else:
            save(path, small_session(1), new=True)


@pytest.mark.parametrize("fault", ["ENOSPC", "EPERM", "EIO", "die"])
def test_each_call_of_setting_aside_fails_in_turn(tmp_path: Path, fault: str) -> None:
    for at in range(40):
        folder = tmp_path / str(at)
        folder.mkdir()
        path = folder / "demo.safetensors"
        save(path, small_session(1))
        save(path, small_session(2))
        path.write_bytes(b"\0" * 100)
        files = Faulty(at, fault)
        with suppress(Died, SessionError):
            set_aside(path, files)
        assert steps_kept(path) == 1
        if at >= len(files.calls):
            assert load(path).progress["step"] == 1
            return
    raise AssertionError("more calls than expected")


@pytest.mark.parametrize("fault", ["ENOSPC", "EPERM", "EIO", "die"])
@pytest.mark.parametrize(
    "do",
    [lambda folder, files: rename(folder, "a", "b", files), lambda folder, files: copy(folder, "a", "b", files)],
    ids=["rename", "copy"],
)
def test_each_call_of_renaming_and_copying_fails_in_turn(
    tmp_path: Path, fault: str, do: Callable[[Path, Files], Path]
) -> None:
    for at in range(80):
        folder = tmp_path / str(at)
        folder.mkdir()
        save(folder / "a.safetensors", small_session(1))
        save(folder / "a.safetensors", small_session(2))
        files = Faulty(at, fault)
        with suppress(Died, SessionError):
            do(folder, files)
        whole = [p for p in (folder / "a.safetensors", folder / "b.safetensors") if p.exists()]
        assert whole and all(load(p).progress["step"] == 2 for p in whole)
        if at >= len(files.calls):
            return
    raise AssertionError("more calls than expected")


@pytest.mark.parametrize("fault", ["EIO", "EACCES"])
def test_each_call_of_reading_fails_in_turn(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "demo.safetensors"
    save(path, small_session(1))
    save(path, small_session(2))
    counter = Faulty()
    load(path, counter)
    for at in range(len(counter.calls)):
        try:
            assert load_or_previous(path, Faulty(at, fault)).progress["step"] in (1, 2)
        except SessionError as error:
            assert str(error).startswith("demo can't be opened: ")
    assert set(os.listdir(tmp_path)) == {"demo.safetensors", ".demo.previous.safetensors"}


def test_data_reach_the_disk_before_the_name_does(tmp_path: Path) -> None:
    files = Faulty()
    path = tmp_path / "demo.safetensors"
    save(path, small_session(1))
    save(path, small_session(2), files)
    last = len(files.calls) - 1
    renamed = last - files.calls[::-1].index("replace")
    assert max(k for k, call in enumerate(files.calls) if call == "write") < files.calls.index("fsync") < renamed
    assert files.calls.index("link") < renamed < files.calls.index("fsync_folder")


@pytest.mark.parametrize(
    ("code", "words"),
    [("ENOSPC", "disk is full"), ("EDQUOT", "quota"), ("EFBIG", "larger than allowed"), ("EROFS", "read-only"),
     ("EACCES", "no permission"), ("ENOENT", "is gone"), ("EIO", "disk reported an error")],
)  # fmt: skip
def test_sentences(tmp_path: Path, code: str, words: str) -> None:
    path = tmp_path / "demo.safetensors"
    save(path, small_session(1))
    with pytest.raises(SessionError, match=words) as caught:
        save(path, small_session(2), Faulty(2, code))
    assert str(tmp_path) in str(caught.value) and str(caught.value).count("; ") == 2


def test_a_copy_that_fails_says_so(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", small_session(1))
    counter = Faulty()
    copy(tmp_path, "a", "b", counter)
    with pytest.raises(SessionError, match=r"^c was not saved: the disk is full"):
        copy(tmp_path, "a", "c", Faulty(counter.calls.index("write"), "ENOSPC"))
    assert not (tmp_path / "c.safetensors").exists() and not temporary(tmp_path)


def test_folder_gone(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with pytest.raises(SessionError, match=r"the folder .*gone is gone; make it again or choose another"):
        save(folder / "demo.safetensors", small_session(1))
    assert not folder.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="is gone"):
        save(tmp_path / "file" / "demo.safetensors", small_session(1))
    with pytest.raises(SessionError, match="no folder"):
        prepare_folder(tmp_path / "file")


def test_limit_of_the_file_size(tmp_path: Path) -> None:
    code = (
        "import pathlib, resource, sys\n"
        "from rnn_tui.session import *\n"
        "from tests.session_builder import small_session\n"
        "path = pathlib.Path(sys.argv[1]) / 'demo.safetensors'\n"
        "save(path, small_session(1)); before = path.read_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    save(path, small_session(2))\n"
        "except SessionError as error:\n"
        "    assert 'larger than allowed' in str(error)\n"
        "    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_dead_writers_files_are_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = [f".a.{dead.pid}.tmp", ".a.previous.999999999.tmp"]
    keep = [f".b.{os.getpid()}.tmp", ".notes.tmp", "c.1.tmp"]
    for name in old + keep:
        (tmp_path / name).write_text("")
    assert sweep(tmp_path) == 0
    moment = (tmp_path / old[0]).stat().st_mtime
    assert sweep(tmp_path, now=moment + 3700) == 2
    assert sorted(os.listdir(tmp_path)) == sorted(keep)
    # A file that is older than the process of its pid has another writer, who is dead.
    os.utime(tmp_path / keep[0], (1.0, 1.0))
    list_sessions(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(keep[1:])
    (tmp_path / f".demo.{os.getpid()}.tmp").write_text("left by a process of the same number")
    save(tmp_path / "demo.safetensors", small_session(1))
    assert load(tmp_path / "demo.safetensors").progress["step"] == 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "demo.safetensors"
    save(path, small_session(6))
    return path.read_bytes()


def refused(path: Path, raw: bytes, kind: type[SessionError] = SessionError) -> str:
    path.write_bytes(raw)
    with pytest.raises(kind) as caught:
        load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


def test_every_truncation_is_found(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "demo.safetensors"
    for length in (*range(24), *range(24, len(whole), 61), len(whole) - 1):
        refused(path, whole[:length], DamagedError)
    refused(path, whole + b"\0", DamagedError)


def test_every_flipped_bit_is_found(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "demo.safetensors"
    draw = random.Random(1)
    header = int.from_bytes(whole[:8], "little") + 8
    places = [draw.randrange(len(whole) * 8) for _ in range(300)]
    places += [draw.randrange(header * 8) for _ in range(400)]
    places += [*range(64), *range(header * 8 - 64, header * 8)]
    for place in places:
        raw = bytearray(whole)
        raw[place // 8] ^= 1 << place % 8
        refused(path, bytes(raw), DamagedError)


def test_a_mangled_header_is_refused(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "demo.safetensors"
    draw = random.Random(2)
    length = int.from_bytes(whole[:8], "little")
    header, rest = whole[8 : 8 + length], whole[8 + length :]
    parts = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"9" * 30, b"-1", b"\\", b"\\u0000", b"null", b"1e999",
             b"\xff", b'"F64"', b"__metadata__", b"../../etc/x\x1b[2J", b"[" * 100_000, b'{"a":' * 5000]  # fmt: skip
    for _ in range(300):
        raw = bytearray(header)
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(raw))
            raw[start : start + draw.randint(0, 20)] = draw.choice(parts)
        if bytes(raw) != header:
            refused(path, len(raw).to_bytes(8, "little") + bytes(raw) + rest)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32"}}', "twice"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}', "gap"),
        (b'{"a":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}', "can't be"),
        (b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}', "speaks of"),
        (b'{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,-8]}}', "can't be"),
        (b'{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}', "can't be"),
        (b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}', "can't be"),
        (b'{"__metadata__":{"format":1}}', "no strings"),
        (b'{"__metadata__":{"format":"pt"}}', "not a session"),
        (b'{"a":' + b"[" * 200_000, "levels"),
        (b'{"' + b'\\"' * 1_000_000, "not JSON"),
        (b"{" + b" " * (4 << 20), "at most 4,194,304"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_headers_that_lie(tmp_path: Path, header: bytes, words: str) -> None:
    raw = len(header).to_bytes(8, "little") + header + b"\0" * 8 * (b"shape" in header)
    assert words in refused(tmp_path / "demo.safetensors", raw, DamagedError)


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    assert "a zip or torch file" in refused(path, b"PK\x03\x04" + b"\0" * 100)
    assert "a pickle" in refused(path, b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.")
    assert "a numpy file" in refused(path, b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}")
    assert "empty" in refused(path, b"")
    assert "not a session" in refused(path, b"hello, world")
    assert os.listdir(tmp_path) == ["demo.safetensors"]


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    target = tmp_path / "target.safetensors"
    save(target, small_session(1))
    before = target.read_bytes()
    (tmp_path / "link.safetensors").symlink_to(target)
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "fifo.safetensors")
    (tmp_path / "device.safetensors").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(tmp_path / "socket.safetensors"))
    for name in ("link", "folder", "fifo", "device", "socket"):
        path = tmp_path / f"{name}.safetensors"
        with pytest.raises(SessionError, match="link or no plain file"):
            load(path)
        with pytest.raises(SessionError, match="not a plain file"):
            save(path, small_session(2))
    server.close()
    assert target.read_bytes() == before
    assert [row.fault == "" for row in list_sessions(tmp_path)].count(True) == 1


def test_a_damaged_session_can_still_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "demo.safetensors").write_bytes(b"PK")
    delete(tmp_path, "demo")
    assert os.listdir(tmp_path) == []


KILLED = """
import os, pathlib, random, signal, sys
from rnn_tui.session import Lock, load, save
from tests.session_builder import small_session
folder, draw = pathlib.Path(sys.argv[1]), random.Random(3)
path, reached, spread = folder / 'demo.safetensors', 0, set()
sessions = [small_session(k) for k in range(1, 41)]
for _ in range(20):
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Lock(path, 'training'):
                stamp = None
                while True:
                    reached = reached % 39 + 1
                    session = sessions[reached - 1]
                    session.progress['step'] = session.progress['tokens'] = reached
                    save(path, session)
                    os.write(tell, bytes([reached]))
        finally:
            os._exit(1)
    os.close(tell)
    last = 0
    for _ in range(draw.randint(1, 6)):
        last = os.read(told, 1)[0]
    for _ in range(draw.randrange(200_000)):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while rest := os.read(told, 1):
        last = rest[0]
    os.close(told)
    with Lock(path, 'looking'):
        found = load(path)
    reached = found.progress['step']
    assert reached in (last, last % 39 + 1), (reached, last)
    assert found.tensors['history.step'].shape == (reached,)
print('20 kills', len([n for n in os.listdir(folder) if n.endswith('.tmp')]))
"""


def test_killed_while_it_saves(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("20 kills"), done.stderr

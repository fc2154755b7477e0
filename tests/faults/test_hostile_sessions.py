"""Sessions of strangers: each is opened, or refused in one sentence, by every command; nothing else happens."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_tui.session import (
    Lock,
    SessionError,
    check_name,
    last_session,
    list_sessions,
    load,
    recent_folders,
    save,
    state_folder,
)
from rnn_tui.session import live as live
from tests.command import REPOSITORY, Command, command, trained  # noqa: F401
from tests.faults.forging import forge, parts_of, with_json
from tests.faults.power import Disk, crashes, step_on
from tests.session_builder import small_session
from tests.soak.soak_files import headers

BAD_NAMES = (
    "", " ", ".", "..", "../x", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "~", "~root", "-x", "--json", "_x",
    ".hidden", "a\0b", "a\nb", "name\n", "\nname", "a\tb", "a\rb", "a b", "a ", "\x1b[2J", "a\x07", "a\x7f", "a\x9b",
    "x" * 65, "x" * 100_000, "\u0430dmin", "na\u00efve", "\uff41", "a\u202eb", "\U0001f600", "a\u0301", "a*", "a?",
    "a:b", "a|b", "$x", "a;b", "'a'", "train", "TRAIN", "eval", "Sessions", "demo.safetensors", "demo.PREVIOUS",
    "demo.previous", "\udcff",
)  # fmt: skip
VERBS = (
    ("sessions", "show", "X"), ("train", "X", "--steps", "1"),
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_are_none_reach_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SessionError) as refused:
        check_name(name)
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 300


def test_every_verb_refuses_names_that_are_none(trained: Command) -> None:  # noqa: F811
    before = sorted(os.listdir(trained.sessions))
    # Which names are none is one check, above: here each verb is to have made it, before anything else.
    for args in (
        ("eval", "../demo"), ("generate", "\x1b[2J\n"), ("trace", "x" * 65, "--text", "a"),
        ("train", "../demo", "--steps", "1"), ("train", "--new", "../demo"), ("sessions", "show", "\x1b[2J\n"),
        ("sessions", "copy", "demo", "../demo"), ("sessions", "rename", "demo", "../demo"),
        ("sessions", "delete", "../demo", "--yes"), ("sessions", "export", "../demo", "--as", "csv"),
        ("train", "--new", "x" * 65), ("sessions", "rename", "demo", "\x1b[2J\n"),
    ):  # fmt: skip
        found = trained(*args)
        assert found.code in (1, 2) and "can't be a session's name" in found.error, args
    assert sorted(os.listdir(trained.sessions)) == before


NAN, INF = float("nan"), float("inf")


def _filled(value: float, *ends: str) -> Any:
    return lambda tensors: {
        name: np.full_like(a, value) if name.startswith(ends[0]) and name.endswith(ends[1:] or "") else a
        for name, a in tensors.items()
    }


def _put(**changes: Any) -> Any:
    return lambda tensors: {**tensors, **{name.replace("__", "."): array for name, array in changes.items()}}


def _without(*starts: str) -> Any:
    return lambda tensors: {name: a for name, a in tensors.items() if not name.startswith(starts)}


def _moment(shape: tuple[int, ...]) -> Any:
    return lambda tensors: {**tensors, "optimizer.output.bias.exp_avg": np.zeros(shape, np.float32)}


def _carried(rows: int) -> Any:
    return lambda tensors: {n: np.zeros((rows, 8), "f4") if n.startswith("carry") else a for n, a in tensors.items()}


OPENS: dict[str, Any] = {
    "weights that are NaN": _filled(NAN, "model."),
    "weights that are infinite": _filled(INF, "model."),
    "moments that are NaN": _filled(NAN, "optimizer.", "exp_avg_sq"),
    "moments below zero": _filled(-1.0, "optimizer.", "exp_avg_sq"),
    "an optimizer at step -3": _filled(-3.0, "optimizer.", ".step"),
    "half of a moment": _without("optimizer.output.bias.exp_avg_sq"),
    "no optimizer": _without("optimizer."),
    "a state of other streams": _carried(7),
    "a state of no streams": _carried(0),
    "a state that is NaN": _filled(NAN, "carry."),
    "a history of steps alone": lambda t: {n: a for n, a in t.items() if n[:8] != "history." or n == "history.step"},
    "a history that is infinite": _filled(-INF, "history.", "loss"),
}
REFUSED: dict[str, Any] = {
    "a moment that is one number": _moment(()),
    "a moment of another shape": _moment((3,)),
    "a history that goes back": lambda t: {**t, "history.step": t["history.step"][::-1]},
    "a history of the future": lambda t: {**t, "history.step": t["history.step"] + 10**15},
    "a history of too many updates": lambda t: {**t, "history.steps": t["history.steps"] + 2**62},
}
PROGRESS: dict[str, dict[str, Any]] = {
    "step": {"step": 2**62}, "step below zero": {"step": -1}, "step 1.5": {"step": 1.5}, "no cursor": {"cursor": None},
    "cursor": {"cursor": [1, "x", {}]}, "schedule": {"schedule": [1e308, None, 0]}, "bad": {"bad_validations": [1]},
    "checked": {"checked_step": "x"}, "norm": {"grad_norm": "x"}, "rate": {"learning_rate": {}},
    "tokens": {"tokens": -5},
}  # fmt: skip
TOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "a cursor far away": ("progress", {"cursor": [2**60, 2**60, 2**60]}),
    "nothing planned": ("progress", {"planned": 0}),
    "no losses": ("progress", {"train_loss": None, "val_loss": None, "best_loss": 1e308, "epoch": -1e308}),
    "events of junk": ("progress", {"events": [1, None, {"step": "x"}, {}] * 3000}),
    "a title that drives": ("progress", {"title": "\x1b]0;PWNED\x07[/foo]" * 9000}),
    "a billion threads": ("resolved", {"threads": 10**9, "threads_free": False}),
    "threads of junk": ("resolved", {"threads": [], "threads_free": "x"}),
    "another machine": ("resolved", {"device": "cuda", "precision": "float8", "torch": 7, "processor": None}),
}


@pytest.mark.parametrize("case", [*OPENS, *REFUSED, *PROGRESS, *TOLD])
def test_whatever_it_holds_a_command_ends_in_one_sentence(
    trained: Command, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    tensors, texts = parts_of(trained.sessions / "demo.safetensors")
    if case in OPENS or case in REFUSED:
        tensors = {**OPENS, **REFUSED}[case](tensors)
    else:
        texts = with_json(texts, *(("progress", PROGRESS[case]) if case in PROGRESS else TOLD[case]))
    forge(tmp_path / "hostile.safetensors", tensors, texts)
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(tmp_path))
    refused = case in REFUSED or case in PROGRESS
    for verb in VERBS[-1:] if case in OPENS else VERBS:
        found = trained(*("hostile" if part == "X" else part for part in verb))
        assert found.code in (0, 1) and "\x1b" not in found.err
        assert "failed" not in found.err and "fault of rnn-lab" not in found.err and "Traceback" not in found.err
        if refused and found.code:
            assert "hostile can't be opened: " in found.error
    assert not refused or found.code == 1


@pytest.mark.parametrize("state", ["zeros", "noise", "short", "of a GPU", "missing"])
def test_random_numbers_that_are_none_begin_anew(
    trained: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str  # noqa: F811
) -> None:  # fmt: skip
    from rnn_tui.lab import Lab

    tensors, texts = parts_of(trained.sessions / "demo.safetensors")
    draw = np.random.default_rng(1)
    foreign = {"zeros": np.zeros(5056, "u1"), "noise": draw.integers(0, 256, 5056).astype("u1"),
               "short": np.zeros(3, "u1"), "of a GPU": np.zeros(16, "u1")}  # fmt: skip
    tensors = _without("rng.dropout")(tensors) if state == "missing" else {**tensors, "rng.data": foreign[state]}
    forge(tmp_path / "demo.safetensors", tensors, texts)
    with Lab(tmp_path) as lab:
        lab.open("demo")
        status = lab.wait(60)
        assert "random numbers" in status.notice and not status.exact and not status.fault
        lab.train(steps=2)
        assert lab.wait(60).step == 27


def test_symbols_that_the_task_can_not_have(trained: Command, tmp_path: Path) -> None:  # noqa: F811
    tensors, texts = parts_of(trained.sessions / "demo.safetensors")
    for task in ("tagging", "classification", "composing", "translation", "forecasting", "adding", "copying", "recall"):
        forge(tmp_path / "demo.safetensors", tensors, with_json(texts, "config", {"data.task": task}))
        with pytest.raises(SessionError, match=r"can't be opened: .*(symbols|tensor|model\.)"):
            load(tmp_path / "demo.safetensors")


def test_companions_of_a_stranger(trained: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    shutil.copy(trained.sessions / "demo.safetensors", tmp_path / "demo.safetensors")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    monkeypatch.setenv("RNN_LAB_SESSIONS", str(tmp_path))
    for name in (".demo.previous.safetensors", ".demo.lock", ".demo.live", ".demo.take", "gallery.json"):
        for make in (lambda p: p.symlink_to(secret), os.mkfifo, os.mkdir, lambda p: p.write_bytes(b"[" * 100_000)):
            path = tmp_path / name
            make(path)
            assert [row.name for row in list_sessions(tmp_path) if not row.fault] == ["demo"]
            assert trained("eval", "demo").code == 0
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("name", [".demo.lock", ".demo.live", ".demo.take"])
def test_a_companion_that_is_a_session_by_another_name_too_is_not_written(
    trained: Command, tmp_path: Path, name: str  # noqa: F811
) -> None:  # fmt: skip
    """An archive can hold a file under two names; companions are written in place."""
    for copied in ("demo", "mine"):
        shutil.copy(trained.sessions / "demo.safetensors", tmp_path / f"{copied}.safetensors")
    mine = (tmp_path / "mine.safetensors").read_bytes()
    os.link(tmp_path / "mine.safetensors", tmp_path / name)
    path = tmp_path / "demo.safetensors"
    with Lock(path, "training"):
        for _ in range(2):
            live.write_live(path, live.now_live(phase="training"))
            live.write_request(path, live.request("look"))
        assert live.read_live(path) is not None and live.read_request(path) is not None
    assert (tmp_path / "mine.safetensors").read_bytes() == mine


def test_a_list_of_recent_folders_of_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNN_LAB_STATE", str(tmp_path))
    entries = [b"[[[[", b"{}", b"[1, null, {}]", b"\xff", b"[" * 500_000, b'[{"folder": 1, "session": []}]']
    names = ["x" * 5000, "a\\u0000b", "\\ud800", "/dev/null", "loop"]
    entries += [f'[{{"folder": "{name}", "session": "../../etc/passwd", "time": 1e999}}]'.encode() for name in names]
    for raw in entries:
        (state_folder() / "recent.json").write_bytes(raw)
        assert recent_folders() == () and last_session(Path("loop")) == ""


def test_an_empty_header_is_refused(tmp_path: Path) -> None:
    for raw in (bytes(8) + b"{", b"\1" + bytes(7) + b"{", b"\2" + bytes(7) + b"{}"):
        (tmp_path / "demo.safetensors").write_bytes(raw)
        with pytest.raises(SessionError, match="can't be opened"):
            load(tmp_path / "demo.safetensors")


def test_mutated_headers_are_refused_at_once(tmp_path: Path) -> None:
    slowest, growth = headers(tmp_path, 500, seed=random.SystemRandom().randrange(2**32))
    assert slowest < 2 and growth < 50 << 20


LARGE = """
import pathlib, resource, sys
import numpy as np
from rnn_tui.session import SessionError, load
path = pathlib.Path(sys.argv[1])
load(path.with_name("demo.safetensors"))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
try:
    load(path)
except SessionError as error:
    print(peak() - before, path.stat().st_size, str(error)[:80])
"""


@pytest.mark.parametrize("lie", ["a vocabulary of one letter", "ends of four million symbols"])
def test_a_large_lie_takes_little_memory(trained: Command, tmp_path: Path, lie: str) -> None:  # noqa: F811
    tensors, texts = parts_of(trained.sessions / "demo.safetensors")
    forge(tmp_path / "demo.safetensors", tensors, texts)
    tensors["vocabulary"] = np.full(40_000_000, 97, "u1")
    if lie.startswith("ends"):
        tensors["vocabulary"] = tensors["vocabulary"][: 1 << 22]
        tensors["vocabulary.ends"] = np.arange(1, (1 << 22) + 1)
    path = forge(tmp_path / "large.safetensors", tensors, texts)
    done = subprocess.run([sys.executable, "-c", LARGE, path], cwd=REPOSITORY, capture_output=True, text=True)
    grown, size = map(int, done.stdout.split()[:2])
    assert "large can't be opened" in done.stdout and grown <= 2 * size + (100 << 20)


def test_a_thousand_sessions_are_listed_from_their_headers(tmp_path: Path) -> None:
    save(tmp_path / "s0.safetensors", small_session(1))
    raw = (tmp_path / "s0.safetensors").read_bytes()
    for k in range(1, 1000):
        (tmp_path / f"s{k}.safetensors").write_bytes(raw)
    start = time.process_time()
    rows = list_sessions(tmp_path)
    assert len(rows) == 1000 and not any(row.fault for row in rows)
    assert time.process_time() - start < 4


def test_every_disk_that_a_power_cut_leaves_has_the_last_save_or_the_one_before() -> None:
    for k, crash in enumerate(crashes(("die", "EIO", "short"))):
        if k % 17 == 0:
            assert step_on(crash.disk) in crash.allowed, crash.kind


def test_without_flushing_a_power_cut_is_found_to_lose_the_save(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        for crash in crashes(("die",)):
            try:
                if step_on(crash.disk) not in crash.allowed:
                    return True
            except SessionError:
                return True
        return False

    monkeypatch.setattr(Disk, "fsync", lambda self, fd: self._call("fsync"))
    assert broken()

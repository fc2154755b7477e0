# ruff: noqa: F811  (fixtures are imported, and asked for by their names)
"""Saving is all or nothing, told as it is, and tried again; training goes on whatever happens to it."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from rnn_tui import session
from rnn_tui.app.app import LabApp
from rnn_tui.config import Config, put
from rnn_tui.lab import Lab, LabError, keeping
from rnn_tui.lab.keeping import FIRST_RETRY, SAVING_SHARE, Keeper, Kept, place_of
from rnn_tui.session.files import FILES, Files
from rnn_tui.training.run import Run
from rnn_tui.views import Phase
from tests.app.fakes import FakeLab
from tests.command import TEXT, Command, command, environment  # noqa: F401
from tests.faults.waiting import until
from tests.lab.conftest import folder, lab, small, text_file  # noqa: F401
from tests.session_builder import small_session

WAIT = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def long(small: Config) -> Config:
    """Trains on until it is stopped, and saves each second."""
    return put(put(small, "training.steps", 1_000_000), "training.autosave_seconds", 1)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again after a twentieth of a second, however slow this disk is."""
    monkeypatch.setattr(keeping, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(keeping, "SAVING_SHARE", 1.0)


def breaks(call: str, number: int) -> Callable[..., Any]:
    """A call to the file system that fails wherever a save makes it."""
    real = getattr(Files(), call)

    def broken(*args: Any) -> Any:
        if call == "open" and not args[1] & os.O_CREAT:
            return real(*args)
        raise OSError(number, os.strerror(number))

    return broken


FAULTS = (
    ("write", errno.ENOSPC, "the disk is full"),
    ("fsync", errno.EDQUOT, "quota is used up"),
    ("write", errno.EFBIG, "larger than allowed"),
    ("replace", errno.EIO, "the disk reported an error"),
    ("open", errno.EROFS, "is read-only"),
    ("open", errno.EACCES, "no permission"),
    ("fsync_folder", errno.EIO, "may not survive a power cut"),
)


def hurry(lab: Lab) -> None:
    """Have it save now, as its clock would."""
    keeper = lab._trains._keeper
    assert keeper is not None
    keeper.hurry(0.0)


def test_training_goes_on_it_is_told_and_tried_again(
    lab: Lab, long: Config, soon: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.create(long, "one")
    lab.set_pace(30)
    lab.train()
    until(lambda: lab.status.saved_step > 0)
    for call, number, words in FAULTS:
        with monkeypatch.context() as patch:
            first = lab.status.saved_step
            patch.setattr(FILES, call, breaks(call, number))
            hurry(lab)
            until(lambda: lab.status.save_failed)
            status = lab.status
            assert words in status.fault and str(folder) in status.fault and "save as: 6, a" in status.fault
            assert status.fault.startswith(f"not saved since step {status.saved_step:,}")
            assert status.saved_step >= first
            until(lambda since=status: lab.status.step > since.step)  # type: ignore[misc]
            # Gone but for the moments of another attempt.
            until(lambda: not list(folder.glob(".*.tmp")))
            # A save that is asked for tells the same, and never that it saved.
            lab.save()
            lab.pause()
            ended = lab.wait(WAIT)
            assert ended.save_failed and words in ended.fault and "saved one" not in ended.notice
            assert ended.saved_step == status.saved_step < ended.step
        # Nothing trains, nobody asks: it is tried again all the same.
        until(lambda: "saved again" in lab.status.notice)
        assert lab.status.fault == "" and not lab.status.save_failed
        assert lab.status.saved_step == lab.status.step == session.load(folder / "one.safetensors").progress["step"]
        lab.train()


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(keeping, "time", found)
    return found


def kept(number: int, seconds: float = 0.0) -> Kept:
    return Kept(small_session(number), ("contents", number), number, number, seconds)


def test_what_failed_is_tried_again_after_seconds_and_then_less_often(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(folder)
    keeper.claim("one")
    keeper.start_clock(30)
    monkeypatch.setattr(FILES, "write", breaks("write", errno.ENOSPC))
    gaps = []
    for number in range(1, 9):
        assert not keeper.write(kept(number))
        failed = clock.now
        while not keeper.due:
            clock.now += 0.25
        gaps.append(clock.now - failed)
        keeper.start_clock(30)
    assert gaps == [FIRST_RETRY * factor for factor in (1, 2, 4, 8)] + [30.0] * 4
    monkeypatch.undo()
    keeper.release()


@pytest.mark.parametrize(("copying", "writing"), [(0.0, 0.0), (0.1, 0.2), (0.0, 3.0), (3.0, 0.5)])
def test_saving_takes_at_most_a_fiftieth_of_the_time_its_copy_included(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, copying: float, writing: float
) -> None:
    keeper = Keeper(folder)
    keeper.claim("one")
    real = FILES.fsync

    def slow(fd: int) -> None:
        clock.now += writing
        real(fd)

    monkeypatch.setattr(FILES, "fsync", slow)
    keeper.start_clock(30)
    spent, began = 0.0, clock.now
    for number in range(1, 6):
        while not keeper.due:
            clock.now += 0.25
        keeper.start_clock(30)
        clock.now += copying
        before = clock.now
        assert keeper.write(kept(number, copying))
        spent += copying + clock.now - before
    while not keeper.due:
        clock.now += 0.25
    assert spent == pytest.approx(5 * (copying + writing))
    assert spent / (clock.now - began) <= SAVING_SHARE
    # Not stretched further than it must be.
    assert clock.now - began <= 6 * max(30.0, 50 * (copying + writing)) + 5 * (copying + writing) + 6
    keeper.release()


def test_the_next_autosave_waits_for_the_one_before(
    lab: Lab, long: Config, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes longer for a save than there is between two is never given two at once."""
    go_on = threading.Event()
    writes = []
    real = FILES.fsync

    def held(fd: int) -> None:
        writes.append(fd)
        go_on.wait(WAIT)
        real(fd)

    lab.create(long, "one")
    lab.set_pace(30)
    lab.train()
    until(lambda: lab.status.saved_step > 0)
    monkeypatch.setattr(FILES, "fsync", held)
    hurry(lab)
    until(lambda: writes)
    step = lab.status.step
    hurry(lab)
    until(lambda: lab.status.step > step + 10)
    assert len(writes) == 1 and not lab._trains._to_write
    go_on.set()


def digest(arrays: dict[str, np.ndarray]) -> str:
    """Of all that a run's next step depends on."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        if name.startswith(("model.", "optimizer.", "carry.", "rng.")):
            found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def test_all_of_a_file_is_of_one_step(
    lab: Lab, long: Config, soon: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved while it trains: weights, moments, carried state and generators are those right after a step."""
    after: dict[int, str] = {}
    real_step, real_replace, saves = Run.step, FILES.replace, []

    def step(run: Run) -> None:
        real_step(run)
        after[run.progress.step] = digest(run.arrays())

    def replace(source: Path, target: Path) -> None:
        if target.name == "one.safetensors":
            saves.append(shutil.copy(source, tmp_path / f"save-{len(saves)}.safetensors"))
        real_replace(source, target)

    monkeypatch.setattr(Run, "step", step)
    monkeypatch.setattr(FILES, "replace", replace)
    lab.create(put(long, "model.dropout", 0.2), "one")
    lab.set_pace(100)
    lab.train()
    for _ in range(6):
        until(lambda: lab.status.saved_step > 0)
        saved = lab.status.saved_step
        hurry(lab)
        until(lambda saved=saved: lab.status.saved_step > saved)  # type: ignore[misc]
    lab.close()
    assert len(saves) >= 6
    for path in saves:
        found = session.load(Path(path))
        made = found.progress["step"]
        assert digest(found.tensors) == after[made], made
        assert found.tensors["history.step"][-1] == made
        assert found.progress["tokens"] == made * 40


def test_save_as_goes_elsewhere_while_the_disk_is_full(
    lab: Lab, long: Config, soon: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.create(long, "one")
    lab.set_pace(30)
    lab.train()
    until(lambda: lab.status.saved_step > 0)
    real = FILES.open

    def full(path: Path, flags: int, mode: int = 0o644) -> int:
        if flags & os.O_CREAT and path.parent == folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, mode)

    monkeypatch.setattr(FILES, "open", full)
    hurry(lab)
    until(lambda: lab.status.save_failed)
    elsewhere = tmp_path / "other" / "disk"
    for bad in ("a/b/.x", "a/train", f"{elsewhere}/", "x\0y/two", "~nobody-of-this-name/two"):
        with pytest.raises(LabError):
            lab.save_as(bad)
    (tmp_path / "file").touch()
    lab.save_as(f"{tmp_path}/file/two")
    until(lambda: "file" in lab.status.fault)
    assert lab.status.session == "one" and lab.folder == folder
    lab.save_as("two")
    until(lambda: "two: not saved yet" in lab.status.fault)
    assert lab.status.session == "one" and not list(folder.glob("two*")) and not list(folder.glob(".two.lock"))
    lab.save_as(f"{elsewhere}/two")
    until(lambda: lab.status.session == "two")
    status = lab.status
    assert (status.save_failed, status.fault, lab.folder) == (False, "", elsewhere)
    assert str(elsewhere) in status.notice
    hurry(lab)
    until(lambda: lab.status.saved_step > status.saved_step)
    assert session.last_session(elsewhere) == "two" and elsewhere in session.recent_folders()
    assert session.holder(folder / "one.safetensors") is None
    lab.close()
    assert session.load(elsewhere / "two.safetensors").progress["step"] == lab.status.step


def test_a_place_is_read_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path / "sessions"
    assert place_of(here, " one ") == (here, "one")
    assert place_of(here, "backup/one") == (tmp_path / "backup", "one")
    assert place_of(here, "~/runs/one") == (tmp_path / "home" / "runs", "one")
    assert place_of(here, "/one") == (Path("/"), "one")


def replaced(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


def changed(folder: Path) -> None:
    path = folder / "one.safetensors"
    shutil.copy(path, folder / "x")
    os.replace(folder / "x", path)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (replaced, "is gone"),
        (lambda folder: (folder / "one.safetensors").unlink(), "removed by another program"),
        (changed, "changed by another program"),
    ],
)
def test_a_folder_or_file_that_others_took_is_not_made_again_in_silence(
    lab: Lab, long: Config, soon: None, folder: Path, tmp_path: Path, fault: Callable[[Path], object], words: str
) -> None:
    lab.create(long, "one")
    lab.set_pace(30)
    lab.train()
    until(lambda: lab.status.saved_step > 0)
    lab.pause()
    lab.wait(WAIT)
    until(lambda: lab.status.saved_step == lab.status.step)
    fault(folder)
    theirs = (folder / "one.safetensors").read_bytes() if words.startswith("changed") else None
    lab.train()
    lab.save()
    until(lambda: lab.status.save_failed)
    status = lab.status
    assert words in status.fault and "6, a" in status.fault
    until(lambda: lab.status.step > status.step + 5)
    if theirs is None:
        assert not (folder / "one.safetensors").exists()
    else:
        assert (folder / "one.safetensors").read_bytes() == theirs
    lab.save_as(f"{tmp_path}/mine/one")
    until(lambda: not lab.status.save_failed)
    assert lab.folder == tmp_path / "mine" and lab.status.fault == ""


def test_a_session_that_cannot_be_saved_is_not_left(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("two", "one"):
        lab.create(small, name)
        lab.train(steps=2)
        lab.wait(WAIT)
    lab.train(steps=1)
    lab.wait(WAIT)
    until(lambda: lab.status.saved_step == 3)
    with monkeypatch.context() as patch:
        patch.setattr(FILES, "write", breaks("write", errno.ENOSPC))
        lab.set_notes("worth keeping")
        lab.open("two")
        status = lab.wait(WAIT)
        assert "one is still open" in status.fault and "disk is full" in status.fault and status.session == "one"
        lab.rename("three")
        assert lab.wait(WAIT).session == "three"
    assert lab.close() and lab.status.saved_step == 3
    assert session.load(folder / "three.safetensors").notes == "worth keeping"


def test_at_the_end_a_save_that_failed_is_told(folder: Path, small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(folder) as lab:
        lab.create(small, "one")
        monkeypatch.setattr(FILES, "fsync", breaks("fsync", errno.EIO))
        lab.train(steps=3)
        lab.wait(WAIT)
    assert lab.status.save_failed and lab.status.fault.startswith("not saved yet")
    assert lab.status.saved_step == -1 and not list(folder.glob("*.safetensors"))


@pytest.fixture
def file_limit() -> Iterator[None]:
    """The files of this process may be 20 kB long."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_command_tells_and_its_exit_status_does(command: Command, file_limit: None) -> None:
    found = command.train("demo", "--steps", "3", "--json")
    assert found.code == 1 and found.json["steps"] == 3
    assert "not saved yet" in found.error and "larger than allowed" in found.error
    assert not list(command.sessions.glob("*.safetensors"))


def test_the_command_tells_also_where_the_step_is_in_the_file_already(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validation at the end is not in the file, and so it is not saved, though its step is."""
    real, saves = FILES.link, []

    def link(source: Path, target: Path) -> None:
        saves.append(target)
        if len(saves) > 1:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(FILES, "link", link)
    found = command.train("demo", "--steps", "1", "--json")
    assert session.load(command.sessions / "demo.safetensors").progress["step"] == 1 == found.json["steps"]
    assert found.code == 1 and "disk reported an error" in found.error and "since step 1" in found.error


async def test_the_app_says_of_a_save_what_came_of_it(tmp_path: Path) -> None:
    """Also where the step is in the file already: its notes may not be."""
    fake = FakeLab(tmp_path)
    fake.give_session()
    fake.run_to(500, Phase.PAUSED)
    fake.change(saved_step=500)
    fault = "not saved since step 500: the disk is full (/x/sessions); free some space (save as: 6, a)"
    fake.save = lambda: fake.change(save_failed=True, fault=fault)  # type: ignore[method-assign]
    for size in ((80, 24), (40, 12)):
        fake.change(save_failed=False, fault="")
        async with LabApp(cast(Lab, fake)).run_test(size=size) as pilot:
            app = cast(LabApp, pilot.app)
            await pilot.press("w")
            await pilot.pause(0.3)
            said = f"{app.frame.message.text} {app.frame.keys.text}"
            assert "not saved since step 500" in said and "saving" not in said
            assert "not saved" in app.frame.status.text
            await pilot.press("6", "a")
            await pilot.pause(0.5)
            assert app.dialog is not None, "it can be saved elsewhere"


IN_A_NAMESPACE = """
import os, subprocess, sys
from pathlib import Path
from rnn_tui.config import parse
from rnn_tui.lab import Lab, keeping
from tests.faults.waiting import until

base = Path(sys.argv[1])
full = base / "full"
full.mkdir()
def mount(*words):
    subprocess.run(["mount", *words], check=True)
mount("-t", "tmpfs", "-o", "size=1m", "none", str(full))
keeping.FIRST_RETRY = 0.1
config = parse({
    "data": {"path": str(base / "text.txt")}, "model": {"hidden_size": 8, "embedding_size": 4},
    "training": {"batch_size": 4, "sequence_length": 8, "steps": 10**9, "autosave_seconds": 1},
})
with Lab(full) as lab:
    lab.create(config, "one")
    lab.set_pace(30)
    lab.train()
    until(lambda: lab.status.saved_step > 0)
    room = os.statvfs(full)
    (full / "ballast").write_bytes(bytes(room.f_bavail * room.f_bsize))
    whole = (full / "one.safetensors").read_bytes()
    until(lambda: lab.status.save_failed)
    assert "the disk is full" in lab.status.fault, lab.status.fault
    assert (full / "one.safetensors").read_bytes() == whole
    (full / "ballast").unlink()
    until(lambda: "saved again" in lab.status.notice)
    assert not lab.status.save_failed and not lab.status.fault
    mount("--bind", str(full), str(full))
    mount("-o", "remount,bind,ro", str(full))
    until(lambda: lab.status.save_failed)
    assert "is read-only" in lab.status.fault, lab.status.fault
    step = lab.status.step
    until(lambda: lab.status.step > step)
    lab.save_as(f"{base}/other/one")
    until(lambda: not lab.status.save_failed)
    assert lab.folder == base / "other" and not lab.status.fault
with Lab(full) as lab:
    lab.open("one")
    status = lab.wait(60)
    assert status.step > 0 and f"nothing can be written in {full}" in status.fault, status
    lab.train()
    assert "to look at only" in lab.wait(60).fault
    lab.create(config, "two")
    assert str(full) in lab.wait(60).fault and lab.status.session == "one"
print("held")
"""


def test_a_disk_that_is_really_full_and_one_that_is_read_only(tmp_path: Path) -> None:
    probe = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    (tmp_path / "text.txt").write_text(TEXT)
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, "-c", IN_A_NAMESPACE, str(tmp_path)],
        cwd=ROOT, env={**os.environ, **environment(tmp_path), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert ran.stdout.endswith("held\n"), ran.stdout + ran.stderr

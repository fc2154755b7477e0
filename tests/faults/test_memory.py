# ruff: noqa: F811  (fixtures are imported, and asked for by their names)
"""Configurations that break machines are refused, and whatever goes wrong in a step leaves the session intact."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from rnn_tui import session
from rnn_tui.app.app import LabApp
from rnn_tui.config import Config, parse, put
from rnn_tui.lab import Lab, board, opening
from rnn_tui.lab.asking import LabError
from rnn_tui.lab.board import Board
from rnn_tui.model import cautions, memory
from rnn_tui.training.trainer import Trainer
from rnn_tui.views import DataView, Part, Phase
from tests.app.fakes import FakeLab
from tests.faults.waiting import until
from tests.lab.conftest import folder, lab, small, text_file  # noqa: F401
from tests.lab.test_lab import losses_in, plain_losses

WAIT = 60.0
ROOT = Path(__file__).parents[2]


def data_of(symbols: int) -> DataView:
    parts = (Part("train", 0, 10**9), Part("validation", 10**9, 10**8))
    return DataView("a", "a", 10**9, symbols, parts, (), (), "", "0" * 64)


@pytest.mark.parametrize(
    ("changes", "symbols"),
    [
        ({"model.hidden_size": 8192, "model.layers": 8}, 65),
        ({"training.batch_size": 65_536, "training.sequence_length": 100_000}, 65),
        ({"model.hidden_size": 4096, "training.batch_size": 256, "training.sequence_length": 256}, 100_000),
        ({"model.embedding_size": 8192}, 1_114_112),
    ],
)
def test_what_no_machine_holds_is_refused_with_the_estimate_and_the_reason(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], symbols: int
) -> None:
    monkeypatch.setattr(opening, "free_bytes", lambda: 16 * 10**9)
    config = Config()
    for key, value in changes.items():
        config = put(config, key, value)
    started = time.monotonic()
    with pytest.raises(LabError, match=r"needs [\d.]+ GB, 16\.0 GB are free; lower hidden_size or batch_size"):
        opening.check_memory(config, data_of(symbols))
    assert time.monotonic() - started < 1.0, "nothing was allocated to find out"


def test_what_a_process_is_held_to_counts_as_what_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, number in (("memory.max", 5_000_000), ("memory.current", 4_000_000)):
        (tmp_path / name).write_text(f"{number}\n")
    (tmp_path / "memory.stat").write_text("anon 3000000\ninactive_file 500000\n")
    monkeypatch.setattr(memory, "_VERSION_2", (tmp_path, memory._VERSION_2[1]))
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("0::/gone/since\n")
    assert memory.free_bytes() == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes() > 1_500_000


LIMITED = """
import resource, sys
from pathlib import Path
import psutil
from rnn_tui.config import parse, put
from rnn_tui.lab import Lab
from rnn_tui.lab.opening import load_engine
from rnn_tui.model import cautions

base = Path(sys.argv[1])
config = parse({
    "data": {"path": str(base / "text.txt")}, "model": {"hidden_size": 8, "embedding_size": 4, "layers": 1},
    "training": {"batch_size": 4, "sequence_length": 8, "steps": 40, "validate_every": 30, "threads": 1},
})
large = put(put(config, "model.hidden_size", 4096), "model.layers", 2)
with Lab(base / "sessions") as lab:
    lab.create(config, "one")
    lab.train(steps=5)
    assert lab.wait(60).step == 5
    limit = psutil.Process().memory_info().vms + 300_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    lab.create(large, "two")
    print(lab.wait(60).fault)
    # As if the estimate had been too low: now the allocation itself fails.
    cautions.SHARE_OF_FREE = 1e9
    lab.create(large, "two")
    print(lab.wait(60).fault)
    assert lab.status.session == "one"
    lab.train()
    status = lab.wait(60)
    print(status.step, status.fault or "no fault", status.session)
"""


def test_an_address_space_that_is_too_small_is_told_and_the_lab_goes_on(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 400)
    ran = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
                         timeout=120)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    refused, failed, after = ran.stdout.splitlines()
    assert refused.startswith("this network can't be built here: needs 10.5 GB,") and " MB are free" in refused
    assert failed.startswith("there is not enough memory: training this network needs about 10.5 GB,"), failed
    assert " MB are free; lower hidden_size" in failed
    assert after == "40 no fault one"


class Breaks:
    """Lets a call through but for the numbered ones, in which `error` is raised instead, or after it."""

    def __init__(self, call: Callable[..., Any], at: set[int], error: Exception, *, after: bool = False) -> None:
        self.call, self.at, self.error, self.after, self.made = call, at, error, after, 0
        # Torch wraps an optimizer's step, but for one that says it is wrapped.
        self.hooked = True

    def __get__(self, instance: Any, kind: Any = None) -> Callable[..., Any]:
        if instance is None:
            return self
        return lambda *args, **options: self(instance, *args, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.made += 1
        if self.made in self.at:
            if self.after:
                self.call(*args, **options)
            raise self.error
        return self.call(*args, **options)


CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "21474836480 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB")
OTHER = ValueError("\x1b[2J[/bold] it \u202e broke\nwith a second line")


@pytest.mark.parametrize(
    ("error", "where"),
    [(CPU, "forward"), (OTHER, "forward"), (CUDA, "update"), (MemoryError(), "update")],
    ids=["cpu", "other", "cuda", "python"],
)
def test_an_error_in_a_step_is_told_and_the_run_is_the_run_without_it(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, where: str
) -> None:
    config = put(put(small, "model.dropout", 0.2), "training.steps", 12)
    log = logging.FileHandler(tmp_path / "lab.log", delay=True)
    log.set_name("rnn-lab")
    logging.getLogger().addHandler(log)
    if where == "forward":
        # After the dropout masks were drawn and the batch was taken.
        monkeypatch.setattr(torch.Tensor, "backward", Breaks(torch.Tensor.backward, {8}, error))
    else:
        # In the middle of it: some weights have moved, and some have not.
        monkeypatch.setattr(torch.optim.AdamW, "step", Breaks(torch.optim.AdamW.step, {8}, error, after=True))
    try:
        lab.create(config, "one")
        lab.train(steps=5)
        lab.wait(WAIT)
        lab.save()
        lab.train()
        status = lab.wait(WAIT)
    finally:
        logging.getLogger().removeHandler(log)
        log.close()
    assert status.phase is Phase.FAILED and status.session == "one"
    assert status.step == (7 if where == "forward" else 5)
    if error is OTHER:
        assert status.fault.startswith("that failed: ValueError: ")
        assert (
            str(tmp_path / "lab.log") in status.fault and "broke" in status.fault and "second line" not in status.fault
        )
        assert not {"\x1b", "\u202e", "\n"} & set(status.fault)
    else:
        assert status.fault.startswith("there is not enough memory: training this network needs about")
        assert "are free; lower hidden_size" in status.fault
    assert "Traceback" in (tmp_path / "lab.log").read_text()
    # It can be asked, and trains on: to the losses that it would have had.
    assert len(lab.write("the ", 5)) == 5
    lab.train()
    ended = lab.wait(WAIT)
    assert (ended.phase, ended.fault, ended.step) == (Phase.PAUSED, "", 12)
    lab.close()
    monkeypatch.undo()
    assert losses_in(folder) == plain_losses(config)


def test_an_update_cut_in_two_before_the_first_save_starts_over(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.optim.AdamW, "step", Breaks(torch.optim.AdamW.step, {1}, CPU, after=True))
    config = put(small, "training.steps", 10)
    lab.create(config, "one")
    lab.train()
    status = lab.wait(WAIT)
    assert status.phase is Phase.FAILED and status.step == 0 and "not enough memory" in status.fault
    lab.train()
    lab.wait(WAIT)
    lab.close()
    assert losses_in(folder) == plain_losses(config)


def test_an_update_cut_in_two_is_never_saved(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is no memory to read the session again."""

    def no_room(*_: Any) -> None:
        raise MemoryError

    lab.create(small, "one")
    lab.train(steps=5)
    lab.wait(WAIT)
    lab.save()
    lab.wait(WAIT)
    before = (folder / "one.safetensors").read_bytes()
    monkeypatch.setattr(torch.optim.AdamW, "step", Breaks(torch.optim.AdamW.step, {2}, CPU, after=True))
    monkeypatch.setattr(opening, "again", no_room)
    lab.train()
    assert "not enough memory" in lab.wait(WAIT).fault
    lab.save()
    lab.wait(WAIT)
    lab.train()
    assert "cut in the middle" in lab.wait(WAIT).fault
    lab.close()
    assert (folder / "one.safetensors").read_bytes() == before


def test_a_trainer_that_hangs_is_told_and_left(
    lab: Lab, small: Config, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.create(put(small, "training.steps", 100_000), "one")
    lab.train(steps=3)
    lab.wait(WAIT)
    lab.save()
    lab.wait(WAIT)
    let_go = threading.Event()
    monkeypatch.setattr(Trainer, "_start", lambda *_: let_go.wait(WAIT))
    monkeypatch.setattr(board, "STALLED_AFTER", 0.2)
    assert not lab.stalled
    lab.train()
    until(lambda: lab.stalled)
    started = time.monotonic()
    assert not lab.close()
    assert not lab.close(), "nobody waits for it twice"
    assert time.monotonic() - started < 3.0
    let_go.set()
    until(lambda: lab.close())
    assert session.load(folder / "one.safetensors").progress["step"] == 3


def test_stalled_is_what_takes_twenty_times_as_long_as_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(board, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    found = Board()
    found.start_rate()
    found.say(phase=Phase.TRAINING)
    now[0] = 29.0
    assert not found.stalled
    now[0] = 31.0
    assert found.stalled
    found.say(phase=Phase.PAUSED)
    assert not found.stalled
    # Steps of three seconds each, or a pace that a person has chosen.
    found.say(phase=Phase.TRAINING)
    found._step_seconds.extend([3.0, 3.0, 2.0, 60.0])
    found.start_rate()
    now[0] += 59.0
    assert not found.stalled
    now[0] += 2.0
    assert found.stalled
    found.say(pace=0.1)
    now[0] += 100.0
    assert not found.stalled
    now[0] += 60.0
    assert found.stalled


async def test_the_status_line_says_that_it_is_stalled(tmp_path: Path) -> None:
    fake = FakeLab(tmp_path)
    fake.give_session()
    fake.run_to(500)
    for size in ((80, 24), (40, 12)):
        async with LabApp(cast(Lab, fake)).run_test(size=size) as pilot:
            app = cast(LabApp, pilot.app)
            line = app.frame.status
            fake.stalled = True
            await pilot.pause(0.3)
            assert "stalled" in line.text
            fake.stalled = False
            await pilot.pause(0.3)
            assert "stalled" not in line.text


def test_a_network_of_half_of_what_is_free_is_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse({"model": {"hidden_size": 256}})
    needed = memory.memory_bytes(config, 65)
    data = data_of(65)
    assert cautions.refusal(config, data, needed, math.ceil(needed / cautions.SHARE_OF_FREE)) == ""
    assert "are free" in cautions.refusal(config, data, needed, math.floor(needed / cautions.SHARE_OF_FREE) - 2)

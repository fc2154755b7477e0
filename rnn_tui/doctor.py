"""What works on this machine, and what to do about what doesn't."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LITTLE_MEMORY = 500_000_000
LITTLE_DISK = 200_000_000
SMALL_SCREEN = (80, 24)
PACKAGES = ("textual", "plotext", "numpy", "typer")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    found: str
    remedy: str = ""
    """What to do; empty where it is well."""
    hinders: bool = False
    """Whether the lab can't do its work so."""

    @property
    def ok(self) -> bool:
        return not self.remedy


def examine(sessions: Path) -> list[Check]:
    """Look at everything; never fails. Imports torch, which takes a second or more."""
    return [*_python(), *_torch(), *_machine(), *_terminal(), *_folders(sessions)]


def _python() -> Iterator[Check]:
    version = f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"
    old = sys.version_info < (3, 11)
    yield Check("python", version, "install Python 3.11 or later" if old else "", hinders=old)
    yield Check("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            yield Check(package, "not installed", "install rnn-lab again", hinders=True)
    yield Check("packages", ", ".join(found))


def _torch() -> Iterator[Check]:
    try:
        import torch

        from rnn_tui.training.precision import has_bfloat16
    except Exception as error:
        lines = str(error).splitlines() or [""]
        yield Check("torch", f"can't be imported: {type(error).__name__}: {lines[0]}", "install torch again", True)
        return
    capability = torch.backends.cpu.get_cpu_capability()
    yield Check("torch", f"{torch.__version__}, processor instructions {capability}")
    cpu = torch.device("cpu")
    fast = has_bfloat16(cpu)
    yield Check("bfloat16", "in hardware, used where it pays" if fast else "not in hardware: training is float32")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
        yield Check("gpu", f"CUDA {torch.version.cuda}: {', '.join(names)}")
    elif torch.backends.mps.is_available():
        yield Check("gpu", "MPS (Apple); used where training.device is mps")
    elif _has_nvidia_card():
        yield Check("gpu", "an NVIDIA card, but torch can't use it", "install its driver and a torch built for CUDA")
    else:
        yield Check("gpu", "none: everything runs on the processor")


def _has_nvidia_card() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _machine() -> Iterator[Check]:
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("cores", f"{usable} usable, {psutil.cpu_count(logical=False) or usable} physical")
    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB"
    yield Check("memory", found, "close other programs" if memory.available < LITTLE_MEMORY else "")


def _terminal() -> Iterator[Check]:
    from rnn_tui.process import screen_encoding, terminal_fault

    fault = terminal_fault()
    screen = os.isatty(1)
    term = os.environ.get("TERM", "")
    yield Check("terminal", f"TERM={term or 'unset'}{_around()}", fault.rpartition("; ")[2] if fault else "")
    yield Check("colours", _colours(term), "" if term else "set TERM, for example to xterm-256color")
    encoding = screen_encoding()
    is_utf8 = encoding == "utf-8"
    yield Check(
        "text", encoding if is_utf8 else f"{encoding}: the app draws with ASCII",
        "" if is_utf8 else "set LANG to a UTF-8 locale, for example C.UTF-8",
    )  # fmt: skip
    if screen:
        width, height = os.get_terminal_size(1)
        small = 0 < width < SMALL_SCREEN[0] or 0 < height < SMALL_SCREEN[1]
        yield Check("size", f"{width}x{height}", "make the window 80x24 or larger" if small else "")


def _around() -> str:
    found = [
        name
        for name, variable in (("tmux", "TMUX"), ("screen", "STY"), ("ssh", "SSH_CONNECTION"))
        if os.environ.get(variable)
    ]
    return f", in {' in '.join(found)}" if found else ""


def _colours(term: str) -> str:
    if os.environ.get("NO_COLOR"):
        return "none (NO_COLOR): values are drawn with signs"
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256color" in term else "16"


def _folders(sessions: Path) -> Iterator[Check]:
    from rnn_tui.app import settings
    from rnn_tui.data.encoding import cache_folder
    from rnn_tui.process import log_folder
    from rnn_tui.session import state_folder

    yield _folder("sessions", sessions, "name another one with --sessions", hinders=True)
    yield _folder("settings", settings.folder(), "name another one with RNN_LAB_CONFIG")
    yield _folder("state", state_folder(), "name another one with RNN_LAB_STATE")
    yield _folder("log", log_folder(), "name another one with RNN_LAB_STATE")
    yield _folder("cache", cache_folder(), "name another one with RNN_LAB_CACHE")


def _folder(name: str, folder: Path, remedy: str, hinders: bool = False) -> Check:
    """A folder that is there and can be written, or can be made."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    new = "" if there == folder else ", not made yet"
    if not there.is_dir():
        return Check(name, f"{folder}: {there} is no folder", remedy, hinders)
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(name, f"{folder}: can't be written", remedy, hinders)
    free = shutil.disk_usage(there).free
    found = f"{folder}{new}, {free / 1e9:.1f} GB free"
    return Check(name, found, "make room on this disk" if free < LITTLE_DISK else "")

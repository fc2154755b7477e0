"""Where and in what precision a run is computed: resolved once, at its first step, and kept."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext

import torch

from rnn_tui.config import Config
from rnn_tui.tasks import task_of

# Below this width the casts of bfloat16 cost more than its arithmetic saves (measured on 2 cores).
WORTH_CASTING = 64


class DeviceError(ValueError):
    """The device or precision asked for is not to be had here."""


def resolve_device(asked: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `mps` as a device. Raises DeviceError where there is none."""
    if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if asked in ("auto", "cuda"):
        if not torch.cuda.is_available():
            raise DeviceError("training.device: no CUDA GPU can be used here; set it to auto or cpu")
        return torch.device("cuda")
    if not torch.backends.mps.is_available():
        raise DeviceError("training.device: no MPS GPU can be used here; set it to auto or cpu")
    return torch.device("mps")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself (else it is emulated, slowly)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def resolve_precision(config: Config, device: torch.device) -> str:
    """`float32` or `bfloat16`."""
    asked = config.training.precision
    if asked != "auto":
        if asked == "bfloat16" and device.type == "mps":
            raise DeviceError("training.precision: bfloat16 is not available on mps; set it to auto or float32")
        return asked
    if task_of(config.data.task).real:
        # A squared error is worth more digits than bfloat16 has.
        return "float32"
    wide = config.model.hidden_size >= WORTH_CASTING and config.model.cell != "feedforward"
    return "bfloat16" if wide and has_bfloat16(device) else "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which the forward pass of training runs."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def fingerprint() -> dict[str, str]:
    """What bits depend on beside the configuration: equal fingerprints promise exact resume."""
    return {
        "torch": torch.__version__,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "system": platform.system(),
    }

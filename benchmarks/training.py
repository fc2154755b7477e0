"""Characters per second in training: the lab beside a bare PyTorch loop, alternately.

python -m benchmarks.training [--steps N] [--rounds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn

from rnn_tui.config import Config, parse
from rnn_tui.lab import Lab

SHAPES = (("lstm", 2, 128, 50, 50), ("gru", 2, 128, 50, 50), ("rnn", 2, 128, 50, 50), ("lstm", 2, 256, 64, 100))
PRECISIONS = ("float32", "bfloat16")


class Bare(nn.Module):
    """What one would write in a notebook."""

    def __init__(self, cell: str, V: int, layers: int, H: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
        self.rnn = kind(H, H, layers)
        self.output = nn.Linear(H, V)

    def forward(self, x: torch.Tensor, state: object) -> tuple[torch.Tensor, object]:
        h, state = self.rnn(self.embedding(x), state)
        return self.output(h), state


def bare(cell: str, layers: int, H: int, B: int, T: int, V: int, steps: int, precision: str, threads: int) -> float:
    """Characters a second of a plain loop: zero_grad, forward, backward, clip, AdamW."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    net = Bare(cell, V, layers, H)
    optimizer = torch.optim.AdamW(net.parameters(), 0.002)
    data = torch.randint(V, (B, steps * T + T + 1))
    state: object = None
    warm = max(3, steps // 10)
    for k in range(steps):
        if k == warm:
            started = time.perf_counter()
        x, y = data[:, k * T : k * T + T].T, data[:, k * T + 1 : k * T + T + 1].T
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits, state = net(x, state)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()  # type: ignore[union-attr]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        loss.item()
    return (steps - warm) * B * T / (time.perf_counter() - started)


def in_the_lab(cell: str, layers: int, H: int, B: int, T: int, steps: int, precision: str) -> tuple[float, int]:
    """Characters a second of `Lab.train`, and the threads that it chose."""
    config: Config = parse(
        {
            "model": {"cell": cell, "layers": layers, "hidden_size": H, "embedding_size": H},
            "training": {"batch_size": B, "sequence_length": T, "steps": 10 * steps, "precision": precision,
                         "validate_every": 10**9, "autosave_seconds": 3600},
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Lab(folder) as lab:
        lab.create(config, "speed")
        # The thread count is chosen, the engine warm and the first samples written before the clock starts.
        lab.train(steps=110)
        lab.wait()
        done = lab.status.step
        started = time.perf_counter()
        lab.train(steps=steps)
        while lab.status.step < done + steps:
            time.sleep(0.02)
        return steps * B * T / (time.perf_counter() - started), lab.status.threads


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; characters per second, medians")
    for cell, layers, H, B, T in SHAPES:
        for precision in PRECISIONS:
            ours, theirs, threads = [], [], 1
            for _ in range(chosen.rounds):
                rate, threads = in_the_lab(cell, layers, H, B, T, chosen.steps, precision)
                ours.append(rate)
                theirs.append(bare(cell, layers, H, B, T, 100, chosen.steps, precision, threads))
            a, b = median(ours), median(theirs)
            print(f"{cell} {layers}x{H} {B}x{T} {precision:8} {threads} threads: "
                  f"lab {a:9,.0f}  bare loop {b:9,.0f}  ratio {a / b:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""How many processor threads a step uses: chosen by measuring.

A number that is right on a quiet machine can be ruinous on a busy one: threads that wait
for each other spin. So it is measured on real steps, and again when they become slower than another
number was.

That is only allowed where the number changes no bit of the result. For most networks it
does not; for some (a float32 GRU with a batch of 7, say) the matrix product sums in
another order with another number of threads. So it is tried first, on a batch of its own:
where bits differ, the number is chosen once, kept with the session and never changed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from rnn_tui.model.building import Built
from rnn_tui.tasks.learning import streams as language
from rnn_tui.training.precision import autocast
from rnn_tui.training.randomness import generator

TRIES = 4
# A number whose first step takes this many times the best is not tried again.
RUINOUS = 6.0
# The mean step of so many seconds is compared with what another number promised, or with the usual.
WINDOW_SECONDS = 1.0
SLOWER, MUCH_SLOWER = 1.2, 3.0
# A machine that was busy may be quiet now.
AGAIN_SECONDS = 60.0


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def candidates(available: int) -> list[int]:
    """Thread counts worth trying: 1, 2, 4 ... and all."""
    return sorted({available, *(2**k for k in range(available.bit_length()) if 2**k < available)})


def spread() -> None:
    """Move the calling thread to a processor on which no other thread of this process runs.

    Threads that spin on one core while another idles wait a time slice for each other, and a
    kernel without load balancing (some virtual machines) leaves them there. Where the system
    can't say who runs where, nothing is done.
    """
    try:
        allowed = os.sched_getaffinity(0)
        taken = set()
        for task in os.listdir("/proc/self/task"):
            if int(task) != threading.get_native_id():
                stat = Path(f"/proc/self/task/{task}/stat").read_text().rpartition(")")[2].split()
                if stat[0] == "R":
                    # Field 39 of stat(5), counted from the state, which is field 3.
                    taken.add(int(stat[36]))
        free = allowed - taken
        if free:
            os.sched_setaffinity(0, {min(free)})
            os.sched_setaffinity(0, allowed)
    except (OSError, AttributeError, ValueError, IndexError):
        return


@dataclass(frozen=True, slots=True)
class Settled:
    """What the number of threads may be: `threads`, and any other where `free`."""

    threads: int
    free: bool


def settle(
    network: Built, compute: Callable[[], Tensor], precision: str, device: torch.device, asked: int,
    validation: int | None,
) -> Settled:  # fmt: skip
    """Find out, on a batch of its own, whether the number of threads changes a bit, and which is fastest.

    `compute` gives the loss of a batch that is always the same, without touching weights or
    generators of the run. `validation` is the number of symbols that a validation reads as one
    long text, 0 for none; None where batches or validations differ in shape: then a number can't
    be shown to be free, and the fastest is settled. Leaves the calling thread's number of threads changed.
    """
    available = cores()
    if device.type != "cpu" or available == 1:
        return Settled(available, True)
    seconds, results = {}, []
    for threads in candidates(available):
        torch.set_num_threads(threads)
        first = _scratch(network, compute, precision, validation or 0)
        started = time.perf_counter()
        second = _scratch(network, compute, precision, validation or 0)
        seconds[threads] = time.perf_counter() - started
        results += [first, second]
    equal = all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))
    free = equal and validation is not None
    return Settled(min(asked, available) if asked else min(seconds, key=lambda n: seconds[n]), free)


def _scratch(network: Built, compute: Callable[[], Tensor], precision: str, validation: int) -> list[Tensor]:
    """Loss, gradients and validation logits of a batch that is always the same."""
    draws = generator(0, "scratch")
    with autocast(precision, torch.device("cpu")):
        loss = compute()
    parameters = [p for p in network.parameters() if p.requires_grad]
    found = [loss.detach(), *(torch.zeros(()) if g is None else g
                              for g in torch.autograd.grad(loss, parameters, allow_unused=True))]  # fmt: skip
    if validation > 1:
        shape = language.passage_shape(network.vocabulary, validation - 1, language.STREAMS)
        with torch.no_grad():
            logits, _ = network(torch.randint(network.vocabulary, shape, generator=draws))
        found.append(logits)
    return found


class ThreadChoice:
    """Give each step its number of threads and learn from its seconds.

    `asked` is the number in the configuration, 0 to measure. A settled number that is not
    free is given always, whatever is asked.
    """

    def __init__(self, asked: int = 0, available: int | None = None) -> None:
        self.available = available or cores()
        self.asked = asked
        self.settled: Settled | None = None
        """None until it is found out."""
        self._look = WINDOW_SECONDS
        self._measure()

    def _measure(self) -> None:
        self._seconds: dict[int, list[float]] = {n: [] for n in candidates(self.available)}
        self._chosen = 0
        self._usual = self._promised = 0.0
        self._since = self._window = 0.0
        self._steps = 0

    @property
    def free(self) -> bool:
        """Whether another number may be used for a while."""
        return self.settled is None or self.settled.free

    @property
    def measuring(self) -> bool:
        return self.free and not self.asked and not self._chosen

    def ask(self, asked: int) -> None:
        """Another number in the configuration; 0 to measure."""
        if asked != self.asked:
            self.asked = asked
            self._measure()

    @property
    def current(self) -> int:
        """Threads for the next step."""
        if self.settled is not None and not self.settled.free:
            return self.settled.threads
        if self.asked:
            return min(self.asked, self.available)
        return self._chosen or min(self._worth_trying(), key=lambda n: (len(self._seconds[n]), n))

    def spent(self, threads: int, seconds: float) -> None:
        """A step took so long with so many threads."""
        if self.asked or not self.free or threads != self.current:
            return
        if self.measuring:
            self._seconds[threads].append(seconds)
            if threads > 1 and seconds > min(self._typical().values(), default=seconds):
                spread()
            self._choose()
            return
        self._since += seconds
        self._window += seconds
        self._steps += 1
        if self._window < self._look or self._steps < 2:
            return
        mean = self._window / self._steps
        self._window, self._steps = 0.0, 0
        collapsed = mean > MUCH_SLOWER * self._usual or (self._promised and mean > SLOWER * self._promised)
        # Measuring costs steps: where it does not help, it is done ever more rarely.
        self._look = min(2 * self._look, AGAIN_SECONDS) if collapsed else WINDOW_SECONDS
        if collapsed or (self._since > AGAIN_SECONDS and self._chosen < self.available):
            self._measure()

    def _typical(self) -> dict[int, float]:
        """Seconds of a step with each number that was tried twice or more."""
        # The first step of each number warms up; the median shrugs off a disturbance.
        return {n: median(tried[1:]) for n, tried in self._seconds.items() if len(tried) > 1}

    def _worth_trying(self) -> list[int]:
        """All numbers but those that were plainly ruinous."""
        best = min(self._typical().values(), default=float("inf"))
        return [n for n, tried in self._seconds.items() if min(tried, default=0.0) <= RUINOUS * best]

    def _choose(self) -> None:
        """Once each number worth it was tried: the one with the shortest typical step."""
        if all(len(self._seconds[n]) > TRIES for n in self._worth_trying()):
            typical = self._typical()
            self._chosen = min(typical, key=lambda n: typical[n])
            self._usual = typical[self._chosen]
            self._promised = min((t for n, t in typical.items() if n != self._chosen), default=0.0)

"""Long float64 work in pieces: how it is begun, shared out, looked up from, and done to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

Working = Callable[[float], None]
Result = TypeVar("Result")

# Seconds of work from one look up to the next.
LOOK_EVERY = 0.03


@contextmanager
def denormals_kept() -> Iterator[None]:
    """Numbers below 2.2e-308 are numbers in here; afterwards they are what they were to this thread."""
    flushing = not float(torch.full((), 1e-310, dtype=torch.float64) * 1.0)
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushing)


def in_pieces(work: Generator[float, None, Result]) -> Generator[float, None, Result]:
    """The same work, each of its pieces with denormals kept; between them the thread is as it was."""
    while True:
        with denormals_kept():
            try:
                share = next(work)
            except StopIteration as finished:
                result: Result = finished.value
                return result
        yield share


def finish(work: Generator[float, None, Result], working: Working | None = None) -> Result:
    """Do work to its end, telling `working` the share that is done; what it raises ends it."""
    while True:
        try:
            share = next(work)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        if working is not None:
            working(share)


def within(work: Generator[float, None, Result], first: float, part: float) -> Generator[float, None, Result]:
    """A part of some work: its own shares as shares of the whole."""
    while True:
        try:
            done = next(work)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        yield first + part * done


class Pace:
    """Says when it is time to look up."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._since = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._since >= LOOK_EVERY

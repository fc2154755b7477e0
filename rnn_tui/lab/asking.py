"""Questions about a model, and the thread that answers them while another trains.

A question is answered on a frozen copy of the weights. Long answers are generators: they
hand out what there is so far, and between two pieces the thread takes the next job, so a
trace or a save never waits for a text to be written to its end.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from rnn_tui.config import ConfigError
from rnn_tui.lab.questions import Question

log = logging.getLogger(__name__)


class LabError(Exception):
    """What a person asked for can't be done; the text is one sentence that says why."""


class Cancelled(Exception):
    """The question was taken back."""


Answer = Generator[Any, None, Any]
"""Yields what there is so far (or None), returns the answer."""


class Asked:
    """A question under way; any thread may look at it."""

    def __init__(self, question: Question | None) -> None:
        self.question = question
        self.newest: Any = None
        """The answer as far as it is there."""
        self.error = ""
        self.progress = math.nan
        """0 to 1; NaN where it is not known."""
        self.doing = ""
        self._finished = threading.Event()
        self._cancelled = threading.Event()

    @property
    def done(self) -> bool:
        return self._finished.is_set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Take the question back; what is there so far stays in `newest`."""
        self._cancelled.set()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer. Raises LabError if there is none, TimeoutError after `timeout` seconds."""
        if not self._finished.wait(timeout):
            raise TimeoutError("the question is not answered yet")
        if self.error:
            raise LabError(self.error)
        return self.newest

    def report(self, progress: float, doing: str) -> None:
        """How far it is. Raises Cancelled if the question was taken back."""
        self.progress, self.doing = progress, doing
        if self.cancelled:
            raise Cancelled

    def finish(self, answer: Any = None, error: str = "") -> None:
        if answer is not None:
            self.newest = answer
        self.error = error
        self._finished.set()


class AnsweringThread:
    """Works off jobs side by side, a piece of each in turn; urgent calls go before."""

    def __init__(self, errors: tuple[type[Exception], ...] = ()) -> None:
        self._errors: tuple[type[Exception], ...] = (LabError, ConfigError, *errors)
        self._jobs: deque[tuple[Asked, Answer]] = deque()
        self._urgent: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether it has work: the trainer then leaves it a core."""
        return bool(self._jobs or self._urgent)

    def take(self, asked: Asked, answer: Answer) -> None:
        """Answer a question, in turn with the others."""
        self._jobs.append((asked, answer))
        self._start()

    def do(self, call: Callable[[], None]) -> None:
        """Do something before any question goes on; `call` handles its own errors."""
        self._urgent.append(call)
        self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._loop, name="rnn-lab answers", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self, timeout: float) -> bool:
        """Finish what is urgent, drop the questions, join. False if it did not end in time."""
        with self._starting:
            self._closing = True
        for asked, _ in list(self._jobs):
            asked.cancel()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _loop(self) -> None:
        while True:
            if self._urgent:
                try:
                    self._urgent[0]()
                except Exception:
                    log.exception("what was urgent failed")
                self._urgent.popleft()
            elif self._jobs:
                self._piece()
            elif self._closing:
                return
            else:
                self._wake.wait()
                self._wake.clear()

    def _piece(self) -> None:
        asked, answer = self._jobs[0]
        try:
            if asked.cancelled or self._closing:
                answer.close()
                raise Cancelled
            partial = next(answer)
            if partial is not None:
                asked.newest = partial
            self._jobs.rotate(-1)
            return
        except StopIteration as finished:
            asked.finish(finished.value)
        except Cancelled:
            asked.finish(error="" if asked.newest is not None else "it was cancelled")
        except self._errors as error:
            asked.finish(error=str(error))
        except MemoryError:
            asked.finish(error="there is not enough memory for that; ask for less")
        except Exception as error:
            log.exception("a question failed: %r", asked.question)
            asked.finish(error=f"that failed: {type(error).__name__}: {error}")
        self._jobs.popleft()

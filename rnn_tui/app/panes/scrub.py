"""Training time: the recorded frames of the probe text, one after another."""

from __future__ import annotations

from rnn_tui.app.panes.lens import Asking
from rnn_tui.lab import Lab
from rnn_tui.lab.questions import ReadRecording
from rnn_tui.views import Recording, Trace


class Scrub:
    """Which frame of the recording is shown, if any."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.frame = -1
        """-1: the live text is shown."""
        self.asking = Asking()
        self._wanted = 0

    @property
    def on(self) -> bool:
        return self.frame >= 0

    def move(self, lab: Lab, by: int) -> Trace | None:
        """The next frame, or the one before; None where there is none or it is still to be read."""
        if self.asking.under_way:
            # Keys that came before the recording did.
            self._wanted += by
            return None
        version = lab.status.recording_version
        known = self.recording is not None and (self.on or self.recording.version == version)
        if not known:
            self._wanted = by
            self.asking.ask(lab, ReadRecording())
            return None
        return self._go(by)

    def _go(self, by: int) -> Trace | None:
        recording = self.recording
        if recording is None or not recording.frames:
            return None
        # From the live text one frame back is the newest recorded one.
        start = self.frame if self.on else recording.frames
        frame = min(max(start + by, 0), recording.frames - 1)
        if frame == self.frame:
            return None
        self.frame = frame
        return recording.frame(frame)

    def arrived(self) -> Trace | None:
        """The frame that was wanted, once the recording is there."""
        found = self.asking.answer()
        if isinstance(found, Recording) and found.frames:
            self.recording = found
            return self._go(self._wanted)
        return None

    def leave(self) -> None:
        """Back to the live text."""
        self.frame = -1
        self.asking.cancel()

    def forget(self) -> None:
        """Another session: its recording is another."""
        self.leave()
        self.recording = None

    @property
    def told(self) -> str:
        """Where one is: `recording, step 1,240, frame 12 of 40`."""
        if self.recording is None or not self.on:
            return ""
        step = int(self.recording.steps[self.frame])
        return f"recording, step {step:,}, frame {self.frame + 1} of {self.recording.frames}"

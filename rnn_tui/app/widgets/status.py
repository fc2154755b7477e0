"""The first two lines of the screen: what the Lab is doing, and where one is."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Sequence

from rich.cells import cell_len

from rnn_tui.app.actions import PANES
from rnn_tui.app.widgets.row import Line, Lines, Run, fit
from rnn_tui.lab.measures import marks, measured, measures
from rnn_tui.symbols import clean_line
from rnn_tui.views import NO_ANSWER, RUNNING, Phase, Status, Unit

LONGEST_TIME = 3_155_760_000
"""Seconds of 100 years."""
ROOMY = 60
"""Columns from which badges are told in full."""
BROAD = 100
"""Columns from which the planned length stands beside the step of a session that is followed."""


def follows(status: Status) -> bool:
    """Whether another program has the open session."""
    return status.phase is Phase.FOLLOWING


def writer(status: Status) -> str:
    """Who has the session that is followed: `process 4242 on gpu1`."""
    return clean_line(status.writer) or "another program"


def trains(status: Status) -> bool:
    """Whether the session is being trained, here or by the program that has it."""
    return (status.writer_phase if follows(status) else status.phase) in RUNNING


def writer_forms(status: Status) -> list[str]:
    """Who has the session that is followed, the longest form first; this machine's name goes without saying."""
    who = writer(status)
    found = re.fullmatch(r"process (\d+) on (.+)", who)
    if found is None:
        return [who]
    pid, host = found.groups()
    here = host == socket.gethostname()
    return [f"process {pid}", f"pid {pid}"] if here else [who, f"pid {pid} on {host}", host]


def rate(per_second: float, counted: str = "") -> str:
    """So many a second in few signs: 950/s, 309k/s, 1.2M/s; with what is counted `309k words/s`."""
    if not math.isfinite(per_second) or per_second <= 0:
        return ""
    what = f" {counted}/s" if counted else "/s"
    if per_second < 1000:
        return f"{per_second:.0f}{what}"
    if per_second < 999_500:
        return f"{per_second / 1000:.3g}k{what}"
    return f"{per_second / 1e6:.3g}M{what}"


def duration(seconds: float) -> str:
    """0:25, 12:03, 3:20:00, 4 days."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    whole = round(seconds)
    if whole > LONGEST_TIME:
        return "over 100 years"
    if whole >= 172_800:
        return f"{whole / 86_400:.0f} days"
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def number(value: float) -> str:
    """A loss in nats, a perplexity or a length in about four signs."""
    return measured(value)


def precision_name(precision: str) -> str:
    return {"bfloat16": "bf16", "float32": "f32"}.get(precision, precision)


def phase_words(status: Status) -> str:
    """What goes on, and how far it is: `training 1,900 of 5,000`, `reading x.txt 40 %`."""
    share = f" {100 * status.progress:.0f} %" if math.isfinite(status.progress) else ""
    if status.phase is Phase.LOADING:
        return f"{clean_line(status.doing) or 'loading'}{share}"
    if status.phase is Phase.EMPTY:
        return clean_line(status.doing) + share if status.doing else "no session yet"
    if follows(status) and status.doing:
        return clean_line(status.doing) + share
    count = f"{status.step:,} of {status.planned:,}"
    if follows(status):
        does = "" if status.writer_phase in (Phase.TRAINING, NO_ANSWER) else clean_line(status.writer_phase)
        return f"following{', ' * bool(does)}{does} {count}"
    if status.phase is Phase.VALIDATING:
        return f"validating{share} {count}"
    if status.phase is Phase.PAUSED and status.step == 0:
        return "new, not trained"
    return f"{status.phase.value} {count}"


def held_told(status: Status, width: int) -> str:
    """What is held in readings and writings: `held: layer 0 c 17 = +0`, or how many values."""
    if len(status.held) == 1 and width >= 60:
        return f"held: {status.held[0]}"
    return f"{len(status.held)} held"


def numbers(status: Status, unit: Unit) -> list[str]:
    """The newest loss, and what tells most of the newest validation: `val 1.74`, `ppl 5.70`, `accuracy 83.6 %`."""
    told = measures(status.config)
    validated = not math.isnan(status.val_loss)
    name, loss = ("val", status.val_loss) if validated else ("train", status.train_loss)
    if math.isnan(loss):
        return []
    if told.squared and not told.own_curves:
        # The loss is all there is to tell.
        return [f"{name} MSE {told.loss(loss)}"]
    # Perplexity stands beside the loss, so the loss itself is in nats then.
    shown = f"{name} {told.loss(loss, 'nats' if unit == 'perplexity' else unit)}"
    if not validated and (told.metrics or not told.perplexity):
        return [shown]
    return [shown, told.headline(loss, status.val_metrics)]


def _with_speed(parts: list[Run], status: Status, room: int) -> list[Run]:
    """The parts with the pace or the speed before the device, named by what is counted where there is room for it."""
    if not trains(status) or Phase.VALIDATING in (status.phase, status.writer_phase):
        return parts
    if status.pace > 0:
        forms = [f"{status.pace:g} steps/s"]
    else:
        forms = [rate(status.tokens_per_second, measures(status.config).counted), rate(status.tokens_per_second)]
    place = len(parts) - bool(parts and parts[-1][1] == "quiet")
    left = room - sum(cell_len(text) + 2 for text, _ in parts)
    speed = forms[0] if cell_len(forms[0]) <= left else forms[-1]
    return [*parts[:place], *([(speed, "value")] if speed else []), *parts[place:]]


class StatusLine(Lines):
    """Session, phase, step, loss, perplexity, speed, device. What does not fit drops from the right; badges never."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $panel; }
    """

    def show(self, status: Status, unit: Unit, *, slow: bool = False, badge: str = "", starting: bool = False) -> None:
        """Draw it for a status.

        `slow`: the line is slow, plots come less often; `badge`: of the moment; `starting`: it was told to train.
        """
        self.put([Line(self._runs(status, unit, slow, badge, starting))])

    def _runs(self, status: Status, unit: Unit, slow: bool, badge: str, starting: bool) -> tuple[Run, ...]:
        badges: list[Run] = []
        roomy = self.size.width >= ROOMY
        if status.save_failed and not roomy:
            # It is what the fault is about, and there is room for one of them.
            badges.append(("! not saved", "bad"))
        else:
            badges += [("! " + fit(clean_line(status.fault), 24), "bad")] if status.fault else []
            says_so = status.fault.startswith("not saved")
            badges += [("not saved", "bad")] if status.save_failed and not says_so else []
        badges += [(mark.badge if roomy else mark.short, "warn") for mark in marks(status.config) if status.session]
        if status.held:
            badges.append((held_told(status, self.size.width), "warn"))
        if not status.exact:
            badges.append(("approximate", "warn"))
        if slow:
            badges.append(("slow line", "warn"))
        if badge:
            badges.append((badge, "warn"))
        name = fit(clean_line(status.session), max(12, self.size.width // 4))
        parts: list[Run] = [(name, "mark")] if name else []
        told = phase_words(status)
        tone = "good" if trains(status) else "bad" if status.phase is Phase.FAILED else "value"
        if follows(status):
            if self.size.width < BROAD:
                told = told.removesuffix(f" of {status.planned:,}")
            if not roomy:
                told = told.removeprefix("following, ")
            # What is done before it leaves says enough.
            beside = [name, told, *numbers(status, unit)]
            badges += [(text, "warn") for text in self._read_only(status, beside, badges) if not badge]
        if starting and status.phase is not Phase.LOADING:
            parts.append(("starting ...", "good"))
        else:
            parts.append((told, tone))
        parts.extend((text, "value") for text in numbers(status, unit))
        device = f"{status.device} {precision_name(status.precision)}".strip() if status.session else ""
        if device:
            parts.append((device, "quiet"))
        room = max(self.size.width, 1) - 1 - sum(cell_len(text) + 2 for text, _ in badges)
        runs: list[Run] = [(" ", "")]
        for text, style in _with_speed(parts, status, room):
            if cell_len(text) > room:
                if len(runs) < 4 and room > 4:
                    runs += [(fit(text, room), style), ("  ", "")]
                break
            runs += [(text, style), ("  ", "")]
            room -= cell_len(text) + 2
        for text, style in badges:
            runs += [(text, style), ("  ", "")]
        return tuple(runs)

    def _read_only(self, status: Status, beside: Sequence[str], badges: Sequence[Run]) -> list[str]:
        """The badges of a session that is followed: who has it, as long as there is room beside what matters more."""
        silent = [NO_ANSWER] if status.writer_phase == NO_ANSWER else []
        if silent and self.size.width < ROOMY:
            return silent
        taken = [*beside, *silent, *(text for text, _ in badges)]
        left = self.size.width - 1 - sum(cell_len(text) + 2 for text in taken)
        speed = cell_len(rate(status.tokens_per_second)) + 2 if trains(status) else 0
        forms = [f"read-only, {form}" for form in writer_forms(status)]
        # Who it is says more than how fast.
        fitting = [form for room in (left - speed, left) for form in forms if cell_len(form) <= room]
        return [*silent, fitting[0] if fitting else "read-only"]


class PaneNames(Lines):
    """The panes and their numbers; the one that has the keys is marked. In few columns only that one's name stands."""

    DEFAULT_CSS = """
    PaneNames { height: 1; }
    """

    def show(self, current: str, also: Sequence[str] = (), notes: Sequence[str] = ()) -> None:
        """`current` has the keys; those in `also` are on the screen beside it; beside few names stands a note, the
        first that fits.
        """
        full = sum(cell_len(f"{key} {name}") + 3 for key, name in PANES.values())
        runs: list[Run] = [] if full < self.size.width else [(" ", "")]
        for pane, (key, name) in PANES.items():
            if full >= self.size.width:
                here = pane == current
                runs += [(f"[{key} {name}]" if here else key, "mark" if here else "quiet"), (" ", "")]
            elif pane == current:
                runs += [(f"[{key} {name}]", "heading"), (" ", "")]
            else:
                runs += [(f" {key} {name} ", "value" if pane in also else "quiet"), (" ", "")]
        room = self.size.width - 1 - sum(cell_len(text) for text, _ in runs)
        note = next((note for note in notes if full >= self.size.width and cell_len(note) < room), "")
        if note:
            runs += [(" " * (room - cell_len(note)), ""), (note, "warn")]
        self.put([Line(tuple(runs))])

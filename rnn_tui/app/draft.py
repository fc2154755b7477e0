"""The draft: a configuration being edited beside the session that is open, which no edit harms."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from rnn_tui import presets
from rnn_tui.config import BUILTIN_TEXTS, CHOICES, Choice, Config, ConfigError, get, parse, put, read, turn
from rnn_tui.lab import LabError
from rnn_tui.views import Guess

PATH, TASK = "data.path", "data.task"


def built_in(task: str) -> tuple[str, ...]:
    """The values of `data.path` that are always there for a task."""
    return BUILTIN_TEXTS if task == "language" else (presets.EXAMPLE,)


def is_file(path: str) -> bool:
    """Whether a `data.path` is a file of one's own."""
    return bool(path) and not path.startswith("builtin:")


class Draft:
    """A configuration and the session it belongs to, if any.

    Without a session, or after `begin_new` or a preset, it is `fresh`: the plan of a new session. Otherwise it
    follows the open session, and differs from it by a person's edits.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.fresh = True
        self.session = ""
        """Name of the open session; empty where there is none."""
        self.base: Config | None = None
        """What the open session has now."""
        self.origin: Config | None = None
        """What it had when the edits began: `undo` goes back to it."""
        self._first = self.config
        self._expected = ""
        self._sent: dict[str, Any] = {}
        """What the Lab was told and has not shown yet: it holds `next run` fields back while it trains."""
        self._machine: dict[str, Any] = {}
        self._data: dict[str, dict[str, Any]] = {}
        """Machine, and for each task data, of the person's own choosing: presets stand on them."""
        self._paths: dict[str, str] = {}
        """For each task the file of one's own that left and right lead back to."""
        self._left: dict[str, Config] = {}
        """For each task the draft as it was when another task was chosen."""
        self._preset = presets.PRESETS[0]
        self._before: tuple[Config | None, Config | None] | None = None
        """Base and origin of the session that was open when `created` was called, until the new one is there."""
        self._adopt(self.config)

    # Following the open session.

    @property
    def awaiting(self) -> bool:
        """Whether the Lab is building the session that this draft was trained as."""
        return self._before is not None

    def created(self) -> None:
        """The draft goes to the Lab as a new session: edits from now on are edits of that one."""
        self._before = (self.base, self.origin)
        self.base = self.origin = self.config
        self.fresh = False
        self._sent.clear()

    def expect_name(self, name: str) -> None:
        """The open session is being given another name: no other one comes in its place."""
        self._expected = name

    def refused(self) -> None:
        """The Lab could not build it: it is the plan of a new session again."""
        if self._before is not None:
            self.base, self.origin = self._before
            self._before = None
            self.fresh = True

    def follow(self, session: str, config: Config) -> bool:
        """The open session and its configuration now; True if the draft is another one afterwards."""
        if session == self._expected and self.session:
            self.session, self._expected = session, ""
        if session != self.session:
            self.session = session
            self._sent.clear()
            if self._before is None:
                self.base = self.origin = config
                self.fresh = False
                self._adopt(config)
                return True
            self._before = None
        if self._before is not None or config == self.base:
            return False
        return self._rebase(config)

    def _rebase(self, config: Config) -> bool:
        """What changed elsewhere (the rate, while watching it train) is no edit: draft and origin go along."""
        assert self.base is not None and self.origin is not None
        draft, origin = self.config.model_dump(), self.origin.model_dump()
        for key, c in CHOICES.items():
            old, new = get(self.base, key), get(config, key)
            if old == new:
                continue
            if key in self._sent:
                if self._sent[key] == new:
                    del self._sent[key]
                continue
            if origin[c.section][c.name] == old:
                origin[c.section][c.name] = new
            if not self.fresh and draft[c.section][c.name] == old:
                draft[c.section][c.name] = new
        # A draft of the session's task that waits while another is edited would take these changes back.
        self._left.pop(config.data.task, None)
        before, self.base = self.config, config
        # Edits of the draft and changes from elsewhere may not fit together: then the draft stays as it is.
        with contextlib.suppress(ConfigError):
            self.config = parse(draft)
        with contextlib.suppress(ConfigError):
            self.origin = parse(origin)
        return self.config != before

    def trained(self) -> None:
        """Training was started: what was edited so far belongs to the session."""
        if self.base is not None and not self.needs_new:
            self.origin = self.config

    # Editing. All of these raise ConfigError and then change nothing.

    def put(self, key: str, value: Any) -> None:
        """Change one field; with the task, what belongs to it changes too."""
        if key == TASK:
            changed = put(self.config, key, value)
            if changed != self.config:
                self._learn(changed.data.task)
            return
        self.config = put(self.config, key, value)
        if key == PATH or (_personal(key) and key not in self._preset.changes):
            self._keep(key, get(self.config, key))
        self._remember_path()

    def turn(self, key: str, by: int) -> None:
        """Take a field's next value (`by` = 1) or the previous (-1)."""
        c = CHOICES[key]
        value = get(self.config, key)
        if key == PATH:
            task = self.config.data.task
            own = self._paths.get(task)
            found = (*((own,) if own else ()), *built_in(task))
            at = found.index(value) if value in found else 0
            self.put(key, found[(at + by) % len(found)])
        else:
            self.put(key, turn(c, value, by))

    def guessed(self, path: str, guess: Guess) -> None:
        """A file of one's own is learned as what it looks like; for the other tasks that it is fit for, it waits.

        Raises ConfigError, and then changes nothing, where the guess is no configuration.
        """
        task = read(CHOICES[TASK], guess.task)
        stands = self.config if task == self.config.data.task else presets.first_of(task).config(self._base(task))
        data = {**stands.data.model_dump(), "path": path}
        # What was said of the columns of another file is not true of this one.
        for key in ("data.columns", "data.label_column"):
            data[CHOICES[key].name] = CHOICES[key].default
        others: dict[str, Any] = {}
        for key, value in guess.changes.items():
            c = CHOICES.get(key)
            if c is not None and key != TASK:
                (data if c.section == "data" else others)[c.name if c.section == "data" else key] = value
        values = {**stands.model_dump(), "data": data}
        for key, value in others.items():
            values[CHOICES[key].section][CHOICES[key].name] = value
        config = parse(values)
        self._data[task] = config.data.model_dump()
        for other in guess.others:
            if other in CHOICES[TASK].choices and other != task:
                self._left.pop(other, None)
                self._data[other] = {**presets.start(other).data.model_dump(), "path": path}
                self._paths[other] = path
        self._go(config)

    def _learn(self, task: str) -> None:
        """Another task: as it was left, as the open session has it, or what the task starts with."""
        left = self._left.get(task)
        if left is None and self.base is not None and self.base.data.task == task:
            left = self.base
        self._go(left or presets.first_of(task).config(self._base(task)))

    def _go(self, config: Config) -> None:
        if config.data.task != self.config.data.task:
            self._left[self.config.data.task] = self.config
        self.config = config
        self._preset, _ = presets.nearest(config)
        self._remember_path()

    def _base(self, task: str) -> Config:
        """The data and the machine of one's own that a preset of this task stands on."""
        data = self._data.get(task) or presets.start(task).data.model_dump()
        return parse({"data": data, "training": self._machine})

    def _keep(self, key: str, value: Any) -> None:
        c, task = CHOICES[key], self.config.data.task
        if c.section == "data":
            self._data.setdefault(task, presets.start(task).data.model_dump())[c.name] = value
        else:
            self._machine[c.name] = value

    def preset(self, by: int) -> presets.Preset:
        """Take the next preset, or the previous: the plan of a new session, on the data and machine of one's own."""
        now, changed = presets.nearest(self.config)
        at = presets.PRESETS.index(now) if now in presets.PRESETS else 0
        # From an edited preset, backwards leads to that preset itself.
        found = presets.PRESETS[(at if changed and by < 0 else at + by) % len(presets.PRESETS)]
        self._take(found)
        return found

    def begin_new(self) -> None:
        """The plan of a new session: what the task starts with, on the same data and machine."""
        self._take(presets.first_of(self.config.data.task))

    def undo(self) -> bool:
        """Back to the open session as it was before the edits, or without one to the first draft.

        True if that changed anything.
        """
        edited = self.edited
        self._adopt(self.origin or self._first)
        self.fresh = self.base is None
        return edited

    @property
    def edited(self) -> bool:
        """Whether there is something to take back."""
        return self.config != (self.origin or self._first) or (self.fresh and self.base is not None)

    # What the edits mean.

    @property
    def needs_new(self) -> bool:
        """Whether it can only be trained as a new session."""
        if self.fresh or self.base is None:
            return True
        base = self.base
        return any(c.applies == "new net" and get(base, c.key) != get(self.config, c.key) for c in CHOICES.values())

    def changed(self, c: Choice) -> bool:
        """Whether the field differs from the open session as it was before the edits."""
        return not self.fresh and self.origin is not None and get(self.origin, c.key) != get(self.config, c.key)

    def mark(self, c: Choice) -> str:
        """When a change of the field takes effect; empty where there is no session it could act on."""
        if self.fresh or self.base is None:
            return ""
        # Beside a change that needs a new net, none takes effect before that net is trained.
        return "new net" if self.needs_new and self.changed(c) else c.applies

    def take_pending(self) -> list[tuple[str, Any]]:
        """What the open session must be told now, each once: fields that need no new net."""
        if self.base is None or self.needs_new or self.awaiting:
            return []
        told = []
        for key in CHOICES:
            value = get(self.config, key)
            if value != self._sent.get(key, get(self.base, key)):
                self._sent[key] = value
                told.append((key, value))
        return told

    def tell(self, change: Callable[[str, Any], None]) -> tuple[str, str]:
        """Give the open session what it can take; the last field that it refused, and the sentence that says why."""
        wrong = ("", "")
        for key, value in self.take_pending():
            try:
                change(key, value)
            except (ConfigError, LabError) as error:
                self._sent.pop(key, None)
                wrong = (key, str(error))
        return wrong

    def _take(self, preset: presets.Preset) -> None:
        self.config = preset.config(self._base(preset.task))
        self._preset = preset
        self._left.clear()
        self.fresh = True

    def _adopt(self, config: Config) -> None:
        """Another configuration altogether; what a preset brought into it is not the person's own."""
        self.config = config
        self._preset, _ = presets.nearest(config)
        self._left.clear()
        self._machine, self._data = {}, {}
        begins = presets.start(config.data.task)
        for key in CHOICES:
            value = get(config, key)
            brought = key in self._preset.changes and self._preset.changes[key] == value
            if _personal(key) and not brought and value != get(begins, key):
                self._keep(key, value)
        self._remember_path()

    def _remember_path(self) -> None:
        path = self.config.data.path
        if is_file(path):
            self._paths[self.config.data.task] = path


def _personal(key: str) -> bool:
    """Whether a preset leaves the field as it is, unless it names it."""
    return (key.startswith("data.") and key != TASK) or key in presets.MACHINE

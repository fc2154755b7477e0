"""The draft as rows of the form: all of it comes from the fields of the configuration."""

from __future__ import annotations

import re

from rnn_tui import presets
from rnn_tui.app.draft import PATH, TASK, Draft
from rnn_tui.app.panes.build_data import counted, kinds
from rnn_tui.app.panes.build_text import DraftText, FileGuess
from rnn_tui.app.widgets.row import Row, fit, wrap
from rnn_tui.config import CHOICES, Choice, Config, get, show, visible
from rnn_tui.lab.task_words import words_of
from rnn_tui.symbols import clean_line

PRESET = "preset"
NOTICES = 2
"""About the data, on lines of the form: the others stand beside it."""
SECTIONS = {"data": "Data", "model": "Model", "training": "Training"}
_NOTHING = re.compile(r"\((?:0|empty): ([^),]+)")
"""What a field's help says of 0, or of an empty text: (0: one-hot)."""


def typed(config: Config, c: Choice) -> str:
    """A value as a person would type it."""
    value = get(config, c.key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def settings(config: Config) -> list[str]:
    """What differs from the defaults, as options of `rnn-lab train`."""
    return [f"--set {c.key}={typed(config, c)}" for c in CHOICES.values() if get(config, c.key) != c.default]


def changes(count: int) -> str:
    """`2 changes`; empty for none."""
    return f"{count} change{'s' * (count != 1)}" if count else ""


def preset_line(config: Config) -> str:
    """The preset that a configuration comes closest to: `default, 2 changes`."""
    found, count = presets.nearest(config)
    return ", ".join(part for part in (found.name, changes(count)) if part)


def form_rows(
    draft: Draft, text: DraftText, guess: FileGuess, wrong: tuple[str, str], width: int, *, beside: bool
) -> list[Row]:
    """Every field that does something, under its section, with what there is to say of it below it.

    `wrong`: key of a field whose new value was refused, and the sentence that says why. `beside`: what can't be
    read is told in full beside the form.
    """
    about_data = _about_data(draft.config, text, width, beside)
    if why := guess.line(draft.config.data):
        about_data.append((why, "quiet"))
    # Generated data have no path.
    told = {PATH if visible(CHOICES[PATH], draft.config) else TASK: about_data}
    if wrong[1]:
        told[wrong[0]] = [(wrong[1], "bad"), *told.get(wrong[0], [])]
    found, edits = presets.nearest(draft.config)
    rows = [Row(PRESET, "Preset", found.name, changes(edits), changed=bool(draft.session) and draft.needs_new)]
    rows += _notes(told.get(PRESET, []), width)
    section = ""
    for c in CHOICES.values():
        if not visible(c, draft.config):
            continue
        if c.section != section:
            section = c.section
            rows.append(Row(label=SECTIONS.get(section, section)))
        rows.append(_row(c, draft, text))
        rows += _notes(told.get(c.key, []), width)
    return rows


def label(c: Choice, task: str) -> str:
    """What a field is called in a task's form."""
    if c.key == "data.length":
        return {"adding": "Timesteps", "brackets": "Longest"}.get(task, c.label)
    return c.label


def unit(c: Choice, config: Config, text: DraftText) -> str:
    """What a field counts, in this task."""
    task = config.data.task
    match c.key:
        case "training.batch_size" if task == "language":
            return "streams" if config.training.stateful else "passages"
        case "training.batch_size":
            return text.data.unit if text.data is not None and text.data.task == task else c.unit
        case "training.validation_tokens":
            return c.unit if task == "language" else "timesteps"
        case "data.vocabulary_size":
            return kinds(config)
    return c.unit if c.unit != "%" else ""


def _row(c: Choice, draft: Draft, text: DraftText) -> Row:
    config = draft.config
    value = get(config, c.key)
    shown, gloss = clean_line(show(value)), unit(c, config, text)
    if c.key == TASK:
        gloss = words_of(config.data.task).answer
    elif c.key == PATH and str(value).startswith(("builtin:", "catalog:")):
        kind, _, name = str(value).partition(":")
        shown, gloss = clean_line(name), "built in" if kind == "builtin" else "fetched"
    elif not value and not isinstance(value, bool):
        meaning = _NOTHING.search(c.help)
        gloss = meaning[1] if meaning else gloss
    name = label(c, config.data.task)
    return Row(c.key, name, shown, gloss, draft.mark(c), draft.changed(c), tail=c.key.endswith("path"))


def _about_data(config: Config, text: DraftText, width: int, beside: bool) -> list[tuple[str, str]]:
    """How the data are, with the tone of each sentence."""
    if text.trouble:
        return [("can't be read: the reason stands beside" if beside else text.trouble, "bad")]
    if reading := text.line():
        return [(reading, "warn")]
    if text.data is None:
        return []
    told, notices = [(counted(config, text.data), "quiet")], text.data.notices
    if not beside:
        return [*told, *((notice, "warn") for notice in notices)]
    # Beside the form they stand whole: here a line says that there is something to know.
    told += [(fit(notice, width - 6), "warn") for notice in notices[:NOTICES]]
    more = len(notices) - NOTICES
    return [*told, (f"and {more} more: ? shows them", "warn")] if more > 0 else told


def _notes(told: list[tuple[str, str]], width: int) -> list[Row]:
    """What stands below a row."""
    return [Row(note=line, tone=tone) for said, tone in told for line in wrap(clean_line(said), max(width - 5, 8))]

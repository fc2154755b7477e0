"""The draft as rows of the form: all of it comes from the fields of the configuration."""

from __future__ import annotations

import re

from rnn_tui import presets
from rnn_tui.app.draft import PATH, Draft
from rnn_tui.app.panes.build_text import DraftText
from rnn_tui.app.widgets.row import Row, wrap
from rnn_tui.config import BUILTIN_TEXTS, CHOICES, Choice, Config, get, show, visible
from rnn_tui.symbols import clean_line

PRESET = "preset"
SECTIONS = {"data": "Data", "model": "Model", "training": "Training"}
_NOTHING = re.compile(r"\((?:0|empty): ([^),]+)")
"""What a field's help says of 0, or of an empty text: (0: one-hot)."""


def typed(config: Config, c: Choice) -> str:
    """A value as a person would type it."""
    value = get(config, c.key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def changes(count: int) -> str:
    """`2 changes`; empty for none."""
    return f"{count} change{'s' * (count != 1)}" if count else ""


def preset_line(config: Config) -> str:
    """The preset that a configuration comes closest to: `default, 2 changes`."""
    found, count = presets.nearest(config)
    return ", ".join(part for part in (found.name, changes(count)) if part)


def form_rows(draft: Draft, text: DraftText, wrong: tuple[str, str], width: int) -> list[Row]:
    """Every field that does something, under its section, with what there is to say of it below it.

    `wrong`: key of a field whose new value was refused, and the sentence that says why.
    """
    found, edits = presets.nearest(draft.config)
    rows = [Row(PRESET, "Preset", found.name, changes(edits), changed=bool(draft.session) and draft.needs_new)]
    rows += _notes(PRESET, text, wrong, width)
    section = ""
    for c in CHOICES.values():
        if not visible(c, draft.config):
            continue
        if c.section != section:
            section = c.section
            rows.append(Row(label=SECTIONS.get(section, section)))
        rows.append(_row(c, draft))
        rows += _notes(c.key, text, wrong, width)
    return rows


def _row(c: Choice, draft: Draft) -> Row:
    value = get(draft.config, c.key)
    shown, gloss = clean_line(show(value)), c.unit if c.unit != "%" else ""
    if c.key == PATH and value in BUILTIN_TEXTS:
        shown, gloss = value.partition(":")[2], "built in"
    elif not value and not isinstance(value, bool):
        meaning = _NOTHING.search(c.help)
        gloss = meaning[1] if meaning else gloss
    return Row(c.key, c.label, shown, gloss, draft.mark(c), draft.changed(c), tail=c.key.endswith("path"))


def _notes(key: str, text: DraftText, wrong: tuple[str, str], width: int) -> list[Row]:
    """What stands below a row: what was wrong with its new value, or how the text is."""
    found: list[tuple[str, str]] = []
    if key == wrong[0] and wrong[1]:
        found.append((wrong[1], "bad"))
    if key == PATH:
        if text.trouble:
            found.append((text.trouble, "bad"))
        elif reading := text.line():
            found.append((reading, "warn"))
        elif text.data is not None:
            found.append((f"{text.data.characters:,} characters, {text.data.vocabulary:,} symbols", "quiet"))
            found += [(notice, "warn") for notice in text.data.notices]
    return [Row(note=line, tone=tone) for said, tone in found for line in wrap(clean_line(said), max(width - 5, 8))]

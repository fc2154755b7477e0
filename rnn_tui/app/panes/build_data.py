"""What is known of the data: how much, of which kinds, what needs no network to be reached, and the first lines."""

from __future__ import annotations

from collections.abc import Sequence

from rnn_tui.app.panes.build_shapes import picture
from rnn_tui.app.widgets.diagram import told_baseline
from rnn_tui.app.widgets.row import Line, Lines, fit, pad, wrap
from rnn_tui.config import Config
from rnn_tui.lab.task_words import words_of
from rnn_tui.symbols import clean, clean_line
from rnn_tui.views import Baseline, DataView

LABEL, PICTURE = 11, 28
"""Columns of the names before the counts, and of a task's picture."""
FEWEST, SOME = 3, 8
"""Lines of a preview that are worth having, and that come before notices."""


def kinds(config: Config) -> str:
    """What a vocabulary is made of."""
    by_word = config.data.task == "tagging" or (
        config.data.symbol == "word" and config.data.task in ("language", "classification", "translation")
    )
    return "words" if by_word else "symbols"


def counted(config: Config, data: DataView) -> str:
    """How much there is, in one line."""
    if data.task == "language":
        return f"{data.characters:,} characters, {data.vocabulary:,} {kinds(config)}"
    many = f"{sum(part.length for part in data.parts):,} {data.unit}"
    if data.numeric:
        return f"{many}, {_count(data.vocabulary, 'number')} a timestep"
    return f"{many}, {data.vocabulary:,} {kinds(config)}"


class DataCard(Lines):
    """What is known of a draft's data, as much of it as there is room for."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._known: tuple[Config, DataView | None, str, str, bool] | None = None

    def show_data(self, config: Config, data: DataView | None, trouble: str, reading: str, whole: bool) -> None:
        """`trouble`: why they can't be read; `reading`: how far the reading is; `whole`: with the task's picture."""
        self._known = (config, data, trouble, reading, whole)
        self.redraw()

    def redraw(self) -> None:
        """Draw again at the present size."""
        if self._known and self.size.width:
            self.put(draw_data(*self._known, self.size.width, self.size.height))

    def on_resize(self) -> None:
        self.redraw()


def draw_data(
    config: Config, data: DataView | None, trouble: str, reading: str, whole: bool, width: int, height: int
) -> list[Line]:
    """The card in at most `height` lines of `width` columns. Why the data can't be read stands first, in full."""
    if width < 8 or height < 1:
        return []
    lines = [_rule(data.title if data else "Data", width)]
    if trouble:
        lines += [Line(((" " + row, "bad"),)) for row in wrap(clean_line(trouble), width - 2)]
        lines.append(Line())
    if whole:
        lines += [Line(((" " + row, "value"),)) for row in wrap(words_of(config.data.task).answer, width - 2)]
        drawn = picture(config)
        # The picture may take what the counts and some first lines leave.
        if width >= PICTURE and height >= len(lines) + len(drawn) + (0 if data is None else 8):
            lines += drawn
    if data is None:
        return [*lines, *([Line(((fit(" " + reading, width), "warn"),))] if reading else [])][:height]
    lines += _counts(config, data, width)
    lines += _baselines(data.baselines, words_of(data.task).real, width)
    notices = []
    for notice in data.notices:
        rows = wrap(clean_line(notice), width - 4)
        notices += [Line(((("   " if k else " ! ") + row, "warn"),)) for k, row in enumerate(rows)]
    room = height - len(lines) - 1
    first = clean(data.preview).expandtabs(4).split("\n")[: max(min(room, SOME), room - len(notices))]
    if room >= FEWEST and data.preview:
        lines.append(_rule("First lines", width))
        lines += [Line(((fit(" " + clean_line(row), width), "label"),)) for row in first]
    return [*lines, *notices][:height]


def _rule(words: str, width: int) -> Line:
    head = fit(f" {clean_line(words)} ", width)
    return Line(((head, "heading"), ("─" * max(width - len(head), 0), "dim")))


def _counts(config: Config, data: DataView, width: int) -> list[Line]:
    parts = ", ".join(f"{part.length:,} {_short(part.name)}" for part in data.parts)
    if len(parts) > width - LABEL:
        parts = " / ".join(f"{part.length:,}" for part in data.parts)
    told = [(data.unit, parts)]
    if data.longest:
        typical = f"{data.typical:,}, " if data.typical != data.longest else ""
        told.append(("timesteps", f"{typical}{data.longest:,} at most" if typical else f"{data.longest:,}"))
    if data.numeric:
        answers = f", answers {data.outputs:,}" if data.outputs else ""
        told.append(("reads", _count(data.vocabulary, "number") + answers))
    else:
        answers = f", {data.outputs:,} answers" if data.outputs else ""
        told.append(("kinds", f"{data.vocabulary:,} {kinds(config)}{answers}"))
    return [_pair(name, words, width) for name, words in told]


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _short(part: str) -> str:
    return {"training": "train", "validation": "valid."}.get(part, part)


def _pair(name: str, words: str, width: int) -> Line:
    return Line(((pad(f" {clean_line(name)}", LABEL), "quiet"), (fit(words, max(width - LABEL, 1)), "value")))


def _baselines(baselines: Sequence[Baseline], real: bool, width: int) -> list[Line]:
    """Each line that needs no network, and as many of its figures as fit."""
    told = [(clean_line(line.name), told_baseline(line, real)) for line in baselines]
    told = [(name, figures) for name, figures in told if figures]
    if not told:
        return []
    left = min(max(len(name) for name, _ in told) + 3, width // 2)
    unit = "squared error" if real else "nats"
    lines = [_rule(f"Without a network ({unit})", width)]
    for name, figures in told:
        shown = figures[0]
        for figure in figures[1:]:
            if len(shown) + 2 + len(figure) > width - left:
                break
            shown += "  " + figure
        lines.append(Line(((pad(f" {name}", left), "label"), (fit(shown, width - left), "value"))))
    return lines

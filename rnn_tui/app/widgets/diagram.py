"""The network as a drawing: a box for each stage, what leaves it, and what it costs.

Three sizes of the same drawing, so that two layers and eight fit a small screen: boxes
with arrows between them, boxes that share their borders, and one line a stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from rnn_tui.app.widgets.row import Line, Lines, Run, fit, pad, wrap
from rnn_tui.lab.measures import metric_words
from rnn_tui.lab.task_words import words_of
from rnn_tui.model.shapes import size
from rnn_tui.symbols import clean_line
from rnn_tui.views import Baseline, DataView, NetworkView, Stage

# Beyond this the eye loses the line from a box to its weights.
WIDEST = 52


def draw_network(
    view: NetworkView,
    data: DataView | None,
    width: int,
    height: int,
    *,
    answer: str = "next symbol",
    picture: Sequence[Line] = (),
) -> list[Line]:
    """The diagram in at most `height` lines of `width` columns: the largest size that fits.

    Under the drawing stand the sums, the baselines, and warnings; a refusal stands first.
    What does not fit drops from the end of the warnings, which says how many it left out.
    `answer`: what leaves the last stage, in words; `picture` stands above where there is room for it as well.
    """
    if width < 4 or height < 1:
        return []
    warnings = _warnings(view, width)
    sums = _sums(view, data, width)
    heading = _heading(width)
    span = min(width, WIDEST)
    room = height - 1 - len(sums) - sum(map(len, warnings))
    drawings = (_boxes, _stacked, _listed, _collapsed)
    foot = clean_line(answer)
    drawn: list[Line] = []
    for draw in drawings:
        drawn = draw(view.stages, span, foot)
        if len(drawn) <= room:
            break
    else:
        # The warnings give way before the drawing does, down to two lines of them.
        drawn = next((d for draw in drawings[1:] if len(d := draw(view.stages, span, foot)) <= room + 4), drawn)
    above = [*picture, Line()] if picture and len(picture) + 1 + len(drawn) <= room else []
    top = [heading, *above, *drawn]
    spare = height - len(top) - len(sums) - sum(map(len, warnings))
    lines = [*top, *([Line()] if spare > 0 else []), *sums]
    if warnings and spare > 1:
        lines.append(Line())
    return _with_warnings(lines, warnings, width, height)[:height]


def summary(view: NetworkView, data: DataView | None, width: int) -> list[Line]:
    """The sums and the first warning alone, where there is no room for a drawing."""
    warnings = _warnings(view, width)
    return [*_sums(view, data, width)[:2], *(warnings[0][:2] if warnings else [])]


def _with_warnings(lines: list[Line], warnings: list[list[Line]], width: int, height: int) -> list[Line]:
    for k, warning in enumerate(warnings):
        left = len(warnings) - k
        rest = sum(map(len, warnings[k:]))
        if len(lines) + rest <= height:
            return lines + [line for w in warnings[k:] for line in w]
        if len(lines) + len(warning) + 1 > height:
            more = f" ! {left} warning{'s' * (left != 1)}{' more' if k else ''}: ? shows them"
            return [*lines[: height - 1], Line(((fit(more, width), "warn"),))]
        lines = lines + warning
    return lines


def _heading(width: int) -> Line:
    words = " Network "
    right = " shape (B, T, F), weights "
    if width < len(words) + len(right) + 2:
        right = ""
    rule = "─" * max(width - len(words) - len(right), 0)
    return Line(((fit(words, width), "heading"), (rule, "dim"), (right, "quiet")))


def _name(stage: Stage) -> str:
    return clean_line(f"{stage.name} {stage.detail}".strip())


def _weights(stage: Stage) -> str:
    return f"{stage.parameters:,}" if stage.parameters else ""


def _box_width(stages: Sequence[Stage], width: int) -> int:
    """Columns of a box: what the longest shape beside it leaves."""
    return max(width - 5 - max(len(stage.shape) for stage in stages), 8)


def _boxes(stages: Sequence[Stage], width: int, foot: str) -> list[Line]:
    """Each stage a box of three lines, an arrow with the shape between them."""
    box = _box_width(stages, width)
    inner, middle = box - 2, (box - 2) // 2
    rule = "─" * middle + "┴" + "─" * (inner - middle - 1)
    under = rule.replace("┴", "┬")
    stem = " " * (middle + 2)
    lines = [_plain_stage(stages[0], box, width), Line(((stem + "│", "dim"),))]
    for k, stage in enumerate(stages[1:], start=2):
        loop = stage.recurrent
        last = k == len(stages)
        if stage.name.startswith("target"):
            # What the decoder reads is no layer over the encoder.
            lines += [_plain_stage(stage, box, width), Line(((stem + "│", "dim"),))]
            continue
        lines += [
            Line(((" ┌" + rule + "┐", "dim"),)),
            Line(
                (
                    (" │", "dim"),
                    (pad(" " + _name(stage), inner), "value"),
                    ("├" if loop else "│", "dim"),
                    ("─╮" if loop else "  ", "key"),
                    (pad(_weights(stage), max(width - box - 4, 0), right=True), "label"),
                )
            ),
            Line(((" └" + under + "┘", "dim"), ("◂╯ h" if loop else "", "key"))),
            Line(
                (
                    (stem + ("▾" if last else "│"), "dim"),
                    (" " * max(box + 4 - len(stem) - 1, 0), ""),
                    (fit(stage.shape, width - box - 4), "quiet"),
                )
            ),
        ]
    return [*lines, Line(((pad(f" {foot}", box), "label"),))]


def _stacked(stages: Sequence[Stage], width: int, foot: str) -> list[Line]:
    """Boxes that share their borders; the shape stands where it leaves the box."""
    box = _box_width(stages, width)
    rule = "─" * (box - 2)
    lines = [_plain_stage(stages[0], box, width), Line(((f" ┌{rule}┐", "dim"),))]
    for k, stage in enumerate(stages[1:], start=2):
        loop = stage.recurrent
        left, right = ("└", "┴" if loop else "┘") if k == len(stages) else ("├", "┼" if loop else "┤")
        lines += [
            Line(
                (
                    (" │", "dim"),
                    (pad(" " + _name(stage), box - 2), "value"),
                    ("│", "dim"),
                    ("◂╮" if loop else "  ", "key"),
                    (pad(_weights(stage), max(width - box - 4, 0), right=True), "label"),
                )
            ),
            Line(
                (
                    (f" {left}{rule}{right}", "dim"),
                    ("─╯" if loop else "  ", "key"),
                    (" " + fit(stage.shape, width - box - 4), "quiet"),
                )
            ),
        ]
    return [*lines, Line(((pad(f" {foot}", box), "label"),))]


def _plain_stage(stage: Stage, box: int, width: int) -> Line:
    return Line(
        (
            (pad(" " + _name(stage), box + 1), "label"),
            ("   ", ""),
            (fit(stage.shape, width - box - 4), "quiet"),
        )
    )


def _listed(stages: Sequence[Stage], width: int, foot: str) -> list[Line]:
    """One line a stage."""
    return _in_columns([(stage, 1) for stage in stages], width)


def _collapsed(stages: Sequence[Stage], width: int, foot: str) -> list[Line]:
    """One line for layers that are alike, with how many they are, and one for all dropout.

    Layers that differ in weights (the first one may read another width) stay apart.
    """
    counted = [(stage, len(list(same))) for stage, same in groupby(s for s in stages if s.name != "dropout")]
    dropped = next((stage for stage in stages if stage.name == "dropout"), None)
    if dropped is not None:
        counted.insert(len(counted) - 1, (dropped, sum(stage.name == "dropout" for stage in stages)))
    return _in_columns(counted, width)


def _in_columns(counted: Sequence[tuple[Stage, int]], width: int) -> list[Line]:
    weights = max(len(_weights(stage)) for stage, _ in counted)
    shape = max(len(stage.shape) for stage, _ in counted)
    name = max(width - weights - shape - 5, 1)
    lines = []
    for stage, times in counted:
        called = _name(stage) + (f" x{times}" if times > 1 else "")
        if len(called) > name:
            called = called.split(",")[0]
        lines.append(
            Line(
                (
                    (" " + pad(called, name), "value"),
                    (" ↺" if stage.recurrent else "  ", "key"),
                    (" " + pad(stage.shape, shape), "quiet"),
                    (pad(_weights(stage), weights + 1, right=True), "label"),
                )
            )
        )
    return lines


def _sums(view: NetworkView, data: DataView | None, width: int) -> list[Line]:
    known = data is not None
    count = f"{view.parameters:,} parameters" if known else "parameters: once the data are read"
    memory = size(view.memory_bytes)
    told = (f"{count}, {memory} of {size(view.free_bytes)} free", f"{count}, {memory}") if known else ()
    first = next((words for words in told if len(words) < width), count)
    lines: list[tuple[Run, ...]] = [((" " + fit(first, width - 1), "label"),)]
    if data is not None and not math.isnan(view.first_loss):
        guess = f" first loss should be ln {data.sizes.outputs:,} = {view.first_loss:.2f}"
        lines.append(((fit(guess, width), "quiet"),))
    baselines = _baselines(data, width - 1) if data is not None else ""
    if baselines:
        lines.append(((fit(" " + baselines, width), "quiet"),))
    return [Line(line) for line in lines]


def told_baseline(line: Baseline, real: bool) -> list[str]:
    """What a line that needs no network reaches, the most telling first. `real`: the loss is a squared error."""
    found = [metric_words(name, value) for name, value in line.metrics.items() if math.isfinite(value)]
    if math.isfinite(line.loss) and not (real and found):
        found.insert(0, f"{line.loss:.3g}" if real else f"{line.loss:.2f}")
    return found


def _baselines(data: DataView, width: int) -> str:
    real = words_of(data.task).real
    found = [(clean_line(line.name), told_baseline(line, real)) for line in data.baselines]
    told = [f"{name} {figures[0]}" for name, figures in found if figures]
    roomy = "  ".join(told)
    return roomy if len(roomy) <= width else " ".join(told)


def _warnings(view: NetworkView, width: int) -> list[list[Line]]:
    told = [(view.refusal, "bad")] if view.refusal else []
    told += [(warning, "warn") for warning in view.warnings]
    blocks = []
    for sentence, tone in told:
        broken = wrap(clean_line(sentence), max(width - 4, 1))
        blocks.append([Line((((" ! " if not k else "   ") + words, tone),)) for k, words in enumerate(broken)])
    return blocks


class Diagram(Lines):
    """The network of a draft, as large as there is room for."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[NetworkView, DataView | None] | None = None
        self._answer = ""
        self._picture: tuple[Line, ...] = ()

    def show_network(
        self, view: NetworkView, data: DataView | None, answer: str = "next symbol", picture: Sequence[Line] = ()
    ) -> None:
        """Draw this network; `data` is None while its data are being read."""
        self._shown, self._answer, self._picture = (view, data), answer, tuple(picture)
        self.redraw()

    def redraw(self) -> None:
        """Draw again at the present size."""
        if self._shown and self.size.width:
            width, height = self.size
            self.put(draw_network(*self._shown, width, height, answer=self._answer, picture=self._picture))

    def on_resize(self) -> None:
        self.redraw()

"""Curves over steps: plotext draws the lines, this widget the axes, and only what changed is sent.

plotext's figure is one for the whole process, so it is used on the UI thread alone. It raises on
inf and on None and takes time for each point: whatever reaches it went through `finite_series`
and `thin`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rnn_tui.app.widgets.canvas import Canvas, Cell
from rnn_tui.app.widgets.palette import style as palette_style

Float = NDArray[np.float64]

LARGEST = 1e300
WIDEST, TALLEST = 200, 60
"""Columns and rows of a plot at most: a huge screen does not make it slower."""

STYLES = {
    "train": 39, "validation": 214, "gradient": 72, "clip": 208,
    "first": 39, "second": 214, "third": 72, "fourth": 175, "beside": 244,
}  # fmt: skip
"""The 256-colour of each kind of line: blue and orange, which colour-blind eyes tell apart."""
# plotext's words for six colours, and the codes it writes for them: they tell the lines apart in its output.
_TAGS = ("red", "green", "orange", "blue", "magenta", "cyan")
_CODES = ("1", "2", "3", "4", "5", "6")
_ANSI = re.compile(r"\x1b\[([\d;]*)m")


def finite_series(x: ArrayLike, y: ArrayLike, *, log: bool = False) -> tuple[Float, Float]:
    """The points that can be drawn, as float64: the one door to plotext. Never raises on numbers.

    NaN and infinite points are dropped, longer of the two cut, values held within +-1e300; with `log`, `y`
    becomes its decimal logarithm, and what is not above zero is dropped.
    """
    xs = np.asarray(x, dtype=np.float64).ravel()
    ys = np.asarray(y, dtype=np.float64).ravel()
    length = min(len(xs), len(ys))
    xs, ys = xs[:length], ys[:length]
    keep = np.isfinite(xs) & np.isfinite(ys)
    if log:
        keep &= ys > 0
    xs, ys = xs[keep], ys[keep]
    if log:
        ys = np.log10(ys)
    return np.clip(xs, -LARGEST, LARGEST), np.clip(ys, -LARGEST, LARGEST)


def thin(x: Float, y: Float, columns: int, low: float, high: float) -> tuple[Float, Float]:
    """At most two points a column, the lowest and the highest of it, in their order: peaks stay."""
    if columns < 1 or len(x) <= 2 * columns or not high > low:
        return x, y
    column = np.clip(((x - low) / (high - low) * columns).astype(np.int64), 0, columns - 1)
    kept: list[int] = []
    for start, end in _runs(column):
        part = y[start:end]
        kept.extend(sorted({start + int(part.argmin()), start + int(part.argmax())}))
    chosen = np.array(kept[: 2 * columns], dtype=np.int64)
    return x[chosen], y[chosen]


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Start and end of each run of equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True))


def nice_step(span: float, count: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides a span into about `count` parts."""
    if not (math.isfinite(span) and span > 0) or count < 1:
        return 1.0
    raw = max(span / count, 1e-300)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1, 2, 5) if m * power >= raw * (1 - 1e-9)), 10 * power)


def nice_range(low: float, high: float, parts: int = 5) -> tuple[float, float, float]:
    """Bounds rounded outwards to a step, and the step: they hold still while the data move inside them."""
    low, high = max(low, -LARGEST), min(high, LARGEST)
    if not high > low:
        margin = abs(low) * 0.5 or 1.0
        low, high = low - margin, high + margin
    step = nice_step(high - low, parts)
    lower, upper = math.floor(low / step) * step, math.ceil(high / step) * step
    return lower, (upper if upper > lower else lower + step), step


@dataclass(frozen=True, slots=True)
class Series:
    """A line, or dots, over steps."""

    x: ArrayLike
    y: ArrayLike
    style: str
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line that needs no data, and what is written beside it: `uniform 4.17`."""

    name: str
    y: float


@dataclass(frozen=True, slots=True)
class Plot:
    """What a `Curve` shall show. Two equal ones look equal."""

    series: tuple[Series, ...] = ()
    levels: tuple[Level, ...] = ()
    right: float = 1.0
    """Where the x axis ends; it begins at 0."""
    log: bool = False
    ceiling: float = math.inf
    """Values above are drawn at the top: one spike must not flatten the rest. Not with `log`."""
    span: tuple[float, float] | None = None
    """What the upright axis shows, whatever the values are: a share is read between 0 and 100 %."""
    empty: str = ""
    """What stands there while there is nothing to draw: axes of nothing would mean nothing."""
    show: Callable[[float], str] = field(default=lambda value: f"{value:.4g}")
    across: str = "step"
    """What the x axis counts."""
    tick: Callable[[float], str] = field(default=lambda value: steps(value))
    """What stands at a place of the x axis."""


def draw(plot: Plot, width: int, height: int, ascii_only: bool = False) -> Canvas:
    """The plot on a canvas of `width` x `height`: axes, levels with their labels, and the lines. Never raises."""
    canvas = Canvas(width, height)
    gutter = 8
    columns, rows = min(width - gutter, WIDEST), min(height - 2, TALLEST)
    if columns < 4 or rows < 2:
        return canvas
    series = [(s, *finite_series(s.x, s.y, log=plot.log)) for s in plot.series]
    levels = [(level, *finite_series([0.0], [level.y], log=plot.log)) for level in plot.levels]
    if plot.empty and not any(len(ys) for _, _, ys in (*series, *levels)):
        words = plot.empty if cell_len(plot.empty) < width else plot.empty.partition(",")[0]
        canvas.write(max(1, (width - cell_len(words)) // 2), height // 2, words, "label")
        return canvas
    low, high, step = _vertical(plot, [ys for _, _, ys in series] + [ys for _, _, ys in levels], rows)
    right = max(plot.right, 1e-9) if math.isfinite(plot.right) else 1.0
    _axes(canvas, plot, gutter, columns, rows, (low, high, step), right, ascii_only)
    prepared = []
    for one, xs, ys in series:
        xs, ys = thin(np.clip(xs, 0.0, right), np.clip(ys, low, high), columns, 0.0, right)
        if len(xs):
            prepared.append((one, xs, ys))
    names = _levels(canvas, levels, gutter, columns, rows, low, high)
    if prepared:
        _lines(canvas, prepared, gutter, columns, rows, (0.0, right), (low, high), ascii_only)
    for y, name in names.items():
        _label(canvas, y, f" {name}"[: columns - 1], gutter, columns, rows)
    canvas.mend()
    return canvas


def _vertical(plot: Plot, values: Sequence[Float], rows: int) -> tuple[float, float, float]:
    known = [v for v in values if len(v)]
    if plot.span is not None:
        return nice_range(*plot.span, max(2, min(5, rows // 2)))
    if not known:
        return (0.0, 1.0, 0.5)
    low = min(float(v.min()) for v in known)
    high = max(float(v.max()) for v in known)
    if not plot.log and math.isfinite(plot.ceiling):
        high = max(low, min(high, plot.ceiling))
    return nice_range(low, high, max(2, min(6, rows // 2)))


def _row(value: float, low: float, high: float, rows: int) -> int:
    """Row of a value, 0 at the top, as plotext rounds it with limits at the cells' edges."""
    share = (value - low) / (high - low)
    return min(rows - 1, max(0, rows - 1 - int(share * rows)))


def _axes(
    canvas: Canvas, plot: Plot, gutter: int, columns: int, rows: int, vertical: tuple[float, float, float],
    right: float, ascii_only: bool,
) -> None:  # fmt: skip
    low, high, step = vertical
    upright, corner, flat, tick = ("|", "+", "-", "+") if ascii_only else ("│", "└", "─", "┴")
    for y in range(rows):
        canvas.write(gutter - 1, y, upright, "axis")
    taken: set[int] = set()
    for k in range(math.floor((high - low) / step + 1e-9) + 1):
        value = low + k * step
        y = _row(value, low, high, rows)
        if y in taken:
            continue
        taken.add(y)
        shown = plot.show(10.0**value if plot.log and value < 308 else value)
        canvas.write(gutter - 2 - len(shown[: gutter - 2]), y, shown[: gutter - 2], "axis")
    canvas.write(gutter - 1, rows, corner + flat * columns, "axis")
    across = nice_step(right, max(2, columns // 11))
    edge = 0
    for k in range(int(right / across + 1e-9) + 1):
        x = gutter + min(columns - 1, int(k * across / right * columns))
        shown = plot.tick(k * across)
        start = max(0, min(x - len(shown) // 2, canvas.width - len(shown)))
        if k:
            canvas.write(x, rows, tick, "axis")
        if start >= edge:
            canvas.write(start, rows + 1, shown, "axis")
            edge = start + len(shown) + 2
    canvas.write(max(gutter - 2 - len(plot.across), 0), rows + 1, plot.across, "axis", over=False)


def steps(value: float) -> str:
    """A number of steps in few columns: 800, 12k, 1.5M."""
    if value >= 1e6:
        return f"{value / 1e6:.4g}M"
    return f"{value / 1e3:.4g}k" if value >= 1e4 else f"{value:.4g}"


def _levels(
    canvas: Canvas, levels: Sequence[tuple[Level, Float, Float]], gutter: int, columns: int, rows: int, low: float,
    high: float,
) -> dict[int, str]:  # fmt: skip
    """Dotted lines; returns what is to be written beside each, by its row."""
    names: dict[int, list[str]] = {}
    for level, _, ys in levels:
        if len(ys) and low <= ys[0] <= high:
            names.setdefault(_row(float(ys[0]), low, high, rows), []).append(level.name)
    for y in names:
        for x in range(0, columns, 2):
            canvas.write(gutter + x, y, ".", "level")
    return {y: ", ".join(shown) for y, shown in names.items()}


def _label(canvas: Canvas, y: int, label: str, gutter: int, columns: int, rows: int) -> None:
    """A level's name at the right edge, where the curves come last; where one runs there, beside it."""
    length = cell_len(label)
    edge = gutter + columns - length
    near = [(edge, row) for row in (y - 1, y + 1) if 0 <= row < rows]
    for x, row in [*((x, y) for x in range(edge, gutter - 1, -1)), *near]:
        if all(style in ("", "level") for _, style in canvas.rows[row][x : x + length]):
            canvas.write(x, row, label, "label")
            return
    canvas.write(edge, y, label, "label", over=False)


@lru_cache(maxsize=1)
def _plotext() -> Any:
    """plotext, imported when the first curve is drawn: the first frame need not wait for it."""
    import plotext

    # A plot may be larger than the terminal that plotext sees: standard output may be a file.
    plotext.terminal.limit(False, False)
    return plotext


def _lines(
    canvas: Canvas, series: Sequence[tuple[Series, Float, Float]], gutter: int, columns: int, rows: int,
    horizontal: tuple[float, float], vertical: tuple[float, float], ascii_only: bool,
) -> None:  # fmt: skip
    plotext = _plotext()
    figure = plotext.figure
    figure.clear()
    figure.plot_size(columns, rows)
    figure.canvas("default")
    figure.axes(False)
    # Each axis is scaled to 0..1 first: limits as far apart as 1e300 would overflow inside.
    for axis, side in (("x", "lower"), ("y", "left")):
        figure.ruler(axis, side).frequency(0).lim(0.0, 1.0).alignment(lim="edge")
    for tag, (one, xs, ys) in zip(_TAGS, series, strict=False):
        mark = ("o" if ascii_only else "●") if one.dots else ("*" if ascii_only else "braille")
        signal = figure.signal(_scaled(xs, *horizontal), _scaled(ys, *vertical), marker=plotext.marker(mark, tag))
        figure.draw(signal if one.dots else signal.lines())
    styles = [one.style for one, _, _ in series]
    for y, line in enumerate(figure.build().string().split("\n")[:rows]):
        _paint(canvas, gutter, y, line, styles, gutter + columns)


def _scaled(values: Float, low: float, high: float) -> list[float]:
    shares = (values / 2 - low / 2) / (high / 2 - low / 2)
    return np.clip(np.nan_to_num(shares), 0.0, 1.0 - 1e-9).tolist()  # type: ignore[no-any-return]


def _paint(canvas: Canvas, x: int, y: int, line: str, styles: Sequence[str], end: int) -> None:
    """One line of plotext's output, its colour codes read as tags, onto the canvas; blanks let through."""
    style, at = "", 0
    for match in _ANSI.finditer(line):
        x = _put(canvas, x, y, line[at : match.start()], style, end)
        at = match.end()
        codes = match[1].split(";")
        if codes in ([""], ["0"]):
            style = ""
        elif codes[:2] == ["38", "5"] and codes[2] in _CODES:
            style = styles[min(_CODES.index(codes[2]), len(styles) - 1)]
    _put(canvas, x, y, line[at:], style, end)


def _put(canvas: Canvas, x: int, y: int, text: str, style: str, end: int) -> int:
    for sign in text:
        if sign not in (" ", "\u2800") and x < end:
            canvas.write(x, y, sign, style)
        x += 1
    return x


class Curve(Widget):
    """A plot that is sent once, and after that only the spans of its rows that changed."""

    can_focus = False
    COMPONENT_CLASSES = {"curve--axis", "curve--level", "curve--label"}  # noqa: RUF012 - Textual's own form
    DEFAULT_CSS = """
    Curve { height: 1fr; }
    Curve .curve--axis { color: $foreground 60%; }
    Curve .curve--level { color: $foreground 35%; }
    Curve .curve--label { color: $foreground 65%; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._plot: Plot | None = None
        self._rows: list[list[Cell]] = []
        self.ascii_only = False
        self.sent = 0
        """Cells refreshed so far: what the tests count."""

    @property
    def text(self) -> str:
        """What is drawn now, without colours."""
        return "\n".join("".join(sign for sign, _ in row).rstrip() for row in self._rows)

    def put(self, plot: Plot) -> None:
        """Draw this plot; only the cells between the first and last change of a row are sent."""
        self._plot = plot
        width, height = self.size
        if not width or not height:
            return
        old = self._rows
        self._rows = draw(plot, width, height, self.ascii_only).rows
        if len(old) != height or (old and len(old[0]) != width):
            self.sent += width * height
            self.refresh()
            return
        changed = []
        for y, (before, after) in enumerate(zip(old, self._rows, strict=True)):
            if before != after:
                differ = [x for x in range(width) if before[x] != after[x]]
                changed.append(Region(differ[0], y, differ[-1] - differ[0] + 1, 1))
                self.sent += changed[-1].width
        if changed:
            self.refresh(*changed)

    def on_resize(self) -> None:
        if self._plot is not None:
            self._rows = []
            self.put(self._plot)

    def _style(self, name: str) -> Style:
        base = self.rich_style
        if name in STYLES:
            return base + palette_style(STYLES[name])
        return self.get_component_rich_style(f"curve--{name}") if name else base

    def render_line(self, y: int) -> Strip:
        if y >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        segments: list[Segment] = []
        text, style = "", ""
        for sign, name in self._rows[y]:
            if name != style and sign != " " and text:
                segments.append(Segment(text, self._style(style)))
                text = ""
            if sign != " " or not text:
                # A blank takes whatever style runs on: spans stay long and few.
                style = name if sign != " " else style
            text += sign
        segments.append(Segment(text, self._style(style)))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

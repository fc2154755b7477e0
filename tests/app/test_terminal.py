"""What is sent to the terminal: it shows what was composed, sign, colour and ground, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from rnn_tui.app.terminal import GAP, Difference, Terminal, cells_of
from rnn_tui.views import Phase

from .conftest import Open, settle
from .fakes import FakeLab

STYLES = [
    Style.parse(words) for words in ("", "red", "#112233 on #ddeeff", "bold color(214)", "on color(24)", "reverse dim")
]
SIGNS = [*"ab .", "é", "日", "語", "█", "e\u0301"]
ROWS = st.lists(st.tuples(st.sampled_from(SIGNS), st.sampled_from(STYLES)), max_size=12)


class Screen:
    """A terminal that is sent only differences."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.screen)
        self.sent = 0

    def take(self, sequences: str) -> None:
        self.sent += len(sequences.encode())
        self.stream.feed(sequences)

    def row(self, y: int) -> list[tuple[Any, ...]]:
        """Of each column the sign and what can be seen of its style."""
        seen = []
        for x in range(self.screen.columns):
            cell = self.screen.buffer[y][x]
            blank = cell.data == " " and not cell.reverse
            seen.append((cell.data, "" if blank else cell.fg, cell.bg, not blank and cell.bold, cell.reverse))
        return seen


def whole(strips: list[Strip], terminal: Terminal | None, width: int) -> str:
    """The sequences for a screen of these rows; without a terminal all of it."""
    update = LayoutUpdate([[strip] for strip in strips], Region(0, 0, width, len(strips)))
    pieces = [(y, 0, cells_of(strip)) for y, strip in enumerate(strips)]
    return (
        update.render_segments(_console()) if terminal is None else terminal.difference(pieces, ColorSystem.TRUECOLOR)
    )


def _console() -> Any:
    return App().console


def strip_of(row: list[tuple[str, Style]], width: int) -> Strip:
    return Strip([Segment(sign, style) for sign, style in row]).adjust_cell_length(width, Style.null())


@given(st.lists(st.lists(ROWS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_any_row_of_screens_ends_as_if_each_was_sent_whole(screens: list[list[list[tuple[str, Style]]]]) -> None:
    """Wide signs over narrow ones, halves of them, attributes, colours: pyte shows the last one each time."""
    # The emulator breaks a line at its right edge, as no terminal does that Textual has set up: it gets a margin.
    width, terminal, shown = 12, Terminal(), Screen(14, 2)
    for rows in screens:
        strips = [strip_of(row, width) for row in rows]
        shown.take(whole(strips, terminal, width))
        fresh = Screen(14, 2)
        fresh.take(whole(strips, Terminal(), width))
        assert [shown.row(y) for y in range(2)] == [fresh.row(y) for y in range(2)]
        text = ["".join(cell[0] for cell in shown.row(y)) for y in range(2)]
        assert text == [pyte_text(strip.text) for strip in strips]
        assert whole(strips, terminal, width) == ""


def pyte_text(text: str) -> str:
    screen = pyte.Screen(14, 1)
    pyte.Stream(screen).feed(text)
    return "".join(screen.buffer[0][x].data for x in range(14))


def test_only_the_cells_that_changed_are_sent() -> None:
    terminal = Terminal()
    before, after = "step 1,240 of 5,000  loss 1.74", "step 1,250 of 5,000  loss 1.73"
    whole([Strip([Segment(before)])], terminal, 30)
    assert whole([Strip([Segment(after)])], terminal, 30) == "\x1b[1;9H5\x1b[1;30H3"
    close = "step 1,260 of 5,001  loss 1.73"
    sent = whole([Strip([Segment(close)])], terminal, 30)
    assert sent == "\x1b[1;9H6\x1b[1;19H1" and GAP < 19 - 9


def test_what_is_not_known_any_more_is_sent_again() -> None:
    terminal = Terminal()
    row = [Strip([Segment("as it was")])]
    whole(row, terminal, 9)
    terminal.forget()
    assert whole(row, terminal, 9) == "\x1b[1;1Has it was"


def test_what_lies_beyond_the_last_column_is_not_sent() -> None:
    """A terminal that became narrower writes it all into its last column."""
    terminal = Terminal()
    terminal.width = 4
    assert whole([Strip([Segment("abcdef")])], terminal, 6) == "\x1b[1;1Habcd"
    terminal.forget()
    assert whole([Strip([Segment("abc日d")])], terminal, 6) == "\x1b[1;1Habc"
    beyond = ChopsUpdate([{5: Strip([Segment("x")])}], [(0, 5, 6)], [[6]])
    assert Difference(beyond, terminal).render_segments(_console()) == ""


def test_of_a_span_only_what_lies_in_it_counts() -> None:
    """Beside a span Textual may not have drawn the widget that stands there."""
    terminal = Terminal()
    whole([Strip([Segment("left  right")])], terminal, 11)
    strip = Strip([Segment("LEFT       ")])
    update = Difference(ChopsUpdate([{0: strip}], [(0, 0, 4)], [[11]]), terminal)
    assert update.render_segments(_console()) == "\x1b[1;1HLEFT"
    assert whole([Strip([Segment("LEFT  right")])], terminal, 11) == ""


def test_an_update_of_another_kind_is_sent_as_it_is() -> None:
    class Other(CompositorUpdate):
        def render_segments(self, console: Any) -> str:
            return "something"

    terminal = Terminal()
    whole([Strip([Segment("abc")])], terminal, 3)
    assert Difference(Other(), terminal).render_segments(_console()) == "something"
    assert whole([Strip([Segment("abc")])], terminal, 3) == "\x1b[1;1Habc"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """The terminal of the app of this test."""
    from rnn_tui.app.app import LabApp

    screen = Screen(80, 24)
    before = LabApp._display

    def display(self: Any, of: Any, renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            screen.take(Difference(renderable, self._terminal).render_segments(self.console))
        before(self, of, renderable)

    monkeypatch.setattr(LabApp, "_display", display)
    yield screen


def differences(pilot: Pilot[Any], screen: Screen) -> list[Any]:
    """Cells where the terminal shows something else than what is composed now."""
    wanted = Screen(80, 24)
    for y, strip in enumerate(pilot.app.screen._compositor.render_strips()):
        wanted.take(f"\x1b[{y + 1};1H" + strip.render(pilot.app.console))
    return [
        (x, y, seen, meant)
        for y in range(24)
        for x, (seen, meant) in enumerate(zip(screen.row(y), wanted.row(y), strict=True))
        if seen != meant
    ]


async def test_the_terminal_shows_what_was_composed(shown: Open, trained: FakeLab, sent: Screen) -> None:
    """Also after a pane was hidden while what it shows changed, and under the help and a question."""
    async with shown("s") as pilot:
        for keys in (
            "2",
            "1",
            "6",
            "2",
            "question_mark",
            "escape",
            "R",
            "escape",
            "3",
            "5",
            "1",
            "down",
            "6",
            "2",
            "l",
        ):
            await pilot.press(keys)
            trained.run_to(trained.status.step + 70, Phase.TRAINING)
            await settle(pilot)
            await settle(pilot)
            assert differences(pilot, sent) == [], keys
        await pilot.resize_terminal(80, 23)
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        await settle(pilot)
        assert differences(pilot, sent) == []


@pytest.mark.parametrize(("key", "most"), [("1", 1000), ("2", 2000), ("6", 1000), ("question_mark", 1000)])
async def test_training_sends_little(shown: Open, trained: FakeLab, sent: Screen, key: str, most: int) -> None:
    """Twenty-five steps a second, for what is drawn in five seconds: at most so many bytes a second."""
    async with shown("s") as pilot:
        app: Any = pilot.app
        await pilot.press(key)
        for step in range(1, 13):
            trained.run_to(1900 + step, Phase.TRAINING)
            await settle(pilot)
        before = sent.sent
        seconds, frames = 5, 20
        for frame in range(frames):
            trained.run_to(1912 + 25 * seconds * frame // frames, Phase.TRAINING)
            # A quarter of a second of the app's own clock: as often as numbers are drawn.
            app.frame._words_at = app.panes["train"]._drawn_at = app.panes["sessions"]._drawn_at = 0.0
            await settle(pilot)
        assert sent.sent - before < most * seconds

"""Lines, rows and the network's drawing: what fits, what is cut, and that only changed rows are sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from rnn_tui.app.widgets.diagram import draw_network, summary
from rnn_tui.app.widgets.field import Field
from rnn_tui.app.widgets.path_field import PathField, complete_path
from rnn_tui.app.widgets.row import ASCII_SIGNS, Form, Line, Lines, Row, fit, pad, wrap
from rnn_tui.config import Config, put
from rnn_tui.model.shapes import diagram
from rnn_tui.views import Baseline, DataView, Part

SHAKESPEARE = DataView(
    "shakespeare.txt", "shakespeare.txt", 1_115_394, 65,
    (Part("train", 0, 1_059_624), Part("validation", 1_059_624, 55_770)),
    (Baseline("uniform", 4.17), Baseline("unigram", 3.35), Baseline("bigram", 2.48)), (), "", "",
)  # fmt: skip
FREE = 8_000_000_000
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x30FF, exclude_categories=["C", "M", "Z"]), max_size=40)


@given(texts, st.integers(-1, 50), st.booleans())
def test_fit_never_takes_more_columns_than_there_are(text: str, width: int, tail: bool) -> None:
    cut = fit(text, width, tail=tail)
    assert cell_len(cut) <= max(width, 0)
    if cell_len(text) <= width:
        assert cut == text
    elif width > 0:
        assert (cut.startswith("…") if tail else cut.endswith("…")) and len(cut) <= len(text) + 1


@given(texts, st.integers(0, 50), st.booleans())
def test_pad_takes_all_columns(text: str, width: int, right: bool) -> None:
    assert cell_len(pad(text, width, right=right)) == width


@given(st.lists(texts, max_size=8), st.integers(1, 30))
def test_wrap_keeps_every_sign_in_its_order(words: list[str], width: int) -> None:
    text = " ".join(words)
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    # A sign of two columns can't stand in one.
    assert all(cell_len(line) <= max(width, 2) for line in lines)


class Screen(App[None]):
    """One widget, and what it asked to have drawn again."""

    def __init__(self, widget: Lines) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def rows(count: int) -> list[Row]:
    return [Row(f"k{i}", f"label {i}", str(i)) for i in range(count)]


async def test_only_changed_rows_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Screen(Lines())
    async with app.run_test(size=(30, 6)) as pilot:
        app.widget.put([Line(((f"row {i}", "value"),)) for i in range(4)])
        await pilot.pause()
        seen: list[Region] = []
        monkeypatch.setattr(app.widget, "refresh", lambda *regions, **options: seen.extend(regions))
        app.widget.put([Line(((f"row {i if i != 2 else 9}", "value"),)) for i in range(4)])
        assert seen == [Region(0, 2, 30, 1)]
        seen.clear()
        app.widget.put([Line(((f"row {i if i != 2 else 9}", "value"),)) for i in range(3)])
        assert seen == [Region(0, 3, 30, 1)]


async def test_text_that_looks_like_markup_is_drawn_as_it_is() -> None:
    app = Screen(Lines())
    async with app.run_test(size=(30, 3)) as pilot:
        app.widget.put([Line((("[bold]x[/bold]", "value"),))])
        await pilot.pause()
        assert app.widget.render_line(0).text == "[bold]x[/bold]".ljust(30)


async def test_only_ascii_is_sent_where_nothing_else_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    view = diagram(Config(), SHAKESPEARE, FREE)
    app = Screen(Lines())
    app.ascii_only = True  # type: ignore[attr-defined]
    async with app.run_test(size=(60, 40)) as pilot:
        app.widget.put(draw_network(view, SHAKESPEARE, 60, 40))
        await pilot.pause()
        shown = [app.widget.render_line(y).text for y in range(40)]
    assert all(line.isascii() for line in shown)
    assert len(str(ASCII_SIGNS)) and any("+" in line and "-" in line for line in shown)


@given(st.integers(1, 30), st.lists(st.integers(-9, 9), max_size=12), st.integers(2, 9), st.sets(st.integers(0, 29)))
def test_the_cursor_is_always_in_view_and_never_on_a_note(
    count: int, moves: list[int], height: int, notes: set[int]
) -> None:
    form = Form(Field())
    some = [Row(note="a note") if i in notes else row for i, row in enumerate(rows(count))]
    form.show_rows(some)
    for by in moves:
        form.move(by)
        form._scroll(height)
        assert 0 <= form.top <= max(count - height, 0)
        if any(row.key for row in some):
            assert form.selected is not None
            assert form.top <= form.cursor < form.top + height


def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    form = Form(Field())
    form.show_rows(rows(20), "k12")
    form.show_rows([Row(note="new"), *rows(20)])
    assert form.selected is not None and form.selected.key == "k12"
    form.show_rows([row for row in rows(20) if row.key != "k12"])
    assert form.selected is not None and form.selected.key in ("k11", "k13")
    form.show_rows([])
    assert form.selected is None and not form.move(1)


@pytest.mark.parametrize(
    ("width", "gloss", "value"), [(46, True, "128"), (31, True, "128"), (24, False, "128"), (22, False, "1")]
)
async def test_the_value_comes_first_then_the_mark_then_the_unit(width: int, gloss: bool, value: str) -> None:
    form = Form(Field())
    async with Screen(form).run_test(size=(width, 4)) as pilot:
        form.show_rows([Row("a", "Hidden size", "128", "units", "new net", changed=True)])
        await pilot.pause()
        assert value in form.text
        assert ("units" in form.text) == gloss
        assert ("*new net" in form.text) == (width == 46)


async def test_the_scroll_bar_shows_when_there_is_more() -> None:
    form = Form(Field())
    async with Screen(form).run_test(size=(40, 8)) as pilot:
        form.show_rows(rows(8))
        await pilot.pause()
        assert "┃" not in form.text
        form.show_rows(rows(40))
        first = form.text.splitlines()
        form.move(39)
        last = form.text.splitlines()
    assert first[0].endswith("┃") and first[-1].endswith("│")
    assert last[0].endswith("│") and last[-1].endswith("┃")
    assert "label 39" in last[-1]


def drawn(config: Config, width: int, height: int, data: DataView | None = SHAKESPEARE) -> list[str]:
    lines = draw_network(diagram(config, data, FREE), data, width, height)
    return ["".join(text for text, _ in line.runs) for line in lines]


def several(values: dict[str, object]) -> Config:
    config = Config()
    for key, value in values.items():
        config = put(config, key, value)
    return config


def test_the_diagram_has_shapes_parameters_and_sums() -> None:
    text = "\n".join(drawn(Config(), 38, 17))
    hidden, inner, symbols = 128, 128, 65
    layer = 4 * hidden * inner + 4 * hidden * hidden + 2 * 4 * hidden
    for part in (
        "(50, 50)", "(50, 50, 128)", "(50, 50, 65)", f"{layer:,}", f"{symbols * inner:,}",
        f"{hidden * symbols + symbols:,}", f"{symbols * inner + 2 * layer + hidden * symbols + symbols:,} parameters",
        f"ln 65 = {math.log(65):.2f}", "uniform 4.17", "unigram 3.35", "bigram 2.48",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("◂╮") == 2


@pytest.mark.parametrize(
    ("changes", "loops"),
    [({}, 2), ({"model.cell": "feedforward"}, 0), ({"model.layers": 4}, 4), ({"model.cell": "gru"}, 2)],
)
def test_a_recurrent_layer_has_a_loop(changes: dict[str, object], loops: int) -> None:
    text = "\n".join(drawn(several(changes), 60, 60))
    assert text.count("─╮") == text.count("◂╯") == loops


def test_a_deep_network_fits_a_small_screen() -> None:
    config = several({"model.layers": 8, "model.dropout": 0.2})
    text = "\n".join(drawn(config, 38, 17))
    assert "LSTM 128 x8" in text or text.count("LSTM 128") == 8
    assert "dropout 0.2" in text and "parameters" in text and "!" in text


def test_a_refusal_stands_first_and_in_the_colour_of_errors() -> None:
    config = several({"model.hidden_size": 8192, "model.layers": 8, "training.learning_rate": 10})
    view = diagram(config, SHAKESPEARE, FREE)
    lines = draw_network(view, SHAKESPEARE, 38, 40)
    marked = [line.runs[0] for line in lines if line.runs and line.runs[0][0].startswith(" ! ")]
    assert marked[0][1] == "bad" and "needs" in marked[0][0]
    assert all(tone == "warn" for _, tone in marked[1:])


def test_without_the_text_what_depends_on_it_is_not_told() -> None:
    text = "\n".join(drawn(Config(), 38, 17, None))
    assert "(50, 50, V)" in text and "once the data are read" in text and "ln" not in text.replace("linear", "")


def fits(lines: Sequence[str], width: int, height: int) -> bool:
    return len(lines) <= height and all(cell_len(line.rstrip()) <= width for line in lines)


@given(
    st.integers(30, 120), st.integers(1, 60), st.integers(1, 8), st.sampled_from([0.0, 0.3, 0.9]),
    st.sampled_from(["rnn", "gru", "lstm", "feedforward"]), st.sampled_from([1e-6, 0.002, 10.0]), st.booleans(),
)  # fmt: skip
def test_every_diagram_fits(
    width: int, height: int, layers: int, dropout: float, cell: str, rate: float, known: bool
) -> None:
    config = several({
        "model.layers": layers, "model.dropout": dropout, "model.cell": cell, "training.learning_rate": rate,
        "training.optimizer": "sgd",
    })  # fmt: skip
    data = SHAKESPEARE if known else None
    assert fits(drawn(config, width, height, data), width, height)
    short = summary(diagram(config, data, FREE), data, width)
    assert short and fits(["".join(text for text, _ in line.runs) for line in short], width, 99)


def test_tab_completes_a_path_as_far_as_there_is_one_way(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "shakespeare.txt").write_text("x")
    (folder / "shakespeare2.txt").write_text("x")
    (folder / "texts").mkdir()
    (folder / ".hidden").write_text("x")
    assert complete_path(f"{folder}/sha") == f"{folder}/shakespeare"
    assert complete_path(f"{folder}/shakespeare.") == f"{folder}/shakespeare.txt"
    assert complete_path(f"{folder}/te") == f"{folder}/texts/"
    assert complete_path(f"{folder}/nothing") == f"{folder}/nothing"
    assert complete_path(f"{folder}/missing/x") == f"{folder}/missing/x"
    assert complete_path(f"{folder}/.h") == f"{folder}/.hidden"
    field = PathField()
    field.begin(f"{folder}/te")
    assert not field.feed("tab", "\t") and field.value.endswith("/te")
    field.completes = True
    assert field.feed("tab", "\t") and field.value.endswith("/texts/")

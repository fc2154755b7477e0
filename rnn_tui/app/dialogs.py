"""What lies over the panes for a moment: a question, a line to type, the help. None of it takes the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Markdown

from rnn_tui.app.actions import Action, sign_of
from rnn_tui.app.pane import Answer
from rnn_tui.app.widgets.field import Field
from rnn_tui.app.widgets.row import Line, Lines, fit, pad, wrap
from rnn_tui.symbols import clean, clean_line

WIDEST = 100


class Dialog(Vertical):
    """A question, or a line to type in; the key bar below it has the answers. Escape closes it and does nothing."""

    DEFAULT_CSS = """
    Dialog {
        layer: overlay; dock: bottom; display: none; height: auto; width: 100%; margin: 0 0 1 0;
        background: $panel; border-top: solid $accent;
    }
    Dialog #dialog-text { height: auto; padding: 0 1; }
    Dialog #dialog-field { margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(id="dialog")
        self._answers: tuple[Answer, ...] = ()
        self._accept: Callable[[str], str] | None = None
        self._title = self._text = self._wrong = ""
        self._stay = ""
        self.open = False

    def compose(self) -> ComposeResult:
        yield Lines(id="dialog-text")
        yield Field(id="dialog-field")

    def ask(self, title: str, text: str, answers: Sequence[Answer], stay: str = "stay") -> None:
        """Open with answers, each by its key; `stay` says what escape does."""
        self._accept, self._stay = None, stay
        self._open(title, text, answers)
        self.query_one(Field).display = False

    def ask_text(self, title: str, text: str, value: str, accept: Callable[[str], str]) -> None:
        """Open with a line; `accept` is given it on enter and returns what is wrong with it, or nothing."""
        self._accept = accept
        self._open(title, text, ())
        field = self.query_one(Field)
        field.display = True
        field.begin(value)

    def _open(self, title: str, text: str, answers: Sequence[Answer]) -> None:
        self._title, self._text, self._wrong = title, text, ""
        self._answers = tuple(answers)
        self.open = True
        self.display = True
        self._draw()

    def close(self) -> None:
        """Close it; nothing is done."""
        self.open = False
        self.display = False
        self.query_one(Field).end()

    def hints(self) -> list[tuple[str, str]]:
        """Its keys, for the key bar."""
        if self._accept is not None:
            return [("enter", "accept"), ("escape", "back")]
        return [*((sign_of(key), label) for key, label, _ in self._answers), ("escape", self._stay)]

    def feed(self, key: str, character: str | None) -> None:
        """A key; those that mean nothing here do nothing."""
        if key == "escape":
            self.close()
        elif self._accept is not None:
            field = self.query_one(Field)
            if key == "enter":
                self._wrong = self._accept(field.value)
                if not self._wrong:
                    self.close()
                self._draw()
            else:
                field.feed(key, character)
        else:
            for wanted, _, act in self._answers:
                if key == wanted:
                    # Closed first: the answer may open the next question.
                    self.close()
                    act()
                    return

    def paste(self, text: str) -> None:
        """A pasted text, into the line if there is one."""
        if self._accept is not None:
            self.query_one(Field).paste(text)

    def _draw(self) -> None:
        width = max(10, min(self.app.size.width - 2, WIDEST))
        lines = [Line(((fit(clean_line(self._title), width), "heading"),))]
        for part in clean(self._text).split("\n"):
            lines += [Line(((row, "value"),)) for row in wrap(part, width)]
        lines += [Line(((row, "bad"),)) for row in wrap(clean_line(self._wrong), width)]
        if sum(cell_len(key) + cell_len(label) + 3 for key, label in self.hints()) - 1 > self.app.size.width:
            # The key bar has no room for them.
            lines += [Line(((pad(f" {key}", 9), "key"), (label, "value"))) for key, label in self.hints()]
        text = self.query_one("#dialog-text", Lines)
        text.styles.height = len(lines)
        text.put(lines)


class Help(VerticalScroll):
    """The pane and its words explained, the values they have now, and its keys."""

    can_focus = False
    DEFAULT_CSS = """
    Help {
        layer: overlay; dock: top; display: none; width: 100%; height: 100%; margin: 1 0 1 0;
        background: $background; scrollbar-size-vertical: 1;
    }
    Help Lines { height: auto; padding: 0 2; }
    Help Markdown { background: $background; padding: 0 2; margin: 0; }
    """

    def __init__(self) -> None:
        super().__init__(id="help")
        self.open = False

    def compose(self) -> ComposeResult:
        yield Markdown(id="help-words")
        yield Lines(id="help-values")

    def show(
        self, title: str, words: str, values: Mapping[str, str], here: Iterable[Action], everywhere: Iterable[Action],
        ascii_only: bool = False,
    ) -> None:  # fmt: skip
        """Open it. `words` is markdown of our own; values may come from anywhere, and are never parsed."""
        self.open = True
        self.display = True
        self.scroll_home(animate=False)
        self.query_one(Markdown).update(words)
        width = max(20, min(self.app.size.width - 5, WIDEST))
        lines: list[Line] = []
        if values:
            lines += [Line((("Now", "heading"),))]
            longest = min(24, max(len(name) for name in values))
            for name, value in values.items():
                for row, part in enumerate(wrap(clean_line(value), max(8, width - longest - 2)) or [""]):
                    label = pad(clean_line(name) if row == 0 else "", longest + 2)
                    lines.append(Line(((label, "quiet"), (part, "value"))))
            lines.append(Line())
        for heading, actions in ((f"Keys of {title}", here), ("Keys everywhere", everywhere)):
            lines.append(Line(((heading, "heading"),)))
            lines += self._keys(actions, width, ascii_only)
            lines.append(Line())
        shown = self.query_one(Lines)
        shown.styles.height = len(lines)
        shown.put(lines)

    @staticmethod
    def _keys(actions: Iterable[Action], width: int, ascii_only: bool) -> list[Line]:
        lines = []
        for action in actions:
            signs = " ".join(sign_of(key, ascii_only) for key in action.keys if not key.startswith("alt+"))
            for row, part in enumerate(wrap(action.help, max(8, width - 14))):
                lines.append(Line(((pad(signs if row == 0 else "", 14), "key"), (part, "value"))))
        return lines

    def hints(self) -> list[tuple[str, str]]:
        """Its keys, for the key bar."""
        return [("↑↓", "scroll"), ("pgup pgdn", "page"), ("escape", "back")]

    def close(self) -> None:
        """Back to the pane."""
        self.open = False
        self.display = False

    def feed(self, key: str) -> None:
        """A key; those that mean nothing here do nothing."""
        match key:
            case "escape" | "question_mark" | "q":
                self.close()
            case "up" | "k":
                self.scroll_relative(y=-1, animate=False)
            case "down" | "j":
                self.scroll_relative(y=1, animate=False)
            case "pageup":
                self.scroll_page_up(animate=False)
            case "pagedown" | "space":
                self.scroll_page_down(animate=False)
            case "home":
                self.scroll_home(animate=False)
            case "end":
                self.scroll_end(animate=False)

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnn_tui.inspection.marks import MARKS, MarkError, find_mark, marked, matched


def drawn(text: str, mark: str) -> str:
    """`^` below each symbol that is marked."""
    return "".join("^" if grade else "." for grade in marked(text, mark=mark))


@pytest.mark.parametrize("pattern", [r'"[^"]*"', r"\n", r"[A-Z]", r"(?<=\()[^)]*", r"\bcat\b", "^.", ".$", "x*"])
def test_a_match_marks_what_python_matches(pattern: str) -> None:
    text = 'The "cat" sat\non (a Mat, or) so.\n"x" xx; the cat "saw\nit"\n' * 3
    expected = np.zeros(len(text), bool)
    for found in re.finditer(pattern, text, re.MULTILINE):
        expected[found.start() : found.end()] = True
    assert np.array_equal(matched(text, pattern), expected)


def test_symbols_beyond_the_first_plane_count_once() -> None:
    assert matched("a😀b日", "😀|日").tolist() == [False, True, False, True]
    assert marked("😀É9", mark="capital").tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(ab", "the pattern is no regular expression: missing ) at its symbol 4"),
        ("*a", "at its symbol 1"),
        ("[", "no regular expression"),
        ("", "there is no pattern"),
        ("a" * 1001, "1,000 are the most"),
        ("(" * 400 + "a" + "{1,2}" * 90, "pattern"),
    ],
)
def test_a_bad_pattern_is_told_in_a_sentence(pattern: str, sentence: str) -> None:
    with pytest.raises(MarkError) as told:
        matched("abc", pattern)
    assert sentence in str(told.value) and "\n" not in str(told.value)


def test_a_catastrophic_pattern_ends_and_others_go_on_meanwhile() -> None:
    text, ticks, done = "a" * 5_000 + "b", [0], threading.Event()

    def tick() -> None:
        while not done.wait(0.005):
            ticks[0] += 1

    ticking = threading.Thread(target=tick)
    ticking.start()
    started = time.monotonic()
    with pytest.raises(MarkError, match=r"more than 0\.3 seconds on 5,001 symbols"):
        matched(text, "(a+)+$", timeout=0.3)
    took = time.monotonic() - started
    done.set()
    ticking.join()
    # It would take longer than the universe has lasted.
    assert took < 30
    assert ticks[0] > 0


def test_many_matches_share_one_time_limit() -> None:
    with pytest.raises(MarkError, match=r"more than 0\.01 seconds"):
        matched("ab" * 2_000_000, "[ab]", timeout=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x = "ab" + \'c\'', '....^^^....^^.'),
        ("x['a']['b']", "..^^...^^.."),
        ("don't, can't", "............"),
        ("'it isn't' no", "^^^^^^^^^...."),
        ('a "line\nnext" b', "..............."),
        (r'"a\"b" c', "^^^^^..."),
        ("rb'x' f'y'", "..^^...^^."),
        ('"it\'s" \'a"b\'', '^^^^^..^^^^.'),
        ('"""a\n"b\n""" c', '^^^^^^^^^^...'),
        ("'''a", "^^^^"),
        ('""""""x', "^^^^^.."),
    ],
)  # fmt: skip
def test_inside_quotes(text: str, expected: str) -> None:
    assert drawn(text, "quotes") == expected


def test_a_text_that_begins_inside_a_docstring() -> None:
    text = 'end of it.\n    """\n    x = 1\n\ndef f():\n    """Doc\n    more"""\n    y = 2\n'
    shown = drawn(text, "quotes")
    assert shown.startswith("^" * 17 + ".")
    assert shown[text.index("x = 1")] == "." and shown[text.index("Doc")] == "^" and shown[text.index("y = 2")] == "."


def test_strings_leave_out_what_three_quotes_enclose() -> None:
    text = 'a = "b" """Doc"""\nc = \'d\''
    assert drawn(text, "strings") == "....^^................^^."
    assert drawn(text, "quotes")[: len('a = "b" ')] == drawn(text, "strings")[: len('a = "b" ')]
    assert drawn(text, "quotes")[text.index("Doc")] == "^" and drawn(text, "strings")[text.index("Doc")] == "."


def test_brackets_and_their_depth() -> None:
    text = "a(b[c]{d})e) ] (f"
    assert marked(text, mark="depth").tolist() == [0, 1, 1, 2, 2, 1, 2, 2, 1] + [0] * 8
    assert drawn(text, "brackets") == ".^^^^^^^^........"
    # A bracket of another kind in between that is never closed counts for nothing.
    assert marked("(a [b) c", mark="depth").tolist() == [1, 1, 1, 1, 1, 0, 0, 0]


def test_marks_of_place_and_kind() -> None:
    text = "Ab c_1\n\n x-Y2"
    assert marked(text, mark="column").tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 1, 2, 3, 4, 5]
    assert drawn(text, "word-start") == "^..^.....^.^."
    assert drawn(text, "capital") == "^..........^."
    assert drawn(text, "digit") == ".....^......^"
    assert drawn(text, "line-end") == ".....^......."


@given(st.text(alphabet="ab\"'()[]{}\\\n 1A😀", max_size=60))
def test_every_mark_grades_every_symbol(text: str) -> None:
    for name, mark in MARKS.items():
        grades = marked(text, mark=name)
        assert grades.dtype == np.float32 and grades.shape == (len(text),)
        assert (grades >= 0).all() and (mark.graded or set(grades.tolist()) <= {0.0, 1.0})


def test_unknown_marks_name_the_nearest() -> None:
    assert find_mark("Line end").name == "line-end"
    with pytest.raises(MarkError, match=r"'quotse' is no built-in mark; did you mean quotes\?.* there are quotes, "):
        find_mark("quotse")
    with pytest.raises(MarkError, match="leave one of them out"):
        marked("a", pattern="a", mark="digit")

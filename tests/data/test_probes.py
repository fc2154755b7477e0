from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_tui.data.examples import NOT_ASKED
from rnn_tui.data.probes import (
    PARTS,
    adding,
    batch_draws,
    brackets,
    copying,
    gap_draws,
    part_draws,
    reber,
    recall,
    sample_draws,
)

seeds = st.integers(0, 2**31 - 1)

# -- draws -----------------------------------------------------------------------------


def test_no_two_purposes_and_no_two_parts_draw_the_same() -> None:
    streams = [part_draws(7, part) for part in PARTS] + [batch_draws(k) for k in range(9)]
    streams += [gap_draws(7, gap) for gap in range(9)] + [sample_draws(k) for k in range(9)]
    firsts = [tuple(draws.integers(0, 2**60, 3).tolist()) for draws in streams]
    assert len(set(firsts)) == len(firsts)
    assert part_draws(7, "test").random() == part_draws(7, "test").random() != part_draws(8, "test").random()


# -- adding ----------------------------------------------------------------------------


@given(seeds, st.integers(2, 60))
@settings(max_examples=30)
def test_adding_marks_one_value_in_either_half_and_asks_for_their_sum(seed: int, T: int) -> None:
    drawn = adding.draw(np.random.default_rng(seed), 5, T)
    for k in range(5):
        values, marks = drawn.read(k).T
        assert drawn.read(k).dtype == np.float32 and ((values >= 0) & (values < 1)).all()
        assert sorted(set(marks.tolist())) in ([0.0, 1.0], [1.0])
        assert marks[: T // 2].sum() == marks[T // 2 :].sum() == 1
        assert drawn.asked(k).shape == (1, 1)
        assert drawn.asked(k)[0, 0] == pytest.approx(float((values * marks).sum()), abs=1e-6)


def test_answering_1_costs_a_sixth() -> None:
    drawn = adding.draw(np.random.default_rng(1), 40_000, 4)
    errors = np.array([float((drawn.asked(k)[0, 0] - 1) ** 2) for k in range(len(drawn))])
    assert abs(errors.mean() - adding.ALWAYS_ONE) < 4 * errors.std() / math.sqrt(len(errors))
    with pytest.raises(ValueError, match="halves"):
        adding.draw(np.random.default_rng(1), 1, 1)


# -- copying ---------------------------------------------------------------------------


@given(seeds, st.integers(1, 40))
@settings(max_examples=30)
def test_copying_asks_for_ten_symbols_after_a_delay(seed: int, delay: int) -> None:
    drawn = copying.draw(np.random.default_rng(seed), 3, delay)
    for k in range(3):
        read = "".join(copying.INPUTS[n] for n in drawn.read(k))
        asked = "".join(copying.ANSWERS[n] for n in drawn.asked(k))
        assert re.fullmatch(rf"[a-h]{{10}}-{{{delay - 1}}}>-{{10}}", read)
        assert asked == "-" * (delay + 10) + read[:10]
        assert (copying.answers(drawn.read(k)) == drawn.asked(k)).all()
        assert (copying.finished(drawn.read(k)[: delay + 10]) == drawn.read(k)).all()


@pytest.mark.parametrize(("read", "finished", "asked"), [
    ("ab", "ab>--", "---ab"), ("a-b>-", "a-b>--", "----ab"), ("abc>-----", "abc>-----", "----abc--"), (">", ">", "-"),
])  # fmt: skip
def test_what_a_person_writes_is_finished_and_asked_for(read: str, finished: str, asked: str) -> None:
    whole = copying.finished(np.array([copying.INPUTS.index(c) for c in read]))
    assert "".join(copying.INPUTS[k] for k in whole) == finished
    assert "".join(copying.ANSWERS[k] for k in copying.answers(whole)) == asked


def test_remembering_nothing_in_copying_is_the_published_line() -> None:
    assert copying.remembers_nothing(1000) == pytest.approx(0.020387, abs=1e-6)
    drawn = copying.draw(np.random.default_rng(2), 4, 30)
    costs = [0.0 if copying.ANSWERS[k] == copying.BLANK else math.log(8) for n in range(4) for k in drawn.asked(n)]
    assert np.mean(costs) == pytest.approx(copying.remembers_nothing(30), rel=1e-12)


# -- recall ----------------------------------------------------------------------------


@given(seeds, st.integers(1, 12))
@settings(max_examples=30)
def test_recall_asks_for_the_first_symbol_at_the_mark_alone(seed: int, longest: int) -> None:
    drawn = recall.draw(np.random.default_rng(seed), 200, longest)
    assert set(drawn.lengths.tolist()) <= set(range(2, longest + 2))
    if longest < 6:
        assert len(set(drawn.lengths.tolist())) == longest
    for k in range(20):
        read, asked = drawn.read(k), drawn.asked(k)
        assert read[-1] == recall.INPUTS.index(recall.MARK) and (read[:-1] < recall.KINDS).all()
        assert (asked[:-1] == NOT_ASKED).all() and asked[-1] == read[0]


def test_the_gaps_of_recall_are_what_is_asked_for() -> None:
    drawn = recall.draw_gaps(np.random.default_rng(1), np.array([1, 7, 3]))
    assert drawn.lengths.tolist() == [2, 8, 4]
    mark = len(recall.INPUTS) - 1
    assert (
        recall.finished(np.array([3, 1])).tolist() == [3, 1, mark] == recall.finished(np.array([3, 1, mark])).tolist()
    )
    assert recall.answers(np.array([mark, 3])).tolist() == [NOT_ASKED, NOT_ASKED]


# -- brackets --------------------------------------------------------------------------


def all_words(m: int) -> list[str]:
    """Every word of m pairs, by removing pairs from every text until nothing is left."""
    found = []
    for letters in itertools.product("([)]", repeat=2 * m):
        left = whole = "".join(letters)
        while "()" in left or "[]" in left:
            left = left.replace("()", "").replace("[]", "")
        if not left:
            found.append(whole)
    return found


def expected_cost(longest: int, knows: Callable[[str], Hashable]) -> float:
    """By counting: every word with its probability, every prediction in it, whatever the predictor can't tell apart
    put together."""
    table: dict[Hashable, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    N = longest // 2
    for m in range(1, N + 1):
        words = all_words(m)
        for word in words:
            for t in range(1, len(word) + 1):
                table[knows(word[:t])][(word + "$")[t]] += 1 / (N * len(words))
    mass = sum(sum(row.values()) for row in table.values())
    return sum(-v * math.log(v / sum(row.values())) for row in table.values() for v in row.values()) / mass


@pytest.mark.parametrize("longest", [2, 3, 4, 6, 8])
def test_the_lines_of_brackets_are_what_counting_gives(longest: int) -> None:
    shape = str.maketrans("[]", "()")
    assert brackets.optimum(longest) == pytest.approx(expected_cost(longest, lambda before: before), abs=1e-12)
    forgets = expected_cost(longest, lambda before: before.translate(shape))
    assert brackets.forgets_kinds(longest) == pytest.approx(forgets, abs=1e-12)
    assert brackets.bigram(longest)[0] == pytest.approx(expected_cost(longest, lambda before: before[-1]), abs=1e-12)


@pytest.mark.parametrize("longest", [4, 8])
def test_the_bigrams_share_of_closing_brackets_is_what_counting_gives(longest: int) -> None:
    right = closings = 0.0
    for m in range(1, longest // 2 + 1):
        words = all_words(m)
        for word in words:
            for t in range(1, len(word)):
                if word[t] in ")]":
                    closings += 1 / len(words)
                    right += (1 if word[t - 1] in "([" else 0.5) / len(words)
    assert brackets.bigram(longest)[1] == pytest.approx(right / closings, abs=1e-12)


def test_every_word_is_equally_likely() -> None:
    draws = np.random.default_rng(5)
    found = Counter("".join(brackets.SYMBOLS[k] for k in brackets.word(draws, 3)) for _ in range(8000))
    assert set(found) == set(all_words(3)) and len(found) == 40
    spread = math.sqrt(8000 / 40)
    assert max(abs(n - 200) for n in found.values()) < 5 * spread
    assert len(brackets.word(draws, 0)) == 0


@given(seeds, st.integers(2, 30))
@settings(max_examples=30)
def test_words_are_nested_and_as_long_as_they_may_be(seed: int, longest: int) -> None:
    drawn = brackets.draw(np.random.default_rng(seed), 4, longest)
    for k in range(4):
        word = "".join(brackets.SYMBOLS[n] for n in drawn.read(k))
        left = word
        for _ in word:
            left = left.replace("()", "").replace("[]", "")
        assert not left and 2 <= len(word) <= longest
        assert "".join(brackets.ANSWERS[n] for n in drawn.asked(k)) == word[1:] + "$"


@given(seeds, st.integers(0, 20))
@settings(max_examples=40)
def test_at_a_distance_the_last_bracket_closes_the_first(seed: int, half: int) -> None:
    drawn = brackets.draw_distance(np.random.default_rng(seed), 6, 2 * half + 1)
    for k in range(6):
        read, asked = drawn.read(k), drawn.asked(k)
        assert len(read) == 2 * half + 1 and (asked[:-1] == NOT_ASKED).all()
        assert brackets.legal(np.append(read, asked[-1]))[-1] == (0, 1, brackets.ANSWERS.index("$"))
    with pytest.raises(ValueError, match="pairs"):
        brackets.draw_distance(np.random.default_rng(seed), 1, 2 * half + 2)


def test_legal_is_what_some_word_goes_on_with() -> None:
    longest = 6
    words = [word + "$" for m in (1, 2, 3) for word in all_words(m)]
    for word in words:
        ids = np.array([brackets.SYMBOLS.index(c) for c in word[:-1]])
        for t, allowed in enumerate(brackets.legal(ids, longest)):
            after = {other[t + 1] for other in words if other.startswith(word[: t + 1])}
            assert {brackets.ANSWERS[k] for k in allowed} == after
    assert brackets.legal(np.array([0, 3, 0])) == ((0, 1, 2), (), ())


@pytest.mark.parametrize(("longest", "count"), [(7, 1000), (40, 300), (600, 90)])
def test_representative_words_have_every_length_alike(longest: int, count: int) -> None:
    lengths = Counter(brackets.representative(np.random.default_rng(3), count, longest).lengths.tolist())
    assert len(set(lengths.values())) == 1 and sum(lengths.values()) >= count
    assert min(lengths) == 2 and max(lengths) == longest // 2 * 2
    with pytest.raises(ValueError, match="no pair"):
        brackets.representative(np.random.default_rng(3), 5, 1)


# -- reber -----------------------------------------------------------------------------

FROM_4 = "(XT*VP)*(S|XT*VV)"
REBER = f"B(TS*X{FROM_4}|PT*V(V|P{FROM_4}))E"
EMBEDDED = re.compile(f"B(T{REBER}T|P{REBER}P)E")


def test_the_lines_of_the_grammar_are_seven_and_eight_coins_in_eleven_predictions() -> None:
    assert reber.optimum() == pytest.approx(7 * math.log(2) / 11, abs=1e-14)
    assert reber.without_long_memory() == pytest.approx(8 * math.log(2) / 11, abs=1e-14)
    assert (round(reber.optimum(), 5), round(reber.without_long_memory(), 5)) == (0.44109, 0.50411)


def texts(count: int, seed: int = 1) -> list[str]:
    return ["".join(reber.SYMBOLS[k] for k in each) for each in reber.strings(np.random.default_rng(seed), count)]


def test_its_strings_are_the_grammars() -> None:
    found = texts(4000)
    assert all(EMBEDDED.fullmatch(text) for text in found)
    lengths = np.array([len(text) for text in found])
    assert abs(lengths.mean() - 12) < 4 * lengths.std() / math.sqrt(len(lengths))
    # Four forks lead to each of the shortest.
    shortest = Counter(text for text in found if len(text) == 9)
    assert set(shortest) == {"BTBTXSETE", "BPBTXSEPE", "BTBPVVETE", "BPBPVVEPE"}
    assert all(abs(n - 4000 / 16) < 5 * math.sqrt(4000 / 16) for n in shortest.values())


def test_what_one_symbol_tells_is_what_counting_gives() -> None:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts(20_000):
        for a, b in itertools.pairwise(text):
            table[a][b] += 1
    total = sum(sum(row.values()) for row in table.values())
    counted = sum(-n * math.log(n / sum(row.values())) for row in table.values() for n in row.values()) / total
    assert reber.bigram() == pytest.approx(counted, abs=0.01)


def test_legal_is_what_may_follow_and_nothing_after_a_fault() -> None:
    for text in texts(60):
        ids = np.array([reber.SYMBOLS.index(c) for c in text])
        allowed = [{reber.SYMBOLS[k] for k in each} for each in reber.legal(ids)]
        assert all(after in each for after, each in zip(text[1:], allowed, strict=False))
        assert allowed[-1] == set() and allowed[-3] == {text[1]}
        assert sum(len(each) == 2 for each in allowed) == len(text) - 1 - 4
    bad = np.array([reber.SYMBOLS.index(c) for c in "BTBSX"])
    assert [len(each) for each in reber.legal(bad)] == [2, 1, 2, 0, 0]


@given(seeds)
@settings(max_examples=15)
def test_representative_strings_are_of_the_grammars_mean_length(seed: int) -> None:
    drawn = reber.representative(np.random.default_rng(seed), 150)
    assert len(drawn) == 150 and int(drawn.lengths.sum()) == 150 * 11
    for k in range(0, 150, 10):
        text = "".join(reber.SYMBOLS[n] for n in [*drawn.read(k), drawn.asked(k)[-1]])
        assert EMBEDDED.fullmatch(text) and (drawn.read(k)[1:] == drawn.asked(k)[:-1]).all()

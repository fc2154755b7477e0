"""English-like sentences from a small grammar: what a network can learn of it is known.

Letters make words within a few steps; verbs agree with a noun that may stand several words
before them; brackets and quotes are closed; a pronoun fits the name a sentence ago. Each
needs a longer memory than the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_People = tuple[tuple[str, str, str], ...]
_PEOPLE: _People = (
    ("Anna", "she", "her"), ("Clara", "she", "her"), ("Martha", "she", "her"), ("Ruth", "she", "her"),
    ("Ben", "he", "his"), ("Henry", "he", "his"), ("Oscar", "he", "his"), ("Paul", "he", "his"),
)  # fmt: skip
_NOUNS = (
    ("baker", "bakers"), ("bird", "birds"), ("captain", "captains"), ("cat", "cats"), ("child", "children"),
    ("cook", "cooks"), ("dog", "dogs"), ("farmer", "farmers"), ("fox", "foxes"), ("goat", "goats"),
    ("guest", "guests"), ("horse", "horses"), ("king", "kings"), ("mouse", "mice"), ("sailor", "sailors"),
    ("singer", "singers"), ("teacher", "teachers"), ("woman", "women"),
)  # fmt: skip
_ADJECTIVES = ("brave", "busy", "clever", "gentle", "hungry", "little", "loud", "old", "quiet", "red", "tired", "young")
_INTRANSITIVE = (
    ("dances", "dance"), ("laughs", "laugh"), ("listens", "listen"), ("sings", "sing"), ("sleeps", "sleep"),
    ("waits", "wait"), ("walks home", "walk home"),
)  # fmt: skip
_TRANSITIVE = (
    ("calls", "call"), ("feeds", "feed"), ("finds", "find"), ("follows", "follow"), ("hears", "hear"),
    ("knows", "know"), ("likes", "like"), ("paints", "paint"), ("watches", "watch"),
)  # fmt: skip
_PLACES = (
    "at the market", "behind the mill", "by the river", "in the garden", "in the kitchen", "near the old bridge",
    "on the hill", "under the apple tree",
)  # fmt: skip
_TIMES = ("After dinner", "At noon", "Before the rain", "Every morning", "In winter", "On Sundays", "Today")
_THINGS = ("apples", "books", "candles", "letters", "nuts", "shoes", "songs", "stones")
_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "12", "20", "100")
_LINKS = ("and", "but", "because", "while")

_T = TypeVar("_T")


def sentences(size: int, seed: int = 1) -> str:
    """Paragraphs of sentences, at least `size` characters, all ASCII; the same for the same seed on every Python."""
    grammar = _Grammar(Random(seed))
    paragraphs: list[str] = []
    written = 0
    while written < size:
        paragraphs.append(grammar.paragraph())
        written += len(paragraphs[-1])
    return "".join(paragraphs)


class _Grammar:
    def __init__(self, random: Random) -> None:
        self._random = random

    def _one(self, of: Sequence[_T]) -> _T:
        # Of a generator's methods only random() promises the same numbers in every version.
        return of[int(self._random.random() * len(of))]

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def paragraph(self) -> str:
        count = 3 + int(self._random.random() * 4)
        return " ".join(self._sentence() for _ in range(count)) + "\n\n"

    def _sentence(self) -> str:
        kind = self._random.random()
        if kind < 0.2:
            return self._about_a_person()
        if kind < 0.3:
            name, _, _ = self._one(_PEOPLE)
            return f'"{_capital(self._clause())}," says {name}.'
        if kind < 0.4:
            return f"Where {self._question()}?"
        if kind < 0.6:
            return f"{self._one(_TIMES)} {self._clause()}."
        if kind < 0.75:
            return f"{_capital(self._clause())} {self._one(_LINKS)} {self._clause()}."
        return f"{_capital(self._clause())}."

    def _about_a_person(self) -> str:
        name, pronoun, possessive = self._one(_PEOPLE)
        first = f"{name} has {self._one(_NUMBERS)} {self._one(_THINGS)}"
        noun = self._one(_NOUNS)[self._random.random() < 0.5]
        verb = self._one(_TRANSITIVE)[0]
        return f"{first}. {_capital(pronoun)} {verb} {possessive} {self._one(_ADJECTIVES)} {noun} {self._one(_PLACES)}."

    def _question(self) -> str:
        plural = self._chance(0.5)
        verb = self._one(_INTRANSITIVE)[1]
        return f"{'do' if plural else 'does'} {self._noun_phrase(plural, 0.3)} {verb}"

    def _clause(self) -> str:
        plural = self._chance(0.5)
        subject = self._noun_phrase(plural, 0.35)
        if self._chance(0.45):
            action = self._one(_INTRANSITIVE)[plural]
        else:
            action = f"{self._one(_TRANSITIVE)[plural]} {self._noun_phrase(self._chance(0.5), 0.1)}"
        return f"{subject} {action} {self._one(_PLACES)}" if self._chance(0.4) else f"{subject} {action}"

    def _noun_phrase(self, plural: bool, more: float) -> str:
        """A noun with its article; `more` is the chance that a clause or a bracket parts it from its verb."""
        words = [self._one(("the", "some", "many", "these") if plural else ("the", "one", "every", "this"))]
        if self._chance(0.35):
            words.append(self._one(_ADJECTIVES))
        words.append(self._one(_NOUNS)[plural])
        kind = self._random.random()
        if kind < more / 2:
            words.append(f"that {self._one(_TRANSITIVE)[plural]} {self._noun_phrase(self._chance(0.5), 0.0)}")
        elif kind < more * 0.75:
            words.append(f"that {self._noun_phrase(not plural, 0.0)} {self._one(_TRANSITIVE)[not plural]}")
        elif kind < more:
            words.append(f"({self._one(_NUMBERS)} years old)")
        return " ".join(words)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

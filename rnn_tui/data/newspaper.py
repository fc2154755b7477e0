"""Tagged sentences from a small grammar: whether a name is a person or a place, only its neighbours tell.

Every invented name stands for persons and for places alike. In half of the sentences the word
that decides comes after the name, so a network that reads from the left alone can't know it.
"""

from __future__ import annotations

from functools import cache
from random import Random

SENTENCES = 2000

_NAMES = (
    "Alder", "Arden", "Barlow", "Blythe", "Camden", "Carrow", "Dalby", "Denholm", "Easton", "Elmsley", "Farley",
    "Garth", "Halden", "Harlow", "Ingram", "Jarrow", "Kelso", "Kendal", "Lanark", "Linton", "Marlow", "Merton",
    "Norwell", "Oakley", "Penrose", "Quenby", "Radley", "Selby", "Sheldon", "Thornby", "Upton", "Wendell", "Whitby",
)  # fmt: skip
_FIRST = ("Anna", "Ben", "Clara", "Henry", "Martha", "Oscar", "Paul", "Ruth")
_ENDS = ("Bridge", "Hill", "Valley", "Harbour")
_PERSON_DOES = (
    "laughed", "wrote a letter", "plays the violin", "has two sisters", "baked a cake", "was born on a Sunday",
    "sold the old car",
)  # fmt: skip
_PLACE_DOES = (
    "lies by the river", "has two churches", "was built on a hill", "borders the sea", "was flooded in spring",
    "elected a new mayor", "sold the old mill",
)  # fmt: skip
_BEFORE_PERSON = ("my friend", "the teacher", "Mr", "Mrs", "the singer")
_BEFORE_PLACE = ("in", "near", "from", "north of", "on the road to")
_WHO = ("the baker", "a young sailor", "my aunt", "nobody", "the postman", "everyone")
_WENT = ("lives", "stayed", "came", "was seen", "waited")
_MET = ("met", "knows", "called", "thanked", "remembers")
_TIMES = ("today", "yesterday", "last winter", "at noon", "in May")

Tagged = list[tuple[str, str]]


@cache
def newspaper() -> str:
    """2,000 sentences, a word TAB its tag on each line (IOB2: PER, LOC), always the same."""
    random = Random("newspaper")
    return "\n".join("".join(f"{word}\t{tag}\n" for word, tag in _sentence(random)) for _ in range(SENTENCES))


def _sentence(random: Random) -> Tagged:
    kind = random.random()
    if kind < 0.5:
        person = random.random() < 0.5
        does = random.choice(_PERSON_DOES if person else _PLACE_DOES)
        # Two places or two persons, joined, are decided by the same words after them.
        several = random.random() < 0.25
        found = _name(random, person)
        if several:
            found += [("and", "O"), *_name(random, person)]
        found += _plain(does)
    elif kind < 0.75:
        found = _plain(f"{random.choice(_WHO)} {random.choice(_WENT)} {random.choice(_BEFORE_PLACE)}")
        found += _name(random, False)
    else:
        found = _plain(f"{random.choice(_WHO)} {random.choice(_MET)} {random.choice(_BEFORE_PERSON)}")
        found += _name(random, True)
    if random.random() < 0.4:
        found += _plain(random.choice(_TIMES))
    word, tag = found[0]
    return [(word[0].upper() + word[1:], tag), *found[1:], (".", "O")]


def _plain(text: str) -> Tagged:
    return [(word, "O") for word in text.split()]


def _name(random: Random, person: bool) -> Tagged:
    words = [random.choice(_NAMES)]
    if random.random() < 0.3:
        words = [random.choice(_FIRST), *words] if person else [*words, random.choice(_ENDS)]
    kind = "PER" if person else "LOC"
    return [(word, f"{'I' if k else 'B'}-{kind}") for k, word in enumerate(words)]

"""Surnames of six invented languages: a small set for telling where a name is from.

Their syllables overlap, so that no single letter decides. What does: two languages share all
their letters and differ in the order of consonant and vowel, two share all their syllables
but one of them keeps its vowels in harmony with the first one over the whole name, and two
have the same names but for an ending.
"""

from __future__ import annotations

from functools import cache
from random import Random

NAMES = 2000

_CONSONANTS = "bdgklmnrstv"
_HARD = "kptrsg"


@cache
def surnames() -> str:
    """2,000 lines `surname,language` under a header, always the same."""
    random = Random("surnames")
    makers = (_arvan, _ilmari, _orvesk, _tolnai, _brakt, _seluan)
    found, seen = ["surname,language"], set()
    while len(found) <= NAMES:
        maker = random.choices(makers, weights=(6, 5, 4, 3, 2, 2))[0]
        name = maker(random).capitalize()
        # A name that is found twice would stand in training and in validation.
        if name not in seen:
            seen.add(name)
            found.append(f"{name},{maker.__name__[1:].capitalize()}")
    return "\n".join(found) + "\n"


def _arvan(random: Random) -> str:
    """Vowel first: a-l, o-r-v; an ending in three names of four."""
    name = "".join(random.choice("aeiou") + random.choice("lrvnm") for _ in range(random.randint(2, 3)))
    return name + random.choice(("an", "an", "en", ""))


def _seluan(random: Random) -> str:
    """The same letters, consonant first."""
    return "".join(random.choice("lrvnm") + random.choice("aeiou") for _ in range(random.randint(2, 4)))


def _ilmari(random: Random) -> str:
    """Vowel harmony: all of them as the first is, a o u or ä ö y, with i and e between."""
    vowels = random.choice(("aou", "äöy"))
    parts = [random.choice(_CONSONANTS) + random.choice(vowels)]
    parts += [random.choice(_CONSONANTS) + random.choice((*vowels, "i", "e")) for _ in range(random.randint(1, 3))]
    return "".join(parts) + random.choice(("nen", "la", "")).replace("a", vowels[0])


def _tolnai(random: Random) -> str:
    """The same syllables without harmony."""
    vowels = ("a", "o", "u", "ä", "ö", "y")
    parts = [random.choice(_CONSONANTS) + random.choice((*vowels, "i", "e")) for _ in range(random.randint(2, 4))]
    return "".join(parts) + random.choice(("nai", "la", ""))


def _orvesk(random: Random) -> str:
    """Syllables that close, and an ending."""
    name = "".join(random.choice(_HARD) + random.choice("aeo") + random.choice("rvsn") for _ in range(2))
    return name + random.choice(("esk", "esk", "ov", ""))


def _brakt(random: Random) -> str:
    """The same, with another ending."""
    name = "".join(random.choice(_HARD) + random.choice("aeo") + random.choice("rvsn") for _ in range(2))
    return name + random.choice(("akt", "akt", "e", ""))

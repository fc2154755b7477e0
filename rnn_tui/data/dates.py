"""Dates as people write them and as ISO 8601 does: pairs whose translation is known."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FIRST = date(1900, 1, 1)
_SPAN = (date(2030, 1, 1) - _FIRST).days
PAIRS = 4000


def dates(count: int = PAIRS, seed: int = 1) -> bytes:
    """`count` lines `3rd of march 1998 TAB 1998-03-03`, no phrase twice, as UTF-8.

    Seven ways of writing a day from 1900 to 2029, all of them in English; the same lines for
    the same seed on every Python.
    """
    random = Random(seed)
    written: dict[str, str] = {}
    while len(written) < count:
        # Of a generator's methods only random() promises the same numbers in every version.
        day = _FIRST + timedelta(days=int(random.random() * _SPAN))
        written.setdefault(_phrase(day, int(random.random() * 7)), day.isoformat())
    return "".join(f"{phrase}\t{iso}\n" for phrase, iso in written.items()).encode()


def _phrase(day: date, way: int) -> str:
    month = _MONTHS[day.month - 1]
    ending = "th" if 11 <= day.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return (
        f"{day.day}{ending} of {month} {day.year}",
        f"the {day.day}{ending} of {month}, {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
        f"{_DAYS[day.weekday()]}, {day.day} {month} {day.year}",
        f"{month[:3]} {day.day}{ending} {day.year}",
        f"{day.day}.{day.month}.{day.year}",
    )[way]

"""What a person typed for a session to read, and how what was read is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_tui.commands.errors import WrongArguments
from rnn_tui.commands.output import say
from rnn_tui.symbols import clean_line, sign

if TYPE_CHECKING:
    from rnn_tui.session import SessionFile
    from rnn_tui.tasks import Passage


def typed(found: SessionFile, text: str, option: str = "--text", fewest: int = 1) -> Passage:
    """A text as the session's task reads it; what is not known is told.

    Raises WrongArguments, also where fewer than `fewest` of its symbols are known.
    """
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    try:
        passage = task.encode(found.coding, text)
    except ValueError as error:
        raise WrongArguments(f"{error}; {option}") from None
    count = len(passage.inputs)
    if count < fewest and fewest > 1:
        raise WrongArguments(
            f"a loss needs two symbols of the vocabulary, this text has {count}; {option}; give a longer one"
        )
    if not count:
        raise WrongArguments(f"none of its symbols is in the vocabulary; {option}; give another text")
    if passage.unknown:
        say(about_unknown(found, passage.unknown, option.removeprefix("--")))
    return passage


def about_unknown(found: SessionFile, count: int, text: str) -> str:
    """That a text has symbols which the session does not know, and what is read in their place."""
    from rnn_tui.data.vocabulary import vocabulary_of

    vocabulary = vocabulary_of(found.coding)
    stands = None if vocabulary.unknown is None else vocabulary.symbols[vocabulary.unknown]
    read = "left out" if stands is None else f"read as {'U+FFFD' if len(stands) == 1 else stands}"
    return f"not in the vocabulary, so {read}: {count:,} of the {text}'s symbols"


def named(symbol: str) -> str:
    """A symbol, a word or an answer in a table."""
    return sign(symbol) if len(symbol) == 1 else clean_line(symbol)

"""`units`: which unit of a trained network does what."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, Failed, WrongArguments, arguments
from rnn_tui.commands.output import Progress, print_json, put, table
from rnn_tui.commands.reading import other_text, own_text
from rnn_tui.commands.typed import named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rnn_tui.inspection.corpus import Stretch
    from rnn_tui.session import SessionFile
    from rnn_tui.views import UnitMatch

SEARCHED = 100_000
MOST_SEARCHED = 1_000_000
SHOWN = 10
EXCERPT = 72
"""Symbols of the text that the best unit is shown on."""


def complete_mark(incomplete: str) -> list[tuple[str, str]]:
    """Names of built-in marks that begin so, for the shell."""
    from rnn_tui.inspection.marks import MARKS

    return [(mark.name, mark.help) for mark in MARKS.values() if mark.name.startswith(incomplete)]


def units(
    ctx: typer.Context,
    name: SessionName,
    match: Annotated[
        str | None, typer.Option("--match", metavar="REGEX", help='Marks what lies in a match, such as \'"[^"]*"\'.')
    ] = None,
    mark: Annotated[
        str | None,
        typer.Option(
            "--mark",
            metavar="NAME",
            help="A built-in mark: quotes, brackets, depth, column, word-start, capital, digit, line-end.",
            autocompletion=complete_mark,
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Another text, read from its start (plain or .gz).")
    ] = None,
    characters: Annotated[
        int | None,
        typer.Option(
            "--characters",
            metavar="N",
            min=2,
            help="Symbols that are searched; default 100,000, of another text all, at most 1,000,000.",
        ),
    ] = None,
    best: Best = False,
    as_json: Json = False,
) -> int:
    """Find a unit: all units of all layers, h and c, by how well they tell marked text from the rest.

    The state after reading symbol t is held against "t lies in a match"; the AUC is the chance
    that a marked symbol has the higher value (sign +) or the lower one (sign -). For depth and
    column: that of two symbols the one with the higher grade has. The end of the training part
    is searched, as one stream from h_0; of sequences its first ones, each read from h_0. A word
    is marked where one of its letters is; of a translation the encoder's units are ranked.
    """
    if (match is None) == (mark is None):
        raise WrongArguments("give either a pattern or a built-in mark; --match REGEX or --mark NAME; not both")
    from rnn_tui.inspection.marks import MarkError, find_mark, marked

    option = "--match" if mark is None else "--mark"
    try:
        what = match if mark is None else find_mark(mark).name
        # A wrong pattern is told before anything is read.
        marked("", pattern=match or "", mark=mark or "")
    except MarkError as error:
        raise WrongArguments(f"{option}: {error}") from None
    found = read_session(folder_of(ctx), name)
    from rnn_tui.inspection.corpus import StateError, flat
    from rnn_tui.inspection.units import rank
    from rnn_tui.tasks import task_of

    if data is not None and not task_of(found.config.data.task).streamed:
        raise WrongArguments(f"its own sequences are searched; --data {data}; leave it out")
    with Progress() as progress:
        try:
            chosen = _text(found, data, characters, progress)
        except StateError as error:
            raise WrongArguments(f"{error}; {name}") from None
        ids, source = chosen.ids, chosen.source
        if len(ids) < 2:
            raise WrongArguments(f"fewer than two known symbols can't be told apart; {source}; choose a longer text")
        text = flat(ids, found.coding.inputs, words=found.coding.symbol == "word", starts=chosen.starts)
        network = frozen_network(found, best, threads=1)
        network = network.encoder if found.coding.decoder else network
        progress.share(0.0, "marking the text")
        try:
            grades = text.by_symbol(marked(text.text, pattern=match or "", mark=mark or ""))
            ranked = rank(network, ids, grades, progress.share, chosen.starts)
        except MarkError as error:
            raise WrongArguments(f"{option}: {error}") from None
        except StateError as error:
            raise Failed(str(error)) from None
    lie_in = int((grades > 0).sum())
    if as_json:
        print_json(
            {
                "units": [
                    {"layer": u.layer, "unit": u.unit, "state": u.state, "auc": u.auc, "sign": u.sign} for u in ranked
                ],
                "characters": len(ids),
                "marked": lie_in,
                "match": what,
                "source": source,
            }
        )
        return DONE
    put(f"{lie_in:,} of {len(ids):,} symbols are marked ({source})\n")
    rows = [(str(u.layer), u.state, str(u.unit), f"{u.auc:.4f}", "+" if u.sign > 0 else "-") for u in ranked[:SHOWN]]
    put(table(("layer", "state", "unit", "AUC", "sign"), rows, right=(0, 2, 3)))
    shown = [found.coding.inputs[int(k)] for k in ids]
    put("\n" + _excerpt(network, ids, shown, grades, ranked[0], chosen.starts))
    return DONE


def _text(found: SessionFile, data: str | None, characters: int | None, progress: Progress) -> Stretch:
    """What is searched. Raises StateError."""
    from rnn_tui.inspection.corpus import Stretch, sequences, stretch
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    if not task.streamed:
        from rnn_tui.data.source import DataError

        try:
            read = task.read(found.config.data, seed=found.config.training.seed, progress=progress.share)
        except DataError as error:
            raise Failed(str(error)) from None
        if read.coding.inputs != found.coding.inputs:
            raise Failed(
                f"the session's symbols are not those of its training data any more; {found.config.data.path}; "
                "put the old data back"
            )
        return sequences(read.train, "train", task.unit, characters or SEARCHED)
    if data is None:
        wanted = characters or SEARCHED
        parts = {"train": own_text(found, "train", progress)[0]}
        if len(parts["train"]) < wanted:
            # Where there is none, the training part is all there is.
            with contextlib.suppress(WrongArguments):
                parts["validation"] = own_text(found, "validation", progress)[0]
        return stretch(parts, wanted)
    with arguments():
        ids, unknown = other_text(data, found.coding, progress)
    if unknown:
        progress.say(f"{unknown:,} symbols are not in the vocabulary, so read as U+FFFD or left out")
    most = characters or MOST_SEARCHED
    if len(ids) > most:
        progress.say(f"the first {most:,} of its {len(ids):,} symbols are searched")
    ids = ids[:most]
    return Stretch(ids, ((data, 0, len(ids)),), counted=data)


def _excerpt(
    network: Any, ids: NDArray[Any], text: list[str], grades: NDArray[Any], unit: UnitMatch,
    starts: NDArray[Any] | None,
) -> str:  # fmt: skip
    """A passage with marked and unmarked symbols, the mark below it, and the unit's values as digits 0 to 9."""
    import numpy as np

    from rnn_tui.inspection.corpus import read_states
    from rnn_tui.symbols import width

    marks = (grades > 0).astype(np.int64)
    sums = np.concatenate(([0], marks.cumsum()))
    length = min(EXCERPT, len(ids))
    inside = sums[length:] - sums[:-length]
    # The first passage that is as near to half marked as any: both sides are then to be seen.
    first = int(np.abs(2 * inside - length).argmin())
    key = (unit.layer, unit.state)
    if starts is not None:
        starts = starts[starts < first + length]
    read = read_states(network, ids[: first + length], [key], starts)
    values = np.concatenate([piece.values[key][:, unit.unit] for piece in read])[first:]
    low, high = float(values.min()), float(values.max())
    digits = np.minimum(9, (values - low) / max(high - low, 1e-12) * 10).astype(int)
    lines = ["", "", ""]
    # Words and labels stand apart.
    plain = all(len(symbol) == 1 for symbol in text[first : first + length])
    for symbol, marked, digit in zip(text[first : first + length], marks[first:], digits, strict=False):
        shown = (named(symbol), "^" if marked else " ", str(digit))
        wide, apart = (width(symbol), "") if plain else (len(shown[0]), " ")
        for k, one in enumerate(shown):
            lines[k] += (one if k == 0 else one + " " * (wide - 1)) + apart
    heads = (f"at {first:,}", "marked", f"{unit.layer} {unit.state} {unit.unit}")
    wide = max(map(len, heads))
    body = "\n".join(f"{head:{wide}}  {line.rstrip()}" for head, line in zip(heads, lines, strict=True))
    return f"{body}\n0 is {low:+.3f}, 9 is {high:+.3f}"

"""`intervene`: hold a unit or a gate at a value, and see what changes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, Failed, WrongArguments
from rnn_tui.commands.output import number, print_json, say, table

if TYPE_CHECKING:
    from rnn_tui.inspection.interventions import Intervention
    from rnn_tui.views import Hold

SHOWN = 5
FORM = "such as layer0.c.17=0.5, layer1.f=1 or layer0.h.3=0@12-20"


def intervene(
    ctx: typer.Context,
    name: SessionName,
    text: Annotated[str, typer.Option("--text", metavar="T", help="What it reads.")],
    hold: Annotated[
        list[str],
        typer.Option(
            "--hold",
            metavar="SPEC",
            help="What is held: layer0.c.17=0.5 a unit, layer1.f=1 a whole gate, layer0.h.3=0@12 at timestep 12 only, "
            "@12-20 through a range, @12- from there on. May be given again.",
        ),
    ],
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="N", min=0, help="Timestep whose next symbol is compared; default the last."),
    ] = None,
    length: Annotated[int, typer.Option("--length", metavar="N", min=0, help="Symbols to write from there.")] = 100,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="Both texts are drawn with this seed.")
    ] = 1,
    best: Best = False,
    as_json: Json = False,
) -> int:
    """Hold units or gates at a value while the network reads a text: what changes.

    Loss over the text, the next symbol after timestep --at, and what it writes from there,
    each without and with what is held. The session is not changed.
    """  # fmt: skip
    if not text:
        raise WrongArguments("there is nothing to read; --text; give at least one symbol")
    holds = tuple(read_hold(spec) for spec in hold)
    found = read_session(folder_of(ctx), name)
    from rnn_tui.data.vocabulary import Vocabulary
    from rnn_tui.model.holding import check

    vocabulary = Vocabulary(found.symbols)
    tokens, unknown = vocabulary.encode(text)
    if not len(tokens):
        raise WrongArguments("none of its symbols is in the vocabulary; --text; give another text")
    if at is not None and at >= len(tokens):
        raise WrongArguments(f"there is no timestep {at}; --at; the text has {len(tokens):,}, counted from 0")
    for spec, one in zip(hold, holds, strict=True):
        try:
            check(found.config.model, (one,))
        except ValueError as error:
            raise WrongArguments(f"{error}; --hold {spec[:60]}") from None
    if unknown:
        say(f"not in the vocabulary: {unknown:,} of the text's symbols")
    network = frozen_network(found, best, threads=1)
    from rnn_tui.inspection.interventions import intervene as hold_and_read
    from rnn_tui.inspection.trace import Traced, state_at

    seen = hold_and_read(network, tokens, holds, at=-1 if at is None else at)

    def written(traced: Traced, holds: tuple[Hold, ...]) -> str:
        from rnn_tui.generation import Writer

        writer = Writer(
            network, None, state=state_at(traced, network, seen.at), holds=holds, first=seen.at + 1, seed=seed,
            candidates=1,
        )  # fmt: skip
        return "".join(found.symbols[drawn.token] for drawn in itertools.islice(writer, length))

    try:
        texts = written(seen.before, ()), written(seen.after, holds)
    except ValueError as error:
        raise Failed(str(error)) from None
    if as_json:
        print_json(_values(seen, found.symbols, texts))
    else:
        print(_readable(seen, found.symbols, texts))
    return DONE


def read_hold(spec: str) -> Hold:
    """`layer0.c.17=0.5@12-20` as a Hold. Raises WrongArguments, naming the part that is wrong."""
    from rnn_tui.views import Hold

    def wrong(what: str) -> WrongArguments:
        return WrongArguments(f"{what}; --hold {spec[:60]}; write it as {FORM}")

    where, equals, rest = spec.partition("=")
    if not equals:
        raise wrong("it has no value: there is no = in it")
    parts = where.strip().split(".")
    if not 2 <= len(parts) <= 3:
        raise wrong(f"{where[:40]!r} does not name a layer, a gate or state, and perhaps a unit")
    layer = _count(parts[0].removeprefix("layer")) if parts[0].startswith("layer") else None
    if layer is None:
        raise wrong(f"{parts[0][:40]!r} is no layer")
    unit = _count(parts[2]) if len(parts) == 3 else -1
    if unit is None:
        raise wrong(f"{parts[2][:40]!r} is no unit")
    amount, timed, when = rest.partition("@")
    try:
        value = float(amount)
    except ValueError:
        raise wrong(f"{amount[:40]!r} is no number") from None
    first, last = 0, -1
    if timed:
        start, dash, end = when.partition("-")
        begin, stop = _count(start), _count(end) if end else -1
        if begin is None or stop is None:
            raise wrong(f"{when[:40]!r} is no timestep and no range of timesteps")
        first, last = begin, stop if dash else begin
    return Hold(layer, parts[1], unit, value, first, last)


def _count(text: str) -> int | None:
    """A whole number of at most nine digits; None of anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _likeliest(p: Any, symbols: tuple[str, ...]) -> list[tuple[str, float]]:
    return [(symbols[k], float(p[k])) for k in (-p).argsort(kind="stable")[:SHOWN]]


def _values(seen: Intervention, symbols: tuple[str, ...], texts: tuple[str, str]) -> dict[str, Any]:
    before, after = (
        [{"symbol": symbol, "p": p} for symbol, p in _likeliest(each, symbols)]
        for each in (seen.p_before, seen.p_after)
    )
    return {
        "holds": [
            {"layer": h.layer, "name": h.name, "unit": h.unit, "value": h.value, "first": h.first, "last": h.last}
            for h in seen.holds
        ],
        "loss_before": seen.loss_before, "loss_after": seen.loss_after, "change": seen.change, "at": seen.at,
        "before": before, "after": after, "kl": seen.kl, "text_before": texts[0], "text_after": texts[1],
    }  # fmt: skip


def _readable(seen: Intervention, symbols: tuple[str, ...], texts: tuple[str, str]) -> str:
    from rnn_tui.symbols import clean, sign

    both = zip(_likeliest(seen.p_before, symbols), _likeliest(seen.p_after, symbols), strict=True)
    rows = [(sign(a), f"{p:.1%}", sign(b), f"{q:.1%}") for (a, p), (b, q) in both]
    lines = [
        *(f"held  {hold}" for hold in seen.holds),
        f"loss  {number(seen.loss_before, '.4f')} without, {number(seen.loss_after, '.4f')} with: "
        f"{number(seen.change, '+.4f')} nats per symbol",
        f"next symbol after t {seen.at}, {number(seen.kl, '.4f')} nats apart:",
        "",
        table(("without", "p", "with", "p"), rows, right=(1, 3)),
    ]
    for title, text in zip(("without", "with"), texts, strict=True):
        if text:
            lines += ["", f"writes, {title}:", clean(text)]
    return "\n".join(lines)

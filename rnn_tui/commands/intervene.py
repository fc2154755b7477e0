"""`intervene`: hold a unit or a gate at a value, and see what changes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, Failed, WrongArguments
from rnn_tui.commands.output import number, print_json, put, table
from rnn_tui.commands.typed import named, typed

if TYPE_CHECKING:
    from rnn_tui.data.coding import Coding
    from rnn_tui.inspection.interventions import Intervention
    from rnn_tui.tasks import Task
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
    from rnn_tui.model.holding import check
    from rnn_tui.tasks import task_of

    task, coding = task_of(found.config.data.task), found.coding
    passage = typed(found, text)
    tokens = passage.inputs
    if at is not None and at >= len(tokens) and task.answers != "decoder":
        raise WrongArguments(f"there is no timestep {at}; --at; the text has {len(tokens):,}, counted from 0")
    for spec, one in zip(hold, holds, strict=True):
        try:
            check(found.config.model, (one,))
        except ValueError as error:
            raise WrongArguments(f"{error}; --hold {spec[:60]}") from None
    network = frozen_network(found, best, threads=1)
    from rnn_tui.inspection.interventions import intervene as hold_and_read
    from rnn_tui.inspection.trace import Traced, state_at

    told: dict[str, Any] = {} if task.streamed else {"targets": passage.targets, "answers": task.answers}
    try:
        seen = hold_and_read(network, tokens, holds, at=-1 if at is None else at, **told)
    except ValueError as error:
        raise WrongArguments(f"{error}; --at") from None

    def written(traced: Traced, holds: tuple[Hold, ...]) -> str:
        if not task.writes:
            return ""
        from rnn_tui.data.vocabulary import vocabulary_of
        from rnn_tui.generation import Writer

        stop: int | None = None
        never: list[int] = []
        if not task.streamed:
            from rnn_tui.data.coding import END
            from rnn_tui.tasks.composing import unwritten

            stop, never = coding.inputs.index(END), unwritten(coding)
        writer = Writer(
            network, None, state=state_at(traced, network, seen.at), holds=holds, first=seen.at + 1, seed=seed,
            candidates=1, stop=stop, never=never,
        )  # fmt: skip
        drawn = [one.token for one in itertools.islice(writer, length)]
        before, decode = [int(tokens[seen.at])], vocabulary_of(coding).decode
        return decode([*before, *(k for k in drawn if k != stop)])[len(decode(before)) :]

    try:
        texts = written(seen.before, ()), written(seen.after, holds)
    except ValueError as error:
        raise Failed(str(error)) from None
    if as_json:
        print_json(_values(seen, coding, task.real, texts))
    else:
        put(_readable(seen, coding, task, texts))
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


def _likeliest(p: Any, coding: Coding, real: bool) -> list[tuple[str, float]]:
    """The likeliest answers and their probabilities; of numbers their names and values in the data's own units."""
    if real:
        from rnn_tui.inspection.trace_view import own_units

        own = own_units(p[None], coding)[0]
        return [(name, float(value)) for name, value in zip(coding.answers[:SHOWN], own, strict=False)]
    return [(coding.answers[k], float(p[k])) for k in (-p).argsort(kind="stable")[:SHOWN]]


def _values(seen: Intervention, coding: Coding, real: bool, texts: tuple[str, str]) -> dict[str, Any]:
    before, after = (
        [{"symbol": symbol, "value" if real else "p": p} for symbol, p in _likeliest(each, coding, real)]
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


def _readable(seen: Intervention, coding: Coding, task: Task, texts: tuple[str, str]) -> str:
    from rnn_tui.symbols import clean

    real = task.real
    both = zip(*(_likeliest(p, coding, real) for p in (seen.p_before, seen.p_after)), strict=True)
    form = ".5g" if real else ".1%"
    rows = [(named(a), format(p, form), named(b), format(q, form)) for (a, p), (b, q) in both]
    what = "next symbol" if task.streamed else "answer"
    apart = "" if real else f", {number(seen.kl, '.4f')} nats apart"
    lines = [
        *(f"held  {hold}" for hold in seen.holds),
        f"loss  {number(seen.loss_before, '.4f')} without, {number(seen.loss_after, '.4f')} with: "
        f"{number(seen.change, '+.4f')}{' squared error' if real else ' nats per symbol'}",
        f"{what} after t {seen.at}{apart}:",
        "",
        table(("without", "value" if real else "p", "with", "value" if real else "p"), rows, right=(1, 3)),
    ]
    for title, text in zip(("without", "with"), texts, strict=True):
        if text:
            lines += ["", f"writes, {title}:", clean(text)]
    return "\n".join(lines)

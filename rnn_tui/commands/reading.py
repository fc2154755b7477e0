"""`eval`, `generate` and `trace`: what a trained network makes of a text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnn_tui.commands.arguments import Best, Json, SessionName, folder_of, frozen_network, read_session
from rnn_tui.commands.errors import DONE, Failed, WrongArguments, arguments
from rnn_tui.commands.output import Progress, number, print_json, put, say, table
from rnn_tui.commands.typed import about_unknown, typed
from rnn_tui.commands.written import Text
from rnn_tui.config import GENERATED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rnn_tui.data.coding import Coding
    from rnn_tui.session import SessionFile

PARTS = ("train", "validation", "test")
PIECE = 1 << 20


def evaluate(
    ctx: typer.Context,
    name: SessionName,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Other data, read whole (plain or .gz).")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="PART", help="train, validation or test; default validation.")
    ] = None,
    breakdown: Annotated[
        bool,
        typer.Option("--breakdown", help="Also the figures taken apart: confusion matrix, accuracy by length, ..."),
    ] = False,
    best: Best = False,
    as_json: Json = False,
) -> int:
    """Score a session on a part of its data, or on other data: the loss and the task's metrics.

    Language: loss in nats, bits, perplexity; N symbols are read as one stream from h_0 and make
    N-1 predictions. Sequences are each read from h_0.
    """
    if data is not None and split is not None:
        raise WrongArguments("other data are read whole; --data --split; leave one of them out")
    if split is not None and split not in PARTS:
        raise WrongArguments(f"{split[:60]!r} is no part of a text; --split; choose one of {', '.join(PARTS)}")
    found = read_session(folder_of(ctx), name)
    from rnn_tui.lab.measures import marks
    from rnn_tui.tasks import task_of

    if not task_of(found.config.data.task).streamed:
        return _evaluate_sequences(found, data, split or "validation", breakdown, best, as_json)
    for mark in marks(found.config):
        say(mark.sentence)
    with Progress() as progress:
        if data is not None:
            with arguments():
                ids, unknown = other_text(data, found.coding, progress)
            where = data
        else:
            where = split or "validation"
            ids, unknown = own_text(found, where, progress)
        if len(ids) < 2:
            raise WrongArguments(f"fewer than two known symbols predict nothing; {where}; choose a longer text or part")
        network = frozen_network(found, best)
        from rnn_tui.tasks.learning.streams import score
        from rnn_tui.views import LN2, perplexity

        loss, tokens = score(network, ids, working=lambda share: progress.share(share, "scoring"))
    values = {
        "loss": loss, "bits": loss / LN2, "perplexity": perplexity(loss), "tokens": tokens, "unknown": unknown,
    }  # fmt: skip
    if as_json:
        print_json(values)
    else:
        for key in ("loss", "bits", "perplexity"):
            put(f"{key:11} {number(values[key], '.4f')}")
        put(f"{'tokens':11} {tokens:,}\n{'unknown':11} {unknown:,}")
    return DONE


def _evaluate_sequences(
    found: SessionFile, path: str | None, part: str, breakdown: bool, best: bool, as_json: bool
) -> int:
    """The task's loss and metrics on a part of its own data, or on all of another file."""
    from rnn_tui.tasks import task_of

    config = found.config
    task = task_of(config.data.task)
    with Progress() as progress:
        data = own_data(found, progress) if path is None else _other_data(found, path, progress)
        part = "train" if path is not None else part
        if not len(getattr(data, part)):
            raise WrongArguments(f"the {part} part is empty; --split {part}; choose another part, or give --data")
        network = frozen_network(found, best)
        scores = task.evaluate(network, data, part, config, working=lambda share: progress.share(share, "scoring"))
        apart = (
            task.breakdown(network, data, part, config, lambda share: progress.share(share, "taking it apart"))
            if breakdown
            else ()
        )
    from rnn_tui.views import perplexity

    values: dict[str, Any] = {"loss": scores.loss}
    if task.writes:
        values["perplexity"] = perplexity(scores.loss)
    values |= {**scores.metrics, "count": scores.count}
    if as_json:
        told = {"breakdown": [
            {"title": b.title, "head": list(b.head), "rows": [row[0] for row in b.rows], "values": b.values.tolist()}
            for b in apart
        ]} if breakdown else {}  # fmt: skip
        print_json(values | told)
    else:
        for key, value in values.items():
            put(f"{key:18} {value:,}" if isinstance(value, int) else f"{key:18} {number(value, '.4f')}")
        for one in apart:
            put(f"\n{one.title}\n{table(one.head, one.rows, right=range(1, len(one.head)))}")
    return DONE


def own_data(found: SessionFile, progress: Progress, instead: str = "name a file with --data") -> Any:
    """The data that a session was trained on. Raises Failed where they are not what they were; what can be done
    without them is `instead`.
    """
    from rnn_tui.data.source import DataError
    from rnn_tui.lab.opening import same_data
    from rnn_tui.tasks import task_of

    config = found.config
    try:
        data = task_of(config.data.task).read(config.data, seed=config.training.seed, progress=progress.share)
    except DataError as error:
        raise Failed(f"{error} (or {instead})") from None
    if not same_data(found, data):
        raise Failed(
            f"these are not the data any more that the session was trained on; {config.data.path}; "
            f"put the old ones back, or {instead}"
        )
    return data


def _other_data(found: SessionFile, path: str, progress: Progress) -> Any:
    """Another file, all of it as training part. Raises WrongArguments."""
    from rnn_tui.config import parse
    from rnn_tui.data.recoding import recoded
    from rnn_tui.tasks import task_of

    config = found.config
    if config.data.task in GENERATED:
        raise WrongArguments(f"this task makes its data itself; --data {path}; leave --data out")
    values = config.data.model_dump() | {
        "path": path, "validation_path": "", "test_path": "", "split": "100/0/0", "vocabulary_size": 0,
        "least_count": 1,
    }  # fmt: skip
    with arguments():
        data = task_of(config.data.task).read(parse({"data": values}).data, progress=progress.share)
        return recoded(data, found.coding)


def own_text(found: SessionFile, part: str, progress: Progress) -> tuple[NDArray[Any], int]:
    """The ids (N) of a part of the text that a session was trained on, and how many are U+FFFD.

    Raises Failed where the text is not what it was.
    """
    from rnn_tui.data.text import DataError, read_corpus

    try:
        corpus = read_corpus(found.config.data, progress.share)
    except DataError as error:
        raise Failed(f"{error} (or name a text with --data)") from None
    kept = found.resolved.get("corpus_sha256", corpus.sha256)
    if corpus.symbols != found.symbols or corpus.sha256 != kept:
        raise Failed(
            f"this is not the text any more that the session was trained on; {found.config.data.path}; "
            "put the old one back, or name a text with --data"
        )
    ids = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}[part]
    if len(ids) < 2:
        raise WrongArguments(
            f"the {part} part is empty: the split is {found.config.data.split}; --split {part}; "
            "choose another part, or name a text with --data"
        )
    return ids, _replaced(ids, found.symbols)


def _replaced(ids: NDArray[Any], symbols: tuple[str, ...]) -> int:
    """How many of the ids stand for what the vocabulary lacks."""
    import numpy as np

    from rnn_tui.data.coding import UNKNOWN
    from rnn_tui.symbols import REPLACEMENT

    unknown = [symbol for symbol in (REPLACEMENT, UNKNOWN) if symbol in symbols]
    if not unknown:
        return 0
    at = symbols.index(unknown[0])
    return sum(int(np.count_nonzero(ids[k : k + PIECE] == at)) for k in range(0, len(ids), PIECE))


def other_text(path: str, coding: Coding, progress: Progress) -> tuple[NDArray[Any], int]:
    """A whole text as ids (N) of a session's vocabulary, mapped from disk, and how many are not in it.

    Words that it lacks are read as <unk>; characters as U+FFFD where the vocabulary has it, and
    left out where it has not. Raises DataError.
    """
    import numpy as np

    from rnn_tui.data.builtin import builtin_source
    from rnn_tui.data.catalog import resolved
    from rnn_tui.data.encoding import encode
    from rnn_tui.data.source import FileSource, Watch

    symbols = coding.inputs
    source = builtin_source(path) if path.startswith("builtin:") else FileSource(resolved(path), "--data")
    if coding.symbol == "word":
        from rnn_tui.data.words import cut_words, numbered

        try:
            words = numbered(cut_words(source, Watch(progress.share, lambda: False)), symbols)
        finally:
            source.close()
        return words.ids, words.merged
    try:
        # Encoding needs ascending symbols; those of weights from elsewhere may stand in another order.
        text = encode(source, Watch(progress.share, lambda: False), symbols="".join(sorted(symbols)))
    finally:
        source.close()
    if text.symbols == "".join(symbols):
        return text.ids, _replaced(text.ids, symbols)
    places = {symbol: k for k, symbol in enumerate(symbols)}
    # The encoding may have U+FFFD in addition: it is left out.
    numbers = np.array([places.get(symbol, -1) for symbol in text.symbols])
    kind = np.min_scalar_type(len(symbols) - 1)
    with tempfile.TemporaryFile() as file:
        kept = 0
        for k in range(0, len(text.ids), PIECE):
            piece = numbers[text.ids[k : k + PIECE]]
            piece = piece[piece >= 0].astype(kind)
            file.write(np.ascontiguousarray(piece).data)
            kept += len(piece)
        file.flush()
        ids: NDArray[Any] = np.memmap(file, kind, "r", shape=(kept,)) if kept else np.zeros(0, kind)
    return ids, len(text.ids) - kept + _replaced(ids, symbols)


def generate(
    ctx: typer.Context,
    name: SessionName,
    prompt: Annotated[str, typer.Option("--prompt", metavar="T", help="What it goes on from.")] = "",
    label: Annotated[
        str, typer.Option("--label", metavar="L", help="Of a session that composes: the label it writes for.")
    ] = "",
    length: Annotated[int, typer.Option("--length", metavar="N", min=0, help="Symbols to write.")] = 300,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="X", help="Divides the logits; 0 takes the likeliest, always.")
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option("--top-k", metavar="K", help="Draw from the K likeliest symbols only; 0: from all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option("--top-p", metavar="P", help="Draw from the likeliest symbols that together reach P."),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="The same seed writes the same text.")
    ] = 1,
    best: Best = False,
) -> int:
    """Write: the prompt, exactly N symbols after it (characters, or words), a newline.

    A session that composes writes a sequence for a --label, and stops by itself where it ends.
    """
    found = read_session(folder_of(ctx), name)
    from rnn_tui.data.vocabulary import vocabulary_of
    from rnn_tui.tasks import task_of

    task, coding = task_of(found.config.data.task), found.coding
    if not task.writes:
        raise WrongArguments(
            f"a session of {task.name} answers and does not write; {name}; use rnn-lab answer {name} --text T"
        )
    if found.config.model.bidirectional:
        raise WrongArguments(
            f"a bidirectional network can't write, for it reads from the end too; {name}; "
            "train one without model.bidirectional"
        )
    if label and task.streamed:
        raise WrongArguments(f"a session of {task.name} has no labels; --label; leave it out")
    stop: int | None = None
    never: list[int] = []
    if task.streamed:
        tokens, unknown = vocabulary_of(coding).encode(prompt)
    else:
        from rnn_tui.data.coding import END
        from rnn_tui.tasks.composing import opening, unwritten

        stop, never = coding.inputs.index(END), unwritten(coding)
        try:
            tokens, unknown = opening(coding, label, prompt)
        except ValueError as error:
            raise WrongArguments(f"{error}; --label") from None
    network = frozen_network(found, best, threads=1)
    from rnn_tui.generation import Writer, check, start_symbol

    try:
        check(temperature, top_k, top_p)
    except ValueError as error:
        raise WrongArguments(str(error)) from None
    if unknown:
        say(about_unknown(found, unknown, "prompt"))
    out = Text()
    out.write(prompt)
    decode = vocabulary_of(coding).decode
    before = [int(tokens[-1])] if task.streamed and len(tokens) else []
    try:
        writer = Writer(
            network, tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed,
            start=start_symbol(coding.inputs), candidates=1, stop=stop, never=never,
        )  # fmt: skip
        for _ in range(length):
            token = next(writer).token
            if token == stop:
                break
            # A word stands apart, or not, by the one before.
            out.write(decode([*before, token])[len(decode(before)) :])
            before = [token]
    except ValueError as error:
        raise Failed(str(error)) from None
    out.write("\n")
    out.flush()
    return DONE


def trace(
    ctx: typer.Context,
    name: SessionName,
    text: Annotated[str, typer.Option("--text", metavar="T", help="What it reads.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.npz", help="Write the arrays to a NumPy file.")
    ] = None,
    best: Best = False,
    as_json: Json = False,
) -> int:
    """Every state and gate while the network reads a text.

    tokens (T), logits (T, V; after reading t), loss (T; loss[t] = -ln p(token t+1), the last
    NaN), layer0.h (T, H), layer0.c, layer0.i f g o (LSTM) or layer0.r z n (GRU), and so on.
    Of other tasks loss[t] is the cost of the right answer at t, where one is known. Numbers
    that are read are values (T, F), numbers answered predictions (T, K). Both directions:
    layer0.backward.h. A translation (the text may be source, tab, target): encoder.layer0.h,
    decoder.layer0.h, written (U) what the decoder reads, and attention (U, T).
    """
    if not text:
        raise WrongArguments("there is nothing to read; --text; give at least one symbol")
    found = read_session(folder_of(ctx), name)
    passage = typed(found, text)
    network = frozen_network(found, best, threads=1)
    from rnn_tui.commands.traced import arrays_of, readable
    from rnn_tui.inspection.trace import trace as trace_text
    from rnn_tui.tasks import task_of

    task = task_of(found.config.data.task)
    answers = None if task.streamed else task.answers
    traced = trace_text(network, passage.inputs, targets=passage.targets, answers=answers)
    arrays = arrays_of(traced, found.coding, task.real)
    if out is not None:
        write_npz(out, arrays)
        say(f"{len(traced.tokens):,} timesteps written to {out}")
    if as_json:
        print_json({key: values.tolist() for key, values in arrays.items()})
    elif out is None:
        put(readable(traced, found.coding, passage, task))
    return DONE


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a file so that at every instant a whole one, or none, has its name. Raises OSError."""
    import numpy as np

    if path.is_dir():
        raise WrongArguments(f"this is a folder, not a file; --out {path}; name a file in it")
    if not path.parent.is_dir():
        raise WrongArguments(f"there is no folder {path.parent}; --out {path}; make it, or name another place")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # mkstemp's files are for the owner alone; this one is to be like any other.
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(descriptor, 0o666 & ~umask)
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
